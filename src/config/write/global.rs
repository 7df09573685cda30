//! `global_defs` as statements.

mod daemon;
mod filter;
mod lvs;
mod report;
#[cfg(test)]
mod tests;
mod vrrp;

use super::{Lines, Value};
use crate::config::{Alerts, DynamicInterfaces, Email, Global, Thing};

/// All that is said; nothing if that is nothing.
pub(super) fn write(global: &Global, out: &mut Lines) {
    let mut inside = Lines::default();
    all(global, &mut inside);
    if !inside.0.is_empty() {
        out.block("global_defs", [], Some(Thing::Global), |lines| *lines = inside);
    }
}

fn all(global: &Global, lines: &mut Lines) {
    if global.compat {
        lines.say("compat", []);
    }
    lines.some("router_id", global.router_id.as_ref());
    lines.some("default_interface", global.default_interface.as_ref());
    match global.dynamic_interfaces {
        DynamicInterfaces::Unsaid => {}
        DynamicInterfaces::MayCome => lines.say("dynamic_interfaces", []),
        DynamicInterfaces::MayChange => lines.value("dynamic_interfaces", "allow_if_changes"),
    }
    if let Some(email) = &global.email {
        mail(email, lines);
    }
    alerts(&global.alerts, lines);
    daemon::names(&global.process_names, lines);
    daemon::scripts(&global.scripts, lines);
    lines.some("umask", global.umask.map(|mask| format!("0{mask:o}")));
    lines.some("random_seed", global.random_seed);
    vrrp::write(&global.vrrp, lines);
    filter::write(&global.filter, lines);
    lvs::write(&global.lvs, lines);
    report::fifos(&global.fifos, lines);
    daemon::scheduling(&global.scheduling, lines);
    daemon::buffers(&global.buffers, lines);
    report::snmp(&global.snmp, lines);
    report::dbus(&global.dbus, lines);
    report::reload(&global.reload, lines);
    report::files(&global.files, lines);
}

fn mail(email: &Email, lines: &mut Lines) {
    lines.list("notification_email", email.to.iter().map(|to| vec![to.clone()]));
    lines.some("notification_email_from", email.from.as_ref());
    lines.say("smtp_server", [email.server.clone(), email.port.to_string()]);
    lines.some("smtp_helo_name", email.helo.as_ref());
    lines.unless("smtp_connect_timeout", email.connect_timeout, std::time::Duration::from_secs(30));
}

fn alerts(alerts: &Alerts, lines: &mut Lines) {
    lines.some("smtp_alert", alerts.all);
    lines.some("smtp_alert_vrrp", alerts.vrrp);
    lines.some("smtp_alert_checker", alerts.checker);
    lines.flag("no_email_faults", alerts.no_faults);
    lines.flag("no_checker_emails", alerts.no_checks);
    lines.flag("checker_log_all_failures", alerts.log_all_failures);
}

impl Lines {
    /// A statement with one value, if it is not the default.
    fn other<T: Value + PartialEq>(&mut self, keyword: &str, value: T, default: T) {
        if value != default {
            self.value(keyword, value);
        }
    }
}
