//! Commands as words of the language.

use super::Lines;
use crate::config::Command;

impl Lines {
    /// A statement with a command, if there is one.
    pub fn command(&mut self, keyword: &str, command: Option<&Command>) {
        if let Some(Command { words, user, group }) = command {
            let line = [command_line(words)].into_iter();
            self.say(keyword, line.chain(user.clone()).chain(group.clone()));
        }
    }
}

/// A program and its arguments as one word; single quotes stand where an argument needs them.
pub(in crate::config) fn command_line(words: &[String]) -> String {
    let words: Vec<String> = words.iter().map(|word| argument(word)).collect();
    words.join(" ")
}

fn argument(word: &str) -> String {
    let special = |c: char| c.is_whitespace() || matches!(c, '\'' | '"' | '\\');
    if !word.is_empty() && !word.contains(special) {
        return word.to_owned();
    }
    let mut quoted = String::from("'");
    for c in word.chars() {
        match c {
            '\n' => quoted.push_str("\\n"),
            '\r' => quoted.push_str("\\r"),
            '\t' => quoted.push_str("\\t"),
            '\'' | '\\' => quoted.extend(['\\', c]),
            other => quoted.push(other),
        }
    }
    quoted + "'"
}
