//! The IPv4 header around an advert.
//!
//! Raw sockets deliver IPv4 packets with their header, and adverts are sent with a header of our own
//! so that source, TTL and TOS are exactly what the protocol asks for, whatever the routing table says.

use std::net::{IpAddr, Ipv4Addr};

use serde::{Deserialize, Serialize};

use crate::advert::PROTOCOL;
use crate::checksum;
use crate::error::AdvertError;

/// The part of the IP header that matters to an advert.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Envelope {
    /// Address of the sender.
    pub source: IpAddr,
    /// The group, or our own address where peers are unicast.
    pub destination: IpAddr,
    /// TTL or hop limit as it arrived.
    pub ttl: u8,
}

impl Envelope {
    /// Whether the packet was sent to a group.
    pub fn is_multicast(&self) -> bool {
        self.destination.is_multicast()
    }
}

/// A whole IPv4 packet: TOS 0xC0 (network control), no fragmentation flag, the identification
/// given, protocol 112 and the envelope's TTL.
///
/// # Panics
/// If one of the two addresses is not IPv4, or the payload longer than an IPv4 packet can be.
pub fn datagram_v4(envelope: &Envelope, id: u16, payload: &[u8]) -> Vec<u8> {
    let (IpAddr::V4(source), IpAddr::V4(destination)) = (envelope.source, envelope.destination) else {
        panic!("an IPv4 packet was asked for between {} and {}", envelope.source, envelope.destination);
    };
    let length = u16::try_from(HEADER_LENGTH + payload.len()).expect("an advert is below 1100 bytes");
    let mut packet = Vec::with_capacity(usize::from(length));
    packet.extend([0x45, TOS]);
    packet.extend(length.to_be_bytes());
    packet.extend(id.to_be_bytes());
    packet.extend([0, 0, envelope.ttl, PROTOCOL, 0, 0]);
    packet.extend(source.octets());
    packet.extend(destination.octets());
    let checksum = checksum::finish(checksum::sum(&packet));
    packet[CHECKSUM].copy_from_slice(&checksum.to_be_bytes());
    packet.extend(payload);
    packet
}

/// Splits what a raw IPv4 socket delivers into the header's facts and the payload. Options are
/// skipped, bytes after the packet's own length are dropped; the kernel has checked the header.
///
/// # Errors
/// [`AdvertError::Truncated`] and [`AdvertError::NotVrrp`].
pub fn split_v4(packet: &[u8]) -> Result<(Envelope, &[u8]), AdvertError> {
    let truncated = |expected| AdvertError::Truncated { found: packet.len(), expected };
    let header = packet.first_chunk::<HEADER_LENGTH>().ok_or(truncated(HEADER_LENGTH))?;
    let &[first, _, l0, l1, _, _, _, _, ttl, protocol, _, _, s0, s1, s2, s3, d0, d1, d2, d3] = header;
    if first >> 4 != 4 || protocol != PROTOCOL {
        return Err(AdvertError::NotVrrp { version: first >> 4, protocol });
    }
    let start = usize::from(first & 0x0f) * 4;
    let end = usize::from(u16::from_be_bytes([l0, l1]));
    let payload = packet.get(start.max(HEADER_LENGTH)..end).ok_or(truncated(end.max(start)))?;
    let envelope = Envelope { source: [s0, s1, s2, s3].into(), destination: [d0, d1, d2, d3].into(), ttl };
    Ok((envelope, payload))
}

/// Who sent an IPv4 packet, whatever it holds; `None` if that cannot be read.
pub fn sender_v4(packet: &[u8]) -> Option<Ipv4Addr> {
    let header = packet.first_chunk::<HEADER_LENGTH>().filter(|header| header[0] >> 4 == 4)?;
    let &[.., s0, s1, s2, s3, _, _, _, _] = header;
    Some(Ipv4Addr::new(s0, s1, s2, s3))
}

const HEADER_LENGTH: usize = 20;
/// Precedence "internetwork control", which keepalived uses too.
const TOS: u8 = 0xc0;
/// Where the checksum stands.
const CHECKSUM: std::ops::Range<usize> = 10..12;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::error::ErrorKind;

    /// Captured from keepalived 2.2.7: version 2, VRID 51, first advert.
    const GOLDEN: [u8; 44] = [
        0x45, 0xc0, 0x00, 0x2c, 0x00, 0x01, 0x00, 0x00, 0xff, 0x70, 0xd0, 0x8d, 0x0a, 0x00, 0x00, 0x01, 0xe0,
        0x00, 0x00, 0x12, 0x21, 0x33, 0x96, 0x02, 0x00, 0x01, 0x34, 0x00, 0x0a, 0x00, 0x00, 0x64, 0x0a, 0x00,
        0x00, 0x65, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
    ];

    fn envelope() -> Envelope {
        Envelope { source: [10, 0, 0, 1].into(), destination: [224, 0, 0, 18].into(), ttl: 255 }
    }

    #[test]
    fn the_header_is_keepaliveds() {
        assert_eq!(datagram_v4(&envelope(), 1, &GOLDEN[20..]), GOLDEN);
        assert_eq!(split_v4(&GOLDEN), Ok((envelope(), &GOLDEN[20..])));
        assert!(envelope().is_multicast());
    }

    #[test]
    fn options_and_padding_are_not_payload() {
        let mut packet = vec![0x46, 0, 0, 26, 0, 0, 0, 0, 9, 112, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2];
        packet.extend([1, 1, 1, 1, 0xaa, 0xbb, 0, 0, 0]);
        let (envelope, payload) = split_v4(&packet).unwrap();
        assert_eq!((envelope.ttl, payload), (9, &[0xaa, 0xbb][..]));
        assert!(!envelope.is_multicast());
    }

    #[test]
    fn what_is_not_a_whole_vrrp_packet_is_refused() {
        assert_eq!(split_v4(&GOLDEN[..43]).unwrap_err().kind(), ErrorKind::Length);
        assert_eq!(split_v4(&GOLDEN[..19]), Err(AdvertError::Truncated { found: 19, expected: 20 }));
        let mut udp = GOLDEN;
        udp[9] = 17;
        assert_eq!(split_v4(&udp), Err(AdvertError::NotVrrp { version: 4, protocol: 17 }));
        assert_eq!(sender_v4(&GOLDEN), Some([10, 0, 0, 1].into()));
        assert_eq!((sender_v4(&GOLDEN[..19]), sender_v4(&[0x65; 40])), (None, None));
        let mut six = GOLDEN;
        six[0] = 0x65;
        assert_eq!(split_v4(&six), Err(AdvertError::NotVrrp { version: 6, protocol: 112 }));
    }

    proptest! {
        #[test]
        fn any_packet_is_split_without_panic(mut packet in prop::collection::vec(any::<u8>(), 0..80), protocol: bool) {
            if let (true, Some(byte)) = (protocol, packet.get_mut(9)) {
                *byte = PROTOCOL;
            }
            let _ = split_v4(&packet);
        }

        #[test]
        fn split_undoes_datagram(payload in prop::collection::vec(any::<u8>(), 0..1100), id: u16, ttl: u8) {
            let envelope = Envelope { ttl, ..envelope() };
            let packet = datagram_v4(&envelope, id, &payload);
            prop_assert_eq!(split_v4(&packet), Ok((envelope, &payload[..])));
        }
    }
}
