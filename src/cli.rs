//! The command line.

use std::io::IsTerminal;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use tracing_subscriber::EnvFilter;

use crate::supervisor::{self, Backend, Exit, Options, Replay};
use crate::{config, control};

/// Where a daemon keeps its socket unless told otherwise.
const RUNTIME_DIR: &str = "/run/directord";

/// High-availability director cluster manager: VRRP, health checks, IPVS, notifications.
#[derive(Debug, Parser)]
#[command(version, about, max_term_width = 110)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the daemon in the foreground (SIGHUP reloads, SIGTERM hands over and ends)
    #[command(
        after_help = "Exit status: 0 stopped; 1 the system refused something; 2 the configuration is refused; \
                            3 no IPVS in the kernel and nothing else configured; 4 a capability is missing; \
                            70 a fault of the program"
    )]
    Run {
        /// The configuration, in keepalived's language
        #[arg(short, long, value_name = "FILE", default_value = "/etc/directord/directord.conf")]
        config: PathBuf,
        /// What `@ID` before a line of the configuration is compared with [default: the host's name up to its first dot]
        #[arg(short = 'i', long, value_name = "ID")]
        config_id: Option<String>,
        /// Where everything lies that the daemon keeps while it runs, its control socket included
        #[arg(long, value_name = "DIR", default_value = RUNTIME_DIR)]
        runtime_dir: PathBuf,
        /// Which IPVS table to keep
        #[arg(long, value_enum, default_value_t)]
        ipvs: Backend,
        /// Record what the brain is told and what it wants, for `directord replay`
        #[arg(long, value_name = "FILE")]
        record: Option<PathBuf>,
    },
    /// Show instances, services and servers of a running daemon
    Status {
        /// As one JSON object
        #[arg(long)]
        json: bool,
        /// The daemon's runtime directory
        #[arg(long, value_name = "DIR", default_value = RUNTIME_DIR)]
        runtime_dir: PathBuf,
    },
    /// Have a running daemon read its configuration again; a bad file changes nothing (exit status 2)
    Reload {
        /// The daemon's runtime directory
        #[arg(long, value_name = "DIR", default_value = RUNTIME_DIR)]
        runtime_dir: PathBuf,
    },
    /// Read a configuration and say everything that is wrong with it; touches nothing, needs no privilege
    Check {
        /// The file
        #[arg(value_name = "FILE", default_value = "/etc/directord/directord.conf")]
        config: PathBuf,
        /// What `@ID` before a line of the configuration is compared with [default: the host's name up to its first dot]
        #[arg(short = 'i', long, value_name = "ID")]
        config_id: Option<String>,
    },
    /// Let a fresh brain live through a recording, and compare what it wants with what was wanted then
    Replay {
        /// The recording
        #[arg(value_name = "FILE")]
        recording: PathBuf,
    },
}

/// Reads the arguments, does what they say, and tells how it went.
pub fn main() -> ExitCode {
    match Cli::parse().command {
        Command::Run { config, config_id, runtime_dir, ipvs, record } => {
            let _log = log();
            supervisor::run(&Options { config, config_id, runtime_dir, ipvs, record }).into()
        }
        Command::Status { json, runtime_dir } => status(&runtime_dir, json),
        Command::Reload { runtime_dir } => reload(&runtime_dir),
        Command::Check { config, config_id } => check(&config, config_id.as_deref()),
        Command::Replay { recording } => replay(&recording),
    }
}

/// Lines go to the standard error output through a queue: a reader that is stuck costs lines, never an advert.
fn log() -> tracing_appender::non_blocking::WorkerGuard {
    let (writer, guard) = tracing_appender::non_blocking(std::io::stderr());
    let filter = EnvFilter::try_from_env("DIRECTORD_LOG").unwrap_or_else(|_| EnvFilter::new("info"));
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(writer)
        .with_target(false)
        .with_ansi(std::io::stderr().is_terminal());
    if std::env::var_os("JOURNAL_STREAM").is_some() {
        // The journal stamps each line itself.
        builder.without_time().init();
    } else {
        builder.init();
    }
    guard
}

fn asking<T>(question: impl Future<Output = Result<T, control::ControlError>>) -> Result<T, ExitCode> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let answer = runtime
        .map_err(|error| error.to_string())
        .and_then(|runtime| runtime.block_on(question).map_err(|error| error.to_string()));
    answer.map_err(|error| {
        eprintln!("directord: {error}");
        ExitCode::FAILURE
    })
}

fn status(runtime_dir: &std::path::Path, json: bool) -> ExitCode {
    match asking(control::status(runtime_dir)) {
        Err(code) => code,
        Ok(status) if json => match serde_json::to_string_pretty(&status) {
            Ok(text) => say(&format!("{text}\n")),
            Err(error) => {
                eprintln!("directord: {error}");
                ExitCode::FAILURE
            }
        },
        Ok(status) => say(&control::render(&status, std::io::stdout().is_terminal())),
    }
}

fn reload(runtime_dir: &std::path::Path) -> ExitCode {
    match asking(control::reload(runtime_dir)) {
        Err(code) => code,
        Ok(outcome) => {
            eprint!("{}", outcome.rendered);
            println!("{}", outcome.summary);
            if outcome.accepted { ExitCode::SUCCESS } else { Exit::Config.into() }
        }
    }
}

fn check(path: &std::path::Path, config_id: Option<&str>) -> ExitCode {
    let reading = config::read(path, config_id);
    eprint!("{}", reading.render(config::Colour::for_terminal(&std::io::stderr())));
    match &reading.config {
        Some(config) => say(&format!(
            "{}: good: {} vrrp_instances, {} virtual_servers\n",
            path.display(),
            config.instances.len(),
            config.services.len()
        )),
        None => Exit::Config.into(),
    }
}

fn replay(path: &std::path::Path) -> ExitCode {
    match supervisor::replay(path) {
        Ok(Replay::Same { inputs, effects }) => {
            say(&format!("{inputs} facts and deadlines, {effects} effects: the same again\n"))
        }
        Ok(Replay::Differs { line, recorded, replayed }) => {
            eprintln!("{}:{line}: recorded: {recorded}\nreplayed: {replayed}", path.display());
            ExitCode::FAILURE
        }
        Err(error) => {
            eprintln!("directord: cannot replay {}: {error}", path.display());
            ExitCode::FAILURE
        }
    }
}

/// Prints, and minds no reader that has gone away (`directord status | head`).
fn say(text: &str) -> ExitCode {
    use std::io::Write;
    match std::io::stdout().write_all(text.as_bytes()) {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => {
            eprintln!("directord: cannot write: {error}");
            ExitCode::FAILURE
        }
        _ => ExitCode::SUCCESS,
    }
}
