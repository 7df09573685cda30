//! `directord fmt`: tidies the layout of configurations, and nothing else.
//!
//! A file is replaced as a whole: the new text is written beside it and takes its name. So nobody ever reads half a
//! file, and whatever goes wrong leaves the old one.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt, fchown};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use super::say_bytes;
use crate::config::format::{self, Trouble};

/// `EX_NOINPUT` of sysexits.h: a file that was named cannot be read.
const UNREADABLE: u8 = 66;
const REFUSED: u8 = 2;
const WOULD_CHANGE: u8 = 1;

/// What is done with the tidy text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Target {
    /// It replaces the file.
    File,
    /// It is printed.
    Stdout,
    /// It is compared with what is there.
    Check,
}

/// Formats each file; without any, the standard input.
pub(super) fn format(files: &[PathBuf], target: Target) -> ExitCode {
    let stdin = [PathBuf::from("-")];
    let files = if files.is_empty() { &stdin } else { files };
    let worst = files.iter().map(|file| one(file, target).err().unwrap_or(0)).max();
    worst.unwrap_or(0).into()
}

/// Formats a file; if that fails, says why and gives the exit status.
fn one(file: &Path, target: Target) -> Result<(), u8> {
    let is_stdin = file == Path::new("-");
    let name = if is_stdin { "standard input".to_owned() } else { file.display().to_string() };
    let told = |status: u8| {
        move |message: String| {
            eprintln!("{message}");
            status
        }
    };
    if file.extension().is_some_and(|ending| ending == "toml") {
        return Err(told(REFUSED)(format!(
            "{name}: TOML is another language; only keepalived's is formatted"
        )));
    }
    let text = read(file, is_stdin).map_err(|error| format!("{name}: {error}")).map_err(told(UNREADABLE))?;
    let tidy = format::format(&text).map_err(|trouble| placed(&name, &trouble)).map_err(told(REFUSED))?;
    match target {
        Target::Check if tidy == text => Ok(()),
        Target::Check => Err(told(WOULD_CHANGE)(format!("{name}: would be formatted"))),
        Target::Stdout => printed(&tidy),
        Target::File if is_stdin => printed(&tidy),
        Target::File if tidy == text => Ok(()),
        Target::File => replace(file, &tidy)
            .map_err(|error| format!("{name}: left as it was: {error}"))
            .map_err(told(REFUSED)),
    }
}

fn read(file: &Path, is_stdin: bool) -> io::Result<Vec<u8>> {
    let mut text = Vec::new();
    if is_stdin {
        io::stdin().lock().read_to_end(&mut text)?;
    } else if fs::metadata(file)?.is_file() {
        File::open(file)?.read_to_end(&mut text)?;
    } else {
        return Err(io::Error::other("this is no ordinary file"));
    }
    Ok(text)
}

fn placed(name: &str, trouble: &Trouble) -> String {
    let Trouble { code, line, column, message } = trouble;
    format!("{name}:{line}:{column}: error[{code}]: {message}; the text is left as it is")
}

fn printed(text: &[u8]) -> Result<(), u8> {
    if say_bytes(text) == ExitCode::SUCCESS { Ok(()) } else { Err(REFUSED) }
}

/// Puts a text in the place of a file, with its owner and permissions.
fn replace(file: &Path, text: &[u8]) -> io::Result<()> {
    let old = fs::symlink_metadata(file)?;
    if old.is_symlink() {
        let target = fs::canonicalize(file)?;
        return Err(io::Error::other(format!("it is a symbolic link; name {}", target.display())));
    }
    if old.nlink() > 1 {
        return Err(io::Error::other("it has other hard links, which would keep the old text"));
    }
    let directory = match file.parent() {
        Some(parent) if parent != Path::new("") => parent,
        _ => Path::new("."),
    };
    let name = file.file_name().unwrap_or_default().to_string_lossy();
    let beside = directory.join(format!(".{name}.{}.new", std::process::id()));
    let written = write(&beside, text, &old).and_then(|()| fs::rename(&beside, file));
    if written.is_err() {
        // It may not even exist; the first failure is the one to tell.
        let _ = fs::remove_file(&beside);
    }
    written?;
    // The name is safe only when its directory is.
    File::open(directory)?.sync_all()
}

fn write(path: &Path, text: &[u8], old: &fs::Metadata) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    let new = file.metadata()?;
    if (new.uid(), new.gid()) != (old.uid(), old.gid()) {
        fchown(&file, Some(old.uid()), Some(old.gid()))?;
    }
    file.set_permissions(fs::Permissions::from_mode(old.mode() & 0o7777))?;
    file.write_all(text)?;
    file.sync_all()
}
