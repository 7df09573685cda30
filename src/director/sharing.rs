//! Checks that ask the same of the same target in the same rhythm: one asks, and all of them count what comes of it.
//!
//! Five hundred virtual servers before ten hosts ask those ten hosts, not five hundred times as many. Each check keeps its
//! own verdict, history and consequences, so that it makes no difference to a pool who asks. The one that came first asks;
//! when it goes, the next one takes its place in its rhythm.
//!
//! Not shared are checks of virtual servers with `share_checks off` or `ha_suspend`, and none are in compatible mode.

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Instant;

use healthcheck::{Check, Schedule, Verdict};

use super::Director;
use super::event::CheckId;

/// What a check asks. Two ask the same if they are alike in everything but what their owners make of the outcome.
#[derive(Debug, Clone)]
struct Question(Arc<Check>);

impl Question {
    /// All that counts. Each field of a check has its place here, or a reason not to.
    fn parts(&self) -> impl Ord + '_ {
        let Check {
            kind,
            target,
            source,
            device,
            mark,
            via,
            proxy,
            connect_timeout,
            schedule,
            // Whether the owner logs what fails.
            log_all_failures: _,
        } = &*self.0;
        let Schedule {
            interval,
            retry,
            delay_before_retry,
            // What the owner believes before the first outcome.
            alpha: _,
            warmup,
            fast_recovery,
            rise,
            latency,
        } = schedule;
        let rhythm = (interval, retry, delay_before_retry, warmup, fast_recovery, rise, latency);
        (target, kind, (source, device, mark, via, proxy), connect_timeout, rhythm)
    }
}

impl Ord for Question {
    fn cmp(&self, other: &Self) -> Ordering {
        if Arc::ptr_eq(&self.0, &other.0) { Ordering::Equal } else { self.parts().cmp(&other.parts()) }
    }
}

impl PartialOrd for Question {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Question {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Question {}

/// Who asks for whom.
#[derive(Debug, Default)]
pub(super) struct Sharing {
    /// Who asks, by what is asked.
    askers: BTreeMap<Question, CheckId>,
    /// What each check asks that may be shared.
    asked: BTreeMap<CheckId, Question>,
    /// Those that an asker asks for beside itself; most have none, and are not here.
    listeners: BTreeMap<CheckId, BTreeSet<CheckId>>,
    /// The asker of each of these.
    asker_of: BTreeMap<CheckId, CheckId>,
    /// Listeners whose asker is gone, and that have not begun to ask yet.
    orphans: BTreeSet<CheckId>,
}

impl Sharing {
    /// Takes a check in; who asks for it, if it is not itself.
    fn join(&mut self, id: CheckId, question: Question) -> Option<CheckId> {
        self.asked.insert(id, question.clone());
        let asker = *self.askers.entry(question).or_insert(id);
        if asker == id {
            return None;
        }
        self.listeners.entry(asker).or_default().insert(id);
        self.asker_of.insert(id, asker);
        Some(asker)
    }

    /// A check is shared no longer; true if somebody else asked for it.
    fn leave(&mut self, id: CheckId) -> bool {
        self.orphans.remove(&id);
        let Some(question) = self.asked.remove(&id) else { return false };
        if let Some(asker) = self.asker_of.remove(&id) {
            if let Some(others) = self.listeners.get_mut(&asker) {
                others.remove(&id);
                if others.is_empty() {
                    self.listeners.remove(&asker);
                }
            }
            return true;
        }
        let mut others = self.listeners.remove(&id).unwrap_or_default();
        let Some(next) = others.pop_first() else {
            self.askers.remove(&question);
            return false;
        };
        self.askers.insert(question, next);
        self.asker_of.remove(&next);
        self.asker_of.extend(others.iter().map(|other| (*other, next)));
        self.orphans.insert(next);
        if !others.is_empty() {
            self.listeners.insert(next, others);
        }
        false
    }

    /// Whether somebody else asks for a check.
    pub(super) fn is_listener(&self, id: CheckId) -> bool {
        self.asker_of.contains_key(&id)
    }

    /// Who asks for a check: itself, or somebody else.
    pub(super) fn asker(&self, id: CheckId) -> CheckId {
        self.asker_of.get(&id).copied().unwrap_or(id)
    }

    /// The checks that an asker asks for beside itself.
    pub(super) fn listeners(&self, id: CheckId) -> Vec<CheckId> {
        self.listeners.get(&id).map(|others| others.iter().copied().collect()).unwrap_or_default()
    }

    /// How many other checks count the outcomes that a check counts.
    pub(super) fn fellows(&self, id: CheckId) -> usize {
        let asker = self.asker_of.get(&id).unwrap_or(&id);
        self.listeners.get(asker).map_or(0, BTreeSet::len)
    }

    /// How many checks are asked for by others.
    pub(super) fn saved(&self) -> usize {
        self.asker_of.len()
    }
}

impl Director {
    /// A check is new, or another than before: it joins others that ask the same.
    pub(super) fn share_check(&mut self, id: CheckId, now: Instant) {
        let Some((place, run)) = self.run(id) else { return };
        let shares = self.pools.get(&place.service).is_some_and(|pool| pool.shares == Some(true));
        let wanted = shares.then(|| Question(run.spec.clone()));
        if self.sharing.asked.get(&id) == wanted.as_ref() {
            return;
        }
        let followed = self.sharing.leave(id);
        match wanted.and_then(|question| self.sharing.join(id, question)) {
            Some(asker) => self.follow(id, asker, now),
            None if followed => self.with_monitor(id, now, |monitor| monitor.handle_parting(now)),
            None => {}
        }
    }

    fn follow(&mut self, id: CheckId, asker: CheckId, now: Instant) {
        let Some(grid) = self.run(asker).map(|(_, run)| run.monitor.grid()) else { return };
        let mut verdict = Verdict::Unknown;
        self.with_monitor(id, now, |monitor| {
            monitor.handle_following(grid);
            verdict = monitor.verdict();
        });
        if verdict == Verdict::Unknown {
            self.with_monitor(asker, now, |monitor| monitor.handle_listener(now));
        }
    }

    /// Checks that are no more.
    pub(super) fn unshare(&mut self, gone: &[CheckId]) {
        for id in gone {
            self.sharing.leave(*id);
        }
    }

    /// Those whose asker is gone begin to ask.
    pub(super) fn lead_orphans(&mut self, now: Instant) {
        while let Some(id) = self.sharing.orphans.pop_first() {
            self.with_monitor(id, now, |monitor| monitor.handle_leading(now));
        }
    }
}
