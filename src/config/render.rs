//! Complaints for people: the line concerned with a marker under it, in the manner of rustc.
//!
//! ```text
//! error[unknown-keyword]: `priorty` is no keyword of `vrrp_instance`
//!  --> directord.conf:7:5
//!   |
//! 7 |     priorty 100
//!   |     ^^^^^^^
//!   = help: did you mean `priority`?
//! ```

use std::fmt::Write;
use std::path::Path;

use super::complaint::{Code, Complaint, Severity};
use super::origin::Step;
use super::source::{FileId, Sources};
use super::syntax::toml;

/// Longer lines are shown in part, around the marker.
const MAX_WIDTH: usize = 120;

/// Whether the text may hold ANSI colours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Colour {
    /// Plain text.
    Never,
    /// For a terminal.
    Always,
}

impl Colour {
    /// Colour where `stream` is a terminal and its reader has not declined it (<https://no-color.org>).
    pub fn for_terminal(stream: &impl std::io::IsTerminal) -> Colour {
        let declined = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        if stream.is_terminal() && !declined { Colour::Always } else { Colour::Never }
    }
}

/// All complaints in full, each followed by an empty line, and a last line that counts them; a refusal ends with what
/// keepalived makes of the file, and the ways on. Nothing at all if there are no complaints.
pub fn render(complaints: &[Complaint], sources: &Sources, colour: Colour) -> String {
    let mut out = render_foreign(complaints, sources, colour);
    if !complaints.is_empty() {
        out.push_str(&ways_on(complaints, sources.name(FileId(0))));
    }
    out
}

/// The same for the file of another program, of which keepalived makes nothing.
pub fn render_foreign(complaints: &[Complaint], sources: &Sources, colour: Colour) -> String {
    let mut out = String::new();
    // What follows from one mistake is shown once, wherever it is told of many lines.
    let elsewhere = |complaint: &&Complaint| complaint.code == Code::ReadElsewhere;
    let mut followers = complaints.iter().filter(elsewhere);
    let first = followers.next();
    for complaint in complaints.iter().filter(|complaint| !elsewhere(complaint)) {
        one(complaint, sources, colour, &mut out);
        out.push('\n');
    }
    if let Some(first) = first {
        let mut shown = first.clone();
        if let Some(last) = followers.clone().next_back() {
            let more = followers.count();
            shown.message += &format!(" (and {more} more lines, up to line {} of {})", last.line, last.file);
        }
        one(&shown, sources, colour, &mut out);
        out.push('\n');
    }
    if !complaints.is_empty() {
        out.push_str(&summary(complaints));
        out.push('\n');
    }
    out
}

/// What keepalived would have done with a file that is refused, and what can be done about it; empty for others.
fn ways_on(complaints: &[Complaint], file: &str) -> String {
    let errors = || complaints.iter().filter(|complaint| complaint.severity == Severity::Error);
    let fatal = errors().filter(|complaint| complaint.keepalived.is_none()).count();
    if errors().next().is_none() || toml::is_one(Path::new(file)) {
        return String::new();
    }
    if fatal > 0 {
        return "keepalived would not start with this file either.\n".to_owned();
    }
    format!(
        "keepalived would start with this file, and do what the notes above say.\n\
         To do the same, add `--compat`; or have the file written that says what keepalived makes of it:\n    \
         directord import keepalived {file}\n"
    )
}

/// `2 errors, 1 warning`; kinds that do not occur are left out.
pub fn summary(complaints: &[Complaint]) -> String {
    let part = |severity: Severity| {
        let count = complaints.iter().filter(|complaint| complaint.severity == severity).count();
        let plural = if count == 1 { "" } else { "s" };
        (count > 0).then(|| format!("{count} {severity}{plural}"))
    };
    let parts: Vec<_> =
        [Severity::Error, Severity::Warning, Severity::Hint].into_iter().filter_map(part).collect();
    if parts.is_empty() { "no complaints".to_owned() } else { parts.join(", ") }
}

fn one(complaint: &Complaint, sources: &Sources, colour: Colour, out: &mut String) {
    let Complaint { severity, code, file, line, column, message, .. } = complaint;
    let paint = Paint { colour, severity: *severity };
    let number = line.to_string();
    let margin = " ".repeat(number.len());
    let bar = paint.frame("|");
    // Writing into a String cannot fail.
    let _ = writeln!(
        out,
        "{}{}",
        paint.loud(&format!("{severity}[{code}]")),
        paint.bold(&format!(": {}", clean(message)))
    );
    let _ = writeln!(out, "{margin}{} {file}:{line}:{column}", paint.frame("-->"));
    let text = sources.line(file, *line);
    if !text.is_empty() {
        let (shown, before, marked) = excerpt(text, *column, complaint.length);
        let marker = paint.loud(&"^".repeat(marked));
        let _ = writeln!(out, "{margin} {bar}");
        let _ = writeln!(out, "{} {bar} {shown}", paint.frame(&number));
        let _ = writeln!(out, "{margin} {bar} {}{marker}", " ".repeat(before));
    }
    let equals = paint.frame("=");
    for Step { what, file, line } in &complaint.trail {
        let _ = writeln!(out, "{margin} {equals} note: {} {file}:{line}", clean(what));
    }
    if let Some(suggestion) = &complaint.suggestion {
        let _ = writeln!(out, "{margin} {equals} help: {}", clean(suggestion));
    }
    if let Some(effect) = &complaint.keepalived {
        let how = if *severity == Severity::Error { "keepalived goes on" } else { "as with keepalived" };
        let _ = writeln!(out, "{margin} {equals} note: {how}: {}", clean(effect));
    }
}

/// The part of the line that is shown, the columns before the marker, and the marker's width. Tabs are shown as
/// four blanks, control characters as one sign, and wide characters count twice, so that the marker fits.
fn excerpt(text: &str, column: u32, length: u32) -> (String, usize, usize) {
    let column = usize::try_from(column.saturating_sub(1)).unwrap_or(usize::MAX);
    let length = usize::try_from(length).unwrap_or(usize::MAX);
    // A long line is shown from a little before the marker on.
    let skip = if column > MAX_WIDTH / 2 && text.len() > MAX_WIDTH { column - MAX_WIDTH / 4 } else { 0 };
    let (mut shown, mut before, mut marked) = (String::new(), 0, 0);
    if skip > 0 {
        shown.push('…');
        before = 1;
    }
    let mut total = before;
    for (index, c) in text.chars().enumerate().skip(skip) {
        let width = show(c, &mut shown);
        total += width;
        if index < column {
            before += width;
        } else if index - column < length {
            marked += width;
        }
        if total >= MAX_WIDTH {
            shown.push('…');
            break;
        }
    }
    (shown.trim_end().to_owned(), before, marked.max(1))
}

/// Appends a character as it is shown and tells how many columns that takes.
fn show(c: char, out: &mut String) -> usize {
    match c {
        '\t' => {
            out.push_str("    ");
            4
        }
        '\0'..='\x1f' | '\x7f'..='\u{9f}' => {
            out.push(char::REPLACEMENT_CHARACTER);
            1
        }
        c => {
            out.push(c);
            width(c)
        }
    }
}

/// Columns of a character on a terminal: the blocks of East Asian and pictographic characters take two, combining
/// marks none. Rare characters may be misjudged; then the marker is off by one.
fn width(c: char) -> usize {
    match u32::from(c) {
        0x0300..=0x036f | 0x200b..=0x200f | 0x20d0..=0x20ff | 0xfe00..=0xfe0f => 0,
        0x1100..=0x115f
        | 0x2e80..=0x303e
        | 0x3041..=0xa4cf
        | 0xac00..=0xd7a3
        | 0xf900..=0xfaff
        | 0xfe30..=0xfe6f
        | 0xff00..=0xff60
        | 0xffe0..=0xffe6
        | 0x1f300..=0x1faff
        | 0x20000..=0x3fffd => 2,
        _ => 1,
    }
}

/// Text from a file may hold control characters; a terminal should not obey them.
fn clean(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { char::REPLACEMENT_CHARACTER } else { c }).collect()
}

struct Paint {
    colour: Colour,
    severity: Severity,
}

impl Paint {
    fn loud(&self, text: &str) -> String {
        self.paint(
            match self.severity {
                Severity::Error => "1;31",
                Severity::Warning => "1;33",
                Severity::Hint => "1;36",
            },
            text,
        )
    }

    fn bold(&self, text: &str) -> String {
        self.paint("1", text)
    }

    fn frame(&self, text: &str) -> String {
        self.paint("1;34", text)
    }

    fn paint(&self, code: &str, text: &str) -> String {
        match self.colour {
            Colour::Never => text.to_owned(),
            Colour::Always => format!("\x1b[{code}m{text}\x1b[0m"),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::config::complaint::Code;

    fn complaint(line: u32, column: u32, length: u32) -> Complaint {
        Complaint {
            severity: Severity::Error,
            code: Code::UnknownKeyword,
            file: "a.conf".to_owned(),
            line,
            column,
            length,
            message: "`priorty` is no keyword".to_owned(),
            suggestion: Some("did you mean `priority`?".to_owned()),
            keepalived: Some("the line is ignored".to_owned()),
            trail: Vec::new(),
        }
    }

    fn sources(text: &str) -> Sources {
        let mut sources = Sources::default();
        sources.add(Path::new("a.conf"), text.to_owned(), None);
        sources
    }

    #[test]
    fn a_complaint_shows_its_line() {
        let text = render(&[complaint(2, 3, 7)], &sources("x {\n  priorty 100\n}\n"), Colour::Never);
        let expected = "\
error[unknown-keyword]: `priorty` is no keyword
 --> a.conf:2:3
  |
2 |   priorty 100
  |   ^^^^^^^
  = help: did you mean `priority`?
  = note: keepalived goes on: the line is ignored

1 error
keepalived would start with this file, and do what the notes above say.
To do the same, add `--compat`; or have the file written that says what keepalived makes of it:
    directord import keepalived a.conf
";
        assert_eq!(text, expected);
    }

    #[test]
    fn nobody_is_sent_to_keepalived_with_what_it_refuses_too() {
        let fatal = Complaint { keepalived: None, ..complaint(2, 3, 7) };
        let text = render(&[complaint(2, 3, 7), fatal], &sources("x\ny\n"), Colour::Never);
        assert!(text.ends_with("2 errors\nkeepalived would not start with this file either.\n"), "{text}");
    }

    #[test]
    fn tabs_and_wide_characters_keep_the_marker_in_place() {
        let text = render(&[complaint(1, 6, 1)], &sources("\t服\ta\u{301}b"), Colour::Never);
        let marker = " ".repeat(4 + 2 + 4 + 1);
        assert!(text.contains(&format!("1 |     服    a\u{301}b\n  | {marker}^\n")), "{text}");
    }

    #[test]
    fn a_complaint_beyond_the_end_of_the_line_is_still_shown() {
        let text = render(&[complaint(1, 9, 5)], &sources("abc"), Colour::Never);
        assert!(text.contains("1 | abc\n  |    ^\n"), "{text}");
        let text = render(&[complaint(9, 9, 5)], &sources("abc"), Colour::Never);
        assert!(text.contains(" --> a.conf:9:9\n  = help"), "{text}");
    }

    #[test]
    fn a_long_line_is_shown_in_part() {
        let line = format!("{}HERE{}", "x".repeat(5_000), "y".repeat(5_000));
        let text = render(&[complaint(1, 5_001, 4)], &sources(&line), Colour::Never);
        let mut lines = text.lines().skip_while(|line| !line.starts_with("1 |"));
        let (shown, marker) = (lines.next().unwrap(), lines.next().unwrap());
        assert!(shown.chars().count() < 130, "{shown}");
        let at = |line: &str, c: char| line.chars().position(|found| found == c);
        assert_eq!(at(shown, 'H'), at(marker, '^'), "{text}");
    }

    #[test]
    fn the_way_to_an_expanded_text_is_shown() {
        let mut complaint = complaint(1, 1, 7);
        let what = "in the expansion of `$VI` at".to_owned();
        complaint.trail.push(Step { what, file: "main.conf".to_owned(), line: 2 });
        let text = render(&[complaint], &sources("priorty"), Colour::Never);
        assert!(text.contains("  = note: in the expansion of `$VI` at main.conf:2\n"), "{text}");
    }

    #[test]
    fn colours_only_on_request_and_control_characters_never() {
        let mut complaint = complaint(1, 1, 1);
        complaint.message = "\x1b[2J".to_owned();
        let plain = render(&[complaint.clone()], &sources("\x1b[2J"), Colour::Never);
        assert!(!plain.contains('\x1b'), "{plain}");
        let coloured = render(&[complaint], &sources("x"), Colour::Always);
        assert!(coloured.contains("\x1b[1;31merror[unknown-keyword]\x1b[0m"), "{coloured}");
    }

    #[test]
    fn complaints_are_counted() {
        let mut list = vec![complaint(1, 1, 1), complaint(2, 1, 1)];
        list[1].severity = Severity::Warning;
        assert_eq!(summary(&list), "1 error, 1 warning");
        assert_eq!(summary(&[]), "no complaints");
    }
}
