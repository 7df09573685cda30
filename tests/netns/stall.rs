//! A director that was held up must hear what was said meanwhile before it believes in a silence.

use std::time::Duration;

use lab::in_namespaces;
use lab::netns::Net;
use nix::sys::signal::Signal;

use super::{fast, instance, start, wait_role};

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
