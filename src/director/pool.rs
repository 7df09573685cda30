//! One virtual server: its real servers, what their checks say, and what should therefore be in the kernel.
//!
//! Three things stay apart: an *attempt* is made elsewhere, a *verdict* is the monitor's, and the *decision* what a
//! verdict means for the table is taken here: `settle` says who serves, and `kernel` what the table holds therefore.
//!
//! While the real servers do not reach the quorum others stand in: the backup servers (`backup_server`), which are
//! checked like real ones, and if none of them is up the sorry server.
//!
//! A virtual server of a group is one pool with one set of checks, and several services in the kernel, which hold the
//! same servers: [`Pool::level`] has them.

mod configure;
mod flaps;
mod kernel;
mod quorum;
mod server;
mod servers;
mod settle;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use configure::Way;
use healthcheck::{Check, Schedule, Verdict};
use ipvs_backend::{DestinationKey, Service, ServiceKey};
use kernel::Draft;
use notify::Serving;

pub(super) use configure::Configured;
pub(super) use flaps::Flaps;
pub(super) use quorum::Quorum;
pub(super) use server::{CheckRun, Server, words};
pub(super) use servers::{Servers, Tally};
pub(super) use settle::Panic;

use super::overrides::{Steer, Wanted};
use super::target::plain;
use crate::config::{Served, SorryServer, VirtualServer};

/// One virtual server and its servers.
#[derive(Debug)]
pub(super) struct Pool {
    pub(super) served: Served,
    pub(super) config: Arc<VirtualServer>,
    pub(super) servers: Servers,
    pub(super) quorum: Quorum,
    /// Whether people were told last that it is lost.
    pub(super) told_lost: bool,
    /// Servers that have come out of their `maintenance_window`, of which nobody has heard yet.
    released: Vec<DestinationKey>,
    /// Set while it takes on a configuration.
    way: Option<Box<Way>>,
    /// Whether only some of its servers have heard what operators and the clock want.
    half_steered: bool,
    /// What the backup servers that are up weigh together.
    backups_live: u64,
    /// Set while more servers fail than checks may take out.
    pub(super) panic: Option<Panic>,
    /// Whether its checks are shared with others that ask the same; `None`: it has none yet.
    pub(super) shares: Option<bool>,
    /// Real servers of it that are counted among all.
    pub(super) counted: usize,
    /// Whether checks rest because the service's address is not on this host (`ha_suspend`).
    pub(super) suspended: bool,
    /// The services in the kernel: one, or those of a group.
    pub(super) serves: Arc<[ServiceKey]>,
    /// What should be in them, by the port that servers take over; services that agree share it.
    levels: BTreeMap<u16, Arc<Service>>,
    /// The same in the making.
    draft: Draft,
}

/// What real servers of a virtual server come to together.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Share {
    /// The weight of those that are up.
    live: u64,
    /// What all of them weigh by the file.
    all: u64,
}

impl Share {
    /// One more server, as it is or steered otherwise. Backup servers count for nothing.
    pub(super) fn add(&mut self, server: &Server, wish: Option<Steer>) {
        if server.backup {
            return;
        }
        self.all += u64::from(server.config.weight);
        self.live += match wish {
            _ if !server.up => 0,
            Some(Steer::Weight(weight)) => u64::from(weight),
            Some(_) => 0,
            None => u64::from(server.share()),
        };
    }
}

/// What a verdict changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Change {
    /// A server left or came back.
    Server { key: DestinationKey, up: bool, reason: String, treatment: String },
    /// The service lost its quorum, or has one again.
    Quorum { up: bool },
    /// More servers fail than checks may take out, or that is over.
    Panic { on: bool },
    /// Others stand in than before, while there is no quorum.
    StandIn,
}

/// Who serves in the place of the real servers, while those do not reach the quorum.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum StandIn {
    /// Nobody.
    Nobody,
    /// The backup servers that are up.
    Backups,
    /// The sorry server.
    Sorry,
}

impl Pool {
    pub(super) fn new(served: Served, config: Arc<VirtualServer>) -> Self {
        Pool {
            served,
            config,
            servers: Servers::default(),
            quorum: Quorum::new(),
            told_lost: false,
            released: Vec::new(),
            way: None,
            half_steered: false,
            backups_live: 0,
            panic: None,
            shares: None,
            counted: 0,
            suspended: false,
            serves: Arc::default(),
            levels: BTreeMap::new(),
            draft: Draft::new(),
        }
    }

    /// What is known of a neighbour now, for one server: true if its verdict changed.
    pub(super) fn observe_neighbour(
        &mut self,
        key: &DestinationKey,
        name: &str,
        up: Option<bool>,
        words: &str,
    ) -> bool {
        let observed = self.servers.change(key, |server| {
            let check = server.neighbours.get_mut(name)?;
            let before = check.verdict();
            (check.up, check.words) = (up, words.to_owned());
            Some(check.verdict() != before)
        });
        observed.flatten().unwrap_or(false)
    }

    /// A check of `server` changed its verdict: what follows for the server and the service.
    pub(super) fn reconsider(&mut self, key: &DestinationKey, reason: &str, now: Instant) -> Vec<Change> {
        // Of a server that waited for its first check it is told how that went, even where it brings nothing new.
        let told = self.servers.change(key, |server| {
            server.judge(now);
            server.untold && server.verdicts().any(|v| v == Verdict::Down)
        });
        let Some(told) = told else { return Vec::new() };
        let mut changes = self.work_out(now, |other| (other == key).then(|| reason.to_owned()));
        let is_own =
            |change: &Change| matches!(change, Change::Server { key: changed, .. } if changed == key);
        let changed = changes.iter().any(is_own);
        if told || changed {
            self.servers.change(key, |server| server.untold = false);
        }
        if told
            && !changed
            && let Some(server) = self.servers.get(key)
        {
            changes.insert(0, self.change(*key, server, reason.to_owned()));
        }
        changes
    }

    /// Counts anew what is up; true if the quorum was reached or lost.
    pub(super) fn count(&mut self) -> bool {
        let tally = self.servers.tally();
        self.backups_live = tally.backups_live;
        self.quorum.follow(&self.config.quorum, tally.live, tally.all)
    }

    /// A server weighs something else now: what follows for the service.
    pub(super) fn recount(&mut self, now: Instant) -> Vec<Change> {
        self.work_out(now, |_| None)
    }

    /// Whether enough servers are up.
    pub(super) fn has_quorum(&self) -> bool {
        self.quorum.up
    }

    /// The sorry server.
    pub(super) fn sorry(&self) -> Option<&SorryServer> {
        self.config.sorry.as_ref()
    }

    /// Who serves in the place of the real servers.
    pub(super) fn stand_in(&self) -> StandIn {
        match () {
            () if self.has_quorum() => StandIn::Nobody,
            () if self.backups_live > 0 => StandIn::Backups,
            () if self.sorry().is_some() => StandIn::Sorry,
            () => StandIn::Nobody,
        }
    }

    /// The same in words, for a service without its quorum.
    pub(super) fn stand_in_words(&self) -> Option<String> {
        match self.stand_in() {
            StandIn::Nobody => None,
            StandIn::Sorry => self.sorry().map(|sorry| format!("the sorry server {} stands in", sorry.key)),
            StandIn::Backups => match self.backups_up() {
                1 => Some("one backup server stands in".to_owned()),
                up => Some(format!("{up} backup servers stand in")),
            },
        }
    }

    /// Who would stand in for the real servers, in words, if these were steered out.
    pub(super) fn would_stand_in(&self, hit: impl Fn(&DestinationKey) -> bool) -> Option<String> {
        let backup = |(key, server): &(&DestinationKey, &Server)| {
            server.backup && server.up && server.share() > 0 && !hit(key)
        };
        let words = match self.servers.iter().filter(backup).count() {
            0 => format!("the sorry server {} stands in", plain(&self.sorry()?.key)),
            1 => "a backup server stands in".to_owned(),
            up => format!("{up} backup servers stand in"),
        };
        Some(words)
    }

    fn backups_up(&self) -> usize {
        self.servers.tally().backups
    }

    /// Whether the sorry server stands in.
    pub(super) fn sorry_stands_in(&self) -> bool {
        self.stand_in() == StandIn::Sorry
    }

    /// Operators and the clock want this of a server.
    fn wish(&mut self, key: &DestinationKey, wish: Wanted) {
        let Some(before) = self.servers.get(key).map(Server::wish).filter(|before| *before != wish) else {
            return;
        };
        self.servers.change(key, |server| server.take_wish(wish));
        if before.in_window && !wish.in_window {
            self.released.push(*key);
        }
    }

    /// Operators and the clock want this of some of its servers. `more`: of others they will be asked in a moment, and
    /// nothing is decided until then. What follows, and which servers have come out of a `maintenance_window`.
    pub(super) fn steer(
        &mut self,
        wishes: Vec<(DestinationKey, Wanted)>,
        more: bool,
        now: Instant,
    ) -> (Vec<Change>, Vec<DestinationKey>) {
        for (key, wish) in wishes {
            self.wish(&key, wish);
        }
        self.half_steered = more;
        let changes = self.work_out(now, |_| None);
        (changes, if more { Vec::new() } else { std::mem::take(&mut self.released) })
    }

    /// Whether it takes on a configuration.
    pub(super) fn takes_on(&self) -> bool {
        self.way.is_some()
    }

    /// Whether it takes on a configuration, or some of its servers have not heard yet what operators want: nothing is
    /// decided about it until that is over.
    pub(super) fn is_on_its_way(&self) -> bool {
        self.way.is_some() || self.half_steered
    }

    /// Whether the service has a quorum now, and would have none if its servers came to this.
    pub(super) fn would_lose_quorum(&self, share: Share) -> bool {
        let mut quorum = self.quorum;
        quorum.follow(&self.config.quorum, share.live, share.all) && !quorum.up
    }

    /// What is left to serve clients.
    pub(super) fn serving(&self) -> Serving {
        let (tally, stand_in) = (self.servers.tally(), self.stand_in());
        let backups = if stand_in == StandIn::Backups { tally.backups } else { 0 };
        Serving {
            serving: if stand_in == StandIn::Nobody { tally.usable } else { 0 },
            configured: tally.real,
            sorry: self.sorry_stands_in(),
            backups,
        }
    }

    fn change(&self, key: DestinationKey, server: &Server, reason: String) -> Change {
        let treatment = match (server.up, server.config.inhibit) {
            (true, _) if server.steer == Steer::Out => "up, and kept out by an override".to_owned(),
            (true, _) if server.backup && self.stand_in() == StandIn::Backups => {
                format!("stands in with weight {}", server.share())
            }
            (true, _) if server.backup => "ready to stand in".to_owned(),
            (true, _) if server.spared => {
                format!("back with weight {}, though it fails (panic_threshold)", server.share())
            }
            (true, _) => format!("back with weight {}", server.share()),
            (false, true) => "weight 0 (inhibit_on_failure)".to_owned(),
            (false, false) if server.backup => "cannot stand in".to_owned(),
            (false, false) => "removed".to_owned(),
        };
        Change::Server { key, up: server.up, reason, treatment }
    }
}

/// The rhythm of a check. What `alpha` means is the pool's to decide: the monitor tells of every verdict.
pub(super) fn rhythm(check: &Check) -> Schedule {
    Schedule { alpha: false, ..check.schedule.clone() }
}
