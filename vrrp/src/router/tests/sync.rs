//! A router in a sync group, and one whose weights change.

use super::*;

/// A member, just become backup.
fn member(settings: Settings) -> Bench {
    let mut bench = Bench::new(settings);
    bench.router.handle_membership(true);
    bench.router.handle_start(bench.now);
    bench.outputs();
    bench
}

#[test]
fn a_member_waits_for_its_group_and_then_leads() {
    let mut bench = member(settings(Version::V3));
    assert_eq!(bench.pass(), Reason::MasterDown);
    assert!(bench.outputs().is_empty(), "it took over alone");
    assert!(bench.router.as_member().ready && bench.router.poll_timeout().is_none());
    bench.router.handle_lead(bench.now);
    assert!(matches!(bench.outputs()[0], Output::Send(_)), "the advert comes first");
    assert!(bench.router.is_master());
}

#[test]
fn a_respected_master_withdraws_the_wish_and_a_lesser_one_does_not() {
    let mut bench = member(settings(Version::V3));
    bench.pass();
    bench.hear(9, 100);
    assert!(bench.router.as_member().ready);
    bench.hear(9, 200);
    let stands = bench.router.as_member();
    assert!(!stands.ready && stands.prefers_other);
    assert!(bench.router.poll_timeout().is_some());
}

#[test]
fn a_member_that_follows_says_farewell_and_waits_like_a_backup() {
    let mut bench = Bench::master(settings(Version::V3));
    bench.router.handle_membership(true);
    bench.router.handle_follow("VI_2", bench.now);
    let outputs = bench.outputs();
    assert!(matches!(&outputs[0], Output::Send(advert) if advert.priority == 0), "{outputs:?}");
    let cause = Cause::Sibling { member: "VI_2".into() };
    assert_eq!(outputs[1], transition(State::Master, State::Backup, cause));
    assert!(!bench.router.as_member().prefers_other, "nobody was heard");
    assert_eq!(bench.due(), millis(3_500));
}

#[test]
fn one_that_leaves_its_group_while_it_waits_takes_over() {
    let mut bench = member(settings(Version::V3));
    bench.pass();
    bench.router.handle_membership(false);
    bench.pass();
    assert!(bench.router.is_master());
}

#[test]
fn an_owner_in_a_group_waits_for_nothing_but_the_others() {
    let mut bench = member(Settings { priority: 255, wish: Role::Master, ..settings(Version::V3) });
    assert_eq!(bench.router.state(), State::Backup);
    bench.pass();
    assert_eq!(bench.now, bench.start);
    assert!(bench.router.as_member().ready);
}

#[test]
fn a_rival_of_a_sibling_makes_a_master_announce_twice() {
    let mut bench = Bench::master(settings(Version::V3));
    bench.router.handle_sibling_rival(bench.now);
    assert_eq!(bench.outputs(), [Output::Announce(5)]);
    let mut backup = Bench::backup(settings(Version::V3));
    backup.router.handle_sibling_rival(backup.now);
    assert!(backup.outputs().is_empty());
}

#[test]
fn a_weight_moves_a_backups_timer_by_its_skew() {
    let mut bench = Bench::backup(settings(Version::V3));
    assert_eq!(bench.due(), millis(3_500));
    bench.router.handle_weight(64);
    assert_eq!(bench.due(), millis(3_250));
    bench.router.handle_weight(-64);
    assert_eq!(bench.due(), millis(3_750));
}

#[test]
fn a_master_says_its_new_priority_with_its_next_advert() {
    let mut bench = Bench::master(settings(Version::V3));
    let due = bench.due();
    bench.router.handle_weight(-28);
    assert_eq!(bench.due(), due, "the advert comes when it would have come");
    assert!(bench.outputs().is_empty());
    bench.pass();
    assert!(matches!(&bench.outputs()[0], Output::Send(advert) if advert.priority == 100));
}
