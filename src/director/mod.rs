//! The brain: told facts and the time, it decides, and asks for effects.
//!
//! It owns one [`vrrp::Router`] per instance and one pool per virtual server, and derives from their state what
//! sockets should be open, what addresses should be on interfaces and what should be in the IPVS table. It waits for
//! nothing, opens nothing and reads no clock: given the same events at the same instants it does the same again,
//! which is what simulation and replay rest on.
//!
//! After each `handle_…` call the caller drains [`Director::poll_effect`] and asks [`Director::poll_timeout`] when to
//! call again.

mod agenda;
pub mod effect;
pub mod event;
mod instance;
pub mod journal;
mod pool;
pub mod snapshot;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use healthcheck::{Monitor, Outcome};
use ipvs_backend::{DestinationKey, ServiceKey, Table};
use notify::{Heading, Notice, Role, Serving};
use vrrp::{AddressLevel, Links, Output, State, Wanted};

use agenda::Agenda;
use effect::{Attempt, Effect, Level, SocketKey};
use event::{AddressReport, CheckId, Event, TableReport};
use instance::Instance;
use journal::Entry;
use pool::{Change, CheckRun, Pool, words};
use snapshot::OwnerStatus;

use crate::config::{Config, Difference};

/// How long a stop waits for the owners of addresses and table before the process ends all the same.
const STOP_PATIENCE: Duration = Duration::from_secs(5);

/// Who asked to be woken.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Owner {
    Instance(String),
    Check(CheckId),
    Stop,
}

/// Why the brain wants to be called at an instant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reason(Owner);

/// What a brain is born with; everything else it is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Birth {
    /// Names the director where `router_id` does not.
    pub host_name: String,
    /// Spreads the checks over time.
    pub seed: u64,
    /// An instant ...
    pub at: Instant,
    /// ... and what the wall clock said then: people are told times of day.
    pub wall: SystemTime,
}

/// Where a check belongs.
#[derive(Debug, Clone)]
struct Place {
    service: ServiceKey,
    server: DestinationKey,
    index: usize,
}

/// What waits to be handed out. Levels are named here and read when their turn comes, so that many changes make one.
#[derive(Debug)]
enum Pending {
    Effect(Effect),
    Sockets,
    Addresses,
    Table,
}

/// A level and what its owner said of it.
#[derive(Debug, Default)]
struct Published<T> {
    value: Arc<T>,
    serial: u64,
    queued: bool,
    applied: u64,
    unavailable: Option<String>,
    failures: Vec<String>,
}

impl<T> Published<T> {
    fn status(&self) -> OwnerStatus {
        OwnerStatus {
            wanted: self.serial,
            applied: self.applied,
            unavailable: self.unavailable.clone(),
            failures: self.failures.clone(),
        }
    }

    fn take(&mut self) -> Level<T> {
        self.queued = false;
        Level { serial: self.serial, value: self.value.clone() }
    }
}

/// The brain.
#[derive(Debug)]
pub struct Director {
    birth: Birth,
    next_check: u64,
    generation: u64,
    config: Arc<Config>,
    links: Arc<Links>,
    virtual_addresses: BTreeSet<IpAddr>,
    instances: BTreeMap<String, Instance>,
    pools: BTreeMap<ServiceKey, Pool>,
    places: BTreeMap<CheckId, Place>,
    agenda: Agenda<Owner>,
    pending: VecDeque<Pending>,
    sockets: Arc<BTreeSet<SocketKey>>,
    addresses: Published<AddressLevel>,
    table: Published<Table>,
    stray_adverts: BTreeMap<String, u64>,
    stopping: bool,
}

impl Director {
    /// A brain without a configuration.
    pub fn new(birth: Birth) -> Self {
        Director {
            birth,
            next_check: 0,
            generation: 0,
            config: Arc::default(),
            links: Arc::default(),
            virtual_addresses: BTreeSet::new(),
            instances: BTreeMap::new(),
            pools: BTreeMap::new(),
            places: BTreeMap::new(),
            agenda: Agenda::new(),
            pending: VecDeque::new(),
            sockets: Arc::default(),
            addresses: Published::default(),
            table: Published::default(),
            stray_adverts: BTreeMap::new(),
            stopping: false,
        }
    }

    /// Takes in one fact.
    pub fn handle_event(&mut self, event: Event, now: Instant) {
        match event {
            Event::Configured { config, difference } => self.configure(config, &difference, now),
            Event::Links(links) => self.observe_links(links, now),
            Event::Advert { interface, envelope, advert } => {
                self.hear(&interface, &envelope, &advert, now);
            }
            Event::BadAdvert { interface, error } => self.hear_rubbish(&interface, &error),
            Event::ProbeDone { check, attempt, outcome } => self.probe_done(check, attempt, outcome, now),
            Event::TableApplied(report) => self.table_applied(report),
            Event::AddressesApplied(report) => self.addresses_applied(report),
            Event::Stop => self.stop(now),
        }
    }

    /// Does what is due at `now`.
    pub fn handle_timeout(&mut self, now: Instant) {
        while let Some(owner) = self.agenda.take_due(now) {
            match owner {
                Owner::Instance(name) => {
                    if let Some(instance) = self.instances.get_mut(&name) {
                        instance.router.handle_timeout(now);
                        self.drain_router(&name, now);
                    }
                }
                Owner::Check(id) => self.with_monitor(id, now, |monitor| monitor.handle_timeout(now)),
                Owner::Stop => self.pending.push_back(Pending::Effect(Effect::Stopped)),
            }
        }
    }

    /// The next wish, until there is none.
    pub fn poll_effect(&mut self) -> Option<Effect> {
        Some(match self.pending.pop_front()? {
            Pending::Effect(effect) => effect,
            Pending::Sockets => Effect::Sockets(self.sockets.clone()),
            Pending::Addresses => Effect::Addresses(self.addresses.take()),
            Pending::Table => Effect::Table(self.table.take()),
        })
    }

    /// When to call [`Director::handle_timeout`] next, and why.
    pub fn poll_timeout(&self) -> Option<(Instant, Reason)> {
        self.agenda.next().map(|(at, owner)| (*at, Reason(owner.clone())))
    }

    /// The instant alone of [`Director::poll_timeout`].
    pub fn deadline(&self) -> Option<Instant> {
        self.agenda.next().map(|(at, _)| *at)
    }

    /// The name of this director in notices.
    pub fn router_id(&self) -> &str {
        self.config.global.router_id.as_deref().unwrap_or(&self.birth.host_name)
    }

    fn effect(&mut self, effect: Effect) {
        self.pending.push_back(Pending::Effect(effect));
    }

    fn log(&mut self, entry: Entry) {
        self.effect(Effect::Log(entry));
    }

    fn notify(&mut self, now: Instant, notice: impl FnOnce(Heading<'_>) -> Notice) {
        if self.config.global.email.is_some() {
            let at = self.birth.wall + now.saturating_duration_since(self.birth.at);
            let notice = notice(Heading { router_id: self.router_id(), at });
            self.effect(Effect::Notify(notice));
        }
    }
}

// Configuration.
impl Director {
    fn configure(&mut self, config: Arc<Config>, difference: &Difference, now: Instant) {
        self.generation += 1;
        self.config = config.clone();
        self.virtual_addresses =
            config.instances.values().flat_map(|i| i.addresses.iter().map(|a| a.address)).collect();
        for name in &difference.instances.to_remove {
            if let Some(mut instance) = self.instances.remove(name) {
                self.agenda.set(Owner::Instance(name.clone()), None);
                instance.router.handle_stop(now);
                self.drain_stopped(name, &mut instance);
            }
        }
        for name in difference.instances.to_change.iter().chain(&difference.instances.to_add) {
            let Some(wanted) = config.instances.get(name) else { continue };
            self.configure_instance(name, wanted, now);
        }
        for key in &difference.services.to_remove {
            if let Some(pool) = self.pools.remove(key) {
                let gone = pool.servers.values().flat_map(|s| s.checks.iter().map(|run| run.id)).collect();
                self.forget_checks(gone);
                Arc::make_mut(&mut self.table.value).services.remove(key);
            }
        }
        for key in difference.services.to_change.iter().chain(&difference.services.to_add) {
            self.configure_pool(key, now);
        }
        self.publish_sockets();
        self.publish_addresses();
        self.publish_table();
        let servers: usize = config.services.values().map(|s| s.servers.len()).sum();
        let summary = format!(
            "{} vrrp_instances, {} virtual_servers, {servers} real_servers",
            config.instances.len(),
            config.services.len()
        );
        self.log(Entry::Configured { summary });
    }

    fn configure_instance(&mut self, name: &str, wanted: &Arc<crate::config::Instance>, now: Instant) {
        match self.instances.get_mut(name) {
            Some(instance) => {
                instance.configure(wanted.clone(), now);
                instance.observe(&self.links, &self.virtual_addresses, now);
            }
            None => {
                let mut instance = Instance::new(wanted.clone());
                instance.observe(&self.links, &self.virtual_addresses, now);
                instance.router.handle_start(now);
                self.instances.insert(name.to_owned(), instance);
            }
        }
        self.drain_router(name, now);
    }

    fn configure_pool(&mut self, key: &ServiceKey, now: Instant) {
        let Some(config) = self.config.services.get(key).cloned() else { return };
        let mut pool = self.pools.remove(key).unwrap_or_else(|| Pool::new(*key, config.clone()));
        let (next_check, seed) = (&mut self.next_check, self.birth.seed);
        let gone = pool.configure(config, now, |_, spec| {
            let id = CheckId(*next_check);
            *next_check += 1;
            let monitor = Monitor::new(spec.schedule.clone(), spec.steps(), seed.wrapping_add(id.0), now);
            CheckRun { id, spec: spec.clone(), monitor }
        });
        self.forget_checks(gone);
        let mut ids = Vec::new();
        for (server, state) in &pool.servers {
            for (index, run) in state.checks.iter().enumerate() {
                let place = Place { service: *key, server: *server, index };
                self.places.insert(run.id, place);
                ids.push(run.id);
            }
        }
        self.set_service(&pool);
        self.pools.insert(*key, pool);
        for id in ids {
            self.with_monitor(id, now, |_| {});
        }
    }

    fn forget_checks(&mut self, gone: Vec<CheckId>) {
        for id in gone {
            self.places.remove(&id);
            self.agenda.set(Owner::Check(id), None);
        }
    }
}

// VRRP.
impl Director {
    fn observe_links(&mut self, links: Arc<Links>, now: Instant) {
        self.links = links;
        let names: Vec<String> = self.instances.keys().cloned().collect();
        for name in names {
            if let Some(instance) = self.instances.get_mut(&name) {
                instance.observe(&self.links, &self.virtual_addresses, now);
                self.drain_router(&name, now);
            }
        }
        self.publish_sockets();
        // The owner tries again what failed while an interface was missing.
        self.queue_addresses();
    }

    fn hear(&mut self, interface: &str, envelope: &vrrp::Envelope, advert: &vrrp::Advert, now: Instant) {
        let multicast = envelope.is_multicast();
        let listener = self
            .instances
            .iter_mut()
            .find(|(_, i)| i.listens_to(interface, multicast, advert.vrid))
            .map(|(name, instance)| {
                instance.router.handle_advert(advert, envelope, now);
                name.clone()
            });
        match listener {
            Some(name) => self.drain_router(&name, now),
            None => *self.stray_adverts.entry("vrid".to_owned()).or_default() += 1,
        }
    }

    fn hear_rubbish(&mut self, interface: &str, error: &vrrp::AdvertError) {
        let blamed = error.vrid().and_then(|vrid| {
            self.instances
                .values_mut()
                .find(|i| i.config.interface == interface && i.config.router.vrid == vrid)
        });
        match blamed {
            Some(instance) => instance.router.handle_error(error),
            None => *self.stray_adverts.entry(error.kind().to_string()).or_default() += 1,
        }
    }

    /// Hands on what a router wants, and notes when it wants to be called again.
    fn drain_router(&mut self, name: &str, now: Instant) {
        let Some(instance) = self.instances.get_mut(name) else { return };
        let mut outputs = Vec::new();
        while let Some(output) = instance.router.poll_output() {
            outputs.push(output);
        }
        let deadline = instance.router.poll_timeout().map(|(at, _)| at);
        let alert = instance.config.alert;
        for output in outputs {
            match output {
                Output::Send(advert) => {
                    let sent = self.instances.get(name).and_then(|i| i.transmission(advert));
                    if let Some(transmission) = sent {
                        self.effect(Effect::Send(transmission));
                    }
                }
                Output::Announce(repeat) => {
                    if let Some(announcement) = self.instances.get(name).map(|i| i.announcement(repeat, &self.links)) {
                        self.effect(Effect::Announce(announcement));
                    }
                }
                Output::Transition { from, to, cause } => {
                    self.publish_addresses();
                    let cause = cause.to_string();
                    if let Some(role) = told_role(to).filter(|_| alert) {
                        self.notify(now, |heading| Notice::instance(heading, name, role, &cause));
                    }
                    self.log(Entry::Transition { instance: name.to_owned(), from, to, cause });
                }
                Output::Note(note) => {
                    self.log(Entry::InstanceNote { instance: name.to_owned(), note: note.to_string() });
                }
            }
        }
        self.agenda.set(Owner::Instance(name.to_owned()), deadline);
    }

    /// The last words of an instance that is no longer configured.
    fn drain_stopped(&mut self, name: &str, instance: &mut Instance) {
        while let Some(output) = instance.router.poll_output() {
            match output {
                Output::Send(advert) => {
                    if let Some(transmission) = instance.transmission(advert) {
                        self.effect(Effect::Send(transmission));
                    }
                }
                Output::Transition { from, to, .. } => {
                    let cause = "removed from the configuration".to_owned();
                    self.log(Entry::Transition { instance: name.to_owned(), from, to, cause });
                }
                Output::Announce(_) | Output::Note(_) => {}
            }
        }
    }

    fn publish_sockets(&mut self) {
        let wanted: BTreeSet<SocketKey> = self.instances.values().filter_map(Instance::socket).collect();
        if *self.sockets != wanted {
            self.sockets = Arc::new(wanted);
            self.pending.push_back(Pending::Sockets);
        }
    }

    fn publish_addresses(&mut self) {
        let mut wanted = AddressLevel::new();
        for (key, state) in self.instances.values().flat_map(Instance::addresses) {
            // The same address in two instances is there while either is master.
            if matches!(state, Wanted::Present(_)) || !wanted.contains_key(&key) {
                wanted.insert(key, state);
            }
        }
        if *self.addresses.value != wanted {
            self.addresses.value = Arc::new(wanted);
            self.queue_addresses();
        }
    }

    fn queue_addresses(&mut self) {
        self.addresses.serial += 1;
        if !self.addresses.queued {
            self.addresses.queued = true;
            self.pending.push_back(Pending::Addresses);
        }
    }

    fn addresses_applied(&mut self, report: AddressReport) {
        self.addresses.applied = report.serial;
        let news: Vec<String> =
            report.failures.iter().filter(|f| !self.addresses.failures.contains(f)).cloned().collect();
        self.addresses.failures = report.failures;
        for what in news {
            self.log(Entry::Refused { what });
        }
        self.end_if_released();
    }
}

// Virtual servers.
impl Director {
    fn probe_done(&mut self, id: CheckId, attempt: u64, outcome: Outcome, now: Instant) {
        self.with_monitor(id, now, |monitor| monitor.handle_result(attempt, outcome, now));
    }

    /// Lets a monitor take in a fact, and hands on what it wants.
    fn with_monitor(&mut self, id: CheckId, now: Instant, fact: impl FnOnce(&mut Monitor)) {
        let Some(place) = self.places.get(&id) else { return };
        let Some(run) = self
            .pools
            .get_mut(&place.service)
            .and_then(|pool| pool.servers.get_mut(&place.server))
            .and_then(|server| server.checks.get_mut(place.index))
        else {
            return;
        };
        fact(&mut run.monitor);
        let mut flipped = None;
        while let Some(output) = run.monitor.poll_output() {
            match output {
                healthcheck::Output::Attempt { number, step } => {
                    let spec = run.spec.clone();
                    let probe = Effect::Probe(Attempt { check: id, number, step, spec });
                    self.pending.push_back(Pending::Effect(probe));
                }
                healthcheck::Output::Flipped { up } => flipped = Some(up),
            }
        }
        self.agenda.set(Owner::Check(id), run.monitor.poll_timeout().map(|(at, _)| at));
        if let Some(up) = flipped {
            let check = run.spec.kind.to_string();
            let outcome = run.monitor.last().cloned();
            let place = place.clone();
            self.check_flipped(&place, check, up, outcome, now);
        }
    }

    fn check_flipped(
        &mut self,
        place: &Place,
        check: String,
        up: bool,
        outcome: Option<Outcome>,
        now: Instant,
    ) {
        let Some(outcome) = outcome else { return };
        self.log(Entry::CheckFlipped {
            service: place.service,
            server: place.server,
            check: check.clone(),
            up,
            reason: words(&outcome),
        });
        let Some(pool) = self.pools.get_mut(&place.service) else { return };
        let changes = pool.reconsider(&place.server, &outcome, now);
        if changes.is_empty() {
            return;
        }
        let (service, config, left) = (place.service, pool.config.clone(), pool.serving());
        for change in changes {
            match change {
                Change::Server { key, up, reason, treatment } => {
                    if config.servers.get(&key).is_some_and(|s| s.alert) {
                        let (name, reason) = (server_name(&service, &key), format!("{check}: {reason}"));
                        self.notify(now, |heading| Notice::server(heading, service, name, up, &reason, left));
                    }
                    self.log(Entry::ServerFlipped { service, server: key, up, treatment });
                }
                Change::Quorum { up } => {
                    let sorry = config.sorry.as_ref().map(|s| s.key);
                    self.log(Entry::Quorum { service, up, sorry });
                }
            }
        }
        let wanted = self.pools.get(&service).map(Pool::wanted);
        if let Some(wanted) = wanted {
            Arc::make_mut(&mut self.table.value).services.insert(service, Arc::new(wanted));
            self.publish_table();
        }
    }

    fn set_service(&mut self, pool: &Pool) {
        let services = &mut Arc::make_mut(&mut self.table.value).services;
        let wanted = pool.wanted();
        if services.get(&pool.key).is_none_or(|old| **old != wanted) {
            services.insert(pool.key, Arc::new(wanted));
        }
    }

    fn publish_table(&mut self) {
        self.table.serial += 1;
        if !self.table.queued {
            self.table.queued = true;
            self.pending.push_back(Pending::Table);
        }
    }

    fn table_applied(&mut self, report: TableReport) {
        self.table.applied = report.serial;
        if self.table.unavailable != report.unavailable {
            self.log(Entry::Ipvs { unavailable: report.unavailable.clone() });
        }
        self.table.unavailable = report.unavailable;
        for what in &report.failures {
            self.log(Entry::Refused { what: what.clone() });
        }
        self.table.failures = report.failures;
        self.end_if_released();
    }
}

// The end.
impl Director {
    fn stop(&mut self, now: Instant) {
        if self.stopping {
            return;
        }
        self.stopping = true;
        let names: Vec<String> = self.instances.keys().cloned().collect();
        for name in &names {
            if let Some(instance) = self.instances.get_mut(name) {
                instance.router.handle_stop(now);
                self.drain_router(name, now);
            }
        }
        self.log(Entry::Stopping);
        let checks: Vec<CheckId> = self.places.keys().copied().collect();
        self.forget_checks(checks);
        self.pools.clear();
        self.table.value = Arc::default();
        self.queue_addresses();
        self.publish_table();
        self.agenda.set(Owner::Stop, Some(now + STOP_PATIENCE));
    }

    fn end_if_released(&mut self) {
        let released = self.table.applied >= self.table.serial && self.addresses.applied >= self.addresses.serial;
        if self.stopping && released {
            self.agenda.set(Owner::Stop, None);
            self.effect(Effect::Stopped);
        }
    }
}

/// What people are told when an instance enters this state, if anything.
fn told_role(state: State) -> Option<Role> {
    match state {
        State::Master => Some(Role::Master),
        State::Backup => Some(Role::Backup),
        State::Fault => Some(Role::Fault),
        State::Initialize | State::Stopped => None,
    }
}

/// A real server as keepalived's mails name it: `[10.0.0.2]:tcp:80`.
fn server_name(service: &ServiceKey, server: &DestinationKey) -> String {
    match service {
        ServiceKey::Address { protocol, .. } => {
            notify::endpoint((server.address, server.port).into(), &protocol.to_string())
        }
        ServiceKey::Mark { .. } => server.to_string(),
    }
}
