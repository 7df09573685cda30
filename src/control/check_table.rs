//! `directord checks` for people: a line for each check, under its virtual server.

use super::checks::{CheckReport, ChecksAnswer, Next};
use super::page::{Last, Look, Page, Tone, duration, milliseconds, short};
use crate::director::target::{plain, word};

const HEAD: &[&str] = &["SERVER", "CHECK", "STATE", "FOR", "FAILED", "LATENCY MS", "NEXT", "LAST RESULT"];
/// What narrow terminals do without, the last first.
const DISPENSABLE: &[&str] = &["FAILED", "NEXT", "FOR", "LATENCY MS"];
/// Columns that the last result has at least.
const LEAST: usize = 28;
/// Longer questions are cut in the middle of the table; on narrow terminals those longer than this.
const LONGEST_QUESTION: usize = 32;
const LONGEST_IN_NARROW: usize = 16;
/// Narrower terminals are narrow.
const WIDE: usize = 100;

/// Lays checks out as a table; `down` if only those were asked for that are.
pub fn render_checks(answer: &ChecksAnswer, down: bool, look: Look) -> String {
    let mut page = Page::new(look);
    if answer.checks.is_empty() {
        page.say(0, Tone::Plain, if down { "no check fails" } else { "there are no checks" });
    }
    let narrow = look.width.is_some_and(|width| width < WIDE);
    let longest = if narrow { LONGEST_IN_NARROW } else { LONGEST_QUESTION };
    for checks in answer.checks.chunk_by(|one, other| one.service == other.service) {
        let Some(first) = checks.first() else { continue };
        page.gap();
        page.say(0, Tone::Head, &format!("virtual_server {}", word(&first.service)));
        page.table(
            2,
            HEAD,
            checks.iter().map(|check| row(check, longest)).collect(),
            DISPENSABLE,
            Last::Cut(LEAST),
        );
    }
    if answer.checks.len() > 1 {
        page.gap();
        page.say(0, Tone::Plain, &totals(&answer.checks));
    }
    page.finish()
}

fn row(check: &CheckReport, longest: usize) -> Vec<String> {
    let failed = match check.failed_in_a_row {
        0 => "-".to_owned(),
        count => format!("{count}x"),
    };
    let latency = check.latency.map_or_else(
        || "-".to_owned(),
        |l| format!("{}/{}/{}", milliseconds(l.min_ms), milliseconds(l.median_ms), milliseconds(l.max_ms)),
    );
    let next = match check.next {
        Next::Waits { seconds, .. } => short(seconds),
        Next::Asks => "now".to_owned(),
        Next::Rests => "rests".to_owned(),
        Next::IsTold => "-".to_owned(),
    };
    let last = match check.results.first() {
        Some(last) => format!("{}, {} ago", check.last, short(last.seconds_ago)),
        None => check.last.clone(),
    };
    vec![
        plain(&check.server),
        titled(check, longest),
        check.verdict.clone(),
        check.verdict_for_seconds.map_or_else(|| "-".to_owned(), duration),
        failed,
        latency,
        next,
        last,
    ]
}

/// The check with what it asks.
pub(super) fn titled(check: &CheckReport, longest: usize) -> String {
    let question: String = match check.question.chars().count() {
        0 => return check.check.clone(),
        count if count > longest => check.question.chars().take(longest - 1).chain(['…']).collect(),
        _ => check.question.clone(),
    };
    format!("{} {question}", check.check)
}

/// `12 checks: 10 up, 1 down, 1 unknown`.
fn totals(checks: &[CheckReport]) -> String {
    let counted =
        ["up", "down", "unknown"].map(|state| (state, checks.iter().filter(|c| c.verdict == state).count()));
    let parts: Vec<String> = counted
        .iter()
        .filter(|(_, count)| *count > 0)
        .map(|(state, count)| format!("{count} {state}"))
        .collect();
    format!("{} checks: {}", checks.len(), parts.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::control::checks::{LatencyReport, ResultReport};

    fn check(server: &str, down: bool) -> CheckReport {
        let reason = if down { "connection refused" } else { "passed" }.to_owned();
        let failure = down.then_some(healthcheck::FailureKind::Refused);
        CheckReport {
            service: crate::config::Served::Key("[10.0.0.100]:tcp:80".parse().unwrap()),
            server: server.parse().unwrap(),
            check: "HTTP_GET".to_owned(),
            question: "/health".to_owned(),
            verdict: if down { "down" } else { "up" }.to_owned(),
            verdict_for_seconds: Some(75.0),
            attempts: 12,
            failed_in_a_row: if down { 187 } else { 0 },
            forgiven: 1,
            needed: 1,
            next: Next::Waits { seconds: 0.8, retry: false },
            latency: Some(LatencyReport { min_ms: 0.21, median_ms: 0.3, max_ms: 1.1 }).filter(|_| !down),
            last: reason.clone(),
            results: vec![ResultReport { at: 0, seconds_ago: 0.2, took_ms: 0.4, failure, reason }],
        }
    }

    fn shown(checks: Vec<CheckReport>, down: bool, width: Option<usize>) -> String {
        let answer = ChecksAnswer { refused: None, at: 0, checks };
        render_checks(&answer, down, Look { width, colour: false })
    }

    #[test]
    fn each_check_has_a_line() {
        let text = shown(vec![check("10.0.0.2:80", false), check("10.0.0.3:80", true)], false, None);
        let expected = "\
virtual_server tcp:10.0.0.100:80
  SERVER       CHECK             STATE  FOR    FAILED  LATENCY MS     NEXT  LAST RESULT
  10.0.0.2:80  HTTP_GET /health  up     1m15s  -       0.21/0.30/1.1  0.8s  passed, 0.2s ago
  10.0.0.3:80  HTTP_GET /health  down   1m15s  187x    -              0.8s  connection refused, 0.2s ago

2 checks: 1 up, 1 down
";
        assert_eq!(text, expected);
    }

    #[test]
    fn a_narrow_terminal_keeps_the_reason() {
        let text = shown(vec![check("10.0.0.3:80", true)], false, Some(80));
        assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");
        assert!(text.contains("connection refused") && !text.contains("LATENCY"), "{text}");
    }

    #[test]
    fn where_names_leave_no_room_the_reason_stands_below() {
        let server = "[2001:db8:aaaa:bbbb:cccc:dddd:1111:1]:8443";
        let text = shown(vec![check(server, true)], false, Some(80));
        assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");
        assert!(text.contains("\n      last result: connection refused, 0.2s ago\n"), "{text}");
    }

    #[test]
    fn nothing_is_said_to_be_nothing() {
        assert_eq!(shown(Vec::new(), true, None), "no check fails\n");
        assert_eq!(shown(Vec::new(), false, None), "there are no checks\n");
    }
}
