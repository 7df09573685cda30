//! `vrrp_script`s of every bad kind at once beside good ones: each counts as what it is, is told once, piles nothing up,
//! and holds up neither the others nor an advert.

use std::fmt::Write;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

use lab::in_namespaces;
use lab::netns::{Daemon, Host, Instance, Net, exit_code, wait_until};

use super::programs::{calm, expect_no_gap, script};
use super::{instance, start};

/// How long scripts may take on a busy machine.
const PATIENCE: Duration = Duration::from_secs(20);

/// A script, and whether it fails. Its weight tells its verdict from those of the others: one binary digit each.
struct Case {
    name: &'static str,
    path: String,
    fails: bool,
    /// What the log must say of it.
    said: &'static str,
}

fn cases(host: &Host) -> Vec<Case> {
    let mode = |name: &str, text: &str, mode: u32| {
        let path = script(host, name, text);
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).expect("it is ours");
        path
    };
    let missing = host.dir().join("missing").display().to_string();
    let hang = "trap '' TERM\nsleep 1000 &\nwait; wait; sleep 1000";
    let flood = "head -c 50000000 /dev/zero\necho that was all\nexit 3";
    let bad = |name, path, said| Case { name, path, fails: true, said };
    let good = |name, path| Case { name, path, fails: false, said: "" };
    vec![
        bad("missing", missing, "does not exist"),
        bad("plain", mode("plain", "exit 0", 0o644), "chmod +x"),
        bad("open", mode("open", "exit 0", 0o757), "can be written to by everybody"),
        bad("hang", mode("hang", hang, 0o755), "did not end within 1 s"),
        bad("flood", mode("flood", flood, 0o755), "exit status 3"),
        bad("dies", mode("dies", "kill -SEGV $$", 0o755), "SIGSEGV"),
        good("leaves", mode("leaves", "sleep 3 &\necho started", 0o755)),
    ]
}

fn text(cases: &[Case]) -> String {
    let mut text = "global_defs {\nscript_user root\nenable_script_security\n}\n".to_owned();
    let mut tracked = String::new();
    for (n, case) in cases.iter().enumerate() {
        let _ = writeln!(
            text,
            "vrrp_script {} {{\nscript \"{}\"\ninterval 0.3\ntimeout 1\nweight -{}\n}}",
            case.name,
            case.path,
            1 << n
        );
        tracked += case.name;
        tracked.push('\n');
    }
    let more = format!("track_script {{\n{tracked}}}");
    text + &Instance { more, ..calm().priority(200) }.to_string()
}

fn priority(daemon: &Daemon) -> Option<u64> {
    instance(daemon)?["effective_priority"].as_u64()
}

/// How many processes run this script.
fn running(path: &str) -> usize {
    let all = fs::read_dir("/proc").expect("it is mounted").flatten();
    let runs = |command: &Vec<u8>| String::from_utf8_lossy(command).contains(path);
    all.filter_map(|entry| fs::read(entry.path().join("cmdline")).ok()).filter(runs).count()
}

#[test]
fn bad_scripts_count_as_what_they_are_and_harm_nobody() {
    in_namespaces!();
    let net = Net::new(&["one"]);
    let sniffer = net.sniff();
    let one = net.host("one");
    let cases = cases(one);
    let bits =
        |cases: &[Case]| cases.iter().enumerate().filter(|(_, c)| c.fails).map(|(n, _)| 1 << n).sum::<u64>();
    let expected = 200 - bits(&cases);
    let mut daemon = start(one, &text(&cases));
    wait_until("every verdict", PATIENCE, || (priority(&daemon) == Some(expected)).then_some(()));
    // They run again and again.
    std::thread::sleep(Duration::from_secs(3));
    assert_eq!(priority(&daemon), Some(expected));
    let log = daemon.log();
    for case in cases.iter().filter(|case| case.fails) {
        let told = format!("track_script {} is not well", case.name);
        let lines: Vec<&str> = log.lines().filter(|line| line.contains(&told)).collect();
        assert!(lines.len() == 1 && lines[0].contains(case.said), "{}: {lines:#?}\n{log}", case.name);
    }
    let hanging = running(&cases[3].path);
    assert!(hanging <= 2, "{hanging} of the script that hangs");

    // One is put right.
    script(one, "missing", "exit 0");
    wait_until("one verdict less", PATIENCE, || (priority(&daemon) == Some(expected + 1)).then_some(()));
    expect_no_gap(&sniffer, "one", daemon.started());
    assert_eq!(exit_code(daemon.stop()), 0);
    wait_until("no script of ours", PATIENCE, || (running(&cases[3].path) == 0).then_some(()));
}
