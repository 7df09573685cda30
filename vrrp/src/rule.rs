//! The routing rules that this host shall have.
//!
//! A rule is nothing but its identity: two that differ in anything are two rules. Numbers are those of
//! `<linux/fib_rules.h>`.

use std::fmt;
use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use crate::marked::{Change, MarkedLevel, MarkedReport, OwnThings};

/// How the rules of this host shall be.
pub type RuleLevel = MarkedLevel<RuleKey, RuleSettings>;
/// Rules that this program made.
pub type OwnRules = OwnThings<RuleKey, RuleSettings>;
/// What came of it.
pub type RuleReport = MarkedReport<RuleKey>;

/// The identity of a rule.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct RuleKey {
    /// Rules are tried in this order.
    pub preference: u32,
    /// Whether it is a rule of IPv6.
    pub ipv6: bool,
    /// For all packets that do not fit.
    pub inverted: bool,
    /// From where, and the length of that prefix in bits; without host bits.
    pub from: Option<(IpAddr, u8)>,
    /// To where, likewise.
    pub to: Option<(IpAddr, u8)>,
    /// The interface that packets came in by.
    pub input: Option<String>,
    /// The interface that our own packets are bound to.
    pub output: Option<String>,
    /// Mark and mask.
    pub mark: Option<(u32, u32)>,
    /// Type of service.
    pub tos: u8,
    /// What to do.
    pub action: Action,
    /// Realms: of the source in the upper 16 bits, of the destination in the lower.
    pub realms: Option<u32>,
    /// Routes with a prefix this short or shorter do not count.
    pub suppress_prefix: Option<u32>,
    /// Routes through interfaces of this group do not count.
    pub suppress_group: Option<u32>,
    /// Users, from and to.
    pub users: Option<(u32, u32)>,
    /// The tunnel's number.
    pub tunnel: Option<u64>,
    /// The protocol above IP.
    pub ip_protocol: Option<u8>,
    /// Source ports, from and to.
    pub source_ports: Option<(u16, u16)>,
    /// Destination ports, from and to.
    pub destination_ports: Option<(u16, u16)>,
    /// Whose it is.
    pub protocol: u8,
}

/// What a rule does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Action {
    /// Look into that table.
    Table(u32),
    /// Look into the table of the interface's routing domain.
    Domain,
    /// Go on with that preference.
    Goto(u32),
    /// Nothing.
    Nop,
    /// Drop.
    Blackhole,
    /// Drop, and say that there is no way.
    Unreachable,
    /// Drop, and say that it is forbidden.
    Prohibit,
}

/// What is said of a rule that the kernel does not know.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct RuleSettings {
    /// Whoever takes the rule away may do so: it is not put back.
    pub untracked: bool,
}

/// Puts changes into an order in which they can be made: removals first; a rule that others go on with before those.
pub fn order(changes: &mut [Change<RuleKey, RuleSettings>]) {
    changes.sort_by(|one, other| {
        let rank = |change: &Change<RuleKey, RuleSettings>| matches!(change, Change::Add(..));
        let preference = |change: &Change<RuleKey, RuleSettings>| change.key().preference;
        rank(one).cmp(&rank(other)).then(preference(other).cmp(&preference(one)))
    });
}

impl fmt::Display for RuleKey {
    /// `preference 100 from 192.0.2.0/24 table 7`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "preference {}", self.preference)?;
        if self.ipv6 && self.from.is_none() && self.to.is_none() {
            f.write_str(" inet6")?;
        }
        if self.inverted {
            f.write_str(" not")?;
        }
        for (word, network) in [("from", self.from), ("to", self.to)] {
            if let Some((address, prefix)) = network {
                write!(f, " {word} {address}/{prefix}")?;
            }
        }
        for (word, interface) in [("iif", &self.input), ("oif", &self.output)] {
            if let Some(interface) = interface {
                write!(f, " {word} {interface}")?;
            }
        }
        if let Some((mark, mask)) = self.mark {
            write!(f, " fwmark {mark:#x}/{mask:#x}")?;
        }
        match self.action {
            Action::Table(table) => write!(f, " table {table}"),
            Action::Domain => f.write_str(" l3mdev"),
            Action::Goto(target) => write!(f, " goto {target}"),
            Action::Nop => f.write_str(" nop"),
            Action::Blackhole => f.write_str(" blackhole"),
            Action::Unreachable => f.write_str(" unreachable"),
            Action::Prohibit => f.write_str(" prohibit"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(preference: u32, action: Action) -> RuleKey {
        RuleKey {
            preference,
            ipv6: false,
            inverted: false,
            from: None,
            to: None,
            input: None,
            output: None,
            mark: None,
            tos: 0,
            action,
            realms: None,
            suppress_prefix: None,
            suppress_group: None,
            users: None,
            tunnel: None,
            ip_protocol: None,
            source_ports: None,
            destination_ports: None,
            protocol: 112,
        }
    }

    #[test]
    fn a_rule_that_another_goes_on_with_is_made_before_it() {
        let add = |preference| Change::Add(rule(preference, Action::Nop), RuleSettings::default());
        let mut changes = vec![add(1), Change::Remove(rule(2, Action::Nop)), add(3)];
        order(&mut changes);
        assert_eq!(changes, [Change::Remove(rule(2, Action::Nop)), add(3), add(1)]);
    }

    #[test]
    fn a_rule_is_written_in_its_words() {
        let mut key = rule(100, Action::Table(7));
        key.from = Some(([192, 0, 2, 0].into(), 24));
        key.mark = Some((1, 0xff));
        assert_eq!(key.to_string(), "preference 100 from 192.0.2.0/24 fwmark 0x1/0xff table 7");
    }
}
