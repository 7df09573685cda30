//! `virtual_server` and `sorry_server`, as the daemon uses them.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::{Command, GroupKey, MaintenanceWindow, RealServer, Tunnel};

/// `virtual_server`: one service and its real servers.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct VirtualServer {
    /// Scheduler, flags and persistence as the kernel takes them.
    pub settings: ipvs_backend::ServiceSettings,
    /// Real servers by address and port.
    pub servers: BTreeMap<ipvs_backend::DestinationKey, Arc<RealServer>>,
    /// `backup_server`s by address and port: they stand in while the quorum is lost, before the sorry server. None of them
    /// is a real server as well.
    #[serde(default)]
    pub backups: BTreeMap<ipvs_backend::DestinationKey, Arc<RealServer>>,
    /// `sorry_server`: stands in while no real server is up; never checked.
    pub sorry: Option<SorryServer>,
    /// Whether server events are mailed; on unless switched off, when mail is configured at all.
    pub alert: bool,
    /// When the service counts as up.
    pub quorum: Quorum,
    /// `alpha`: the service counts as down until it has reached its quorum.
    pub alpha: bool,
    /// `omega`: at the end of the daemon the scripts for what goes down are run.
    pub omega: bool,
    /// `ha_suspend`: check only while the service's address is on this host.
    pub ha_suspend: bool,
    /// `snmp_name`: its name in SNMP tables.
    pub snmp_name: Option<String>,
    /// `vip_check`: what the backup asks the address of the service.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vip_check: Option<Arc<healthcheck::Check>>,
    /// `panic_threshold`: of its servers checks take out this many percent at most, 0 to 99. `None`: all of them.
    pub panic_threshold: Option<u8>,
    /// `share_checks off`: its checks are made even where others ask the same.
    #[serde(default)]
    pub own_checks: bool,
    /// `maintenance_window`s of all its servers.
    #[serde(default)]
    pub windows: Vec<MaintenanceWindow>,
}

/// What a virtual server serves, and so what it is known by.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Served {
    /// An address or a mark.
    Key(ipvs_backend::ServiceKey),
    /// A group of them.
    Group(GroupKey),
}

impl fmt::Display for Served {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Key(key) => key.fmt(f),
            Self::Group(key) => key.fmt(f),
        }
    }
}

impl FromStr for Served {
    type Err = ipvs_backend::ParseError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.parse().map(Self::Key).or_else(|_| text.parse().map(Self::Group))
    }
}

impl Serialize for Served {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Served {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

impl From<ipvs_backend::ServiceKey> for Served {
    fn from(key: ipvs_backend::ServiceKey) -> Self {
        Self::Key(key)
    }
}

impl From<GroupKey> for Served {
    fn from(key: GroupKey) -> Self {
        Self::Group(key)
    }
}

/// When a service counts as up, and what is run when that changes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Quorum {
    /// `quorum`: the weight of servers that must be up, 1 by default. More than all servers weigh counts as what they
    /// weigh.
    pub weight: u32,
    /// `hysteresis`: the quorum is lost below `weight` minus this, and reached again at `weight` plus this.
    pub hysteresis: u32,
    /// `quorum_up`: run when it is reached.
    pub up: Option<Command>,
    /// `quorum_down`: run when it is lost.
    pub down: Option<Command>,
}

impl Default for Quorum {
    fn default() -> Self {
        Self { weight: 1, hysteresis: 0, up: None, down: None }
    }
}

/// `sorry_server`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SorryServer {
    /// Its address and port.
    pub key: ipvs_backend::DestinationKey,
    /// How packets reach it.
    pub forwarding: ipvs_backend::Forwarding,
    /// The kind of tunnel, if it is not plain IP in IP.
    pub tunnel: Option<Tunnel>,
    /// `sorry_server_inhibit`: weight 0 instead of removal while it is not needed.
    pub inhibit: bool,
    /// Read compatibly: it is a real server with `inhibit_on_failure` too, and keeps that one's weight when it is needed.
    #[serde(default)]
    pub twin: bool,
}

impl VirtualServer {
    /// The real servers, then the backup servers.
    pub fn all_servers(
        &self,
    ) -> impl Iterator<Item = (&ipvs_backend::DestinationKey, &Arc<RealServer>)> + Clone {
        self.servers.iter().chain(&self.backups)
    }

    /// A real server or a backup server.
    pub fn server(&self, key: &ipvs_backend::DestinationKey) -> Option<&Arc<RealServer>> {
        self.servers.get(key).or_else(|| self.backups.get(key))
    }

    /// What all its real servers weigh together while they are up.
    pub fn total_weight(&self) -> u64 {
        self.servers.values().map(|server| u64::from(server.weight)).sum()
    }
}
