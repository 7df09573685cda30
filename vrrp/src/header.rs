//! The IP authentication header before a version 2 advert (`auth_type AH`; RFC 2402 with HMAC-MD5-96, RFC 2403).
//!
//! ```text
//!  IPv4 header, protocol 51
//!  +--------+--------+--------+--------+
//!  |next 112| length |    reserved     |   length: 4, in words of 32 bits without the first two
//!  +--------+--------+--------+--------+
//!  |  security parameters index        |   the sender's address
//!  +-----------------------------------+
//!  |  sequence                         |   grows by one with each advert
//!  +-----------------------------------+
//!  |  check value, 12 bytes            |   first 96 bits of HMAC-MD5 with the password as key
//!  +-----------------------------------+
//!  |  the advert, authentication type 2, authentication data zero
//! ```
//!
//! The check value covers the whole packet, with its own bytes, the type of service, the fragmentation field, the TTL
//! and the checksum of the IP header read as zero. Only that by multicast, where no router may change it, keepalived,
//! for whose sake this is here, takes the TTL as it is.
//!
//! MD5 is broken for signatures, though not known to be in this use; and the header keeps no confidence that a
//! password of eight characters does not give. `auth_hmac` is the better choice.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr};

use hmac::{Hmac, KeyInit, Mac};
use md5::Md5;
use serde::{Deserialize, Serialize};

use crate::advert::PROTOCOL;
use crate::checksum;
use crate::datagram::{Envelope, datagram_v4};
use crate::error::AdvertError;
use crate::secret::Secret;

/// IP protocol number of the authentication header (RFC 2402, 2).
pub const PROTOCOL_HEADER: u8 = 51;

const IP_HEADER: usize = 20;
/// Length of the authentication header.
const LENGTH: usize = 24;
/// The first four bits of a group's address (RFC 1112, 4).
const MULTICAST: u8 = 0xe;
/// Where the check value stands in the authentication header.
const CHECK: std::ops::Range<usize> = 12..24;

/// The authentication header that came with an advert, and what it vouches for.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HeaderProof {
    /// Security parameters index; keepalived says the sender's address.
    pub index: Ipv4Addr,
    /// The sender's sequence number.
    pub sequence: u32,
    /// The check value.
    check: [u8; 12],
    /// The whole packet.
    packet: Vec<u8>,
}

impl fmt::Debug for HeaderProof {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HeaderProof").field("index", &self.index).field("sequence", &self.sequence).finish()
    }
}

impl HeaderProof {
    /// Whether the check value is the one that this password gives; takes the same time whatever differs.
    pub fn holds(&self, password: &Secret) -> bool {
        mac(password, &self.packet).is_some_and(|mac| mac.verify_truncated_left(&self.check).is_ok())
    }
}

/// Splits what a raw socket for protocol 51 delivers into the IP header's facts, the proof and the advert's bytes.
/// `None` for packets that are not about VRRP: other hosts may well use the header for other things.
///
/// # Errors
/// [`AdvertError::Truncated`] where a packet about VRRP ends too early, or its lengths do not fit each other.
pub fn split_header_v4(packet: &[u8]) -> Result<Option<(Envelope, HeaderProof, &[u8])>, AdvertError> {
    let truncated = |expected| AdvertError::Truncated { found: packet.len(), expected };
    let header = packet.first_chunk::<IP_HEADER>().ok_or(truncated(IP_HEADER))?;
    let &[first, _, l0, l1, _, _, _, _, ttl, protocol, _, _, s0, s1, s2, s3, d0, d1, d2, d3] = header;
    let start = usize::from(first & 0x0f) * 4;
    let end = usize::from(u16::from_be_bytes([l0, l1]));
    if first >> 4 != 4 || protocol != PROTOCOL_HEADER || start < IP_HEADER {
        return Ok(None);
    }
    let Some((&next, _)) = packet.get(start..).and_then(<[u8]>::split_first) else {
        return Err(truncated(start + LENGTH));
    };
    if next != PROTOCOL {
        return Ok(None);
    }
    let whole = packet.get(..end).ok_or(truncated(end))?;
    let header = whole.get(start..).and_then(<[u8]>::first_chunk::<LENGTH>);
    let header = header.ok_or(truncated(start + LENGTH))?;
    let &[_, length, _, _, i0, i1, i2, i3, n0, n1, n2, n3, check @ ..] = header;
    // Another length means another check value than the one we know.
    if usize::from(length) * 4 + 8 != LENGTH {
        return Err(AdvertError::Truncated { found: usize::from(length) * 4 + 8, expected: LENGTH });
    }
    let proof = HeaderProof {
        index: [i0, i1, i2, i3].into(),
        sequence: u32::from_be_bytes([n0, n1, n2, n3]),
        check,
        packet: whole.to_vec(),
    };
    let envelope = Envelope { source: [s0, s1, s2, s3].into(), destination: [d0, d1, d2, d3].into(), ttl };
    Ok(Some((envelope, proof, whole.get(start + LENGTH..).unwrap_or_default())))
}

/// A whole IPv4 packet with an authentication header before the advert.
///
/// # Panics
/// As [`datagram_v4`].
pub fn header_datagram_v4(
    envelope: &Envelope,
    id: u16,
    sequence: u32,
    password: &Secret,
    payload: &[u8],
) -> Vec<u8> {
    let IpAddr::V4(source) = envelope.source else {
        panic!("an IPv4 packet was asked for from {}", envelope.source)
    };
    let mut inner = vec![PROTOCOL, 4, 0, 0];
    inner.extend(source.octets());
    inner.extend(sequence.to_be_bytes());
    inner.extend([0; 12]);
    inner.extend(payload);
    let mut packet = datagram_v4(envelope, id, &inner);
    packet[9] = PROTOCOL_HEADER;
    packet[10..12].fill(0);
    let sum = checksum::finish(checksum::sum(&packet[..IP_HEADER]));
    packet[10..12].copy_from_slice(&sum.to_be_bytes());
    if let Some(mac) = mac(password, &packet) {
        let check = IP_HEADER + CHECK.start..IP_HEADER + CHECK.end;
        packet[check].copy_from_slice(&mac.finalize().into_bytes()[..12]);
    }
    packet
}

/// The keyed digest over a packet, what may change on the way left out. `None` for a packet without both headers.
fn mac(password: &Secret, packet: &[u8]) -> Option<Hmac<Md5>> {
    let mut covered = packet.to_vec();
    let start = usize::from(covered.first()? & 0x0f) * 4;
    *covered.get_mut(1)? = 0;
    covered.get_mut(6..8)?.fill(0);
    if covered.get(16)? >> 4 != MULTICAST {
        *covered.get_mut(8)? = 0;
    }
    covered.get_mut(10..12)?.fill(0);
    covered.get_mut(start + CHECK.start..start + CHECK.end)?.fill(0);
    let mut mac = Hmac::<Md5>::new_from_slice(password.reveal()).ok()?;
    mac.update(&covered);
    Some(mac)
}

#[cfg(test)]
mod tests;
