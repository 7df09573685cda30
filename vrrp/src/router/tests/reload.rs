//! Other settings for a running router.

use super::*;

#[test]
fn a_master_stays_master_through_a_reload() {
    let mut bench = Bench::master(settings(Version::V3));
    let new = Settings { priority: 50, wish: Role::Backup, preempt: false, ..settings(Version::V3) };
    bench.router.handle_settings(new.clone(), bench.now);
    assert!(bench.outputs().is_empty() && bench.router.is_master());
    assert_eq!(bench.due(), SECOND);
    bench.pass();
    assert_eq!(bench.outputs(), [send(&new, 50)]);
}

#[test]
fn a_master_with_new_addresses_advertises_and_announces_them() {
    let mut bench = Bench::master(settings(Version::V3));
    let new = Settings { addresses: vec![host(100), host(101)], ..settings(Version::V3) };
    bench.at(10 * SECOND);
    bench.router.handle_timeout(bench.now);
    bench.outputs();
    bench.router.handle_settings(new.clone(), bench.now);
    assert_eq!(bench.outputs(), [send(&new, 128), Output::Announce(5)]);
    assert_eq!(bench.bursts(5, 30 * SECOND), [15 * SECOND]);
}

#[test]
fn a_shorter_interval_takes_effect_at_once_for_a_master() {
    let mut bench = Bench::master(Settings { interval: 10 * SECOND, ..settings(Version::V3) });
    bench.at(SECOND);
    bench.router.handle_settings(settings(Version::V3), bench.now);
    assert_eq!(bench.due(), 2 * SECOND);
}

#[test]
fn a_backup_with_a_new_interval_of_its_own_waits_anew() {
    let mut bench = Bench::backup(Settings { interval: 10 * SECOND, ..settings(Version::V2) });
    bench.at(20 * SECOND).hear(9, 200);
    bench.at(28 * SECOND);
    bench.router.handle_settings(settings(Version::V2), bench.now);
    assert!(bench.outputs().is_empty());
    assert_eq!(bench.due(), millis(31_500));
}

#[test]
fn a_backup_that_goes_by_the_masters_interval_goes_on() {
    let mut bench = Bench::backup(settings(Version::V3));
    bench.at(SECOND).hear(9, 200);
    bench.at(2 * SECOND);
    bench.router.handle_settings(Settings { interval: 10 * SECOND, ..settings(Version::V3) }, bench.now);
    assert_eq!(bench.due(), millis(4_500));
}

#[test]
fn a_backup_with_a_new_priority_has_the_new_skew() {
    let mut bench = Bench::backup(settings(Version::V3));
    bench.at(SECOND);
    bench.router.handle_settings(Settings { priority: 192, ..settings(Version::V3) }, bench.now);
    assert_eq!(bench.due(), millis(3_250));
}

#[test]
fn a_new_refresh_begins_now() {
    let mut bench = Bench::master(settings(Version::V3));
    let announce = AnnounceSettings { refresh: Some(millis(300)), ..AnnounceSettings::default() };
    bench.at(millis(100));
    bench.router.handle_settings(Settings { announce, ..settings(Version::V3) }, bench.now);
    assert_eq!(bench.due(), millis(400));
    assert_eq!(bench.pass(), Reason::Refresh);
    assert_eq!(bench.outputs(), [Output::Announce(1)]);
}

#[test]
fn settings_out_of_range_are_brought_into_it() {
    let announce = AnnounceSettings { refresh: Some(Duration::ZERO), ..AnnounceSettings::default() };
    let wild = Settings {
        priority: 0,
        interval: Duration::MAX,
        preempt_delay: Duration::MAX,
        down_timer_adverts: 0,
        addresses: vec![host(1), "fe80::1".parse().unwrap()],
        announce: AnnounceSettings { delay: Duration::MAX, lower_delay: Duration::MAX, ..announce },
        ..settings(Version::V3)
    };
    let mut bench = Bench::master(wild);
    bench.hear(9, 1);
    let tame = bench.router.settings();
    assert_eq!((tame.priority, tame.interval, tame.down_timer_adverts), (1, millis(40_950), 1));
    assert_eq!((tame.announce.refresh, &tame.addresses), (None, &vec![host(1)]));
}
