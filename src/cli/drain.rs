//! `directord drain`: no new connections, and a display of how those that are there go.

use std::io::{IsTerminal, Write};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use clap::{ArgGroup, Args};
use serde::Serialize;

use super::daemon::asking;
use super::overrides::{For, tell};
use super::pace::Pace;
use super::{say, time};
use crate::control::{self, ConnectionsAnswer, ConnectionsWish, OverrideAnswer, WishedAct};

pub(super) const AFTER_HELP: &str = "\
Drained servers have weight 0: new connections go to others, established ones go on. Without --then-remove they stay so \
until `directord undrain WHAT` or the end of --for; with it they are taken out of the table when their \
connections are gone, at the latest after --timeout. The daemon does that, also if this command has ended: Ctrl-C stops \
watching, not draining.

An empty server has no established TCP or SCTP connection, nothing of UDP, and no client bound to it by \
persistence_timeout (unless net.ipv4.vs.expire_quiescent_template sends those elsewhere).

WHAT is said as with `directord disable`: 10.0.0.2, 10.0.0.2:80, SERVICE/10.0.0.2, 10.0.0.100:80, tcp:10.0.0.100:80, \
fwmark:5, the NAME of a virtual_server_group, or director.

Exit status: 0 done, with --wait: empty; 1 refused, or nobody answers; 5 --wait, and connections were left at the \
--timeout";

/// How often is looked.
const INTERVAL: Duration = Duration::from_secs(1);
/// Between two lines where no terminal shows them.
const LINE_INTERVAL: Duration = Duration::from_secs(10);
/// Connections were left when the time was over.
const LEFT_OVER: u8 = 5;

/// `directord drain`.
#[derive(Debug, Args)]
#[command(group = ArgGroup::new("end").args(["wait", "then_remove"]).multiple(true))]
pub(super) struct Drain {
    #[command(flatten)]
    of: For,
    /// Stay until the servers are empty, and show how their connections go
    #[arg(long)]
    wait: bool,
    /// How long connections are given: 90s, 10m, 2h; --wait ends then, --then-remove cuts what is left
    #[arg(long, value_name = "TIME", value_parser = time::parse, requires = "end")]
    timeout: Option<Duration>,
    /// Take the servers out of the table once they are empty
    #[arg(long)]
    then_remove: bool,
    /// Take the servers out of the table at once, connections or not
    #[arg(long, conflicts_with_all = ["timeout", "wait", "then_remove"])]
    now: bool,
}

/// One look, as JSON.
#[derive(Debug, Serialize)]
struct Look<'a> {
    target: &'a str,
    seconds: f64,
    left: u64,
    fewer_per_second: Option<f64>,
    estimate_seconds: Option<f64>,
    /// `draining`, `empty` or `timeout`.
    state: &'a str,
    servers: &'a [control::ServerConnections],
}

impl Drain {
    pub(super) fn run(&self) -> ExitCode {
        let within = if self.now { Some(Duration::ZERO) } else { self.timeout.filter(|_| self.then_remove) };
        let act = WishedAct::Drain {
            remove: self.now || self.then_remove,
            within_seconds: within.map(|time| time.as_secs()),
        };
        let answer = match self.of.order(act) {
            Ok(answer) => answer,
            Err(code) => return code,
        };
        if !self.wait {
            return tell(&answer, self.of.json);
        }
        if !self.of.json {
            tell(&answer, false);
        }
        self.watch(&answer)
    }

    /// Looks every second until the servers are empty, or the time is over.
    fn watch(&self, answer: &OverrideAnswer) -> ExitCode {
        let what = answer.target.clone().unwrap_or_else(|| self.of.what.clone());
        let wish = ConnectionsWish { what, list: 0 };
        let mut shown = Shown::new(self.of.json);
        let (start, mut pace) = (Instant::now(), Pace::default());
        // A connection may be in neither count while it changes its state, and the weight may be on its way.
        let mut empty_before = false;
        loop {
            let seen = match asking(control::connections(&self.of.runtime_dir, &wish)) {
                Ok(seen) => seen,
                Err(code) => return shown.end(code),
            };
            if let Some(why) = &seen.refused {
                shown.end(ExitCode::FAILURE);
                eprintln!("directord: {why}");
                return ExitCode::FAILURE;
            }
            let now = Instant::now();
            pace.note(seen.left, now);
            let spent = now - start;
            let over = self.timeout.is_some_and(|timeout| spent >= timeout);
            let state = match (seen.left == 0 && empty_before, over) {
                (true, _) => "empty",
                (false, true) => "timeout",
                (false, false) => "draining",
            };
            empty_before = seen.left == 0;
            let to_go = self.timeout.map(|timeout| timeout.saturating_sub(spent));
            shown.show(&wish.what, &seen, &pace, spent, to_go, state);
            match state {
                "empty" => return shown.end(ExitCode::SUCCESS),
                "timeout" => return shown.end(ExitCode::from(LEFT_OVER)),
                _ => std::thread::sleep(INTERVAL.min(to_go.unwrap_or(INTERVAL))),
            }
        }
    }
}

/// Where looks are shown: one line of a terminal that is written anew, lines now and then, or JSON.
struct Shown {
    json: bool,
    terminal: bool,
    last: Option<Instant>,
}

impl Shown {
    fn new(json: bool) -> Self {
        Shown { json, terminal: std::io::stdout().is_terminal(), last: None }
    }

    fn show(
        &mut self,
        target: &str,
        seen: &ConnectionsAnswer,
        pace: &Pace,
        spent: Duration,
        to_go: Option<Duration>,
        state: &str,
    ) {
        if self.json {
            let look = Look {
                target,
                seconds: spent.as_secs_f64(),
                left: seen.left,
                fewer_per_second: pace.per_second(),
                estimate_seconds: pace.estimate().map(|time| time.as_secs_f64()),
                state,
                servers: &seen.servers,
            };
            if let Ok(line) = serde_json::to_string(&look) {
                say(&format!("{line}\n"));
            }
            return;
        }
        let line = |dropped| line(target, seen, pace, spent, to_go, state, dropped);
        if self.terminal {
            let width = super::checks::look().width.unwrap_or(usize::MAX);
            let line = fitting(width, line);
            // To the beginning, and what was longer before is wiped; a line that is cut off does not wrap.
            print!("\r\x1b[?7l{line}\x1b[K\x1b[?7h");
            let _ = std::io::stdout().flush();
            self.last = Some(Instant::now());
        } else if state != "draining" || self.last.is_none_or(|last| last.elapsed() >= LINE_INTERVAL) {
            say(&format!("{}\n", line(0)));
            self.last = Some(Instant::now());
        }
    }

    /// The line stays.
    fn end(&mut self, code: ExitCode) -> ExitCode {
        if self.terminal && !self.json && self.last.take().is_some() {
            println!();
        }
        code
    }
}

/// The longest of these lines that fits: from what is missed least on, one part after the other is left out.
fn fitting(width: usize, line: impl Fn(u8) -> String) -> String {
    let shortest = line(DISPENSABLE);
    (0..DISPENSABLE).map(line).find(|line| line.chars().count() <= width).unwrap_or(shortest)
}

/// Parts of a line that can be left out: servers that are out of the table, inactive connections, the time-out.
const DISPENSABLE: u8 = 3;

/// One look for people, so many parts of it left out.
fn line(
    target: &str,
    seen: &ConnectionsAnswer,
    pace: &Pace,
    spent: Duration,
    to_go: Option<Duration>,
    state: &str,
    dropped: u8,
) -> String {
    let sum = |of: fn(&ipvs_backend::ConnectionCounts) -> u32| -> u64 {
        seen.servers
            .iter()
            .filter_map(|server| server.counts.as_ref())
            .map(|counts| u64::from(of(counts)))
            .sum()
    };
    let (active, inactive, bound) = (sum(|c| c.active), sum(|c| c.inactive), sum(|c| c.persistent));
    let out = seen.servers.iter().filter(|server| server.counts.is_none()).count();
    let mut parts = vec![format!("{active} active")];
    if dropped < 2 {
        parts.push(format!("{inactive} inactive"));
    }
    if bound > 0 {
        parts.push(format!("{bound} bound clients"));
    }
    match out {
        0 => {}
        _ if dropped > 0 => {}
        _ if out == seen.servers.len() => parts.push("out of the table".to_owned()),
        _ => parts.push(format!("{out} of {} servers out of the table", seen.servers.len())),
    }
    let end = match (state, pace.per_second(), pace.estimate()) {
        ("empty", ..) => format!("empty after {}", time::short(spent)),
        ("timeout", ..) => format!("the time is over after {}: {} left", time::short(spent), seen.left),
        (_, Some(rate), Some(estimate)) => {
            format!("{rate:.1}/s fewer, about {} to go", time::short(estimate.max(INTERVAL)))
        }
        _ => format!("for {}", time::short(spent)),
    };
    let limit = match to_go {
        Some(to_go) if state == "draining" && dropped < DISPENSABLE => {
            format!(" (timeout in {})", time::short(to_go))
        }
        _ => String::new(),
    };
    format!("{target}: {}; {end}{limit}", parts.join(", "))
}

#[cfg(test)]
mod tests {
    use ipvs_backend::ConnectionCounts;

    use super::*;
    use crate::control::{Place, ServerConnections};

    fn seen(counts: &[Option<ConnectionCounts>]) -> ConnectionsAnswer {
        let place =
            Place { service: "[10.0.0.100]:tcp:80".parse().unwrap(), server: "10.0.0.2:80".parse().unwrap() };
        let servers: Vec<_> =
            counts.iter().map(|counts| ServerConnections { place, counts: *counts }).collect();
        let left = counts.iter().flatten().map(|c| u64::from(c.active + c.persistent)).sum();
        ConnectionsAnswer {
            refused: None,
            servers,
            left,
            templates_move: false,
            end_without_server: false,
            listed: Vec::new(),
            listable: 0,
        }
    }

    #[test]
    fn a_look_is_one_line() {
        let counts = |active, persistent| Some(ConnectionCounts { active, inactive: 12, persistent });
        let (start, mut pace) = (Instant::now(), Pace::default());
        let second = Duration::from_secs(1);
        let first = seen(&[counts(40, 0)]);
        pace.note(first.left, start);
        let line = |target: &str, seen: &ConnectionsAnswer, pace: &Pace, spent, to_go, state: &str| {
            super::line(target, seen, pace, spent, to_go, state, 0)
        };
        let text = line("10.0.0.2", &first, &pace, Duration::ZERO, Some(second * 600), "draining");
        assert_eq!(text, "10.0.0.2: 40 active, 12 inactive; for 0s (timeout in 10m00s)");
        let then = seen(&[counts(30, 0), counts(0, 4), None]);
        pace.note(then.left, start + second * 3);
        let text = line("director", &then, &pace, second * 3, None, "draining");
        assert_eq!(
            text,
            "director: 30 active, 24 inactive, 4 bound clients, 1 of 3 servers out of the table; 2.0/s fewer, about 17s to go"
        );
        let text = line("10.0.0.2", &seen(&[None]), &pace, second * 70, None, "empty");
        assert_eq!(text, "10.0.0.2: 0 active, 0 inactive, out of the table; empty after 1m10s");
        let text =
            line("10.0.0.2", &seen(&[counts(2, 0)]), &pace, second * 60, Some(Duration::ZERO), "timeout");
        assert_eq!(text, "10.0.0.2: 2 active, 12 inactive; the time is over after 1m00s: 2 left");
    }

    #[test]
    fn a_narrow_terminal_sees_how_long_it_will_take() {
        let counts = |active| Some(ConnectionCounts { active, inactive: 12, persistent: 4 });
        let (start, mut pace) = (Instant::now(), Pace::default());
        pace.note(80, start);
        pace.note(60, start + Duration::from_secs(4));
        let seen = seen(&[counts(56), None]);
        let shown = |width| {
            let (spent, to_go) = (Duration::from_secs(4), Some(Duration::from_secs(596)));
            fitting(width, |dropped| line("10.0.0.2", &seen, &pace, spent, to_go, "draining", dropped))
        };
        let end = "5.0/s fewer, about 12s to go";
        for (width, expected) in [
            (
                200,
                format!(
                    "10.0.0.2: 56 active, 12 inactive, 4 bound clients, 1 of 2 servers out of the table; {end} (timeout in \
                     9m56s)"
                ),
            ),
            (98, format!("10.0.0.2: 56 active, 12 inactive, 4 bound clients; {end} (timeout in 9m56s)")),
            (85, format!("10.0.0.2: 56 active, 4 bound clients; {end} (timeout in 9m56s)")),
            (66, format!("10.0.0.2: 56 active, 4 bound clients; {end}")),
            (40, format!("10.0.0.2: 56 active, 4 bound clients; {end}")),
        ] {
            assert_eq!(shown(width), expected, "{width}");
        }
    }
}
