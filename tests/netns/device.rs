//! Interfaces that instances bring along: virtual MAC addresses on the wire and in neighbours' memory, what the host
//! looks like beside keepalived, what a crash leaves, and what happens when somebody else's hand is in it.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Read;
use std::net::{IpAddr, TcpStream};
use std::time::{Duration, Instant};

use lab::in_namespaces;
use lab::netns::{Daemon, Host, Instance, Net, Program, wait_until};
use nix::sys::signal::Signal;
use serde_json::Value;
use socket2::{Domain, Protocol, Socket, Type};

use super::{SLACK, fast, instance, start, wait_role};

const VMAC: &str = "00:00:5e:00:01:33";
const VMAC_V6: &str = "00:00:5e:00:02:33";

/// The fast instance with a virtual MAC address.
fn vmac(instance: Instance) -> Instance {
    let addresses = match instance.vip() {
        IpAddr::V4(vip) => vec![format!("{vip}/24")],
        IpAddr::V6(vip) => vec!["fe80::64/64".into(), format!("{vip}/64")],
    };
    Instance { addresses, more: "use_vmac".into(), ..instance }
}

/// The only interface besides eth0 and lo, and its addresses, without what differs between hosts.
fn brought_along(host: &Host) -> Option<Value> {
    let list: Vec<Value> = serde_json::from_str(&host.ip("-j -d addr")).expect("JSON");
    let mut link = list.into_iter().find(|link| !matches!(link["ifname"].as_str(), Some("lo" | "eth0")))?;
    let fields = link.as_object_mut()?;
    // The numbers differ, and the kernel finds out in its own time that an interface is more than not down.
    for field in ["ifindex", "link_index", "operstate"] {
        fields.remove(field);
    }
    let own = format!("fe80::{}", host.address().octets()[3]);
    for address in fields["addr_info"].as_array_mut()? {
        let address = address.as_object_mut()?;
        // Our addresses carry a mark.
        address.remove("protocol");
        if address["local"] == own.as_str() {
            address.insert("local".into(), "own".into());
        }
    }
    Some(link)
}

/// The switches of the kernel that a virtual MAC address is about.
fn switches(host: &Host) -> BTreeMap<String, String> {
    let names =
        ["arp_ignore", "arp_filter", "arp_announce", "rp_filter", "accept_local", "promote_secondaries"];
    let v4 = names.map(|name| ("ipv4", name));
    let v6 = ["disable_ipv6", "addr_gen_mode", "accept_ra", "autoconf"].map(|name| ("ipv6", name));
    host.enter(|| {
        let mut found = BTreeMap::new();
        for (family, name) in v4.into_iter().chain(v6) {
            for interface in
                std::fs::read_dir(format!("/proc/sys/net/{family}/conf")).expect("readable").flatten()
            {
                let interface = interface.file_name().into_string().expect("a name");
                let path = format!("/proc/sys/net/{family}/conf/{interface}/{name}");
                if let Ok(value) = std::fs::read_to_string(path) {
                    found.insert(format!("{family} {interface} {name}"), value.trim().to_owned());
                }
            }
        }
        found
    })
}

fn set_switch(host: &Host, path: &str, value: &str) {
    host.enter(|| std::fs::write(format!("/proc/sys/net/{path}"), value))
        .expect("a switch of our own namespace");
}

/// What arrives here from now on, for as long as `span`: source MAC addresses and IP protocols.
fn frames(host: &Host, span: Duration) -> BTreeSet<(String, u8)> {
    let mut found = BTreeSet::new();
    host.enter(|| {
        // ETH_P_ALL of <linux/if_ether.h>, in network order.
        let all = Protocol::from(i32::from(3_u16.to_be()));
        let socket = Socket::new(Domain::PACKET, Type::RAW, Some(all)).expect("a packet socket");
        socket.set_read_timeout(Some(Duration::from_millis(50))).expect("a time limit");
        let end = Instant::now() + span;
        let mut buffer = [0; 2048];
        while Instant::now() < end {
            let Ok(length) = (&socket).read(&mut buffer) else { continue };
            let protocol = match (&buffer[12..14], length) {
                ([0x08, 0x00], 34..) => buffer[23],
                ([0x86, 0xdd], 54..) => buffer[20],
                _ => continue,
            };
            let source: Vec<String> = buffer[6..12].iter().map(|byte| format!("{byte:02x}")).collect();
            found.insert((source.join(":"), protocol));
        }
    });
    found
}

/// Source MAC addresses of the adverts among them.
fn advert_sources(host: &Host, span: Duration) -> BTreeSet<String> {
    frames(host, span).into_iter().filter(|(_, protocol)| *protocol == 112).map(|(mac, _)| mac).collect()
}

/// Waits until the only instance has taken over as slowly as its interval asks for.
fn wait_master(daemon: &Daemon, text: &Instance) {
    wait_until("mastership", text.patience() + SLACK, || {
        (instance(daemon)?["role"] == "MASTER").then_some(())
    });
}

fn wait_link(host: &Host, name: &str, present: bool) {
    wait_until(&format!("{name} {}", if present { "there" } else { "gone" }), SLACK * 2, || {
        (host.ip("-o link").contains(&format!(" {name}@")) == present).then_some(())
    });
}

fn index(host: &Host, name: &str) -> u64 {
    let json: Value = serde_json::from_str(&host.ip(&format!("-j link show {name}"))).expect("JSON");
    json[0]["ifindex"].as_u64().expect("an index")
}

/// What a client has learned of an address, after asking for it.
fn learned(client: &Host, address: IpAddr) -> Option<String> {
    let _ = client.enter(|| TcpStream::connect_timeout(&(address, 9).into(), Duration::from_millis(300)));
    let json: Value = serde_json::from_str(&client.ip(&format!("-j neigh show {address}"))).ok()?;
    Some(json.get(0)?.get("lladdr")?.as_str()?.to_owned())
}

fn wait_learned(client: &Host, address: IpAddr, mac: &str) {
    wait_until(&format!("{address} at {mac}"), SLACK, || (learned(client, address)? == mac).then_some(()));
}

/// We and keepalived with the same text: each is master once, and each leaves the same on its host.
fn same_as_keepalived(text: &Instance, mac: &str) {
    let net = Net::new(&["we", "peer", "client"]);
    let (we, peer, client) = (net.host("we"), net.host("peer"), net.host("client"));
    client.ip("addr add 2001:db8::9/64 dev eth0 nodad");
    for host in [we, peer] {
        set_switch(host, "ipv4/conf/all/rp_filter", "1");
    }
    let untouched = switches(we);
    let mut ours = start(we, &text.priority(200));
    wait_master(&ours, text);
    let theirs = Daemon::start(&Program::Keepalived, peer, &text.priority(100).to_string());
    wait_link(peer, "vrrp.51", true);
    wait_learned(client, text.vip(), mac);
    assert_eq!(advert_sources(client, text.interval * 2), BTreeSet::from([mac.to_owned()]));
    wait_master(&ours, text);
    let (host, changed) = (brought_along(we).expect("an interface"), switches(we));
    assert!(!peer.has(text.vip()));

    ours.stop();
    wait_until("keepalived as master", text.patience() + SLACK, || peer.has(text.vip()).then_some(()));
    assert!(learned(client, text.vip()).is_some());
    assert_eq!(switches(we), untouched, "what we changed comes back");
    assert_eq!(brought_along(we), None);
    wait_until("the same interface", SLACK, || (brought_along(peer)? == host).then_some(()));
    // In one point we keep the addresses apart where keepalived does not.
    let mut theirs_too = changed.clone();
    if !text.vip().is_ipv6() {
        assert_eq!(theirs_too.insert("ipv4 eth0 arp_announce".into(), "0".into()), Some("2".into()));
    }
    assert_eq!(switches(peer), theirs_too);

    let ours = start(we, &text.priority(200));
    wait_master(&ours, text);
    wait_until("keepalived as backup", SLACK, || (!peer.has(text.vip())).then_some(()));
    wait_learned(client, text.vip(), mac);
    drop(theirs);
}

#[test]
fn a_virtual_mac_is_keepaliveds_in_version_3() {
    in_namespaces!();
    same_as_keepalived(&vmac(fast(100)), VMAC);
}

#[test]
fn a_virtual_mac_is_keepaliveds_in_version_2() {
    in_namespaces!();
    same_as_keepalived(&vmac(Instance::new(2, Duration::from_secs(1), 100)), VMAC);
}

#[test]
fn a_virtual_mac_is_keepaliveds_over_ipv6() {
    in_namespaces!();
    same_as_keepalived(&vmac(fast(100).v6()), VMAC_V6);
}

/// A backup that reported its groups with the virtual MAC address would draw the master's packets to itself.
#[test]
fn group_reports_do_not_carry_the_virtual_mac() {
    in_namespaces!();
    let net = Net::new(&["one", "client"]);
    let (one, client) = (net.host("one"), net.host("client"));
    let v6 = vmac(fast(100).v6()).to_string().replace("VI_1", "VI_6");
    let text = format!("{}{v6}", vmac(fast(100)));
    let seen = std::thread::scope(|scope| {
        let capture = scope.spawn(|| frames(client, Duration::from_secs(3)));
        std::thread::sleep(Duration::from_millis(100));
        let daemon = start(one, &text);
        let seen = capture.join().expect("a capture");
        if daemon.log().contains("nftables:") {
            lab::netns::skip("the kernel's nftables cannot do this");
            return None;
        }
        Some(seen)
    });
    let Some(seen) = seen else { return };
    let of =
        |mac: &str| -> Vec<u8> { seen.iter().filter(|(from, _)| from == mac).map(|(_, p)| *p).collect() };
    assert_eq!(of(VMAC), [112], "adverts and nothing else");
    // IPv6 packets that begin with options for each hop (0) are group reports; ICMPv6 (58) is the announcement.
    assert_eq!(of(VMAC_V6), [58, 112]);
    let own: Value = serde_json::from_str(&one.ip("-j link show eth0")).expect("JSON");
    let own = of(own[0]["address"].as_str().expect("a MAC address"));
    assert!(own.contains(&2) && own.contains(&0), "they leave by the interface below: {own:?}");
}

#[test]
fn adverts_may_leave_by_the_interface_below() {
    in_namespaces!();
    let net = Net::new(&["one", "client"]);
    let (one, client) = (net.host("one"), net.host("client"));
    let text =
        Instance { more: "use_vmac vm 02:00:00:11:22 group 7\n    vmac_xmit_base".into(), ..vmac(fast(100)) };
    let daemon = start(one, &text);
    wait_role(&daemon, "MASTER");
    wait_learned(client, text.vip(), "02:00:00:11:22:33");
    let own: Value = serde_json::from_str(&one.ip("-j link show eth0")).expect("JSON");
    let own = own[0]["address"].as_str().expect("a MAC address").to_owned();
    assert_eq!(advert_sources(client, Duration::from_millis(400)), BTreeSet::from([own]));
    assert!(one.ip("-d link show vm").contains("group 7"));
}

#[test]
fn single_addresses_may_have_the_virtual_mac_elsewhere() {
    in_namespaces!();
    let net = Net::new(&["one"]);
    let one = net.host("one");
    one.ip("link add eth1 type veth peer name end");
    one.ip("link set end up");
    one.ip("link set eth1 up");
    let addresses =
        vec!["10.0.0.100/24".into(), "10.1.0.1/24 dev eth1 use_vmac".into(), "10.1.0.2/24 dev eth1".into()];
    let text = Instance { addresses, ..vmac(fast(100)) };
    let mut daemon = start(one, &format!("global_defs {{\n    vmac_addr_prefix other\n}}\n{text}"));
    wait_role(&daemon, "MASTER");
    for place in ["vrrp.51 to 10.0.0.100", "other.51 to 10.1.0.1", "eth1 to 10.1.0.2"] {
        wait_until(place, SLACK, || (!one.ip(&format!("-o addr show dev {place}")).is_empty()).then_some(()));
    }
    assert!(one.ip("-d link show other.51").contains(VMAC));
    daemon.stop();
    assert!(!one.ip("link").contains(".51"));
}

#[test]
fn a_crash_leaves_what_the_next_start_takes_over_and_the_next_stop_takes_away() {
    in_namespaces!();
    let net = Net::new(&["one"]);
    let one = net.host("one");
    set_switch(one, "ipv4/conf/all/rp_filter", "2");
    let untouched = switches(one);
    let mut daemon = start(one, &vmac(fast(100)));
    wait_role(&daemon, "MASTER");
    let before = index(one, "vrrp.51");
    daemon.kill();
    wait_link(one, "vrrp.51", true);

    let mut daemon = start(one, &vmac(fast(100)));
    wait_role(&daemon, "MASTER");
    assert_eq!(index(one, "vrrp.51"), before, "it is the same interface");
    daemon.kill();

    // Nothing of the kind is needed any more: all of it goes.
    let daemon = start(one, &fast(100));
    wait_link(one, "vrrp.51", false);
    wait_until("the switches as they were", SLACK, || (switches(one) == untouched).then_some(()));
    drop(daemon);
}

#[test]
fn what_carries_a_virtual_mac_may_vanish_and_return() {
    in_namespaces!();
    let net = Net::new(&["one"]);
    let one = net.host("one");
    let daemon = start(one, &vmac(fast(100)));
    wait_role(&daemon, "MASTER");
    one.ip("link del dev eth0");
    wait_role(&daemon, "FAULT");
    net.replace_nic("one");
    wait_role(&daemon, "MASTER");
    wait_until("the address", SLACK, || {
        one.ip("-o addr show dev vrrp.51").contains("10.0.0.100").then_some(())
    });
    // Taken away, switched off, renamed, given another address: it is put right each time.
    for hand in [
        "link del dev vrrp.51",
        "link set dev vrrp.51 down",
        "link set dev vrrp.51 address 02:00:00:00:00:09",
    ] {
        one.ip(hand);
        wait_until(&format!("the interface after `{hand}`"), SLACK, || {
            let link = one.ip("-o addr show dev vrrp.51");
            let up = one.ip("-o link show dev vrrp.51");
            (link.contains("10.0.0.100") && up.contains(VMAC) && up.contains("state UP")).then_some(())
        });
        wait_role(&daemon, "MASTER");
    }
    one.ip("link set dev vrrp.51 down");
    one.ip("link set dev vrrp.51 name other");
    wait_link(one, "vrrp.51", true);
    wait_link(one, "other", false);
    wait_role(&daemon, "MASTER");
}

#[test]
fn somebody_elses_interface_is_not_touched() {
    in_namespaces!();
    let net = Net::new(&["one"]);
    let one = net.host("one");
    one.ip("link add vm type veth peer name end");
    let before = index(one, "vm");
    let mut daemon = start(one, &Instance { more: "use_vmac vm".into(), ..vmac(fast(100)) });
    wait_role(&daemon, "FAULT");
    wait_until("a sentence", SLACK, || daemon.log().contains("ip link delete vm").then_some(()));
    one.ip("link set vm name other");
    wait_role(&daemon, "MASTER");
    daemon.stop();
    assert_eq!(index(one, "other"), before);
    assert!(!one.ip("-o link").contains(" vm@"));
}

#[test]
fn a_renamed_interface_is_a_fault_until_its_name_is_back() {
    in_namespaces!();
    let net = Net::new(&["one"]);
    let one = net.host("one");
    let daemon = start(one, &Instance { addresses: vec!["10.0.0.100/24".into()], ..fast(100) });
    wait_role(&daemon, "MASTER");
    for name in [("eth0", "lan0"), ("lan0", "eth0")] {
        one.ip(&format!("link set dev {} down", name.0));
        one.ip(&format!("link set dev {} name {}", name.0, name.1));
        one.ip(&format!("link set dev {} up", name.1));
        one.ip(&format!("addr replace {}/24 dev {}", one.address(), name.1));
        wait_role(&daemon, if name.1 == "eth0" { "MASTER" } else { "FAULT" });
    }
    assert!(one.has(Instance::VIP));
}

#[test]
fn another_mac_address_is_announced() {
    in_namespaces!();
    let net = Net::new(&["one", "client"]);
    let (one, client) = (net.host("one"), net.host("client"));
    let text = Instance { more: "garp_master_delay 0".into(), ..fast(100) };
    let daemon = start(one, &text);
    wait_role(&daemon, "MASTER");
    assert!(learned(client, Instance::VIP.into()).is_some());
    one.ip("link set dev eth0 address 02:00:00:00:00:77");
    // Only what is announced changes the client's memory: it asks nothing.
    wait_until("the new address with the client", SLACK, || {
        client.ip("neigh show 10.0.0.100").contains("02:00:00:00:00:77").then_some(())
    });
    wait_role(&daemon, "MASTER");
}

#[test]
fn a_hundred_interfaces_come_and_go() {
    in_namespaces!();
    const COUNT: usize = 100;
    let net = Net::new(&["one", "two"]);
    let one = net.host("one");
    let mut addresses = vec!["10.0.0.100/24".to_owned()];
    addresses.extend((1..=COUNT).map(|n| format!("10.1.{n}.1/24 dev v{n}")));
    // An address without an interface is a fault: the other director has the role as long as one is missing.
    let master = start(one, &Instance { addresses, ..fast(200) });
    wait_role(&master, "FAULT");
    let backup = start(net.host("two"), &Instance { addresses: vec!["10.0.0.100/24".into()], ..fast(100) });
    wait_role(&backup, "MASTER");
    let batch = |make: &dyn Fn(usize) -> String| {
        let file = one.dir().join("batch");
        std::fs::write(&file, (1..=COUNT).map(make).collect::<String>()).expect("writable");
        one.ip(&format!("-batch {}", file.display()));
    };
    let make =
        |n: usize| format!("link add v{n} type veth peer name w{n}\nlink set w{n} up\nlink set v{n} up\n");
    let count = || one.addresses().iter().filter(|a| a.address.to_string().starts_with("10.1.")).count();
    for _ in 0..2 {
        batch(&make);
        wait_until("an address on each interface", SLACK * 5, || (count() == COUNT).then_some(()));
        wait_role(&backup, "BACKUP");
        batch(&|n| format!("link del v{n}\n"));
        wait_role(&backup, "MASTER");
    }
    // Nobody listens to the kernel for a while, and its messages overflow.
    master.signal(Signal::SIGSTOP);
    for _ in 0..3 {
        batch(&make);
        batch(&|n| format!("link del v{n}\n"));
    }
    batch(&make);
    master.signal(Signal::SIGCONT);
    wait_until("an address on each interface", SLACK * 5, || (count() == COUNT).then_some(()));
    wait_role(&backup, "BACKUP");
}
