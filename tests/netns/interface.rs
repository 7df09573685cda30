//! Interfaces that go down, lose their carrier, vanish and come back.

use std::time::SystemTime;

use lab::in_namespaces;
use lab::netns::{Daemon, Instance, Net};
use lab::sniff::Sniffer;

use super::{SLACK, fast, instance, start, wait_address, wait_role};

/// Master on one, backup on two.
fn pair(net: &Net) -> (Daemon<'_>, Daemon<'_>) {
    let master = start(net.host("one"), &fast(200));
    wait_role(&master, "MASTER");
    let backup = start(net.host("two"), &fast(100));
    wait_role(&backup, "BACKUP");
    (master, backup)
}

/// The master's interface was taken away at `lost`: it is in fault, the backup master.
fn expect_failover(net: &Net, sniffer: &Sniffer, master: &Daemon, backup: &Daemon, lost: SystemTime) {
    wait_role(master, "FAULT");
    let cause = instance(master).expect("it answers")["cause"].clone();
    assert!(cause.as_str().is_some_and(|c| !c.is_empty()), "no reason for the fault: {cause}");
    sniffer.wait_advert("two", lost, fast(100).patience() + SLACK);
    wait_role(backup, "MASTER");
    wait_address(net.host("two"), true);
}

/// The interface is back: first a backup, then, having the higher priority, master again.
fn expect_return(net: &Net, sniffer: &Sniffer, master: &Daemon, backup: &Daemon, back: SystemTime) {
    sniffer.wait_advert("one", back, fast(200).patience() + SLACK);
    wait_role(master, "MASTER");
    wait_role(backup, "BACKUP");
    wait_address(net.host("one"), true);
    wait_address(net.host("two"), false);
}

#[test]
fn an_interface_taken_down_is_a_fault() {
    in_namespaces!();
    let net = Net::new(&["one", "two"]);
    let sniffer = net.sniff();
    let (master, backup) = pair(&net);
    let lost = SystemTime::now();
    net.host("one").set_link(false);
    expect_failover(&net, &sniffer, &master, &backup, lost);
    wait_address(net.host("one"), false);
    let back = SystemTime::now();
    net.host("one").set_link(true);
    expect_return(&net, &sniffer, &master, &backup, back);
}

#[test]
fn a_pulled_cable_is_a_fault() {
    in_namespaces!();
    let net = Net::new(&["one", "two"]);
    let sniffer = net.sniff();
    let (master, backup) = pair(&net);
    let lost = SystemTime::now();
    net.unplug("one");
    expect_failover(&net, &sniffer, &master, &backup, lost);
    wait_address(net.host("one"), false);
    let back = SystemTime::now();
    net.plug("one");
    expect_return(&net, &sniffer, &master, &backup, back);
}

/// The driver is asked as well; it knows of the cable what the kernel knows.
#[test]
fn a_pulled_cable_is_a_fault_where_drivers_are_polled() {
    in_namespaces!();
    let net = Net::new(&["one"]);
    let one = net.host("one");
    let text = |head: &str| format!("{head}\n{}", fast(200));
    let daemon = start(one, &text("linkbeat_interfaces {\neth0 ETHTOOL\n}"));
    wait_role(&daemon, "MASTER");
    for head in ["", "linkbeat_use_polling", "linkbeat_interfaces {\neth0\n}"] {
        net.unplug("one");
        wait_role(&daemon, "FAULT");
        net.plug("one");
        wait_role(&daemon, "MASTER");
        daemon.reload(&text(head));
    }
    assert!(!daemon.log().contains("not in effect"), "{}", daemon.log());
}

/// Without a cable there is nobody to speak to, and it goes on being master without a log full of that.
#[test]
fn an_interface_that_is_not_tracked_may_lose_its_cable_or_be_taken_down() {
    in_namespaces!();
    let net = Net::new(&["one"]);
    let one = net.host("one");
    let sniffer = net.sniff();
    let daemon = start(one, &Instance { more: "dont_track_primary".into(), ..fast(200) });
    wait_role(&daemon, "MASTER");
    wait_address(one, true);
    net.unplug("one");
    std::thread::sleep(fast(200).patience() * 2);
    wait_role(&daemon, "MASTER");
    wait_address(one, true);
    net.plug("one");
    sniffer.wait_advert("one", SystemTime::now(), SLACK);
    one.set_link(false);
    std::thread::sleep(fast(200).patience() * 2);
    wait_role(&daemon, "MASTER");
    one.set_link(true);
    sniffer.wait_advert("one", SystemTime::now(), SLACK);
    let counters = instance(&daemon).expect("it answers")["counters"].clone();
    assert_eq!(counters["became_master"], 1, "{counters}");
    assert!(daemon.log().lines().count() < 40, "a flood:\n{}", daemon.log());
}

#[test]
fn a_vanished_interface_is_a_fault_until_it_returns() {
    in_namespaces!();
    let net = Net::new(&["one", "two"]);
    let sniffer = net.sniff();
    let (master, backup) = pair(&net);
    let lost = SystemTime::now();
    net.host("one").ip("link del dev eth0");
    expect_failover(&net, &sniffer, &master, &backup, lost);
    let back = SystemTime::now();
    net.replace_nic("one");
    expect_return(&net, &sniffer, &master, &backup, back);
}

#[test]
fn an_interface_may_come_after_the_start() {
    in_namespaces!();
    let net = Net::new(&["one"]);
    let one = net.host("one");
    one.ip("link del dev eth0");
    let daemon = start(one, &fast(100));
    wait_role(&daemon, "FAULT");
    net.replace_nic("one");
    wait_role(&daemon, "MASTER");
    wait_address(one, true);
}

#[test]
fn without_its_own_address_a_router_of_unicast_is_at_fault_until_it_has_it() {
    in_namespaces!();
    let net = Net::new(&["one", "two"]);
    let one = net.host("one");
    let own = "10.0.0.77".parse().expect("an address");
    let instance = Instance { unicast: Some((own, net.host("two").address().into())), ..fast(100) };
    let daemon = start(one, &instance);
    wait_role(&daemon, "FAULT");
    one.ip("addr add 10.0.0.77/24 dev eth0");
    wait_role(&daemon, "MASTER");
    wait_address(one, true);
    one.ip("addr del 10.0.0.77/24 dev eth0");
    wait_role(&daemon, "FAULT");
    wait_address(one, false);
}
