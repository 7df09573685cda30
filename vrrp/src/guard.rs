//! Who is believed: adverts with an authentication header (`auth_type AH`) or a signature (`auth_hmac`).
//!
//! A [`Guard`] belongs to one router. It seals what the router sends, and judges the proof that comes with what the
//! router hears, before the router sees it. It remembers what it has heard, so that an advert that was recorded cannot
//! be played again. The time of day is handed in with each advert: seconds since 1970 by this host's clock.
//!
//! Other settings for the same router (a new key beside the old one, say) do not make it forget anything.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::advert::{Advert, ChecksumForm, Parsed};
use crate::auth::AuthKind;
use crate::datagram::Envelope;
use crate::error::AdvertError;
use crate::header::HeaderProof;
use crate::secret::Secret;
use crate::trailer::{Key, Sequence, TRAILER, TrailerProof};

/// Senders by multicast that are remembered; who was silent for longest is forgotten first.
const SENDERS: usize = 4;

/// How adverts are proven.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Protection {
    /// Not at all, or by a password inside them, which the router judges itself.
    #[default]
    None,
    /// `auth_type AH`, with the password.
    Header(Secret),
    /// `auth_hmac`.
    Hmac(HmacSettings),
}

/// `auth_hmac`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HmacSettings {
    /// `key`, by number, 1..=255.
    pub keys: BTreeMap<u8, Secret>,
    /// `active_key`: the one that signs.
    pub active: u8,
    /// `anti_replay`.
    pub replay: Replay,
    /// `mode`.
    pub mode: Mode,
}

/// `anti_replay`: how repeated adverts are told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Replay {
    /// The sender's clock must be within this many seconds of ours (`time_window`, 1..=300), and its sequence grow.
    Time(u16),
    /// The sequence must grow, whatever the clocks say.
    Monotonic,
}

/// `mode`: a signature is introduced step by step.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Mode {
    /// Sign, and drop what is not signed.
    #[default]
    Enforce,
    /// Sign, and accept both.
    Permissive,
    /// Do not sign, and accept both.
    ReceiveOnly,
}

/// What came with an advert to prove it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Proof {
    /// Nothing.
    #[default]
    None,
    /// An authentication header.
    Header(HeaderProof),
    /// A signature.
    Trailer(TrailerProof),
}

/// An advert as it arrived.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reception {
    /// What surrounded it.
    pub envelope: Envelope,
    /// What it says.
    pub advert: Advert,
    /// How its checksum was made.
    pub checksum: ChecksumForm,
    /// What is to prove it.
    pub proof: Proof,
}

impl Reception {
    /// From the payload of a packet of protocol 112, or what stands behind an authentication header.
    ///
    /// # Errors
    /// As [`Advert::read`].
    pub fn read(
        payload: &[u8],
        envelope: Envelope,
        header: Option<HeaderProof>,
    ) -> Result<Reception, AdvertError> {
        let Parsed { advert, checksum, trailer } = Advert::read(payload, &envelope)?;
        let proof = match (header, trailer) {
            (Some(header), _) => Proof::Header(header),
            (None, Some(trailer)) => Proof::Trailer(trailer),
            (None, None) => Proof::None,
        };
        Ok(Reception { envelope, advert, checksum, proof })
    }

    /// Whether the bytes say nothing but what the advert says.
    pub fn is_plain(&self) -> bool {
        self.proof == Proof::None && self.checksum != ChecksumForm::OldUnicast
    }
}

/// What an advert is sealed with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Seal {
    /// An authentication header before it, made for each destination.
    Header {
        /// Its sequence number.
        sequence: u32,
        /// The key.
        password: Secret,
    },
    /// This behind it, the same for all destinations.
    Trailer([u8; TRAILER]),
}

/// An advert that is believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Believed {
    /// Set when the sender's clock has begun to differ by more than half the window: seconds that it is behind ours
    /// (negative: ahead), and the window. Told once until it is better again.
    pub skew: Option<(i64, u16)>,
}

/// Judges and seals the adverts of one router.
#[derive(Debug, Clone, Default)]
pub struct Guard {
    protection: Protection,
    keys: BTreeMap<u8, Key>,
    /// The last sequence that we sent.
    sent: Option<Sequence>,
    /// The last sequence of each sender, and when it was used: unicast peers all, others [`SENDERS`] at most.
    marks: BTreeMap<IpAddr, Mark>,
    uses: u64,
    /// `auth_type AH`: the highest sequence heard or sent, and who was heard with it.
    header: (u32, Option<IpAddr>),
    /// Accepted with a signature or header, and without.
    proven: u64,
    unproven: u64,
}

#[derive(Debug, Clone, Copy)]
struct Mark {
    sequence: Sequence,
    used: u64,
    skewed: bool,
}

impl Guard {
    /// A guard that has heard nothing yet.
    pub fn new(protection: Protection) -> Guard {
        let mut guard = Guard::default();
        guard.configure(protection);
        guard
    }

    /// Other settings; what has been heard stays known.
    pub fn configure(&mut self, protection: Protection) {
        self.keys = match &protection {
            Protection::Hmac(hmac) => hmac.keys.iter().map(|(id, key)| (*id, Key::new(key))).collect(),
            Protection::None | Protection::Header(_) => BTreeMap::new(),
        };
        self.protection = protection;
    }

    /// Adverts accepted, by name, where anything is to be proven.
    pub fn counters(&self) -> impl Iterator<Item = (String, u64)> {
        let counted = [("proven", self.proven), ("unproven", self.unproven)];
        let none = self.protection == Protection::None;
        counted.into_iter().filter(move |_| !none).map(|(name, count)| (name.to_owned(), count))
    }

    /// The seal for an advert that leaves from `source` now.
    pub fn seal(&mut self, advert: &Advert, source: IpAddr, since_1970: Duration) -> Option<Seal> {
        match &self.protection {
            Protection::None => None,
            Protection::Header(password) => {
                self.header = (self.header.0.wrapping_add(1), None);
                Some(Seal::Header { sequence: self.header.0, password: password.clone() })
            }
            Protection::Hmac(HmacSettings { mode: Mode::ReceiveOnly, .. }) => None,
            Protection::Hmac(hmac) => {
                let clock = Sequence::at(since_1970);
                // Ahead by more than the window: the clock was set back, and our peers' clocks are right.
                let astray = |last: Sequence| match hmac.replay {
                    Replay::Time(window) => last.age(since_1970) < -i64::from(window),
                    Replay::Monotonic => false,
                };
                let sequence = match self.sent {
                    Some(last) if !clock.is_after(last) && !astray(last) => last.next(),
                    _ => clock,
                };
                self.sent = Some(sequence);
                let key = self.keys.get(&hmac.active)?;
                Some(Seal::Trailer(key.sign(hmac.active, advert, source, sequence)))
            }
        }
    }

    /// Whether an advert is to be believed.
    ///
    /// # Errors
    /// Why not: one variant for each reason, in the order of draft-cassen-vrrp-auth-hmac.
    pub fn judge(
        &mut self,
        advert: &Advert,
        envelope: &Envelope,
        proof: &Proof,
        since_1970: Duration,
    ) -> Result<Believed, AdvertError> {
        let vrid = advert.vrid;
        let wrong = |expected| AdvertError::WrongAuthentication { vrid, found: advert.auth.kind(), expected };
        match (&self.protection, proof) {
            (Protection::Header(password), Proof::Header(header))
                if advert.auth.kind() == AuthKind::Header =>
            {
                let good = header.holds(password) && IpAddr::V4(header.index) == envelope.source;
                if !good {
                    return Err(AdvertError::WrongHeader { vrid });
                }
                self.judge_sequence(vrid, envelope.source, header.sequence)?;
            }
            (Protection::Header(_), _) => return Err(wrong(AuthKind::Header)),
            (_, Proof::Header(_)) => {
                let found = AuthKind::Header;
                return Err(AdvertError::WrongAuthentication { vrid, found, expected: AuthKind::None });
            }
            (Protection::Hmac(hmac), Proof::Trailer(trailer)) => {
                let replay = hmac.replay;
                let skew = self.judge_trailer(replay, trailer, advert, envelope, since_1970)?;
                self.proven += 1;
                return Ok(Believed { skew });
            }
            (Protection::Hmac(HmacSettings { mode: Mode::Enforce, .. }), Proof::None) => {
                return Err(AdvertError::Unsigned { vrid });
            }
            (Protection::None, Proof::Trailer(_)) => return Err(AdvertError::Signed { vrid }),
            (Protection::Hmac(_) | Protection::None, Proof::None) => {
                self.unproven += 1;
                return Ok(Believed { skew: None });
            }
        }
        self.proven += 1;
        Ok(Believed { skew: None })
    }

    /// All routers of one VRID continue one row of numbers, as keepalived has it: who takes over goes on where the
    /// last master stopped. A number from before is an advert from before; so is the last one of the same sender.
    fn judge_sequence(&mut self, vrid: u8, source: IpAddr, sequence: u32) -> Result<(), AdvertError> {
        if sequence < self.header.0 || self.header == (sequence, Some(source)) {
            return Err(AdvertError::Replayed { vrid });
        }
        self.header = (sequence, Some(source));
        Ok(())
    }

    fn judge_trailer(
        &mut self,
        replay: Replay,
        trailer: &TrailerProof,
        advert: &Advert,
        envelope: &Envelope,
        since_1970: Duration,
    ) -> Result<Option<(i64, u16)>, AdvertError> {
        let vrid = advert.vrid;
        if !trailer.is_well_formed() {
            return Err(AdvertError::MalformedSignature { vrid });
        }
        let age = trailer.sequence.age(since_1970);
        // Before the digest, because it is cheap; a time that is not signed yet only ever speaks against an advert.
        if let Replay::Time(window) = replay
            && age.abs() > i64::from(window)
        {
            return Err(AdvertError::StaleSignature { vrid, age, window });
        }
        let key = self.keys.get(&trailer.key).ok_or(AdvertError::UnknownKey { vrid, key: trailer.key })?;
        if !trailer.holds(key, advert, envelope.source) {
            return Err(AdvertError::WrongSignature { vrid, key: trailer.key });
        }
        let expired = |mark: &Mark| match replay {
            Replay::Time(window) => mark.sequence.age(since_1970).abs() > i64::from(window),
            Replay::Monotonic => false,
        };
        let known = self.marks.get(&envelope.source);
        if known.is_some_and(|mark| !trailer.sequence.is_after(mark.sequence) && !expired(mark)) {
            return Err(AdvertError::Replayed { vrid });
        }
        let was_skewed = known.is_some_and(|mark| mark.skewed);
        let skew = match replay {
            Replay::Time(window) => Some((age, window)).filter(|_| age.abs() > i64::from(window / 2)),
            Replay::Monotonic => None,
        };
        self.uses += 1;
        let mark = Mark { sequence: trailer.sequence, used: self.uses, skewed: skew.is_some() };
        self.marks.insert(envelope.source, mark);
        if envelope.is_multicast() && self.marks.len() > SENDERS {
            let oldest = self.marks.iter().min_by_key(|(_, mark)| mark.used).map(|(source, _)| *source);
            oldest.and_then(|source| self.marks.remove(&source));
        }
        Ok(skew.filter(|_| !was_skewed))
    }
}

#[cfg(test)]
mod tests;
