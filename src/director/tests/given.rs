//! Weights that checks give, and attempts that are logged where that is asked for.

use healthcheck::{FailureKind, Outcome};

use super::*;
use crate::director::effect::Attempt;
use crate::director::journal::Entry;

fn service(check: &str) -> String {
    format!(
        "virtual_server 10.0.0.100 80 {{\ndelay_loop 5\nlvs_sched rr\nlvs_method NAT\nprotocol TCP\nquorum 10\n\
         real_server 10.0.1.1 80 {{\nweight 10\n{check}\n}}\n}}\ntrack_file f {{\nfile /run/f\n}}\n"
    )
}

fn attempt(effects: &[Effect]) -> Attempt {
    let probe = |effect: &Effect| match effect {
        Effect::Probe(attempt) => Some(attempt.clone()),
        _ => None,
    };
    effects.iter().find_map(probe).expect("an attempt")
}

fn weight(desk: &Desk) -> Option<u32> {
    desk.director.snapshot(desk.now).services[0].servers[0].effective_weight
}

fn logged(effects: &[Effect]) -> Vec<String> {
    let line = |effect: &Effect| match effect {
        Effect::Log(entry) => Some(entry.to_string()),
        _ => None,
    };
    effects.iter().filter_map(line).collect()
}

impl Desk {
    /// Answers the attempt that is due next.
    fn answer_check(&mut self, effects: &[Effect], outcome: Outcome) -> Vec<Effect> {
        let attempt = attempt(effects);
        self.tell(Event::ProbeDone { check: attempt.check, attempt: attempt.number, outcome })
    }
}

fn asking(weight: Option<u32>) -> Outcome {
    Outcome { weight, ..Outcome::passed(Duration::ZERO) }
}

#[test]
fn a_command_sets_the_weight_and_the_quorum_follows() {
    let text = service("MISC_CHECK {\nmisc_path /bin/x\nmisc_dynamic\n}");
    let mut desk = Desk::new("");
    let effects = desk.configure(&text);
    let said = desk.answer_check(&effects, asking(Some(4)));
    assert_eq!(weight(&desk), Some(4));
    let lines = logged(&said).join("\n");
    assert!(lines.contains("weight 10 -> 4 (configured 10, -6 by a MISC_CHECK)"), "{lines}");
    assert!(lines.contains("lost its quorum"), "{lines}");
    let effects = desk.pass(Duration::from_secs(6));
    desk.answer_check(&effects, asking(Some(30)));
    assert_eq!(weight(&desk), Some(30));
    // A reload keeps it, and an end without a wish brings the configured one back.
    desk.configure(&text.replace("weight 10", "weight 11"));
    assert_eq!(weight(&desk), Some(30));
    let effects = desk.pass(Duration::from_secs(6));
    let said = desk.answer_check(&effects, asking(None));
    assert_eq!(weight(&desk), Some(11));
    assert!(logged(&said).join("\n").contains("weight 30 -> 11 (as configured)"));
    // What comes late, or twice, says nothing.
    let attempt = attempt(&effects);
    desk.tell(Event::ProbeDone { check: attempt.check, attempt: attempt.number, outcome: asking(Some(1)) });
    assert_eq!(weight(&desk), Some(11));
}

#[test]
fn a_file_adds_to_the_weight_or_closes_the_server() {
    let read = |desk: &mut Desk, number| {
        desk.tell(Event::FileRead { file: "f".to_owned(), number, problem: None });
    };
    let mut desk = Desk::new(&service("FILE_CHECK {\ntrack_file f\nweight 2\n}"));
    assert_eq!(desk.director.trackers.watched.files.len(), 1, "it is watched for the server alone");
    assert_eq!(weight(&desk), Some(10));
    read(&mut desk, 4);
    assert_eq!(weight(&desk), Some(18));
    let server = desk.director.snapshot(desk.now).services[0].servers[0].clone();
    assert_eq!(server.weight_reason.as_deref(), Some("configured 10, +8 by f, for /run/f says 4"));
    read(&mut desk, -9);
    assert_eq!(weight(&desk), Some(0));
    // The same number in another light.
    desk.configure(&service("FILE_CHECK {\ntrack_file f\nweight 0\n}"));
    assert_eq!(weight(&desk), None);
    let server = desk.director.snapshot(desk.now).services[0].servers[0].clone();
    assert_eq!((server.verdict.as_str(), server.reason.as_str()), ("down", "/run/f says -9"));
    read(&mut desk, 0);
    assert_eq!(weight(&desk), Some(10));
}

#[test]
fn failed_attempts_are_logged_where_that_is_asked_for() {
    let failed = || Outcome::failed(FailureKind::Refused, "connection refused", Duration::ZERO);
    let count = |text: &str| {
        let mut desk = Desk::new("");
        let mut effects = desk.configure(text);
        let mut lines = 0;
        for outcome in [failed(), failed(), Outcome::passed(Duration::ZERO), failed()] {
            let said = desk.answer_check(&effects, outcome);
            let told = |effect: &&Effect| matches!(effect, Effect::Log(Entry::AttemptFailed { .. }));
            lines += said.iter().filter(told).count();
            effects = desk.pass(Duration::from_secs(6));
        }
        lines
    };
    let all = "global_defs {\nchecker_log_all_failures\n}\n";
    assert_eq!(count(&service("TCP_CHECK {\n}")), 0);
    assert_eq!(count(&service("TCP_CHECK {\nlog_all_failures\n}")), 3);
    assert_eq!(count(&(service("TCP_CHECK {\n}") + all)), 3);
    assert_eq!(count(&(service("TCP_CHECK {\nlog_all_failures off\n}") + all)), 0);
}
