//! Lines of `virtual_routes` and `static_routes`, in iproute2's words.

use std::collections::BTreeMap;
use std::net::IpAddr;

use super::context::{Context, Entry, short};
use super::line::{Groups, Line, host, id, network, number, track_group, unknown, whole};
use crate::config::complaint::{Code, Reaction};
use crate::config::source::Span;
use crate::config::syntax::{Statement, Word};
use crate::config::{Hop, Id, Insertion, Network, Route, RouteKind, Watch};

const LEFT_OUT: &str = "the route is left out";

/// The routes of a block, without those that are wrong. `groups`: names that `track_group` may
/// say, for what is static.
pub(super) fn lower(context: &mut Context<'_>, entry: &Entry<'_>, groups: Groups<'_>) -> Vec<Route> {
    context.at_most(entry, 0);
    let line = |statement| context.reacting(LEFT_OUT, |context| line(context, statement, groups));
    entry.statements().iter().filter_map(line).collect()
}

/// What an attribute that is only kept as words takes.
#[derive(Clone, Copy)]
enum Form {
    /// A number, perhaps behind `lock`.
    Number(u32, u32),
    /// A time, perhaps behind `lock`: milliseconds, or with a unit.
    Time,
    /// A number, or a name that the system knows.
    Id(u32),
    /// Any word, perhaps behind `lock`.
    Word,
    /// The name of an interface.
    Interface,
    OneOf(&'static [&'static str]),
    /// `ecn`.
    Features,
    /// `FROM/TO`, or one of the two.
    Realms,
}

const OTHERS: &[(&str, Form)] = &[
    ("tos", Form::Id(255)),
    ("protocol", Form::Id(255)),
    ("realms", Form::Realms),
    ("advmss", Form::Number(0, u32::MAX)),
    ("rtt", Form::Time),
    ("rttvar", Form::Time),
    ("rto_min", Form::Time),
    ("reordering", Form::Number(0, u32::MAX)),
    ("window", Form::Number(0, u32::MAX)),
    ("cwnd", Form::Number(0, u32::MAX)),
    ("ssthresh", Form::Number(0, u32::MAX)),
    ("initcwnd", Form::Number(0, u32::MAX)),
    ("initrwnd", Form::Number(0, u32::MAX)),
    ("hoplimit", Form::Number(0, 255)),
    ("quickack", Form::Number(0, 1)),
    ("congctl", Form::Word),
    ("features", Form::Features),
    ("fastopen_no_cookie", Form::Number(0, 1)),
    ("expires", Form::Number(0, u32::MAX)),
    ("pref", Form::OneOf(&["low", "medium", "high"])),
    ("ttl-propagate", Form::OneOf(&["enabled", "disabled"])),
    ("vrf", Form::Interface),
];

/// Words of a line, for suggestions.
const WORDS: &[&str] = &[
    "inet",
    "inet6",
    "src",
    "to",
    "via",
    "gw",
    "or",
    "dev",
    "oif",
    "table",
    "tos",
    "dsfield",
    "protocol",
    "scope",
    "metric",
    "priority",
    "preference",
    "nexthop",
    "encap",
    "mtu",
    "advmss",
    "rtt",
    "rttvar",
    "reordering",
    "window",
    "cwnd",
    "ssthresh",
    "realms",
    "rto_min",
    "initcwnd",
    "initrwnd",
    "hoplimit",
    "quickack",
    "congctl",
    "features",
    "fastopen_no_cookie",
    "expires",
    "pref",
    "ttl-propagate",
    "vrf",
    "append",
    "add",
    "prepend",
    "onlink",
    "no_track",
    "track_group",
];

/// Words behind `encap` and its kind, which take one more each.
const ENCAPSULATION: &[&str] =
    &["id", "dst", "src", "tos", "dsfield", "ttl", "hoplimit", "flags", "tc", "csum-mode", "ident-type"];

#[derive(Default)]
struct Draft {
    destination: Option<(Network, Span)>,
    /// The family, where a word says it.
    ipv6: Option<bool>,
    route: Parts,
}

/// What has been said so far.
#[derive(Default)]
struct Parts {
    kind: RouteKind,
    source: Option<IpAddr>,
    hop: Hop,
    hops: Vec<Hop>,
    table: Option<Id>,
    metric: Option<u32>,
    scope: Option<Id>,
    mtu: Option<(u32, bool)>,
    place: Option<Insertion>,
    others: BTreeMap<String, Vec<String>>,
    watch: Watch,
}

fn line(context: &mut Context<'_>, statement: &Statement, groups: Groups<'_>) -> Option<Route> {
    let mut line = Line::new(context, statement, "a route", Reaction::Stops);
    let mut draft = Draft::default();
    while let Some(word) = line.next() {
        draft.take(context, word, &mut line, groups);
    }
    // What is said of half a line helps nobody.
    if line.is_lost() {
        return None;
    }
    draft.finish(context, line.span())
}

impl Draft {
    fn take<'a>(
        &mut self,
        context: &mut Context<'_>,
        word: &'a Word,
        line: &mut Line<'a>,
        groups: Groups<'_>,
    ) {
        let parts = &mut self.route;
        match word.text.as_str() {
            "src" => {
                parts.source = line.value(context, word).and_then(|word| host(context, "`src`", word));
            }
            "to" => {
                let Some(kind) = line.value(context, word) else { return };
                self.take_destination(context, kind, line);
            }
            "via" | "gw" => {
                if word.text == "gw" {
                    old(context, word, "via");
                }
                parts.hop.gateway = gateway(context, word, line);
            }
            "or" => {
                old(context, word, "nexthop");
                let gateway = gateway(context, word, line);
                if parts.hops.is_empty() {
                    parts.hops.extend(parts.hop.gateway.take().map(|first| way(Some(first))));
                }
                parts.hops.push(way(gateway));
            }
            "dev" | "oif" => {
                let name = line.value(context, word);
                parts.hop.interface = name.and_then(|name| context.interface(name));
            }
            "table" => {
                let value = line.value(context, word);
                parts.table = value.and_then(|value| id(context, "`table`", value, u32::MAX));
                self.has_table(context, word);
            }
            "scope" => {
                parts.scope = line.value(context, word).and_then(|value| id(context, "`scope`", value, 255));
            }
            "metric" | "priority" | "preference" => {
                let value = line.value(context, word);
                parts.metric = value.and_then(|value| whole(context, "the metric", value, 0, u32::MAX));
            }
            "mtu" => {
                let locked = line.take("lock");
                let value = line.value(context, word);
                let mtu = value.and_then(|value| whole(context, "`mtu`", value, 0, u32::MAX));
                parts.mtu = mtu.map(|mtu| (mtu, locked));
            }
            "nexthop" => parts.hops.push(hop(context, line)),
            "encap" => parts.hop.encapsulation = encapsulation(context, word, line),
            "onlink" => parts.hop.on_link = true,
            "no_track" => parts.watch = Watch::Off,
            "track_group" if groups.is_some() => {
                parts.watch = track_group(context, word, line, groups);
            }
            "inet" => self.ipv6 = Some(false),
            "inet6" => self.ipv6 = Some(true),
            text => {
                if let Some((_, place)) = Insertion::ALL.iter().find(|(name, _)| *name == text) {
                    parts.place = Some(*place);
                } else if let Some((name, form)) = attribute(text) {
                    if let Some(words) = other(context, word, line, form) {
                        parts.others.insert(name.to_owned(), words);
                    }
                    if name == "vrf" {
                        self.has_table(context, word);
                    }
                } else {
                    self.take_destination(context, word, line);
                }
            }
        }
    }

    /// After `table` or `vrf`, which both say where the route stands: the later one counts.
    fn has_table(&mut self, context: &mut Context<'_>, word: &Word) {
        let Parts { table, others, .. } = &mut self.route;
        if table.is_none() || !others.contains_key("vrf") {
            return;
        }
        let message = "a route has either a `table` or a `vrf`, whose table it stands in".to_owned();
        context.error_mended(Code::RepeatedKeyword, word.span, message, "the later one counts");
        match word.text.as_str() {
            "vrf" => *table = None,
            _ => drop(others.remove("vrf")),
        }
    }

    /// Where to, behind `to` or by itself; before it may stand what kind of route it is.
    fn take_destination<'a>(&mut self, context: &mut Context<'_>, word: &'a Word, line: &mut Line<'a>) {
        let kind = RouteKind::ALL.iter().find(|(name, _)| *name == word.text);
        let place = match kind {
            Some((_, kind)) => {
                self.route.kind = *kind;
                let Some(next) = line.value(context, word) else { return };
                next
            }
            None => word,
        };
        let looks_like_one =
            |text: &str| text.starts_with(|c: char| c.is_ascii_digit()) || text.contains(':');
        let found = match place.text.as_str() {
            "default" | "default6" => {
                self.ipv6 = self.ipv6.or((place.text == "default6").then_some(true));
                let none =
                    if self.ipv6 == Some(true) { IpAddr::from([0_u16; 8]) } else { IpAddr::from([0_u8; 4]) };
                Some(Network { address: none, prefix: 0 })
            }
            text if kind.is_some() || self.destination.is_none() || looks_like_one(text) => {
                if WORDS.contains(&text) || !looks_like_one(text) && self.destination.is_some() {
                    unknown(context, "a route", place, WORDS, line);
                    return;
                }
                network(context, "the destination", place)
            }
            _ => {
                unknown(context, "a route", place, WORDS, line);
                return;
            }
        };
        if let (Some((first, _)), Some(second)) = (self.destination, found) {
            let message = format!("{second} is a second destination, after {first}");
            context.error(Code::RepeatedKeyword, place.span, message);
        }
        // A default route is of its gateway's family.
        self.destination = found.map(|network| (network, place.span)).or(self.destination);
    }

    fn finish(mut self, context: &mut Context<'_>, span: Span) -> Option<Route> {
        let Some((mut destination, place)) = self.destination else {
            let (message, effect) = ("this route has no destination", Reaction::goes_on(LEFT_OUT));
            context.error_but(Code::MissingValue, span, message, None, effect);
            return None;
        };
        let parts = &mut self.route;
        let hops = || parts.hops.iter().chain([&parts.hop]);
        let gateways = hops().filter_map(|hop| hop.gateway).chain(parts.source);
        let mut families: Vec<bool> = gateways.map(|address| address.is_ipv6()).chain(self.ipv6).collect();
        if destination.prefix == 0 && families.first() == Some(&true) {
            destination.address = IpAddr::from([0_u16; 8]);
        }
        families.push(destination.address.is_ipv6());
        if families.contains(&true) && families.contains(&false) {
            let message = "addresses of IPv4 and of IPv6 in one route".to_owned();
            context.error(Code::FamilyMismatch, place, message);
        }
        let Parts {
            kind,
            source,
            hop,
            hops,
            table,
            metric,
            scope,
            mtu,
            place: insertion,
            mut others,
            mut watch,
        } = self.route;
        if others.contains_key("expires") && destination.address.is_ipv4() {
            context.error_mended(
                Code::FamilyMismatch,
                span,
                "`expires` is for IPv6 routes only".to_owned(),
                "the word is ignored",
            );
            others.remove("expires");
        }
        let own =
            |words: &Vec<String>| words.first().is_some_and(|name| name == "keepalived" || name == "18");
        if watch != Watch::Off && others.get("protocol").is_some_and(|words| !own(words)) {
            let message = "a route of another `protocol` cannot be watched: its own is used".to_owned();
            let suggestion = "say `no_track`, or leave the protocol out";
            context.warning_with(Code::ValueAdjusted, span, message, suggestion);
            others.remove("protocol");
        }
        if watch != Watch::Off && hop.interface.is_none() {
            let message = "a route without `dev` is not watched: nobody notices when it is lost".to_owned();
            let suggestion = "add `dev` with its interface, or `no_track` if that is meant";
            context.warning_with(Code::ValueAdjusted, span, message, suggestion);
            watch = Watch::Off;
        }
        Some(Route {
            kind,
            destination,
            source,
            hop,
            hops,
            table,
            metric,
            scope,
            mtu,
            place: insertion,
            others,
            watch,
        })
    }
}

/// The attribute of that name, under its current name.
fn attribute(text: &str) -> Option<(&'static str, Form)> {
    let text = if text == "dsfield" { "tos" } else { text };
    OTHERS.iter().find(|(name, _)| *name == text).copied()
}

fn way(gateway: Option<IpAddr>) -> Hop {
    Hop { gateway, ..Hop::default() }
}

fn old(context: &mut Context<'_>, word: &Word, new: &str) {
    let message = format!("`{}` is an older word for `{new}`; it means the same", word.text);
    context.warning_with(Code::ValueAdjusted, word.span, message, format!("write `{new}`"));
}

/// The address behind `via`, before which the family may stand.
fn gateway<'a>(context: &mut Context<'_>, word: &'a Word, line: &mut Line<'a>) -> Option<IpAddr> {
    let family = line.take("inet") || line.take("inet6");
    let value = line.value(context, word)?;
    let _ = family;
    host(context, "the gateway", value)
}

/// One of several ways: everything up to the next `nexthop` or a word that is not its own.
fn hop(context: &mut Context<'_>, line: &mut Line<'_>) -> Hop {
    let mut hop = Hop::default();
    while let Some(word) = line.peek() {
        let own = ["via", "gw", "dev", "oif", "weight", "onlink", "encap", "realms"];
        if !own.contains(&word.text.as_str()) {
            break;
        }
        line.next();
        match word.text.as_str() {
            "via" | "gw" => hop.gateway = gateway(context, word, line),
            "dev" | "oif" => {
                hop.interface = line.value(context, word).and_then(|name| context.interface(name));
            }
            "weight" => {
                let value = line.value(context, word);
                let weight = value.and_then(|value| {
                    context.reacting("the weight is ignored", |context| {
                        whole(context, "`weight`", value, 1, 256)
                    })
                });
                hop.weight = weight.and_then(|weight| u16::try_from(weight).ok());
            }
            "encap" => hop.encapsulation = encapsulation(context, word, line),
            "realms" => {
                hop.realms =
                    other(context, word, line, Form::Realms).and_then(|words| words.into_iter().next())
            }
            _ => hop.on_link = true,
        }
    }
    hop
}

/// `encap KIND …`: the words as they stand.
fn encapsulation(context: &mut Context<'_>, word: &Word, line: &mut Line<'_>) -> Vec<String> {
    const KINDS: [&str; 4] = ["mpls", "ip", "ip6", "ila"];
    let Some(kind) = line.value(context, word) else { return Vec::new() };
    if !KINDS.contains(&kind.text.as_str()) {
        context.invalid_choice("`encap`", kind, &KINDS);
        return Vec::new();
    }
    let mut words = vec![kind.text.clone()];
    if matches!(kind.text.as_str(), "mpls" | "ila") {
        words.extend(line.value(context, kind).map(|value| value.text.clone()));
        return words;
    }
    while let Some(option) = line.peek().filter(|word| ENCAPSULATION.contains(&word.text.as_str())) {
        line.next();
        let value = line.value(context, option);
        words.push(option.text.clone());
        words.extend(value.map(|value| value.text.clone()));
    }
    words
}

/// An attribute that is kept as words, if its words are right.
fn other(context: &mut Context<'_>, word: &Word, line: &mut Line<'_>, form: Form) -> Option<Vec<String>> {
    let what = format!("`{}`", word.text);
    let lockable = matches!(form, Form::Number(..) | Form::Time | Form::Word);
    let locked = (lockable && line.take("lock")).then(|| "lock".to_owned());
    let value = line.value(context, word)?;
    let good = match form {
        Form::Number(min, max) => whole(context, &what, value, min, max).map(|number| number.to_string()),
        Form::Id(max) => id(context, &what, value, max).map(|id| id.to_string()),
        Form::Word => Some(value.text.clone()),
        Form::Time => time(context, &what, value),
        Form::Interface => {
            let name = context.interface(value)?;
            Some(name)
        }
        Form::OneOf(allowed) => {
            let known = allowed.contains(&value.text.as_str());
            if !known {
                context.invalid_choice(&what, value, allowed);
            }
            known.then(|| value.text.clone())
        }
        Form::Features if value.text == "ecn" => Some(value.text.clone()),
        Form::Features => {
            let message = format!("{what} is `{}`; allowed: ecn", short(&value.text));
            context.error_mended(Code::InvalidChoice, value.span, message, "the words are ignored");
            return None;
        }
        Form::Realms => realms(context, &what, value),
    };
    Some(locked.into_iter().chain(good).collect())
}

/// Milliseconds, or a number with `s` or `ms` behind it; up to 16 minutes. The kernel knows whole milliseconds.
fn time(context: &mut Context<'_>, what: &str, word: &Word) -> Option<String> {
    const LONGEST: f64 = 960_000.0;
    let text = word.text.as_str();
    // As with iproute2 a bare number is the kernel's own: eighths and quarters of a millisecond.
    if let Ok(raw) = text.parse::<u32>() {
        return Some(raw.to_string());
    }
    let (digits, factor) = match (text.strip_suffix("ms"), text.strip_suffix('s')) {
        (None, Some(digits)) => (digits, 1000.0),
        (Some(digits), _) => (digits, 1.0),
        (None, None) => (text, 1.0),
    };
    let plain = digits.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    let milliseconds = digits.parse::<f64>().ok().map(|value| value * factor);
    let Some(milliseconds) = milliseconds.filter(|value| plain && *value <= LONGEST) else {
        let message = format!(
            "{what} is `{}`; allowed: milliseconds, or a number with `s` or `ms`, up to 960 s",
            short(text)
        );
        context.error(Code::InvalidNumber, word.span, message);
        return None;
    };
    let whole = (milliseconds + 1e-6).floor();
    if (milliseconds - whole).abs() > 1e-6 {
        let message = format!("{what} is counted in whole milliseconds: `{}` becomes {whole}ms", short(text));
        context.warning(Code::ValueAdjusted, word.span, message);
    }
    Some(format!("{whole}ms"))
}

/// One or two realms, each a number or a name.
pub(super) fn realms(context: &mut Context<'_>, what: &str, word: &Word) -> Option<String> {
    let fits = |part: &str| {
        let named = part.starts_with(|c: char| c.is_ascii_alphabetic())
            && part.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.'));
        named || number(part).is_some_and(|number| number <= 255)
    };
    let parts: Vec<&str> = word.text.split('/').collect();
    if parts.len() > 2 || !parts.iter().copied().all(fits) {
        let message = format!("{what} is `{}`; allowed: REALM or FROM/TO, up to 255", short(&word.text));
        context.error(Code::InvalidText, word.span, message);
        return None;
    }
    Some(word.text.clone())
}
