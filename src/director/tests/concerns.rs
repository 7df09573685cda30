//! Certificates that end soon and answers that come slowly: who hears of it, and how often. Servers that come up slowly.

use healthcheck::{Aside, Concern, FailureKind, Outcome, Warning};

use super::*;

fn service(check: &str) -> String {
    format!(
        "global_defs {{\nnotification_email {{\na@example.org\n}}\nsmtp_server 192.0.2.1\n}}\n\
         virtual_server 10.0.0.100 80 {{\ndelay_loop 5\nlvs_sched rr\nlvs_method NAT\nprotocol TCP\n\
         real_server 10.0.1.1 80 {{\n{check}\n}}\n}}\n"
    )
}

/// Answers the attempt among these effects, and waits for the next one; also the lines of the log and the subjects of
/// mails that come of the answer.
fn answer(desk: &mut Desk, effects: &mut Vec<Effect>, outcome: Outcome) -> (Vec<String>, Vec<String>) {
    let attempt = effects.iter().find_map(|effect| match effect {
        Effect::Probe(attempt) => Some(attempt.clone()),
        _ => None,
    });
    let attempt = attempt.expect("an attempt");
    let said = desk.tell(Event::ProbeDone { check: attempt.check, attempt: attempt.number, outcome });
    *effects = desk.pass(Duration::from_secs(6));
    let lines = said.iter().filter_map(|effect| match effect {
        Effect::Log(entry) => Some(entry.to_string()),
        _ => None,
    });
    let mails = said.iter().filter_map(|effect| match effect {
        Effect::Notify(notice) => Some(notice.subject.clone()),
        _ => None,
    });
    (lines.collect(), mails.collect())
}

fn odd(about: Concern, words: &str) -> Outcome {
    let aside = Aside { expires: Some(0), warnings: vec![Warning { about, words: words.to_owned() }] };
    Outcome { aside: Some(Box::new(aside)), ..Outcome::passed(Duration::ZERO) }
}

#[test]
fn what_is_odd_is_told_when_it_begins_and_when_it_is_over() {
    let mut desk = Desk::new("");
    let mut effects = desk.configure(&service("TCP_CHECK {\n}"));
    let server = |desk: &Desk| desk.director.snapshot(desk.now).services[0].servers[0].clone();
    let (lines, mails) =
        answer(&mut desk, &mut effects, odd(Concern::Expiry, "the certificate ends in 3 days"));
    let told = "real_server [10.0.1.1]:80 of virtual_server [10.0.0.100]:tcp:80: TCP_CHECK: warning: the certificate \
                ends in 3 days";
    assert!(lines.iter().any(|line| line == told), "{lines:?}");
    assert_eq!(mails.len(), 1, "{mails:?}");
    assert!(
        mails[0].ends_with("Realserver [10.0.1.1]:tcp:80 of virtual server [10.0.0.100]:tcp:80 - WARNING")
    );
    let check = server(&desk).checks[0].clone();
    assert_eq!((server(&desk).verdict.as_str(), check.verdict.as_str()), ("up", "up"));
    assert_eq!(check.warnings, ["the certificate ends in 3 days"]);
    assert_eq!(check.certificate_ends.as_deref(), Some("1970-01-01 00:00 GMT"));
    // A day later: `status` knows, and nobody is told again.
    let (lines, mails) =
        answer(&mut desk, &mut effects, odd(Concern::Expiry, "the certificate ends in 2 days"));
    assert_eq!((lines, mails), (vec![], vec![]));
    assert_eq!(server(&desk).checks[0].warnings, ["the certificate ends in 2 days"]);
    let fine = || Outcome::passed(Duration::ZERO);
    for _ in 0..2 {
        assert_eq!(answer(&mut desk, &mut effects, fine()), (vec![], vec![]));
    }
    let (lines, mails) = answer(&mut desk, &mut effects, fine());
    assert!(
        lines[0].ends_with("no warning any more: the certificate does not end soon any more"),
        "{lines:?}"
    );
    assert!(mails[0].ends_with(" - WARNING OVER"), "{mails:?}");
    assert!(server(&desk).checks[0].warnings.is_empty());
}

/// Its verdict stays what it was, so somebody must hear that nobody looks any more.
#[test]
fn a_server_that_cannot_be_asked_is_told_of_and_keeps_its_verdict() {
    let mut desk = Desk::new("");
    let mut effects = desk.configure(&service("TCP_CHECK {\n}"));
    let unasked = || {
        Outcome::failed(FailureKind::Local, "could not ask: no socket bound to 10.0.0.9:0", Duration::ZERO)
    };
    let server = |desk: &Desk| desk.director.snapshot(desk.now).services[0].servers[0].clone();
    assert_eq!(answer(&mut desk, &mut effects, unasked()), (vec![], vec![]));
    let (lines, mails) = answer(&mut desk, &mut effects, unasked());
    assert!(
        lines.iter().any(|line| line.contains("TCP_CHECK: warning: could not ask: no socket")),
        "{lines:?}"
    );
    assert_eq!(mails.len(), 1, "{mails:?}");
    for _ in 0..5 {
        assert_eq!(answer(&mut desk, &mut effects, unasked()), (vec![], vec![]));
    }
    assert!(server(&desk).checks[0].warnings[0].contains("counts neither for nor against the server"));
    assert_eq!(server(&desk).checks[0].verdict, "unknown");
    for _ in 0..2 {
        answer(&mut desk, &mut effects, Outcome::passed(Duration::ZERO));
    }
    let (lines, mails) = answer(&mut desk, &mut effects, Outcome::passed(Duration::ZERO));
    assert!(lines[0].ends_with("no warning any more: the server can be asked again"), "{lines:?}");
    assert_eq!(mails.len(), 1, "{mails:?}");
}

#[test]
fn a_server_that_comes_up_slowly_says_how_far_it_is() {
    let mut desk = Desk::new("");
    let mut effects = desk.configure(&service("TCP_CHECK {\nrise 3\nfall 1\n}"));
    let server = |desk: &Desk| desk.director.snapshot(desk.now).services[0].servers[0].clone();
    let failed = Outcome::failed(FailureKind::Refused, "connection refused", Duration::ZERO);
    answer(&mut desk, &mut effects, failed);
    assert_eq!(server(&desk).effective_weight, None);
    for number in 1..3 {
        answer(&mut desk, &mut effects, Outcome::passed(Duration::ZERO));
        let reason = format!("passed after 0.0 ms, {number} of 3 in a row");
        assert_eq!((server(&desk).verdict.as_str(), server(&desk).reason), ("down", reason));
    }
    answer(&mut desk, &mut effects, Outcome::passed(Duration::ZERO));
    assert_eq!((server(&desk).verdict.as_str(), server(&desk).effective_weight), ("up", Some(1)));
}
