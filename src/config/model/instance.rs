//! `vrrp_instance`, as the daemon uses it.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use super::{Tracks, VirtualAddress};

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
    /// What changes the priority, or is a fault.
    pub tracks: Tracks,
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
