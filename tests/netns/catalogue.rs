//! Checks of other kinds than TCP and HTTP, made by the daemon: what `status` says of servers, and the weights that
//! checks give.

use std::net::UdpSocket;
use std::time::Duration;

use lab::in_namespaces;
use lab::netns::{Daemon, Host, Net, wait_until};

use super::{SLACK, start};

/// A service with a server for each of these blocks, at ports from 8001 on.
fn service(host: &Host, checks: &[&str]) -> String {
    let servers: String = checks
        .iter()
        .zip(8001..)
        .map(|(check, port)| format!("real_server {} {port} {{\nweight 5\n{check}\n}}\n", host.address()))
        .collect();
    format!(
        "virtual_server 10.0.0.100 80 {{\ndelay_loop 0.2\nlvs_sched rr\nlvs_method NAT\nprotocol TCP\nretry 1\n\
         delay_before_retry 0.1\nconnect_timeout 1\n{servers}}}\n"
    )
}

/// What `status` says of a server: verdict, weight in the kernel, reason with that of the weight.
fn server(daemon: &Daemon, number: usize) -> Option<(String, Option<u64>, String)> {
    let status = daemon.status()?;
    let server = status["services"][0]["servers"].get(number)?.clone();
    let text = |name: &str| server[name].as_str().unwrap_or_default().to_owned();
    Some((
        text("verdict"),
        server["effective_weight"].as_u64(),
        text("reason") + " " + &text("weight_reason"),
    ))
}

fn wait(daemon: &Daemon, number: usize, verdict: &str, weight: Option<u64>) -> String {
    wait_until(&format!("server {number} {verdict} with weight {weight:?}"), SLACK * 4, || {
        let (is, kernel, reason) = server(daemon, number)?;
        (is == verdict && kernel == weight).then_some(reason)
    })
}

#[test]
fn commands_and_files_decide_on_servers_and_their_weights() {
    in_namespaces!();
    let net = Net::new(&["director", "server"]);
    let (director, host) = (net.host("director"), net.host("server"));
    let path = |name: &str| director.dir().join(name).display().to_string();
    let (status, number) = (path("status"), path("number"));
    std::fs::write(&status, "12").expect("a file of ours");
    std::fs::write(&number, "3").expect("a file of ours");
    let run = |rest: &str| format!("MISC_CHECK {{\nmisc_path \"/bin/sh -c '{rest}'\"\n");
    let dynamic = run(&format!("exit $(cat {status})")) + "misc_dynamic\n}";
    let plain = run("echo out of order; exit 3") + "}";
    let slow = run("sleep 1000") + "misc_timeout 1\n}";
    let checks = [
        dynamic.as_str(),
        &plain,
        &slow,
        "FILE_CHECK {\ntrack_file f\n}",
        "FILE_CHECK {\ntrack_file f\nweight -2\n}",
        "FILE_CHECK {\ntrack_file f\nweight 0\n}",
    ];
    let globals = "global_defs {\nscript_user root\n}\n";
    let text = format!("{globals}track_file f {{\nfile {number}\n}}\n{}", service(host, &checks));
    let daemon = start(director, &text);

    wait(&daemon, 0, "up", Some(10));
    assert!(wait(&daemon, 1, "down", None).contains("exit status 3, its last words: out of order"));
    assert!(wait(&daemon, 2, "down", None).contains("did not end within 1 s"));
    let reason = wait(&daemon, 3, "up", Some(8));
    assert!(reason.contains("configured 5, +3 by f"), "{reason}");
    wait(&daemon, 4, "up", Some(0));
    wait(&daemon, 5, "down", None);

    std::fs::write(&status, "1").expect("a file of ours");
    std::fs::write(&number, "0").expect("a file of ours");
    assert!(wait(&daemon, 0, "down", None).contains("exit status 1"));
    wait(&daemon, 3, "up", Some(5));
    wait(&daemon, 4, "up", Some(5));
    wait(&daemon, 5, "up", Some(5));
    std::fs::write(&status, "0").expect("a file of ours");
    // The last weight that the command gave is not the last word: 0 means the configured one.
    wait(&daemon, 0, "up", Some(5));
}

#[test]
fn datagrams_and_echoes_are_asked_for_and_answered() {
    in_namespaces!();
    let net = Net::new(&["director", "server"]);
    let (director, host) = (net.host("director"), net.host("server"));
    // Port 8001 echoes, 8002 turns a question into an answer, on 8003 nobody listens.
    for (port, change) in [(8001, 0), (8002, 0x80)] {
        let socket = host.enter(|| UdpSocket::bind((host.address(), port))).expect("the port is free");
        std::thread::spawn(move || {
            let mut asked = [0; 2048];
            while let Ok((length, from)) = socket.recv_from(&mut asked) {
                asked[2] |= change;
                let _ = socket.send_to(&asked[..length], from);
            }
        });
    }
    let checks = [
        "UDP_CHECK {\npayload 6869\nrequire_reply 68 6x\n}",
        "DNS_CHECK {\nname example.org\ntype A\n}",
        "UDP_CHECK {\n}",
        "PING_CHECK {\n}",
        "PING_CHECK {\nconnect_ip 10.0.0.77\n}",
        "TCP_CHECK {\nbind_if no-such\n}",
    ];
    let daemon = start(director, &service(host, &checks));
    wait(&daemon, 0, "up", Some(5));
    wait(&daemon, 1, "up", Some(5));
    assert!(wait(&daemon, 2, "down", None).contains("port unreachable"));
    wait(&daemon, 3, "up", Some(5));
    let reason = wait(&daemon, 4, "down", None);
    assert!(reason.contains("no answer within 1 s") || reason.contains("unreachable"), "{reason}");
    // What cannot be asked says nothing of the server.
    std::thread::sleep(Duration::from_millis(300));
    let (verdict, weight, reason) = server(&daemon, 5).expect("it is configured");
    assert_eq!((verdict.as_str(), weight), ("unknown", Some(5)));
    assert!(reason.contains("no-such"), "{reason}");
}
