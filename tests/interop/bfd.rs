//! Watched neighbours: we and keepalived's BFD, each taking the other for what it says.
//!
//! Nothing here asserts how fast: the pace is agreed on, and what it must be is held on the desk in virtual time.

use std::net::UdpSocket;
use std::path::Path;
use std::time::Duration;

use lab::in_namespaces;
use lab::netns::{Daemon, Host, Net, Program, wait_until};
use vrrp::bfd::{Packet, State};

/// How long anything may take on a busy machine.
const SLACK: Duration = Duration::from_secs(10);

/// One side's `bfd_instance`, and an instance of VRID `vrid` that tracks it.
fn config(own: &str, peer: &str, more: &str, vrid: u8) -> String {
    format!(
        "bfd_instance N {{
            neighbor_ip {peer}
            source_ip {own}
            min_rx 100
            min_tx 100
            multiplier 3
            {more}
        }}
        vrrp_instance V {{
            interface eth0
            virtual_router_id {vrid}
            version 3
            advert_int 0.1
            priority 200
            track_bfd {{
                N
            }}
            virtual_ipaddress {{
                10.0.0.{vrid}
            }}
        }}"
    )
}

fn directord() -> Program {
    Program::Directord(Path::new(env!("CARGO_BIN_EXE_directord")).to_owned())
}

/// Starts keepalived, after one that may have been killed: it takes the ids of a dead process for a running one.
fn keepalived<'a>(host: &'a Host, config: &str) -> Daemon<'a> {
    let pid = host.dir().join("bfd.pid");
    let _ = std::fs::remove_file(&pid);
    Daemon::start_with(&Program::Keepalived, host, config, |command| {
        command.args(["-l", "-D", "-b"]).arg(&pid);
    })
}

/// What `status` says of our neighbour.
fn neighbour(daemon: &Daemon, field: &str) -> Option<String> {
    Some(daemon.status()?["neighbours"][0][field].as_str()?.to_owned())
}

fn wait_state(daemon: &Daemon, state: &str) {
    wait_until(&format!("the session to be {state}"), SLACK, || {
        (neighbour(daemon, "state")? == state).then_some(())
    });
}

fn wait_address(host: &Host, last: u8, there: bool) {
    let address = std::net::Ipv4Addr::new(10, 0, 0, last);
    wait_until(&format!("{address} on {}: {there}", host.name()), SLACK, || {
        (host.has(address) == there).then_some(())
    });
}

/// Addresses of IPv6 that can be routed, beside the link-local ones.
fn number(net: &Net) {
    for (n, host) in (1..).zip(net.hosts()) {
        host.ip(&format!("addr add fd00::{n}/64 dev eth0 nodad"));
    }
}

/// Up together, down when the link is cut, when the peer is killed and when it stops; each side's instance follows.
fn life(own: &str, peer: &str, ours: &str, theirs: &str) {
    let net = Net::new(&["we", "peer"]);
    number(&net);
    let (we, them) = (net.host("we"), net.host("peer"));
    let their_config = config(peer, own, theirs, 202);
    let mut other = keepalived(them, &their_config);
    let mut us = Daemon::start(&directord(), we, &config(own, peer, ours, 201));
    wait_state(&us, "up");
    wait_address(we, 201, true);
    wait_address(them, 202, true);

    net.isolate(true);
    wait_state(&us, "down");
    let reason = neighbour(&us, "reason").expect("it is told");
    assert!(reason.contains("control detection time expired"), "{reason}");
    wait_address(we, 201, false);
    wait_address(them, 202, false);
    net.isolate(false);
    wait_state(&us, "up");
    wait_address(we, 201, true);
    wait_address(them, 202, true);

    other.kill();
    wait_state(&us, "down");
    wait_address(we, 201, false);
    them.ip("addr flush dev eth0 to 10.0.0.202");
    let mut other = keepalived(them, &their_config);
    wait_state(&us, "up");
    wait_address(them, 202, true);

    // We leave: the peer hears that at once, and so do we when it leaves.
    assert_eq!(us.stop().code(), Some(0));
    wait_address(them, 202, false);
    let us = Daemon::start(&directord(), we, &config(own, peer, ours, 201));
    wait_state(&us, "up");
    other.stop();
    wait_state(&us, "down");
}

#[test]
fn a_neighbour_by_ipv4() {
    in_namespaces!();
    life("10.0.0.1", "10.0.0.2", "", "");
}

#[test]
fn a_neighbour_by_ipv6() {
    in_namespaces!();
    life("fd00::1", "fd00::2", "", "");
}

#[test]
fn one_of_two_is_passive() {
    in_namespaces!();
    let passive = ["passive", ""];
    std::thread::scope(|s| {
        for (ours, theirs) in [(passive[0], passive[1]), (passive[1], passive[0])] {
            s.spawn(move || {
                let net = Net::new(&["we", "peer"]);
                let us =
                    Daemon::start(&directord(), net.host("we"), &config("10.0.0.1", "10.0.0.2", ours, 201));
                let theirs = config("10.0.0.2", "10.0.0.1", theirs, 202);
                let _other = keepalived(net.host("peer"), &theirs);
                wait_state(&us, "up");
                wait_address(net.host("peer"), 202, true);
            });
        }
    });
}

/// A reload with other timers keeps the session and comes to an agreement with keepalived.
#[test]
fn other_timers_are_agreed_on() {
    in_namespaces!();
    let net = Net::new(&["we", "peer"]);
    let _other = keepalived(net.host("peer"), &config("10.0.0.2", "10.0.0.1", "", 202));
    let text = config("10.0.0.1", "10.0.0.2", "", 201);
    let us = Daemon::start(&directord(), net.host("we"), &text);
    wait_state(&us, "up");
    wait_address(net.host("we"), 201, true);
    let number = |field: &str| us.status()?["neighbours"][0][field].as_f64();
    for (interval, seconds) in [("250", 0.25), ("50", 0.1), ("100", 0.1)] {
        us.reload(&text.replace("min_tx 100", &format!("min_tx {interval}")));
        wait_until(&format!("min_tx {interval}"), SLACK, || {
            (number("transmit_interval")? == seconds).then_some(())
        });
    }
    us.reload(&text.replace("min_rx 100", "min_rx 300"));
    wait_until("min_rx 300", SLACK, || (number("detection_time")? == 0.9).then_some(()));
    let status = us.status().expect("it runs");
    assert_eq!(status["neighbours"][0]["counters"]["downs"], 0, "{status}");
    assert!(net.host("we").has(std::net::Ipv4Addr::new(10, 0, 0, 201)));
}

/// What keepalived sends is what our codec would have sent, byte for byte.
#[test]
fn keepalived_speaks_as_our_codec_does() {
    in_namespaces!();
    let net = Net::new(&["we", "peer"]);
    let socket = net.host("we").enter(|| UdpSocket::bind(("10.0.0.1", 3784))).expect("the port is free");
    socket.set_read_timeout(Some(SLACK)).expect("a timeout can be set");
    let _other = keepalived(net.host("peer"), &config("10.0.0.2", "10.0.0.1", "", 202));
    let mut buffer = [0; 128];
    let (length, from) = socket.recv_from(&mut buffer).expect("it speaks first");
    let bytes = &buffer[..length];
    println!("{bytes:02x?} from {from}");
    let packet = Packet::parse(bytes).expect("it can be read");
    assert_eq!(packet.emit(), bytes);
    assert_eq!((packet.state, packet.multiplier.get(), packet.yours), (State::Down, 3, None));
    assert_eq!(packet.required_min_rx, Duration::from_millis(100));
    assert!(from.port() >= 49_152, "{from}");
}
