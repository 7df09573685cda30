//! Every kind of check by connection meets every kind of hostile server: one that refuses, closes, resets, hangs, drips,
//! floods, talks nonsense or shows a wrong certificate, at each point of what it has to say. Each attempt ends in time,
//! takes little memory, and tells the right reason. (By datagram: `hostile_datagrams.rs`.)

#![cfg(feature = "io")]
#![expect(clippy::unwrap_used, reason = "a test that cannot go on should fail here")]

#[path = "hostile/cases.rs"]
mod cases;
#[path = "hostile/server.rs"]
mod server;

use std::fs;
use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use healthcheck::probe::attempt;
use healthcheck::{Check, FailureKind, Kind, Outcome, ProxyHeader};
use tokio::task::JoinSet;

use cases::{Case, PASSWORD};
use server::{Certificates, Manner, Server, Turn};

/// Long enough for anything that is meant to happen.
const AMPLE: Duration = Duration::from_secs(30);
/// Short enough to wait for.
const SHORT: Duration = Duration::from_millis(400);

fn run<F: Future>(future: F) -> F::Output {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(future)
}

fn check(kind: Kind, target: SocketAddr, connect_timeout: Duration) -> Check {
    Check { connect_timeout, ..Check::new(kind, target) }
}

/// One attempt, told of by these words.
struct Met {
    words: String,
    /// What is expected of it; nothing if it is to pass.
    expected: &'static [FailureKind],
    may_pass: bool,
    outcome: Outcome,
    /// Bytes of a flood that were taken.
    delivered: usize,
}

/// Has an attempt made at a server that goes wrong in this turn, or behind the last one.
fn meet(
    case: &Case,
    until: usize,
    manner: Manner,
    certificates: &Arc<Certificates>,
    expected: &'static [FailureKind],
) -> impl Future<Output = Met> + Send + 'static {
    let patience = if matches!(manner, Manner::Hangs | Manner::Drips) { SHORT } else { AMPLE };
    let turn = case.part.get(until).map_or("the end".to_owned(), |turn| format!("{turn:?}"));
    let words = format!("{}, where it {manner:?} at {turn} (turn {until})", case.name);
    let delivered = Arc::new(AtomicUsize::new(0));
    let server = Server {
        part: case.part.clone(),
        until,
        manner,
        http2: case.http2,
        proxied: case.proxied,
        certificates: certificates.clone(),
        patience,
        delivered: delivered.clone(),
    };
    let (kind, may_pass) = (case.kind.clone(), may_pass(case, manner));
    let proxy = case.proxied.then_some(ProxyHeader::V2);
    async move {
        let (listener, address) = Server::listen().await;
        let serving = tokio::spawn(server.serve(listener));
        let check = Check { proxy, ..check(kind, address, patience) };
        let made = tokio::time::timeout(AMPLE * 3, attempt(&check, 0)).await;
        serving.abort();
        let outcome = made.unwrap_or_else(|_| panic!("{words}: it never ends"));
        Met { words, expected, may_pass, outcome, delivered: delivered.load(Ordering::Relaxed) }
    }
}

/// Makes attempts, so many at once.
fn all(meetings: Vec<impl Future<Output = Met> + Send + 'static>, at_once: usize) -> Vec<Met> {
    run(async {
        let (mut met, mut running, mut waiting) = (Vec::new(), JoinSet::new(), meetings.into_iter());
        for meeting in waiting.by_ref().take(at_once) {
            running.spawn(meeting);
        }
        while let Some(one) = running.join_next().await {
            met.push(one.unwrap());
            waiting.next().map(|meeting| running.spawn(meeting));
        }
        met
    })
}

/// Every meeting went as expected, in words that people can read and that tell no secret. All that did not are told of.
#[track_caller]
fn judge(met: &[Met]) {
    let mut wrong = Vec::new();
    for Met { words, expected, may_pass, outcome, .. } in met {
        match &outcome.result {
            Ok(()) if *may_pass || expected.is_empty() => {}
            Ok(()) => wrong.push(format!("{words}: it passed, expected {expected:?}")),
            Err(failure) => {
                let readable = failure.reason.bytes().all(|byte| (b' '..=b'~').contains(&byte));
                let short = (1..400).contains(&failure.reason.len());
                let secret = failure.reason.contains(PASSWORD);
                if !expected.contains(&failure.kind) || !readable || !short || secret {
                    wrong.push(format!("{words}: {failure:?}, expected {expected:?}"));
                }
            }
        }
        if outcome.took > AMPLE * 2 {
            wrong.push(format!("{words}: it took {:?}", outcome.took));
        }
    }
    assert!(wrong.is_empty(), "{} of {} went wrong:\n{}", wrong.len(), met.len(), wrong.join("\n"));
}

/// The turns in which a server has something to say, and could go wrong.
fn turns(case: &Case) -> impl Iterator<Item = (usize, &Turn)> {
    let speaks = |turn: &&Turn| !matches!(turn, Turn::Hears | Turn::HearsJust(_) | Turn::Adds(_));
    case.part.iter().enumerate().filter(move |(_, turn)| speaks(turn))
}

/// What an attempt tells of a server that goes wrong in this turn.
fn expected(case: &Case, turn: &Turn, manner: Manner) -> &'static [FailureKind] {
    use FailureKind::*;
    let (plain, waits) = (case.name.starts_with("TEXT"), case.name == "TEXT absent");
    match manner {
        // Where something must not be there, the end of an answer is what is waited for.
        Manner::Closes if waits => &[],
        // Half a file, or half an answer in plain words, is another one.
        Manner::Closes if matches!(turn, Turn::Sends(_)) || plain && matches!(turn, Turn::Says(_)) => {
            &[BadAnswer]
        }
        Manner::Closes => &[Closed],
        Manner::Resets => &[Reset],
        Manner::Hangs | Manner::Drips => &[Timeout],
        Manner::Floods => &[TooLong, Protocol, BadDigest],
        Manner::Babbles => &[Protocol, TooLong, BadAnswer, BadDigest],
        Manner::OtherName | Manner::OtherAuthority | Manner::Ended => &[BadCertificate],
    }
}

/// What fills up a message whose length was told before is its content, which may be anything in an answer that counts by
/// its kind alone.
fn may_pass(case: &Case, manner: Manner) -> bool {
    let by_kind = ["MySQL", "PostgreSQL", "Oracle"].iter().any(|name| case.name.starts_with(name));
    manner == Manner::Floods && by_kind
}

/// All kinds at all turns in these manners, so many at once.
fn everywhere(manners: &[Manner], at_once: usize) -> Vec<Met> {
    let certificates = Arc::new(Certificates::new());
    let cases = cases::all(&certificates.authority);
    let mut meetings = Vec::new();
    for case in &cases {
        for (until, turn) in turns(case) {
            for manner in manners {
                meetings.push(meet(case, until, *manner, &certificates, expected(case, turn, *manner)));
            }
        }
    }
    assert!(meetings.len() > 100 * manners.len(), "only {} turns", meetings.len());
    all(meetings, at_once)
}

#[test]
fn no_kind_takes_a_closed_port_for_a_server() {
    for Case { name, kind, .. } in cases::all("/none") {
        let outcome = run(async {
            let (listener, address) = Server::listen().await;
            drop(listener);
            attempt(&check(kind, address, AMPLE), 0).await
        });
        let failure = outcome.result.expect_err(name);
        assert_eq!(
            (failure.kind, failure.reason.as_str()),
            (FailureKind::Refused, "connection refused"),
            "{name}"
        );
    }
}

#[test]
fn a_port_that_nobody_listens_on_may_be_named_by_the_server_itself() {
    let certificates = Arc::new(Certificates::new());
    let mut cases = cases::all(&certificates.authority);
    let case = cases.iter_mut().find(|case| case.name == "FTP file").unwrap();
    for turn in &mut case.part {
        if let Turn::Names(_) = turn {
            *turn = Turn::Says(b"229 here (|||1|)\r\n".to_vec());
        }
    }
    let met =
        all(vec![meet(case, case.part.len(), Manner::Hangs, &certificates, &[FailureKind::Refused])], 1);
    judge(&met);
    let failure = met[0].outcome.result.as_ref().unwrap_err();
    assert_eq!(failure.reason, "port 1, which the server named: connection refused");
}

#[test]
fn servers_that_know_their_part_pass_whatever_they_do_then() {
    let certificates = Arc::new(Certificates::new());
    let mut meetings = Vec::new();
    for case in &cases::all(&certificates.authority) {
        for manner in [Manner::Closes, Manner::Hangs, Manner::Floods, Manner::Babbles] {
            // Where something must not be there it has to be waited for until the end.
            if case.name != "TEXT absent" || manner == Manner::Closes {
                meetings.push(meet(case, case.part.len(), manner, &certificates, &[]));
            }
        }
    }
    judge(&all(meetings, 16));
}

#[test]
fn whatever_a_kind_says_a_header_goes_before_it() {
    let certificates = Arc::new(Certificates::new());
    let mut meetings = Vec::new();
    for case in &mut cases::all(&certificates.authority) {
        assert!(case.kind.connects(), "{}", case.name);
        case.proxied = true;
        meetings.push(meet(case, case.part.len(), Manner::Closes, &certificates, &[]));
    }
    judge(&all(meetings, 16));
}

#[test]
fn servers_that_break_off_are_told_apart() {
    judge(&everywhere(&[Manner::Closes, Manner::Resets], 32));
}

#[test]
fn servers_that_talk_nonsense_are_told_apart() {
    judge(&everywhere(&[Manner::Babbles], 32));
}

#[test]
fn servers_that_hang_or_drip_are_given_up_in_time() {
    judge(&everywhere(&[Manner::Hangs, Manner::Drips], 1000));
}

#[test]
fn floods_are_stopped_early() {
    fs::write("/proc/self/clear_refs", "5").ok();
    let met = everywhere(&[Manner::Floods], 4);
    judge(&met);
    for Met { words, delivered, .. } in &met {
        assert!(*delivered < 64 << 20, "{words}: {delivered} bytes were taken");
    }
    // Of all that runs in this program at the same time, the servers among it.
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")?.trim().strip_suffix(" kB"));
    let peak: usize = peak.unwrap().parse().unwrap();
    assert!(peak < 256 << 10, "{peak} KiB at most");
}

#[test]
fn wrong_certificates_are_refused() {
    let certificates = Arc::new(Certificates::new());
    let mut meetings = Vec::new();
    for case in &cases::all(&certificates.authority) {
        for (until, turn) in turns(case).filter(|(_, turn)| matches!(turn, Turn::Secures)) {
            for manner in [Manner::OtherName, Manner::OtherAuthority, Manner::Ended] {
                meetings.push(meet(case, until, manner, &certificates, expected(case, turn, manner)));
            }
        }
    }
    assert!(meetings.len() >= 3 * 16, "only {} kinds speak TLS", meetings.len() / 3);
    let met = all(meetings, 16);
    judge(&met);
    for Met { words, outcome, .. } in &met {
        let failure = outcome.result.as_ref().unwrap_err();
        assert!(failure.reason.starts_with("the certificate is not to be trusted: "), "{words}: {failure}");
    }
}
