//! One life after the other: what a brain that is started again makes of what the last one left.

use super::super::legacy::{Inheritance, Legacy};
use super::*;

const SECOND: Duration = Duration::from_secs(1);

/// What the wishes of a life leave to the next.
pub(super) fn legacy(effects: &[Effect]) -> Legacy {
    let mut legacy = Legacy::default();
    for effect in effects {
        if let Effect::Keep(keepsake) = effect {
            legacy.keep(keepsake.clone());
        }
    }
    legacy
}

/// A life that has been going on for a while, and what it leaves.
fn lived(text: &str, more: impl FnOnce(&mut Desk) -> Vec<Effect>) -> Legacy {
    let mut desk = Desk::new("");
    let mut effects = desk.configure(text);
    effects.extend(desk.pass(4 * SECOND));
    effects.extend(more(&mut desk));
    legacy(&effects)
}

fn master(text: &str) -> Legacy {
    let legacy = lived(text, |_| Vec::new());
    assert_eq!(legacy.roles["VI_1"].state, vrrp::State::Master);
    legacy
}

/// A brain that was just started, was told what was left so long ago, and then its configuration.
pub(super) fn heir(legacy: &Legacy, age: Duration, planned: bool, text: &str) -> (Desk, Vec<Effect>) {
    let now = Instant::now();
    let birth = Birth {
        host_name: "host".into(),
        seed: 2,
        at: now,
        wall: SystemTime::UNIX_EPOCH + 9 * SECOND,
        up: SECOND,
    };
    let mut desk = Desk { director: Director::new(birth), running: Config::default(), now };
    let mut effects = desk.links(true);
    let inheritance = Inheritance { legacy: legacy.clone(), age, planned };
    effects.extend(desk.tell(Event::Inherited(Box::new(inheritance))));
    effects.extend(desk.configure(text));
    (desk, effects)
}

fn role(desk: &Desk) -> String {
    desk.director.snapshot(desk.now).instances[0].role.clone()
}

/// Levels of addresses in which the virtual address is not there.
fn withdrawals(effects: &[Effect]) -> usize {
    let is_withdrawn = |effect: &&Effect| {
        matches!(effect, Effect::Addresses(_)) && holds(std::slice::from_ref(*effect)) == Some(false)
    };
    effects.iter().filter(is_withdrawn).count()
}

#[test]
fn a_master_goes_on_with_an_advert_at_once_and_tells_nobody() {
    let text = instance(51, "notify_master /bin/true");
    let (mut desk, effects) = heir(&master(&text), SECOND, true, &text);
    assert_eq!(role(&desk), "MASTER");
    assert_eq!(sent(&effects).len(), 1, "{effects:?}");
    assert_eq!(sent(&effects)[0].advert.priority, 100);
    assert_eq!((holds(&effects), withdrawals(&effects)), (Some(true), 0));
    assert!(!effects.iter().any(|effect| matches!(effect, Effect::Tell(_))), "{effects:?}");
    let later = desk.pass(3 * SECOND);
    assert_eq!(sent(&later).len(), 3);
    assert!(!later.iter().any(|effect| matches!(effect, Effect::Tell(_))), "{later:?}");
    // Seconds of the life before count.
    assert!(desk.director.snapshot(desk.now).instances[0].for_seconds >= 7.0);
}

#[test]
fn only_while_no_backup_can_have_taken_over() {
    let text = instance(51, "nopreempt");
    let before = master(&text);
    for (age, planned, goes_on) in [
        (2999, true, true),
        (3000, true, false),
        (1999, false, true),
        (2000, false, false),
        (86_400_000, true, false),
    ] {
        let (desk, effects) = heir(&before, Duration::from_millis(age), planned, &text);
        assert_eq!(role(&desk), if goes_on { "MASTER" } else { "BACKUP" }, "{age} ms, planned: {planned}");
        assert_eq!(holds(&effects), Some(goes_on));
        assert_eq!(sent(&effects).len(), usize::from(goes_on));
    }
    let (desk, _) = heir(&before, Duration::MAX, false, &text);
    assert_eq!(role(&desk), "BACKUP");
    // The peers wait by the interval that they were told last.
    let (desk, _) = heir(&before, 4 * SECOND, true, &text.replace("advert_int 1", "advert_int 9"));
    assert_eq!(role(&desk), "BACKUP");
    // Another router, and one that was not master.
    let (desk, _) = heir(&before, SECOND, true, &instance(52, ""));
    assert_eq!(role(&desk), "BACKUP");
    let mut backup = before.clone();
    backup.roles.get_mut("VI_1").unwrap().state = vrrp::State::Backup;
    let (desk, _) = heir(&backup, SECOND, true, &text);
    assert_eq!(role(&desk), "BACKUP");
}

#[test]
fn a_better_master_that_is_heard_wins_all_the_same() {
    let text = instance(51, "");
    let (mut desk, _) = heir(&master(&text), SECOND, true, &text);
    let effects = desk.hear(200, peer(), IpAddr::V4(vrrp::GROUP_V4));
    assert_eq!((role(&desk).as_str(), holds(&effects)), ("BACKUP", Some(false)));
}

#[test]
fn what_it_has_to_wait_for_may_take_no_longer_than_the_peers_wait() {
    let tracked = "track_file F {\nfile /etc/passwd\nweight 0\n}\n".to_owned();
    let text = tracked + &instance(51, "track_file {\nF\n}");
    let before = lived(&text, |desk| {
        let mut effects = desk.tell(Event::FileRead { file: "F".into(), number: 0, problem: None });
        effects.extend(desk.pass(4 * SECOND));
        effects
    });
    assert_eq!(before.roles["VI_1"].state, vrrp::State::Master);
    let (mut desk, effects) = heir(&before, SECOND, true, &text);
    assert_eq!(role(&desk), "INIT", "it waits for the number");
    assert_eq!((holds(&effects), withdrawals(&effects)), (Some(true), 0), "what it holds stays meanwhile");
    let effects = desk.tell(Event::FileRead { file: "F".into(), number: 0, problem: None });
    assert_eq!((role(&desk).as_str(), withdrawals(&effects)), ("MASTER", 0));

    let (mut desk, _) = heir(&before, SECOND, true, &text);
    assert_eq!(holds(&desk.pass(Duration::from_millis(2100))), Some(false), "a peer is master by now");
    desk.tell(Event::FileRead { file: "F".into(), number: 0, problem: None });
    assert_eq!(role(&desk), "BACKUP");
}

#[test]
fn leaving_is_one_more_advert_and_nothing_else() {
    let mut desk = Desk::new(&(instance(51, "") + SERVERS));
    desk.pass(4 * SECOND);
    let effects = desk.tell(Event::Leave);
    let priorities: Vec<u8> = sent(&effects).iter().map(|sent| sent.advert.priority).collect();
    assert_eq!(priorities, [100]);
    assert!(effects.contains(&Effect::Stopped));
    let touches =
        |effect: &&Effect| matches!(effect, Effect::Addresses(_) | Effect::Table(_) | Effect::Host(_));
    assert_eq!(effects.iter().filter(touches).count(), 0, "{effects:?}");
    // Whatever arrives until the process is gone changes nothing.
    assert!(desk.links(false).is_empty() && desk.tell(Event::Stop).is_empty());
    assert_eq!(desk.director.deadline(), None);
}

fn outcome(passed: bool) -> healthcheck::Outcome {
    match passed {
        true => healthcheck::Outcome::passed(Duration::ZERO),
        false => healthcheck::Outcome::failed(healthcheck::FailureKind::Refused, "refused", Duration::ZERO),
    }
}

impl Desk {
    /// The only check.
    fn check(&self) -> &super::super::pool::CheckRun {
        let servers = self.director.pools.values().flat_map(|pool| pool.servers.values());
        servers.flat_map(|server| &server.checks).next().expect("a check")
    }

    /// Answers the next attempt of the only check.
    fn reply(&mut self, passed: bool) -> Vec<Effect> {
        let mut effects = Vec::new();
        // A monitor without a deadline waits for an answer.
        while self.check().monitor.poll_timeout().is_some() {
            effects.extend(self.pass(SECOND / 4));
        }
        let (check, attempt) = (self.check().id, self.check().monitor.attempts());
        effects.extend(self.tell(Event::ProbeDone { check, attempt, outcome: outcome(passed) }));
        effects
    }

    fn server(&self) -> (String, Option<u32>) {
        let server = &self.director.snapshot(self.now).services[0].servers[0];
        (server.verdict.clone(), server.effective_weight)
    }
}

#[test]
fn a_server_stays_what_it_was_until_it_is_heard_of() {
    let judged = |passed: bool| {
        let mut desk = Desk::new("");
        let mut effects = desk.configure(SERVERS);
        effects.extend(desk.reply(passed));
        legacy(&effects)
    };
    let down = judged(false);
    let (mut desk, effects) = heir(&down, 60 * SECOND, false, SERVERS);
    let table = table(&effects).expect("a table");
    assert!(table.services.values().all(|service| service.destinations.is_empty()), "a dead server is in");
    assert_eq!(desk.server(), ("down".into(), None));
    let reason = desk.director.snapshot(desk.now).services[0].servers[0].reason.clone();
    assert_eq!(reason, "refused (before the restart)");
    desk.reply(true);
    assert_eq!(desk.server(), ("up".into(), Some(3)));

    // One that was up is forgiven as many failures as if nothing had happened.
    let patient = SERVERS.replace("connect_timeout 1", "connect_timeout 1\nretry 1\ndelay_before_retry 1");
    let mut desk = Desk::new("");
    let mut effects = desk.configure(&patient);
    effects.extend(desk.reply(true));
    let (mut desk, _) = heir(&legacy(&effects), SECOND, true, &patient);
    assert_eq!(desk.server(), ("up".into(), Some(3)));
    desk.reply(false);
    assert_eq!(desk.server().0, "up");
    desk.reply(false);
    assert_eq!(desk.server().0, "down");

    // A check that is no more holds nobody down, another one has to pass first.
    let (desk, _) = heir(
        &down,
        SECOND,
        true,
        &SERVERS.replace("connect_timeout 1", "connect_timeout 1\nconnect_port 81"),
    );
    assert_eq!(desk.server(), ("down".into(), None));
    let unchecked = "virtual_server 10.0.0.100 80 {\nlvs_sched rr\nlvs_method NAT\nprotocol TCP\n\
                     real_server 10.0.1.1 80 {\nweight 3\n}\n}\n";
    let (desk, _) = heir(&down, SECOND, true, unchecked);
    assert_eq!(desk.server().1, Some(3));
}

#[test]
fn an_operators_priority_and_a_scripts_verdict_live_on() {
    let script = "vrrp_script S {\nscript /bin/true\ninterval 1\nweight 0\n}\n".to_owned();
    let text = script + &instance(51, "track_script {\nS\n}");
    let mut effects = Vec::new();
    let mut desk = Desk::new("");
    effects.extend(desk.configure(&text));
    effects.extend(desk.pass(SECOND / 10));
    let outcome = super::super::event::ScriptOutcome::Success;
    effects.extend(desk.tell(Event::ScriptDone { script: "S".into(), run: 1, outcome }));
    effects.extend(desk.pass(4 * SECOND));
    effects.extend(desk.tell(Event::SetPriority { instance: "VI_1".into(), priority: Some(77) }));
    let (desk, effects) = heir(&legacy(&effects), SECOND, true, &text);
    assert_eq!(role(&desk), "MASTER", "it waited for the script");
    assert_eq!(sent(&effects)[0].advert.priority, 77);
}

#[test]
fn what_a_reload_removes_is_forgotten() {
    let text = instance(51, "") + SERVERS;
    let before = lived(&text, |desk| {
        let mut effects = desk.reply(false);
        effects.extend(desk.configure(&instance(51, "")));
        effects
    });
    assert!(before.roles.contains_key("VI_1") && before.health.is_empty(), "{before:?}");
}
