//! Golden vectors: whole frames that the real keepalived sent.
#![cfg(feature = "io")]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeMap;

#[path = "frames/compare.rs"]
mod compare;

/// Captured from keepalived 2.2.7 of Debian by
/// `INTEROP_FRAMES=vrrp/tests/frames/keepalived.txt cargo test --test interop frames_of_keepalived`: of each kind of
/// instance (`tests/interop/frames.rs` has their configurations) the first advert, the first announcement (gratuitous
/// ARP, or over IPv6 neighbour advertisement; one of IPv6 by unicast is the same as by multicast and left out) and the
/// farewell; Ethernet header included.
const FRAMES: &str = include_str!("frames/keepalived.txt");

fn frames() -> BTreeMap<&'static str, Vec<u8>> {
    let byte = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap();
    let lines = FRAMES.lines().map(|line| line.split_once(' ').unwrap());
    lines.map(|(name, hex)| (name, hex.as_bytes().chunks(2).map(byte).collect())).collect()
}

#[test]
fn every_frame_is_read_and_built_to_the_same_bytes() {
    let frames = frames();
    assert_eq!(frames.len(), 38);
    for (name, frame) in &frames {
        compare::same_both_ways(name, frame);
    }
}

/// A check on the check: no single bit of an advert may be another without somebody noticing.
#[test]
fn a_changed_bit_is_noticed() {
    let frames = frames();
    for name in ["v2.advert", "v2-header.advert", "v3.advert", "v3-ipv6.advert", "v3.announcement"] {
        let frame = &frames[name];
        for (at, bit) in (30..frame.len()).flat_map(|at| (0..8).map(move |bit| (at, bit))) {
            let mut changed = frame.clone();
            changed[at] ^= 1 << bit;
            let same = std::panic::catch_unwind(|| compare::same_both_ways(name, &changed));
            assert!(same.is_err(), "{name}: bit {bit} of byte {at} does not matter");
        }
    }
}
