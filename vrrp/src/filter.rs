//! The packet filter's table that virtual routers need, and what must change to have it.
//!
//! Two things cannot be said by addresses alone. A master that does not own the virtual addresses may be told not to
//! answer at them (RFC 9568 section 6.1, `Accept_Mode`): packets to and from them are dropped, except neighbour
//! discovery, without which nobody could forward through this master. And group reports and router solicitations
//! that leave by an interface with the virtual MAC address would teach switches that it is here while this director
//! is a backup: reports leave by the interface below instead.
//!
//! [`tables`] turns the wish into nftables' chains, sets and rules; [`plan`] finds the difference between two states of
//! a table, so that a take-over changes a few elements of a set and no rule. `io::filter` talks to the kernel. The
//! table has the shape that keepalived gives its own, and whoever knows that one can read it.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::net::{IpAddr, Ipv6Addr};
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// What the packet filter shall do.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FilterLevel {
    /// `nftables`: the name of the table.
    pub table: String,
    /// `nftables_priority`: the chains' priority among others at their hooks.
    pub priority: i32,
    /// `nftables_counters`: whether each rule counts.
    pub counters: bool,
    /// Whether the interface of a link-local address is matched by its name, not its index.
    pub by_name: bool,
    /// Addresses that are on this host and do not answer.
    pub silent: BTreeSet<IpAddr>,
    /// The same of link-local addresses, which mean something on their interface only.
    pub silent_on: BTreeSet<(Ipv6Addr, String)>,
}

/// Interfaces with a virtual MAC address and the ones below, by index.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct VirtualMacs {
    /// Those that carry IPv4 addresses.
    pub v4: BTreeMap<u32, u32>,
    /// Those that carry IPv6 addresses.
    pub v6: BTreeMap<u32, u32>,
}

/// The tables that shall be there.
pub type Tables = BTreeMap<TableKey, Table>;

/// The identity of a table. Written as `ip directord`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct TableKey {
    /// IPv4 or IPv6.
    pub family: Family,
    /// Its name.
    pub name: String,
}

/// The packets a table sees.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Family {
    /// IPv4.
    Ip,
    /// IPv6.
    Ip6,
}

/// What a table holds.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Table {
    /// Its sets, in the order in which they are made.
    pub sets: Vec<Set>,
    /// Its chains.
    pub chains: Vec<Chain>,
    /// Its rules: the name of their chain and what they do, in order.
    pub rules: Vec<(&'static str, Vec<Expression>)>,
}

/// A set, or a map if it has `data`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Set {
    /// Its name.
    pub name: &'static str,
    /// What its keys are, one after the other.
    pub key: &'static [Kind],
    /// What its keys lead to.
    pub data: Option<Kind>,
    /// Never changed once it is made.
    pub constant: bool,
    /// Keys, and what they lead to; both as the kernel compares them.
    pub elements: BTreeMap<Vec<u8>, Option<Vec<u8>>>,
}

/// A type of nftables' user-space: the kernel only keeps it for whoever lists the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// `ipv4_addr`.
    Ipv4,
    /// `ipv6_addr`.
    Ipv6,
    /// `iface_index`.
    Index,
    /// `ifname`, padded with zeros to 16 bytes.
    Name,
    /// `icmpv6_type`.
    Icmpv6,
}

/// A chain; with a hook, one that packets come through by themselves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chain {
    /// Its name.
    pub name: &'static str,
    /// Where it hangs, and its priority there.
    pub hook: Option<(Hook, i32)>,
}

/// Where packets pass by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hook {
    /// For this host.
    Input,
    /// From this host.
    Output,
}

/// One step of a rule. Registers are nftables' own: 1 to 4, of 16 bytes each, and 2 follows 1.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Expression {
    /// Load `length` bytes of the network header from `offset`.
    Network {
        /// Where.
        offset: u32,
        /// How many.
        length: u32,
    },
    /// Load the first byte of the transport header.
    TransportType,
    /// Load something known of the packet into this register.
    Meta(Meta, u32),
    /// Go on if the register begins with these bytes.
    Equal(u32, Vec<u8>),
    /// Keep only these bits of register 1.
    Mask(Vec<u8>),
    /// Go on if the bytes from this register on are in the set.
    In(u32, &'static str),
    /// Go on if they are in the map, with what they lead to in the same register.
    Mapped(u32, &'static str),
    /// Send a copy by the interface in register 2.
    Duplicate,
    /// Count.
    Counter,
    /// The end.
    Verdict(Verdict),
}

/// Something known of a packet beside its bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Meta {
    /// Index of the interface it came in by.
    InputIndex,
    /// Index of the interface it goes out by.
    OutputIndex,
    /// Name of the interface it came in by.
    InputName,
    /// Name of the interface it goes out by.
    OutputName,
    /// Kind of the interface it goes out by.
    OutputKind,
    /// The protocol in the IP packet.
    Protocol,
}

/// What becomes of a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It is thrown away.
    Drop,
    /// It passes this chain.
    Accept,
    /// Another chain decides.
    Goto(&'static str),
}

/// What turns one state of a table into another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TableChange {
    /// Take the table away, whatever it holds.
    Remove(TableKey),
    /// Make it anew, in one stroke.
    Replace(TableKey),
    /// Change the elements of one set.
    Elements {
        /// Of which table.
        table: TableKey,
        /// Which set.
        set: &'static str,
        /// Keys to take out.
        remove: BTreeMap<Vec<u8>, Option<Vec<u8>>>,
        /// Keys to put in.
        add: BTreeMap<Vec<u8>, Option<Vec<u8>>>,
    },
}

/// IP protocol numbers and ICMPv6 types (IANA).
const IGMP: u8 = 2;
const ICMPV6: u8 = 58;
const ROUTER_SOLICITATION: u8 = 133;
const NEIGHBOUR_SOLICITATION: u8 = 135;
const NEIGHBOUR_ADVERTISEMENT: u8 = 136;
const LISTENER_REPORT_V2: u8 = 143;

// Where addresses and protocols stand in the headers of IPv4 and IPv6.
const PROTOCOL_V4: Expression = Expression::Network { offset: 9, length: 1 };
const SOURCE_V4: Expression = Expression::Network { offset: 12, length: 4 };
const DESTINATION_V4: Expression = Expression::Network { offset: 16, length: 4 };
const PROTOCOL_V6: Expression = Expression::Network { offset: 6, length: 1 };
const SOURCE_V6: Expression = Expression::Network { offset: 8, length: 16 };
const DESTINATION_V6: Expression = Expression::Network { offset: 24, length: 16 };

/// The tables that the level asks for: none that would be empty. `index` tells the index of an interface; link-local
/// addresses on one that is missing need no rule.
pub fn tables(level: &FilterLevel, macs: &VirtualMacs, index: impl Fn(&str) -> Option<u32>) -> Tables {
    let key = |family| TableKey { family, name: level.table.clone() };
    let mut tables = Tables::new();
    let v4 = table_v4(level, macs);
    let v6 = table_v6(level, macs, index);
    tables.extend((!v4.rules.is_empty()).then(|| (key(Family::Ip), v4)));
    tables.extend((!v6.rules.is_empty()).then(|| (key(Family::Ip6), v6)));
    tables
}

fn table_v4(level: &FilterLevel, macs: &VirtualMacs) -> Table {
    let mut table = Table::default();
    let silent = level.silent.iter().filter_map(|address| match address {
        IpAddr::V4(address) => Some((address.octets().to_vec(), None)),
        IpAddr::V6(_) => None,
    });
    let silent: BTreeMap<_, _> = silent.collect();
    if !macs.v4.is_empty() {
        table.sets.push(vmac_map(&macs.v4));
        let report = [PROTOCOL_V4, Expression::Equal(1, vec![IGMP]), DESTINATION_V4];
        table.rule(level, "out", report.into_iter().chain(divert()), Verdict::Drop);
    }
    if !silent.is_empty() {
        table.sets.push(Set {
            name: "vips",
            key: &[Kind::Ipv4],
            data: None,
            constant: false,
            elements: silent,
        });
        table.rule(level, "out", [SOURCE_V4, Expression::In(1, "vips")], Verdict::Drop);
        table.rule(level, "in", [DESTINATION_V4, Expression::In(1, "vips")], Verdict::Drop);
    }
    table.hang(level);
    table
}

fn table_v6(level: &FilterLevel, macs: &VirtualMacs, index: impl Fn(&str) -> Option<u32>) -> Table {
    let mut table = Table::default();
    if !macs.v6.is_empty() {
        table.sets.push(vmac_map(&macs.v6));
        let elements = macs.v6.keys().map(|index| (index.to_ne_bytes().to_vec(), None)).collect();
        table.sets.push(Set { name: "vmac_set", key: &[Kind::Index], data: None, constant: false, elements });
        let icmp = |kind| {
            [
                Expression::Meta(Meta::Protocol, 1),
                Expression::Equal(1, vec![ICMPV6]),
                Expression::TransportType,
                Expression::Equal(1, vec![kind]),
            ]
        };
        let report = icmp(LISTENER_REPORT_V2).into_iter().chain([DESTINATION_V6]).chain(divert());
        table.rule(level, "out", report, Verdict::Drop);
        let [kind, is_macvlan, load, _] = divert_parts();
        let solicitation = icmp(ROUTER_SOLICITATION).into_iter();
        let solicitation = solicitation.chain([kind, is_macvlan, load, Expression::In(2, "vmac_set")]);
        table.rule(level, "out", solicitation, Verdict::Drop);
    }
    let silent = level.silent.iter().filter_map(|address| match address {
        IpAddr::V6(address) => Some((address.octets().to_vec(), None)),
        IpAddr::V4(_) => None,
    });
    let silent: BTreeMap<_, _> = silent.collect();
    let silent_on = level.silent_on.iter().filter_map(|(address, interface)| {
        let place =
            if level.by_name { name_key(interface) } else { index(interface)?.to_ne_bytes().to_vec() };
        Some(([address.octets().to_vec(), place].concat(), None))
    });
    let silent_on: BTreeMap<_, _> = silent_on.collect();
    if !silent.is_empty() || !silent_on.is_empty() {
        table.silence_v6(level, silent, silent_on);
    }
    table.hang(level);
    table
}

impl Table {
    fn rule(
        &mut self,
        level: &FilterLevel,
        chain: &'static str,
        conditions: impl IntoIterator<Item = Expression>,
        verdict: Verdict,
    ) {
        let mut expressions: Vec<Expression> = conditions.into_iter().collect();
        expressions.extend(level.counters.then_some(Expression::Counter));
        expressions.push(Expression::Verdict(verdict));
        self.rules.push((chain, expressions));
    }

    /// Rules for IPv6 addresses that do not answer: neighbour discovery passes.
    fn silence_v6(
        &mut self,
        level: &FilterLevel,
        silent: BTreeMap<Vec<u8>, Option<Vec<u8>>>,
        silent_on: BTreeMap<Vec<u8>, Option<Vec<u8>>>,
    ) {
        let types = [NEIGHBOUR_SOLICITATION, NEIGHBOUR_ADVERTISEMENT].map(|kind| (vec![kind], None));
        let set = |name, key, elements| Set { name, key, data: None, constant: false, elements };
        self.sets.push(set("vips", &[Kind::Ipv6], silent));
        self.sets.push(Set {
            constant: true,
            ..set("neighbor-discovery", &[Kind::Icmpv6], types.into_iter().collect())
        });
        let (name, key, input, output): (_, &[Kind], _, _) = match level.by_name {
            true => ("vips_link_local_name", &[Kind::Ipv6, Kind::Name], Meta::InputName, Meta::OutputName),
            false => ("vips_link_local", &[Kind::Ipv6, Kind::Index], Meta::InputIndex, Meta::OutputIndex),
        };
        let link_local = !silent_on.is_empty();
        if link_local {
            self.sets.push(set(name, key, silent_on));
        }
        let discovery = [
            PROTOCOL_V6,
            Expression::Equal(1, vec![ICMPV6]),
            Expression::TransportType,
            Expression::In(1, "neighbor-discovery"),
        ];
        for (chain, other, address, place) in
            [("out", "out_link_local", SOURCE_V6, output), ("in", "in_link_local", DESTINATION_V6, input)]
        {
            self.rule(level, chain, discovery.clone(), Verdict::Accept);
            let is_link_local = [
                address.clone(),
                Expression::Mask(prefix(&[0xff, 0xc0])),
                Expression::Equal(1, prefix(&[0xfe, 0x80])),
            ];
            self.rule(level, chain, is_link_local, Verdict::Goto(other));
            self.rule(level, chain, [address.clone(), Expression::In(1, "vips")], Verdict::Drop);
            if link_local {
                let there = [address, Expression::Meta(place, 2), Expression::In(1, name)];
                self.rule(level, other, there, Verdict::Drop);
            }
        }
    }

    /// The chains that the rules need.
    fn hang(&mut self, level: &FilterLevel) {
        let has = |chain: &str| {
            let leads = |expressions: &Vec<Expression>| {
                expressions
                    .iter()
                    .any(|e| matches!(e, Expression::Verdict(Verdict::Goto(to)) if *to == chain))
            };
            self.rules.iter().any(|(at, expressions)| *at == chain || leads(expressions))
        };
        let chain = |name, hook: Option<Hook>| Chain { name, hook: hook.map(|hook| (hook, level.priority)) };
        let chains = [
            chain("out", Some(Hook::Output)),
            chain("in", Some(Hook::Input)),
            chain("in_link_local", None),
            chain("out_link_local", None),
        ];
        self.chains = chains.into_iter().filter(|chain| has(chain.name)).collect();
    }

    /// The same table with empty sets, except those that never change.
    fn frame(&self) -> Table {
        let mut frame = self.clone();
        for set in frame.sets.iter_mut().filter(|set| !set.constant) {
            set.elements.clear();
        }
        frame
    }
}

fn vmac_map(macs: &BTreeMap<u32, u32>) -> Set {
    let element =
        |(index, below): (&u32, &u32)| (index.to_ne_bytes().to_vec(), Some(below.to_ne_bytes().to_vec()));
    let elements = macs.iter().map(element).collect();
    Set { name: "vmac_map", key: &[Kind::Index], data: Some(Kind::Index), constant: false, elements }
}

fn divert_parts() -> [Expression; 4] {
    [
        Expression::Meta(Meta::OutputKind, 2),
        Expression::Equal(2, name_key("macvlan")),
        Expression::Meta(Meta::OutputIndex, 2),
        Expression::Mapped(2, "vmac_map"),
    ]
}

/// Sends a copy by the interface below.
fn divert() -> impl Iterator<Item = Expression> {
    divert_parts().into_iter().chain([Expression::Duplicate])
}

/// The beginning of an IPv6 address and zeros.
fn prefix(bytes: &[u8]) -> Vec<u8> {
    let mut prefix = bytes.to_vec();
    prefix.resize(16, 0);
    prefix
}

/// The name of an interface, or of a kind of them, as the kernel compares it.
fn name_key(name: &str) -> Vec<u8> {
    let mut key: Vec<u8> = name.bytes().take(15).collect();
    key.resize(16, 0);
    key
}

/// The changes that turn `held` into `wanted`. Where only elements of sets differ, only those change; otherwise the
/// table is replaced in one stroke, so that no packet ever meets half of it.
pub fn plan(held: &Tables, wanted: &Tables) -> Vec<TableChange> {
    let mut changes: Vec<TableChange> =
        held.keys().filter(|key| !wanted.contains_key(*key)).cloned().map(TableChange::Remove).collect();
    for (key, table) in wanted {
        match held.get(key) {
            Some(found) if found == table => {}
            Some(found) if found.frame() == table.frame() => {
                for (old, new) in found.sets.iter().zip(&table.sets).filter(|(old, new)| old != new) {
                    let missing = |from: &Set, other: &Set| {
                        let gone =
                            from.elements.iter().filter(|(key, data)| other.elements.get(*key) != Some(data));
                        gone.map(|(key, data)| (key.clone(), data.clone())).collect()
                    };
                    let (remove, add) = (missing(old, new), missing(new, old));
                    changes.push(TableChange::Elements { table: key.clone(), set: new.name, remove, add });
                }
            }
            _ => changes.push(TableChange::Replace(key.clone())),
        }
    }
    changes
}

impl fmt::Display for TableKey {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let family = match self.family {
            Family::Ip => "ip",
            Family::Ip6 => "ip6",
        };
        write!(out, "{family} {}", self.name)
    }
}

impl FromStr for TableKey {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (family, name) = match text.split_once(' ') {
            Some(("ip", name)) if !name.is_empty() => (Family::Ip, name),
            Some(("ip6", name)) if !name.is_empty() => (Family::Ip6, name),
            _ => return Err(format!("`{text}` is no table; write it like `ip directord`")),
        };
        Ok(Self { family, name: name.to_owned() })
    }
}

#[cfg(test)]
mod tests;
