//! Very many virtual routers, and very many addresses: all are there, all change at once, all are gone at the end, and no
//! backup ever has a reason to take over.

use std::collections::BTreeSet;
use std::fmt::Write;
use std::net::IpAddr;
use std::time::{Duration, SystemTime};

use lab::in_namespaces;
use lab::netns::{Daemon, Host, Instance, Net, exit_code, wait_until};

use super::{SLACK, start, wait_role};

/// The numbers that there are on an interface, for each family.
const NUMBERS: u8 = 255;

/// How long the whole may take on a busy machine.
const LONG: Duration = Duration::from_secs(20);

/// As many instances as an interface can have: every number, for both families. `more` goes into each.
fn routers(more: &str) -> String {
    let mut text = String::new();
    for number in 1..=NUMBERS {
        for (family, address) in [("4", format!("10.1.{number}.1/32")), ("6", format!("fe80::1:{number}/64"))]
        {
            let _ = write!(
                text,
                "vrrp_instance VI_{family}_{number} {{\nstate MASTER\ninterface eth0\nvirtual_router_id {number}\n\
                 version 3\npriority 200\nadvert_int 1\nvirtual_ipaddress {{\n{address}\n}}\n{}\n}}\n",
                more.replace("{n}", &format!("{number}"))
            );
        }
    }
    text
}

/// How many instances are in this role, and how often they became master.
fn roles(daemon: &Daemon, role: &str) -> (usize, u64) {
    let status = daemon.status();
    let all = status.as_ref().and_then(|status| status["instances"].as_array());
    let there = all.into_iter().flatten().filter(|instance| instance["role"] == role);
    there.fold((0, 0), |(count, times), instance| {
        (count + 1, times + instance["counters"]["became_master"].as_u64().unwrap_or_default())
    })
}

/// How many addresses of a host begin like this, as `ip` prints them.
fn count(host: &Host, beginning: &str) -> usize {
    host.ip("-o addr show dev eth0").matches(beginning).count()
}

#[test]
fn every_number_of_an_interface_can_be_used_at_once() {
    in_namespaces!();
    let all = usize::from(NUMBERS);
    let net = Net::new(&["one"]);
    let sniffer = net.sniff();
    let one = net.host("one");
    let mut daemon = start(one, &routers(""));
    wait_until("every role", LONG, || (roles(&daemon, "MASTER").0 == 2 * all).then_some(()));
    wait_until("every address", LONG, || {
        (count(one, "inet 10.1.") == all && count(one, "inet6 fe80::1:") == all).then_some(())
    });
    daemon.reload(&routers("virtual_ipaddress_excluded {\n10.2.{n}.1/32\n}"));
    // Named by both families, each is there once.
    wait_until("one more address of each", LONG, || (count(one, "inet 10.2.") == all).then_some(()));
    assert_eq!(roles(&daemon, "MASTER"), (2 * all, 2 * u64::from(NUMBERS)), "a reload changes no role");
    let stopped = SystemTime::now();
    assert_eq!(exit_code(daemon.stop()), 0);
    let left = [count(one, "inet 10.1."), count(one, "inet 10.2."), count(one, "inet6 fe80::1:")];
    assert_eq!(left, [0, 0, 0]);
    let timeline = sniffer.timeline();
    let farewells = timeline.adverts().filter(|(event, advert)| event.at >= stopped && advert.priority == 0);
    let of: BTreeSet<(bool, u8)> = farewells.map(|(_, a)| (a.source.is_ipv6(), a.vrid)).collect();
    assert_eq!(of.len(), 2 * all, "each says farewell");
}

/// A master with a thousand addresses, the second half of them of this net.
fn with_a_thousand(net: u8) -> String {
    let address = |n: usize| format!("10.{}.{}.{}/32\n", if n < 500 { 1 } else { net }, n / 250, n % 250 + 1);
    let list: String = (0..1000).map(address).collect();
    let more = format!("virtual_ipaddress_excluded {{\n{list}}}");
    Instance { more, ..Instance::new(3, Duration::from_millis(200), 200) }.to_string()
}

#[test]
fn a_thousand_addresses_come_change_and_go_without_a_reason_to_take_over() {
    in_namespaces!();
    let net = Net::new(&["one", "two"]);
    let sniffer = net.sniff();
    let one = net.host("one");
    let mut daemon = start(one, &with_a_thousand(2));
    // It is there before the first advert, while the thousand are still added.
    let backup = start(net.host("two"), &Instance::new(3, Duration::from_millis(200), 100));
    wait_until("every address", LONG, || {
        (count(one, "inet 10.1.") + count(one, "inet 10.2.") == 1000).then_some(())
    });
    daemon.reload(&with_a_thousand(3));
    wait_until("the other half", LONG, || {
        (count(one, "inet 10.3.") == 500 && count(one, "inet 10.2.") == 0).then_some(())
    });
    assert_eq!(count(one, "inet 10.1."), 500);
    wait_role(&backup, "BACKUP");
    let masters: Vec<String> =
        sniffer.timeline().masters().into_iter().map(|(_, host)| host.to_owned()).collect();
    assert_eq!(masters, ["one"], "{}", sniffer.timeline());
    let last: IpAddr = [10, 3, 3, 250].into();
    sniffer
        .wait_for("the last one announced", LONG, |t| t.first_garp("one", last, daemon.started()).cloned());
    assert_eq!(exit_code(daemon.stop()), 0);
    assert_eq!(count(one, "inet 10.1.") + count(one, "inet 10.3."), 0);
    wait_until("the successor", SLACK, || net.host("two").has(Instance::VIP).then_some(()));
}
