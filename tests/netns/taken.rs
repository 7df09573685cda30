//! What somebody else takes away: put back at once, without a transition, and told with the name of the culprit.

use std::net::Ipv4Addr;
use std::time::Duration;

use lab::in_namespaces;
use lab::netns::{Daemon, Host, Instance, Net, exit_code, wait_until};

use super::{SLACK, fast, start, wait_address, wait_role};

/// What `status` says of things that were taken away.
fn taken(daemon: &Daemon, what: &str) -> Option<serde_json::Value> {
    daemon.status()?["taken"].as_array()?.iter().find(|taken| taken["what"] == what).cloned()
}

fn wait_taken(daemon: &Daemon, what: &str) -> serde_json::Value {
    wait_until(&format!("the news of {what}"), SLACK, || taken(daemon, what))
}

fn has_line(host: &Host, words: &str, line: &str) -> bool {
    host.ip(words).lines().any(|found| found.contains(line))
}

fn wait_line(host: &Host, words: &str, line: &str) {
    wait_until(&format!("`{line}` in `ip {words}`"), SLACK, || has_line(host, words, line).then_some(()));
}

/// An instance with routes and rules, and a second address that nobody watches.
fn rich(priority: u8) -> Instance {
    let more = "virtual_routes {\n10.30.0.0/16 via 10.0.0.9 dev eth0 table 100\n}\n\
                virtual_rules {\nfrom 10.30.0.0/16 table 100 preference 300\n}\n\
                virtual_ipaddress_excluded {\n10.0.0.101\n10.0.0.102 no_track\n2001:db8::5\n}";
    Instance { more: more.into(), ..fast(priority) }
}

#[test]
fn what_is_taken_from_a_master_is_put_back_and_no_peer_notices() {
    in_namespaces!();
    let net = Net::new(&["one", "two"]);
    let sniffer = net.sniff();
    let one = net.host("one");
    let daemon = start(one, &rich(200));
    wait_role(&daemon, "MASTER");
    let backup = start(net.host("two"), &rich(100));
    wait_role(&backup, "BACKUP");
    wait_line(one, "rule show", "300:");

    one.ip("address del 10.0.0.100/24 dev eth0");
    wait_address(one, true);
    let told = wait_taken(&daemon, "address 10.0.0.100 dev eth0");
    assert!(told["by"].as_str().is_some_and(|by| by.starts_with("process ")), "{told}");
    assert_eq!(told["outcome"], "put back");
    one.ip("route del 10.30.0.0/16 table 100");
    wait_line(one, "route show table 100", "10.30.0.0/16");
    wait_taken(&daemon, "route 10.30.0.0/16 via 10.0.0.9 dev eth0 table 100");
    one.ip("rule del preference 300");
    wait_line(one, "rule show", "300:");
    one.ip("-6 address del 2001:db8::5/128 dev eth0");
    wait_line(one, "-6 address show", "2001:db8::5/128");
    one.ip("address del 10.0.0.102/32 dev eth0");
    let told = wait_taken(&daemon, "address 10.0.0.102 dev eth0");
    assert_eq!(told["outcome"], "not put back: no_track");
    assert!(!one.has(Ipv4Addr::new(10, 0, 0, 102)), "`no_track` was put back");
    assert!(daemon.log().contains("address 10.0.0.100 dev eth0: taken away by process "), "{}", daemon.log());

    std::thread::sleep(fast(100).patience());
    let timeline = sniffer.timeline();
    assert_eq!(timeline.masters().len(), 1, "the peer noticed:\n{timeline}");
    assert!(timeline.farewell("one", daemon.started()).is_none());
    wait_role(&backup, "BACKUP");
}

#[test]
fn a_quarrel_is_told_once_and_slows_down() {
    in_namespaces!();
    let net = Net::new(&["one"]);
    let one = net.host("one");
    let daemon = start(one, &fast(200));
    wait_role(&daemon, "MASTER");
    wait_address(one, true);
    let mut taken_away = 0;
    wait_until("the quarrel", SLACK * 5, || {
        if one.has(Instance::VIP) {
            one.ip("address del 10.0.0.100/24 dev eth0");
            taken_away += 1;
        }
        daemon.log().contains("again and again").then_some(())
    });
    assert_eq!(taken_away, 5, "{}", daemon.log());
    wait_address(one, true);
    let lines = daemon.log().lines().filter(|line| line.contains("10.0.0.100 dev eth0: taken")).count();
    assert_eq!(lines, 2, "once when it began and once when it became a quarrel: {}", daemon.log());
    wait_role(&daemon, "MASTER");
}

#[test]
fn static_things_stay_in_every_state_and_their_group_fails_without_them() {
    in_namespaces!();
    let net = Net::new(&["one", "two"]);
    let (one, two) = (net.host("one"), net.host("two"));
    let plug = || {
        one.ip("link add name side0 type veth peer name side1");
        one.ip("link set dev side1 up");
        one.ip("link set dev side0 up");
    };
    plug();
    let fixed = "track_group G {\ngroup {\nVI_1\n}\n}\nstatic_ipaddress {\n10.7.0.1/24 dev side0 track_group G\n}\n\
                 static_routes {\n10.8.0.0/16 via 10.7.0.9 dev side0\n}\n\
                 static_rules {\nfrom 10.7.0.1 table 100 preference 301\n}\n";
    let master = start(two, &fast(200));
    wait_role(&master, "MASTER");
    let mut daemon = start(one, &format!("{fixed}{}", fast(100)));
    wait_role(&daemon, "BACKUP");
    wait_line(one, "address show dev side0", "10.7.0.1/24");
    wait_line(one, "route show", "10.8.0.0/16 via 10.7.0.9 dev side0");
    wait_line(one, "rule show", "301:");
    one.ip("address del 10.7.0.1/24 dev side0");
    wait_line(one, "address show dev side0", "10.7.0.1/24");
    // The address takes its routes along, in silence.
    wait_line(one, "route show", "10.8.0.0/16 via 10.7.0.9 dev side0");
    wait_role(&daemon, "BACKUP");

    one.ip("link del side0");
    wait_role(&daemon, "FAULT");
    plug();
    wait_line(one, "address show dev side0", "10.7.0.1/24");
    wait_line(one, "route show", "10.8.0.0/16 via 10.7.0.9 dev side0");
    wait_role(&daemon, "BACKUP");

    assert_eq!(exit_code(daemon.stop()), 0);
    assert!(!has_line(one, "address show dev side0", "10.7.0.1"));
    assert!(!has_line(one, "rule show", "301:"));
    assert!(!has_line(one, "route show", "10.8.0.0/16"));
}

#[test]
fn after_a_crash_routes_and_rules_are_taken_over_or_taken_away() {
    in_namespaces!();
    let net = Net::new(&["one"]);
    let one = net.host("one");
    one.ip("route add 10.40.0.0/16 via 10.0.0.9 dev eth0 proto 112");
    let mut daemon = start(one, &rich(200));
    wait_role(&daemon, "MASTER");
    wait_line(one, "rule show", "300:");
    daemon.kill();
    assert!(has_line(one, "route show table 100", "10.30.0.0/16"), "a killed process takes nothing along");

    // The same again, but without the rule, which nobody wants any more, and with another metric of the route.
    let mut other = rich(200);
    other.more = other.more.replace("from 10.30.0.0/16 table 100 preference 300", "");
    other.more = other.more.replace("dev eth0 table 100", "dev eth0 table 100 mtu 1400");
    let mut daemon = start(one, &other);
    wait_until("the rule to go", SLACK, || (!has_line(one, "rule show", "300:")).then_some(()));
    wait_role(&daemon, "MASTER");
    wait_line(one, "route show table 100", "mtu 1400");
    assert_eq!(exit_code(daemon.stop()), 0);
    assert!(!has_line(one, "route show table all", "10.30.0.0/16"));
    assert!(has_line(one, "route show", "10.40.0.0/16"), "a stranger's route with our number was taken away");
}

#[test]
fn a_reload_moves_an_address_between_instances_without_taking_it_away() {
    in_namespaces!();
    let net = Net::new(&["one"]);
    let one = net.host("one");
    let text = |of_one: &str, of_two: &str| {
        let instance = |addresses: &str| Instance { addresses: vec![addresses.to_owned()], ..fast(200) };
        let second = instance(of_two).to_string().replace("VI_1", "VI_2").replace("_id 51", "_id 52");
        format!("{}{second}", instance(of_one))
    };
    let daemon = start(one, &text("10.0.0.100/24 dev eth0\n10.0.0.110", "10.0.0.120"));
    for address in [110, 120] {
        wait_until("both masters", SLACK, || one.has(Ipv4Addr::new(10, 0, 0, address)).then_some(()));
    }
    let mut monitor = one.monitor();
    daemon.reload(&text("10.0.0.110/24", "10.0.0.100/24 dev eth0\n10.0.0.120"));
    wait_line(one, "address show dev eth0", "10.0.0.110/24");
    std::thread::sleep(Duration::from_millis(100));
    let seen = monitor.end();
    assert!(seen.contains("Deleted") && seen.contains("10.0.0.110"), "the prefix changed: {seen}");
    assert!(!seen.contains("10.0.0.100"), "the address that moved was touched: {seen}");
    assert!(one.has(Instance::VIP));
}

#[test]
fn secondary_addresses_are_promoted_while_that_is_asked_for() {
    in_namespaces!();
    let net = Net::new(&["one"]);
    let one = net.host("one");
    let read = || {
        let path = "/proc/sys/net/ipv4/conf/eth0/promote_secondaries";
        one.enter(|| std::fs::read_to_string(path)).expect("it is there").trim().to_owned()
    };
    let before = read();
    let mut daemon = start(one, &Instance { more: "promote_secondaries".into(), ..fast(200) });
    wait_role(&daemon, "MASTER");
    wait_until("the setting", SLACK, || (read() == "1").then_some(()));
    assert_eq!(exit_code(daemon.stop()), 0);
    assert_eq!(read(), before);
}
