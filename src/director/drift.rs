//! The IPVS table between two levels: what somebody else did to it, and what an earlier life left there.

use std::collections::BTreeSet;
use std::time::Instant;

use notify::Notice;
use serde::{Deserialize, Serialize};

use super::Director;
use super::effect::Effect;
use super::event::{CheckId, TableComparison};
use super::journal::Entry;

/// Differences that a line of the log names.
const NAMED: usize = 3;

/// What became of the table without our doing.
#[derive(Debug, Default)]
pub(super) struct Drifts {
    /// Differences of the episode that lasts; empty when the last comparison found none.
    told: BTreeSet<String>,
    last: Option<(Instant, TableComparison)>,
    times: u64,
    /// Checks that have had no result yet since the start; `None` before the first configuration.
    unjudged: Option<BTreeSet<CheckId>>,
    settled: bool,
}

/// What somebody else changed in the IPVS table.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DriftStatus {
    /// The differences that were found last.
    pub found: Vec<String>,
    /// How many more there were.
    pub more: usize,
    /// Whether they were put right.
    pub repaired: bool,
    /// Seconds since then.
    pub for_seconds: f64,
    /// Comparisons since the start that found any.
    pub times: u64,
}

impl Director {
    /// The slow comparison of the table with what it was told. A difference is told once, until a comparison finds none.
    pub(super) fn table_compared(&mut self, comparison: &TableComparison, now: Instant) {
        if comparison.drift.is_empty() {
            self.drifts.told.clear();
            return;
        }
        self.drifts.times += 1;
        self.drifts.last = Some((now, comparison.clone()));
        let told = &mut self.drifts.told;
        let news: Vec<&String> =
            comparison.drift.iter().filter(|what| told.insert((*what).clone())).collect();
        if news.is_empty() {
            return;
        }
        let what = some_of(&news, comparison.more);
        let repaired = comparison.repaired;
        let reason = if repaired { "it was put right" } else { "it was left as it is (reconcile report)" };
        let subject = "somebody else changed the IPVS table";
        self.notify(now, |heading| Notice::daemon(heading, subject, &format!("{what}; {reason}")));
        self.log(Entry::Drift { what, repaired });
    }

    /// For readers.
    pub(super) fn drift_status(&self, now: Instant) -> Option<DriftStatus> {
        let (at, comparison) = self.drifts.last.as_ref()?;
        Some(DriftStatus {
            found: comparison.drift.clone(),
            more: comparison.more,
            repaired: comparison.repaired,
            for_seconds: now.saturating_duration_since(*at).as_secs_f64(),
            times: self.drifts.times,
        })
    }

    /// Services that were there before, by somebody else's hand.
    pub(super) fn note_adopted(&mut self, adopted: &[String], now: Instant) {
        if adopted.is_empty() {
            return;
        }
        let what = some_of(&adopted.iter().collect::<Vec<_>>(), 0);
        let subject = "virtual servers of somebody else are ours now";
        self.notify(now, |heading| Notice::daemon(heading, subject, &what));
        self.log(Entry::Adopted { what });
    }

    /// After the first configuration: what an earlier life left in the table may go once every check has had a result.
    pub(super) fn await_first_results(&mut self) {
        if self.drifts.unjudged.is_none() {
            self.drifts.unjudged = Some(self.places.keys().copied().collect());
            self.settle_if_judged();
        }
    }

    /// A check has had a result, or is no more.
    pub(super) fn judged(&mut self, check: CheckId) {
        if !self.drifts.settled && self.drifts.unjudged.as_mut().is_some_and(|left| left.remove(&check)) {
            self.settle_if_judged();
        }
    }

    fn settle_if_judged(&mut self) {
        if self.drifts.unjudged.as_ref().is_some_and(BTreeSet::is_empty) {
            self.let_leftovers_go();
        }
    }

    /// What nobody wants may go.
    pub(super) fn let_leftovers_go(&mut self) {
        if !std::mem::replace(&mut self.drifts.settled, true) {
            self.effect(Effect::Judged);
        }
    }
}

/// The first few, and how many more there are.
fn some_of(what: &[&String], beyond: usize) -> String {
    let named: Vec<&str> = what.iter().take(NAMED).map(|what| what.as_str()).collect();
    match what.len().saturating_sub(NAMED) + beyond {
        0 => named.join("; "),
        more => format!("{} and {more} more", named.join("; ")),
    }
}
