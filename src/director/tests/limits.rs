//! What stands between verdicts and the table: `panic_threshold` and `flap_hold`.

use healthcheck::{FailureKind, Outcome};
use proptest::prelude::*;

use super::pools::{Bench, SORRY, VIP, service};
use super::*;
use crate::director::overrides::{Act, Kind, Order, Override};

const MAIL: &str = "global_defs {\nnotification_email {\na@example.org\n}\nsmtp_server 10.0.0.8\n}\n";

fn text(lines: &str, weights: &[u32]) -> String {
    format!("{MAIL}{}", service("10.0.0.100 80", lines, weights))
}

impl Bench {
    /// Lets time pass; each attempt is answered within a tenth of a second.
    pub(super) fn run(&mut self, time: Duration, up: &[u8]) {
        let step = Duration::from_millis(100);
        let end = self.desk.now + time;
        while self.desk.now < end {
            let effects = self.desk.pass(step);
            self.take(effects);
            for (check, attempt) in std::mem::take(&mut self.open) {
                let Some(place) = self.desk.director.places.get(&check) else { continue };
                let IpAddr::V4(address) = place.server.address else { continue };
                let outcome = match up.contains(&address.octets()[3]) {
                    true => Outcome::passed(Duration::ZERO),
                    false => Outcome::failed(FailureKind::Refused, "refused", Duration::ZERO),
                };
                let effects = self.desk.tell(Event::ProbeDone { check, attempt, outcome });
                self.take(effects);
            }
        }
    }

    pub(super) fn status(&self) -> crate::director::snapshot::ServiceStatus {
        self.desk.director.snapshot(self.desk.now).services[0].clone()
    }

    /// The subjects of mails about the whole service since the last call.
    fn mailed(&mut self) -> Vec<String> {
        let mailed = self.effects.drain(..).filter_map(|effect| match effect {
            Effect::Notify(notice) if notice.subject.contains("Virtualserver") => {
                notice.subject.rsplit_once(" - ").map(|(_, word)| word.to_owned())
            }
            _ => None,
        });
        mailed.collect()
    }

    pub(super) fn steer(&mut self, what: &str, act: Act) {
        let target = self.desk.consider(what, Kind::Weight, Some(1)).unwrap().target;
        let set = self.desk.director.wall_clock(self.desk.now);
        let new = Override {
            target,
            act,
            owner: "alice".to_owned(),
            reason: None,
            set,
            expires: None,
            dormant: None,
        };
        let effects = self.desk.tell(Event::Override(Order::Set(new)));
        self.take(effects);
    }

    pub(super) fn take_back(&mut self, what: &str, kind: Kind) {
        let target = self.desk.find_override(what, kind).unwrap();
        let effects = self.desk.tell(Event::Override(Order::TakeBack { target, kind, by: "bob".to_owned() }));
        self.take(effects);
    }
}

const ROUND: Duration = Duration::from_secs(6);

#[test]
fn checks_take_out_no_more_than_the_threshold_and_those_that_failed_last_stay() {
    let mut bench = Bench::new(&text(&format!("panic_threshold 50%\n{SORRY}"), &[1, 2, 3, 4]));
    bench.run(ROUND, &[1, 2, 3, 4]);
    assert_eq!(bench.mailed(), [""; 0]);
    bench.run(ROUND, &[1, 2, 4]);
    bench.run(ROUND, &[2, 4]);
    assert_eq!((bench.held(VIP), bench.status().panic), (vec![(2, 2), (4, 4)], None));
    bench.run(ROUND, &[2]);
    bench.run(2 * ROUND, &[]);
    // 3 and 1 failed first; the sorry server does not come, for the others are still there.
    assert_eq!(bench.held(VIP), [(2, 2), (4, 4)]);
    assert_eq!(bench.mailed(), ["PANIC"], "once for the whole episode");
    let status = bench.status();
    let words = status.panic.clone().expect("a panic");
    assert_eq!(
        words,
        "4 of 4 servers fail, and checks take out 2 at most (panic_threshold 50): the 2 that failed last stay in service"
    );
    assert!(status.quorum && !status.sorry_active);
    let spared: Vec<_> = status.servers.iter().map(|s| (s.spared, s.verdict.as_str())).collect();
    assert_eq!(spared, [(false, "down"), (true, "down"), (false, "down"), (true, "down")]);
    assert!(status.servers[1].reason.ends_with("kept in service (panic_threshold)"), "{status:?}");
    // One that recovers takes the place of the one that has failed for longer.
    bench.run(ROUND, &[3]);
    assert_eq!(bench.held(VIP), [(2, 2), (3, 3)]);
    bench.run(ROUND, &[3, 1]);
    assert_eq!(bench.held(VIP), [(1, 1), (3, 3)]);
    assert_eq!((bench.status().panic, bench.mailed()), (None, vec!["PANIC OVER".to_owned()]));
}

#[test]
fn a_threshold_is_of_servers_and_rounds_down() {
    for (percent, weights, left) in
        [(0, &[5, 1][..], 2), (99, &[5], 1), (50, &[1, 1, 1], 2), (34, &[1, 1, 1], 2), (33, &[1, 1, 1], 3)]
    {
        let mut bench = Bench::new(&text(&format!("panic_threshold {percent}"), weights));
        bench.run(2 * ROUND, &[]);
        assert_eq!(bench.held(VIP).len(), left, "{percent} % of {weights:?}");
    }
    let mut bench = Bench::new(&text("panic_threshold 100", &[1, 1]));
    bench.run(2 * ROUND, &[]);
    assert_eq!(bench.held(VIP), [], "without a threshold nobody stays");
}

#[test]
fn a_quorum_above_what_stays_is_lost_all_the_same() {
    let mut bench = Bench::new(&text(&format!("panic_threshold 50\nquorum 3\n{SORRY}"), &[1, 1, 1, 1]));
    bench.run(ROUND, &[1, 2, 3, 4]);
    bench.run(ROUND, &[]);
    assert_eq!(bench.held(VIP), [(9, 1)]);
}

#[test]
fn an_operators_word_stands_above_the_threshold() {
    let mut bench = Bench::new(&text("panic_threshold 50", &[1, 1, 1, 1]));
    bench.run(ROUND, &[1, 2, 3, 4]);
    bench.run(ROUND, &[3, 4]);
    assert_eq!(bench.held(VIP), [(3, 1), (4, 1)]);
    bench.steer("10.0.1.3", Act::Disable);
    assert_eq!(bench.held(VIP), [(4, 1)], "nobody that fails comes back for it");
    bench.run(ROUND, &[3]);
    assert_eq!(bench.held(VIP), [(4, 1)], "4 would be the third that checks take out");
    bench.steer("10.0.1.4", Act::Drain { removal: None });
    assert_eq!(bench.held(VIP), [(4, 0)]);
    bench.take_back("10.0.1.4", Kind::Drain);
    assert_eq!(bench.held(VIP), [(4, 1)]);
}

#[test]
fn servers_that_wait_for_their_first_pass_stay_out() {
    let mut bench = Bench::new(&text("alpha\npanic_threshold 0", &[1, 1]));
    bench.run(ROUND, &[]);
    assert_eq!((bench.held(VIP), bench.status().panic), (vec![], None));
    bench.run(ROUND, &[1]);
    bench.run(ROUND, &[]);
    assert_eq!(bench.held(VIP), [(1, 1)], "it has been up, and the other has not");
}

#[test]
fn a_reload_of_the_threshold_takes_effect_at_once() {
    let with = |percent: u8| text(&format!("panic_threshold {percent}\ninhibit_on_failure"), &[1, 1, 1, 1]);
    let mut bench = Bench::new(&with(100));
    bench.run(ROUND, &[1, 2, 3, 4]);
    bench.run(2 * ROUND, &[4]);
    assert_eq!(bench.held(VIP), [(1, 0), (2, 0), (3, 0), (4, 1)]);
    bench.configure(&with(25));
    let serving = |bench: &Bench| bench.held(VIP).iter().filter(|(_, weight)| *weight > 0).count();
    assert_eq!(serving(&bench), 3);
    assert!(bench.status().panic.is_some());
    bench.configure(&with(75));
    assert_eq!((serving(&bench), bench.status().panic), (1, None));
}

const HOLD: &str = "flap_hold 10 60";

#[test]
fn a_server_that_fails_again_soon_is_held_back_for_longer_and_longer() {
    let mut bench = Bench::new(&text(HOLD, &[1, 1]));
    bench.run(ROUND, &[1, 2]);
    let mut held = Vec::new();
    for _ in 0..4 {
        bench.run(ROUND, &[1]);
        assert_eq!(bench.held(VIP), [(1, 1)]);
        let mut time = 0;
        while bench.held(VIP).len() < 2 {
            bench.run(Duration::from_secs(1), &[1, 2]);
            time += 1;
        }
        held.push(time);
        bench.run(Duration::from_secs(5), &[1, 2]);
    }
    // Up to an interval of five seconds passes before it is asked at all.
    for (time, least) in held.iter().zip([0, 10, 20, 40]) {
        assert!((least..=least + 6).contains(time), "{held:?}");
    }
}

#[test]
fn who_is_held_back_is_told_with_the_time_and_survives_a_reload() {
    let mut bench = Bench::new(&text(HOLD, &[1, 1]));
    for up in [&[1, 2][..], &[1], &[1, 2], &[1], &[1, 2]] {
        bench.run(ROUND, up);
    }
    let server = |bench: &Bench| bench.status().servers[1].clone();
    assert_eq!(bench.held(VIP), [(1, 1)]);
    let reason = server(&bench).reason;
    assert!(reason.starts_with("held back for ") && reason.contains("it failed 2 times in "), "{reason}");
    assert_eq!(server(&bench).verdict, "down");
    bench.configure(&text(HOLD, &[1, 5]));
    assert_eq!(bench.held(VIP), [(1, 1)]);
    assert!(server(&bench).reason.starts_with("held back for "), "{:?}", server(&bench));
    bench.run(Duration::from_secs(12), &[1, 2]);
    assert_eq!(bench.held(VIP), [(1, 1), (2, 5)]);
    // Without the keyword nobody is held back.
    for up in [&[1][..], &[1, 2]] {
        bench.run(ROUND, up);
    }
    assert_eq!(bench.held(VIP), [(1, 1)]);
    bench.configure(&text("", &[1, 5]));
    assert_eq!(bench.held(VIP), [(1, 1), (2, 5)]);
}

#[test]
fn nobody_is_held_back_while_the_others_do_not_reach_the_quorum() {
    let mut bench = Bench::new(&text(&format!("{HOLD}\n{SORRY}"), &[1, 1]));
    for up in [&[1, 2][..], &[1], &[1, 2], &[1], &[1, 2]] {
        bench.run(ROUND, up);
    }
    assert_eq!(bench.held(VIP), [(1, 1)]);
    bench.run(ROUND, &[2]);
    assert_eq!(bench.held(VIP), [(2, 1)], "better than the sorry server");
}

#[test]
fn holds_end_where_the_threshold_leaves_no_room_for_them() {
    let mut bench = Bench::new(&text("flap_hold 30 60\npanic_threshold 50", &[1, 1, 1, 1]));
    for up in [&[1, 2, 3, 4][..], &[1, 2], &[1, 2, 3, 4], &[1, 2], &[1, 2, 3, 4]] {
        bench.run(ROUND, up);
    }
    assert_eq!(bench.held(VIP), [(1, 1), (2, 1)]);
    bench.run(ROUND, &[1, 3, 4]);
    assert_eq!(bench.held(VIP).len(), 2, "one of those that are held back comes in for the one that failed");
    assert_eq!(bench.status().panic, None);
}

/// What happens to a pool of five.
#[derive(Debug, Clone)]
enum Step {
    Up(Vec<u8>),
    Disable(u8),
    Enable(u8),
    Configure(u8, bool),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => prop::collection::vec(1..6_u8, 0..6).prop_map(Step::Up),
        1 => (1..6_u8).prop_map(Step::Disable),
        1 => (1..6_u8).prop_map(Step::Enable),
        1 => (0..101_u8, any::<bool>()).prop_map(|(percent, hold)| Step::Configure(percent, hold)),
    ]
}

fn check_pool(bench: &mut Bench, percent: u8) -> Result<(), TestCaseError> {
    let now = bench.desk.now;
    let pool = bench.desk.director.pools.values_mut().next().unwrap();
    let by_checks = pool.servers.values().filter(|s| s.served && !s.up && s.share() > 0).count();
    let most = pool.servers.values().filter(|s| s.served).count() * usize::from(percent) / 100;
    prop_assert!(by_checks <= most, "{by_checks} are out, and {most} may be");
    let usable = pool.servers.values().any(|s| s.failing.is_none() && s.share() > 0);
    prop_assert!(!usable || pool.serving().serving > 0, "somebody could serve, and nobody does");
    let states = |pool: &crate::director::pool::Pool| -> Vec<bool> {
        pool.servers.values().map(|server| server.up).collect()
    };
    let before = states(pool);
    prop_assert!(pool.work_out(now, |_| None).is_empty(), "it is not worked out yet");
    prop_assert_eq!(states(pool), before);
    prop_assert!(!pool.refresh(), "the table is not what the pool wants");
    super::tally::check(pool)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    /// Whatever happens: never more than the share is out by checks, working it out again changes nothing, and a pool
    /// with a usable server serves.
    #[test]
    fn never_more_than_the_share_is_out(steps in prop::collection::vec(step(), 1..16)) {
        let text = |percent: u8, hold: bool| {
            let hold = if hold { HOLD } else { "" };
            text(&format!("panic_threshold {percent}\n{hold}"), &[1; 5])
        };
        let mut percent = 50;
        let mut bench = Bench::new(&text(percent, true));
        let mut up = vec![1, 2, 3, 4, 5];
        for step in steps {
            match step {
                Step::Up(servers) => up = servers,
                Step::Disable(server) => bench.steer(&format!("10.0.1.{server}"), Act::Disable),
                Step::Enable(server) => {
                    let what = format!("10.0.1.{server}");
                    if bench.desk.find_override(&what, Kind::Disable).is_ok() {
                        bench.take_back(&what, Kind::Disable);
                    }
                }
                Step::Configure(share, hold) => {
                    percent = share;
                    bench.configure(&text(percent, hold));
                }
            }
            check_pool(&mut bench, percent)?;
            for _ in 0..4 {
                bench.run(Duration::from_millis(1700), &up);
                check_pool(&mut bench, percent)?;
            }
        }
    }
}
