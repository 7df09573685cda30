//! The live timeline on the terminal.

use crate::event::Event;
use std::io::{IsTerminal, Write};
use std::time::Instant;

const BOLD: &str = "\x1b[1m";
const DIM: &str = "\x1b[2m";
const GREEN: &str = "\x1b[32m";
const RED: &str = "\x1b[1;31m";
const CYAN: &str = "\x1b[36m";

/// Prints events with the seconds since it was made; in colour on a terminal, unless `NO_COLOR` is set.
#[derive(Debug)]
pub struct Timeline {
    began: Instant,
    colour: bool,
}

impl Timeline {
    /// A timeline that begins now.
    #[must_use]
    pub fn start() -> Self {
        let wanted = std::env::var_os("NO_COLOR").is_none_or(|v| v.is_empty());
        Self { began: Instant::now(), colour: wanted && std::io::stdout().is_terminal() }
    }

    /// Prints one event.
    pub fn show(&self, event: &Event) {
        match event {
            Event::Step(title) => self.line("", BOLD, title),
            Event::Fact(text) => self.line("  ", "", text),
            Event::Block { title, text } => {
                self.line("  ", "", title);
                for line in text.lines() {
                    self.print(&format!("{:11}{}", "", self.paint(DIM, line)));
                }
            }
            Event::Held => self.line("  ", GREEN, "✓ held"),
            Event::Failed(reason) => self.line("  ", RED, &format!("✗ {reason}")),
        }
    }

    /// Prints a line of our own, such as progress while the guest boots.
    pub fn say(&self, text: &str) {
        self.line("", CYAN, text);
    }

    /// Prints the last line.
    pub fn end(&self, good: bool, text: &str) {
        self.line("", if good { GREEN } else { RED }, text);
    }

    fn line(&self, indent: &str, style: &str, text: &str) {
        let elapsed = format!("{:6.2} s", self.began.elapsed().as_secs_f64());
        self.print(&format!("{}  {indent}{}", self.paint(DIM, &elapsed), self.paint(style, text)));
    }

    fn print(&self, line: &str) {
        // A reader that went away must not stop the demonstration.
        let _ = writeln!(std::io::stdout(), "{line}");
    }

    fn paint(&self, style: &str, text: &str) -> String {
        if self.colour && !style.is_empty() { format!("{style}{text}\x1b[0m") } else { text.to_owned() }
    }
}
