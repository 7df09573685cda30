//! When and where the neighbours are told of addresses.

use std::time::Duration;

use lab::in_namespaces;
use lab::netns::{Instance, Net};
use lab::sniff::between;

use super::{SLACK, fast, start, wait_role};

#[test]
fn gratuitous_arp_keeps_the_pace_that_the_file_asks_for() {
    in_namespaces!();
    let net = Net::new(&["one"]);
    let sniffer = net.sniff();
    let instance = Instance {
        addresses: (100..104).map(|n| format!("10.0.0.{n}/24")).collect(),
        more: "garp_master_repeat 2\n    garp_master_delay 0".into(),
        ..fast(100)
    };
    let text = format!("global_defs {{\n    vrrp_garp_interval 0.05\n}}\n{instance}");
    let daemon = start(net.host("one"), &text);
    wait_role(&daemon, "MASTER");
    let garps = sniffer.wait_for("eight gratuitous ARP", SLACK, |t| {
        let mut all: Vec<_> =
            (100..104).flat_map(|n| t.garps("one", [10, 0, 0, n])).map(|event| event.at).collect();
        all.sort();
        (all.len() == 8).then_some(all)
    });
    for pair in garps.windows(2) {
        // The kernel stamps a frame a little after it was handed over.
        let gap = between(pair[0], pair[1]);
        assert!(gap > Duration::from_millis(40), "two followed each other after {gap:?}");
    }
}

#[test]
fn other_interfaces_hear_of_their_addresses_regularly() {
    in_namespaces!();
    let net = Net::new(&["one"]);
    let host = net.host("one");
    host.ip("link add other type veth peer name end");
    host.ip("link set other addrgenmode none");
    host.ip("link set end addrgenmode none");
    host.ip("link set other up");
    host.ip("link set end up");
    let instance = Instance {
        addresses: vec!["10.0.0.100/24".into(), "10.9.0.1/24 dev other".into()],
        more: "garp_master_repeat 1\n    garp_master_delay 0\n    garp_extra_if all 1".into(),
        ..fast(100)
    };
    let daemon = start(host, &instance);
    wait_role(&daemon, "MASTER");
    // What the other end of the pair has received tells how often something was said there.
    let heard = || -> u64 {
        let json: serde_json::Value = serde_json::from_str(&host.ip("-j -s link show end")).expect("JSON");
        json[0]["stats64"]["rx"]["packets"].as_u64().expect("a number")
    };
    let sniffer = net.sniff();
    let before = heard();
    std::thread::sleep(Duration::from_millis(2300));
    assert!(heard() >= before + 2, "{before} frames, then {}", heard());
    assert_eq!(sniffer.timeline().garps("one", [10, 0, 0, 100]).count(), 0, "nothing is said at home");
}
