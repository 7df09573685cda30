//! Health checks of real servers: attempts, verdicts and when to try again; probes behind a feature.
//!
//! Three things are kept apart. An *attempt* asks a server once and tells what came of it ([`Outcome`]);
//! it never repeats itself. A *verdict* counts outcomes and flips between up and down ([`verdict::Tally`]).
//! What a flip means for weights and pools is *decided* elsewhere, by the owner of the [`Monitor`].
//!
//! The types to know are [`Check`] (what to ask, of whom, how often) and [`Monitor`] (when to ask, and
//! what is believed so far). Both are free of clocks and sockets. The feature `io`, on by default, adds
//! [`probe::attempt`], which carries one attempt out.

pub mod dialogue;
mod error;
pub mod history;
pub mod json;
pub mod monitor;
pub mod outcome;
#[cfg(feature = "io")]
pub mod probe;
mod search;
pub mod spec;
pub mod verdict;
pub mod warning;

pub use error::Error;
pub use history::History;
pub use monitor::{Monitor, Output, Reason};
pub use outcome::{Failure, FailureKind, Outcome};
pub use search::Search;
pub use spec::{
    Assertion, BasicLogin, Check, Dialogue, Dns, Encryption, Expect, Ftp, Grpc, Header, Http, HttpVersion,
    Kind, Latency, Ldap, Login, MaskedByte, Method, Oracle, Password, Pattern, PatternOption, Program,
    Protocol, ProxyHeader, Radius, RecordType, Relation, Schedule, Secret, Sip, Smtp, Sni, Sql, StatusRange,
    StatusRanges, Text, Tls, TlsFiles, Transport, Udp, Url, Via, Way,
};
pub use verdict::Verdict;
pub use warning::{Aside, Concern, Warning};
