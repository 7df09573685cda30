//! VRRP versions 2 and 3: packets, election and the router's state machine; sockets behind a feature.
//!
//! Several machines share a virtual router: a number (the VRID) and some addresses. One of them is
//! master, holds the addresses and says so every interval by an [`Advert`]; the others are backups and
//! listen. When the adverts stop, the best backup takes over.
//!
//! The two types to know are [`Advert`], one packet as a value, and [`Router`], the state machine of one
//! virtual router on one machine. A router does no IO and reads no clock: facts and the present instant
//! go in by its `handle_…` methods, what it wants done comes out of [`Router::poll_output`], and
//! [`Router::poll_timeout`] tells when to wake it. Everything that touches a socket is in `io`, behind
//! the feature of that name.

pub mod address;
pub mod address_settings;
pub mod advert;
pub mod auth;
pub mod beat;
pub mod bfd;
mod checksum;
pub mod custody;
pub mod datagram;
pub mod device;
pub mod election;
pub mod error;
pub mod filter;
pub mod group;
pub mod guard;
pub mod header;
#[cfg(feature = "io")]
pub mod io;
pub mod link;
pub mod marked;
mod pace;
pub mod route;
pub mod router;
pub mod rule;
pub mod secret;
pub mod settings;
mod stage;
pub mod state;
pub mod thing;
pub mod track;
pub mod trailer;
mod words;

pub use address::{AddressKey, AddressLevel, AddressOperation, AddressReport, Wanted};
pub use address_settings::{AddressDetails, AddressSettings};
pub use advert::{
    Advert, ChecksumForm, GROUP_V4, GROUP_V6, PRIORITY_OWNER, PRIORITY_STOP, PROTOCOL, Version,
};
pub use auth::{Auth, AuthKind};
pub use beat::Beat;
pub use custody::{Custody, Loss};
pub use datagram::{Envelope, datagram_v4, sender_v4, split_v4};
pub use device::{Device, DeviceKind, DeviceLevel, IpvlanFlag};
pub use error::{AdvertError, ErrorKind};
pub use filter::FilterLevel;
pub use guard::{Guard, HmacSettings, Mode, Proof, Protection, Reception, Replay, Seal};
pub use header::{PROTOCOL_HEADER, header_datagram_v4, split_header_v4};
pub use link::{Link, LinkAddress, Links};
pub use route::{RouteKey, RouteLevel, RouteSettings};
pub use router::Router;
pub use rule::{RuleKey, RuleLevel, RuleSettings};
pub use secret::Secret;
pub use settings::{AnnounceSettings, Role, Settings};
pub use state::{Cause, Counters, Fault, Note, NoteKind, Output, Reason, State};
pub use thing::{NetworkLevel, Thing};
pub use track::Weight;
