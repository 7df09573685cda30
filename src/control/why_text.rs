//! `directord why` for people: what is, because of what, and what would change it.

use super::check_table::titled;
use super::checks::{CheckReport, Next, ResultReport};
use super::page::{Last, Look, Page, Tone, clock, duration, milliseconds, precise_clock, short};
use super::why::{ServiceReasons, WhyAnswer, checks_of};
use super::why_instance;
use crate::director::snapshot::{ServerStatus, ServiceStatus};
use crate::director::target::{plain, word};

/// Servers that are told of at length; of more there is a table.
const TOLD: usize = 5;
/// Longer questions are cut.
const LONGEST_QUESTION: usize = 60;
/// Columns that a reason has at least.
const LEAST: usize = 24;

/// Tells why things are as they are.
pub fn render_why(answer: &WhyAnswer, look: Look) -> String {
    let mut page = Page::new(look);
    if let Some(why) = &answer.ipvs.unavailable {
        page.say(
            0,
            Tone::Bad,
            &format!("The IPVS table cannot be reached, so nothing of this is in effect: {why}"),
        );
    }
    for failure in &answer.ipvs.failures {
        page.say(0, Tone::Bad, &format!("Refused by the kernel: {failure}"));
    }
    for instance in &answer.instances {
        page.gap();
        why_instance::tell(&mut page, instance, answer);
    }
    let mut left = TOLD;
    for service in &answer.services {
        if service.whole {
            page.gap();
            tell_service(&mut page, service);
        }
        let told =
            service.status.servers.iter().filter(|server| !service.whole || super::why::is_troubled(server));
        let mut rest = Vec::new();
        for server in told {
            if left == 0 {
                rest.push(server);
                continue;
            }
            left -= 1;
            page.gap();
            tell_server(&mut page, service, server, answer);
        }
        if !rest.is_empty() && !service.whole {
            page.gap();
            page.say(0, Tone::Head, &format!("virtual_server {}, also:", word(&service.status.service)));
            server_table(&mut page, rest.into_iter());
        }
    }
    if page.is_empty() {
        page.say(
            0,
            Tone::Good,
            "All is as it should be: every server serves with its weight, every instance has its role.",
        );
    }
    page.finish()
}

fn tell_service(page: &mut Page, service: &ServiceReasons) {
    let ServiceReasons { status, serving, configured, .. } = service;
    let (tone, state) = match (status.quorum, &status.sorry_server) {
        (true, _) => (Tone::Good, "serves"),
        (false, Some(_)) => (Tone::Bad, "is served by its sorry server"),
        (false, None) => (Tone::Bad, "has lost its quorum"),
    };
    let name = word(&status.service);
    page.say(
        0,
        tone,
        &format!("virtual_server {name} {state}: {serving} of {configured} servers get new connections"),
    );
    page.say(2, Tone::Plain, &quorum(status));
    if let Some(panic) = &status.panic {
        page.say(2, Tone::Bad, &format!("Panic: {panic}."));
    }
    if status.backup_active {
        page.say(2, Tone::Doubtful, "Its backup servers stand in.");
    }
    if let Some(sorry) = &status.sorry_server {
        let stands = if status.sorry_active { "stands in" } else { "would stand in without the quorum" };
        page.say(2, Tone::Plain, &format!("Sorry server: {} {stands}.", plain(sorry)));
    }
    if status.suspended {
        page.say(2, Tone::Doubtful, "Its checks rest: none of its addresses is on this host (ha_suspend).");
    }
    if let Some(vip) = &status.vip_check {
        let (tone, words) = match (vip.rests, vip.verdict.as_str()) {
            (true, _) => (
                Tone::Plain,
                "not asked from here: this director holds it, or its table is not ready".to_owned(),
            ),
            (false, "down") => {
                (Tone::Bad, format!("does not answer this backup, for {}", duration(vip.for_seconds)))
            }
            (false, "up") => (Tone::Plain, format!("answers this backup, for {}", duration(vip.for_seconds))),
            (false, _) => (Tone::Doubtful, "no verdict yet".to_owned()),
        };
        let last =
            vip.last.as_ref().filter(|_| !vip.rests).map(|last| format!(" ({last})")).unwrap_or_default();
        page.say(2, tone, &format!("Its address, by {}: {words}{last}.", vip.check));
    }
    if !status.servers.is_empty() {
        server_table(page, status.servers.iter());
    }
}

fn quorum(status: &ServiceStatus) -> String {
    let (live, threshold) = (status.weight_up, status.quorum_threshold);
    match status.quorum {
        true => {
            format!("Quorum: held. Servers that weigh {live} together are up; it is lost below {threshold}.")
        }
        false => {
            format!("Quorum: lost. Servers that weigh {live} together are up; it is back at {threshold}.")
        }
    }
}

fn server_table<'a>(page: &mut Page, servers: impl Iterator<Item = &'a ServerStatus>) {
    let row = |server: &ServerStatus| {
        let why = server.overridden.iter().chain([&server.reason]).chain(&server.weight_reason);
        vec![
            plain(&server.server),
            server.verdict.clone(),
            duration(server.for_seconds),
            weight(server),
            why.cloned().collect::<Vec<_>>().join("; "),
        ]
    };
    page.table(
        2,
        &["SERVER", "STATE", "FOR", "WEIGHT", "WHY"],
        servers.map(row).collect(),
        &["FOR"],
        Last::Wrapped(LEAST),
    );
}

fn weight(server: &ServerStatus) -> String {
    match server.effective_weight {
        Some(weight) if weight == server.weight => weight.to_string(),
        Some(weight) => format!("{weight} of {}", server.weight),
        None => format!("- of {}", server.weight),
    }
}

fn tell_server(page: &mut Page, service: &ServiceReasons, server: &ServerStatus, answer: &WhyAnswer) {
    let name = format!("{} of virtual_server {}", plain(&server.server), word(&service.status.service));
    let since = answer.at.saturating_sub((server.for_seconds * 1e3) as u64);
    let lasting = format!("for {}, since {}", duration(server.for_seconds), clock(since));
    let (tone, state) = match server.verdict.as_str() {
        "down" => (Tone::Bad, "is down"),
        "up" => (Tone::Good, "is up"),
        _ => (Tone::Doubtful, "serves without a verdict of all its checks"),
    };
    page.say(0, tone, &format!("{name} {state} {lasting}"));
    let checks: Vec<&CheckReport> = checks_of(answer, &service.status.service, server).collect();
    let (bad, good): (Vec<&CheckReport>, Vec<&CheckReport>) =
        checks.into_iter().partition(|check| check.verdict == "down" || check.failed_in_a_row > 0);
    if bad.is_empty() && (server.verdict == "down" || good.is_empty()) {
        page.say(2, Tone::Plain, &format!("Why: {}.", server.reason));
    }
    for check in bad {
        tell_failing(page, check, answer);
    }
    for check in good {
        tell_passing(page, check);
    }
    tell_table(page, service, server);
}

fn tell_failing(page: &mut Page, check: &CheckReport, answer: &WhyAnswer) {
    let title = titled(check, LONGEST_QUESTION);
    let failed = check.failed_in_a_row;
    let times = if failed == 1 { "once".to_owned() } else { format!("{failed} times in a row") };
    let said = match (check.verdict.as_str(), check.next) {
        (_, Next::IsTold) => format!("{title} says so: {}", check.last),
        ("down", _) if failed > 0 => {
            format!("{title} has failed {times}; it was asked {} times in all", check.attempts)
        }
        ("down", _) => {
            format!("{title} passes again, but not often enough yet ({} in a row are needed)", check.needed)
        }
        _ => format!("{title} has failed {times}, and is forgiven {} failures", check.forgiven),
    };
    let tone = if check.verdict == "down" { Tone::Bad } else { Tone::Doubtful };
    page.say(2, tone, &format!("{said}."));
    results(page, &check.results);
    page.say(4, Tone::Plain, &comes_back(check, answer));
}

fn results(page: &mut Page, results: &[ResultReport]) {
    if results.is_empty() {
        return;
    }
    let row = |(place, result): (usize, &ResultReport)| {
        // Ten times the same sentence would hide what is different.
        let repeated = place > 0 && results.get(place - 1).is_some_and(|newer| newer.reason == result.reason);
        let reason = match (&result.failure, repeated && result.reason.chars().count() > LEAST) {
            (None, _) => String::new(),
            (Some(_), true) => "the same".to_owned(),
            (Some(_), false) => result.reason.clone(),
        };
        vec![
            precise_clock(result.at),
            short(result.seconds_ago),
            milliseconds(result.took_ms),
            if result.passed() { "passed" } else { "failed" }.to_owned(),
            reason,
        ]
    };
    let head = &["AT", "AGO", "TOOK MS", "RESULT", "REASON"];
    page.table(
        4,
        head,
        results.iter().enumerate().map(row).collect(),
        &["RESULT", "AGO"],
        Last::Wrapped(LEAST),
    );
}

/// What would make the check say up, and when that can be.
fn comes_back(check: &CheckReport, answer: &WhyAnswer) -> String {
    let down = check.verdict == "down";
    let what = match (down, check.needed) {
        (true, ..2) => "It counts as up again when an attempt passes".to_owned(),
        (true, needed) => format!("It counts as up again when {needed} attempts in a row pass"),
        (false, _) => "The server stays up when the next attempt passes".to_owned(),
    };
    match check.next {
        Next::Waits { seconds, .. } => {
            let at = clock(answer.at.saturating_add((seconds * 1e3) as u64));
            format!("{what}; the next one is in {}, at {at}.", short(seconds))
        }
        Next::Asks => format!("{what}; one is under way."),
        Next::Rests => "Nobody is asked at present: the address is on no interface here (ha_suspend), or the IPVS table is \
                        not ready (via_ipvs)."
            .to_owned(),
        Next::IsTold if check.check.starts_with("BFD_CHECK") => {
            "It counts as up again when the neighbour is heard; nobody asks, the packets of BFD tell.".to_owned()
        }
        Next::IsTold => "It counts as up again when the file says so; nobody asks, the file is watched.".to_owned(),
    }
}

fn tell_passing(page: &mut Page, check: &CheckReport) {
    let title = titled(check, LONGEST_QUESTION);
    let verdict = match check.verdict.as_str() {
        "up" => "passes",
        _ => "has said nothing yet",
    };
    let lasting = check.verdict_for_seconds.map(|seconds| format!(", for {}", duration(seconds)));
    let took = check.latency.map(|took| {
        let (min, median, max) =
            (milliseconds(took.min_ms), milliseconds(took.median_ms), milliseconds(took.max_ms));
        format!("; lately within {min} to {max} ms, half of them within {median} ms")
    });
    let told = matches!(check.next, Next::IsTold).then(|| format!(": {}", check.last));
    let parts = [lasting, took, told].into_iter().flatten().collect::<String>();
    page.say(2, Tone::Plain, &format!("{title} {verdict}{parts}."));
}

/// What follows for the table, and all that has a say in it beside the checks.
fn tell_table(page: &mut Page, service: &ServiceReasons, server: &ServerStatus) {
    let status = &service.status;
    let down = server.verdict == "down";
    let inhibited = service.inhibited.contains(&server.server);
    let place = match server.effective_weight {
        None => "In the table: no; it gets no packets at all.".to_owned(),
        Some(0) => {
            "In the table: with weight 0; it gets no new connections and keeps those it has.".to_owned()
        }
        Some(weight) if weight == server.weight => {
            format!("In the table: with weight {weight}, as configured.")
        }
        Some(weight) => format!("In the table: with weight {weight}; configured are {}.", server.weight),
    };
    page.say(2, Tone::Plain, &place);
    if server.spared {
        let why = "It fails and stays in service all the same: more servers fail than checks may take out (panic_threshold).";
        page.say(2, Tone::Doubtful, why);
    }
    if server.backup {
        page.say(2, Tone::Plain, "It is a backup server: it gets connections only while the quorum is lost.");
    }
    if down && !server.spared && !server.backup && server.overridden.is_none() {
        let why = if inhibited {
            "It stays there while it is down (inhibit_on_failure)."
        } else {
            "It was taken out because it is down; with inhibit_on_failure it would stay with weight 0."
        };
        page.say(4, Tone::Plain, why);
    }
    if let Some(weight) = &server.weight_reason {
        page.say(4, Tone::Plain, &format!("Its weight: {weight}."));
    }
    if let Some(words) = &server.overridden {
        page.say(2, Tone::Doubtful, &format!("An override decides: {words}."));
        for undo in service.undo.iter().filter(|undo| undo.server == server.server) {
            page.say(4, Tone::Plain, &format!("Take it back with `{}`.", undo.command));
        }
    }
    if !service.whole {
        page.say(2, if status.quorum { Tone::Plain } else { Tone::Bad }, &quorum(status));
    }
    if status.sorry_active && !service.whole {
        let sorry = status.sorry_server.map(|sorry| plain(&sorry)).unwrap_or_default();
        page.say(
            4,
            Tone::Plain,
            &format!("While it is lost the sorry server {sorry} stands in, and no other server."),
        );
    }
    if status.suspended {
        page.say(
            2,
            Tone::Doubtful,
            "Its checks rest: none of the service's addresses is on this host (ha_suspend).",
        );
    }
}

#[cfg(test)]
mod tests;
