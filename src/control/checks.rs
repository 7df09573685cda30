//! What can be asked about checks (`POST /v1/checks`): each with its latest results.
//!
//! The brain hands out what it holds in pieces; everything that people and programs read is made of it here, where
//! nothing waits.

use std::time::{Duration, Instant};

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use healthcheck::{FailureKind, Kind, Reason, Verdict};
use ipvs_backend::DestinationKey;
use serde::{Deserialize, Serialize};

use super::server::Desk;
use crate::config::Served;
use crate::director::checks::{Asking, CheckView, Work, meant};
use crate::director::target::Target;

/// The wish to know checks.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChecksWish {
    /// Whose, as on the command line: a real server, a virtual server, …; none: all.
    #[serde(default)]
    pub what: Option<String>,
    /// Only those that say down.
    #[serde(default)]
    pub down: bool,
    /// With all results that are kept, not only the last.
    #[serde(default)]
    pub results: bool,
}

/// The checks.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct ChecksAnswer {
    /// Set if there is no answer: why.
    pub refused: Option<String>,
    /// The time of the answer, in milliseconds since 1970.
    pub at: u64,
    /// They, by virtual server and real server.
    pub checks: Vec<CheckReport>,
}

/// One check of one real server.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CheckReport {
    /// Of which virtual server.
    pub service: Served,
    /// Of which real server.
    pub server: DestinationKey,
    /// Its keyword.
    pub check: String,
    /// What it asks, where the keyword and the server do not say it.
    pub question: String,
    /// `up`, `down` or `unknown`.
    pub verdict: String,
    /// For how long it has said so, in seconds; none before the first verdict and where nobody counts.
    pub verdict_for_seconds: Option<f64>,
    /// How often it has asked.
    pub attempts: u64,
    /// How many attempts in a row have failed.
    pub failed_in_a_row: u32,
    /// Failures in a row that a server which is up is forgiven.
    pub forgiven: u32,
    /// Attempts in a row that must pass before a server which is down counts as up.
    pub needed: usize,
    /// When it asks next.
    pub next: Next,
    /// How long the kept attempts took that passed.
    pub latency: Option<LatencyReport>,
    /// What it said last, in words.
    pub last: String,
    /// The results that are kept, newest first: the last one only unless all are asked for.
    pub results: Vec<ResultReport>,
}

/// When a check asks next.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum Next {
    /// It waits for its turn.
    Waits {
        /// That long.
        seconds: f64,
        /// Whether it asks then to make sure of a failure.
        retry: bool,
    },
    /// It asks just now.
    Asks,
    /// Nobody is asked at present.
    Rests,
    /// It never asks: it is told.
    IsTold,
}

/// How long attempts took, in milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct LatencyReport {
    /// The shortest.
    pub min_ms: f64,
    /// The middle one.
    pub median_ms: f64,
    /// The longest.
    pub max_ms: f64,
}

/// One result.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ResultReport {
    /// When, in milliseconds since 1970.
    pub at: u64,
    /// How long ago.
    pub seconds_ago: f64,
    /// How long the attempt took.
    pub took_ms: f64,
    /// The sort of failure; none: it passed.
    pub failure: Option<FailureKind>,
    /// In words.
    pub reason: String,
}

impl ResultReport {
    /// Whether the attempt passed.
    pub fn passed(&self) -> bool {
        self.failure.is_none()
    }
}

/// `POST /v1/checks`.
pub(super) async fn checks(
    State(desk): State<Desk>,
    Json(wish): Json<ChecksWish>,
) -> Result<Json<ChecksAnswer>, StatusCode> {
    let target = match &wish.what {
        None => None,
        Some(what) => match find(&desk, what.clone()).await {
            Ok(target) => Some(target),
            Err(why) => return Ok(Json(ChecksAnswer { refused: Some(why), ..ChecksAnswer::default() })),
        },
    };
    let keep = |check: &CheckReport| !wish.down || check.verdict == "down";
    let answer = collect(&desk, target, wish.results, keep).await;
    answer.map(Json).ok_or(StatusCode::SERVICE_UNAVAILABLE)
}

/// What the words of an operator mean in the configuration in effect.
pub(super) async fn find(desk: &Desk, what: String) -> Result<Target, String> {
    let config = desk.reloads.borrow().running.clone();
    let found = tokio::task::spawn_blocking(move || meant(&what, &config));
    found.await.unwrap_or_else(|_| Err("directord is stopping".to_owned()))
}

/// All checks of a target; `None` once the brain has ended.
pub(super) async fn collect(
    desk: &Desk,
    target: Option<Target>,
    results: bool,
    keep: impl Fn(&CheckReport) -> bool,
) -> Option<ChecksAnswer> {
    let mut answer = ChecksAnswer::default();
    let mut after = None;
    loop {
        let target = target.clone();
        let page = desk.inbox.ask(move |director, now| {
            (director.check_page(target.as_ref(), after.as_ref()), now, director.wall_clock(now))
        });
        let (page, now, wall) = page.await?;
        answer.at = milliseconds(wall);
        let reports = page.views.into_iter().map(|view| report(view, results, now, wall));
        answer.checks.extend(reports.filter(&keep));
        after = page.next;
        if after.is_none() {
            return Some(answer);
        }
    }
}

fn report(view: CheckView, results: bool, now: Instant, wall: Duration) -> CheckReport {
    let CheckView { service, server, verdict, work } = view;
    let verdict = word(verdict).to_owned();
    let asking = match work {
        Work::Asks(asking) => asking,
        Work::Looks { check, words } => {
            return CheckReport {
                service,
                server,
                check,
                question: String::new(),
                verdict,
                verdict_for_seconds: None,
                attempts: 0,
                failed_in_a_row: 0,
                forgiven: 0,
                needed: 0,
                next: Next::IsTold,
                latency: None,
                last: words,
                results: Vec::new(),
            };
        }
    };
    let Asking { spec, history, attempts, .. } = &*asking;
    let ms = |time: Duration| time.as_secs_f64() * 1e3;
    let made = history.made().map(|made| {
        let ago = now.saturating_duration_since(made.ended);
        let reason =
            made.failure.as_ref().map_or_else(|| "passed".to_owned(), |failure| failure.reason.clone());
        ResultReport {
            at: milliseconds(wall.saturating_sub(ago)),
            seconds_ago: ago.as_secs_f64(),
            took_ms: ms(made.took),
            failure: made.failure.as_ref().map(|failure| failure.kind),
            reason,
        }
    });
    let kept: Vec<ResultReport> = made.take(if results { healthcheck::history::KEPT } else { 1 }).collect();
    let last = kept.first().map_or_else(|| "no result yet".to_owned(), |last| last.reason.clone());
    CheckReport {
        question: question(asking.as_ref(), &server),
        service,
        server,
        check: spec.kind.to_string(),
        verdict,
        verdict_for_seconds: history.flipped().map(|at| now.saturating_duration_since(at).as_secs_f64()),
        attempts: *attempts,
        failed_in_a_row: history.failed_in_a_row(),
        forgiven: spec.schedule.retry,
        needed: usize::try_from(spec.schedule.rise.max(1))
            .map_or(usize::MAX, |rise| rise.saturating_mul(spec.steps())),
        next: next(&asking, now),
        latency: history.latency().map(|latency| LatencyReport {
            min_ms: ms(latency.least),
            median_ms: ms(latency.median),
            max_ms: ms(latency.most),
        }),
        last,
        results: kept,
    }
}

fn next(asking: &Asking, now: Instant) -> Next {
    match asking.next {
        _ if asking.rests => Next::Rests,
        None => Next::Asks,
        Some((at, reason)) => {
            let seconds = at.saturating_duration_since(now).as_secs_f64();
            Next::Waits { seconds, retry: reason == Reason::Retry }
        }
    }
}

/// What a check asks beyond what its keyword and its server say.
fn question(asking: &Asking, server: &DestinationKey) -> String {
    let spec = &asking.spec;
    let what = match &spec.kind {
        Kind::Http(http) => http.urls.iter().map(|url| url.path.as_str()).collect::<Vec<_>>().join(" "),
        Kind::Dns(dns) => format!("{} {}", dns.record, dns.name),
        Kind::Command(program) => program.words.join(" "),
        _ => String::new(),
    };
    let elsewhere = match &spec.kind {
        Kind::Command(_) | Kind::Ping => false,
        _ => spec.target != std::net::SocketAddr::new(server.address, server.port),
    };
    let at = match (elsewhere, &spec.via) {
        (false, _) => String::new(),
        (true, None) => format!("at {}", spec.target),
        (true, Some(_)) => format!("through IPVS to {}", spec.target),
    };
    format!("{what} {at}").trim().to_owned()
}

fn word(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Unknown => "unknown",
        Verdict::Up => "up",
        Verdict::Down => "down",
    }
}

pub(super) fn milliseconds(since_1970: Duration) -> u64 {
    u64::try_from(since_1970.as_millis()).unwrap_or(u64::MAX)
}
