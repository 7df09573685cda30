//! `directord status` for people: instances, then services with their servers, problems in words.

use std::fmt::Write;

use super::Status;
use crate::config::Complaint;
use crate::director::snapshot::{
    GroupStatus, InstanceStatus, NeighbourStatus, OverrideStatus, OwnerStatus, ServerStatus, ServiceStatus,
    Snapshot, TakenStatus, TrackerStatus,
};

/// Lays the state out as text. Colour only where a terminal reads it.
pub fn render(status: &Status, colour: bool) -> String {
    let paint = Paint { colour };
    let mut out = String::new();
    let director = &status.director;
    let _ = writeln!(
        out,
        "directord {} on {}, process {}, {}, configuration {}",
        status.version, director.router_id, status.pid, status.config, director.generation
    );
    let reload = &status.last_reload;
    if !reload.accepted {
        let _ = writeln!(out, "{}", paint.bad(&format!("last reload: {}", reload.summary)));
        let _ = writeln!(out, "{}", reload.rendered.trim_end());
    }
    if let Some(left) = status.confirm_within {
        let line = format!("rolled back in {left:.0} s unless `directord confirm` comes before that");
        let _ = writeln!(out, "{}", paint.bad(&line));
    }
    warnings(&mut out, &status.warnings);
    let owners =
        [(&director.ipvs, "IPVS table"), (&director.sync, "sync daemons"), (&director.addresses, "kernel")];
    for (owner, name) in owners {
        problems(&mut out, owner, name, &paint);
    }
    for (role, daemon) in &director.sync_daemons {
        let _ = writeln!(out, "sync daemon: {role} on {}, id {}", daemon.interface, daemon.id);
    }
    thefts(&mut out, director, &paint);
    drift(&mut out, director, &paint);
    if !director.instances.is_empty() {
        let rows = director.instances.iter().map(instance_row).collect();
        out.push('\n');
        table(
            &mut out,
            &["INSTANCE", "STATE", "FOR", "PRIORITY", "INTERFACE", "MASTER", "ADDRESSES", "WHY"],
            rows,
            &paint,
        );
    }
    for instance in &director.instances {
        for oddity in &instance.oddities {
            let _ = writeln!(out, "{}", paint.bad(&format!("{}: {oddity}", instance.name)));
        }
    }
    trackers(&mut out, &director.instances, &paint);
    groups_and_neighbours(&mut out, director, &paint);
    if !director.overrides.is_empty() {
        out.push('\n');
        let rows = director.overrides.iter().map(override_row).collect();
        table(&mut out, OVERRIDES, rows, &paint);
    }
    leaving(&mut out, director);
    for service in &director.services {
        let _ = writeln!(out, "\n{}", service_line(service, &paint));
        let rows = service.servers.iter().map(server_row).collect();
        table(&mut out, &["  SERVER", "STATE", "FOR", "WEIGHT", "VIA", "WHY"], rows, &paint);
    }
    out
}

fn groups_and_neighbours(out: &mut String, director: &Snapshot, paint: &Paint) {
    if !director.groups.is_empty() {
        out.push('\n');
        let row = |group: &GroupStatus| {
            let members = group.members.join(" ");
            let for_time = duration(group.for_seconds);
            vec![group.name.clone(), group.role.clone(), for_time, members, group.cause.clone()]
        };
        let rows = director.groups.iter().map(row).collect();
        table(out, &["GROUP", "STATE", "FOR", "MEMBERS", "WHY"], rows, paint);
    }
    if !director.neighbours.is_empty() {
        let rows = director.neighbours.iter().map(neighbour_row).collect();
        out.push('\n');
        table(out, &["NEIGHBOUR", "STATE", "FOR", "ADDRESS", "PACKETS", "PATIENCE", "WHY"], rows, paint);
    }
}

/// Servers that a reload removed and that keep their connections for a while.
fn leaving(out: &mut String, director: &Snapshot) {
    for one in &director.leaving {
        let left = one.connections.map_or("its".to_owned(), |left| format!("{left}"));
        let most = duration(one.at_most_seconds);
        let _ = writeln!(
            out,
            "\n{} of {}: removed from the configuration, keeps {left} connections, for at most {most}",
            one.server, one.service
        );
    }
}

const OVERRIDES: &[&str] = &["OVERRIDE", "IS", "BY", "SINCE", "ENDS IN", "TAKE BACK WITH", "WHY"];

/// What operators want of real servers, as a table.
pub fn render_overrides(overrides: &[OverrideStatus]) -> String {
    let mut out = String::new();
    table(&mut out, OVERRIDES, overrides.iter().map(override_row).collect(), &Paint { colour: false });
    out
}

fn override_row(one: &OverrideStatus) -> Vec<String> {
    let removes = if one.removes { ", then removed" } else { "" };
    let reason = one.reason.clone().unwrap_or_else(|| "-".to_owned());
    let why = if one.dormant { format!("{reason} (not in the configuration)") } else { reason };
    vec![
        one.target.clone(),
        format!("{}{removes}", one.act),
        one.owner.clone(),
        duration(one.set_seconds_ago as f64),
        one.expires_in_seconds.map_or("-".to_owned(), |seconds| duration(seconds as f64)),
        one.undo.clone(),
        why,
    ]
}

/// What somebody else took away, that which happened last first.
fn thefts(out: &mut String, director: &Snapshot, paint: &Paint) {
    const SHOWN: usize = 5;
    let mut taken: Vec<_> = director.taken.iter().collect();
    taken.sort_by(|one, other| one.for_seconds.total_cmp(&other.for_seconds));
    for TakenStatus { what, by, times, for_seconds, outcome } in taken.iter().copied().take(SHOWN) {
        let by = by.as_ref().map_or_else(String::new, |by| format!(" by {by}"));
        let ago = for_seconds.round();
        let often =
            if *times == 1 { "for the first time".to_owned() } else { format!("{times} times in all") };
        let line = format!("{what}: taken away{by} {ago} s ago, {often}; {outcome}");
        let _ = writeln!(out, "{}", paint.bad(&line));
    }
    if taken.len() > SHOWN {
        let _ = writeln!(out, "and {} more: see `directord status --json`", taken.len() - SHOWN);
    }
}

/// What somebody else last changed in the IPVS table.
fn drift(out: &mut String, director: &Snapshot, paint: &Paint) {
    const SHOWN: usize = 3;
    let Some(drift) = &director.drift else { return };
    let shown: Vec<&str> = drift.found.iter().take(SHOWN).map(String::as_str).collect();
    let more = drift.found.len() + drift.more - shown.len();
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    let then = if drift.repaired { "put right" } else { "left as it is" };
    let ago = duration(drift.for_seconds);
    let line = format!(
        "IPVS table changed by somebody else {ago} ago: {}{more}; {then}; {} times in all",
        shown.join("; "),
        drift.times
    );
    let _ = writeln!(out, "{}", paint.bad(&line));
}

/// What was said of the running configuration, a line for each, so that it is not forgotten.
fn warnings(out: &mut String, warnings: &[Complaint]) {
    const SHOWN: usize = 20;
    for warning in warnings.iter().take(SHOWN) {
        let _ = writeln!(out, "{warning}");
    }
    if warnings.len() > SHOWN {
        let _ = writeln!(out, "and {} more: see `directord check`", warnings.len() - SHOWN);
    }
}

fn problems(out: &mut String, owner: &OwnerStatus, name: &str, paint: &Paint) {
    if let Some(reason) = &owner.unavailable {
        let _ = writeln!(out, "{}", paint.bad(&format!("{name}: {reason}")));
    }
    for failure in &owner.failures {
        let _ = writeln!(out, "{}", paint.bad(&format!("{name}: {failure}")));
    }
}

/// What is tracked, and what each of it does to whom: those that differ in nothing but the instance share a line.
fn trackers(out: &mut String, instances: &[InstanceStatus], paint: &Paint) {
    let mut lines: Vec<(&TrackerStatus, Vec<&str>)> = Vec::new();
    for instance in instances {
        for tracker in &instance.trackers {
            match lines.iter_mut().find(|(known, _)| *known == tracker) {
                Some((_, names)) => names.push(&instance.name),
                None => lines.push((tracker, vec![&instance.name])),
            }
        }
    }
    if lines.is_empty() {
        return;
    }
    out.push('\n');
    let row = |(tracker, names): &(&TrackerStatus, Vec<&str>)| {
        let reverse = if tracker.reverse { " reverse" } else { "" };
        let does = match (tracker.fault, tracker.adds) {
            (true, _) => "fault".to_owned(),
            (false, 0) => "-".to_owned(),
            (false, adds) => format!("{adds:+}"),
        };
        vec![
            format!("{} {}", tracker.kind, tracker.name),
            tracker.reading.clone(),
            format!("{}{reverse}", tracker.weight),
            does,
            names.join(" "),
            tracker.reason.clone(),
        ]
    };
    let rows = lines.iter().map(row).collect();
    table(out, &["TRACKER", "STATE", "WEIGHT", "DOES", "INSTANCES", "WHY"], rows, paint);
}

/// The priority in adverts, and the base where that is another; `!` marks a base set by hand.
fn priority(instance: &InstanceStatus) -> String {
    let by_hand = if instance.overridden_priority.is_some() { "!" } else { "" };
    if instance.effective_priority == instance.priority {
        format!("{}{by_hand}", instance.priority)
    } else {
        format!("{} of {}{by_hand}", instance.effective_priority, instance.priority)
    }
}

fn instance_row(instance: &InstanceStatus) -> Vec<String> {
    let master = match (&instance.master, instance.master_priority) {
        (Some(address), Some(priority)) => format!("{address} ({priority})"),
        _ => "-".to_owned(),
    };
    vec![
        instance.name.clone(),
        instance.role.clone(),
        duration(instance.for_seconds),
        priority(instance),
        instance.interface.clone(),
        master,
        instance.addresses.join(" "),
        instance.cause.clone(),
    ]
}

fn neighbour_row(neighbour: &NeighbourStatus) -> Vec<String> {
    let milliseconds = |seconds: Option<f64>| seconds.map_or("-".to_owned(), |s| format!("{} ms", s * 1e3));
    vec![
        neighbour.name.clone(),
        neighbour.state.clone(),
        duration(neighbour.for_seconds),
        neighbour.neighbour.map_or("-".to_owned(), |address| address.to_string()),
        milliseconds(neighbour.transmit_interval),
        milliseconds(neighbour.detection_time),
        neighbour.reason.clone(),
    ]
}

fn service_line(service: &ServiceStatus, paint: &Paint) -> String {
    let mut line = format!("virtual_server {} {}", service.service, service.scheduler);
    if let Some(panic) = &service.panic {
        line.push_str(&paint.bad(&format!(", PANIC: {panic}")));
    }
    match (service.quorum, &service.sorry_server) {
        (true, _) => {}
        (false, _) if service.backup_active => {
            line.push_str(&paint.bad(", too few usable servers: backup servers stand in"));
        }
        (false, Some(sorry)) => line.push_str(&paint.bad(&format!(", no usable server: {sorry} stands in"))),
        (false, None) => line.push_str(&paint.bad(", no usable server")),
    }
    if let Some(vip) = service.vip_check.as_ref().filter(|vip| !vip.rests && vip.verdict == "down") {
        let last = vip.last.as_deref().unwrap_or_default();
        line.push_str(&paint.bad(&format!(", its address does not answer this backup: {last}")));
    }
    line
}

fn server_row(server: &ServerStatus) -> Vec<String> {
    let weight = match server.effective_weight {
        Some(weight) if weight == server.weight => weight.to_string(),
        Some(weight) => format!("{weight} of {}", server.weight),
        None => format!("- of {}", server.weight),
    };
    vec![
        format!("  {}{}", server.server, if server.backup { " (backup)" } else { "" }),
        server.verdict.clone(),
        duration(server.for_seconds),
        weight,
        server.forwarding.clone(),
        [
            server.overridden.clone(),
            Some(server.reason.clone()),
            server.weight_reason.as_ref().map(|why| format!("weight: {why}")),
        ]
        .into_iter()
        .flatten()
        .collect::<Vec<_>>()
        .join("; "),
    ]
}

/// Lays rows out in columns as wide as their widest cell; the last column runs free.
fn table(out: &mut String, head: &[&str], rows: Vec<Vec<String>>, paint: &Paint) {
    let width = |column: usize| {
        let cells = rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count());
        cells.chain(head.get(column).map(|h| h.chars().count())).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..head.len()).map(width).collect();
    let line = |cells: Vec<&str>, mark: &dyn Fn(&str, &str) -> String| {
        let padded = cells.iter().zip(&widths).map(|(cell, width)| mark(cell, &format!("{cell:width$}")));
        padded.collect::<Vec<_>>().join("  ").trim_end().to_owned()
    };
    let _ = writeln!(out, "{}", line(head.to_vec(), &|_, padded| paint.dim(padded)));
    for row in &rows {
        let cells = row.iter().map(String::as_str).collect();
        let _ = writeln!(out, "{}", line(cells, &|cell, padded| paint.state(cell, padded)));
    }
}

fn duration(seconds: f64) -> String {
    let seconds = seconds.max(0.0) as u64;
    match seconds {
        0..60 => format!("{seconds}s"),
        60..3600 => format!("{}m{:02}s", seconds / 60, seconds % 60),
        3600..86_400 => format!("{}h{:02}m", seconds / 3600, seconds / 60 % 60),
        _ => format!("{}d{:02}h", seconds / 86_400, seconds / 3600 % 24),
    }
}

/// Colours, or none.
struct Paint {
    colour: bool,
}

impl Paint {
    fn with(&self, code: &str, text: &str) -> String {
        if self.colour { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() }
    }

    fn bad(&self, text: &str) -> String {
        self.with("31", text)
    }

    fn dim(&self, text: &str) -> String {
        self.with("2", text)
    }

    /// Colours the words that name a state.
    fn state(&self, cell: &str, padded: &str) -> String {
        match cell {
            "MASTER" | "up" => self.with("32", padded),
            "FAULT" | "down" | "fault" => self.with("31", padded),
            "unknown" => self.with("33", padded),
            _ => padded.to_owned(),
        }
    }
}
