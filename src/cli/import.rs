//! `directord import`: writes a configuration of ours from that of another program, and tells what became of each line.

use std::io::Read;
use std::net::{IpAddr, ToSocketAddrs};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, Subcommand, ValueEnum};
use ipvs_backend::Family;

use super::say;
use crate::config::write::Line;
use crate::config::{self, Code, Colour, Complaint, Manner, Purpose};
use crate::import::{self, Imported};

/// `EX_NOINPUT` and `EX_CANTCREAT` of sysexits.h.
const UNREADABLE: u8 = 66;
const UNWRITABLE: u8 = 73;

const STATUS: &str = "Exit status: 0 everything means the same; 1 something was changed or dropped, see the report; \
                      2 the input is wrong; 66 it cannot be read; 73 the output cannot be written";

/// Whose configuration it is.
#[derive(Debug, Subcommand)]
pub(super) enum From {
    /// keepalived.conf: the clean file that says what keepalived makes of this one, and each change
    ///
    /// What keepalived ignores or replaces is left out or replaced; definitions, repetitions, conditions and included
    /// files are written out, and comments are lost. To keep them, use `run --compat`, or mend what `check` tells.
    #[command(after_help = STATUS)]
    Keepalived {
        /// The file
        #[arg(value_name = "FILE", default_value = "/etc/keepalived/keepalived.conf")]
        file: PathBuf,
        /// What `@ID` before a line is compared with [default: the host's name up to its first dot]
        #[arg(short = 'i', long, value_name = "ID")]
        config_id: Option<String>,
        #[command(flatten)]
        output: Output,
    },
    /// ldirectord.cf: virtual servers with their checks, times, fallbacks and mail
    #[command(after_help = STATUS)]
    Ldirectord {
        /// The file; `-` reads the standard input
        #[arg(value_name = "FILE", default_value = "/etc/ha.d/ldirectord.cf")]
        file: PathBuf,
        #[command(flatten)]
        output: Output,
    },
    /// What `ipvsadm-save -n` or `ipvsadm -Sn` prints: virtual and real servers, without checks
    #[command(after_help = STATUS)]
    Ipvsadm {
        /// The file; `-` reads the standard input
        #[arg(value_name = "FILE", default_value = "-")]
        file: PathBuf,
        #[command(flatten)]
        output: Output,
    },
}

/// What is written, and where.
#[derive(Debug, Args)]
pub(super) struct Output {
    /// The form of what is written
    #[arg(long, value_enum, default_value_t)]
    to: Form,
    /// Where the configuration goes instead of the standard output
    #[arg(short, long, value_name = "OUT")]
    output: Option<PathBuf>,
    /// Where the report goes instead of the standard error output; `-` is the standard output
    #[arg(long, value_name = "FILE")]
    report: Option<PathBuf>,
}

/// The two forms of a configuration.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
enum Form {
    /// The language of keepalived.conf
    #[default]
    Keepalived,
    /// TOML
    Toml,
}

/// Does it.
pub(super) fn import(from: &From) -> ExitCode {
    match from {
        From::Keepalived { file, config_id, output } => keepalived(file, config_id.as_deref(), output),
        From::Ldirectord { file, output } => {
            run(file, output, |name, text| import::ldirectord::import(name, text, &address_of))
        }
        From::Ipvsadm { file, output } => run(file, output, import::ipvsadm::import),
    }
}

fn run(file: &Path, output: &Output, import: impl FnOnce(&str, &str) -> Imported) -> ExitCode {
    let text = match read(file) {
        Ok(text) => text,
        Err(error) => {
            eprintln!("directord: cannot read {}: {error}", file.display());
            return UNREADABLE.into();
        }
    };
    let imported = import(&file.display().to_string(), &text);
    let colour = Colour::for_terminal(&std::io::stderr());
    eprint!("{}", config::render::render_foreign(&imported.complaints, &imported.sources, colour));
    let Some(lines) = &imported.lines else { return 2.into() };
    put(lines, &imported.report(), imported.report.is_faithful(), output)
}

/// Reads as keepalived does, and writes what came of it.
fn keepalived(file: &Path, config_id: Option<&str>, output: &Output) -> ExitCode {
    let manner = Manner { purpose: Purpose::Check, compat: true };
    let reading = config::read(file, config_id, manner);
    let Some(config) = &reading.config else {
        eprint!("{}", reading.render(Colour::for_terminal(&std::io::stderr())));
        return if reading.unreadable { UNREADABLE } else { 2 }.into();
    };
    let mut lines = config::write::without_defaults(config::write::lines(config));
    for globals in lines.iter_mut().filter(|line| line.keyword == "global_defs") {
        // What is written is clean: it needs no indulgence.
        globals.block.iter_mut().for_each(|block| block.retain(|line| line.keyword != "compat"));
    }
    lines.retain(|line| {
        line.keyword != "global_defs" || line.block.as_ref().is_some_and(|block| !block.is_empty())
    });
    let changes: Vec<&Complaint> =
        reading.complaints.iter().filter(|complaint| is_change(complaint)).collect();
    let report: String = changes.iter().map(|complaint| change(complaint)).collect();
    let summary = match changes.len() {
        0 => "nothing was changed: keepalived does what the file says\n".to_owned(),
        1 => "1 change\n".to_owned(),
        more => format!("{more} changes\n"),
    };
    put(&lines, &(report + &summary), changes.is_empty(), output)
}

/// Whether keepalived does something else there than what is written.
fn is_change(complaint: &Complaint) -> bool {
    let adjusted = [Code::ValueAdjusted, Code::DuplicateAddress, Code::DuplicateServer, Code::NoEffect];
    complaint.keepalived.is_some() || adjusted.contains(&complaint.code)
}

/// `file:line: what was found` and, below it, what became of it.
fn change(complaint: &Complaint) -> String {
    let Complaint { file, line, message, keepalived, .. } = complaint;
    let effect = keepalived.as_deref().map(|effect| format!("    {effect}\n")).unwrap_or_default();
    format!("{file}:{line}: {message}\n{effect}")
}

/// Writes the configuration and the report to where they are wanted.
fn put(lines: &[Line], report: &str, faithful: bool, output: &Output) -> ExitCode {
    let written = write(output.output.as_deref(), &text_of(lines, output.to));
    let reported = match &output.report {
        None => {
            eprint!("{report}");
            ExitCode::SUCCESS
        }
        Some(path) => write(Some(path.as_path()).filter(|path| path.as_os_str() != "-"), report),
    };
    match [written, reported].into_iter().find(|code| *code != ExitCode::SUCCESS) {
        Some(failure) => failure,
        None if faithful => ExitCode::SUCCESS,
        None => ExitCode::FAILURE,
    }
}

fn text_of(lines: &[Line], form: Form) -> String {
    match form {
        Form::Keepalived => config::write::text(lines),
        Form::Toml => config::write::toml(lines),
    }
}

/// Bytes that are not UTF-8 become signs that stand for them; comments in old files hold such.
fn read(file: &Path) -> std::io::Result<String> {
    let mut bytes = Vec::new();
    if file.as_os_str() == "-" {
        std::io::stdin().lock().read_to_end(&mut bytes)?;
    } else {
        bytes = std::fs::read(file)?;
    }
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// To a file, or to the standard output.
fn write(path: Option<&Path>, text: &str) -> ExitCode {
    let Some(path) = path else { return say(text) };
    match std::fs::write(path, text) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("directord: cannot write {}: {error}", path.display());
            UNWRITABLE.into()
        }
    }
}

/// Asks the system's resolver, as ldirectord does when it starts.
fn address_of(name: &str, family: Family) -> Option<IpAddr> {
    let addresses = (name, 0).to_socket_addrs().ok()?;
    addresses.map(|address| address.ip()).find(|address| Family::of(*address) == family)
}
