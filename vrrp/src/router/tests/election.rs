//! Backups, masters and owners that hear each other.

use super::*;

// ----- backup -----

#[test]
fn a_good_master_restarts_the_timer() {
    for priority in [128, 129, 255] {
        let mut bench = Bench::backup(settings(Version::V2));
        assert!(bench.at(SECOND).hear(9, priority).is_empty());
        assert_eq!(bench.due(), millis(4_500));
        assert_eq!(bench.router.master(), Some((host(9), priority)));
        bench.pass();
        let cause = Cause::MasterSilent { source: host(9), priority };
        assert!(bench.outputs().contains(&transition(State::Backup, State::Master, cause)));
    }
}

#[test]
fn down_timer_adverts_is_the_number_of_missed_adverts() {
    let mut bench = Bench::backup(Settings { down_timer_adverts: 5, ..settings(Version::V3) });
    bench.at(SECOND).hear(9, 200);
    assert_eq!(bench.due(), millis(1_000 + 5_500));
}

/// RFC 9568, 6.4.2: a backup goes by the interval of the master, and its skew too.
#[test]
fn version_3_adopts_the_masters_interval() {
    let ours = settings(Version::V3);
    let mut bench = Bench::backup(ours.clone());
    let theirs = Advert { interval: millis(200), ..advert(&ours, 200) };
    let note = Note::IntervalDiffers { source: host(9), found: millis(200), ours: SECOND };
    assert_eq!(bench.at(SECOND).hear_advert(&theirs, host(9), 255), [Output::Note(note)]);
    assert_eq!(bench.due(), SECOND + millis(700));
    assert!(bench.hear_advert(&theirs, host(9), 255).is_empty(), "noted once");
    bench.pass();
    assert!(bench.outputs().contains(&send(&ours, 128)), "with our own interval");
}

/// RFC 3768, 7.1.
#[test]
fn version_2_drops_another_interval() {
    let ours = settings(Version::V2);
    let mut bench = Bench::backup(ours.clone());
    let theirs = Advert { interval: 2 * SECOND, ..advert(&ours, 200) };
    let error = AdvertError::WrongInterval { vrid: 51, found: 2 * SECOND, expected: SECOND };
    let note = Note::Rejected { source: Some(host(9)), error };
    assert_eq!(bench.at(SECOND).hear_advert(&theirs, host(9), 255), [Output::Note(note)]);
    assert_eq!((bench.due(), bench.errors(ErrorKind::Interval)), (millis(3_500), 1));
}

#[test]
fn priority_0_leaves_the_skew_only() {
    for version in [Version::V2, Version::V3] {
        let mut bench = Bench::backup(settings(version));
        bench.at(SECOND).hear(9, 200);
        assert!(bench.at(2 * SECOND).hear(9, 0).is_empty());
        assert_eq!(bench.due(), millis(2_500));
        bench.pass();
        let cause = Cause::MasterResigned { source: host(9) };
        assert!(bench.outputs().contains(&transition(State::Backup, State::Master, cause)));
        assert_eq!(bench.router.counters().zero_received, 1);
    }
}

#[test]
fn another_backup_that_was_faster_restarts_the_timer_after_priority_0() {
    let mut bench = Bench::backup(settings(Version::V3));
    bench.at(SECOND).hear(9, 0);
    bench.at(millis(1_400)).hear(8, 150);
    assert_eq!(bench.due(), millis(1_400 + 3_500));
}

#[test]
fn preemption_lets_the_timer_run_out() {
    let mut bench = Bench::backup(settings(Version::V3));
    for second in 1..=3 {
        assert!(bench.at(second * SECOND).hear(9, 100).is_empty());
        assert_eq!(bench.due(), millis(3_500));
    }
    bench.pass();
    let cause = Cause::Preempted { source: host(9), priority: 100 };
    assert!(bench.outputs().contains(&transition(State::Backup, State::Master, cause)));
}

/// A master that is being preempted does not impose its interval.
#[test]
fn an_ignored_master_does_not_change_the_interval() {
    let ours = settings(Version::V3);
    let mut bench = Bench::backup(ours.clone());
    let slow = Advert { interval: 10 * SECOND, ..advert(&ours, 100) };
    bench.hear_advert(&slow, host(9), 255);
    assert_eq!(bench.due(), millis(3_500));
}

#[test]
fn nopreempt_restarts_the_timer() {
    let mut bench = Bench::backup(Settings { preempt: false, ..settings(Version::V3) });
    assert!(bench.at(3 * SECOND).hear(9, 100).is_empty());
    assert_eq!(bench.due(), millis(6_500));
    bench.pass();
    let cause = Cause::MasterSilent { source: host(9), priority: 100 };
    assert!(bench.outputs().contains(&transition(State::Backup, State::Master, cause)));
}

#[test]
fn preempt_delay_tolerates_a_lower_master_from_its_first_advert_on() {
    let mut bench = Bench::backup(Settings { preempt_delay: 10 * SECOND, ..settings(Version::V3) });
    for second in 1..=10 {
        bench.at(second * SECOND).hear(9, 100);
        assert_eq!(bench.due(), millis(u64::from(second) * 1_000 + 3_500));
    }
    bench.at(11 * SECOND).hear(9, 100);
    assert_eq!(bench.due(), millis(13_500), "the delay is over: the timer runs out");
}

#[test]
fn preempt_delay_begins_anew_after_a_higher_master() {
    let mut bench = Bench::backup(Settings { preempt_delay: 10 * SECOND, ..settings(Version::V3) });
    bench.at(SECOND).hear(9, 100);
    bench.at(2 * SECOND).hear(8, 200);
    bench.at(12 * SECOND).hear(9, 100);
    assert_eq!(bench.due(), millis(15_500), "tolerated again");
}

#[test]
fn preempt_delay_does_not_delay_taking_over_from_a_dead_master() {
    let mut bench = Bench::backup(Settings { preempt_delay: 1_000 * SECOND, ..settings(Version::V3) });
    bench.at(SECOND).hear(9, 100);
    bench.pass();
    assert!(bench.router.is_master());
    assert_eq!(bench.now - bench.start, millis(4_500));
}

// ----- master -----

#[test]
fn a_master_yields_to_a_higher_priority() {
    let mut bench = Bench::master(settings(Version::V3));
    assert_eq!(bench.at(millis(200)).hear(1, 129), [better(1, 129)]);
    assert_eq!((bench.due(), bench.router.master()), (millis(3_700), Some((host(1), 129))));
}

#[test]
fn a_master_that_yields_waits_by_the_new_masters_interval() {
    let ours = settings(Version::V3);
    let mut bench = Bench::master(ours.clone());
    let theirs = Advert { interval: millis(100), ..advert(&ours, 200) };
    bench.hear_advert(&theirs, host(9), 255);
    assert_eq!(bench.due(), millis(350));
}

#[test]
fn a_master_that_yields_may_send_a_last_advert() {
    let ours = Settings { higher_prio_send_advert: true, ..settings(Version::V3) };
    assert_eq!(Bench::master(ours.clone()).hear(1, 129), [send(&ours, 128), better(1, 129)]);
}

/// RFC 9568, 6.4.3.
#[test]
fn among_equals_the_higher_address_wins() {
    let ours = settings(Version::V3);
    assert_eq!(Bench::master(ours.clone()).hear(6, 128), [better(6, 128)]);
    let stays = [send(&ours, 128), Output::Announce(5), Output::Encounter, lower_note(4, 128)];
    assert_eq!(Bench::master(ours).hear(4, 128), stays);
}

#[test]
fn a_master_answers_priority_0_at_once_and_starts_its_interval_anew() {
    let ours = settings(Version::V3);
    let mut bench = Bench::master(ours.clone());
    assert_eq!(bench.at(millis(300)).hear(9, 0), [send(&ours, 128)]);
    assert_eq!(bench.due(), millis(1_300));
}

#[test]
fn a_lower_master_is_answered_and_the_addresses_are_announced_twice() {
    let announce = AnnounceSettings {
        delay: Duration::ZERO,
        lower_repeat: 3,
        lower_delay: 7 * SECOND,
        ..AnnounceSettings::default()
    };
    let ours = Settings { announce, ..settings(Version::V3) };
    let mut bench = Bench::master(ours.clone());
    let answer = [send(&ours, 128), Output::Announce(3), Output::Encounter, lower_note(9, 100)];
    assert_eq!(bench.at(millis(500)).hear(9, 100), answer);
    assert_eq!(bench.due(), SECOND, "the rhythm stays");
    assert_eq!(bench.bursts(3, 20 * SECOND), [millis(7_500)]);
}

/// The note drives `notify_master_rx_lower_pri`: once while the other one goes on, however many of its adverts are lost,
/// and again when it comes back after a minute of silence. The group hears of each encounter.
#[test]
fn a_lower_master_is_noted_once_per_episode() {
    let mut bench = Bench::master(settings(Version::V3));
    let mut met = |at: Duration| {
        let outputs = bench.live(at).hear(9, 100);
        (outputs.contains(&Output::Encounter), outputs.contains(&lower_note(9, 100)))
    };
    assert_eq!(met(SECOND), (true, true));
    assert_eq!(met(2 * SECOND), (false, false));
    assert_eq!(met(millis(5_500)), (false, false));
    assert_eq!(met(millis(9_001)), (true, false), "some of its adverts were lost");
    assert_eq!(met(millis(69_000)), (true, false), "nearly all");
    assert_eq!(met(millis(129_001)), (true, true), "it is back");
}

/// Whoever became master anew is told of a rival anew.
#[test]
fn a_lower_master_is_noted_again_by_a_new_master() {
    let mut bench = Bench::master(settings(Version::V3));
    assert!(bench.hear(9, 100).contains(&lower_note(9, 100)));
    bench.hear(6, 250);
    assert_eq!(bench.router.notes(bench.now).count(), 0, "a backup has no rival");
    bench.pass();
    assert!(bench.router.is_master());
    assert!(bench.hear(9, 100).contains(&lower_note(9, 100)));
}

/// A rival that speaks once in ten of our intervals is one rival, not a new one each time.
#[test]
fn a_lower_master_of_a_longer_interval_is_noted_once_as_well() {
    let mut bench = Bench::master(Settings { interval: millis(100), ..settings(Version::V3) });
    let rival = Advert { interval: SECOND, ..advert(bench.router.settings(), 100) };
    let mut told = 0;
    for second in 1..=20 {
        let outputs = bench.live(second * SECOND).hear_advert(&rival, host(9), 255);
        told += outputs.iter().filter(|output| **output == lower_note(9, 100)).count();
    }
    assert_eq!(told, 1);
}

#[test]
fn a_lower_master_is_not_answered_when_told_so() {
    let ours = Settings { lower_prio_no_advert: true, ..settings(Version::V3) };
    let quiet = [Output::Announce(5), Output::Encounter, lower_note(9, 100)];
    assert_eq!(Bench::master(ours).hear(9, 100), quiet);
}

// ----- owners -----

#[test]
fn an_owner_yields_to_an_owner_of_a_higher_address() {
    let owner = Settings { priority: 255, wish: Role::Master, ..settings(Version::V3) };
    assert_eq!(Bench::master_owner(owner).hear(6, 255), [better(6, 255)]);
}

#[test]
fn an_owner_concedes_to_a_stubborn_owner_and_comes_back_when_it_is_gone() {
    let owner = Settings { priority: 255, wish: Role::Master, ..settings(Version::V3) };
    let mut bench = Bench::master_owner(owner.clone());
    let conflict = Output::Note(Note::OwnerConflict { source: host(4) });
    assert_eq!(bench.hear(4, 255), [send(&owner, 255), Output::Announce(5), Output::Encounter, conflict]);
    for second in 1..=3 {
        assert_eq!(bench.live(second * SECOND).hear(4, 255), [send(&owner, 255), Output::Announce(5)]);
    }
    let cause = Cause::OwnerConflict { source: host(4) };
    let conceded = transition(State::Master, State::Backup, cause);
    assert_eq!(bench.live(4 * SECOND).hear(4, 255), [conceded]);
    assert_eq!(bench.router.effective_priority(), 254);
    bench.at(5 * SECOND).hear(4, 255);
    bench.pass();
    assert!(bench.outputs().contains(&send(&owner, 255)));
    assert_eq!(bench.router.effective_priority(), 255);
}

#[test]
fn weights_move_the_priority_between_1_and_254_and_never_an_owners() {
    let mut bench = Bench::master(settings(Version::V3));
    for (weight, priority) in [(5, 133), (-128, 1), (-1_000, 1), (i32::MAX, 254), (126, 254), (0, 128)] {
        bench.router.handle_weight(weight);
        assert_eq!(bench.router.effective_priority(), priority, "{weight}");
    }
    bench.router.handle_weight(-28);
    bench.pass();
    assert_eq!(bench.outputs(), [send(bench.router.settings(), 100)]);
    let mut owner = Bench::backup(Settings { priority: 255, ..settings(Version::V3) });
    owner.router.handle_weight(-100);
    assert_eq!(owner.router.effective_priority(), 255);
}

#[test]
fn weights_move_the_deadline_of_a_backup() {
    let mut bench = Bench::backup(settings(Version::V3));
    bench.router.handle_weight(64);
    assert_eq!(bench.due(), millis(3_250));
}
