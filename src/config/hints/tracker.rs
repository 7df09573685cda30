//! Traps in trackers: in what is watched, and in what comes of it.

#[cfg(test)]
mod tests;

use std::collections::BTreeSet;

use vrrp::PRIORITY_OWNER;
use vrrp::track::Effective;

use super::priority::{counting, effective, groups};
use super::{Look, seconds};
use crate::config::{PlannedCheck, Thing, Tracks};

pub(super) fn nopreempt_with_weight(look: &mut Look<'_>) {
    let groups = groups(look.config);
    for (name, instance) in &look.config.instances {
        if instance.router.preempt || instance.router.is_owner() {
            continue;
        }
        let tracks = counting(instance, groups.get(name.as_str()).map(|(_, group)| *group));
        let Some((list, tracker)) = weighted(&tracks) else { continue };
        let message = format!(
            "when `{tracker}` fails, the priority falls; a director with `nopreempt` does not take over from a living \
             master of lower priority: if it is said on both, no weight ever moves the addresses"
        );
        let suggestion =
            "let the weight be 0, so that a failure is a fault, or say `nopreempt` on neither director";
        look.hint(&Thing::Instance(name.clone()), list, message, suggestion);
    }
}

/// The first tracker whose failure lowers the priority.
fn weighted(tracks: &Tracks) -> Option<(&'static str, &str)> {
    let found = tracks.switches().find(|(_, _, weight)| weight.lowers());
    let file = || tracks.files.iter().find(|(_, weight)| weight.points != 0);
    found
        .map(|(list, name, _)| (list, name))
        .or_else(|| file().map(|(name, _)| ("track_file", name.as_str())))
}

pub(super) fn capped_priority(look: &mut Look<'_>) {
    let groups = groups(look.config);
    for (name, instance) in &look.config.instances {
        let tracks = counting(instance, groups.get(name.as_str()).map(|(_, group)| *group));
        let Effective { priority, sum } = effective(instance, &tracks, |_, _| true);
        let Some((list, _, _)) = tracks.switches().find(|(_, _, weight)| weight.change(true) > 0) else {
            continue;
        };
        if instance.router.is_owner() || sum <= i32::from(priority) {
            continue;
        }
        let message = format!(
            "with all weights added the priority would be {sum}, and it ends at {priority}: of what a failure takes \
             away, {} do not count",
            sum - i32::from(priority)
        );
        let suggestion = "choose a lower `priority` or smaller weights";
        look.hint(&Thing::Instance(name.clone()), list, message, suggestion);
    }
}

pub(super) fn unused_tracker(look: &mut Look<'_>) {
    let config = look.config;
    let of_instances = config.instances.values().map(|instance| &instance.tracks);
    let of_groups = config.groups.values().map(|group| &group.tracks);
    let tracked = of_instances.chain(of_groups);
    let tracked = tracked.flat_map(|tracks| tracks.all().map(|(list, name, _)| (list, name)));
    // Files and neighbours may be there for health checks.
    let servers = config.virtual_servers().flat_map(|(_, service)| service.all_servers());
    let checked = servers.flat_map(|(_, server)| &server.planned).map(|check| match &**check {
        PlannedCheck::File(check) => ("track_file", check.track_file.as_str()),
        PlannedCheck::Bfd(check) => ("track_bfd", check.name.as_str()),
    });
    let used: BTreeSet<(&str, &str)> = tracked.chain(checked).collect();
    let mut tell = |list: &str, name: &String, thing: fn(String) -> Thing| {
        if used.contains(&(list, name.as_str())) {
            return;
        }
        let message = format!("nobody tracks `{name}`: whatever becomes of it changes nothing");
        let suggestion = format!("name it in the `{list}` of an instance, or remove it");
        look.hint(&thing(name.clone()), "", message, &suggestion);
    };
    config.scripts.keys().for_each(|name| tell("track_script", name, Thing::Script));
    config.processes.keys().for_each(|name| tell("track_process", name, Thing::TrackProcess));
    config.files.keys().for_each(|name| tell("track_file", name, Thing::TrackFile));
    config.neighbours.keys().for_each(|name| tell("track_bfd", name, Thing::Bfd));
}

pub(super) fn idle_tracker(look: &mut Look<'_>) {
    let groups = groups(look.config);
    for (name, instance) in &look.config.instances {
        let thing = Thing::Instance(name.clone());
        if instance.tracks.interfaces.contains_key(&instance.interface) {
            let message = format!(
                "{} is the instance's own interface: what becomes of its loss does not depend on this list",
                instance.interface
            );
            look.hint(&thing, "track_interface", message, "track other interfaces only");
        }
        let group = groups.get(name.as_str());
        let shared = group.and_then(|(group, settings)| {
            let own = instance.tracks.interfaces.keys();
            own.into_iter()
                .find(|name| settings.tracks.interfaces.contains_key(*name))
                .map(|name| (group, name))
        });
        if let Some((group, interface)) = shared {
            let message = format!("the group `{group}` tracks {interface} as well: the weight there counts");
            look.hint(&thing, "track_interface", message, "name it in one of the two lists");
        }
        let weighted = instance.tracks.all().find(|(_, _, weight)| weight.points != 0);
        let Some((list, tracker, _)) = weighted else { continue };
        if instance.router.is_owner() {
            let message = format!(
                "priority {PRIORITY_OWNER} is never changed: the weight of `{tracker}` has no effect, whether it fails or not"
            );
            look.hint(&thing, list, message, "let the weight be 0, so that a failure is a fault");
        } else if let Some((group, _)) = group.filter(|(_, group)| !group.weighted) {
            let message = format!(
                "`{tracker}` has a weight, and the group `{group}` has no `sync_group_tracking_weight`: it does not count"
            );
            let suggestion = "let the weight be 0, or track it in the group";
            look.hint(&thing, list, message, suggestion);
        }
    }
}

pub(super) fn slow_script(look: &mut Look<'_>) {
    for (name, script) in &look.config.scripts {
        if script.timeout > script.interval {
            let message = format!(
                "a run may take {}, and one is due each {}: while it hangs, nothing is found out",
                seconds(script.timeout),
                seconds(script.interval)
            );
            let suggestion = "let `timeout` be no longer than `interval`";
            look.hint(&Thing::Script(name.clone()), "timeout", message, suggestion);
        }
    }
}
