//! The routes that this host shall have: their identity, their settings, and the order in which they are made.
//!
//! A route is known to the kernel by where it leads, its table, metric and type of service, by what becomes of packets
//! and by the way they take; that is [`RouteKey`]. The rest is [`RouteSettings`]. Numbers are those of
//! `<linux/rtnetlink.h>`.

use std::collections::BTreeMap;
use std::fmt;
use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use crate::marked::{Change, MarkedLevel, MarkedReport, OwnThings};

/// Our mark on routes and rules (`rtm_protocol`), shown by `ip route` as `proto 112`: VRRP's protocol number. It stands
/// in none of iproute2's tables.
pub const ROUTE_PROTOCOL: u8 = 112;

/// keepalived's mark (`RTPROT_KEEPALIVED`), shown as `proto keepalived`.
pub const KEEPALIVED_PROTOCOL: u8 = 18;

/// `RT_TABLE_MAIN`.
pub const TABLE_MAIN: u32 = 254;

/// `RT_TABLE_LOCAL`.
pub const TABLE_LOCAL: u32 = 255;

/// The metric that the kernel gives an IPv6 route without one (`IP6_RT_PRIO_USER`).
pub const METRIC_V6: u32 = 1024;

/// How the routes of this host shall be.
pub type RouteLevel = MarkedLevel<RouteKey, RouteSettings>;
/// Routes that this program made.
pub type OwnRoutes = OwnThings<RouteKey, RouteSettings>;
/// What came of it.
pub type RouteReport = MarkedReport<RouteKey>;

/// The identity of a route.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct RouteKey {
    /// Where it leads, without host bits; the family is the route's.
    pub destination: IpAddr,
    /// Length of the prefix in bits, 0 to 32 or 0 to 128.
    pub prefix: u8,
    /// The routing table.
    pub table: u32,
    /// The metric; for IPv6 never 0.
    pub metric: u32,
    /// Type of service.
    pub tos: u8,
    /// What becomes of packets: `RTN_UNICAST` and so on.
    pub kind: u8,
    /// Whose it is: [`ROUTE_PROTOCOL`], or what was asked for.
    pub protocol: u8,
    /// The ways that packets take; none for a route that drops them.
    pub ways: Vec<Way>,
}

/// One way.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Way {
    /// The next router, of either family. `None`: the destination is on the link.
    pub gateway: Option<IpAddr>,
    /// The interface's name. `None`: the one that the gateway is reached by.
    pub interface: Option<String>,
}

/// What else is said of a route.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct RouteSettings {
    /// `RT_SCOPE_…`; `None`: as far as its kind and gateway say.
    pub scope: Option<u8>,
    /// The source address that this host prefers.
    pub source: Option<IpAddr>,
    /// Where it stands among its like.
    pub place: Place,
    /// What else is said of each way, in the order of [`RouteKey::ways`].
    pub ways: Vec<WaySettings>,
    /// Metrics by their number (`RTAX_MTU` is 2).
    pub metrics: BTreeMap<u16, Metric>,
    /// Bits of the metrics that are locked, by their number.
    pub locked: u32,
    /// Realms: of the source in the upper 16 bits, of the destination in the lower.
    pub realms: Option<u32>,
    /// IPv6: seconds after which the route ends.
    pub expires: Option<u32>,
    /// IPv6: `ICMPV6_ROUTER_PREF_…`: 0 medium, 1 high, 3 low.
    pub preference: Option<u8>,
    /// MPLS: whether the time to live goes along.
    pub ttl_propagate: Option<bool>,
    /// Whoever takes the route away may do so: it is not put back.
    pub untracked: bool,
}

/// A metric's value.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Metric {
    /// A number.
    Number(u32),
    /// A name: of a congestion control algorithm.
    Name(String),
}

/// Where a new route stands among those to the same destination.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Place {
    /// Before the others.
    #[default]
    Prepend,
    /// Behind the others.
    Append,
    /// Only if there is no other.
    Alone,
}

/// What else is said of a way.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct WaySettings {
    /// 1 to 256, among several ways.
    pub weight: Option<u16>,
    /// The gateway is taken to be a neighbour.
    pub on_link: bool,
    /// Realms, as in [`RouteSettings::realms`].
    pub realms: Option<u32>,
    /// What packets are wrapped into.
    pub encapsulation: Option<Encapsulation>,
}

/// What packets are wrapped into (`<linux/lwtunnel.h>`).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Encapsulation {
    /// Labels, the outermost first, below 2^20.
    Mpls(Vec<u32>),
    /// Identifier locator addressing: the locator that takes the place of the first half of the address, in network
    /// order.
    Ila([u8; 8]),
    /// An IP header for a tunnel interface of external control.
    Tunnel {
        /// Whether it is an IPv6 header.
        ipv6: bool,
        /// The tunnel's number.
        id: Option<u64>,
        /// Where the tunnel leads.
        destination: Option<IpAddr>,
        /// Where it begins.
        source: Option<IpAddr>,
        /// Type of service, or traffic class.
        tos: Option<u8>,
        /// Time to live, or hop limit.
        ttl: Option<u8>,
        /// `TUNNEL_…` flags.
        flags: Option<u16>,
    },
}

/// Puts changes into an order in which they can be made: of removals those that others may depend on come last, of
/// additions first. A route without a gateway makes neighbours, and a narrower one may lead to another's gateway.
pub fn order(changes: &mut [Change<RouteKey, RouteSettings>]) {
    changes.sort_by_key(|change| {
        let key = change.key();
        let depends = key.ways.iter().any(|way| way.gateway.is_some());
        match change {
            Change::Remove(_) => (false, !depends, u8::MAX - key.prefix.min(u8::MAX - 1)),
            Change::Add(..) => (true, depends, u8::MAX - key.prefix.min(u8::MAX - 1)),
        }
    });
}

impl RouteKey {
    /// Whether packets are dropped, so that there is no way: `RTN_BLACKHOLE`, `RTN_UNREACHABLE`, `RTN_PROHIBIT`,
    /// `RTN_THROW`.
    pub fn drops(&self) -> bool {
        matches!(self.kind, 6..=9)
    }

    /// Whether the kernel's route `held` is this one. Where no interface is named any will do, for the kernel names
    /// the one it found.
    pub fn is_held_as(&self, held: &RouteKey) -> bool {
        let fits = |(mine, theirs): (&Way, &Way)| {
            mine.gateway == theirs.gateway && (mine.interface.is_none() || mine.interface == theirs.interface)
        };
        let same_ways = || {
            let sorted = |key: &RouteKey| {
                let mut ways = key.ways.clone();
                ways.sort();
                ways
            };
            let (mine, theirs) = (sorted(self), sorted(held));
            mine.len() == theirs.len() && mine.iter().zip(&theirs).all(fits)
        };
        (self.destination, self.prefix, self.table, self.metric, self.tos, self.kind, self.protocol)
            == (held.destination, held.prefix, held.table, held.metric, held.tos, held.kind, held.protocol)
            && (self.drops() || same_ways())
    }
}

/// The table that a route of this kind stands in unless another is named: that of local addresses for `local`,
/// `broadcast`, `anycast` and `nat`, else main.
pub fn usual_table(kind: u8) -> u32 {
    if matches!(kind, 2..=4 | 10) { TABLE_LOCAL } else { TABLE_MAIN }
}

/// `192.0.2.0` of `192.0.2.77` with 24 bits.
pub fn without_host_bits(address: IpAddr, prefix: u8) -> IpAddr {
    let keep = u32::from(prefix);
    match address {
        IpAddr::V4(address) => {
            let mask = u32::MAX.checked_shl(32_u32.saturating_sub(keep)).unwrap_or(0);
            IpAddr::V4((u32::from(address) & mask).into())
        }
        IpAddr::V6(address) => {
            let mask = u128::MAX.checked_shl(128_u32.saturating_sub(keep)).unwrap_or(0);
            IpAddr::V6((u128::from(address) & mask).into())
        }
    }
}

impl fmt::Display for RouteKey {
    /// `default via 192.0.2.1 dev eth0 table 100`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const KINDS: [&str; 12] = [
            "unspec",
            "unicast",
            "local",
            "broadcast",
            "anycast",
            "multicast",
            "blackhole",
            "unreachable",
            "prohibit",
            "throw",
            "nat",
            "xresolve",
        ];
        if self.kind != 1 {
            write!(f, "{} ", KINDS.get(usize::from(self.kind)).unwrap_or(&"unknown"))?;
        }
        match (self.prefix, self.destination) {
            (0, _) => f.write_str("default")?,
            (prefix, destination) => write!(f, "{destination}/{prefix}")?,
        }
        for way in &self.ways {
            if self.ways.len() > 1 {
                f.write_str(" nexthop")?;
            }
            if let Some(gateway) = way.gateway {
                write!(f, " via {gateway}")?;
            }
            if let Some(interface) = &way.interface {
                write!(f, " dev {interface}")?;
            }
        }
        if self.table != TABLE_MAIN {
            write!(f, " table {}", self.table)?;
        }
        let usual = if self.destination.is_ipv6() { METRIC_V6 } else { 0 };
        if self.metric != usual {
            write!(f, " metric {}", self.metric)?;
        }
        if self.tos != 0 {
            write!(f, " tos {:#04x}", self.tos)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(destination: &str, prefix: u8, ways: &[(Option<&str>, Option<&str>)]) -> RouteKey {
        let way = |(gateway, interface): &(Option<&str>, Option<&str>)| Way {
            gateway: gateway.map(|text| text.parse().unwrap()),
            interface: interface.map(str::to_owned),
        };
        RouteKey {
            destination: destination.parse().unwrap(),
            prefix,
            table: TABLE_MAIN,
            metric: 0,
            tos: 0,
            kind: 1,
            protocol: ROUTE_PROTOCOL,
            ways: ways.iter().map(way).collect(),
        }
    }

    #[test]
    fn routes_that_others_depend_on_are_made_first_and_taken_away_last() {
        let link = key("198.51.100.1", 32, &[(None, Some("eth0"))]);
        let far = key("0.0.0.0", 0, &[(Some("198.51.100.1"), None)]);
        let near = key("203.0.113.0", 24, &[(Some("198.51.100.1"), None)]);
        let add = |key: &RouteKey| Change::Add(key.clone(), RouteSettings::default());
        let remove = |key: &RouteKey| Change::Remove(key.clone());
        let mut changes = vec![add(&far), add(&near), remove(&link), add(&link), remove(&far), remove(&near)];
        order(&mut changes);
        let words: Vec<bool> = changes.iter().map(|change| matches!(change, Change::Add(..))).collect();
        assert_eq!(words, [false, false, false, true, true, true], "removals first");
        assert_eq!(changes[2], remove(&link));
        assert_eq!(changes[3..], [add(&link), add(&near), add(&far)]);
    }

    #[test]
    fn the_kernels_route_is_recognised() {
        let wanted = key("0.0.0.0", 0, &[(Some("192.0.2.1"), None)]);
        let held = key("0.0.0.0", 0, &[(Some("192.0.2.1"), Some("eth0"))]);
        assert!(wanted.is_held_as(&held) && !held.is_held_as(&wanted));
        let stranger = RouteKey { protocol: 3, ..held.clone() };
        assert!(!wanted.is_held_as(&stranger));
        let two = [(Some("192.0.2.1"), Some("eth0")), (Some("192.0.2.2"), Some("eth0"))];
        let turned = [two[1], two[0]];
        assert!(key("0.0.0.0", 0, &two).is_held_as(&key("0.0.0.0", 0, &turned)));
        assert!(!wanted.is_held_as(&key("0.0.0.0", 0, &two)));
        let drops = RouteKey { kind: 6, ..key("10.0.0.0", 8, &[]) };
        assert!(drops.is_held_as(&RouteKey { kind: 6, ..key("10.0.0.0", 8, &[(None, Some("lo"))]) }));
    }

    #[test]
    fn a_route_is_written_as_ip_route_does() {
        let mut route = key("0.0.0.0", 0, &[(Some("192.0.2.1"), Some("eth0"))]);
        assert_eq!(route.to_string(), "default via 192.0.2.1 dev eth0");
        route.table = 100;
        route.metric = 5;
        assert_eq!(route.to_string(), "default via 192.0.2.1 dev eth0 table 100 metric 5");
        let drops = RouteKey { kind: 6, ..key("10.0.0.0", 8, &[]) };
        assert_eq!(drops.to_string(), "blackhole 10.0.0.0/8");
    }

    #[test]
    fn host_bits_are_cleared() {
        let cleared = |text: &str, prefix| without_host_bits(text.parse().unwrap(), prefix).to_string();
        assert_eq!(cleared("192.0.2.77", 24), "192.0.2.0");
        assert_eq!(cleared("192.0.2.77", 0), "0.0.0.0");
        assert_eq!(cleared("192.0.2.77", 32), "192.0.2.77");
        assert_eq!(cleared("2001:db8::77", 64), "2001:db8::");
        assert_eq!(cleared("2001:db8::77", 0), "::");
        assert_eq!(cleared("2001:db8::77", 128), "2001:db8::77");
    }
}
