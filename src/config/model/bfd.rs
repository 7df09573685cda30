//! `bfd_instance`, as the daemon uses it.

use std::net::IpAddr;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::Weight;

/// `bfd_instance`: a neighbour that is watched by bidirectional forwarding detection (RFC 5880).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bfd {
    /// `neighbor_ip`. `None`: nobody is watched, and the neighbour is down for ever.
    pub neighbor: Option<IpAddr>,
    /// `source_ip`, of the same family. `None`: what the kernel chooses.
    pub source: Option<IpAddr>,
    /// `min_rx`: shortest time between packets that we can take, 10 ms by default.
    pub min_rx: Duration,
    /// `min_tx`: shortest time between packets that we send, 10 ms by default.
    pub min_tx: Duration,
    /// `idle_tx`: time between packets while the neighbour is down, 1 s by default.
    pub idle_tx: Duration,
    /// `multiplier`: packets missed before the neighbour counts as down, 5 by default.
    pub multiplier: u8,
    /// `passive`: wait for the neighbour to begin.
    pub passive: bool,
    /// `ttl` or `hoplimit` of our packets, 255 or, in IPv6, 64 by default.
    pub ttl: u8,
    /// `max_hops` that the neighbour's packets may have made, 0 by default. `None`: any number.
    pub max_hops: Option<u8>,
    /// `multihop`: the neighbour is not on the same link, and listens on port 4784.
    pub multihop: bool,
    /// `weight` for those who track it and say none; by default a loss is a fault.
    pub weight: Weight,
    /// Whether instances hear of it; without `vrrp` and `checker` both hear.
    pub vrrp: bool,
    /// Whether health checks hear of it.
    pub checker: bool,
}
