//! How deep in braces a line stands.
//!
//! A condition such as `@high` may stand before an opening brace, and another before its alternative. So the braces are
//! counted once for each config id that the text names, and once for any other. They must balance for each that is named;
//! a file that names none must balance as it is.

use std::collections::BTreeMap;

use super::Trouble;
use super::row::{Piece, Row, closing};
use crate::config::complaint::Code;
use crate::config::keywords;
use crate::config::syntax::condition::Condition;
use crate::config::syntax::tree::MAX_DEPTH;

/// More config ids than this are not told apart.
const MOST_IDS: usize = 64;

/// The braces that are open, by config id; for the empty one: any that is not named.
pub(super) struct Depth(BTreeMap<String, Result<Vec<Open>, Trouble>>);

/// A brace that is open.
#[derive(Debug, Clone)]
struct Open {
    line: u32,
    column: u32,
    keyword: String,
}

impl Default for Depth {
    fn default() -> Self {
        Self(BTreeMap::from([(String::new(), Ok(Vec::new()))]))
    }
}

impl Depth {
    /// Tells the config ids of a line apart from now on.
    pub fn learn(&mut self, conditions: &[Condition<'_>]) {
        for condition in conditions {
            if !self.0.contains_key(condition.id)
                && self.0.len() < MOST_IDS
                && let Some(others) = self.0.get("").cloned()
            {
                self.0.insert(condition.id.to_owned(), others);
            }
        }
    }

    /// How deep a line with these conditions stands.
    pub fn now(&self, conditions: &[Condition<'_>]) -> usize {
        let depths = |all: bool| {
            let alive = self.0.iter().filter(move |(id, _)| all || holds(conditions, id));
            alive.filter_map(|(_, open)| open.as_ref().ok()).map(Vec::len).max()
        };
        depths(false).or_else(|| depths(true)).unwrap_or(0)
    }

    /// The same, if braces close at the beginning of the line.
    pub fn after_closing(&self, row: &Row<'_>) -> usize {
        self.now(&row.conditions).saturating_sub(closing(&row.pieces))
    }

    /// Counts the braces of a line or a part of it.
    pub fn follow(&mut self, row: &Row<'_>, pieces: &[Piece<'_>]) -> Result<(), Trouble> {
        if pieces.iter().all(Piece::is_word) {
            return Ok(());
        }
        for (id, open) in &mut self.0 {
            if !holds(&row.conditions, id) {
                continue;
            }
            let Ok(stack) = open else { continue };
            if let Err(trouble) = follow(stack, row.number, pieces) {
                *open = Err(trouble);
            }
        }
        self.check()
    }

    /// At the end every brace must be closed.
    pub fn finish(mut self) -> Result<(), Trouble> {
        for open in self.0.values_mut() {
            if let Some(last) = open.as_ref().ok().and_then(|stack| stack.last()) {
                *open = Err(unclosed(last, ""));
            }
        }
        self.check()
    }

    /// Whether the braces balance for every config id that is named; if none is, for any.
    fn check(&self) -> Result<(), Trouble> {
        let named = self.0.len() > 1;
        for (id, open) in self.0.iter().filter(|(id, _)| !named || !id.is_empty()) {
            if let Err(trouble) = open {
                let mut trouble = trouble.clone();
                if named {
                    trouble.message.push_str(&format!(" (where the config id is `{id}`)"));
                }
                return Err(trouble);
            }
        }
        Ok(())
    }
}

fn holds(conditions: &[Condition<'_>], id: &str) -> bool {
    conditions.iter().all(|condition| condition.holds(id))
}

fn follow(stack: &mut Vec<Open>, line: u32, pieces: &[Piece<'_>]) -> Result<(), Trouble> {
    let mut keyword = "";
    let mut first = true;
    for piece in pieces {
        let trouble = |code, message: String| Err(Trouble { code, line, column: piece.column, message });
        if piece.is_open() {
            if let Some(last) = stack.last().filter(|_| keywords::opens_root_block(keyword)) {
                return Err(unclosed(last, &format!(" before `{keyword}` in line {line} begins")));
            }
            if stack.len() >= MAX_DEPTH {
                let message =
                    format!("blocks are nested more than {MAX_DEPTH} deep; is a `}}` missing above?");
                return trouble(Code::TooDeep, message);
            }
            stack.push(Open { line, column: piece.column, keyword: keyword.to_owned() });
        } else if piece.is_close() && stack.pop().is_none() {
            let message = "this `}` closes nothing; there is one too many, or a `{` is missing above";
            return trouble(Code::StrayBrace, message.to_owned());
        }
        if piece.is_word() && first {
            keyword = &piece.text;
        } else if !piece.is_word() {
            keyword = "";
        }
        first = !piece.is_word();
    }
    Ok(())
}

fn unclosed(open: &Open, reason: &str) -> Trouble {
    let Open { line, column, keyword } = open;
    let what = if keyword.is_empty() { "block".to_owned() } else { format!("block of `{keyword}`") };
    let message = format!("the {what} that begins here is not closed{reason}; add the missing `}}`");
    Trouble { code: Code::UnclosedBlock, line: *line, column: *column, message }
}
