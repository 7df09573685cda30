//! `auth_hmac`: adverts with a signature.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use vrrp::{HmacSettings, Mode, Replay, Secret};

/// `auth_hmac`.
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
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum HmacKey {
    /// 32 to 64 bytes.
    Bytes(Secret),
    /// `file:`: a file that holds it, and what it held when the configuration was read.
    File(String, Option<Secret>),
}

impl HmacKey {
    /// The key itself, where it is known.
    pub fn bytes(&self) -> Option<&Secret> {
        match self {
            Self::Bytes(bytes) => Some(bytes),
            Self::File(_, bytes) => bytes.as_ref(),
        }
    }
}

impl Hmac {
    /// What it means for a router with this `advert_int`.
    pub fn settings(&self, interval: Duration) -> HmacSettings {
        let keys = self.keys.iter().filter_map(|(id, key)| Some((*id, key.bytes()?.clone())));
        let usual = u16::try_from((interval * 3).as_secs_f64().ceil() as u64).unwrap_or(u16::MAX).max(5);
        HmacSettings {
            keys: keys.collect(),
            active: self.active,
            replay: match self.monotonic {
                true => Replay::Monotonic,
                false => Replay::Time(self.window.unwrap_or(usual)),
            },
            mode: match self.mode {
                HmacMode::Enforce => Mode::Enforce,
                HmacMode::Permissive => Mode::Permissive,
                HmacMode::ReceiveOnly => Mode::ReceiveOnly,
            },
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
