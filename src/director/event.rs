//! Everything the brain can be told. One closed type: what is not here cannot influence a decision.
//!
//! Events are values without clocks or handles, so that they can be written to a recording and replayed on a desk;
//! the instant at which each was handled travels beside it.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::SystemTime;

use ipvs_backend::{DestinationKey, ServiceKey};
use serde::{Deserialize, Serialize};

use super::legacy::Inheritance;
use super::overrides::Order;
use super::zone::Zone;
use crate::config::{Config, Difference};

/// Names one check of one real server while the configuration that asked for it lasts.
///
/// Numbers are never used twice in one life of the brain, so a late answer cannot meet the wrong check.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct CheckId(pub u64);

/// A fact from outside.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Event {
    /// A configuration was read, found good and compared with the running one.
    Configured {
        /// The whole new configuration; parts that did not change are the same `Arc`s as before.
        config: Arc<Config>,
        /// What differs, by key.
        difference: Difference,
    },
    /// The network interfaces are now like this.
    Links(Arc<vrrp::Links>),
    /// An advert arrived and could be read.
    Advert {
        /// The interface it came in by.
        interface: String,
        /// Its IP header.
        envelope: vrrp::Envelope,
        /// What it says.
        advert: vrrp::Advert,
    },
    /// The same with more in its bytes than the advert itself: an authentication header, a signature, or a checksum in
    /// an old form.
    Reception {
        /// The interface it came in by.
        interface: String,
        /// All that was found.
        reception: Box<vrrp::Reception>,
    },
    /// Something arrived that is no usable advert.
    BadAdvert {
        /// The interface it came in by.
        interface: String,
        /// Who sent it, where that could be read.
        #[serde(default)]
        source: Option<IpAddr>,
        /// What is wrong with it.
        error: vrrp::AdvertError,
    },
    /// A BFD packet arrived.
    NeighbourHeard {
        /// Its IP header.
        envelope: vrrp::Envelope,
        /// Whether it came to the port of neighbours some hops away.
        multihop: bool,
        /// What it says, or what is wrong with it.
        packet: Result<vrrp::bfd::Packet, vrrp::bfd::PacketError>,
    },
    /// A probe came to its end.
    ProbeDone {
        /// Which check.
        check: CheckId,
        /// Which attempt of it.
        attempt: u64,
        /// How it went.
        outcome: healthcheck::Outcome,
    },
    /// A run of a `vrrp_script` came to its end.
    ScriptDone {
        /// Its name.
        script: String,
        /// The number of the run, as in the effect that asked for it.
        run: u64,
        /// How it went.
        outcome: ScriptOutcome,
    },
    /// What a `track_file` says now.
    FileRead {
        /// Its name.
        file: String,
        /// The number in it; 0 if it is missing or cannot be used.
        number: i64,
        /// Why it cannot be used, in words.
        problem: Option<String>,
    },
    /// What lies in the `maintenance_dir` now.
    MaintenanceRead {
        /// The names that are those of servers, an address or an address and a port.
        names: BTreeSet<String>,
        /// Those that name a host, perhaps with a port, and its addresses.
        #[serde(default)]
        hosts: BTreeMap<String, BTreeSet<IpAddr>>,
        /// What is wrong with the directory, or with other names in it, in words.
        problem: Option<String>,
    },
    /// How many processes a `vrrp_track_process` means now.
    ProcessesCounted {
        /// Its name.
        process: String,
        /// How many there are.
        count: u32,
    },
    /// The kernel does not tell of processes, for this reason; they are counted now and then instead.
    ProcessesUnheard(String),
    /// An operator wants an instance to have another base priority than the file's.
    SetPriority {
        /// Its name.
        instance: String,
        /// 1..=254; `None`: the file's again.
        priority: Option<u8>,
    },
    /// An operator overrides what the file says of servers, or takes that back.
    Override(Order),
    /// Connections of servers that are on their way out, as the kernel counts them: those that must end before the
    /// server can go. A server that is not in the kernel's table is missing.
    ConnectionsCounted(BTreeMap<ServiceKey, BTreeMap<DestinationKey, u64>>),
    /// The owner of the IPVS table finished with a level.
    TableApplied(TableReport),
    /// The owner of the IPVS table compared it with what it had been told.
    TableCompared(TableComparison),
    /// The owner of addresses, routes and rules finished with a level.
    AddressesApplied(AddressReport),
    /// Somebody else took away what we had put there.
    Taken(Vec<Taken>),
    /// The owner of the connection synchronisation daemons finished with a level.
    SyncApplied(TableReport),
    /// The owner of the IPVS table finished with a level of settings.
    SettingsApplied(TableReport),
    /// The owner of the instances' interfaces finished with a level.
    HostApplied(HostReport),
    /// Another program on this host holds addresses of the configuration that comes next: it is to be relieved.
    TakeOver,
    /// What the last life of this daemon left; before the first configuration.
    Inherited(Box<Inheritance>),
    /// The process ends and another goes on in its place: nothing is handed over, nothing let go of.
    Leave,
    /// Somebody set the clock of this host, or it slept.
    ClockSet {
        /// The time of day now.
        wall: SystemTime,
    },
    /// How the local clock stands against UTC, and when that changes next; before the first configuration, and whenever
    /// it is another.
    Zone(Zone),
    /// The daemon was asked to end: hand over and let go of everything.
    Stop,
}

/// How a run of a `vrrp_script` went.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum ScriptOutcome {
    /// Exit status 0.
    Success,
    /// Another exit status, a signal, or no end in time; in words.
    Failure(String),
    /// It could not be started: there is no such program or user, or it may not be run; in words.
    NotStarted(String),
}

/// What the owner of the IPVS table, or of the sync daemons, did with the level `serial`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TableReport {
    /// Number of the level that this answers.
    pub serial: u64,
    /// Kernel changes that were made.
    pub applied: usize,
    /// What the kernel refused, in words, at most a few dozen.
    pub failures: Vec<String>,
    /// Set while the table cannot be reached at all: why.
    pub unavailable: Option<String>,
    /// Services that somebody else had made and that are ours from now on.
    #[serde(default)]
    pub adopted: Vec<String>,
}

/// What the owner of the IPVS table found there that it had not put there, or missed.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TableComparison {
    /// The differences in words, at most a few dozen; empty: there is none.
    pub drift: Vec<String>,
    /// How many more there are.
    pub more: usize,
    /// Whether they were put right; otherwise they were only to be told.
    pub repaired: bool,
}

/// Something of ours that somebody else took away.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Taken {
    /// What.
    pub what: vrrp::Thing,
    /// The process that did it, if it could be found out.
    pub by: Option<String>,
    /// Whether it happens for the first time.
    pub loss: vrrp::Loss,
    /// What was done about it.
    pub outcome: Outcome,
}

/// What was done about a thing that was taken away.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Outcome {
    /// It is there again.
    PutBack,
    /// It was taken away so often that it is put back after a pause.
    Later,
    /// Nothing, as asked for (`no_track`).
    Untracked,
    /// It could not be put back, and is tried again; why, in words.
    Failed(String),
}

/// What the owner of addresses, routes and rules did with the level `serial`.
///
/// Between two levels it reports again with the same number when anything about what is missing changed.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct AddressReport {
    /// Number of the level that this answers.
    pub serial: u64,
    /// Addresses put on interfaces.
    pub added: Vec<vrrp::AddressKey>,
    /// Addresses taken off interfaces.
    pub removed: Vec<vrrp::AddressKey>,
    /// What could not be done, in words.
    pub failures: Vec<String>,
    /// What should be there and is not.
    #[serde(default)]
    pub missing: Vec<vrrp::Thing>,
}

/// What the owner of the instances' interfaces did with the level `serial`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct HostReport {
    /// Number of the level that this answers.
    pub serial: u64,
    /// Interfaces that cannot be had.
    pub refused: BTreeSet<String>,
    /// What could not be done, in words.
    pub failures: Vec<String>,
}
