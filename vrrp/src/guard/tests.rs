use proptest::prelude::*;

use super::*;
use crate::advert::Version;
use crate::auth::Auth;
use crate::header::{header_datagram_v4, split_header_v4};

const NOON: Duration = Duration::from_secs(1_800_000_000);
const WINDOW: u16 = 6;

fn at(seconds: f64) -> Duration {
    Duration::from_secs_f64(NOON.as_secs_f64() + seconds)
}

fn envelope(last: u8) -> Envelope {
    Envelope { source: [10, 0, 0, last].into(), destination: [224, 0, 0, 18].into(), ttl: 255 }
}

fn advert() -> Advert {
    Advert {
        version: Version::V3,
        vrid: 51,
        priority: 200,
        interval: Duration::from_secs(1),
        auth: Auth::None,
        addresses: vec![[10, 0, 0, 100].into()],
    }
}

fn hmac(replay: Replay, mode: Mode) -> HmacSettings {
    let keys = [(1, Secret::new(vec![1; 32])), (2, Secret::new(vec![2; 32]))];
    HmacSettings { keys: keys.into(), active: 1, replay, mode }
}

fn timed(mode: Mode) -> Guard {
    Guard::new(Protection::Hmac(hmac(Replay::Time(WINDOW), mode)))
}

/// What arrives of an advert that `from` sends.
fn send(from: &mut Guard, last: u8, now: Duration) -> Proof {
    let envelope = envelope(last);
    let trailer = match from.seal(&advert(), envelope.source, now) {
        Some(Seal::Trailer(trailer)) => Some(trailer),
        _ => None,
    };
    let bytes =
        advert().emit_as(envelope.source, envelope.destination, ChecksumForm::Usual, trailer.as_ref());
    Reception::read(&bytes, envelope, None).unwrap().proof
}

fn hear(guard: &mut Guard, proof: &Proof, last: u8, now: Duration) -> Result<Believed, AdvertError> {
    guard.judge(&advert(), &envelope(last), proof, now)
}

fn fine() -> Result<Believed, AdvertError> {
    Ok(Believed { skew: None })
}

#[test]
fn signed_adverts_are_believed_once_and_in_order() {
    let (mut sender, mut guard) = (timed(Mode::Enforce), timed(Mode::Enforce));
    let first = send(&mut sender, 2, at(0.0));
    let second = send(&mut sender, 2, at(0.0));
    assert_ne!(first, second, "one moment, two sequences");
    assert_eq!(hear(&mut guard, &first, 2, at(0.1)), fine());
    assert_eq!(hear(&mut guard, &first, 2, at(0.1)), Err(AdvertError::Replayed { vrid: 51 }));
    assert_eq!(hear(&mut guard, &second, 2, at(0.1)), fine());
    assert_eq!(hear(&mut guard, &first, 2, at(0.2)), Err(AdvertError::Replayed { vrid: 51 }));
    let counters: BTreeMap<_, _> = guard.counters().collect();
    assert_eq!((counters["proven"], counters["unproven"]), (2, 0));
}

#[test]
fn each_mode_accepts_what_it_should_and_signs_what_it_should() {
    let signed = send(&mut timed(Mode::Permissive), 2, at(0.0));
    assert!(matches!(signed, Proof::Trailer(_)), "permissive signs");
    assert_eq!(send(&mut timed(Mode::ReceiveOnly), 2, at(0.0)), Proof::None);
    for (mode, unsigned) in [
        (Mode::Enforce, Err(AdvertError::Unsigned { vrid: 51 })),
        (Mode::Permissive, fine()),
        (Mode::ReceiveOnly, fine()),
    ] {
        assert_eq!(hear(&mut timed(mode), &Proof::None, 2, at(0.0)), unsigned);
        assert_eq!(hear(&mut timed(mode), &signed, 2, at(0.0)), fine());
        // A signature that is there has to be right, whatever the mode.
        let other = hear(&mut timed(mode), &signed, 3, at(0.0));
        assert_eq!(other, Err(AdvertError::WrongSignature { vrid: 51, key: 1 }));
    }
    let mut without = Guard::new(Protection::None);
    assert_eq!(hear(&mut without, &signed, 2, at(0.0)), Err(AdvertError::Signed { vrid: 51 }));
    assert_eq!(hear(&mut without, &Proof::None, 2, at(0.0)), fine());
}

#[test]
fn a_signature_from_another_time_is_stale_unless_only_the_order_counts() {
    for (sent, age) in [(-7.0, 7), (7.0, -7)] {
        let proof = send(&mut timed(Mode::Enforce), 2, at(sent));
        let stale = AdvertError::StaleSignature { vrid: 51, age, window: WINDOW };
        assert_eq!(hear(&mut timed(Mode::Enforce), &proof, 2, at(0.0)), Err(stale));
        let mut monotonic = Guard::new(Protection::Hmac(hmac(Replay::Monotonic, Mode::Enforce)));
        assert_eq!(hear(&mut monotonic, &proof, 2, at(0.0)), fine());
    }
}

#[test]
fn a_skew_beyond_half_the_window_is_told_once_until_it_is_better() {
    let (mut sender, mut guard) = (timed(Mode::Enforce), timed(Mode::Enforce));
    let mut told = |sent: f64, now: f64| {
        let proof = send(&mut sender, 2, at(sent));
        hear(&mut guard, &proof, 2, at(now)).unwrap().skew
    };
    assert_eq!(told(0.0, 3.0), None);
    assert_eq!(told(1.0, 5.0), Some((4, WINDOW)));
    assert_eq!(told(2.0, 6.0), None, "told already");
    assert_eq!(told(8.0, 8.0), None);
    assert_eq!(told(13.0, 9.0), Some((-4, WINDOW)), "a new episode");
}

#[test]
fn a_key_is_replaced_without_a_gap_and_without_forgetting() {
    let (mut sender, mut guard) = (timed(Mode::Enforce), timed(Mode::Enforce));
    let old = send(&mut sender, 2, at(0.0));
    assert_eq!(hear(&mut guard, &old, 2, at(0.0)), fine());
    // Both know both keys; the sender changes first, then the old key goes.
    sender
        .configure(Protection::Hmac(HmacSettings { active: 2, ..hmac(Replay::Time(WINDOW), Mode::Enforce) }));
    let new = send(&mut sender, 2, at(0.0));
    guard
        .configure(Protection::Hmac(HmacSettings { active: 2, ..hmac(Replay::Time(WINDOW), Mode::Enforce) }));
    assert_eq!(hear(&mut guard, &new, 2, at(0.1)), fine());
    assert_eq!(hear(&mut guard, &old, 2, at(0.2)), Err(AdvertError::Replayed { vrid: 51 }));
    let mut only_new = hmac(Replay::Time(WINDOW), Mode::Enforce);
    only_new.keys.remove(&1);
    only_new.active = 2;
    guard.configure(Protection::Hmac(only_new));
    assert_eq!(hear(&mut guard, &old, 2, at(0.2)), Err(AdvertError::UnknownKey { vrid: 51, key: 1 }));
    assert_eq!(hear(&mut guard, &new, 2, at(0.2)), Err(AdvertError::Replayed { vrid: 51 }));
}

#[test]
fn a_clock_set_back_an_hour_mutes_nobody_for_longer_than_the_window() {
    let (mut sender, mut guard) = (timed(Mode::Enforce), timed(Mode::Enforce));
    let before = send(&mut sender, 2, at(0.0));
    assert_eq!(hear(&mut guard, &before, 2, at(0.0)), fine());
    // Both clocks are set back: the sender begins anew at its clock, and the receiver's mark lies outside the window.
    let after = send(&mut sender, 2, at(-3600.0));
    assert_eq!(hear(&mut guard, &after, 2, at(-3600.0)), fine());
    assert_eq!(hear(&mut guard, &after, 2, at(-3599.0)), Err(AdvertError::Replayed { vrid: 51 }));
    // Only ours is: the others' adverts are from the future, and that is named.
    let theirs = send(&mut timed(Mode::Enforce), 2, at(0.0));
    let stale = AdvertError::StaleSignature { vrid: 51, age: -3600, window: WINDOW };
    assert_eq!(hear(&mut guard, &theirs, 2, at(-3600.0)), Err(stale));
    // By a little: the sequence goes on growing.
    let Proof::Trailer(one) = send(&mut sender, 2, at(-3590.0)) else { panic!("it is signed") };
    let Proof::Trailer(two) = send(&mut sender, 2, at(-3593.0)) else { panic!("it is signed") };
    assert_eq!(two.sequence, one.sequence.next());
    // And in monotonic mode always.
    let mut monotonic = Guard::new(Protection::Hmac(hmac(Replay::Monotonic, Mode::Enforce)));
    let Proof::Trailer(one) = send(&mut monotonic, 2, at(0.0)) else { panic!("it is signed") };
    let Proof::Trailer(two) = send(&mut monotonic, 2, at(-3600.0)) else { panic!("it is signed") };
    assert_eq!(two.sequence, one.sequence.next());
}

#[test]
fn four_senders_by_multicast_are_remembered_and_forgeries_displace_none() {
    let mut guard = timed(Mode::Enforce);
    let mut sender = timed(Mode::Enforce);
    let proofs: Vec<Proof> = (1..=5).map(|last| send(&mut sender, last, at(0.0))).collect();
    for (last, proof) in (1..=4).zip(&proofs) {
        assert_eq!(hear(&mut guard, proof, last, at(0.0)), fine());
    }
    for forger in 20..40 {
        assert!(hear(&mut guard, &proofs[0], forger, at(0.0)).is_err());
    }
    for (last, proof) in (1..=4).zip(&proofs) {
        assert_eq!(hear(&mut guard, proof, last, at(0.0)), Err(AdvertError::Replayed { vrid: 51 }));
    }
    // A fifth displaces the one that was silent for longest.
    assert_eq!(hear(&mut guard, &proofs[4], 5, at(0.0)), fine());
    assert_eq!(guard.marks.len(), SENDERS);
    assert_eq!(hear(&mut guard, &proofs[1], 2, at(0.0)), Err(AdvertError::Replayed { vrid: 51 }));
    assert!(!guard.marks.contains_key(&envelope(1).source));
    // Peers by unicast are all remembered: they are as many as the operator named.
    for last in 1..=9 {
        let to = Envelope { destination: [10, 0, 0, 200].into(), ..envelope(last) };
        let proof = send(&mut sender, last, at(1.0));
        assert_eq!(guard.judge(&advert(), &to, &proof, at(1.0)), fine());
    }
    assert!(guard.marks.len() >= 9);
}

fn header_proof(guard: &mut Guard, last: u8) -> (Advert, Proof) {
    let advert = Advert { version: Version::V2, auth: Auth::Header, ..advert() };
    let envelope = envelope(last);
    let Some(Seal::Header { sequence, password }) = guard.seal(&advert, envelope.source, NOON) else {
        panic!("a header was to be made")
    };
    let payload = advert.emit(envelope.source, envelope.destination);
    let packet = header_datagram_v4(&envelope, 1, sequence, &password, &payload);
    let (_, proof, _) = split_header_v4(&packet).unwrap().unwrap();
    (advert, Proof::Header(proof))
}

#[test]
fn headers_continue_one_row_of_numbers() {
    let with = |password: &[u8]| Guard::new(Protection::Header(Secret::new(password.to_vec())));
    let (mut one, mut two) = (with(b"secret12"), with(b"secret12"));
    let (advert, first) = header_proof(&mut one, 1);
    let (_, second) = header_proof(&mut one, 1);
    let hear = |guard: &mut Guard, proof: &Proof, last| guard.judge(&advert, &envelope(last), proof, NOON);
    assert_eq!(hear(&mut two, &first, 1), fine());
    assert_eq!(hear(&mut two, &first, 1), Err(AdvertError::Replayed { vrid: 51 }));
    assert_eq!(hear(&mut two, &second, 1), fine());
    assert_eq!(hear(&mut two, &first, 1), Err(AdvertError::Replayed { vrid: 51 }));
    // Who takes over goes on with the next number.
    let (_, third) = header_proof(&mut two, 2);
    assert!(matches!(&third, Proof::Header(proof) if proof.sequence == 3));
    assert_eq!(hear(&mut one, &third, 2), fine());
    // Another password, another sender's header, none, and one that nobody asked for.
    let wrong = Err(AdvertError::WrongHeader { vrid: 51 });
    assert_eq!(hear(&mut with(b"secret13"), &third, 2), wrong);
    assert_eq!(hear(&mut one, &third, 3), wrong);
    let wrong = |found, expected| Err(AdvertError::WrongAuthentication { vrid: 51, found, expected });
    assert_eq!(hear(&mut one, &Proof::None, 2), wrong(AuthKind::Header, AuthKind::Header));
    assert_eq!(hear(&mut Guard::new(Protection::None), &third, 2), wrong(AuthKind::Header, AuthKind::None));
}

#[test]
fn keys_do_not_show_in_logs() {
    let guard = timed(Mode::Enforce);
    let text = format!("{guard:?}");
    assert!(!text.contains("1, 1, 1") && !text.contains("[1"), "{text}");
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn nothing_is_believed_that_was_not_signed(
        at_byte in 0usize..40, bit in 0u8..8, now in 0.0..5.0f64,
    ) {
        let mut sender = timed(Mode::Enforce);
        let envelope = envelope(2);
        let Some(Seal::Trailer(trailer)) = sender.seal(&advert(), envelope.source, at(0.0)) else {
            panic!("it is signed")
        };
        let mut bytes =
            advert().emit_as(envelope.source, envelope.destination, ChecksumForm::Usual, Some(&trailer));
        bytes[at_byte] ^= 1 << bit;
        let believed = Reception::read(&bytes, envelope, None).is_ok_and(|heard| {
            timed(Mode::Enforce).judge(&heard.advert, &envelope, &heard.proof, at(now)).is_ok()
        });
        prop_assert!(!believed, "byte {}", at_byte);
    }

    #[test]
    fn a_sender_is_always_believed_by_a_receiver_with_the_same_clock(
        steps in prop::collection::vec(-20.0..20.0f64, 1..40),
    ) {
        let (mut sender, mut guard) = (timed(Mode::Enforce), timed(Mode::Enforce));
        let mut now = 10_000.0;
        for step in steps {
            // Clocks that jump by less than the window may hold an advert back, never for longer than that.
            now += if step.abs() > f64::from(WINDOW) + 1.0 || step > 0.0 { step } else { 0.0 };
            let proof = send(&mut sender, 2, at(now));
            prop_assert!(hear(&mut guard, &proof, 2, at(now)).is_ok());
        }
    }
}
