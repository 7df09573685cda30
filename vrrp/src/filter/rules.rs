//! What stands in the tables: from the wish to chains, sets and rules.

use std::collections::BTreeMap;
use std::net::IpAddr;

use super::{
    Chain, Expression, Family, FilterLevel, Hook, Kind, Meta, Set, Table, TableKey, Tables, Verdict,
    VirtualMacs,
};

/// IP protocol numbers and ICMPv6 types (IANA).
const IGMP: u8 = 2;
const ICMPV6: u8 = 58;
const ROUTER_SOLICITATION: u8 = 133;
const NEIGHBOUR_SOLICITATION: u8 = 135;
const NEIGHBOUR_ADVERTISEMENT: u8 = 136;
const LISTENER_REPORT_V2: u8 = 143;

// Where addresses and protocols stand in the headers of IPv4 and IPv6.
const PROTOCOL_V4: Expression = Expression::Network { offset: 9, length: 1 };
const SOURCE_V4: Expression = Expression::Network { offset: 12, length: 4 };
const DESTINATION_V4: Expression = Expression::Network { offset: 16, length: 4 };
const PROTOCOL_V6: Expression = Expression::Network { offset: 6, length: 1 };
const SOURCE_V6: Expression = Expression::Network { offset: 8, length: 16 };
const DESTINATION_V6: Expression = Expression::Network { offset: 24, length: 16 };

/// The tables that the level asks for: none that would be empty. `index` tells the index of an interface; link-local
/// addresses on one that is missing need no rule.
pub fn tables(level: &FilterLevel, macs: &VirtualMacs, index: impl Fn(&str) -> Option<u32>) -> Tables {
    let key = |family| TableKey { family, name: level.table.clone() };
    let mut tables = Tables::new();
    let v4 = table_v4(level, macs);
    let v6 = table_v6(level, macs, index);
    tables.extend((!v4.rules.is_empty()).then(|| (key(Family::Ip), v4)));
    tables.extend((!v6.rules.is_empty()).then(|| (key(Family::Ip6), v6)));
    tables
}

fn table_v4(level: &FilterLevel, macs: &VirtualMacs) -> Table {
    let mut table = Table::default();
    let silent = level.silent.iter().filter_map(|address| match address {
        IpAddr::V4(address) => Some((address.octets().to_vec(), None)),
        IpAddr::V6(_) => None,
    });
    let silent: BTreeMap<_, _> = silent.collect();
    if !macs.v4.is_empty() {
        table.sets.push(vmac_map(&macs.v4));
        let report = [PROTOCOL_V4, Expression::Equal(1, vec![IGMP]), DESTINATION_V4];
        table.rule(level, "out", report.into_iter().chain(divert()), Verdict::Drop);
    }
    if !silent.is_empty() {
        table.sets.push(Set {
            name: "vips",
            key: &[Kind::Ipv4],
            data: None,
            constant: false,
            elements: silent,
        });
        table.rule(level, "out", [SOURCE_V4, Expression::In(1, "vips")], Verdict::Drop);
        table.rule(level, "in", [DESTINATION_V4, Expression::In(1, "vips")], Verdict::Drop);
    }
    table.hang(level);
    table
}

fn table_v6(level: &FilterLevel, macs: &VirtualMacs, index: impl Fn(&str) -> Option<u32>) -> Table {
    let mut table = Table::default();
    if !macs.v6.is_empty() {
        table.sets.push(vmac_map(&macs.v6));
        let elements = macs.v6.keys().map(|index| (index.to_ne_bytes().to_vec(), None)).collect();
        table.sets.push(Set { name: "vmac_set", key: &[Kind::Index], data: None, constant: false, elements });
        let icmp = |kind| {
            [
                Expression::Meta(Meta::Protocol, 1),
                Expression::Equal(1, vec![ICMPV6]),
                Expression::TransportType,
                Expression::Equal(1, vec![kind]),
            ]
        };
        let report = icmp(LISTENER_REPORT_V2).into_iter().chain([DESTINATION_V6]).chain(divert());
        table.rule(level, "out", report, Verdict::Drop);
        let [kind, is_macvlan, load, _] = divert_parts();
        let solicitation = icmp(ROUTER_SOLICITATION).into_iter();
        let solicitation = solicitation.chain([kind, is_macvlan, load, Expression::In(2, "vmac_set")]);
        table.rule(level, "out", solicitation, Verdict::Drop);
    }
    let silent = level.silent.iter().filter_map(|address| match address {
        IpAddr::V6(address) => Some((address.octets().to_vec(), None)),
        IpAddr::V4(_) => None,
    });
    let silent: BTreeMap<_, _> = silent.collect();
    let silent_on = level.silent_on.iter().filter_map(|(address, interface)| {
        let place =
            if level.by_name { name_key(interface) } else { index(interface)?.to_ne_bytes().to_vec() };
        Some(([address.octets().to_vec(), place].concat(), None))
    });
    let silent_on: BTreeMap<_, _> = silent_on.collect();
    if !silent.is_empty() || !silent_on.is_empty() {
        table.silence_v6(level, silent, silent_on);
    }
    table.hang(level);
    table
}

impl Table {
    fn rule(
        &mut self,
        level: &FilterLevel,
        chain: &'static str,
        conditions: impl IntoIterator<Item = Expression>,
        verdict: Verdict,
    ) {
        let mut expressions: Vec<Expression> = conditions.into_iter().collect();
        expressions.extend(level.counters.then_some(Expression::Counter));
        expressions.push(Expression::Verdict(verdict));
        self.rules.push((chain, expressions));
    }

    /// Rules for IPv6 addresses that do not answer: neighbour discovery passes.
    fn silence_v6(
        &mut self,
        level: &FilterLevel,
        silent: BTreeMap<Vec<u8>, Option<Vec<u8>>>,
        silent_on: BTreeMap<Vec<u8>, Option<Vec<u8>>>,
    ) {
        let types = [NEIGHBOUR_SOLICITATION, NEIGHBOUR_ADVERTISEMENT].map(|kind| (vec![kind], None));
        let set = |name, key, elements| Set { name, key, data: None, constant: false, elements };
        self.sets.push(set("vips", &[Kind::Ipv6], silent));
        self.sets.push(Set {
            constant: true,
            ..set("neighbor-discovery", &[Kind::Icmpv6], types.into_iter().collect())
        });
        let (name, key, input, output): (_, &[Kind], _, _) = match level.by_name {
            true => ("vips_link_local_name", &[Kind::Ipv6, Kind::Name], Meta::InputName, Meta::OutputName),
            false => ("vips_link_local", &[Kind::Ipv6, Kind::Index], Meta::InputIndex, Meta::OutputIndex),
        };
        let link_local = !silent_on.is_empty();
        if link_local {
            self.sets.push(set(name, key, silent_on));
        }
        let discovery = [
            PROTOCOL_V6,
            Expression::Equal(1, vec![ICMPV6]),
            Expression::TransportType,
            Expression::In(1, "neighbor-discovery"),
        ];
        for (chain, other, address, place) in
            [("out", "out_link_local", SOURCE_V6, output), ("in", "in_link_local", DESTINATION_V6, input)]
        {
            self.rule(level, chain, discovery.clone(), Verdict::Accept);
            let is_link_local = [
                address.clone(),
                Expression::Mask(prefix(&[0xff, 0xc0])),
                Expression::Equal(1, prefix(&[0xfe, 0x80])),
            ];
            self.rule(level, chain, is_link_local, Verdict::Goto(other));
            self.rule(level, chain, [address.clone(), Expression::In(1, "vips")], Verdict::Drop);
            if link_local {
                let there = [address, Expression::Meta(place, 2), Expression::In(1, name)];
                self.rule(level, other, there, Verdict::Drop);
            }
        }
    }

    /// The chains that the rules need.
    fn hang(&mut self, level: &FilterLevel) {
        let has = |chain: &str| {
            let leads = |expressions: &Vec<Expression>| {
                expressions
                    .iter()
                    .any(|e| matches!(e, Expression::Verdict(Verdict::Goto(to)) if *to == chain))
            };
            self.rules.iter().any(|(at, expressions)| *at == chain || leads(expressions))
        };
        let chain = |name, hook: Option<Hook>| Chain { name, hook: hook.map(|hook| (hook, level.priority)) };
        let chains = [
            chain("out", Some(Hook::Output)),
            chain("in", Some(Hook::Input)),
            chain("in_link_local", None),
            chain("out_link_local", None),
        ];
        self.chains = chains.into_iter().filter(|chain| has(chain.name)).collect();
    }
}

fn vmac_map(macs: &BTreeMap<u32, u32>) -> Set {
    let element =
        |(index, below): (&u32, &u32)| (index.to_ne_bytes().to_vec(), Some(below.to_ne_bytes().to_vec()));
    let elements = macs.iter().map(element).collect();
    Set { name: "vmac_map", key: &[Kind::Index], data: Some(Kind::Index), constant: false, elements }
}

fn divert_parts() -> [Expression; 4] {
    [
        Expression::Meta(Meta::OutputKind, 2),
        Expression::Equal(2, name_key("macvlan")),
        Expression::Meta(Meta::OutputIndex, 2),
        Expression::Mapped(2, "vmac_map"),
    ]
}

/// Sends a copy by the interface below.
fn divert() -> impl Iterator<Item = Expression> {
    divert_parts().into_iter().chain([Expression::Duplicate])
}

/// The beginning of an IPv6 address and zeros.
fn prefix(bytes: &[u8]) -> Vec<u8> {
    let mut prefix = bytes.to_vec();
    prefix.resize(16, 0);
    prefix
}

/// The name of an interface, or of a kind of them, as the kernel compares it.
fn name_key(name: &str) -> Vec<u8> {
    let mut key: Vec<u8> = name.bytes().take(15).collect();
    key.resize(16, 0);
    key
}
