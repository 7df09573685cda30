//! The command line: what can be said, and who does it.

mod check;
mod checks;
mod connections;
mod convert;
mod daemon;
mod drain;
mod format;
mod grammar;
mod host;
mod import;
mod keyword;
mod manual;
mod names;
mod overrides;
mod pace;
mod plan;
mod reload;
mod report;
mod succession;
mod time;
mod why;

use std::io::IsTerminal;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{CommandFactory, Parser, Subcommand};
use tracing_subscriber::filter::LevelFilter;

use crate::config::{Manner, Purpose};
use crate::control;
use crate::supervisor::{self, Backend, End, Options};
use format::Target;
use grammar::Editor;
use manual::Page;
use report::Format;

/// Where a daemon keeps its socket unless told otherwise.
const RUNTIME_DIR: &str = "/run/directord";

/// High-availability director cluster manager: VRRP, health checks, IPVS, notifications.
#[derive(Debug, Parser)]
#[command(version, about, max_term_width = 110, disable_help_subcommand = true)]
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
        /// Go on where keepalived would: what it ignores or replaces is a warning, not an error
        #[arg(long)]
        compat: bool,
        /// Where everything lies that the daemon keeps while it runs, its control socket included
        #[arg(long, value_name = "DIR", default_value = RUNTIME_DIR)]
        runtime_dir: PathBuf,
        /// Which IPVS table to keep
        #[arg(long, value_enum, default_value_t)]
        ipvs: Backend,
        /// Record what the brain is told and what it wants, for `directord replay`
        #[arg(long, value_name = "FILE")]
        record: Option<PathBuf>,
        /// Begin as master wherever this host holds all addresses of an instance: keepalived runs here and is to be
        /// relieved
        #[arg(long)]
        take_over: bool,
        /// Start with this copy of the configuration last in effect if the file is refused; it is kept up to date there
        /// [default: kept in the runtime directory, and not started with]
        #[arg(long, value_name = "FILE")]
        last_good: Option<PathBuf>,
    },
    /// Show instances, services and servers of a running daemon
    #[command(after_help = daemon::STATUS_HELP)]
    Status {
        /// As one JSON object, with all counters: see etc/status.schema.json
        #[arg(long)]
        json: bool,
        /// Of real servers, everything that the kernel counts, instead of how they are
        #[arg(long, conflicts_with = "json")]
        traffic: bool,
        /// The daemon's runtime directory
        #[arg(long, value_name = "DIR", default_value = RUNTIME_DIR)]
        runtime_dir: PathBuf,
    },
    /// Have a running daemon read its configuration again, wait until it is in effect, and say what changed
    #[command(
        after_help = "A bad file changes nothing. If the kernel refuses a part of a good one (a scheduler that it lacks, \
                            an address, an interface), the configuration before returns, and no service that had a \
                            usable server was without one meanwhile.\n\n\
                            Exit status: 0 in effect; 1 rolled back, or nobody answers; 2 the file is refused"
    )]
    Reload(reload::Reload),
    /// Show what a reload would change in a running daemon: block by block, with the live connections it touches
    #[command(
        after_help = "+ is added, - removed, ~ changed. Nothing is touched. What `--out` writes is for \
                            `directord apply --plan`.\n\n\
                            Exit status: 0 nothing would change; 2 something would; 1 the file would be refused, or \
                            nobody answers"
    )]
    Plan(plan::Asked),
    /// Reload, if it does just what a plan says
    #[command(
        after_help = "Refused if the running configuration, the daemon's file or the kernel's IPVS table is not what the \
                            plan was made from. A plan made from another file can be applied once that file is in the \
                            place of the daemon's.\n\n\
                            Exit status: 0 in effect; 1 rolled back, not a plan, or nobody answers; 2 refused, nothing \
                            changed"
    )]
    Apply(plan::Apply),
    /// Keep the configuration that `directord reload --confirm` put into effect
    #[command(after_help = "Exit status: 0 done; 1 there is nothing to confirm, or nobody answers")]
    Confirm {
        /// The daemon's runtime directory
        #[arg(long, value_name = "DIR", default_value = RUNTIME_DIR)]
        runtime_dir: PathBuf,
    },
    /// Have a running daemon return to the configuration before the last reload; the file stays as it is
    #[command(
        after_help = "A second time it returns to the one just left. The next reload reads the file again.\n\n\
                            Exit status: 0 done; 1 there is nothing to return to, or nobody answers"
    )]
    Rollback {
        /// The daemon's runtime directory
        #[arg(long, value_name = "DIR", default_value = RUNTIME_DIR)]
        runtime_dir: PathBuf,
    },
    /// Have a running daemon become the program that lies where it was started from, and go on without a break
    #[command(
        after_help = "The new program is asked first whether it would run the configuration (`check`). Then the process \
                            becomes it: its number, the addresses, the IPVS table, the connections and the roles stay, and \
                            the next advert leaves when the new program has read the configuration.\n\n\
                            Exit status: 0 done; 1 nobody answers; 2 the new program refuses, and the old one goes on"
    )]
    Upgrade {
        /// Another program
        #[arg(long, value_name = "FILE")]
        program: Option<PathBuf>,
        /// The daemon's runtime directory
        #[arg(long, value_name = "DIR", default_value = RUNTIME_DIR)]
        runtime_dir: PathBuf,
    },
    /// End a running daemon: it hands over to its peer and lets go of everything
    Stop {
        /// Leave everything as it is for a successor, which must be started within three advert intervals
        #[arg(long)]
        stay: bool,
        /// For systemd's ExecStop=: the same as --stay if this unit is being restarted; else nothing, SIGTERM follows
        #[arg(long, value_name = "UNIT", conflicts_with = "stay")]
        stay_if_restarting: Option<String>,
        /// The daemon's runtime directory
        #[arg(long, value_name = "DIR", default_value = RUNTIME_DIR)]
        runtime_dir: PathBuf,
    },
    /// Give an instance of a running daemon another base priority, at once and without touching its file
    #[command(
        after_help = "The weights of what is tracked are added to it as before; `directord status` shows both. It lasts \
                            through reloads, until `default` takes it back, the instance is removed, or the daemon ends. \
                            With preemption, a priority below the peer's hands the addresses over within a few adverts.\n\n\
                            Exit status: 0 done; 1 there is no such instance, it owns its addresses (priority 255), or \
                            nobody answers"
    )]
    Priority {
        /// The name of the vrrp_instance
        #[arg(value_name = "INSTANCE")]
        instance: String,
        /// 1 to 254, or `default`: as the file says
        #[arg(value_name = "PRIORITY", value_parser = daemon::parse_priority)]
        priority: daemon::PriorityWord,
        /// The daemon's runtime directory
        #[arg(long, value_name = "DIR", default_value = RUNTIME_DIR)]
        runtime_dir: PathBuf,
    },
    /// Give real servers no new connections while those they have go on, and watch them go
    #[command(after_help = drain::AFTER_HELP)]
    Drain(drain::Drain),
    /// Let drained servers have new connections again
    #[command(after_help = overrides::AFTER_HELP)]
    Undrain(overrides::TakeBack),
    /// Take real servers out of the table at once, whatever their checks say
    #[command(after_help = overrides::AFTER_HELP)]
    Disable(overrides::Disable),
    /// Put disabled servers back
    #[command(after_help = overrides::AFTER_HELP)]
    Enable(overrides::TakeBack),
    /// Give real servers another weight than their file
    #[command(after_help = overrides::AFTER_HELP)]
    Weight(overrides::Weight),
    /// Show what operators want of servers, whatever the file says: who, why, until when, and how to take it back
    Overrides(overrides::Overrides),
    /// Show how many connections real servers have, and whose
    #[command(after_help = connections::AFTER_HELP)]
    Connections(connections::Connections),
    /// Show each check of each real server: what it says, since when, how often it failed, how fast answers come
    #[command(after_help = checks::AFTER_HELP)]
    Checks(checks::Checks),
    /// Tell why a server, a virtual server or an instance is as it is, and what would change it
    #[command(after_help = why::AFTER_HELP)]
    Why(why::Why),
    /// Read configurations and say everything that is wrong with them; touches nothing, needs no privilege
    #[command(
        after_help = "Exit status: 0 nothing but hints; 1 warnings; 2 errors; 66 a file cannot be read"
    )]
    Check {
        /// The files, each a configuration of its own
        #[arg(value_name = "FILE", default_value = "/etc/directord/directord.conf")]
        files: Vec<PathBuf>,
        /// Judge as `directord run --compat` does: what keepalived survives is a warning
        #[arg(long)]
        compat: bool,
        /// As one JSON object, `complaints`; the same as `--format json`
        #[arg(long, conflicts_with = "format")]
        json: bool,
        /// How to say it: for people, as JSON, as annotations of GitHub workflows, or as SARIF 2.1.0
        #[arg(long, value_enum, default_value_t)]
        format: Format,
        /// Look at this machine as well, if the files have no errors: its interfaces, addresses, programs and kernel
        #[arg(long)]
        host: bool,
        /// The other director's file: tells where the two do not fit together
        #[arg(long, value_name = "FILE")]
        peer: Option<PathBuf>,
        /// What `@ID` before a line of the configuration is compared with [default: the host's name up to its first dot]
        #[arg(short = 'i', long, value_name = "ID")]
        config_id: Option<String>,
    },
    /// Tidy the layout of configurations: indentation, blanks, braces; comments and meaning stay
    #[command(
        after_help = "Exit status: 0 done, or nothing to do; 1 with --check, something would change; 2 a file is left as \
                            it was; 66 a file cannot be read"
    )]
    Fmt {
        /// The files; `-` or none: from the standard input to the standard output
        #[arg(value_name = "FILE")]
        files: Vec<PathBuf>,
        /// Change nothing, name the files that would change
        #[arg(long, conflicts_with = "stdout")]
        check: bool,
        /// Print the tidy text instead of replacing the file
        #[arg(long)]
        stdout: bool,
    },
    /// Write a configuration in another form: keepalived's language as TOML, or TOML as keepalived's language
    #[command(
        after_help = "What comes out says the same as what went in, without what holds anyway. Comments are lost, \
                            definitions and included files are replaced by what they stand for.\n\n\
                            Exit status: 0 written; 1 it cannot be written; 2 the file is refused; 66 it cannot be read"
    )]
    Convert {
        /// Into which form
        #[arg(long, value_enum, value_name = "FORM")]
        to: convert::Form,
        /// The file; TOML if its name ends with .toml
        #[arg(value_name = "FILE")]
        file: PathBuf,
        /// Where to write it [default: the standard output]
        #[arg(short, long, value_name = "OUT")]
        output: Option<PathBuf>,
        /// Read the file as keepalived does: what it ignores or replaces is not there in what comes out
        #[arg(long)]
        compat: bool,
        /// What `@ID` before a line of the configuration is compared with [default: the host's name up to its first dot]
        #[arg(short = 'i', long, value_name = "ID")]
        config_id: Option<String>,
    },
    /// Show what a configuration comes to: `directord show config`
    #[command(disable_help_subcommand = true)]
    Show {
        #[command(subcommand)]
        what: Show,
    },
    /// Write a configuration from that of another program, and report what became of each line
    #[command(disable_help_subcommand = true)]
    Import {
        /// Whose it is
        #[command(subcommand)]
        from: import::From,
    },
    /// Let a fresh brain live through a recording, and compare what it wants with what was wanted then
    Replay {
        /// The recording
        #[arg(value_name = "FILE")]
        recording: PathBuf,
    },
    /// Explain a command, or a keyword of the configuration
    Help {
        /// The command or keyword; without any, the commands are listed
        #[arg(value_name = "WORD")]
        word: Option<String>,
    },
    /// Print a manual page: `directord man directord.conf | man -l -`
    Man {
        /// Which one
        #[arg(value_enum, value_name = "PAGE", default_value_t)]
        page: Page,
    },
    /// Print what makes an editor colour configurations
    Grammar {
        /// The editor, or a family of them
        editor: Editor,
    },
    /// Print what overrides can be for in a running daemon, for shells that complete
    #[command(hide = true)]
    Names {
        /// The daemon's runtime directory
        #[arg(long, value_name = "DIR", default_value = RUNTIME_DIR)]
        runtime_dir: PathBuf,
    },
    /// Print what makes a shell complete commands, options, keywords, and the servers of a running daemon
    Completions {
        /// The shell
        shell: clap_complete::Shell,
    },
}

#[derive(Debug, Subcommand)]
enum Show {
    /// The effective configuration in keepalived's language: names, repetitions and includes replaced, passwords left out
    #[command(after_help = "Exit status: 0 shown; 2 the file is refused; 66 it cannot be read")]
    Config {
        /// The file
        #[arg(value_name = "FILE", default_value = "/etc/directord/directord.conf")]
        file: PathBuf,
        /// Every value, also what holds without being said
        #[arg(long)]
        defaults: bool,
        /// Behind each line where it is said, or that it is a default
        #[arg(long)]
        origin: bool,
        /// Read the file as keepalived does
        #[arg(long)]
        compat: bool,
        /// What `@ID` before a line of the configuration is compared with [default: the host's name up to its first dot]
        #[arg(short = 'i', long, value_name = "ID")]
        config_id: Option<String>,
    },
}

/// Reads the arguments, does what they say, and tells how it went.
pub fn main() -> ExitCode {
    match Cli::parse().command {
        Command::Run { config, config_id, compat, runtime_dir, ipvs, record, take_over, last_good } => {
            let options =
                Options { config, config_id, compat, runtime_dir, ipvs, record, take_over, last_good };
            run(options)
        }
        Command::Status { json, traffic, runtime_dir } => {
            let detail = if traffic { control::Detail::Traffic } else { control::Detail::State };
            daemon::status(&runtime_dir, json, detail)
        }
        Command::Reload(asked) => reload::reload(&asked),
        Command::Plan(asked) => plan::plan(&asked),
        Command::Apply(asked) => plan::apply(&asked),
        Command::Confirm { runtime_dir } => reload::confirm(&runtime_dir),
        Command::Rollback { runtime_dir } => reload::roll_back(&runtime_dir),
        Command::Upgrade { program, runtime_dir } => succession::upgrade(&runtime_dir, program),
        Command::Stop { stay, stay_if_restarting, runtime_dir } => {
            succession::stop(&runtime_dir, stay, stay_if_restarting.as_deref())
        }
        Command::Priority { instance, priority, runtime_dir } => {
            daemon::priority(&runtime_dir, &instance, priority.0)
        }
        Command::Drain(drain) => drain.run(),
        Command::Undrain(back) => back.run(control::WishedAct::Undrain),
        Command::Enable(back) => back.run(control::WishedAct::Enable),
        Command::Disable(disable) => disable.run(),
        Command::Weight(weight) => weight.run(),
        Command::Overrides(overrides) => overrides.run(),
        Command::Connections(connections) => connections.run(),
        Command::Checks(checks) => checks.run(),
        Command::Why(why) => why.run(),
        Command::Check { files, compat, json, format, host, peer, config_id } => {
            let format = if json { Format::Json } else { format };
            let manner = Manner { purpose: Purpose::Check, compat };
            check::check(&files, peer.as_deref(), host, config_id.as_deref(), manner, format)
        }
        Command::Fmt { files, check, stdout } => {
            let target = match (check, stdout) {
                (true, _) => Target::Check,
                (_, true) => Target::Stdout,
                _ => Target::File,
            };
            format::format(&files, target)
        }
        Command::Convert { to, file, output, compat, config_id } => {
            convert::convert(&file, to, output.as_deref(), config_id.as_deref(), compat)
        }
        Command::Show { what: Show::Config { file, defaults, origin, compat, config_id } } => {
            convert::show(&file, defaults, origin, config_id.as_deref(), compat)
        }
        Command::Import { from } => import::import(&from),
        Command::Replay { recording } => daemon::replay(&recording),
        Command::Help { word } => keyword::help(Cli::command(), word.as_deref()),
        Command::Man { page } => say(&manual::page(Cli::command(), page)),
        Command::Grammar { editor } => say(&grammar::grammar(editor)),
        Command::Names { runtime_dir } => names::names(&runtime_dir),
        Command::Completions { shell } => say(&keyword::completions(Cli::command(), shell)),
    }
}

/// `directord run`.
fn run(options: Options) -> ExitCode {
    let log = log();
    let program = match supervisor::run(&options) {
        End::Exit(exit) => return exit.into(),
        End::Become(program) => program,
    };
    // What waits to be written is written before this program is gone.
    drop(log);
    let error = supervisor::become_program(&program);
    eprintln!("directord: {} cannot be executed: {error}; the old program goes on", program.display());
    match supervisor::run(&options) {
        End::Exit(exit) => exit.into(),
        End::Become(_) => ExitCode::FAILURE,
    }
}

/// Log lines that may wait for a reader. The queue's memory is taken at once, so it is no larger than it need be.
const LINES: usize = 4096;

/// Lines go to the standard error output through a queue: a reader that is stuck costs lines, never an advert.
fn log() -> tracing_appender::non_blocking::WorkerGuard {
    let queue = tracing_appender::non_blocking::NonBlockingBuilder::default().buffered_lines_limit(LINES);
    let (writer, guard) = queue.lossy(true).finish(std::io::stderr());
    let builder = tracing_subscriber::fmt()
        .with_max_level(level())
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

/// How much is told: what `DIRECTORD_LOG` says, and where that is no level, as much as without it.
fn level() -> LevelFilter {
    let Some(wanted) = std::env::var_os("DIRECTORD_LOG").filter(|wanted| !wanted.is_empty()) else {
        return LevelFilter::INFO;
    };
    wanted.to_str().and_then(|wanted| wanted.parse().ok()).unwrap_or_else(|| {
        let found = wanted.display();
        eprintln!("directord: DIRECTORD_LOG is {found}, expected off, error, warn, info, debug or trace; info is used");
        LevelFilter::INFO
    })
}

/// Prints, and minds no reader that has gone away (`directord status | head`).
fn say(text: &str) -> ExitCode {
    say_bytes(text.as_bytes())
}

/// The same with what may not be UTF-8.
fn say_bytes(text: &[u8]) -> ExitCode {
    use std::io::Write;
    match std::io::stdout().write_all(text) {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => {
            eprintln!("directord: cannot write: {error}");
            ExitCode::FAILURE
        }
        _ => ExitCode::SUCCESS,
    }
}
