//! The page's chapter on commands: how they are run, and what they are told.

use std::fmt::Write;

use super::{heading, plain, text};

const INTRO: &str = "No shell reads a command. It runs in a process group of its own, with nothing to read, without the \
    daemon's rights, and as the user named behind it, else as `script_user`, else as `keepalived_script` if there is such \
    a user, else as the daemon's own. Its output is read to the end; its last words stand in the log if it failed. `IFS`, \
    `LD_PRELOAD`, `LD_LIBRARY_PATH` and what systemd told the daemon are not in its environment. When its time is over, \
    it and all that it started are ended with SIGTERM, 2 s later with SIGKILL. If directord dies, it gets SIGTERM.";

const NOTICES: &str = "The `notify…` commands of one instance or group, and those of one server or service, run one after \
    the other: the one for the state first, then `notify`, each for at most `notify_timeout` seconds. They are run when \
    the addresses of that state are there, or gone. While one runs, up to four changes wait; then the oldest is left \
    out, never the newest. At the end `notify_stop` is waited for, with all others, for 5 s. `notify` has four more \
    arguments: INSTANCE or GROUP, the name, the state (MASTER, BACKUP, FAULT, STOP or DELETED), the priority (0 for a group). \
    All of them find in their environment:";

const VARIABLES: &[(&str, &str)] = &[
    ("DIRECTORD_KIND", "INSTANCE, GROUP, VS (a virtual server) or RS (a real server)."),
    ("DIRECTORD_NAME", "Its name."),
    ("DIRECTORD_STATE", "What it is now, or what happened: UP or DOWN for servers."),
    ("DIRECTORD_OLD_STATE", "What the same commands were told before; empty if this is no change of state."),
    ("DIRECTORD_CAUSE", "Why, as in the log."),
    ("DIRECTORD_PRIORITY", "The priority in effect."),
    ("DIRECTORD_INTERFACE", "The interface of an instance."),
    ("DIRECTORD_VRID", "Its virtual router number."),
    ("DIRECTORD_SERVICE", "The virtual server of a real server."),
    ("DIRECTORD_ROUTER_ID", "The name of this director."),
    ("DIRECTORD_SKIPPED", "How many changes before this one were left out."),
];

const PIPES: &str = "A named pipe gets a line for each change: `INSTANCE \"VI_1\" MASTER 100`, `GROUP \"G\" BACKUP 0`, \
    `VS [10.0.0.1]:tcp:80 UP`, `RS [10.0.0.2]:tcp:80 [10.0.0.1]:tcp:80 DOWN`. It is never waited for: a line that finds it \
    full is lost, which the log tells once, and how many there were when there is room again.";

/// Writes the chapter.
pub(super) fn write(out: &mut String) {
    heading(out, "SCRIPTS", INTRO);
    // Writing into a String cannot fail.
    let _ = writeln!(out, ".PP\n{}", text(NOTICES));
    for (name, about) in VARIABLES {
        let _ = writeln!(out, ".TP\n.B {}\n{}", plain(name), text(about));
    }
    let _ = writeln!(out, ".PP\n{}", text(PIPES));
}

#[cfg(test)]
mod tests {
    use notify::hook::{Change, Subject, Word};

    use super::*;

    #[test]
    fn every_variable_is_in_the_page_and_none_else() {
        let change = |subject| Change {
            subject,
            word: Word::Up,
            from: None,
            priority: 0,
            cause: String::new(),
            place: Some(("eth0".into(), 1)),
            router_id: String::new(),
            skipped: 0,
        };
        let server = change(Subject::Server { server: String::new(), service: String::new() });
        let mut real: Vec<&str> = server.environment().into_iter().map(|(name, _)| name).collect();
        let mut told: Vec<&str> = VARIABLES.iter().map(|(name, _)| *name).collect();
        real.sort_unstable();
        told.sort_unstable();
        assert_eq!(told, real);
    }
}
