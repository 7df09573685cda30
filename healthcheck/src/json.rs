//! Looking at single values of a page that is JSON.
//!
//! The page is read from its beginning to its end for each assertion, and nothing of it is kept but the value that is
//! asked for: a page full of brackets takes time in proportion to its length, and no memory.

use std::fmt;

use serde::de::{DeserializeSeed, IgnoredAny, MapAccess, SeqAccess, Visitor};

use crate::dialogue::quote;
use crate::search::Search;
use crate::spec::{Assertion, Expect, Pattern, Relation, number};

/// Whether everything holds that is said of a page; the error is a sentence.
pub fn judge(assertions: &[Assertion], page: &[u8]) -> Result<(), String> {
    assertions.iter().try_for_each(|assertion| holds(assertion, page))
}

fn holds(assertion: &Assertion, page: &[u8]) -> Result<(), String> {
    let steps = assertion.steps();
    let mut reader = serde_json::Deserializer::from_slice(page);
    let found = Walk(&steps).deserialize(&mut reader).and_then(|leaf| reader.end().map(|()| leaf));
    let leaf = found.map_err(|error| format!("the page is not JSON that can be read: {error}"))?;
    let place = match assertion.pointer.as_str() {
        "" => "as a whole".to_owned(),
        pointer => format!("at {pointer}"),
    };
    let (relation, expected) = match (&assertion.expect, &leaf) {
        (Expect::Absent, Leaf::Nothing) => return Ok(()),
        (Expect::Absent, leaf) => return Err(format!("the page has {leaf} {place}, expected nothing there")),
        (_, Leaf::Nothing) => return Err(format!("the page has nothing {place}")),
        (Expect::Exists, _) => return Ok(()),
        (Expect::Is(relation, expected), _) => (*relation, expected.as_str()),
    };
    if compares(&leaf, relation, expected)? {
        return Ok(());
    }
    let (relation, expected) = (relation.as_str().replace('_', " "), quote(expected.as_bytes()));
    Err(format!(
        "the page has {leaf} {place}, expected one that {}{expected}'",
        match relation.as_str() {
            "matches" => "matches '".to_owned(),
            "matches not" => "does not match '".to_owned(),
            "is" => "is '".to_owned(),
            "is not" => "is not '".to_owned(),
            other => format!("is {other} '"),
        }
    ))
}

/// Whether a value stands in a relation to a text; the error says why that could not be found out.
fn compares(leaf: &Leaf, relation: Relation, expected: &str) -> Result<bool, String> {
    let same = || match leaf {
        Leaf::Text(text) => text == expected,
        Leaf::Plain(word) => *word == expected,
        Leaf::Number(value, text) => text == expected || number(expected) == Some(*value),
        Leaf::Nothing | Leaf::Array | Leaf::Object => false,
    };
    let order = || match leaf {
        Leaf::Number(value, _) => number(expected).and_then(|expected| value.partial_cmp(&expected)),
        _ => None,
    };
    let found = || -> Result<bool, String> {
        let pattern = Pattern { text: expected.to_owned(), ..Pattern::default() };
        let search = Search::new(&pattern).map_err(|error| error.to_string())?;
        match leaf {
            Leaf::Text(text) | Leaf::Number(_, text) => search.passes(text.as_bytes()),
            Leaf::Plain(word) => search.passes(word.as_bytes()),
            Leaf::Nothing | Leaf::Array | Leaf::Object => Err("this is no text".to_owned()),
        }
        .map_err(|error| format!("the search of {leaf} for '{expected}' was given up: {error}"))
    };
    Ok(match relation {
        Relation::Is => same(),
        Relation::IsNot => !same(),
        Relation::Below => order().is_some_and(|order| order.is_lt()),
        Relation::AtMost => order().is_some_and(|order| order.is_le()),
        Relation::Above => order().is_some_and(|order| order.is_gt()),
        Relation::AtLeast => order().is_some_and(|order| order.is_ge()),
        Relation::Matches => found()?,
        Relation::MatchesNot => !found()?,
    })
}

/// What a pointer leads to.
#[derive(Debug, Clone, PartialEq)]
enum Leaf {
    Nothing,
    /// `true`, `false`, `null`.
    Plain(&'static str),
    /// As it is written, or nearly.
    Number(f64, String),
    Text(String),
    Array,
    Object,
}

impl fmt::Display for Leaf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Leaf::Nothing => f.write_str("nothing"),
            Leaf::Plain(word) => f.write_str(word),
            Leaf::Number(_, text) => f.write_str(text),
            Leaf::Text(text) => write!(f, "\"{}\"", quote(text.as_bytes())),
            Leaf::Array => f.write_str("an array"),
            Leaf::Object => f.write_str("an object"),
        }
    }
}

/// The way that is left to go.
struct Walk<'a>(&'a [String]);

impl<'de> DeserializeSeed<'de> for Walk<'_> {
    type Value = Leaf;

    fn deserialize<D: serde::Deserializer<'de>>(self, deserializer: D) -> Result<Leaf, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl Walk<'_> {
    /// What a value is that has no parts.
    fn end(&self, leaf: impl FnOnce() -> Leaf) -> Leaf {
        if self.0.is_empty() { leaf() } else { Leaf::Nothing }
    }
}

impl<'de> Visitor<'de> for Walk<'_> {
    type Value = Leaf;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any value")
    }

    fn visit_unit<E>(self) -> Result<Leaf, E> {
        Ok(self.end(|| Leaf::Plain("null")))
    }

    fn visit_bool<E>(self, value: bool) -> Result<Leaf, E> {
        Ok(self.end(|| Leaf::Plain(if value { "true" } else { "false" })))
    }

    #[expect(clippy::cast_precision_loss, reason = "the text is compared first")]
    fn visit_u64<E>(self, value: u64) -> Result<Leaf, E> {
        Ok(self.end(|| Leaf::Number(value as f64, value.to_string())))
    }

    #[expect(clippy::cast_precision_loss, reason = "the text is compared first")]
    fn visit_i64<E>(self, value: i64) -> Result<Leaf, E> {
        Ok(self.end(|| Leaf::Number(value as f64, value.to_string())))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Leaf, E> {
        Ok(self.end(|| Leaf::Number(value, value.to_string())))
    }

    fn visit_str<E>(self, value: &str) -> Result<Leaf, E> {
        Ok(self.end(|| Leaf::Text(value.to_owned())))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Leaf, A::Error> {
        let mut found = self.end(|| Leaf::Array);
        let wanted = self.0.split_first().and_then(|(step, rest)| Some((index(step)?, rest)));
        for at in 0.. {
            let more = match wanted {
                Some((index, rest)) if index == at => match items.next_element_seed(Walk(rest))? {
                    Some(leaf) => {
                        found = leaf;
                        true
                    }
                    None => false,
                },
                _ => items.next_element::<IgnoredAny>()?.is_some(),
            };
            if !more {
                break;
            }
        }
        Ok(found)
    }

    /// Of a name that is there twice the last one counts, as in most programs that read JSON.
    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Leaf, A::Error> {
        let mut found = self.end(|| Leaf::Object);
        let (step, rest) = match self.0.split_first() {
            Some((step, rest)) => (Some(step.as_str()), rest),
            None => (None, self.0),
        };
        while let Some(wanted) = members.next_key_seed(Name(step))? {
            if wanted {
                found = members.next_value_seed(Walk(rest))?;
            } else {
                members.next_value::<IgnoredAny>()?;
            }
        }
        Ok(found)
    }
}

/// Digits without zeros in front (RFC 6901 section 4).
fn index(step: &str) -> Option<usize> {
    let plain = step.bytes().all(|byte| byte.is_ascii_digit()) && (step == "0" || !step.starts_with('0'));
    step.parse().ok().filter(|_| plain)
}

/// The name of a member: whether it is this one.
struct Name<'a>(Option<&'a str>);

impl<'de> DeserializeSeed<'de> for Name<'_> {
    type Value = bool;

    fn deserialize<D: serde::Deserializer<'de>>(self, deserializer: D) -> Result<bool, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl Visitor<'_> for Name<'_> {
    type Value = bool;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a name")
    }

    fn visit_str<E>(self, name: &str) -> Result<bool, E> {
        Ok(self.0 == Some(name))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAGE: &str = r#"{"status": "ok", "queue": 7, "ratio": 0.50, "big": 18446744073709551615, "up": true,
        "none": null, "a/b": {"~": ["x", {"deep": -3}]}, "": "empty", "twice": 1, "twice": 2, "ünï": "é",
        "esc\u0061ped": "a\"b"}"#;

    fn said(words: &[&str]) -> Result<(), String> {
        judge(&[Assertion::read(words).unwrap()], PAGE.as_bytes())
    }

    #[test]
    fn what_holds_passes() {
        for words in [
            &["/status", "ok"][..],
            &["/status"],
            &["/none"],
            &["/none", "null"],
            &["/up", "true"],
            &["/status", "is_not", "down"],
            &["/queue", "7"],
            &["/queue", "7.0"],
            &["/queue", "below", "10"],
            &["/queue", "at_most", "7"],
            &["/queue", "at_least", "7"],
            &["/queue", "above", "-1"],
            &["/ratio", "0.5"],
            &["/big", "18446744073709551615"],
            &["/a~1b/~0/0", "x"],
            &["/a~1b/~0/1/deep", "-3"],
            &["/a~1b/~0/2", "absent"],
            &["/a~1b/~0/-", "absent"],
            &["/a~1b/~0/00", "absent"],
            &["/status/0", "absent"],
            &["/", "empty"],
            &["/twice", "2"],
            &["/ünï", "é"],
            &["/escaped", "a\"b"],
            &["/status", "matches", "^o"],
            &["/queue", "matches", "^[0-9]$"],
            &["/status", "matches_not", "error|down"],
            &[""],
            &["/missing", "absent"],
        ] {
            assert_eq!(said(words), Ok(()), "{words:?}");
        }
    }

    #[test]
    fn what_does_not_hold_is_told_in_words() {
        for (words, expected) in [
            (&["/status", "up"][..], "the page has \"ok\" at /status, expected one that is 'up'"),
            (&["/queue", "above", "7"], "the page has 7 at /queue, expected one that is above '7'"),
            (&["/queue", "at_least", "8"], "the page has 7 at /queue, expected one that is at least '8'"),
            (&["/status", "is_not", "ok"], "the page has \"ok\" at /status, expected one that is not 'ok'"),
            (&["/status", "below", "3"], "the page has \"ok\" at /status, expected one that is below '3'"),
            (&["/up", "1"], "the page has true at /up, expected one that is '1'"),
            (&["/a~1b", "x"], "the page has an object at /a~1b, expected one that is 'x'"),
            (&["/nowhere", "x"], "the page has nothing at /nowhere"),
            (&["/none", "absent"], "the page has null at /none, expected nothing there"),
            (&["/status", "matches", "x"], "the page has \"ok\" at /status, expected one that matches 'x'"),
            (&["/a~1b/~0", "matches", "x"], "the search of an array for 'x' was given up: this is no text"),
            (&["", "x"], "the page has an object as a whole, expected one that is 'x'"),
        ] {
            assert_eq!(said(words), Err(expected.to_owned()), "{words:?}");
        }
    }

    #[test]
    fn what_is_no_json_is_told() {
        let exists = [Assertion::read(&["/a"]).unwrap()];
        for page in ["", "<html>", "{\"a\": 1", "{\"a\": 1} x", "{\"a\": 1}}", "[1,]", "\"\\ud800\"x"] {
            let told = judge(&exists, page.as_bytes()).unwrap_err();
            assert!(told.starts_with("the page is not JSON"), "{page}: {told}");
        }
        assert!(judge(&exists, b"{\"a\": \"\xff\"}").is_err());
        assert_eq!(judge(&exists, b" {\"a\": 1}\r\n"), Ok(()));
        // What lies beside the way may be as deep as it likes.
        let deep = format!("{{\"b\": {}{}, \"a\": 1}}", "[".repeat(100_000), "]".repeat(100_000));
        assert_eq!(judge(&exists, deep.as_bytes()), Ok(()));
        let deeper = [Assertion::read(&["/b/0/0/0/0"]).unwrap()];
        let _ = judge(&deeper, deep.as_bytes());
    }
}
