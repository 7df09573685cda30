//! Routes, rules and all attributes of addresses against a real kernel, in a network namespace of their own.
#![cfg(feature = "io")]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::time::Duration;

use lab::in_namespaces;
use lab::netns::{Host, Net, wait_until};
use vrrp::address_settings::{HOME, NO_DETECTION, NO_PREFIX_ROUTE};
use vrrp::io::{
    AddressTable, CarrierProbe, CarrierQuery, LinkMonitor, RouteTable, RuleTable, Rumour, TableWatch,
};
use vrrp::route::{Metric, Place, ROUTE_PROTOCOL, Way, WaySettings, usual_table};
use vrrp::rule::Action;
use vrrp::{
    AddressKey, AddressLevel, AddressSettings, RouteKey, RouteLevel, RouteSettings, RuleKey, RuleLevel,
    RuleSettings, Thing, Wanted,
};

/// A host on a segment; what the test does, it does there.
fn on_host(test: impl FnOnce(&Host) + Send) {
    let net = Net::new(&["one"]);
    let host = net.host("one");
    host.enter(|| test(host));
}

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn route(destination: &str, ways: &[(&str, &str)]) -> RouteKey {
    let (address, prefix) = destination.split_once('/').unwrap();
    let way = |(gateway, interface): &(&str, &str)| Way {
        gateway: gateway.parse().ok(),
        interface: Some((*interface).to_owned()).filter(|name| !name.is_empty()),
    };
    RouteKey {
        destination: ip(address),
        prefix: prefix.parse().unwrap(),
        table: usual_table(1),
        metric: if address.contains(':') { 1024 } else { 0 },
        tos: 0,
        kind: 1,
        protocol: ROUTE_PROTOCOL,
        ways: ways.iter().map(way).collect(),
    }
}

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
        protocol: ROUTE_PROTOCOL,
    }
}

#[test]
fn every_attribute_of_an_address_is_read_back() {
    in_namespaces!();
    on_host(|host| {
        let mut full = AddressSettings::with_prefix(ip("10.1.0.1"), 24);
        full.label = Some("eth0:x".into());
        full.details.broadcast = Some([10, 1, 0, 255].into());
        full.details.scope = 253;
        full.details.flags = NO_PREFIX_ROUTE;
        let mut pair = AddressSettings::host(ip("10.2.0.1"));
        pair.details.peer = Some(ip("10.2.0.2"));
        let mut v6 = AddressSettings::with_prefix(ip("2001:db8::1"), 64);
        v6.details.preferred = Some(500);
        v6.details.flags = NO_DETECTION | HOME;
        let key = |address: &str| AddressKey::new("eth0", ip(address));
        let level: AddressLevel = [("10.1.0.1", full), ("10.2.0.1", pair), ("2001:db8::1", v6)]
            .map(|(address, settings)| (key(address), Wanted::Present(settings)))
            .into();
        let report = AddressTable::open(&BTreeSet::new()).unwrap().converge(&level);
        assert_eq!((report.added.len(), report.failures), (3, vec![]));
        let shown = host.ip("-d address show dev eth0");
        for expected in [
            "inet 10.1.0.1/24 brd 10.1.0.255 scope link noprefixroute proto 0x70 eth0:x",
            "inet 10.2.0.1 peer 10.2.0.2/32 scope global",
            "inet6 2001:db8::1/64 scope global dynamic nodad home",
        ] {
            let plain = expected.replace(" proto 0x70", "").replace(" dynamic nodad home", "");
            assert!(shown.contains(expected) || shown.contains(&plain), "{expected}\n{shown}");
        }
        // As after a crash: the successor sees no difference, and takes all of it away when it is no longer wanted.
        let known = level.keys().cloned().collect();
        let mut successor = AddressTable::open(&known).unwrap();
        assert_eq!(successor.ours().len(), 3);
        assert_eq!(successor.converge(&level), vrrp::AddressReport::default());
        assert_eq!(successor.converge(&AddressLevel::new()).removed.len(), 3);
    });
}

#[test]
fn routes_converge_and_strangers_stay() {
    in_namespaces!();
    on_host(|host| {
        host.ip("route add 10.9.0.0/16 via 10.0.0.9 proto static");
        host.ip("address add 2001:db8::1/64 dev eth0 nodad");
        let mut table = RouteTable::open(BTreeMap::new()).unwrap();
        let far = route("0.0.0.0/0", &[("10.3.0.1", "")]);
        let link = route("10.3.0.1/32", &[("", "eth0")]);
        let mut metrics = RouteSettings { source: Some(ip("10.0.0.1")), ..RouteSettings::default() };
        metrics.metrics = [(2, Metric::Number(1400)), (16, Metric::Name("reno".into()))].into();
        metrics.locked = 1 << 2;
        let two = route("10.4.0.0/16", &[("10.0.0.8", "eth0"), ("10.0.0.9", "eth0")]);
        let weights = RouteSettings {
            ways: vec![
                WaySettings { weight: Some(3), on_link: true, ..Default::default() },
                Default::default(),
            ],
            ..RouteSettings::default()
        };
        let drops = RouteKey { kind: 6, ..route("10.5.0.0/16", &[]) };
        let drops6 = RouteKey { kind: 7, ..route("2001:db8:5::/48", &[]) };
        let alone = RouteSettings { place: Place::Alone, ..RouteSettings::default() };
        let other_table = RouteKey { table: 1000, ..route("2001:db8:6::/48", &[("2001:db8::9", "eth0")]) };
        let mut level: RouteLevel = [
            (far.clone(), metrics.clone()),
            // A gateway must be on a link.
            (link, RouteSettings { scope: Some(253), ..RouteSettings::default() }),
            (two, weights),
            (drops, alone.clone()),
            (drops6, alone),
            (other_table.clone(), RouteSettings { preference: Some(1), ..RouteSettings::default() }),
        ]
        .map(|(key, settings)| (key, Some(settings)))
        .into();
        level.insert(route("10.6.0.0/16", &[("", "nowhere")]), Some(RouteSettings::default()));
        let report = table.converge(&level);
        assert_eq!(report.added.len(), 6, "{report:?}");
        assert_eq!(report.failures.len(), 1);
        assert_eq!(report.failures[0].1, "there is no interface `nowhere`");
        let shown = host.ip("-d route show");
        assert!(
            shown.contains("default via 10.3.0.1 dev eth0 proto 112"),
            "the route it depends on: {shown}"
        );
        assert!(shown.contains("mtu lock 1400") && shown.contains("congctl reno"), "{shown}");
        assert!(shown.contains("weight 3 onlink"), "{shown}");
        let again = table.converge(&level);
        assert!(again.added.is_empty() && again.removed.is_empty() && again.lost.is_empty(), "{again:?}");

        // Somebody takes one away, another changes, and a third leaves.
        host.ip("route del default");
        level.remove(&other_table);
        metrics.metrics.remove(&2);
        metrics.locked = 0;
        level.insert(far.clone(), Some(metrics));
        let report = table.converge(&level);
        assert_eq!((report.lost, report.added), (vec![far.clone()], vec![far]));
        assert_eq!(report.removed, [other_table]);
        assert!(!host.ip("-d route show").contains("mtu lock"));

        let ours = table.ours().clone();
        drop(table);
        let mut successor = RouteTable::open(ours).unwrap();
        assert!(successor.converge(&level).added.is_empty(), "a successor makes nothing twice");
        assert_eq!(successor.converge(&RouteLevel::new()).removed.len(), 5);
        let left = host.ip("route show table all");
        assert!(left.contains("10.9.0.0/16") && !left.contains("proto 112"), "{left}");
        assert!(!host.ip("-6 route show table all").contains("proto 112"));
    });
}

#[test]
fn rules_converge_and_strangers_stay() {
    in_namespaces!();
    on_host(|host| {
        host.ip("rule add from 10.9.0.0/16 table 9 preference 90");
        let mut table = RuleTable::open(BTreeMap::new()).unwrap();
        let from = |key: RuleKey| RuleKey { from: Some((ip("10.1.0.0"), 16)), ..key };
        let keys = [
            from(rule(100, Action::Table(7))),
            RuleKey { to: Some((ip("2001:db8::"), 32)), ipv6: true, ..rule(101, Action::Table(1000)) },
            RuleKey {
                inverted: true,
                input: Some("eth0".into()),
                output: Some("nowhere".into()),
                mark: Some((1, 0xff)),
                tos: 0x10,
                realms: Some(3 << 16 | 4),
                suppress_prefix: Some(0),
                suppress_group: Some(5),
                users: Some((10, 20)),
                ..rule(102, Action::Table(7))
            },
            RuleKey {
                tunnel: Some(77),
                ip_protocol: Some(6),
                source_ports: Some((80, 90)),
                destination_ports: Some((443, 443)),
                ..rule(103, Action::Table(7))
            },
            from(rule(104, Action::Goto(200))),
            from(rule(105, Action::Nop)),
            from(rule(106, Action::Blackhole)),
            from(rule(107, Action::Unreachable)),
            from(rule(108, Action::Prohibit)),
        ];
        let mut level: RuleLevel = keys.into_iter().map(|key| (key, Some(RuleSettings::default()))).collect();
        let report = table.converge(&level);
        assert_eq!((report.added.len(), report.failures), (9, vec![]));
        let again = table.converge(&level);
        assert!(again.added.is_empty() && again.lost.is_empty(), "each attribute is read back: {again:?}");
        host.ip("rule del preference 105");
        assert_eq!(table.converge(&level).lost.len(), 1);
        assert!(host.ip("rule show").contains("105:"), "put back");
        level.retain(|key, _| key.preference != 104);
        assert_eq!(table.converge(&level).removed.len(), 1);

        let mut successor = RuleTable::open(table.ours().clone()).unwrap();
        assert_eq!(successor.converge(&RuleLevel::new()).removed.len(), 8);
        let left = host.ip("rule show");
        assert!(left.contains("90:") && !left.contains("proto 112"), "{left}");
        assert!(!host.ip("-6 rule show").contains("101:"));
    });
}

#[test]
fn whoever_takes_something_away_is_heard_and_we_are_not() {
    in_namespaces!();
    on_host(|host| {
        let mut addresses = AddressTable::open(&BTreeSet::new()).unwrap();
        let mut watch = TableWatch::open([addresses.port()]).unwrap();
        let key = |last| AddressKey::new("eth0", [10, 1, 0, last].into());
        let level: AddressLevel = (1..=2)
            .map(|last| (key(last), Wanted::Present(AddressSettings::host(key(last).address))))
            .collect();
        addresses.converge(&level);
        assert_eq!(watch.read().unwrap(), [], "what we do ourselves is no news");
        host.ip("address del 10.1.0.1/32 dev eth0");
        let heard = wait_until("the news", Duration::from_secs(5), || {
            watch.read().unwrap().into_iter().find(|rumour| matches!(rumour, Rumour::Removed { .. }))
        });
        let Rumour::Removed { what, by } = heard else { panic!("{heard:?}") };
        assert_eq!(what, Thing::Address(key(1)));
        assert!(by.is_some_and(|port| port != addresses.port()), "`ip` did it");
        assert_eq!(addresses.examine().unwrap(), [key(1)]);

        // More is said than there is room for: nothing is known but that there is something to look at.
        nix::sys::socket::setsockopt(&watch, nix::sys::socket::sockopt::RcvBuf, &1024).unwrap();
        for round in 0..40 {
            host.ip(&format!("address add 10.8.0.{round}/32 dev eth0"));
        }
        assert!(watch.read().unwrap().contains(&Rumour::Changed));
        assert!(watch.read().unwrap().is_empty());
    });
}

/// Leaves the socket behind this descriptor hardly any room for news, has more happen than fits, and makes sure that
/// something was lost.
fn overrun(socket: &impl std::os::fd::AsFd, host: &Host) {
    use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
    nix::sys::socket::setsockopt(&socket.as_fd(), nix::sys::socket::sockopt::RcvBuf, &1).unwrap();
    for n in 1..=20 {
        host.ip(&format!("addr add 10.9.0.{n}/32 dev eth0"));
        host.ip(&format!("addr del 10.9.0.{n}/32 dev eth0"));
    }
    let mut fds = [PollFd::new(socket.as_fd(), PollFlags::POLLIN)];
    poll(&mut fds, PollTimeout::ZERO).unwrap();
    assert!(fds[0].revents().unwrap().contains(PollFlags::POLLERR), "nothing was lost: this tests nothing");
    nix::sys::socket::setsockopt(&socket.as_fd(), nix::sys::socket::sockopt::RcvBuf, &(1 << 18)).unwrap();
}

#[test]
fn interfaces_are_read_anew_after_an_overrun() {
    in_namespaces!();
    on_host(|host| {
        let mut monitor = LinkMonitor::open().unwrap();
        overrun(&monitor, host);
        host.ip("addr add 10.9.1.1/32 dev eth0");
        assert!(monitor.read().unwrap());
        let held = |monitor: &LinkMonitor, text: &str| monitor.links()["eth0"].holds(ip(text));
        assert!(held(&monitor, "10.9.1.1") && !held(&monitor, "10.9.0.20"));
        // From there on it hears again.
        host.ip("addr del 10.9.1.1/32 dev eth0");
        wait_until("the news", Duration::from_secs(5), || monitor.read().unwrap().then_some(()));
        assert!(!held(&monitor, "10.9.1.1"));
    });
}

#[test]
fn an_overrun_is_a_reason_to_look_at_the_tables() {
    in_namespaces!();
    on_host(|host| {
        let mut watch = TableWatch::open([]).unwrap();
        overrun(&watch, host);
        assert!(watch.read().unwrap().contains(&Rumour::Changed));
        assert_eq!(watch.read().unwrap(), []);
        host.ip("addr add 10.9.1.1/32 dev eth0");
        host.ip("addr del 10.9.1.1/32 dev eth0");
        let gone = Thing::Address(AddressKey::new("eth0", ip("10.9.1.1")));
        wait_until("the news", Duration::from_secs(5), || {
            let removed = |rumour: &Rumour| matches!(rumour, Rumour::Removed { what, .. } if *what == gone);
            watch.read().unwrap().iter().any(removed).then_some(())
        });
    });
}

#[test]
fn a_driver_is_asked_whether_its_link_has_a_carrier() {
    in_namespaces!();
    let net = Net::new(&["one"]);
    net.host("one").enter(|| {
        let probe = CarrierProbe::open().unwrap();
        let ways = [None, Some(CarrierQuery::Ethtool), Some(CarrierQuery::Flags)];
        let answers = || ways.map(|way| probe.has_carrier("eth0", way));
        assert_eq!(probe.has_carrier("eth0", Some(CarrierQuery::Mii)), None, "a veth has no transceiver");
        assert_eq!(answers(), [Some(true); 3]);
        net.unplug("one");
        wait_until("no carrier", Duration::from_secs(5), || (answers() == [Some(false); 3]).then_some(()));
        assert_eq!(probe.has_carrier("eth9", None), None);
    });
}
