//! Checks that ask nobody, as the daemon uses them: what they look at is known anyway, or watched.
//!
//! All others are [`healthcheck::Check`]s.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A check without attempts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum PlannedCheck {
    /// `FILE_CHECK`.
    File(FileCheck),
    /// `BFD_CHECK`.
    Bfd(BfdCheck),
}

impl fmt::Display for PlannedCheck {
    /// The keyword of the check.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(_) => f.write_str("FILE_CHECK"),
            Self::Bfd(_) => f.write_str("BFD_CHECK"),
        }
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
    /// `verify`: whether certificates of servers must be valid; `None`: as checks do by default.
    pub verify: Option<bool>,
    /// `expiry_days`: how many days before the end of a certificate a warning is due; `None`: never.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expiry_days: Option<u32>,
    /// `password` of the key. Not in effect yet.
    pub password: Option<String>,
    /// `ca`: a file with the authorities that are trusted.
    pub ca: Option<String>,
    /// `certificate`: a file with our own.
    pub certificate: Option<String>,
    /// `key`: a file with its key.
    pub key: Option<String>,
}

impl TlsFiles {
    /// What checks need of it.
    pub fn of_checks(&self) -> Option<healthcheck::TlsFiles> {
        let TlsFiles { ca, certificate, key, .. } = self.clone();
        let files = healthcheck::TlsFiles { ca, certificate, key };
        (files != healthcheck::TlsFiles::default()).then_some(files)
    }
}
