//! Binaries of this workspace, built by cargo when they are needed.

use crate::error::{Attempt, LabError, Result};
use crate::packages;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::OnceLock;

/// Builds one binary with the profile of the running program (`quick` for `cargo demo`) and returns its path.
/// Cargo's own progress goes to standard error.
///
/// # Errors
/// [`LabError::Program`] when it does not compile.
pub fn build(package: &str, binary: &str) -> Result<PathBuf> {
    made(package, &["--bin", binary], binary)
}

/// The library that stands between a guest's kernel and this machine's processor; see its own opening words.
///
/// # Errors
/// As [`build`].
pub fn registers() -> Result<PathBuf> {
    static FOUND: OnceLock<PathBuf> = OnceLock::new();
    if let Some(path) = FOUND.get() {
        return Ok(path.clone());
    }
    let path = made("lab-registers", &["--lib"], "liblab_registers.so")?;
    Ok(FOUND.get_or_init(|| path).clone())
}

/// The library that lets keepalived run where the kernel has no IPVS; see its own opening words.
///
/// # Errors
/// As [`build`].
pub fn standin() -> Result<PathBuf> {
    made("lab-standin", &["--lib"], "liblab_standin.so")
}

/// Builds a target of a package and returns the path of the `file` that comes of it.
fn made(package: &str, target: &[&str], file: &str) -> Result<PathBuf> {
    let (profile, directory) = profile()?;
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    command
        .current_dir(packages::workspace())
        .args(["build", "--profile", &profile, "--package", package])
        .args(target);
    let status = command.stdin(Stdio::null()).status().attempt("running cargo build")?;
    if !status.success() {
        return Err(LabError::Program {
            program: format!("cargo build --package {package} {}", target.join(" ")),
            status: status.to_string(),
            stderr: "see its messages above".into(),
        });
    }
    let path = directory.join(file);
    if path.is_file() { Ok(path) } else { Err(LabError::NoBinary { name: file.into(), path }) }
}

/// The profile that the running program was built with, and the folder where cargo puts what is built with it.
fn profile() -> Result<(String, PathBuf)> {
    let this = std::env::current_exe().attempt("finding this program")?;
    let target = packages::target_dir();
    let target = target.canonicalize().unwrap_or(target);
    let below = this.strip_prefix(&target).ok().and_then(|rest| rest.components().next());
    let otherwise = if cfg!(debug_assertions) { "debug" } else { "release" };
    let folder = below.map_or(otherwise.into(), |name| name.as_os_str().to_string_lossy().into_owned());
    let profile = if folder == "debug" { "dev".into() } else { folder.clone() };
    Ok((profile, target.join(folder)))
}

/// The `lab` program, which is also the guest's init: this very program, or built now (in a test's process).
///
/// # Errors
/// As [`build`].
pub fn lab_binary() -> Result<PathBuf> {
    static FOUND: OnceLock<PathBuf> = OnceLock::new();
    if let Some(path) = FOUND.get() {
        return Ok(path.clone());
    }
    let this = std::env::current_exe().attempt("finding this program")?;
    let path = if this.file_name().is_some_and(|n| n == "lab") { this } else { build("lab", "lab")? };
    Ok(FOUND.get_or_init(|| path).clone())
}
