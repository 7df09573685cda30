//! Checks against real sockets, and what follows for the table (kept in memory here) and for `status`.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::Duration;

use lab::in_namespaces;
use lab::netns::{Daemon, Host, Net, wait_until};

use super::{SLACK, start};

/// Answers each connection with the status that `status` holds.
fn serve(host: &Host, port: u16, status: Arc<AtomicU16>) {
    let address = (host.address(), port);
    let listener = host.enter(|| TcpListener::bind(address)).expect("the port is free");
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let Ok(mut stream) = stream else { continue };
            let _ = stream.read(&mut [0; 1024]);
            let status = status.load(Ordering::Relaxed);
            let _ = write!(stream, "HTTP/1.0 {status} Whatever\r\nContent-Length: 3\r\n\r\nyes");
        }
    });
}

/// A service with an HTTP-checked server, one that is inhibited on failure, and a sorry server.
fn service(servers: &str) -> String {
    format!(
        "virtual_server 10.0.0.100 80 {{
            delay_loop 0.2
            lvs_sched rr
            lvs_method NAT
            protocol TCP
            retry 1
            delay_before_retry 0.1
            connect_timeout 1
            sorry_server 10.0.0.99 80
            {servers}
        }}"
    )
}

fn http(host: &Host, port: u16, extra: &str) -> String {
    format!(
        "real_server {} {port} {{
            weight 5
            {extra}
            HTTP_GET {{
                url {{
                    path /alive
                    status_code 200
                }}
                delay_before_retry 0.1
            }}
        }}",
        host.address()
    )
}

/// What `status` says of a server in this order: verdict, weight in the kernel, reason.
fn server(daemon: &Daemon, number: usize) -> Option<(String, Option<u64>, String)> {
    let status = daemon.status()?;
    let server = status["services"][0]["servers"].get(number)?.clone();
    let text = |name: &str| server[name].as_str().map(str::to_owned);
    Some((text("verdict")?, server["effective_weight"].as_u64(), text("reason")?))
}

fn sorry(daemon: &Daemon) -> Option<bool> {
    daemon.status()?["services"][0]["sorry_active"].as_bool()
}

fn wait_server(daemon: &Daemon, number: usize, verdict: &str, weight: Option<u64>) -> String {
    wait_until(&format!("server {number} {verdict} with weight {weight:?}"), SLACK * 2, || {
        let (is, kernel, reason) = server(daemon, number)?;
        (is == verdict && kernel == weight).then_some(reason)
    })
}

#[test]
fn servers_leave_and_return_and_the_sorry_server_stands_in() {
    in_namespaces!();
    let net = Net::new(&["director", "server"]);
    let (director, host) = (net.host("director"), net.host("server"));
    let (first, second) = (Arc::new(AtomicU16::new(200)), Arc::new(AtomicU16::new(200)));
    serve(host, 8001, first.clone());
    serve(host, 8002, second.clone());
    let servers = http(host, 8001, "") + "\n" + &http(host, 8002, "inhibit_on_failure");
    let daemon = start(director, &service(&servers));
    wait_server(&daemon, 0, "up", Some(5));
    wait_server(&daemon, 1, "up", Some(5));
    assert_eq!(sorry(&daemon), Some(false));

    first.store(503, Ordering::Relaxed);
    let reason = wait_server(&daemon, 0, "down", None);
    assert!(reason.contains("503") && reason.contains("200"), "{reason}");
    assert_eq!(sorry(&daemon), Some(false), "one server is left");

    second.store(404, Ordering::Relaxed);
    wait_server(&daemon, 1, "down", Some(0));
    wait_until("the sorry server to stand in", SLACK, || sorry(&daemon)?.then_some(()));

    first.store(200, Ordering::Relaxed);
    wait_server(&daemon, 0, "up", Some(5));
    wait_until("the sorry server to leave", SLACK, || (!sorry(&daemon)?).then_some(()));

    // A reload that changes a weight keeps the verdicts: the server that is down is not tried on clients.
    daemon.reload(&service(&servers.replace("weight 5", "weight 7")));
    wait_server(&daemon, 0, "up", Some(7));
    let (verdict, weight, _) = server(&daemon, 1).expect("it is configured");
    assert_eq!((verdict.as_str(), weight), ("down", Some(0)));
}

#[test]
fn a_server_that_answers_nothing_is_down_in_time_and_delays_nobody() {
    in_namespaces!();
    let net = Net::new(&["director", "server"]);
    let (director, host) = (net.host("director"), net.host("server"));
    let good = Arc::new(AtomicU16::new(200));
    serve(host, 8001, good.clone());
    // A listener that nobody accepts from: it connects, and stays silent.
    let _silent = host.enter(|| TcpListener::bind((host.address(), 8002))).expect("the port is free");
    let servers = http(host, 8001, "") + "\n" + &http(host, 8002, "");
    let daemon = start(director, &service(&servers));
    wait_server(&daemon, 0, "up", Some(5));
    let reason = wait_server(&daemon, 1, "down", None);
    assert!(reason.contains("1 s"), "the reason should tell how long it waited: {reason}");
    good.store(500, Ordering::Relaxed);
    wait_server(&daemon, 0, "down", None);
}

#[test]
fn a_recorded_run_is_lived_through_again() {
    in_namespaces!();
    let net = Net::new(&["director", "server"]);
    let (director, host) = (net.host("director"), net.host("server"));
    let status = Arc::new(AtomicU16::new(200));
    serve(host, 8001, status.clone());
    let recording = director.dir().join("recording");
    let config = super::fast(100).to_string() + &service(&http(host, 8001, ""));
    let mut daemon = Daemon::start_with(&super::directord(), director, &config, |command| {
        command.arg("--record").arg(&recording);
    });
    super::wait_role(&daemon, "MASTER");
    wait_server(&daemon, 0, "up", Some(5));
    status.store(500, Ordering::Relaxed);
    wait_server(&daemon, 0, "down", None);
    daemon.reload(&config.replace("weight 5", "weight 6"));
    wait_until("the reload", SLACK, || (daemon.status()?["generation"] == 2).then_some(()));
    std::thread::sleep(Duration::from_millis(300));
    assert!(daemon.stop().success());

    let replay = |file: &std::path::Path| {
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_directord"));
        command.arg("replay").arg(file).output().expect("directord runs")
    };
    let same = replay(&recording);
    assert!(same.status.success(), "{}", String::from_utf8_lossy(&same.stderr));

    // A recording in which the facts were other ones is seen to end otherwise.
    let text = std::fs::read_to_string(&recording).expect("it was written");
    let forge = |line: &str| match line.starts_with("{\"event\"") {
        true => line.replace("HTTP status 500", "HTTP status 501"),
        false => line.to_owned(),
    };
    let forged = recording.with_extension("forged");
    std::fs::write(&forged, text.lines().map(forge).collect::<Vec<_>>().join("\n")).expect("/run is ours");
    let differs = replay(&forged);
    assert_eq!(differs.status.code(), Some(1), "{}", String::from_utf8_lossy(&differs.stdout));
}
