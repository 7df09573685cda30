//! More happens on the host than the daemon can hear (ENOBUFS): what it missed it must look up.

use std::time::Duration;

use lab::in_namespaces;
use lab::netns::{Host, Net, tool, wait_until};
use nix::sys::signal::Signal;

use super::{SLACK, fast, instance, start, wait_address, wait_role};

/// How many addresses come and go meanwhile. A megabyte of buffer holds the news of less than half of them.
const MANY: u32 = 4_000;

/// Datagrams that the netlink sockets of a host lost: the column `Drops` of `/proc/net/netlink`.
fn lost(host: &Host) -> u64 {
    let table =
        host.enter(|| std::fs::read_to_string("/proc/thread-self/net/netlink")).expect("there is one");
    let row = |line: &str| -> Option<u64> {
        let fields: Vec<&str> = line.split_whitespace().collect();
        // Nobody else on this host listens.
        fields.get(8)?.parse().ok()
    };
    table.lines().skip(1).filter_map(row).sum()
}

/// Has a great many addresses come and go, quickly.
fn flood(host: &Host) {
    let address = |n: u32| std::net::Ipv4Addr::from(0x0a80_0000 + n);
    let lines = |verb: &str| {
        (1..=MANY).map(|n| format!("addr {verb} {}/32 dev lo\n", address(n))).collect::<String>()
    };
    let batch = host.dir().join("batch");
    std::fs::write(&batch, lines("add") + &lines("del")).expect("/run is ours");
    let output = host.output(tool("ip").arg("-batch").arg(&batch)).expect("ip runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn what_was_lost_in_a_flood_of_news_is_looked_up() {
    in_namespaces!();
    let net = Net::new(&["one"]);
    let one = net.host("one");
    one.ip("link add name other0 type veth peer name far0");
    one.ip("link set dev far0 up");
    one.ip("link set dev other0 up");
    let mut config = fast(200);
    config.more =
        "track_interface {\nother0 weight -20\n}\nvirtual_routes {\n10.30.0.0/16 via 10.0.0.9 dev eth0\n}"
            .into();
    let mut daemon = start(one, &config);
    wait_role(&daemon, "MASTER");
    wait_address(one, true);
    let priority = |wanted: u8| {
        wait_until(&format!("priority {wanted}"), SLACK, || {
            (instance(&daemon)?["effective_priority"] == wanted).then_some(())
        });
    };
    priority(200);

    // It hears nothing while it is stopped, and what follows the flood does not fit into its buffers any more.
    daemon.signal(Signal::SIGSTOP);
    flood(one);
    one.ip("link set dev other0 down");
    one.ip("address del 10.0.0.100/24 dev eth0");
    one.ip("route del 10.30.0.0/16");
    assert!(lost(one) > 0, "nothing was lost: this tests nothing");
    daemon.signal(Signal::SIGCONT);
    wait_address(one, true);
    wait_until("the route", SLACK, || one.ip("route show").contains("10.30.0.0/16").then_some(()));
    priority(180);
    std::thread::sleep(Duration::from_millis(300));
    assert!(daemon.is_running(), "{}", daemon.log());
    one.ip("link set dev other0 up");
    wait_until("the tracker", SLACK, || (instance(&daemon)?["effective_priority"] == 200).then_some(()));
}
