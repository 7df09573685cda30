//! `real_server` and `sorry_server`.

use std::collections::BTreeMap;
use std::str::FromStr;
use std::sync::Arc;

use ipvs_backend::{DestinationKey, Family, Forwarding, ServiceKey};

use super::check::{self, Checks, Timing};
use super::context::{Context, Entry};
use crate::config::complaint::Code;
use crate::config::keywords::Place;
use crate::config::source::Span;
use crate::config::syntax::Word;
use crate::config::{RealServer, Thing};

/// What a server takes over from its service where it says nothing itself.
#[derive(Debug, Clone)]
pub(super) struct Inherited {
    pub forwarding: Forwarding,
    pub inhibit: bool,
    pub weight: u32,
    pub virtualhost: Option<String>,
    pub timing: Timing,
    pub alpha: bool,
    pub alert: bool,
}

/// What a server must fit to.
#[derive(Debug, Clone, Copy)]
pub(super) struct Endpoint {
    pub service: ServiceKey,
    pub family: Family,
    /// The service's port; `None` for a mark.
    pub port: Option<u16>,
}

/// One `real_server` block.
pub(super) fn lower(
    context: &mut Context<'_>,
    block: &Entry<'_>,
    endpoint: Endpoint,
    inherited: &Inherited,
    out: &mut BTreeMap<DestinationKey, Arc<RealServer>>,
) {
    context.at_most(block, 2);
    let Some(inside) = &block.statement.block else { return };
    let mut server = inherited.clone();
    let mut checks = Vec::new();
    for entry in context.entries(inside, Place::RealServer) {
        match entry.name() {
            _ if server.timing.take(context, &entry) => {}
            "weight" => server.weight = context.whole(&entry).unwrap_or(server.weight),
            "lvs_method" => server.forwarding = method(context, &entry).unwrap_or(server.forwarding),
            "inhibit_on_failure" => server.inhibit = context.switch(&entry).unwrap_or(server.inhibit),
            "virtualhost" => server.virtualhost = check::virtualhost(context, &entry),
            "smtp_alert" => server.alert = context.switch(&entry).unwrap_or(server.alert),
            "alpha" => server.alpha = context.switch(&entry).unwrap_or(server.alpha),
            name if check::is_check(name) => checks.push(entry),
            _ => context.forgotten(&entry),
        }
    }
    if context.first(block).is_none() {
        return;
    }
    let (words, span) = (block.words(), block.span());
    let Some(key) = key(context, "the real server", words, span, endpoint, server.forwarding) else { return };
    context.note(Thing::Server(endpoint.service, key), block);
    let thing = |number| Thing::Check(endpoint.service, key, number);
    let Checks { made, planned } = check::lower(context, &checks, key, &server, thing);
    let Inherited { forwarding, inhibit, weight, alert, .. } = server;
    if out.contains_key(&key) {
        let span = words.first().map_or(span, |word| word.span);
        let message = format!("the real server {key} is there already; this one is left out");
        context.warning(Code::DuplicateServer, span, message);
        return;
    }
    out.insert(key, Arc::new(RealServer { weight, forwarding, inhibit, checks: made, planned, alert }));
}

/// `ADDRESS [PORT]`, fitting the service.
pub(super) fn key(
    context: &mut Context<'_>,
    what: &str,
    words: &[Word],
    span: Span,
    endpoint: Endpoint,
    forwarding: Forwarding,
) -> Option<DestinationKey> {
    let word = words.first()?;
    let address = context.address(what, word);
    let port = match words.get(1) {
        Some(word) => context.port(&format!("the port of {what}"), word, 0),
        None => Some(endpoint.port.unwrap_or(0)),
    };
    let (address, port) = (address?, port?);
    if let Some(expected) = endpoint.port
        && port != expected
        && forwarding != Forwarding::Nat
    {
        let message = format!(
            "{what} has port {port} and the service port {expected}; {forwarding} cannot change the port, only NAT can"
        );
        let span = words.get(1).map_or(span, |word| word.span);
        context.error_with(
            Code::PortChange,
            span,
            message,
            format!("say port {expected}, or `lvs_method NAT`"),
        );
    }
    if Family::of(address) != endpoint.family && forwarding != Forwarding::Tun {
        let message = format!(
            "{what} and the service are not of one family; {forwarding} cannot go between IPv4 and IPv6"
        );
        context.error_with(Code::FamilyMismatch, word.span, message, "only `lvs_method TUN` can");
    }
    Some(DestinationKey::new(address, port))
}

/// `lvs_method` and its kin: NAT, DR, or TUN with the only kind of tunnel there is so far.
pub(super) fn method(context: &mut Context<'_>, entry: &Entry<'_>) -> Option<Forwarding> {
    let word = context.first(entry)?;
    let Ok(forwarding) = Forwarding::from_str(&word.text) else {
        context.invalid_choice(&format!("`{}`", entry.keyword.name), word, &["NAT", "DR", "TUN"]);
        return None;
    };
    if forwarding != Forwarding::Tun {
        context.at_most(entry, 1);
        return Some(forwarding);
    }
    match entry.words().get(1..) {
        None | Some([]) => {}
        Some([kind, name]) if kind.text == "type" && name.text == "ipip" => {}
        Some([option, ..]) => {
            let message =
                "only plain ipip tunnels are supported yet, and any other kind would not reach the server";
            context.error(Code::NotSupportedYet, option.span, message);
        }
    }
    Some(forwarding)
}
