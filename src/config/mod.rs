//! The configuration as the daemon uses it: typed, complete, with every default filled in.
//!
//! A file is read in three steps, each with a module of its own: [`syntax`] turns text into a tree with positions,
//! [`keywords`] knows every keyword once, and [`lower`] turns the tree into a [`Config`] and a list of complaints.
//! Nothing here touches the system: a configuration can be read on any machine.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// Everything one configuration file asks for.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Config {
    /// `global_defs`.
    pub global: Global,
    /// `vrrp_instance` blocks by name.
    pub instances: BTreeMap<String, Arc<Instance>>,
    /// `virtual_server` blocks by what they serve.
    pub services: BTreeMap<ipvs_backend::ServiceKey, Arc<VirtualServer>>,
}

/// `global_defs`: settings that concern the daemon as a whole.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Global {
    /// `router_id`, the name used in mail subjects. `None`: the host name, filled in by the daemon.
    pub router_id: Option<String>,
    /// Whom to write to and how. `None`: no mail at all (no recipients, or no `smtp_server`).
    pub email: Option<Email>,
}

/// Where notices go by mail.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Email {
    /// `notification_email`, in the file's order; never empty.
    pub to: Vec<String>,
    /// `notification_email_from`. `None`: `root@` and the host name, filled in by the daemon.
    pub from: Option<String>,
    /// `smtp_server`: host name or address.
    pub server: String,
    /// `smtp_server`: port, 25 by default.
    pub port: u16,
    /// `smtp_connect_timeout`, 30 s by default.
    pub connect_timeout: Duration,
    /// `smtp_helo_name`. `None`: the host name.
    pub helo: Option<String>,
}

/// `vrrp_instance`: one virtual router that this director takes part in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Instance {
    /// `interface`: where adverts go.
    pub interface: String,
    /// The protocol's own settings: VRID, version, priority, timers, announcements, advertised addresses.
    pub router: vrrp::Settings,
    /// Adverts by multicast, or to named peers.
    pub transport: Transport,
    /// `mcast_src_ip` or `unicast_src_ip`. `None`: the interface's primary address.
    pub source: Option<IpAddr>,
    /// `virtual_ipaddress`: what is on the interface while master, in the file's order.
    pub addresses: Vec<VirtualAddress>,
    /// Whether transitions are mailed (`smtp_alert`); on unless switched off, when mail is configured at all.
    pub alert: bool,
}

/// How adverts travel.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Transport {
    /// To the group 224.0.0.18 (RFC 9568 section 5.1.1.2).
    Multicast,
    /// To each of `unicast_peer`.
    Unicast(Vec<IpAddr>),
}

/// One line of `virtual_ipaddress`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct VirtualAddress {
    /// The address.
    pub address: IpAddr,
    /// Prefix length, /32 (IPv4) by default.
    pub prefix: u8,
    /// `dev`. `None`: the instance's interface.
    pub interface: Option<String>,
    /// `label`, below 16 characters.
    pub label: Option<String>,
}

/// `virtual_server`: one service and its real servers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct VirtualServer {
    /// Scheduler, flags and persistence as the kernel takes them.
    pub settings: ipvs_backend::ServiceSettings,
    /// Real servers by address and port.
    pub servers: BTreeMap<ipvs_backend::DestinationKey, Arc<RealServer>>,
    /// `sorry_server`: stands in while no real server is up; never checked.
    pub sorry: Option<SorryServer>,
    /// Whether server events are mailed; on unless switched off, when mail is configured at all.
    pub alert: bool,
}

/// `sorry_server`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SorryServer {
    /// Its address and port.
    pub key: ipvs_backend::DestinationKey,
    /// How packets reach it.
    pub forwarding: ipvs_backend::Forwarding,
}

/// `real_server`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RealServer {
    /// Weight while up, 1 by default; 0 takes no new connections.
    pub weight: u32,
    /// How packets reach it (`lvs_method`, by default the service's).
    pub forwarding: ipvs_backend::Forwarding,
    /// `inhibit_on_failure`: weight 0 instead of removal while down.
    pub inhibit: bool,
    /// The checks, in the file's order; all must pass.
    pub checks: Vec<Arc<healthcheck::Check>>,
    /// Whether events of this server are mailed.
    pub alert: bool,
}

/// The file a configuration was read from, as named by the operator.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Origin(pub PathBuf);
