//! How a virtual server comes, changes or goes with a configuration: real server by real server, a piece at a time.
//!
//! On its way it is neither what it was nor what it will be, so nothing is decided about it: what its checks say meanwhile
//! is taken in, and what follows is decided when all its real servers are through (`arrival`).

use std::collections::{BTreeSet, VecDeque};
use std::ops::Bound;
use std::sync::Arc;
use std::time::Instant;

use healthcheck::{Check, Monitor};
use ipvs_backend::DestinationKey;

use super::event::CheckId;
use super::pool::{CheckRun, Configured, Pool, rhythm};
use super::steering::Wishes;
use super::target::Target;
use super::{Director, Place};
use crate::config::{MaintenanceWindow, RealServer, Served, VirtualServer};

/// How much more work a real server is that changes than one that does not.
pub(super) const CHANGE: usize = 16;

/// To begin a check, or to end it, is so much more work than a real server that changes: it is looked for among all checks,
/// and among what they ask.
const CHECK: usize = 4;

/// A virtual server on its way to what is configured.
#[derive(Debug)]
pub(super) struct Transit {
    pub(super) served: Served,
    pub(super) step: Step,
    /// What is said of maintenance windows, as far as that was looked for.
    windows: BTreeSet<(MaintenanceWindow, Target)>,
    /// Whether any check goes through the table.
    pub(super) via: bool,
    /// What is to be told.
    pub(super) news: Configured,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    /// The real servers that it had behind this place are looked at: who may have time to leave.
    LookBack(Spot),
    /// The real servers that it will have are looked at.
    LookAhead(Spot),
    /// The real servers behind this one take on what is configured.
    Servers(After),
    /// The same of backup servers.
    Backups(After),
    /// Of those behind this one go who are not configured any more.
    Leavers(After),
    /// It is decided about each what follows.
    Settle,
    /// What should be in the table is worked out.
    Level,
    /// It is gathered what stays in the table until everything that is new is there.
    Keep,
    /// It is what is configured.
    Arrive,
    /// People and programs hear of it.
    Tell,
    /// Checks begin.
    Checks,
    /// The real servers behind this one hear what is known of neighbours, files and maintenance.
    Notes(After),
    /// It is through.
    Through,
}

/// Behind this one; `None`: from the first.
pub(super) type After = Option<DestinationKey>;

/// The same among real servers and the backup servers (`true`) that follow them.
type Spot = (bool, After);

const START: Spot = (false, None);

impl Transit {
    pub(super) fn new(served: Served) -> Self {
        let step = Step::LookBack(START);
        Transit { served, step, windows: BTreeSet::new(), via: false, news: Configured::default() }
    }

    pub(super) fn is_through(&self) -> bool {
        self.step == Step::Through
    }
}

/// The real servers of a configuration behind a place, and where each of them is.
fn behind(
    config: &VirtualServer,
    (among_backups, after): Spot,
) -> impl Iterator<Item = (Spot, &DestinationKey, &Arc<RealServer>)> {
    let first = after.map_or(Bound::Unbounded, Bound::Excluded);
    let (servers, backups) = match among_backups {
        false => (Some(config.servers.range((first, Bound::Unbounded))), config.backups.range(..)),
        true => (None, config.backups.range((first, Bound::Unbounded))),
    };
    let servers = servers.into_iter().flatten().map(|(key, server)| ((false, Some(*key)), key, server));
    servers.chain(backups.map(|(key, server)| ((true, Some(*key)), key, server)))
}

impl Director {
    /// The next piece, of about so many real servers; tells how much work it was.
    pub(super) fn move_on(&mut self, transit: &mut Transit, most: usize, now: Instant) -> usize {
        let config = self.config.virtual_server(&transit.served).cloned();
        let (step, worked) = match (transit.step, config) {
            (Step::LookBack(spot), _) => self.look_back(&transit.served, spot, most, now),
            (Step::LookAhead(spot), config) => self.look_ahead(transit, config.as_ref(), spot, most, now),
            (Step::Servers(after), Some(config)) => {
                let (next, worked) = self.take_on(&transit.served, &config, (false, after), most, now);
                (next.map_or(Step::Backups(None), |at| Step::Servers(Some(at))), worked)
            }
            (Step::Backups(after), Some(config)) => {
                let (next, worked) = self.take_on(&transit.served, &config, (true, after), most, now);
                (next.map_or(Step::Leavers(None), |at| Step::Backups(Some(at))), worked)
            }
            (Step::Servers(_) | Step::Backups(_), None) => (Step::Leavers(None), 0),
            (Step::Leavers(after), config) => {
                let (next, worked) = self.take_leave(&transit.served, config.as_deref(), after, most);
                (next.map_or(Step::Settle, |at| Step::Leavers(Some(at))), worked)
            }
            (Step::Settle | Step::Level | Step::Keep | Step::Arrive, None) => {
                self.displace_pool(&transit.served, now);
                (Step::Checks, 1)
            }
            (Step::Settle, Some(config)) => self.settle_some(&transit.served, &config, most, now),
            (Step::Level, Some(_)) => self.level_some(&transit.served, most),
            (Step::Keep, Some(_)) => self.keep_piece(&transit.served, most),
            (Step::Arrive, Some(config)) => {
                self.arrive(transit, &config, now);
                (Step::Tell, 1)
            }
            (Step::Tell, _) => self.tell_some(transit, most, now),
            (Step::Checks, _) => {
                let begun = self.begin_checks(most, now);
                (if self.changeover.unbegun.is_empty() { Step::Notes(None) } else { Step::Checks }, begun)
            }
            (Step::Notes(after), _) => self.note_some(&transit.served, after, most, now),
            (Step::Through, _) => (Step::Through, 0),
        };
        transit.step = step;
        worked
    }

    /// Whoever may have time to leave is noted, and which neighbours nobody asks for any more.
    fn look_back(&mut self, served: &Served, spot: Spot, most: usize, now: Instant) -> (Step, usize) {
        let Some(before) = self.pools.get(served).map(|pool| pool.config.clone()) else {
            return (Step::LookAhead(START), 0);
        };
        let (mut looked, mut last) = (0, spot);
        for (spot, key, config) in behind(&before, spot).take(most * CHANGE) {
            (looked, last) = (looked + 1, spot);
            self.see_off(served, key, config, now);
            if !config.planned.is_empty() {
                self.forget_neighbour_checks(served, key);
            }
        }
        let more = looked == most * CHANGE;
        (if more { Step::LookBack(last) } else { Step::LookAhead(START) }, looked / CHANGE)
    }

    /// What is said of maintenance windows takes effect before the real servers hear what it means for each of them.
    fn look_ahead(
        &mut self,
        transit: &mut Transit,
        config: Option<&Arc<VirtualServer>>,
        spot: Spot,
        most: usize,
        now: Instant,
    ) -> (Step, usize) {
        let (mut looked, mut last) = (0, spot);
        let servers = config.map(|config| behind(config, spot).take(most * CHANGE));
        for (spot, key, server) in servers.into_iter().flatten() {
            (looked, last) = (looked + 1, spot);
            transit.via |= server.checks.iter().any(|check| check.via.is_some());
            for window in &server.extras().windows {
                let (served, port) = (transit.served.clone(), Some(key.port));
                let target = Target::Server { service: Some(served), address: key.address, port };
                transit.windows.insert((window.clone(), target));
            }
        }
        if looked == most * CHANGE {
            return (Step::LookAhead(last), looked / CHANGE);
        }
        transit.via |= config.and_then(|c| c.vip_check.as_ref()).is_some_and(|check| check.via.is_some());
        let windows = std::mem::take(&mut transit.windows);
        self.set_off(&transit.served, config, windows, now);
        (Step::Servers(None), looked / CHANGE)
    }

    /// From now on it is on its way.
    fn set_off(
        &mut self,
        served: &Served,
        config: Option<&Arc<VirtualServer>>,
        windows: BTreeSet<(MaintenanceWindow, Target)>,
        now: Instant,
    ) {
        // While it is not there: its real servers hear of windows with the rest.
        let before = self.pools.remove(served);
        self.plan_windows(served, windows, now);
        let pool = before.or_else(|| Some(Pool::new(served.clone(), config?.clone())));
        if let Some(mut pool) = pool {
            pool.set_off();
            self.pools.insert(served.clone(), pool);
        }
        self.unsteered.forget(served);
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
        let wishes = Wishes::new(&self.overrides, served, self.since_1970(now));
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
            let how = (backups, anew, wishes.of(key));
            let taken = pool.take_on((key, server), how, &all, now, &mut new_check);
            last = Some(*key);
            worked += 1;
            let Some(ended) = taken else { continue };
            let runs = pool.servers.get(key).map(|server| server.checks.as_slice()).unwrap_or_default();
            worked += CHANGE * (1 + runs.len() + CHECK * ended.len());
            gone.extend(ended);
            for (index, run) in runs.iter().enumerate() {
                self.places.insert(run.id, Place { service: served.clone(), server: *key, index });
                self.changeover.unbegun.push_back(run.id);
            }
        }
        let more = last.filter(|last| map.range((Bound::Excluded(*last), Bound::Unbounded)).next().is_some());
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
                worked += CHANGE * (1 + CHECK * server.checks.len());
                leavers.push(*key);
            }
        }
        let more = last
            .filter(|last| pool.servers.range((Bound::Excluded(*last), Bound::Unbounded)).next().is_some());
        let gone: Vec<CheckId> = leavers.iter().flat_map(|key| pool.drop_server(key)).collect();
        self.forget_checks(gone);
        (more, worked / CHANGE)
    }

    /// Checks that are new, or others than before, join those that ask the same, and begin.
    fn begin_checks(&mut self, most: usize, now: Instant) -> usize {
        let piece = (most / CHECK).max(1).min(self.changeover.unbegun.len());
        let ids: Vec<CheckId> = self.changeover.unbegun.drain(..piece).collect();
        for id in &ids {
            self.share_check(*id, now);
        }
        self.lead_orphans(now);
        for id in ids {
            self.with_monitor(id, now, |_| {});
        }
        piece * CHECK
    }

    /// Whether a virtual server is on its way, so that nothing is decided about it yet.
    pub(super) fn is_on_its_way(&self, served: &Served) -> bool {
        self.pools.get(served).is_some_and(Pool::is_on_its_way)
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
