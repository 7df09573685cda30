//! What concerns IPVS as a whole.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::config::model::{FlapHold, MaintenanceWindow};

/// The `lvs_…` keywords of `global_defs`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LvsGlobal {
    /// `lvs_sync_daemon`: connections are told to the other director.
    pub sync: Option<SyncDaemon>,
    /// `lvs_timeouts`: how long IPVS remembers connections.
    pub timeouts: LvsTimeouts,
    /// `lvs_flush`: empty the table at start.
    pub flush: bool,
    /// `lvs_flush_on_stop`.
    pub flush_on_stop: FlushOnStop,
    /// `lvs_sysctl`: switches of the kernel below `net.ipv4.vs`, and their values with single spaces.
    #[serde(default)]
    pub switches: BTreeMap<String, String>,
    /// `reconcile`: what is done when somebody else changes our services.
    pub reconcile: Reconcile,
    /// `rs_init_notifies`: tell also of servers that are up at the start.
    pub notify_at_start: bool,
    /// `drain_on_remove`, of real servers that nothing closer is said of. `None`, and zero: they go at once.
    pub drain_on_remove: Option<Duration>,
    /// `maintenance_dir`: a directory in which a file named as a real server takes that server out.
    #[serde(default)]
    pub maintenance_dir: Option<String>,
    /// `via_ipvs_marks`: the first of the marks of checks that go through the table. `None`: 0x64000000.
    #[serde(default)]
    pub via_marks: Option<u32>,
    /// `panic_threshold`, of virtual servers that say nothing, in percent. `None`: checks may take out all servers.
    pub panic_threshold: Option<u8>,
    /// `flap_hold`, of real servers that nothing closer is said of. `None`: they return at once.
    pub flap_hold: Option<FlapHold>,
    /// `share_checks`, of virtual servers that say nothing. `None`: on.
    pub share_checks: Option<bool>,
    /// `maintenance_window`s of all servers.
    #[serde(default)]
    pub windows: Vec<MaintenanceWindow>,
}

/// `reconcile`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Reconcile {
    /// Nobody looks.
    Off,
    /// It is told.
    Report,
    /// It is told and put right.
    #[default]
    Repair,
}

/// `lvs_sync_daemon`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SyncDaemon {
    /// Where its messages go.
    pub interface: String,
    /// The instance that it follows. `None`: it sends and receives all the time.
    pub instance: Option<String>,
    /// `id`. `None`: the instance's VRID, else 0.
    pub id: Option<u8>,
    /// `maxlen`, 1 to 65507. `None`: what the kernel chooses.
    pub max_length: Option<u16>,
    /// `port`. `None`: 8848.
    pub port: Option<u16>,
    /// `ttl`. `None`: 1.
    pub ttl: Option<u8>,
    /// `group`. `None`: 224.0.0.81.
    pub group: Option<IpAddr>,
}

/// `lvs_timeouts`. `None`: as the kernel has it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LvsTimeouts {
    /// TCP connections.
    pub tcp: Option<Duration>,
    /// TCP connections that are being closed.
    pub tcpfin: Option<Duration>,
    /// UDP.
    pub udp: Option<Duration>,
}

/// `lvs_flush_on_stop`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum FlushOnStop {
    /// Not said: what was added is removed, entry by entry.
    #[default]
    No,
    /// `VS`: what was added is removed, whole services at once.
    Services,
    /// The whole table is emptied.
    Everything,
}
