//! `virtual_server_group`: lines of addresses, ranges of them, and marks.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;
use std::sync::Arc;

use ipvs_backend::Family;

use super::context::{Context, Entry, short};
use super::place;
use crate::config::complaint::{Code, Reaction};
use crate::config::syntax::{Statement, Word};
use crate::config::{GroupEntry, ServerGroup, Thing};

/// Addresses in one line of a group, at most.
const MOST: u128 = 65_536;

/// Groups by name.
pub(super) type Groups = BTreeMap<String, Arc<ServerGroup>>;

/// All groups of the file.
pub(super) fn lower<'a>(
    context: &mut Context<'_>,
    blocks: impl Iterator<Item = &'a Entry<'a>>,
    out: &mut Groups,
) {
    for block in blocks {
        context.at_most(block, 1);
        let Some(name) = context.first(block) else { continue };
        let lines = block.statements().iter();
        let entries: Vec<GroupEntry> = lines.filter_map(|line| entry(context, line)).collect();
        if out.contains_key(&name.text) {
            let message = format!("there already is a `virtual_server_group {}`", short(&name.text));
            context.error(Code::DuplicateName, name.span, message);
        } else if entries.is_empty() {
            let message = format!("the group `{}` holds no address and no mark", short(&name.text));
            let keepalived = Reaction::goes_on("the group is left out");
            context.error_but(Code::MissingValue, name.span, message, None, keepalived);
        } else {
            let group = ServerGroup { entries };
            if !is_clear(&group) {
                let message = format!(
                    "the group `{}` holds IPv4, IPv6 and a mark of which it is not said which of the two it marks",
                    short(&name.text)
                );
                let suggestion = Some("say `fwmark NUMBER inet` or `fwmark NUMBER inet6`".to_owned());
                let keepalived = Reaction::goes_on("the group is left out");
                context.error_but(Code::FamilyMismatch, name.span, message, suggestion, keepalived);
                continue;
            }
            context.note(Thing::ServerGroup(name.text.clone()), block);
            out.insert(name.text.clone(), Arc::new(group));
        }
    }
}

/// Whether it is known of every line which family it is for, where the group has both.
fn is_clear(group: &ServerGroup) -> bool {
    let unsaid = |entry: &GroupEntry| matches!(entry, GroupEntry::Mark { family: None, .. });
    !(group.says(Family::V4) && group.says(Family::V6) && group.entries.iter().any(unsaid))
}

fn ignored() -> Reaction {
    Reaction::goes_on("the line is ignored")
}

fn entry(context: &mut Context<'_>, line: &Statement) -> Option<GroupEntry> {
    if let Some(block) = &line.block {
        context.error(Code::UnexpectedBlock, block.open, "an address of a group takes no block");
    }
    let (first, second) = (&line.keyword, line.words.first());
    let (entry, count) = if first.text == "fwmark" {
        (mark(context, first, second, line.words.get(1)), 2)
    } else {
        let range = range(context, first).filter(|range| is_bearable(context, first, *range));
        let port = match second {
            Some(word) => place::port(context, "the port of the address", word, ignored()),
            None => Some(0),
        };
        let entry = range.zip(port);
        (entry.map(|((first, last), port)| GroupEntry::Addresses { first, last, port }), 1)
    };
    if let Some(word) = line.words.get(count) {
        let message = format!("`{}` is one word too many in this line of a group", short(&word.text));
        context.error(Code::UnexpectedWord, word.span, message);
    }
    entry
}

fn mark(
    context: &mut Context<'_>,
    keyword: &Word,
    number: Option<&Word>,
    family: Option<&Word>,
) -> Option<GroupEntry> {
    let Some(number) = number else {
        let message = "`fwmark` needs a number from 1 to 4294967295";
        context.error_but(Code::MissingValue, keyword.span, message, None, Reaction::Stops);
        return None;
    };
    let mark = context.number("fwmark", number, 1, i64::from(u32::MAX))?;
    let family = match family.map(|word| (word, word.text.as_str())) {
        None => None,
        Some((_, "inet")) => Some(Family::V4),
        Some((_, "inet6")) => Some(Family::V6),
        Some((word, _)) => {
            context.invalid_choice("the family of the mark", word, &["inet", "inet6"]);
            return None;
        }
    };
    Some(GroupEntry::Mark { mark: u32::try_from(mark).ok()?, family })
}

/// `ADDRESS`, `ADDRESS-END` or `NETWORK/LENGTH`: the first and the last address.
fn range(context: &mut Context<'_>, word: &Word) -> Option<(IpAddr, IpAddr)> {
    let text = word.text.as_str();
    let (start, end) = match (text.split_once('-'), text.split_once('/')) {
        (Some((start, end)), _) => (start, End::Last(end)),
        (None, Some((start, length))) => (start, End::Length(length)),
        (None, None) => (text, End::Same),
    };
    let Ok(first) = IpAddr::from_str(start) else {
        context.invalid_address_but("the address of the group", start, word.span, ignored());
        return None;
    };
    let found = match end {
        End::Same => Ok(first),
        End::Last(end) => last(first, end),
        End::Length(length) => broadcast(first, length),
    };
    found
        .map(|last| (first, last))
        .map_err(|message| context.error(Code::InvalidAddress, word.span, message))
        .ok()
}

/// Each address becomes a service of its own in the kernel, which tens of thousands are too many for.
fn is_bearable(context: &mut Context<'_>, word: &Word, range: (IpAddr, IpAddr)) -> bool {
    let count = match range {
        (IpAddr::V4(first), IpAddr::V4(last)) => u128::from(last.to_bits()) - u128::from(first.to_bits()),
        (IpAddr::V6(first), IpAddr::V6(last)) => last.to_bits() - first.to_bits(),
        _ => 0,
    };
    let bearable = count < MOST;
    if !bearable {
        let message = format!(
            "the range holds {} addresses, and each becomes a service of its own in the kernel; at most {MOST}",
            count.saturating_add(1)
        );
        let suggestion = "mark the packets with nftables, and serve the mark: `fwmark NUMBER`";
        context.error_with(Code::InvalidAddress, word.span, message, suggestion);
    }
    bearable
}

enum End<'a> {
    Same,
    Last(&'a str),
    Length(&'a str),
}

/// The end of a range: an address, or the last part of one.
fn last(first: IpAddr, end: &str) -> Result<IpAddr, String> {
    let last = IpAddr::from_str(end).ok().filter(|last| last.is_ipv4() == first.is_ipv4());
    let last = last.or_else(|| match first {
        IpAddr::V4(first) => {
            let [a, b, c, _] = first.octets();
            let part = end.bytes().all(|byte| byte.is_ascii_digit()).then(|| end.parse().ok())?;
            part.map(|part| Ipv4Addr::new(a, b, c, part).into())
        }
        IpAddr::V6(first) => {
            let part = end.bytes().all(|byte| byte.is_ascii_hexdigit());
            let part = part.then(|| u16::from_str_radix(end, 16).ok())?;
            let before = first.to_bits() & !u128::from(u16::MAX);
            part.map(|part| Ipv6Addr::from_bits(before | u128::from(part)).into())
        }
    });
    match last {
        None => {
            let part = if first.is_ipv4() { "0 to 255" } else { "0 to ffff" };
            Err(format!(
                "the range ends with `{}`; expected an address, or its last part, {part}",
                short(end)
            ))
        }
        Some(last) if last <= first => Err(format!("the range ends with {last}, which is not above {first}")),
        Some(last) => Ok(last),
    }
}

/// The last address of a network.
fn broadcast(first: IpAddr, length: &str) -> Result<IpAddr, String> {
    let bits: u32 = if first.is_ipv4() { 32 } else { 128 };
    let plain = length.bytes().all(|byte| byte.is_ascii_digit());
    let Some(length) = length.parse().ok().filter(|length| plain && (1..=bits).contains(length)) else {
        return Err(format!("the prefix length is `{}`; allowed: 1 to {bits}", short(length)));
    };
    // As many ones as there are bits for hosts.
    let hosts = u128::MAX.checked_shr(128 - (bits - length)).unwrap_or(0);
    let number = match first {
        IpAddr::V4(first) => u128::from(first.to_bits()),
        IpAddr::V6(first) => first.to_bits(),
    };
    let address = |number: u128| match first {
        IpAddr::V4(_) => u32::try_from(number).map_or(first, |number| Ipv4Addr::from_bits(number).into()),
        IpAddr::V6(_) => Ipv6Addr::from_bits(number).into(),
    };
    if number & hosts != 0 {
        let network = address(number & !hosts);
        return Err(format!("{first}/{length} is no network: it begins with {network}"));
    }
    Ok(address(number | hosts))
}
