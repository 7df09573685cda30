//! `virtual_server` as statements.

use ipvs_backend::{Family, Forwarding, Granularity, Protocol, ServiceKey, ServiceSettings, flag};

use super::server::{self, Around, method};
use super::{Lines, check, window};
use crate::config::{Config, GroupEntry, Quorum, Served, SorryServer, VirtualServer};

/// One virtual server.
pub(super) fn write(config: &Config, served: &Served, service: &VirtualServer, out: &mut Lines) {
    out.block("virtual_server", target(served), Some(served.thing()), |lines| {
        one(served, service, [is_marked(config, served), is_mixed(config, served)], lines);
    });
}

/// `inet` or `inet6`.
pub(super) fn family(family: Family) -> &'static str {
    match family {
        Family::V4 => "inet",
        Family::V6 => "inet6",
    }
}

fn target(served: &Served) -> Vec<String> {
    match served {
        Served::Key(ServiceKey::Address { address, port, .. }) => vec![address.to_string(), port.to_string()],
        Served::Key(ServiceKey::Mark { mark, .. }) => vec!["fwmark".to_owned(), mark.to_string()],
        Served::Group(key) => vec!["group".to_owned(), key.group.clone()],
    }
}

/// Whether it serves marks only, which have no protocol.
fn is_marked(config: &Config, served: &Served) -> bool {
    match served {
        Served::Key(key) => matches!(key, ServiceKey::Mark { .. }),
        Served::Group(key) => config
            .server_groups
            .get(&key.group)
            .is_some_and(|group| group.entries.iter().all(|entry| matches!(entry, GroupEntry::Mark { .. }))),
    }
}

/// Whether it is for IPv4 and IPv6.
fn is_mixed(config: &Config, served: &Served) -> bool {
    let Served::Group(key) = served else { return false };
    let group = config.server_groups.get(&key.group);
    group.is_some_and(|group| group.says(Family::V4) && group.says(Family::V6))
}

fn one(served: &Served, service: &VirtualServer, [marked, mixed]: [bool; 2], lines: &mut Lines) {
    let (protocol, said_family) = match served {
        Served::Key(ServiceKey::Address { protocol, .. }) => (*protocol, None),
        Served::Key(ServiceKey::Mark { family, .. }) => (Protocol::Udp, Some(*family)),
        Served::Group(key) => (key.protocol, Some(key.family)),
    };
    // A group of both families is for servers behind tunnels, which are of neither.
    let said_family = said_family.filter(|_| !mixed);
    if let Some(said) = said_family {
        lines.value("ip_family", family(said));
    }
    // What most servers have is said once, for all of them.
    let first = service.servers.values().next();
    let first = first.map(|server| (server.forwarding, server.extras().tunnel));
    let around = Around { method: first.unwrap_or((Forwarding::Nat, None)), alpha: service.alpha };
    lines.value("lvs_sched", service.settings.scheduler.as_str());
    lines.say("lvs_method", method(around.method.0, around.method.1));
    if !marked {
        lines.value("protocol", protocol.to_string().to_uppercase());
    }
    settings(&service.settings, lines);
    lines.flag("alpha", service.alpha);
    lines.flag("omega", service.omega);
    lines.flag("ha_suspend", service.ha_suspend);
    let Quorum { weight, hysteresis, up, down } = &service.quorum;
    lines.unless("quorum", *weight, 1);
    lines.unless("hysteresis", *hysteresis, 0);
    lines.command("quorum_up", up.as_ref());
    lines.command("quorum_down", down.as_ref());
    lines.inherited("smtp_alert", service.alert);
    lines.inherited("share_checks", !service.own_checks);
    lines.inherited("panic_threshold", service.panic_threshold.unwrap_or(100));
    lines.some("snmp_name", service.snmp_name.as_deref());
    window::write(&service.windows, lines);
    if let Some(check) = &service.vip_check {
        check::vip(check, lines);
    }
    if let Some(sorry) = &service.sorry {
        sorry_server(sorry, around, lines);
    }
    for (key, real) in &service.servers {
        server::write("real_server", *key, real, served, around, lines);
    }
    for (key, backup) in &service.backups {
        server::write("backup_server", *key, backup, served, around, lines);
    }
}

fn settings(settings: &ServiceSettings, lines: &mut Lines) {
    let names = match settings.scheduler.as_str() {
        "sh" => ["sh-fallback", "sh-port", "flag-3"],
        "mh" => ["mh-fallback", "mh-port", "flag-3"],
        _ => ["flag-1", "flag-2", "flag-3"],
    };
    for (name, bit) in names.into_iter().zip([flag::SCHED_1, flag::SCHED_2, flag::SCHED_3]) {
        lines.flag(name, settings.flags & bit != 0);
    }
    lines.flag("ops", settings.flags & flag::ONE_PACKET != 0);
    if let Some(persistence) = &settings.persistence {
        lines.value("persistence_timeout", persistence.timeout.as_secs());
        match persistence.granularity {
            Granularity::Host => {}
            Granularity::Netmask(mask) => lines.value("persistence_granularity", mask.to_string()),
            Granularity::Prefix(length) => lines.value("persistence_granularity", length),
        }
    }
    lines.some("persistence_engine", settings.engine.as_deref());
}

fn sorry_server(sorry: &SorryServer, around: Around, lines: &mut Lines) {
    lines.say("sorry_server", [sorry.key.address.to_string(), sorry.key.port.to_string()]);
    if (sorry.forwarding, sorry.tunnel) != around.method {
        lines.say("sorry_server_lvs_method", method(sorry.forwarding, sorry.tunnel));
    }
    lines.flag("sorry_server_inhibit", sorry.inhibit);
}
