//! Checks of other kinds than TCP and HTTP, made by the daemon: what `status` says of servers, and the weights that
//! checks give.

use std::collections::BTreeSet;
use std::net::{SocketAddr, TcpListener, UdpSocket};
use std::sync::{Arc, Mutex};
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

#[test]
fn commands_that_behave_badly_are_told_apart_and_leave_nothing() {
    in_namespaces!();
    let net = Net::new(&["director", "server"]);
    let (director, host) = (net.host("director"), net.host("server"));
    let script = |name: &str, text: &str| {
        let path = super::programs::script(director, name, text);
        format!("MISC_CHECK {{\nmisc_path {path}\nmisc_timeout 1\n}}")
    };
    let checks = [
        script("flood", "exec yes a line that is said again and again"),
        script("deaf", "trap '' TERM INT HUP\nwhile :; do sleep 1000; done"),
        // What it leaves behind holds its output open.
        script("leaves", "sleep 1000 &\nexit 0"),
        script("killed", "kill -9 $$"),
        script("babbles", "printf '\\033[2J\\377 no\\n' >&2\nexit 3"),
        script("forks", "(sleep 1000; sleep 1000) | cat"),
    ];
    let checks: Vec<&str> = checks.iter().map(String::as_str).collect();
    let globals = "global_defs {\nscript_user root\n}\n";
    let mut daemon = start(director, &(globals.to_owned() + &service(host, &checks)));
    // Later attempts find the one before still on its way out.
    assert!(wait(&daemon, 0, "down", None).contains("not end"));
    assert!(wait(&daemon, 1, "down", None).contains("not end"));
    wait(&daemon, 2, "up", Some(5));
    assert!(wait(&daemon, 3, "down", None).contains("ended by signal SIGKILL"));
    let reason = wait(&daemon, 4, "down", None);
    assert!(reason.contains("exit status 3"), "{reason}");
    assert!(reason.bytes().all(|byte| (b' '..=b'~').contains(&byte)), "{reason}");
    assert!(wait(&daemon, 5, "down", None).contains("not end"));
    let process = daemon.status().expect("it answers")["pid"].clone();
    let status = |of: &str| {
        let text = std::fs::read_to_string(format!("/proc/{process}/status")).expect("it runs");
        let line = text.lines().find_map(|line| line.strip_prefix(of)).expect("the kernel tells").to_owned();
        line.trim().trim_end_matches(" kB").parse::<u64>().expect("a number")
    };
    assert!(status("VmHWM:") < 150 << 10, "{} KiB", status("VmHWM:"));
    // Attempt after attempt, what was given up is gone; what a command that succeeded leaves behind is its own affair.
    let left = |name: &str| {
        let running = std::fs::read_dir("/proc").expect("it is there").flatten();
        let words = |entry: std::fs::DirEntry| {
            std::fs::read_to_string(entry.path().join("cmdline")).unwrap_or_default()
        };
        running.map(words).filter(|words| words.contains(name)).count()
    };
    assert!(daemon.stop().success());
    for name in ["again and again", "/deaf", "/forks"] {
        wait_until(&format!("{name} to be gone"), SLACK * 2, || (left(name) == 0).then_some(()));
    }
}

/// Accepts whoever comes to this port, and remembers from where.
fn visited(host: &Host, port: u16) -> Arc<Mutex<BTreeSet<SocketAddr>>> {
    let listener = host.enter(|| TcpListener::bind(("0.0.0.0", port))).expect("the port is free");
    let seen: Arc<Mutex<BTreeSet<SocketAddr>>> = Arc::default();
    let kept = seen.clone();
    std::thread::spawn(move || {
        while let Ok((_, from)) = listener.accept() {
            kept.lock().expect("nobody panics with it").insert(from);
        }
    });
    seen
}

#[test]
fn probes_leave_as_they_are_told_to() {
    in_namespaces!();
    let net = Net::new(&["director", "server"]);
    let (director, host) = (net.host("director"), net.host("server"));
    net.widen(1);
    director.ip("addr add 10.0.0.11/24 dev eth0");
    // An address is answered for on its own interface alone.
    host.enter(|| std::fs::write("/proc/sys/net/ipv4/conf/all/arp_ignore", "1"))
        .expect("its settings are ours");
    // Whoever is marked finds a way that nobody else does.
    host.ip("addr add 192.0.2.9/32 dev lo");
    director.ip("rule add fwmark 7 lookup 100");
    director.ip("route add 192.0.2.9 via 10.0.0.2 table 100");
    let (bound, elsewhere) = (visited(host, 8001), visited(host, 8100));
    let (_marked, _second) = (visited(host, 8003), visited(host, 8005));
    let datagrams = host.enter(|| UdpSocket::bind((host.address(), 8007))).expect("the port is free");
    let asked: Arc<Mutex<BTreeSet<SocketAddr>>> = Arc::default();
    let kept = asked.clone();
    std::thread::spawn(move || {
        while let Ok((length, from)) = datagrams.recv_from(&mut [0; 64]) {
            kept.lock().expect("nobody panics with it").insert(from);
            let _ = datagrams.send_to(&[b'x'; 64][..length.min(64)], from);
        }
    });
    let checks = [
        "TCP_CHECK {\nbindto 10.0.0.11\nbind_port 4711\n}",
        "TCP_CHECK {\nconnect_ip 10.0.0.2\nconnect_port 8100\n}",
        "TCP_CHECK {\nconnect_ip 192.0.2.9\nfwmark 7\n}",
        "TCP_CHECK {\nconnect_ip 192.0.2.9\nconnect_port 8003\n}",
        "TCP_CHECK {\nconnect_ip 10.1.0.2\nbind_if eth1\n}",
        "TCP_CHECK {\nconnect_ip 10.1.0.2\nconnect_port 8005\nbind_if eth0\nconnect_timeout 0.5\n}",
        "UDP_CHECK {\nbindto 10.0.0.11\npayload 78\nrequire_reply 78\n}",
    ];
    let daemon = start(director, &service(host, &checks));
    for number in [0, 1, 2, 4, 6] {
        wait(&daemon, number, "up", Some(5));
    }
    let reason = wait(&daemon, 3, "down", None);
    assert!(reason.contains("no route to the server"), "{reason}");
    // Nobody knows that address beyond the other interface.
    wait(&daemon, 5, "down", None);
    let seen = |all: &Arc<Mutex<BTreeSet<SocketAddr>>>| all.lock().expect("nobody panics with it").clone();
    assert_eq!(seen(&bound), BTreeSet::from(["10.0.0.11:4711".parse().expect("an address")]));
    assert!(seen(&elsewhere).iter().all(|from| from.ip().to_string() == "10.0.0.1"));
    assert!(seen(&asked).iter().all(|from| from.ip().to_string() == "10.0.0.11"));
}

#[test]
fn commands_run_as_whom_they_are_told_to() {
    in_namespaces!();
    let net = Net::new(&["director", "server"]);
    let (director, host) = (net.host("director"), net.host("server"));
    let asks = |name: &str, words: &str, user: &str| {
        let text = format!("test \"$(id -un) $(id -gn) $(id -G | wc -w)\" = '{words}' || {{ id; exit 1; }}");
        let path = super::programs::script(director, name, &text);
        format!("MISC_CHECK {{\nmisc_path {path}\n{user}\n}}")
    };
    let checks = [
        asks("own", "nobody nogroup 1", ""),
        asks("named", "daemon daemon 1", "user daemon"),
        asks("grouped", "daemon nogroup 1", "user daemon nogroup"),
        asks("root", "nobody nogroup 1", "user root"),
    ];
    let checks: Vec<&str> = checks.iter().map(String::as_str).collect();
    let globals = "global_defs {\nscript_user nobody\n}\n";
    // An ordinary user who runs this can become nobody else.
    let file = director.dir().join("own");
    let others = std::os::unix::fs::chown(&file, Some(65_534), Some(65_534)).is_ok();
    let daemon = start(director, &(globals.to_owned() + &service(host, &checks)));
    for number in 0..3 {
        let (verdict, weight) = if others { ("up", Some(5)) } else { ("down", None) };
        let reason = wait(&daemon, number, verdict, weight);
        assert!(others || !reason.contains("uid="), "it was run: {reason}");
    }
    assert!(wait(&daemon, 3, "down", None).contains("exit status 1, its last words: uid=0(root)"));
}
