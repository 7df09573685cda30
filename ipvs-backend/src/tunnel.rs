//! Tunnels to real servers whose packets have a header of their own between the outer and the inner IP header.
//!
//! Linux has GUE since 5.2, GRE and checksums since 5.3; numbers are those of `linux/ip_vs.h`.

use std::fmt;
use std::num::NonZeroU16;

use serde::{Deserialize, Serialize};

/// A tunnel with a header of its own around the packets of a client (`lvs_method TUN type …`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Tunnel {
    /// Generic UDP encapsulation, to this port of the server.
    Gue {
        /// The UDP port, 1 to 65535.
        port: NonZeroU16,
        /// What protects the header.
        checksum: Checksum,
    },
    /// Generic routing encapsulation; [`Checksum::Remote`] does not go with it.
    Gre {
        /// What protects the header.
        checksum: Checksum,
    },
}

/// How the header of a tunnel is protected.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Checksum {
    /// `nocsum`: not at all.
    #[default]
    None,
    /// `csum`: by a sum.
    Plain,
    /// `remcsum`: the far end works the sum out.
    Remote,
}

impl Tunnel {
    /// `IP_VS_CONN_F_TUNNEL_TYPE_…`, the port, and `IP_VS_TUNNEL_ENCAP_FLAG_…`.
    pub(crate) fn numbers(self) -> (u8, u16, u16) {
        match self {
            Self::Gue { port, checksum } => (1, port.get(), checksum.number()),
            Self::Gre { checksum } => (2, 0, checksum.number()),
        }
    }

    /// What the kernel means by these numbers; `None` for plain IP in IP and for kinds of later kernels.
    pub(crate) fn of_numbers(kind: u8, port: u16, flags: u16) -> Option<Self> {
        let checksum = match flags {
            0 => Checksum::None,
            flags if flags & 2 != 0 => Checksum::Remote,
            _ => Checksum::Plain,
        };
        match kind {
            1 => Some(Self::Gue { port: NonZeroU16::new(port)?, checksum }),
            2 => Some(Self::Gre { checksum }),
            _ => None,
        }
    }
}

impl Checksum {
    fn number(self) -> u16 {
        match self {
            Self::None => 0,
            Self::Plain => 1,
            Self::Remote => 2,
        }
    }
}

impl fmt::Display for Tunnel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let checksum = match self {
            Self::Gue { port, checksum } => {
                write!(f, "gue port {port}")?;
                checksum
            }
            Self::Gre { checksum } => {
                f.write_str("gre")?;
                checksum
            }
        };
        f.write_str(match checksum {
            Checksum::None => "",
            Checksum::Plain => " csum",
            Checksum::Remote => " remcsum",
        })
    }
}
