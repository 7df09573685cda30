//! A process that was stopped, a start that is planned, and an owner that listens to nobody.

use super::*;
use crate::advert::{PRIORITY_OWNER, PRIORITY_STOP};

/// As if the process had slept this long as master, with adverts that are overdue.
fn asleep(settings: Settings, time: Duration) -> Bench {
    let mut bench = Bench::master(settings);
    bench.at(time);
    bench
}

#[test]
fn a_master_that_slept_steps_down_for_its_successor_without_a_word() {
    for (version, preempt, priority) in
        [(Version::V2, true, 100), (Version::V3, true, 100), (Version::V3, false, 1)]
    {
        let settings = Settings { preempt, ..settings(version) };
        let mut bench = asleep(settings, 10 * SECOND);
        let cause = Cause::Succeeded { source: host(7), priority };
        assert_eq!(bench.hear(7, priority), [transition(State::Master, State::Backup, cause)]);
        // From here on it is a backup like any other: the lesser master is preempted in due time, or left alone.
        assert_eq!(bench.due(), 10 * SECOND + millis(3_500));
        bench.at(11 * SECOND);
        assert_eq!(bench.hear(7, priority), []);
        let due = if preempt { 10 * SECOND } else { 11 * SECOND };
        assert_eq!(bench.due(), due + millis(3_500));
    }
}

#[test]
fn a_master_that_slept_too_short_for_a_successor_stays_one() {
    // A backup of priority 100 waits for three intervals and 156/256.
    let mut bench = asleep(settings(Version::V3), millis(3_600));
    assert_eq!(bench.hear(7, 100)[0], send(bench.router.settings(), 128));
    assert!(bench.router.is_master());
    let mut bench = asleep(settings(Version::V3), millis(3_620));
    bench.hear(7, 100);
    assert!(!bench.router.is_master());
}

#[test]
fn a_farewell_after_a_sleep_leaves_the_field_to_us() {
    let mut bench = asleep(settings(Version::V3), 10 * SECOND);
    assert_eq!(bench.hear(7, PRIORITY_STOP), [send(bench.router.settings(), 128)]);
    assert!(bench.router.is_master());
}

#[test]
fn a_master_that_slept_and_hears_nobody_goes_on_unless_told_otherwise() {
    let mut bench = asleep(settings(Version::V3), 10 * SECOND);
    bench.router.handle_timeout(bench.now);
    assert!(bench.router.is_master());
    let expired = |preempt| Settings { preempt, expired_backup: Some(254), ..settings(Version::V3) };
    let mut bench = asleep(expired(true), 10 * SECOND);
    bench.router.handle_timeout(bench.now);
    assert!(bench.router.is_master(), "it is for nopreempt only");
    let mut bench = asleep(expired(false), 10 * SECOND);
    bench.router.handle_timeout(bench.now);
    assert_eq!(bench.outputs(), [transition(State::Master, State::Backup, Cause::HeldUp)]);
    let mut bench = asleep(expired(false), millis(3_000));
    bench.router.handle_timeout(bench.now);
    assert!(bench.router.is_master(), "a backup of priority 254 would still be waiting");
}

#[test]
fn a_planned_start_comes_when_it_is_due() {
    let mut bench = Bench::new(settings(Version::V3));
    bench.router.handle_start_at(bench.now + 5 * SECOND);
    assert_eq!((bench.due(), bench.hear(7, 200)), (5 * SECOND, vec![]));
    assert_eq!(bench.router.state(), State::Initialize);
    bench.router.handle_faults(&[Fault::InterfaceDown].into(), bench.now);
    bench.router.handle_faults(&BTreeSet::new(), bench.now);
    assert_eq!(bench.pass(), Reason::Start);
    assert_eq!(bench.outputs(), [transition(State::Initialize, State::Backup, Cause::Started)]);
    assert_eq!(bench.due(), 5 * SECOND + millis(3_500));
}

#[test]
fn an_owner_that_ignores_adverts_yields_to_nobody() {
    let owner = Settings {
        priority: PRIORITY_OWNER,
        wish: Role::Master,
        owner_ignores: true,
        ..settings(Version::V3)
    };
    let mut bench = Bench::master_owner(owner);
    for priority in [PRIORITY_STOP, 1, 254, PRIORITY_OWNER] {
        assert_eq!(bench.hear(9, priority), []);
    }
    assert!(bench.router.is_master());
    assert_eq!(bench.router.counters().received, 4);
}
