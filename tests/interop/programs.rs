//! What keepalived's programs are told in a life with every kind of change, and what ours are told in the same one.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::{Duration, Instant};

use lab::netns::{Daemon, Host, Instance, Net, Program};

/// keepalived ends the reader of its pipe before that can have read the last line.
pub const UNREAD: &str = "INSTANCE \"VI_1\" STOP 100";

/// How long a program may take to hear of something.
const PATIENCE: Duration = Duration::from_secs(20);

/// Every keyword that names a program of an instance.
const KEYWORDS: [&str; 6] =
    ["notify_master", "notify_backup", "notify_fault", "notify_stop", "notify", "notify_master_rx_lower_pri"];

/// What each program was told, one after the other: a life as a daemon of priority 100.
pub fn life(program: &Program) -> Vec<(String, Vec<String>)> {
    let net = Net::new(&["we", "low", "high"]);
    let we = net.host("we");
    let diaries = we.dir().join("diaries");
    fs::create_dir(&diaries).expect("/run is ours");
    for keyword in KEYWORDS.into_iter().chain(["other"]) {
        let told = diaries.join(keyword).display().to_string();
        executable(&we.dir().join(keyword), &format!("#!/bin/sh\necho \"$*\" >> {told}\n"));
    }
    let pipe = diaries.join("pipe");
    executable(&we.dir().join("reader"), &format!("#!/bin/sh\ncat \"$2\" >> {}\n", pipe.display()));
    let wait = |what: &str, times: usize| {
        let end = Instant::now() + PATIENCE;
        let found = || fs::read_to_string(&pipe).unwrap_or_default();
        while found().lines().filter(|line| *line == what).count() < times {
            assert!(Instant::now() < end, "{what:?} was not told; what was:\n{}", found());
            std::thread::sleep(Duration::from_millis(10));
        }
        // keepalived starts scripts side by side: what comes next could overtake this.
        std::thread::sleep(Duration::from_millis(400));
    };

    let base = Instance::new(3, Duration::from_millis(100), 100);
    let mut daemon = Daemon::start(program, we, &configuration(we, &base, true));
    wait("INSTANCE \"VI_1\" MASTER 100", 1);
    wait("INSTANCE \"VI_2\" MASTER 100", 1);
    // Without the other one: nothing was asked for that deleted instances be told as such.
    std::thread::sleep(Duration::from_millis(500));
    daemon.reload(&configuration(we, &base, false));
    std::thread::sleep(Duration::from_millis(1500));

    // Two masters, until the segment is one again.
    net.isolate(true);
    // It says so once more before it yields, so that it is heard whoever speaks first.
    let stubborn = Instance { more: "higher_prio_send_advert".into(), ..base.priority(50) };
    let low = peer(net.host("low"), &stubborn);
    std::thread::sleep(base.priority(50).patience() * 2);
    net.isolate(false);
    wait("INSTANCE \"VI_1\" MASTER_RX_LOWER_PRI 100", 1);
    drop(low);

    net.unplug("we");
    wait("INSTANCE \"VI_1\" FAULT 100", 1);
    net.plug("we");
    wait("INSTANCE \"VI_1\" MASTER 100", 2);

    let mut high = peer(net.host("high"), &base.priority(200));
    wait("INSTANCE \"VI_1\" BACKUP 100", 3);
    high.stop();
    wait("INSTANCE \"VI_1\" MASTER 100", 3);
    daemon.stop();
    std::thread::sleep(Duration::from_millis(500));

    let mut told: Vec<(String, Vec<String>)> = fs::read_dir(&diaries)
        .expect("/run is ours")
        .map(|entry| {
            let path = entry.expect("it is there").path();
            let text = fs::read_to_string(&path).expect("it is ours");
            let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
            // The split may last for one advert or two.
            lines.dedup_by(|a, b| a == b && (a.contains("LOWER_PRI") || a == "rx"));
            (path.file_name().expect("it has one").to_string_lossy().into_owned(), lines)
        })
        .collect();
    told.sort();
    told
}

fn executable(path: &Path, text: &str) {
    fs::write(path, text).expect("/run is ours");
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).expect("it is ours");
}

/// The whole file, with or without a second instance that a reload removes.
fn configuration(host: &Host, base: &Instance, both: bool) -> String {
    let dir = host.dir().display();
    let lines = KEYWORDS.map(|keyword| {
        // The arguments of a specific script are its own; it gets no others.
        let own = if keyword == "notify_master_rx_lower_pri" { "rx" } else { "'own word' second" };
        format!("    {keyword} \"{dir}/{keyword} {own}\"")
    });
    let main = Instance { more: lines.join("\n"), ..base.clone() };
    let other =
        base.to_string().replace("VI_1", "VI_2").replace("virtual_router_id 51", "virtual_router_id 52");
    let other = other.replace("10.0.0.100", "10.0.0.101").replace("eth0:vip", "eth0:two");
    let other = other.replace("    priority", &format!("    notify \"{dir}/other\"\n    priority"));
    format!(
        "global_defs {{\n    script_user root\n    enable_script_security\n    notify_fifo {dir}/fifo\n    \
         notify_fifo_script \"{dir}/reader word\"\n}}\n{main}{}",
        if both { other.as_str() } else { "" }
    )
}

fn peer<'a>(host: &'a Host, instance: &Instance) -> Daemon<'a> {
    let ours = Program::Directord(Path::new(env!("CARGO_BIN_EXE_directord")).to_owned());
    Daemon::start(&ours, host, &instance.to_string())
}
