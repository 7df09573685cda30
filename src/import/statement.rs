//! Statements of our language being put together.

use std::fmt::Display;

use crate::config::write::Line;

/// Statements of one block, in order.
#[derive(Debug, Default)]
pub(super) struct Statements(pub Vec<Line>);

impl Statements {
    /// A keyword that stands alone.
    pub fn flag(&mut self, keyword: &str) {
        self.say(keyword, [] as [&str; 0]);
    }

    /// A keyword with its value.
    pub fn value(&mut self, keyword: &str, value: impl Display) {
        self.say(keyword, [value]);
    }

    /// A keyword with its words.
    pub fn say(&mut self, keyword: &str, words: impl IntoIterator<Item = impl Display>) {
        self.push(keyword, words, None);
    }

    /// A keyword with its words and its block.
    pub fn block(
        &mut self,
        keyword: &str,
        words: impl IntoIterator<Item = impl Display>,
        inside: Statements,
    ) {
        self.push(keyword, words, Some(inside.0));
    }

    fn push(
        &mut self,
        keyword: &str,
        words: impl IntoIterator<Item = impl Display>,
        block: Option<Vec<Line>>,
    ) {
        let words = words.into_iter().map(|word| word.to_string()).collect();
        self.0.push(Line { keyword: keyword.to_owned(), words, block, default: false, thing: None });
    }
}
