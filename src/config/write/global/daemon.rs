//! Processes, priorities, buffers and rules for scripts as statements.

use super::Lines;
use crate::config::{
    Account, AdvertBuffer, Buffer, Buffers, PartScheduling, ProcessNames, Scheduling, ScriptRules,
};

pub(super) fn names(names: &ProcessNames, lines: &mut Lines) {
    lines.flag("process_names", names.distinct);
    lines.some("process_name", names.daemon.as_ref());
    lines.some("vrrp_process_name", names.vrrp.as_ref());
    lines.some("checker_process_name", names.checker.as_ref());
    lines.some("bfd_process_name", names.bfd.as_ref());
}

pub(super) fn scripts(scripts: &ScriptRules, lines: &mut Lines) {
    let default = ScriptRules::default();
    if let Some(Account { user, group, supplementary }) = &scripts.user {
        let colon = if *supplementary { ":" } else { "" };
        let group = format!("{colon}{}", group.as_deref().unwrap_or_default());
        let group = (!group.is_empty()).then_some(group);
        lines.say("script_user", std::iter::once(user.clone()).chain(group));
    }
    lines.flag("enable_script_security", scripts.security);
    lines.flag("set_supplementary_groups", scripts.supplementary_groups);
    lines.flag("use_symlink_paths", scripts.symlink_paths);
    lines.other("notify_timeout", scripts.notify_timeout, default.notify_timeout);
    lines.command("startup_script", scripts.startup.as_ref());
    lines.other("startup_script_timeout", scripts.startup_timeout, default.startup_timeout);
    lines.command("shutdown_script", scripts.shutdown.as_ref());
    lines.other("shutdown_script_timeout", scripts.shutdown_timeout, default.shutdown_timeout);
}

pub(super) fn scheduling(scheduling: &Scheduling, lines: &mut Lines) {
    let default = Scheduling::default();
    lines.some("max_auto_priority", scheduling.max_auto_priority.map(i64::from));
    let micros = |delay: std::time::Duration| u64::try_from(delay.as_micros()).unwrap_or(u64::MAX);
    let (delay, usual) = (scheduling.min_auto_priority_delay, default.min_auto_priority_delay);
    lines.other("min_auto_priority_delay", micros(delay), micros(usual));
    let parts = [("vrrp", &scheduling.vrrp), ("checker", &scheduling.checker), ("bfd", &scheduling.bfd)];
    for (name, part) in parts {
        let default = PartScheduling::default();
        let key = |rest: &str| format!("{name}_{rest}");
        lines.other(&key("priority"), i64::from(part.nice), i64::from(default.nice));
        lines.some(&key("rt_priority"), part.realtime);
        lines.other(&key("rlimit_rttime"), micros(part.longest_run), micros(default.longest_run));
        lines.flag(&key("no_swap"), part.no_swap);
        if !part.cpus.is_empty() {
            lines.say(&key("cpu_affinity"), part.cpus.iter().map(u16::to_string));
        }
    }
}

pub(super) fn buffers(buffers: &Buffers, lines: &mut Lines) {
    let named = [
        ("vrrp_netlink_cmd_rcv_bufs", &buffers.vrrp_commands),
        ("vrrp_netlink_monitor_rcv_bufs", &buffers.vrrp_monitor),
        ("lvs_netlink_cmd_rcv_bufs", &buffers.lvs_commands),
        ("lvs_netlink_monitor_rcv_bufs", &buffers.lvs_monitor),
        ("process_monitor_rcv_bufs", &buffers.process_monitor),
    ];
    for (keyword, Buffer { size, force }) in named {
        lines.some(keyword, *size);
        lines.flag(&format!("{keyword}_force"), *force);
    }
    let policy = buffers.adverts.map(|buffer| match buffer {
        AdvertBuffer::Mtu => "MTU".to_owned(),
        AdvertBuffer::Advert => "ADVERT".to_owned(),
        AdvertBuffer::Bytes(bytes) => bytes.to_string(),
    });
    lines.some("vrrp_rx_bufs_policy", policy);
    lines.other("vrrp_rx_bufs_multiplier", buffers.advert_factor, Buffers::default().advert_factor);
}
