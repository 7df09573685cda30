//! `$NAME=value`, and `$NAME` or `${NAME}` where the value is to stand.
//!
//! A definition is text; what it says is looked at where it is used, so what is defined later counts there too. A
//! value of several lines ends each line but the last with a backslash; used, it stands for all of them.

use std::sync::Arc;

use super::fragment::Line;

/// A name and the lines that it stands for.
#[derive(Debug, Clone)]
pub struct Definition {
    /// Tells it from other definitions of the same name.
    pub number: u32,
    /// The name, without the `$`.
    pub name: Arc<str>,
    /// Never empty.
    pub lines: Arc<[Line]>,
    /// Whether it is the value of a repetition, which is computed and not written anywhere.
    pub computed: bool,
}

/// A name in use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reference<'a> {
    /// The byte of the `$`.
    pub start: usize,
    /// The byte behind its end.
    pub end: usize,
    /// The name.
    pub name: &'a str,
    /// What stands behind the name in the braces: `1 10` in `${_RANDOM 1 10}`.
    pub arguments: &'a str,
    /// Whether it is in braces. A bare name must be followed by a blank or the end of the line.
    pub braces: bool,
}

/// A name in braces is not longer than this, so that looking for its end takes no time.
const LONGEST: usize = 256;

/// If the text begins with `$NAME=`: the name, and the byte behind the `=`.
pub fn begins(text: &str) -> Option<(&str, usize)> {
    let name = name(text.strip_prefix('$')?)?;
    text.get(name.len() + 1..)?.starts_with('=').then_some((name, name.len() + 2))
}

/// The first name in use in the text.
pub fn reference(text: &str) -> Option<Reference<'_>> {
    text.match_indices('$').find_map(|(start, _)| at(text, start))
}

/// The name that is in use at this byte.
pub fn at(text: &str, start: usize) -> Option<Reference<'_>> {
    let rest = text.get(start..)?.strip_prefix('$')?;
    let Some(inside) = rest.strip_prefix('{') else {
        let name = name(rest)?;
        return Some(Reference { start, end: start + 1 + name.len(), name, arguments: "", braces: false });
    };
    let name = name(inside)?;
    let length = inside.bytes().take(LONGEST).position(|byte| byte == b'}')?;
    let arguments = inside.get(name.len()..length)?;
    let separate = arguments.is_empty() || arguments.starts_with([' ', '\t']);
    let end = start + 2 + length + 1;
    separate.then_some(Reference { start, end, name, arguments: arguments.trim(), braces: true })
}

/// The name at the beginning of the text: letters, digits and `_`, with no digit first.
fn name(text: &str) -> Option<&str> {
    let end = text.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_')).unwrap_or(text.len());
    let name = text.get(..end)?;
    (!name.is_empty() && !name.starts_with(|c: char| c.is_ascii_digit())).then_some(name)
}

/// Whether a line of a file defines something, so that it goes on in the next if it ends with a backslash. Before
/// the definition there may be conditions, repetitions, and names that stand for those.
pub fn is_definition(line: &str) -> bool {
    let mut rest = line.trim_start();
    loop {
        if begins(rest).is_some() {
            return true;
        }
        let skipped = if rest.starts_with('@') {
            rest.find(char::is_whitespace)
        } else if rest.starts_with('~') {
            rest.find(')').map(|end| end + 1)
        } else {
            at(rest, 0).map(|reference| reference.end)
        };
        let Some(after) = skipped.and_then(|end| rest.get(end..)) else { return false };
        rest = after.trim_start();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn definitions_are_recognised() {
        let found = |text| begins(text).map(|(name, at)| (name, &text[at..]));
        assert_eq!(found("$A=b c"), Some(("A", "b c")));
        assert_eq!(found("$_a9="), Some(("_a9", "")));
        for none in ["$A =1", "$=1", "$1A=1", "$A", "A=1", "$A-B=1", "${A}=1"] {
            assert_eq!(found(none), None, "{none}");
        }
        for line in ["  $A=1", "@id $A=\\", "@a @^b $A=", "~SEQ(I, 1, 2) $A=$I", "${X} $A=1", "$X $A=1"] {
            assert!(is_definition(line), "{line}");
        }
        for line in ["", "@id", "$A", "x $A=1", "~SEQ(I $A=1", "${A $B=1", "@id router_id $A=1"] {
            assert!(!is_definition(line), "{line}");
        }
    }

    #[test]
    fn references_are_found() {
        let found =
            |text| reference(text).map(|found| (found.name, found.arguments, found.braces, found.end));
        assert_eq!(found("a $B c"), Some(("B", "", false, 4)));
        assert_eq!(found("a${B}c"), Some(("B", "", true, 5)));
        assert_eq!(found("$1 $$x_Y9-"), Some(("x_Y9", "", false, 9)));
        assert_eq!(found("${_RANDOM  1 10 }"), Some(("_RANDOM", "1 10", true, 17)));
        for none in ["", "$", "${", "${}", "${A", "${A-B}", "a$ b", "$1"] {
            assert_eq!(found(none), None, "{none}");
        }
    }
}
