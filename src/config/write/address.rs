//! Addresses, routes and rules as lines.

use std::net::IpAddr;

use crate::config::{
    Broadcast, Hop, Insertion, Lifetime, Network, Route, RouteKind, Rule, RuleAction, VirtualAddress, Watch,
};

/// The words of an address.
pub(super) fn address(address: &VirtualAddress) -> Vec<String> {
    let VirtualAddress { address, prefix, interface, label, options } = address;
    let mut words = Words(vec![Network { address: *address, prefix: *prefix }.to_string()]);
    words.pair("dev", interface.as_ref());
    words.pair("label", label.as_ref());
    let Some(options) = options else { return words.0 };
    words.pair(
        "brd",
        options.broadcast.map(|broadcast| match broadcast {
            Broadcast::Address(address) => address.to_string(),
            Broadcast::Ones => "+".to_owned(),
            Broadcast::Zeros => "-".to_owned(),
        }),
    );
    words.pair("scope", options.scope.as_ref());
    words.pair("peer", options.peer);
    words.pair(
        "preferred_lft",
        options.preferred.map(|preferred| match preferred {
            Lifetime::Forever => "forever".to_owned(),
            Lifetime::Seconds(seconds) => seconds.to_string(),
        }),
    );
    words.flag("home", options.home);
    words.flag("-nodad", options.detect_duplicates);
    words.flag("mngtmpaddr", options.manage_temporary);
    words.flag("noprefixroute", options.no_prefix_route);
    words.flag("autojoin", options.auto_join);
    words.flag("use_vmac", options.on_vmac);
    words.watch(&options.watch);
    words.0
}

/// The words of a route.
pub(super) fn route(route: &Route) -> Vec<String> {
    let mut words = Words::default();
    words.pair("src", route.source);
    if let Some((kind, _)) = RouteKind::ALL.iter().find(|(_, kind)| *kind == route.kind)
        && route.kind != RouteKind::Unicast
    {
        words.0.push((*kind).to_owned());
    }
    words.0.push(match route.destination {
        Network { address: IpAddr::V4(address), prefix: 0 } if address.is_unspecified() => {
            "default".to_owned()
        }
        Network { address: IpAddr::V6(address), prefix: 0 } if address.is_unspecified() => {
            "default6".to_owned()
        }
        network => network.to_string(),
    });
    hop(&route.hop, &mut words);
    words.pair("table", route.table.as_ref());
    words.pair("metric", route.metric);
    words.pair("scope", route.scope.as_ref());
    if let Some((mtu, locked)) = route.mtu {
        words.flag("mtu", true);
        words.flag("lock", locked);
        words.0.push(mtu.to_string());
    }
    for (name, values) in &route.others {
        words.0.push(name.clone());
        words.0.extend(values.iter().cloned());
    }
    let place = Insertion::ALL.iter().find(|(_, place)| Some(*place) == route.place);
    words.0.extend(place.map(|(name, _)| (*name).to_owned()));
    words.watch(&route.watch);
    // `tos` and others behind `encap` would be taken for words of it, and everything behind `nexthop` for one of that.
    encapsulation(&route.hop, &mut words);
    for way in &route.hops {
        words.flag("nexthop", true);
        hop(way, &mut words);
        encapsulation(way, &mut words);
    }
    words.0
}

fn hop(hop: &Hop, words: &mut Words) {
    words.pair("via", hop.gateway);
    words.pair("dev", hop.interface.as_ref());
    words.pair("weight", hop.weight);
    words.flag("onlink", hop.on_link);
    words.pair("realms", hop.realms.as_ref());
}

fn encapsulation(hop: &Hop, words: &mut Words) {
    if !hop.encapsulation.is_empty() {
        words.flag("encap", true);
        words.0.extend(hop.encapsulation.iter().cloned());
    }
}

/// The words of a rule.
pub(super) fn rule(rule: &Rule) -> Vec<String> {
    let mut words = Words::default();
    words.flag("not", rule.inverted);
    words.flag("inet6", rule.ipv6 && rule.from.is_none() && rule.to.is_none());
    words.pair("from", rule.from);
    words.pair("to", rule.to);
    words.pair("iif", rule.input.as_ref());
    words.pair("oif", rule.output.as_ref());
    words.pair("fwmark", rule.mark.map(|(mark, mask)| format!("{mark:#x}/{mask:#x}")));
    words.pair("preference", rule.preference);
    for (name, values) in &rule.others {
        words.0.push(name.clone());
        words.0.extend(values.iter().cloned());
    }
    match &rule.action {
        RuleAction::Table(table) => words.pair("table", Some(table)),
        RuleAction::Goto(target) => words.pair("goto", Some(target)),
        RuleAction::Nop => words.flag("nop", true),
        RuleAction::Domain => words.flag("l3mdev", true),
        RuleAction::Blackhole => words.flag("blackhole", true),
        RuleAction::Unreachable => words.flag("unreachable", true),
        RuleAction::Prohibit => words.flag("prohibit", true),
    }
    words.watch(&rule.watch);
    words.0
}

/// Words of one line being put together.
#[derive(Default)]
struct Words(Vec<String>);

impl Words {
    fn flag(&mut self, word: &str, on: bool) {
        if on {
            self.0.push(word.to_owned());
        }
    }

    fn pair(&mut self, word: &str, value: Option<impl ToString>) {
        if let Some(value) = value {
            self.0.extend([word.to_owned(), value.to_string()]);
        }
    }

    fn watch(&mut self, watch: &Watch) {
        match watch {
            Watch::Usual => {}
            Watch::Off => self.flag("no_track", true),
            Watch::Group(group) => self.pair("track_group", Some(group)),
        }
    }
}
