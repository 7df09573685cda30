//! How a virtual server comes, changes or goes with a configuration: real server by real server, a piece at a time.
//!
//! On its way it is neither what it was nor what it will be, so nothing is decided about it: what its checks say meanwhile
//! is taken in, and what follows is decided when all its real servers are through. Then its new checks begin, again in
//! pieces.

use std::collections::VecDeque;
use std::ops::Bound;
use std::sync::Arc;
use std::time::Instant;

use healthcheck::{Check, Monitor};
use ipvs_backend::DestinationKey;

use super::event::CheckId;
use super::pool::{CheckRun, Configured, Pool, rhythm};
use super::{Director, Place};
use crate::config::{Served, VirtualServer};

/// How much more work a real server is that changes than one that does not.
const CHANGE: usize = 16;

/// To decide what follows, each real server is looked at several times: so much less work than a change.
const LOOK: usize = 12;

/// A virtual server on its way to what is configured.
#[derive(Debug, Clone)]
pub(super) struct Transit {
    pub(super) served: Served,
    step: Step,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    /// The real servers behind this one take on what is configured.
    Servers(Option<DestinationKey>),
    /// The same of backup servers.
    Backups(Option<DestinationKey>),
    /// Of those behind this one go who are not configured any more.
    Leavers(Option<DestinationKey>),
    /// It is decided what follows.
    Settle,
    /// Checks begin.
    Checks,
    /// It is through.
    Through,
}

impl Transit {
    pub(super) fn is_through(&self) -> bool {
        self.step == Step::Through
    }
}

impl Director {
    /// A virtual server is to become what is configured.
    pub(super) fn set_off(&mut self, served: Served, now: Instant) -> Transit {
        self.see_off(&served, now);
        let before = self.pools.remove(&served);
        // While it is not there: what they mean for it is decided with the rest.
        self.plan_windows(&served, now);
        if let Some(pool) = before {
            self.forget_neighbour_checks(&pool);
            self.pools.insert(served.clone(), pool);
        }
        if let Some(config) = self.config.virtual_server(&served).cloned() {
            let steered = self.steers(&served, &config, now);
            let new = || Pool::new(served.clone(), config);
            self.pools.entry(served.clone()).or_insert_with(new).steered = steered;
        }
        Transit { served, step: Step::Servers(None) }
    }

    /// The next piece, of about so many real servers; tells how much work it was. `whole`: no piece can be larger.
    pub(super) fn move_on(&mut self, transit: &mut Transit, most: usize, whole: bool, now: Instant) -> usize {
        let config = self.config.virtual_server(&transit.served).cloned();
        match (transit.step, config) {
            (Step::Servers(after), Some(config)) => {
                let (next, worked) = self.take_on(&transit.served, &config, (false, after), most, now);
                transit.step = next.map_or(Step::Backups(None), |at| Step::Servers(Some(at)));
                worked
            }
            (Step::Backups(after), Some(config)) => {
                let (next, worked) = self.take_on(&transit.served, &config, (true, after), most, now);
                transit.step = next.map_or(Step::Leavers(None), |at| Step::Backups(Some(at)));
                worked
            }
            (Step::Servers(_) | Step::Backups(_), None) => {
                transit.step = Step::Leavers(None);
                0
            }
            (Step::Leavers(after), config) => {
                let (next, worked) = self.take_leave(&transit.served, config.as_deref(), after, most);
                transit.step = next.map_or(Step::Settle, |at| Step::Leavers(Some(at)));
                worked
            }
            (Step::Settle, config) => {
                let work = 1 + self.pools.get(&transit.served).map_or(0, |pool| pool.servers.len()) / LOOK;
                if work > most && !whole {
                    return most;
                }
                match config {
                    Some(config) => self.settle_pool(&transit.served, config, now),
                    None => self.displace_pool(&transit.served, now),
                }
                transit.step = Step::Checks;
                work
            }
            (Step::Checks, _) => {
                let begun = self.begin_checks(most, now);
                if self.changeover.unbegun.is_empty() {
                    self.note_neighbour_checks(&transit.served, now);
                    self.note_files(&transit.served, now);
                    self.note_maintenance(&transit.served, now);
                    self.time_pool(&transit.served);
                    transit.step = Step::Through;
                }
                begun
            }
            (Step::Through, _) => 0,
        }
    }

    /// Real servers take on what is configured, or backup servers: the last of them if there are more.
    fn take_on(
        &mut self,
        served: &Served,
        config: &VirtualServer,
        (backups, after): (bool, Option<DestinationKey>),
        most: usize,
        now: Instant,
    ) -> (Option<DestinationKey>, usize) {
        let compat = self.config.global.compat;
        let shares = shares(config, compat);
        let (next_check, seed, all) = (&mut self.next_check, self.birth.seed, self.config.clone());
        let Some(pool) = self.pools.get_mut(served) else { return (None, 0) };
        let anew = pool.shares != Some(shares);
        let mut new_check = |spec: &Arc<Check>| {
            let id = CheckId(*next_check);
            *next_check += 1;
            let mut rhythm = rhythm(spec);
            if compat {
                // keepalived asks nobody at once.
                rhythm.warmup = rhythm.warmup.or(Some(rhythm.interval));
            }
            let monitor = Monitor::new(rhythm, spec.steps(), seed.wrapping_add(id.0), now);
            CheckRun { id, spec: spec.clone(), monitor, must_pass: false, made: false }
        };
        let first = after.map_or(Bound::Unbounded, Bound::Excluded);
        let map = if backups { &config.backups } else { &config.servers };
        let (mut worked, mut last, mut gone) = (0, None, Vec::new());
        for (key, server) in map.range((first, Bound::Unbounded)) {
            if worked >= most * CHANGE {
                break;
            }
            let taken = pool.take_on((key, server), (backups, anew), &all, now, &mut new_check);
            last = Some(*key);
            worked += 1;
            let Some(ended) = taken else { continue };
            gone.extend(ended);
            let runs = pool.servers.get(key).map(|server| server.checks.as_slice()).unwrap_or_default();
            worked += CHANGE * (1 + runs.len());
            for (index, run) in runs.iter().enumerate() {
                self.places.insert(run.id, Place { service: served.clone(), server: *key, index });
                self.changeover.unbegun.push_back(run.id);
            }
        }
        let more = last.filter(|last| map.range((Bound::Excluded(*last), Bound::Unbounded)).next().is_some());
        worked += CHANGE * gone.len();
        self.forget_checks(gone);
        (more, worked / CHANGE)
    }

    /// Who is not configured any more goes: where to go on, if there are more to be looked at.
    fn take_leave(
        &mut self,
        served: &Served,
        config: Option<&VirtualServer>,
        after: Option<DestinationKey>,
        most: usize,
    ) -> (Option<DestinationKey>, usize) {
        let Some(pool) = self.pools.get_mut(served) else { return (None, 0) };
        let first = after.map_or(Bound::Unbounded, Bound::Excluded);
        let (mut worked, mut last, mut leavers) = (0, None, Vec::new());
        for (key, server) in pool.servers.range((first, Bound::Unbounded)) {
            if worked >= most * CHANGE {
                break;
            }
            (worked, last) = (worked + 1, Some(*key));
            if config.is_none_or(|config| config.server(key).is_none()) {
                worked += CHANGE * (1 + server.checks.len());
                leavers.push(*key);
            }
        }
        let more = last
            .filter(|last| pool.servers.range((Bound::Excluded(*last), Bound::Unbounded)).next().is_some());
        let gone: Vec<CheckId> = leavers.iter().flat_map(|key| pool.drop_server(key)).collect();
        self.forget_checks(gone);
        (more, worked / CHANGE)
    }

    /// All real servers of a pool are through: what follows.
    fn settle_pool(&mut self, served: &Served, config: Arc<VirtualServer>, now: Instant) {
        let Some(mut pool) = self.pools.remove(served) else { return };
        pool.shares = Some(shares(&config, self.config.global.compat));
        let Configured { mut changes, mut started, released } = pool.configured(config, now);
        // Whoever goes on as before has nothing to tell.
        if self.recall_health(&mut pool, now) {
            changes.clear();
            started.clear();
            pool.told_lost = !pool.has_quorum();
        }
        self.changeover.servers = (self.changeover.servers + pool.servers.len()).saturating_sub(pool.counted);
        pool.counted = pool.servers.len();
        self.pools.insert(served.clone(), pool);
        self.place_pool(served);
        if self.config.global.lvs.notify_at_start {
            for server in started {
                self.tell_server(served, &server, true, "the configuration took effect");
            }
        }
        self.tell_changes(served, changes, now);
        self.tell_released(served, released, now);
        // Before the first attempts go out.
        self.suspend_checks_of(served, now);
        self.configure_vip_check(served, now);
    }

    /// Checks that are new, or others than before, join those that ask the same, and begin.
    fn begin_checks(&mut self, most: usize, now: Instant) -> usize {
        let piece = most.max(1).min(self.changeover.unbegun.len());
        let ids: Vec<CheckId> = self.changeover.unbegun.drain(..piece).collect();
        for id in &ids {
            self.share_check(*id, now);
        }
        self.lead_orphans(now);
        for id in ids {
            self.with_monitor(id, now, |_| {});
        }
        piece
    }

    /// Whether a virtual server is on its way, so that nothing is decided about it yet.
    pub(super) fn is_on_its_way(&self, served: &Served) -> bool {
        let decided = |transit: &Transit| matches!(transit.step, Step::Checks | Step::Through);
        self.changeover.transit.as_ref().is_some_and(|transit| transit.served == *served && !decided(transit))
    }

    pub(super) fn forget_checks(&mut self, gone: Vec<CheckId>) {
        self.unshare(&gone);
        for id in gone {
            self.places.remove(&id);
            self.judged(id);
            self.checks.set(id, None);
        }
    }
}

/// Whether checks of a virtual server are shared with others that ask the same.
pub(super) fn shares(config: &VirtualServer, compat: bool) -> bool {
    !(config.own_checks || config.ha_suspend || compat)
}

/// Checks that have not begun yet.
pub(super) type Unbegun = VecDeque<CheckId>;
