//! What answers are written on: as wide as the terminal, coloured where one reads it.

use std::fmt::Write;

/// Narrower terminals get lines of this many columns all the same.
const NARROWEST: usize = 40;
/// How far in the further lines of a paragraph stand.
const HANGING: usize = 4;

/// A page that grows downwards.
#[derive(Debug)]
pub struct Page {
    text: String,
    look: Look,
}

/// How a page looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Look {
    /// Columns; `None`: as many as there is to say.
    pub width: Option<usize>,
    /// Whether to colour.
    pub colour: bool,
}

/// What becomes of a last column that is too long, and the width that it has at least.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Last {
    /// Its end is left out.
    Cut(usize),
    /// It goes on in further lines.
    Wrapped(usize),
}

/// What a piece of text is to the reader.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Tone {
    Plain,
    /// As it should be.
    Good,
    /// Somebody should look at it.
    Bad,
    /// Not known, or not as usual.
    Doubtful,
    /// What holds a table together.
    Dim,
    /// What the following is about.
    Head,
}

impl Tone {
    /// The tone of a word that names a state.
    pub(super) fn of(word: &str) -> Self {
        match word {
            "up" | "MASTER" | "passed" => Self::Good,
            "down" | "FAULT" | "fault" | "failed" => Self::Bad,
            "unknown" | "rests" => Self::Doubtful,
            _ => Self::Plain,
        }
    }

    fn code(self) -> Option<&'static str> {
        match self {
            Self::Plain => None,
            Self::Good => Some("32"),
            Self::Bad => Some("31"),
            Self::Doubtful => Some("33"),
            Self::Dim => Some("2"),
            Self::Head => Some("1"),
        }
    }
}

impl Page {
    pub(super) fn new(look: Look) -> Self {
        Page { text: String::new(), look }
    }

    pub(super) fn finish(self) -> String {
        self.text
    }

    pub(super) fn is_empty(&self) -> bool {
        self.text.is_empty()
    }

    fn width(&self) -> usize {
        self.look.width.map_or(usize::MAX, |width| width.max(NARROWEST))
    }

    pub(super) fn gap(&mut self) {
        if !self.text.is_empty() {
            self.text.push('\n');
        }
    }

    /// A paragraph, its lines broken between words and indented.
    pub(super) fn say(&mut self, indent: usize, tone: Tone, words: &str) {
        for line in wrapped(words, self.width().saturating_sub(indent)) {
            self.line(indent, tone, &line);
        }
    }

    /// A paragraph that is known by its beginning: what does not fit into its first line stands further in. What fits
    /// stays as it is.
    pub(super) fn tell(&mut self, tone: Tone, words: &str) {
        if words.chars().count() <= self.width() {
            return self.line(0, tone, words);
        }
        let mut lines = wrapped(words, self.width().saturating_sub(HANGING)).into_iter();
        self.line(0, tone, &lines.next().unwrap_or_default());
        for line in lines {
            self.line(HANGING, tone, &line);
        }
    }

    /// A heading and what is to be said to it: beside it if there is room for everything, else each on lines of its own.
    pub(super) fn headed(&mut self, heading: &str, rest: &[(Tone, String)]) {
        let beside: usize = rest.iter().map(|(_, words)| words.chars().count() + 2).sum();
        if heading.chars().count().saturating_add(beside) <= self.width() {
            let rest = rest.iter().map(|(tone, words)| self.painted(*tone, &format!(", {words}")));
            let line = format!("{heading}{}", rest.collect::<String>());
            return self.line(0, Tone::Plain, &line);
        }
        self.tell(Tone::Plain, heading);
        for (tone, words) in rest {
            self.say(HANGING, *tone, words);
        }
    }

    fn line(&mut self, indent: usize, tone: Tone, line: &str) {
        // Writing into a String cannot fail.
        let _ = writeln!(self.text, "{:indent$}{}", "", self.painted(tone, line));
    }

    fn painted(&self, tone: Tone, text: &str) -> String {
        match tone.code().filter(|_| self.look.colour) {
            Some(code) => format!("\x1b[{code}m{text}\x1b[0m"),
            None => text.to_owned(),
        }
    }

    /// Rows in columns as wide as their widest cell; the last one has the room that is left. Columns that may be missed
    /// give way, the last of `dispensable` first, until the last column has enough. If it has not even then, it stands below
    /// the others.
    pub(super) fn table(
        &mut self,
        indent: usize,
        head: &[&str],
        mut rows: Vec<Vec<String>>,
        dispensable: &[&str],
        last: Last,
    ) {
        let least = match last {
            Last::Cut(least) | Last::Wrapped(least) => least,
        };
        let mut head = head.to_vec();
        let mut widths = widths(&head, &rows);
        for name in dispensable.iter().rev() {
            if self.left_for_last(indent, &widths) >= least {
                break;
            }
            if let Some(column) = head.iter().position(|column| column == name) {
                head.remove(column);
                rows.iter_mut().for_each(|row| drop(row.remove(column)));
                widths.remove(column);
            }
        }
        let room = self.left_for_last(indent, &widths);
        if room < least && head.len() > 1 {
            return self.stack(indent, &head, rows, &widths);
        }
        let titles: Vec<String> = head.iter().map(|title| (*title).to_owned()).collect();
        self.row(indent, &titles, &widths, room, |_| Tone::Dim);
        for row in &mut rows {
            let lines = match (last, row.last()) {
                (Last::Wrapped(_), Some(cell)) if cell.chars().count() > room => wrapped(cell, room),
                _ => Vec::new(),
            };
            let (first, rest) = match lines.split_first() {
                Some((first, rest)) => (Some(first.clone()), rest.to_vec()),
                None => (None, Vec::new()),
            };
            if let (Some(first), Some(cell)) = (first, row.last_mut()) {
                *cell = first;
            }
            self.row(indent, row, &widths, room, Tone::of);
            let before = widths.iter().rev().skip(1).map(|width| width + 2).sum::<usize>();
            for line in &rest {
                self.line(indent + before, Tone::Plain, line);
            }
        }
    }

    /// The same where the last column stands below the others, and with it all that do not fit beside one another.
    fn stack(&mut self, indent: usize, head: &[&str], rows: Vec<Vec<String>>, widths: &[usize]) {
        let fits = |count: &usize| {
            let used: usize = widths.iter().take(*count).map(|width| width + 2).sum();
            used <= self.width().saturating_sub(indent) + 2
        };
        let others = (1..widths.len()).rev().find(fits).unwrap_or(1);
        let below_titles: Vec<String> =
            head.iter().skip(others).map(|title| title.trim().to_lowercase()).collect();
        let widths = widths.get(..others).unwrap_or_default();
        let titles: Vec<String> = head.iter().take(others).map(|title| (*title).to_owned()).collect();
        self.row(indent, &titles, widths, usize::MAX, |_| Tone::Dim);
        for mut row in rows {
            let below = row.split_off(others.min(row.len()));
            self.row(indent, &row, widths, usize::MAX, Tone::of);
            for (title, cell) in
                below_titles.iter().zip(&below).filter(|(_, cell)| !matches!(cell.as_str(), "" | "-"))
            {
                self.say(indent + 4, Tone::Plain, &format!("{title}: {cell}"));
            }
        }
    }

    fn left_for_last(&self, indent: usize, widths: &[usize]) -> usize {
        let others = widths.split_last().map_or(0, |(_, others)| others.iter().map(|width| width + 2).sum());
        self.width().saturating_sub(indent + others)
    }

    fn row(
        &mut self,
        indent: usize,
        cells: &[String],
        widths: &[usize],
        last: usize,
        tone: impl Fn(&str) -> Tone,
    ) {
        let mut line = String::new();
        for (column, (cell, width)) in cells.iter().zip(widths).enumerate() {
            let is_last = column + 1 == widths.len();
            let padded = if is_last { cut(cell, last) } else { format!("{cell:width$}  ") };
            line.push_str(&self.painted(tone(cell), &padded));
        }
        let _ = writeln!(self.text, "{:indent$}{}", "", line.trim_end());
    }
}

fn widths(head: &[&str], rows: &[Vec<String>]) -> Vec<usize> {
    let width = |column: usize| {
        let cells = rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count());
        cells.chain(head.get(column).map(|title| title.chars().count())).max().unwrap_or(0)
    };
    (0..head.len()).map(width).collect()
}

/// A text in lines that are broken between words; a word that is longer than a line has one of its own.
fn wrapped(words: &str, room: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in words.split_whitespace() {
        let Some(line) = lines.last_mut() else { break };
        let needed = line.chars().count() + 1 + word.chars().count();
        if line.is_empty() {
            line.push_str(word);
        } else if needed > room {
            lines.push(word.to_owned());
        } else {
            line.push(' ');
            line.push_str(word);
        }
    }
    lines
}

/// The beginning of a text, with a mark where something is missing.
fn cut(text: &str, width: usize) -> String {
    if text.chars().count() <= width {
        return text.to_owned();
    }
    text.chars().take(width.saturating_sub(1)).chain(['…']).collect()
}

/// A length of time for people: `12s`, `3m05s`, `2h10m`, `4d02h`.
pub(super) fn duration(seconds: f64) -> String {
    let seconds = seconds.max(0.0) as u64;
    match seconds {
        0..60 => format!("{seconds}s"),
        60..3600 => format!("{}m{:02}s", seconds / 60, seconds % 60),
        3600..86_400 => format!("{}h{:02}m", seconds / 3600, seconds / 60 % 60),
        _ => format!("{}d{:02}h", seconds / 86_400, seconds / 3600 % 24),
    }
}

/// The same where tenths matter: `0.8s`.
pub(super) fn short(seconds: f64) -> String {
    if seconds < 10.0 { format!("{:.1}s", seconds.max(0.0)) } else { duration(seconds) }
}

/// Milliseconds for people, with as many digits as say something: `0.25`, `3.1`, `120`.
pub(super) fn milliseconds(time: f64) -> String {
    match time {
        ..1.0 => format!("{time:.2}"),
        1.0..100.0 => format!("{time:.1}"),
        _ => format!("{time:.0}"),
    }
}

/// The time of day in UTC, as the log has it: `02:14:07Z`.
pub(super) fn clock(milliseconds_since_1970: u64) -> String {
    let seconds = milliseconds_since_1970 / 1000 % 86_400;
    format!("{:02}:{:02}:{:02}Z", seconds / 3600, seconds / 60 % 60, seconds % 60)
}

/// The same with milliseconds: `02:14:07.412Z`.
pub(super) fn precise_clock(milliseconds_since_1970: u64) -> String {
    let clock = clock(milliseconds_since_1970);
    format!("{}.{:03}Z", clock.trim_end_matches('Z'), milliseconds_since_1970 % 1000)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cells(words: &[&str]) -> Vec<String> {
        words.iter().map(|word| (*word).to_owned()).collect()
    }

    #[test]
    fn paragraphs_and_tables_keep_within_the_terminal() {
        for width in 0..120 {
            let mut page = Page::new(Look { width: Some(width), colour: false });
            page.say(
                4,
                Tone::Plain,
                "a few words that are longer than a line of a terminal that is narrow, in fact",
            );
            let rows =
                vec![cells(&["10.0.0.2:80", "up", "3h02m", "a reason that has many words in it, for once"])];
            page.table(
                2,
                &["SERVER", "STATE", "FOR", "WHY"],
                rows,
                &["FOR"],
                if width % 2 == 0 { Last::Cut(12) } else { Last::Wrapped(12) },
            );
            let text = page.finish();
            let longest = text.lines().map(|line| line.chars().count()).max();
            assert!(longest <= Some(width.max(NARROWEST)), "{width}: {text}");
            assert!(text.contains("10.0.0.2:80"), "{text}");
        }
    }

    #[test]
    fn headings_and_long_lines_are_broken_between_words() {
        let page = |width| {
            let mut page = Page::new(Look { width, colour: false });
            page.tell(Tone::Bad, "IPVS table:  the kernel refuses one of our services, and says so");
            let rest = [(Tone::Bad, "no usable server: 10.0.9.9:80 stands in".to_owned())];
            page.headed("virtual_server tcp:10.0.0.100:80 wlc", &rest);
            page.finish()
        };
        let whole = "IPVS table:  the kernel refuses one of our services, and says so\n\
                     virtual_server tcp:10.0.0.100:80 wlc, no usable server: 10.0.9.9:80 stands in\n";
        assert_eq!(page(None), whole);
        assert_eq!(page(Some(77)), whole);
        let narrow = "IPVS table: the kernel refuses one of\n    our services, and says so\n\
                      virtual_server tcp:10.0.0.100:80 wlc\n    no usable server: 10.0.9.9:80 stands in\n";
        assert_eq!(page(Some(43)), narrow);
    }

    #[test]
    fn columns_that_may_be_missed_give_way() {
        let table = |width| {
            let mut page = Page::new(Look { width, colour: false });
            let rows = vec![cells(&["10.0.0.2:80", "up", "0.1/0.2/0.3", "connection refused"])];
            page.table(
                0,
                &["SERVER", "STATE", "LATENCY", "LAST"],
                rows,
                &["STATE", "LATENCY"],
                Last::Cut(18),
            );
            page.finish()
        };
        let all =
            "SERVER       STATE  LATENCY      LAST\n10.0.0.2:80  up     0.1/0.2/0.3  connection refused\n";
        assert_eq!(table(None), all);
        assert_eq!(table(Some(51)), all);
        assert_eq!(table(Some(50)), "SERVER       STATE  LAST\n10.0.0.2:80  up     connection refused\n");
    }

    #[test]
    fn what_matters_goes_on_in_further_lines() {
        let mut page = Page::new(Look { width: Some(44), colour: false });
        let rows = vec![cells(&["10.0.0.2:80", "down", "answers directly, but not through IPVS (DR)"])];
        page.table(2, &["SERVER", "STATE", "WHY"], rows, &[], Last::Wrapped(20));
        let expected = "  SERVER       STATE  WHY\n  10.0.0.2:80  down   answers directly, but\n                      not through IPVS (DR)\n";
        assert_eq!(page.finish(), expected);
    }

    #[test]
    fn colours_are_for_terminals() {
        let said = |colour| {
            let mut page = Page::new(Look { width: None, colour });
            page.say(2, Tone::Bad, "it is down");
            page.finish()
        };
        assert_eq!(said(false), "  it is down\n");
        assert_eq!(said(true), "  \x1b[31mit is down\x1b[0m\n");
    }

    #[test]
    fn times_are_short() {
        assert_eq!(clock(1_700_000_000_412), "22:13:20Z");
        assert_eq!(precise_clock(1_700_000_000_412), "22:13:20.412Z");
        assert_eq!((short(0.82), short(75.0)), ("0.8s".to_owned(), "1m15s".to_owned()));
        let all = [0.254, 3.24, 99.4, 120.4].map(milliseconds);
        assert_eq!(all, ["0.25", "3.2", "99.4", "120"]);
    }
}
