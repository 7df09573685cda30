//! Adverts that are wrong in one way each: counted by kind and dropped.

use std::net::{Ipv4Addr, SocketAddrV4};
use std::time::{Duration, SystemTime};

use lab::in_namespaces;
use lab::netns::{Daemon, Host, Instance, Net, wait_until};
use socket2::{Domain, Protocol, Socket, Type};

use super::{SLACK, fast, instance, start, wait_role};

const GROUP: Ipv4Addr = Ipv4Addr::new(224, 0, 0, 18);
const ROGUE: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 2);

/// What is sent, and the counter that must move; `None`: it must be accepted.
struct Case {
    kind: Option<&'static str>,
    ttl: u32,
    bytes: Vec<u8>,
}

/// A version 3 advert with a better claim than ours, for our own address (RFC 9568 section 5.1).
fn v3() -> Vec<u8> {
    let mut bytes = vec![0x31, 51, 250, 1, 0, 10, 0, 0];
    bytes.extend(Instance::VIP.octets());
    bytes
}

/// A version 2 advert with a better claim and a password (RFC 2338 section 5.3).
fn v2(password: &str) -> Vec<u8> {
    let mut bytes = vec![0x21, 51, 250, 1, 1, 1, 0, 0];
    bytes.extend(Instance::VIP.octets());
    let mut data = password.as_bytes().to_vec();
    data.resize(8, 0);
    bytes.extend(data);
    bytes
}

/// Puts the right checksum in: version 3 with the pseudo header, version 2 without.
fn sealed(mut bytes: Vec<u8>) -> Vec<u8> {
    let mut covered = Vec::new();
    if bytes[0] >> 4 == 3 {
        covered.extend(ROGUE.octets());
        covered.extend(GROUP.octets());
        covered.extend([0, 112]);
        covered.extend(u16::try_from(bytes.len()).expect("short").to_be_bytes());
    }
    bytes[6..8].fill(0);
    covered.extend(&bytes);
    let mut sum: u32 =
        covered.chunks(2).map(|c| u32::from(c[0]) << 8 | u32::from(*c.get(1).unwrap_or(&0))).sum();
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    let [_, _, a, b] = (!sum).to_be_bytes();
    bytes[6..8].copy_from_slice(&[a, b]);
    bytes
}

/// A good advert with one byte changed and the checksum right for that.
fn changed(mut bytes: Vec<u8>, at: usize, to: u8) -> Vec<u8> {
    bytes[at] = to;
    sealed(bytes)
}

fn bad(kind: &'static str, bytes: Vec<u8>) -> Case {
    Case { kind: Some(kind), ttl: 255, bytes }
}

fn send(rogue: &Host, case: &Case) {
    rogue.enter(|| {
        let socket = Socket::new(Domain::IPV4, Type::RAW, Some(Protocol::from(112))).expect("root may");
        socket.set_multicast_ttl_v4(case.ttl).expect("a TTL");
        socket.set_multicast_if_v4(&ROGUE).expect("its own address");
        socket.send_to(&case.bytes, &SocketAddrV4::new(GROUP, 0).into()).expect("the link is up");
    });
}

/// How many adverts were dropped for this reason, for whatever router they were meant.
fn count(daemon: &Daemon, kind: &str) -> u64 {
    let Some(status) = daemon.status() else { return 0 };
    let own = status["instances"][0]["counters"][format!("dropped_{kind}")].as_u64().unwrap_or_default();
    let stray = status["stray_adverts"][kind].as_u64().unwrap_or_default();
    own + stray
}

/// Sends every case to a master of lower priority, which must count each and go on; then good adverts.
fn try_all(config: &Instance, cases: &[Case], good: Case) {
    let net = Net::new(&["one", "rogue"]);
    let sniffer = net.sniff();
    let mut daemon = start(net.host("one"), config);
    sniffer.wait_advert("one", daemon.started(), config.patience() + SLACK);
    wait_role(&daemon, "MASTER");
    for (n, case) in cases.iter().enumerate() {
        let kind = case.kind.expect("a bad one");
        let before = count(&daemon, kind);
        send(net.host("rogue"), case);
        wait_until(&format!("case {n} counted as {kind}"), SLACK, || {
            (count(&daemon, kind) > before).then_some(())
        });
        assert_eq!(count(&daemon, kind), before + 1, "case {n} counted more than once as {kind}");
        assert_eq!(instance(&daemon).expect("it answers")["role"], "MASTER", "case {n}, {kind}");
    }
    // Rubbish of every length, none of it to be believed.
    for length in 0..64u8 {
        let bytes = (0..length).map(|i| i.wrapping_mul(37) ^ length).collect();
        send(net.host("rogue"), &bad("rubbish", bytes));
    }
    let quiet = SystemTime::now();
    sniffer.wait_for("more adverts from us", config.interval * 3 + SLACK, |t| {
        (t.count_adverts("one", quiet, SystemTime::now()) >= 2).then_some(())
    });
    assert!(daemon.is_running(), "{}", daemon.log());
    // One without a fault and with a lesser claim: somebody else believes to be master, so neighbours may have learnt
    // his hardware address. We say again where the address is.
    let heard = SystemTime::now();
    send(net.host("rogue"), &Case { bytes: changed(good.bytes.clone(), 2, 50), ..good });
    sniffer.wait_for("a gratuitous ARP", SLACK, |t| t.first_garp("one", Instance::VIP, heard).cloned());
    sniffer.wait_for("an answer", SLACK, |t| t.first_advert("one", heard).cloned());
    // The counter-check: one with a better claim moves us.
    send(net.host("rogue"), &good);
    wait_role(&daemon, "BACKUP");
}

#[test]
fn bad_adverts_of_version_3_are_counted_by_kind() {
    in_namespaces!();
    let mut wrong_sum = sealed(v3());
    wrong_sum[6] ^= 0x55;
    let mut short_list = v3();
    short_list[3] = 2;
    let mut long_list = v3();
    long_list.extend([10, 0, 0, 101]);
    let cases = [
        bad("checksum", wrong_sum),
        bad("version", changed(v3(), 0, 0x41)),
        bad("type", changed(v3(), 0, 0x32)),
        bad("vrid", changed(v3(), 1, 52)),
        bad("vrid", changed(v3(), 1, 0)),
        Case { kind: Some("ttl"), ttl: 64, bytes: sealed(v3()) },
        bad("length", v3()[..6].to_vec()),
        bad("address_count", sealed(short_list)),
        bad("address_count", sealed(long_list)),
        bad("interval", {
            let mut bytes = v3();
            bytes[4..6].fill(0);
            sealed(bytes)
        }),
        bad("version", sealed(v2("opensesm"))),
    ];
    try_all(&fast(100), &cases, Case { kind: None, ttl: 255, bytes: sealed(v3()) });
}

#[test]
fn bad_adverts_of_version_2_are_counted_by_kind() {
    in_namespaces!();
    let mut config = Instance::new(2, Duration::from_secs(1), 100);
    config.password = Some("opensesm".into());
    // Master sooner than after three whole seconds.
    let config = Instance { more: "state MASTER".into(), ..config };
    let mut without = v2("");
    without[4] = 0;
    let cases = [
        bad("authentication", sealed(v2("abrakada"))),
        bad("authentication", sealed(without)),
        bad("authentication", changed(v2("opensesm"), 4, 2)),
        bad("interval", changed(v2("opensesm"), 5, 3)),
        bad("version", sealed(v3())),
    ];
    try_all(&config, &cases, Case { kind: None, ttl: 255, bytes: sealed(v2("opensesm")) });
}

/// Something odd that another router says again and again: it is counted each time, and told once.
struct Oddity {
    bytes: Vec<u8>,
    counter: &'static str,
    told: &'static str,
}

#[test]
fn odd_neighbours_are_named_once_and_counted_each_time() {
    in_namespaces!();
    let lesser = |mut bytes: Vec<u8>, at: usize, to: u8| {
        bytes[2] = 50;
        changed(bytes, at, to)
    };
    let mut signed = sealed(v3());
    signed.extend([1, 1, 0, 0]);
    signed.extend([0; 24]);
    let oddities = [
        Oddity { bytes: lesser(v3(), 11, 99), counter: "differing_address_list", told: "addresses than" },
        Oddity { bytes: lesser(v3(), 5, 30), counter: "received", told: "advertises every 0.3 s" },
        Oddity { bytes: sealed(v2("opensesm")), counter: "dropped_version", told: "V2 advert, V3 expected" },
        Oddity { bytes: signed, counter: "dropped_authentication", told: "the advert is signed" },
    ];
    let net = Net::new(&["one", "rogue"]);
    let daemon = start(net.host("one"), &fast(100));
    wait_role(&daemon, "MASTER");
    let count = |name: &str| {
        instance(&daemon).and_then(|i| i["counters"][name].as_u64()).expect("every counter is there")
    };
    for Oddity { bytes, counter, told } in oddities {
        let before = count(counter);
        for n in 1..=5 {
            send(net.host("rogue"), &Case { kind: None, ttl: 255, bytes: bytes.clone() });
            wait_until(counter, SLACK, || (count(counter) >= before + n).then_some(()));
        }
        assert_eq!(count(counter), before + 5, "{counter}");
        wait_until(told, SLACK, || daemon.log().contains(told).then_some(()));
        assert_eq!(daemon.log().matches(told).count(), 1, "{}", daemon.log());
    }
    assert_eq!(instance(&daemon).expect("it answers")["role"], "MASTER");
}
