//! What somebody else took away: heard from the owner of addresses, routes and rules, told, and kept for readers.

use std::collections::BTreeMap;
use std::time::Instant;

use serde::{Deserialize, Serialize};
use vrrp::{Loss, Thing};

use super::Director;
use super::event::{Outcome, Taken};
use super::journal::Entry;

/// Things kept for readers; the one that was quiet for longest is forgotten first.
const KEPT: usize = 256;

/// Things that a line of the log names.
const NAMED: usize = 3;

/// What was taken away so far.
#[derive(Debug, Default)]
pub(super) struct Thefts {
    kept: BTreeMap<Thing, (Instant, TakenStatus)>,
    total: u64,
}

/// A thing that somebody else took away.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TakenStatus {
    /// `address 192.0.2.1 dev eth0`.
    pub what: String,
    /// The process that did it last, if known.
    pub by: Option<String>,
    /// How often, since the daemon started.
    pub times: u64,
    /// Seconds since the last time.
    pub for_seconds: f64,
    /// `put back`, or why it is not.
    pub outcome: String,
}

impl Director {
    pub(super) fn things_taken(&mut self, news: Vec<Taken>, now: Instant) {
        let mut told: BTreeMap<(Option<String>, bool, String), Vec<String>> = BTreeMap::new();
        for Taken { what, by, loss, outcome } in news {
            self.thefts.total += 1;
            let times = self.thefts.kept.get(&what).map_or(1, |(_, status)| status.times + 1);
            if loss != Loss::Again {
                let group = (by.clone(), loss == Loss::Quarrel, outcome.to_string());
                told.entry(group).or_default().push(what.to_string());
            }
            let status = TakenStatus {
                what: what.to_string(),
                by,
                times,
                for_seconds: 0.0,
                outcome: outcome.to_string(),
            };
            self.thefts.kept.insert(what, (now, status));
        }
        while self.thefts.kept.len() > KEPT {
            let oldest = self.thefts.kept.iter().min_by_key(|(_, (at, _))| *at).map(|(what, _)| what.clone());
            if let Some(oldest) = oldest {
                self.thefts.kept.remove(&oldest);
            }
        }
        for ((by, quarrel, outcome), what) in told {
            let more = what.len().saturating_sub(NAMED);
            let mut named = what.into_iter().take(NAMED).collect::<Vec<_>>().join(", ");
            if more > 0 {
                named.push_str(&format!(" and {more} more"));
            }
            self.log(Entry::Taken { what: named, by, quarrel, outcome });
        }
    }

    /// For readers: what was taken away, and how often anything was.
    pub(super) fn taken_status(&self, now: Instant) -> (Vec<TakenStatus>, u64) {
        let status = |(at, status): &(Instant, TakenStatus)| TakenStatus {
            for_seconds: now.saturating_duration_since(*at).as_secs_f64(),
            ..status.clone()
        };
        (self.thefts.kept.values().map(status).collect(), self.thefts.total)
    }
}

impl std::fmt::Display for Outcome {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Outcome::PutBack => f.write_str("put back"),
            Outcome::Later => f.write_str("put back after a pause"),
            Outcome::Untracked => f.write_str("not put back: no_track"),
            Outcome::Failed(why) => write!(f, "cannot be put back: {why}"),
        }
    }
}
