//! Servers that are taken out by a file in a directory, and come back when it is gone.

use std::fs;
use std::net::TcpListener;

use lab::in_namespaces;
use lab::netns::{Daemon, Net, wait_until};

use super::{SLACK, start};

/// What `status` says of a server: verdict, weight in the kernel, reason.
fn wait(daemon: &Daemon, number: usize, verdict: &str, weight: Option<u64>) -> String {
    wait_until(&format!("server {number} {verdict} with weight {weight:?}"), SLACK * 4, || {
        let server = daemon.status()?["services"][0]["servers"].get(number)?.clone();
        let reason = server["reason"].as_str()?.to_owned();
        (server["verdict"] == verdict && server["effective_weight"].as_u64() == weight).then_some(reason)
    })
}

#[test]
fn a_file_named_as_a_server_takes_it_out() {
    in_namespaces!();
    let net = Net::new(&["director", "server"]);
    let (director, host) = (net.host("director"), net.host("server"));
    let _listeners =
        [8001, 8002].map(|port| host.enter(|| TcpListener::bind((host.address(), port))).unwrap());
    let folder = director.dir().join("maintenance");
    let config = |globals: &str| {
        let servers = [(8001, ""), (8002, "inhibit_on_failure\n")].map(|(port, more)| {
            format!("real_server {} {port} {{\nweight 5\n{more}TCP_CHECK {{\n}}\n}}\n", host.address())
        });
        format!(
            "global_defs {{\n{globals}\n}}\nvirtual_server 10.0.0.100 80 {{\ndelay_loop 0.2\nlvs_sched rr\nlvs_method NAT\n\
             protocol TCP\n{}}}\n",
            servers.concat()
        )
    };
    let text = config(&format!("maintenance_dir {}", folder.display()));
    let daemon = start(director, &text);
    wait(&daemon, 0, "up", Some(5));
    wait(&daemon, 1, "up", Some(5));
    // The directory may come later than the daemon.
    fs::create_dir(&folder).unwrap();
    let one = folder.join(format!("{}:8002", host.address()));
    fs::write(&one, "").unwrap();
    let reason = wait(&daemon, 1, "down", Some(0));
    assert!(reason.contains("in maintenance: ") && reason.contains(":8002 is there"), "{reason}");
    wait(&daemon, 0, "up", Some(5));
    fs::rename(&one, folder.join(host.address().to_string())).unwrap();
    wait(&daemon, 0, "down", None);
    wait(&daemon, 1, "down", Some(0));
    // Without the directory in the file nobody is in maintenance.
    daemon.reload(&config("router_id x"));
    wait(&daemon, 0, "up", Some(5));
    wait(&daemon, 1, "up", Some(5));
    daemon.reload(&text);
    wait(&daemon, 0, "down", None);
    fs::remove_file(folder.join(host.address().to_string())).unwrap();
    wait(&daemon, 0, "up", Some(5));
    wait(&daemon, 1, "up", Some(5));
}

#[test]
fn a_window_by_the_clock_drains_a_server_until_a_reload_without_it() {
    in_namespaces!();
    let net = Net::new(&["director", "server"]);
    let (director, host) = (net.host("director"), net.host("server"));
    let _listeners =
        [8001, 8002].map(|port| host.enter(|| TcpListener::bind((host.address(), port))).unwrap());
    let config = |window: &str| {
        let servers = [(8001, ""), (8002, window)].map(|(port, more)| {
            format!("real_server {} {port} {{\nweight 5\n{more}TCP_CHECK {{\n}}\n}}\n", host.address())
        });
        format!(
            "virtual_server 10.0.0.100 80 {{\ndelay_loop 0.2\nlvs_sched rr\nlvs_method NAT\nprotocol TCP\n{}}}\n",
            servers.concat()
        )
    };
    let always = "maintenance_window {\nfrom 00:00\nto 24:00\nreason \"new disks\"\n}\n";
    let daemon = start(director, &config(always));
    wait(&daemon, 0, "up", Some(5));
    wait(&daemon, 1, "up", Some(0));
    let status = daemon.status().unwrap();
    let listed = &status["overrides"][0];
    assert_eq!((&listed["owner"], &listed["reason"]), (&"maintenance_window".into(), &"new disks".into()));
    assert!(listed["expires_in_seconds"].as_u64().is_some(), "{listed}");
    daemon.reload(&config(""));
    wait(&daemon, 1, "up", Some(5));
    assert_eq!(daemon.status().unwrap()["overrides"].as_array().map(Vec::len), Some(0));
}
