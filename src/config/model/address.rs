//! Addresses that are put on interfaces.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

/// One line of `virtual_ipaddress`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct VirtualAddress {
    /// The address.
    pub address: IpAddr,
    /// Prefix length, /32 (IPv4) by default.
    pub prefix: u8,
    /// `dev`. `None`: the instance's interface.
    pub interface: Option<String>,
    /// `label`, below 16 characters.
    pub label: Option<String>,
}
