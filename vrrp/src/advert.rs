//! The advert: what VRRP routers say to each other, and how it looks on the wire.
//!
//! A router that is master repeats one small packet, IP protocol 112, to everyone in its group.
//! This file knows its bytes in both versions and nothing else: [`Advert::parse`] turns a payload
//! into a value or a precise complaint, [`Advert::emit`] is its exact reverse. Whether an advert
//! fits the configuration of a router is decided in `router.rs`.
//!
//! ```text
//!  version 2 (RFC 3768, 5.1)                     version 3 (RFC 9568, 5.1)
//!  0        8        16       24       32        0        8        16       24       32
//!  +--------+--------+--------+--------+         +--------+--------+--------+--------+
//!  |ver|type|  VRID  |priority| count  |         |ver|type|  VRID  |priority| count  |
//!  +--------+--------+--------+--------+         +--------+--------+--------+--------+
//!  |authtype|interval|    checksum     |         |rsvd|  interval  |    checksum     |
//!  +--------+--------+-----------------+         +--------+--------+-----------------+
//!  |  count IPv4 addresses, 4 bytes    |         | count addresses, 4 or 16 bytes    |
//!  +-----------------------------------+         +-----------------------------------+
//!  |  authentication data, 8 bytes     |
//!  +-----------------------------------+
//!  interval in seconds                           interval in hundredths, 12 bits
//! ```

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::auth::Auth;
use crate::checksum;
use crate::datagram::Envelope;
use crate::error::AdvertError;
use crate::trailer::{TRAILER, TrailerProof};

/// IP protocol number of VRRP (RFC 9568, 5.1.1.4).
pub const PROTOCOL: u8 = 112;
/// The IPv4 group that adverts go to (RFC 9568, 5.1.1.2).
pub const GROUP_V4: Ipv4Addr = Ipv4Addr::new(224, 0, 0, 18);
/// The IPv6 group that adverts go to (RFC 9568, 5.1.2.2).
pub const GROUP_V6: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 0x12);
/// Priority of the router that owns the addresses (RFC 9568, 5.2.4).
pub const PRIORITY_OWNER: u8 = 255;
/// Priority that says "I am leaving" (RFC 9568, 5.2.4).
pub const PRIORITY_STOP: u8 = 0;

/// Version of the protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Version {
    /// RFC 3768: IPv4 only, whole seconds, simple authentication.
    V2,
    /// RFC 5798 and 9568: both families, hundredths of a second.
    V3,
}

/// One advert, either to be sent or heard.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Advert {
    /// Version it is written in.
    pub version: Version,
    /// Virtual router it speaks for, 1..=255.
    pub vrid: u8,
    /// Priority of the sender; 0 means that it stops being master.
    pub priority: u8,
    /// Time between two adverts of this sender. Version 2: 1..=255 whole seconds; version 3:
    /// 1..=4095 hundredths of a second.
    pub interval: Duration,
    /// Authentication, version 2 only.
    pub auth: Auth,
    /// The virtual addresses, in the sender's order; at most 255, all of one family.
    pub addresses: Vec<IpAddr>,
}

/// How a checksum is made. Version 2 has one form, version 3 over IPv4 three.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum ChecksumForm {
    /// Version 3 with the pseudo-header, as RFC 5798 and keepalived have it; version 2 without.
    #[default]
    Usual,
    /// Version 3 over IPv4 without the pseudo-header (RFC 9568, 5.2.8; `v3_checksum_as_v2`).
    Plain,
    /// Version 3 over IPv4 by unicast with the usual group for a destination in the pseudo-header, as keepalived
    /// before 1.3.7 made it (`old_unicast_checksum`).
    OldUnicast,
}

/// What a payload gave.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parsed {
    /// The advert.
    pub advert: Advert,
    /// Which form of the checksum was right.
    pub checksum: ChecksumForm,
    /// The signature behind the advert, if there is one.
    pub trailer: Option<TrailerProof>,
}

impl Advert {
    /// Reads the payload of an IP packet of protocol 112 that ends with the advert: a signature is an error.
    ///
    /// # Errors
    /// As [`Advert::read`].
    pub fn parse(payload: &[u8], envelope: &Envelope) -> Result<Advert, AdvertError> {
        let parsed = Advert::read(payload, envelope)?;
        match parsed.trailer {
            None => Ok(parsed.advert),
            Some(_) => Err(AdvertError::Signed { vrid: parsed.advert.vrid }),
        }
    }

    /// Reads the payload of an IP packet of protocol 112, with a signature behind it or without. The envelope tells
    /// the family of the addresses and feeds the checksum's pseudo-header.
    ///
    /// # Errors
    /// One variant per rule that the payload breaks (RFC 3768 and 9568, 7.1); see [`AdvertError`].
    pub fn read(payload: &[u8], envelope: &Envelope) -> Result<Parsed, AdvertError> {
        let header = Header::read(payload)?;
        let vrid = header.vrid;
        let version = match (header.version, envelope.source) {
            (2, IpAddr::V4(_)) => Version::V2,
            (3, _) => Version::V3,
            (found, _) => return Err(AdvertError::UnknownVersion { vrid, found }),
        };
        if header.kind != ADVERTISEMENT {
            return Err(AdvertError::UnknownType { vrid, found: header.kind });
        }
        // Nothing else makes an advert longer by just that much.
        let signed = payload.len() == header.length(version, envelope.source.is_ipv4()) + TRAILER;
        let (advert, trailer) = match TrailerProof::split(payload).filter(|_| signed) {
            Some((advert, trailer)) => (advert, Some(trailer)),
            None => (payload, None),
        };
        let body = Body::read(advert, &header, version, envelope.source.is_ipv4())?;
        // Over IPv6 it is the transport's checksum, of all that it carries.
        let covered = if envelope.source.is_ipv4() { advert } else { payload };
        let checksum = check_sum(covered, &header, version, envelope)?;
        if vrid == 0 {
            return Err(AdvertError::ZeroVrid);
        }
        let interval = header.interval(version);
        if interval.is_zero() {
            return Err(AdvertError::ZeroInterval { vrid });
        }
        let auth = match version {
            Version::V2 => Auth::read(header.timing[0], body.auth)
                .ok_or(AdvertError::UnknownAuthentication { vrid, found: header.timing[0] })?,
            Version::V3 => Auth::None,
        };
        let priority = header.priority;
        let advert = Advert { version, vrid, priority, interval, auth, addresses: body.addresses };
        Ok(Parsed { advert, checksum, trailer })
    }

    /// The payload of the IP packet from `source` to `destination`, which are of one family. Addresses
    /// of the other family are left out, and so is everything after the 255th; the interval is brought
    /// into the range of the version.
    pub fn emit(&self, source: IpAddr, destination: IpAddr) -> Vec<u8> {
        self.emit_as(source, destination, ChecksumForm::Usual, None)
    }

    /// As [`Advert::emit`], with the checksum in another form where there is one, and with a signature behind it.
    pub fn emit_as(
        &self,
        source: IpAddr,
        destination: IpAddr,
        form: ChecksumForm,
        trailer: Option<&[u8; TRAILER]>,
    ) -> Vec<u8> {
        let mut bytes = self.emit_for_signing(source);
        let over_ipv6 = source.is_ipv6();
        if over_ipv6 {
            bytes.extend(trailer.into_iter().flatten());
        }
        let pseudo = match (self.version, form) {
            (Version::V2, _) => 0,
            (Version::V3, ChecksumForm::Plain) if !over_ipv6 => 0,
            (Version::V3, ChecksumForm::OldUnicast) if !over_ipv6 => {
                pseudo_header_sum(source, GROUP_V4.into(), bytes.len())
            }
            (Version::V3, _) => pseudo_header_sum(source, destination, bytes.len()),
        };
        let checksum = checksum::finish(pseudo + checksum::sum(&bytes));
        bytes[CHECKSUM].copy_from_slice(&checksum.to_be_bytes());
        if !over_ipv6 {
            bytes.extend(trailer.into_iter().flatten());
        }
        bytes
    }

    /// The advert's bytes with a checksum of zero.
    pub(crate) fn emit_for_signing(&self, source: IpAddr) -> Vec<u8> {
        let addresses = || self.addresses_of(source);
        let count = u8::try_from(addresses().count()).expect("at most 255 addresses are taken");
        let version: u8 = match self.version {
            Version::V2 => 2,
            Version::V3 => 3,
        };
        let mut bytes = Vec::with_capacity(self.length(source));
        bytes.extend([version << 4 | ADVERTISEMENT, self.vrid, self.priority, count]);
        match self.version {
            Version::V2 => bytes.extend([self.auth.number(), wire_seconds(self.interval)]),
            Version::V3 => bytes.extend(wire_hundredths(self.interval).to_be_bytes()),
        }
        bytes.extend([0, 0]);
        for address in addresses() {
            match address {
                IpAddr::V4(address) => bytes.extend(address.octets()),
                IpAddr::V6(address) => bytes.extend(address.octets()),
            }
        }
        if self.version == Version::V2 {
            bytes.extend(self.auth.data());
        }
        bytes
    }

    /// Bytes that [`Advert::emit`] gives.
    fn length(&self, source: IpAddr) -> usize {
        let trailer = if self.version == Version::V2 { AUTH_LENGTH } else { 0 };
        HEADER_LENGTH + self.addresses_of(source).count() * address_length(source.is_ipv4()) + trailer
    }

    /// The addresses that fit into an advert from this source.
    fn addresses_of(&self, source: IpAddr) -> impl Iterator<Item = &IpAddr> {
        self.addresses.iter().filter(move |address| address.is_ipv4() == source.is_ipv4()).take(255)
    }
}

/// The interval as the version can say it: at least one unit, at most what the field holds, rounded to
/// the nearest unit.
pub fn representable(version: Version, interval: Duration) -> Duration {
    match version {
        Version::V2 => Duration::from_secs(wire_seconds(interval).into()),
        Version::V3 => Duration::from_millis(u64::from(wire_hundredths(interval)) * 10),
    }
}

const ADVERTISEMENT: u8 = 1;
const HEADER_LENGTH: usize = 8;
const AUTH_LENGTH: usize = 8;
/// Where the checksum stands.
const CHECKSUM: std::ops::Range<usize> = 6..8;

/// The eight bytes that both versions begin with.
struct Header {
    version: u8,
    kind: u8,
    vrid: u8,
    priority: u8,
    count: u8,
    timing: [u8; 2],
    checksum: u16,
}

impl Header {
    fn read(payload: &[u8]) -> Result<Header, AdvertError> {
        let Some(&[first, vrid, priority, count, t0, t1, c0, c1]) = payload.first_chunk::<HEADER_LENGTH>()
        else {
            return Err(AdvertError::Truncated { found: payload.len(), expected: HEADER_LENGTH });
        };
        Ok(Header {
            version: first >> 4,
            kind: first & 0x0f,
            vrid,
            priority,
            count,
            timing: [t0, t1],
            checksum: u16::from_be_bytes([c0, c1]),
        })
    }

    /// Bytes of the whole advert.
    fn length(&self, version: Version, v4: bool) -> usize {
        let trailer = if version == Version::V2 { AUTH_LENGTH } else { 0 };
        HEADER_LENGTH + usize::from(self.count) * address_length(v4) + trailer
    }

    fn interval(&self, version: Version) -> Duration {
        match version {
            Version::V2 => Duration::from_secs(self.timing[1].into()),
            // The four reserved bits are to be ignored.
            Version::V3 => Duration::from_millis(u64::from(u16::from_be_bytes(self.timing) & 0x0fff) * 10),
        }
    }
}

/// What follows the header.
struct Body {
    addresses: Vec<IpAddr>,
    auth: [u8; AUTH_LENGTH],
}

impl Body {
    fn read(payload: &[u8], header: &Header, version: Version, v4: bool) -> Result<Body, AdvertError> {
        let size = address_length(v4);
        let end = HEADER_LENGTH + usize::from(header.count) * size;
        let expected = header.length(version, v4);
        let wrong = AdvertError::AddressCount {
            vrid: header.vrid,
            count: header.count,
            found: payload.len(),
            expected,
        };
        if payload.len() != expected {
            return Err(wrong);
        }
        let Some(list) = payload.get(HEADER_LENGTH..end) else { return Err(wrong) };
        let auth = payload.get(end..).and_then(|rest| rest.try_into().ok()).unwrap_or_default();
        Ok(Body { addresses: list.chunks_exact(size).filter_map(read_address).collect(), auth })
    }
}

fn read_address(bytes: &[u8]) -> Option<IpAddr> {
    if let Ok(octets) = <[u8; 4]>::try_from(bytes) {
        return Some(IpAddr::from(octets));
    }
    <[u8; 16]>::try_from(bytes).ok().map(IpAddr::from)
}

fn address_length(v4: bool) -> usize {
    if v4 { 4 } else { 16 }
}

/// Which form of the checksum is right. Version 2 has one form. Version 3 over IPv4 has two: RFC 5798 and keepalived
/// include the pseudo-header, RFC 9568 and several vendors do not; and by unicast there is keepalived's old mistake. All
/// are accepted.
fn check_sum(
    payload: &[u8],
    header: &Header,
    version: Version,
    envelope: &Envelope,
) -> Result<ChecksumForm, AdvertError> {
    let plain = checksum::sum(payload);
    let with = |destination| plain + pseudo_header_sum(envelope.source, destination, payload.len());
    let usual = if version == Version::V2 { plain } else { with(envelope.destination) };
    if checksum::holds(usual) {
        return Ok(ChecksumForm::Usual);
    }
    if version == Version::V3 && envelope.source.is_ipv4() {
        if checksum::holds(plain) {
            return Ok(ChecksumForm::Plain);
        }
        if !envelope.is_multicast() && checksum::holds(with(GROUP_V4.into())) {
            return Ok(ChecksumForm::OldUnicast);
        }
    }
    // Taking a word out of a one's complement sum is adding its complement.
    let expected = checksum::finish(usual + u32::from(!header.checksum));
    Err(AdvertError::Checksum { vrid: header.vrid, found: header.checksum, expected })
}

fn pseudo_header_sum(source: IpAddr, destination: IpAddr, length: usize) -> u32 {
    let addresses = [source, destination].map(|address| match address {
        IpAddr::V4(address) => checksum::sum(&address.octets()),
        IpAddr::V6(address) => checksum::sum(&address.octets()),
    });
    let length = u32::try_from(length).unwrap_or(u32::MAX);
    addresses[0] + addresses[1] + u32::from(PROTOCOL) + (length >> 16) + (length & 0xffff)
}

fn wire_seconds(interval: Duration) -> u8 {
    let rounded = interval.saturating_add(Duration::from_millis(500)).as_secs();
    u8::try_from(rounded).unwrap_or(u8::MAX).max(1)
}

fn wire_hundredths(interval: Duration) -> u16 {
    let rounded = interval.saturating_add(Duration::from_millis(5)).as_millis() / 10;
    u16::try_from(rounded).unwrap_or(u16::MAX).clamp(1, 0x0fff)
}

#[cfg(test)]
mod tests;
