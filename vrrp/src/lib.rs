//! VRRP versions 2 and 3: packets, election and the router's state machine; sockets behind a feature.

pub mod address;
pub mod advert;
pub mod auth;
mod checksum;
pub mod datagram;
pub mod election;
pub mod error;
#[cfg(feature = "io")]
pub mod io;
pub mod link;
pub mod router;
pub mod settings;
mod stage;
pub mod state;
mod words;

pub use address::{AddressKey, AddressLevel, AddressOperation, AddressReport, AddressSettings, Wanted};
pub use advert::{Advert, GROUP_V4, GROUP_V6, PRIORITY_OWNER, PRIORITY_STOP, PROTOCOL, Version};
pub use auth::{Auth, AuthKind};
pub use datagram::{Envelope, datagram_v4, split_v4};
pub use error::{AdvertError, ErrorKind};
pub use link::{Link, LinkAddress, Links};
pub use router::Router;
pub use settings::{AnnounceSettings, Role, Settings};
pub use state::{Cause, Counters, Fault, Note, NoteKind, Output, Reason, State};
