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

mod rules;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::net::{IpAddr, Ipv6Addr};
use std::str::FromStr;

use serde::{Deserialize, Serialize};

pub use rules::tables;

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

impl Table {
    /// The same table with empty sets, except those that never change.
    fn frame(&self) -> Table {
        let mut frame = self.clone();
        for set in frame.sets.iter_mut().filter(|set| !set.constant) {
            set.elements.clear();
        }
        frame
    }
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

/// What keepalived (2.2.7) leaves of its tables: `wanted`, and the other `held` ones without elements. It has all of its
/// tables taken away by one transaction at its end, and that fails as a whole if the kernel refused to make one of them
/// (`refused`) and now does not know it.
pub fn with_what_stays(wanted: &Tables, held: &Tables, refused: &BTreeSet<TableKey>) -> Tables {
    let mut tables = wanted.clone();
    for (key, table) in held {
        if !refused.is_empty() && !refused.contains(key) && *table != Table::default() {
            tables.entry(key.clone()).or_insert_with(|| table.frame());
        }
    }
    tables
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
