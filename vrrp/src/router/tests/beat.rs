//! Masters that share a beat speak at the same instants, however they became masters.

use super::*;
use crate::beat::Beat;

/// Three adverts of a master that keeps this beat, from becoming master on, since the start.
fn adverts(bench: &mut Bench) -> [Duration; 3] {
    std::array::from_fn(|_| {
        let due = bench.due();
        assert_eq!(bench.pass(), Reason::Advert);
        due
    })
}

fn owner_since(micros: u64) -> Bench {
    let mut bench = Bench::new(Settings { priority: 255, wish: Role::Master, ..settings(Version::V3) });
    bench.router.keep_beat(Beat::new(bench.start));
    bench.now += Duration::from_micros(micros);
    bench.router.handle_start(bench.now);
    bench.outputs();
    assert!(bench.router.is_master());
    bench
}

#[test]
fn whoever_became_master_within_the_same_beat_speaks_at_the_same_time() {
    for micros in [20_000, 20_001, 20_500, 20_999] {
        let speaks = adverts(&mut owner_since(micros));
        assert_eq!(speaks, [millis(1_020), millis(2_020), millis(3_020)], "{micros}");
    }
    assert_eq!(adverts(&mut owner_since(21_000))[0], millis(1_021));
}

#[test]
fn a_master_that_was_held_up_answers_a_farewell_or_has_a_new_interval_keeps_the_beat() {
    let mut held_up = owner_since(20_000);
    held_up.now = held_up.start + Duration::from_micros(7_777_700);
    held_up.router.handle_timeout(held_up.now);
    assert_eq!(adverts(&mut held_up), [millis(8_777), millis(9_777), millis(10_777)]);

    let mut answering = owner_since(20_000);
    answering.now = answering.start + Duration::from_micros(505_500);
    answering.hear(9, 0);
    assert_eq!(answering.due(), millis(1_505));

    let mut faster = owner_since(20_000);
    faster.now = faster.start + Duration::from_micros(111_900);
    let interval = millis(100);
    let wanted = Settings { interval, ..faster.router.settings().clone() };
    faster.router.handle_settings(wanted, faster.now);
    assert_eq!(adverts(&mut faster), [millis(211), millis(311), millis(411)]);
}

#[test]
fn a_master_that_is_given_a_beat_or_loses_it_speaks_when_it_would_have() {
    let mut bench = owner_since(20_500);
    bench.router.keep_beat(Beat::default());
    assert_eq!(adverts(&mut bench), [millis(1_020), millis(2_020), millis(3_020)]);

    let mut bench = Bench::new(Settings { priority: 255, wish: Role::Master, ..settings(Version::V3) });
    bench.now += Duration::from_micros(20_500);
    bench.router.handle_start(bench.now);
    bench.outputs();
    bench.router.keep_beat(Beat::new(bench.start));
    assert_eq!(
        adverts(&mut bench),
        [millis(1_020) + Duration::from_micros(500), millis(2_020), millis(3_020)]
    );
}
