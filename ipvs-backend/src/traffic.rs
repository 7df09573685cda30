//! What the kernel has counted of a service and of a real server: connections, packets and bytes, and their rates.
//!
//! Numbers are those of `ipvsadm --stats --exact` and `ipvsadm --rate`: the kernel adds them up, and works the rates out,
//! every two seconds; both begin anew when the service or real server does. Linux since 4.1 tells all of them in 64 bits
//! (`IPVS_SVC_ATTR_STATS64`, `IPVS_DEST_ATTR_STATS64`), an older one connections and packets in 32, which overflow.

use std::collections::BTreeMap;
use std::ops::AddAssign;

use serde::{Deserialize, Serialize};

use crate::conn::ConnectionCounts;
use crate::key::DestinationKey;

/// What has been counted since a service or real server was added to the table (`struct ip_vs_kstats` in
/// `include/net/ip_vs.h`). *In* is from clients to real servers, *out* the way back, which the kernel sees of address
/// translation only.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Traffic {
    /// Connections that were scheduled.
    pub connections: u64,
    /// Packets from clients.
    pub packets_in: u64,
    /// Packets to clients.
    pub packets_out: u64,
    /// Bytes from clients, headers of IP included.
    pub bytes_in: u64,
    /// Bytes to clients, headers of IP included.
    pub bytes_out: u64,
    /// How much of that there is in a second at present; none where nobody works that out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rates: Option<Rates>,
}

/// What the kernel's estimators say: an average over some eight seconds, per second.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rates {
    /// New connections per second.
    pub connections: u64,
    /// Packets from clients per second.
    pub packets_in: u64,
    /// Packets to clients per second.
    pub packets_out: u64,
    /// Bytes from clients per second.
    pub bytes_in: u64,
    /// Bytes to clients per second.
    pub bytes_out: u64,
}

/// What a real server does.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServerUsage {
    /// The connections that it has.
    pub connections: ConnectionCounts,
    /// What it had so far.
    pub traffic: Traffic,
}

/// What a service and its real servers do.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServiceUsage {
    /// Of the service as a whole, real servers that have left included.
    pub traffic: Traffic,
    /// Of each real server.
    pub servers: BTreeMap<DestinationKey, ServerUsage>,
}

impl AddAssign for Traffic {
    fn add_assign(&mut self, other: Self) {
        let Self { connections, packets_in, packets_out, bytes_in, bytes_out, rates } = other;
        self.connections = self.connections.saturating_add(connections);
        self.packets_in = self.packets_in.saturating_add(packets_in);
        self.packets_out = self.packets_out.saturating_add(packets_out);
        self.bytes_in = self.bytes_in.saturating_add(bytes_in);
        self.bytes_out = self.bytes_out.saturating_add(bytes_out);
        self.rates = match (self.rates, rates) {
            (Some(mut sum), Some(more)) => {
                sum += more;
                Some(sum)
            }
            _ => None,
        };
    }
}

impl AddAssign for Rates {
    fn add_assign(&mut self, other: Self) {
        let Self { connections, packets_in, packets_out, bytes_in, bytes_out } = other;
        self.connections = self.connections.saturating_add(connections);
        self.packets_in = self.packets_in.saturating_add(packets_in);
        self.packets_out = self.packets_out.saturating_add(packets_out);
        self.bytes_in = self.bytes_in.saturating_add(bytes_in);
        self.bytes_out = self.bytes_out.saturating_add(bytes_out);
    }
}

impl AddAssign for ServerUsage {
    fn add_assign(&mut self, Self { connections, traffic }: Self) {
        self.connections += connections;
        self.traffic += traffic;
    }
}
