//! Addresses, routes and rules beside those of instances: what is there in every state, and what instances want of
//! routes and rules.

use std::collections::{BTreeMap, BTreeSet};

use vrrp::route::{KEEPALIVED_PROTOCOL, ROUTE_PROTOCOL};
use vrrp::{
    AddressKey, AddressSettings, NetworkLevel, RouteKey, RouteSettings, RuleKey, RuleSettings, Thing, Wanted,
};

use super::meaning;
use crate::config::{self, Config, Network, Route, RouteKind, Rule, VirtualAddress, Watch};

/// Routes and rules that are there or not, together.
#[derive(Debug, Clone, Default)]
pub(super) struct Paths {
    routes: BTreeMap<RouteKey, RouteSettings>,
    rules: BTreeMap<RuleKey, RuleSettings>,
}

impl Paths {
    /// What an instance has; what cannot be done is put into `refused`.
    pub(super) fn of(name: &str, instance: &config::Instance, mark: u8, refused: &mut Vec<String>) -> Self {
        let mut paths = Paths::default();
        let owner = format!("vrrp_instance {name}");
        for line in &instance.routes {
            paths.add_route(&owner, line, mark, refused);
        }
        for line in &instance.rules {
            paths.add_rule(&owner, line, mark, refused);
        }
        paths
    }

    fn add_route(&mut self, owner: &str, line: &Route, mark: u8, refused: &mut Vec<String>) -> Option<Thing> {
        match meaning::route(line, mark) {
            Ok((key, settings)) => {
                let thing = Thing::Route(key.clone());
                self.routes.insert(key, settings);
                Some(thing)
            }
            Err(why) => {
                let Network { address, prefix } = line.destination;
                refused.push(format!("{owner}: the route to {address}/{prefix} is left out: {why}"));
                None
            }
        }
    }

    fn add_rule(&mut self, owner: &str, line: &Rule, mark: u8, refused: &mut Vec<String>) -> Option<Thing> {
        match meaning::rule(line, mark) {
            Ok((key, settings)) => {
                let thing = Thing::Rule(key.clone());
                self.rules.insert(key, settings);
                Some(thing)
            }
            Err(why) => {
                let preference = line.preference.map_or_else(String::new, |number| format!(" {number}"));
                refused.push(format!("{owner}: the rule{preference} is left out: {why}"));
                None
            }
        }
    }

    /// Puts these into a level. What is absent for one and present for another is present.
    pub(super) fn show(&self, present: bool, level: &mut NetworkLevel) {
        for (key, settings) in &self.routes {
            let entry = level.routes.entry(key.clone()).or_insert(None);
            if present {
                *entry = Some(settings.clone());
            }
        }
        for (key, settings) in &self.rules {
            let entry = level.rules.entry(key.clone()).or_insert(None);
            if present {
                *entry = Some(*settings);
            }
        }
    }
}

/// What is there in every state.
#[derive(Debug, Clone, Default)]
pub(super) struct Statics {
    addresses: BTreeMap<AddressKey, AddressSettings>,
    paths: Paths,
    /// Instances that fail with a thing.
    watched: BTreeMap<Thing, Vec<String>>,
}

impl Statics {
    pub(super) fn of(config: &Config, refused: &mut Vec<String>) -> Self {
        let mut statics = Statics::default();
        let default_interface = config.global.default_interface.as_deref();
        for line in &config.static_addresses {
            let VirtualAddress { address, interface, options, .. } = line;
            let Some(interface) = interface.as_deref().or(default_interface) else {
                refused.push(format!("static_ipaddress: {address} is left out: it names no `dev`"));
                continue;
            };
            let key = AddressKey::new(interface, *address);
            let watch = options.as_ref().map_or(&Watch::Usual, |options| &options.watch);
            statics.watch(config, Thing::Address(key.clone()), watch);
            statics.addresses.insert(key, meaning::address(line));
        }
        let mark = mark(config);
        for line in &config.static_routes {
            let mut line = line.clone();
            let nowhere = line.hops.is_empty() && line.hop.gateway.is_none() && line.hop.interface.is_none();
            if nowhere && line.kind == RouteKind::Unicast {
                line.hop.interface = default_interface.map(str::to_owned);
            }
            if let Some(thing) = statics.paths.add_route("static_routes", &line, mark, refused) {
                statics.watch(config, thing, &line.watch);
            }
        }
        for line in &config.static_rules {
            if let Some(thing) = statics.paths.add_rule("static_rules", line, mark, refused) {
                statics.watch(config, thing, &line.watch);
            }
        }
        statics
    }

    fn watch(&mut self, config: &Config, thing: Thing, watch: &Watch) {
        if let Watch::Group(group) = watch {
            let members = config.track_groups.get(group).cloned().unwrap_or_default();
            self.watched.entry(thing).or_default().extend(members);
        }
    }

    /// Puts all of this into a level.
    pub(super) fn show(&self, level: &mut NetworkLevel) {
        for (key, settings) in &self.addresses {
            level.addresses.insert(key.clone(), Wanted::Present(settings.clone()));
        }
        self.paths.show(true, level);
    }

    /// What each instance lacks of the things it fails with.
    pub(super) fn lacks(&self, missing: &BTreeSet<Thing>) -> BTreeMap<String, BTreeSet<Thing>> {
        let mut lacks: BTreeMap<String, BTreeSet<Thing>> = BTreeMap::new();
        for (thing, instances) in self.watched.iter().filter(|(thing, _)| missing.contains(thing)) {
            for instance in instances {
                lacks.entry(instance.clone()).or_default().insert(thing.clone());
            }
        }
        lacks
    }
}

/// The number that routes and rules carry. Read compatibly, they are keepalived's: its users look for that.
pub(super) fn mark(config: &Config) -> u8 {
    if config.global.compat { KEEPALIVED_PROTOCOL } else { ROUTE_PROTOCOL }
}
