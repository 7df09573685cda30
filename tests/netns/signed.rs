//! `auth_hmac` between real processes: a pair that believes each other, strangers that are not believed, and a key that
//! is replaced while adverts go on.

use std::os::unix::fs::PermissionsExt;
use std::time::SystemTime;

use lab::in_namespaces;
use lab::netns::{Daemon, Host, Instance, Net, wait_until};

use super::{SLACK, fast, instance, start, wait_address, wait_role};

const SECRET: &str = "correct horse battery staple, twice over";

/// The same with these lines in `auth_hmac`.
fn signed(base: Instance, lines: &str) -> Instance {
    Instance { more: format!("auth_hmac {{\n{lines}\n}}"), ..base }
}

fn counter(daemon: &Daemon, name: &str) -> u64 {
    instance(daemon).and_then(|instance| instance["counters"][name].as_u64()).unwrap_or_default()
}

/// A key file with these rights, made before the daemon is started.
fn key_file(host: &Host, mode: u32) -> String {
    let path = host.dir().join("key");
    std::fs::write(&path, format!("{SECRET}\n")).expect("/run is ours");
    std::fs::set_permissions(&path, PermissionsExt::from_mode(mode)).expect("it is ours");
    format!("key 1 file:{}", path.display())
}

/// Both take over from each other as if nothing were signed, and count what was proven.
fn a_pair(base: fn(u8) -> Instance) {
    let net = Net::new(&["one", "two"]);
    let (one, two) = (net.host("one"), net.host("two"));
    let theirs = |host: &Host, instance: Instance, mode| {
        let unicast = instance.unicast.map(|(a, b)| if host.name() == "one" { (a, b) } else { (b, a) });
        signed(Instance { unicast, ..instance }, &key_file(host, mode))
    };
    let mut master = start(one, &theirs(one, base(200), 0o600));
    wait_role(&master, "MASTER");
    let backup = start(two, &theirs(two, base(100), 0o644));
    wait_until("signed adverts", SLACK, || (counter(&backup, "proven") >= 5).then_some(()));
    wait_role(&backup, "BACKUP");
    assert!(backup.log().contains("can be read by others"), "{}", backup.log());
    assert!(!master.log().contains("can be read by others"), "{}", master.log());
    master.stop();
    wait_role(&backup, "MASTER");
    assert!(counter(&backup, "priority_zero_received") == 1, "the farewell is signed as well");
    let master = start(one, &theirs(one, base(200), 0o600));
    wait_role(&master, "MASTER");
    wait_role(&backup, "BACKUP");
    for daemon in [&master, &backup] {
        assert_eq!(counter(daemon, "dropped_replay") + counter(daemon, "dropped_signature_invalid"), 0);
        assert!(!daemon.log().contains("horse"), "the key is in the log");
    }
}

#[test]
fn a_signed_pair_by_multicast() {
    in_namespaces!();
    a_pair(fast);
}

#[test]
fn a_signed_pair_by_unicast() {
    in_namespaces!();
    a_pair(|priority| Instance {
        unicast: Some(([10, 0, 0, 1].into(), [10, 0, 0, 2].into())),
        ..fast(priority)
    });
}

#[test]
fn a_signed_pair_over_ipv6() {
    in_namespaces!();
    a_pair(|priority| fast(priority).v6());
}

#[test]
fn who_does_not_sign_is_no_master_and_is_named() {
    in_namespaces!();
    let net = Net::new(&["one", "two"]);
    let (one, two) = (net.host("one"), net.host("two"));
    let ours = start(one, &signed(fast(100), &format!("key 1 \"{SECRET}\"")));
    wait_role(&ours, "MASTER");
    // An attacker with a higher priority and no key.
    let _rogue = start(two, &fast(200));
    wait_until("adverts without a signature", SLACK, || {
        (counter(&ours, "dropped_signature_missing") >= 3).then_some(())
    });
    wait_role(&ours, "MASTER");
    wait_address(one, true);
    assert_eq!(ours.log().matches("is not signed").count(), 1, "told once:\n{}", ours.log());
}

#[test]
fn a_key_is_replaced_without_losing_an_advert() {
    in_namespaces!();
    let net = Net::new(&["one", "two"]);
    let sniffer = net.sniff();
    let old = format!("key 1 \"{SECRET}\"");
    let new = "key 2 hex:000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";
    let text = |priority, lines: &str| signed(fast(priority), lines).to_string();
    let master = start(net.host("one"), &text(200, &old));
    wait_role(&master, "MASTER");
    let backup = start(net.host("two"), &text(100, &old));
    wait_until("signed adverts", SLACK, || (counter(&backup, "proven") >= 2).then_some(()));
    let from = SystemTime::now();
    // Make before break: both know both keys, then both sign with the new one, then the old one goes.
    for lines in
        [format!("{old}\n{new}\nactive_key 1"), format!("{old}\n{new}\nactive_key 2"), new.to_owned()]
    {
        for (daemon, priority) in [(&backup, 100), (&master, 200)] {
            let generation = daemon.status().expect("it answers")["generation"].as_u64();
            daemon.reload(&text(priority, &lines));
            wait_until("the reload", SLACK, || {
                (daemon.status()?["generation"].as_u64() > generation).then_some(())
            });
        }
        let proven = counter(&backup, "proven");
        wait_until("more adverts", SLACK, || (counter(&backup, "proven") >= proven + 2).then_some(()));
    }
    assert_eq!(counter(&backup, "became_master"), 0);
    assert_eq!(counter(&backup, "dropped_signature_unknown_key"), 0, "{}", backup.log());
    assert_eq!(sniffer.timeline().count_adverts("two", from, SystemTime::now()), 0);
}

#[test]
fn without_its_key_a_configuration_is_refused() {
    in_namespaces!();
    let net = Net::new(&["one"]);
    let mut daemon = start(net.host("one"), &signed(fast(100), "key 1 file:/run/nowhere"));
    assert_eq!(lab::netns::exit_code(daemon.wait(SLACK)), 2);
    assert!(daemon.log().contains("no key in `/run/nowhere`"), "{}", daemon.log());
    assert!(daemon.log().contains("daemon.conf:"), "{}", daemon.log());
}
