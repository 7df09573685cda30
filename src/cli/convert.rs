//! `directord convert` and `directord show config`: a configuration written again, in one form or the other.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;
use std::process::ExitCode;

use super::say;
use crate::config::write::{self, Line};
use crate::config::{self, Colour, Config, Manner, Purpose, Reading, Severity};

/// `EX_NOINPUT` of sysexits.h: a file that was named cannot be read.
const UNREADABLE: u8 = 66;
const REFUSED: u8 = 2;

/// A form in which a configuration is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum Form {
    /// TOML, for files whose names end with .toml
    Toml,
    /// The language of keepalived.conf
    Keepalived,
}

/// Writes what a file says in another form.
pub(super) fn convert(
    file: &Path,
    form: Form,
    out: Option<&Path>,
    config_id: Option<&str>,
    compat: bool,
) -> ExitCode {
    let lines = match read(file, config_id, Manner { purpose: Purpose::Run, compat }) {
        Ok((_, config)) => write::without_defaults(write::lines(&config)),
        Err(status) => return status,
    };
    let text = match form {
        Form::Toml => write::toml(&lines),
        Form::Keepalived => write::text(&lines),
    };
    let written = match out {
        None => say(&text),
        Some(out) => match save(out, &text, file) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => {
                eprintln!("directord: {}: {error}", out.display());
                ExitCode::FAILURE
            }
        },
    };
    if written == ExitCode::SUCCESS {
        eprintln!(
            "directord: comments are not carried over, and definitions and included files are replaced by what they \
             stand for"
        );
    }
    written
}

/// Writes what a file comes to; with the line that each value comes from, if wished.
pub(super) fn show(
    file: &Path,
    defaults: bool,
    origin: bool,
    config_id: Option<&str>,
    compat: bool,
) -> ExitCode {
    match read(file, config_id, Manner { purpose: Purpose::Show, compat }) {
        Ok((reading, config)) => {
            // What people are shown ends up in tickets.
            let lines = write::without_secrets(write::lines(&config));
            let lines: Vec<Line> = if defaults { lines } else { write::without_defaults(lines) };
            say(&if origin { write::annotated(&lines, &reading) } else { write::text(&lines) })
        }
        Err(status) => status,
    }
}

/// The configuration of a file; what is wrong with it goes to the standard error output.
fn read(file: &Path, config_id: Option<&str>, manner: Manner) -> Result<(Reading, Config), ExitCode> {
    let mut reading = config::read(file, config_id, manner);
    reading.complaints.retain(|complaint| complaint.severity != Severity::Hint);
    eprint!("{}", reading.render(Colour::for_terminal(&io::stderr())));
    match reading.config.take() {
        Some(config) => Ok((reading, config)),
        None if reading.unreadable => Err(UNREADABLE.into()),
        None => Err(REFUSED.into()),
    }
}

/// Puts the text into a file, which nobody may read who may not read the one that it comes from: there may be passwords
/// in it.
fn save(out: &Path, text: &str, from: &Path) -> io::Result<()> {
    let from = fs::metadata(from)?;
    if fs::metadata(out).is_ok_and(|out| (out.dev(), out.ino()) == (from.dev(), from.ino())) {
        return Err(io::Error::other("this is the file that is converted; choose another name"));
    }
    let mode = from.mode() & 0o666;
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(mode).open(out)?;
    file.write_all(text.as_bytes())
}
