//! `vrrp_script` as statements.

use super::{Lines, command::command_line};
use crate::config::{Config, Thing, Weight};

/// All scripts, by name.
pub(super) fn write(config: &Config, out: &mut Lines) {
    for (name, script) in &config.scripts {
        let thing = Some(Thing::Script(name.clone()));
        out.block("vrrp_script", [name.clone()], thing, |lines| {
            lines.value("script", command_line(&script.command.words));
            if let Some(user) = &script.command.user {
                lines.say("user", [user.clone()].into_iter().chain(script.command.group.clone()));
            }
            lines.unless("interval", script.interval, std::time::Duration::from_secs(1));
            lines.unless("timeout", script.timeout, script.interval);
            lines.weight(script.weight, Weight::default());
            lines.unless("rise", script.rise, 1);
            lines.unless("fall", script.fall, 1);
            lines.flag("init_fail", script.init_fail);
        });
    }
}
