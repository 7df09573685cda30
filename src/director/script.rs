//! One `vrrp_script`: when it is due, and what its results make of it.
//!
//! A run begins each interval, never a second one while the first is under way. The first result decides at once; from
//! then on `fall` failures in a row make it down and `rise` successes make it up. With `init_fail` it begins as down.
//! The shell ends a run that takes too long and says so; if even the shell stays silent, that is a failure too.

use std::sync::Arc;
use std::time::{Duration, Instant};

use healthcheck::Verdict;
use healthcheck::verdict::Tally;
use vrrp::track::Reading;

use super::event::ScriptOutcome;
use crate::config::Script;

/// How long after the timeout of a run its end must have been told.
const SILENCE: Duration = Duration::from_secs(30);

/// One script.
#[derive(Debug)]
pub(super) struct ScriptWatch {
    script: Arc<Script>,
    tally: Tally,
    /// The number of the run under way, and when nothing more is expected of it.
    running: Option<(u64, Instant)>,
    next: Instant,
    /// Why the last run failed; `None` if it did not.
    failure: Option<String>,
    /// It is not run and nobody is held to it.
    left_out: bool,
}

impl ScriptWatch {
    pub(super) fn new(script: Arc<Script>, now: Instant) -> Self {
        let mut tally = Tally::default();
        if script.init_fail {
            tally.observe(false, 0, 1);
        }
        ScriptWatch { script, tally, running: None, next: now, failure: None, left_out: false }
    }

    /// Takes over a new definition. The same command keeps its history, another begins anew.
    pub(super) fn configure(&mut self, script: &Arc<Script>, now: Instant) {
        if self.script.command != script.command || self.left_out {
            *self = ScriptWatch::new(script.clone(), now);
            return;
        }
        self.script = script.clone();
        self.next = self.next.min(now + script.interval);
    }

    /// What it says, and why.
    pub(super) fn reading(&self) -> (Reading, String) {
        let failure = || self.failure.as_deref().unwrap_or("no success yet");
        match self.tally.verdict() {
            Verdict::Unknown => (Reading::Unknown, "no result yet".to_owned()),
            Verdict::Up if self.tally.doubtful() => (Reading::Up, format!("still up, but {}", failure())),
            Verdict::Up => (Reading::Up, "succeeds".to_owned()),
            Verdict::Down if self.failure.is_none() && !self.script.init_fail => {
                (Reading::Down, "not often enough well in a row".to_owned())
            }
            Verdict::Down => (Reading::Down, failure().to_owned()),
        }
    }

    /// When to call [`ScriptWatch::handle_timeout`].
    pub(super) fn deadline(&self) -> Option<Instant> {
        let next = self.running.map_or(self.next, |(_, given_up)| given_up.min(self.next));
        (!self.left_out).then_some(next)
    }

    /// The first run could not be started: nothing more is asked of it until its definition is read anew. True if it was
    /// the first.
    pub(super) fn leave_out(&mut self) -> bool {
        self.left_out |= self.tally.verdict() == Verdict::Unknown;
        self.left_out
    }

    /// Whether it says nothing.
    pub(super) fn is_left_out(&self) -> bool {
        self.left_out
    }

    /// Does what is due: the script if a run, with this number, is to begin.
    pub(super) fn handle_timeout(&mut self, number: u64, now: Instant) -> Option<Arc<Script>> {
        if let Some((run, given_up)) = self.running
            && given_up <= now
        {
            let silent = "its run was never heard of again".to_owned();
            self.handle_result(run, ScriptOutcome::Failure(silent));
        }
        if self.next > now {
            return None;
        }
        let interval = self.script.interval;
        let due = self.next + interval;
        // No drift, and no catching up after more than a whole interval was missed.
        self.next = if due > now { due } else { now + interval };
        if self.running.is_some() {
            return None;
        }
        self.running = Some((number, now + self.script.timeout + SILENCE));
        Some(self.script.clone())
    }

    /// Takes in how a run went. A late answer of an older run counts for nothing.
    pub(super) fn handle_result(&mut self, run: u64, outcome: ScriptOutcome) {
        if self.running.is_none_or(|(number, _)| number != run) {
            return;
        }
        self.running = None;
        let passed = outcome == ScriptOutcome::Success;
        self.failure = match outcome {
            ScriptOutcome::Success => None,
            ScriptOutcome::Failure(why) | ScriptOutcome::NotStarted(why) => Some(why),
        };
        let first = self.tally.verdict() == Verdict::Unknown;
        let rise = if first { 1 } else { usize::try_from(self.script.rise).unwrap_or(usize::MAX) };
        self.tally.observe(passed, self.script.fall.saturating_sub(1), rise);
    }
}
