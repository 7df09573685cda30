//! The table itself: services with their settings, each with its real servers.
//!
//! A [`Table`] is a value. Unchanged services are shared between two tables by `Arc`, so that publishing one
//! changed service out of thousands copies pointers only. Whether two settings are *the same to the kernel*
//! is asked with `same_as`, not with `==`: the kernel keeps whole seconds, masks and flags in one fixed form.

use std::collections::BTreeMap;
use std::fmt;
use std::net::Ipv4Addr;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::destinations::Destinations;
use crate::key::{Family, ServiceKey};
use crate::tunnel::Tunnel;
use crate::{ParseError, codec};

/// Service flags (`IP_VS_SVC_F_*` in `linux/ip_vs.h`) that [`ServiceSettings::flags`] may hold.
pub mod flag {
    /// One-packet scheduling (`ops`): each datagram is scheduled on its own; UDP only.
    pub const ONE_PACKET: u32 = 0x0004;
    /// First scheduler flag (`flag-1`).
    pub const SCHED_1: u32 = 0x0008;
    /// Second scheduler flag (`flag-2`).
    pub const SCHED_2: u32 = 0x0010;
    /// Third scheduler flag (`flag-3`).
    pub const SCHED_3: u32 = 0x0020;
    /// `sh-fallback`: source hashing takes another server when the hashed one is unavailable.
    pub const SH_FALLBACK: u32 = SCHED_1;
    /// `sh-port`: source hashing takes the source port into account.
    pub const SH_PORT: u32 = SCHED_2;
    /// `mh-fallback`: maglev hashing takes another server when the hashed one is unavailable.
    pub const MH_FALLBACK: u32 = SCHED_1;
    /// `mh-port`: maglev hashing takes the source port into account.
    pub const MH_PORT: u32 = SCHED_2;
    /// Everything of the above: what is ours to set. The rest the kernel keeps for itself.
    pub const ALL: u32 = ONE_PACKET | SCHED_1 | SCHED_2 | SCHED_3;
}

/// The kernel's IPVS table, as it is or as it should be.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Table {
    /// The virtual services. Two tables that share an `Arc` are known to agree on it without looking inside.
    pub services: BTreeMap<ServiceKey, Arc<Service>>,
}

/// A virtual service with its real servers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Service {
    /// How it is balanced.
    pub settings: ServiceSettings,
    /// Its real servers.
    pub destinations: Destinations,
}

/// How a virtual service is balanced.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServiceSettings {
    /// The scheduler.
    pub scheduler: Scheduler,
    /// Bits of [`flag`]; others are ignored.
    pub flags: u32,
    /// Whether one client keeps coming to one server.
    pub persistence: Option<Persistence>,
    /// Name of the persistence engine (`sip`), at most 15 bytes.
    pub engine: Option<String>,
}

/// One client keeps coming to one server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Persistence {
    /// How long after its last connection; the kernel counts whole seconds, so parts of one are rounded up.
    pub timeout: Duration,
    /// What counts as one client.
    pub granularity: Granularity,
}

/// What counts as one client of a persistent service.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Granularity {
    /// Each address for itself.
    #[default]
    Host,
    /// IPv4: addresses that agree under this mask.
    Netmask(Ipv4Addr),
    /// IPv6: addresses that agree in this many leading bits, 1 to 128.
    Prefix(u8),
}

/// The name of a scheduler, at most 15 bytes.
///
/// Parsing accepts the schedulers that Linux has; a name read from the kernel is kept whatever it is.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Scheduler(String);

/// How packets get to a real server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Forwarding {
    /// Address translation (`IP_VS_CONN_F_MASQ`, 0).
    Nat,
    /// Direct routing on the same link (`IP_VS_CONN_F_DROUTE`, 3).
    Dr,
    /// IP-in-IP tunnel (`IP_VS_CONN_F_TUNNEL`, 2).
    Tun,
    /// Read back only (`IP_VS_CONN_F_LOCALNODE`, 1): the kernel found the server on this very host. It counts
    /// as whatever was asked for.
    Local,
}

/// How a real server takes part.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct DestinationSettings {
    /// How packets get there.
    pub forwarding: Forwarding,
    /// Share of new connections, 0 (none) to 2147483647.
    pub weight: u32,
    /// At this many connections the server gets no new ones; 0 means no limit.
    pub upper: u32,
    /// Below this many it gets new ones again; at most `upper`, 0 lets the kernel take three quarters of
    /// `upper`.
    pub lower: u32,
    /// The kind of tunnel, if it is one and not plain IP in IP; means nothing with other methods.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tunnel: Option<Tunnel>,
}

impl Service {
    /// A service without real servers.
    pub fn new(settings: ServiceSettings) -> Self {
        Self { settings, destinations: Destinations::new() }
    }

    /// Whether some real server takes new connections (has a weight above 0).
    pub fn is_usable(&self) -> bool {
        self.destinations.values().any(|destination| destination.weight > 0)
    }
}

impl ServiceSettings {
    /// A service with this scheduler, without flags, persistence or engine.
    pub fn new(scheduler: Scheduler) -> Self {
        Self { scheduler, flags: 0, persistence: None, engine: None }
    }

    /// The same with persistence for single clients.
    #[must_use]
    pub fn with_persistence(mut self, timeout: Duration) -> Self {
        self.persistence = Some(Persistence { timeout, granularity: Granularity::Host });
        self
    }

    /// Whether the kernel would hold the same for both, in a service of this family.
    pub fn same_as(&self, other: &Self, family: Family) -> bool {
        codec::ServiceWire::new(self, family) == codec::ServiceWire::new(other, family)
    }
}

impl Default for ServiceSettings {
    /// Weighted least connections, nothing else.
    fn default() -> Self {
        Self::new(Scheduler::default())
    }
}

impl DestinationSettings {
    /// A server without connection limits.
    pub fn new(forwarding: Forwarding, weight: u32) -> Self {
        Self { forwarding, weight, upper: 0, lower: 0, tunnel: None }
    }

    /// Whether the kernel would hold the same for both; [`Forwarding::Local`] agrees with every method.
    pub fn same_as(&self, other: &Self) -> bool {
        let local = self.forwarding == Forwarding::Local || other.forwarding == Forwarding::Local;
        let same_method = local || self.forwarding == other.forwarding;
        let same_header = local || self.own_header() == other.own_header();
        same_method
            && same_header
            && (self.weight, self.upper, self.lower) == (other.weight, other.upper, other.lower)
    }

    /// The kind of tunnel, where there is one that is not plain IP in IP.
    pub(crate) fn own_header(&self) -> Option<Tunnel> {
        self.tunnel.filter(|_| self.forwarding == Forwarding::Tun)
    }

    /// How packets get there, in words: `NAT`, `TUN gue port 6080`.
    pub fn method(&self) -> String {
        match self.own_header() {
            Some(tunnel) => format!("{} {tunnel}", self.forwarding),
            None => self.forwarding.to_string(),
        }
    }
}

impl Scheduler {
    /// The schedulers of Linux (`net/netfilter/ipvs/Kconfig`; `twos` since 5.19).
    pub const KNOWN: [&'static str; 14] =
        ["rr", "wrr", "lc", "wlc", "lblc", "lblcr", "sh", "mh", "dh", "fo", "ovf", "sed", "nq", "twos"];

    /// The name as it was read from the kernel, known or not.
    pub fn from_kernel(name: impl Into<String>) -> Self {
        Self(name.into())
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Default for Scheduler {
    /// `wlc`, weighted least connections.
    fn default() -> Self {
        Self("wlc".to_owned())
    }
}

impl FromStr for Scheduler {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        if Self::KNOWN.contains(&text) {
            Ok(Self(text.to_owned()))
        } else {
            Err(ParseError::new("scheduler", text, &format!("one of {}", Self::KNOWN.join(", "))))
        }
    }
}

impl fmt::Display for Scheduler {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for Forwarding {
    type Err = ParseError;

    /// `NAT`, `DR` or `TUN`, upper or lower case.
    fn from_str(text: &str) -> Result<Self, ParseError> {
        match text.to_ascii_lowercase().as_str() {
            "nat" => Ok(Self::Nat),
            "dr" => Ok(Self::Dr),
            "tun" => Ok(Self::Tun),
            _ => Err(ParseError::new("forwarding method", text, "NAT, DR or TUN")),
        }
    }
}

impl fmt::Display for Forwarding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Nat => "NAT",
            Self::Dr => "DR",
            Self::Tun => "TUN",
            Self::Local => "Local",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample::{nat, table};

    #[test]
    fn schedulers() {
        assert_eq!("twos".parse::<Scheduler>().unwrap().as_str(), "twos");
        let error = "wrong".parse::<Scheduler>().unwrap_err().to_string();
        assert!(error.contains("\"wrong\"") && error.contains("rr, wrr, lc, wlc"), "{error}");
        assert_eq!(Scheduler::from_kernel("new").to_string(), "new");
    }

    #[test]
    fn the_same_to_the_kernel() {
        let held = |millis| ServiceSettings::default().with_persistence(Duration::from_millis(millis));
        assert!(held(59_001).same_as(&held(60_000), Family::V4));
        assert!(!held(60_001).same_as(&held(60_000), Family::V4));
        assert!(!held(0).same_as(&ServiceSettings::default(), Family::V4));
        let masked = |granularity| ServiceSettings {
            persistence: Some(Persistence { timeout: Duration::from_secs(1), granularity }),
            ..ServiceSettings::default()
        };
        let host = masked(Granularity::Netmask(Ipv4Addr::BROADCAST));
        assert!(host.same_as(&masked(Granularity::Host), Family::V4));
        assert!(masked(Granularity::Prefix(128)).same_as(&masked(Granularity::Host), Family::V6));
        assert!(!masked(Granularity::Prefix(64)).same_as(&masked(Granularity::Host), Family::V6));
        let hashed = ServiceSettings { flags: 2, ..ServiceSettings::default() };
        assert!(hashed.same_as(&ServiceSettings::default(), Family::V4));
    }

    #[test]
    fn local_agrees_with_every_method() {
        let local = DestinationSettings::new(Forwarding::Local, 1);
        for forwarding in [Forwarding::Nat, Forwarding::Dr, Forwarding::Tun] {
            assert!(local.same_as(&DestinationSettings::new(forwarding, 1)));
            assert!(!local.same_as(&DestinationSettings::new(forwarding, 2)));
        }
        assert!(!nat(1).same_as(&DestinationSettings::new(Forwarding::Dr, 1)));
    }

    #[test]
    fn a_table_is_json() {
        let table = table(&[("[10.0.0.1]:tcp:80", &[("10.0.0.2:80", 1)]), ("FWM 1", &[])]);
        let json = serde_json::to_string(&table).unwrap();
        assert!(json.contains(r#""[10.0.0.1]:tcp:80""#), "{json}");
        assert_eq!(serde_json::from_str::<Table>(&json).unwrap(), table);
    }
}
