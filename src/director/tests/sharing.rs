//! Checks that ask the same: one asks for all.

use std::collections::BTreeMap;
use std::fmt::Write;

use super::pools::{Bench, service};
use super::*;

const ROUND: Duration = Duration::from_secs(6);

/// Services on 10.0.0.1 and following, each before the same two hosts.
fn services(count: u8, lines: &str) -> String {
    (1..=count).map(|n| service(&format!("10.0.0.{n} 80"), lines, &[1, 2])).collect()
}

fn vip(number: u8) -> String {
    format!("[10.0.0.{number}]:tcp:80")
}

/// Attempts in these effects, by whom they ask.
fn attempts(effects: &[Effect]) -> BTreeMap<IpAddr, usize> {
    let mut asked = BTreeMap::new();
    for effect in effects {
        if let Effect::Probe(attempt) = effect {
            *asked.entry(attempt.spec.target.ip()).or_insert(0) += 1;
        }
    }
    asked
}

#[test]
fn hosts_are_asked_once_for_all_services_and_all_of_them_hear() {
    let mut bench = Bench::new(&services(5, ""));
    bench.run(ROUND, &[1, 2]);
    bench.effects.clear();
    bench.run(Duration::from_secs(50), &[1, 2]);
    let asked = attempts(&bench.effects);
    assert!(asked.len() == 2 && asked.values().all(|times| (9..=11).contains(times)), "{asked:?}");
    let snapshot = bench.desk.director.snapshot(bench.desk.now);
    assert_eq!(snapshot.shared_checks, 8);
    assert!(snapshot.services.iter().flat_map(|s| &s.servers).all(|s| s.checks[0].shared == 4));
    bench.run(ROUND, &[1]);
    for number in 1..=5 {
        assert_eq!(bench.held(&vip(number)), [(1, 1)], "{number}");
    }
    bench.run(ROUND, &[1, 2]);
    for number in 1..=5 {
        assert_eq!(bench.held(&vip(number)), [(1, 1), (2, 2)], "{number}");
    }
}

#[test]
fn what_differs_is_asked_apart_and_alpha_does_not_differ() {
    let count = |text: &str| {
        let bench = Bench::new(text);
        bench.open.len()
    };
    assert_eq!(count(&services(4, "")), 2);
    assert_eq!(count(&(services(3, "") + &service("10.0.0.9 80", "alpha", &[1]))), 2);
    assert_eq!(count(&(services(3, "") + &service("10.0.0.9 80", "delay_loop 7", &[1]))), 3);
    assert_eq!(count(&(services(3, "") + &service("10.0.0.9 80", "connect_timeout 2", &[1]))), 3);
    assert_eq!(count(&(services(3, "") + &service("10.0.0.9 80", "proxy_protocol v1", &[1]))), 3);
    assert_eq!(count(&services(4, "share_checks off")), 8);
    assert_eq!(count(&format!("global_defs {{\nshare_checks off\n}}\n{}", services(4, ""))), 8);
    assert_eq!(count(&(services(3, "") + &service("10.0.0.9 80", "share_checks off", &[1]))), 3);
}

#[test]
fn a_service_that_joins_has_its_verdict_at_once() {
    let mut bench = Bench::new(&services(1, ""));
    bench.run(ROUND, &[1]);
    bench.configure(&(services(1, "") + &service("10.0.0.9 80", "alpha", &[1, 2])));
    assert_eq!(bench.held(&vip(9)), []);
    bench.run(Duration::from_millis(300), &[1]);
    assert_eq!(bench.held(&vip(9)), [(1, 1)]);
}

#[test]
fn when_the_one_that_asks_is_gone_another_goes_on() {
    let three = services(3, "");
    let first = three.find("virtual_server 10.0.0.2").unwrap();
    let mut bench = Bench::new(&three);
    bench.run(ROUND, &[1, 2]);
    bench.effects.clear();
    bench.configure(&three[first..]);
    bench.run(Duration::from_secs(49), &[1, 2]);
    let asked = attempts(&bench.effects);
    assert!(asked.len() == 2 && asked.values().all(|times| (9..=11).contains(times)), "{asked:?}");
    bench.run(ROUND, &[2]);
    assert_eq!([bench.held(&vip(2)), bench.held(&vip(3))], [[(2, 2)], [(2, 2)]]);
    // Apart again, and together again.
    bench.configure(&services(3, "share_checks off"));
    bench.effects.clear();
    bench.run(Duration::from_secs(10), &[2]);
    assert!(attempts(&bench.effects).values().all(|times| *times >= 5), "{:?}", attempts(&bench.effects));
    bench.configure(&three);
    bench.run(ROUND, &[1, 2]);
    bench.effects.clear();
    bench.run(Duration::from_secs(50), &[1, 2]);
    assert!(attempts(&bench.effects).values().all(|times| *times <= 11), "{:?}", attempts(&bench.effects));
    bench.configure("");
    let sharing = &bench.desk.director.sharing;
    assert_eq!(sharing.saved(), 0);
    bench.effects.clear();
    bench.run(ROUND, &[]);
    assert!(attempts(&bench.effects).is_empty());
}

#[test]
fn two_servers_of_one_service_may_share_and_one_may_go() {
    let two = |ports: &[u16]| {
        let mut text =
            "virtual_server 10.0.0.1 80 {\ndelay_loop 5\nlvs_sched rr\nlvs_method NAT\nprotocol TCP\n"
                .to_owned();
        for port in ports {
            let _ = writeln!(
                text,
                "real_server 10.0.1.1 {port} {{\nTCP_CHECK {{\nretry 0\nconnect_port 99\n}}\n}}"
            );
        }
        text + "}\n"
    };
    let mut bench = Bench::new(&two(&[80, 81, 82]));
    assert_eq!(bench.open.len(), 1);
    bench.run(ROUND, &[1]);
    bench.configure(&two(&[81, 82]));
    bench.run(ROUND, &[]);
    assert_eq!(bench.held(&vip(1)), []);
}

/// The attempts of each tenth of an interval.
fn spread(bench: &mut Bench, tenth: Duration) -> Vec<usize> {
    let mut tenths = Vec::new();
    for _ in 0..10 {
        bench.effects.clear();
        bench.run(tenth, &[1]);
        tenths.push(attempts(&bench.effects).values().sum());
    }
    tenths
}

#[test]
fn checks_do_not_fall_into_step_after_a_reload() {
    let many = |interval: u32| {
        let mut text = format!(
            "virtual_server 10.0.0.1 80 {{\ndelay_loop {interval}\nlvs_sched rr\nlvs_method NAT\nprotocol TCP\n"
        );
        for n in 0..1000 {
            let _ =
                writeln!(text, "real_server 10.{}.{}.1 80 {{\nTCP_CHECK {{\n}}\n}}", 10 + n / 250, n % 250);
        }
        text + "}\n"
    };
    let even = |tenths: &[usize]| {
        assert!(tenths.iter().all(|count| (60..=140).contains(count)), "{tenths:?}");
        assert!((990..=1010).contains(&tenths.iter().sum::<usize>()), "{tenths:?}");
    };
    let mut bench = Bench::new(&many(10));
    bench.run(Duration::from_secs(11), &[1]);
    even(&spread(&mut bench, Duration::from_secs(1)));
    bench.configure(&many(20));
    // By then each has asked once in the old rhythm, or earlier.
    bench.run(Duration::from_secs(21), &[1]);
    even(&spread(&mut bench, Duration::from_secs(2)));
    bench.configure(&many(20).replace("TCP_CHECK {\n", "TCP_CHECK {\nconnect_timeout 2\n"));
    bench.run(Duration::from_secs(21), &[1]);
    even(&spread(&mut bench, Duration::from_secs(2)));
}
