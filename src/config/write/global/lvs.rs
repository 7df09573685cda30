//! What concerns IPVS as a whole, as statements.

use super::super::server::hold;
use super::super::window;
use super::Lines;
use crate::config::{FlushOnStop, LvsGlobal, Reconcile, SyncDaemon};

pub(super) fn write(lvs: &LvsGlobal, lines: &mut Lines) {
    if let Some(daemon) = &lvs.sync {
        lines.say("lvs_sync_daemon", sync_daemon(daemon));
    }
    let times = [("tcp", lvs.timeouts.tcp), ("tcpfin", lvs.timeouts.tcpfin), ("udp", lvs.timeouts.udp)];
    let said: Vec<String> = times
        .into_iter()
        .filter_map(|(name, time)| Some([name.to_owned(), time?.as_secs().to_string()]))
        .flatten()
        .collect();
    if !said.is_empty() {
        lines.say("lvs_timeouts", said);
    }
    lines.flag("lvs_flush", lvs.flush);
    match lvs.flush_on_stop {
        FlushOnStop::No => {}
        FlushOnStop::Services => lines.value("lvs_flush_on_stop", "VS"),
        FlushOnStop::Everything => lines.say("lvs_flush_on_stop", []),
    }
    if !lvs.switches.is_empty() {
        let line = |(name, value): (&String, &String)| {
            std::iter::once(name.clone()).chain(value.split(' ').map(str::to_owned)).collect()
        };
        lines.list("lvs_sysctl", lvs.switches.iter().map(line));
    }
    match lvs.reconcile {
        Reconcile::Repair => {}
        Reconcile::Report => lines.value("reconcile", "report"),
        Reconcile::Off => lines.value("reconcile", "off"),
    }
    lines.flag("rs_init_notifies", lvs.notify_at_start);
    lines.some("drain_on_remove", lvs.drain_on_remove);
    lines.some("maintenance_dir", lvs.maintenance_dir.as_deref());
    lines.some("via_ipvs_marks", lvs.via_marks.map(|mark| format!("{mark:#x}")));
    lines.some("panic_threshold", lvs.panic_threshold);
    lines.some("share_checks", lvs.share_checks);
    if lvs.flap_hold.is_some() {
        lines.say("flap_hold", hold(lvs.flap_hold));
    }
    window::write(&lvs.windows, lines);
}

fn sync_daemon(daemon: &SyncDaemon) -> Vec<String> {
    let options = [
        ("id", daemon.id.map(|id| id.to_string())),
        ("maxlen", daemon.max_length.map(|length| length.to_string())),
        ("port", daemon.port.map(|port| port.to_string())),
        ("ttl", daemon.ttl.map(|ttl| ttl.to_string())),
        ("group", daemon.group.map(|group| group.to_string())),
    ];
    let said = options.into_iter().filter_map(|(name, value)| Some([name.to_owned(), value?])).flatten();
    std::iter::once(daemon.interface.clone()).chain(daemon.instance.clone()).chain(said).collect()
}
