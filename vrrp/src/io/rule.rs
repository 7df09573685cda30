//! The one owner of the routing rules we make, and rules in the kernel's own form: `struct fib_rule_hdr` and
//! attributes, as in `<linux/fib_rules.h>`.

use std::collections::BTreeSet;
use std::io;
use std::net::IpAddr;

use netlink_packet_core::{NLM_F_CREATE, NLM_F_EXCL};
use netlink_packet_route::RouteNetlinkMessage;
use netlink_packet_route::rule::{RuleAttribute, RuleFlags, RuleMessage};

use super::marked::{carry_out, note_losses};
use super::netlink::{Netlink, attributes, ip_address, text_of};
use super::wire::{Attributes, INET, INET6, family, read_number};
use crate::marked::{Change, plan};
use crate::rule::{Action, OwnRules, RuleKey, RuleLevel, RuleReport, RuleSettings, order};

const RTM_NEWRULE: u16 = 32;
const FRA_DST: u16 = 1;
const FRA_SRC: u16 = 2;
const FRA_IIFNAME: u16 = 3;
const FRA_GOTO: u16 = 4;
const FRA_PRIORITY: u16 = 6;
const FRA_FWMARK: u16 = 10;
const FRA_FLOW: u16 = 11;
const FRA_TUN_ID: u16 = 12;
const FRA_SUPPRESS_IFGROUP: u16 = 13;
const FRA_SUPPRESS_PREFIXLEN: u16 = 14;
const FRA_TABLE: u16 = 15;
const FRA_FWMASK: u16 = 16;
const FRA_OIFNAME: u16 = 17;
const FRA_L3MDEV: u16 = 19;
const FRA_UID_RANGE: u16 = 20;
const FRA_PROTOCOL: u16 = 21;
const FRA_IP_PROTO: u16 = 22;
const FRA_SPORT_RANGE: u16 = 23;
const FRA_DPORT_RANGE: u16 = 24;
/// `FIB_RULE_INVERT`.
const INVERT: u32 = 2;
/// Length of `struct fib_rule_hdr`, bytes.
const HEADER: usize = 12;

/// Makes rules and takes them away; see [`RuleLevel`] for what can be asked.
#[derive(Debug)]
pub struct RuleTable {
    kernel: Netlink,
    ours: OwnRules,
    /// All rules, as last read.
    held: BTreeSet<RuleKey>,
}

impl RuleTable {
    /// `predecessors`: rules that the last run made. Those of them that are still there are ours.
    ///
    /// # Errors
    /// Whatever the netlink socket says. The missing right to change rules is no error here; each change will report
    /// it.
    pub fn open(predecessors: OwnRules) -> io::Result<Self> {
        let kernel = Netlink::open_strict()?;
        let mut table = Self { kernel, ours: predecessors, held: BTreeSet::new() };
        table.examine(&RuleLevel::new())?;
        Ok(table)
    }

    /// The netlink port that this table's changes are made by.
    pub fn port(&self) -> u32 {
        self.kernel.port()
    }

    /// The rules that are ours.
    pub fn ours(&self) -> &OwnRules {
        &self.ours
    }

    /// Brings the kernel to the `wanted` level and reports what changed and what could not be done. Whatever failed is
    /// tried again at the next call. Nothing is asked of the kernel where nothing is wanted and nothing is ours.
    pub fn converge(&mut self, wanted: &RuleLevel) -> RuleReport {
        match self.examine(wanted) {
            Ok(lost) => RuleReport { lost, ..self.apply(wanted) },
            Err(error) => {
                let text = format!("the kernel's rules cannot be read: {error}");
                let failures = wanted.keys().map(|key| (key.clone(), text.clone())).collect();
                RuleReport { failures, ..RuleReport::default() }
            }
        }
    }

    /// The first half of [`converge`](Self::converge): reads the kernel's rules and tells which of ours are gone.
    ///
    /// # Errors
    /// Whatever the netlink socket says.
    pub fn examine(&mut self, wanted: &RuleLevel) -> io::Result<Vec<RuleKey>> {
        if wanted.is_empty() && self.ours.is_empty() {
            return Ok(Vec::new());
        }
        let mut report = RuleReport::default();
        self.held = self.read()?.into_iter().collect();
        note_losses(&mut self.ours, |key| self.held.contains(key), &mut report);
        Ok(report.lost)
    }

    /// The second half: carries out what is missing to the `wanted` level, as the kernel was when it was last read.
    pub fn apply(&mut self, wanted: &RuleLevel) -> RuleReport {
        let mut report = RuleReport::default();
        let mut changes = plan(|key| self.held.contains(key), wanted, &self.ours);
        order(&mut changes);
        carry_out(&mut self.kernel, &mut self.ours, changes, request, &[libc::ENOENT], &mut report);
        report
    }

    fn read(&mut self) -> io::Result<Vec<RuleKey>> {
        let mut held = Vec::new();
        for family in [INET, INET6] {
            let mut request = RuleMessage::default();
            request.header.family = family.into();
            match self.kernel.dump(RouteNetlinkMessage::GetRule(request), RTM_NEWRULE, held_rule) {
                Ok(rows) => held.extend(rows),
                // A kernel without IPv6, or without rules for it.
                Err(error) if error.raw_os_error() == Some(libc::EAFNOSUPPORT) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(held)
    }
}

fn request(change: &Change<RuleKey, RuleSettings>) -> Result<(RouteNetlinkMessage, u16), String> {
    Ok(match change {
        Change::Add(key, _) => (RouteNetlinkMessage::NewRule(message(key)), NLM_F_CREATE | NLM_F_EXCL),
        Change::Remove(key) => (RouteNetlinkMessage::DelRule(message(key)), 0),
    })
}

fn message(key: &RuleKey) -> RuleMessage {
    let mut message = RuleMessage::default();
    let mut attributes = Attributes::default();
    let header = &mut message.header;
    header.family = family(key.ipv6).into();
    header.tos = key.tos;
    header.flags = RuleFlags::from_bits_retain(if key.inverted { INVERT } else { 0 });
    if let Some((address, prefix)) = key.from {
        header.src_len = prefix;
        attributes.address(FRA_SRC, address);
    }
    if let Some((address, prefix)) = key.to {
        header.dst_len = prefix;
        attributes.address(FRA_DST, address);
    }
    header.action = number_of(key.action).into();
    match key.action {
        Action::Table(table) => {
            header.table = u8::try_from(table).unwrap_or(0);
            attributes.number(FRA_TABLE, table);
        }
        Action::Domain => attributes.byte(FRA_L3MDEV, 1),
        Action::Goto(target) => attributes.number(FRA_GOTO, target),
        Action::Nop | Action::Blackhole | Action::Unreachable | Action::Prohibit => {}
    }
    attributes.number(FRA_PRIORITY, key.preference);
    attributes.byte(FRA_PROTOCOL, key.protocol);
    say(key, &mut attributes);
    message.attributes.extend(attributes.into_nlas().map(RuleAttribute::Other));
    message
}

/// What a rule looks at beside addresses.
fn say(key: &RuleKey, attributes: &mut Attributes) {
    if let Some(name) = &key.input {
        attributes.text(FRA_IIFNAME, name);
    }
    if let Some(name) = &key.output {
        attributes.text(FRA_OIFNAME, name);
    }
    if let Some((mark, mask)) = key.mark {
        attributes.number(FRA_FWMARK, mark);
        attributes.number(FRA_FWMASK, mask);
    }
    if let Some(realms) = key.realms {
        attributes.number(FRA_FLOW, realms);
    }
    if let Some(length) = key.suppress_prefix {
        attributes.number(FRA_SUPPRESS_PREFIXLEN, length);
    }
    if let Some(group) = key.suppress_group {
        attributes.number(FRA_SUPPRESS_IFGROUP, group);
    }
    if let Some((first, last)) = key.users {
        attributes.bytes(FRA_UID_RANGE, [first.to_ne_bytes(), last.to_ne_bytes()].concat());
    }
    if let Some(tunnel) = key.tunnel {
        attributes.bytes(FRA_TUN_ID, tunnel.to_be_bytes());
    }
    if let Some(protocol) = key.ip_protocol {
        attributes.byte(FRA_IP_PROTO, protocol);
    }
    for (kind, ports) in [(FRA_SPORT_RANGE, key.source_ports), (FRA_DPORT_RANGE, key.destination_ports)] {
        if let Some((first, last)) = ports {
            attributes.bytes(kind, [first.to_ne_bytes(), last.to_ne_bytes()].concat());
        }
    }
}

/// `FR_ACT_…`.
fn number_of(action: Action) -> u8 {
    match action {
        Action::Table(_) | Action::Domain => 1,
        Action::Goto(_) => 2,
        Action::Nop => 3,
        Action::Blackhole => 6,
        Action::Unreachable => 7,
        Action::Prohibit => 8,
    }
}

/// Reads a rule.
pub(super) fn held_rule(payload: &[u8]) -> Option<RuleKey> {
    let &[family, to_length, from_length, tos, table, _, _, action, f0, f1, f2, f3] =
        payload.get(..HEADER)?
    else {
        return None;
    };
    let mut key = RuleKey {
        preference: 0,
        ipv6: family == INET6,
        inverted: u32::from_ne_bytes([f0, f1, f2, f3]) & INVERT != 0,
        from: None,
        to: None,
        input: None,
        output: None,
        mark: None,
        tos,
        action: Action::Nop,
        realms: None,
        suppress_prefix: None,
        suppress_group: None,
        users: None,
        tunnel: None,
        ip_protocol: None,
        source_ports: None,
        destination_ports: None,
        protocol: 0,
    };
    let (mut table, mut target, mut domain) = (u32::from(table), 0, false);
    let (mut mark, mut mask) = (None, None);
    let network = |value: &[u8], length: u8| -> Option<(IpAddr, u8)> { Some((ip_address(value)?, length)) };
    for attribute in attributes(payload.get(HEADER..)?) {
        let value = attribute.value();
        match attribute.kind() {
            FRA_SRC => key.from = network(value, from_length),
            FRA_DST => key.to = network(value, to_length),
            FRA_IIFNAME => key.input = Some(text_of(value)),
            FRA_OIFNAME => key.output = Some(text_of(value)),
            FRA_GOTO => target = read_number(value)?,
            FRA_PRIORITY => key.preference = read_number(value)?,
            FRA_FWMARK => mark = read_number(value),
            FRA_FWMASK => mask = read_number(value),
            FRA_FLOW => key.realms = read_number(value),
            FRA_TUN_ID => key.tunnel = value.try_into().ok().map(u64::from_be_bytes),
            FRA_SUPPRESS_IFGROUP => key.suppress_group = read_number(value),
            // The kernel writes -1 where nothing was said.
            FRA_SUPPRESS_PREFIXLEN => key.suppress_prefix = read_number(value).filter(|n| *n != u32::MAX),
            FRA_TABLE => table = read_number(value)?,
            FRA_L3MDEV => domain = value.first().is_some_and(|on| *on != 0),
            FRA_UID_RANGE => {
                key.users =
                    value.split_at_checked(4).and_then(|(a, b)| Some((read_number(a)?, read_number(b)?)));
            }
            FRA_PROTOCOL => key.protocol = *value.first()?,
            FRA_IP_PROTO => key.ip_protocol = value.first().copied().filter(|number| *number != 0),
            FRA_SPORT_RANGE => key.source_ports = ports(value),
            FRA_DPORT_RANGE => key.destination_ports = ports(value),
            _ => {}
        }
    }
    key.mark = mark.or(mask.map(|_| 0)).map(|mark| (mark, mask.unwrap_or(u32::MAX)));
    key.action = match action {
        1 if domain => Action::Domain,
        1 => Action::Table(table),
        2 => Action::Goto(target),
        3 => Action::Nop,
        6 => Action::Blackhole,
        7 => Action::Unreachable,
        8 => Action::Prohibit,
        _ => return None,
    };
    Some(key)
}

fn ports(value: &[u8]) -> Option<(u16, u16)> {
    let &[a, b, c, d] = value else { return None };
    Some((u16::from_ne_bytes([a, b]), u16::from_ne_bytes([c, d])))
}
