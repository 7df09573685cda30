//! `vrrp_sync_group`, `track_group`, and what is there in every state, as statements.

use super::{Lines, address, track};
use crate::config::{Config, Deleted, Notify, Thing};

/// All of them, in the order in which people write them.
pub(super) fn write(config: &Config, out: &mut Lines) {
    for (name, group) in &config.groups {
        out.block("vrrp_sync_group", [name.clone()], Some(Thing::Group(name.clone())), |lines| {
            lines.list("group", group.members.iter().map(|member| vec![member.clone()]));
            lines.flag("sync_group_tracking_weight", group.weighted);
            track::write(&group.tracks, config, lines);
            notify(&group.notify, lines);
            lines.inherited("smtp_alert", group.alert);
        });
    }
}

/// What instances and groups do not belong to.
pub(super) fn write_static(config: &Config, out: &mut Lines) {
    for (name, members) in &config.track_groups {
        out.block("track_group", [name.clone()], None, |lines| {
            lines.list("group", members.iter().map(|member| vec![member.clone()]));
        });
    }
    out.list("static_ipaddress", config.static_addresses.iter().map(address::address));
    out.list("static_routes", config.static_routes.iter().map(address::route));
    out.list("static_rules", config.static_rules.iter().map(address::rule));
}

/// The `notify…` lines.
pub(super) fn notify(notify: &Notify, lines: &mut Lines) {
    lines.command("notify_master", notify.master.as_ref());
    lines.command("notify_backup", notify.backup.as_ref());
    lines.command("notify_fault", notify.fault.as_ref());
    lines.command("notify_stop", notify.stop.as_ref());
    lines.command("notify", notify.any.as_ref());
    lines.command("notify_master_rx_lower_pri", notify.lower_priority.as_ref());
    match &notify.deleted {
        Deleted::Fault => {}
        Deleted::Told => lines.flag("notify_deleted", true),
        Deleted::Command(command) => lines.command("notify_deleted", Some(command)),
    }
    lines.some("notify_priority_changes", notify.priority_changes);
}
