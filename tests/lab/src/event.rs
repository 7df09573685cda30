//! What a scenario tells while it runs: lines of JSON from the guest, a timeline on the terminal, facts for a test.

use serde::{Deserialize, Serialize};

/// One thing that a scenario tells.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Event {
    /// A step begins.
    Step(String),
    /// Something was measured or observed.
    Fact(String),
    /// A longer text: a table, a list, a log.
    Block {
        /// What it is.
        title: String,
        /// Its lines.
        text: String,
    },
    /// The step held.
    Held,
    /// The step did not hold; the scenario ends here.
    Failed(String),
}

/// All that a scenario told.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Report {
    /// In their order.
    pub events: Vec<Event>,
    /// What the guest wrote to standard error; empty when all is well.
    pub errors: String,
}

impl Report {
    /// Why the scenario failed; `None` when every step held.
    #[must_use]
    pub fn failure(&self) -> Option<&str> {
        self.events
            .iter()
            .find_map(|e| if let Event::Failed(reason) = e { Some(reason.as_str()) } else { None })
    }

    /// Everything as plain text, for a test's message.
    #[must_use]
    pub fn text(&self) -> String {
        let lines = self.events.iter().map(|event| match event {
            Event::Step(title) => format!("== {title}\n"),
            Event::Fact(text) => format!("   {text}\n"),
            Event::Block { title, text } => format!("   {title}\n{text}\n"),
            Event::Held => "   held\n".to_owned(),
            Event::Failed(reason) => format!("   FAILED: {reason}\n"),
        });
        lines.collect::<String>() + &self.errors
    }
}
