//! What can be wrong with an advert.
//!
//! An error keeps the VRID wherever it had been read before the fault was found, so that the right
//! router can count it; [`ErrorKind`] is the key of those counters.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::advert::Version;
use crate::auth::AuthKind;

/// Why an advert was not accepted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Error)]
pub enum AdvertError {
    /// The packet ends before the fields that every advert has.
    #[error("packet of {found} bytes, at least {expected} expected")]
    Truncated {
        /// Bytes there are.
        found: usize,
        /// Bytes there must be.
        expected: usize,
    },
    /// What surrounds the advert is not an IPv4 packet of protocol 112.
    #[error("not an IPv4 packet of protocol 112: version {version}, protocol {protocol}")]
    NotVrrp {
        /// IP version found.
        version: u8,
        /// IP protocol found.
        protocol: u8,
    },
    /// The version is none that VRRP has, or not one the family allows.
    #[error("VRRP version {found}; 2 and 3 exist, and IPv6 needs 3")]
    UnknownVersion {
        /// VRID of the packet.
        vrid: u8,
        /// Version found.
        found: u8,
    },
    /// A VRRP packet that is not an advert.
    #[error("VRRP packet type {found}, only 1 (advertisement) exists")]
    UnknownType {
        /// VRID of the packet.
        vrid: u8,
        /// Type found.
        found: u8,
    },
    /// VRID 0 is reserved.
    #[error("VRID 0 is not allowed, 1 to 255 expected")]
    ZeroVrid,
    /// The packet has another length than its address count asks for.
    #[error("{count} addresses need {expected} bytes, the packet has {found}")]
    AddressCount {
        /// VRID of the packet.
        vrid: u8,
        /// Number of addresses promised.
        count: u8,
        /// Bytes there are.
        found: usize,
        /// Bytes there must be.
        expected: usize,
    },
    /// The checksum is wrong in every form that is in use.
    #[error("checksum {found:#06x}, {expected:#06x} expected")]
    Checksum {
        /// VRID of the packet.
        vrid: u8,
        /// Checksum found.
        found: u16,
        /// Checksum in the form that we would send.
        expected: u16,
    },
    /// An authentication type that is not known.
    #[error("authentication type {found}; 0 (none), 1 (password) and 2 (header) are known")]
    UnknownAuthentication {
        /// VRID of the packet.
        vrid: u8,
        /// Type found.
        found: u8,
    },
    /// An advert interval of zero would make every backup a master.
    #[error("advert interval 0 is not allowed")]
    ZeroInterval {
        /// VRID of the packet.
        vrid: u8,
    },
    /// The advert is for another virtual router than the one that was asked.
    #[error("VRID {found}, {expected} expected")]
    WrongVrid {
        /// VRID found.
        found: u8,
        /// VRID of this router.
        expected: u8,
    },
    /// The sender speaks another version than this router is configured for.
    #[error("{found:?} advert, {expected:?} expected: give both routers the same version")]
    WrongVersion {
        /// VRID of the packet.
        vrid: u8,
        /// Version found.
        found: Version,
        /// Version of this router.
        expected: Version,
    },
    /// A multicast advert that has crossed a router (RFC 9568, 5.1.1.3).
    #[error("TTL {found}, 255 expected: the advert does not come from this link")]
    WrongTtl {
        /// VRID of the packet.
        vrid: u8,
        /// TTL or hop limit found.
        found: u8,
    },
    /// A unicast advert from further away, or nearer, than that peer's adverts are to come from.
    #[error(
        "TTL {found}, {min} to {max} expected: give this peer `min_ttl` or `max_ttl` if it is that far away"
    )]
    PeerTtl {
        /// VRID of the packet.
        vrid: u8,
        /// TTL or hop limit found.
        found: u8,
        /// The least allowed.
        min: u8,
        /// The most allowed.
        max: u8,
    },
    /// The checksum of keepalived before 1.3.7, where `old_unicast_checksum never` forbids it.
    #[error("checksum as keepalived before 1.3.7 made it, which `old_unicast_checksum never` forbids")]
    OldChecksum {
        /// VRID of the packet.
        vrid: u8,
    },
    /// The check value of the authentication header is not what our password gives.
    #[error("wrong check value in the authentication header: give both routers the same auth_pass")]
    WrongHeader {
        /// VRID of the packet.
        vrid: u8,
    },
    /// A signature, and no `auth_hmac` here.
    #[error("the advert is signed: configure the same auth_hmac here (mode receive-only to begin with)")]
    Signed {
        /// VRID of the packet.
        vrid: u8,
    },
    /// No signature, and `mode enforce` here.
    #[error(
        "the advert is not signed: configure the same auth_hmac on the sender, or `mode permissive` here"
    )]
    Unsigned {
        /// VRID of the packet.
        vrid: u8,
    },
    /// A signature of a kind that is not known.
    #[error("a signature of an unknown kind; HMAC-SHA256 (1) is known")]
    MalformedSignature {
        /// VRID of the packet.
        vrid: u8,
    },
    /// A signature from another time.
    #[error("signed {age} s ago by the sender's clock, {window} s at most are allowed: set both clocks")]
    StaleSignature {
        /// VRID of the packet.
        vrid: u8,
        /// Seconds; negative when the sender's clock is ahead of ours.
        age: i64,
        /// `time_window`, seconds.
        window: u16,
    },
    /// A signature by a key that is not here.
    #[error("signed with key {key}, which is not in `auth_hmac` here")]
    UnknownKey {
        /// VRID of the packet.
        vrid: u8,
        /// Number of the key.
        key: u8,
    },
    /// A signature that is wrong.
    #[error("wrong signature: give both routers the same key {key}, or somebody forges adverts")]
    WrongSignature {
        /// VRID of the packet.
        vrid: u8,
        /// Number of the key.
        key: u8,
    },
    /// An advert that was there before, or an older one.
    #[error("a repeated or late advert: its sequence number is not above the last one")]
    Replayed {
        /// VRID of the packet.
        vrid: u8,
    },
    /// One side has a password and the other has none.
    #[error("authentication {found:?}, {expected:?} expected: give both routers the same auth_type")]
    WrongAuthentication {
        /// VRID of the packet.
        vrid: u8,
        /// What came.
        found: AuthKind,
        /// What this router uses.
        expected: AuthKind,
    },
    /// The password is another one.
    #[error("wrong password: give both routers the same auth_pass")]
    WrongPassword {
        /// VRID of the packet.
        vrid: u8,
    },
    /// Version 2 only: both sides must have the same interval (RFC 3768, 7.1).
    #[error("advert interval {found:?}, {expected:?} expected: give both routers the same advert_int")]
    WrongInterval {
        /// VRID of the packet.
        vrid: u8,
        /// Interval found.
        found: Duration,
        /// Interval of this router.
        expected: Duration,
    },
}

/// Kind of an [`AdvertError`], the key for counters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum ErrorKind {
    /// Too short, or not VRRP at all.
    Length,
    /// Another protocol version than expected.
    Version,
    /// Not an advert.
    Type,
    /// Not the VRID expected.
    Vrid,
    /// Multicast with a TTL other than 255.
    Ttl,
    /// Wrong checksum.
    Checksum,
    /// Length and number of addresses do not agree.
    AddressCount,
    /// The addresses differ from ours. Counted only: such an advert is accepted.
    AddressList,
    /// Wrong or unknown authentication.
    Authentication,
    /// An interval of zero, or (version 2) another one than ours.
    Interval,
    /// `auth_hmac`: no signature where there must be one.
    SignatureMissing,
    /// `auth_hmac`: a signature of an unknown kind.
    SignatureMalformed,
    /// `auth_hmac`: a signature from another time.
    SignatureStale,
    /// `auth_hmac`: a signature by a key that is not here.
    SignatureUnknownKey,
    /// `auth_hmac`: a wrong signature.
    SignatureInvalid,
    /// `auth_hmac` and `auth_type AH`: an advert that was there before.
    Replay,
}

impl AdvertError {
    /// The counter this error belongs to.
    pub fn kind(&self) -> ErrorKind {
        match self {
            AdvertError::Truncated { .. } | AdvertError::NotVrrp { .. } => ErrorKind::Length,
            AdvertError::UnknownVersion { .. } | AdvertError::WrongVersion { .. } => ErrorKind::Version,
            AdvertError::UnknownType { .. } => ErrorKind::Type,
            AdvertError::ZeroVrid | AdvertError::WrongVrid { .. } => ErrorKind::Vrid,
            AdvertError::AddressCount { .. } => ErrorKind::AddressCount,
            AdvertError::Checksum { .. } | AdvertError::OldChecksum { .. } => ErrorKind::Checksum,
            AdvertError::UnknownAuthentication { .. }
            | AdvertError::WrongAuthentication { .. }
            | AdvertError::WrongPassword { .. }
            | AdvertError::WrongHeader { .. }
            | AdvertError::Signed { .. } => ErrorKind::Authentication,
            AdvertError::ZeroInterval { .. } | AdvertError::WrongInterval { .. } => ErrorKind::Interval,
            AdvertError::WrongTtl { .. } | AdvertError::PeerTtl { .. } => ErrorKind::Ttl,
            AdvertError::Unsigned { .. } => ErrorKind::SignatureMissing,
            AdvertError::MalformedSignature { .. } => ErrorKind::SignatureMalformed,
            AdvertError::StaleSignature { .. } => ErrorKind::SignatureStale,
            AdvertError::UnknownKey { .. } => ErrorKind::SignatureUnknownKey,
            AdvertError::WrongSignature { .. } => ErrorKind::SignatureInvalid,
            AdvertError::Replayed { .. } => ErrorKind::Replay,
        }
    }

    /// The VRID, where it had been read before the fault was found.
    pub fn vrid(&self) -> Option<u8> {
        match self {
            AdvertError::Truncated { .. } | AdvertError::NotVrrp { .. } | AdvertError::ZeroVrid => None,
            AdvertError::UnknownVersion { vrid, .. }
            | AdvertError::UnknownType { vrid, .. }
            | AdvertError::AddressCount { vrid, .. }
            | AdvertError::Checksum { vrid, .. }
            | AdvertError::UnknownAuthentication { vrid, .. }
            | AdvertError::ZeroInterval { vrid }
            | AdvertError::WrongVrid { found: vrid, .. }
            | AdvertError::WrongVersion { vrid, .. }
            | AdvertError::WrongTtl { vrid, .. }
            | AdvertError::WrongAuthentication { vrid, .. }
            | AdvertError::WrongPassword { vrid }
            | AdvertError::WrongInterval { vrid, .. }
            | AdvertError::PeerTtl { vrid, .. }
            | AdvertError::OldChecksum { vrid }
            | AdvertError::WrongHeader { vrid }
            | AdvertError::Signed { vrid }
            | AdvertError::Unsigned { vrid }
            | AdvertError::MalformedSignature { vrid }
            | AdvertError::StaleSignature { vrid, .. }
            | AdvertError::UnknownKey { vrid, .. }
            | AdvertError::WrongSignature { vrid, .. }
            | AdvertError::Replayed { vrid } => Some(*vrid),
        }
    }
}
