//! `bfd_instance`.
//!
//! Where keepalived cannot make anything of a neighbour's address, it watches nobody, and those who track it take it for
//! down. `neighbor_ip none` says so plainly: that is what is written of such a neighbour.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use super::context::{Context, Entry, short};
use super::instance::value_span;
use super::track::{self, Defined, Kind};
use super::value::micros;
use crate::config::complaint::{Code, Reaction};
use crate::config::keywords::Place;
use crate::config::source::Span;
use crate::config::{Bfd, Weight};

/// The longest name, in bytes.
const NAME: usize = 31;
/// In place of an address.
const NOBODY: &str = "none";
/// The longest interval, in milliseconds.
const LONGEST: u64 = 4_294_967;

/// All neighbours of the file.
pub(super) fn lower<'a>(
    context: &mut Context<'_>,
    blocks: impl Iterator<Item = &'a Entry<'a>>,
    out: &mut BTreeMap<String, Arc<Bfd>>,
) {
    let mut watched = BTreeSet::new();
    track::define(context, Kind::Neighbour, blocks, out, |context, name, block| {
        if name.len() > NAME {
            let message = format!("the name has {} bytes; {NAME} are allowed", name.len());
            let reaction = Reaction::goes_on("it is left out");
            context.error_but(Code::InvalidText, value_span(block), message, None, reaction);
            return None;
        }
        let draft = Draft::read(context, block);
        let place = draft.neighbor.map(|(_, span)| span);
        let mut bfd = draft.finish(context, name, block.end());
        if let (Some(address), Some(place)) = (bfd.neighbor, place)
            && !watched.insert(address)
        {
            let message = format!("{address} is watched by another `bfd_instance` already");
            context.error_but(Code::DuplicateAddress, place, message, None, nobody());
            bfd.neighbor = None;
        }
        let defined = match (bfd.vrrp, bfd.checker) {
            (true, true) => Defined::As(bfd.weight),
            (true, false) => Defined::ForInstances(bfd.weight),
            (false, _) => Defined::ForChecks,
        };
        Some((bfd, defined))
    });
}

fn nobody() -> Reaction {
    Reaction::goes_on("nobody is watched, and the neighbour counts as down")
}

#[derive(Default)]
struct Draft {
    /// `None` inside: what was said is no address.
    neighbor: Option<(Option<IpAddr>, Span)>,
    source: Option<(IpAddr, Span)>,
    min_rx: Option<Duration>,
    min_tx: Option<Duration>,
    idle_tx: Option<Duration>,
    multiplier: Option<u8>,
    passive: bool,
    ttl: Option<u8>,
    max_hops: Option<(i16, Span)>,
    multihop: bool,
    weight: Weight,
    vrrp: bool,
    checker: bool,
}

impl Draft {
    fn read(context: &mut Context<'_>, block: &Entry<'_>) -> Self {
        let mut draft = Self::default();
        for entry in context.entries_of(block, Place::Bfd) {
            let span = value_span(&entry);
            match entry.name() {
                "neighbor_ip" => draft.neighbor = Some((neighbor(context, &entry), span)),
                "source_ip" => {
                    draft.source = context.address_of(&entry).map(|ip| (ip, span)).or(draft.source);
                }
                "min_rx" => draft.min_rx = milliseconds(context, &entry, 1).or(draft.min_rx),
                "min_tx" => draft.min_tx = milliseconds(context, &entry, 1).or(draft.min_tx),
                "idle_tx" => draft.idle_tx = milliseconds(context, &entry, 1_000).or(draft.idle_tx),
                "multiplier" => draft.multiplier = whole(context, &entry).or(draft.multiplier),
                "ttl" | "hoplimit" => draft.ttl = whole(context, &entry).or(draft.ttl),
                "max_hops" => {
                    draft.max_hops = whole(context, &entry).map(|hops| (hops, span)).or(draft.max_hops)
                }
                "multihop" => draft.multihop = context.switch(&entry).unwrap_or(draft.multihop),
                "weight" => {
                    draft.weight = track::weight(context, Kind::Neighbour, &entry).unwrap_or(draft.weight);
                }
                "passive" | "vrrp" | "checker" => draft.take_flag(context, &entry),
                _ => context.forgotten(&entry),
            }
        }
        draft
    }

    fn take_flag(&mut self, context: &mut Context<'_>, entry: &Entry<'_>) {
        context.flag(entry);
        match entry.name() {
            "passive" => self.passive = true,
            "vrrp" => self.vrrp = true,
            _ => self.checker = true,
        }
    }

    fn finish(self, context: &mut Context<'_>, name: &str, end: Span) -> Bfd {
        if self.neighbor.is_none() {
            let message = format!("bfd_instance `{name}` has no `neighbor_ip`");
            context.error_but(Code::MissingKeyword, end, message, None, nobody());
        }
        let mut neighbor = self.neighbor.and_then(|(address, _)| address);
        if let (Some(to), Some((from, place))) = (neighbor, self.source)
            && to.is_ipv4() != from.is_ipv4()
        {
            let message = format!("{from} cannot talk to {to}: one is IPv4, the other IPv6");
            context.error_but(Code::FamilyMismatch, place, message, None, nobody());
            neighbor = None;
        }
        let ttl = self.ttl.unwrap_or(if neighbor.is_some_and(|to| to.is_ipv6()) { 64 } else { 255 });
        let both = self.vrrp == self.checker;
        let milliseconds = Duration::from_millis;
        Bfd {
            neighbor,
            source: self.source.map(|(address, _)| address).filter(|_| neighbor.is_some()),
            min_rx: self.min_rx.unwrap_or(milliseconds(10)),
            min_tx: self.min_tx.unwrap_or(milliseconds(10)),
            idle_tx: self.idle_tx.unwrap_or(milliseconds(1_000)),
            multiplier: self.multiplier.unwrap_or(5),
            passive: self.passive,
            ttl,
            max_hops: self.max_hops(context, ttl),
            multihop: self.multihop,
            weight: self.weight,
            vrrp: both || self.vrrp,
            checker: both || self.checker,
        }
    }

    fn max_hops(&self, context: &mut Context<'_>, ttl: u8) -> Option<u8> {
        let Some((hops, span)) = self.max_hops else { return Some(0) };
        if hops > i16::from(ttl) {
            let message = format!("`max_hops` is {hops}, and no packet gets further than {ttl}: it is {ttl}");
            context.warning(Code::ValueAdjusted, span, message);
            return Some(ttl);
        }
        u8::try_from(hops).ok()
    }
}

fn neighbor(context: &mut Context<'_>, entry: &Entry<'_>) -> Option<IpAddr> {
    let word = context.word(entry).filter(|word| word.text != NOBODY)?;
    let address = word.text.parse().ok();
    if address.is_none() {
        let found = short(&word.text);
        let message = format!("`{}` is `{found}`, which is no IP address", entry.keyword.name);
        context.error_but(Code::InvalidAddress, word.span, message, None, nobody());
    }
    address
}

/// A whole number of the keyword's range. Here keepalived ignores a line in which something follows the number.
fn whole<T: TryFrom<i64>>(context: &mut Context<'_>, entry: &Entry<'_>) -> Option<T> {
    let odd = |text: &str| text.parse::<i64>().is_err() && text.contains(|c: char| !c.is_ascii_digit());
    match entry.words().first() {
        Some(word) if odd(&word.text) => {
            let message = format!(
                "`{}` is `{}`; expected {}",
                entry.keyword.name,
                short(&word.text),
                entry.keyword.form
            );
            context.error(Code::InvalidNumber, word.span, message);
            None
        }
        _ => context.whole(entry),
    }
}

/// Milliseconds, with three decimals.
fn milliseconds(context: &mut Context<'_>, entry: &Entry<'_>, least: u64) -> Option<Duration> {
    let word = context.word(entry)?;
    let name = entry.keyword.name;
    let range = format!("{least} to {LONGEST} ms");
    // What is read as seconds with six decimals is a thousand times too much.
    let Some(nanos) = micros(&word.text) else {
        let message = format!("`{name}` is `{}`; expected {range}", short(&word.text));
        context.error(Code::InvalidNumber, word.span, message);
        return None;
    };
    if !(least * 1_000_000..=LONGEST * 1_000_000).contains(&nanos) {
        let message = format!("`{name}` is {} ms; allowed: {range}", short(&word.text));
        context.error(Code::OutOfRange, word.span, message);
        return None;
    }
    Some(Duration::from_micros(nanos / 1_000))
}
