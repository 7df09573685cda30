//! What a pool keeps in step with each change of one server is what a look at all of them says, and so is what it decides
//! and what it wants in the table.

use std::collections::BTreeSet;

use ipvs_backend::DestinationKey;
use proptest::prelude::*;

use super::pools::{Bench, SORRY, service};
use super::*;
use crate::director::overrides::{Act, Kind, Steer};
use crate::director::pool::{Pool, Server};

/// Whether a server is one of those of which `panic_threshold` lets checks take out a share only.
fn is_counted(server: &Server) -> bool {
    let maintained = server.in_window || server.maintenance.is_some();
    !server.backup && server.served && server.config.weight > 0 && !maintained
}

/// The servers that fail and are spared, by a look at all of them.
fn spared(pool: &Pool) -> BTreeSet<DestinationKey> {
    let Some(percent) = pool.config.panic_threshold else { return BTreeSet::new() };
    let counted = pool.servers.iter().filter(|(_, server)| is_counted(server));
    let most = counted.clone().count() * usize::from(percent) / 100;
    let by_checks = counted.filter(|(_, server)| server.steer != Steer::Out);
    let mut failing: Vec<_> = by_checks.filter_map(|(key, server)| Some((server.failing?, *key))).collect();
    failing.sort_unstable();
    failing.into_iter().skip(most).map(|(_, key)| key).collect()
}

fn weight(pool: &Pool, counts: impl Fn(&Server) -> bool) -> u64 {
    pool.servers.values().filter(|server| counts(server)).map(|server| u64::from(server.share())).sum()
}

/// A pool about which everything is decided.
pub(super) fn check(pool: &mut Pool) -> Result<(), TestCaseError> {
    prop_assert_eq!(pool.servers.contradiction(), None);
    let spared = spared(pool);
    for (key, server) in pool.servers.iter() {
        prop_assert_eq!(server.spared, spared.contains(key), "{}", key);
        let well = server.failing.is_none() && server.held_until().is_none() && server.maintenance.is_none();
        prop_assert_eq!(server.up, well || server.spared, "{}", key);
    }
    let live = weight(pool, |server| server.up && !server.backup);
    prop_assert_eq!(pool.quorum.live, live);
    let tally = pool.servers.tally();
    prop_assert_eq!(tally.all, pool.config.total_weight());
    let holds = pool.servers.values().any(|server| server.held_until().is_some());
    prop_assert!(!holds || pool.has_quorum(), "somebody is held back though the quorum needs him");
    prop_assert_eq!(pool.next(), pool.servers.values().filter_map(Server::held_until).min());
    let real = || pool.servers.values().filter(|server| !server.backup);
    let serving = real().filter(|server| pool.weight(server).is_some_and(|weight| weight > 0)).count();
    prop_assert_eq!((pool.serving().serving, pool.serving().configured), (serving, real().count()));
    pool.refresh();
    prop_assert_eq!(pool.drafted(), &pool.wanted());
    Ok(())
}

#[derive(Debug, Clone)]
enum Step {
    Up(Vec<u8>),
    Disable(u8),
    Weight(u8, u32),
    TakeBack(u8, bool),
    Configure(Text),
}

#[derive(Debug, Clone)]
struct Text {
    lines: String,
    weights: Vec<u32>,
    backups: usize,
}

impl Text {
    fn render(&self) -> String {
        let text = service("10.0.0.100 80", &self.lines, &self.weights);
        let backup = |at: usize| {
            format!("backup_server 10.0.1.{} 80 {{\nweight 2\nTCP_CHECK {{\nretry 0\n}}\n}}\n", 20 + at)
        };
        let backups: String = (0..self.backups).map(backup).collect();
        text.strip_suffix("}\n").map_or(text.clone(), |text| format!("{text}{backups}}}\n"))
    }
}

fn text() -> impl Strategy<Value = Text> {
    let line = |line: &'static str| prop_oneof![Just(String::new()), Just(format!("{line}\n"))];
    let sorry = prop_oneof![
        Just(String::new()),
        Just(format!("{SORRY}\n")),
        Just(format!("{SORRY}\nsorry_server_inhibit\n")),
        Just("sorry_server 10.0.1.1 80\nsorry_server_inhibit\n".to_owned()),
    ];
    let quorum = (1..9_u32, 0..3_u32)
        .prop_map(|(weight, more)| format!("quorum {weight}\nhysteresis {}\n", more.min(weight - 1)));
    let panic = prop_oneof![
        Just(String::new()),
        (0..100_u8).prop_map(|percent| format!("panic_threshold {percent}\n")),
    ];
    let lines = (sorry, quorum, panic, line("flap_hold 2 9"), line("alpha"), line("inhibit_on_failure"))
        .prop_map(|(a, b, c, d, e, f)| [a, b, c, d, e, f].concat());
    (lines, prop::collection::vec(0..4_u32, 1..9), 0..3_usize).prop_map(|(lines, weights, backups)| Text {
        lines,
        weights,
        backups,
    })
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        8 => prop::collection::vec(1..22_u8, 0..18).prop_map(Step::Up),
        2 => (1..9_u8).prop_map(Step::Disable),
        2 => ((1..9_u8), (0..5_u32)).prop_map(|(server, weight)| Step::Weight(server, weight)),
        2 => (1..9_u8, any::<bool>()).prop_map(|(server, weight)| Step::TakeBack(server, weight)),
        3 => text().prop_map(Step::Configure),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_is_kept_is_what_a_look_at_all_says(
        first in text(), steps in prop::collection::vec(step(), 1..12),
    ) {
        let mut bench = Bench::new(&first.render());
        let mut up = vec![1, 2, 3];
        for step in steps {
            match step {
                Step::Up(servers) => up = servers,
                Step::Disable(server) | Step::Weight(server, _)
                    if bench.desk.consider(&format!("10.0.1.{server}"), Kind::Weight, Some(1)).is_err() => {}
                Step::Disable(server) => bench.steer(&format!("10.0.1.{server}"), Act::Disable),
                Step::Weight(server, weight) => {
                    bench.steer(&format!("10.0.1.{server}"), Act::Weight(weight));
                }
                Step::TakeBack(server, weight) => {
                    let kind = if weight { Kind::Weight } else { Kind::Disable };
                    let what = format!("10.0.1.{server}");
                    if bench.desk.find_override(&what, kind).is_ok() {
                        bench.take_back(&what, kind);
                    }
                }
                Step::Configure(text) => bench.configure(&text.render()),
            }
            for _ in 0..3 {
                let pool = bench.desk.director.pools.values_mut().next().unwrap();
                check(pool)?;
                bench.run(Duration::from_millis(1700), &up);
            }
        }
    }
}
