//! Golden bytes were captured from keepalived 2.2.7, except where a test says otherwise.

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::error::ErrorKind;

const V2: &str = "2133960200013400 0a0000640a000065 0000000000000000";
const V2_STOP: &str = "213300020001ca00 0a0000640a000065 0000000000000000";
const V2_PASSWORD: &str = "213396020101c581 0a0000640a000065 7365637265743132";
const V3: &str = "3133960200643909 0a0000640a000065";
const V3_STOP: &str = "313300020064cf09 0a0000640a000065";
const V3_UNICAST: &str = "3133960200640f1a 0a0000640a000065";
const V3_IPV6: &str = "3133ff020064c8ed fe800000000000000000000000000100 20010db8000000000000000000000100";
const V3_IPV6_STOP: &str =
    "313300020064c7ee fe800000000000000000000000000100 20010db8000000000000000000000100";
/// From draft-cassen-vrrp-auth-hmac: checksum without pseudo-header.
const V3_PLAIN: &str = "3133c80100644402 c0000264";

fn hex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> =
        text.chars().filter_map(|c| c.to_digit(16)).map(|d| u8::try_from(d).unwrap()).collect();
    digits.chunks(2).map(|pair| pair[0] << 4 | pair[1]).collect()
}

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn to(source: &str, destination: &str) -> Envelope {
    Envelope { source: ip(source), destination: ip(destination), ttl: 255 }
}

fn group() -> Envelope {
    to("10.0.0.1", "224.0.0.18")
}

fn advert(version: Version, priority: u8, auth: Auth) -> Advert {
    Advert {
        version,
        vrid: 51,
        priority,
        interval: Duration::from_secs(1),
        auth,
        addresses: vec![ip("10.0.0.100"), ip("10.0.0.101")],
    }
}

fn advert_v6(priority: u8) -> Advert {
    let addresses = vec![ip("fe80::100"), ip("2001:db8::100")];
    Advert { addresses, ..advert(Version::V3, priority, Auth::None) }
}

#[track_caller]
fn same_both_ways(golden: &str, envelope: &Envelope, advert: &Advert) {
    let bytes = hex(golden);
    assert_eq!(Advert::parse(&bytes, envelope).as_ref(), Ok(advert));
    assert_eq!(advert.emit(envelope.source, envelope.destination), bytes);
}

/// With a version 3 checksum over the advert alone.
fn plainly(advert: &Advert, source: Ipv4Addr) -> Vec<u8> {
    advert.emit_as(source.into(), GROUP_V4.into(), ChecksumForm::Plain, None)
}

#[test]
fn version_2() {
    same_both_ways(V2, &group(), &advert(Version::V2, 150, Auth::None));
    same_both_ways(V2_STOP, &group(), &advert(Version::V2, 0, Auth::None));
}

#[test]
fn version_2_with_password() {
    same_both_ways(V2_PASSWORD, &group(), &advert(Version::V2, 150, Auth::password("secret12345")));
}

#[test]
fn version_3() {
    same_both_ways(V3, &group(), &advert(Version::V3, 150, Auth::None));
    same_both_ways(V3_STOP, &group(), &advert(Version::V3, 0, Auth::None));
}

#[test]
fn version_3_to_a_unicast_peer() {
    same_both_ways(V3_UNICAST, &to("10.0.0.1", "10.0.0.2"), &advert(Version::V3, 150, Auth::None));
}

#[test]
fn version_3_over_ipv6() {
    let envelope = to("fe80::fce6:42ff:febc:9b6c", "ff02::12");
    same_both_ways(V3_IPV6, &envelope, &advert_v6(255));
    same_both_ways(V3_IPV6_STOP, &envelope, &advert_v6(0));
}

/// RFC 9568, 5.2.8: over IPv4 without the pseudo-header.
#[test]
fn version_3_checksum_without_pseudo_header() {
    let envelope = to("198.51.100.10", "224.0.0.18");
    let parsed = Advert::parse(&hex(V3_PLAIN), &envelope).unwrap();
    assert_eq!((parsed.vrid, parsed.priority, &parsed.addresses), (51, 200, &vec![ip("192.0.2.100")]));
    assert_eq!(plainly(&parsed, Ipv4Addr::new(198, 51, 100, 10)), hex(V3_PLAIN));
    assert_ne!(parsed.emit(envelope.source, envelope.destination), hex(V3_PLAIN));
}

/// The version 2 checksum covers the VRRP part only, so the addresses around it do not matter.
#[test]
fn version_2_checksum_ignores_the_envelope() {
    assert!(Advert::parse(&hex(V2), &to("192.0.2.1", "192.0.2.2")).is_ok());
}

/// Over IPv6 there is one form only (RFC 9568, 5.2.8).
#[test]
fn ipv6_needs_the_pseudo_header() {
    let error = Advert::parse(&hex(V3_IPV6), &to("fe80::1", "ff02::12")).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Checksum);
}

#[track_caller]
fn refused(golden: &str, change: impl FnOnce(&mut Vec<u8>)) -> AdvertError {
    let mut bytes = hex(golden);
    change(&mut bytes);
    Advert::parse(&bytes, &group()).unwrap_err()
}

/// Changes a byte and puts the checksum right again.
fn set(bytes: &mut [u8], at: usize, value: u8) {
    bytes[at] = value;
    bytes[CHECKSUM].fill(0);
    let checksum = checksum::finish(checksum::sum(bytes));
    bytes[CHECKSUM].copy_from_slice(&checksum.to_be_bytes());
}

#[test]
fn a_payload_shorter_than_the_header_is_refused() {
    let error = refused(V2, |bytes| bytes.truncate(7));
    assert_eq!(error, AdvertError::Truncated { found: 7, expected: 8 });
    assert_eq!((error.kind(), error.vrid()), (ErrorKind::Length, None));
}

#[test]
fn the_address_count_must_fit_the_length() {
    for (golden, length) in [(V2, 24), (V3, 16)] {
        let short = refused(golden, |bytes| bytes.truncate(length - 1));
        let (count, expected) = (2, length);
        assert_eq!(short, AdvertError::AddressCount { vrid: 51, count, found: length - 1, expected });
        let long = refused(golden, |bytes| bytes.push(0));
        assert_eq!(long, AdvertError::AddressCount { vrid: 51, count, found: length + 1, expected });
        assert_eq!((long.kind(), long.vrid()), (ErrorKind::AddressCount, Some(51)));
    }
}

#[test]
fn unknown_versions_are_refused() {
    for found in [0, 1, 4, 15] {
        let error = refused(V3, |bytes| set(bytes, 0, found << 4 | 1));
        assert_eq!(error, AdvertError::UnknownVersion { vrid: 51, found });
    }
    let v2_over_ipv6 = Advert::parse(&hex(V2), &to("fe80::1", "ff02::12")).unwrap_err();
    assert_eq!(v2_over_ipv6, AdvertError::UnknownVersion { vrid: 51, found: 2 });
}

#[test]
fn other_packet_types_are_refused() {
    assert_eq!(refused(V3, |bytes| set(bytes, 0, 0x32)), AdvertError::UnknownType { vrid: 51, found: 2 });
}

#[test]
fn a_damaged_packet_is_refused_with_the_checksum_it_should_have() {
    for (golden, right) in [(V2, 0x3400), (V3, 0x3909)] {
        let error = refused(golden, |bytes| bytes[7] ^= 0x20);
        assert_eq!(
            error,
            AdvertError::Checksum { vrid: 51, found: right ^ 0x20, expected: right },
            "{golden}"
        );
        assert_eq!(refused(golden, |bytes| bytes[2] ^= 1).kind(), ErrorKind::Checksum);
    }
}

#[test]
fn vrid_0_is_refused() {
    assert_eq!(refused(V2, |bytes| set(bytes, 1, 0)), AdvertError::ZeroVrid);
}

#[test]
fn an_interval_of_zero_is_refused() {
    assert_eq!(refused(V2, |bytes| set(bytes, 5, 0)), AdvertError::ZeroInterval { vrid: 51 });
    assert_eq!(refused(V3, |bytes| set(bytes, 5, 0)), AdvertError::ZeroInterval { vrid: 51 });
}

#[test]
fn unknown_authentication_is_refused() {
    let error = refused(V2, |bytes| set(bytes, 4, 3));
    assert_eq!(error, AdvertError::UnknownAuthentication { vrid: 51, found: 3 });
}

/// RFC 9568, 5.2.6: the reserved bits are ignored on reception.
#[test]
fn reserved_bits_of_version_3_are_ignored() {
    let mut bytes = hex(V3);
    set(&mut bytes, 4, 0xf0);
    assert_eq!(Advert::parse(&bytes, &group()).unwrap().interval, Duration::from_secs(1));
}

/// A cloud instance may advertise no address at all.
#[test]
fn no_address_is_fine() {
    let empty = Advert { addresses: vec![], ..advert(Version::V3, 150, Auth::None) };
    let bytes = empty.emit(group().source, group().destination);
    assert_eq!((bytes.len(), Advert::parse(&bytes, &group())), (8, Ok(empty)));
}

#[test]
fn emit_takes_255_addresses_of_the_family_of_the_source() {
    let mut addresses = vec![ip("fe80::1")];
    addresses.extend((0..300_u32).map(|n| IpAddr::from(Ipv4Addr::from(0x0a00_0000 + n))));
    for version in [Version::V2, Version::V3] {
        let big = Advert { addresses: addresses.clone(), ..advert(version, 1, Auth::None) };
        let parsed = Advert::parse(&big.emit(group().source, group().destination), &group()).unwrap();
        assert_eq!(parsed.addresses, addresses[1..=255]);
    }
}

#[test]
fn intervals_are_rounded_and_kept_in_range() {
    let millis = Duration::from_millis;
    assert_eq!(representable(Version::V2, millis(1_499)), millis(1_000));
    assert_eq!(representable(Version::V2, millis(10)), millis(1_000));
    assert_eq!(representable(Version::V2, Duration::MAX), millis(255_000));
    assert_eq!(representable(Version::V3, millis(15)), millis(20));
    assert_eq!(representable(Version::V3, Duration::ZERO), millis(10));
    assert_eq!(representable(Version::V3, millis(41_000)), millis(40_950));
}

fn any_v2() -> impl Strategy<Value = Advert> {
    let auth = prop_oneof![Just(Auth::None), any::<[u8; 8]>().prop_map(Auth::Password)];
    let addresses = prop::collection::vec(any::<Ipv4Addr>().prop_map(IpAddr::V4), 0..=255);
    (1..=255_u8, any::<u8>(), 1..=255_u64, auth, addresses).prop_map(
        |(vrid, priority, seconds, auth, addresses)| {
            let interval = Duration::from_secs(seconds);
            Advert { version: Version::V2, vrid, priority, interval, auth, addresses }
        },
    )
}

fn any_v3(address: impl Strategy<Value = IpAddr>) -> impl Strategy<Value = Advert> {
    let addresses = prop::collection::vec(address, 0..=255);
    (1..=255_u8, any::<u8>(), 1..=4095_u64, addresses).prop_map(|(vrid, priority, hundredths, addresses)| {
        let interval = Duration::from_millis(hundredths * 10);
        Advert { version: Version::V3, vrid, priority, interval, auth: Auth::None, addresses }
    })
}

fn any_envelope_v4() -> impl Strategy<Value = Envelope> {
    (any::<Ipv4Addr>(), any::<Ipv4Addr>(), any::<u8>()).prop_map(|(source, destination, ttl)| Envelope {
        source: source.into(),
        destination: destination.into(),
        ttl,
    })
}

fn any_envelope_v6() -> impl Strategy<Value = Envelope> {
    (any::<Ipv6Addr>(), any::<Ipv6Addr>(), any::<u8>()).prop_map(|(source, destination, ttl)| Envelope {
        source: source.into(),
        destination: destination.into(),
        ttl,
    })
}

proptest! {
    #[test]
    fn parse_undoes_emit_v2(advert in any_v2(), envelope in any_envelope_v4()) {
        let bytes = advert.emit(envelope.source, envelope.destination);
        prop_assert_eq!(Advert::parse(&bytes, &envelope), Ok(advert));
    }

    #[test]
    fn parse_undoes_emit_v3(advert in any_v3(any::<Ipv4Addr>().prop_map(IpAddr::V4)), envelope in any_envelope_v4()) {
        let bytes = advert.emit(envelope.source, envelope.destination);
        prop_assert_eq!(Advert::parse(&bytes, &envelope), Ok(advert.clone()));
        let IpAddr::V4(source) = envelope.source else { unreachable!() };
        let plain = plainly(&advert, source);
        prop_assert_eq!(Advert::parse(&plain, &envelope), Ok(advert));
    }

    #[test]
    fn parse_undoes_emit_v6(advert in any_v3(any::<Ipv6Addr>().prop_map(IpAddr::V6)), envelope in any_envelope_v6()) {
        let bytes = advert.emit(envelope.source, envelope.destination);
        prop_assert_eq!(Advert::parse(&bytes, &envelope), Ok(advert));
    }

    /// Whatever arrives, the answer is a value; and what is accepted can be sent again.
    #[test]
    fn any_bytes_are_parsed_without_panic(
        bytes in prop::collection::vec(any::<u8>(), 0..1200),
        envelope in prop_oneof![any_envelope_v4(), any_envelope_v6()],
    ) {
        let _ = Advert::parse(&bytes, &envelope);
    }

    /// As above with the checksum put right, so that the later rules are reached.
    #[test]
    fn any_bytes_with_a_right_checksum_are_parsed_without_panic(
        mut bytes in prop::collection::vec(any::<u8>(), 8..64),
        version in 2..=3_u8,
        count in 0..14_u8,
        envelope in any_envelope_v4(),
    ) {
        bytes[3] = count;
        set(&mut bytes, 0, version << 4 | 1);
        if let Ok(advert) = Advert::parse(&bytes, &envelope) {
            let again = advert.emit(envelope.source, envelope.destination);
            prop_assert_eq!(Advert::parse(&again, &envelope), Ok(advert));
        }
    }
}

/// Captured from keepalived 2.2.7 with `old_unicast_checksum`: the pseudo-header names the group, not the peer.
const OLD_UNICAST: &str = "3133c801003211a50a000064";

#[test]
fn the_checksum_of_old_versions_by_unicast_is_known() {
    let envelope = to("10.0.0.1", "10.0.0.2");
    let parsed = Advert::read(&hex(OLD_UNICAST), &envelope).unwrap();
    assert_eq!(parsed.checksum, ChecksumForm::OldUnicast);
    let emitted =
        parsed.advert.emit_as(envelope.source, envelope.destination, ChecksumForm::OldUnicast, None);
    assert_eq!(emitted, hex(OLD_UNICAST));
    // To the group it is the usual one.
    let parsed = Advert::read(&hex(OLD_UNICAST), &to("10.0.0.1", "224.0.0.18")).unwrap();
    assert_eq!(parsed.checksum, ChecksumForm::Usual);
}
