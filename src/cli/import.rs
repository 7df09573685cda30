//! `directord import`: writes a configuration of ours from that of another program, and tells what became of each line.

use std::io::Read;
use std::net::{IpAddr, ToSocketAddrs};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, Subcommand, ValueEnum};
use ipvs_backend::Family;

use super::say;
use crate::config::write::Line;
use crate::config::{self, Colour};
use crate::import::{self, Imported};

/// `EX_NOINPUT` and `EX_CANTCREAT` of sysexits.h.
const UNREADABLE: u8 = 66;
const UNWRITABLE: u8 = 73;

const STATUS: &str = "Exit status: 0 everything means the same; 1 something was changed or dropped, see the report; \
                      2 the input is wrong; 66 it cannot be read; 73 the output cannot be written";

/// Whose configuration it is.
#[derive(Debug, Subcommand)]
pub(super) enum From {
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
    let written = write(output.output.as_deref(), &text_of(lines, output.to));
    let reported = match &output.report {
        None => {
            eprint!("{}", imported.report());
            ExitCode::SUCCESS
        }
        Some(path) => write(Some(path.as_path()).filter(|path| path.as_os_str() != "-"), &imported.report()),
    };
    match [written, reported].into_iter().find(|code| *code != ExitCode::SUCCESS) {
        Some(failure) => failure,
        None if imported.report.is_faithful() => ExitCode::SUCCESS,
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
