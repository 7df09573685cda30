//! Tables for tests: few keys, so that random tables meet each other often.

use std::collections::BTreeSet;
use std::num::NonZeroU16;
use std::sync::Arc;
use std::time::Duration;

use proptest::collection::{btree_map, btree_set};
use proptest::option;
use proptest::prelude::*;

use crate::{
    Checksum, DestinationKey, DestinationSettings, Family, Forwarding, Granularity, Persistence, Protocol,
    Scheduler, Service, ServiceKey, ServiceSettings, Table, Tunnel,
};

/// A service key from its text.
pub fn service(text: &str) -> ServiceKey {
    text.parse().unwrap()
}

/// A destination key from its text.
pub fn server(text: &str) -> DestinationKey {
    text.parse().unwrap()
}

/// NAT with this weight.
pub fn nat(weight: u32) -> DestinationSettings {
    DestinationSettings::new(Forwarding::Nat, weight)
}

/// Services with their servers, all `wlc` and NAT.
pub fn table(services: &[(&str, &[(&str, u32)])]) -> Table {
    let one = |(key, servers): &(&str, &[(&str, u32)])| {
        let mut held = Service::new(ServiceSettings::default());
        held.destinations = servers.iter().map(|(key, weight)| (server(key), nat(*weight))).collect();
        (service(key), Arc::new(held))
    };
    Table { services: services.iter().map(one).collect() }
}

/// One of a few services of both families.
pub fn any_key() -> impl Strategy<Value = ServiceKey> {
    let texts =
        ["[10.0.0.1]:tcp:80", "[10.0.0.1]:udp:80", "[10.0.0.2]:sctp:0", "FWM 1", "FWM 1 v6", "[::1]:tcp:80"];
    prop::sample::select(texts.map(service).to_vec())
}

/// Any table of a few services.
pub fn any_table() -> impl Strategy<Value = Table> {
    let service = any_key().prop_flat_map(|key| (Just(key), any_service(key.family()).prop_map(Arc::new)));
    prop::collection::vec(service, 0..6)
        .prop_map(|services| Table { services: services.into_iter().collect() })
}

/// Any set of keys.
pub fn any_keys() -> impl Strategy<Value = BTreeSet<ServiceKey>> {
    btree_set(any_key(), 0..4)
}

/// Any service that the kernel takes.
pub fn any_service(family: Family) -> impl Strategy<Value = Service> {
    let destinations = btree_map(any_server(family), any_destination(), 0..5);
    (any_settings(family), destinations).prop_map(|(settings, destinations)| {
        let destinations = destinations.into_iter().collect();
        Service { settings, destinations }
    })
}

/// Any settings that the kernel takes.
pub fn any_settings(family: Family) -> impl Strategy<Value = ServiceSettings> {
    let scheduler =
        prop::sample::select(vec!["rr", "wlc", "sh"]).prop_map(|name| name.parse::<Scheduler>().unwrap());
    let granularity = match family {
        Family::V4 => prop_oneof![
            Just(Granularity::Host),
            any::<u32>().prop_map(|bits| Granularity::Netmask(bits.into())),
        ]
        .boxed(),
        Family::V6 => prop_oneof![Just(Granularity::Host), (1..=128u8).prop_map(Granularity::Prefix)].boxed(),
    };
    let timeout = (0..5000u64).prop_map(Duration::from_millis);
    let persistence =
        (timeout, granularity).prop_map(|(timeout, granularity)| Persistence { timeout, granularity });
    let engine = option::of(Just("sip".to_owned()));
    (scheduler, any::<u32>(), option::of(persistence), engine).prop_map(
        |(scheduler, flags, persistence, engine)| ServiceSettings { scheduler, flags, persistence, engine },
    )
}

fn any_server(family: Family) -> impl Strategy<Value = DestinationKey> {
    let texts = match family {
        Family::V4 => ["[10.1.0.1]:80", "[10.1.0.2]:80", "[10.1.0.2]:81", "[10.1.0.3]:0"],
        Family::V6 => ["[2001:db8::1]:80", "[2001:db8::2]:80", "[2001:db8::2]:81", "[2001:db8::3]:0"],
    };
    prop::sample::select(texts.map(server).to_vec())
}

fn any_destination() -> impl Strategy<Value = DestinationSettings> {
    let forwarding = prop::sample::select(vec![Forwarding::Nat, Forwarding::Dr, Forwarding::Tun]);
    let port = NonZeroU16::MIN;
    let tunnels = vec![
        None,
        Some(Tunnel::Gue { port, checksum: Checksum::Plain }),
        Some(Tunnel::Gre { checksum: Checksum::None }),
    ];
    let tunnel = prop::sample::select(tunnels);
    (forwarding, 0..3u32, 0..3u32, 0..3u32, tunnel).prop_map(|(forwarding, weight, upper, lower, tunnel)| {
        DestinationSettings { forwarding, weight, upper, lower: lower.min(upper), tunnel }
    })
}

/// Any key at all.
pub fn every_key() -> impl Strategy<Value = ServiceKey> {
    let protocol = prop::sample::select(vec![Protocol::Tcp, Protocol::Udp, Protocol::Sctp]);
    let family = prop::sample::select(vec![Family::V4, Family::V6]);
    prop_oneof![
        (protocol, any::<std::net::IpAddr>(), any::<u16>())
            .prop_map(|(protocol, address, port)| ServiceKey::Address { protocol, address, port }),
        (family, any::<u32>()).prop_map(|(family, mark)| ServiceKey::Mark { family, mark }),
    ]
}
