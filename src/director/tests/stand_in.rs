//! Backup servers: who stands in while the quorum is lost.

use super::legacy::{heir, legacy};
use super::pools::{Bench, SORRY, VIP, service};
use super::*;
use crate::director::overrides::Act;

const ROUND: Duration = Duration::from_secs(6);

/// Two real servers, .1 and .2, and two backup servers, .7 with weight 3 and .8 with weight 4.
fn text(lines: &str) -> String {
    let backup = |number: u8, weight: u32| {
        format!("backup_server 10.0.1.{number} 80 {{\nweight {weight}\nTCP_CHECK {{\nretry 0\n}}\n}}\n")
    };
    let more = format!("{lines}\n{}{}", backup(7, 3), backup(8, 4));
    service("10.0.0.100 80", &more, &[1, 2])
}

#[test]
fn backup_servers_stand_in_by_weight_and_the_sorry_server_after_them() {
    let mut bench = Bench::new(&text(&format!("{SORRY}\nquorum_up /bin/a\nquorum_down /bin/b")));
    bench.run(ROUND, &[1, 2, 7, 8]);
    assert_eq!(bench.held(VIP), [(1, 1), (2, 2)]);
    let status = bench.status();
    assert_eq!(
        (status.weight_up, status.backup_active, status.servers.len()),
        (3, false, 4),
        "they make no quorum"
    );
    bench.told();
    bench.run(ROUND, &[7, 8]);
    assert_eq!(bench.held(VIP), [(7, 3), (8, 4)]);
    assert!(bench.status().backup_active && !bench.status().sorry_active);
    assert_eq!(bench.told(), ["[10.0.0.100]:tcp:80 Down"]);
    bench.run(ROUND, &[8]);
    assert_eq!(bench.held(VIP), [(8, 4)]);
    bench.run(ROUND, &[]);
    assert_eq!(bench.held(VIP), [(9, 1)]);
    bench.run(ROUND, &[7]);
    assert_eq!(bench.held(VIP), [(7, 3)]);
    bench.run(ROUND, &[2, 7]);
    assert_eq!(bench.held(VIP), [(2, 2)]);
    assert_eq!(bench.told(), ["[10.0.0.100]:tcp:80 Up"]);
}

#[test]
fn without_anybody_who_stands_in_those_that_are_left_go_on() {
    let mut bench = Bench::new(&text("quorum 3"));
    bench.run(ROUND, &[2]);
    assert_eq!(bench.held(VIP), [(2, 2)]);
    bench.run(ROUND, &[2, 8]);
    assert_eq!(bench.held(VIP), [(8, 4)], "the quorum counts, as it does for a sorry server");
}

#[test]
fn backup_servers_are_drained_and_inhibited_like_others() {
    let mut bench = Bench::new(&text("inhibit_on_failure"));
    bench.run(ROUND, &[1, 2, 7, 8]);
    assert_eq!(bench.held(VIP), [(1, 1), (2, 2), (7, 0), (8, 0)]);
    bench.run(ROUND, &[7, 8]);
    assert_eq!(bench.held(VIP), [(1, 0), (2, 0), (7, 3), (8, 4)]);
    bench.steer("10.0.1.7", Act::Disable);
    assert_eq!(bench.held(VIP), [(1, 0), (2, 0), (8, 4)]);
    bench.steer("10.0.1.8", Act::Drain { removal: None });
    assert_eq!(bench.held(VIP), [(1, 0), (2, 0), (8, 0)]);
}

#[test]
fn a_backup_server_may_become_a_real_one_and_keeps_its_history() {
    let mut bench = Bench::new(&text(""));
    bench.run(ROUND, &[8]);
    assert_eq!(bench.held(VIP), [(8, 4)]);
    let text = text("").replace("backup_server 10.0.1.8", "real_server 10.0.1.8");
    bench.configure(&text);
    assert_eq!(bench.held(VIP), [(8, 4)]);
    assert!(!bench.status().backup_active && bench.status().quorum);
}

#[test]
fn a_restart_knows_backup_servers_and_those_that_were_spared() {
    let limits = text("panic_threshold 50");
    let mut bench = Bench { desk: Desk::new(""), open: BTreeMap::new(), effects: Vec::new() };
    bench.configure(&limits);
    bench.run(ROUND, &[1, 2, 7, 8]);
    bench.run(ROUND, &[2, 7]);
    bench.run(ROUND, &[7]);
    assert_eq!(bench.held(VIP), [(2, 2)]);
    let (desk, effects) = heir(&legacy(&bench.effects), Duration::from_secs(1), true, &limits);
    let next = Bench { desk, open: BTreeMap::new(), effects };
    assert_eq!(next.held(VIP), [(2, 2)]);
    let up: Vec<_> = next.status().servers.iter().map(|s| (s.verdict.clone(), s.spared)).collect();
    let expected = [("down", false), ("down", true), ("up", false), ("down", false)];
    assert_eq!(up, expected.map(|(verdict, spared)| (verdict.to_owned(), spared)));
}
