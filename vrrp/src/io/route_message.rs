//! Routes in the kernel's own form: `struct rtmsg` and attributes, as in `rtnetlink(7)` and `<linux/rtnetlink.h>`.

use std::net::IpAddr;

use netlink_packet_route::route::{RouteAttribute, RouteFlags, RouteMessage};

use super::marked::Names;
use super::netlink::{attributes, ip_address};
use super::wire::{Attributes, INET6, NESTED, family, octets, read_number};
use crate::route::{Encapsulation, Metric, RouteKey, RouteSettings, Way, WaySettings};

const RTA_DST: u16 = 1;
const RTA_OIF: u16 = 4;
const RTA_GATEWAY: u16 = 5;
const RTA_PRIORITY: u16 = 6;
const RTA_PREFSRC: u16 = 7;
const RTA_METRICS: u16 = 8;
const RTA_MULTIPATH: u16 = 9;
const RTA_FLOW: u16 = 11;
const RTA_TABLE: u16 = 15;
const RTA_VIA: u16 = 18;
const RTA_PREF: u16 = 20;
const RTA_ENCAP_TYPE: u16 = 21;
const RTA_ENCAP: u16 = 22;
const RTA_EXPIRES: u16 = 23;
const RTA_TTL_PROPAGATE: u16 = 26;
const RTAX_LOCK: u16 = 1;
/// `RTNH_F_ONLINK`.
const ON_LINK: u32 = 4;

const SCOPE_UNIVERSE: u8 = 0;
const SCOPE_LINK: u8 = 253;
const SCOPE_HOST: u8 = 254;
/// To the kernel, in a removal: whatever the scope is.
const SCOPE_NOWHERE: u8 = 255;

// Kinds: `RTN_…`.
const LOCAL: u8 = 2;
const BROADCAST: u8 = 3;
const MULTICAST: u8 = 5;
const NAT: u8 = 10;

/// Length of `struct rtmsg`, bytes.
const HEADER: usize = 12;

/// A route as a message. Without settings, only what names it: that is enough to take it away.
pub(super) fn message(key: &RouteKey, settings: Option<&RouteSettings>) -> Result<RouteMessage, String> {
    let mut message = RouteMessage::default();
    let header = &mut message.header;
    header.address_family = family(key.destination.is_ipv6()).into();
    header.destination_prefix_length = key.prefix;
    header.tos = key.tos;
    header.table = u8::try_from(key.table).unwrap_or(0);
    header.protocol = key.protocol.into();
    header.kind = key.kind.into();
    header.scope = settings.map_or(SCOPE_NOWHERE, |settings| scope(key, settings)).into();
    let mut attributes = Attributes::default();
    if key.prefix > 0 {
        attributes.address(RTA_DST, key.destination);
    }
    attributes.number(RTA_TABLE, key.table);
    if key.metric != 0 {
        attributes.number(RTA_PRIORITY, key.metric);
    }
    if let Some(settings) = settings {
        say(settings, &mut attributes);
    }
    let nothing = WaySettings::default();
    let said = |place: usize| settings.and_then(|settings| settings.ways.get(place)).unwrap_or(&nothing);
    match key.ways.as_slice() {
        [] => {}
        [way] => {
            if let Some(name) = &way.interface {
                attributes.number(RTA_OIF, index(name)?);
            }
            say_way(key, way, said(0), &mut attributes);
            if said(0).on_link {
                message.header.flags = RouteFlags::from_bits_retain(ON_LINK);
            }
        }
        ways => {
            let mut hops = Vec::new();
            for (place, way) in ways.iter().enumerate() {
                hops.extend(hop(key, way, said(place))?);
            }
            attributes.bytes(RTA_MULTIPATH, hops);
        }
    }
    message.attributes.extend(attributes.into_nlas().map(RouteAttribute::Other));
    Ok(message)
}

/// As far as a route of its kind reaches, unless something else is said.
fn scope(key: &RouteKey, settings: &RouteSettings) -> u8 {
    match (settings.scope, key.kind) {
        (Some(scope), _) => scope,
        (None, LOCAL | NAT) => SCOPE_HOST,
        (None, BROADCAST..=MULTICAST) => SCOPE_LINK,
        (None, _) => SCOPE_UNIVERSE,
    }
}

fn say(settings: &RouteSettings, attributes: &mut Attributes) {
    if let Some(source) = settings.source {
        attributes.address(RTA_PREFSRC, source);
    }
    if let Some(realms) = settings.realms {
        attributes.number(RTA_FLOW, realms);
    }
    if let Some(seconds) = settings.expires {
        attributes.number(RTA_EXPIRES, seconds);
    }
    if let Some(preference) = settings.preference {
        attributes.byte(RTA_PREF, preference);
    }
    if let Some(on) = settings.ttl_propagate {
        attributes.byte(RTA_TTL_PROPAGATE, u8::from(on));
    }
    if settings.metrics.is_empty() {
        return;
    }
    let mut metrics = Attributes::default();
    if settings.locked != 0 {
        metrics.number(RTAX_LOCK, settings.locked);
    }
    for (number, value) in &settings.metrics {
        match value {
            Metric::Number(value) => metrics.number(*number, *value),
            Metric::Name(name) => metrics.text(*number, name),
        }
    }
    attributes.nested(RTA_METRICS, metrics);
}

/// Gateway and encapsulation; where they lead out stands elsewhere.
fn say_way(key: &RouteKey, way: &Way, settings: &WaySettings, attributes: &mut Attributes) {
    match way.gateway {
        Some(gateway) if gateway.is_ipv6() == key.destination.is_ipv6() => {
            attributes.address(RTA_GATEWAY, gateway);
        }
        // `struct rtvia`.
        Some(gateway) => {
            let family = u16::from(family(gateway.is_ipv6())).to_ne_bytes();
            attributes.bytes(RTA_VIA, [family.as_slice(), &octets(gateway)].concat());
        }
        None => {}
    }
    if let Some(encapsulation) = &settings.encapsulation {
        let (kind, inner) = wrapped(encapsulation);
        attributes.nested(RTA_ENCAP | NESTED, inner);
        attributes.short(RTA_ENCAP_TYPE, kind);
    }
}

/// One of several ways: `struct rtnexthop` and attributes.
fn hop(key: &RouteKey, way: &Way, settings: &WaySettings) -> Result<Vec<u8>, String> {
    let mut attributes = Attributes::default();
    say_way(key, way, settings, &mut attributes);
    if let Some(realms) = settings.realms {
        attributes.number(RTA_FLOW, realms);
    }
    let attributes = attributes.emit();
    let index = way.interface.as_deref().map_or(Ok(0), index)?;
    let weight = settings.weight.unwrap_or(1).saturating_sub(1);
    let mut bytes = Vec::new();
    bytes.extend(u16::try_from(attributes.len() + 8).unwrap_or(u16::MAX).to_ne_bytes());
    bytes.push(if settings.on_link { ON_LINK as u8 } else { 0 });
    bytes.push(u8::try_from(weight).unwrap_or(u8::MAX));
    bytes.extend(index.to_ne_bytes());
    bytes.extend(attributes);
    Ok(bytes)
}

/// The number of the encapsulation and its attributes (`<linux/lwtunnel.h>`, `<linux/mpls_iptunnel.h>`).
fn wrapped(encapsulation: &Encapsulation) -> (u16, Attributes) {
    const MPLS: u16 = 1;
    const IP: u16 = 2;
    const ILA: u16 = 3;
    const IP6: u16 = 4;
    let mut inner = Attributes::default();
    match encapsulation {
        Encapsulation::Mpls(labels) => {
            let mut stack = Vec::new();
            for (place, label) in labels.iter().enumerate() {
                let bottom = u32::from(place + 1 == labels.len());
                stack.extend(((label << 12) | (bottom << 8)).to_be_bytes());
            }
            inner.bytes(1, stack);
            (MPLS, inner)
        }
        Encapsulation::Ila(locator) => {
            inner.bytes(1, *locator);
            (ILA, inner)
        }
        Encapsulation::Tunnel { ipv6, id, destination, source, tos, ttl, flags } => {
            if let Some(id) = id {
                inner.bytes(1, id.to_be_bytes());
            }
            if let Some(destination) = destination {
                inner.address(2, *destination);
            }
            if let Some(source) = source {
                inner.address(3, *source);
            }
            if let Some(ttl) = ttl {
                inner.byte(4, *ttl);
            }
            if let Some(tos) = tos {
                inner.byte(5, *tos);
            }
            if let Some(flags) = flags {
                inner.bytes(6, flags.to_be_bytes());
            }
            (if *ipv6 { IP6 } else { IP }, inner)
        }
    }
}

fn index(name: &str) -> Result<u32, String> {
    nix::net::if_::if_nametoindex(name).map_err(|_| format!("there is no interface `{name}`"))
}

/// One route, as dumped; interfaces by their index.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct RouteRow {
    key: RouteKey,
    /// The index of each way's interface, 0 without one.
    indexes: Vec<u32>,
}

impl RouteRow {
    pub(super) fn with_names(mut self, names: &mut Names) -> RouteKey {
        for (way, index) in self.key.ways.iter_mut().zip(self.indexes) {
            way.interface = names.of(index);
        }
        self.key
    }
}

/// Reads what identifies a route.
pub(super) fn held_route(payload: &[u8]) -> Option<RouteRow> {
    let &[family, prefix, _, tos, table, protocol, _, kind, ..] = payload.get(..HEADER)? else { return None };
    let nowhere = if family == INET6 { IpAddr::from([0_u16; 8]) } else { IpAddr::from([0_u8; 4]) };
    let mut key = RouteKey {
        destination: nowhere,
        prefix,
        table: table.into(),
        metric: 0,
        tos,
        kind,
        protocol,
        ways: Vec::new(),
    };
    let (mut way, mut index, mut indexes) = (Way::default(), 0, Vec::new());
    for attribute in attributes(payload.get(HEADER..)?) {
        let value = attribute.value();
        match attribute.kind() {
            RTA_DST => key.destination = ip_address(value)?,
            RTA_TABLE => key.table = read_number(value)?,
            RTA_PRIORITY => key.metric = read_number(value)?,
            RTA_GATEWAY => way.gateway = ip_address(value),
            RTA_VIA => way.gateway = value.get(2..).and_then(ip_address),
            RTA_OIF => index = read_number(value)?,
            RTA_MULTIPATH => (key.ways, indexes) = held_ways(value).into_iter().unzip(),
            _ => {}
        }
    }
    // A route that drops packets has `lo` for IPv6 and nothing for IPv4.
    if key.ways.is_empty() && !key.drops() {
        key.ways.push(way);
        indexes.push(index);
    }
    Some(RouteRow { key, indexes })
}

/// The ways of a `RTA_MULTIPATH`, each with the index of its interface; what is malformed ends the list.
fn held_ways(mut bytes: &[u8]) -> Vec<(Way, u32)> {
    let mut ways = Vec::new();
    while let Some((head, _)) = bytes.split_first_chunk::<8>() {
        let length = usize::from(u16::from_ne_bytes([head[0], head[1]]));
        let index = u32::from_ne_bytes([head[4], head[5], head[6], head[7]]);
        let Some(inner) = bytes.get(8..length) else { break };
        let mut way = Way::default();
        for attribute in attributes(inner) {
            match attribute.kind() {
                RTA_GATEWAY => way.gateway = ip_address(attribute.value()),
                RTA_VIA => way.gateway = attribute.value().get(2..).and_then(ip_address),
                _ => {}
            }
        }
        ways.push((way, index));
        bytes = bytes.get(length.next_multiple_of(4)..).unwrap_or_default();
    }
    ways
}
