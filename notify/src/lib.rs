//! Notices of events and their delivery; electronic mail behind a feature.
//!
//! A [`Notice`] says once, to people, that something happened. [`Outbox`] decides which notice goes out
//! when: in order, bounded, tried again, and never twice the same while the first still waits. Both are
//! free of clocks and sockets. [`hook`] has the words in which programs, not people, are told. The feature `io`, on by default, adds [`email`], which carries a notice to a
//! mail server, and [`deliver`](mod@deliver), the worker that runs the outbox.

mod address;
#[cfg(feature = "io")]
pub mod deliver;
#[cfg(feature = "io")]
pub mod email;
mod error;
pub mod hook;
#[cfg(feature = "io")]
#[cfg(test)]
mod mail_server;
pub mod notice;
pub mod rules;
mod settings;

pub use address::check_address;
#[cfg(feature = "io")]
pub use deliver::{DeliveryReport, NoticeReceiver, Notices, channel, deliver};
#[cfg(feature = "io")]
pub use email::Accepted;
pub use error::DeliveryError;
pub use notice::{About, Heading, Notice, Role, Serving};
pub use rules::{Limits, Outbox};
pub use settings::EmailSettings;
