//! SIGHUP and `directord reload`: a bad file changes nothing, a good one only what differs.

use std::net::Ipv4Addr;
use std::process::Command;
use std::time::{Duration, SystemTime};

use lab::in_namespaces;
use lab::netns::{Instance, Net, exit_code, wait_until};
use lab::sniff::{Timeline, between};

use super::{SLACK, fast, instance, start, wait_role};

/// The longest time between two adverts of a host.
fn longest_gap(timeline: &Timeline, host: &str) -> Duration {
    let sent: Vec<_> = timeline.adverts().filter(|(e, _)| e.from == host).map(|(e, _)| e.at).collect();
    sent.windows(2).map(|pair| between(pair[0], pair[1])).max().unwrap_or_default()
}

#[test]
fn a_bad_file_is_refused_and_the_running_configuration_goes_on() {
    in_namespaces!();
    let net = Net::new(&["one", "two"]);
    let sniffer = net.sniff();
    let one = net.host("one");
    let daemon = start(one, &fast(200));
    wait_role(&daemon, "MASTER");
    let backup = start(net.host("two"), &fast(100));
    wait_role(&backup, "BACKUP");

    let bad = fast(200)
        .to_string()
        .replace("priority 200", "priority 256")
        .replace("virtual_router_id 51", "virtual_router_id 0");
    daemon.reload(&bad);
    let outcome = wait_until("the refusal", SLACK, || {
        let outcome = daemon.status()?["last_reload"].clone();
        (outcome["accepted"] == false).then_some(outcome)
    });
    let complaints = outcome["complaints"].as_array().expect("a list");
    assert!(complaints.len() >= 2, "not all complaints at once: {outcome}");

    let mut command = Command::new(env!("CARGO_BIN_EXE_directord"));
    let output =
        one.output(command.args(["reload", "--runtime-dir"]).arg(one.dir())).expect("directord runs");
    assert_eq!(exit_code(output.status), 2);
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("daemon.conf:"), "{said}");

    std::thread::sleep(fast(100).patience());
    wait_role(&daemon, "MASTER");
    let timeline = sniffer.timeline();
    assert_eq!(timeline.masters().len(), 1, "{timeline}");
    assert!(timeline.farewell("one", daemon.started()).is_none());
    assert!(timeline.adverts().all(|(_, a)| a.priority == 200 && a.vrid == 51));
    assert!(longest_gap(&timeline, "one") < fast(100).patience());
}

#[test]
fn addresses_change_without_a_change_of_master() {
    in_namespaces!();
    let net = Net::new(&["one", "two"]);
    let sniffer = net.sniff();
    let one = net.host("one");
    let daemon = start(one, &fast(200));
    wait_role(&daemon, "MASTER");
    let backup = start(net.host("two"), &fast(100));
    wait_role(&backup, "BACKUP");
    let other = Ipv4Addr::new(10, 0, 0, 101);

    let mut more = fast(200);
    more.addresses.push(format!("{other}/24 dev eth0"));
    let reloaded = SystemTime::now();
    daemon.reload(&more.to_string());
    wait_until("the new address", SLACK, || one.has(other).then_some(()));
    assert!(one.has(Instance::VIP), "the old address went");
    sniffer.wait_for("the new address announced", SLACK, |t| t.first_garp("one", other, reloaded).cloned());
    sniffer.wait_for("both addresses advertised", SLACK, |t| {
        t.adverts().last().is_some_and(|(_, a)| a.addresses == [Instance::VIP, other]).then_some(())
    });

    let mut fewer = more;
    fewer.addresses.remove(0);
    daemon.reload(&fewer.to_string());
    wait_until("the old address gone", SLACK, || (!one.has(Instance::VIP)).then_some(()));
    assert!(one.has(other), "the new address went too");

    std::thread::sleep(fast(100).patience());
    assert_eq!(instance(&daemon).expect("it answers")["role"], "MASTER");
    let timeline = sniffer.timeline();
    assert_eq!(timeline.masters().len(), 1, "{timeline}");
    assert!(timeline.farewell("one", daemon.started()).is_none());
    assert!(longest_gap(&timeline, "one") < fast(100).patience());
}
