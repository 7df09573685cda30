use proptest::prelude::*;

use super::*;
use crate::advert::{Advert, Version};
use crate::auth::Auth;

/// Captured from keepalived 2.2.7: password "secret12345", VRID 51, priority 200, by multicast, first advert.
const GOLDEN: &str = "45c0004000010000ff33d0b60a000001e0000012700400000a00000100000001b6a7388af22c759b820686492133c8\
                      0102010a660a0000640000000000000000";
/// The same by unicast to 10.0.0.3, second advert.
const UNICAST: &str = "45c0004000020000ff33a6c50a0000010a000003700400000a000001000000020f9fc98e7fbfaaf04f0c331f2133\
                       c80102010a660a0000640000000000000000";
/// Its farewell.
const STOP: &str = "45c0004000040000ff33d0b30a000001e0000012700400000a00000100000004f5791883a381a5dc9db4ce302133000\
                    10201d2660a0000640000000000000000";

fn bytes(hex: &str) -> Vec<u8> {
    let digits: Vec<u8> = hex.bytes().filter(u8::is_ascii_hexdigit).collect();
    digits.chunks(2).map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap()).collect()
}

fn password() -> Secret {
    Secret::new(b"secret12".to_vec())
}

fn advert(priority: u8) -> Advert {
    Advert {
        version: Version::V2,
        vrid: 51,
        priority,
        interval: std::time::Duration::from_secs(1),
        auth: Auth::Header,
        addresses: vec![IpAddr::from([10, 0, 0, 100])],
    }
}

fn same_both_ways(golden: &str, destination: [u8; 4], id: u16, sequence: u32, priority: u8) {
    let golden = bytes(golden);
    let (envelope, proof, payload) = split_header_v4(&golden).unwrap().unwrap();
    assert_eq!(
        envelope,
        Envelope { source: [10, 0, 0, 1].into(), destination: destination.into(), ttl: 255 }
    );
    assert_eq!((proof.index, proof.sequence), (Ipv4Addr::new(10, 0, 0, 1), sequence));
    assert!(proof.holds(&password()));
    assert!(!proof.holds(&Secret::new(b"secret13".to_vec())));
    assert_eq!(Advert::parse(payload, &envelope), Ok(advert(priority)));
    let emitted = advert(priority).emit(envelope.source, envelope.destination);
    assert_eq!(header_datagram_v4(&envelope, id, sequence, &password(), &emitted), golden);
}

#[test]
fn the_packets_are_keepaliveds() {
    same_both_ways(GOLDEN, [224, 0, 0, 18], 1, 1, 200);
    same_both_ways(UNICAST, [10, 0, 0, 3], 2, 2, 200);
    same_both_ways(STOP, [224, 0, 0, 18], 4, 4, 0);
}

#[test]
fn every_byte_is_vouched_for_but_those_that_routers_change() {
    let golden = bytes(GOLDEN);
    for at in 0..golden.len() {
        let mut packet = golden.clone();
        packet[at] ^= 1;
        let holds = match split_header_v4(&packet) {
            Ok(Some((_, proof, _))) => proof.holds(&password()),
            Ok(None) | Err(_) => false,
        };
        let may_change = [1, 6, 7, 10, 11].contains(&at);
        assert_eq!(holds, may_change, "byte {at}");
    }
}

#[test]
fn a_header_before_something_else_is_none_of_our_business() {
    let mut packet = bytes(GOLDEN);
    packet[20] = 6;
    assert_eq!(split_header_v4(&packet), Ok(None));
    assert!(split_header_v4(&packet[..12]).is_err());
    let mut longer = bytes(GOLDEN);
    longer[21] = 5;
    assert!(split_header_v4(&longer).is_err(), "a check value of another length");
    for length in 0..64 {
        assert!(!matches!(split_header_v4(&bytes(GOLDEN)[..length]), Ok(Some(_))), "{length} bytes");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_packet_is_split_without_panic(mut packet in prop::collection::vec(any::<u8>(), 0..90), ours: bool) {
        if ours {
            for (at, byte) in [(0, 0x45), (9, PROTOCOL_HEADER), (20, PROTOCOL), (21, 4)] {
                if let Some(place) = packet.get_mut(at) {
                    *place = byte;
                }
            }
        }
        if let Ok(Some((_, proof, _))) = split_header_v4(&packet) {
            proof.holds(&password());
        }
    }

    #[test]
    fn what_is_sealed_is_believed(sequence: u32, id in 1u16.., priority: u8, ttl: u8) {
        let envelope =
            Envelope { source: [10, 0, 0, 1].into(), destination: [10, 0, 0, 2].into(), ttl };
        let payload = advert(priority).emit(envelope.source, envelope.destination);
        let packet = header_datagram_v4(&envelope, id, sequence, &password(), &payload);
        let (found, proof, rest) = split_header_v4(&packet).unwrap().unwrap();
        prop_assert_eq!((found, proof.sequence, rest), (envelope, sequence, &payload[..]));
        prop_assert!(proof.holds(&password()));
    }
}
