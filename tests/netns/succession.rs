//! One daemon after the other on a host, beside a real keepalived: an upgrade, a restart and a crash that is mended at
//! once cost neither the address nor the role, and nothing is on two hosts when they cannot be kept.

use std::process::{Command, Output};
use std::time::{Duration, SystemTime};

use lab::in_namespaces;
use lab::netns::{Daemon, Host, Instance, Net, Program, exit_code, wait_until};
use lab::sniff::between;

use super::{SLACK, directord, instance, start, wait_address, wait_role};

/// Two adverts a second: a successor has a second and a half, on the slowest machine.
fn calm(priority: u8) -> Instance {
    Instance::new(3, Duration::from_millis(500), priority)
}

/// A command of the program under test, on the runtime directory of a host.
fn command(host: &Host, words: &[&str]) -> Output {
    let Program::Directord(path) = directord() else { unreachable!("it is ours") };
    let mut command = Command::new(path);
    command.args(words).arg("--runtime-dir").arg(host.dir());
    host.output(&mut command).expect("it can be started")
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&[output.stdout.clone(), output.stderr.clone()].concat()).into_owned()
}

/// When this life of the daemon began.
fn life(daemon: &Daemon) -> u64 {
    wait_until("an answer", SLACK, || daemon.status()?["started"].as_u64())
}

/// The peer, a real keepalived of lower priority.
fn keepalived<'a>(host: &'a Host, instance: &Instance) -> Daemon<'a> {
    Daemon::start(&Program::Keepalived, host, &instance.priority(100).to_string())
}

#[test]
fn an_upgrade_a_restart_and_a_mended_crash_cost_neither_address_nor_role() {
    in_namespaces!();
    let net = Net::new(&["one", "two"]);
    let sniffer = net.sniff();
    let (one, two) = (net.host("one"), net.host("two"));
    let mut daemon = start(one, &calm(200));
    wait_role(&daemon, "MASTER");
    let peer = keepalived(two, &calm(200));
    std::thread::sleep(calm(100).patience());
    assert_eq!(command(one, &["priority", "VI_1", "190"]).status.code(), Some(0));
    let mut monitor = one.monitor();
    let from = SystemTime::now();

    let (process, before) = (daemon.id(), life(&daemon));
    let output = command(one, &["upgrade"]);
    assert_eq!(output.status.code(), Some(0), "{}\n{}", said(&output), daemon.log());
    assert!(said(&output).contains("master of 1 of 1"), "{}", said(&output));
    assert!(daemon.is_running(), "the process ended");
    assert_eq!(daemon.status().expect("it answers")["pid"], process);
    assert_ne!(life(&daemon), before);
    let now = instance(&daemon).expect("it answers");
    assert_eq!((&now["role"], &now["cause"]), (&"MASTER".into(), &"goes on as before the restart".into()));
    assert_eq!(now["overridden_priority"], 190, "an operator's word was forgotten");
    assert!(now["for_seconds"].as_f64() > Some(1.0), "it was master before: {now}");
    sniffer.expect_unbroken("one", from, calm(100).patience() + SLACK);

    assert_eq!(command(one, &["stop", "--stay"]).status.code(), Some(0));
    assert_eq!(exit_code(daemon.wait(SLACK)), 0);
    assert!(one.has(Instance::VIP), "the address went with the process");
    let mut daemon = start(one, &calm(200));
    wait_role(&daemon, "MASTER");
    sniffer.expect_unbroken("one", from, calm(100).patience() + SLACK);

    daemon.kill();
    let daemon = start(one, &calm(200));
    wait_role(&daemon, "MASTER");
    sniffer.expect_unbroken("one", from, calm(100).patience() + SLACK);

    assert!(!peer.log().contains("MASTER"), "{}", peer.log());
    let seen = monitor.end();
    assert!(!seen.contains("10.0.0.100"), "the address was touched: {seen}");
    // Not a single wait between two adverts was long enough for anybody to become suspicious.
    let timeline = sniffer.timeline();
    let sent: Vec<_> =
        timeline.adverts().filter(|(e, _)| e.from == "one" && e.at >= from).map(|(e, _)| e.at).collect();
    let longest = sent.windows(2).map(|pair| between(pair[0], pair[1])).max();
    assert!(longest < Some(calm(254).patience()), "{longest:?}\n{timeline}");
}

#[test]
fn who_comes_back_too_late_begins_as_backup_and_gives_the_address_up() {
    in_namespaces!();
    let net = Net::new(&["one", "two"]);
    let sniffer = net.sniff();
    let (one, two) = (net.host("one"), net.host("two"));
    let fast = |priority| Instance { nopreempt: true, ..super::fast(priority) };
    let mut daemon = start(one, &fast(200));
    wait_role(&daemon, "MASTER");
    let _peer = keepalived(two, &super::fast(100));
    std::thread::sleep(super::fast(100).patience());

    let killed = daemon.kill();
    sniffer.wait_advert("two", killed, super::fast(100).patience() + SLACK);
    let daemon = start(one, &fast(200));
    wait_role(&daemon, "BACKUP");
    wait_address(one, false);
    std::thread::sleep(super::fast(200).patience() * 2);
    wait_role(&daemon, "BACKUP");
    let timeline = sniffer.timeline();
    assert_eq!(timeline.first_advert("one", daemon.started()), None, "two masters:\n{timeline}");
}

#[test]
fn a_program_that_would_not_run_the_file_is_refused_and_a_start_that_fails_lets_go() {
    in_namespaces!();
    let net = Net::new(&["one"]);
    let one = net.host("one");
    let mut daemon = start(one, &calm(200));
    wait_role(&daemon, "MASTER");
    wait_address(one, true);
    let before = life(&daemon);
    let good = calm(200).to_string();
    let file = one.dir().join("daemon.conf");

    std::fs::write(&file, good.replace("eth0", "")).expect("/run is ours");
    for words in [&["upgrade"][..], &["stop", "--stay"]] {
        let output = command(one, words);
        assert_eq!(output.status.code(), Some(2), "{}", said(&output));
        assert!(said(&output).contains("would not run"), "{}", said(&output));
    }
    std::fs::write(&file, &good).expect("/run is ours");
    for program in ["/nonexistent", "/bin/false", "/etc/passwd"] {
        let output = command(one, &["upgrade", "--program", program]);
        assert_eq!(output.status.code(), Some(2), "{program}: {}", said(&output));
    }
    assert_eq!(life(&daemon), before, "it became another");
    wait_role(&daemon, "MASTER");

    // Outside of systemd nobody is about to start it again: it is for SIGTERM to end it.
    let output = command(one, &["stop", "--stay-if-restarting", "directord-test-of-no-unit.service"]);
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    assert!(daemon.is_running());

    assert_eq!(command(one, &["stop", "--stay"]).status.code(), Some(0));
    daemon.wait(SLACK);
    assert!(one.has(Instance::VIP));
    let mut failed = start(one, &good.replace("eth0", ""));
    assert_eq!(exit_code(failed.wait(SLACK)), 2);
    assert!(!one.has(Instance::VIP), "a start that fails leaves the address to nobody:\n{}", failed.log());
    assert!(failed.log().contains("is let go of"), "{}", failed.log());
}

#[test]
fn a_state_that_cannot_be_believed_is_told_and_ignored() {
    in_namespaces!();
    let net = Net::new(&["one"]);
    let one = net.host("one");
    let mut daemon = start(one, &calm(200));
    wait_role(&daemon, "MASTER");
    wait_address(one, true);
    assert_eq!(command(one, &["stop", "--stay"]).status.code(), Some(0));
    daemon.wait(SLACK);
    let state = one.dir().join("state");
    let text = std::fs::read_to_string(&state).expect("it was written");
    std::fs::write(&state, &text[..text.len() / 2]).expect("/run is ours");
    let daemon = start(one, &calm(200));
    wait_role(&daemon, "BACKUP");
    assert!(daemon.log().contains("it is damaged"), "{}", daemon.log());
    wait_address(one, false);
    wait_role(&daemon, "MASTER");
}

#[test]
fn interfaces_routes_and_rules_are_adopted_untouched() {
    in_namespaces!();
    let net = Net::new(&["one"]);
    let one = net.host("one");
    let more = "use_vmac\n virtual_routes {\n10.30.0.0/16 via 10.0.0.9 dev eth0 table 100\n}\n\
                virtual_rules {\nfrom 10.30.0.0/16 table 100 preference 300\n}\npromote_secondaries";
    let addresses = vec!["10.0.0.100/24".to_owned(), "10.0.0.101/32 dev eth0".to_owned()];
    let rich = Instance { more: more.into(), addresses, ..calm(200) };
    let text = format!("bfd_instance N {{\nneighbor_ip 10.0.0.9\n}}\n{rich}");
    let mut daemon = start(one, &text);
    wait_role(&daemon, "MASTER");
    wait_address(one, true);
    wait_until("the rule", SLACK, || one.ip("rule show").contains("300:").then_some(()));
    let mut monitor = one.monitor_of(&["address", "link", "route", "rule"]);

    assert_eq!(command(one, &["upgrade"]).status.code(), Some(0), "{}", daemon.log());
    wait_role(&daemon, "MASTER");
    daemon.kill();
    let daemon = start(one, &text);
    wait_role(&daemon, "MASTER");
    wait_until("all levels", SLACK, || {
        let status = daemon.status()?;
        (status["addresses"]["applied"] == status["addresses"]["wanted"]).then_some(())
    });
    let seen = monitor.end();
    let touched: Vec<&str> =
        seen.lines().filter(|line| !line.contains("127.0.0.9") && !line.starts_with(' ')).collect();
    assert_eq!(touched, [""; 0], "{seen}");
}
