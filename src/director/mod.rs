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
mod arrival;
mod base_priority;
mod batch;
mod calls;
mod changeover;
pub mod checks;
mod concerns;
mod configure;
mod deadlines;
mod deliberation;
mod devices;
mod drift;
pub mod effect;
pub mod event;
mod given;
mod ground;
mod groups;
mod host;
mod instance;
pub mod journal;
mod keeping;
mod leaving;
pub mod legacy;
mod links;
pub mod maintenance;
mod meaning;
mod neighbours;
mod override_status;
pub mod overrides;
mod pool;
mod pools;
mod process;
mod routers;
mod script;
mod services;
mod settings;
mod sharing;
pub mod snapshot;
mod source;
mod statics;
mod steering;
mod strangers;
mod survey;
mod suspend;
mod sync;
mod table;
mod taken;
pub mod target;
mod trackers;
mod via;
pub mod vip_check;
mod windows;
mod wishes;
pub mod zone;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use ipvs_backend::{DestinationKey, ServiceKey, SyncDaemons, Table};
use notify::{Heading, Notice};
use vrrp::{Links, NetworkLevel, State};

use agenda::Slots;
use batch::Batch;
use calls::Calls;
use changeover::Changeover;
use deadlines::Deadlines;
pub use deliberation::Deliberation;
use devices::DeviceId;
use drift::Drifts;
use effect::{Effect, HostLevel, IpvsSettings, NeighbourPacket, SocketKey, Transmission};
use event::{CheckId, Event};
use groups::Group;
use instance::Instance;
use journal::Entry;
use leaving::Leaving;
use legacy::Inherited;
use links::LinkFilter;
use maintenance::Maintenance;
use neighbours::Neighbours;
use overrides::{Override, Overrides};
use pool::Pool;
use sharing::Sharing;
use source::Guests;
use statics::Statics;
use steering::Unsteered;
use strangers::Strangers;
pub use survey::Survey;
use taken::Thefts;
use trackers::Trackers;
use via::Vias;
use vip_check::VipChecks;
use windows::Windows;
use wishes::{Pending, Published};

use crate::config::{Config, Served};

/// How long a stop waits for the owners of addresses and table before the process ends all the same.
const STOP_PATIENCE: Duration = Duration::from_secs(5);

/// Who asked to be woken.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Owner {
    Instance(String),
    Neighbour(String),
    Check(CheckId),
    /// A link whose delay ends.
    Links,
    /// A run of a script that is due.
    Script(String),
    /// Processes that have been there, or gone, for long enough.
    Process(String),
    /// An instance that has waited long enough for what it tracks.
    Patience(String),
    /// An override that ends, or a drain that has had its time.
    Overrides,
    /// A `maintenance_window` begins or ends.
    Windows,
    /// Virtual servers that wait for what overrides mean for them.
    Steering,
    /// A server that was removed has had its time.
    Leaving,
    /// Changes of something large that wait to be handed out together.
    Batch,
    /// A server of this virtual server has been held back for long enough.
    Pool(Served),
    Calls,
    /// The next piece of a configuration on its way into effect.
    Changeover,
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
    /// How long the machine had been running then.
    pub up: Duration,
}

/// Where a check belongs.
#[derive(Debug, Clone)]
struct Place {
    service: Served,
    server: DestinationKey,
    index: usize,
}

/// An instance that adverts may be for, and where it lives by the file: most hear them there.
#[derive(Debug)]
struct Listener {
    interface: String,
    name: String,
}

/// The brain.
#[derive(Debug)]
pub struct Director {
    birth: Birth,
    /// An instant and what the wall clock said then.
    clock: (Instant, SystemTime),
    next_check: u64,
    generation: u64,
    config: Arc<Config>,
    /// The interfaces as they are believed to be ...
    links: Arc<Links>,
    /// ... and as they are reported.
    link_filter: LinkFilter,
    trackers: Trackers,
    maintenance: Maintenance,
    guests: Guests,
    instances: BTreeMap<String, Instance>,
    /// How often any of them became master.
    mastered: u32,
    groups: BTreeMap<String, Group>,
    /// The group of each instance that is in one.
    group_of: BTreeMap<String, String>,
    /// Groups that have something to see to, and whether that waits until a fact has reached everybody.
    restless: BTreeSet<String>,
    groups_held: bool,
    /// The instances by VRID: on how many interfaces one is in use is a handful.
    by_vrid: BTreeMap<u8, Vec<Listener>>,
    neighbours: Neighbours,
    pools: BTreeMap<Served, Pool>,
    changeover: Changeover,
    /// The virtual servers of groups that have a service in the kernel.
    of_groups: BTreeMap<ServiceKey, BTreeSet<Served>>,
    overrides: Overrides,
    windows: Windows,
    /// As they were written down last.
    kept: Arc<Vec<Override>>,
    /// Virtual servers that wait for what overrides mean for them.
    unsteered: Unsteered,
    leaving: Leaving,
    batch: Batch,
    places: BTreeMap<CheckId, Place>,
    sharing: Sharing,
    agenda: Deadlines,
    /// The checks' part of it: they are many, and begin in slots.
    checks: Slots<CheckId>,
    /// Adverts to send: handed out before anything else that waits.
    adverts: VecDeque<Transmission>,
    /// Packets to watched neighbours: handed out right behind the adverts.
    packets: VecDeque<NeighbourPacket>,
    pending: VecDeque<Pending>,
    /// Deadlines met since everything was handed out that waits, and when.
    haste: (u32, Instant),
    sockets: Arc<BTreeSet<SocketKey>>,
    /// Those that were handed out last.
    open_sockets: Arc<BTreeSet<SocketKey>>,
    addresses: Published<NetworkLevel>,
    statics: Statics,
    /// Static things that have not been there since the configuration was read; `None` until that is known.
    never_there: Option<BTreeSet<vrrp::Thing>>,
    /// Lines of routes, rules and static addresses that cannot be done, and why.
    left_out: Vec<String>,
    thefts: Thefts,
    table: Published<Table>,
    /// Services in it that checks go through.
    vias: Vias,
    vips: VipChecks,
    drifts: Drifts,
    host: Published<HostLevel>,
    /// Whether any instance needs more of the host than addresses.
    host_needed: bool,
    /// Names of the instances' own interfaces.
    device_names: BTreeMap<DeviceId, String>,
    /// Those that cannot be had.
    refused_devices: BTreeSet<String>,
    calls: Calls,
    sync: Published<SyncDaemons>,
    settings: Published<IpvsSettings>,
    stray_adverts: BTreeMap<String, u64>,
    strangers: Strangers,
    stopping: bool,
    /// Everything was left to a successor: nothing more is done.
    left: bool,
    inherited: Inherited,
    /// The first configuration takes over from another program on this host.
    relieves: bool,
}

impl Director {
    /// A brain without a configuration.
    pub fn new(birth: Birth) -> Self {
        Director {
            clock: (birth.at, birth.wall),
            next_check: 0,
            generation: 0,
            config: Arc::default(),
            links: Arc::default(),
            link_filter: LinkFilter::default(),
            trackers: Trackers::default(),
            maintenance: Maintenance::default(),
            guests: Guests::default(),
            instances: BTreeMap::new(),
            mastered: 0,
            groups: BTreeMap::new(),
            group_of: BTreeMap::new(),
            restless: BTreeSet::new(),
            groups_held: false,
            by_vrid: BTreeMap::new(),
            neighbours: Neighbours::default(),
            pools: BTreeMap::new(),
            overrides: Overrides::default(),
            windows: Windows::default(),
            kept: Arc::default(),
            unsteered: Unsteered::default(),
            leaving: Leaving::default(),
            batch: Batch::default(),
            changeover: Changeover::default(),
            of_groups: BTreeMap::new(),
            places: BTreeMap::new(),
            sharing: Sharing::default(),
            agenda: Deadlines::new(),
            checks: Slots::new(),
            adverts: VecDeque::new(),
            packets: VecDeque::new(),
            pending: VecDeque::new(),
            haste: (0, birth.at),
            sockets: Arc::default(),
            open_sockets: Arc::default(),
            addresses: Published::default(),
            statics: Statics::default(),
            never_there: None,
            left_out: Vec::new(),
            thefts: Thefts::default(),
            table: Published::default(),
            vias: Vias::default(),
            vips: VipChecks::default(),
            drifts: Drifts::default(),
            host: Published::default(),
            host_needed: false,
            device_names: BTreeMap::new(),
            refused_devices: BTreeSet::new(),
            calls: Calls::default(),
            sync: Published::default(),
            settings: Published::default(),
            stray_adverts: BTreeMap::new(),
            strangers: Strangers::default(),
            stopping: false,
            left: false,
            inherited: Inherited::default(),
            relieves: false,
            birth,
        }
    }

    /// Takes in one fact.
    pub fn handle_event(&mut self, event: Event, now: Instant) {
        if self.left {
            return;
        }
        self.haste.0 = 0;
        match event {
            Event::Configured { config, difference } => self.configure(config, difference, now),
            Event::Links(links) => self.observe_links(links, now),
            Event::Advert { interface, envelope, advert } => {
                self.hear(&interface, &envelope, &advert, now);
            }
            Event::Reception { interface, reception } => self.hear_reception(&interface, &reception, now),
            Event::BadAdvert { interface, source, error } => {
                self.hear_rubbish(&interface, source, &error, now);
            }
            Event::NeighbourHeard { envelope, multihop, packet } => {
                self.hear_neighbour(&envelope, multihop, packet, now);
            }
            Event::ProbeDone { check, attempt, outcome } => self.probe_done(check, attempt, outcome, now),
            Event::ScriptDone { script, run, outcome } => self.script_done(&script, run, outcome, now),
            Event::FileRead { file, number, problem } => self.file_read(&file, number, problem, now),
            Event::MaintenanceRead { names, hosts, problem } => {
                self.maintenance_read(names, hosts, problem, now);
            }
            Event::ProcessesCounted { process, count } => self.processes_counted(&process, count, now),
            Event::ProcessesUnheard(why) => self.processes_unheard(&why, now),
            Event::SetPriority { instance, priority } => self.set_priority(&instance, priority, now),
            Event::Override(order) => self.obey(order, now),
            Event::ConnectionsCounted(counts) => self.connections_counted(&counts, now),
            Event::TableApplied(report) => self.table_applied(report, now),
            Event::TableCompared(comparison) => self.table_compared(&comparison, now),
            Event::AddressesApplied(report) => self.addresses_applied(report, now),
            Event::Taken(things) => self.things_taken(things, now),
            Event::SyncApplied(report) => self.sync_applied(report, now),
            Event::SettingsApplied(report) => self.settings_applied(report),
            Event::HostApplied(report) => self.host_applied(report, now),
            Event::TakeOver => self.relieves = true,
            Event::ClockSet { wall } => {
                self.clock = (now, wall);
                self.overrides_due(now);
                self.windows_due(now);
            }
            Event::Zone(zone) => self.keep_zone(zone, now),
            Event::Inherited(inheritance) => self.inherit(*inheritance, now),
            Event::Leave => self.leave_everything(now),
            Event::Stop => self.stop(now),
        }
    }

    /// Does the first thing that is due at `now`, and no more: of a thousand instances each sends its advert when its turn
    /// comes, not when the turns of all have been thought through. Call again while [`Director::deadline`] has passed.
    pub fn handle_timeout(&mut self, now: Instant) {
        if let Some(owner) = self.take_due(now) {
            self.haste = (self.haste.0 + 1, now);
            match owner {
                Owner::Instance(name) => {
                    if let Some(instance) = self.instances.get_mut(&name) {
                        instance.router.handle_timeout(now);
                        self.drain_router(&name, now);
                    }
                }
                Owner::Neighbour(name) => self.neighbour_timeout(&name, now),
                Owner::Check(id) => self.with_monitor(id, now, |monitor| monitor.handle_timeout(now)),
                Owner::Calls => self.release_all_calls(),
                Owner::Changeover => self.change_on(now),
                Owner::Links => self.links_due(now),
                Owner::Script(name) => self.script_due(&name, now),
                Owner::Process(name) => self.process_due(&name, now),
                Owner::Patience(name) => self.evaluate(&name, now),
                Owner::Overrides => self.overrides_due(now),
                Owner::Windows => self.windows_due(now),
                Owner::Steering => self.steer_some(now),
                Owner::Leaving => self.leaving_due(now),
                Owner::Batch => self.renew_waiting(now),
                Owner::Pool(service) => self.pool_due(&service, now),
                Owner::Stop => {
                    self.release_all_calls();
                    self.effect(Effect::Stopped);
                }
            }
        }
    }

    /// When to call [`Director::handle_timeout`] next, and why.
    pub fn poll_timeout(&self) -> Option<(Instant, Reason)> {
        match (self.agenda.next(), self.checks.next()) {
            (Some((at, owner)), check) if check.is_none_or(|(first, _)| at <= first) => {
                Some((at, Reason(owner.clone())))
            }
            (_, check) => check.map(|(at, id)| (at, Reason(Owner::Check(id)))),
        }
    }

    /// The instant alone of [`Director::poll_timeout`].
    pub fn deadline(&self) -> Option<Instant> {
        let others = self.agenda.next().map(|(at, _)| at);
        others.into_iter().chain(self.checks.next().map(|(at, _)| at)).min()
    }

    /// When the next advert, or packet of BFD, is due.
    pub fn next_advert(&self) -> Option<Instant> {
        self.agenda.next_advert()
    }

    /// The first of what is due, adverts before all; of the same instant, a check comes last.
    fn take_due(&mut self, now: Instant) -> Option<Owner> {
        let other = self.agenda.next_other().filter(|at| *at <= now);
        let check = self.checks.next().map(|(at, _)| at).filter(|at| *at <= now);
        if let Some(owner) = self.agenda.take_advert(other.into_iter().chain(check).min(), now) {
            return Some(owner);
        }
        match (other, check) {
            (Some(at), check) if check.is_none_or(|first| at <= first) => self.agenda.take_other(now),
            (other, _) => {
                let check = self.checks.take_due(other.unwrap_or(now));
                check.map(Owner::Check).or_else(|| self.agenda.take_other(now))
            }
        }
    }

    /// Whether the next deadline is that of an instance that takes over unless it hears from its master.
    pub fn awaits_silence(&self) -> bool {
        let Some((at, Owner::Instance(name))) = self.agenda.next() else { return false };
        let comes_first = self.checks.next().is_none_or(|(check, _)| at <= check);
        comes_first
            && self.instances.get(name).is_some_and(|instance| instance.router.state() == State::Backup)
    }

    /// The instances and their states.
    pub fn states(&self) -> impl Iterator<Item = (&str, vrrp::State)> {
        self.instances.iter().map(|(name, instance)| (name.as_str(), instance.router.state()))
    }

    /// The name of this director in notices.
    pub fn router_id(&self) -> &str {
        self.config.global.router_id.as_deref().unwrap_or(&self.birth.host_name)
    }

    /// The time of day at an instant.
    fn wall(&self, now: Instant) -> SystemTime {
        let (at, wall) = self.clock;
        match now.checked_duration_since(at) {
            Some(later) => wall + later,
            // Adverts carry the instant of their arrival, which may lie before that of the last event.
            None => wall.checked_sub(at.saturating_duration_since(now)).unwrap_or(wall),
        }
    }

    /// The same in seconds since 1970.
    fn since_1970(&self, now: Instant) -> Duration {
        self.wall(now).duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default()
    }

    fn effect(&mut self, effect: Effect) {
        self.pending.push_back(Pending::Effect(effect));
    }

    fn log(&mut self, entry: Entry) {
        self.effect(Effect::Log(entry));
    }

    fn notify(&mut self, now: Instant, notice: impl FnOnce(Heading<'_>) -> Notice) {
        if self.config.global.email.is_some() {
            let at = self.wall(now);
            let notice = notice(Heading { router_id: self.router_id(), at });
            self.effect(Effect::Notify(notice));
        }
    }
}

impl Director {
    fn stop(&mut self, now: Instant) {
        if self.stopping {
            return;
        }
        self.stopping = true;
        self.abandon_changeover();
        self.stop_trackers();
        self.together(now, |director| {
            let names: Vec<String> = director.instances.keys().cloned().collect();
            for name in &names {
                if let Some(instance) = director.instances.get_mut(name) {
                    instance.router.handle_stop(now);
                    director.drain_router(name, now);
                }
            }
        });
        self.stop_neighbours(now);
        self.tell_omega();
        self.log(Entry::Stopping);
        self.tell_what_stays();
        self.let_leftovers_go();
        let checks: Vec<CheckId> = self.places.keys().copied().collect();
        self.forget_checks(checks);
        self.pools.clear();
        self.unsteered = Unsteered::default();
        self.forget_batch();
        self.leaving = Leaving::default();
        self.of_groups.clear();
        self.table.value = Arc::default();
        self.queue_addresses();
        self.hold_host();
        self.publish_settings();
        self.publish_table();
        self.publish_sync();
        self.agenda.set(Owner::Stop, Some(now + STOP_PATIENCE));
    }

    fn end_if_released(&mut self) {
        let released = self.table.applied >= self.table.serial
            && self.sync.applied >= self.sync.serial
            && self.settings.applied >= self.settings.serial
            && self.addresses.applied >= self.addresses.serial
            && self.host.applied >= self.host.serial;
        if self.stopping && released {
            self.agenda.set(Owner::Stop, None);
            self.release_all_calls();
            self.effect(Effect::Stopped);
        }
    }
}

#[cfg(test)]
mod tests;
