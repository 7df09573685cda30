//! Weights as large as the kernel takes them: 65,535 and above, up to 2147483647, which is also what keepalived takes.

use super::overrides::DRAIN;
use super::pools::{Bench, SORRY, VIP, service};
use crate::director::overrides::{Act, Kind};

const MOST: u32 = i32::MAX as u32;

/// Four of them are more than fits into 32 bits.
const WEIGHTS: [u32; 4] = [65_535, 65_536, MOST, MOST];

#[test]
fn they_are_handed_to_the_kernel_as_they_are() {
    let mut bench = Bench::new(&service("10.0.0.100 80", "", &WEIGHTS));
    bench.answer(&[1, 2, 3, 4]);
    assert_eq!(bench.held(VIP), [(1, 65_535), (2, 65_536), (3, MOST), (4, MOST)]);
    // A reload changes nothing else.
    bench.configure(&service("10.0.0.100 80", "", &[65_536, 65_535, MOST, MOST]));
    assert_eq!(bench.held(VIP), [(1, 65_536), (2, 65_535), (3, MOST), (4, MOST)]);
    bench.configure(&service("10.0.0.100 80", "inhibit_on_failure", &WEIGHTS));
    bench.answer(&[1]);
    assert_eq!(bench.held(VIP), [(1, 65_535), (2, 0), (3, 0), (4, 0)]);
}

#[test]
fn a_quorum_adds_them_up() {
    let lines = format!("quorum {MOST}\nhysteresis {}\n{SORRY}", MOST - 131_071);
    let mut bench = Bench::new(&service("10.0.0.100 80", &lines, &WEIGHTS));
    bench.answer(&[1, 2, 3, 4]);
    assert_eq!(bench.held(VIP).len(), 4);
    bench.answer(&[1, 2]);
    assert_eq!(bench.held(VIP), [(1, 65_535), (2, 65_536)], "131071 is enough while it is reached");
    bench.answer(&[2]);
    assert_eq!(bench.held(VIP), [(9, 1)]);
    bench.answer(&[2, 3]);
    assert_eq!(bench.held(VIP), [(9, 1)], "the quorum and the hysteresis are more than {MOST}");
    bench.answer(&[3, 4]);
    assert_eq!(bench.held(VIP), [(3, MOST), (4, MOST)]);
    let snapshot = bench.desk.director.snapshot(bench.desk.now);
    assert_eq!((snapshot.services[0].quorum, snapshot.services[0].weight_up), (true, 2 * u64::from(MOST)));
}

/// An operator's weights are as large, and what they would come to is added up alike.
#[test]
fn operators_say_them_too() {
    let mut bench = Bench::new(&service("10.0.0.100 80", &format!("quorum {MOST}"), &[MOST, MOST, 1, 1]));
    bench.answer(&[1, 2, 3, 4]);
    let desk = &mut bench.desk;
    desk.set("10.0.1.3", Act::Weight(65_535), None);
    desk.set("10.0.1.4", Act::Weight(MOST), None);
    let wanted = desk.director.table.value.services[&VIP.parse().unwrap()].clone();
    let weights: Vec<u32> = wanted.destinations.values().map(|settings| settings.weight).collect();
    assert_eq!(weights, [MOST, MOST, 65_535, MOST]);
    // One of the three is enough, none is not.
    desk.set("10.0.1.1", DRAIN, None);
    assert!(desk.consider("10.0.1.2", Kind::Drain, Some(0)).unwrap().endangered.is_empty());
    desk.set("10.0.1.2", DRAIN, None);
    assert_eq!(desk.consider("10.0.1.4", Kind::Weight, Some(1)).unwrap().endangered.len(), 1);
    assert!(desk.consider("10.0.1.3", Kind::Weight, Some(MOST)).unwrap().endangered.is_empty());
}
