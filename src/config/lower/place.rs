//! Where servers are: `ADDRESS [PORT]`, fitting the service they belong to.

use std::net::IpAddr;
use std::str::FromStr;

use ipvs_backend::{DestinationKey, Family, Forwarding};

use super::context::{Context, short};
use super::method::Method;
use crate::config::Served;
use crate::config::complaint::{Code, Reaction};
use crate::config::source::Span;
use crate::config::syntax::Word;

/// What a server must fit to.
#[derive(Debug, Clone, Copy)]
pub(super) struct Endpoint<'a> {
    pub served: &'a Served,
    pub family: Family,
    pub port: ServicePort,
}

/// Which port packets come to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ServicePort {
    /// This one; 0 for any.
    One(u16),
    /// A mark says nothing of ports.
    Any,
    /// The one that all addresses of a group have, if it is the same.
    Group(Option<u16>),
}

/// Where a server is.
pub(super) struct Located {
    /// Its address and port in the table.
    pub key: DestinationKey,
    /// The same as it is written.
    pub asked: DestinationKey,
}

/// `ADDRESS [PORT]`, fitting the service.
pub(super) fn place(
    context: &mut Context<'_>,
    what: &str,
    words: &[Word],
    span: Span,
    endpoint: Endpoint<'_>,
    method: Method,
) -> Option<Located> {
    let word = words.first()?;
    let left_out = || Reaction::goes_on(format!("{what} is left out"));
    let address = address(context, what, word, left_out());
    let written = match words.get(1) {
        Some(word) => Some(port(context, &format!("the port of {what}"), word, left_out())?),
        None => None,
    };
    let address = address?;
    let forwarding = method.forwarding;
    if Family::of(address) != endpoint.family && forwarding != Forwarding::Tun {
        let message = format!(
            "{what} and the service are not of one family; {forwarding} cannot go between IPv4 and IPv6"
        );
        let suggestion = Some("only `lvs_method TUN` can".to_owned());
        context.error_but(Code::FamilyMismatch, word.span, message, suggestion, left_out());
        return None;
    }
    let port =
        fitting(context, what, words.get(1).map_or(span, |word| word.span), endpoint, forwarding, written);
    let asked = written.filter(|port| *port > 0).unwrap_or(port);
    Some(Located { key: DestinationKey::new(address, port), asked: DestinationKey::new(address, asked) })
}

/// The server's port in the table: only address translation can change the port of packets.
fn fitting(
    context: &mut Context<'_>,
    what: &str,
    span: Span,
    endpoint: Endpoint<'_>,
    forwarding: Forwarding,
    written: Option<u16>,
) -> u16 {
    let translated = forwarding == Forwarding::Nat;
    // No port and port 0 mean the one that packets come to.
    let written = written.filter(|port| *port > 0);
    match (endpoint.port, written) {
        (ServicePort::One(port), None) => port,
        (ServicePort::Any | ServicePort::Group(_), None) => 0,
        (_, Some(port)) if translated => port,
        (ServicePort::One(expected) | ServicePort::Group(Some(expected)), Some(port)) if port == expected => {
            port
        }
        (ServicePort::One(expected), Some(port)) => {
            let message = format!(
                "{what} has port {port} and the service port {expected}; {forwarding} cannot change the port, only NAT can"
            );
            let suggestion = Some(format!("say port {expected}, or `lvs_method NAT`"));
            let keepalived = Reaction::goes_on(format!("the port is {expected}, except for checks"));
            context.error_but(Code::PortChange, span, message, suggestion, keepalived);
            expected
        }
        (ServicePort::Any, Some(port)) => {
            let message = format!(
                "{what} has port {port}, which means nothing to {forwarding} behind a mark: it is left out"
            );
            context.warning_with(Code::ValueAdjusted, span, message, "leave the port out");
            0
        }
        (ServicePort::Group(all), Some(port)) => {
            let all = all.map_or("ports that differ".to_owned(), |all| format!("port {all}"));
            let message = format!(
                "{what} has port {port} and the group {all}; {forwarding} cannot change the port, only NAT can"
            );
            let suggestion = Some("leave the port out, or say `lvs_method NAT`".to_owned());
            let keepalived = Reaction::goes_on("each address of the group keeps its port");
            context.error_but(Code::PortChange, span, message, suggestion, keepalived);
            0
        }
    }
}

/// An address. A prefix length behind it means nothing, and is ignored by keepalived.
pub(super) fn address(
    context: &mut Context<'_>,
    what: &str,
    word: &Word,
    keepalived: Reaction,
) -> Option<IpAddr> {
    if let Ok(address) = IpAddr::from_str(&word.text) {
        return Some(address);
    }
    let before = word.text.split_once('/').and_then(|(address, _)| IpAddr::from_str(address).ok());
    let Some(address) = before else {
        context.invalid_address_but(what, &word.text, word.span, keepalived);
        return None;
    };
    let keepalived = Reaction::goes_on("the prefix length is ignored");
    context.invalid_address_but(what, &word.text, word.span, keepalived);
    Some(address)
}

/// A port from 0 to 65535.
pub(super) fn port(context: &mut Context<'_>, what: &str, word: &Word, keepalived: Reaction) -> Option<u16> {
    let port = word.text.parse::<u16>().ok().filter(|_| word.text.bytes().all(|byte| byte.is_ascii_digit()));
    if port.is_none() {
        let message = format!("{what} is `{}`; expected a port from 0 to 65535", short(&word.text));
        context.error_but(Code::InvalidPort, word.span, message, None, keepalived);
    }
    port
}
