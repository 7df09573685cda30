//! The house rules, held by a test: which room may know which, what a core may not touch, how a file begins and how
//! long it may be. The rules themselves are explained in the README's architecture chapter.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on should fail here")]

use std::fs;
use std::path::{Path, PathBuf};

/// Files and folders that hold decisions only: no clock, no runtime, no socket, no file.
const CORES: &[&str] = &[
    "vrrp/src",
    "healthcheck/src",
    "ipvs-backend/src",
    "notify/src",
    "src/director",
    "src/config",
    "src/import",
];

/// The adapters among them, which exist to touch the outside.
const ADAPTERS: &[&str] = &[
    "vrrp/src/io",
    "healthcheck/src/probe",
    "ipvs-backend/src/netlink",
    "notify/src/email",
    "notify/src/deliver",
    "src/config/source",
    // The mail server that the tests of mail talk to.
    "notify/src/mail_server",
];

/// What a core may not name, and why.
const BANNED_IN_CORES: &[(&str, &str)] = &[
    ("Instant::now", "time is an input"),
    ("SystemTime::now", "time is an input"),
    ("tokio::", "cores know no runtime"),
    ("std::thread", "only the supervisor spawns"),
    ("std::fs", "cores open nothing"),
    ("std::process", "cores start nothing"),
    ("socket2", "cores know no socket"),
    ("TcpStream", "cores know no socket"),
    ("UdpSocket", "cores know no socket"),
    ("tracing::", "cores log nothing; they return what is to be logged"),
    ("println!", "cores print nothing"),
];

/// Lines that a file may have before it should be two.
const LONGEST_FILE: usize = 600;

#[derive(Debug)]
struct Source {
    path: String,
    /// Without the tests at its end.
    code: String,
    lines: usize,
    text: String,
}

#[test]
fn cores_touch_nothing_outside() {
    let mut faults = Vec::new();
    for source in sources().iter().filter(|s| is_core(&s.path)) {
        for (number, line) in source.code.lines().enumerate() {
            let line = line.trim_start();
            if line.starts_with("//") {
                continue;
            }
            for (word, why) in BANNED_IN_CORES {
                if line.contains(word) {
                    faults.push(format!("{}:{}: {word}: {why}", source.path, number + 1));
                }
            }
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn rooms_know_only_whom_they_may() {
    // Who looks at whom: a folder of src/, and the modules of this crate that it may not use.
    let walls = [
        ("src/config", ["director", "supervisor", "control", "import", "cli"].as_slice()),
        ("src/import", &["director", "supervisor", "control", "cli"]),
        ("src/director", &["supervisor", "control", "import", "cli"]),
        ("src/control", &["director::event", "director::effect", "import", "cli"]),
        ("src/supervisor", &["import", "cli"]),
    ];
    let mut faults = Vec::new();
    for source in sources() {
        for (room, forbidden) in walls {
            if !source.path.starts_with(room) {
                continue;
            }
            for other in forbidden {
                if source.code.contains(&format!("crate::{other}")) {
                    faults.push(format!("{} uses crate::{other}", source.path));
                }
            }
        }
        let adapter_use = ["vrrp::io", "healthcheck::probe", "NetlinkKernel"];
        if ["src/director", "src/config", "src/import"].iter().any(|room| source.path.starts_with(room)) {
            for adapter in adapter_use.iter().filter(|a| source.code.contains(**a)) {
                faults.push(format!("{} uses {adapter}", source.path));
            }
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn the_four_crates_do_not_know_each_other() {
    let crates = ["vrrp", "healthcheck", "ipvs-backend", "notify"];
    for name in crates {
        let manifest = fs::read_to_string(root().join(name).join("Cargo.toml")).unwrap();
        for other in crates.iter().filter(|o| **o != name) {
            let depends = manifest.lines().any(|line| line.starts_with(other));
            assert!(!depends, "{name} depends on {other}");
        }
    }
}

#[test]
fn only_the_supervisor_spawns() {
    let mut faults = Vec::new();
    for source in sources().iter().filter(|s| s.path.starts_with("src/")) {
        // The control socket's server and client live on the runtime that the supervisor and the command line made.
        let may = ["src/supervisor", "src/control", "src/cli"].iter().any(|p| source.path.starts_with(p));
        if !may && (source.code.contains("spawn(") || source.code.contains("thread::Builder")) {
            faults.push(source.path.clone());
        }
    }
    assert!(faults.is_empty(), "these spawn: {}", faults.join(", "));
}

#[test]
fn every_file_says_what_it_is_and_is_short_enough() {
    let mut faults = Vec::new();
    for source in sources() {
        // The tests of a module that stand in a file of their own need no introduction.
        if !source.text.starts_with("//!") && !source.path.ends_with("/tests.rs") {
            faults.push(format!("{} does not open with what it is (//!)", source.path));
        }
        if source.lines > LONGEST_FILE {
            faults.push(format!("{} has {} lines, {LONGEST_FILE} are the limit", source.path, source.lines));
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn unsafe_code_lives_in_named_adapters_with_its_reason() {
    for source in sources().iter().filter(|s| s.path != "tests/tidy.rs") {
        let attributes = source.text.matches("expect(unsafe_code").count();
        let reasons = source.text.matches("reason = \"").count();
        assert!(reasons >= attributes, "{}: unsafe code without its reason", source.path);
        assert!(
            !is_core(&source.path) || attributes == 0 || source.path.starts_with("tests"),
            "{}: unsafe code in a core",
            source.path
        );
    }
}

fn is_core(path: &str) -> bool {
    CORES.iter().any(|core| path.starts_with(core))
        && !ADAPTERS.iter().any(|adapter| path.starts_with(adapter))
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn sources() -> Vec<Source> {
    let mut files = Vec::new();
    for folder in ["src", "vrrp", "healthcheck", "ipvs-backend", "notify", "tests"] {
        collect(&root().join(folder), &mut files);
    }
    files.sort();
    let sources: Vec<Source> = files.iter().map(|path| read(path)).collect();
    assert!(sources.len() > 40, "the walk over the tree found only {} files", sources.len());
    sources
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            if !path.ends_with("target") {
                collect(&path, files);
            }
        } else if path.extension().is_some_and(|e| e == "rs") {
            files.push(path);
        }
    }
}

fn read(path: &Path) -> Source {
    let text = fs::read_to_string(path).unwrap();
    let name = path.strip_prefix(root()).unwrap().display().to_string();
    let is_test_file = name.ends_with("tests.rs") || name.contains("/tests/");
    let code =
        if is_test_file { "" } else { text.split("#[cfg(test)]\nmod tests").next().unwrap_or_default() };
    Source { path: name, code: code.to_owned(), lines: text.lines().count(), text }
}
