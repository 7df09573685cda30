//! The names that a file defines, as far as they matter to its layout.
//!
//! The value of a name may hold quotes or braces, and where it stands, blanks may mean more than they seem to. A name
//! is *plain* if all its values are words without any of that, however it is defined; lines with other names stay as
//! they are written.

use std::collections::{BTreeMap, BTreeSet};

use super::Written;
use super::row::{Piece, braces_touch_names};
use crate::config::syntax::fragment::comment_start;
use crate::config::syntax::{builtin, definition, sequence};

/// Which names are plain.
pub(super) struct Names<'a>(BTreeSet<&'a str>);

/// Rounds in which names are found not to be plain because of the names in their values.
const ROUNDS: usize = 16;

impl<'a> Names<'a> {
    /// Collects whatever may define a name, wherever it stands.
    pub fn of(lines: &[Written<'a>]) -> Self {
        let mut values: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        for line in lines.iter().filter(|line| line.text.contains(['$', '~'])) {
            let code = comment_start(line.text).and_then(|at| line.text.get(..at)).unwrap_or(line.text);
            for (at, _) in code.match_indices('$') {
                let text = code.get(at..).unwrap_or_default();
                if let Some((name, value)) = definition::begins(text) {
                    values.entry(name).or_default().push(text.get(value..).unwrap_or_default().trim());
                }
            }
            for (at, _) in code.match_indices('~') {
                let text = code.get(at..).unwrap_or_default();
                let Some(Ok(repetition)) = sequence::of(text) else { continue };
                let Some((first, items)) = repetition.items.split_first() else { continue };
                let group = first.strip_prefix('{').and_then(|names| names.strip_suffix('}'));
                for name in group.unwrap_or(first).split(',').map(str::trim) {
                    // Braces around the values of one round do not belong to them.
                    let ungrouped = items.iter().map(|item| match group {
                        Some(_) => {
                            item.strip_prefix('{').and_then(|item| item.strip_suffix('}')).unwrap_or(item)
                        }
                        None => item,
                    });
                    values.entry(name).or_default().extend(ungrouped);
                }
            }
        }
        Self::plain(&values)
    }

    fn plain(values: &BTreeMap<&'a str, Vec<&str>>) -> Self {
        let mut names = Self(values.keys().copied().collect());
        for _ in 0..ROUNDS {
            let fine = |name: &&str| {
                values.get(name).is_some_and(|values| values.iter().all(|value| names.is_plain(value)))
            };
            let left: BTreeSet<&str> = names.0.iter().copied().filter(fine).collect();
            if left.len() == names.0.len() {
                return names;
            }
            names = Self(left);
        }
        Self(BTreeSet::new())
    }

    /// Whether a value is words and nothing else.
    fn is_plain(&self, value: &str) -> bool {
        let odd = |c: char| {
            matches!(c, '"' | '\'' | '\\' | '~' | '#' | '!' | '=')
                || (c.is_whitespace() && !matches!(c, ' ' | '\t'))
        };
        if value.starts_with('@') || value.contains(odd) {
            return false;
        }
        let mut rest = value;
        while let Some(at) = rest.find(['$', '{', '}']) {
            let Some(reference) = definition::at(rest, at).filter(|reference| self.knows(reference.name))
            else {
                return false;
            };
            rest = rest.get(reference.end..).unwrap_or_default();
        }
        true
    }

    fn knows(&self, name: &str) -> bool {
        self.0.contains(name) || matches!(name, "_PWD" | "_INSTANCE" | "_RANDOM") && builtin::is_one(name)
    }

    /// Whether the blanks of a line may be changed, as far as the names in it matter.
    pub fn allow(&self, text: &str, pieces: &[Piece<'_>]) -> bool {
        let mut at = 0;
        let mut any = false;
        while let Some(found) = text.get(at..).and_then(definition::reference) {
            if !self.knows(found.name) {
                return false;
            }
            any = true;
            at += found.end;
        }
        if !any {
            return true;
        }
        // A name in the place of a keyword may stand for `include`, in whose words braces are letters.
        let keywords = std::iter::once(pieces.first()).chain(
            pieces
                .windows(2)
                .filter(|pair| pair.first().is_some_and(|piece| !piece.is_word()))
                .map(<[_]>::last),
        );
        let has_braces = pieces.iter().any(|piece| !piece.is_word());
        let named = keywords.flatten().any(|keyword| keyword.raw.contains('$'));
        !text.contains(['\'', '~']) && !(has_braces && (named || braces_touch_names(pieces)))
    }
}
