//! A configuration's text with tidy indentation and blanks: the same statements, the same comments, the same meaning.
//!
//! It works on the text as it is written, not on what it expands to, so that definitions, repetitions, conditions and
//! includes stay. A [`row`] is one line cut up by the lexer itself; [`names`] knows which names can be trusted not to
//! change how a line is cut up; [`depth`] counts braces. What cannot be moved without a doubt stays as it is written,
//! but for its indentation.
//!
//! Four blanks for each depth, one blank between words, the opening brace behind its keyword, the closing one alone. A
//! block that stands on one line may stay there. Blank lines: one in a row at most.

mod depth;
mod names;
mod row;
#[cfg(test)]
mod tests;

use super::complaint::Code;
use super::syntax::definition;
use super::syntax::lexer::INCLUDES;
use super::syntax::tree;
use depth::Depth;
use names::Names;
use row::{BLANKS, Kind, Piece, Row};

/// Blanks for each depth.
const STEP: usize = 4;

/// The byte order mark that some editors leave.
const MARK: &[u8] = b"\xef\xbb\xbf";

/// Why a text is left alone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trouble {
    /// What it is about.
    pub code: Code,
    /// Line, counted from 1.
    pub line: u32,
    /// Column in characters, counted from 1.
    pub column: u32,
    /// What was found and what to do.
    pub message: String,
}

/// The same text, tidy. Comments may be in any encoding, and keep their bytes.
pub fn format(text: &[u8]) -> Result<Vec<u8>, Trouble> {
    let text = text.strip_prefix(MARK).unwrap_or(text);
    let lines = lines(text)?;
    let mut desk = Desk {
        names: Names::of(&lines),
        out: Vec::with_capacity(text.len() + text.len() / 8),
        depth: Depth::default(),
        blank: false,
        joint: None,
    };
    let mut lines = lines.into_iter();
    while let Some(line) = lines.next() {
        if line.text.trim_start_matches(BLANKS).is_empty() && line.tail.is_empty() {
            desk.blank = true;
        } else if tree::needs_expansion(line.text) && definition::is_definition(line.text) {
            desk.definition(line, &mut lines);
        } else {
            desk.row(&Row::of(&line, &desk.names))?;
        }
    }
    desk.depth.finish()?;
    if desk.out.starts_with(MARK) {
        // One at the very beginning is no part of the text, and this one is.
        desk.out.splice(0..0, MARK.iter().copied());
    }
    Ok(desk.out)
}

/// One line of the text.
#[derive(Debug, Clone, Copy)]
struct Written<'a> {
    number: u32,
    /// As far as it is in UTF-8; without its end.
    text: &'a str,
    /// The rest of a comment that is not.
    tail: &'a [u8],
}

/// The lines, of which each must be in UTF-8 outside its comment.
fn lines(text: &[u8]) -> Result<Vec<Written<'_>>, Trouble> {
    let text = text.strip_suffix(b"\n").unwrap_or(text);
    let mut lines = Vec::new();
    for (number, line) in (1..).zip(text.split(|byte| *byte == b'\n')) {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        let (text, tail) = match str::from_utf8(line) {
            Ok(text) => (text, [].as_slice()),
            Err(error) => {
                let (valid, tail) = line.split_at(error.valid_up_to());
                (str::from_utf8(valid).unwrap_or_default(), tail)
            }
        };
        let trouble = |code, before: &str, message: &str| Trouble {
            code,
            line: number,
            column: u32::try_from(before.chars().count() + 1).unwrap_or(u32::MAX),
            message: message.to_owned(),
        };
        if let Some((before, _)) = text.split_once('\0') {
            return Err(trouble(
                Code::NulByte,
                before,
                "a NUL byte: this is no text file, or it is not in UTF-8",
            ));
        }
        if !tail.is_empty() && !row::has_comment(text, tail) {
            let message = "characters that are not UTF-8; outside comments only UTF-8 can be read";
            return Err(trouble(Code::NotUtf8, text, message));
        }
        lines.push(Written { number, text, tail });
    }
    Ok(lines)
}

/// What has been written, and where we are.
struct Desk<'a> {
    names: Names<'a>,
    out: Vec<u8>,
    depth: Depth,
    /// Whether a blank line comes before the next one.
    blank: bool,
    /// The last line, if a brace at the beginning of the next belongs to it and may be moved up.
    joint: Option<Joint<'a>>,
}

/// A statement at the end of what has been written.
struct Joint<'a> {
    start: usize,
    pieces: Vec<Piece<'a>>,
    comment: Vec<u8>,
}

impl<'a> Desk<'a> {
    /// Begins a line.
    fn begin(&mut self, indent: usize) {
        if self.blank && !self.out.is_empty() {
            self.out.push(b'\n');
        }
        self.blank = false;
        self.joint = None;
        self.out.resize(self.out.len() + indent * STEP, b' ');
    }

    /// Ends a line. A carriage return before its end would be taken for a part of that.
    fn end(&mut self) {
        if self.out.last() == Some(&b'\r') {
            self.out.push(b'\r');
        }
        self.out.push(b'\n');
    }

    fn text(&mut self, text: &str) {
        self.out.extend_from_slice(text.as_bytes());
    }

    fn pieces(&mut self, pieces: &[Piece<'_>]) {
        for (index, piece) in pieces.iter().enumerate() {
            if index > 0 {
                self.out.push(b' ');
            }
            self.text(piece.raw);
        }
    }

    /// A comment behind what is on its line, or on a line of its own.
    fn comment(&mut self, comment: &[u8], gap: bool) {
        if gap && !comment.is_empty() {
            self.out.push(b' ');
        }
        self.out.extend_from_slice(comment);
    }

    fn row(&mut self, row: &Row<'a>) -> Result<(), Trouble> {
        self.depth.learn(&row.conditions);
        match &row.kind {
            Kind::Comment => {
                self.begin(self.depth.now(&row.conditions));
                self.comment(row.comment, false);
                self.comment(row.tail, false);
                self.end();
                Ok(())
            }
            Kind::AsWritten(text) => {
                self.begin(self.depth.after_closing(row));
                self.text(text);
                self.comment(row.tail, false);
                self.end();
                self.depth.follow(row, &row.pieces)
            }
            Kind::OneLine => {
                self.begin(self.depth.after_closing(row));
                for (index, prefix) in row.prefixes.iter().enumerate() {
                    if index > 0 {
                        self.out.push(b' ');
                    }
                    self.text(prefix);
                }
                if !row.pieces.is_empty() {
                    self.out.push(b' ');
                }
                self.pieces(&row.pieces);
                self.comment(row.comment, row.gap);
                self.comment(row.tail, false);
                self.end();
                self.depth.follow(row, &row.pieces)
            }
            Kind::Free => self.free(row),
        }
    }

    /// A line that may be divided, or joined with the one above.
    fn free(&mut self, row: &Row<'a>) -> Result<(), Trouble> {
        let mut pieces = row.pieces.clone();
        let mut above = Vec::new();
        if pieces.first().is_some_and(Piece::is_open)
            && let Some(joint) = self.joint.take()
        {
            self.out.truncate(joint.start);
            self.blank = false;
            pieces.splice(0..0, joint.pieces);
            above = joint.comment;
        }
        let units = row::units(&pieces);
        for (index, unit) in units.iter().enumerate() {
            let closes = unit.first().is_some_and(Piece::is_close);
            let indent = self.depth.now(&row.conditions).saturating_sub(usize::from(closes));
            self.begin(indent);
            // The blank line before it stays where it is.
            let start = self.out.len() - indent * STEP;
            self.pieces(unit);
            let mut comment = if index == 0 { std::mem::take(&mut above) } else { Vec::new() };
            if index + 1 == units.len() && !(row.comment.is_empty() && row.tail.is_empty()) {
                if !comment.is_empty() {
                    comment.push(b' ');
                }
                comment.extend_from_slice(row.comment);
                comment.extend_from_slice(row.tail);
            }
            self.comment(&comment, row.gap);
            self.end();
            self.depth.follow(row, unit)?;
            let include = unit.first().is_some_and(|word| INCLUDES.contains(&word.text.as_str()));
            // A brace behind `${` would be taken for part of a name.
            let open_name = |raw: &str| {
                raw.rfind("${").is_some_and(|at| raw.get(at..).is_some_and(|rest| !rest.contains('}')))
            };
            let movable = unit
                .iter()
                .all(|piece| piece.is_word() && !piece.raw.contains('\'') && !open_name(piece.raw));
            if movable && row.gap && !include && unit.first().is_some_and(|word| !word.raw.contains('$')) {
                self.joint = Some(Joint { start, pieces: unit.to_vec(), comment });
            }
        }
        Ok(())
    }

    /// A definition with the lines that it goes on in. Its value stays as written: it may come to stand in quotes.
    fn definition(&mut self, line: Written<'a>, lines: &mut impl Iterator<Item = Written<'a>>) {
        let first = row::Cut::of(&line);
        let (prefixes, conditions, value) = row::prefixes(first.code);
        if definition::begins(value).is_none() {
            return self.perhaps_definition(line, lines);
        }
        self.begin(self.depth.now(&conditions));
        for prefix in prefixes {
            self.text(prefix);
            self.out.push(b' ');
        }
        self.text(value);
        self.cut_end(&first);
        let outer = self.depth.now(&conditions) + 1;
        let mut inner = 0_usize;
        let mut more = first.continues;
        while more && let Some(line) = lines.next() {
            let cut = row::Cut::of(&line);
            let row = Row::of_body(&line, &cut, &self.names);
            let indent = outer + inner.saturating_sub(row::closing(&row.pieces));
            let is_empty = cut.code.is_empty() && cut.comment.is_empty() && !cut.backslash;
            self.begin(if is_empty { 0 } else { indent });
            match &row.kind {
                Kind::AsWritten(text) => self.text(text),
                _ => {
                    let words = row.prefixes.iter().copied().chain(row.pieces.iter().map(|piece| piece.raw));
                    for (index, word) in words.enumerate() {
                        if index > 0 {
                            self.out.push(b' ');
                        }
                        self.text(word);
                    }
                }
            }
            self.cut_end(&cut);
            for piece in &row.pieces {
                inner = if piece.is_open() {
                    inner + 1
                } else {
                    inner.saturating_sub(usize::from(piece.is_close()))
                };
            }
            more = cut.continues;
        }
    }

    /// A line that begins with a name, and defines something only if that name stands for a condition and the like.
    fn perhaps_definition(&mut self, line: Written<'a>, lines: &mut impl Iterator<Item = Written<'a>>) {
        let mut next = Some(line);
        while let Some(line) = next {
            self.begin(self.depth.now(&[]));
            self.text(line.text.trim_start_matches(BLANKS));
            self.comment(line.tail, false);
            self.end();
            next = row::Cut::of(&line).continues.then(|| lines.next()).flatten();
        }
    }

    /// The backslash and comment at the end of a line of a definition.
    fn cut_end(&mut self, cut: &row::Cut<'_>) {
        if cut.backslash {
            // Behind another backslash a blank would be protected by it.
            if !matches!(self.out.last(), None | Some(b'=' | b' ' | b'\n' | b'\\')) {
                self.out.push(b' ');
            }
            self.out.push(b'\\');
        }
        self.comment(cut.comment, cut.gap);
        self.comment(cut.tail, false);
        self.end();
    }
}
