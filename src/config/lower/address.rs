//! Lines of `virtual_ipaddress`: an address and words about it, in any order.

use std::net::IpAddr;
use std::str::FromStr;

use super::context::{Context, Entry, short};
use crate::config::VirtualAddress;
use crate::config::complaint::Code;
use crate::config::source::Span;
use crate::config::syntax::{Statement, Word};

/// Words that may stand on such a line.
const OPTIONS: [&str; 15] = [
    "dev",
    "label",
    "brd",
    "broadcast",
    "scope",
    "peer",
    "preferred_lft",
    "track_group",
    "use_vmac",
    "home",
    "-nodad",
    "mngtmpaddr",
    "noprefixroute",
    "autojoin",
    "no_track",
];

/// An address and where it stands in the text.
pub(super) type Placed = (VirtualAddress, Span);

/// The addresses of a block, without those that are wrong.
pub(super) fn lower(context: &mut Context<'_>, entry: &Entry<'_>) -> Vec<Placed> {
    context.at_most(entry, 0);
    entry.statements().iter().filter_map(|statement| line(context, statement)).collect()
}

fn line(context: &mut Context<'_>, statement: &Statement) -> Option<Placed> {
    if let Some(block) = &statement.block {
        context.error(Code::UnexpectedBlock, block.open, "an address takes no block");
    }
    let mut found = None;
    let (mut interface, mut label) = (None, None);
    let mut words = std::iter::once(&statement.keyword).chain(&statement.words);
    while let Some(word) = words.next() {
        match word.text.as_str() {
            "dev" => interface = value(context, word, words.next()).and_then(|word| context.interface(word)),
            "label" => label = value(context, word, words.next()).and_then(|word| label_of(context, word)),
            // No broadcast address is ever set, which is what these addresses need.
            "brd" | "broadcast" => drop(value(context, word, words.next())),
            "scope" => scope(context, word, words.next()),
            "peer" | "preferred_lft" | "track_group" => {
                not_yet(context, word);
                value(context, word, words.next());
            }
            option if OPTIONS.contains(&option) => not_yet(context, word),
            _ if found.is_none() => found = Some((prefixed(context, word), word.span)),
            _ => context.invalid_choice("an option of an address", word, &OPTIONS),
        }
    }
    let Some((address, span)) = found else {
        context.error(Code::MissingValue, statement.keyword.span, "this line names no address");
        return None;
    };
    let (address, prefix) = address?;
    Some((VirtualAddress { address, prefix, interface, label }, span))
}

fn value<'a>(context: &mut Context<'_>, option: &Word, value: Option<&'a Word>) -> Option<&'a Word> {
    if value.is_none() {
        context.error(Code::MissingValue, option.span, format!("`{}` needs a value", option.text));
    }
    value
}

fn not_yet(context: &mut Context<'_>, word: &Word) {
    let message = format!("`{}` of an address is not supported yet: it has no effect", word.text);
    context.warning(Code::NotSupportedYet, word.span, message);
}

fn scope(context: &mut Context<'_>, option: &Word, word: Option<&Word>) {
    let Some(word) = value(context, option, word) else { return };
    if word.text != "global" && word.text != "0" {
        let message = format!("scope `{}` is not supported yet: the scope is global", short(&word.text));
        context.warning(Code::NotSupportedYet, word.span, message);
    }
}

/// Labels are shorter than 16 bytes (`IFNAMSIZ` in `linux/if.h`).
fn label_of(context: &mut Context<'_>, word: &Word) -> Option<String> {
    if word.text.is_empty() || word.text.len() > 15 || word.text.contains(char::is_control) {
        let message =
            format!("label `{}` has {} characters; allowed: 1 to 15", short(&word.text), word.text.len());
        context.error(Code::InvalidText, word.span, message);
        return None;
    }
    Some(word.text.clone())
}

/// `192.0.2.1/24`; by default the address is alone in its network.
fn prefixed(context: &mut Context<'_>, word: &Word) -> Option<(IpAddr, u8)> {
    let (text, prefix) = match word.text.split_once('/') {
        Some((text, prefix)) => (text, Some(prefix)),
        None => (word.text.as_str(), None),
    };
    let Ok(address) = IpAddr::from_str(text) else {
        context.invalid_address("the virtual address", text, word.span);
        return None;
    };
    if !only_ipv4(context, address, word.span) {
        return None;
    }
    if address.is_unspecified() || address.is_multicast() || address.is_loopback() {
        let message = format!("`{address}` cannot be a virtual address; expected a unicast address");
        context.error(Code::InvalidAddress, word.span, message);
        return None;
    }
    let Some(prefix) = prefix else { return Some((address, 32)) };
    match prefix.parse::<u8>() {
        Ok(length @ 0..=32) if prefix.bytes().all(|byte| byte.is_ascii_digit()) => Some((address, length)),
        _ => {
            let message = format!("the prefix length is `{}`; allowed: 0 to 32", short(prefix));
            context.error(Code::InvalidPrefix, word.span, message);
            None
        }
    }
}

/// Instances know IPv4 only so far.
pub(super) fn only_ipv4(context: &mut Context<'_>, address: IpAddr, span: Span) -> bool {
    if !address.is_ipv4() {
        let message = format!("`{address}`: IPv6 addresses in instances are not supported yet");
        context.error(Code::NotSupportedYet, span, message);
    }
    address.is_ipv4()
}
