//! One virtual server: its real servers, what their checks say, and what should therefore be in the kernel.
//!
//! Three things stay apart: an *attempt* is made elsewhere, a *verdict* is the monitor's, and the *decision* what a
//! verdict means for the table is taken here. The table is a pure function of the state ([`Pool::wanted`]); nothing
//! is added or removed step by step.
//!
//! A virtual server of a group is one pool with one set of checks, and several services in the kernel, which hold the
//! same servers: [`Pool::level`] has them.

mod quorum;
mod server;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use healthcheck::{Check, Schedule, Verdict};
use ipvs_backend::{DestinationKey, DestinationSettings, Forwarding, Service, ServiceKey};
use notify::Serving;

pub(super) use quorum::Quorum;
pub(super) use server::{CheckRun, Server, words};
use server::{neighbours, same_question};

use super::event::CheckId;
use super::overrides::Steer;
use crate::config::{Config, Served, SorryServer, VirtualServer};

/// One virtual server and its servers.
#[derive(Debug)]
pub(super) struct Pool {
    pub(super) served: Served,
    pub(super) config: Arc<VirtualServer>,
    pub(super) servers: BTreeMap<DestinationKey, Server>,
    /// What operators want of servers; those that are as configured are not here.
    pub(super) steered: BTreeMap<DestinationKey, Steer>,
    pub(super) quorum: Quorum,
    /// What all servers weigh by the file.
    total: u64,
    /// Whether checks rest because the service's address is not on this host (`ha_suspend`).
    pub(super) suspended: bool,
    /// The services in the kernel: one, or those of a group.
    pub(super) serves: Arc<[ServiceKey]>,
    /// What should be in them, by the port that servers take over; services that agree share it.
    levels: BTreeMap<u16, Arc<Service>>,
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
    /// One more server, as it is or steered otherwise.
    pub(super) fn add(&mut self, server: &Server, wish: Option<Steer>) {
        self.all += u64::from(server.config.weight);
        self.live += match wish {
            _ if !server.up => 0,
            Some(Steer::Weight(weight)) => u64::from(weight),
            Some(_) => 0,
            None => Pool::live_weight(server),
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
}

/// What a configuration changed.
#[derive(Debug, Default)]
pub(super) struct Configured {
    /// Checks that are no more.
    pub(super) gone: Vec<CheckId>,
    /// What is different now.
    pub(super) changes: Vec<Change>,
    /// Servers that are new and serve from now on.
    pub(super) started: Vec<DestinationKey>,
    /// Servers that are new, or configured otherwise than before.
    pub(super) touched: Vec<DestinationKey>,
}

impl Pool {
    pub(super) fn new(served: Served, config: Arc<VirtualServer>) -> Self {
        Pool {
            served,
            config,
            servers: BTreeMap::new(),
            steered: BTreeMap::new(),
            quorum: Quorum::new(),
            total: 0,
            suspended: false,
            serves: Arc::default(),
            levels: BTreeMap::new(),
        }
    }

    /// Takes over a configuration: servers and checks that are still asked for keep their history.
    ///
    /// `new_check` makes a running check from its specification.
    pub(super) fn configure(
        &mut self,
        config: Arc<VirtualServer>,
        all: &Config,
        now: Instant,
        mut new_check: impl FnMut(&DestinationKey, &Arc<Check>) -> CheckRun,
    ) -> Configured {
        let mut done = Configured::default();
        let is_new = self.serves.is_empty();
        let mut old = std::mem::take(&mut self.servers).into_iter().peekable();
        // Put into the map together: one after the other they would leave it half empty.
        let mut new = Vec::with_capacity(config.servers.len());
        for (key, server_config) in &config.servers {
            while let Some((_, left)) = old.next_if(|(before, _)| before < key) {
                done.gone.extend(left.checks.iter().map(|run| run.id));
            }
            let before = old.next_if(|(before, _)| before == key).map(|(_, server)| server);
            let steer = self.steered.get(key).copied().unwrap_or_default();
            let was_up = before.as_ref().map(|server| server.up);
            let mut server = match before {
                // Nearly all, where ten thousand are reloaded for the sake of one.
                Some(same) if same.is_as_before(server_config) => {
                    new.push((*key, Server { steer, ..same }));
                    continue;
                }
                Some(server) => server,
                None => Server::new(server_config.clone(), now),
            };
            done.touched.push(*key);
            server.config = server_config.clone();
            server.steer = steer;
            let mut runs = std::mem::take(&mut server.checks);
            for spec in &server_config.checks {
                let run = match runs.iter().position(|run| same_question(&run.spec, spec)) {
                    Some(at) => kept(runs.remove(at), spec, now),
                    None => {
                        // A new server waits where it is told to; one that is down waits, one that serves does not.
                        let must_pass = was_up.map_or(spec.schedule.alpha, |up| !up);
                        CheckRun { must_pass, ..new_check(key, spec) }
                    }
                };
                server.checks.push(run);
            }
            done.gone.extend(runs.iter().map(|run| run.id));
            server.neighbours = neighbours(server_config, &server.neighbours);
            let ids: Vec<CheckId> = server.checks.iter().map(|run| run.id).collect();
            server.given = server.given.configured(server_config, &ids, all);
            let changed = server.decide(now);
            if !server.up && server.verdicts().all(|v| v != Verdict::Down) {
                let why = match was_up {
                    None => "waits for its first check to pass (alpha)",
                    Some(_) => "its checks were changed while it was down, and have not passed yet",
                };
                server.held.get_or_insert_with(|| why.to_owned());
                server.untold |= was_up.is_none();
            }
            match was_up {
                None if server.up => done.started.push(*key),
                Some(_) if changed => {
                    let reason = "the configuration was changed".to_owned();
                    done.changes.push(change(*key, &server, reason));
                }
                _ => {}
            }
            new.push((*key, server));
        }
        self.servers = new.into_iter().collect();
        done.gone.extend(old.flat_map(|(_, left)| left.checks.into_iter().map(|run| run.id)));
        self.total = config.total_weight();
        self.config = config;
        let changed = self.count();
        // As keepalived, which tells at the start of a quorum, and of none if the sorry server stands in.
        if changed || (is_new && self.sorry_stands_in()) {
            done.changes.push(Change::Quorum { up: self.quorum.up });
        }
        done
    }

    /// What is known of a neighbour now, for one server: true if its verdict changed.
    pub(super) fn observe_neighbour(
        &mut self,
        key: &DestinationKey,
        name: &str,
        up: Option<bool>,
        words: &str,
    ) -> bool {
        let server = self.servers.get_mut(key);
        let Some(check) = server.and_then(|server| server.neighbours.get_mut(name)) else { return false };
        let before = check.verdict();
        (check.up, check.words) = (up, words.to_owned());
        check.verdict() != before
    }

    /// A check of `server` changed its verdict: what follows for the server and the service.
    pub(super) fn reconsider(&mut self, key: &DestinationKey, reason: &str, now: Instant) -> Vec<Change> {
        let Some(server) = self.servers.get_mut(key) else { return Vec::new() };
        let changed = server.decide(now);
        // Of a server that waited for its first check it is told how that went, even where it brings nothing new.
        let told = changed || (server.untold && server.verdicts().any(|v| v == Verdict::Down));
        if !told {
            return Vec::new();
        }
        server.untold = false;
        let mut changes = vec![change(*key, server, reason.to_owned())];
        if self.count() {
            changes.push(Change::Quorum { up: self.quorum.up });
        }
        changes
    }

    /// Counts anew what is up; true if the quorum was reached or lost.
    pub(super) fn count(&mut self) -> bool {
        let live = self.servers.values().filter(|server| server.up).map(Self::live_weight);
        let live = live.sum();
        self.quorum.follow(&self.config.quorum, live, self.total)
    }

    /// What a server counts for while it is up.
    fn live_weight(server: &Server) -> u64 {
        u64::from(server.share())
    }

    /// A server weighs something else now: what follows for the service.
    pub(super) fn recount(&mut self) -> Vec<Change> {
        if self.count() { vec![Change::Quorum { up: self.quorum.up }] } else { Vec::new() }
    }

    /// Whether enough servers are up.
    pub(super) fn has_quorum(&self) -> bool {
        self.quorum.up
    }

    /// The sorry server.
    pub(super) fn sorry(&self) -> Option<&SorryServer> {
        self.config.sorry.as_ref()
    }

    /// Whether the sorry server stands in.
    pub(super) fn sorry_stands_in(&self) -> bool {
        self.sorry().is_some() && !self.has_quorum()
    }

    /// Operators want this of servers, and nothing of the others; true if the quorum was reached or lost by it.
    pub(super) fn steer(&mut self, steered: BTreeMap<DestinationKey, Steer>) -> bool {
        for (key, server) in &mut self.servers {
            server.steer = steered.get(key).copied().unwrap_or_default();
        }
        self.steered = steered;
        self.count()
    }

    /// Whether the service has a quorum now, and would have none if its servers came to this.
    pub(super) fn would_lose_quorum(&self, share: Share) -> bool {
        let mut quorum = self.quorum;
        quorum.follow(&self.config.quorum, share.live, share.all) && !quorum.up
    }

    /// The real servers in the kernel that one of the configuration stands for.
    pub(super) fn places(&self, server: &DestinationKey) -> Vec<(ServiceKey, DestinationKey)> {
        let in_kernel = |service: &ServiceKey| {
            let level = self.level(service).filter(|_| self.is_group());
            let like = |key: &&DestinationKey| key.address == server.address;
            let level = level.filter(|level| !level.destinations.contains_key(server));
            level.and_then(|level| level.destinations.keys().find(like)).copied().unwrap_or(*server)
        };
        self.serves.iter().map(|service| (*service, in_kernel(service))).collect()
    }

    /// What is left to serve clients.
    pub(super) fn serving(&self) -> Serving {
        let serving = self.servers.values().filter(|s| self.weight(s).is_some_and(|weight| weight > 0));
        Serving { serving: serving.count(), configured: self.servers.len(), sorry: self.sorry_stands_in() }
    }

    /// The kernel's weight for a server: `None` if it should not be in the table. While the sorry server stands in,
    /// servers that are up make room for it.
    pub(super) fn weight(&self, server: &Server) -> Option<u32> {
        let serves = server.up && !self.sorry_stands_in();
        match server.share() {
            _ if server.steer == Steer::Out => None,
            // It is being drained, and its connections live on.
            0 if server.up => Some(0),
            weight if serves => Some(weight),
            _ if server.config.inhibit => Some(0),
            _ => None,
        }
    }

    /// What should be in the kernel for this service.
    pub(super) fn wanted(&self) -> Service {
        let mut destinations: BTreeMap<DestinationKey, DestinationSettings> = self
            .servers
            .iter()
            .filter_map(|(key, server)| Some((*key, server.settings(self.weight(server)?))))
            .collect();
        if let Some(sorry) = self.sorry() {
            let settings = |weight| DestinationSettings {
                tunnel: sorry.tunnel,
                ..DestinationSettings::new(sorry.forwarding, weight)
            };
            if self.sorry_stands_in() {
                destinations.insert(sorry.key, settings(1));
            } else if sorry.inhibit {
                // It may be a real server as well, which then counts.
                destinations.entry(sorry.key).or_insert(settings(0));
            }
        }
        Service { settings: self.config.settings.clone(), destinations }
    }

    /// Works out anew what should be in the kernel; true if that changed.
    pub(super) fn refresh(&mut self) -> bool {
        let wanted = self.wanted();
        let kept = |port: u16, level: Service| match self.levels.get(&port) {
            Some(before) if **before == level => before.clone(),
            _ => Arc::new(level),
        };
        let mut levels = BTreeMap::new();
        if self.is_group() {
            for key in self.serves.iter() {
                let port = self.taken_over(key);
                levels.entry(port).or_insert_with(|| kept(port, with_port(&wanted, port)));
            }
        } else if !self.serves.is_empty() {
            levels.insert(0, kept(0, wanted));
        }
        let changed = levels != self.levels;
        self.levels = levels;
        changed
    }

    /// What should be in the kernel for one of the services, as it was at the last [`Pool::refresh`].
    pub(super) fn level(&self, key: &ServiceKey) -> Option<&Arc<Service>> {
        self.levels.get(&self.taken_over(key))
    }

    /// The port that servers behind direct routing and tunnels take over from a service of a group. All others have
    /// what the file says.
    fn taken_over(&self, key: &ServiceKey) -> u16 {
        match key {
            ServiceKey::Address { port, .. } if self.is_group() => *port,
            ServiceKey::Address { .. } | ServiceKey::Mark { .. } => 0,
        }
    }

    fn is_group(&self) -> bool {
        matches!(self.served, Served::Group(_))
    }
}

/// Only address translation can change the port of packets: other servers have that of the service.
fn with_port(service: &Service, port: u16) -> Service {
    let place = |key: &DestinationKey, settings: &DestinationSettings| match settings.forwarding {
        Forwarding::Nat | Forwarding::Local => *key,
        Forwarding::Dr | Forwarding::Tun => DestinationKey { port, ..*key },
    };
    let destinations = service.destinations.iter().map(|(key, settings)| (place(key, settings), *settings));
    Service { settings: service.settings.clone(), destinations: destinations.collect() }
}

fn change(key: DestinationKey, server: &Server, reason: String) -> Change {
    let treatment = match (server.up, server.config.inhibit) {
        (true, _) if server.steer == Steer::Out => "up, and kept out by an override".to_owned(),
        (true, _) => format!("back with weight {}", server.share()),
        (false, true) => "weight 0 (inhibit_on_failure)".to_owned(),
        (false, false) => "removed".to_owned(),
    };
    Change::Server { key, up: server.up, reason, treatment }
}

/// A check that goes on, with another rhythm perhaps.
fn kept(mut run: CheckRun, spec: &Arc<Check>, now: Instant) -> CheckRun {
    if run.spec.schedule != spec.schedule {
        run.monitor.handle_schedule(rhythm(spec), now);
    }
    run.spec = spec.clone();
    run
}

/// The rhythm of a check. What `alpha` means is the pool's to decide: the monitor tells of every verdict.
pub(super) fn rhythm(check: &Check) -> Schedule {
    Schedule { alpha: false, ..check.schedule.clone() }
}
