//! The same configuration as TOML: a file whose name ends with `.toml` becomes the same tree of statements.
//!
//! The table of keywords says which form each of them takes. A block is a table; one with words behind its keyword is a
//! table in it, under those words: `[virtual_server."192.0.2.10 80"]`. Several blocks of a kind without words are an array
//! of tables. What stands alone in a line is a boolean, a list of lines is an array of strings, any other value is a
//! number or a string. Where a keyword takes several words, a string is cut at its blanks, and an array holds them one
//! by one. What counts several times is an array.
//!
//! Definitions, conditions, repetitions and `include` belong to the other form; TOML has none of them.

mod place;

use std::path::Path;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::fragment::Places;
use super::tree::Tree;
use super::{Block, Statement, Word, lexer};
use crate::config::complaint::{Code, Complaints, Severity};
use crate::config::keywords::{self, Form, Found, Keyword, Place};
use crate::config::source::{FileId, Span};
use place::Ruler;

/// A TOML text of more bytes takes too much memory to read.
const MAX_SIZE: usize = 8 << 20;
/// In a text of more bytes only the first mistake is told.
const SMALL: usize = 1 << 20;
/// More mistakes than this help nobody.
const MOST_MISTAKES: usize = 20;

type Key<'t> = Spanned<std::borrow::Cow<'t, str>>;
type Value<'t> = Spanned<DeValue<'t>>;

/// Whether a file of this name holds TOML.
pub fn is_one(path: &Path) -> bool {
    path.extension().is_some_and(|ending| ending.eq_ignore_ascii_case("toml"))
}

/// Builds the tree of a text.
pub fn parse(file: FileId, text: &str, complaints: &mut Complaints) -> Tree {
    let ruler = Ruler::new(file, text);
    let mut reader = Reader { ruler, complaints };
    if text.len() > MAX_SIZE {
        let message =
            format!("a TOML file may have {} MiB; keepalived's form has no such limit", MAX_SIZE >> 20);
        reader.complaints.error(Code::FileTooLarge, reader.ruler.span(0..0), message);
        return Tree { incomplete: true, ..Tree::default() };
    }
    match DeTable::parse(text) {
        Ok(table) => {
            let statements = reader.table(table.get_ref(), Place::Root);
            Tree { root: Block { statements, ..Block::default() }, incomplete: false }
        }
        Err(first) => {
            let all = if text.len() > SMALL { vec![first] } else { DeTable::parse_recoverable(text).1 };
            reader.mistakes(&all);
            Tree { incomplete: true, ..Tree::default() }
        }
    }
}

struct Reader<'a> {
    ruler: Ruler<'a>,
    complaints: &'a mut Complaints,
}

impl Reader<'_> {
    /// What is no TOML; once for each line, since one mistake leads to others.
    fn mistakes(&mut self, mistakes: &[toml::de::Error]) {
        let mut lines = Vec::new();
        for mistake in mistakes {
            let span = self.ruler.span(mistake.span().unwrap_or_default());
            if lines.contains(&span.line) || lines.len() >= MOST_MISTAKES {
                continue;
            }
            lines.push(span.line);
            let (message, suggestion) = match mistake.message() {
                "duplicate key" => (
                    "this is said already; a table of TOML says each thing once".to_owned(),
                    Some(
                        "write several values as an array, `[…, …]`, and several blocks as `[[…]]`"
                            .to_owned(),
                    ),
                ),
                message => (format!("this is no TOML: {message}"), None),
            };
            self.complaints.push(Severity::Error, Code::InvalidToml, span, message, suggestion);
        }
    }

    /// The statements of a block, in the order of the text.
    fn table(&mut self, table: &DeTable<'_>, place: Place) -> Vec<Statement> {
        let mut statements = Vec::with_capacity(table.len());
        for (key, value) in table {
            let keyword = self.name(key);
            match keywords::find(place, &keyword.text) {
                Found::Here(known) => self.entry(known, &keyword, value, &mut statements),
                _ if lexer::INCLUDES.contains(&keyword.text.as_str()) => {
                    let message = format!("`{}` is not possible in TOML", keyword.text);
                    let suggestion = "put everything into one file, or use keepalived's form".to_owned();
                    self.complaints.push(
                        Severity::Error,
                        Code::UnknownKeyword,
                        keyword.span,
                        message,
                        Some(suggestion),
                    );
                }
                // That it does not belong here is told when its meaning is looked for.
                _ => statements.push(Statement { keyword, words: Vec::new(), block: None }),
            }
        }
        statements.sort_by_key(|statement| (statement.keyword.span.line, statement.keyword.span.column));
        statements
    }

    fn entry(&mut self, known: &Keyword, keyword: &Word, value: &Value<'_>, out: &mut Vec<Statement>) {
        match known.form {
            Form::Block("", _) | Form::Lines("", _) => self.blocks(known, keyword, &[], value, out),
            Form::Block(..) | Form::Lines(..) => self.named(known, keyword, value, out),
            Form::Flag => match value.get_ref() {
                DeValue::Boolean(true) => out.push(statement(keyword, Vec::new())),
                DeValue::Boolean(false) => {}
                _ => {
                    let message = format!("`{}` is either there or not: `true` or `false`", known.name);
                    self.complaints.error(Code::InvalidSwitch, self.span(value), message);
                }
            },
            Form::Words(_) => self.words(keyword, value, out),
            _ => match value.get_ref() {
                DeValue::Table(_) => out.push(self.block(keyword, &[], value, Vec::new())),
                DeValue::Array(values) => {
                    for value in values.iter() {
                        let words = self.scalar(value).into_iter().collect();
                        out.push(statement(keyword, words));
                    }
                }
                _ => {
                    let words = self.scalar(value).into_iter().collect();
                    out.push(statement(keyword, words));
                }
            },
        }
    }

    /// Blocks under the words behind their keyword.
    fn named(&mut self, known: &Keyword, keyword: &Word, value: &Value<'_>, out: &mut Vec<Statement>) {
        let (Form::Block(what, _) | Form::Lines(what, _)) = known.form else { return };
        let DeValue::Table(table) = value.get_ref() else {
            let message = format!("`{}` holds tables, each under its own words: {what}", known.name);
            let suggestion = Some(format!("write `[{}.\"…\"]`", known.name));
            let span = self.span(value);
            return self.complaints.push(Severity::Error, Code::MissingBlock, span, message, suggestion);
        };
        for (key, value) in table {
            let name = self.name(key);
            let inside = known.inside().unwrap_or(Place::Root);
            let is_keyword = matches!(keywords::find(inside, &name.text), Found::Here(_));
            if known.inside().is_some() && is_keyword && !matches!(value.get_ref(), DeValue::Table(_)) {
                let message =
                    format!("`{}` stands in `{}` itself, which needs words: {what}", name.text, known.name);
                let suggestion = Some(format!("write `[{}.\"…\"]` above", known.name));
                self.complaints.push(Severity::Error, Code::MissingValue, name.span, message, suggestion);
                continue;
            }
            let places = self.ruler.characters(key.span(), key.get_ref());
            let words = lexer::words(key.get_ref(), Places::Each(&places), self.complaints);
            // The keyword stands where it was said first; what follows it, where this block begins.
            let span = if name.span.line == keyword.span.line { keyword.span } else { name.span };
            let keyword = Word { span, ..keyword.clone() };
            self.blocks(known, &keyword, &words, value, out);
        }
    }

    /// One block, or several of the same words.
    fn blocks(
        &mut self,
        known: &Keyword,
        keyword: &Word,
        words: &[Word],
        value: &Value<'_>,
        out: &mut Vec<Statement>,
    ) {
        match (known.form, value.get_ref()) {
            (Form::Block(_, place), DeValue::Table(table)) => {
                let inside = self.table(table, place);
                out.push(self.block(keyword, words, value, inside));
            }
            (Form::Block(..), DeValue::Array(tables))
                if tables.iter().all(|table| matches!(table.get_ref(), DeValue::Table(_))) =>
            {
                for table in tables.iter() {
                    let span = self.span(table);
                    let keyword = Word { span, ..keyword.clone() };
                    self.blocks(known, &keyword, words, table, out);
                }
            }
            (Form::Lines(..), DeValue::Array(lines)) => {
                let inside = lines.iter().filter_map(|line| self.line(line)).collect();
                out.push(self.block(keyword, words, value, inside));
            }
            (Form::Lines(..), DeValue::String(_) | DeValue::Integer(_)) => {
                let inside = self.line(value).into_iter().collect();
                out.push(self.block(keyword, words, value, inside));
            }
            (form, _) => {
                let (what, suggestion) = match form {
                    Form::Block(..) => ("a table of keywords", format!("write `[{}]`", known.name)),
                    _ => ("an array of lines", format!("write `{} = [\"…\", \"…\"]`", known.name)),
                };
                let message = format!("`{}` is {what}, but this is {}", known.name, kind(value.get_ref()));
                let span = self.span(value);
                self.complaints.push(Severity::Error, Code::MissingBlock, span, message, Some(suggestion));
            }
        }
    }

    fn block(
        &self,
        keyword: &Word,
        words: &[Word],
        value: &Value<'_>,
        statements: Vec<Statement>,
    ) -> Statement {
        let open = self.span(value);
        let block = Block { open, close: Some(open), statements };
        Statement { keyword: keyword.clone(), words: words.to_vec(), block: Some(block) }
    }

    /// One line of a list: a string is cut into words, an array holds them.
    fn line(&mut self, value: &Value<'_>) -> Option<Statement> {
        let mut words = self.list(value).into_iter();
        let keyword = words.next()?;
        Some(Statement { keyword, words: words.collect(), block: None })
    }

    /// Statements of several words. An array of arrays is several of them.
    fn words(&mut self, keyword: &Word, value: &Value<'_>, out: &mut Vec<Statement>) {
        match value.get_ref() {
            DeValue::Boolean(true) => out.push(statement(keyword, Vec::new())),
            DeValue::Boolean(false) => {}
            DeValue::Table(_) => out.push(self.block(keyword, &[], value, Vec::new())),
            DeValue::Array(lists)
                if lists.iter().next().is_some_and(|list| matches!(list.get_ref(), DeValue::Array(_))) =>
            {
                for list in lists.iter() {
                    let words = self.list(list);
                    out.push(statement(keyword, words));
                }
            }
            _ => {
                let words = self.list(value);
                out.push(statement(keyword, words));
            }
        }
    }

    fn list(&mut self, value: &Value<'_>) -> Vec<Word> {
        match value.get_ref() {
            DeValue::String(text) => {
                let places = self.ruler.characters(value.span(), text);
                lexer::words(text, Places::Each(&places), self.complaints)
            }
            DeValue::Array(words) => words.iter().filter_map(|word| self.scalar(word)).collect(),
            _ => self.scalar(value).into_iter().collect(),
        }
    }

    /// A value that is one word.
    fn scalar(&mut self, value: &Value<'_>) -> Option<Word> {
        let text = match value.get_ref() {
            DeValue::String(text) => text.clone().into_owned(),
            DeValue::Integer(number) => i64::from_str_radix(number.as_str(), number.radix())
                .map_or_else(|_| number.to_string(), |number| number.to_string()),
            DeValue::Float(number) => decimal(number.as_str()),
            DeValue::Boolean(truth) => truth.to_string(),
            DeValue::Datetime(time) => time.to_string(),
            other @ (DeValue::Array(_) | DeValue::Table(_)) => {
                let message = format!("one word is expected here, but this is {}", kind(other));
                self.complaints.error(Code::UnexpectedWord, self.span(value), message);
                return None;
            }
        };
        let span = self.span(value);
        if text.contains(char::REPLACEMENT_CHARACTER) {
            let message = "characters that are not UTF-8; outside comments only UTF-8 can be read";
            self.complaints.error(Code::NotUtf8, span, message);
        }
        Some(Word { text, span, quoted: true })
    }

    fn name(&self, key: &Key<'_>) -> Word {
        Word { text: key.get_ref().to_string(), span: self.ruler.span(key.span()), quoted: true }
    }

    fn span(&self, value: &Value<'_>) -> Span {
        self.ruler.span(value.span())
    }
}

fn statement(keyword: &Word, words: Vec<Word>) -> Statement {
    Statement { keyword: keyword.clone(), words, block: None }
}

/// A number without exponent, as the other form has it.
fn decimal(number: &str) -> String {
    match number.parse::<f64>() {
        Ok(value) if number.contains(['e', 'E']) => value.to_string(),
        _ => number.strip_prefix('+').unwrap_or(number).to_owned(),
    }
}

fn kind(value: &DeValue<'_>) -> &'static str {
    match value {
        DeValue::String(_) => "a string",
        DeValue::Integer(_) => "an integer",
        DeValue::Float(_) => "a float",
        DeValue::Boolean(_) => "a boolean",
        DeValue::Datetime(_) => "a date",
        DeValue::Array(_) => "an array",
        DeValue::Table(_) => "a table",
    }
}

#[cfg(test)]
mod tests;
