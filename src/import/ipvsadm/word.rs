//! Words of a line of ipvsadm's, and what they can mean: numbers, addresses, masks.

use std::iter::Peekable;
use std::net::{IpAddr, Ipv4Addr};
use std::str::FromStr;

use ipvs_backend::{Family, Granularity, Protocol, ServiceKey};

use crate::config::Code;
use crate::config::source::Span;
use crate::import::{Desk, names};

/// A word and its place.
#[derive(Clone, Copy)]
pub(super) struct Word<'a> {
    pub text: &'a str,
    pub span: Span,
}

pub(super) fn words<'a>(text: &'a str, line: &str, number: u32, desk: &Desk) -> Vec<Word<'a>> {
    let mut out = Vec::new();
    let mut at = 0;
    for piece in text.split(char::is_whitespace) {
        // `--option=value` is two words.
        let parts = match piece.split_once('=').filter(|_| piece.starts_with("--")) {
            Some((option, value)) => vec![(0, option), (option.len() + 1, value)],
            None => vec![(0, piece)],
        };
        for (offset, text) in parts.into_iter().filter(|(_, text)| !text.is_empty()) {
            out.push(Word { text, span: desk.span(number, line, at + offset, text.len()) });
        }
        // Every blank that ipvsadm writes is one byte; another one moves a marker, no more.
        at += piece.len() + 1;
    }
    out
}

/// What is left of a line.
pub(super) type Words<'a> = Peekable<std::vec::IntoIter<Word<'a>>>;

pub(super) fn value<'a>(option: Word<'a>, words: &mut Words<'a>, desk: &mut Desk) -> Option<Word<'a>> {
    let value = words.next();
    if value.is_none() {
        desk.error(Code::MissingValue, option.span, format!("`{}` has no value", option.text), "");
    }
    value
}

pub(super) fn number_of(word: Word<'_>, min: u32, max: u32, desk: &mut Desk) -> Option<u32> {
    let number = word.text.parse().ok().filter(|number| (min..=max).contains(number));
    if number.is_none() {
        let message = format!("`{}` is no number from {min} to {max}", word.text);
        desk.error(Code::InvalidNumber, word.span, message, "");
    }
    number
}

pub(super) fn key(kind: &str, target: Word<'_>, ipv6: bool, desk: &mut Desk) -> Option<ServiceKey> {
    if kind == "mark" {
        let family = if ipv6 { Family::V6 } else { Family::V4 };
        return Some(ServiceKey::Mark { family, mark: number_of(target, 1, u32::MAX, desk)? });
    }
    let (address, port) = endpoint(target, desk)?;
    // The words come from `take`, which knows these three.
    let protocol = Protocol::from_str(kind).ok()?;
    Some(ServiceKey::Address { protocol, address, port: port.unwrap_or(0) })
}

/// `ADDRESS[:PORT]`, an IPv6 address in brackets.
pub(super) fn endpoint(word: Word<'_>, desk: &mut Desk) -> Option<(IpAddr, Option<u16>)> {
    let bracketed = word.text.strip_prefix('[').and_then(|rest| rest.split_once(']'));
    let (host, port) = match (bracketed, word.text.rsplit_once(':')) {
        (Some((host, rest)), _) => (host, rest.strip_prefix(':')),
        (None, Some((host, port))) if !host.contains(':') => (host, Some(port)),
        (None, _) => (word.text, None),
    };
    let Ok(address) = IpAddr::from_str(host) else {
        let message = format!("`{host}` is no address");
        let suggestion = "have addresses printed, not names: `ipvsadm-save -n` or `ipvsadm -Sn`";
        desk.error(Code::InvalidAddress, word.span, message, suggestion);
        return None;
    };
    let Some(port) = port else { return Some((address, None)) };
    let Some(port) = names::port(port) else {
        let message = format!("`{port}` is no port");
        let suggestion = "have numbers printed, not names: `ipvsadm-save -n` or `ipvsadm -Sn`";
        desk.error(Code::InvalidPort, word.span, message, suggestion);
        return None;
    };
    Some((address, Some(port)))
}

/// A mask for one address is how ipvsadm writes that there is none.
pub(super) fn granularity(word: Word<'_>, family: Family, desk: &mut Desk) -> Option<Granularity> {
    let granularity = match family {
        Family::V4 => {
            Ipv4Addr::from_str(word.text).ok().filter(|mask| !mask.is_unspecified()).map(Granularity::Netmask)
        }
        Family::V6 => {
            word.text.parse().ok().filter(|prefix| (1..=128).contains(prefix)).map(Granularity::Prefix)
        }
    };
    match granularity {
        None => {
            let message = format!("`{}` is no netmask of this address family", word.text);
            let suggestion = "for IPv4 like 255.255.255.0, for IPv6 from 1 to 128";
            desk.error(Code::InvalidPrefix, word.span, message, suggestion);
        }
        Some(Granularity::Netmask(Ipv4Addr::BROADCAST) | Granularity::Prefix(128)) => {
            return Some(Granularity::Host);
        }
        Some(_) => {}
    }
    granularity
}

/// The kernel has one engine so far.
pub(super) fn engine(word: Word<'_>, desk: &mut Desk) -> Option<String> {
    if word.text != "sip" {
        let message = format!("there is no persistence engine `{}`; expected `sip`", word.text);
        desk.error(Code::InvalidChoice, word.span, message, "");
        return None;
    }
    Some(word.text.to_owned())
}
