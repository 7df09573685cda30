//! `directord why INSTANCE` for people: its state and cause, who is master, and where its priority comes from.

use super::page::{Page, Tone, clock, duration, short};
use super::why::{InstanceReasons, WhyAnswer};
use crate::director::snapshot::{InstanceStatus, TrackerStatus};

/// Tells why an instance is in its state.
pub(super) fn tell(page: &mut Page, instance: &InstanceReasons, answer: &WhyAnswer) {
    let status = &instance.status;
    let since = answer.at.saturating_sub((status.for_seconds * 1e3) as u64);
    let tone = match status.role.as_str() {
        "MASTER" => Tone::Good,
        "FAULT" => Tone::Bad,
        "BACKUP" => Tone::Head,
        _ => Tone::Doubtful,
    };
    let lasting = format!("for {}, since {}", duration(status.for_seconds), clock(since));
    let because = if status.cause.is_empty() { String::new() } else { format!(": {}", status.cause) };
    page.say(0, tone, &format!("{} is {} {lasting}{because}", status.name, status.role));
    page.say(2, Tone::Plain, &who_is_master(status));
    page.say(2, Tone::Plain, &priority(instance));
    for tracker in &status.trackers {
        let tone = if tracker.fault { Tone::Bad } else { Tone::Plain };
        page.say(4, tone, &tracked(tracker));
    }
    if let Some(group) = answer.groups.iter().find(|group| Some(&group.name) == status.group.as_ref()) {
        let members = group.members.join(", ");
        let words =
            format!("Sync group {} is {}: its members go together ({members}).", group.name, group.role);
        page.say(2, Tone::Plain, &words);
        if !group.cause.is_empty() {
            page.say(4, Tone::Plain, &format!("Why: {}.", group.cause));
        }
    }
    for oddity in &status.oddities {
        page.say(2, Tone::Bad, &format!("Odd: {oddity}."));
    }
    for line in what_would_change_it(instance) {
        page.say(2, Tone::Plain, &line);
    }
}

fn who_is_master(status: &InstanceStatus) -> String {
    let addresses = match status.addresses.as_slice() {
        [] => "no addresses".to_owned(),
        addresses => addresses.join(" "),
    };
    match (status.role.as_str(), status.master) {
        ("MASTER", _) => format!("This director is master on {}: it holds {addresses}.", status.interface),
        (_, Some(master)) => {
            let priority = status.master_priority.map(|p| format!(" with priority {p}")).unwrap_or_default();
            format!("Master on {} is {master}{priority}: it holds {addresses}.", status.interface)
        }
        _ => format!("No master is known on {}: nobody is known to hold {addresses}.", status.interface),
    }
}

/// `Priority in adverts: 90 = 100 in the file + 10 - 20.`
fn priority(instance: &InstanceReasons) -> String {
    let InstanceReasons { status, file_priority, .. } = instance;
    let base = match status.overridden_priority {
        Some(base) => format!(
            "{base} set by hand (the file says {file_priority}; `directord priority {} default` takes it back)",
            status.name
        ),
        None => format!("{} in the file", status.priority),
    };
    let points: Vec<i32> = status.trackers.iter().map(|t| t.adds).filter(|points| *points != 0).collect();
    let sum = i32::from(status.priority) + points.iter().sum::<i32>();
    let added: String =
        points.iter().map(|p| format!(" {} {}", if *p < 0 { '-' } else { '+' }, p.abs())).collect();
    let kept = match (status.priority, sum) {
        (vrrp::PRIORITY_OWNER, _) => {
            ", the owner of the addresses, whose priority nothing changes".to_owned()
        }
        (_, sum) if sum != i32::from(status.effective_priority) => {
            format!(" = {sum}, kept within 1 to {}", vrrp::track::HIGHEST)
        }
        _ => String::new(),
    };
    format!("Priority in adverts: {} = {base}{added}{kept}.", status.effective_priority)
}

fn tracked(tracker: &TrackerStatus) -> String {
    let TrackerStatus { kind, name, reading, weight, reverse, adds, fault, reason } = tracker;
    let turned = if *reverse { " reverse" } else { "" };
    let does = match (fault, adds) {
        (true, _) => "a fault: the instance cannot be master".to_owned(),
        (false, 0) if *weight == 0 => "no fault".to_owned(),
        (false, adds) => format!("{adds:+}"),
    };
    let reason = if reason.is_empty() { String::new() } else { format!(" ({reason})") };
    format!("{kind} {name}, weight {weight}{turned}: {reading}{reason} -> {does}")
}

fn what_would_change_it(instance: &InstanceReasons) -> Vec<String> {
    let InstanceReasons { status, preempts, preempt_delay, silence_left, .. } = instance;
    let mut lines = Vec::new();
    match status.role.as_str() {
        "BACKUP" => {
            if let Some(left) = silence_left {
                lines.push(format!(
                    "It takes over if no advert of the master comes for another {}.",
                    short(*left)
                ));
            }
            lines.push(match (preempts, status.master_priority) {
                (false, _) => "It does not take over from a master that works (nopreempt).".to_owned(),
                (true, Some(priority)) if priority >= status.effective_priority => {
                    format!("It also takes over once its priority is above {priority}.")
                }
                (true, _) if *preempt_delay > 0.0 => {
                    format!(
                        "It takes over from a lower priority after {} (preempt_delay).",
                        duration(*preempt_delay)
                    )
                }
                (true, _) => "It also takes over from a master of lower priority.".to_owned(),
            });
        }
        "MASTER" => {
            lines.push("It gives way to a higher priority, at a fault, and when the daemon stops.".to_owned())
        }
        "FAULT" => {
            let faults = status.trackers.iter().filter(|tracker| tracker.fault);
            let faults: Vec<String> = faults.map(|t| format!("{} {}", t.kind, t.name)).collect();
            let cause = if faults.is_empty() { "the cause above".to_owned() } else { faults.join(", ") };
            lines.push(format!("It becomes backup by itself once this is well again: {cause}."));
        }
        _ => {}
    }
    lines
}
