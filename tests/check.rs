//! `directord check` as a command: what it prints in each form, and how it exits.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on should fail here")]

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Output};

const EXAMPLE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/etc/directord.conf");

/// A file with that text, in a folder that is the test's own.
fn file(test: &str, name: &str, text: &str) -> PathBuf {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(test);
    fs::create_dir_all(&folder).unwrap();
    let path = folder.join(name);
    fs::write(&path, text).unwrap();
    path
}

fn directord(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_directord")).args(arguments).output().unwrap()
}

fn out(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn err(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

const INSTANCE: &str = "vrrp_instance A {\n  interface eth0\n  virtual_router_id 1\n  virtual_ipaddress {\n    10.0.0.9\n  }\n}\n";

#[test]
fn the_exit_status_tells_the_worst() {
    let clean = file("exit", "clean.conf", INSTANCE);
    let hint = file("exit", "hint.conf", &INSTANCE.replace("eth0", "eth0\n  down_timer_adverts 1"));
    let warning = file("exit", "warning.conf", &INSTANCE.replace("eth0", "eth0\n  debug 1"));
    let error = file("exit", "error.conf", &INSTANCE.replace("interface", "interfaec"));
    let includes = file("exit", "includes.conf", "include nowhere.conf\n");
    let code = |files: &[&PathBuf]| {
        let arguments: Vec<&str> =
            std::iter::once("check").chain(files.iter().map(|path| path.to_str().unwrap())).collect();
        directord(&arguments).status.code().unwrap()
    };
    assert_eq!(code(&[&clean]), 0);
    assert_eq!(code(&[&hint]), 0);
    assert_eq!(code(&[&clean, &warning]), 1);
    assert_eq!(code(&[&warning, &error, &clean]), 2);
    assert_eq!(code(&[&includes]), 2, "a missing include is a mistake in a file that can be read");
    assert_eq!(code(&[&error, &PathBuf::from("/nonexistent")]), 66);
    assert_eq!(code(&[&PathBuf::from(EXAMPLE)]), 0);
}

#[test]
fn text_shows_the_line_and_says_what_is_good() {
    let path = file("text", "a.conf", &INSTANCE.replace("eth0", "eth0\n  debug 1"));
    let name = path.to_str().unwrap();
    let output = directord(&["check", name]);
    let expected = format!(
        "warning[no-effect]: `debug` has no effect any more: logging is chosen on the command line\n \
         --> {name}:3:3\n  |\n3 |   debug 1\n  |   ^^^^^\n\n1 warning\n"
    );
    assert_eq!(err(&output), expected);
    assert_eq!(out(&output), format!("{name}: good: 1 vrrp_instances, 0 virtual_servers\n"));
}

#[test]
fn machines_get_their_forms_on_the_standard_output() {
    let path = file("forms", "a.conf", &INSTANCE.replace("interface", "interfaec"));
    let name = path.to_str().unwrap();
    let output = directord(&["check", "--format", "github", name]);
    assert_eq!(output.status.code(), Some(2));
    let expected = format!(
        "::error file={name},line=1,col=15,title=missing-keyword::instance `A` has no `interface`\n\
         ::error file={name},line=2,col=3,title=unknown-keyword::`interfaec` is no keyword of `vrrp_instance`; \
         did you mean `interface`?\n"
    );
    assert_eq!((out(&output), err(&output)), (expected, String::new()));

    let output = directord(&["check", "--json", name, EXAMPLE]);
    let json: serde_json::Value = serde_json::from_str(&out(&output)).unwrap();
    let complaints = json["complaints"].as_array().unwrap();
    assert_eq!((complaints.len(), output.status.code()), (2, Some(2)));
    assert_eq!(complaints[1]["suggestion"], "did you mean `interface`?");
    assert_eq!(complaints[1]["file"], name);
    assert_eq!(out(&directord(&["check", "--format", "json", name, EXAMPLE])), out(&output));

    let output = directord(&["check", "--format", "sarif", name]);
    let sarif: serde_json::Value = serde_json::from_str(&out(&output)).unwrap();
    assert_eq!(sarif["runs"][0]["results"].as_array().unwrap().len(), 2);
}

#[test]
fn a_peer_is_read_too_and_compared() {
    let here = file("peer", "here.conf", INSTANCE);
    let there = file("peer", "there.conf", &INSTANCE.replace("router_id 1", "router_id 2"));
    let [here, there] = [&here, &there].map(|path| path.to_str().unwrap());
    let output = directord(&["check", "--format", "github", here, "--peer", there]);
    let expected = format!(
        "::warning file={here},line=3,col=21,title=peer-differs::VRID 1 here, 2 there: the two do not hear each other \
         ({there}:3:21); give both the same number\n\
         ::notice file={here},line=1,col=15,title=equal-priority::priority 100 on both: the higher source address \
         decides who is master ({there}:1:15); give the preferred director a higher `priority`\n"
    );
    // In the order of the text.
    let mut lines: Vec<&str> = expected.lines().collect();
    lines.reverse();
    assert_eq!(out(&output).lines().collect::<Vec<_>>(), lines);
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(directord(&["check", here, "--peer", "/nonexistent"]).status.code(), Some(66));
}

#[test]
fn help_explains_commands_and_keywords_and_suggests() {
    let output = directord(&["help", "priority"]);
    assert!(out(&output).starts_with("priority: The highest one is master"), "{}", out(&output));
    assert_eq!(output.status.code(), Some(0));
    assert!(out(&directord(&["help", "check"])).contains("--peer"));
    assert!(out(&directord(&["help"])).contains("replay"));
    let output = directord(&["help", "prioritty"]);
    assert!(err(&output).contains("did you mean `priority`"), "{}", err(&output));
    assert_eq!(output.status.code(), Some(1));
}

#[test]
fn shells_complete_keywords() {
    for shell in ["bash", "zsh", "fish"] {
        let output = directord(&["completions", shell]);
        assert!(out(&output).contains("virtual_router_id"), "{shell}");
        assert_eq!(output.status.code(), Some(0), "{shell}");
    }
    assert!(out(&directord(&["man", "directord.conf"])).starts_with(".TH DIRECTORD.CONF 5 "));
    assert!(out(&directord(&["man"])).starts_with(".TH DIRECTORD 8 "));
}

#[test]
fn this_machine_is_looked_at_on_request_only() {
    let path = file("host", "a.conf", &INSTANCE.replace("eth0", "nosuch0"));
    let name = path.to_str().unwrap();
    assert_eq!(directord(&["check", name]).status.code(), Some(0));
    let output = directord(&["check", "--host", "--format", "github", name]);
    assert_eq!(output.status.code(), Some(1));
    let expected = format!(
        "::warning file={name},line=2,col=13,title=interface-missing::this host has no interface `nosuch0`; "
    );
    assert!(out(&output).starts_with(&expected), "{}", out(&output));
}
