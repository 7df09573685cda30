//! Words of the top level, and its small blocks about interfaces.

use std::collections::BTreeSet;
use std::time::Duration;

use super::context::{Context, Entry, short};
use super::value::micros;
use crate::config::complaint::{Code, Reaction};
use crate::config::keywords::Place;
use crate::config::syntax::{Statement, Word};
use crate::config::{GarpGroup, IpvsNamespace, LinkDelay, LinkQuery, Root};

/// The keywords that are lowered here.
pub(super) const KEYWORDS: [&str; 7] = [
    "garp_group",
    "instance",
    "interface_up_down_delays",
    "linkbeat_interfaces",
    "linkbeat_use_polling",
    "net_namespace",
    "net_namespace_ipvs",
];

/// How the state of a link may be asked for.
pub(in crate::config) const QUERIES: [(&str, LinkQuery); 3] =
    [("MII", LinkQuery::Mii), ("ETHTOOL", LinkQuery::Ethtool), ("IOCTL", LinkQuery::Ioctl)];
/// The longest delay of a link, in microseconds.
const LONGEST_DELAY: u64 = 255_000_000;

/// What the top level says of these.
pub(super) fn lower(context: &mut Context<'_>, entries: &[Entry<'_>], root: &mut Root) {
    for entry in entries {
        match entry.name() {
            "net_namespace" => {
                let name = namespace(context, entry);
                root.namespace = root.namespace.take().or(name);
            }
            "net_namespace_ipvs" => {
                let namespace = match entry.words().is_empty() {
                    true => Some(IpvsNamespace::Host),
                    false => namespace(context, entry).map(IpvsNamespace::Named),
                };
                if let (IpvsNamespace::Same, Some(namespace)) = (&root.ipvs_namespace, namespace) {
                    root.ipvs_namespace = namespace;
                }
            }
            "instance" => {
                let name = context.text(entry);
                root.instance = root.instance.take().or(name);
            }
            "linkbeat_use_polling" => {
                context.flag(entry);
                root.poll_links = true;
            }
            "linkbeat_interfaces" => {
                context.at_most(entry, 0);
                root.polled.extend(entry.statements().iter().filter_map(|line| polled(context, line)));
            }
            "interface_up_down_delays" => {
                context.at_most(entry, 0);
                root.delays.extend(entry.statements().iter().filter_map(|line| delay(context, line)));
            }
            "garp_group" => garp_group(context, entry, &mut root.garp_groups),
            _ => {}
        }
    }
}

/// The name of a network namespace is that of a file.
fn namespace(context: &mut Context<'_>, entry: &Entry<'_>) -> Option<String> {
    let word = context.word(entry)?;
    let odd = |c: char| c == '/' || c.is_whitespace() || c.is_control();
    if word.text.is_empty() || word.text.contains(odd) || word.text == "." || word.text == ".." {
        let message = format!("`{}` cannot be the name of a network namespace", short(&word.text));
        context.error(Code::InvalidText, word.span, message);
        return None;
    }
    Some(word.text.clone())
}

/// `INTERFACE [MII, ETHTOOL or IOCTL]`.
fn polled(context: &mut Context<'_>, line: &Statement) -> Option<(String, Option<LinkQuery>)> {
    no_block(context, line);
    let interface = context.interface(&line.keyword)?;
    let query = line.word(0).and_then(|word| {
        let query = QUERIES.iter().find(|(name, _)| *name == word.text).map(|(_, query)| *query);
        if query.is_none() {
            context.invalid_choice("the way to ask for the link", word, &QUERIES.map(|(name, _)| name));
        }
        query
    });
    too_many(context, line, 1);
    Some((interface, query))
}

/// `INTERFACE DOWN [UP]`.
fn delay(context: &mut Context<'_>, line: &Statement) -> Option<(String, LinkDelay)> {
    no_block(context, line);
    let interface = context.interface(&line.keyword)?;
    if line.word(0).is_none() {
        let message = "this line names no delay; expected an interface, the delay down and perhaps up";
        context.error_but(Code::MissingValue, line.keyword.span, message, None, no_delay());
    }
    let mut time = |at: usize| line.word(at).and_then(|word| seconds(context, word)).unwrap_or_default();
    let delay = LinkDelay { down: time(0), up: time(1) };
    too_many(context, line, 2);
    Some((interface, delay))
}

fn seconds(context: &mut Context<'_>, word: &Word) -> Option<Duration> {
    let time = micros(&word.text).filter(|time| *time <= LONGEST_DELAY).map(Duration::from_micros);
    if time.is_none() {
        let code = if micros(&word.text).is_some() { Code::OutOfRange } else { Code::InvalidNumber };
        let message = format!("the delay is `{}`; expected seconds from 0 to 255", short(&word.text));
        context.error_but(code, word.span, message, None, no_delay());
    }
    time
}

fn no_delay() -> Reaction {
    Reaction::goes_on("there is no delay")
}

fn no_block(context: &mut Context<'_>, line: &Statement) {
    if let Some(block) = &line.block {
        context.error(Code::UnexpectedBlock, block.open, "this line takes no block");
    }
}

fn too_many(context: &mut Context<'_>, line: &Statement, most: usize) {
    if let Some(word) = line.word(most) {
        let message = format!("`{}` is one word too many on this line", short(&word.text));
        context.error(Code::UnexpectedWord, word.span, message);
    }
}

/// A group without a pace is left out, and an interface belongs to the first group that names it.
fn garp_group(context: &mut Context<'_>, block: &Entry<'_>, groups: &mut Vec<GarpGroup>) {
    context.at_most(block, 0);
    let mut group = GarpGroup { garp_interval: None, gna_interval: None, interfaces: BTreeSet::new() };
    let mut named = false;
    for entry in context.entries_of(block, Place::GarpGroup) {
        let words: Vec<&Word> = match entry.name() {
            "garp_interval" => {
                group.garp_interval = context.seconds(&entry).or(group.garp_interval);
                continue;
            }
            "gna_interval" => {
                group.gna_interval = context.seconds(&entry).or(group.gna_interval);
                continue;
            }
            "interface" => context.word(&entry).into_iter().collect(),
            "interfaces" => {
                context.at_most(&entry, 0);
                let lines = entry.statements().iter();
                lines.flat_map(|line| std::iter::once(&line.keyword).chain(&line.words)).collect()
            }
            _ => {
                context.forgotten(&entry);
                continue;
            }
        };
        for word in words {
            named = true;
            let Some(interface) = context.interface(word) else { continue };
            if groups.iter().any(|other| other.interfaces.contains(&interface)) {
                let message = format!("`{interface}` is in another `garp_group` already");
                let reaction = Reaction::goes_on("the interface stays in the first group");
                context.error_but(Code::DuplicateName, word.span, message, None, reaction);
                continue;
            }
            group.interfaces.insert(interface);
        }
    }
    let left_out = || Reaction::goes_on("the group is left out");
    if group.garp_interval.is_none() && group.gna_interval.is_none() {
        let message = "`garp_group` has neither `garp_interval` nor `gna_interval`";
        context.error_but(Code::MissingKeyword, block.end(), message, None, left_out());
    } else if !named {
        let message = "`garp_group` names no interface: say `interface` or `interfaces`";
        context.error_but(Code::MissingKeyword, block.end(), message, None, left_out());
    } else if !group.interfaces.is_empty() {
        groups.push(group);
    }
}
