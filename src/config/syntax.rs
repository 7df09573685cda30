//! Text in, tree out: the grammar of the configuration language, which knows no keyword's meaning.
//!
//! A file is a list of statements. A statement is one line of words, of which the first is the keyword, and may be
//! followed by a block of statements in braces. [`expand`] makes lines out of lines: it leaves out those whose
//! [`condition`] does not hold, repeats those with a [`sequence`], and replaces names by their [`definition`] or
//! [`builtin`] value. The [`lexer`] cuts a line into words and braces; the [`tree`] puts them together and follows
//! [`include`]. All of them keep the exact place of every word, and none stops at a mistake: what comes back is always
//! a tree, and beside it the complaints. A file may also be written as [`toml`]; the tree is the same.

pub mod builtin;
pub mod condition;
pub mod definition;
pub mod expand;
pub mod fragment;
pub mod include;
pub mod lexer;
pub mod sequence;
pub mod toml;
pub mod tree;

use super::source::Span;

/// A word with its place. Quotes and escapes are resolved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Word {
    /// What it says.
    pub text: String,
    /// Where it stands, quotes included.
    pub span: Span,
    /// Whether any of it stands in quotes or behind a backslash: such a word is no `include`, and no condition.
    pub quoted: bool,
}

/// A keyword, its words, and its block if it has one.
///
/// A brace that belongs to nothing is a statement too, with the brace for its keyword ([`Statement::is_brace`]): it has
/// been complained of, and what it does to the rest depends on who reads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Statement {
    /// The first word.
    pub keyword: Word,
    /// The words after it.
    pub words: Vec<Word>,
    /// What stands in braces behind it.
    pub block: Option<Block>,
}

/// Statements between braces. A whole file is one too, without the braces.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Block {
    /// The opening brace.
    pub open: Span,
    /// The closing brace; `None` if it is missing.
    pub close: Option<Span>,
    /// The statements, in order.
    pub statements: Vec<Statement>,
}

impl Statement {
    /// The word at this place after the keyword.
    pub fn word(&self, index: usize) -> Option<&Word> {
        self.words.get(index)
    }

    /// Whether this is a brace that belongs to nothing.
    pub fn is_brace(&self) -> bool {
        !self.keyword.quoted && matches!(self.keyword.text.as_str(), "{" | "}")
    }

    /// The words after the keyword, with single blanks between.
    pub fn text(&self) -> String {
        let words: Vec<&str> = self.words.iter().map(|word| word.text.as_str()).collect();
        words.join(" ")
    }
}
