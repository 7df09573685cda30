//! Commands: one word of the file holds the program with its arguments, and a user and a group may follow.
//!
//! Since the whole command is one word, it is quoted as soon as it has arguments; inside, quotes of the other kind group
//! blanks into one argument: `notify "/bin/say 'two words' three" nobody`.

use std::iter::Peekable;
use std::str::Chars;

use super::context::{Context, Entry, short};
use crate::config::Command;
use crate::config::complaint::{Code, Reaction};
use crate::config::syntax::Word;

impl Context<'_> {
    /// A command, and perhaps a user and a group.
    pub fn command(&mut self, entry: &Entry<'_>) -> Option<Command> {
        let word = self.first(entry)?;
        self.at_most(entry, 3);
        let words = self.arguments(word)?;
        let user = match entry.words().get(1) {
            Some(user) => Some(self.account("user", user)?),
            None => None,
        };
        let group = match entry.words().get(2) {
            Some(group) => Some(self.account("group", group)?),
            None => None,
        };
        Some(Command { words, user, group })
    }

    /// A command that is the keyword's only word.
    pub fn program(&mut self, entry: &Entry<'_>) -> Option<Vec<String>> {
        let word = self.word(entry)?;
        self.arguments(word)
    }

    /// A user and perhaps a group, as the only words.
    pub fn account_of(&mut self, entry: &Entry<'_>) -> Option<(Option<String>, Option<String>)> {
        let user = self.first(entry)?;
        self.at_most(entry, 2);
        let user = Some(self.account("user", user)?);
        let group = match entry.words().get(1) {
            Some(group) => Some(self.account("group", group)?),
            None => None,
        };
        Some((user, group))
    }

    /// The program and its arguments that one word holds.
    pub fn arguments(&mut self, word: &Word) -> Option<Vec<String>> {
        let (code, message) = match split(&word.text) {
            Some(words) if words.iter().any(|word| word.contains('\0')) => {
                (Code::InvalidText, "the command holds a NUL character".to_owned())
            }
            Some(words) if words.first().is_some_and(|program| !program.is_empty()) => return Some(words),
            Some(_) => (Code::InvalidText, "the command is empty".to_owned()),
            None => {
                (Code::UnclosedQuote, format!("a quote is not closed in the command `{}`", short(&word.text)))
            }
        };
        self.error_but(code, word.span, message, None, ignored());
        None
    }

    /// The name of a user or a group; whether there is one of that name is only known where it is used.
    pub fn account(&mut self, what: &str, word: &Word) -> Option<String> {
        let text = &word.text;
        let odd =
            |c: char| c.is_whitespace() || c.is_control() || matches!(c, '/' | ':' | ',' | '\'' | '"' | '$');
        if text.is_empty() || text.starts_with('-') || text.contains(odd) {
            let message = format!(
                "`{}` cannot be the name of a {what}: behind a command stand a user and a group",
                short(text)
            );
            let suggestion = Some("put the command and its arguments in one pair of quotes".to_owned());
            self.error_but(Code::InvalidText, word.span, message, suggestion, ignored());
            return None;
        }
        Some(text.clone())
    }
}

fn ignored() -> Reaction {
    Reaction::goes_on("the command is ignored")
}

/// Cuts a command into words. `None` if a quote is not closed.
fn split(text: &str) -> Option<Vec<String>> {
    let mut words = Vec::new();
    let mut chars = text.chars().peekable();
    loop {
        while chars.next_if(|c| c.is_whitespace()).is_some() {}
        if chars.peek().is_none() {
            return Some(words);
        }
        words.push(one(&mut chars)?);
    }
}

fn one(chars: &mut Peekable<Chars<'_>>) -> Option<String> {
    let mut word = String::new();
    while let Some(c) = chars.next_if(|c| !c.is_whitespace()) {
        match c {
            '\'' | '"' => loop {
                match chars.next()? {
                    end if end == c => break,
                    '\\' => word.push(escaped(chars.next()?)),
                    inside => word.push(inside),
                }
            },
            '\\' => match chars.next_if(|c| matches!(c, '\'' | '"' | '\\' | ' ' | '\t')) {
                Some(protected) => word.push(protected),
                None => word.push('\\'),
            },
            plain => word.push(plain),
        }
    }
    Some(word)
}

fn escaped(c: char) -> char {
    match c {
        'n' => '\n',
        'r' => '\r',
        't' => '\t',
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::config::write::command_line;

    #[test]
    fn quotes_group_and_blanks_separate() {
        let cases: &[(&str, Option<&[&str]>)] = &[
            ("/bin/x", Some(&["/bin/x"])),
            (" /bin/x  a\tb ", Some(&["/bin/x", "a", "b"])),
            ("sh -c 'a b; c'", Some(&["sh", "-c", "a b; c"])),
            ("x \"it's\" ''", Some(&["x", "it's", ""])),
            (r"x 'it\'s' a\ b C:\dir", Some(&["x", "it's", "a b", r"C:\dir"])),
            ("x a'b c'd", Some(&["x", "ab cd"])),
            ("", Some(&[])),
            ("x 'a", None),
            (r"x 'a\", None),
        ];
        for (text, expected) in cases {
            let words = split(text);
            let words: Option<Vec<&str>> =
                words.as_ref().map(|words| words.iter().map(String::as_str).collect());
            assert_eq!(words.as_deref(), *expected, "{text}");
        }
    }

    proptest! {
        #[test]
        fn a_written_command_is_read_as_the_same_words(words in prop::collection::vec("\\PC*|[ '\"\\\\a\n\t]*", 1..5)) {
            prop_assert_eq!(split(&command_line(&words)), Some(words));
        }
    }
}
