//! How long it takes to fill an empty IPVS table with many real servers: directord and keepalived from their start
//! until the table is complete, `ipvsadm --restore` from its start to its end, and back-to-back kernel calls as the
//! floor; all in turn in one guest of the lab, which has real IPVS.
//!
//! System calls cost several times more in a guest than on a machine of its own: only the ratios mean anything.

use std::error::Error;
use std::fmt::Write as _;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

use bench::count::Counter;
use bench::{Ratio, Samples};
use clap::Parser;
use lab::job::{Job, Line, seen_inside};
use lab::packages::{self, Tools};

type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// Filling an empty IPVS table, in a guest with real IPVS.
#[derive(Parser, Clone)]
#[command(name = "bench-ipvs")]
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
    /// The directord to measure; without this the release build, made first. `none` leaves it out.
    #[arg(long, value_name = "FILE")]
    directord: Option<PathBuf>,
    /// The floor's program, as the guest sees it: this is the run inside.
    #[arg(long, hide = true)]
    floor: Option<PathBuf>,
}

/// What is measured.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Way {
    Floor,
    Converge,
    Directord,
    Keepalived,
    Ipvsadm,
}

/// How long a daemon may take.
const LIMIT: Duration = Duration::from_secs(60);
/// From a namespace's end until nothing of it is left.
const SETTLE: Duration = Duration::from_millis(500);
/// Between two looks at the table's size.
const LOOK: Duration = Duration::from_millis(2);

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let result = match arguments.floor.clone() {
        None => outside(&arguments),
        Some(floor) => Inside::new(arguments, floor).and_then(|mut inside| inside.measure()).map(|()| 0),
    };
    match result {
        Ok(code) => ExitCode::from(u8::try_from(code).unwrap_or(1)),
        Err(error) => {
            eprintln!("bench-ipvs: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Builds what is measured, and runs this program again in a guest.
fn outside(arguments: &Arguments) -> Result<i32> {
    let directord = match &arguments.directord {
        None => Some(lab::cargo::build("directord", "directord")?),
        Some(path) if path.as_os_str() == "none" => None,
        Some(path) => Some(std::fs::canonicalize(path)?),
    };
    let floor = build_floor()?;
    let mut command = vec![std::env::current_exe()?.display().to_string()];
    for (switch, number) in
        [("--services", arguments.services), ("--servers", arguments.servers), ("--rounds", arguments.rounds)]
    {
        command.extend([switch.to_owned(), number.to_string()]);
    }
    let directord = directord.map_or("none".into(), |path| seen_inside(&path));
    command.extend(["--directord".to_owned(), directord.display().to_string()]);
    command.extend(["--floor".to_owned(), seen_inside(&floor).display().to_string()]);
    let mut job = Job::new(command);
    job.modules.push("ip_vs_wlc".into());
    job.timeout = Duration::from_secs(600);
    let outcome = lab::guest::run(&job, &mut |line| match line {
        Line::Out(bytes) => print!("{}", String::from_utf8_lossy(&bytes)),
        Line::Err(bytes) => eprint!("{}", String::from_utf8_lossy(&bytes)),
    })?;
    Ok(outcome.status)
}

/// The example `program` of ipvs-backend makes the bare calls.
fn build_floor() -> Result<PathBuf> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    command.current_dir(packages::workspace()).args(["build", "--release", "-p", "ipvs-backend"]);
    if !command.args(["--example", "program"]).stdin(Stdio::null()).status()?.success() {
        return Err("the floor's program does not build".into());
    }
    Ok(packages::target_dir().join("release/examples/program"))
}

/// The run inside the guest.
struct Inside {
    arguments: Arguments,
    floor: PathBuf,
    tools: Tools,
    counter: Counter,
    wanted: u32,
}

impl Inside {
    fn new(arguments: Arguments, floor: PathBuf) -> Result<Inside> {
        let (services, wanted) = (arguments.services, arguments.services * arguments.servers);
        std::fs::write(CONF, configuration(services, arguments.servers))?;
        std::fs::write(RULES, rules(services, arguments.servers))?;
        Ok(Inside { arguments, floor, tools: Tools::from_guest()?, counter: Counter::new(services)?, wanted })
    }

    fn measure(&mut self) -> Result<()> {
        let directord = self.arguments.directord.as_deref().is_some_and(|path| path.as_os_str() != "none");
        let mut ways = vec![Way::Floor, Way::Converge, Way::Directord, Way::Keepalived, Way::Ipvsadm];
        ways.retain(|way| *way != Way::Directord || directord);
        let mut samples: Vec<(Way, Samples)> = ways.iter().map(|way| (*way, Samples::default())).collect();
        for round in 1..=self.arguments.rounds {
            for (way, samples) in &mut samples {
                self.empty_kernel()?;
                samples.add_duration(self.once(*way)?);
            }
            // The other way round next time.
            samples.reverse();
            eprintln!("bench-ipvs: {round} of {} rounds", self.arguments.rounds);
        }
        samples.sort_by_key(|(way, _)| *way);
        self.report(&samples);
        Ok(())
    }

    /// Fills the empty table once.
    fn once(&self, way: Way) -> Result<Duration> {
        let numbers = [self.arguments.services.to_string(), self.arguments.servers.to_string()];
        match way {
            Way::Floor => own_time(Command::new(&self.floor).arg("--raw").args(numbers)),
            Way::Converge => own_time(Command::new(&self.floor).args(numbers)),
            Way::Ipvsadm => {
                let rules = std::fs::File::open(RULES)?;
                let started = Instant::now();
                let status = self.tools.command("ipvsadm").arg("--restore").stdin(rules).status()?;
                let took = started.elapsed();
                self.check(status.success())?;
                Ok(took)
            }
            Way::Directord => {
                let path = self.arguments.directord.as_deref().unwrap_or(Path::new("directord"));
                self.until_complete(Command::new(path).args([
                    "run",
                    "--config",
                    CONF,
                    "--runtime-dir",
                    "/run/d",
                ]))
            }
            Way::Keepalived => {
                // Checkers only, in the foreground; its log goes to a syslog that is not there.
                let mut command = self.tools.command("keepalived");
                self.until_complete(command.args([
                    "-n",
                    "-C",
                    "-f",
                    CONF,
                    "-p",
                    "/run/k.pid",
                    "-c",
                    "/run/kc.pid",
                ]))
            }
        }
    }

    /// Starts a daemon, waits until the table is complete, and ends the daemon.
    fn until_complete(&self, command: &mut Command) -> Result<Duration> {
        let log = std::fs::File::create(LOG)?;
        command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log);
        let started = Instant::now();
        let mut daemon = command.spawn()?;
        let took = loop {
            if self.counter.servers() == Some(self.wanted) {
                break started.elapsed();
            }
            if started.elapsed() > LIMIT || daemon.try_wait()?.is_some() {
                stop(&mut daemon)?;
                let log = std::fs::read_to_string(LOG)?;
                return Err(format!("the table is not complete: {:?}\n{log}", self.counter.servers()).into());
            }
            std::thread::sleep(LOOK);
        };
        stop(&mut daemon)?;
        Ok(took)
    }

    fn check(&self, fine: bool) -> Result<()> {
        let found = self.counter.servers();
        if fine && found == Some(self.wanted) {
            Ok(())
        } else {
            Err(format!("{found:?} real servers").into())
        }
    }

    /// A network namespace of its own for each measurement, since a cleared table is not an empty one: for two minutes
    /// the kernel keeps each real server that was removed, and looks through all of them for each that is added.
    fn empty_kernel(&mut self) -> Result<()> {
        nix::sched::unshare(nix::sched::CloneFlags::CLONE_NEWNET)?;
        if !self.tools.command("ip").args(["link", "set", "lo", "up"]).status()?.success() {
            return Err("the loopback interface cannot be set up".into());
        }
        self.counter = Counter::new(self.arguments.services)?;
        // The namespace before this one is taken down in the background.
        std::thread::sleep(SETTLE);
        Ok(())
    }

    fn report(&self, samples: &[(Way, Samples)]) {
        let median = |wanted: Way| {
            samples.iter().find(|(way, _)| *way == wanted).map_or(f64::NAN, |(_, samples)| samples.median())
        };
        let Arguments { services, servers, rounds, .. } = &self.arguments;
        println!(
            "\n{services} services x {servers} real servers into an empty table, {rounds} rounds in a guest:\n"
        );
        println!("{:44}{:>12}{:>12}{:>14}{:>14}", "", "median ms", "max ms", "to the floor", "to keepalived");
        for (way, samples) in samples {
            let name = match way {
                Way::Floor => "back-to-back kernel calls (the floor)",
                Way::Converge => "ipvs-backend alone: plan, apply, read back",
                Way::Directord => "directord, start to complete table",
                Way::Keepalived => "keepalived, start to complete table",
                Way::Ipvsadm => "ipvsadm --restore",
            };
            let (own, floor, keepalived) = (samples.median(), median(Way::Floor), median(Way::Keepalived));
            println!(
                "{name:44}{own:>12.0}{:>12.0}{:>14}{:>14}",
                samples.max(),
                Ratio(own / floor),
                Ratio(own / keepalived)
            );
        }
    }
}

const CONF: &str = "/run/bench.conf";
const RULES: &str = "/run/bench.rules";
const LOG: &str = "/run/bench.log";

/// Runs the example, which measures itself: `raw 100 x 100: 0.2900 s`.
fn own_time(command: &mut Command) -> Result<Duration> {
    let output = command.output()?;
    let said = String::from_utf8_lossy(&output.stdout);
    let seconds =
        said.trim().strip_suffix(" s").and_then(|s| s.rsplit(' ').next()).and_then(|s| s.parse().ok());
    match seconds {
        Some(seconds) if output.status.success() => Ok(Duration::from_secs_f64(seconds)),
        _ => Err(format!("the floor's program: {said}{}", String::from_utf8_lossy(&output.stderr)).into()),
    }
}

/// Asks a daemon to stop and waits for its end.
fn stop(daemon: &mut Child) -> Result<()> {
    use nix::sys::signal::{Signal, kill};
    let started = Instant::now();
    // Gone already is fine.
    let _ = kill(nix::unistd::Pid::from_raw(daemon.id().cast_signed()), Signal::SIGTERM);
    while daemon.try_wait()?.is_none() {
        if started.elapsed() > LIMIT {
            daemon.kill()?;
        }
        std::thread::sleep(LOOK);
    }
    Ok(())
}

/// Both daemons' configuration: no checks, so that nothing but the table is worked on.
fn configuration(services: u32, servers: u32) -> String {
    let mut text = String::new();
    for n in 0..services {
        let _ = writeln!(text, "virtual_server {} 80 {{\nlb_algo wlc\nlb_kind DR\nprotocol TCP", service(n));
        for m in 0..servers {
            let _ = writeln!(text, "real_server {} 80 {{\nweight 1\n}}", server(n * servers + m));
        }
        text.push_str("}\n");
    }
    text
}

/// The same for `ipvsadm --restore`.
fn rules(services: u32, servers: u32) -> String {
    let mut text = String::new();
    for n in 0..services {
        let service = service(n);
        let _ = writeln!(text, "-A -t {service}:80 -s wlc");
        for m in 0..servers {
            let _ = writeln!(text, "-a -t {service}:80 -r {}:80 -g -w 1", server(n * servers + m));
        }
    }
    text
}

fn service(n: u32) -> Ipv4Addr {
    Ipv4Addr::from_bits(0x0a00_0001 + n)
}

fn server(n: u32) -> Ipv4Addr {
    Ipv4Addr::from_bits(0x0a80_0001 + n)
}
