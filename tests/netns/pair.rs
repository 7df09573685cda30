//! One director, and two of them: election, take-over, farewell, announcements.

use std::time::{Duration, SystemTime};

use lab::in_namespaces;
use lab::netns::{Address, Instance, Net, exit_code, wait_until};
use lab::sniff::between;

use super::{SLACK, fast, start, wait_address, wait_role};

#[test]
fn the_higher_priority_is_master_and_hands_over_by_a_farewell() {
    in_namespaces!();
    let net = Net::new(&["one", "two"]);
    let sniffer = net.sniff();
    let (one, two) = (net.host("one"), net.host("two"));
    let backup = start(two, &fast(100));
    let mut master = start(one, &fast(200));
    sniffer.wait_advert("one", master.started(), fast(200).patience() + SLACK);
    wait_role(&master, "MASTER");
    wait_role(&backup, "BACKUP");
    wait_address(one, true);
    wait_address(two, false);

    let stopped = SystemTime::now();
    assert_eq!(exit_code(master.stop()), 0);
    assert!(!one.has(Instance::VIP), "left the virtual address behind");
    assert!(!one.dir().join("control.sock").exists(), "left its control socket behind");
    let farewell = sniffer.timeline().farewell("one", stopped).expect("a stop is announced").at;
    let first = sniffer.wait_advert("two", farewell, SLACK).at;
    let silence = between(farewell, first);
    assert!(silence >= fast(100).skew(), "took over {silence:?} after the farewell");
    assert!(silence < fast(100).patience(), "did not hear the farewell: took over after {silence:?}");
    wait_address(two, true);
    wait_role(&backup, "MASTER");

    // Back again: the higher priority preempts, and the other one yields without a farewell.
    let master = start(one, &fast(200));
    let back = sniffer.wait_advert("one", master.started(), fast(200).patience() + SLACK).at;
    assert!(between(master.started(), back) >= fast(200).patience());
    wait_role(&backup, "BACKUP");
    wait_address(two, false);
    wait_address(one, true);
    assert_eq!(sniffer.timeline().farewell("two", first), None);
}

#[test]
fn a_killed_master_is_replaced_and_its_leftover_address_taken_away_at_its_next_start() {
    in_namespaces!();
    let net = Net::new(&["one", "two"]);
    let sniffer = net.sniff();
    let (one, two) = (net.host("one"), net.host("two"));
    let mut master = start(one, &fast(200));
    wait_role(&master, "MASTER");
    let _backup = start(two, &fast(100));
    std::thread::sleep(fast(100).patience() * 2);
    assert_eq!(sniffer.timeline().masters().len(), 1, "the backup did not stay one:\n{}", sniffer.timeline());

    let killed = master.kill();
    let first = sniffer.wait_advert("two", killed, SLACK).at;
    let last = sniffer.timeline().last_advert("one", first).expect("it was master").at;
    let silence = between(last, first);
    assert!(silence >= fast(100).patience(), "took over after {silence:?}");
    wait_address(two, true);
    assert!(one.has(Instance::VIP), "a killed process cannot remove its address");

    // It comes back with a low priority: as a backup it must not keep the address of before.
    let again = start(one, &fast(50));
    wait_role(&again, "BACKUP");
    wait_address(one, false);
    assert_eq!(sniffer.timeline().first_advert("one", first), None);
}

#[test]
fn a_split_is_healed_in_favour_of_the_higher_address() {
    in_namespaces!();
    let net = Net::new(&["one", "two"]);
    let sniffer = net.sniff();
    net.isolate(true);
    let (one, two) = (start(net.host("one"), &fast(100)), start(net.host("two"), &fast(100)));
    wait_role(&one, "MASTER");
    wait_role(&two, "MASTER");
    wait_address(net.host("one"), true);
    wait_address(net.host("two"), true);

    net.isolate(false);
    wait_role(&one, "BACKUP");
    wait_address(net.host("one"), false);
    let quiet = SystemTime::now();
    std::thread::sleep(fast(100).patience() * 2);
    assert_eq!(sniffer.timeline().first_advert("one", quiet), None, "the loser goes on");
    assert!(net.host("two").has(Instance::VIP));
}

#[test]
fn a_master_announces_its_addresses_twice() {
    in_namespaces!();
    let net = Net::new(&["one"]);
    let sniffer = net.sniff();
    let one = net.host("one");
    let mut instance = fast(100);
    instance.addresses =
        vec!["10.0.0.100/24 dev eth0 label eth0:vip".into(), "10.0.0.101/32 dev eth0".into()];
    instance.more = "garp_master_delay 1".into();
    let daemon = start(one, &instance);
    let first = sniffer.wait_advert("one", daemon.started(), instance.patience() + SLACK).at;
    let other = "10.0.0.101".parse().expect("an address");
    for vip in [Instance::VIP, other] {
        let bursts = sniffer.wait_for("two bursts of five", SLACK, |t| {
            let sent: Vec<_> = t.garps("one", vip).map(|e| e.at).collect();
            (sent.len() >= 10).then_some(sent)
        });
        assert!(bursts[0] >= first, "announced before the first advert");
        assert!(between(bursts[4], bursts[5]) > between(bursts[0], bursts[4]), "not two bursts");
        // The delay runs from the decision to take over, a moment before the advert is on the wire.
        assert!(between(first, bursts[5]) >= Duration::from_millis(950), "the second burst came too soon");
        assert!(between(first, bursts[4]) < Duration::from_millis(950), "the first burst came too late");
    }
    std::thread::sleep(Duration::from_millis(500));
    assert_eq!(sniffer.timeline().garps("one", other).count(), 10);

    let expected = |address, prefix, label: &str| Address {
        interface: "eth0".into(),
        address,
        prefix,
        label: label.into(),
    };
    let have = one.addresses();
    assert!(have.contains(&expected(Instance::VIP, 24, "eth0:vip")), "{have:?}");
    assert!(have.contains(&expected(other, 32, "eth0")), "{have:?}");
}

#[test]
fn a_second_daemon_in_one_runtime_directory_is_refused() {
    in_namespaces!();
    let net = Net::new(&["one"]);
    let one = net.host("one");
    let first = start(one, &fast(100));
    wait_role(&first, "MASTER");
    let mut second = start(one, &fast(100));
    assert_eq!(exit_code(second.wait(SLACK)), 1);
    assert!(second.log().contains("--runtime-dir"), "{}", second.log());
    wait_until("the first one's answer", SLACK, || first.status());
    assert!(one.has(Instance::VIP));
}

#[test]
fn after_a_crash_what_the_new_configuration_no_longer_names_is_removed_and_a_neighbours_is_not() {
    in_namespaces!();
    let net = Net::new(&["one"]);
    let one = net.host("one");
    let other = std::net::Ipv4Addr::new(10, 0, 0, 101);
    let both = Instance { addresses: vec![Instance::VIP.to_string(), other.to_string()], ..fast(200) };
    let mut daemon = start(one, &both);
    wait_role(&daemon, "MASTER");
    wait_until("the second address", SLACK, || one.has(other).then_some(()));
    // Another director in the same namespace marks its addresses as we do, and yet they are not ours.
    let theirs = std::net::Ipv4Addr::new(10, 0, 0, 102);
    let neighbour = Instance { addresses: vec![theirs.to_string()], ..fast(200) };
    let (file, folder) = (one.dir().join("neighbour.conf"), one.dir().join("neighbour"));
    let text = neighbour.to_string().replace("virtual_router_id 51", "virtual_router_id 52");
    std::fs::write(&file, text).expect("/run is ours");
    let mut command = super::directord().command(&file, &folder);
    let mut neighbour = one.spawn(command.stderr(std::process::Stdio::null())).expect("directord runs");
    wait_until("the neighbour's address", SLACK, || one.has(theirs).then_some(()));
    daemon.kill();
    neighbour.kill().expect("it runs");
    assert!(one.has(Instance::VIP) && one.has(other), "a killed process cannot remove its addresses");

    let again = start(one, &Instance { addresses: vec![Instance::VIP.to_string()], ..fast(200) });
    wait_until("the leftover to go", SLACK, || (!one.has(other)).then_some(()));
    wait_role(&again, "MASTER");
    wait_address(one, true);
    assert!(one.has(theirs), "took a neighbour's address away");
    neighbour.wait().expect("it was killed");
}
