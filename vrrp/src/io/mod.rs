//! The adapters between VRRP and the Linux kernel.
//!
//! Everything here is synchronous and cheap: a call does its few system calls and returns; nothing waits for the
//! network. Sockets expose their file descriptor, so that a runtime can tell when to call.
//!
//! - [`Socket`] and [`SocketV6`] send and receive adverts (raw IP, protocol 112);
//! - [`Announcer`] tells the neighbours who holds an address now (gratuitous ARP, unsolicited neighbour advertisement);
//! - [`BfdListener`] and [`BfdSpeaker`] hear and speak to watched neighbours (UDP);
//! - [`LinkMonitor`] keeps the picture of the host's interfaces up to date; [`CarrierProbe`] asks a driver;
//! - [`AddressTable`] puts addresses on interfaces and takes them off again;
//! - [`DeviceTable`] makes the interfaces that virtual routers bring along (macvlan, ipvlan).
//! - [`RouteTable`] and [`RuleTable`] do the same with routes and routing rules;
//! - [`TableWatch`] hears when somebody else takes away what they made.
//!
//! Opening [`Socket`], [`SocketV6`] and [`Announcer`] needs the capability `CAP_NET_RAW`; changing addresses needs `CAP_NET_ADMIN`.
//! An error whose `kind()` is [`PermissionDenied`](std::io::ErrorKind::PermissionDenied) means that it is missing, and
//! its text names it.

mod address;
mod announce;
mod bfd;
mod carrier;
mod device;
mod filter;
mod link;
mod marked;
mod netlink;
mod route;
mod route_message;
mod rule;
mod sieve;
mod socket;
mod socket_v6;
mod switch;
mod watch;
mod wire;

use std::io;

pub use address::{ADDRESS_PROTOCOL, AddressTable};
pub use announce::{Announcer, gratuitous_arp_frame, unsolicited_advertisement_frame};
pub use bfd::{BfdArrival, BfdListener, BfdSpeaker};
pub use carrier::{CarrierProbe, CarrierQuery};
pub use device::{DeviceReport, DeviceTable};
pub use filter::{FilterError, FilterTable};
pub use link::LinkMonitor;
pub use route::RouteTable;
pub use rule::RuleTable;
pub use socket::{Arrival, Socket};
pub use socket_v6::{ArrivalV6, SocketV6};
pub use watch::{Rumour, TableWatch};

/// Says in an error's text which step failed, keeping its kind, and names the capability that a refusal asks for.
fn at_step(step: impl std::fmt::Display, capability: &str, error: io::Error) -> io::Error {
    let text = match error.kind() {
        io::ErrorKind::PermissionDenied => format!("{step}: {error}: the process needs {capability}"),
        _ => format!("{step}: {error}"),
    };
    io::Error::new(error.kind(), text)
}
