//! How expanded text came about: which definition or repetition produced it, and at whose request.
//!
//! A word keeps the place where it is written. If it stands in the body of a definition, or on a line that is
//! repeated, its span also has an [`OriginId`], which leads from expansion to expansion to the line that a reader
//! of the file sees first. [`trail`] tells that way in words.

use serde::{Deserialize, Serialize};

use super::source::{Sources, Span};

/// An expansion; a number in [`Origins`]. The default is none: the text is used where it is written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct OriginId(u32);

/// One expansion.
#[derive(Debug, Clone)]
pub struct Origin {
    /// What was expanded.
    pub what: Expanded,
    /// Where it was asked for; may itself have an origin.
    pub used_at: Span,
    /// How many expansions lead here, this one included.
    depth: u32,
}

/// What can be expanded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Expanded {
    /// `$NAME`: the definition's number and its name.
    Definition(u32, std::sync::Arc<str>),
    /// One round of `~SEQ` or `~LST`: the names and their values, `I = 3`.
    Round(Box<str>),
}

/// Every expansion of one reading.
#[derive(Debug, Clone, Default)]
pub struct Origins {
    list: Vec<Origin>,
}

/// One step on the way from an expanded text to the line that asked for it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Step {
    /// What happened there: `included from`, ``in the expansion of `$VI` at``.
    pub what: String,
    /// The file.
    pub file: String,
    /// Line, counted from 1.
    pub line: u32,
}

/// More steps than this are not told one by one.
const LONGEST_TRAIL: usize = 32;

impl Origins {
    /// Takes in one more expansion.
    pub fn add(&mut self, what: Expanded, used_at: Span) -> OriginId {
        let depth = self.depth(used_at.origin) + 1;
        self.list.push(Origin { what, used_at, depth });
        // The number of expansions is limited far below this.
        OriginId(u32::try_from(self.list.len()).unwrap_or(u32::MAX))
    }

    /// An expansion; `None` for text that is used where it is written.
    pub fn origin(&self, id: OriginId) -> Option<&Origin> {
        self.list.get(usize::try_from(id.0.checked_sub(1)?).ok()?)
    }

    /// How many expansions lead to a text; 0 where it is used as written.
    pub fn depth(&self, id: OriginId) -> u32 {
        self.origin(id).map_or(0, |origin| origin.depth)
    }

    /// The definitions that are being expanded, innermost first.
    pub fn definitions(&self, id: OriginId) -> impl Iterator<Item = (u32, &str)> {
        std::iter::successors(self.origin(id), |origin| self.origin(origin.used_at.origin)).filter_map(
            |origin| match &origin.what {
                Expanded::Definition(number, name) => Some((*number, name.as_ref())),
                Expanded::Round(_) => None,
            },
        )
    }

    /// From the beginning of one stretch to the end of another on the same line. If they come from different
    /// expansions: what both have in common.
    pub fn join(&self, mut first: Span, mut last: Span) -> Span {
        while first.origin != last.origin {
            let (one, other) = (self.depth(first.origin), self.depth(last.origin));
            if one >= other {
                first = self.origin(first.origin).map_or(first, |origin| origin.used_at);
            }
            if other >= one {
                last = self.origin(last.origin).map_or(last, |origin| origin.used_at);
            }
        }
        first.to(last)
    }
}

/// The way from a place to the line of the main file that led there, innermost first.
pub fn trail(at: Span, sources: &Sources) -> Vec<Step> {
    let mut steps = Vec::new();
    let mut at = at;
    while steps.len() < LONGEST_TRAIL {
        let what = match sources.origins.origin(at.origin) {
            Some(origin) => {
                at = origin.used_at;
                match &origin.what {
                    Expanded::Definition(_, name) => format!("in the expansion of `${name}` at"),
                    Expanded::Round(values) => format!("repeated with {values} at"),
                }
            }
            None => {
                let Some(included_at) = sources.included_at(at.file) else { break };
                at = included_at;
                "included from".to_owned()
            }
        };
        steps.push(Step { what, file: sources.name(at.file).to_owned(), line: at.line });
    }
    steps
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::config::source::FileId;

    fn span(line: u32, column: u32, length: u32, origin: OriginId) -> Span {
        Span { file: FileId(0), line, column, length, origin }
    }

    fn defined(origins: &mut Origins, name: &str, used_at: Span) -> OriginId {
        origins.add(Expanded::Definition(1, name.into()), used_at)
    }

    #[test]
    fn a_word_of_several_expansions_is_where_they_meet() {
        let mut origins = Origins::default();
        let none = OriginId::default();
        let outer = defined(&mut origins, "VS", span(9, 1, 3, none));
        let inner = defined(&mut origins, "IP", span(4, 10, 5, outer));
        // `a${IP}b` in the body of $VS: from the `a` to the `b`, in the expansion of $VS.
        assert_eq!(origins.join(span(4, 9, 1, outer), span(4, 15, 1, outer)), span(4, 9, 7, outer));
        // `${IP}b`, which begins with text of line 1.
        assert_eq!(origins.join(span(1, 5, 2, inner), span(4, 15, 1, outer)), span(4, 10, 6, outer));
        // `a${IP}`.
        assert_eq!(origins.join(span(4, 9, 1, outer), span(1, 5, 2, inner)), span(4, 9, 6, outer));
        let other = defined(&mut origins, "PORT", span(4, 15, 7, outer));
        assert_eq!(origins.join(span(1, 5, 2, inner), span(2, 5, 2, other)), span(4, 10, 12, outer));
    }

    #[test]
    fn the_way_leads_through_expansions_and_includes() {
        let mut sources = Sources::default();
        let main = sources.add(Path::new("main"), String::new(), None);
        let leaf = sources.add(
            Path::new("leaf"),
            String::new(),
            Some(Span { file: main, line: 3, ..Span::default() }),
        );
        let used_at = Span { file: leaf, line: 7, ..Span::default() };
        let round = sources.origins.add(Expanded::Round("I = 2".into()), used_at);
        let origin = defined(&mut sources.origins, "VS", Span { origin: round, ..used_at });
        let steps: Vec<_> = trail(Span { file: main, line: 1, origin, ..Span::default() }, &sources)
            .into_iter()
            .map(|step| format!("{} {}:{}", step.what, step.file, step.line))
            .collect();
        let expected =
            ["in the expansion of `$VS` at leaf:7", "repeated with I = 2 at leaf:7", "included from main:3"];
        assert_eq!(steps, expected);
    }
}
