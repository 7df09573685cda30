//! Where things stand in a TOML text: from bytes, which its parser counts, to lines and columns, and into strings.

use std::ops::Range;

use crate::config::source::{FileId, Span};

/// Bytes from one known count of characters to the next.
const STEP: usize = 256;

/// Turns bytes into lines and columns.
pub(super) struct Ruler<'a> {
    file: FileId,
    text: &'a str,
    /// Where each line begins, in bytes.
    lines: Vec<usize>,
    /// How many characters begin before every `STEP`th byte: a line may be very long.
    chars: Vec<usize>,
}

impl<'a> Ruler<'a> {
    pub fn new(file: FileId, text: &'a str) -> Self {
        let lines = std::iter::once(0).chain(text.match_indices('\n').map(|(at, _)| at + 1)).collect();
        let mut before = 0;
        let chars = text.as_bytes().chunks(STEP).map(|chunk| {
            let here = before;
            before += begun(chunk);
            here
        });
        Self { file, text, lines, chars: chars.collect() }
    }

    /// How many characters begin before this byte.
    fn count(&self, at: usize) -> usize {
        let at = at.min(self.text.len());
        let step = at / STEP;
        let before = self.chars.get(step).copied();
        let rest = self.text.as_bytes().get(step * STEP..at).unwrap_or_default();
        before.map_or_else(|| begun(self.text.as_bytes()), |before| before + begun(rest))
    }

    /// What stands between these bytes; of several lines the first.
    pub fn span(&self, range: Range<usize>) -> Span {
        let line = self.lines.partition_point(|start| *start <= range.start);
        let start = line.checked_sub(1).and_then(|line| self.lines.get(line)).copied().unwrap_or_default();
        // Without the line's end.
        let end = self.lines.get(line).map_or(self.text.len(), |next| next - 1).max(range.start);
        let first = self.count(range.start);
        let length = self.count(range.end.min(end)).saturating_sub(first).max(1);
        let number = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
        Span {
            file: self.file,
            line: number(line),
            column: number(first - self.count(start) + 1),
            length: number(length),
            ..Span::default()
        }
    }

    /// The place of each character of a string or key that stands between these bytes.
    pub fn characters(&self, range: Range<usize>, value: &str) -> Vec<Span> {
        let written = self.text.get(range.clone()).unwrap_or_default();
        let stretches = stretches(written);
        if stretches.len() != value.chars().count() {
            // Written in a way that is not known here: everything stands where the string stands.
            return vec![self.span(range)];
        }
        stretches
            .into_iter()
            .map(|part| self.span(range.start + part.start..range.start + part.end))
            .collect()
    }
}

/// How many characters begin among these bytes of UTF-8.
fn begun(bytes: &[u8]) -> usize {
    bytes.iter().filter(|byte| (**byte & 0xc0) != 0x80).count()
}

/// The stretch of the text that each character of a string was written with, in bytes.
fn stretches(written: &str) -> Vec<Range<usize>> {
    let quotes = ["\"\"\"", "'''", "\"", "'"];
    let quote = quotes.into_iter().find(|quote| {
        written.len() >= 2 * quote.len() && written.starts_with(quote) && written.ends_with(quote)
    });
    let quote = quote.unwrap_or_default();
    let end = written.len() - quote.len();
    let mut at = quote.len();
    let rest = |at: usize| written.get(at..end).unwrap_or_default();
    if quote.len() == 3 {
        // The end of the first line does not count.
        at += ["\r\n", "\n"].iter().find(|line| rest(at).starts_with(**line)).map_or(0, |line| line.len());
    }
    let mut out = Vec::new();
    while let Some(c) = rest(at).chars().next() {
        let length = if c == '\\' && quote.starts_with('"') { escape(rest(at)) } else { Ok(c.len_utf8()) };
        match length {
            Ok(length) => {
                out.push(at..at + length);
                at += length;
            }
            // A line that goes on in the next.
            Err(length) => at += length,
        }
    }
    out
}

/// The bytes of an escape, which stands for one character; or, as an error, for none.
fn escape(text: &str) -> Result<usize, usize> {
    let behind = text.get(1..).unwrap_or_default();
    match behind.chars().next() {
        Some('x') => Ok(4),
        Some('u') => Ok(6),
        Some('U') => Ok(10),
        Some(c) if c.is_whitespace() => Err(1 + behind.len() - behind.trim_start().len()),
        Some(c) => Ok(1 + c.len_utf8()),
        None => Err(1),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_count_characters() {
        let text = format!("é = 1\n{} = \"x\"\n", "ü".repeat(600));
        let ruler = Ruler::new(FileId(2), &text);
        let span = |range| {
            let Span { line, column, length, .. } = ruler.span(range);
            (line, column, length)
        };
        assert_eq!(span(0..2), (1, 1, 1));
        assert_eq!(span(5..6), (1, 5, 1));
        assert_eq!(span(7..1207), (2, 1, 600));
        assert_eq!(span(1210..1213), (2, 604, 3));
        assert_eq!(span(1210..9999), (2, 604, 3));
        assert_eq!(span(text.len()..text.len()), (3, 1, 1));
        assert_eq!(span(9999..9999).2, 1);
    }

    #[test]
    fn characters_of_strings_are_found() {
        type Places = [(u32, u32, u32)];
        let cases: [(&str, &str, &Places); 6] = [
            (r#""ab""#, "ab", &[(1, 2, 1), (1, 3, 1)]),
            (r#""\n\u00e9é""#, "\néé", &[(1, 2, 2), (1, 4, 6), (1, 10, 1)]),
            (r"'\n'", r"\n", &[(1, 2, 1), (1, 3, 1)]),
            ("\"\"\"\na\\\n  b\"\"\"", "ab", &[(2, 1, 1), (3, 3, 1)]),
            ("abc", "abc", &[(1, 1, 1), (1, 2, 1), (1, 3, 1)]),
            ("\"abc\"", "other", &[(1, 1, 5)]),
        ];
        for (written, value, expected) in cases {
            let ruler = Ruler::new(FileId(0), written);
            let found = ruler.characters(0..written.len(), value);
            let found: Vec<_> = found.iter().map(|span| (span.line, span.column, span.length)).collect();
            assert_eq!(found, expected, "{written}");
        }
    }
}
