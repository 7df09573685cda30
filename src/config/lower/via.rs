//! `via_ipvs`: checks that go through the kernel's table, each server by a mark of its own.
//!
//! The marks follow from the names of service and server, so that they stay the same through reloads, on both directors
//! and from one start to the next.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::Arc;

use healthcheck::{Check, Way};
use ipvs_backend::{Forwarding, ServiceKey};

use super::context::Context;
use super::place::Endpoint;
use crate::config::complaint::Code;
use crate::config::source::Span;
use crate::config::{Config, GroupEntry, RealServer, Served, VirtualServer};

/// The first mark where `via_ipvs_marks` says nothing, and how many are ours from there on.
pub(super) const FIRST: u32 = 0x6400_0000;
pub(super) const COUNT: u32 = 0x1_0000;

/// Leads the checks of a server that ask for it through the table: to the address of the service. `arrives`: the port of the
/// server where its packets come in, 0 for whichever they are for.
pub(super) fn lead(
    context: &mut Context<'_>,
    (arrives, server): (u16, &mut RealServer),
    endpoint: Endpoint<'_>,
    span: Span,
) {
    let goes_via = |check: &Arc<Check>| check.via.is_some();
    if !server.checks.iter().any(goes_via) {
        return;
    }
    let vip = match endpoint.served {
        Served::Key(ServiceKey::Address { address, port, .. }) => Some((*address, *port)),
        Served::Key(ServiceKey::Mark { .. }) | Served::Group(_) => None,
    };
    if vip.is_none() {
        let message = "`via_ipvs` asks the address of a virtual server as a client does; a firewall mark and a group \
                       have none of their own";
        let suggestion = "leave `via_ipvs` out, or give the address a `virtual_server` of its own";
        context.error_with(Code::Conflict, span, message.to_owned(), suggestion);
    }
    let way = match server.forwarding {
        Forwarding::Nat | Forwarding::Local => Way::Nat,
        Forwarding::Dr => Way::Dr,
        Forwarding::Tun => Way::Tun,
    };
    for check in server.checks.iter_mut().filter(|check| goes_via(check)) {
        let check = Arc::make_mut(check);
        match (vip, &mut check.via) {
            (Some((address, port)), Some(via)) => {
                via.way = way;
                // Asked directly, it is asked where its clients' packets come in, whatever port is written.
                via.direct = via.direct.map(|direct| match arrives {
                    0 => direct,
                    port => SocketAddr::new(direct.ip(), port),
                });
                // A service for every port is asked at the server's.
                let port = if port == 0 { via.direct.map_or(0, |direct| direct.port()) } else { port };
                check.target = SocketAddr::new(address, port);
            }
            (_, via) => *via = None,
        }
    }
}

/// Gives each server with such checks a mark that nobody else uses.
pub(in crate::config) fn number(config: &mut Config) {
    let goes_via = |service: &VirtualServer| {
        service.vip_check.is_some() || all_servers(service).any(|server| is_led(server))
    };
    if !config.services.values().any(|service| goes_via(service)) {
        return;
    }
    let mut taken = marks_of_others(config);
    let first = config.global.lvs.via_marks.unwrap_or(FIRST);
    let mut number = |name: &str| {
        let start = hash(name);
        let mut tried = (0..COUNT).map(|step| first.wrapping_add(start.wrapping_add(step) % COUNT));
        let mark = tried.find(|mark| *mark != 0 && !taken.contains(mark)).unwrap_or(first);
        taken.insert(mark);
        mark
    };
    for (key, service) in config.services.iter_mut().filter(|(_, service)| goes_via(service)) {
        let service = Arc::make_mut(service);
        if let Some(check) = &mut service.vip_check {
            set(check, number(&key.to_string()));
        }
        let servers = service.servers.iter_mut().chain(&mut service.backups);
        for (server_key, server) in servers.filter(|(_, server)| is_led(server)) {
            let mark = number(&format!("{key} {server_key}"));
            let checks = &mut Arc::make_mut(server).checks;
            checks.iter_mut().filter(|check| check.via.is_some()).for_each(|check| set(check, mark));
        }
    }
}

fn set(check: &mut Arc<Check>, mark: u32) {
    if let Some(via) = &mut Arc::make_mut(check).via {
        via.mark = mark;
    }
}

fn all_servers(service: &VirtualServer) -> impl Iterator<Item = &Arc<RealServer>> {
    service.servers.values().chain(service.backups.values())
}

fn is_led(server: &RealServer) -> bool {
    server.checks.iter().any(|check| check.via.is_some())
}

/// Marks that the file gives another meaning.
fn marks_of_others(config: &Config) -> BTreeSet<u32> {
    let services = config.services.keys().filter_map(|key| match key {
        ServiceKey::Mark { mark, .. } => Some(*mark),
        ServiceKey::Address { .. } => None,
    });
    let groups = config.server_groups.values().flat_map(|group| &group.entries);
    let groups = groups.filter_map(|entry| match entry {
        GroupEntry::Mark { mark, .. } => Some(*mark),
        GroupEntry::Addresses { .. } => None,
    });
    let servers = config.virtual_servers().flat_map(|(_, service)| all_servers(service));
    let checks = servers.flat_map(|server| &server.checks).map(|check| check.mark);
    services.chain(groups).chain(checks).collect()
}

/// FNV-1a of 32 bits, folded: the same in every version and on every machine.
fn hash(text: &str) -> u32 {
    let hash =
        text.bytes().fold(0x811c_9dc5_u32, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193));
    (hash >> 16) ^ (hash & 0xffff)
}
