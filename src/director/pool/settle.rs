//! Who serves: what checks say of each server, as far as the pool as a whole can bear it.
//!
//! Two things may stand between a verdict and the table. With `panic_threshold` checks take out no more than a share of
//! the servers: when most of a pool fails at once, it is rather the checks, the network or the question that fails, and
//! the servers that failed last stay in service. With `flap_hold` a server that fails again and again is held back for a
//! while after it passes.
//!
//! Both are worked out for all servers together from what is the case, whichever way that came about: settling a second
//! time changes nothing. But only those are looked at about whom something is to be decided ([`Servers`](super::Servers)). An operator's word stands above both: who is disabled stays out, and is not among those that
//! checks have taken out. It belongs to the pool all the same, so that no override ever brings a failing server back.

use std::time::Instant;

use ipvs_backend::DestinationKey;

use super::configure::Fresh;
use super::{Change, Pool, StandIn};

/// More servers fail than checks may take out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::director) struct Panic {
    /// How many fail ...
    failing: usize,
    /// ... of so many ...
    of: usize,
    /// ... and how many of those may be taken out.
    most: usize,
    percent: u8,
}

impl Panic {
    /// What is the matter, in words.
    pub(in crate::director) fn words(&self) -> String {
        let Panic { failing, of, most, percent } = self;
        let kept = failing - most;
        let stay = if kept == 1 { "stays" } else { "stay" };
        format!(
            "{failing} of {of} servers fail, and checks take out {most} at most (panic_threshold {percent}): the {kept} \
             that failed last {stay} in service"
        )
    }
}

/// What was decided about a server.
pub(super) struct Decided {
    pub(super) key: DestinationKey,
    /// Whether it came or went.
    pub(super) flipped: bool,
    /// What of its configuration had not been decided on before.
    pub(super) fresh: Option<Fresh>,
}

/// What was the case before something happened.
#[derive(Debug)]
pub(super) struct Before {
    panic: bool,
    stands_in: StandIn,
}

impl Pool {
    pub(super) fn before(&self) -> Before {
        Before { panic: self.panic.is_some(), stands_in: self.stand_in() }
    }

    /// Something has happened: decides anew who serves, and tells what changed. `cause` says why a server changed, where
    /// it is not its own checks. About a pool that is on its way to something nothing is decided.
    pub(in crate::director) fn work_out(
        &mut self,
        now: Instant,
        cause: impl Fn(&DestinationKey) -> Option<String>,
    ) -> Vec<Change> {
        if self.is_on_its_way() { Vec::new() } else { self.decide(now, cause) }
    }

    /// The same wherever the pool is.
    pub(super) fn decide(
        &mut self,
        now: Instant,
        cause: impl Fn(&DestinationKey) -> Option<String>,
    ) -> Vec<Change> {
        let before = self.before();
        let changed = self.settle(now);
        let of_pool = self.note(&before);
        let told = changed.iter().filter_map(|key| {
            let server = self.servers.get(key)?;
            Some(self.change(*key, server, cause(key).unwrap_or_else(|| server.reason())))
        });
        told.chain(of_pool).collect()
    }

    /// Counts anew what is up, and tells what that means for the pool.
    pub(super) fn note(&mut self, before: &Before) -> Vec<Change> {
        let mut changes = Vec::new();
        if self.panic.is_some() != before.panic {
            changes.push(Change::Panic { on: self.panic.is_some() });
        }
        if self.count() {
            changes.push(Change::Quorum { up: self.quorum.up });
        } else if self.stand_in() != before.stands_in {
            changes.push(Change::StandIn);
        }
        changes
    }

    /// Decides anew who serves; those that came or went.
    pub(super) fn settle(&mut self, now: Instant) -> Vec<DestinationKey> {
        let mut changed = Vec::new();
        loop {
            let (decided, all) = self.settle_some(usize::MAX, now);
            changed.extend(decided.into_iter().filter(|decided| decided.flipped).map(|decided| decided.key));
            if all {
                return changed;
            }
        }
    }

    /// The same for so many servers at most; true if there was nothing left to decide. Whoever serves for the first time
    /// counts from then on, so that more may follow from what was decided.
    pub(super) fn settle_some(&mut self, most: usize, now: Instant) -> (Vec<Decided>, bool) {
        if !self.spare(most) {
            return (Vec::new(), false);
        }
        if !self.reaches_quorum() {
            self.servers.end_all_holds();
        }
        let mut all = Vec::new();
        while all.len() < most
            && let Some(key) = self.servers.next_undecided()
        {
            let decided = self.servers.change(&key, |server| Decided {
                key,
                flipped: server.serve(server.is_well() || server.spared, now),
                fresh: server.fresh.take(),
            });
            all.extend(decided);
        }
        let none = all.is_empty();
        (all, none)
    }

    /// Finds out which servers fail and stay in service all the same, a step for each that does so no more or from now on;
    /// true if that is known for all. Holds that the threshold leaves no room for end, those first that would end first.
    fn spare(&mut self, steps: usize) -> bool {
        self.panic = None;
        let Some(percent) = self.config.panic_threshold else {
            return self.servers.spare_all_but(usize::MAX, steps);
        };
        let (of, failing) = (self.servers.tally().counted, self.servers.failing());
        let most = of * usize::from(percent) / 100;
        self.servers.hold_at_most(most.saturating_sub(failing));
        if failing > most {
            self.panic = Some(Panic { failing, of, most, percent });
        }
        self.servers.spare_all_but(most, steps)
    }

    /// Whether those who would serve make a quorum without the servers that are held back; true if there are none.
    fn reaches_quorum(&self) -> bool {
        let tally = self.servers.tally();
        let mut quorum = self.quorum;
        quorum.follow(&self.config.quorum, tally.ready, tally.all);
        quorum.up || !self.servers.holds_any()
    }

    /// When the next server has been held back for long enough.
    pub(in crate::director) fn next(&self) -> Option<Instant> {
        self.servers.next_end_of_hold()
    }

    /// Time has passed: who has been held back for long enough returns.
    pub(in crate::director) fn handle_timeout(&mut self, now: Instant) -> Vec<Change> {
        self.servers.end_holds_until(now);
        self.work_out(now, |_| Some("its checks have passed for long enough (flap_hold)".to_owned()))
    }
}
