//! Checks by commands that cannot be run on this host: they are not there, or nobody is whom they should run as.
//!
//! To keepalived such a check is none, so that a server with `alpha` has nothing to wait for. Read compatibly it is so here;
//! that the check counts as passed until its command can be run, the brain sees to.

use std::collections::BTreeMap;
use std::sync::Arc;

use healthcheck::{Check, Kind, Program};

use super::command;
use crate::config::{Command, Config, RealServer, ScriptRules, VirtualServer};

/// Whether programs can be run: each is looked for once.
type Known = BTreeMap<Program, bool>;

/// Read compatibly: no server waits for a check that cannot be made.
pub(crate) fn wait_for_none(config: &mut Config) {
    if !config.global.compat {
        return;
    }
    let (mut known, rules) = (Known::new(), config.global.scripts.clone());
    let own = config.services.values_mut();
    for service in own.chain(config.group_services.values_mut()) {
        let mut in_vain =
            |server: &RealServer| server.checks.iter().any(|check| waits(check, &rules, &mut known));
        let waiting: Vec<_> =
            service.all_servers().filter(|(_, server)| in_vain(server)).map(|(key, _)| *key).collect();
        if waiting.is_empty() {
            continue;
        }
        let VirtualServer { servers, backups, .. } = Arc::make_mut(service);
        for key in waiting {
            let Some(server) = servers.get_mut(&key).or_else(|| backups.get_mut(&key)) else { continue };
            let checks = Arc::make_mut(server).checks.iter_mut();
            for check in checks.filter(|check| waits(check, &rules, &mut known)) {
                Arc::make_mut(check).schedule.alpha = false;
            }
        }
    }
}

/// Whether a server waits for this check, which cannot be made.
fn waits(check: &Check, rules: &ScriptRules, known: &mut Known) -> bool {
    let Kind::Command(program) = &check.kind else { return false };
    let can_be_run = || command::can_be_run(&Command::from(program), rules);
    check.schedule.alpha && !*known.entry(program.clone()).or_insert_with(can_be_run)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::read_text;

    #[test]
    fn nobody_waits_for_a_command_that_is_not_there() {
        let file = |head: &str, path: &str| {
            let checks = format!("MISC_CHECK {{\nmisc_path {path}\n}}");
            format!(
                "{head}virtual_server 10.0.0.1 80 {{\nlvs_sched rr\nlvs_method NAT\nprotocol TCP\nalpha\n\
                 real_server 10.0.1.1 80 {{\nweight 1\n{checks}\n}}\n}}\n"
            )
        };
        let compat = "global_defs {\ncompat\n}\n";
        for (head, path, waits) in [
            (compat, "/nowhere/check", false),
            (compat, "/bin/sh\nuser nobody-of-this-name", false),
            (compat, "/bin/sh\nuser root", true),
            ("", "/nowhere/check", true),
        ] {
            let mut config = read_text("a", &file(head, path)).config.expect("it is good");
            wait_for_none(&mut config);
            let (_, service) = config.virtual_servers().next().expect("there is one");
            let alpha: Vec<bool> =
                service.servers.values().flat_map(|s| &s.checks).map(|check| check.schedule.alpha).collect();
            assert_eq!(alpha, [waits], "{head}{path}");
        }
    }
}
