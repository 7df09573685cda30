//! Counting outcomes: when do passes and failures make a server up or down?
//!
//! A live server is failed only after `retry` further attempts have failed in a row. A dead one comes back
//! when every step of its check (every URL) has passed in a row, as often as it is told to (`rise`); so does one
//! without a verdict. Before the first verdict there is no patience: one failure makes the server down. There is no
//! clock here, and no weight.

use serde::{Deserialize, Serialize};

/// What is believed of a server by one of its checks.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Verdict {
    /// No verdict yet; whether the server serves meanwhile is a setting (`alpha`).
    #[default]
    Unknown,
    /// The check passes.
    Up,
    /// The check fails.
    Down,
}

/// The outcomes in a row that have not made a new verdict yet, and the verdict before them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tally {
    verdict: Verdict,
    passes: usize,
    failures: u32,
}

impl Tally {
    /// Counts one outcome. Returns the new verdict if this outcome changed it.
    ///
    /// `retry` is how many failures beyond the first a live server is forgiven; `steps` is how many passes
    /// in a row bring a server up (0 counts as 1).
    pub fn observe(&mut self, passed: bool, retry: u32, steps: usize) -> Option<Verdict> {
        let verdict = if passed { self.count_pass(steps) } else { self.count_failure(retry) };
        if verdict == self.verdict {
            return None;
        }
        *self = Tally { verdict, passes: 0, failures: 0 };
        Some(verdict)
    }

    /// A tally with a verdict, which was found out before.
    pub fn of(verdict: Verdict) -> Tally {
        Tally { verdict, ..Tally::default() }
    }

    /// The present verdict.
    pub fn verdict(&self) -> Verdict {
        self.verdict
    }

    /// Whether a live server has failed and the failure is still being made sure of.
    pub fn doubtful(&self) -> bool {
        self.verdict == Verdict::Up && self.failures > 0
    }

    /// Whether passes have come in a row, and more are needed before the server is up.
    pub fn coming_up(&self) -> bool {
        self.verdict != Verdict::Up && self.passes > 0
    }

    /// The passes in a row that have not made a server up yet.
    pub fn passes(&self) -> usize {
        if self.verdict == Verdict::Up { 0 } else { self.passes }
    }

    /// Forgets the passes of a row that has not been completed, because the steps themselves changed.
    pub fn restart_row(&mut self) {
        self.passes = 0;
    }

    fn count_pass(&mut self, steps: usize) -> Verdict {
        self.failures = 0;
        if self.verdict == Verdict::Up {
            return Verdict::Up;
        }
        self.passes = self.passes.saturating_add(1);
        if self.passes >= steps { Verdict::Up } else { self.verdict }
    }

    fn count_failure(&mut self, retry: u32) -> Verdict {
        self.passes = 0;
        if self.verdict != Verdict::Up {
            return Verdict::Down;
        }
        self.failures = self.failures.saturating_add(1);
        if self.failures > retry { Verdict::Down } else { Verdict::Up }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn up() -> Tally {
        let mut tally = Tally::default();
        assert_eq!(tally.observe(true, 0, 1), Some(Verdict::Up));
        tally
    }

    fn down() -> Tally {
        let mut tally = Tally::default();
        assert_eq!(tally.observe(false, 9, 1), Some(Verdict::Down));
        tally
    }

    #[test]
    fn the_first_outcome_decides_without_retries() {
        assert_eq!(Tally::default().verdict(), Verdict::Unknown);
        assert_eq!(down().verdict(), Verdict::Down);
        assert_eq!(up().verdict(), Verdict::Up);
    }

    #[test]
    fn a_live_server_is_forgiven_retry_failures() {
        let mut tally = up();
        assert!(!tally.doubtful());
        assert_eq!(tally.observe(false, 2, 1), None);
        assert!(tally.doubtful());
        assert_eq!(tally.observe(false, 2, 1), None);
        assert_eq!(tally.observe(false, 2, 1), Some(Verdict::Down));
        assert!(!tally.doubtful());
    }

    #[test]
    fn a_pass_ends_the_doubt() {
        let mut tally = up();
        tally.observe(false, 1, 1);
        assert_eq!(tally.observe(true, 1, 1), None);
        assert!(!tally.doubtful());
        assert_eq!(tally.observe(false, 1, 1), None, "the count starts anew");
        assert_eq!(tally.observe(false, 1, 1), Some(Verdict::Down));
    }

    #[test]
    fn without_retries_the_first_failure_is_final() {
        assert_eq!(up().observe(false, 0, 1), Some(Verdict::Down));
    }

    #[test]
    fn a_dead_server_returns_on_one_pass() {
        let mut tally = down();
        assert_eq!(tally.observe(false, 9, 1), None);
        assert_eq!(tally.observe(true, 9, 1), Some(Verdict::Up));
    }

    #[test]
    fn every_step_must_pass_in_a_row() {
        let mut tally = down();
        for passed in [true, true, false, true, true] {
            assert_eq!(tally.observe(passed, 0, 3), None);
        }
        assert_eq!(tally.observe(true, 0, 3), Some(Verdict::Up));
        assert_eq!(tally.observe(true, 0, 3), None, "a live server needs no row");
    }

    #[test]
    fn a_lowered_retry_takes_effect_at_the_next_failure() {
        let mut tally = up();
        assert_eq!(tally.observe(false, 5, 1), None);
        assert_eq!(tally.observe(false, 5, 1), None);
        assert_eq!(tally.observe(false, 0, 1), Some(Verdict::Down));
    }
}
