//! The clock is set while a pair lives: adverts, roles and take-overs go by another one.

use std::process::Command;
use std::time::{Duration, SystemTime};

use lab::in_namespaces;
use lab::netns::{Daemon, Instance, Net, skip, wait_until};
use serde_json::Value;

use super::{SLACK, ours};

/// Moves the machine's clock by so many seconds.
fn move_clock(seconds: i64) {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).expect("after 1970").as_secs();
    let then = now.checked_add_signed(seconds).expect("not that far");
    let output = Command::new("date").arg("-s").arg(format!("@{then}")).output().expect("date runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

/// Nobody else's clock is to be set.
fn is_guest() -> bool {
    let processors = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    processors.contains("User Mode Linux")
}

fn instance(daemon: &Daemon) -> Option<Value> {
    daemon.status()?["instances"].get(0).cloned()
}

fn wait_role(daemon: &Daemon, role: &str) {
    wait_until(role, SLACK, || (instance(daemon)?["role"] == role).then_some(()));
}

fn received(daemon: &Daemon) -> u64 {
    instance(daemon).and_then(|instance| instance["counters"]["received"].as_u64()).expect("it answers")
}

#[test]
#[ignore = "sets the clock of the machine"]
fn a_clock_that_is_set_moves_no_role_and_a_take_over_comes_in_time() {
    in_namespaces!();
    if !is_guest() {
        skip("this would set the clock of a machine that is no guest of the laboratory");
        return;
    }
    let net = Net::new(&["one", "two"]);
    let config = |priority| Instance::new(3, Duration::from_millis(200), priority).to_string();
    let mut one = Daemon::start(&ours(), net.host("one"), &config(200));
    wait_role(&one, "MASTER");
    let two = Daemon::start(&ours(), net.host("two"), &config(100));
    wait_role(&two, "BACKUP");
    let story = || {
        [&one, &two].map(|daemon| {
            let instance = instance(daemon).expect("it answers");
            (
                instance["role"].clone(),
                instance["cause"].clone(),
                instance["counters"]["became_master"].clone(),
            )
        })
    };
    let before = story();
    for seconds in [-3600, 7200, -3600] {
        let heard = received(&two);
        move_clock(seconds);
        wait_until("adverts that go on", SLACK, || (received(&two) >= heard + 15).then_some(()));
        assert_eq!(story(), before, "the clock was moved by {seconds} s");
    }
    // In the middle of the silence that ends a master.
    one.kill();
    move_clock(-3600);
    wait_role(&two, "MASTER");
    move_clock(3600);
    assert_eq!(instance(&two).expect("it answers")["counters"]["became_master"], 1);
}
