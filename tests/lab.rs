//! The lab tier: directord in a guest with real IPVS, clients and servers around it.
//!
//! Each scenario is told in `tests/lab/src/demo.rs`, step by step; here they run with the directord of this build.
//! Guests take turns on the processors, so that these tests can run beside each other.

use std::path::Path;
use std::process::Command;

use lab::cluster::daemon::Daemon;
use lab::error::LabError;
use lab::scenario::{self, Options};

const DIRECTORD: &str = env!("CARGO_BIN_EXE_directord");

#[test]
fn nat_dr_and_tun_balance_side_by_side() {
    hold("balance");
}

#[test]
fn a_dead_server_leaves_and_comes_back_and_mail_tells_of_it() {
    hold("server");
}

#[test]
fn the_peer_takes_over_after_a_power_cut_and_hands_back() {
    hold("failover");
}

#[test]
fn an_existing_table_is_adopted_and_nothing_foreign_is_touched() {
    hold("adoption");
}

#[test]
fn reloads_restarts_an_upgrade_and_a_crash_are_noticed_by_no_client() {
    hold("restart");
}

#[test]
fn connections_are_told_to_the_other_director() {
    hold("sync");
}

#[test]
fn a_drained_server_keeps_its_connections_and_gets_no_new_ones() {
    hold("drain");
}

#[test]
fn checks_take_the_way_of_a_client_through_ipvs() {
    hold("via");
}

/// What we ask the kernel for is what keepalived asks it for.
#[test]
fn keepalived_runs_the_same_sync_daemons() {
    hold_with("sync", &Options { daemon: Daemon::Keepalived, ..Options::directord(DIRECTORD) });
}

/// The IPVS crate's own tests, run again where there is a kernel for them.
#[test]
fn the_ipvs_crate_against_a_real_kernel() {
    let program = test_binary("real");
    run_in_guest(&program, &[], &[("DIRECTORD_REQUIRE_IPVS", "1"), ("RUST_BACKTRACE", "0")]);
}

/// Tests of the namespace tier that need what this machine's kernel may lack: ipvlan, VRF, IPVS.
#[test]
fn ipvlan_and_routing_domains_beside_keepalived() {
    let program = test_binary("interop");
    let elsewhere = ["model", "systemd", "clock", "lacking"].map(|module| format!("guest::{module}::"));
    let others = elsewhere.iter().flat_map(|module| ["--skip", module]);
    let only: Vec<&str> = ["guest::", "--ignored", "--test-threads=1"].into_iter().chain(others).collect();
    run_in_guest(&program, &only, &[("CI", "true"), ("RUST_BACKTRACE", "0")]);
}

/// The unit that is shipped, under a real systemd, beside keepalived.
#[test]
fn a_restart_by_systemd_costs_neither_address_nor_role() {
    let systemd = match lab::packages::systemd() {
        Ok(tools) => tools.map(|tools| lab::job::seen_inside(&tools.root).display().to_string()),
        Err(error) => return skip_or_fail(error),
    };
    let mut environment = vec![("CI", "true"), ("RUST_BACKTRACE", "0")];
    environment.extend(systemd.as_deref().map(|root| ("LAB_SYSTEMD", root)));
    let program = test_binary("interop");
    let only = ["guest::systemd::", "--ignored", "--test-threads=1"];
    run_in_guest(&program, &only, &environment);
}

/// A machine whose clock is set, and whose kernel lacks a scheduler.
#[test]
fn a_clock_that_is_set_and_a_scheduler_that_is_missing() {
    let program = test_binary("interop");
    let only = ["guest::clock::", "guest::lacking::", "--ignored", "--test-threads=1"];
    run_in_guest(&program, &only, &[("CI", "true"), ("RUST_BACKTRACE", "0")]);
}

/// The whole model of the table, times, switches and quorums, beside keepalived.
#[test]
fn the_ipvs_model_beside_keepalived() {
    let program = test_binary("interop");
    let only = ["guest::model::", "--ignored", "--test-threads=1"];
    run_in_guest(&program, &only, &[("CI", "true"), ("RUST_BACKTRACE", "0")]);
}

#[test]
fn counters_are_those_of_the_kernel() {
    hold("counters");
}

/// Runs a test program in a guest; its tests must pass.
fn run_in_guest(program: &str, arguments: &[&str], environment: &[(&str, &str)]) {
    let run = || lab::guest::run_binary(Path::new(program), arguments, environment);
    // Now and then a guest hangs in its kernel. What is at fault in a program hangs the second time as well.
    let ran = match run() {
        Err(error @ LabError::Timeout { .. }) => {
            eprintln!("{error}\nOnce more:");
            run()
        }
        other => other,
    };
    match ran {
        Ok(done) => {
            let said = String::from_utf8_lossy(&done.stdout);
            assert_eq!(done.status, 0, "{said}\n{}", String::from_utf8_lossy(&done.stderr));
            assert!(said.contains("test result: ok"), "{said}");
        }
        Err(error) => skip_or_fail(error),
    }
}

/// Runs a scenario; every step must hold.
fn hold(name: &str) {
    hold_with(name, &Options::directord(DIRECTORD));
}

fn hold_with(name: &str, options: &Options) {
    let mut story = Vec::new();
    match scenario::run(name, options, &mut |event| story.push(format!("{event:?}"))) {
        Ok(report) => {
            if let Some(failure) = report.failure() {
                panic!("{failure}\n{}\n{}", story.join("\n"), report.errors);
            }
        }
        Err(error) => skip_or_fail(error),
    }
}

/// A machine that cannot run guests skips, and says so; where everything must run, a skip is a failure.
fn skip_or_fail(error: LabError) {
    match error {
        LabError::Unavailable(reason) => lab::netns::skip(&reason),
        other => panic!("{other}"),
    }
}

/// The path of a test program, built if it is not yet: the same that `cargo test` has built, since no package is named.
fn test_binary(test: &str) -> String {
    find_test_binary(test).unwrap_or_else(|| panic!("cargo built no test program called {test}"))
}

fn find_test_binary(test: &str) -> Option<String> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(cargo)
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .args(["test", "--test", test, "--no-run", "--message-format=json"])
        .output()
        .ok()?;
    let messages = String::from_utf8_lossy(&output.stdout);
    let artifact = messages
        .lines()
        .filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok())
        .find(|message| message["target"]["name"] == test && message["executable"].is_string())?;
    artifact["executable"].as_str().map(str::to_owned)
}
