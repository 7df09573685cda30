//! What readers may know: the state at one instant, as plain values. `directord status` shows exactly this.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::ops::Bound;
use std::time::Instant;

use healthcheck::dialogue::certificate::Moment;
use ipvs_backend::{
    ConnectionCounts, DestinationKey, ServerUsage, ServiceKey, SyncRole, SyncSettings, Traffic,
};
use serde::{Deserialize, Serialize};

use super::Director;
use super::groups::Group;
use super::instance::Instance;
use super::neighbours::Neighbour;
pub use super::override_status::{Consideration, Endangered, LeavingStatus, OverrideStatus};
use super::pool::{CheckRun, Pool, Server, StandIn, words};
pub use super::{drift::DriftStatus, taken::TakenStatus, vip_check::VipStatus};
use crate::config::Served;

/// The brain's state at one instant.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Snapshot {
    /// `router_id`.
    pub router_id: String,
    /// Configurations taken over since the start; 1 after it.
    pub generation: u64,
    /// `vrrp_instance`s by name.
    pub instances: Vec<InstanceStatus>,
    /// `vrrp_sync_group`s by name.
    pub groups: Vec<GroupStatus>,
    /// `bfd_instance`s by name.
    #[serde(default)]
    pub neighbours: Vec<NeighbourStatus>,
    /// BFD packets that no neighbour was there for, by kind.
    #[serde(default)]
    pub stray_packets: BTreeMap<String, u64>,
    /// `virtual_server`s.
    pub services: Vec<ServiceStatus>,
    /// Checks that need no attempts of their own, because another one asks the same.
    #[serde(default)]
    pub shared_checks: usize,
    /// What operators want of real servers, whatever the file says.
    #[serde(default)]
    pub overrides: Vec<OverrideStatus>,
    /// Real servers that were removed from the configuration and keep their connections for a while.
    #[serde(default)]
    pub leaving: Vec<LeavingStatus>,
    /// The IPVS table's owner.
    pub ipvs: OwnerStatus,
    /// What somebody else last changed in it.
    #[serde(default)]
    pub drift: Option<DriftStatus>,
    /// The owner of the connection synchronisation daemons.
    #[serde(default)]
    pub sync: OwnerStatus,
    /// Those that should run.
    #[serde(default)]
    pub sync_daemons: BTreeMap<SyncRole, SyncSettings>,
    /// The owner of addresses, routes and rules.
    pub addresses: OwnerStatus,
    /// Addresses, routes and rules of ours that somebody else took away.
    #[serde(default)]
    pub taken: Vec<TakenStatus>,
    /// How often that happened since the start.
    #[serde(default)]
    pub taken_total: u64,
    /// Adverts that no instance was there for, by kind.
    pub stray_adverts: BTreeMap<String, u64>,
}

/// One instance.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct InstanceStatus {
    /// Its name.
    pub name: String,
    /// MASTER, BACKUP, FAULT, INIT or STOP.
    pub role: String,
    /// Seconds since the last change of state.
    pub for_seconds: f64,
    /// Why it is in this state.
    pub cause: String,
    /// `interface`.
    pub interface: String,
    /// `virtual_router_id`.
    pub virtual_router_id: u8,
    /// Protocol version, 2 or 3.
    pub version: u8,
    /// `priority`, as the file says or the operator set it.
    pub priority: u8,
    /// The priority that adverts tell: the base and what trackers add.
    pub effective_priority: u8,
    /// The priority that an operator set by `directord priority`.
    pub overridden_priority: Option<u8>,
    /// The sync group it is a member of.
    pub group: Option<String>,
    /// What it tracks, its group's trackers included.
    pub trackers: Vec<TrackerStatus>,
    /// `advert_int` in seconds.
    pub advert_interval: f64,
    /// The source address of adverts.
    pub source: Option<IpAddr>,
    /// The master last heard, if another one.
    pub master: Option<IpAddr>,
    /// Its priority.
    pub master_priority: Option<u8>,
    /// The virtual addresses.
    pub addresses: Vec<String>,
    /// What is odd about other routers with this VRID at present, in words.
    #[serde(default)]
    pub oddities: Vec<String>,
    /// Adverts and transitions, counted by kind.
    pub counters: BTreeMap<String, u64>,
}

/// One watched neighbour.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct NeighbourStatus {
    /// Its name.
    pub name: String,
    /// Its address; none if nobody is watched.
    pub neighbour: Option<IpAddr>,
    /// `up`, `init`, `down` or `admin-down`.
    pub state: String,
    /// Whether those who track it take it for up.
    pub counts_as_up: bool,
    /// Seconds since the last change of state.
    pub for_seconds: f64,
    /// Why it is as it is.
    pub reason: String,
    /// Time between our packets, in seconds, before jitter.
    pub transmit_interval: Option<f64>,
    /// How long it may be silent, in seconds; none while it is not heard.
    pub detection_time: Option<f64>,
    /// Packets and changes of state, counted by kind.
    pub counters: BTreeMap<String, u64>,
}

/// Something that an instance tracks.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TrackerStatus {
    /// `track_interface`, `track_script`, `track_file`, `track_process` or `track_bfd`.
    pub kind: String,
    /// Its name.
    pub name: String,
    /// `up`, `down`, `unknown`, or the number in the file.
    pub reading: String,
    /// `weight`; 0: a failure is a fault.
    pub weight: i16,
    /// `reverse`.
    pub reverse: bool,
    /// Points that it adds to the priority at present.
    pub adds: i32,
    /// Whether it is a fault at present.
    pub fault: bool,
    /// Why it says what it says.
    pub reason: String,
}

/// One sync group.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct GroupStatus {
    /// Its name.
    pub name: String,
    /// MASTER, BACKUP, FAULT, INIT or STOP.
    pub role: String,
    /// Seconds since the last change of state.
    pub for_seconds: f64,
    /// Why it is in this state.
    pub cause: String,
    /// Its instances.
    pub members: Vec<String>,
}

/// One virtual server.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ServiceStatus {
    /// `[address]:protocol:port`, `FWM mark`, or `[group]:protocol`.
    pub service: Served,
    /// What it is in the kernel: itself, or what its group holds.
    #[serde(default)]
    pub serves: Vec<ServiceKey>,
    /// Scheduler.
    pub scheduler: String,
    /// Whether enough servers are up.
    pub quorum: bool,
    /// The weight that is up ...
    #[serde(default)]
    pub weight_up: u64,
    /// ... and the one below which the quorum is lost, or at which it is reached again.
    #[serde(default)]
    pub quorum_threshold: u64,
    /// Whether checks rest because the address is not on this host (`ha_suspend`).
    #[serde(default)]
    pub suspended: bool,
    /// The sorry server, if configured.
    pub sorry_server: Option<DestinationKey>,
    /// Whether it stands in.
    pub sorry_active: bool,
    /// What it does, where the kernel has it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sorry_usage: Option<ServerUsage>,
    /// What the kernel has counted of it since it was added to the table; of a group, the sum. None if that is not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub traffic: Option<Traffic>,
    /// What this director finds at the address while another one is master (`vip_check`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vip_check: Option<VipStatus>,
    /// Whether backup servers stand in.
    #[serde(default)]
    pub backup_active: bool,
    /// Set while more servers fail than checks may take out (`panic_threshold`): how many, in words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub panic: Option<String>,
    /// The real servers.
    pub servers: Vec<ServerStatus>,
}

/// One real server.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ServerStatus {
    /// Address and port.
    pub server: DestinationKey,
    /// Whether it is a `backup_server`.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub backup: bool,
    /// NAT, DR or TUN.
    pub forwarding: String,
    /// Configured weight.
    pub weight: u32,
    /// Weight in the kernel; none if it is not in the table.
    pub effective_weight: Option<u32>,
    /// The override that decides over it, in words.
    #[serde(default)]
    pub overridden: Option<String>,
    /// What checks add to the configured weight, in words; none if nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub weight_reason: Option<String>,
    /// `up`, `down`, or `unknown` before the first verdict (it serves meanwhile).
    pub verdict: String,
    /// Whether it fails and stays in service all the same (`panic_threshold`).
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub spared: bool,
    /// Why.
    pub reason: String,
    /// Seconds since it last went up or down.
    pub for_seconds: f64,
    /// The connections that it has; of a server of a group, in all its services. None if it is not in the table, or that
    /// is not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub connections: Option<ConnectionCounts>,
    /// What the kernel has counted of it since it was added to the table, in the same way.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub traffic: Option<Traffic>,
    /// Its checks.
    pub checks: Vec<CheckStatus>,
}

/// One check.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CheckStatus {
    /// By keepalived's name.
    pub check: String,
    /// `up`, `down` or `unknown`.
    pub verdict: String,
    /// What the last attempt said.
    pub last: Option<String>,
    /// When the certificate that the server showed then ends.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub certificate_ends: Option<String>,
    /// What is odd, though the check passes.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<String>,
    /// How many checks of other servers count the outcomes of the same attempts.
    #[serde(default, skip_serializing_if = "is_none_shared")]
    pub shared: usize,
}

impl CheckStatus {
    fn new(check: String, verdict: healthcheck::Verdict, last: Option<String>) -> Self {
        let verdict = verdict_word(verdict).to_owned();
        CheckStatus { check, verdict, last, certificate_ends: None, warnings: Vec::new(), shared: 0 }
    }

    fn of(run: &CheckRun) -> Self {
        let (monitor, last) = (&run.monitor, run.monitor.last());
        let ends = last.and_then(|last| last.aside.as_ref()?.expires);
        CheckStatus {
            certificate_ends: ends.map(|ends| Moment(ends).to_string()),
            warnings: monitor.warnings().map(|warning| warning.words.clone()).collect(),
            ..CheckStatus::new(run.spec.kind.to_string(), monitor.verdict(), last.map(words))
        }
    }
}

/// One owner of a kernel table.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct OwnerStatus {
    /// Number of the level that is wanted.
    pub wanted: u64,
    /// Number of the level last carried out.
    pub applied: u64,
    /// Set while the table is out of reach: why.
    pub unavailable: Option<String>,
    /// What was refused at the last level.
    pub failures: Vec<String>,
}

impl Director {
    /// The state at this instant, but for instances and virtual servers: those may be many.
    pub(super) fn frame(&self, now: Instant) -> Snapshot {
        let mut addresses = self.addresses.status();
        addresses.failures.extend(self.left_out.iter().cloned());
        let (taken, taken_total) = self.taken_status(now);
        Snapshot {
            taken,
            taken_total,
            router_id: self.router_id().to_owned(),
            generation: self.generation,
            instances: Vec::new(),
            groups: self.groups.iter().map(|(name, group)| group_status(name, group, now)).collect(),
            neighbours: self.neighbours.all().map(|(name, n)| neighbour_status(name, n, now)).collect(),
            stray_packets: self.neighbours.strays().clone(),
            services: Vec::new(),
            shared_checks: self.sharing.saved(),
            overrides: self.override_status(now),
            leaving: self.leaving_status(now),
            ipvs: self.table.status(),
            drift: self.drift_status(now),
            sync: self.sync.status(),
            sync_daemons: (*self.sync.value).clone(),
            addresses,
            stray_adverts: self.stray_adverts.clone(),
        }
    }
}

fn seconds(since: Instant, now: Instant) -> f64 {
    now.saturating_duration_since(since).as_secs_f64()
}

fn group_status(name: &str, group: &Group, now: Instant) -> GroupStatus {
    GroupStatus {
        name: name.to_owned(),
        role: group.state.to_string(),
        for_seconds: group.since.map_or(0.0, |since| seconds(since, now)),
        cause: group.cause.clone(),
        members: group.members.clone(),
    }
}

impl Director {
    pub(super) fn instance_status(&self, name: &str, instance: &Instance, now: Instant) -> InstanceStatus {
        let settings = instance.settings();
        let master = instance.router.master();
        let cause = instance.router.last_transition().map(ToString::to_string);
        InstanceStatus {
            name: name.to_owned(),
            role: instance.router.state().to_string(),
            for_seconds: instance.router.since().map_or(0.0, |since| seconds(since, now)),
            cause: cause.or_else(|| instance.awaits.clone()).unwrap_or_default(),
            interface: instance.config.interface.clone(),
            virtual_router_id: settings.vrid,
            version: match settings.version {
                vrrp::Version::V2 => 2,
                vrrp::Version::V3 => 3,
            },
            priority: settings.priority,
            effective_priority: instance.router.effective_priority(),
            overridden_priority: instance.overridden(),
            group: self.group_of(name).map(str::to_owned),
            trackers: self.tracker_status(instance),
            advert_interval: settings.interval.as_secs_f64(),
            source: instance.source(),
            master: master.map(|(address, _)| address),
            master_priority: master.map(|(_, priority)| priority),
            addresses: instance
                .config
                .all_addresses()
                .map(|a| format!("{}/{}", a.address, a.prefix))
                .collect(),
            oddities: instance.router.notes(now).map(ToString::to_string).collect(),
            counters: instance.counters(),
        }
    }

    fn tracker_status(&self, instance: &Instance) -> Vec<TrackerStatus> {
        let trackers = instance.tracks.all().filter_map(|(kind, name, weight)| {
            let (reading, reason) = self.reading(kind, name)?;
            let effect = weight.effect(reading);
            Some(TrackerStatus {
                kind: kind.to_owned(),
                name: name.to_owned(),
                reading: reading.to_string(),
                weight: weight.points,
                reverse: weight.reverse,
                adds: effect.points,
                fault: effect.fault,
                reason,
            })
        });
        trackers.collect()
    }
}

fn neighbour_status(name: &str, neighbour: &Neighbour, now: Instant) -> NeighbourStatus {
    let session = neighbour.watched.as_ref().map(|(_, session)| session);
    let counted = |session: &vrrp::bfd::Session| {
        let counters = session.counters();
        let named = [
            ("sent", counters.sent),
            ("received", counters.received),
            ("ups", counters.ups),
            ("downs", counters.downs),
        ];
        let dropped = counters.dropped.iter().map(|(kind, count)| (format!("dropped_{kind}"), *count));
        named.map(|(name, count)| (name.to_owned(), count)).into_iter().chain(dropped).collect()
    };
    NeighbourStatus {
        name: name.to_owned(),
        neighbour: neighbour.config.neighbor,
        state: session.map_or("down".to_owned(), |session| session.state().to_string()),
        counts_as_up: neighbour.up,
        for_seconds: session.map_or(0.0, |session| seconds(session.since(), now)),
        reason: neighbour.words(),
        transmit_interval: session.map(|session| session.transmit_interval().as_secs_f64()),
        detection_time: session.and_then(|s| s.detection_time()).map(|time| time.as_secs_f64()),
        counters: session.map(counted).unwrap_or_default(),
    }
}

impl Director {
    /// A virtual server but for its real servers, which may be many.
    pub(super) fn service_status(&self, pool: &Pool, now: Instant) -> ServiceStatus {
        ServiceStatus {
            service: pool.served.clone(),
            serves: pool.serves.to_vec(),
            scheduler: pool.config.settings.scheduler.to_string(),
            quorum: pool.has_quorum(),
            weight_up: pool.quorum.live,
            quorum_threshold: pool.quorum.threshold,
            suspended: pool.suspended,
            sorry_server: pool.sorry().map(|s| s.key),
            sorry_active: pool.sorry_stands_in(),
            vip_check: self.vip_status(&pool.served, now),
            backup_active: pool.stand_in() == StandIn::Backups,
            panic: pool.panic.map(|panic| panic.words()),
            sorry_usage: None,
            traffic: None,
            // Room for all of them: a list that grows is copied, and that of tens of thousands holds up adverts.
            servers: Vec::with_capacity(pool.servers.len()),
        }
    }

    /// So many of its real servers, from the first one behind that place.
    pub(super) fn server_statuses(
        &self,
        pool: &Pool,
        behind: Option<DestinationKey>,
        most: usize,
        now: Instant,
    ) -> Vec<ServerStatus> {
        let concerning = self.overrides.of_service(&pool.served);
        let first = behind.map_or(Bound::Unbounded, Bound::Excluded);
        let status = |(key, server): (&DestinationKey, &Server)| ServerStatus {
            server: *key,
            backup: server.backup,
            spared: server.spared,
            forwarding: server.config.forwarding.to_string(),
            weight: server.config.weight,
            effective_weight: pool.weight(server),
            weight_reason: server.given.words(server.config.weight),
            overridden: self.overridden(&concerning, pool, key, now),
            verdict: verdict_word(server.verdict()).to_owned(),
            reason: server.explained(now),
            for_seconds: seconds(server.since, now),
            // The brain does not know what the kernel counts: whoever is asked for the status adds it.
            connections: None,
            traffic: None,
            checks: self.check_statuses(server),
        };
        pool.servers.range((first, Bound::Unbounded)).take(most).map(status).collect()
    }
}

impl Director {
    fn check_statuses(&self, server: &Server) -> Vec<CheckStatus> {
        let made = server
            .checks
            .iter()
            .map(|run| CheckStatus { shared: self.sharing.fellows(run.id), ..CheckStatus::of(run) });
        let neighbours = server.neighbours.iter().map(|(name, check)| {
            CheckStatus::new(format!("BFD_CHECK {name}"), check.verdict(), Some(check.words.clone()))
        });
        let files = server.given.files().map(|(name, verdict, words)| {
            CheckStatus::new(format!("FILE_CHECK {name}"), verdict, Some(words.to_owned()))
        });
        made.chain(neighbours).chain(files).collect()
    }
}

fn is_none_shared(shared: &usize) -> bool {
    *shared == 0
}

fn verdict_word(verdict: healthcheck::Verdict) -> &'static str {
    match verdict {
        healthcheck::Verdict::Unknown => "unknown",
        healthcheck::Verdict::Up => "up",
        healthcheck::Verdict::Down => "down",
    }
}
