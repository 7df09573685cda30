use healthcheck::FailureKind;

use super::*;
use crate::control::LatencyReport;
use crate::control::why::{InstanceReasons, Undo};
use crate::director::snapshot::{InstanceStatus, TrackerStatus};

const AT: u64 = 1_700_000_000_000;

fn server(down: bool) -> ServerStatus {
    ServerStatus {
        server: "10.0.0.2:80".parse().unwrap(),
        forwarding: "DR".to_owned(),
        weight: 5,
        effective_weight: (!down).then_some(5),
        backup: false,
        spared: false,
        overridden: None,
        weight_reason: None,
        verdict: if down { "down" } else { "up" }.to_owned(),
        reason: "connection refused".to_owned(),
        for_seconds: 192.0,
        connections: None,
        traffic: None,
        checks: Vec::new(),
    }
}

fn service(server: ServerStatus, whole: bool) -> ServiceReasons {
    let status = ServiceStatus {
        service: crate::config::Served::Key("[10.0.0.100]:tcp:80".parse().unwrap()),
        serves: Vec::new(),
        scheduler: "wlc".to_owned(),
        quorum: true,
        weight_up: 7,
        quorum_threshold: 1,
        suspended: false,
        sorry_server: None,
        sorry_active: false,
        vip_check: None,
        sorry_usage: None,
        traffic: None,
        backup_active: false,
        panic: None,
        servers: vec![server],
    };
    let (inhibited, undo) = (Vec::new(), Vec::new());
    ServiceReasons { status, whole, serving: 2, configured: 3, inhibited, undo }
}

fn check(down: bool) -> CheckReport {
    let result = |ago: f64| ResultReport {
        at: AT - (ago * 1e3) as u64,
        seconds_ago: ago,
        took_ms: 0.4,
        failure: down.then_some(FailureKind::Refused),
        reason: if down { "connection refused" } else { "passed" }.to_owned(),
    };
    CheckReport {
        service: crate::config::Served::Key("[10.0.0.100]:tcp:80".parse().unwrap()),
        server: "10.0.0.2:80".parse().unwrap(),
        check: "HTTP_GET".to_owned(),
        question: "/health".to_owned(),
        verdict: if down { "down" } else { "up" }.to_owned(),
        verdict_for_seconds: Some(192.0),
        attempts: 500,
        failed_in_a_row: if down { 187 } else { 0 },
        forgiven: 1,
        needed: 1,
        next: Next::Waits { seconds: 0.8, retry: false },
        latency: (!down).then_some(LatencyReport { min_ms: 0.2, median_ms: 0.3, max_ms: 1.5 }),
        last: if down { "connection refused" } else { "passed" }.to_owned(),
        results: vec![result(0.2), result(1.2)],
    }
}

fn answer(down: bool) -> WhyAnswer {
    let (services, checks) = (vec![service(server(down), false)], vec![check(down)]);
    WhyAnswer { at: AT, services, checks, ..WhyAnswer::default() }
}

fn told(answer: &WhyAnswer) -> String {
    render_why(answer, Look::default())
}

#[test]
fn a_server_that_is_down_is_explained() {
    let expected = "\
10.0.0.2:80 of virtual_server tcp:10.0.0.100:80 is down for 3m12s, since 22:10:08Z
  HTTP_GET /health has failed 187 times in a row; it was asked 500 times in all.
    AT             AGO   TOOK MS  RESULT  REASON
    22:13:19.800Z  0.2s  0.40     failed  connection refused
    22:13:18.800Z  1.2s  0.40     failed  connection refused
    It counts as up again when an attempt passes; the next one is in 0.8s, at 22:13:20Z.
  In the table: no; it gets no packets at all.
    It was taken out because it is down; with inhibit_on_failure it would stay with weight 0.
  Quorum: held. Servers that weigh 7 together are up; it is lost below 1.
";
    assert_eq!(told(&answer(true)), expected);
}

#[test]
fn a_server_that_is_up_is_short() {
    let expected = "\
10.0.0.2:80 of virtual_server tcp:10.0.0.100:80 is up for 3m12s, since 22:10:08Z
  HTTP_GET /health passes, for 3m12s; lately within 0.20 to 1.5 ms, half of them within 0.30 ms.
  In the table: with weight 5, as configured.
  Quorum: held. Servers that weigh 7 together are up; it is lost below 1.
";
    let mut up = answer(false);
    up.services[0].status.servers[0].reason = "passed".to_owned();
    assert_eq!(told(&up), expected);
}

#[test]
fn an_override_tells_how_it_is_taken_back() {
    let mut answer = answer(false);
    let service = &mut answer.services[0];
    service.status.servers[0].overridden = Some("drained by alice (new kernel)".to_owned());
    service.status.servers[0].effective_weight = Some(0);
    let server = service.status.servers[0].server;
    service.undo = vec![Undo { server, command: "directord undrain 10.0.0.2".to_owned() }];
    let text = told(&answer);
    assert!(text.contains("An override decides: drained by alice (new kernel)."), "{text}");
    assert!(text.contains("Take it back with `directord undrain 10.0.0.2`."), "{text}");
    assert!(text.contains("with weight 0; it gets no new connections"), "{text}");
}

#[test]
fn a_check_that_rests_is_not_waited_for() {
    let mut answer = answer(true);
    answer.checks[0].next = Next::Rests;
    answer.services[0].status.suspended = true;
    let text = told(&answer);
    assert!(text.contains("Nobody is asked at present") && text.contains("(ha_suspend)"), "{text}");
}

#[test]
fn a_service_without_a_quorum_says_what_stands_in() {
    let mut whole = service(server(true), true);
    (whole.status.quorum, whole.status.quorum_threshold, whole.status.weight_up) = (false, 3, 2);
    whole.status.sorry_server = Some("10.0.0.9:80".parse().unwrap());
    whole.status.sorry_active = true;
    let answer =
        WhyAnswer { at: AT, services: vec![whole], checks: vec![check(true)], ..WhyAnswer::default() };
    let text = told(&answer);
    assert!(text.starts_with("virtual_server tcp:10.0.0.100:80 is served by its sorry server"), "{text}");
    assert!(text.contains("it is back at 3.") && text.contains("10.0.0.9:80 stands in."), "{text}");
    assert!(text.contains("HTTP_GET /health has failed 187 times"), "{text}");
}

#[test]
fn nothing_wrong_is_said() {
    let answer = WhyAnswer { all: true, ..WhyAnswer::default() };
    assert!(told(&answer).starts_with("All is as it should be"));
    let gone = WhyAnswer {
        ipvs: crate::director::snapshot::OwnerStatus {
            unavailable: Some("no ip_vs in this kernel".to_owned()),
            ..Default::default()
        },
        ..answer
    };
    assert!(told(&gone).contains("cannot be reached") && !told(&gone).contains("All is"), "{}", told(&gone));
}

fn instance(role: &str) -> InstanceReasons {
    let tracker = |name: &str, weight: i16, reading: &str, adds, fault| TrackerStatus {
        kind: "track_script".to_owned(),
        name: name.to_owned(),
        reading: reading.to_owned(),
        weight,
        reverse: false,
        adds,
        fault,
        reason: "exit status 1".to_owned(),
    };
    InstanceReasons {
        status: InstanceStatus {
            name: "VI_1".to_owned(),
            role: role.to_owned(),
            for_seconds: 60.0,
            cause: "10.0.0.12 (priority 150) has the better claim".to_owned(),
            interface: "eth0".to_owned(),
            virtual_router_id: 51,
            version: 3,
            priority: 100,
            effective_priority: 90,
            overridden_priority: None,
            group: None,
            trackers: vec![
                tracker("web", 10, "up", 10, false),
                tracker("disk", -20, "down", -20, role == "FAULT"),
            ],
            advert_interval: 1.0,
            source: None,
            master: Some([10, 0, 0, 12].into()),
            master_priority: Some(150),
            addresses: vec!["10.0.0.100/24".to_owned()],
            oddities: Vec::new(),
            counters: Default::default(),
        },
        file_priority: 100,
        preempts: true,
        preempt_delay: 0.0,
        silence_left: Some(2.9),
    }
}

#[test]
fn a_backup_tells_its_master_and_its_sum() {
    let answer = WhyAnswer { at: AT, instances: vec![instance("BACKUP")], ..WhyAnswer::default() };
    let expected = "\
VI_1 is BACKUP for 1m00s, since 22:12:20Z: 10.0.0.12 (priority 150) has the better claim
  Master on eth0 is 10.0.0.12 with priority 150: it holds 10.0.0.100/24.
  Priority in adverts: 90 = 100 in the file + 10 - 20.
    track_script web, weight 10: up (exit status 1) -> +10
    track_script disk, weight -20: down (exit status 1) -> -20
  It takes over if no advert of the master comes for another 2.9s.
  It also takes over once its priority is above 150.
";
    assert_eq!(told(&answer), expected);
}

#[test]
fn a_fault_tells_what_must_be_well_again() {
    let answer = WhyAnswer { at: AT, instances: vec![instance("FAULT")], ..WhyAnswer::default() };
    let text = told(&answer);
    assert!(
        text.contains("It becomes backup by itself once this is well again: track_script disk."),
        "{text}"
    );
}
