//! Traps in trackers: in what is watched, and in what comes of it.

#[cfg(test)]
mod tests;

use vrrp::PRIORITY_OWNER;

use super::priority::{Effective, effective};
use super::{Look, seconds};
use crate::config::{Instance, Thing};

/// Words that mean something to a shell, and nothing to anybody else.
const SHELL: &[&str] = &["&&", "||", "|", ";", "&", ">", ">>", "<", "2>&1", "!", "[["];

pub(super) fn nopreempt_with_weight(look: &mut Look<'_>) {
    for (name, instance) in &look.config.instances {
        if instance.router.preempt || instance.router.is_owner() {
            continue;
        }
        let Some((list, tracker)) = weighted(instance) else { continue };
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
fn weighted(instance: &Instance) -> Option<(&'static str, &str)> {
    let found = instance.tracks.switches().find(|(_, _, weight)| weight.lowers());
    let file = || instance.tracks.files.iter().find(|(_, weight)| weight.points != 0);
    found
        .map(|(list, name, _)| (list, name))
        .or_else(|| file().map(|(name, _)| ("track_file", name.as_str())))
}

pub(super) fn capped_priority(look: &mut Look<'_>) {
    for (name, instance) in &look.config.instances {
        let Effective { priority, sum } = effective(instance, |_, _| true);
        let Some((list, _, _)) = instance.tracks.switches().find(|(_, _, weight)| weight.change(true) > 0)
        else {
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
    let lists: Vec<_> = config.instances.values().map(|instance| &instance.tracks).collect();
    let checked = |keyword: &str| {
        let servers = config
            .services
            .iter()
            .flat_map(|(key, service)| service.servers.keys().map(|server| Thing::Server(*key, *server)));
        servers.into_iter().any(|server| look.spans.says(&server, &[keyword]))
    };
    let (by_file_check, by_bfd_check) = (checked("FILE_CHECK"), checked("BFD_CHECK"));
    let mut unused = Vec::new();
    for name in
        config.scripts.keys().filter(|name| !lists.iter().any(|list| list.scripts.contains_key(*name)))
    {
        unused.push((Thing::Script(name.clone()), "track_script", name));
    }
    for name in config.files.keys().filter(|_| !by_file_check) {
        if !lists.iter().any(|list| list.files.contains_key(name)) {
            unused.push((Thing::TrackFile(name.clone()), "track_file", name));
        }
    }
    for name in config.processes.keys() {
        if !lists.iter().any(|list| list.processes.contains_key(name)) {
            unused.push((Thing::TrackProcess(name.clone()), "track_process", name));
        }
    }
    for name in config.neighbours.keys().filter(|_| !by_bfd_check) {
        if !lists.iter().any(|list| list.neighbours.contains_key(name)) {
            unused.push((Thing::Bfd(name.clone()), "track_bfd", name));
        }
    }
    for (thing, list, name) in unused {
        let message = format!("nobody tracks `{name}`: whatever becomes of it changes nothing");
        look.hint(&thing, "", message, &format!("name it in the `{list}` of an instance, or remove it"));
    }
}

pub(super) fn idle_tracker(look: &mut Look<'_>) {
    for (name, instance) in &look.config.instances {
        let thing = Thing::Instance(name.clone());
        if instance.tracks.interfaces.contains_key(&instance.interface) {
            let message = format!(
                "{} is the instance's own interface: what becomes of its loss does not depend on this list",
                instance.interface
            );
            look.hint(&thing, "track_interface", message, "track other interfaces only");
        }
        let weighted = instance.tracks.all().find(|(_, _, weight)| weight.points != 0);
        if let Some((list, tracker, _)) = weighted.filter(|_| instance.router.is_owner()) {
            let message = format!(
                "priority {PRIORITY_OWNER} is never changed: the weight of `{tracker}` has no effect, whether it fails or not"
            );
            look.hint(&thing, list, message, "let the weight be 0, so that a failure is a fault");
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

pub(super) fn no_shell(look: &mut Look<'_>) {
    for (name, script) in &look.config.scripts {
        let words = &script.command.words;
        let for_shell = |word: &&String| {
            SHELL.contains(&word.as_str())
                || word.ends_with(';')
                || word.starts_with('>')
                || word.starts_with("2>")
        };
        let Some(odd) = words.iter().find(for_shell) else { continue };
        let message = format!("no shell reads the command: `{odd}` is an argument like any other");
        let suggestion = "write a script, or `sh -c '…'` with all of it in single quotes";
        look.hint(&Thing::Script(name.clone()), "script", message, suggestion);
    }
}
