//! Whether a frame of keepalived's says to us what it says, and is built by us to the same bytes.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use vrrp::io::{gratuitous_arp_frame, unsolicited_advertisement_frame};
use vrrp::{
    Advert, ChecksumForm, Envelope, Secret, datagram_v4, header_datagram_v4, split_header_v4, split_v4,
};

/// The password of those frames that have one.
const PASSWORD: &[u8] = b"opensesm";
const ETHERNET: usize = 14;
const IPV6: usize = 40;

/// Reads the frame, checks what its name promises, and builds it anew.
pub fn same_both_ways(name: &str, frame: &[u8]) {
    let packet = &frame[ETHERNET..];
    let built = match (&frame[12..14], name.ends_with(".announcement")) {
        ([0x08, 0x06], true) => return same_arp(name, frame),
        ([0x86, 0xdd], true) => return same_advertisement(name, frame),
        ([0x08, 0x00], false) if packet[9] == 51 => headed(name, packet),
        ([0x08, 0x00], false) => plain(name, packet),
        ([0x86, 0xdd], false) => over_ipv6(name, packet),
        other => panic!("{name}: {other:?} is no kind of frame that was captured"),
    };
    assert_eq!(built, packet, "{name}: built otherwise");
}

fn plain(name: &str, packet: &[u8]) -> Vec<u8> {
    let (envelope, payload) = split_v4(packet).unwrap_or_else(|error| panic!("{name}: {error}"));
    datagram_v4(&envelope, identification(packet), &advert(name, &envelope, payload))
}

fn headed(name: &str, packet: &[u8]) -> Vec<u8> {
    let split = split_header_v4(packet).unwrap_or_else(|error| panic!("{name}: {error}"));
    let (envelope, proof, payload) = split.unwrap_or_else(|| panic!("{name} is not about VRRP"));
    let password = Secret::new(PASSWORD.to_vec());
    assert!(proof.holds(&password), "{name}: the check value is another");
    assert!(!proof.holds(&Secret::new(b"opensesn".to_vec())), "{name}: any password would do");
    let payload = advert(name, &envelope, payload);
    header_datagram_v4(&envelope, identification(packet), proof.sequence, &password, &payload)
}

/// The kernel makes the header; it is taken over as it is.
fn over_ipv6(name: &str, packet: &[u8]) -> Vec<u8> {
    let address = |at: usize| {
        let octets: [u8; 16] = packet[at..at + 16].try_into().expect("there are as many");
        IpAddr::V6(Ipv6Addr::from(octets))
    };
    let envelope = Envelope { source: address(8), destination: address(24), ttl: packet[7] };
    let length = usize::from(u16::from_be_bytes([packet[4], packet[5]]));
    assert_eq!((packet[6], packet.len()), (112, IPV6 + length), "{name}: odd lengths");
    [&packet[..IPV6], &advert(name, &envelope, &packet[IPV6..])].concat()
}

/// What the advert says, and its bytes as we would say it.
fn advert(name: &str, envelope: &Envelope, payload: &[u8]) -> Vec<u8> {
    let parsed = Advert::read(payload, envelope).unwrap_or_else(|error| panic!("{name}: {error}"));
    let advert = &parsed.advert;
    assert!(parsed.trailer.is_none(), "{name} is signed");
    let stop = name.ends_with(".farewell");
    assert_eq!((advert.vrid, advert.priority), (51, if stop { 0 } else { 150 }), "{name}");
    let version = if name.starts_with("v2") { vrrp::Version::V2 } else { vrrp::Version::V3 };
    assert_eq!(advert.version, version, "{name}");
    let (milliseconds, count) = match name.split('.').next().unwrap_or_default() {
        "v2-long" => (1_000, 40),
        "v3-long" => (250, 90),
        "v3-ipv6-long" => (250, 31),
        ipv6 if ipv6.contains("ipv6") => (250, 2),
        v2 if v2.starts_with("v2") => (1_000, 1),
        _ => (250, 1),
    };
    assert_eq!((advert.interval.as_millis(), advert.addresses.len()), (milliseconds, count), "{name}");
    let old = name.starts_with("v3-old-checksum");
    assert_eq!(parsed.checksum == ChecksumForm::OldUnicast, old, "{name}: {:?}", parsed.checksum);
    assert_eq!(envelope.is_multicast(), !(name.contains("unicast") || old), "{name}");
    advert.emit_as(envelope.source, envelope.destination, parsed.checksum, None)
}

fn identification(packet: &[u8]) -> u16 {
    u16::from_be_bytes([packet[4], packet[5]])
}

fn same_arp(name: &str, frame: &[u8]) {
    let octets: [u8; 4] = frame[28..32].try_into().expect("there are as many");
    assert_eq!(
        gratuitous_arp_frame(mac(frame), Ipv4Addr::from(octets)),
        frame[..42],
        "{name}: built otherwise"
    );
}

fn same_advertisement(name: &str, frame: &[u8]) {
    let octets: [u8; 16] = frame[62..78].try_into().expect("there are as many");
    let router = frame[58] & 0x80 != 0;
    let built = unsolicited_advertisement_frame(mac(frame), Ipv6Addr::from(octets), router);
    // Ours has a traffic class, network control, and keepalived's none: version, class and flow label stand in between.
    let parts = |frame: &[u8]| (frame[..ETHERNET].to_vec(), frame[ETHERNET + 4..].to_vec());
    assert_eq!(parts(&built), parts(frame), "{name}: built otherwise");
}

fn mac(frame: &[u8]) -> [u8; 6] {
    frame[6..12].try_into().expect("there are as many")
}
