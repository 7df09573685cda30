//! The adapters against a real kernel, in a network namespace of their own.
//!
//! Each test runs itself again inside `unshare -n` (as root) or `unshare -Urn`, where it makes its interfaces with
//! `ip`. Where that is not possible it says `skipped: reason`, and fails if `CI=true`.
#![cfg(feature = "io")]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeSet;
use std::io::Read;
use std::io::Write;
use std::net::{IpAddr, Ipv4Addr};
use std::os::fd::{AsFd, AsRawFd};
use std::process::Command;
use std::time::{Duration, Instant};

use socket2::{Domain, Protocol, Type};
use vrrp::io::{
    ADDRESS_PROTOCOL, AddressTable, Announcer, LinkMonitor, Socket, gratuitous_arp_frame,
    unsolicited_advertisement_frame,
};
use vrrp::{AddressKey, AddressLevel, AddressSettings, Envelope, Wanted, datagram_v4, split_v4};

const INSIDE: &str = "VRRP_IO_TEST_NAMESPACE";
const GROUP: Ipv4Addr = Ipv4Addr::new(224, 0, 0, 18);

/// True inside the namespace: the test goes on. Outside, runs the test `name` inside and returns false.
fn in_namespace(name: &str) -> bool {
    in_namespace_under(name, &[])
}

/// The same with a `wrapper` command around the test inside.
fn in_namespace_under(name: &str, wrapper: &[&str]) -> bool {
    if std::env::var_os(INSIDE).is_some() {
        return true;
    }
    let flags = if nix::unistd::geteuid().is_root() { "-n" } else { "-Urn" };
    let unshare = || {
        let mut command = Command::new("unshare");
        command.arg(flags).args(wrapper);
        command
    };
    let reason = match unshare().arg("true").output() {
        Ok(output) if output.status.success() => None,
        Ok(output) => Some(String::from_utf8_lossy(&output.stderr).trim().to_owned()),
        Err(error) => Some(format!("unshare: {error}")),
    };
    if let Some(reason) = reason {
        lab::netns::skip(&format!("no network namespace with `unshare {flags}`: {reason}"));
        return false;
    }
    let tools = match lab::packages::ensure() {
        Ok(tools) => tools,
        Err(error) => {
            lab::netns::skip(&error.to_string());
            return false;
        }
    };
    let test = std::env::current_exe().unwrap();
    let mut inside = unshare();
    inside.arg(test).args([name, "--exact", "--nocapture"]).env(INSIDE, "yes").env("LAB_TOOLS", &tools.root);
    assert!(inside.status().unwrap().success(), "`{name}` failed inside its namespace");
    false
}

/// Runs `ip` with the words of `line` and returns what it prints.
fn ip(line: &str) -> String {
    let tools = lab::packages::Tools::from_guest().expect("the outer run hands the tools down");
    let output = tools.command("ip").args(line.split_whitespace()).output().unwrap();
    assert!(output.status.success(), "ip {line}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// A cable with the ends `va` and `vb`, both up and able to carry packets.
fn cable() {
    ip("link add va type veth peer name vb");
    for end in ["vb", "va"] {
        std::fs::write(format!("/proc/sys/net/ipv6/conf/{end}/accept_dad"), "0").unwrap();
        ip(&format!("link set {end} up"));
    }
    let mut monitor = LinkMonitor::open().unwrap();
    eventually("the carrier", || {
        monitor.read().unwrap();
        ["va", "vb"].iter().all(|end| monitor.links()[*end].up).then_some(())
    });
}

fn index(interface: &str) -> u32 {
    nix::net::if_::if_nametoindex(interface).unwrap()
}

/// Tries for five seconds.
fn eventually<T>(what: &str, mut attempt: impl FnMut() -> Option<T>) -> T {
    let end = Instant::now() + Duration::from_secs(5);
    loop {
        if let Some(found) = attempt() {
            return found;
        }
        assert!(Instant::now() < end, "waited in vain: {what}");
        std::thread::sleep(Duration::from_millis(2));
    }
}

fn datagram(source: [u8; 4], destination: Ipv4Addr, payload: &[u8]) -> Vec<u8> {
    let envelope = Envelope { source: source.into(), destination: destination.into(), ttl: 255 };
    datagram_v4(&envelope, 0, payload)
}

#[test]
fn adverts_travel_by_multicast() {
    if !in_namespace("adverts_travel_by_multicast") {
        return;
    }
    cable();
    let sender = Socket::multicast("va", index("va"), GROUP).unwrap();
    let receiver = Socket::multicast("vb", index("vb"), GROUP).unwrap();
    let bystander = Socket::unicast(None).unwrap();
    let mut buffer = [0; 2048];

    sender.send(&datagram([192, 0, 2, 9], GROUP, b"advert"), GROUP.into()).unwrap();
    let arrival = receiver.receive(&mut buffer).unwrap().expect("the advert is there");
    assert_eq!(arrival.interface, index("vb"));
    let (envelope, payload) = split_v4(arrival.datagram).unwrap();
    let expected = Envelope { source: [192, 0, 2, 9].into(), destination: GROUP.into(), ttl: 255 };
    assert_eq!((envelope, payload), (expected, &b"advert"[..]));
    assert_eq!(arrival.datagram[1], 0xc0, "type of service");

    assert_eq!(receiver.receive(&mut buffer).unwrap(), None, "once only");
    assert_eq!(sender.receive(&mut buffer).unwrap(), None, "nobody hears himself");
    assert_eq!(bystander.receive(&mut buffer).unwrap(), None, "a unicast socket hears no group");

    // Another group on the same wire, joined by another socket, is not this socket's business.
    let other = Ipv4Addr::new(224, 0, 0, 99);
    let neighbour = Socket::multicast("vb", index("vb"), other).unwrap();
    sender.send(&datagram([192, 0, 2, 9], other, b"other"), other.into()).unwrap();
    eventually("the other group", || neighbour.receive(&mut buffer).unwrap().map(drop));
    assert_eq!(receiver.receive(&mut buffer).unwrap(), None);

    let v6 = sender.send(&[0; 40], "ff02::12".parse().unwrap()).unwrap_err();
    assert_eq!(v6.kind(), std::io::ErrorKind::InvalidInput);
    let missing = Socket::multicast("nowhere", 77, GROUP).unwrap_err();
    assert!(missing.to_string().contains("nowhere"), "{missing}");
}

#[test]
fn an_arrival_is_the_kernels_moment() {
    if !in_namespace("an_arrival_is_the_kernels_moment") {
        return;
    }
    cable();
    let sender = Socket::multicast("va", index("va"), GROUP).unwrap();
    let receiver = Socket::multicast("vb", index("vb"), GROUP).unwrap();
    let mut buffer = [0; 2048];
    // The kernel begins to stamp packets a moment after the first socket asked for it.
    eventually("a stamp from before the reading", || {
        let before = Instant::now();
        sender.send(&datagram([192, 0, 2, 9], GROUP, b"advert"), GROUP.into()).unwrap();
        let after = Instant::now();
        std::thread::sleep(Duration::from_millis(60));
        let arrival = receiver.receive(&mut buffer).unwrap().expect("the advert is there");
        let slack = Duration::from_millis(20);
        assert!(arrival.arrived + slack >= before, "arrived before it was sent");
        (arrival.arrived <= after + slack).then_some(())
    });
}

#[test]
fn adverts_travel_by_unicast() {
    if !in_namespace("adverts_travel_by_unicast") {
        return;
    }
    ip("link set lo up");
    let one = Socket::unicast(None).unwrap();
    let other = Socket::unicast(Some("lo")).unwrap();
    let group = Socket::multicast("lo", index("lo"), GROUP).unwrap();
    let home = Ipv4Addr::LOCALHOST;
    one.send(&datagram([127, 0, 0, 1], home, b"advert"), home.into()).unwrap();
    let mut buffer = [0; 2048];
    let arrival = other.receive(&mut buffer).unwrap().expect("the advert is there");
    assert_eq!(arrival.interface, index("lo"));
    assert_eq!(split_v4(arrival.datagram).unwrap().1, b"advert");
    assert_eq!(group.receive(&mut buffer).unwrap(), None, "a socket bound to a group hears only the group");
    assert!(other.as_fd().as_raw_fd() > 2);
}

#[test]
fn lacking_rights_are_recognisable() {
    // A user namespace of its own has no rights over the network namespace outside it.
    if !in_namespace_under("lacking_rights_are_recognisable", &["unshare", "-U"]) {
        return;
    }
    let socket = Socket::unicast(None).unwrap_err();
    let announcer = Announcer::open().unwrap_err();
    for error in [socket, announcer] {
        assert_eq!(error.kind(), std::io::ErrorKind::PermissionDenied);
        assert!(error.to_string().contains("CAP_NET_RAW"), "{error}");
    }
    let mut table = AddressTable::open(&BTreeSet::new()).unwrap();
    let (key, wanted) = present("lo", [192, 0, 2, 1], 32);
    let report = table.converge(&AddressLevel::from([(key.clone(), wanted)]));
    assert_eq!(report.failures.len(), 1);
    assert_eq!(report.failures[0].0, key);
    assert!(report.failures[0].1.contains("CAP_NET_ADMIN"), "{}", report.failures[0].1);
    assert!(LinkMonitor::open().unwrap().links().contains_key("lo"), "looking needs no rights");
}

#[test]
fn announcements_reach_the_wire() {
    if !in_namespace("announcements_reach_the_wire") {
        return;
    }
    cable();
    let every_protocol = Protocol::from(i32::from(3_u16.to_be()));
    let mut wire = socket2::Socket::new(Domain::PACKET, Type::RAW, Some(every_protocol)).unwrap();
    wire.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
    let mut next = |ethertype: [u8; 2], kind: Option<u8>| loop {
        let mut buffer = [0; 2048];
        let length = wire.read(&mut buffer).unwrap();
        if buffer[12..14] == ethertype && kind.is_none_or(|kind| buffer[54] == kind) {
            return buffer[..length].to_vec();
        }
    };
    let mac = [2, 0, 0, 0, 0, 7];
    let announcer = Announcer::open().unwrap();
    announcer.gratuitous_arp(index("va"), mac, Ipv4Addr::new(192, 0, 2, 100)).unwrap();
    assert_eq!(next([8, 6], None), gratuitous_arp_frame(mac, Ipv4Addr::new(192, 0, 2, 100)));
    let v6 = "2001:db8::64".parse().unwrap();
    announcer.unsolicited_advertisement(index("va"), mac, v6, false).unwrap();
    assert_eq!(next([0x86, 0xdd], Some(136)), unsolicited_advertisement_frame(mac, v6, false));
    assert!(announcer.gratuitous_arp(9999, mac, Ipv4Addr::new(192, 0, 2, 100)).is_err());
}

#[test]
fn neighbours_believe_the_announcements() {
    if !in_namespace("neighbours_believe_the_announcements") {
        return;
    }
    cable();
    ip("address add 192.0.2.1/24 dev vb");
    ip("address add 2001:db8::1/64 dev vb nodad");
    ip("neighbour add 192.0.2.100 dev vb lladdr 02:00:00:00:00:01 nud stale");
    ip("neighbour add 2001:db8::64 dev vb lladdr 02:00:00:00:00:01 nud stale");
    let mac = [2, 0, 0, 0, 0, 7];
    let announcer = Announcer::open().unwrap();
    announcer.gratuitous_arp(index("va"), mac, Ipv4Addr::new(192, 0, 2, 100)).unwrap();
    announcer.unsolicited_advertisement(index("va"), mac, "2001:db8::64".parse().unwrap(), true).unwrap();
    for address in ["192.0.2.100", "2001:db8::64"] {
        eventually(address, || {
            ip(&format!("neighbour show {address} dev vb")).contains("02:00:00:00:00:07").then_some(())
        });
    }
}

#[test]
fn links_are_followed() {
    if !in_namespace("links_are_followed") {
        return;
    }
    let mut monitor = LinkMonitor::open().unwrap();
    assert!(monitor.links()["lo"].loopback);
    assert!(!monitor.links()["lo"].up);
    assert!(!monitor.read().unwrap(), "nothing happened");

    ip("link add va address 02:00:00:00:00:0a type veth peer name vb");
    let wait = |monitor: &mut LinkMonitor, what: &str, wish: &dyn Fn(&vrrp::Links) -> bool| {
        eventually(what, || {
            monitor.read().unwrap();
            wish(monitor.links()).then_some(())
        });
    };
    wait(&mut monitor, "the new link", &|links| links.contains_key("va"));
    assert_eq!(monitor.links()["va"].index, index("va"));
    assert_eq!(monitor.links()["va"].mac, Some([2, 0, 0, 0, 0, 10]));
    ip("link set va up");
    assert!(monitor.read().unwrap() || !monitor.links()["va"].up);
    assert!(!monitor.links()["va"].up, "no carrier while the other end is down");
    ip("link set vb up");
    wait(&mut monitor, "the carrier", &|links| links["va"].up && links["vb"].up);

    ip("address add 192.0.2.100/32 dev va");
    ip("address add 192.0.2.1/24 dev va");
    ip("address add 192.0.2.2/24 dev va");
    ip("address add 198.51.100.1/24 dev va");
    wait(&mut monitor, "the addresses", &|links| links["va"].holds([198, 51, 100, 1].into()));
    let held: Vec<(IpAddr, u8, bool)> = monitor.links()["va"]
        .addresses
        .iter()
        .filter(|held| held.address.is_ipv4())
        .map(|held| (held.address, held.prefix, held.secondary))
        .collect();
    let expected: [([u8; 4], u8, bool); 4] = [
        ([192, 0, 2, 100], 32, false),
        ([192, 0, 2, 1], 24, false),
        ([198, 51, 100, 1], 24, false),
        ([192, 0, 2, 2], 24, true),
    ];
    assert_eq!(held, expected.map(|(address, prefix, secondary)| (address.into(), prefix, secondary)));
    let virtual_addresses = BTreeSet::from([[192, 0, 2, 100].into()]);
    assert_eq!(monitor.links()["va"].source_v4(&virtual_addresses), Some(Ipv4Addr::new(192, 0, 2, 1)));
    wait(&mut monitor, "IPv6's own address", &|links| links["va"].source_v6(&BTreeSet::new()).is_some());

    ip("link set vb down");
    wait(&mut monitor, "the lost carrier", &|links| !links["va"].up);
    ip("link delete va");
    wait(&mut monitor, "the deleted link", &|links| !links.contains_key("va"));
    assert_eq!(monitor.links().len(), 1);
}

#[test]
fn an_overrun_of_events_does_no_harm() {
    if !in_namespace("an_overrun_of_events_does_no_harm") {
        return;
    }
    cable();
    let mut monitor = LinkMonitor::open().unwrap();
    nix::sys::socket::setsockopt(&monitor, nix::sys::socket::sockopt::RcvBuf, &1024).unwrap();
    let mut table = AddressTable::open(&BTreeSet::new()).unwrap();
    // Also more than the address table's own socket could hold answers for, were they not asked for in batches.
    let level: AddressLevel =
        (0..4000_u16).map(|host| host.to_be_bytes()).map(|[x, y]| present("va", [10, 1, x, y], 32)).collect();
    let report = table.converge(&level);
    assert_eq!((report.added.len(), report.failures.len()), (4000, 0));
    assert!(monitor.read().unwrap());
    assert!(monitor.links()["va"].holds([10, 1, 15, 159].into()), "read anew although events were lost");
    assert!(!monitor.read().unwrap());
}

fn present(interface: &str, address: [u8; 4], prefix: u8) -> (AddressKey, Wanted) {
    (
        AddressKey::new(interface, address.into()),
        Wanted::Present(AddressSettings { prefix, label: None, details: Default::default() }),
    )
}

fn absent(interface: &str, address: [u8; 4]) -> (AddressKey, Wanted) {
    (AddressKey::new(interface, address.into()), Wanted::Absent { prefix: 32 })
}

#[test]
fn addresses_converge() {
    if !in_namespace("addresses_converge") {
        return;
    }
    cable();
    ip("address add 192.0.2.1/24 dev va");
    ip("address add 192.0.2.50/32 dev va");
    let mut table = AddressTable::open(&BTreeSet::new()).unwrap();
    assert!(table.ours().is_empty());
    let v6 = AddressKey::new("va", "2001:db8::64".parse().unwrap());
    let labelled = AddressKey::new("va", [192, 0, 2, 101].into());
    let label = AddressSettings { prefix: 24, label: Some("va:vip".into()), details: Default::default() };
    let mut level = AddressLevel::from([
        present("va", [192, 0, 2, 1], 32),
        present("va", [192, 0, 2, 100], 32),
        (labelled.clone(), Wanted::Present(label)),
        (v6.clone(), Wanted::Present(AddressSettings::host(v6.address))),
        absent("va", [192, 0, 2, 50]),
        absent("va", [192, 0, 2, 51]),
        present("nowhere", [192, 0, 2, 200], 32),
    ]);
    let report = table.converge(&level);
    let key = |address: [u8; 4]| AddressKey::new("va", address.into());
    assert_eq!(report.added, [key([192, 0, 2, 100]), labelled.clone(), v6]);
    assert_eq!(report.removed, [key([192, 0, 2, 50])]);
    assert_eq!(report.failures.len(), 1);
    assert_eq!(report.failures[0].1, "there is no interface `nowhere`");
    let shown = ip("address show dev va");
    assert!(
        shown.contains("inet 192.0.2.1/24 scope global va\n"),
        "the foreign address is good enough\n{shown}"
    );
    assert!(shown.contains("inet 192.0.2.100/32 scope global"), "{shown}");
    assert!(shown.contains("va:vip\n"), "{shown}");
    let line = shown.lines().find(|line| line.contains("inet6 2001:db8::64/128 scope global")).expect(&shown);
    assert!(line.contains("nodad") && line.contains("deprecated"), "{line}");
    assert!(!shown.contains("192.0.2.50"), "{shown}");
    assert!(!shown.contains("brd 192"), "{shown}");

    let again = table.converge(&level);
    assert!(again.added.is_empty() && again.removed.is_empty(), "{again:?}");

    // The missing interface appears, somebody takes an address away, and settings change.
    ip("link add nowhere type veth peer name elsewhere");
    ip("address delete 192.0.2.100/32 dev va");
    level.extend([(
        labelled.clone(),
        Wanted::Present(AddressSettings { prefix: 24, label: None, details: Default::default() }),
    )]);
    let report = table.converge(&level);
    assert_eq!(
        report.added,
        [AddressKey::new("nowhere", [192, 0, 2, 200].into()), key([192, 0, 2, 100]), labelled.clone()]
    );
    assert_eq!(report.removed, [labelled]);
    assert_eq!(report.failures, []);
    assert!(!ip("address show dev va").contains("va:vip"));

    // Ours leave with the level; what others put there stays, and so does what came meanwhile.
    ip("address add 192.0.2.77/32 dev va");
    let report = table.converge(&AddressLevel::new());
    assert_eq!(report.removed.len(), 4);
    assert!(table.ours().is_empty());
    let shown = ip("address show dev va");
    assert!(shown.contains("192.0.2.1/24") && shown.contains("192.0.2.77/32"), "{shown}");
    assert!(!shown.contains("192.0.2.10") && !shown.contains("2001:db8"), "{shown}");
}

#[test]
fn a_predecessors_addresses_are_recognised() {
    if !in_namespace("a_predecessors_addresses_are_recognised") {
        return;
    }
    cable();
    ip("address add 192.0.2.50/32 dev va");
    let level: AddressLevel = (100..250).map(|host| present("va", [192, 0, 2, host], 32)).collect();
    assert_eq!(
        AddressTable::open(&BTreeSet::new()).unwrap().converge(&level).added.len(),
        150,
        "more than two batches"
    );
    // The first table is gone without cleaning up, as after a crash.
    let known = level.keys().cloned().collect();
    let mut successor = AddressTable::open(&known).unwrap();
    let release = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap();
    let version: Vec<u32> = release.split('.').take(2).filter_map(|part| part.parse().ok()).collect();
    if version < vec![5, 18] {
        let _ = writeln!(
            std::io::stderr(),
            "skipped: Linux {} does not keep an address's protocol ({ADDRESS_PROTOCOL})",
            release.trim()
        );
        return;
    }
    assert_eq!(successor.ours().len(), 150);
    let stranger = AddressTable::open(&BTreeSet::new()).unwrap();
    assert!(stranger.ours().is_empty(), "what another daemon of this kind put there is its own");
    assert_eq!(successor.converge(&level), vrrp::AddressReport::default(), "adopted without a change");
    assert_eq!(successor.converge(&AddressLevel::new()).removed.len(), 150);
    assert!(ip("address show dev va").contains("192.0.2.50/32"));
}

#[test]
fn refusals_are_told_in_words() {
    if !in_namespace("refusals_are_told_in_words") {
        return;
    }
    cable();
    let mut table = AddressTable::open(&BTreeSet::new()).unwrap();
    let level =
        AddressLevel::from([present("va", [192, 0, 2, 100], 33), present("va", [192, 0, 2, 101], 32)]);
    let report = table.converge(&level);
    assert_eq!(report.added.len(), 1, "one refusal does not hold up the others");
    assert_eq!(report.failures.len(), 1);
    let text = &report.failures[0].1;
    assert!(text.starts_with("cannot be added as 192.0.2.100/33: Invalid argument"), "{text}");
}

#[test]
fn a_take_over_adds_before_it_reads() {
    if !in_namespace("a_take_over_adds_before_it_reads") {
        return;
    }
    cable();
    let mut table = AddressTable::open(&BTreeSet::new()).unwrap();
    // What somebody else has done since the last reading is not seen yet, and does no harm.
    ip("address add 192.0.2.10/32 dev va");
    let level = AddressLevel::from([present("va", [192, 0, 2, 10], 32), present("va", [192, 0, 2, 11], 32)]);
    let added = table.add_missing(&level, |_| ()).expect("nothing has to be removed");
    assert_eq!(added.iter().map(ToString::to_string).collect::<Vec<_>>(), ["192.0.2.11 dev va"]);
    assert_eq!(table.converge(&level), vrrp::AddressReport::default(), "nothing is left to do");
    assert_eq!(table.ours().len(), 1, "what was there before is somebody else's");
    assert_eq!(table.converge(&AddressLevel::new()).removed.len(), 1);
    assert!(ip("address show dev va").contains("192.0.2.10/32"));
}
