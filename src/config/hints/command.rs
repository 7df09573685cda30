//! Traps in commands: who runs them, and that no shell reads them.

use std::collections::BTreeSet;

use super::Look;
use super::check::{self, Any};
use crate::config::{Command, CommandCheck, Config, Deleted, Notify, Thing};

/// Words that mean something to a shell, and nothing to anybody else.
const SHELL: &[&str] = &["&&", "||", "|", ";", "&", ">", ">>", "<", "2>&1", "!", "[["];

/// Every command, with the thing in whose block it stands, and its keyword.
fn commands(config: &Config) -> Vec<(Thing, &'static str, &Command)> {
    let mut all = Vec::new();
    for (name, script) in &config.scripts {
        all.push((Thing::Script(name.clone()), "script", &script.command));
    }
    for (name, instance) in &config.instances {
        all.extend(notices(&Thing::Instance(name.clone()), &instance.notify));
    }
    for (name, group) in &config.groups {
        all.extend(notices(&Thing::Group(name.clone()), &group.notify));
    }
    // One command may check thousands of servers.
    let mut seen = BTreeSet::new();
    for (thing, check) in check::everywhere(config) {
        let Any::Command(CommandCheck { command, .. }) = check else { continue };
        if seen.insert((&command.words, &command.user)) {
            all.push((thing, "misc_path", command));
        }
    }
    all
}

fn notices<'a>(
    thing: &Thing,
    notify: &'a Notify,
) -> impl Iterator<Item = (Thing, &'static str, &'a Command)> + use<'a> {
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
    all.into_iter().filter_map(move |(keyword, command)| Some((thing.clone(), keyword, command?)))
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
