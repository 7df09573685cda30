//! The backup asks the address of a service.

use healthcheck::{FailureKind, Outcome};

use super::*;
use crate::director::effect::Attempt;
use crate::director::event::TableReport;
use crate::director::journal::Entry;

const SERVICE: &str = "virtual_server 10.0.0.100 80 {
    delay_loop 5
    lvs_sched rr
    lvs_method NAT
    protocol TCP
    vip_check {
        TCP_CHECK {
            retry 0
        }
    }
    real_server 10.0.1.1 80 {
        weight 1
    }
}
";

fn probes(effects: &[Effect]) -> Vec<Attempt> {
    let attempts = effects.iter().filter_map(|effect| match effect {
        Effect::Probe(attempt) => Some(attempt.clone()),
        _ => None,
    });
    attempts.collect()
}

/// Lets time pass while the master is heard.
fn as_backup(desk: &mut Desk, seconds: u32) -> Vec<Effect> {
    let mut effects = Vec::new();
    for _ in 0..seconds {
        effects.extend(desk.hear(200, peer(), vrrp::GROUP_V4.into()));
        effects.extend(desk.pass(Duration::from_secs(1)));
    }
    effects
}

fn started() -> Desk {
    let mut desk = Desk::new("");
    desk.configure(&(instance(51, "") + SERVICE));
    let serial = desk.director.table.serial;
    desk.tell(Event::TableApplied(TableReport { serial, ..TableReport::default() }));
    desk
}

fn logged(effects: &[Effect]) -> Vec<bool> {
    let entries = effects.iter().filter_map(|effect| match effect {
        Effect::Log(Entry::VipCheck { up, .. }) => Some(*up),
        _ => None,
    });
    entries.collect()
}

#[test]
fn the_backup_asks_and_tells_and_changes_nothing() {
    let mut desk = started();
    let effects = as_backup(&mut desk, 6);
    let attempt = probes(&effects).first().cloned().expect("an attempt");
    assert_eq!(attempt.spec.target.to_string(), "10.0.0.100:80");
    assert!(attempt.spec.via.as_deref().is_some_and(|via| via.mark != 0 && via.direct.is_none()));
    let table = desk.director.table.value.clone();
    let outcome = Outcome::failed(FailureKind::Timeout, "no answer", Duration::ZERO);
    let effects = desk.tell(Event::ProbeDone { check: attempt.check, attempt: attempt.number, outcome });
    assert_eq!(logged(&effects), [false]);
    assert_eq!(desk.director.table.value, table);
    let status = desk.director.snapshot(desk.now).services[0].vip_check.clone().expect("it is shown");
    assert_eq!(
        (status.verdict.as_str(), status.last.as_deref(), status.rests),
        ("down", Some("no answer"), false)
    );
    let again = probes(&as_backup(&mut desk, 6)).first().cloned().expect("the next one");
    let outcome = Outcome::passed(Duration::ZERO);
    let effects = desk.tell(Event::ProbeDone { check: again.check, attempt: again.number, outcome });
    assert_eq!(logged(&effects), [true]);
}

#[test]
fn nobody_is_asked_without_a_master_and_the_master_asks_nobody() {
    let mut desk = started();
    // It becomes master, as nobody else speaks; its address comes a moment later.
    assert_eq!(probes(&desk.pass(Duration::from_secs(20))), []);
    assert_eq!(
        desk.director.snapshot(desk.now).services[0].vip_check.as_ref().map(|vip| vip.verdict.as_str()),
        Some("unknown")
    );
}

#[test]
fn it_ends_with_the_configuration() {
    let mut desk = started();
    assert!(!probes(&as_backup(&mut desk, 6)).is_empty());
    desk.configure(&instance(51, ""));
    assert_eq!(probes(&as_backup(&mut desk, 20)), []);
    let held = &desk.director.table.value.services;
    let marked = held.keys().any(|key| matches!(key, ipvs_backend::ServiceKey::Mark { .. }));
    assert!(!marked, "its service is gone");
}
