//! What became of each line of a file that was imported.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

/// What became of a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fate {
    /// It means the same in the new file.
    Translated,
    /// Something near it is in the new file.
    Changed,
    /// Nothing of it is in the new file.
    Dropped,
    /// It is in the new file, and was hardly ever meant as it worked.
    Trap,
}

impl fmt::Display for Fate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Translated => "translated",
            Self::Changed => "changed",
            Self::Dropped => "dropped",
            Self::Trap => "trap",
        })
    }
}

/// One thing that is to be said about a line.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Note {
    /// The line, counted from 1; 0 for the file as a whole.
    pub line: u32,
    /// What became of it.
    pub fate: Fate,
    /// How, why, and what can be done.
    pub text: String,
}

/// All notes, in the order of the lines, each once.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Report {
    notes: BTreeSet<Note>,
}

impl Report {
    /// Notes something about a line.
    pub fn say(&mut self, line: u32, fate: Fate, text: impl Into<String>) {
        self.notes.insert(Note { line, fate, text: text.into() });
    }

    /// All notes.
    pub fn notes(&self) -> impl Iterator<Item = &Note> {
        self.notes.iter()
    }

    /// Whether everything means the same in the new file.
    pub fn is_faithful(&self) -> bool {
        !self.notes.iter().any(|note| matches!(note.fate, Fate::Changed | Fate::Dropped))
    }

    /// `FILE:LINE: FATE: what the line says: how and why`, and a last line that counts.
    pub fn render(&self, file: &str, subject: impl Fn(u32) -> String) -> String {
        let mut out = String::new();
        for Note { line, fate, text } in &self.notes {
            match line {
                0 => out.push_str(&format!("{file}: {fate}: {text}\n")),
                line => {
                    out.push_str(&format!("{file}:{line}: {fate}: `{}`: {text}\n", clean(&subject(*line))))
                }
            }
        }
        out + &format!("{file}: {}\n", self.summary())
    }

    /// `12 lines translated, 2 changed, 1 dropped, 3 traps`. A line counts once, as the worst that was said of it.
    fn summary(&self) -> String {
        let mut worst: BTreeMap<u32, Fate> = BTreeMap::new();
        for note in self.notes.iter().filter(|note| note.fate != Fate::Trap) {
            worst.entry(note.line).and_modify(|fate| *fate = note.fate.max(*fate)).or_insert(note.fate);
        }
        let count = |fate: Fate| worst.values().filter(|other| **other == fate).count();
        let traps = self.notes.iter().filter(|note| note.fate == Fate::Trap).count();
        let plural = |number: usize| if number == 1 { "" } else { "s" };
        let translated = count(Fate::Translated);
        format!(
            "{translated} line{} translated, {} changed, {} dropped, {traps} trap{}",
            plural(translated),
            count(Fate::Changed),
            count(Fate::Dropped),
            plural(traps)
        )
    }
}

/// A terminal should not obey what stands in a file.
fn clean(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_counts_as_the_worst_that_was_said_of_it() {
        let mut report = Report::default();
        assert!(report.is_faithful());
        report.say(2, Fate::Translated, "as `x`");
        report.say(2, Fate::Translated, "as `x`");
        report.say(0, Fate::Trap, "two defaults");
        assert!(report.is_faithful());
        report.say(2, Fate::Dropped, "half of it");
        report.say(1, Fate::Translated, "as `y`");
        assert!(!report.is_faithful());
        let expected = "\
a.cf: trap: two defaults
a.cf:1: translated: `line 1`: as `y`
a.cf:2: translated: `line 2`: as `x`
a.cf:2: dropped: `line 2`: half of it
a.cf: 1 line translated, 0 changed, 1 dropped, 1 trap
";
        assert_eq!(report.render("a.cf", |line| format!("line {line}")), expected);
    }
}
