//! Stretches of text that know where they were written, and lines that are made of them.
//!
//! Expansion puts lines together from pieces of several files. Each piece remembers its place, so that every word of
//! the result can be traced back to the characters it was written with.

use std::sync::Arc;

use crate::config::origin::{OriginId, Origins};
use crate::config::source::{FileId, Span};

/// A stretch of text from one line of one file.
#[derive(Debug, Clone)]
pub struct Fragment {
    text: Arc<str>,
    start: usize,
    end: usize,
    /// Where it stands. The length is only meant if the fragment is `fixed`.
    at: Span,
    /// Whether the text was not written there, but computed for what stands there (the number of a repetition): then
    /// every character of it is at the same place, and it is not expanded any further.
    fixed: bool,
}

impl Fragment {
    /// A part of a line of a file, from one byte to another. `at` tells its file, line and first column.
    pub fn written(text: &Arc<str>, start: usize, end: usize, at: Span) -> Self {
        Self { text: Arc::clone(text), start, end, at, fixed: false }
    }

    /// A value that was computed for what stands at a place.
    pub fn computed(text: &str, at: Span) -> Self {
        Self { text: Arc::from(text), start: 0, end: text.len(), at, fixed: true }
    }

    /// What it says.
    pub fn text(&self) -> &str {
        self.text.get(self.start..self.end).unwrap_or_default()
    }

    /// Whether it may not be expanded further.
    pub fn is_fixed(&self) -> bool {
        self.fixed
    }

    /// Where it stands, from its first to its last character.
    pub fn span(&self) -> Span {
        if self.fixed { self.at } else { Span { length: chars(self.text()), ..self.at } }
    }

    /// The place of a part of it, given in bytes.
    pub fn span_of(&self, from: usize, to: usize) -> Span {
        self.part(from, to).span()
    }

    /// A part of it, given in bytes.
    pub fn part(&self, from: usize, to: usize) -> Self {
        let before = self.text().get(..from).unwrap_or_default();
        let column = if self.fixed { self.at.column } else { self.at.column.saturating_add(chars(before)) };
        let (start, end) = (self.start + from, (self.start + to).min(self.end));
        Self { text: Arc::clone(&self.text), start, end, at: Span { column, ..self.at }, fixed: self.fixed }
    }

    /// The same text, used through an expansion.
    pub fn with_origin(&self, origin: OriginId) -> Self {
        Self { at: Span { origin, ..self.at }, ..self.clone() }
    }
}

/// A line in pieces, the first of which is the last of the list: it is eaten from the front.
#[derive(Debug, Clone, Default)]
pub struct Line(Vec<Fragment>);

impl Line {
    /// A line of one piece.
    pub fn of(fragment: Fragment) -> Self {
        Self(vec![fragment])
    }

    /// The piece at the front; empty ones are dropped.
    pub fn front(&mut self) -> Option<&Fragment> {
        while self.0.pop_if(|fragment| fragment.text().is_empty()).is_some() {}
        self.0.last()
    }

    /// Takes away the piece at the front.
    pub fn pop(&mut self) -> Option<Fragment> {
        self.front()?;
        self.0.pop()
    }

    /// Takes away that many bytes from the front piece.
    pub fn eat(&mut self, bytes: usize) {
        if let Some(fragment) = self.pop() {
            self.push(fragment.part(bytes, fragment.text().len()));
        }
    }

    /// Puts a piece in front.
    pub fn push(&mut self, fragment: Fragment) {
        self.0.push(fragment);
    }

    /// Puts the pieces of a whole line in front, as used through an expansion.
    pub fn prepend(&mut self, line: &Line, origin: OriginId) {
        self.0.extend(line.0.iter().map(|fragment| fragment.with_origin(origin)));
    }

    /// Takes away the blanks at the front.
    pub fn trim_start(&mut self) {
        while let Some(fragment) = self.front() {
            let blanks = fragment.text().len() - fragment.text().trim_start().len();
            if blanks == 0 {
                return;
            }
            self.eat(blanks);
        }
    }

    /// Takes away the blanks at the end, and then a backslash if there is one, which is told.
    pub fn trim_continuation(&mut self) -> bool {
        self.trim_end();
        let Some(last) = self.0.first_mut().filter(|last| last.text().ends_with('\\')) else { return false };
        *last = last.part(0, last.text().len() - 1);
        self.trim_end();
        true
    }

    /// Takes away the blanks at the end.
    pub fn trim_end(&mut self) {
        while let Some(last) = self.0.first_mut() {
            *last = last.part(0, last.text().trim_end().len());
            if !last.text().is_empty() {
                return;
            }
            self.0.remove(0);
        }
    }

    /// What is left, in one piece.
    pub fn text(&self) -> String {
        self.0.iter().rev().map(Fragment::text).collect()
    }

    /// How many bytes are left.
    pub fn bytes(&self) -> usize {
        self.0.iter().map(|fragment| fragment.text().len()).sum()
    }

    /// The same line, used through an expansion.
    pub fn with_origin(&self, origin: OriginId) -> Self {
        Self(self.0.iter().map(|fragment| fragment.with_origin(origin)).collect())
    }

    /// The first character.
    pub fn first_char(&mut self) -> Option<char> {
        self.front()?.text().chars().next()
    }
}

/// A line ready for the lexer: its text, and where each part of it was written.
#[derive(Debug, Clone, Default)]
pub struct Assembled {
    /// The text.
    pub text: String,
    columns: u32,
    runs: Vec<Run>,
    quotes: Quotes,
}

/// Whether a double quote is open, and whether the last character was a backslash that protects the next.
#[derive(Debug, Clone, Copy, Default)]
struct Quotes {
    open: bool,
    protected: bool,
}

impl Quotes {
    fn read(&mut self, byte: u8) {
        match byte {
            _ if self.protected => self.protected = false,
            b'\\' => self.protected = true,
            b'"' => self.open = !self.open,
            _ => {}
        }
    }
}

/// From this column of the assembled text on, it was written there.
#[derive(Debug, Clone, Copy)]
pub struct Run {
    column: u32,
    at: Span,
    fixed: bool,
}

impl Assembled {
    /// Appends a piece.
    pub fn push(&mut self, fragment: &Fragment) {
        if self.columns == 0 {
            self.columns = 1;
        }
        self.runs.push(Run { column: self.columns, at: fragment.at, fixed: fragment.fixed });
        self.columns = self.columns.saturating_add(chars(fragment.text()));
        self.text.push_str(fragment.text());
        fragment.text().bytes().for_each(|byte| self.quotes.read(byte));
    }

    /// Empties it, and keeps the memory.
    pub fn clear(&mut self) {
        self.text.clear();
        self.runs.clear();
        self.columns = 0;
        self.quotes = Quotes::default();
    }

    /// How text and files belong together.
    pub fn places<'a>(&'a self, origins: &'a Origins) -> Places<'a> {
        Places::Assembled { runs: &self.runs, origins }
    }

    /// Whether a double quote is open at the end.
    pub fn is_quoted(&self) -> bool {
        self.quotes.open
    }
}

/// Tells where the characters of a line were written.
#[derive(Debug, Clone, Copy)]
pub enum Places<'a> {
    /// The line of the file itself.
    Line(FileId, u32),
    /// A line in pieces.
    Assembled {
        /// Where they begin, in order.
        runs: &'a [Run],
        /// The expansions they came from.
        origins: &'a Origins,
    },
    /// A text of which the place of each character is known.
    Each(&'a [Span]),
}

impl Places<'_> {
    /// From one column of the text up to another, which does not belong to it any more.
    pub fn span(&self, from: u32, to: u32) -> Span {
        let length = to.saturating_sub(from).max(1);
        match self {
            Places::Line(file, line) => {
                Span { file: *file, line: *line, column: from, length, ..Span::default() }
            }
            Places::Assembled { runs, origins } => {
                let first = place(runs, from);
                if length == 1 { first } else { origins.join(first, place(runs, to.saturating_sub(1))) }
            }
            Places::Each(places) => {
                let place = |column: u32| {
                    let index = usize::try_from(column.saturating_sub(1)).unwrap_or(usize::MAX);
                    places.get(index).or(places.last()).copied().unwrap_or_default()
                };
                place(from).to(place(to.saturating_sub(1).max(from)))
            }
        }
    }
}

/// Where one character of an assembled line was written.
fn place(runs: &[Run], column: u32) -> Span {
    let index = runs.partition_point(|run| run.column <= column).saturating_sub(1);
    let Some(run) = runs.get(index) else { return Span::default() };
    if run.fixed {
        return run.at;
    }
    Span { column: run.at.column.saturating_add(column.saturating_sub(run.column)), length: 1, ..run.at }
}

/// The byte at which a comment begins: outside double quotes, and not behind a backslash.
pub fn comment_start(text: &str) -> Option<usize> {
    let mut quotes = Quotes::default();
    for (at, byte) in text.bytes().enumerate() {
        if matches!(byte, b'#' | b'!') && !quotes.open && !quotes.protected {
            return Some(at);
        }
        quotes.read(byte);
    }
    None
}

/// Columns are counted in characters.
pub fn chars(text: &str) -> u32 {
    u32::try_from(text.chars().count()).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_eaten_from_the_front_and_keeps_its_columns() {
        let text: Arc<str> = Arc::from("  é b \\ ");
        let mut line =
            Line::of(Fragment::written(&text, 0, text.len(), Span { line: 1, column: 1, ..Span::default() }));
        assert!(line.trim_continuation());
        assert!(!line.trim_continuation());
        line.trim_start();
        let fragment = line.front().expect("text is left");
        assert_eq!((fragment.text(), fragment.span().column, fragment.span().length), ("é b", 3, 3));
        line.eat("é ".len());
        assert_eq!(line.front().map(|fragment| (fragment.text(), fragment.span().column)), Some(("b", 5)));
        line.eat(1);
        assert!(line.front().is_none());
    }

    #[test]
    fn comments_begin_outside_quotes() {
        assert_eq!(comment_start("a # b"), Some(2));
        assert_eq!(comment_start(r##"a "#" \# "x"##), None);
        assert_eq!(comment_start(r#"a "\"!" !"#), Some(8));
    }

    #[test]
    fn assembled_text_is_traced_back() {
        let text: Arc<str> = Arc::from("ab ${I}cd");
        let at = Span { line: 4, column: 1, ..Span::default() };
        let whole = Fragment::written(&text, 0, text.len(), at);
        let mut assembled = Assembled::default();
        assembled.push(&whole.part(0, 3));
        assembled.push(&Fragment::computed("12345", whole.span_of(3, 7)));
        assembled.push(&whole.part(7, 9));
        assert_eq!(assembled.text, "ab 12345cd");
        let origins = Origins::default();
        let places = assembled.places(&origins);
        let column = |from, to| (places.span(from, to).column, places.span(from, to).length);
        assert_eq!(
            (column(1, 3), column(4, 9), column(4, 11), column(9, 11)),
            ((1, 2), (4, 4), (4, 6), (8, 2))
        );
    }
}
