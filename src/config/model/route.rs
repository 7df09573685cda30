//! Routes and routing rules, in the words of iproute2.

use std::collections::BTreeMap;
use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use super::{Id, Network, Watch};

/// One line of `virtual_routes` or `static_routes`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Route {
    /// What becomes of packets, `unicast` if nothing is said.
    pub kind: RouteKind,
    /// Where they go; /0 is `default`.
    pub destination: Network,
    /// `src`: the source address that this host prefers.
    pub source: Option<IpAddr>,
    /// By which way; of no meaning to a route that drops packets.
    pub hop: Hop,
    /// `nexthop`: several ways instead of that one.
    pub hops: Vec<Hop>,
    /// `table`, by default main.
    pub table: Option<Id>,
    /// `metric`.
    pub metric: Option<u32>,
    /// `scope`.
    pub scope: Option<Id>,
    /// `mtu`, and whether it is locked.
    pub mtu: Option<(u32, bool)>,
    /// `append`, `add` or `prepend`. `None`: prepend, and add for a route that drops packets.
    pub place: Option<Insertion>,
    /// What else is said, each attribute by its name with its words.
    pub others: BTreeMap<String, Vec<String>>,
    /// `no_track`, `track_group`.
    pub watch: Watch,
}

/// What becomes of packets of a route; the words are iproute2's.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[allow(missing_docs, reason = "named like the words")]
pub enum RouteKind {
    #[default]
    Unicast,
    Local,
    Broadcast,
    Anycast,
    Multicast,
    Blackhole,
    Unreachable,
    Prohibit,
    Throw,
    Nat,
}

impl RouteKind {
    /// Each with its word.
    pub const ALL: [(&'static str, Self); 10] = [
        ("unicast", Self::Unicast),
        ("local", Self::Local),
        ("broadcast", Self::Broadcast),
        ("anycast", Self::Anycast),
        ("multicast", Self::Multicast),
        ("blackhole", Self::Blackhole),
        ("unreachable", Self::Unreachable),
        ("prohibit", Self::Prohibit),
        ("throw", Self::Throw),
        ("nat", Self::Nat),
    ];
}

/// Where a new route stands among its like.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Insertion {
    /// Behind the others.
    Append,
    /// Only if there is no other.
    Add,
    /// Before the others.
    Prepend,
}

impl Insertion {
    /// Each with its word.
    pub const ALL: [(&'static str, Self); 3] =
        [("append", Self::Append), ("add", Self::Add), ("prepend", Self::Prepend)];
}

/// A way that packets take.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hop {
    /// `via`.
    pub gateway: Option<IpAddr>,
    /// `dev`.
    pub interface: Option<String>,
    /// `weight`, 1..=256; among several ways only.
    pub weight: Option<u16>,
    /// `onlink`: the gateway is taken to be a neighbour.
    pub on_link: bool,
    /// `encap` with its words.
    pub encapsulation: Vec<String>,
    /// `realms` of one of several ways.
    pub realms: Option<String>,
}

/// One line of `virtual_rules` or `static_rules`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rule {
    /// Whether it is a rule of IPv6.
    pub ipv6: bool,
    /// `not`: for all packets that do not fit.
    pub inverted: bool,
    /// `from`. `None`: from anywhere.
    pub from: Option<Network>,
    /// `to`. `None`: to anywhere.
    pub to: Option<Network>,
    /// `iif`: the interface that packets came in by.
    pub input: Option<String>,
    /// `oif`: the interface that our own packets are bound to.
    pub output: Option<String>,
    /// `fwmark`: mark and mask.
    pub mark: Option<(u32, u32)>,
    /// `preference`: rules are tried in this order. `None`: one is assigned.
    pub preference: Option<u32>,
    /// What to do.
    pub action: RuleAction,
    /// What else is said, each attribute by its name with its words.
    pub others: BTreeMap<String, Vec<String>>,
    /// `no_track`, `track_group`.
    pub watch: Watch,
}

/// What a rule does.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum RuleAction {
    /// `table`: look there.
    Table(Id),
    /// `goto`: go on with that preference.
    Goto(u32),
    /// `nop`: nothing.
    Nop,
    /// `l3mdev`: look into the table of the interface's routing domain.
    Domain,
    /// `blackhole`: drop.
    Blackhole,
    /// `unreachable`: drop and say that there is no way.
    Unreachable,
    /// `prohibit`: drop and say that it is forbidden.
    Prohibit,
}
