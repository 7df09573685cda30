//! The `lab` program: guests, scenarios and the demonstration on the command line. It is also the guests' init, the
//! guard beside them, and the small programs that run inside them.

use clap::{Parser, Subcommand, ValueEnum};
use lab::cluster::daemon::Daemon;
use lab::cluster::{mailbox, server};
use lab::error::Result;
use lab::job::{Job, Line};
use lab::scenario::{self, Options};
use lab::timeline::Timeline;
use lab::{cargo, guard, guest, init, modules, packages};
use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

/// The laboratory: clusters with real IPVS inside User-Mode Linux guests, without root.
#[derive(Parser)]
#[command(name = "lab", arg_required_else_help = true)]
struct Arguments {
    #[command(subcommand)]
    command: Sub,
}

#[derive(Subcommand)]
enum Sub {
    /// Show the main job: balancing, a dead server, a take-over, mail. Under a minute.
    Demo(ScenarioArguments),
    /// Run one scenario: demo, adoption, balance, server, failover, restart, sync, drain, counters or via.
    Try {
        /// Its name.
        name: String,
        #[command(flatten)]
        options: ScenarioArguments,
    },
    /// Run a command inside a guest, as root there, with this machine's files read-only.
    Run {
        /// Seconds after which the guest is killed.
        #[arg(long, default_value_t = 600)]
        timeout: u64,
        /// Guest memory in MiB.
        #[arg(long, default_value_t = 512)]
        memory: u32,
        /// A directory that is writable inside, as $RESULTS.
        #[arg(long)]
        results: Option<PathBuf>,
        /// The command and its arguments.
        #[arg(required = true, last = true)]
        command: Vec<String>,
    },
    /// Fetch the packages that guests need, and say where they are.
    Fetch,
    /// Inside a guest: play a scenario, telling events as JSON.
    #[command(hide = true)]
    Scenario { name: String, daemon: String },
    /// Inside a guest: a real server that answers its name.
    #[command(hide = true)]
    Serve {
        name: String,
        #[arg(long, default_value_t = 80)]
        port: u16,
    },
    /// Inside a guest: keep the message on standard input.
    #[command(hide = true)]
    Mailbox { dir: PathBuf, recipients: Vec<String> },
}

#[derive(clap::Args)]
struct ScenarioArguments {
    /// What the directors run.
    #[arg(long, value_enum, default_value_t = DaemonName::Directord)]
    daemon: DaemonName,
    /// The directord to run; built if not given.
    #[arg(long)]
    binary: Option<PathBuf>,
}

#[derive(Clone, Copy, ValueEnum)]
enum DaemonName {
    Directord,
    Keepalived,
}

fn main() -> ExitCode {
    if init::is_init() {
        init::main();
        return ExitCode::FAILURE;
    }
    let words: Vec<String> = std::env::args().skip(1).collect();
    let result = if modules::is_helper() {
        modules::helper().map(|never| match never {})
    } else if words.first().is_some_and(|word| word == guard::WORD) {
        guard::main(words.get(1..).unwrap_or_default()).map(|never| match never {})
    } else {
        run(Arguments::parse().command)
    };
    result.unwrap_or_else(|e| {
        eprintln!("lab: {e}");
        ExitCode::from(125)
    })
}

fn run(command: Sub) -> Result<ExitCode> {
    match command {
        Sub::Demo(options) => play("demo", &options),
        Sub::Try { name, options } => play(&name, &options),
        Sub::Run { timeout, memory, results, command } => {
            let mut job = Job::new(command);
            job.timeout = Duration::from_secs(timeout);
            job.memory_mib = memory;
            job.results = results.map(|dir| std::path::absolute(&dir).unwrap_or(dir));
            job.directory = std::env::current_dir().unwrap_or_else(|_| "/".into());
            let outcome = guest::run(&job, &mut |line| match line {
                Line::Out(bytes) => drop(std::io::stdout().write_all(&bytes)),
                Line::Err(bytes) => drop(std::io::stderr().write_all(&bytes)),
            })?;
            Ok(ExitCode::from(u8::try_from(outcome.status).unwrap_or(1)))
        }
        Sub::Fetch => {
            println!("{}", packages::ensure()?.root.display());
            Ok(ExitCode::SUCCESS)
        }
        Sub::Scenario { name, daemon } => Ok(exit_code(scenario::play(&name, &daemon)?)),
        Sub::Serve { name, port } => server::serve(&name, port).map(|()| ExitCode::SUCCESS),
        Sub::Mailbox { dir, recipients: _ } => mailbox::deliver(&dir).map(|()| ExitCode::SUCCESS),
    }
}

/// Plays a scenario on the terminal.
fn play(name: &str, arguments: &ScenarioArguments) -> Result<ExitCode> {
    scenario::find(name)?;
    let daemon = match (arguments.daemon, &arguments.binary) {
        (DaemonName::Keepalived, _) => Daemon::Keepalived,
        (DaemonName::Directord, Some(path)) => Daemon::Directord(path.clone()),
        (DaemonName::Directord, None) => {
            eprintln!("lab: building directord");
            Daemon::Directord(cargo::build("directord", "directord")?)
        }
    };
    packages::ensure()?;
    let timeline = Timeline::start();
    timeline
        .say(&format!("a User-Mode Linux guest boots: client, mail, 2 x {}, 3 real servers", daemon.name()));
    let options = Options { daemon, timeout: Duration::from_secs(120) };
    let report = scenario::run(name, &options, &mut |event| timeline.show(event))?;
    let good = report.failure().is_none();
    if !good && !report.errors.is_empty() {
        eprintln!("{}", report.errors.trim_end());
    }
    timeline.end(good, if good { "every step held" } else { "NOT every step held" });
    Ok(exit_code(good))
}

fn exit_code(good: bool) -> ExitCode {
    if good { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
