//! What the addresses of an instance are put on.

use serde::{Deserialize, Serialize};

use super::Network;

/// What the addresses of an instance are put on.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Device {
    /// The interface itself.
    #[default]
    Interface,
    /// `use_vmac`: an interface of its own, with the MAC address of the virtual router.
    Vmac(Box<Vmac>),
    /// `use_ipvlan`: an interface of its own, with the MAC address of the interface.
    Ipvlan(Box<Ipvlan>),
}

/// `use_vmac`, and what goes with it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Vmac {
    /// Its name. `None`: `vmac_prefix` and the VRID.
    pub name: Option<String>,
    /// Another MAC address than the one that the VRID gives: six bytes, or the first five.
    pub mac: Option<Vec<u8>>,
    /// `netlink_notify_msg`.
    pub notify_kernel: bool,
    /// `group`: the number of the interface group.
    pub group: Option<u32>,
    /// `vmac_xmit_base`: adverts are sent by the interface below.
    pub adverts_below: bool,
}

/// `use_ipvlan`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ipvlan {
    /// Its name. `None`: as with `use_vmac`.
    pub name: Option<String>,
    /// Its own address.
    pub address: Option<Network>,
    /// What its like see of each other.
    pub mode: IpvlanMode,
    /// `group`: the number of the interface group.
    pub group: Option<u32>,
}

/// What ipvlan interfaces on one interface see of each other.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum IpvlanMode {
    /// Each other.
    #[default]
    Bridge,
    /// Nothing.
    Private,
    /// What an outside switch sends back.
    Vepa,
}
