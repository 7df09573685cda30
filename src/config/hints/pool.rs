//! Traps in what a virtual server asks of its real servers together: quorum, groups, persistence.

use ipvs_backend::flag;

use super::Look;
use crate::config::{Thing, VirtualServer};

/// Looks at each virtual server, and says at a keyword of it what is found.
fn each(
    look: &mut Look<'_>,
    keyword: &'static str,
    suggestion: &str,
    judge: impl Fn(&VirtualServer) -> Option<String>,
) {
    for (served, service) in look.config.virtual_servers() {
        if let Some(message) = judge(service) {
            look.hint(&served.thing(), keyword, message, suggestion);
        }
    }
}

/// What the servers weigh together, if it is anything: where nothing has weight, that is the trap.
fn total(service: &VirtualServer) -> Option<u64> {
    Some(service.total_weight()).filter(|total| *total > 0)
}

pub(super) fn quorum_too_high(look: &mut Look<'_>) {
    let suggestion = "the quorum is counted in weights, not in servers";
    each(look, "quorum", suggestion, |service| {
        let (quorum, total) = (u64::from(service.quorum.weight), total(service)?);
        (quorum > total).then(|| {
            format!("`quorum` is {quorum} and all real servers together weigh {total}: it counts as {total}")
        })
    });
}

pub(super) fn hysteresis_too_large(look: &mut Look<'_>) {
    let suggestion = "make `hysteresis` smaller than `quorum`";
    each(look, "hysteresis", suggestion, |service| {
        let (quorum, hysteresis) = (service.quorum.weight, service.quorum.hysteresis);
        (hysteresis >= quorum && hysteresis > 0).then(|| {
            format!("`hysteresis` is {hysteresis} and `quorum` {quorum}: the quorum is lost with the last server only")
        })
    });
}

pub(super) fn quorum_not_regained(look: &mut Look<'_>) {
    each(look, "hysteresis", "make `quorum` or `hysteresis` smaller", |service| {
        let (quorum, hysteresis) = (service.quorum.weight, service.quorum.hysteresis);
        let (needed, total) = (u64::from(quorum) + u64::from(hysteresis), total(service)?);
        let regained = needed <= total || u64::from(quorum) > total || hysteresis >= quorum;
        (!regained).then(|| {
            format!(
                "once lost, the quorum is back at a weight of {needed} (`quorum` and `hysteresis`), and all real servers \
                 together weigh {total}: it is never back"
            )
        })
    });
}

pub(super) fn alpha_unchecked(look: &mut Look<'_>) {
    for (served, service) in look.config.virtual_servers() {
        let unchecked = |(key, server): (&_, &std::sync::Arc<crate::config::RealServer>)| {
            let thing = served.server(*key);
            let bare = server.alpha && server.checks.is_empty() && server.planned.is_empty();
            let message = || format!("`alpha` lets the real server {key} wait for a check, and it has none");
            bare.then(|| (thing, "alpha", message()))
        };
        let found: Vec<_> = service.servers.iter().filter_map(unchecked).collect();
        look.hint_at_first(&found, "add a check, or leave `alpha` out");
    }
}

pub(super) fn omega_without_scripts(look: &mut Look<'_>) {
    each(look, "omega", "name the command that is to be run, or leave `omega` out", |service| {
        let mut servers = service.servers.values();
        let scripts =
            service.quorum.down.is_some() || servers.any(|server| server.extras().notify_down.is_some());
        (service.omega && !scripts)
            .then(|| "`omega` is about `quorum_down` and `notify_down`, and there is none of them".to_owned())
    });
}

pub(super) fn persistent_ops(look: &mut Look<'_>) {
    each(look, "ops", "leave out `ops` or `persistence_timeout`", |service| {
        let settings = &service.settings;
        (settings.flags & flag::ONE_PACKET != 0 && settings.persistence.is_some()).then(|| {
            "`ops` spreads single packets, and `persistence_timeout` sends all packets of a client to one server".to_owned()
        })
    });
}

pub(super) fn inhibited_persistence(look: &mut Look<'_>) {
    let suggestion = "without `inhibit_on_failure` they go to another server; or set \
                      net.ipv4.vs.expire_quiescent_template to 1";
    each(look, "persistence_timeout", suggestion, |service| {
        let inhibited = service.servers.values().any(|server| server.inhibit);
        let timeout = service.settings.persistence?.timeout.as_secs();
        inhibited.then(|| {
            format!(
                "with `inhibit_on_failure` clients go on to a server that is down until {timeout} s after their last \
                 connection"
            )
        })
    });
}

pub(super) fn unused_group(look: &mut Look<'_>) {
    for name in look.config.server_groups.keys() {
        let used = look.config.group_services.keys().any(|key| key.group == *name);
        if !used {
            let message = format!("no `virtual_server` uses the group `{name}`");
            let thing = Thing::ServerGroup(name.clone());
            look.hint(&thing, "", message, "say `virtual_server group NAME`, or leave the group out");
        }
    }
}
