//! ldirectord and directord side by side: both ask the same servers by the same file, which directord imports, and what
//! comes of it in their tables is the same. Where ldirectord cannot see that a server is down, directord can.
//!
//! ldirectord is fetched with its Perl modules, so this is a part of `cargo interop`. The kernel's table is a file here,
//! which a stand-in for ipvsadm keeps for it.

use std::collections::BTreeMap;
use std::fs;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use lab::in_namespaces;
use lab::netns::{Daemon, Host, Net};
use lab::packages::{self, Tools};
use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;

use super::start;

/// As long as some rounds of ldirectord take, one server after the other, on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// Virtual servers whose checks cannot fail with ldirectord.
const BLIND: [u16; 2] = [8111, 8112];
/// A virtual server whose servers are never to be used (`checktype = off`).
const NEVER: u16 = 8105;

/// Weights of servers, by the port of their virtual server.
type Table = BTreeMap<u16, BTreeMap<String, u64>>;

/// The same by ports of servers.
type Entries = [(u16, &'static [(&'static str, u64)])];

/// All are well.
const WELL: &Entries = &[
    (8101, &[("8001", 3), ("8002", 5)]),
    (8102, &[("8003", 2), ("8004", 2)]),
    (8103, &[("8001", 1), ("8005", 1)]),
    (8104, &[("8099", 1)]),
    (8105, &[("8009", 1)]),
    (8106, &[("8001", 1)]),
    (8107, &[("8007", 1), ("8008", 1)]),
    (8108, &[("8010", 1), ("8011", 1)]),
    (8109, &[("8003", 1), ("8004", 1)]),
    (8110, &[("8001", 1), ("8002", 1)]),
];
/// One of each is down.
const ONE_EACH: &Entries = &[
    (8101, &[("8001", 0), ("8002", 5)]),
    (8102, &[("8004", 2)]),
    (8103, &[("8001", 1)]),
    (8104, &[("8099", 1)]),
    (8105, &[("8009", 1)]),
    (8106, &[("8001", 1)]),
    (8107, &[("8008", 1)]),
    (8108, &[("8011", 1)]),
    (8109, &[("8004", 1)]),
    (8110, &[("8002", 1)]),
];
/// Where both are down the fallback stands in; one is in maintenance.
const WORST: &Entries = &[
    (8101, &[("8001", 0), ("8002", 0)]),
    (8102, &[("8009", 1)]),
    (8103, &[("8001", 1)]),
    (8104, &[("8099", 1)]),
    (8105, &[("8009", 1)]),
    (8106, &[("8001", 1)]),
    (8107, &[("8008", 1)]),
    (8108, &[("8011", 1)]),
];

/// What ldirectord asks of ipvsadm: the table is a file of lines.
const IPVSADM: &str = r#"#!/usr/bin/perl
use strict;
my $file = "TABLE";
my (%scheduler, %servers);
if (open(my $in, "<", $file)) {
    while (<$in>) {
        my ($what, $service, @rest) = split;
        if ($what eq "S") { $scheduler{$service} = $rest[0]; }
        else { $servers{$service}{$rest[0]} = [@rest[1, 2]]; }
    }
}
my ($act, $service, $server, $weight, $way, $sched) = ("", "", "", 1, "Masq", "wlc");
while (defined(my $word = shift)) {
    if ($word =~ /^-[AEDaedL]$/) { $act = $word; }
    elsif ($word =~ /^-[tu]$/) { $service = ($word eq "-t" ? "TCP" : "UDP") . "," . shift; }
    elsif ($word eq "-r") { $server = shift; }
    elsif ($word eq "-w") { $weight = shift; }
    elsif ($word eq "-s") { $sched = shift; }
    elsif ($word =~ /^-[xy]$/) { shift; }
    elsif ($word eq "-g") { $way = "Route"; }
    elsif ($word eq "-i") { $way = "Tunnel"; }
}
if ($act eq "-L") {
    print "IP Virtual Server\nProt LocalAddress:Port Scheduler Flags\n  -> RemoteAddress:Port\n";
    for my $key (sort keys %scheduler) {
        my ($protocol, $address) = split(/,/, $key);
        print "$protocol  $address $scheduler{$key}\n";
        print "  -> $_ $servers{$key}{$_}[0] $servers{$key}{$_}[1] 0 0\n" for sort keys %{$servers{$key}};
    }
    exit 0;
}
if ($act =~ /^-[AE]$/) { $scheduler{$service} = $sched; }
elsif ($act eq "-D") { delete $scheduler{$service}; delete $servers{$service}; }
elsif ($act =~ /^-[ae]$/) { $servers{$service}{$server} = [$way, $weight]; }
elsif ($act eq "-d") { delete $servers{$service}{$server}; }
open(my $out, ">", "$file.new") or die;
print $out "S $_ $scheduler{$_}\n" for sort keys %scheduler;
for my $key (sort keys %servers) {
    print $out "R $key $_ @{$servers{$key}{$_}}\n" for sort keys %{$servers{$key}};
}
close $out;
rename "$file.new", $file;
"#;

/// A running ldirectord, and the file that is its table.
struct Ldirectord {
    child: Child,
    table: PathBuf,
}

impl Drop for Ldirectord {
    fn drop(&mut self) {
        let _ = killpg(Pid::from_raw(self.child.id().cast_signed()), Signal::SIGKILL);
        let _ = self.child.wait();
    }
}

impl Ldirectord {
    fn start(tools: &Tools, host: &Host, config: &str) -> Ldirectord {
        let path = |name: &str| host.dir().join(name);
        let table = path("table");
        let runs = |name: &str, text: &str| {
            fs::write(path(name), text).expect("/run is ours");
            fs::set_permissions(path(name), fs::Permissions::from_mode(0o755)).expect("/run is ours");
        };
        runs("ipvsadm", &IPVSADM.replace("TABLE", &table.display().to_string()));
        // It looks for ipvsadm in two places of the system only.
        let script = fs::read_to_string(tools.root.join("usr/sbin/ldirectord")).expect("it is unpacked");
        runs(
            "ldirectord",
            &script.replace("\"/sbin/ipvsadm\"", &format!("\"{}\"", path("ipvsadm").display())),
        );
        fs::write(path("ldirectord.cf"), config).expect("/run is ours");
        let mut libraries = vec![tools.root.join("usr/share/perl5")];
        let versions = fs::read_dir(tools.root.join("usr/lib/x86_64-linux-gnu/perl5"));
        libraries.extend(versions.into_iter().flatten().flatten().map(|version| version.path()));
        let libraries: Vec<String> = libraries.iter().map(|path| path.display().to_string()).collect();
        let mut command = Command::new("perl");
        command.arg(path("ldirectord")).arg("-d").arg(path("ldirectord.cf")).arg("start");
        command.env("PERL5LIB", libraries.join(":")).process_group(0);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        Ldirectord { child: host.spawn(&mut command).expect("this machine has Perl"), table }
    }

    fn table(&self) -> Table {
        let mut table = Table::new();
        for line in fs::read_to_string(&self.table).unwrap_or_default().lines() {
            let words: Vec<&str> = line.split(' ').collect();
            if let ["R", service, server, _, weight] = words.as_slice() {
                let weight = weight.parse().expect("a weight");
                table.entry(port(service)).or_default().insert((*server).to_owned(), weight);
            }
        }
        table
    }
}

/// The number behind the last colon.
fn port(service: &str) -> u16 {
    service.rsplit(':').next().and_then(|port| port.parse().ok()).expect("a port")
}

/// What directord has in its table.
fn table(daemon: &Daemon) -> Option<Table> {
    let mut table = Table::new();
    for service in daemon.status()?["services"].as_array()? {
        let servers = table.entry(port(service["service"].as_str()?)).or_default();
        for server in service["servers"].as_array()? {
            if let Some(weight) = server["effective_weight"].as_u64() {
                servers.insert(server["server"].as_str()?.replace(['[', ']'], ""), weight);
            }
        }
        if service["sorry_active"] == true {
            servers.insert(service["sorry_server"].as_str()?.replace(['[', ']'], ""), 1);
        }
    }
    table.retain(|_, servers| !servers.is_empty());
    Some(table)
}

/// A server that says this to whoever comes, once it was asked if it is to wait for that; while `up` it is there, and
/// while `well` it says that it is well.
#[derive(Clone)]
struct Server {
    up: Arc<AtomicBool>,
    well: Arc<AtomicBool>,
}

/// What a server says: whether it waits for a question, and what it says when it is well and when it is not.
type Words = (bool, &'static str, &'static str);

const PAGE: Words = (
    true,
    "HTTP/1.0 200 OK\r\nContent-Length: 12\r\n\r\nall is well\n",
    "HTTP/1.0 200 OK\r\nContent-Length: 11\r\n\r\nall is bad\n",
);
const NEWS: Words = (false, "200 news\r\n", "400 not now\r\n");
const PLAIN: Words = (true, "hello yourself\n", "go away\n");

fn serve(host: &Host, port: u16, words: Words) -> Server {
    let server = Server { up: Arc::new(AtomicBool::new(true)), well: Arc::new(AtomicBool::new(true)) };
    let (address, kept) = (host.address(), server.clone());
    // A thread of that host listens there.
    host.enter(|| {
        std::thread::spawn(move || {
            loop {
                if kept.up.load(Ordering::Relaxed) {
                    let listener = TcpListener::bind((address, port)).expect("the port is free");
                    listener.set_nonblocking(true).expect("it can");
                    while kept.up.load(Ordering::Relaxed) {
                        if let Ok((stream, _)) = listener.accept() {
                            let well = kept.well.load(Ordering::Relaxed);
                            std::thread::spawn(move || answer(stream, words, well));
                        }
                        std::thread::sleep(Duration::from_millis(2));
                    }
                }
                std::thread::sleep(Duration::from_millis(5));
            }
        })
    });
    server
}

fn answer(mut stream: TcpStream, (waits, good, bad): Words, well: bool) {
    let _ = stream.set_nonblocking(false);
    if waits {
        let _ = stream.read(&mut [0; 2048]);
    }
    let _ = stream.write_all(if well { good } else { bad }.as_bytes());
}

/// Waits until both tables are this one.
fn expect(what: &str, theirs: &Ldirectord, ours: &Daemon, expected: &Entries) {
    let expected = weights(expected);
    let end = Instant::now() + PATIENCE;
    loop {
        let (mut their, mut our) = (theirs.table(), table(ours).unwrap_or_default());
        // Nothing listens there, and ldirectord does not see it.
        let blind = BLIND.map(|port| their.remove(&port).is_some_and(|servers| !servers.is_empty()));
        // What is never to be used is there with weight 0.
        our.entry(NEVER).or_default().retain(|_, weight| *weight > 0);
        if blind == [true; 2] && their == expected && our == expected {
            return;
        }
        assert!(
            Instant::now() < end,
            "{what}: expected {expected:#?}\nldirectord has {their:#?}\ndirectord has {our:#?}\n{}",
            ours.log()
        );
        std::thread::sleep(Duration::from_millis(50));
    }
}

fn file(dir: &Path) -> String {
    let dir = dir.display();
    let section = |port: u16, reals: &str, lines: &str| {
        let reals = reals.split(' ').map(|real| {
            let (port, rest) = real.split_once('/').unwrap_or((real, "1"));
            let address = if port.contains(':') { port.to_owned() } else { format!("10.0.0.2:{port}") };
            format!("\treal={address} masq {rest}\n")
        });
        let lines = lines.split(';').map(|line| format!("\t{}\n", line.trim()));
        format!(
            "virtual=10.0.0.100:{port}\n{}\tprotocol=tcp\n\tscheduler=rr\n{}",
            reals.collect::<String>(),
            lines.collect::<String>()
        )
    };
    [
        format!(
            "checktimeout=1\nnegotiatetimeout=1\ncheckinterval=1\ncheckcount=1\nautoreload=no\nquiescent=no\n\
             maintenancedir={dir}/maintenance\nlogfile=\"{dir}/ldirectord.log\"\n"
        ),
        section(8101, "8001/3 8002/5", "checktype=connect; quiescent=yes"),
        section(
            8102,
            "8003/2 8004/2",
            "checktype=negotiate; service=http; request=\"alive\"; receive=\"well\"; fallback=10.0.0.2:8009 masq",
        ),
        section(8103, "8001 8005", &format!("checktype=external; checkcommand=\"{dir}/probe\"")),
        section(8104, "8099", "checktype=on"),
        section(8105, "8001", "checktype=off; fallback=10.0.0.2:8009 masq"),
        // Nobody has the second address.
        section(8106, "8001 10.0.0.77:8001", "checktype=ping"),
        section(8107, "8007 8008", "checktype=negotiate; service=simpletcp; request=\"hello\\n\"; receive=\"yourself\""),
        section(8108, "8010 8011", "checktype=negotiate; service=nntp"),
        section(8109, "8003 8004", "checktype=3; service=http; request=\"alive\"; receive=\"well\""),
        section(8110, "8001 8002", "checktype=connect; failurecount=3"),
        // What it cannot see: nothing listens there.
        section(8111, "8099", "checktype=negotiate; service=pop"),
        section(8112, "8099", "checktype=negotiate; service=ftp; request=\"motd\""),
    ]
    .concat()
}

fn weights(entries: &Entries) -> Table {
    let servers = |servers: &[(&str, u64)]| {
        servers.iter().map(|(port, weight)| (format!("10.0.0.2:{port}"), *weight)).collect()
    };
    entries.iter().map(|(port, all)| (*port, servers(all))).collect()
}

/// What directord makes of ldirectord's file; that it names the traps in it is seen by the way.
fn imported(text: &str) -> String {
    let mut import = Command::new(env!("CARGO_BIN_EXE_directord"));
    import.args(["import", "ldirectord", "-"]);
    let mut import = import
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("directord runs");
    import.stdin.take().expect("it is piped").write_all(text.as_bytes()).expect("it reads");
    let output = import.wait_with_output().expect("it ends");
    let imported = String::from_utf8(output.stdout).expect("it is text");
    let report = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(imported.contains("virtual_server"), "{imported}{report}");
    for trap in ["without `login`", "without `receive`"] {
        assert!(report.contains(trap), "{trap} is named: {report}");
    }
    imported
}

#[test]
fn ldirectord_beside_comes_to_the_same() {
    if std::env::var("INTEROP").as_deref() != Ok("full") {
        // A part of the command that has everything, not of every run.
        return;
    }
    let tools = match packages::ldirectord() {
        Ok(tools) => tools,
        Err(error) => return lab::netns::skip(&error.to_string()),
    };
    in_namespaces!();
    let net = Net::new(&["director", "server"]);
    let (director, host) = (net.host("director"), net.host("server"));
    let dir = director.dir();
    fs::create_dir(dir.join("maintenance")).expect("/run is ours");
    fs::write(dir.join("well-8001"), "").expect("/run is ours");
    fs::write(dir.join("well-8005"), "").expect("/run is ours");
    let probe = dir.join("probe");
    fs::write(&probe, format!("#!/bin/sh\ntest $# = 4 && test -e {}/well-$4\n", dir.display()))
        .expect("/run is ours");
    fs::set_permissions(&probe, fs::Permissions::from_mode(0o755)).expect("it is ours");
    let connects = serve(host, 8001, PAGE);
    let _other = serve(host, 8002, PAGE);
    let (page, second) = (serve(host, 8003, PAGE), serve(host, 8004, PAGE));
    let (text, _) = (serve(host, 8007, PLAIN), serve(host, 8008, PLAIN));
    let (news, _) = (serve(host, 8010, NEWS), serve(host, 8011, NEWS));

    let text_of = file(dir);
    let theirs = Ldirectord::start(&tools, director, &text_of);
    let ours = start(director, &imported(&text_of));
    expect("all are well", &theirs, &ours, WELL);

    connects.up.store(false, Ordering::Relaxed);
    for server in [&page, &text, &news] {
        server.well.store(false, Ordering::Relaxed);
    }
    fs::remove_file(dir.join("well-8005")).expect("it is ours");
    expect("one of each is down", &theirs, &ours, ONE_EACH);

    second.up.store(false, Ordering::Relaxed);
    let maintained = dir.join("maintenance/10.0.0.2:8002");
    fs::write(&maintained, "").expect("/run is ours");
    expect("the fallback stands in, and one is in maintenance", &theirs, &ours, WORST);

    fs::remove_file(maintained).expect("it is ours");
    fs::write(dir.join("well-8005"), "").expect("/run is ours");
    for server in [&connects, &page, &second, &text, &news] {
        server.up.store(true, Ordering::Relaxed);
        server.well.store(true, Ordering::Relaxed);
    }
    expect("all are well again", &theirs, &ours, WELL);
}
