//! Asking through the director's own table: the way that a client's packets take.

use std::fmt;
use std::net::SocketAddr;

use serde::{Deserialize, Serialize};

/// A check that goes through the kernel's IPVS table (`via_ipvs`). Its packets carry a mark that the table holds a
/// service of its own for, with the one real server behind it; its target is the virtual address.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Via {
    /// The mark.
    pub mark: u32,
    /// The real server itself: asked directly when the answer fails to come, to tell whose fault that is. `None`: there
    /// is no other way to ask.
    pub direct: Option<SocketAddr>,
    /// How packets reach it.
    pub way: Way,
}

/// How IPVS hands packets to a real server.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Way {
    /// Address translation.
    #[default]
    Nat,
    /// Direct routing.
    Dr,
    /// A tunnel.
    Tun,
}

impl fmt::Display for Way {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Way::Nat => "NAT",
            Way::Dr => "DR",
            Way::Tun => "TUN",
        })
    }
}
