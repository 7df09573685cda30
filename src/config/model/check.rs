//! Checks without a probe, as the daemon uses them or will.
//!
//! Those that are made over the network are [`healthcheck::Check`]s of a kind that has a probe. The same type holds what
//! will be asked once there is a probe for it; commands, files and BFD neighbours have types of their own. Of these only
//! BFD neighbours are in effect yet.

use std::fmt;
use std::time::Duration;

use healthcheck::Schedule;
use serde::{Deserialize, Serialize};

use super::Command;

/// A check without a probe: the server counts as up without it, but for a [`BfdCheck`], which is in effect.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum PlannedCheck {
    /// A question over the network, of a kind without a probe.
    Network(healthcheck::Check),
    /// `MISC_CHECK`.
    Command(CommandCheck),
    /// `FILE_CHECK`.
    File(FileCheck),
    /// `BFD_CHECK`.
    Bfd(BfdCheck),
}

impl fmt::Display for PlannedCheck {
    /// The keyword of the check.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Network(check) => check.kind.fmt(f),
            Self::Command(_) => f.write_str("MISC_CHECK"),
            Self::File(_) => f.write_str("FILE_CHECK"),
            Self::Bfd(_) => f.write_str("BFD_CHECK"),
        }
    }
}

/// `MISC_CHECK`: a command must succeed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CommandCheck {
    /// The command (`misc_path`), and who runs it (`user`).
    pub command: Command,
    /// How long it may take (`misc_timeout`); `None`: as long as `delay_loop`.
    pub timeout: Option<Duration>,
    /// Whether its exit status sets the weight: 2 to 255 mean a weight of two less (`misc_dynamic`).
    pub dynamic: bool,
    /// How often it is run.
    pub schedule: Schedule,
    /// Whether each failed run is logged; `None`: as `checker_log_all_failures` says.
    pub log_all_failures: Option<bool>,
}

impl CommandCheck {
    /// keepalived's rhythm for commands, where `interval` is all that is said: no second chance.
    pub fn usual_schedule(interval: Duration) -> Schedule {
        Schedule { interval, retry: 0, ..Schedule::default() }
    }
}

/// `FILE_CHECK`: the number in a file changes the weight.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileCheck {
    /// The name of a `track_file`.
    pub track_file: String,
    /// What the number is multiplied by; `None`: the file's own weight.
    pub weight: Option<FileWeight>,
}

/// `weight` of a `FILE_CHECK`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileWeight {
    /// The factor.
    pub factor: i32,
    /// `reverse`: the sign of the product is turned.
    pub reverse: bool,
}

/// `BFD_CHECK`: a neighbour must be up.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BfdCheck {
    /// The name of a `bfd_instance`.
    pub name: String,
    /// Whether the server counts as down until the neighbour has been seen up.
    pub alpha: bool,
}

/// `SSL`: what checks with TLS show of us, and whom they trust.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TlsFiles {
    /// `password` of the key.
    pub password: Option<String>,
    /// `ca`: a file with the authorities that are trusted.
    pub ca: Option<String>,
    /// `certificate`: a file with our own.
    pub certificate: Option<String>,
    /// `key`: a file with its key.
    pub key: Option<String>,
}
