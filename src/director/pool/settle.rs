//! Who serves: what checks say of each server, as far as the pool as a whole can bear it.
//!
//! Two things may stand between a verdict and the table. With `panic_threshold` checks take out no more than a share of
//! the servers: when most of a pool fails at once, it is rather the checks, the network or the question that fails, and
//! the servers that failed last stay in service. With `flap_hold` a server that fails again and again is held back for a
//! while after it passes.
//!
//! Both are worked out for all servers together from what is the case, whichever way that came about: settling a second
//! time changes nothing. An operator's word stands above both: who is disabled stays out, and is not among those that
//! checks have taken out. It belongs to the pool all the same, so that no override ever brings a failing server back.

use std::collections::BTreeSet;
use std::time::Instant;

use ipvs_backend::DestinationKey;

use super::server::Server;
use super::{Change, Pool, StandIn};
use crate::director::overrides::Steer;

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

/// What was the case before something happened.
pub(super) struct Before {
    panic: bool,
    stands_in: StandIn,
}

impl Pool {
    pub(super) fn before(&self) -> Before {
        Before { panic: self.panic.is_some(), stands_in: self.stand_in() }
    }

    /// Something has happened: decides anew who serves, and tells what changed. `cause` says why a server changed, where
    /// it is not its own checks.
    pub(in crate::director) fn work_out(
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
        let spared = self.spared();
        if !self.reaches_quorum(&spared) {
            self.servers.values_mut().for_each(Server::end_hold);
        }
        let mut changed = Vec::new();
        for (key, server) in &mut self.servers {
            server.spared = spared.contains(key);
            if server.serve(server.is_well() || server.spared, now) {
                changed.push(*key);
            }
        }
        changed
    }

    /// The servers that fail and stay in service all the same. Holds that the threshold leaves no room for end, those
    /// first that would end first.
    fn spared(&mut self) -> BTreeSet<DestinationKey> {
        self.panic = None;
        let Some(percent) = self.config.panic_threshold else { return BTreeSet::new() };
        let counted = || self.servers.iter().filter(|(_, server)| server.counts_for_panic());
        let of = counted().count();
        let most = of * usize::from(percent) / 100;
        let by_checks = || counted().filter(|(_, server)| server.steer != Steer::Out);
        let mut failing: Vec<(Instant, DestinationKey)> =
            by_checks().filter_map(|(key, server)| Some((server.failing?, *key))).collect();
        let mut held: Vec<(Instant, DestinationKey)> =
            by_checks().filter_map(|(key, server)| Some((server.held_until()?, *key))).collect();
        failing.sort_unstable();
        held.sort_unstable();
        let room = most.saturating_sub(failing.len());
        for (_, key) in held.iter().take(held.len().saturating_sub(room)) {
            if let Some(server) = self.servers.get_mut(key) {
                server.end_hold();
            }
        }
        if failing.len() > most {
            self.panic = Some(Panic { failing: failing.len(), of, most, percent });
        }
        failing.into_iter().skip(most).map(|(_, key)| key).collect()
    }

    /// Whether those who would serve make a quorum without the servers that are held back; true if there are none.
    fn reaches_quorum(&self, spared: &BTreeSet<DestinationKey>) -> bool {
        if self.servers.values().all(|server| server.held_until().is_none()) {
            return true;
        }
        let serves = |(key, server): &(&DestinationKey, &Server)| {
            !server.backup && (server.is_well() || spared.contains(*key))
        };
        let live = self.servers.iter().filter(serves).map(|(_, server)| u64::from(server.share())).sum();
        let mut quorum = self.quorum;
        quorum.follow(&self.config.quorum, live, self.config.total_weight());
        quorum.up
    }

    /// When the next server has been held back for long enough.
    pub(in crate::director) fn next(&self) -> Option<Instant> {
        self.servers.values().filter_map(Server::held_until).min()
    }

    /// Time has passed: who has been held back for long enough returns.
    pub(in crate::director) fn handle_timeout(&mut self, now: Instant) -> Vec<Change> {
        for server in self.servers.values_mut() {
            if server.held_until().is_some_and(|until| until <= now) {
                server.end_hold();
            }
        }
        self.work_out(now, |_| Some("its checks have passed for long enough (flap_hold)".to_owned()))
    }
}
