//! How long it takes until one server that a reload adds to ten thousand is in the kernel's table: directord and
//! keepalived in turn, with and without TCP checks, in one guest of the lab, which has real IPVS.
//!
//! From the signal until the table has one more. The checked servers are this guest's own loopback network, where a
//! listener answers, so that every check passes.

use std::error::Error;
use std::fmt::Write as _;
use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

use bench::cost::Cost;
use bench::count::Counter;
use bench::{Ratio, Samples};
use clap::Parser;
use lab::job::{Job, Line, seen_inside};
use lab::packages::Tools;
use nix::sys::signal::{Signal, kill};

type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// One server added by a reload, in a guest with real IPVS.
#[derive(Parser, Clone)]
#[command(name = "bench-add")]
struct Arguments {
    /// Virtual services.
    #[arg(long, default_value_t = 100)]
    services: u32,
    /// Real servers of each.
    #[arg(long, default_value_t = 100)]
    servers: u32,
    /// Rounds; medians are compared.
    #[arg(short = 'n', long, default_value_t = 5)]
    rounds: u32,
    /// The directord to measure; without this the release build, made first.
    #[arg(long, value_name = "FILE")]
    directord: Option<PathBuf>,
    /// This is the run inside.
    #[arg(long, hide = true)]
    inside: bool,
}

const CONF: &str = "/run/bench.conf";
const LOG: &str = "/run/bench.log";
/// How long anything may take.
const LIMIT: Duration = Duration::from_secs(120);
/// Between two looks at the table's size.
const LOOK: Duration = Duration::from_millis(1);
/// Until a daemon has nothing left to do of its start.
const SETTLE: Duration = Duration::from_secs(8);

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let result = if arguments.inside { inside(&arguments).map(|()| 0) } else { outside(&arguments) };
    match result {
        Ok(code) => ExitCode::from(u8::try_from(code).unwrap_or(1)),
        Err(error) => {
            eprintln!("bench-add: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Builds what is measured, and runs this program again in a guest.
fn outside(arguments: &Arguments) -> Result<i32> {
    let directord = match &arguments.directord {
        None => lab::cargo::build("directord", "directord")?,
        Some(path) => std::fs::canonicalize(path)?,
    };
    let mut command = vec![std::env::current_exe()?.display().to_string(), "--inside".to_owned()];
    for (switch, number) in
        [("--services", arguments.services), ("--servers", arguments.servers), ("--rounds", arguments.rounds)]
    {
        command.extend([switch.to_owned(), number.to_string()]);
    }
    command.extend(["--directord".to_owned(), seen_inside(&directord).display().to_string()]);
    let mut job = Job::new(command);
    job.modules.push("ip_vs_wlc".into());
    job.timeout = Duration::from_secs(900);
    let outcome = lab::guest::run(&job, &mut |line| match line {
        Line::Out(bytes) => print!("{}", String::from_utf8_lossy(&bytes)),
        Line::Err(bytes) => eprint!("{}", String::from_utf8_lossy(&bytes)),
    })?;
    Ok(outcome.status)
}

fn inside(arguments: &Arguments) -> Result<()> {
    let tools = Tools::from_guest()?;
    for words in ["link set lo up", "route add local 10.128.0.0/9 dev lo"] {
        tools.command("ip").args(words.split(' ')).status()?;
    }
    let listener = TcpListener::bind((Ipv4Addr::UNSPECIFIED, 80))?;
    std::thread::spawn(move || listener.incoming().for_each(drop));
    let Arguments { services, servers, rounds, .. } = arguments;
    println!("\none server added to {services} services x {servers}, {rounds} rounds in a guest:\n");
    println!("{:36}{:>12}{:>12}{:>12}{:>16}", "", "median ms", "max ms", "MiB", "to keepalived");
    for checks in [false, true] {
        let theirs = measure(arguments, checks, &|| {
            let mut command = tools.command("keepalived");
            command.args(["-n", "-C", "-f", CONF, "-p", "/run/k.pid", "-c", "/run/kc.pid"]);
            command
        })?;
        let ours = measure(arguments, checks, &|| {
            let mut command = Command::new(arguments.directord.as_deref().unwrap_or(Path::new("directord")));
            command.args(["run", "--config", CONF, "--runtime-dir", "/run/d"]);
            command
        })?;
        let with = if checks { "with TCP_CHECK" } else { "without checks" };
        for (name, (samples, memory)) in [("directord", &ours), ("keepalived", &theirs)] {
            println!(
                "{:36}{:>12.0}{:>12.0}{memory:>12.1}{:>16}",
                format!("{name}, {with}"),
                samples.median(),
                samples.max(),
                Ratio(samples.median() / theirs.0.median())
            );
        }
    }
    Ok(())
}

/// Starts a daemon, lets it fill the table, and adds one server after the other: how long each took, and its memory in
/// MiB before the first.
fn measure(arguments: &Arguments, checks: bool, command: &dyn Fn() -> Command) -> Result<(Samples, f64)> {
    use std::os::unix::process::CommandExt;
    let counter = Counter::new(arguments.services)?;
    let usual = arguments.services * arguments.servers;
    std::fs::write(CONF, configuration(arguments, 0, checks))?;
    let log = std::fs::File::create(LOG)?;
    let mut command = command();
    let mut daemon =
        command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log).process_group(0).spawn()?;
    until(&counter, usual)?;
    std::thread::sleep(SETTLE);
    until(&counter, usual)?;
    let memory = Cost::of_group(daemon.id()).memory_mib;
    let mut samples = Samples::default();
    for n in 1..=arguments.rounds {
        std::fs::write(CONF, configuration(arguments, n, checks))?;
        let started = Instant::now();
        kill(nix::unistd::Pid::from_raw(daemon.id().cast_signed()), Signal::SIGHUP)?;
        until(&counter, usual + n)?;
        samples.add_duration(started.elapsed());
        std::thread::sleep(SETTLE);
    }
    stop(&mut daemon)?;
    Ok((samples, memory))
}

fn until(counter: &Counter, wanted: u32) -> Result<()> {
    let started = Instant::now();
    while counter.servers() != Some(wanted) {
        if started.elapsed() > LIMIT {
            let log = std::fs::read_to_string(LOG).unwrap_or_default();
            let tail: String = log.chars().rev().take(2000).collect::<Vec<_>>().into_iter().rev().collect();
            return Err(format!("{:?} servers, {wanted} expected\n{tail}", counter.servers()).into());
        }
        std::thread::sleep(LOOK);
    }
    Ok(())
}

/// Asks a daemon to stop and waits for its end.
fn stop(daemon: &mut Child) -> Result<()> {
    let started = Instant::now();
    // Gone already is fine.
    let _ = kill(nix::unistd::Pid::from_raw(daemon.id().cast_signed()), Signal::SIGTERM);
    while daemon.try_wait()?.is_none() {
        if started.elapsed() > LIMIT {
            daemon.kill()?;
        }
        std::thread::sleep(LOOK);
    }
    // A real server that was removed is kept by the kernel for a while, and looked through for each that is added.
    std::thread::sleep(Duration::from_secs(1));
    Ok(())
}

/// Both daemons' configuration; the last service has `more` servers more.
fn configuration(arguments: &Arguments, more: u32, checks: bool) -> String {
    let Arguments { services, servers, .. } = arguments;
    let check = if checks { "TCP_CHECK {\nconnect_timeout 3\n}\n" } else { "" };
    let mut text = String::new();
    for n in 0..*services {
        let address = Ipv4Addr::from_bits(0x0a00_0001 + n);
        let _ = writeln!(
            text,
            "virtual_server {address} 80 {{\ndelay_loop 60\nlb_algo wlc\nlb_kind DR\nprotocol TCP"
        );
        let of_this = servers + if n + 1 == *services { more } else { 0 };
        for m in 0..of_this {
            let server = Ipv4Addr::from_bits(0x0a80_0001 + n * (servers + 50) + m);
            let _ = writeln!(text, "real_server {server} 80 {{\nweight 1\n{check}}}");
        }
        text.push_str("}\n");
    }
    text
}
