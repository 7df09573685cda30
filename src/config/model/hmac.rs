//! `auth_hmac`: adverts with a signature.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

/// `auth_hmac`. Not in effect yet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hmac {
    /// `key`: by number, 1..=255; at least one.
    pub keys: BTreeMap<u8, HmacKey>,
    /// `active_key`: the one that we sign with, one of those.
    pub active: u8,
    /// `anti_replay monotonic`: sequence numbers only ever grow; else they follow the clock.
    pub monotonic: bool,
    /// `time_window`, 1..=300 s: how old an advert may be. `None`: three intervals, at least 5 s.
    pub window: Option<u16>,
    /// `mode`.
    pub mode: HmacMode,
}

/// A key, or where it is.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum HmacKey {
    /// 32 to 64 bytes.
    Bytes(Vec<u8>),
    /// `file:`: a file that holds it.
    File(String),
}

impl fmt::Debug for HmacKey {
    /// Keys do not belong into logs.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bytes(_) => f.write_str("Bytes(…)"),
            Self::File(path) => write!(f, "File({path:?})"),
        }
    }
}

/// `mode`: a signature is introduced step by step.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum HmacMode {
    /// Sign, and drop what is not signed.
    #[default]
    Enforce,
    /// Sign, and accept both.
    Permissive,
    /// Do not sign, and accept both.
    ReceiveOnly,
}
