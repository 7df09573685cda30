//! What a reload is asked for, and how it ended.

use std::sync::Arc;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};
use tokio::sync::oneshot;

use crate::config::{Complaint, Config, Expectation};
use crate::director::effect::Settlement;

/// How the last attempt to take a configuration over ended.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReloadOutcome {
    /// Whether what was asked for was done: the file is now in effect, or is so no longer after a `rollback`.
    pub accepted: bool,
    /// Whether the file was in effect for a while, and the configuration before is so again: something of it was refused,
    /// nobody confirmed it, or an operator went back.
    #[serde(default)]
    pub rolled_back: bool,
    /// One sentence.
    pub summary: String,
    /// What was refused of it that was not refused before, in words.
    #[serde(default)]
    pub failures: Vec<String>,
    /// Everything that was found in the file.
    pub complaints: Vec<Complaint>,
    /// The complaints as they are shown to people.
    pub rendered: String,
}

impl ReloadOutcome {
    /// Takes in what came of a configuration that stays.
    pub(super) fn note(&mut self, settlement: Settlement) {
        if !settlement.unanswered.is_empty() {
            self.summary += &format!("; not known to be done yet: {}", settlement.unanswered.join(", "));
        }
        if !settlement.leftovers.is_empty() {
            self.summary +=
                &format!("; not removed yet, and tried again: {}", settlement.leftovers.join("; "));
        }
        if !settlement.failures.is_empty() {
            self.summary += &format!("; refused and left out: {}", settlement.failures.join("; "));
        }
        self.failures = settlement.failures;
    }
}

/// What readers are told about configurations.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Reloads {
    /// The last attempt.
    pub last: ReloadOutcome,
    /// What was said of the configuration in effect, which an attempt that was refused does not change.
    pub complaints: Vec<Complaint>,
    /// The configuration in effect.
    pub running: Arc<Config>,
    /// Set while it is to be confirmed.
    pub(crate) probation: Option<Probation>,
}

/// The running configuration is to be confirmed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Probation {
    /// Or it is taken back then.
    pub(crate) until: Instant,
}

/// A wish, and where the answer goes.
#[derive(Debug)]
pub(crate) struct Request {
    pub(crate) wish: Wish,
    pub(crate) reply: Option<oneshot::Sender<ReloadOutcome>>,
}

/// What the reloader can be asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Wish {
    /// Read the file again.
    Reload(ReloadWish),
    /// What is on probation stays.
    Confirm,
    /// Return to the configuration before the last reload.
    RollBack,
}

/// How to reload (`POST /v1/reload`; without a body: the plain way).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ReloadWish {
    /// Roll back after this time unless confirmed.
    pub confirm: Option<Duration>,
    /// Leave out what is refused instead of rolling back.
    pub keep_going: bool,
    /// Refuse unless the world is as it was when a plan was made.
    pub expected: Option<Expectation>,
}
