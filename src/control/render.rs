//! `directord status` for people: instances, then services with their servers, problems in words.

mod services;

use std::fmt::Write;

use super::Status;
use super::page::{Last, Look, Page, Tone};
use crate::config::Complaint;
use crate::director::snapshot::{
    GroupStatus, InstanceStatus, NeighbourStatus, OverrideStatus, OwnerStatus, Snapshot, TakenStatus,
    TrackerStatus,
};

/// How much is shown of virtual servers.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Detail {
    /// How their servers are, and how busy.
    #[default]
    State,
    /// Everything that the kernel counts of them.
    Traffic,
}

/// Lays the state out as text, as wide as a terminal is that reads it.
pub fn render(status: &Status, detail: Detail, look: Look) -> String {
    let paint = Paint(look);
    let mut out = String::new();
    let director = &status.director;
    let line = format!(
        "directord {} on {}, process {}, {}, configuration {}",
        status.version, director.router_id, status.pid, status.config, director.generation
    );
    paint.say(&mut out, &line);
    let reload = &status.last_reload;
    if !reload.accepted || reload.rolled_back {
        paint.warn(&mut out, &format!("last reload: {}", reload.summary));
        // Its marks stand below what they mean.
        if !reload.rendered.is_empty() {
            let _ = writeln!(out, "{}", reload.rendered.trim_end());
        }
    }
    if let Some(left) = status.confirm_within {
        let line = format!("rolled back in {left:.0} s unless `directord confirm` comes before that");
        paint.warn(&mut out, &line);
    }
    warnings(&mut out, &status.warnings, &paint);
    let owners =
        [(&director.ipvs, "IPVS table"), (&director.sync, "sync daemons"), (&director.addresses, "kernel")];
    for (owner, name) in owners {
        problems(&mut out, owner, name, &paint);
    }
    for (role, daemon) in &director.sync_daemons {
        paint.say(&mut out, &format!("sync daemon: {role} on {}, id {}", daemon.interface, daemon.id));
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
            paint.warn(&mut out, &format!("{}: {oddity}", instance.name));
        }
    }
    trackers(&mut out, &director.instances, &paint);
    groups_and_neighbours(&mut out, director, &paint);
    if !director.overrides.is_empty() {
        out.push('\n');
        let rows = director.overrides.iter().map(override_row).collect();
        table(&mut out, OVERRIDES, rows, &paint);
    }
    leaving(&mut out, director, &paint);
    if let Some(why) = &status.uncounted {
        out.push('\n');
        paint.warn(&mut out, why);
    }
    for service in &director.services {
        services::show(&mut out, service, detail, &paint);
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
fn leaving(out: &mut String, director: &Snapshot, paint: &Paint) {
    for one in &director.leaving {
        let left = one.connections.map_or("its".to_owned(), |left| format!("{left}"));
        let most = duration(one.at_most_seconds);
        out.push('\n');
        let line = format!(
            "{} of {}: removed from the configuration, keeps {left} connections, for at most {most}",
            one.server, one.service
        );
        paint.say(out, &line);
    }
}

const OVERRIDES: &[&str] = &["OVERRIDE", "IS", "BY", "SINCE", "ENDS IN", "TAKE BACK WITH", "WHY"];

/// What operators want of real servers, as a table.
pub fn render_overrides(overrides: &[OverrideStatus], look: Look) -> String {
    let mut out = String::new();
    table(&mut out, OVERRIDES, overrides.iter().map(override_row).collect(), &Paint(look));
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
        paint.warn(out, &line);
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
    paint.warn(out, &line);
}

/// What was said of the running configuration, a line for each, so that it is not forgotten.
fn warnings(out: &mut String, warnings: &[Complaint], paint: &Paint) {
    const SHOWN: usize = 20;
    for warning in warnings.iter().take(SHOWN) {
        paint.say(out, &warning.to_string());
    }
    if warnings.len() > SHOWN {
        let _ = writeln!(out, "and {} more: see `directord check`", warnings.len() - SHOWN);
    }
}

fn problems(out: &mut String, owner: &OwnerStatus, name: &str, paint: &Paint) {
    if let Some(reason) = &owner.unavailable {
        paint.warn(out, &format!("{name}: {reason}"));
    }
    for failure in &owner.failures {
        paint.warn(out, &format!("{name}: {failure}"));
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

/// Columns that a narrow terminal does without, the last first.
const DISPENSABLE: [&str; 10] =
    ["SINCE", "FOR", "INTERFACE", "PACKETS", "VIA", "ACTIVE", "INACT", "CONN/S", "  IN/S", " OUT/S"];

/// Columns that what is said in words has at least.
const LEAST: usize = 24;

/// Lays rows out in columns as wide as their widest cell.
fn table(out: &mut String, head: &[&str], rows: Vec<Vec<String>>, paint: &Paint) {
    let mut page = Page::new(paint.0);
    page.table(0, head, rows, &DISPENSABLE, Last::Wrapped(LEAST));
    out.push_str(&page.finish());
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

/// How it looks: colours, or none.
struct Paint(Look);

impl Paint {
    /// A line, or as many as it takes.
    fn say(&self, out: &mut String, words: &str) {
        self.tell(out, Tone::Plain, words);
    }

    /// The same of what somebody should look at.
    fn warn(&self, out: &mut String, words: &str) {
        self.tell(out, Tone::Bad, words);
    }

    fn tell(&self, out: &mut String, tone: Tone, words: &str) {
        let mut page = Page::new(self.0);
        page.tell(tone, words);
        out.push_str(&page.finish());
    }
}
