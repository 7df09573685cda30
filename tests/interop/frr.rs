//! Watched neighbours with FRR's bfdd on the other side: one hop by IPv4 and IPv6, and several hops.

use std::fs::File;
use std::process::{Child, Stdio};
use std::time::Duration;

use lab::in_namespaces;
use lab::netns::{Daemon, Host, Net, Program, tool, wait_until};
use nix::mount::{MsFlags, mount};

const SLACK: Duration = Duration::from_secs(10);

/// Peers of every kind, as bfdd sees us.
const THEIRS: &str = "bfd
 peer 10.0.0.1
  receive-interval 100
  transmit-interval 100
  detect-multiplier 3
 exit
 peer fd00::1 local-address fd00::2
  receive-interval 200
  transmit-interval 100
 exit
 peer 10.0.0.1 multihop local-address 10.0.0.22
  receive-interval 100
  transmit-interval 100
  minimum-ttl 250
 exit
exit
";

/// The same from our side. A neighbour on the own link must send with 255 (RFC 5881, 5).
const OURS: &str = "bfd_instance V4 {
    neighbor_ip 10.0.0.2
    min_rx 100
    min_tx 100
    multiplier 3
}
bfd_instance V6 {
    neighbor_ip fd00::2
    hoplimit 255
    min_rx 100
    min_tx 50
    multiplier 4
}
bfd_instance afar {
    neighbor_ip 10.0.0.22
    min_rx 100
    min_tx 100
    max_hops 5
    multihop
    passive
}
";

/// A running bfdd; killed when dropped.
struct Bfdd(Child);

impl Bfdd {
    fn start(host: &Host) -> Bfdd {
        let dir = host.dir();
        let file = |name: &str| dir.join(name);
        // The program wants a group of this name, which only this mount namespace needs to know.
        let groups = std::fs::read_to_string("/etc/group").expect("there are groups") + "frrvty:x:0:\n";
        std::fs::write(file("group"), groups).expect("/run is ours");
        let none: Option<&str> = None;
        mount(Some(&file("group")), "/etc/group", none, MsFlags::MS_BIND, none)
            .expect("the mount namespace is ours");
        std::fs::write(file("bfdd.conf"), THEIRS).expect("/run is ours");
        let log = File::create(file("bfdd.log")).expect("/run is ours");
        let mut command = tool("bfdd");
        command.arg("-f").arg(file("bfdd.conf")).arg("-i").arg(file("bfdd.pid"));
        command.arg("--vty_socket").arg(dir).arg("-z").arg(file("zserv")).arg("--bfdctl").arg(file("bfdctl"));
        command.args(["-u", "root", "-g", "root", "-P", "0", "--log", "stdout"]);
        command
            .stdin(Stdio::null())
            .stderr(log.try_clone().expect("descriptors are not that scarce"))
            .stdout(log);
        Bfdd(host.spawn(&mut command).expect("bfdd starts"))
    }
}

impl Drop for Bfdd {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The states of our neighbours, in the order of their names.
fn states(daemon: &Daemon) -> Option<Vec<(String, f64, Option<f64>)>> {
    let status = daemon.status()?;
    let state = |n: &serde_json::Value| {
        let interval = n["transmit_interval"].as_f64()?;
        Some((n["state"].as_str()?.to_owned(), interval, n["detection_time"].as_f64()))
    };
    status["neighbours"].as_array()?.iter().map(state).collect()
}

fn wait_states(daemon: &Daemon, state: &str) {
    wait_until(&format!("all sessions to be {state}"), SLACK, || {
        states(daemon)?.iter().all(|(is, ..)| is == state).then_some(())
    });
}

#[test]
fn sessions_with_bfdd_of_frr() {
    in_namespaces!();
    let net = Net::new(&["we", "peer"]);
    for (n, host) in (1..).zip(net.hosts()) {
        host.ip(&format!("addr add fd00::{n}/64 dev eth0 nodad"));
    }
    let peer = net.host("peer");
    peer.ip("addr add 10.0.0.22/24 dev eth0");
    let program = Program::Directord(env!("CARGO_BIN_EXE_directord").into());
    let mut us = Daemon::start(&program, net.host("we"), OURS);
    let frr = Bfdd::start(peer);
    wait_states(&us, "up");
    // Both sides' wishes, agreed on: the slower of what one sends and the other can take.
    let agreed = [(0.1, 0.3), (0.2, 0.3), (0.1, 0.3)];
    wait_until("the pace that was agreed on", SLACK, || {
        let now: Vec<_> = states(&us)?.into_iter().map(|(_, tx, patience)| (tx, patience)).collect();
        (now == agreed.map(|(tx, patience)| (tx, Some(patience)))).then_some(())
    });

    net.isolate(true);
    wait_states(&us, "down");
    net.isolate(false);
    wait_states(&us, "up");

    // We end and begin anew, and they let us in again; they end.
    assert_eq!(us.stop().code(), Some(0));
    let us = Daemon::start(&program, net.host("we"), OURS);
    wait_states(&us, "up");
    drop(frr);
    wait_states(&us, "down");
}
