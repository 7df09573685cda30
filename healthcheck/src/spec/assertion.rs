//! What must hold of a value in a page that is JSON.

use serde::{Deserialize, Serialize};

use super::Pattern;
use crate::error::Error;
use crate::search::Search;

/// The longest pointer, in bytes.
const LONGEST_POINTER: usize = 1024;

/// One statement about one value of a page (`json`).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Assertion {
    /// Where the value is (RFC 6901): `/checks/0/status`; empty for the whole page.
    pub pointer: String,
    /// What must hold of it.
    pub expect: Expect,
}

/// What must hold of a value.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Expect {
    /// It is there, whatever it is.
    Exists,
    /// It is not there.
    Absent,
    /// It compares so with this one.
    Is(Relation, String),
}

/// How a value compares with the one that is expected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Relation {
    /// The same text, number, `true`, `false` or `null`.
    Is,
    /// Another one; it must be there.
    IsNot,
    /// A smaller number.
    Below,
    /// A number that is not larger.
    AtMost,
    /// A larger number.
    Above,
    /// A number that is not smaller.
    AtLeast,
    /// The regular expression finds something in it.
    Matches,
    /// The regular expression finds nothing in it.
    MatchesNot,
}

impl Relation {
    /// Every relation, with the word for it.
    pub const ALL: [(Relation, &'static str); 8] = [
        (Relation::Is, "is"),
        (Relation::IsNot, "is_not"),
        (Relation::Below, "below"),
        (Relation::AtMost, "at_most"),
        (Relation::Above, "above"),
        (Relation::AtLeast, "at_least"),
        (Relation::Matches, "matches"),
        (Relation::MatchesNot, "matches_not"),
    ];

    /// The word for it.
    pub fn as_str(self) -> &'static str {
        Relation::ALL.iter().find(|(relation, _)| *relation == self).map_or("is", |(_, word)| word)
    }

    fn named(word: &str) -> Option<Relation> {
        Relation::ALL.iter().find(|(_, name)| *name == word).map(|(relation, _)| *relation)
    }

    /// Whether it compares numbers.
    pub fn orders(self) -> bool {
        matches!(self, Relation::Below | Relation::AtMost | Relation::Above | Relation::AtLeast)
    }

    /// Whether it is a search.
    pub fn searches(self) -> bool {
        matches!(self, Relation::Matches | Relation::MatchesNot)
    }
}

impl Assertion {
    /// Reads what stands behind `json`: a pointer alone (the value is there), a pointer and a value (it is that one), a
    /// pointer and `exists` or `absent`, or a pointer, a [`Relation`] and a value.
    pub fn read(words: &[&str]) -> Result<Assertion, Error> {
        let (pointer, expect) = match words {
            [pointer] | [pointer, "exists"] => (pointer, Expect::Exists),
            [pointer, "absent"] => (pointer, Expect::Absent),
            [_, word] if Relation::named(word).is_some() => {
                return Err(Error::AssertionValue((*word).to_owned()));
            }
            [pointer, value] => (pointer, Expect::Is(Relation::Is, (*value).to_owned())),
            [pointer, word, value] => {
                let relation = Relation::named(word).ok_or_else(|| Error::Relation((*word).to_owned()))?;
                (pointer, Expect::Is(relation, (*value).to_owned()))
            }
            _ => return Err(Error::Assertion),
        };
        check_pointer(pointer)?;
        if let Expect::Is(relation, value) = &expect {
            if relation.orders() && number(value).is_none() {
                return Err(Error::AssertionNumber(value.clone()));
            }
            if relation.searches() {
                Search::new(&Pattern { text: value.clone(), ..Pattern::default() })?;
            }
        }
        Ok(Assertion { pointer: (*pointer).to_owned(), expect })
    }

    /// The words that [`Assertion::read`] takes.
    pub fn words(&self) -> Vec<String> {
        let mut words = vec![self.pointer.clone()];
        match &self.expect {
            Expect::Exists => {}
            Expect::Absent => words.push("absent".to_owned()),
            Expect::Is(relation, value) => words.extend([relation.as_str().to_owned(), value.clone()]),
        }
        words
    }

    /// The steps to the value, each without escapes (RFC 6901 section 4).
    pub fn steps(&self) -> Vec<String> {
        self.pointer.split('/').skip(1).map(|step| step.replace("~1", "/").replace("~0", "~")).collect()
    }
}

/// A number as JSON writes it; nothing that only computers take for one.
pub(crate) fn number(text: &str) -> Option<f64> {
    let begins = text.starts_with(|c: char| c.is_ascii_digit() || c == '-');
    text.parse().ok().filter(|number: &f64| begins && number.is_finite())
}

/// Empty, or begins with a slash; behind each `~` stands 0 or 1.
fn check_pointer(pointer: &str) -> Result<(), Error> {
    let begins = pointer.is_empty() || pointer.starts_with('/');
    let escaped = pointer.split('~').skip(1).all(|rest| rest.starts_with(['0', '1']));
    if begins && escaped && pointer.len() <= LONGEST_POINTER {
        return Ok(());
    }
    Err(Error::Pointer(pointer.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn assertions_are_read_and_shown_as_written() {
        for words in [
            &["/a"][..],
            &["/a", "absent"],
            &["/a", "is", "ok"],
            &["", "is_not", ""],
            &["/n", "below", "-1.5e3"],
            &["/n/0", "at_least", "3"],
            &["/t", "matches", "^v[0-9]+$"],
            &["/t", "matches_not", "(a|b)"],
        ] {
            assert_eq!(Assertion::read(words).unwrap().words(), words);
        }
        assert_eq!(Assertion::read(&["/a", "ok"]).unwrap().words(), ["/a", "is", "ok"]);
        assert_eq!(Assertion::read(&["/a", "exists"]).unwrap().words(), ["/a"]);
        assert_eq!(Assertion::read(&["/a~1b/~01/"]).unwrap().steps(), ["a/b", "~1", ""]);
        assert!(Assertion::read(&[""]).unwrap().steps().is_empty());
    }

    #[test]
    fn wrong_assertions_say_what_is_wrong() {
        assert_eq!(Assertion::read(&[]), Err(Error::Assertion));
        assert_eq!(Assertion::read(&["/a", "is", "b", "c"]), Err(Error::Assertion));
        assert_eq!(Assertion::read(&["a"]), Err(Error::Pointer("a".into())));
        assert_eq!(Assertion::read(&["/a~2"]), Err(Error::Pointer("/a~2".into())));
        assert_eq!(Assertion::read(&["/a~"]), Err(Error::Pointer("/a~".into())));
        assert_eq!(Assertion::read(&["/a", "<", "3"]), Err(Error::Relation("<".into())));
        assert_eq!(Assertion::read(&["/a", "below"]), Err(Error::AssertionValue("below".into())));
        assert_eq!(Assertion::read(&["/a", "below", "inf"]), Err(Error::AssertionNumber("inf".into())));
        assert!(matches!(Assertion::read(&["/a", "matches", "("]), Err(Error::Pattern(..))));
    }
}
