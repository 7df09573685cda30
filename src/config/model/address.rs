//! Addresses that are put on interfaces, with what the kernel is told about them.

use std::fmt;
use std::net::IpAddr;

use serde::{Deserialize, Serialize};

/// One line of `virtual_ipaddress`, `virtual_ipaddress_excluded` or `static_ipaddress`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct VirtualAddress {
    /// The address.
    pub address: IpAddr,
    /// Prefix length, by default that of the address alone: /32 or /128.
    pub prefix: u8,
    /// `dev`. `None`: the instance's interface, or `default_interface`.
    pub interface: Option<String>,
    /// `label`, below 16 characters; IPv4 only.
    pub label: Option<String>,
    /// The rest, which few addresses have.
    pub options: Option<Box<AddressOptions>>,
}

/// Rare words of an address.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct AddressOptions {
    /// `brd`; IPv4 only.
    pub broadcast: Option<Broadcast>,
    /// `scope`; IPv4 only. `None`: global.
    pub scope: Option<Id>,
    /// `peer`: the address at the other end.
    pub peer: Option<IpAddr>,
    /// `preferred_lft`. `None`: for ever; for an IPv6 address with /128, zero.
    pub preferred: Option<Lifetime>,
    /// `home` (IPv6).
    pub home: bool,
    /// `-nodad`: do look for duplicates (IPv6).
    pub detect_duplicates: bool,
    /// `mngtmpaddr` (IPv6).
    pub manage_temporary: bool,
    /// `noprefixroute`.
    pub no_prefix_route: bool,
    /// `autojoin`.
    pub auto_join: bool,
    /// `use_vmac`, not in effect yet: on the interface with the virtual MAC address that lies on `dev`.
    pub on_vmac: bool,
    /// `no_track`, `track_group`.
    pub watch: Watch,
}

/// What follows when an address, route or rule is taken away by somebody else.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Watch {
    /// It is put back at once, and told.
    #[default]
    Usual,
    /// `no_track`: nothing.
    Off,
    /// `track_group`: a fault of all instances of that group, if it cannot be put back. For what is static.
    Group(String),
}

/// `brd`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Broadcast {
    /// This address.
    Address(std::net::Ipv4Addr),
    /// `+`: the address with all bits of the host set.
    Ones,
    /// `-`: the address with all bits of the host cleared.
    Zeros,
}

/// `preferred_lft`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Lifetime {
    /// Seconds; 0 means that the address is no source from the beginning.
    Seconds(u32),
    /// `forever`.
    Forever,
}

/// A number that may be given by the name it has in iproute2's tables: a scope, routing table, protocol and the like.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Id {
    /// The number.
    Number(u32),
    /// The name; which number that is, the system knows.
    Name(String),
}

/// An address and the length of its prefix.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Network {
    /// The address; host bits may be set.
    pub address: IpAddr,
    /// Prefix length, 0..=32 or 0..=128.
    pub prefix: u8,
}

impl Network {
    /// The prefix length of an address alone.
    pub fn longest(address: IpAddr) -> u8 {
        if address.is_ipv4() { 32 } else { 128 }
    }
}

impl fmt::Display for Network {
    /// `192.0.2.0/24`; an address alone has no length behind it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.address)?;
        if self.prefix == Self::longest(self.address) { Ok(()) } else { write!(f, "/{}", self.prefix) }
    }
}

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Number(number) => write!(f, "{number}"),
            Self::Name(name) => f.write_str(name),
        }
    }
}
