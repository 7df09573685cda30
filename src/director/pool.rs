//! One virtual server: its real servers, what their checks say, and what should therefore be in the kernel.
//!
//! Three things stay apart: an *attempt* is made elsewhere, a *verdict* is the monitor's, and the *decision* what a
//! verdict means for the table is taken here. The table is a pure function of the state ([`Pool::wanted`]); nothing
//! is added or removed step by step.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use healthcheck::{Check, Monitor, Outcome, Schedule, Verdict};
use ipvs_backend::{DestinationKey, DestinationSettings, Service, ServiceKey};
use notify::Serving;

use super::event::CheckId;
use super::given::Given;
use crate::config::{Config, Extras, PlannedCheck, RealServer, SorryServer, VirtualServer};

/// One virtual server and its servers.
#[derive(Debug)]
pub(super) struct Pool {
    pub(super) key: ServiceKey,
    pub(super) config: Arc<VirtualServer>,
    pub(super) servers: BTreeMap<DestinationKey, Server>,
}

/// One real server.
#[derive(Debug)]
pub(super) struct Server {
    pub(super) config: Arc<RealServer>,
    pub(super) checks: Vec<CheckRun>,
    /// What is known of the neighbours that it must be reached by (`BFD_CHECK`), by name.
    pub(super) neighbours: BTreeMap<String, NeighbourCheck>,
    /// What checks say of its weight.
    pub(super) given: Given,
    /// Whether it serves. True until the first verdict, as in keepalived without `alpha`.
    pub(super) up: bool,
    /// When `up` last changed.
    pub(super) since: Instant,
    /// Set while it is down without a failing check: why.
    held: Option<String>,
}

/// One check of one real server.
#[derive(Debug)]
pub(super) struct CheckRun {
    pub(super) id: CheckId,
    pub(super) spec: Arc<Check>,
    pub(super) monitor: Monitor,
}

/// One `BFD_CHECK` of one real server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct NeighbourCheck {
    /// Whether nothing known means down.
    alpha: bool,
    up: Option<bool>,
    /// What is known, in words.
    pub(super) words: String,
}

impl NeighbourCheck {
    pub(super) fn verdict(&self) -> Verdict {
        match (self.up, self.alpha) {
            (Some(true), _) => Verdict::Up,
            (Some(false), _) | (None, true) => Verdict::Down,
            (None, false) => Verdict::Unknown,
        }
    }
}

/// What a verdict changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Change {
    /// A server left or came back.
    Server { key: DestinationKey, up: bool, reason: String, treatment: String },
    /// The service lost its last usable server, or has one again.
    Quorum { up: bool },
}

impl Server {
    /// Decides anew whether this server serves; true if that changed.
    ///
    /// One failing check takes it out and only all checks together bring it back. While some have no verdict yet
    /// it stays what it was: a server that was down stays out after its checks were changed until they have passed.
    fn decide(&mut self, now: Instant) -> bool {
        let verdicts = || self.verdicts();
        let up = if verdicts().any(|v| v == Verdict::Down) {
            false
        } else if verdicts().all(|v| v == Verdict::Up) {
            true
        } else {
            self.up
        };
        if up == self.up {
            return false;
        }
        self.held = None;
        self.up = up;
        self.since = now;
        true
    }

    fn verdicts(&self) -> impl Iterator<Item = Verdict> {
        let neighbours = self.neighbours.values().map(NeighbourCheck::verdict);
        let files = self.given.files().map(|(_, verdict, _)| verdict);
        self.checks.iter().map(|c| c.monitor.verdict()).chain(neighbours).chain(files)
    }

    /// Its weight while it is up.
    pub(super) fn weight(&self) -> u32 {
        self.given.weight(self.config.weight)
    }

    /// What is believed of it: down, up, or unknown while it serves without a verdict of each check.
    pub(super) fn verdict(&self) -> Verdict {
        match self.up {
            false => Verdict::Down,
            true if self.verdicts().all(|v| v == Verdict::Up) => Verdict::Up,
            true => Verdict::Unknown,
        }
    }

    /// Why it is as it is, in words: the last outcome of a check that fails, else of any check.
    pub(super) fn reason(&self) -> String {
        let failing = self.checks.iter().find(|c| c.monitor.verdict() == Verdict::Down);
        let lost = self.neighbours.values().find(|check| check.verdict() == Verdict::Down);
        let closed = self.given.files().find(|(_, verdict, _)| *verdict == Verdict::Down);
        let lost = lost.map(|check| check.words.as_str()).or(closed.map(|(.., words)| words));
        if let (None, None, Some(words)) = (failing, &self.held, lost) {
            return words.to_owned();
        }
        let told = failing.or(self.checks.first()).and_then(|c| c.monitor.last());
        match (told, &self.held) {
            (_, Some(why)) => why.clone(),
            (Some(outcome), None) => words(outcome),
            (None, None) if self.checks.is_empty() => {
                let neighbours = self.neighbours.values().map(|check| check.words.as_str());
                let files = self.given.files().map(|(.., words)| words);
                neighbours.chain(files).next().unwrap_or("not checked").to_owned()
            }
            (None, None) => "no verdict yet".to_owned(),
        }
    }

    fn settings(&self, weight: u32) -> DestinationSettings {
        let Extras { upper, lower, .. } = *self.config.extras();
        DestinationSettings { forwarding: self.config.forwarding, weight, upper, lower }
    }
}

impl Pool {
    pub(super) fn new(key: ServiceKey, config: Arc<VirtualServer>) -> Self {
        Pool { key, config, servers: BTreeMap::new() }
    }

    /// Takes over a configuration: servers and checks that are still asked for keep their history.
    ///
    /// `new_check` makes a running check from its specification. Returns the checks that are no more.
    pub(super) fn configure(
        &mut self,
        config: Arc<VirtualServer>,
        all: &Config,
        now: Instant,
        mut new_check: impl FnMut(&DestinationKey, &Arc<Check>) -> CheckRun,
    ) -> Vec<CheckId> {
        let mut gone = Vec::new();
        let mut old = std::mem::take(&mut self.servers);
        let reachable = config.servers.iter().filter(|(_, server)| server.is_reachable());
        for (key, server_config) in reachable {
            let before = old.remove(key);
            let (up, since, mut runs, known, given) = match before {
                Some(s) => (s.up, s.since, s.checks, s.neighbours, s.given),
                None => (true, now, Vec::new(), BTreeMap::new(), Given::default()),
            };
            let checks: Vec<CheckRun> = server_config
                .checks
                .iter()
                .map(|spec| match runs.iter().position(|run| same_question(&run.spec, spec)) {
                    Some(at) => {
                        let mut run = runs.remove(at);
                        if run.spec.schedule != spec.schedule {
                            run.monitor.handle_schedule(rhythm(spec), now);
                        }
                        run.spec = spec.clone();
                        run
                    }
                    None => new_check(key, spec),
                })
                .collect();
            gone.extend(runs.iter().map(|run| run.id));
            let neighbours = neighbours(server_config, &known);
            let ids: Vec<CheckId> = checks.iter().map(|run| run.id).collect();
            let given = given.configured(server_config, &ids, all);
            let mut server =
                Server { config: server_config.clone(), checks, neighbours, given, up, since, held: None };
            server.decide(now);
            if !server.up && server.verdicts().all(|v| v != Verdict::Down) {
                server.held =
                    Some("its checks were changed while it was down, and have not passed yet".to_owned());
            }
            self.servers.insert(*key, server);
        }
        gone.extend(old.values().flat_map(|s| s.checks.iter().map(|run| run.id)));
        self.config = config;
        gone
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
        let quorum_before = self.has_quorum();
        let Some(server) = self.servers.get_mut(key) else { return Vec::new() };
        if !server.decide(now) {
            return Vec::new();
        }
        let treatment = match (server.up, server.config.inhibit) {
            (true, _) => format!("back with weight {}", server.weight()),
            (false, true) => "weight 0 (inhibit_on_failure)".to_owned(),
            (false, false) => "removed".to_owned(),
        };
        let reason = reason.to_owned();
        let mut changes = vec![Change::Server { key: *key, up: server.up, reason, treatment }];
        changes.extend(self.requorum(quorum_before));
        changes
    }

    /// What follows for the service from another weight or another state of a server.
    pub(super) fn requorum(&self, before: bool) -> Vec<Change> {
        let up = self.has_quorum();
        if up == before { Vec::new() } else { vec![Change::Quorum { up }] }
    }

    /// Whether the servers that are up weigh anything together (keepalived's quorum of 1).
    pub(super) fn has_quorum(&self) -> bool {
        self.servers.values().any(|s| s.up && s.weight() > 0)
    }

    /// The sorry server, if it can be of use.
    pub(super) fn sorry(&self) -> Option<&SorryServer> {
        self.config.reachable_sorry()
    }

    /// Whether the sorry server stands in.
    pub(super) fn sorry_stands_in(&self) -> bool {
        self.sorry().is_some() && !self.has_quorum()
    }

    /// What is left to serve clients.
    pub(super) fn serving(&self) -> Serving {
        let serving = self.servers.values().filter(|s| s.up && s.weight() > 0).count();
        Serving { serving, configured: self.servers.len(), sorry: self.sorry_stands_in() }
    }

    /// The kernel's weight for a server: `None` if it should not be in the table.
    pub(super) fn weight(&self, server: &Server) -> Option<u32> {
        match (server.up, server.config.inhibit) {
            (true, _) => Some(server.weight()),
            (false, true) => Some(0),
            (false, false) => None,
        }
    }

    /// What should be in the kernel for this service.
    pub(super) fn wanted(&self) -> Service {
        let mut destinations: BTreeMap<DestinationKey, DestinationSettings> = self
            .servers
            .iter()
            .filter_map(|(key, server)| Some((*key, server.settings(self.weight(server)?))))
            .collect();
        if let Some(sorry) = self.sorry().filter(|_| !self.has_quorum()) {
            destinations.insert(
                sorry.key,
                DestinationSettings { forwarding: sorry.forwarding, weight: 1, upper: 0, lower: 0 },
            );
        }
        Service { settings: self.config.settings.clone(), destinations }
    }
}

/// The neighbours that a server must be reached by, with what was known of them.
fn neighbours(
    server: &RealServer,
    known: &BTreeMap<String, NeighbourCheck>,
) -> BTreeMap<String, NeighbourCheck> {
    let wanted = server.planned.iter().filter_map(|check| match &**check {
        PlannedCheck::Bfd(check) => Some(check),
        PlannedCheck::File(_) => None,
    });
    let check = |name: &str, alpha| match known.get(name) {
        Some(known) => NeighbourCheck { alpha, ..known.clone() },
        None => NeighbourCheck { alpha, up: None, words: "no verdict yet".to_owned() },
    };
    wanted.map(|bfd| (bfd.name.clone(), check(&bfd.name, bfd.alpha))).collect()
}

/// An outcome in words.
pub(super) fn words(outcome: &Outcome) -> String {
    match &outcome.result {
        Ok(()) => format!("passed after {:.1} ms", outcome.took.as_secs_f64() * 1e3),
        Err(failure) => failure.to_string(),
    }
}

/// The rhythm of a check. A pool does not know `alpha` yet: it takes every server in until the first verdict, and must
/// hear of that one even where it brings nothing new.
pub(super) fn rhythm(check: &Check) -> Schedule {
    Schedule { alpha: false, ..check.schedule.clone() }
}

/// Whether two checks ask the same of the same target, however often.
fn same_question(a: &Check, b: &Check) -> bool {
    a.kind == b.kind
        && a.target == b.target
        && a.source == b.source
        && a.connect_timeout == b.connect_timeout
        && a.device == b.device
        && a.mark == b.mark
}
