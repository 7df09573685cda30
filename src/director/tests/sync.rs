//! Which connection synchronisation daemons should run, and when that changes.

use ipvs_backend::{SyncDaemons, SyncRole, SyncSettings};

use super::super::effect::Level;
use super::super::event::TableReport;
use super::*;

fn global(daemon: &str) -> String {
    format!("global_defs {{\nlvs_sync_daemon {daemon}\n}}\n")
}

fn level(effects: &[Effect]) -> Option<Level<SyncDaemons>> {
    effects.iter().rev().find_map(|effect| match effect {
        Effect::SyncDaemons(level) => Some(level.clone()),
        _ => None,
    })
}

fn daemons(effects: &[Effect]) -> Option<Vec<(SyncRole, String, u8)>> {
    let one = |(role, settings): (&SyncRole, &SyncSettings)| (*role, settings.interface.clone(), settings.id);
    level(effects).map(|level| level.value.iter().map(one).collect())
}

#[test]
fn they_follow_their_instance() {
    let mut desk = Desk::new("");
    let effects = desk.configure(&(global("eth1 VI_1") + &instance(51, "") + SERVERS));
    let backup = vec![(SyncRole::Backup, "eth1".to_owned(), 51)];
    let master = vec![(SyncRole::Master, "eth1".to_owned(), 51)];
    assert_eq!(daemons(&effects), Some(backup.clone()));
    assert_eq!(daemons(&desk.pass(Duration::from_secs(4))), Some(master.clone()));
    assert_eq!(daemons(&desk.links(false)), Some(backup), "a fault is no master");
    desk.links(true);
    assert_eq!(daemons(&desk.pass(Duration::from_secs(4))), Some(master));
    let effects = desk.tell(Event::Stop);
    assert_eq!(daemons(&effects), Some(vec![]));
}

#[test]
fn without_an_instance_both_run_until_the_stop_and_it_waits_for_their_end() {
    let mut desk = Desk::new("");
    let effects =
        desk.configure(&(global("eth1 id 7 maxlen 900 port 9000 ttl 3 group 224.0.0.99") + SERVERS));
    let level = level(&effects).expect("a level").value;
    let expected = SyncSettings {
        max_length: Some(900),
        port: 9000,
        ttl: 3,
        group: "224.0.0.99".parse().unwrap(),
        ..SyncSettings::new("eth1", 7)
    };
    assert_eq!(*level, [SyncRole::Master, SyncRole::Backup].map(|role| (role, expected.clone())).into());
    let effects = desk.tell(Event::Stop);
    let serial = super::sync::level(&effects).expect("a level").serial;
    let report = |serial| TableReport { serial, ..TableReport::default() };
    let snapshot = desk.director.snapshot(desk.now);
    desk.tell(Event::TableApplied(report(snapshot.ipvs.wanted)));
    let addresses =
        super::super::event::AddressReport { serial: snapshot.addresses.wanted, ..Default::default() };
    assert!(!desk.tell(Event::AddressesApplied(addresses)).contains(&Effect::Stopped));
    assert!(desk.tell(Event::SyncApplied(report(serial))).contains(&Effect::Stopped));
}

#[test]
fn a_reload_changes_them_and_nothing_else_does() {
    let text = |daemon: &str| global(daemon) + &instance(51, "") + SERVERS;
    let mut desk = Desk::new(&text("eth1 VI_1"));
    desk.pass(Duration::from_secs(4));
    assert_eq!(daemons(&desk.configure(&text("eth1 VI_1"))), None, "nothing changed");
    let effects = desk.configure(&text("eth2 inst VI_1 id 3"));
    assert_eq!(daemons(&effects), Some(vec![(SyncRole::Master, "eth2".to_owned(), 3)]));
    let effects = desk.configure(&(instance(51, "lvs_sync_daemon_interface eth3") + SERVERS));
    assert_eq!(daemons(&effects), Some(vec![(SyncRole::Master, "eth3".to_owned(), 0)]));
    assert_eq!(daemons(&desk.configure(&(instance(51, "") + SERVERS))), Some(vec![]));
}

#[test]
fn an_instance_that_is_not_there_runs_none() {
    let mut desk = Desk::new("");
    let effects = desk.configure(&(global("eth1 VI_9") + &instance(51, "")));
    assert_eq!(daemons(&effects), None);
    let told = |entry: &Effect| matches!(entry, Effect::Log(entry) if entry.to_string().contains("no vrrp_instance VI_9"));
    assert!(effects.iter().any(told), "{effects:?}");
}

#[test]
fn what_the_kernel_refuses_is_told_once_and_tried_again_when_interfaces_change() {
    let mut desk = Desk::new("");
    let effects = desk.configure(&(global("eth1") + SERVERS));
    let refused = |serial| TableReport { serial, failures: vec!["no eth1".to_owned()], ..Default::default() };
    let told = |effects: &[Effect]| effects.iter().filter(|e| matches!(e, Effect::Log(_))).count();
    let first = level(&effects).expect("a level").serial;
    assert_eq!(told(&desk.tell(Event::SyncApplied(refused(first)))), 1);
    assert_eq!(told(&desk.tell(Event::SyncApplied(refused(first)))), 0);
    assert_eq!(desk.director.snapshot(desk.now).sync.failures, ["no eth1"]);
    let again = level(&desk.links(true)).expect("it is tried again");
    assert!(again.serial > first && again.value.len() == 2);
}
