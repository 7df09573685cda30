//! Others who speak for our virtual router: equals with a higher or a lower address, our own voice coming back, and
//! routers of another make that took our number.

use std::net::{IpAddr, Ipv6Addr, SocketAddrV6};
use std::time::{Duration, SystemTime};

use lab::in_namespaces;
use lab::netns::{Daemon, Host, Instance, Net, wait_until};
use socket2::{Domain, Protocol, Socket, Type};
use vrrp::{Advert, Auth, GROUP_V4, GROUP_V6, Version};

use super::{SLACK, fast, instance, start, wait_address, wait_role};

/// What a rival says: the same as our instance of priority 100 does.
fn advert(v6: bool) -> Advert {
    let vip = if v6 { IpAddr::V6(Instance::VIP_V6) } else { IpAddr::V4(Instance::VIP) };
    let addresses = match vip {
        IpAddr::V6(_) => vec!["fe80::64".parse().expect("an address"), vip],
        IpAddr::V4(_) => vec![vip],
    };
    let interval = Duration::from_millis(100);
    Advert { version: Version::V3, vrid: 51, priority: 100, interval, auth: Auth::None, addresses }
}

/// Sends an advert from this host, as a program would.
fn say(host: &Host, advert: &Advert) {
    let source = host.address();
    host.enter(|| {
        let socket = Socket::new(Domain::IPV4, Type::RAW, Some(Protocol::from(112))).expect("root may");
        socket.set_multicast_ttl_v4(255).expect("a TTL");
        socket.set_multicast_if_v4(&source).expect("its own address");
        let bytes = advert.emit(source.into(), GROUP_V4.into());
        let group = std::net::SocketAddrV4::new(GROUP_V4, 0);
        socket.send_to(&bytes, &group.into()).expect("the link is up");
    });
}

/// The same over IPv6 from an address of the host's.
fn say_v6(host: &Host, source: Ipv6Addr, advert: &Advert) {
    host.enter(|| {
        let socket = Socket::new(Domain::IPV6, Type::RAW, Some(Protocol::from(112))).expect("root may");
        let index = nix::net::if_::if_nametoindex("eth0").expect("there is one");
        socket.set_multicast_hops_v6(255).expect("a hop limit");
        socket.set_multicast_if_v6(index).expect("its own interface");
        socket.bind(&SocketAddrV6::new(source, 0, 0, index).into()).expect("its own address");
        let bytes = advert.emit(source.into(), GROUP_V6.into());
        let group = SocketAddrV6::new(GROUP_V6, 0, 0, index);
        socket.send_to(&bytes, &group.into()).expect("the link is up");
    });
}

fn counter(daemon: &Daemon, name: &str) -> u64 {
    instance(daemon).and_then(|i| i["counters"][name].as_u64()).expect("every counter is there")
}

/// What `status` finds odd.
fn oddities(daemon: &Daemon) -> Vec<String> {
    let all = instance(daemon).map(|instance| instance["oddities"].clone()).expect("it answers");
    all.as_array().expect("a list").iter().filter_map(|text| Some(text.as_str()?.to_owned())).collect()
}

/// RFC 9568, 6.4.3: of equals the one with the higher address stays master.
#[test]
fn of_equal_masters_the_one_with_the_higher_address_stays() {
    in_namespaces!();
    let net = Net::new(&["low", "high"]);
    let sniffer = net.sniff();
    let (low, high) = (net.host("low"), net.host("high"));
    let daemon = start(high, &fast(100));
    wait_role(&daemon, "MASTER");
    let said = SystemTime::now();
    // Most of its adverts are lost: it is silent for longer than three intervals, and still the same rival.
    for _ in 0..5 {
        say(low, &advert(false));
        std::thread::sleep(Duration::from_millis(450));
    }
    wait_until("every advert heard", SLACK, || (counter(&daemon, "received") >= 5).then_some(()));
    wait_role(&daemon, "MASTER");
    sniffer.wait_advert("high", said, SLACK);
    assert!(oddities(&daemon)[0].contains("10.0.0.1 (priority 100) says that it is master too"));
    assert_eq!(daemon.log().matches("says that it is master too").count(), 1, "{}", daemon.log());
    drop(daemon);
    high.ip("addr flush dev eth0 to 10.0.0.100");

    let daemon = start(low, &fast(100));
    wait_role(&daemon, "MASTER");
    say(high, &advert(false));
    wait_until("the role given up", SLACK, || {
        (instance(&daemon)?["cause"].as_str()?.contains("better claim")).then_some(())
    });
    // The rival said it only once.
    wait_role(&daemon, "MASTER");
    assert_eq!(counter(&daemon, "became_master"), 2);
}

/// A loop of cables, or a switch that sends back: nobody else is there. Over IPv4 the kernel drops such packets itself.
#[test]
fn our_own_adverts_that_come_back_are_counted_and_change_nothing() {
    in_namespaces!();
    let net = Net::new(&["one", "mirror"]);
    let (one, mirror) = (net.host("one"), net.host("mirror"));
    mirror.ip("addr add fe80::1/64 dev eth0 nodad");
    let daemon = start(one, &fast(100).v6());
    wait_role(&daemon, "MASTER");
    let own = "fe80::1".parse().expect("an address");
    for n in 1..=3 {
        say_v6(mirror, own, &Advert { priority: 250, ..advert(true) });
        wait_until("one that came back", SLACK, || (counter(&daemon, "looped") >= n).then_some(()));
    }
    assert_eq!((counter(&daemon, "looped"), counter(&daemon, "became_master")), (3, 1));
    let odd = oddities(&daemon);
    assert!(odd.len() == 1 && odd[0].contains("adverts come in from fe80::1, our own address"), "{odd:?}");
    assert_eq!(daemon.log().matches("adverts come in from").count(), 1, "{}", daemon.log());
    wait_role(&daemon, "MASTER");
    // From anybody else the same is a better claim.
    let other = "fe80::2".parse().expect("an address");
    say_v6(mirror, other, &Advert { priority: 250, ..advert(true) });
    wait_until("the role given up", SLACK, || {
        (instance(&daemon)?["cause"].as_str()?.contains("better claim")).then_some(())
    });
}

/// A router of another version or with another password cannot be talked to: both are masters, which an operator must
/// learn, from the log once and from `status` as long as it lasts.
#[test]
fn a_router_of_another_make_on_our_number_is_named_in_the_status() {
    in_namespaces!();
    let net = Net::new(&["one", "other", "third"]);
    let (one, other) = (net.host("one"), net.host("other"));
    let daemon = start(one, &fast(100));
    wait_role(&daemon, "MASTER");
    let older = Advert {
        version: Version::V2,
        priority: 250,
        interval: Duration::from_secs(1),
        auth: Auth::password("opensesm"),
        ..advert(false)
    };
    for n in 1..=5 {
        say(other, &older);
        wait_until("one dropped", SLACK, || (counter(&daemon, "dropped_version") >= n).then_some(()));
    }
    let odd = oddities(&daemon);
    assert!(odd.len() == 1 && odd[0].contains("adverts of 10.0.0.2 are dropped"), "{odd:?}");
    assert!(odd[0].contains("V2 advert, V3 expected"), "{odd:?}");
    assert_eq!(daemon.log().matches("adverts of 10.0.0.2 are dropped").count(), 1, "{}", daemon.log());
    wait_role(&daemon, "MASTER");
    wait_address(one, true);
    // A second one that makes the same mistake is named as well, and once.
    for n in 6..=8 {
        say(net.host("third"), &older);
        say(other, &older);
        wait_until("both dropped", SLACK, || {
            (counter(&daemon, "dropped_version") >= 5 + 2 * (n - 5)).then_some(())
        });
    }
    let odd = oddities(&daemon);
    assert!(odd.len() == 2 && odd[1].contains("adverts of 10.0.0.3 are dropped"), "{odd:?}");
    for address in ["10.0.0.2", "10.0.0.3"] {
        let told = format!("adverts of {address} are dropped");
        assert_eq!(daemon.log().matches(&told).count(), 1, "{}", daemon.log());
    }
    // People read it as well.
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_directord"));
    let shown = one.output(command.args(["status", "--runtime-dir"]).arg(one.dir())).expect("it runs");
    let shown = String::from_utf8_lossy(&shown.stdout).into_owned();
    assert!(shown.contains("VI_1: adverts of 10.0.0.2 are dropped"), "{shown}");
}

/// The same seen from version 2: another interval is another router as well there (RFC 3768, 7.1).
#[test]
fn another_interval_is_no_master_in_version_2() {
    in_namespaces!();
    let net = Net::new(&["one", "other"]);
    let (one, other) = (net.host("one"), net.host("other"));
    let config = Instance::new(2, Duration::from_secs(1), 100);
    let daemon = start(one, &Instance { more: "state MASTER".into(), ..config });
    let slow =
        Advert { version: Version::V2, priority: 250, interval: Duration::from_secs(3), ..advert(false) };
    wait_role(&daemon, "BACKUP");
    say(other, &slow);
    wait_until("one dropped", SLACK, || (counter(&daemon, "dropped_interval") == 1).then_some(()));
    let odd = oddities(&daemon);
    assert!(odd.len() == 1 && odd[0].contains("10.0.0.2"), "{odd:?}");
    wait_until("the role", SLACK * 3, || (instance(&daemon)?["role"] == "MASTER").then_some(()));
}
