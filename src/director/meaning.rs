//! What a line of addresses, routes or rules means to the kernel.
//!
//! Names of tables, scopes and the like have become numbers by now, but for the few that mean the same everywhere.
//! What cannot be done yet is an error, in words: that line is left out and told, the others go on.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};

use vrrp::address_settings::{AUTO_JOIN, HOME, MANAGE_TEMPORARY, NO_DETECTION, NO_PREFIX_ROUTE};
use vrrp::route::{
    Encapsulation, KEEPALIVED_PROTOCOL, METRIC_V6, Metric, Place, Way, WaySettings, usual_table,
    without_host_bits,
};
use vrrp::rule::Action;
use vrrp::{AddressSettings, Links, RouteKey, RouteSettings, RuleKey, RuleSettings};

use crate::config::{
    Broadcast, Hop, Id, Insertion, Lifetime, Network, Route, RouteKind, Rule, RuleAction, VirtualAddress,
    Watch,
};

/// Metrics by the number that the kernel knows them by (`RTAX_…` of `<linux/rtnetlink.h>`).
const METRICS: [(&str, u16); 16] = [
    ("mtu", 2),
    ("window", 3),
    ("rtt", 4),
    ("rttvar", 5),
    ("ssthresh", 6),
    ("cwnd", 7),
    ("advmss", 8),
    ("reordering", 9),
    ("hoplimit", 10),
    ("initcwnd", 11),
    ("features", 12),
    ("rto_min", 13),
    ("initrwnd", 14),
    ("quickack", 15),
    ("congctl", 16),
    ("fastopen_no_cookie", 17),
];
const MTU: u16 = 2;
/// `RT_SCOPE_LINK`.
const SCOPE_LINK: u8 = 253;
/// `RTAX_FEATURE_ECN`.
const ECN: u32 = 1;

/// How an address is put on its interface.
pub(super) fn address(line: &VirtualAddress) -> AddressSettings {
    let mut settings = AddressSettings::with_prefix(line.address, line.prefix);
    settings.label.clone_from(&line.label);
    let Some(options) = &line.options else { return settings };
    let details = &mut settings.details;
    details.peer = options.peer;
    details.untracked = options.watch == Watch::Off;
    details.preferred = match options.preferred {
        None => details.preferred,
        Some(Lifetime::Forever) => None,
        // The kernel chooses a source among IPv4 addresses without looking at this, and keepalived leaves it out.
        Some(Lifetime::Seconds(0)) if line.address.is_ipv4() => None,
        Some(Lifetime::Seconds(seconds)) => Some(seconds),
    };
    if let IpAddr::V4(address) = line.address {
        details.broadcast = options.broadcast.and_then(|word| broadcast(word, address, line.prefix));
        let scope = options.scope.as_ref().and_then(|scope| number(scope, SCOPES).ok());
        details.scope = scope.and_then(|scope| u8::try_from(scope).ok()).unwrap_or(0);
    }
    let flags = [
        (options.home, HOME),
        (options.manage_temporary, MANAGE_TEMPORARY),
        (options.no_prefix_route, NO_PREFIX_ROUTE),
        (options.auto_join, AUTO_JOIN),
    ];
    for (_, flag) in flags.into_iter().filter(|(on, _)| *on) {
        details.flags |= flag;
    }
    if options.detect_duplicates {
        details.flags &= !NO_DETECTION;
    }
    settings
}

/// A network of two addresses has none for everybody.
fn broadcast(word: Broadcast, address: Ipv4Addr, prefix: u8) -> Option<Ipv4Addr> {
    let hosts = u32::MAX.checked_shr(prefix.into()).unwrap_or(0);
    match word {
        Broadcast::Address(address) => Some(address),
        _ if prefix > 30 => None,
        Broadcast::Ones => Some((u32::from(address) | hosts).into()),
        Broadcast::Zeros => Some((u32::from(address) & !hosts).into()),
    }
}

/// A route as the kernel knows it. `protocol`: our mark, unless the line names another. `links`: where the routing domain
/// is that it names.
pub(super) fn route(line: &Route, protocol: u8, links: &Links) -> Result<(RouteKey, RouteSettings), String> {
    let Network { address, prefix } = line.destination;
    let ipv6 = address.is_ipv6();
    let other = |name: &str| line.others.get(name);
    let kind = kind(line.kind);
    let drops = matches!(
        line.kind,
        RouteKind::Blackhole | RouteKind::Unreachable | RouteKind::Prohibit | RouteKind::Throw
    );
    let table = match (&line.table, other("vrf")) {
        (_, Some(words)) => domain(last(words)?, links)?,
        (Some(table), None) => number(table, TABLES)?,
        (None, None) => usual_table(kind),
    };
    let hops: Vec<&Hop> = match line.hops.as_slice() {
        _ if drops => Vec::new(),
        [] => vec![&line.hop],
        several => several.iter().collect(),
    };
    let ways = hops.iter().map(|hop| Way { gateway: hop.gateway, interface: hop.interface.clone() });
    let key = RouteKey {
        destination: without_host_bits(address, prefix),
        prefix,
        table,
        metric: line.metric.filter(|metric| *metric != 0).unwrap_or(if ipv6 { METRIC_V6 } else { 0 }),
        tos: other("tos").map(|words| byte(words)).transpose()?.unwrap_or(0),
        kind,
        protocol: other("protocol").map(|words| byte(words)).transpose()?.unwrap_or(protocol),
        ways: ways.collect(),
    };
    let (metrics, locked) = metrics(line, protocol)?;
    let settings = RouteSettings {
        scope: scope(line, protocol)?,
        source: line.source,
        place: match line.place {
            Some(Insertion::Prepend) => Place::Prepend,
            None if !drops => Place::Prepend,
            Some(Insertion::Append) => Place::Append,
            Some(Insertion::Add) | None => Place::Alone,
        },
        ways: hops.iter().map(|hop| way(hop)).collect::<Result<_, _>>()?,
        metrics,
        locked,
        realms: other("realms").map(|words| realms(last(words)?)).transpose()?,
        expires: other("expires").map(|words| plain(words)).transpose()?,
        preference: match other("pref").map(|words| last(words)).transpose()? {
            Some("high") => Some(1),
            Some("low") => Some(3),
            Some(_) => Some(0),
            None => None,
        },
        ttl_propagate: other("ttl-propagate")
            .map(|words| last(words))
            .transpose()?
            .map(|word| word == "enabled"),
        untracked: line.watch == Watch::Off,
    };
    Ok((key, settings))
}

/// The table of a routing domain.
fn domain(name: &str, links: &Links) -> Result<u32, String> {
    let link = links
        .get(name)
        .ok_or_else(|| format!("there is no routing domain `{name}`; it is made when there is"))?;
    link.table.ok_or_else(|| format!("`{name}` is an interface, but no routing domain (VRF)"))
}

/// How far a route reaches. What leads to no gateway leads to the link, as with iproute2, so that it can lead to the
/// gateway of another; to keepalived it leads anywhere unless told otherwise, and so it does where that is wanted.
fn scope(line: &Route, mark: u8) -> Result<Option<u8>, String> {
    if let Some(scope) = &line.scope {
        return Ok(u8::try_from(number(scope, SCOPES)?).ok());
    }
    let direct = line.hops.iter().chain([&line.hop]).all(|hop| hop.gateway.is_none());
    let to_link = direct && line.kind == RouteKind::Unicast && line.destination.address.is_ipv4();
    Ok((to_link && mark != KEEPALIVED_PROTOCOL).then_some(SCOPE_LINK))
}

/// `RTN_…`.
fn kind(kind: RouteKind) -> u8 {
    match kind {
        RouteKind::Unicast => 1,
        RouteKind::Local => 2,
        RouteKind::Broadcast => 3,
        RouteKind::Anycast => 4,
        RouteKind::Multicast => 5,
        RouteKind::Blackhole => 6,
        RouteKind::Unreachable => 7,
        RouteKind::Prohibit => 8,
        RouteKind::Throw => 9,
        RouteKind::Nat => 10,
    }
}

/// The metrics, and the bits of those that are locked.
fn metrics(line: &Route, mark: u8) -> Result<(BTreeMap<u16, Metric>, u32), String> {
    let (mut metrics, mut locked) = (BTreeMap::new(), 0);
    if let Some((mtu, lock)) = line.mtu {
        metrics.insert(MTU, Metric::Number(mtu));
        locked |= u32::from(lock) << MTU;
    }
    for (name, number) in METRICS {
        let Some(words) = line.others.get(name) else { continue };
        if words.first().is_some_and(|word| word == "lock") {
            locked |= 1 << number;
        }
        let value = match name {
            "congctl" => Metric::Name(last(words)?.to_owned()),
            "features" => Metric::Number(ECN),
            // The kernel counts in eighths and quarters of a millisecond.
            "rtt" => Metric::Number(time(words, 8, mark)?),
            "rttvar" => Metric::Number(time(words, 4, mark)?),
            "rto_min" => Metric::Number(time(words, 1, mark)?),
            _ => Metric::Number(plain(words)?),
        };
        metrics.insert(number, value);
    }
    Ok((metrics, locked))
}

/// Four groups of up to four hexadecimal digits.
fn locator(text: &str) -> Option<[u8; 8]> {
    let group = |group: &str| {
        let digits = (1..=4).contains(&group.len()) && group.bytes().all(|byte| byte.is_ascii_hexdigit());
        u16::from_str_radix(group, 16).ok().filter(|_| digits).map(u16::to_be_bytes)
    };
    let groups: Vec<[u8; 2]> = text.split(':').map(group).collect::<Option<_>>()?;
    groups.concat().try_into().ok()
}

fn way(hop: &Hop) -> Result<WaySettings, String> {
    Ok(WaySettings {
        weight: hop.weight,
        on_link: hop.on_link,
        realms: hop.realms.as_deref().map(realms).transpose()?,
        encapsulation: encapsulation(&hop.encapsulation)?,
    })
}

/// The words behind `encap`.
fn encapsulation(words: &[String]) -> Result<Option<Encapsulation>, String> {
    let Some((kind, rest)) = words.split_first() else { return Ok(None) };
    let wrong = |word: &str| format!("`encap {kind}` cannot be understood at `{word}`");
    match kind.as_str() {
        "mpls" => {
            let label = |text: &str| text.parse().ok().filter(|label: &u32| *label < 1 << 20);
            let labels = rest.first().map(String::as_str).unwrap_or_default();
            let found: Option<Vec<u32>> = labels.split('/').map(label).collect();
            Ok(Some(Encapsulation::Mpls(found.ok_or_else(|| wrong(labels))?)))
        }
        "ip" | "ip6" => {
            let (mut id, mut destination, mut source) = (None, None, None);
            let (mut tos, mut ttl, mut flags) = (None, None, None);
            for pair in rest.chunks(2) {
                let [word, value] = pair else { return Err(wrong(pair.first().map_or("", String::as_str))) };
                let number = || parse_number(value).ok_or_else(|| wrong(value));
                match word.as_str() {
                    "id" => id = Some(number()?),
                    "dst" => destination = Some(value.parse().map_err(|_| wrong(value))?),
                    "src" => source = Some(value.parse().map_err(|_| wrong(value))?),
                    "tos" | "dsfield" | "tc" => tos = Some(number()? as u8),
                    "ttl" | "hoplimit" => ttl = Some(number()? as u8),
                    "flags" => flags = Some(number()? as u16),
                    _ => return Err(wrong(word)),
                }
            }
            Ok(Some(Encapsulation::Tunnel { ipv6: kind == "ip6", id, destination, source, tos, ttl, flags }))
        }
        "ila" => {
            let text = rest.first().map(String::as_str).unwrap_or_default();
            Ok(Some(Encapsulation::Ila(locator(text).ok_or_else(|| wrong(text))?)))
        }
        _ => Err(format!("`encap {kind}` is unknown; use `encap mpls`, `ip`, `ip6` or `ila`")),
    }
}

/// A rule as the kernel knows it.
pub(super) fn rule(line: &Rule, protocol: u8) -> Result<(RuleKey, RuleSettings), String> {
    let Some(preference) = line.preference else { return Err("this rule has no preference".into()) };
    let other = |name: &str| line.others.get(name);
    let network = |network: Option<Network>| {
        network.map(|Network { address, prefix }| (without_host_bits(address, prefix), prefix))
    };
    let range = |name: &str| -> Result<Option<(u32, u32)>, String> {
        let Some(words) = other(name) else { return Ok(None) };
        let text = last(words)?;
        let (from, to) = text.split_once('-').unwrap_or((text, text));
        let wrong = || format!("`{name}` cannot be understood at `{text}`");
        let number = |text| parse_number(text).and_then(|n| u32::try_from(n).ok()).ok_or_else(wrong);
        Ok(Some((number(from)?, number(to)?)))
    };
    let ports = |name: &str| -> Result<Option<(u16, u16)>, String> {
        Ok(range(name)?.map(|(from, to)| (from as u16, to as u16)))
    };
    let key = RuleKey {
        preference,
        ipv6: line.ipv6,
        inverted: line.inverted,
        from: network(line.from),
        to: network(line.to),
        input: line.input.clone(),
        output: line.output.clone(),
        mark: line.mark,
        tos: other("tos").map(|words| byte(words)).transpose()?.unwrap_or(0),
        action: match &line.action {
            RuleAction::Table(table) => Action::Table(number(table, TABLES)?),
            RuleAction::Domain => Action::Domain,
            RuleAction::Goto(target) => Action::Goto(*target),
            RuleAction::Nop => Action::Nop,
            RuleAction::Blackhole => Action::Blackhole,
            RuleAction::Unreachable => Action::Unreachable,
            RuleAction::Prohibit => Action::Prohibit,
        },
        realms: other("realms").map(|words| realms(last(words)?)).transpose()?,
        suppress_prefix: other("suppress_prefixlength").map(|words| plain(words)).transpose()?,
        suppress_group: other("suppress_ifgroup").map(|words| plain(words)).transpose()?,
        users: range("uidrange")?,
        tunnel: match other("tunnel-id") {
            Some(words) => {
                let text = last(words)?;
                Some(parse_number(text).ok_or_else(|| format!("`{text}` is no tunnel number"))?)
            }
            None => None,
        },
        ip_protocol: other("ipproto").map(|words| ip_protocol(last(words)?)).transpose()?,
        source_ports: ports("sport")?,
        destination_ports: ports("dport")?,
        protocol: other("protocol").map(|words| byte(words)).transpose()?.unwrap_or(protocol),
    };
    Ok((key, RuleSettings { untracked: line.watch == Watch::Off }))
}

/// Tables and scopes that are called so everywhere.
const TABLES: &[(&str, u32)] = &[("main", 254), ("local", 255), ("default", 253), ("unspec", 0)];
const SCOPES: &[(&str, u32)] =
    &[("global", 0), ("universe", 0), ("site", 200), ("link", 253), ("host", 254), ("nowhere", 255)];

fn number(id: &Id, known: &[(&str, u32)]) -> Result<u32, String> {
    match id {
        Id::Number(number) => Ok(*number),
        Id::Name(name) => {
            let found = known.iter().find(|(known, _)| known == name).map(|(_, number)| *number);
            found.ok_or_else(|| format!("`{name}` is a name that this system does not know"))
        }
    }
}

fn last(words: &[String]) -> Result<&str, String> {
    words.last().map(String::as_str).ok_or_else(|| "a value is missing".to_owned())
}

fn parse_number(text: &str) -> Option<u64> {
    match text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")) {
        Some(digits) => u64::from_str_radix(digits, 16).ok(),
        None => text.parse().ok(),
    }
}

fn plain(words: &[String]) -> Result<u32, String> {
    let text = last(words)?;
    let found = parse_number(text).and_then(|number| u32::try_from(number).ok());
    found.ok_or_else(|| format!("`{text}` is a name that this system does not know"))
}

fn byte(words: &[String]) -> Result<u8, String> {
    u8::try_from(plain(words)?).map_err(|_| format!("{} is more than 255", words.join(" ")))
}

fn time(words: &[String], per_millisecond: u32, mark: u8) -> Result<u32, String> {
    /// Milliseconds below which keepalived does not go.
    const LEAST: u32 = 200;
    let text = last(words)?;
    let wrong = |_| format!("`{text}` is no time");
    let found = match text.strip_suffix("ms") {
        Some(milliseconds) => milliseconds.parse::<u32>().map_err(wrong)?.saturating_mul(per_millisecond),
        None => text.parse().map_err(wrong)?,
    };
    let least = if mark == KEEPALIVED_PROTOCOL { LEAST * per_millisecond } else { 0 };
    Ok(found.max(least))
}

/// `FROM/TO`, or the destination's alone.
fn realms(text: &str) -> Result<u32, String> {
    let wrong = || format!("realm `{text}` is a name that this system does not know");
    let number = |text: &str| parse_number(text).and_then(|n| u16::try_from(n).ok()).ok_or_else(wrong);
    match text.split_once('/') {
        Some((from, to)) => Ok(u32::from(number(from)?) << 16 | u32::from(number(to)?)),
        None => Ok(number(text)?.into()),
    }
}

/// IANA's numbers of the protocols that may be named.
fn ip_protocol(text: &str) -> Result<u8, String> {
    const NAMES: [(&str, u8); 11] = [
        ("icmp", 1),
        ("tcp", 6),
        ("udp", 17),
        ("dccp", 33),
        ("gre", 47),
        ("esp", 50),
        ("ah", 51),
        ("ipv6-icmp", 58),
        ("vrrp", 112),
        ("sctp", 132),
        ("udplite", 136),
    ];
    let named = NAMES.iter().find(|(name, _)| *name == text).map(|(_, number)| *number);
    named.or_else(|| text.parse().ok()).ok_or_else(|| format!("`{text}` is no protocol"))
}
