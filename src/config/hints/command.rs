//! Traps in commands: who runs them, and that no shell reads them.

use std::borrow::Cow;
use std::collections::BTreeSet;

use super::check::Any;
use super::{Look, check};
use crate::config::{Command, Config, Deleted, Notify, Thing};

/// Words that mean something to a shell, and nothing to anybody else.
const SHELL: &[&str] = &["&&", "||", "|", ";", "&", ">", ">>", "<", "2>&1", "!", "[["];

/// Every command, with the thing in whose block it stands, and its keyword. One that checks thousands of servers is
/// among them once.
pub(super) fn commands(config: &Config) -> Vec<(Thing, &'static str, Cow<'_, Command>)> {
    let mut all = Vec::new();
    for (name, script) in &config.scripts {
        all.push((Thing::Script(name.clone()), "script", Cow::Borrowed(&script.command)));
    }
    for (name, instance) in &config.instances {
        all.extend(notices(&Thing::Instance(name.clone()), &instance.notify));
    }
    for (name, group) in &config.groups {
        all.extend(notices(&Thing::Group(name.clone()), &group.notify));
    }
    for (served, service) in config.virtual_servers() {
        let quorum = [("quorum_up", &service.quorum.up), ("quorum_down", &service.quorum.down)];
        all.extend(said(&served.thing(), quorum));
        for (key, server) in service.all_servers() {
            if let Some(extras) = &server.extras {
                let notices = [("notify_up", &extras.notify_up), ("notify_down", &extras.notify_down)];
                all.extend(said(&served.server(*key), notices));
            }
        }
    }
    let mut known = BTreeSet::new();
    for (thing, check) in check::everywhere(config) {
        let Any::Command(program, _) = check else { continue };
        if known.insert((&program.words, &program.user)) {
            all.push((thing, "misc_path", Cow::Owned(Command::from(program))));
        }
    }
    all
}

/// The commands among these that there are.
fn said<'a, const N: usize>(
    thing: &Thing,
    commands: [(&'static str, &'a Option<Command>); N],
) -> impl Iterator<Item = (Thing, &'static str, Cow<'a, Command>)> + use<'a, N> {
    let thing = thing.clone();
    commands.into_iter().filter_map(move |(keyword, command)| {
        Some((thing.clone(), keyword, Cow::Borrowed(command.as_ref()?)))
    })
}

fn notices<'a>(
    thing: &Thing,
    notify: &'a Notify,
) -> impl Iterator<Item = (Thing, &'static str, Cow<'a, Command>)> + use<'a> {
    let deleted = match &notify.deleted {
        Deleted::Command(command) => Some(command),
        Deleted::Fault | Deleted::Told => None,
    };
    let all = [
        ("notify_master", notify.master.as_ref()),
        ("notify_backup", notify.backup.as_ref()),
        ("notify_fault", notify.fault.as_ref()),
        ("notify_stop", notify.stop.as_ref()),
        ("notify", notify.any.as_ref()),
        ("notify_master_rx_lower_pri", notify.lower_priority.as_ref()),
        ("notify_deleted", deleted),
    ];
    let thing = thing.clone();
    all.into_iter()
        .filter_map(move |(keyword, command)| Some((thing.clone(), keyword, Cow::Borrowed(command?))))
}

pub(super) fn as_root(look: &mut Look<'_>) {
    let rules = &look.config.global.scripts;
    if rules.security {
        return;
    }
    let default = rules.user.as_ref().map(|account| account.user.as_str());
    let mut found = Vec::new();
    for (thing, keyword, command) in commands(look.config) {
        let message = match command.user.as_deref().or(default) {
            Some("root") => "root runs this command, whoever may change the program",
            Some(_) => continue,
            None => {
                "no `script_user` is named: unless there is a user `keepalived_script`, the daemon's user, mostly root, \
                 runs this command, whoever may change the program"
            }
        };
        found.push((thing, keyword, message.to_owned()));
    }
    look.hint_at_first(&found, "say `script_user` and `enable_script_security` in `global_defs`");
}

pub(super) fn no_shell(look: &mut Look<'_>) {
    for (thing, keyword, command) in commands(look.config) {
        let for_shell = |word: &&String| {
            let begins = [">", "2>"].iter().any(|sign| word.starts_with(sign));
            SHELL.contains(&word.as_str()) || word.ends_with(';') || begins
        };
        let Some(odd) = command.words.iter().find(for_shell) else { continue };
        let message = format!("no shell reads the command: `{odd}` is an argument like any other");
        let suggestion = "write a script, or `sh -c '…'` with all of it in single quotes";
        look.hint(&thing, keyword, message, suggestion);
    }
}
