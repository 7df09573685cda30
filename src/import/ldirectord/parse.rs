//! ldirectord's file as lines: what is global, and what belongs to a section.
//!
//! A line in column one is global, except `virtual=`, which opens a section. What belongs to the section is indented by
//! four blanks or a tab; an empty line ends it. A line whose first sign is `#` is a comment anywhere. Inside a section
//! `#` begins a comment wherever it stands, between quotes as well.

use crate::config::Code;
use crate::config::source::Span;
use crate::import::Desk;

/// `key = value`.
#[derive(Debug, Clone)]
pub(super) struct Directive {
    /// The keyword.
    pub key: String,
    /// What stands behind the sign, without blanks at its ends.
    pub value: String,
    /// The whole of it.
    pub span: Span,
    /// The value; the keyword if there is none.
    pub value_span: Span,
}

impl Directive {
    /// Its line, counted from 1.
    pub fn line(&self) -> u32 {
        self.span.line
    }
}

/// `virtual=` and what belongs to it.
#[derive(Debug)]
pub(super) struct Section {
    pub head: Directive,
    pub body: Vec<Directive>,
}

/// The whole file.
#[derive(Debug, Default)]
pub(super) struct Document {
    pub globals: Vec<Directive>,
    pub sections: Vec<Section>,
}

/// Blanks that make a line belong to a section; a tab counts as four.
const INDENT: usize = 4;

/// Takes a text apart; complains of lines that are no directives, and of lines that belong nowhere.
pub(super) fn parse(text: &str, desk: &mut Desk) -> Document {
    let mut document = Document::default();
    // Whether the last section can still grow.
    let mut open = false;
    for (index, line) in text.lines().enumerate() {
        let number = u32::try_from(index + 1).unwrap_or(u32::MAX);
        let rest = line.trim_start();
        if rest.starts_with('#') {
            continue;
        }
        if rest.is_empty() {
            open = false;
            continue;
        }
        let blanks = line.strip_suffix(rest).unwrap_or_default();
        let width: usize = blanks.chars().map(|c| if c == '\t' { INDENT } else { 1 }).sum();
        if width >= INDENT && open {
            let directive = directive(desk, number, line, blanks.len(), true);
            if let Some(section) = document.sections.last_mut() {
                section.body.extend(directive);
            }
            continue;
        }
        if width > 0 {
            stray(desk, number, line, blanks.len(), width, open);
            continue;
        }
        open = false;
        let Some(directive) = directive(desk, number, line, 0, false) else { continue };
        if matches!(directive.key.as_str(), "virtual" | "virtual6") {
            document.sections.push(Section { head: directive, body: Vec::new() });
            open = true;
        } else {
            document.globals.push(directive);
        }
    }
    document
}

/// An indented line that belongs to no section.
fn stray(desk: &mut Desk, number: u32, line: &str, start: usize, width: usize, open: bool) {
    let span = desk.span(number, line, start, line.len() - start);
    let (message, suggestion) = if open || width < INDENT {
        let message =
            format!("the line is indented by {width}, and what belongs to a section by at least {INDENT}");
        (message, "indent it by a tab or four blanks, or not at all if it is meant for all sections")
    } else {
        let message =
            "an indented line belongs to the `virtual=` above it, and an empty or global line ended that";
        (message.to_owned(), "take the empty line away, or begin the line in column one if it is global")
    };
    desk.error(Code::MisplacedKeyword, span, message, suggestion);
}

fn directive(desk: &mut Desk, number: u32, line: &str, start: usize, section: bool) -> Option<Directive> {
    let mut text = line.get(start..).unwrap_or_default();
    if let Some((before, comment)) = text.split_once('#').filter(|_| section) {
        if before.matches('"').count() % 2 == 1 {
            let span = desk.span(number, line, start + before.len(), comment.len() + 1);
            let message = "`#` begins a comment even between quotes, so this text has no end";
            let suggestion = "in a regular expression write `\\x23` for the sign";
            desk.error(Code::UnclosedQuote, span, message, suggestion);
            return None;
        }
        text = before;
    }
    let text = text.trim_end();
    let span = desk.span(number, line, start, text.len());
    let Some((key, value)) = text.split_once('=') else {
        // An old way to say `supervised=yes`.
        if text == "supervised" && !section {
            return Some(Directive { key: text.to_owned(), value: "yes".to_owned(), span, value_span: span });
        }
        let message = format!("`{}` is no directive: there is no `=` in it", short(text));
        desk.error(Code::MissingValue, span, message, "write `keyword = value`");
        return None;
    };
    let behind = start + key.len() + 1;
    let value_start = behind + value.len() - value.trim_start().len();
    let (key, value) = (key.trim(), value.trim());
    if value.is_empty() {
        desk.error(Code::MissingValue, span, format!("`{}` has no value", short(key)), "");
        return None;
    }
    // What follows the address of a virtual server is passed over; mostly it is a comment.
    let opens = !section && matches!(key, "virtual" | "virtual6");
    let value = if opens { value.split([' ', '\t', '#']).next().unwrap_or_default() } else { value };
    let value_span = desk.span(number, line, value_start, value.len());
    Some(Directive { key: key.to_owned(), value: value.to_owned(), span, value_span })
}

/// As much of a text as a sentence can bear.
pub(super) fn short(text: &str) -> String {
    const ENOUGH: usize = 60;
    let mut short: String = text.chars().take(ENOUGH).collect();
    if text.chars().nth(ENOUGH).is_some() {
        short.push('…');
    }
    short
}
