//! Starts that are refused: told why, with the right exit status, and nothing touched.

use std::process::{Command, Output};
use std::time::Duration;

use lab::in_namespaces;
use lab::netns::{Daemon, Host, Net, exit_code, skip, wait_until};

use super::{SLACK, directord, fast, start, wait_address, wait_role};

/// A file without a fault; each case spoils one thing in it.
const GOOD: &str = "\
vrrp_instance VI_1 {
    interface eth0
    virtual_router_id 51
    priority 100
    advert_int 1
    virtual_ipaddress {
        10.0.0.100/24
    }
}
virtual_server 10.0.0.100 80 {
    lb_algo rr
    lb_kind DR
    protocol TCP
    real_server 10.0.0.11 80 {
        TCP_CHECK {
            connect_timeout 1
        }
    }
}
";

/// What is replaced, by what, and words that the complaint must have. `^` marks where it must point to.
const CASES: &[(&str, &str, &[&str])] = &[
    ("virtual_router_id 51", "virtual_router_id ^0", &["0", "1", "255"]),
    ("virtual_router_id 51", "virtual_router_id ^300", &["300", "255"]),
    ("priority 100", "priority ^256", &["256", "255"]),
    ("priority 100", "priority ^high", &["high"]),
    ("10.0.0.100/24\n", "^10.0.0.300/24\n", &["10.0.0.300"]),
    ("10.0.0.100/24\n", "^10.0.0.100/33\n", &["33"]),
    ("virtual_server 10.0.0.100 80", "virtual_server 10.0.0.100 ^65536", &["65536", "65535"]),
    ("real_server 10.0.0.11 80", "real_server 10.0.0.11 ^99999", &["99999", "65535"]),
    ("real_server 10.0.0.11 80", "real_server 10.0.0.11 ^8080", &["8080", "DR"]),
    ("lb_algo rr", "lb_algo ^rrr", &["rrr"]),
    ("advert_int 1", "advert_int ^0", &["0"]),
    ("priority 100", "priority 1^\0", &["NUL"]),
    ("\n    }\n}\nvirtual_server", "\n    }\n\nvirtual_server", &[]),
];

/// Runs directord with a file; it must end by itself.
fn run(host: &Host, config: &str) -> (i32, String) {
    let mut daemon = start(host, &config);
    let status = daemon.wait(Duration::from_secs(10));
    let log = daemon.log();
    std::fs::remove_file(host.dir().join("daemon.log")).expect("it was just written");
    (exit_code(status), log)
}

#[test]
fn a_bad_file_is_refused_with_its_place_and_nothing_is_touched() {
    in_namespaces!();
    let net = Net::new(&["one"]);
    let sniffer = net.sniff();
    let one = net.host("one");
    let before = one.ip("addr show") + &one.ip("route show");
    for (old, new, words) in CASES {
        let spoiled = GOOD.replacen(old, new, 1);
        assert_ne!(spoiled, GOOD, "{old:?} is not in the good file");
        let (config, place) = match spoiled.split_once('^') {
            Some((head, tail)) => {
                let line = head.matches('\n').count() + 1;
                let column = head.lines().last().map_or(0, |l| l.chars().count()) + 1;
                (format!("{head}{tail}"), format!("daemon.conf:{line}:{column}\n"))
            }
            None => (spoiled, "daemon.conf:1:".to_owned()),
        };
        let (status, said) = run(one, &config);
        assert_eq!(status, 2, "{new:?}: {said}");
        assert!(said.contains(&place), "{new:?}: not {place:?} in: {said}");
        for word in *words {
            assert!(said.contains(word), "{new:?}: no {word:?} in: {said}");
        }
        assert!(!said.contains("panicked"), "{said}");
    }
    assert_eq!(one.ip("addr show") + &one.ip("route show"), before);
    assert_eq!(sniffer.timeline().0, []);
    assert!(!one.dir().join("control.sock").exists());
}

#[test]
fn what_is_no_readable_file_is_refused() {
    in_namespaces!();
    let net = Net::new(&["one"]);
    let one = net.host("one");
    let try_file = |command: &mut Command| -> Output { one.output(command).expect("the program runs") };
    let base = || {
        let mut command = Command::new(env!("CARGO_BIN_EXE_directord"));
        command.args(["run", "--ipvs", "memory", "--runtime-dir"]).arg(one.dir()).arg("--config");
        command
    };
    let secret = one.dir().join("secret.conf");
    std::fs::write(&secret, GOOD).expect("/run is ours");
    std::fs::set_permissions(&secret, std::os::unix::fs::PermissionsExt::from_mode(0o000)).expect("ours");
    // Root reads everything, unless it lacks the capabilities for that.
    let mut unreadable = Command::new("setpriv");
    unreadable.arg("--bounding-set=-dac_override,-dac_read_search").arg("--").arg(base().get_program());
    unreadable.args(base().get_args()).arg(&secret);
    let cases = [
        (base().arg("/run/nothing.conf").output(), "/run/nothing.conf"),
        (base().arg("/run").output(), "/run"),
        (Ok(try_file(&mut unreadable)), "secret.conf"),
    ];
    for (output, name) in cases {
        let output = output.expect("the program runs");
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(exit_code(output.status), 2, "{name}: {said}");
        assert!(said.contains(name), "{name}: {said}");
    }
}

#[test]
fn a_log_level_that_is_none_is_told() {
    in_namespaces!();
    let net = Net::new(&["one"]);
    let one = net.host("one");
    for (level, informs, complains) in
        [("warn", false, false), ("", true, false), ("Info", true, false), ("loud", true, true)]
    {
        let mut daemon = Daemon::start_with(&directord(), one, &fast(100).to_string(), |command| {
            command.env("DIRECTORD_LOG", level);
        });
        wait_address(one, true);
        daemon.stop();
        let log = daemon.log();
        assert_eq!(log.contains(" INFO "), informs, "{level:?}: {log}");
        assert_eq!(
            log.contains("DIRECTORD_LOG is loud, expected off, error, "),
            complains,
            "{level:?}: {log}"
        );
        std::fs::remove_file(one.dir().join("daemon.log")).expect("it was just written");
    }
}

#[test]
fn a_missing_capability_is_named() {
    in_namespaces!();
    let net = Net::new(&["one"]);
    let one = net.host("one");
    for (capability, name) in [("net_raw", "CAP_NET_RAW"), ("net_admin", "CAP_NET_ADMIN")] {
        let mut daemon = Daemon::start_with(&directord(), one, &fast(100).to_string(), |command| {
            let mut without = Command::new("setpriv");
            without.arg(format!("--bounding-set=-{capability}")).arg("--").arg(command.get_program());
            without.args(command.get_args());
            *command = without;
        });
        assert_eq!(exit_code(daemon.wait(SLACK)), 4, "{}", daemon.log());
        assert!(daemon.log().contains(name), "{}", daemon.log());
    }
}

/// Leaves `--ipvs memory` out.
fn with_kernel_table(command: &mut Command) {
    let words: Vec<_> = command.get_args().map(ToOwned::to_owned).collect();
    let mut plain = Command::new(command.get_program());
    plain.args(words.iter().filter(|w| *w != "--ipvs" && *w != "memory"));
    *command = plain;
}

/// Whether this kernel turned out to have IPVS (asking for it may have loaded it).
fn has_ipvs(host: &Host) -> bool {
    host.enter(|| std::path::Path::new("/proc/net/ip_vs").exists())
}

#[test]
fn no_ipvs_is_told_in_one_sentence() {
    in_namespaces!();
    let net = Net::new(&["one"]);
    let one = net.host("one");
    let services = &GOOD[GOOD.find("virtual_server").expect("there is one")..];
    let mut daemon = Daemon::start_with(&directord(), one, services, with_kernel_table);
    std::thread::sleep(Duration::from_millis(300));
    if has_ipvs(one) {
        skip("this kernel has IPVS");
        return;
    }
    assert_eq!(exit_code(daemon.wait(SLACK)), 3, "{}", daemon.log());
    let log = daemon.log();
    assert!(log.contains("IPVS") && log.contains("ip_vs"), "does not say how to get IPVS: {log}");
    assert_eq!(log.lines().count(), 1, "more than one sentence: {log}");
}

#[test]
fn vrrp_goes_on_without_ipvs() {
    in_namespaces!();
    let net = Net::new(&["one"]);
    let one = net.host("one");
    if has_ipvs(one) {
        skip("this kernel has IPVS");
        return;
    }
    let config = GOOD.replace("advert_int 1", "version 3\n    advert_int 0.1");
    let mut daemon = Daemon::start_with(&directord(), one, &config, with_kernel_table);
    wait_role(&daemon, "MASTER");
    wait_address(one, true);
    let why = wait_until("the reason in the status", SLACK, || {
        daemon.status()?["ipvs"]["unavailable"].as_str().map(ToOwned::to_owned)
    });
    assert!(why.contains("IPVS"), "{why}");
    assert_eq!(exit_code(daemon.stop()), 0);
    assert!(!one.has(lab::netns::Instance::VIP));
}
