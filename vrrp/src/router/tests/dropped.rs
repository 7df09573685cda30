//! Adverts that are dropped, and odd ones that are not.

use super::*;
use crate::auth::{Auth, AuthKind};

#[track_caller]
fn dropped(ours: &Settings, change: impl Fn(&mut Advert), ttl: u8, error: AdvertError) {
    let mut bench = Bench::backup(ours.clone());
    let mut theirs = advert(ours, 200);
    change(&mut theirs);
    let kind = error.kind();
    let note = Output::Note(Note::Rejected { source: Some(host(9)), error });
    assert_eq!(bench.at(SECOND).hear_advert(&theirs, host(9), ttl), [note]);
    assert!(bench.hear_advert(&theirs, host(9), ttl).is_empty(), "noted once");
    assert_eq!(bench.due(), millis(3_500), "the timer runs on");
    assert_eq!((bench.errors(kind), bench.router.counters().received), (2, 0));
}

/// RFC 9568, 5.1.1.3.
#[test]
fn multicast_with_another_ttl_is_dropped() {
    dropped(&settings(Version::V3), |_| (), 254, AdvertError::WrongTtl { vrid: 51, found: 254 });
}

#[test]
fn unicast_is_accepted_with_any_ttl() {
    let mut bench = Bench::backup(settings(Version::V3));
    let envelope = Envelope { source: host(9), destination: host(5), ttl: 64 };
    let theirs = advert(bench.router.settings(), 200);
    bench.at(SECOND);
    bench.router.handle_advert(&theirs, &envelope, bench.now);
    assert_eq!(bench.due(), millis(4_500));
}

#[test]
fn another_vrid_is_dropped() {
    let error = AdvertError::WrongVrid { found: 52, expected: 51 };
    dropped(&settings(Version::V3), |advert| advert.vrid = 52, 255, error);
}

#[test]
fn another_version_is_dropped() {
    let error = AdvertError::WrongVersion { vrid: 51, found: Version::V2, expected: Version::V3 };
    dropped(&settings(Version::V3), |advert| advert.version = Version::V2, 255, error);
}

#[test]
fn another_authentication_is_dropped() {
    let with = Settings { auth: Auth::password("secret"), ..settings(Version::V2) };
    let (found, expected) = (AuthKind::None, AuthKind::Password);
    let error = AdvertError::WrongAuthentication { vrid: 51, found, expected };
    dropped(&with, |advert| advert.auth = Auth::None, 255, error);
    let error = AdvertError::WrongPassword { vrid: 51 };
    dropped(&with, |advert| advert.auth = Auth::password("secreT"), 255, error);
}

#[test]
fn our_own_adverts_are_ignored() {
    let mut bench = Bench::master(settings(Version::V3));
    let note = Note::OwnAddress { source: host(5) };
    assert_eq!(bench.hear(5, 128), [Output::Note(note.clone())]);
    assert!(bench.hear(5, 255).is_empty(), "told once");
    assert_eq!((bench.router.counters().looped, bench.router.counters().received), (2, 0));
    assert_eq!(bench.router.notes(bench.now).collect::<Vec<_>>(), [&note]);
}

#[test]
fn what_could_not_be_parsed_is_counted_and_noted_once_per_kind() {
    let mut bench = Bench::backup(settings(Version::V3));
    let error = AdvertError::UnknownType { vrid: 51, found: 3 };
    bench.router.handle_error(None, &error, bench.now);
    bench.router.handle_error(None, &error, bench.now);
    assert_eq!(bench.outputs(), [Output::Note(Note::Rejected { source: None, error })]);
    bench.router.handle_error(None, &AdvertError::ZeroInterval { vrid: 51 }, bench.now);
    assert_eq!(bench.outputs().len(), 1);
    assert_eq!((bench.errors(ErrorKind::Type), bench.errors(ErrorKind::Interval)), (2, 1));
}

/// As keepalived since 2.3.3: a rolling change of addresses must not make two masters.
#[test]
fn another_address_list_is_noted_once_and_accepted() {
    let ours = settings(Version::V3);
    let mut bench = Bench::backup(ours.clone());
    let theirs = Advert { addresses: vec![host(100), host(101)], ..advert(&ours, 200) };
    let note = Note::AddressListDiffers { source: host(9), found: theirs.addresses.clone() };
    assert_eq!(bench.at(SECOND).hear_advert(&theirs, host(9), 255), [Output::Note(note)]);
    assert_eq!((bench.due(), bench.errors(ErrorKind::AddressList)), (millis(4_500), 1));
    assert!(bench.hear_advert(&theirs, host(9), 255).is_empty());
}

/// It lasts while it is met again within a minute; after that it is another episode.
#[test]
fn an_oddity_is_told_once_per_episode_and_known_while_it_lasts() {
    let mut bench = Bench::backup(settings(Version::V3));
    let error = AdvertError::WrongVersion { vrid: 51, found: Version::V2, expected: Version::V3 };
    let lasting = |bench: &Bench| bench.router.notes(bench.now).count();
    let mut told = 0;
    for second in [1, 30, 80, 140, 201, 202] {
        bench.at(second * SECOND);
        bench.router.handle_error(Some(host(9)), &error, bench.now);
        told += bench.outputs().iter().filter(|output| matches!(output, Output::Note(_))).count();
        assert_eq!(lasting(&bench), 1, "at {second} s");
    }
    assert_eq!(told, 2, "at 1 s and at 201 s");
    bench.at(263 * SECOND);
    assert_eq!(lasting(&bench), 0, "nothing of that kind for a minute");
}

/// Two that make the same mistake are both named, once each; of very many the first.
#[test]
fn each_router_is_named_with_its_oddity() {
    let mut bench = Bench::backup(settings(Version::V2));
    let told = |bench: &mut Bench, last: u8| {
        bench.router.handle_error(Some(host(last)), &AdvertError::WrongPassword { vrid: 51 }, bench.now);
        !bench.outputs().is_empty()
    };
    assert!(told(&mut bench, 20) && told(&mut bench, 21));
    assert!(!told(&mut bench, 20) && !told(&mut bench, 21), "once each");
    let named: Vec<String> = bench.router.notes(bench.now).map(ToString::to_string).collect();
    assert!(
        named.len() == 2 && named[0].contains("10.0.0.20 ") && named[1].contains("10.0.0.21 "),
        "{named:?}"
    );
    let crowd = (0..200).filter(|last| told(&mut bench, *last)).count();
    assert_eq!((crowd, bench.router.notes(bench.now).count()), (14, 16));
    assert_eq!(bench.errors(ErrorKind::Authentication), 204, "all are counted");
    // Another kind of oddity has room of its own, and a minute later there is room again.
    bench.router.handle_error(Some(host(20)), &AdvertError::ZeroInterval { vrid: 51 }, bench.now);
    assert_eq!(bench.outputs().len(), 1);
    bench.at(61 * SECOND);
    assert!(told(&mut bench, 199));
}

#[test]
fn the_order_of_addresses_does_not_matter() {
    let ours = Settings { addresses: vec![host(100), host(101)], ..settings(Version::V3) };
    let mut bench = Bench::backup(ours.clone());
    let theirs = Advert { addresses: vec![host(101), host(100)], ..advert(&ours, 200) };
    assert!(bench.hear_advert(&theirs, host(9), 255).is_empty());
}
