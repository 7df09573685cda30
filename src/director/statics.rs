//! Addresses, routes and rules beside those of instances: what is there in every state, and what instances want of
//! routes and rules.

use std::collections::{BTreeMap, BTreeSet};

use vrrp::route::{KEEPALIVED_PROTOCOL, ROUTE_PROTOCOL};
use vrrp::{
    AddressKey, AddressSettings, Links, NetworkLevel, RouteKey, RouteSettings, RuleKey, RuleSettings, Thing,
    Wanted,
};

use super::journal::Entry;
use super::{Director, meaning};
use crate::config::{self, Config, Network, Route, RouteKind, Rule, VirtualAddress, Watch};

/// Routes and rules that are there or not, together.
#[derive(Debug, Clone, Default)]
pub(super) struct Paths {
    routes: BTreeMap<RouteKey, RouteSettings>,
    rules: BTreeMap<RuleKey, RuleSettings>,
}

impl Paths {
    /// What an instance has; what cannot be done is put into `refused`.
    pub(super) fn of(
        name: &str,
        instance: &config::Instance,
        (mark, links): (u8, &Links),
        refused: &mut Vec<String>,
    ) -> Self {
        let mut paths = Paths::default();
        let owner = format!("vrrp_instance {name}");
        for line in &instance.routes {
            paths.add_route(&owner, line, (mark, links), refused);
        }
        for line in &instance.rules {
            paths.add_rule(&owner, line, mark, refused);
        }
        paths
    }

    fn add_route(
        &mut self,
        owner: &str,
        line: &Route,
        (mark, links): (u8, &Links),
        refused: &mut Vec<String>,
    ) -> Option<Thing> {
        match meaning::route(line, mark, links) {
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
    pub(super) fn of(config: &Config, links: &Links, refused: &mut Vec<String>) -> Self {
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
            if let Some(thing) = statics.paths.add_route("static_routes", &line, (mark, links), refused) {
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

    /// Puts what is left behind at the stop into a level: nothing, except read compatibly. keepalived (2.2.7) does not get
    /// IPv4 addresses with a `peer` off their interface: it names them to the kernel without the peer, and the kernel knows
    /// no such address. Virtual ones stay there too with keepalived, but never here: they would be on two hosts.
    pub(super) fn leave(&self, config: &Config, level: &mut NetworkLevel) {
        let stays = |key: &AddressKey, settings: &AddressSettings| {
            key.address.is_ipv4() && settings.details.peer.is_some_and(|peer| peer != key.address)
        };
        let all =
            self.addresses.iter().filter(|(key, settings)| config.global.compat && stays(key, settings));
        level.addresses.extend(all.map(|(key, settings)| (key.clone(), Wanted::Present(settings.clone()))));
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

impl Director {
    /// At the end an operator is told what is left.
    pub(super) fn tell_what_stays(&mut self) {
        let mut level = NetworkLevel::default();
        self.statics.leave(&self.config, &mut level);
        let words = |(key, wanted): (&AddressKey, &Wanted)| match wanted {
            Wanted::Present(AddressSettings { details, .. }) if self.links.contains_key(&key.interface) => {
                Some(format!("{} peer {} dev {}", key.address, details.peer?, key.interface))
            }
            _ => None,
        };
        let addresses: Vec<String> = level.addresses.iter().filter_map(words).collect();
        if !addresses.is_empty() {
            let what = format!(
                "compat: static addresses with a `peer` stay on their interface, as with keepalived; \
                 `ip address delete` takes away {}",
                addresses.join("; ")
            );
            self.log(Entry::Left { what });
        }
    }
}

/// The number that routes and rules carry. Read compatibly, they are keepalived's: its users look for that.
pub(super) fn mark(config: &Config) -> u8 {
    if config.global.compat { KEEPALIVED_PROTOCOL } else { ROUTE_PROTOCOL }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::sync::Arc;
    use std::time::{Duration, Instant, SystemTime};

    use vrrp::{Link, LinkAddress, Loss, State};

    use super::*;
    use crate::config::{adopt, read_text};
    use crate::director::Birth;
    use crate::director::effect::Effect;
    use crate::director::event::{AddressReport, Event, Outcome, Taken};

    const TEXT: &str = "track_group G {\ngroup {\nA\n}\n}\nstatic_ipaddress {\n10.7.0.1/24 dev eth1 track_group G\n}\n\
         static_routes {\n10.8.0.0/16 via 10.7.0.9 dev eth1\n}\n\
         vrrp_instance A {\ninterface eth0\nvirtual_router_id 1\nversion 3\nvirtual_ipaddress {\n10.0.0.100\n10.7.0.1 dev eth1\n}\n\
         virtual_routes {\n10.8.0.0/16 via 10.7.0.9 dev eth1\n10.9.0.0/16 dev eth0 table nobody\n}\n\
         virtual_rules {\nfrom 10.9.0.0/16 table 7\n}\n}\n";

    fn brain() -> (Director, Instant, Vec<Effect>) {
        brain_of(TEXT)
    }

    fn brain_of(text: &str) -> (Director, Instant, Vec<Effect>) {
        let now = Instant::now();
        let birth = Birth {
            host_name: "host".into(),
            seed: 1,
            at: now,
            wall: SystemTime::UNIX_EPOCH,
            up: std::time::Duration::ZERO,
        };
        let mut director = Director::new(birth);
        let own = LinkAddress { address: [10, 0, 0, 1].into(), prefix: 24, secondary: false };
        let mac = Some([2, 0, 0, 0, 0, 1]);
        let link = Link { index: 7, up: true, loopback: false, mac, addresses: vec![own], table: None };
        let other = Link { index: 8, addresses: Vec::new(), ..link.clone() };
        let links = BTreeMap::from([("eth0".into(), link), ("eth1".into(), other)]);
        director.handle_event(Event::Links(Arc::new(links)), now);
        let reading = read_text("test.conf", text);
        let (config, difference) = adopt(&Config::default(), reading.config.expect("the text is good"));
        director.handle_event(Event::Configured { config: Arc::new(config), difference }, now);
        let effects = drain(&mut director);
        (director, now, effects)
    }

    fn drain(director: &mut Director) -> Vec<Effect> {
        std::iter::from_fn(|| director.poll_effect()).collect()
    }

    fn level(effects: &[Effect]) -> Arc<NetworkLevel> {
        let mut levels = effects.iter().filter_map(|effect| match effect {
            Effect::Addresses(level) => Some(level.value.clone()),
            _ => None,
        });
        levels.next_back().expect("a level")
    }

    fn logged(effects: &[Effect], words: &str) -> usize {
        let lines = effects.iter().filter_map(|effect| match effect {
            Effect::Log(entry) => Some(entry.to_string()),
            _ => None,
        });
        lines.filter(|line| line.contains(words)).count()
    }

    #[test]
    fn static_things_are_there_in_every_state_and_virtual_ones_while_master() {
        let (mut director, now, effects) = brain();
        assert_eq!(logged(&effects, "the route to 10.9.0.0/16 is left out: `nobody`"), 1);
        let before = level(&effects);
        let present = |level: &NetworkLevel| {
            level.addresses.values().filter(|w| matches!(w, Wanted::Present(_))).count()
        };
        assert_eq!(
            (present(&before), before.addresses.len()),
            (1, 2),
            "the static one, also configured as virtual"
        );
        let rule = before.rules.keys().next().expect("a rule").clone();
        assert_eq!((rule.preference, rule.protocol), (16_384, ROUTE_PROTOCOL));
        assert_eq!(before.rules[&rule], None, "not there for a backup");
        assert_eq!(before.routes.len(), 1, "the same one, static and virtual");
        assert!(before.routes.values().all(Option::is_some));

        director.handle_timeout(now + Duration::from_secs(4));
        let master = level(&drain(&mut director));
        assert_eq!(present(&master), 2);
        assert!(master.rules[&rule].is_some());

        director.handle_event(Event::Stop, now + Duration::from_secs(5));
        let end = level(&drain(&mut director));
        assert!(end.routes.values().all(Option::is_none) && end.rules[&rule].is_none() && present(&end) == 0);
    }

    /// A routing domain may come later than its routes, and be made anew with another table.
    #[test]
    fn routes_go_into_the_table_of_the_routing_domain_that_they_name() {
        let text = "static_routes {\n10.8.0.0/16 via 10.0.0.9 dev eth0 vrf blue\n10.9.0.0/16 dev eth0 vrf eth1\n}\n\
                    vrrp_instance A {\ninterface eth0\nvirtual_router_id 1\nvirtual_ipaddress {\n10.0.0.100\n}\n\
                    virtual_routes {\nblackhole 10.7.0.0/16 vrf blue\n}\n}\n";
        let (mut director, now, effects) = brain_of(text);
        assert_eq!(logged(&effects, "left out: there is no routing domain `blue`"), 2);
        assert_eq!(logged(&effects, "left out: `eth1` is an interface, but no routing domain"), 1);
        assert!(level(&effects).routes.is_empty());
        let mut tables = |table: Option<u32>| {
            let mut links = director.links.as_ref().clone();
            let domain = |table| Link { index: 9, table: Some(table), ..links["eth1"].clone() };
            match table.map(domain) {
                Some(domain) => links.insert("blue".into(), domain),
                None => links.remove("blue"),
            };
            director.handle_event(Event::Links(Arc::new(links)), now);
            let effects = drain(&mut director);
            let level = level(&effects);
            let tables: Vec<(u32, bool)> =
                level.routes.iter().map(|(key, is)| (key.table, is.is_some())).collect();
            (tables, logged(&effects, "left out: there is no routing domain `blue`"))
        };
        assert_eq!(tables(Some(10)), (vec![(10, false), (10, true)], 0));
        assert_eq!(tables(Some(11)), (vec![(11, false), (11, true)], 0));
        assert_eq!(tables(None), (vec![], 2), "told anew");
        assert_eq!(tables(Some(10)).0.len(), 2);
    }

    #[test]
    fn a_static_thing_that_is_missing_is_a_fault_of_its_group() {
        let (mut director, now, effects) = brain();
        let thing = Thing::Address(AddressKey::new("eth1", [10, 7, 0, 1].into()));
        assert_eq!(level(&effects).wants(&thing), Some(true));
        let state = |director: &Director| director.states().next().map(|(_, state)| state);
        let mut report = AddressReport { missing: vec![thing], ..AddressReport::default() };
        director.handle_event(Event::AddressesApplied(report.clone()), now);
        assert_eq!(state(&director), Some(State::Fault));
        report.missing.clear();
        director.handle_event(Event::AddressesApplied(report), now);
        assert_eq!(state(&director), Some(State::Backup));
    }

    #[test]
    fn what_is_taken_away_is_told_once_an_episode_and_kept() {
        let (mut director, now, _) = brain();
        let thing = |last| Thing::Address(AddressKey::new("eth0", [10, 0, 0, last].into()));
        let mut take = |loss, lasts: std::ops::Range<u8>| {
            let taken = |last| Taken {
                what: thing(last),
                by: Some("process 7 (`x`)".into()),
                loss,
                outcome: Outcome::PutBack,
            };
            director.handle_event(Event::Taken(lasts.map(taken).collect()), now);
            logged(&drain(&mut director), "taken away")
        };
        assert_eq!(take(Loss::First, 0..200), 1, "many things in one line");
        assert_eq!(take(Loss::Again, 0..200), 0);
        assert_eq!(take(Loss::Quarrel, 0..1), 1);
        let snapshot = director.snapshot(now);
        assert_eq!((snapshot.taken.len(), snapshot.taken_total), (200, 401));
        assert_eq!(snapshot.taken[0].times, 3);
    }
}
