//! An address, a route or a rule: something of ours in the kernel that somebody else may take away.

use std::collections::BTreeSet;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::address::{AddressKey, AddressLevel, Wanted};
use crate::route::{RouteKey, RouteLevel};
use crate::rule::{RuleKey, RuleLevel};

/// Names one of them.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Thing {
    /// An address on an interface.
    Address(AddressKey),
    /// A route.
    Route(RouteKey),
    /// A routing rule.
    Rule(RuleKey),
}

/// How addresses, routes and rules of this host shall be.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct NetworkLevel {
    /// The addresses.
    pub addresses: AddressLevel,
    /// The routes.
    pub routes: RouteLevel,
    /// The rules.
    pub rules: RuleLevel,
    /// Interfaces on which taking an address away takes no others of its network along (`promote_secondaries`).
    pub promote: BTreeSet<String>,
}

impl NetworkLevel {
    /// Whether `thing` shall be there; if so, whether it shall be put back when it is taken away.
    pub fn wants(&self, thing: &Thing) -> Option<bool> {
        let untracked = match thing {
            Thing::Address(key) => match self.addresses.get(key)? {
                Wanted::Present(settings) => settings.details.untracked,
                Wanted::Absent { .. } => return None,
            },
            Thing::Route(key) => self.routes.get(key)?.as_ref()?.untracked,
            Thing::Rule(key) => self.rules.get(key)?.as_ref()?.untracked,
        };
        Some(!untracked)
    }

    /// The same without these things.
    pub fn without<'a>(&self, things: impl Iterator<Item = &'a Thing>) -> Self {
        let mut level = self.clone();
        for thing in things {
            match thing {
                Thing::Address(key) => drop(level.addresses.remove(key)),
                Thing::Route(key) => drop(level.routes.remove(key)),
                Thing::Rule(key) => drop(level.rules.remove(key)),
            }
        }
        level
    }
}

impl Thing {
    /// Whether `heard`, as the kernel names it, is this thing.
    pub fn is_heard_as(&self, heard: &Thing) -> bool {
        match (self, heard) {
            (Thing::Route(mine), Thing::Route(heard)) => mine.is_held_as(heard),
            (mine, heard) => mine == heard,
        }
    }
}

impl fmt::Display for Thing {
    /// `address 192.0.2.1 dev eth0`, `route default via 192.0.2.1`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Thing::Address(key) => write!(f, "address {key}"),
            Thing::Route(key) => write!(f, "route {key}"),
            Thing::Rule(key) => write!(f, "rule {key}"),
        }
    }
}
