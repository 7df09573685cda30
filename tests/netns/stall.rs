//! A director that was held up must hear what was said meanwhile before it believes in a silence.

use std::time::{Duration, SystemTime};

use lab::in_namespaces;
use lab::netns::{Instance, Net};
use nix::sys::signal::Signal;

use super::{SLACK, fast, instance, start, wait_address, wait_role};

#[test]
fn a_backup_that_was_frozen_does_not_take_over_from_a_living_master() {
    in_namespaces!();
    let net = Net::new(&["one", "two"]);
    let sniffer = net.sniff();
    let master = start(net.host("one"), &fast(200));
    wait_role(&master, "MASTER");
    let backup = start(net.host("two"), &fast(100));
    wait_role(&backup, "BACKUP");
    for _ in 0..3 {
        backup.signal(Signal::SIGSTOP);
        std::thread::sleep(fast(100).patience() * 3);
        backup.signal(Signal::SIGCONT);
        std::thread::sleep(Duration::from_millis(300));
    }
    wait_role(&backup, "BACKUP");
    let counters = instance(&backup).expect("it answers")["counters"].clone();
    assert_eq!(counters["became_master"], 0, "{}", backup.log());
    let two = sniffer.timeline().first_advert("two", backup.started()).cloned();
    assert!(two.is_none(), "the frozen backup spoke up: {two:?}");
}

/// The master is frozen until a lesser one has taken over, and is woken: it must not say a word before it is backup.
fn a_frozen_master(nopreempt: bool) {
    let net = Net::new(&["one", "two"]);
    let sniffer = net.sniff();
    let (one, two) = (net.host("one"), net.host("two"));
    let master = start(one, &Instance { nopreempt, ..fast(200) });
    wait_role(&master, "MASTER");
    let successor = start(two, &fast(100));
    wait_role(&successor, "BACKUP");
    master.signal(Signal::SIGSTOP);
    let stopped = SystemTime::now();
    wait_role(&successor, "MASTER");
    // Its receive queue holds the successor's adverts, some of them old.
    std::thread::sleep(Duration::from_millis(1_500));
    let woken = SystemTime::now();
    master.signal(Signal::SIGCONT);
    sniffer.wait_for("the successor's next adverts", SLACK, |t| {
        (t.count_adverts("two", woken, SystemTime::now()) >= 2).then_some(())
    });
    let timeline = sniffer.timeline();
    let spoken = timeline.first_advert("one", stopped).map(|advert| advert.at);
    if nopreempt {
        wait_role(&master, "BACKUP");
        wait_address(one, false);
        std::thread::sleep(fast(200).patience() * 2);
        assert_eq!(sniffer.timeline().first_advert("one", stopped), None, "it went on");
        assert!(two.has(Instance::VIP));
    } else {
        // It comes back as a backup of higher priority does: after it has waited for that long.
        let patience = fast(200).patience();
        let back = spoken.unwrap_or_else(|| sniffer.wait_advert("one", stopped, SLACK).at);
        let waited = back.duration_since(woken).unwrap_or_default();
        assert!(waited >= patience, "it fought for its role, {waited:?} after it was woken");
        wait_role(&successor, "BACKUP");
    }
    assert!(master.log().contains("was held up"), "{}", master.log());
}

#[test]
fn a_master_that_was_frozen_leaves_its_role_to_the_successor() {
    in_namespaces!();
    a_frozen_master(true);
}

#[test]
fn a_master_that_was_frozen_comes_back_without_a_fight() {
    in_namespaces!();
    a_frozen_master(false);
}
