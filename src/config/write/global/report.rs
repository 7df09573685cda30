//! Pipes, SNMP, D-Bus, reloads and files as statements.

use super::Lines;
use crate::config::{DaemonFiles, Dbus, Fifos, Pipe, ReloadRules, Snmp, Sometimes};

pub(super) fn fifos(fifos: &Fifos, lines: &mut Lines) {
    let named =
        [("notify_fifo", &fifos.all), ("vrrp_notify_fifo", &fifos.vrrp), ("lvs_notify_fifo", &fifos.lvs)];
    for (keyword, fifo) in named {
        if let Some(Pipe { path, user, group }) = &fifo.pipe {
            let account = user.clone().into_iter().chain(group.clone());
            lines.say(keyword, std::iter::once(path.clone()).chain(account));
        }
        lines.command(&format!("{keyword}_script"), fifo.script.as_ref());
    }
    lines.flag("fifo_write_vrrp_states_on_reload", fifos.repeat_on_reload);
}

pub(super) fn snmp(snmp: &Snmp, lines: &mut Lines) {
    let default = Snmp::default();
    lines.flag("enable_snmp_vrrp", snmp.vrrp);
    lines.flag("enable_snmp_checker", snmp.checker);
    lines.flag("enable_snmp_rfc", snmp.rfc);
    lines.flag("enable_snmp_rfcv2", snmp.rfc_v2);
    lines.flag("enable_snmp_rfcv3", snmp.rfc_v3);
    lines.flag("enable_traps", snmp.traps);
    lines.some("snmp_socket", snmp.socket.as_ref());
    lines.other("snmp_vs_stats_update_interval", snmp.service_age, default.service_age);
    lines.other("snmp_rs_stats_update_interval", snmp.server_age, default.server_age);
}

pub(super) fn dbus(dbus: &Dbus, lines: &mut Lines) {
    lines.flag("enable_dbus", dbus.on);
    lines.some("dbus_service_name", dbus.service_name.as_ref());
    lines.some("dbus_no_interface_name", dbus.no_interface_name.as_ref());
}

pub(super) fn reload(reload: &ReloadRules, lines: &mut Lines) {
    sometimes("reload_check_config", &reload.check, lines);
    lines.some("reload_time_file", reload.time_file.as_ref());
    lines.flag("reload_repeat", reload.repeat);
    sometimes("reload_file", &reload.marker, lines);
}

fn sometimes(keyword: &str, value: &Sometimes, lines: &mut Lines) {
    match value {
        Sometimes::No => {}
        Sometimes::Yes => lines.say(keyword, []),
        Sometimes::At(path) => lines.value(keyword, path),
    }
}

pub(super) fn files(files: &DaemonFiles, lines: &mut Lines) {
    let default = DaemonFiles::default();
    lines.some("config_save_dir", files.save_directory.as_ref());
    lines.flag("data_use_instance", files.with_instance);
    lines.some("state_dump_file", files.state.as_ref());
    lines.some("stats_dump_file", files.statistics.as_ref());
    lines.some("json_dump_file", files.json.as_ref());
    lines.other("json_version", files.json_version, default.json_version);
    lines.some("iproute_usr_dir", files.iproute_usr.as_ref());
    lines.some("iproute_etc_dir", files.iproute_etc.as_ref());
}
