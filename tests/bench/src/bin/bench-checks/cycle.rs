//! How often each of a hundred servers is really asked, ldirectord beside the two others; and while ten of them hang.
//!
//! ldirectord asks one server after the other and then pauses, so that its period is the pause and a cycle. It runs with an
//! `ipvsadm` that says yes to everything and holds nothing: what is measured is its rhythm, not its table.

use std::collections::BTreeMap;
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use bench::Samples;
use bench::checker::{Checker, Checks};
use bench::servers::{Asked, Death, Manner, Servers, address};
use lab::netns::{Host, Net, Program, wait_until};
use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;

use super::{Arguments, Kind, LIMIT, SETTLE, name};

const SERVERS: usize = 100;
/// One of so many hangs.
const PART: usize = 10;

const IPVSADM: &str = "#!/bin/sh\nexit 0\n";

pub(crate) fn run(kind: Kind, arguments: &Arguments) {
    println!(
        "\n{} of {SERVERS} servers once a second, then {} of them hang: s between two attempts at one of the others\n",
        kind.keyword(),
        SERVERS / PART
    );
    println!("{:24}{:>12}{:>12}{:>12}{:>12}", "", "p50 before", "max before", "p50 then", "max then");
    let mut rows: Vec<(&str, Option<[Samples; 2]>)> = Vec::new();
    for program in &arguments.programs() {
        rows.push((name(program), Some(of_daemon(program, kind, arguments.seconds))));
    }
    rows.push(("ldirectord", of_ldirectord(kind, arguments.seconds)));
    for (name, row) in rows {
        match row {
            Some([before, then]) => println!(
                "{name:24}{:>12.3}{:>12.3}{:>12.3}{:>12.3}",
                before.median(),
                before.max(),
                then.median(),
                then.max()
            ),
            None => println!("{name:24}{:>12}", "cannot be run here"),
        }
    }
}

fn of_daemon(program: &Program, kind: Kind, seconds: u64) -> [Samples; 2] {
    let net = Net::new(&["one"]);
    let host = net.host("one");
    let servers = Servers::start(host, SERVERS, kind.into());
    let checks = Checks { servers: SERVERS, manner: kind.into(), retry: 1 };
    let checker = Checker::start(program, host, &checks);
    checker.wait_present(SERVERS, LIMIT).expect("all servers are well at first");
    watch_twice(&servers, seconds)
}

fn of_ldirectord(kind: Kind, seconds: u64) -> Option<[Samples; 2]> {
    let root = bench::ldirectord()?;
    let net = Net::new(&["one"]);
    let host = net.host("one");
    let servers = Servers::start(host, SERVERS, kind.into());
    let _running = Ldirectord::start(&root, host, kind.into())?;
    let mut seen = 0;
    wait_until("ldirectord to have asked each server twice", LIMIT, || {
        std::thread::sleep(Duration::from_millis(200));
        seen += servers.take_asked().len();
        (seen >= 2 * SERVERS).then_some(())
    });
    Some(watch_twice(&servers, seconds))
}

/// Seconds between attempts at a server that does not hang: before, and while others hang.
fn watch_twice(servers: &Servers, seconds: u64) -> [Samples; 2] {
    std::thread::sleep(SETTLE);
    let before = watch(servers, seconds);
    for number in (0..SERVERS).step_by(PART) {
        servers.kill(number, Death::Silent);
    }
    // As long as it takes to ask each of those that hang several times, one after the other.
    [before, watch(servers, seconds * 3)]
}

fn watch(servers: &Servers, seconds: u64) -> Samples {
    servers.take_asked();
    std::thread::sleep(Duration::from_secs(seconds));
    let mut gaps = Samples::default();
    gaps.extend(gaps_of(&servers.take_asked()));
    gaps
}

fn gaps_of(asked: &[Asked]) -> Vec<f64> {
    let mut last: BTreeMap<usize, Instant> = BTreeMap::new();
    let others = asked.iter().filter(|(number, _)| number % PART != 0);
    let gap = |(number, at): &Asked| Some(at.duration_since(last.insert(*number, *at)?).as_secs_f64());
    others.filter_map(gap).collect()
}

/// A running ldirectord; killed when dropped.
struct Ldirectord(Child);

impl Ldirectord {
    /// `None` without Perl.
    fn start(root: &Path, host: &Host, manner: Manner) -> Option<Ldirectord> {
        let dir = host.dir();
        let path = |file: &str| dir.join(file);
        let ipvsadm = path("ipvsadm");
        fs::write(&ipvsadm, IPVSADM).expect("/run is ours");
        fs::set_permissions(&ipvsadm, Permissions::from_mode(0o755)).expect("/run is ours");
        // It looks for ipvsadm in two places of the system only.
        let script = fs::read_to_string(root.join("usr/sbin/ldirectord")).ok()?;
        let script = script.replace("\"/sbin/ipvsadm\"", &format!("\"{}\"", ipvsadm.display()));
        fs::write(path("ldirectord"), script).expect("/run is ours");
        fs::set_permissions(path("ldirectord"), Permissions::from_mode(0o755)).expect("/run is ours");
        fs::write(path("ldirectord.cf"), configuration(manner, &path("ldirectord.log")))
            .expect("/run is ours");
        let mut command = Command::new("perl");
        command.arg(path("ldirectord")).arg("-d").arg(path("ldirectord.cf")).arg("start");
        command.env("PERL5LIB", libraries(root)).process_group(0);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        host.spawn(&mut command).ok().map(Ldirectord)
    }
}

impl Drop for Ldirectord {
    fn drop(&mut self) {
        let _ = killpg(Pid::from_raw(self.0.id().cast_signed()), Signal::SIGKILL);
        let _ = self.0.wait();
    }
}

fn configuration(manner: Manner, log: &Path) -> String {
    let check = match manner {
        Manner::Tcp => "connect",
        Manner::Http => "negotiate",
    };
    let servers: Vec<String> =
        (0..SERVERS).map(|n| format!("\treal={}:{} gate 1\n", address(n).ip(), address(n).port())).collect();
    format!(
        "checktimeout=1\nnegotiatetimeout=1\ncheckinterval=1\nautoreload=no\nquiescent=no\nlogfile=\"{}\"\n\
         virtual=10.9.0.1:80\n{}\tprotocol=tcp\n\tscheduler=wlc\n\tservice=http\n\tchecktype={check}\n\trequest=\"/\"\n\
         \treceive=\"ok\"\n",
        log.display(),
        servers.concat()
    )
}

/// Where its Perl modules lie.
fn libraries(root: &Path) -> String {
    let mut found = vec![root.join("usr/share/perl5")];
    let versions = fs::read_dir(root.join("usr/lib/x86_64-linux-gnu/perl5"));
    found.extend(versions.into_iter().flatten().flatten().map(|version| version.path()));
    found.iter().map(|path: &PathBuf| path.display().to_string()).collect::<Vec<_>>().join(":")
}
