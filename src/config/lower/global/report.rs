//! How the daemon tells others what happens, and when it reads its file again.

use super::{flag, keep, keep_first, set};
use crate::config::complaint::Code;
use crate::config::lower::context::{Context, Entry};
use crate::config::{DaemonFiles, Dbus, Fifo, Fifos, Pipe, ReloadRules, Snmp, Sometimes};

impl Fifos {
    pub(super) fn take(&mut self, context: &mut Context<'_>, entry: &Entry<'_>) -> bool {
        let name = entry.name();
        if name == "fifo_write_vrrp_states_on_reload" {
            self.repeat_on_reload = flag(context, entry);
            return true;
        }
        let (fifo, rest) = match name.split_once("notify_fifo") {
            Some(("", rest)) => (&mut self.all, rest),
            Some(("vrrp_", rest)) => (&mut self.vrrp, rest),
            Some(("lvs_", rest)) => (&mut self.lvs, rest),
            _ => return false,
        };
        fifo.take(context, rest, entry);
        true
    }
}

impl Fifo {
    fn take(&mut self, context: &mut Context<'_>, rest: &str, entry: &Entry<'_>) {
        if rest == "_script" {
            keep_first(&mut self.script, context.command(entry));
        } else {
            keep_first(&mut self.pipe, pipe(context, entry));
        }
    }
}

/// `PATH [USER [GROUP]]`.
fn pipe(context: &mut Context<'_>, entry: &Entry<'_>) -> Option<Pipe> {
    context.first(entry)?;
    context.at_most(entry, 3);
    let mut words = entry.words().iter();
    let mut text = || match words.next() {
        None => Some(None),
        Some(word) if word.text.is_empty() || word.text.contains(char::is_control) => {
            let message = format!("`{}` holds an empty word or control characters", entry.keyword.name);
            context.error(Code::InvalidText, word.span, message);
            None
        }
        Some(word) => Some(Some(word.text.clone())),
    };
    Some(Pipe { path: text()??, user: text()?, group: text()? })
}

impl Snmp {
    pub(super) fn take(&mut self, context: &mut Context<'_>, entry: &Entry<'_>) -> bool {
        match entry.name() {
            "enable_snmp_vrrp" => self.vrrp = flag(context, entry),
            "enable_snmp_checker" => self.checker = flag(context, entry),
            "enable_snmp_rfc" => self.rfc = flag(context, entry),
            "enable_snmp_rfcv2" => self.rfc_v2 = flag(context, entry),
            "enable_snmp_rfcv3" => self.rfc_v3 = flag(context, entry),
            "enable_traps" => self.traps = flag(context, entry),
            "snmp_socket" => keep_first(&mut self.socket, context.text(entry)),
            "snmp_vs_stats_update_interval" => set(&mut self.service_age, context.seconds(entry)),
            "snmp_rs_stats_update_interval" => set(&mut self.server_age, context.seconds(entry)),
            _ => return false,
        }
        true
    }
}

impl Dbus {
    pub(super) fn take(&mut self, context: &mut Context<'_>, entry: &Entry<'_>) -> bool {
        match entry.name() {
            "enable_dbus" => self.on = flag(context, entry),
            "dbus_service_name" => keep(&mut self.service_name, context.text(entry)),
            "dbus_no_interface_name" => keep(&mut self.no_interface_name, context.text(entry)),
            _ => return false,
        }
        true
    }
}

impl ReloadRules {
    pub(super) fn take(&mut self, context: &mut Context<'_>, entry: &Entry<'_>) -> bool {
        match entry.name() {
            "reload_check_config" => set(&mut self.check, sometimes(context, entry)),
            "reload_time_file" => keep(&mut self.time_file, context.text(entry)),
            "reload_repeat" => self.repeat = flag(context, entry),
            "reload_file" => set(&mut self.marker, sometimes(context, entry)),
            _ => return false,
        }
        true
    }
}

fn sometimes(context: &mut Context<'_>, entry: &Entry<'_>) -> Option<Sometimes> {
    if entry.words().is_empty() { Some(Sometimes::Yes) } else { context.text(entry).map(Sometimes::At) }
}

impl DaemonFiles {
    pub(super) fn take(&mut self, context: &mut Context<'_>, entry: &Entry<'_>) -> bool {
        match entry.name() {
            "config_save_dir" => keep(&mut self.save_directory, context.text(entry)),
            "data_use_instance" => set(&mut self.with_instance, context.switch(entry)),
            "state_dump_file" => keep(&mut self.state, context.text(entry)),
            "stats_dump_file" => keep(&mut self.statistics, context.text(entry)),
            "json_dump_file" => keep(&mut self.json, context.text(entry)),
            "json_version" => set(&mut self.json_version, context.choice(entry).and_then(|v| v.parse().ok())),
            "iproute_usr_dir" => keep(&mut self.iproute_usr, context.text(entry)),
            "iproute_etc_dir" => keep(&mut self.iproute_etc, context.text(entry)),
            _ => return false,
        }
        true
    }
}
