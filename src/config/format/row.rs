//! One line, cut into what must stay together.

use super::Written;
use super::names::Names;
use crate::config::complaint::Complaints;
use crate::config::source::FileId;
use crate::config::syntax::condition::Condition;
use crate::config::syntax::fragment::{Places, comment_start};
use crate::config::syntax::lexer::{self, Token};
use crate::config::syntax::{definition, sequence, tree};

/// Blanks that may be added and taken away. The lexer complains of others.
pub(super) const BLANKS: [char; 6] = [' ', '\t', '\r', '\n', '\x0b', '\x0c'];

/// A word or brace.
#[derive(Debug, Clone)]
pub(super) struct Piece<'a> {
    /// As it is written, with its quotes.
    pub raw: &'a str,
    /// What it says; empty for a brace.
    pub text: String,
    /// Where it begins, in characters from 1.
    pub column: u32,
    what: What,
    /// Whether no blank stands before it.
    touches: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum What {
    Word,
    Open,
    Close,
}

impl Piece<'_> {
    pub fn is_word(&self) -> bool {
        self.what == What::Word
    }

    pub fn is_open(&self) -> bool {
        self.what == What::Open
    }

    pub fn is_close(&self) -> bool {
        self.what == What::Close
    }
}

/// What may be done with a line.
#[derive(Debug)]
pub(super) enum Kind<'a> {
    /// It is nothing but a comment.
    Comment,
    /// Only its indentation may change.
    AsWritten(&'a str),
    /// Its blanks may change.
    OneLine,
    /// It may be divided at braces, too.
    Free,
}

/// A line.
#[derive(Debug)]
pub(super) struct Row<'a> {
    pub number: u32,
    pub kind: Kind<'a>,
    /// Conditions and repetitions before it, as written.
    pub prefixes: Vec<&'a str>,
    pub conditions: Vec<Condition<'a>>,
    pub pieces: Vec<Piece<'a>>,
    /// The comment at its end, as far as it is in UTF-8.
    pub comment: &'a [u8],
    /// The rest of the comment.
    pub tail: &'a [u8],
    /// Whether the comment does not touch a word.
    pub gap: bool,
}

/// Whether there is a comment in a line that is not in UTF-8 as a whole, before that matters.
pub(super) fn has_comment(text: &str, tail: &[u8]) -> bool {
    let whole = format!("{text}{}", String::from_utf8_lossy(tail));
    let start = if tree::needs_expansion(&whole) {
        comment_start(&whole)
    } else {
        let (pieces, _, end) = pieces(&whole, 0);
        let rest = whole.get(end..).unwrap_or_default().trim_start_matches(BLANKS);
        (rest.starts_with(['#', '!']) || pieces.is_empty()).then_some(whole.len() - rest.len())
    };
    start.is_some_and(|start| start < text.len())
}

/// A line of a definition: what it says, and how it ends.
pub(super) struct Cut<'a> {
    /// Without blanks around it, and without the backslash.
    pub code: &'a str,
    pub comment: &'a [u8],
    pub tail: &'a [u8],
    pub gap: bool,
    /// Whether a backslash ends the code.
    pub backslash: bool,
    /// Whether it goes on in the next line: the backslash may stand at the end of the comment, too.
    pub continues: bool,
}

impl<'a> Cut<'a> {
    pub fn of(line: &Written<'a>) -> Self {
        let at = comment_start(line.text).unwrap_or(line.text.len());
        let (code, comment) = line.text.split_at(at);
        let gap =
            !code.trim().is_empty() && code.ends_with(|c: char| c.is_whitespace() || matches!(c, '{' | '}'));
        let code = code.trim();
        let comment = if line.tail.is_empty() { comment.trim_end() } else { comment };
        let tail = line.tail.trim_ascii_end();
        let stripped = code.strip_suffix('\\');
        let commented = if tail.is_empty() { comment.ends_with('\\') } else { tail.ends_with(b"\\") };
        Self {
            code: stripped.unwrap_or(code).trim_end(),
            comment: comment.as_bytes(),
            tail,
            gap,
            backslash: stripped.is_some(),
            continues: stripped.is_some() || commented,
        }
    }
}

impl<'a> Row<'a> {
    /// A line that belongs to no definition.
    pub fn of(line: &Written<'a>, names: &Names<'_>) -> Self {
        let text = line.text.trim_start_matches(BLANKS);
        let indent = line.text.get(..line.text.len() - text.len()).unwrap_or_default();
        let expands = tree::needs_expansion(text);
        let (code, comment) = match comment_start(text).filter(|_| expands) {
            Some(at) => text.split_at(at),
            None => (text, ""),
        };
        let mut row = Self::of_code(line.number, code, if expands { &[] } else { line.tail }, indent, names);
        let clean = |comment: &'a str| if line.tail.is_empty() { comment.trim_end() } else { comment };
        row.tail = line.tail.trim_ascii_end();
        let text_end = row.pieces.last().map_or(0, |piece| end_of(piece, text));
        if expands {
            row.gap = match row.pieces.last() {
                Some(last) => text_end < code.len() || !last.is_word(),
                None => code.ends_with(char::is_whitespace),
            };
            row.comment = clean(comment).as_bytes();
        } else {
            let rest = text.get(text_end..).unwrap_or_default();
            let comment = rest.trim_start_matches(BLANKS);
            row.gap = comment.len() < rest.len() || row.pieces.last().is_none_or(|last| !last.is_word());
            row.comment = clean(comment).as_bytes();
        }
        let has_comment = row.comment.starts_with(b"#") || row.comment.starts_with(b"!");
        row.gap |= !has_comment;
        if let Kind::AsWritten(_) = row.kind {
            row.kind = Kind::AsWritten(if has_comment { clean(text) } else { text });
        } else if row.pieces.is_empty() && row.prefixes.is_empty() {
            row.kind = Kind::Comment;
        }
        row
    }

    /// A line in the middle of a definition.
    pub fn of_body(line: &Written<'a>, cut: &Cut<'a>, names: &Names<'_>) -> Self {
        let mut row = Self::of_code(line.number, cut.code, &[], "", names);
        if matches!(row.kind, Kind::AsWritten(_))
            || cut.code.contains('\'')
            || definition::is_definition(cut.code)
        {
            row.kind = Kind::AsWritten(cut.code);
        } else {
            row.kind = Kind::OneLine;
        }
        row
    }

    /// `tail` is what the lexer would see behind the code.
    fn of_code(number: u32, code: &'a str, tail: &[u8], indent: &str, names: &Names<'_>) -> Self {
        let (prefixes, conditions, rest) = prefixes(code);
        let before = code.len() - rest.len();
        let column = indent.chars().count() + code.get(..before).unwrap_or_default().chars().count();
        let whole = (!tail.is_empty()).then(|| format!("{rest}{}", String::from_utf8_lossy(tail)));
        let (pieces, complaints, end) = pieces(whole.as_deref().unwrap_or(rest), column);
        let pieces: Vec<Piece<'a>> = pieces.into_iter().filter_map(|piece| piece.within(rest)).collect();
        let expands = tree::needs_expansion(code);
        let left = rest.get(end..).unwrap_or_default().trim_start_matches(BLANKS);
        let odd = complaints > 0
            || !(left.is_empty() || left.starts_with(['#', '!']) && !expands)
            // A backslash would protect the blank behind it.
            || pieces.iter().any(|piece| piece.raw.ends_with('\\'));
        // Before a line is expanded its comment is cut off by double quotes alone: with single ones about, what is divided
        // could be read in another way.
        let unclear = expands && prefixes.is_empty() && code.contains(['\'', '#', '!']);
        let kind = if odd || unclear || (expands && !names.allow(rest, &pieces)) {
            Kind::AsWritten(code)
        } else if !prefixes.is_empty() {
            Kind::OneLine
        } else if units(&pieces).iter().skip(1).filter_map(|unit| unit.first()).any(begins_otherwise) {
            Kind::AsWritten(code)
        } else {
            Kind::Free
        };
        Self { number, kind, prefixes, conditions, pieces, comment: &[], tail: &[], gap: true }
    }
}

/// Whether a word means something else at the beginning of a line.
fn begins_otherwise(piece: &Piece<'_>) -> bool {
    piece.raw.starts_with(['@', '~', '$'])
}

/// The conditions and repetitions before a line, and the line.
pub(super) fn prefixes(code: &str) -> (Vec<&str>, Vec<Condition<'_>>, &str) {
    let (mut prefixes, mut conditions, mut rest) = (Vec::new(), Vec::new(), code);
    loop {
        let length = if let Some(condition) = Condition::of(rest) {
            conditions.push(condition);
            condition.length
        } else if let Some(Ok(repetition)) = sequence::of(rest) {
            repetition.length
        } else {
            return (prefixes, conditions, rest);
        };
        let (prefix, after) = rest.split_at(length);
        prefixes.push(prefix);
        rest = after.trim_start();
    }
}

/// The pieces of a text, how much there is to complain of, and the byte at which the last piece ends.
fn pieces(text: &str, columns: usize) -> (Vec<Cutting>, usize, usize) {
    let mut complaints = Complaints::default();
    let mut tokens = Vec::new();
    lexer::tokens(text, Places::Line(FileId::default(), 1), &mut complaints, &mut tokens);
    let mut pieces = Vec::with_capacity(tokens.len());
    let mut bytes = text.char_indices().map(|(at, _)| at).chain(std::iter::once(text.len()));
    let (mut column, mut end) = (0, 0);
    for token in tokens {
        let (what, word, span) = match token {
            Token::Word(word) => (What::Word, word.text, word.span),
            Token::Open(span) => (What::Open, String::new(), span),
            Token::Close(span) => (What::Close, String::new(), span),
        };
        let mut byte_of = |wanted: u32| {
            let skip = wanted.saturating_sub(column + 1);
            column = wanted.max(column);
            bytes.nth(usize::try_from(skip).unwrap_or(usize::MAX)).unwrap_or(text.len())
        };
        // Two pieces that touch share a place: the second begins where the first ends.
        let start = if span.column == column_of(&pieces) { end } else { byte_of(span.column) };
        let before = end;
        end = byte_of(span.column.saturating_add(span.length));
        let shift = u32::try_from(columns).unwrap_or(u32::MAX);
        pieces.push(Cutting {
            start,
            end,
            behind: span.column.saturating_add(span.length),
            text: word,
            column: span.column.saturating_add(shift),
            what,
            touches: start == before && start > 0,
        });
    }
    (pieces, complaints.count(), end)
}

/// The column behind the last piece.
fn column_of(pieces: &[Cutting]) -> u32 {
    pieces.last().map_or(0, |piece| piece.behind)
}

/// A piece, in bytes of the text it was cut from.
struct Cutting {
    start: usize,
    end: usize,
    behind: u32,
    text: String,
    column: u32,
    what: What,
    touches: bool,
}

impl Cutting {
    fn within(self, text: &str) -> Option<Piece<'_>> {
        let Self { start, end, text: said, column, what, touches, .. } = self;
        Some(Piece { raw: text.get(start..end)?, text: said, column, what, touches })
    }
}

/// Where a piece ends in the text that it is a part of.
fn end_of(piece: &Piece<'_>, text: &str) -> usize {
    piece.raw.as_ptr().addr() - text.as_ptr().addr() + piece.raw.len()
}

/// How many braces close at the beginning.
pub(super) fn closing(pieces: &[Piece<'_>]) -> usize {
    pieces.iter().take_while(|piece| piece.is_close()).count()
}

/// The lines that a line is to be divided into: a statement, a keyword with its opening brace, a closing brace, or a
/// block that begins and ends here.
pub(super) fn units<'p, 'a>(pieces: &'p [Piece<'a>]) -> Vec<&'p [Piece<'a>]> {
    let mut ends = vec![None; pieces.len()];
    let mut open = Vec::new();
    for (index, piece) in pieces.iter().enumerate() {
        if piece.is_open() {
            open.push(index);
        } else if piece.is_close()
            && let Some(end) = open.pop().and_then(|open: usize| ends.get_mut(open))
        {
            *end = Some(index);
        }
    }
    let mut units = Vec::new();
    let mut start = 0;
    while let Some(rest) = pieces.get(start..).filter(|rest| !rest.is_empty()) {
        let words = rest.iter().take_while(|piece| piece.is_word()).count();
        let length = match rest.get(words) {
            Some(piece) if piece.is_open() => match ends.get(start + words) {
                Some(Some(end)) => end + 1 - start,
                _ => words + 1,
            },
            Some(_) if words == 0 => 1,
            _ => words,
        };
        units.extend(rest.get(..length));
        start += length;
    }
    units
}

/// Whether a brace stands directly beside a word with a name in it: the brace may be what ends the name.
pub(super) fn braces_touch_names(pieces: &[Piece<'_>]) -> bool {
    pieces.windows(2).any(|pair| {
        let [one, other] = pair else { return false };
        other.touches
            && one.is_word() != other.is_word()
            && (one.raw.contains('$') || other.raw.contains('$'))
    })
}
