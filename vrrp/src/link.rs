//! What the router knows about the host's network interfaces.
//!
//! A director leads an interface's routers only while that interface is up, and it signs its adverts with the
//! interface's own address and hardware address. [`Links`] is the whole picture at one moment, a plain value:
//! the kernel is asked by `io::link`, everybody else only compares and reads.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use serde::{Deserialize, Serialize};

/// Every interface of this network namespace, by name.
pub type Links = BTreeMap<String, Link>;

/// One network interface as the kernel describes it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Link {
    /// The kernel's interface index, from 1. An interface that is deleted and made again gets another one.
    pub index: u32,
    /// Switched on by the operator *and* able to carry packets (`IFF_UP` and `IFF_RUNNING`, `netdevice(7)`).
    pub up: bool,
    /// A loopback interface (`IFF_LOOPBACK`): nobody else hears what is said there.
    pub loopback: bool,
    /// The Ethernet hardware address; `None` for interfaces without one (tunnels, point-to-point).
    pub mac: Option<[u8; 6]>,
    /// The addresses in the kernel's own order, IPv4 before IPv6.
    pub addresses: Vec<LinkAddress>,
    /// The routing table, if this is a routing domain (VRF).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub table: Option<u32>,
}

/// One address on an interface.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LinkAddress {
    /// The host's own address (`IFA_LOCAL`).
    pub address: IpAddr,
    /// Length of the network prefix in bits, 0 to 32 or 0 to 128.
    pub prefix: u8,
    /// IPv4: another address of the same subnet came first (`IFA_F_SECONDARY`), so the kernel does not choose this
    /// one as a source. IPv6: a temporary address, which carries the same flag.
    pub secondary: bool,
}

impl Link {
    /// The IPv4 address to send adverts from: the first primary address of the interface that is not in
    /// `exclude`, the set of virtual addresses (RFC 9568 section 5.1.1.1 wants the primary address of the
    /// interface, and a virtual address may sit on the same interface as a primary one of its own /32 subnet).
    pub fn source_v4(&self, exclude: &BTreeSet<IpAddr>) -> Option<Ipv4Addr> {
        self.candidates(exclude).find_map(|address| match address {
            IpAddr::V4(address) => Some(address),
            IpAddr::V6(_) => None,
        })
    }

    /// The IPv6 address to send adverts from: the first link-local address that is not in `exclude`
    /// (RFC 9568 section 5.1.2.1).
    pub fn source_v6(&self, exclude: &BTreeSet<IpAddr>) -> Option<Ipv6Addr> {
        self.candidates(exclude).find_map(|address| match address {
            IpAddr::V6(address) if address.is_unicast_link_local() => Some(address),
            _ => None,
        })
    }

    /// Its first link-local IPv6 address that is not in `exclude`, with the length of the prefix.
    pub fn link_local(&self, exclude: &BTreeSet<IpAddr>) -> Option<(IpAddr, u8)> {
        let source = IpAddr::V6(self.source_v6(exclude)?);
        let held = self.addresses.iter().find(|held| held.address == source)?;
        Some((held.address, held.prefix))
    }

    /// Whether adverts can go on coming from `address`: it is here and not in `exclude`.
    pub fn offers(&self, address: IpAddr, exclude: &BTreeSet<IpAddr>) -> bool {
        self.candidates(exclude).any(|found| found == address)
    }

    /// Whether the interface holds `address`, with whatever prefix.
    pub fn holds(&self, address: IpAddr) -> bool {
        self.addresses.iter().any(|held| held.address == address)
    }

    fn candidates(&self, exclude: &BTreeSet<IpAddr>) -> impl Iterator<Item = IpAddr> {
        self.addresses
            .iter()
            .filter(|held| !held.secondary && !exclude.contains(&held.address))
            .map(|held| held.address)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn held(address: &str, prefix: u8, secondary: bool) -> LinkAddress {
        LinkAddress { address: address.parse().unwrap(), prefix, secondary }
    }

    fn link(addresses: Vec<LinkAddress>) -> Link {
        Link { index: 2, up: true, loopback: false, mac: Some([2, 0, 0, 0, 0, 1]), addresses, table: None }
    }

    fn set(addresses: &[&str]) -> BTreeSet<IpAddr> {
        addresses.iter().map(|address| address.parse().unwrap()).collect()
    }

    #[test]
    fn source_is_the_first_primary_address_that_is_not_virtual() {
        let eth0 = link(vec![
            held("192.0.2.100", 32, false),
            held("192.0.2.9", 24, true),
            held("192.0.2.1", 24, false),
            held("198.51.100.1", 24, false),
            held("2001:db8::1", 64, false),
            held("fe80::1", 64, false),
        ]);
        assert_eq!(eth0.source_v4(&set(&["192.0.2.100"])), Some(Ipv4Addr::new(192, 0, 2, 1)));
        assert_eq!(eth0.source_v4(&set(&[])), Some(Ipv4Addr::new(192, 0, 2, 100)));
        assert_eq!(eth0.source_v6(&set(&[])), Some("fe80::1".parse().unwrap()));
        assert_eq!(eth0.source_v6(&set(&["fe80::1"])), None);
        assert!(eth0.offers("198.51.100.1".parse().unwrap(), &set(&[])));
        assert!(!eth0.offers("198.51.100.1".parse().unwrap(), &set(&["198.51.100.1"])));
        assert!(eth0.holds("192.0.2.9".parse().unwrap()));
        assert!(!eth0.holds("192.0.2.10".parse().unwrap()));
    }

    #[test]
    fn no_source_without_an_own_address() {
        assert_eq!(link(vec![held("192.0.2.100", 32, false)]).source_v4(&set(&["192.0.2.100"])), None);
        assert_eq!(link(vec![]).source_v4(&set(&[])), None);
    }
}
