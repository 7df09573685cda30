//! The harness tested with keepalived on both sides.

use std::time::Duration;

use super::{Daemon, Instance, Net, Program, exit_code, wait_until};

#[test]
fn a_killed_master_is_replaced() {
    crate::in_namespaces!();
    let net = Net::new(&["one", "two"]);
    let sniffer = net.sniff();
    let (one, two) = (net.host("one"), net.host("two"));
    let instance = Instance::new(3, Duration::from_millis(100), 100);
    let mut master = Daemon::start(&Program::Keepalived, one, &instance.priority(200).to_string());
    let mut backup = Daemon::start(&Program::Keepalived, two, &instance.to_string());
    let limit = Duration::from_secs(5);
    sniffer.wait_advert("one", master.started(), limit);
    wait_until("the address on one", limit, || one.has(Instance::VIP).then_some(()));
    let vip = one.addresses().into_iter().find(|a| a.address == Instance::VIP).expect("just seen");
    assert_eq!((vip.interface.as_str(), vip.label.as_str(), vip.prefix), ("eth0", "eth0:vip", 24));

    let killed = master.kill();
    let first = sniffer.wait_advert("two", killed, limit);
    sniffer.wait_for("a gratuitous ARP", limit, |t| t.first_garp("two", Instance::VIP, killed).cloned());
    let last = sniffer.timeline().last_advert("one", first.at).expect("it was master").at;
    let silence = crate::sniff::between(last, first.at);
    assert!(silence >= instance.patience(), "{silence:?} is less than three intervals and the skew");
    wait_until("the address on two", limit, || two.has(Instance::VIP).then_some(()));

    assert_eq!(exit_code(backup.stop()), 0);
    assert!(sniffer.timeline().farewell("two", first.at).is_some());
    assert!(!two.has(Instance::VIP));
}

#[test]
fn a_cable_can_be_pulled_and_a_nic_replaced() {
    crate::in_namespaces!();
    let net = Net::new(&["one", "two"]);
    let one = net.host("one");
    let carrier = || one.ip("-o link show dev eth0").contains("LOWER_UP");
    wait_until("carrier", Duration::from_secs(1), || carrier().then_some(()));
    net.unplug("one");
    wait_until("no carrier", Duration::from_secs(1), || (!carrier()).then_some(()));
    net.plug("one");
    wait_until("carrier", Duration::from_secs(1), || carrier().then_some(()));
    one.ip("link del dev eth0");
    assert_eq!(one.addresses(), []);
    net.replace_nic("one");
    assert_eq!(one.addresses().len(), 1);
}
