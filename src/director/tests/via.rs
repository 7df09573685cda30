//! Checks that go through the kernel's table.

use healthcheck::{FailureKind, Outcome};
use ipvs_backend::ServiceKey;

use super::*;
use crate::director::event::TableReport;

fn service(lines: &str) -> String {
    format!(
        "virtual_server 10.0.0.100 80 {{\ndelay_loop 5\nlvs_sched rr\nlvs_method DR\nprotocol TCP\n{lines}\n\
         real_server 10.0.0.21 80 {{\nTCP_CHECK {{\nretry 0\n}}\n}}\n}}\n"
    )
}

/// The services in the table that are for marks, with their servers and weights.
fn marked(desk: &Desk) -> Vec<(u32, String)> {
    let services = desk.director.table.value.services.iter();
    let marked = services.filter_map(|(key, service)| match key {
        ServiceKey::Mark { mark, .. } => {
            let servers: Vec<String> = service
                .destinations
                .iter()
                .map(|(key, to)| format!("{key} {} {}", to.forwarding, to.weight))
                .collect();
            Some((*mark, servers.join(", ")))
        }
        ServiceKey::Address { .. } => None,
    });
    marked.collect()
}

fn probes(effects: &[Effect]) -> Vec<super::super::effect::Attempt> {
    let attempts = effects.iter().filter_map(|effect| match effect {
        Effect::Probe(attempt) => Some(attempt.clone()),
        _ => None,
    });
    attempts.collect()
}

fn applied(desk: &mut Desk, unavailable: Option<&str>) -> Vec<Effect> {
    let serial = desk.director.table.serial;
    let unavailable = unavailable.map(str::to_owned);
    desk.tell(Event::TableApplied(TableReport { serial, unavailable, ..TableReport::default() }))
}

#[test]
fn a_check_waits_until_the_table_has_its_way() {
    let mut desk = Desk::new("");
    let effects = desk.configure(&service("via_ipvs"));
    assert_eq!(probes(&effects), [], "nothing is asked before");
    let effects = desk.pass(Duration::from_secs(12));
    assert_eq!(probes(&effects), []);
    let [(mark, servers)] = marked(&desk).try_into().unwrap();
    assert_eq!(servers, "[10.0.0.21]:80 DR 1");
    let effects = applied(&mut desk, None);
    let [attempt] = probes(&effects).try_into().unwrap();
    assert_eq!(attempt.spec.target.to_string(), "10.0.0.100:80");
    let via = attempt.spec.via.as_deref().unwrap();
    assert_eq!(
        (via.mark, via.direct.map(|direct| direct.to_string())),
        (mark, Some("10.0.0.21:80".to_owned()))
    );

    // The server leaves the service, and not the way to it.
    let outcome = Outcome::failed(FailureKind::Timeout, "no answer", Duration::ZERO);
    desk.tell(Event::ProbeDone { check: attempt.check, attempt: attempt.number, outcome });
    let held = &desk.director.table.value.services;
    assert!(held[&"[10.0.0.100]:tcp:80".parse().unwrap()].destinations.is_empty());
    assert_eq!(marked(&desk), [(mark, servers)]);
}

#[test]
fn without_the_table_nobody_is_asked() {
    let mut desk = Desk::new("");
    desk.configure(&service("via_ipvs"));
    let effects = applied(&mut desk, Some("no such protocol"));
    assert_eq!(probes(&effects), []);
    let effects = applied(&mut desk, None);
    assert_eq!(probes(&effects).len(), 1);
    applied(&mut desk, Some("gone"));
    assert_eq!(probes(&desk.pass(Duration::from_secs(20))), []);
}

#[test]
fn what_is_no_longer_asked_for_leaves_the_table() {
    let mut desk = Desk::new("");
    desk.configure(&service("via_ipvs"));
    applied(&mut desk, None);
    let before = marked(&desk);
    assert_eq!(before.len(), 1);
    let effects = desk.configure(&service("via_ipvs\nweight 3"));
    assert_eq!(marked(&desk), before, "the mark stays");
    assert_eq!(probes(&effects), [], "and so does the check");
    desk.configure(&service(""));
    assert_eq!(marked(&desk), []);
    desk.configure(&service("via_ipvs"));
    assert_eq!(marked(&desk), before, "the same again");
    desk.configure("");
    assert_eq!(marked(&desk), []);
}

#[test]
fn other_checks_do_not_wait() {
    let mut desk = Desk::new("");
    let effects = desk.configure(&service(""));
    assert_eq!(probes(&effects).len(), 1);
}
