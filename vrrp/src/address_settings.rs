//! How an address is put on its interface: everything that `ip address add` can say of one.

use std::net::{IpAddr, Ipv4Addr};

use serde::{Deserialize, Serialize};

/// No duplicate address detection (`IFA_F_NODAD` of `<linux/if_addr.h>`).
pub const NO_DETECTION: u32 = 0x02;
/// A mobile node's home address (`IFA_F_HOMEADDRESS`).
pub const HOME: u32 = 0x10;
/// The template for temporary addresses (`IFA_F_MANAGETEMPADDR`).
pub const MANAGE_TEMPORARY: u32 = 0x100;
/// No route to the address's network (`IFA_F_NOPREFIXROUTE`).
pub const NO_PREFIX_ROUTE: u32 = 0x200;
/// Multicast groups are joined at the link layer (`IFA_F_MCAUTOJOIN`).
pub const AUTO_JOIN: u32 = 0x400;

/// How an address is put on its interface.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct AddressSettings {
    /// Length of the network prefix in bits, 0 to 32 or 0 to 128.
    pub prefix: u8,
    /// IPv4 only: the label shown by `ip address` (`IFA_LABEL`), at most 15 bytes. `None` means the interface's name.
    pub label: Option<String>,
    /// What few addresses have.
    #[serde(default)]
    pub details: AddressDetails,
}

/// What few addresses have.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct AddressDetails {
    /// Its turn among the additions of one interface, lowest first: the first address of a subnet is its primary one. It
    /// says nothing of the address itself.
    #[serde(default)]
    pub turn: u64,
    /// IPv4 only: the broadcast address (`IFA_BROADCAST`).
    pub broadcast: Option<Ipv4Addr>,
    /// IPv4 only: the scope (`RT_SCOPE_…` of `<linux/rtnetlink.h>`), 0 for global, 253 for link.
    pub scope: u8,
    /// The address at the other end (`IFA_ADDRESS` where it differs from `IFA_LOCAL`); the prefix length is its.
    pub peer: Option<IpAddr>,
    /// Seconds for which the address is chosen as a source. `None`: for ever; 0: never (deprecated).
    pub preferred: Option<u32>,
    /// [`NO_DETECTION`] and the other flags of this module.
    pub flags: u32,
    /// Whoever takes the address away may do so: it is not put back.
    pub untracked: bool,
}

impl AddressSettings {
    /// The usual settings of a virtual address, alone in its subnet (/32 or /128).
    pub fn host(address: IpAddr) -> Self {
        Self::with_prefix(address, if address.is_ipv4() { 32 } else { 128 })
    }

    /// The usual settings of a virtual address with this prefix length in bits.
    ///
    /// An IPv6 address answers at once, without asking for duplicates first (the peer that held it until now may still
    /// answer), and one alone in its subnet is never chosen as a source (it is deprecated from the start).
    pub fn with_prefix(address: IpAddr, prefix: u8) -> Self {
        let mut details = AddressDetails::default();
        if address.is_ipv6() {
            details.flags = NO_DETECTION;
            details.preferred = (prefix == 128).then_some(0);
        }
        Self { prefix, label: None, details }
    }

    /// Whether two settings of an address on `interface` mean the same to the kernel. A preferred lifetime counts
    /// down, so of two that are neither without end nor over, none is told from the other.
    pub fn same(&self, other: &Self, interface: &str, address: IpAddr) -> bool {
        let label = |settings: &Self| settings.label.clone().filter(|l| address.is_ipv4() && l != interface);
        let lifetime = |settings: &Self| settings.details.preferred.map(|seconds| seconds.min(1));
        let peer = |settings: &Self| settings.details.peer.filter(|peer| *peer != address);
        let (mine, theirs) = (&self.details, &other.details);
        self.prefix == other.prefix
            && label(self) == label(other)
            && lifetime(self) == lifetime(other)
            && peer(self) == peer(other)
            && (mine.broadcast, mine.scope, mine.flags) == (theirs.broadcast, theirs.scope, theirs.flags)
    }
}
