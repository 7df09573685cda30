//! What a reload of many real servers does to adverts, and how long it takes.
//!
//! A master that sends an advert every ten milliseconds, with tens of thousands of real servers in its file, reloads in
//! turn the same file, one with another weight everywhere, and one with other servers; then its state is asked for, and
//! one server is added. Gaps are those between adverts, from the kernel's time stamps on the wire. The table is one in
//! memory: only directord's own work is measured. keepalived beside it runs its VRRP part alone, which has no servers to
//! take over and only reads the file. `--services 1 --servers 40000` has all real servers in one virtual server.
//!
//! A virtual machine is held up itself now and then, by more than is looked for here. So a thread that only sleeps runs
//! beside it on each processor before everybody else ([`bench::sleepers`]): a row tells the worst gap as it was and how
//! many adverts were more than 2 ms late, both once more without what a sleeper was late by while the advert was overdue
//! ("its own"), and how late a sleeper was at worst.

use std::fmt::Write as _;
use std::process::{Command, ExitCode};
use std::time::{Duration, Instant, SystemTime};

use bench::Samples;
use bench::cost::Cost;
use bench::sleepers::Sleepers;
use clap::Parser;
use lab::netns::{Daemon, Host, Net, Program, enter_program};
use lab::sniff::{Sniffer, between};

/// Gaps between adverts while tens of thousands of servers are reloaded.
#[derive(Parser)]
#[command(name = "bench-reload")]
struct Arguments {
    /// Virtual services.
    #[arg(long, default_value_t = 400)]
    services: u32,
    /// Real servers of each, 40,000 at most.
    #[arg(long, default_value_t = 100)]
    servers: u32,
    /// Reloads of each kind.
    #[arg(short = 'n', long, default_value_t = 10)]
    rounds: u32,
    /// Give each server a TCP_CHECK.
    #[arg(long)]
    checks: bool,
    /// Leave keepalived out.
    #[arg(long)]
    alone: bool,
}

/// Between two adverts.
const INTERVAL: Duration = Duration::from_millis(10);
/// An advert counts as late after a longer gap, in milliseconds.
const LATE: f64 = 12.0;
/// How long anything may take before the run is given up.
const LIMIT: Duration = Duration::from_secs(120);
/// How long the adverts after a reload are looked at, beyond its answer.
const AFTER: Duration = Duration::from_millis(500);

/// What the file says of the servers.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Contents {
    weight: u32,
    /// The third byte of their addresses begins here.
    shift: u32,
    /// One more in the first service.
    one_more: bool,
}

const USUAL: Contents = Contents { weight: 1, shift: 0, one_more: false };

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    if let Some(code) = bench::with_directord() {
        return code;
    }
    match enter_program() {
        Ok(Some(code)) => ExitCode::from(u8::try_from(code).unwrap_or(1)),
        Ok(None) => {
            measure(&bench::directord(), &arguments);
            if !arguments.alone {
                measure(&Program::Keepalived, &arguments);
            }
            ExitCode::SUCCESS
        }
        Err(reason) => {
            eprintln!("bench-reload: {reason}");
            ExitCode::FAILURE
        }
    }
}

fn configuration(arguments: &Arguments, contents: Contents) -> String {
    let Arguments { services, servers, checks, .. } = arguments;
    let mut text = "vrrp_instance VI {\n state MASTER\n interface eth0\n virtual_router_id 51\n version 3\n \
                    priority 200\n advert_int 0.01\n garp_master_delay 0\n virtual_ipaddress {\n  10.0.0.100/24\n \
                    }\n}\n"
        .to_owned();
    let check = if *checks { " TCP_CHECK {\n  connect_timeout 1\n }\n" } else { "" };
    for n in 0..*services {
        let (high, low) = (n / 250, n % 250 + 1);
        let _ = writeln!(
            text,
            "virtual_server 10.1.{high}.{low} 80 {{\n delay_loop 60\n lvs_sched wlc\n lvs_method DR\n protocol TCP"
        );
        for m in 0..*servers {
            let (high, low) = (m / 250 + contents.shift, m % 250 + 1);
            let weight = contents.weight;
            let _ = writeln!(
                text,
                " real_server 127.{}.{high}.{low} 80 {{\n  weight {weight}\n{check} }}",
                n % 250
            );
        }
        if n == 0 && contents.one_more {
            let _ = writeln!(text, " real_server 127.255.0.1 80 {{\n  weight 1\n{check} }}");
        }
        text.push_str("}\n");
    }
    text
}

fn millis(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

fn measure(program: &Program, arguments: &Arguments) {
    let name = if *program == Program::Keepalived { "keepalived, VRRP alone" } else { "directord" };
    let Arguments { services, servers, rounds, checks, .. } = arguments;
    let with = if *checks { "with TCP_CHECK" } else { "without checks" };
    println!(
        "\n{name}: {services} services x {servers} real servers {with}, advert every {} ms, {rounds} rounds\n",
        INTERVAL.as_millis()
    );
    let net = Net::new(&["one"]);
    let sniffer = net.sniff();
    let host = net.host("one");
    let daemon = Daemon::start_with(program, host, &configuration(arguments, USUAL), |_| ());
    sniffer.wait_advert("one", daemon.started(), LIMIT);
    // Until what comes with becoming master, or with the start, is over.
    std::thread::sleep(Duration::from_secs(4));
    println!("memory after the start: {:.1} MiB", Cost::of_group(daemon.id()).memory_mib);
    let sleepers = Sleepers::start().inspect_err(|error| eprintln!("no sleepers beside it: {error}")).ok();
    println!(
        "{:28}{:>8}{:>11}{:>9}{:>10}{:>7}{:>12}{:>7}{:>14}{:>14}",
        "",
        "adverts",
        "median ms",
        "99 % ms",
        "worst ms",
        "late",
        "its own ms",
        "late",
        "sleeper late",
        "answer in ms"
    );
    let bench = Bench { program, daemon: &daemon, host, sniffer: &sniffer, sleepers, arguments };
    bench.row("nothing happens", |_| {
        std::thread::sleep(Duration::from_secs(1));
        Duration::ZERO
    });
    bench.row("the same file again", |_| bench.reload(USUAL));
    bench.row("another weight everywhere", |n| bench.reload(Contents { weight: 2 + n % 2, ..USUAL }));
    bench.row("other servers everywhere", |n| bench.reload(Contents { shift: 96 * (1 - n % 2), ..USUAL }));
    bench.reload(USUAL);
    bench.row("one server more, one less", |n| bench.reload(Contents { one_more: n % 2 == 0, ..USUAL }));
    if *program != Program::Keepalived {
        bench.row("its state is asked for", |_| bench.ask(&["status", "--json"]));
    }
    println!("memory at the end: {:.1} MiB", Cost::of_group(daemon.id()).memory_mib);
}

struct Bench<'a> {
    program: &'a Program,
    daemon: &'a Daemon<'a>,
    host: &'a Host,
    sniffer: &'a Sniffer,
    /// Where they may run before all others.
    sleepers: Option<Sleepers>,
    arguments: &'a Arguments,
}

impl Bench<'_> {
    /// Measures a kind of happening, which tells how long its answer took.
    fn row(&self, name: &str, happen: impl Fn(u32) -> Duration) {
        let (mut gaps, mut own, mut answers) = (Samples::default(), Samples::default(), Samples::default());
        let begun = SystemTime::now();
        for n in 0..self.arguments.rounds {
            let from = SystemTime::now();
            answers.add_duration(happen(n));
            std::thread::sleep(AFTER);
            let timeline = self.sniffer.timeline();
            let sent: Vec<SystemTime> = timeline
                .adverts()
                .filter(|(e, _)| e.from == "one" && e.at >= from)
                .map(|(e, _)| e.at)
                .collect();
            let pairs = || sent.windows(2).map(|pair| (pair[0], pair[1]));
            gaps.extend(pairs().map(|(one, next)| millis(between(one, next))));
            own.extend(pairs().map(|(one, next)| {
                let held = |s: &Sleepers| s.held_within(one + INTERVAL, next);
                millis(between(one, next).saturating_sub(self.sleepers.as_ref().map_or(Duration::ZERO, held)))
            }));
        }
        let sleeper = self.sleepers.as_ref().map_or(f64::NAN, |s| millis(s.worst_since(begun)));
        println!(
            "{name:28}{:>8}{:>11.2}{:>9.2}{:>10.2}{:>7}{:>12.2}{:>7}{sleeper:>14.2}{:>14.0}",
            gaps.count(),
            gaps.median(),
            gaps.part(0.99),
            gaps.max(),
            gaps.above(LATE),
            own.max(),
            own.above(LATE),
            answers.median()
        );
    }

    /// Puts another file there and reloads; directord is waited for, keepalived gives no answer.
    fn reload(&self, contents: Contents) -> Duration {
        let text = configuration(self.arguments, contents);
        if *self.program == Program::Keepalived {
            self.daemon.reload(&text);
            std::thread::sleep(Duration::from_secs(1));
            return Duration::ZERO;
        }
        self.daemon.rewrite(&text);
        self.ask(&["reload"])
    }

    /// Runs a command of directord, and tells how long it took.
    fn ask(&self, words: &[&str]) -> Duration {
        let Program::Directord(path) = bench::directord() else { return Duration::ZERO };
        let mut command = Command::new(path);
        command.args(words).arg("--runtime-dir").arg(self.host.dir());
        let started = Instant::now();
        let output = self.host.output(&mut command).expect("directord runs");
        let took = started.elapsed();
        assert!(output.status.success(), "{words:?}: {}", String::from_utf8_lossy(&output.stderr));
        took
    }
}
