//! What needs a kernel with ipvlan, VRF and IPVS, or a clock that may be set: `tests/lab.rs` runs these tests in the
//! laboratory's guest (`cargo test --test lab -- ipvlan clock`), one after the other. On a machine whose own kernel has
//! all that, `cargo test --test interop guest -- --ignored` runs them as well.

use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use lab::in_namespaces;
use lab::netns::{Daemon, Host, Instance, Net, Program, tool, wait_until};
use serde_json::Value;

mod clock;
mod lacking;
mod model;
mod systemd;

/// How long anything may take in a guest, which is slow.
const SLACK: Duration = Duration::from_secs(20);

fn directord() -> PathBuf {
    let path = Path::new(env!("CARGO_BIN_EXE_directord"));
    if path.exists() { path.to_owned() } else { lab::job::seen_inside(path) }
}

fn ours() -> Program {
    Program::Directord(directord())
}

/// Interfaces with their addresses, routes and rules, without what is by chance or runs.
fn picture(host: &Host) -> Vec<String> {
    let mut lines = Vec::new();
    for words in
        ["-j -d addr show", "-j -d route show table all", "-j -d -6 route show table all", "-j rule show"]
    {
        let list: Vec<Value> = serde_json::from_str(&host.ip(words)).expect("JSON");
        for mut item in list.into_iter().filter(|item| item["ifname"] != "lo") {
            let fields = item.as_object_mut().expect("an object");
            for field in
                ["ifindex", "link_index", "operstate", "address", "link_netnsid", "permaddr", "metrics"]
            {
                fields.remove(field);
            }
            for address in item["addr_info"].as_array_mut().into_iter().flatten() {
                // Ours carry a mark of their own.
                let address = address.as_object_mut().expect("an object");
                for field in ["protocol", "valid_life_time", "preferred_life_time"] {
                    address.remove(field);
                }
            }
            // The kernel numbers its copies of multicast routes.
            if !item.to_string().contains("multicast\",\"dst\":\"ff00") {
                lines.push(item.to_string());
            }
        }
    }
    lines.sort();
    lines
}

/// Runs the text with keepalived and then with us on the same host, made ready by `prepare`, and compares what the
/// kernel holds while they are master, and afterwards.
fn same_picture(what: &str, text: &str, vip: IpAddr, prepare: impl Fn(&Host)) {
    let mut pictures = Vec::new();
    for program in [Program::Keepalived, ours()] {
        let net = Net::new(&["one"]);
        let one = net.host("one");
        prepare(one);
        let before = picture(one);
        let mut daemon = Daemon::start(&program, one, text);
        wait_until(&format!("{what}: {vip} by {program:?}"), SLACK, || one.has(vip).then_some(()));
        let during = wait_until("what changes no more", SLACK, || {
            let now = picture(one);
            std::thread::sleep(Duration::from_millis(400));
            (now == picture(one)).then_some(now)
        });
        daemon.stop();
        let after = picture(one);
        let left: Vec<_> = after.iter().filter(|line| !before.contains(line)).collect();
        assert!(left.is_empty(), "{what}: {program:?} left {left:#?}");
        pictures.push(during);
    }
    let only = |one: &[String], other: &[String]| -> Vec<String> {
        one.iter().filter(|line| !other.contains(line)).cloned().collect()
    };
    let (missing, more) = (only(&pictures[0], &pictures[1]), only(&pictures[1], &pictures[0]));
    assert!(
        missing.is_empty() && more.is_empty(),
        "{what}: only keepalived:\n{missing:#?}\nonly directord:\n{more:#?}"
    );
}

fn instance(more: &str) -> Instance {
    let plain = Instance::new(3, Duration::from_millis(200), 200);
    Instance { addresses: vec![format!("{}/24", Instance::VIP)], more: more.to_owned(), ..plain }
}

#[test]
#[ignore = "needs a kernel with ipvlan"]
fn ipvlan_devices_are_as_keepalived_makes_them() {
    in_namespaces!();
    // keepalived wants a source address over IPv4, and knows neither `name` nor `group` in this version.
    let lines = [
        "use_ipvlan 10.0.0.77/24",
        "use_ipvlan ipv1 private 10.0.0.77/24",
        "use_ipvlan ipv1 vepa 10.0.0.77/24",
    ];
    std::thread::scope(|scope| {
        for line in lines {
            let text = format!("global_defs {{\ncompat\n}}\n{}", instance(line));
            scope.spawn(move || same_picture(line, &text, Instance::VIP.into(), |_| {}));
        }
    });
}

#[test]
#[ignore = "needs a kernel with ipvlan"]
fn ipvlan_devices_carry_a_cluster_with_keepalived() {
    in_namespaces!();
    let net = Net::new(&["we", "peer"]);
    let sniffer = net.sniff();
    let text =
        |priority: u8, own: &str| instance(&format!("use_ipvlan ipv1 {own}")).priority(priority).to_string();
    let peer = Daemon::start(&Program::Keepalived, net.host("peer"), &text(100, "10.0.0.72/24"));
    sniffer.wait_advert("peer", peer.started(), SLACK);
    // keepalived needs an address on it, we do not.
    let mut us = Daemon::start(&ours(), net.host("we"), &text(200, ""));
    sniffer.wait_advert("we", us.started(), SLACK);
    let where_it_is = |on: &str, not: &str| {
        wait_until(&format!("the address on {on} only"), SLACK, || {
            (net.host(on).has(Instance::VIP) && !net.host(not).has(Instance::VIP)).then_some(())
        });
    };
    where_it_is("we", "peer");
    assert_eq!(us.stop().code(), Some(0));
    where_it_is("peer", "we");
    assert!(!net.host("we").ip("link show").contains("ipv1"), "left its interface behind");
}

/// `eth0` belongs to a routing domain with a table of its own.
fn enslaved(host: &Host) {
    host.ip("link add name blue type vrf table 10");
    host.ip("link set dev blue up");
    host.ip("link set dev eth0 master blue");
}

#[test]
#[ignore = "needs a kernel with VRF"]
fn a_routing_domain_holds_what_keepalived_puts_there() {
    in_namespaces!();
    let routes = "virtual_routes {\n10.30.0.0/16 via 10.0.0.9 dev eth0 table 10\n\
                  10.31.0.0/16 via 10.0.0.9 dev eth0 vrf blue\nblackhole 10.32.0.0/16 vrf blue\n\
                  10.33.0.0/16 dev eth0 table 20 vrf blue\n10.34.0.0/16 dev eth0 vrf blue table 20\n}";
    let text = format!("global_defs {{\ncompat\n}}\n{}", instance(routes));
    same_picture("vrf", &text, Instance::VIP.into(), enslaved);
    let vmac = format!("global_defs {{\ncompat\n}}\n{}", instance("use_vmac"));
    same_picture("vrf with use_vmac", &vmac, Instance::VIP.into(), enslaved);
}

/// Multicast on an interface of a routing domain, and unicast through it.
#[test]
#[ignore = "needs a kernel with VRF"]
fn a_cluster_with_keepalived_lives_in_a_routing_domain() {
    in_namespaces!();
    for more in ["", "unicast_src_ip OWN\nunicast_peer {\nPEER\n}"] {
        let net = Net::new(&["we", "peer"]);
        net.hosts().iter().for_each(enslaved);
        let sniffer = net.sniff();
        let text = |priority: u8, own: &str, peer: &str| {
            instance(&more.replace("OWN", own).replace("PEER", peer)).priority(priority).to_string()
        };
        let peer = Daemon::start(&Program::Keepalived, net.host("peer"), &text(100, "10.0.0.2", "10.0.0.1"));
        sniffer.wait_advert("peer", peer.started(), SLACK);
        let mut us = Daemon::start(&ours(), net.host("we"), &text(200, "10.0.0.1", "10.0.0.2"));
        sniffer.wait_advert("we", us.started(), SLACK);
        wait_until("the address here only", SLACK, || {
            (net.host("we").has(Instance::VIP) && !net.host("peer").has(Instance::VIP)).then_some(())
        });
        let stopped = std::time::SystemTime::now();
        assert_eq!(us.stop().code(), Some(0));
        sniffer.wait_advert("peer", stopped, SLACK);
        wait_until("the address there", SLACK, || net.host("peer").has(Instance::VIP).then_some(()));
    }
}

/// The daemon runs in one network namespace, and its table is that of another.
#[test]
#[ignore = "needs a kernel with IPVS"]
fn the_ipvs_table_may_be_another_namespaces() {
    in_namespaces!();
    let net = Net::new(&["one"]);
    let one = net.host("one");
    std::fs::create_dir_all("/run/netns").expect("/run is ours");
    one.ip("netns add tables");
    let text = "net_namespace_ipvs tables\n\
                virtual_server 10.0.0.100 80 {\nlvs_sched rr\nlvs_method NAT\nprotocol TCP\n\
                real_server 10.0.0.9 80 {\nweight 1\n}\n}\n";
    // Not with the table in memory that the other tests use.
    let in_kernel = |command: &mut Command| {
        *command = Command::new(directord());
        command.arg("run").arg("--config").arg(one.dir().join("daemon.conf"));
        command.arg("--runtime-dir").arg(one.dir());
    };
    let mut daemon = Daemon::start_with(&ours(), one, text, in_kernel);
    let table = |words: &[&str]| {
        let mut ipvsadm = tool("ip");
        ipvsadm.args(words).arg(tool("ipvsadm").get_program()).arg("-Sn");
        let output = one.output(&mut ipvsadm).expect("ip runs");
        String::from_utf8_lossy(&output.stdout).into_owned()
    };
    wait_until("the service", SLACK, || {
        table(&["netns", "exec", "tables"]).contains("10.0.0.100:80").then_some(())
    });
    let here = one.output(tool("ipvsadm").arg("-Sn")).expect("ipvsadm runs");
    assert!(!String::from_utf8_lossy(&here.stdout).contains("10.0.0.100"), "it is in the wrong table");
    // It cannot be changed while it runs.
    daemon.reload(&text.replace("net_namespace_ipvs tables\n", ""));
    wait_until("the refusal", SLACK, || daemon.log().contains("restart directord for that").then_some(()));
    assert_eq!(daemon.stop().code(), Some(0));
    assert!(!table(&["netns", "exec", "tables"]).contains("10.0.0.100:80"), "left its service behind");
}
