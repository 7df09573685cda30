//! The interfaces that a virtual router brings along, and what must change to have them.
//!
//! A virtual router may have a hardware address of its own (RFC 9568 section 7.3). Linux gives it one by a macvlan: a
//! second interface on top of a real one, with its own MAC address, on which the virtual addresses are put and by
//! which the adverts leave (`use_vmac`). Where a network allows one MAC address per port only, an ipvlan keeps that of
//! the interface below (`use_ipvlan`). Both are a *level*: the director says which of them there shall be, [`plan`]
//! compares that with what the kernel holds, `io::device` carries the operations out.
//!
//! Such an interface lives on the same link as the one below it, so the kernel's habit of answering for every address
//! by every interface would give the virtual MAC address away (or the real one). [`settings`] names the switches of
//! the kernel that keep the two apart.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// The interfaces that shall be there, by name.
pub type DeviceLevel = BTreeMap<String, Device>;

/// Every interface of the host as it is, by name.
pub type HeldDevices = BTreeMap<String, HeldDevice>;

/// One interface that a virtual router brings along.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Device {
    /// Name of the interface that it lies on.
    pub parent: String,
    /// What it is.
    pub kind: DeviceKind,
    /// `group`: the number of its interface group. `None`: whatever the kernel gives it.
    pub group: Option<u32>,
    /// `netlink_notify_msg`: have the kernel tell everybody about the interface below once this one is there. Some
    /// kinds do not say by themselves that they now take in packets for other MAC addresses.
    pub notify: bool,
    /// Whether IPv4 addresses will be put on it.
    pub ipv4: bool,
    /// Whether IPv6 addresses will be put on it; otherwise IPv6 is switched off there.
    pub ipv6: bool,
    /// Its own addresses, with the length of their prefix in bits: there in every state, never chosen as a source by
    /// the kernel. Over IPv6 adverts carry the link-local address of the interface below, and must find it here.
    pub addresses: BTreeSet<(IpAddr, u8)>,
}

/// What an interface is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum DeviceKind {
    /// A macvlan in private mode with this MAC address: routers on one interface do not hear each other.
    Macvlan([u8; 6]),
    /// An ipvlan in layer 2 mode.
    Ipvlan(IpvlanFlag),
}

/// What ipvlan interfaces on one interface see of each other (`IFLA_IPVLAN_FLAGS`, `<linux/if_link.h>`).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum IpvlanFlag {
    /// Each other.
    #[default]
    Bridge,
    /// Nothing.
    Private,
    /// What an outside switch sends back.
    Vepa,
}

/// An interface as the kernel describes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeldDevice {
    /// Its index.
    pub index: u32,
    /// Switched on (`IFF_UP`), whether or not it can carry packets now.
    pub up: bool,
    /// Index of the interface below.
    pub parent: Option<u32>,
    /// Its hardware address.
    pub mac: Option<[u8; 6]>,
    /// Its interface group; 0 by default.
    pub group: u32,
    /// What it is, as far as that can be one of ours; the MAC address is not looked at.
    pub form: Form,
}

/// What kind of interface the kernel holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// A macvlan in private mode.
    PrivateMacvlan,
    /// An ipvlan in layer 2 mode.
    Ipvlan(IpvlanFlag),
    /// Anything else.
    Other,
}

/// One change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DeviceOperation {
    /// Take the interface away.
    Remove {
        /// Its name.
        name: String,
    },
    /// Make it, switched off.
    Create {
        /// Its name.
        name: String,
        /// Index of the interface below.
        parent: u32,
    },
    /// Give it the wanted MAC address and group again, which somebody changed.
    Mend {
        /// Its name.
        name: String,
    },
    /// Switch it on.
    Raise {
        /// Its name.
        name: String,
    },
    /// Nothing can be done: somebody else's interface has the name.
    Refuse {
        /// The name.
        name: String,
    },
}

/// The operations that turn what is `held` into what is `wanted`, removals first. `ours` are the names of the
/// interfaces that this program (or its predecessor that crashed) made: only those are ever taken away.
///
/// An interface whose parent is missing is left alone until that comes: the kernel removes it with its parent.
pub fn plan(held: &HeldDevices, wanted: &DeviceLevel, ours: &BTreeSet<String>) -> Vec<DeviceOperation> {
    let mut removals = Vec::new();
    let mut others = Vec::new();
    for name in ours.iter().filter(|name| held.contains_key(*name) && !wanted.contains_key(*name)) {
        removals.push(DeviceOperation::Remove { name: name.clone() });
    }
    for (name, device) in wanted {
        let Some(parent) = held.get(&device.parent).map(|parent| parent.index) else { continue };
        let name = name.clone();
        let Some(found) = held.get(&name) else {
            others.push(DeviceOperation::Create { name: name.clone(), parent });
            others.push(DeviceOperation::Raise { name });
            continue;
        };
        let fits = found.parent == Some(parent) && device.kind.has_form(found.form);
        let same_mac = device.kind.mac().is_none_or(|mac| found.mac == Some(mac));
        let is_ours = ours.contains(&name);
        if !(fits && (same_mac || is_ours)) {
            if is_ours {
                removals.push(DeviceOperation::Remove { name: name.clone() });
                others.push(DeviceOperation::Create { name: name.clone(), parent });
                others.push(DeviceOperation::Raise { name });
            } else {
                others.push(DeviceOperation::Refuse { name });
            }
            continue;
        }
        if !same_mac || device.group.is_some_and(|group| group != found.group) {
            others.push(DeviceOperation::Mend { name: name.clone() });
        }
        if !found.up {
            others.push(DeviceOperation::Raise { name });
        }
    }
    removals.extend(others);
    removals
}

impl DeviceKind {
    /// The MAC address of a virtual router: 00:00:5e:00:01 and the VRID for IPv4, 00:00:5e:00:02 and the VRID for IPv6
    /// (RFC 9568 section 7.3), or the one that the operator gave: six bytes, or five with the VRID behind them.
    pub fn macvlan(vrid: u8, ipv6: bool, given: Option<&[u8]>) -> Self {
        let usual = [0x00, 0x00, 0x5e, 0x00, if ipv6 { 2 } else { 1 }, vrid];
        Self::Macvlan(match given {
            Some(&[a, b, c, d, e, f]) => [a, b, c, d, e, f],
            Some(&[a, b, c, d, e]) => [a, b, c, d, e, vrid],
            _ => usual,
        })
    }

    /// The MAC address, if it has its own.
    pub fn mac(self) -> Option<[u8; 6]> {
        match self {
            Self::Macvlan(mac) => Some(mac),
            Self::Ipvlan(_) => None,
        }
    }

    fn has_form(self, form: Form) -> bool {
        match self {
            Self::Macvlan(_) => form == Form::PrivateMacvlan,
            // The flag is the kernel's one for all on the same interface: who comes last sets it.
            Self::Ipvlan(_) => matches!(form, Form::Ipvlan(_)),
        }
    }
}

/// How far the kernel is set for the interfaces of ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Manner {
    /// Whatever is needed, and all of it is put back.
    Thorough,
    /// What keepalived sets, and what it leaves behind.
    AsKeepalived,
}

/// One switch of the kernel: a file below `/proc/sys/net`. Written as its path there, with `value` behind it when the
/// value it had is remembered.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Switch {
    /// For example `ipv4/conf/eth0/arp_ignore`.
    pub path: String,
    /// What it shall be, or what it was.
    pub value: String,
}

/// The switches that an interface of ours needs, as the path below `/proc/sys/net` and the value.
///
/// For IPv4 (`ip-sysctl` of the kernel's documentation): an interface answers ARP for its own addresses only
/// (`arp_ignore`, on both), the one below only for what it would use itself (`arp_filter`); what comes from an address
/// of this host, or over the other of the two, is not thrown away (`accept_local`, `rp_filter`).
///
/// [`Manner::Thorough`]: the interface below asks for its neighbours in its own name only (`arp_announce`). Otherwise,
/// when this host answers from a virtual address and has to ask for the neighbour first, it asks by the interface below
/// in the name of the virtual address, and the neighbour learns the wrong MAC address. keepalived leaves it at that.
pub fn settings(name: &str, device: &Device, manner: Manner) -> BTreeMap<String, String> {
    let mut settings = BTreeMap::new();
    let mut set = |family: &str, interface: &str, key: &str, value: u8| {
        settings.insert(format!("{family}/conf/{interface}/{key}"), value.to_string());
    };
    set("ipv6", name, "disable_ipv6", u8::from(!device.ipv6));
    if device.ipv4 && device.kind.mac().is_some() {
        set("ipv4", name, "rp_filter", 0);
        set("ipv4", name, "arp_ignore", 1);
        set("ipv4", name, "accept_local", 1);
        set("ipv4", name, "promote_secondaries", 1);
        set("ipv4", &device.parent, "arp_ignore", 1);
        set("ipv4", &device.parent, "arp_filter", 1);
        if manner == Manner::Thorough {
            set("ipv4", &device.parent, "arp_announce", 2);
        }
    }
    settings
}

impl Manner {
    /// Whether a switch is left as it was set once nobody needs it any more: keepalived (2.2.7) does not put back how an
    /// interface answers ARP, only `rp_filter`.
    pub fn leaves(self, path: &str) -> bool {
        self == Self::AsKeepalived && (path.ends_with("/arp_ignore") || path.ends_with("/arp_filter"))
    }
}

/// What must be written so that `rp_filter` of single interfaces counts: the kernel uses the larger one of an
/// interface's value and that of `all`. The others get what `all` said, so that nothing changes for them.
///
/// `now` holds the value of each interface, of `all` and of `default`; `spared` are the interfaces that need none.
pub fn reverse_path_filter(now: &BTreeMap<String, u8>, spared: &BTreeSet<String>) -> BTreeMap<String, u8> {
    let Some(all) = now.get("all").copied().filter(|all| *all > 0) else { return BTreeMap::new() };
    let raised = now.iter().filter(|(name, value)| {
        **value < all && !spared.contains(*name) && !matches!(name.as_str(), "all" | "lo")
    });
    raised.map(|(name, _)| (name.clone(), all)).chain([("all".to_owned(), 0)]).collect()
}

impl fmt::Display for Switch {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{} {}", self.path, self.value)
    }
}

impl FromStr for Switch {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let is_path = |path: &str| {
            path.starts_with("ipv") && path.split('/').all(|part| !matches!(part, "" | "." | ".."))
        };
        match text.split_once(' ') {
            Some((path, value)) if is_path(path) && !value.is_empty() => {
                Ok(Self { path: path.to_owned(), value: value.to_owned() })
            }
            _ => Err(format!(
                "`{text}` is no switch of the kernel; write it like `ipv4/conf/eth0/arp_ignore 0`"
            )),
        }
    }
}

#[cfg(test)]
mod tests;
