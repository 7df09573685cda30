//! What an operator wants of servers: said by command, kept through reload, kill and start, taken back.

use std::process::Command;

use lab::in_namespaces;
use lab::netns::{Daemon, Host, Net, exit_code, wait_until};

use super::{SLACK, start};

/// A service with two servers that nobody checks, and one with a single server.
fn services(weight: u32) -> String {
    let server = |last: u8, weight: u32| format!("real_server 10.9.0.{last} 80 {{\nweight {weight}\n}}\n");
    let service = |port: u16, servers: String| {
        format!(
            "virtual_server 10.9.0.100 {port} {{\nlvs_sched rr\nlvs_method NAT\nprotocol TCP\n\
             persistence_timeout 60\n{servers}}}\n"
        )
    };
    service(80, server(1, weight) + &server(2, 1)) + &service(81, server(3, 1))
}

/// Runs `directord` with these words; exit status, standard output, standard error.
fn say(host: &Host, words: &str) -> (i32, String, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_directord"));
    command.args(words.split(' ')).arg("--runtime-dir").arg(host.dir());
    let output = host.output(&mut command).expect("directord runs");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (exit_code(output.status), text(&output.stdout), text(&output.stderr))
}

/// Weight in the kernel of the first service's servers; `None` for one that is not in its table.
fn weights(daemon: &Daemon) -> Option<Vec<Option<u64>>> {
    let status = daemon.status()?;
    let servers = status["services"].get(0)?["servers"].as_array()?.clone();
    Some(servers.iter().map(|server| server["effective_weight"].as_u64()).collect())
}

fn wait_weights(daemon: &Daemon, expected: &[Option<u64>]) {
    wait_until(&format!("weights {expected:?}"), SLACK, || (weights(daemon)? == expected).then_some(()));
}

#[test]
fn overrides_are_obeyed_shown_and_kept_and_taken_back() {
    in_namespaces!();
    let net = Net::new(&["one"]);
    let one = net.host("one");
    let mut daemon = start(one, &services(3));
    wait_weights(&daemon, &[Some(3), Some(1)]);

    let (code, said, notes) = say(one, "drain 10.9.0.1 --reason disk");
    assert_eq!(code, 0, "{said}{notes}");
    assert!(said.contains("10.9.0.1: drained by ") && said.contains("root (disk)"), "{said}");
    assert!(said.contains("`directord undrain 10.9.0.1`"), "{said}");
    assert!(notes.contains("expire_quiescent_template is 0"), "{notes}");
    wait_weights(&daemon, &[Some(0), Some(1)]);
    let (code, shown, _) = say(one, "status");
    assert!(code == 0 && shown.contains("root (disk)") && shown.contains("OVERRIDE"), "{shown}");

    // Empty from the start: the table is in memory.
    let (code, said, notes) = say(one, "drain 10.9.0.1 --wait --timeout 20s");
    assert_eq!(code, 0, "{said}{notes}");
    assert!(said.contains("root (disk) already") && said.contains("; empty after "), "{said}");

    daemon.reload(&services(7));
    wait_until("the reload", SLACK, || (daemon.status()?["generation"] == 2).then_some(()));
    wait_weights(&daemon, &[Some(0), Some(1)]);
    daemon.kill();
    drop(daemon);
    let daemon = start(one, &services(7));
    wait_weights(&daemon, &[Some(0), Some(1)]);
    let (_, listed, _) = say(one, "overrides --json");
    let listed: serde_json::Value = serde_json::from_str(&listed).expect("JSON");
    assert_eq!(listed[0]["target"], "10.9.0.1", "{listed}");
    // Whoever logged in may be named before.
    assert!(listed[0]["owner"].as_str().is_some_and(|owner| owner.ends_with("root")), "{listed}");

    let (code, said, _) = say(one, "undrain 10.9.0.1");
    assert_eq!((code, said.trim()), (0, "10.9.0.1: no longer drained"));
    wait_weights(&daemon, &[Some(7), Some(1)]);
    assert!(!one.dir().join("overrides.json").exists() || say(one, "overrides").1.contains("no overrides"));

    // The largest weight of the kernel, and one above.
    assert_eq!(say(one, "weight 10.9.0.100:80/10.9.0.2 2147483647").0, 0);
    wait_weights(&daemon, &[Some(7), Some(2_147_483_647)]);
    let (code, _, why) = say(one, "weight 10.9.0.100:80/10.9.0.2 2147483648");
    assert!(code == 2 && why.contains("expected a number from 0 to 2147483647, or `default`"), "{why}");
    assert_eq!(say(one, "weight 10.9.0.100:80/10.9.0.2 65535").0, 0);
    wait_weights(&daemon, &[Some(7), Some(65_535)]);
    assert_eq!(say(one, "weight 10.9.0.100:80/10.9.0.2 5").0, 0);
    assert_eq!(say(one, "disable 10.9.0.1:80 --for 2s").0, 0);
    wait_weights(&daemon, &[None, Some(5)]);
    // Two seconds, and time to look.
    wait_until("the end of the override", SLACK * 2, || (weights(&daemon)?[0] == Some(7)).then_some(()));
    assert_eq!(say(one, "weight tcp:10.9.0.100:80/10.9.0.2 default").0, 0);
    wait_weights(&daemon, &[Some(7), Some(1)]);
}

#[test]
fn what_is_not_clear_not_there_or_dangerous_is_refused() {
    in_namespaces!();
    let net = Net::new(&["one"]);
    let one = net.host("one");
    let daemon = start(one, &services(1));
    wait_weights(&daemon, &[Some(1), Some(1)]);
    for (words, expected) in [
        ("drain 10.9.0.4:80", "did you mean `10.9.0.1:80`?"),
        ("drain 10.9.0.3", "tcp:10.9.0.100:81 is left without usable servers"),
        ("disable director", "say --force if that is meant"),
        ("undrain 10.9.0.1", "10.9.0.1 is not drained by an override"),
        ("weight 10.9.0.1 default", "is not given another weight"),
        ("weight 10.9.0.100:80/10.9.0.3 9", "10.9.0.3"),
        ("connections web", "there is no real server and no virtual server `web`"),
    ] {
        let (code, said, why) = say(one, words);
        assert_eq!((code, said.as_str()), (1, ""), "{words}: {why}");
        assert!(why.contains(expected), "{words}: {why}");
    }
    assert_eq!(say(one, "overrides").1, "no overrides: everything is as the file says\n");
    let (code, said, notes) = say(one, "drain 10.9.0.3 --force --now");
    assert!(code == 0 && said.contains("10.9.0.3: drained"), "{said}{notes}");
    assert!(notes.contains("left without usable servers") && notes.contains("expire_nodest_conn"), "{notes}");
    let (code, said, _) = say(one, "connections 10.9.0.3");
    assert_eq!((code, said.as_str()), (0, "10.9.0.3:80 of [10.9.0.100]:tcp:81: not in the table\n"));
    // A time that nothing is done at would be a wish that is lost.
    for words in [
        "drain 10.9.0.1 --timeout 5m",
        "drain 10.9.0.1 --now --wait",
        "weight 10.9.0.1 many",
        "weight 10.9.0.1 -1",
        "disable 10.9.0.1 --for soon",
    ] {
        assert_eq!(say(one, words).0, 2, "{words}");
    }
}

#[test]
fn overrides_that_cannot_be_read_are_put_aside() {
    in_namespaces!();
    let net = Net::new(&["one"]);
    let one = net.host("one");
    std::fs::write(one.dir().join("overrides.json"), "{\"version\": 1, \"ho").expect("/run is ours");
    let daemon = start(one, &services(1));
    wait_weights(&daemon, &[Some(1), Some(1)]);
    assert!(one.dir().join("overrides.ignored").exists());
    assert!(daemon.log().contains("overrides of the last run are ignored"), "{}", daemon.log());
    assert_eq!(say(one, "drain 10.9.0.1").0, 0);
    wait_weights(&daemon, &[Some(0), Some(1)]);
}
