//! The signature behind an advert (`auth_hmac`; draft-cassen-vrrp-auth-hmac, keepalived 2.4.2 and later).
//!
//! ```text
//!  the advert, to its last byte
//!  +--------+--------+-----------------+
//!  | kind 1 | key id |   reserved, 0   |
//!  +--------+--------+-----------------+
//!  |  seconds since 1970               |  \
//!  +-----------------+-----------------+   > the sequence, one number of 64 bits
//!  | 1/65536 seconds |    counter      |  /
//!  +-----------------+-----------------+
//!  |  first 16 bytes of HMAC-SHA256    |
//!  +-----------------------------------+
//! ```
//!
//! Signed are a pseudo-header (family, version, VRID, source address, 20 bytes), the advert with its checksum read as
//! zero, the trailer up to the counter, and 16 zero bytes. The destination is not signed, so an advert to many peers is
//! signed once. Whether a signature is believed is decided in `guard.rs`.

use std::net::IpAddr;
use std::time::Duration;

use hmac::{Hmac, KeyInit, Mac};
use serde::{Deserialize, Serialize};
use sha2::Sha256;

use crate::advert::{Advert, Version};
use crate::secret::Secret;

/// Bytes of a trailer.
pub const TRAILER: usize = 28;

/// HMAC-SHA256 cut to 128 bits, the only kind there is.
const KIND: u8 = 1;
/// Where the signature stands in the trailer.
const SIGNED: usize = 12;
/// Where the checksum stands in an advert.
const CHECKSUM: std::ops::Range<usize> = 6..8;

/// The place of an advert in the order of its sender's: seconds since 1970, 1/65536 of a second, and a counter for
/// what is sent within one such moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sequence(pub u64);

impl Sequence {
    /// The first of the moment that is this long after 1970; wraps in the year 2106.
    pub fn at(since_1970: Duration) -> Sequence {
        let fraction = (u64::from(since_1970.subsec_nanos()) << 16) / 1_000_000_000;
        Sequence(since_1970.as_secs() << 32 | fraction << 16)
    }

    /// The next one.
    #[must_use]
    pub fn next(self) -> Sequence {
        Sequence(self.0.wrapping_add(1))
    }

    /// Whether it comes strictly after the other, by serial number arithmetic (RFC 1982): it survives the wrap.
    pub fn is_after(self, other: Sequence) -> bool {
        self.0.wrapping_sub(other.0).cast_signed() > 0
    }

    /// Whole seconds from this moment to `since_1970`; positive for a moment that has passed.
    pub fn age(self, since_1970: Duration) -> i64 {
        let seconds = |number: u64| u32::try_from(number & 0xffff_ffff).unwrap_or_default();
        i64::from(seconds(since_1970.as_secs()).wrapping_sub(seconds(self.0 >> 32)).cast_signed())
    }
}

/// A trailer as it came, with what it signs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TrailerProof {
    /// Which key signed.
    pub key: u8,
    /// The advert's place among its sender's.
    pub sequence: Sequence,
    /// Kind and reserved bytes, which are to be 1 and 0.
    form: [u8; 3],
    signature: [u8; 16],
    /// The advert and the trailer up to the signature.
    signed: Vec<u8>,
}

impl TrailerProof {
    /// Splits a payload in front of its last 28 bytes; `None` for a shorter one.
    pub fn split(payload: &[u8]) -> Option<(&[u8], TrailerProof)> {
        let (advert, trailer) = payload.split_last_chunk::<TRAILER>()?;
        let &[kind, key, r0, r1, s0, s1, s2, s3, s4, s5, s6, s7, signature @ ..] = trailer;
        let proof = TrailerProof {
            key,
            sequence: Sequence(u64::from_be_bytes([s0, s1, s2, s3, s4, s5, s6, s7])),
            form: [kind, r0, r1],
            signature,
            signed: payload.get(..advert.len() + SIGNED)?.to_vec(),
        };
        Some((advert, proof))
    }

    /// Whether it is of the kind that we know.
    pub fn is_well_formed(&self) -> bool {
        self.form == [KIND, 0, 0]
    }

    /// Whether this key signed this advert of that sender; takes the same time whatever differs.
    pub fn holds(&self, key: &Key, advert: &Advert, source: IpAddr) -> bool {
        let mut signed = self.signed.clone();
        if let Some(checksum) = signed.get_mut(CHECKSUM) {
            checksum.fill(0);
        }
        key.digest(advert, source, &signed).verify_truncated_left(&self.signature).is_ok()
    }
}

/// A key made ready for use.
#[derive(Clone)]
pub struct Key(Hmac<Sha256>);

impl std::fmt::Debug for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Key(…)")
    }
}

impl Key {
    /// From 32 to 64 bytes; any other number works as well, and is weaker or pointless.
    pub fn new(secret: &Secret) -> Key {
        Key(Hmac::new_from_slice(secret.reveal()).expect("HMAC takes keys of any length"))
    }

    /// The trailer for an advert from this source, signed with this key, which has that number.
    pub fn sign(&self, id: u8, advert: &Advert, source: IpAddr, sequence: Sequence) -> [u8; TRAILER] {
        let mut trailer = [0; TRAILER];
        trailer[..4].copy_from_slice(&[KIND, id, 0, 0]);
        trailer[4..SIGNED].copy_from_slice(&sequence.0.to_be_bytes());
        let mut signed = advert.emit_for_signing(source);
        signed.extend(&trailer[..SIGNED]);
        let digest = self.digest(advert, source, &signed).finalize().into_bytes();
        trailer[SIGNED..].copy_from_slice(&digest[..TRAILER - SIGNED]);
        trailer
    }

    fn digest(&self, advert: &Advert, source: IpAddr, signed: &[u8]) -> Hmac<Sha256> {
        let mut digest = self.0.clone();
        digest.update(&pseudo_header(advert, source));
        digest.update(signed);
        digest.update(&[0; TRAILER - SIGNED]);
        digest
    }
}

fn pseudo_header(advert: &Advert, source: IpAddr) -> [u8; 20] {
    let version = match advert.version {
        Version::V2 => 2,
        Version::V3 => 3,
    };
    let mut header = [0; 20];
    header[1] = version;
    header[2] = advert.vrid;
    match source {
        IpAddr::V4(source) => {
            header[0] = 4;
            header[4..8].copy_from_slice(&source.octets());
        }
        IpAddr::V6(source) => {
            header[0] = 6;
            header[4..].copy_from_slice(&source.octets());
        }
    }
    header
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::advert::ChecksumForm;
    use crate::auth::Auth;
    use crate::datagram::Envelope;

    fn bytes(hex: &str) -> Vec<u8> {
        hex.as_bytes()
            .chunks(2)
            .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap())
            .collect()
    }

    fn key() -> Key {
        Key::new(&Secret::new((0..32).collect()))
    }

    /// The vectors of the draft's appendix: key 00 to 1f, key id 1, VRID 51, priority 200, one second.
    fn same_both_ways(hex: &str, source: &str, destination: &str, address: &str, form: ChecksumForm) {
        let golden = bytes(hex);
        let [source, destination, address] = [source, destination, address].map(|a| a.parse().unwrap());
        let advert = Advert {
            version: Version::V3,
            vrid: 51,
            priority: 200,
            interval: Duration::from_secs(1),
            auth: Auth::None,
            addresses: vec![address],
        };
        let trailer = key().sign(1, &advert, source, Sequence(0x6800_0000_8000_0000));
        assert_eq!(advert.emit_as(source, destination, form, Some(&trailer)), golden);

        let envelope = Envelope { source, destination, ttl: 255 };
        let (parsed, proof) = Advert::read(&golden, &envelope).map(|p| (p.advert, p.trailer)).unwrap();
        let proof = proof.unwrap();
        assert_eq!(parsed, advert);
        assert!(proof.is_well_formed() && proof.holds(&key(), &parsed, source));
        assert_eq!((proof.key, proof.sequence), (1, Sequence(0x6800_0000_8000_0000)));
        for at in (0..golden.len()).filter(|at| !CHECKSUM.contains(at)) {
            let mut changed = golden.clone();
            changed[at] ^= 0x20;
            let (_, proof) = TrailerProof::split(&changed).unwrap();
            assert!(!proof.holds(&key(), &advert, source), "byte {at} is not signed");
        }
        let other: IpAddr = if source.is_ipv4() { "198.51.100.11" } else { "fe80::11" }.parse().unwrap();
        assert!(!proof.holds(&key(), &advert, other), "the source is not signed");
        assert!(!proof.holds(&Key::new(&Secret::new(vec![7; 32])), &advert, source));
    }

    #[test]
    fn the_vector_for_ipv4() {
        let hex = "3133c80100644402c0000264010100006800000080000000\
                   1b84bc4e8e43892dc6d98448f8ee2265";
        same_both_ways(hex, "198.51.100.10", "224.0.0.18", "192.0.2.100", ChecksumForm::Plain);
    }

    #[test]
    fn the_vector_for_ipv6() {
        let hex = "3133c8010064a2e9fe800000000000000000000000000100\
                   010100006800000080000000c8c56146ebfd66ee10ec4d8186461b78";
        same_both_ways(hex, "fe80::10", "fe80::20", "fe80::100", ChecksumForm::Usual);
    }

    #[test]
    fn the_order_is_that_of_time_and_survives_the_wrap() {
        let at = |millis| Sequence::at(Duration::from_millis(millis));
        assert_eq!(Sequence::at(Duration::new(0x6800_0000, 500_000_000)).0, 0x6800_0000_8000_0000);
        assert!(at(1_001).is_after(at(1_000)) && !at(1_000).is_after(at(1_000)));
        assert!(at(1_000).next().is_after(at(1_000)) && at(1_001).is_after(at(1_000).next()));
        let last = Sequence(u64::MAX);
        assert!(last.next().is_after(last) && !last.is_after(last.next()));
        assert_eq!(at(5_000).age(Duration::from_secs(8)), 3);
        assert_eq!(at(8_000).age(Duration::from_secs(5)), -3);
        assert_eq!(Sequence(u64::MAX).age(Duration::from_secs(0x1_0000_0002)), 3, "across the wrap of 2106");
    }
}
