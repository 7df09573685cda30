//! `directord plan`, `apply`, `reload --confirm`, `confirm` and `rollback` against a running daemon.

use std::process::{Command, Output};

use lab::in_namespaces;
use lab::netns::{Daemon, Host, Net, exit_code, wait_until};

use super::{SLACK, start};

fn services(weight: u32, more: &str) -> String {
    format!(
        "virtual_server 10.0.0.100 80 {{
            lvs_sched rr
            protocol TCP
            real_server 10.0.0.11 80 {{
                weight {weight}
            }}
            {more}
        }}
        "
    )
}

fn output(host: &Host, words: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_directord"));
    host.output(command.args(words).arg("--runtime-dir").arg(host.dir())).expect("directord runs")
}

/// Runs a command of directord; tells its exit status and all it said.
fn directord(host: &Host, words: &[&str]) -> (i32, String) {
    let output = output(host, words);
    let said = [output.stdout, output.stderr].concat();
    (exit_code(output.status), String::from_utf8_lossy(&said).into_owned())
}

fn weights(daemon: &Daemon<'_>) -> Option<Vec<u64>> {
    let servers = daemon.status()?["services"][0]["servers"].clone();
    servers.as_array()?.iter().map(|server| server["effective_weight"].as_u64()).collect()
}

#[test]
fn a_plan_tells_what_a_reload_would_change_and_is_applied_only_while_it_is_true() {
    in_namespaces!();
    let net = Net::new(&["one"]);
    let host = net.host("one");
    let daemon = start(host, &services(1, ""));
    wait_until("the service", SLACK, || (weights(&daemon)? == [1]).then_some(()));
    let (status, said) = directord(host, &["plan"]);
    assert_eq!((status, said.contains("nothing would change")), (0, true), "{said}");

    let new = services(5, "real_server 10.0.0.12 80 {\n }");
    daemon.rewrite(&new);
    let out = host.dir().join("plan.json").display().to_string();
    let (status, said) = directord(host, &["plan", "--out", &out]);
    assert_eq!(status, 2, "{said}");
    for line in ["~ virtual_server 10.0.0.100 80 tcp", "weight 1 -> 5", "+     real_server 10.0.0.12 80"] {
        assert!(said.contains(line), "{line:?} is not in:\n{said}");
    }
    // What is odd about the file is told beside it.
    let said = output(host, &["plan", "--json"]);
    let json: serde_json::Value = serde_json::from_slice(&said.stdout).expect("it is JSON");
    let added = &json["totals"]["real_servers"]["added"];
    assert_eq!((exit_code(said.status), added), (2, &1.into()), "{json}");
    assert_eq!(weights(&daemon), Some(vec![1]), "a plan changed something");

    // The file moves on, and then the running configuration.
    daemon.rewrite(&services(6, ""));
    let (status, said) = directord(host, &["apply", "--plan", &out]);
    assert!(status == 2 && said.contains("the daemon's file does not say"), "{status}: {said}");
    assert_eq!(weights(&daemon), Some(vec![1]));
    daemon.rewrite(&new);
    let (status, said) = directord(host, &["apply", "--plan", &out]);
    assert!(status == 0 && said.contains("1 changed"), "{status}: {said}");
    assert_eq!(weights(&daemon), Some(vec![5, 1]));
    let (status, said) = directord(host, &["apply", "--plan", &out]);
    assert!(status == 2 && said.contains("running configuration is not the one"), "{status}: {said}");

    daemon.rewrite("virtual_server {\n");
    let (status, said) = directord(host, &["plan"]);
    assert!(status == 1 && said.contains("would be refused"), "{status}: {said}");
    let (status, said) = directord(host, &["apply", "--plan", "/run/no.json"]);
    assert!(status == 1 && said.contains("cannot read /run/no.json"), "{status}: {said}");
    std::fs::write(&out, "{}").expect("/run is ours");
    let (status, said) = directord(host, &["apply", "--plan", &out]);
    assert!(status == 1 && said.contains("not what `directord plan --out` writes"), "{status}: {said}");
}

#[test]
fn a_reload_that_nobody_confirms_is_rolled_back() {
    in_namespaces!();
    let net = Net::new(&["one"]);
    let host = net.host("one");
    let daemon = start(host, &services(1, ""));
    wait_until("the service", SLACK, || (weights(&daemon)? == [1]).then_some(()));
    let (status, said) = directord(host, &["confirm"]);
    assert!(status == 1 && said.contains("nothing to confirm"), "{status}: {said}");
    let (status, said) = directord(host, &["rollback"]);
    assert!(status == 1 && said.contains("nothing to return to"), "{status}: {said}");

    daemon.rewrite(&services(2, ""));
    let (status, said) = directord(host, &["reload", "--confirm", "2s"]);
    assert!(status == 0 && said.contains("unless `directord confirm`"), "{status}: {said}");
    assert_eq!(weights(&daemon), Some(vec![2]));
    assert!(daemon.status().is_some_and(|status| status["confirm_within"].is_number()));
    // A bad file in between changes neither the configuration nor the time.
    daemon.rewrite("virtual_server {\n");
    assert_eq!(directord(host, &["reload"]).0, 2);
    wait_until("the way back", SLACK, || (weights(&daemon)? == [1]).then_some(()));
    assert!(daemon.log().contains("it was not confirmed in time"), "{}", daemon.log());
    assert!(daemon.status().is_some_and(|status| status["confirm_within"].is_null()));
    let shown = || directord(host, &["status"]).1;
    let words = "still says what is left";
    wait_until("what status shows of it", SLACK, || shown().contains(words).then_some(()));

    daemon.rewrite(&services(3, ""));
    assert_eq!(directord(host, &["reload", "--confirm", "1h"]).0, 0);
    assert!(!shown().contains(words), "{}", shown());
    let (status, said) = directord(host, &["confirm"]);
    assert!(status == 0 && said.contains("is confirmed"), "{status}: {said}");
    let (status, said) = directord(host, &["rollback"]);
    assert!(status == 0 && said.contains("an operator asked for it"), "{status}: {said}");
    assert_eq!(weights(&daemon), Some(vec![1]));
}

#[test]
fn what_the_kernel_refuses_is_rolled_back_and_the_copy_of_the_last_good_file_starts() {
    in_namespaces!();
    let net = Net::new(&["one"]);
    let host = net.host("one");
    let mut daemon = start(host, &services(1, ""));
    wait_until("the service", SLACK, || (weights(&daemon)? == [1]).then_some(()));
    // The kernel has no way to a gateway that is on no link.
    let lost = "static_routes {\n10.9.0.0/16 via 10.77.0.1 dev eth0\n}\n";
    daemon.rewrite(&format!("{lost}{}", services(4, "")));
    let (status, said) = directord(host, &["reload"]);
    assert!(
        status == 1 && said.contains("is rolled back") && said.contains("10.9.0.0/16"),
        "{status}: {said}"
    );
    let told = daemon.status().expect("it answers")["last_reload"].clone();
    assert_eq!((&told["accepted"], &told["rolled_back"]), (&false.into(), &true.into()), "{told}");
    assert_eq!(weights(&daemon), Some(vec![1]));
    let (status, said) = directord(host, &["reload", "--keep-going"]);
    assert!(status == 0 && said.contains("refused and left out"), "{status}: {said}");
    assert_eq!(weights(&daemon), Some(vec![4]));

    daemon.rewrite(&services(7, ""));
    assert_eq!(directord(host, &["reload"]).0, 0);
    let copy = host.dir().join("last-good.conf");
    wait_until("the copy", SLACK, || std::fs::read_to_string(&copy).ok()?.contains("weight 7").then_some(()));
    daemon.stop();
    let kept = host.dir().join("kept.conf");
    std::fs::copy(&copy, &kept).expect("/run is ours");
    let program = lab::netns::Program::Directord(env!("CARGO_BIN_EXE_directord").into());
    let again = Daemon::start_with(&program, host, "virtual_server {\n", |command| {
        command.arg("--last-good").arg(&kept);
    });
    wait_until("the copy in effect", SLACK, || (weights(&again)? == [7]).then_some(()));
    let told = again.status().expect("it answers")["last_reload"]["summary"].clone();
    assert!(told.as_str().is_some_and(|told| told.contains("took its place")), "{told}");
}
