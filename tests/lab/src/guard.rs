//! The guard: a small process between us and the kernel that sees to it that nothing of a guest outlives us.
//!
//! A User-Mode Linux kernel is a handful of processes; killing the first does not end the others. The guard
//! holds one end of a pipe whose other end is ours: when we end, however we end, the pipe closes and the guard ends
//! the kernel's process group and its own. It also arranges the kernel's descriptors, which a
//! parent can do between fork and exec with unsafe code only.

use crate::error::{Attempt, LabError, Result};
use nix::sched::{CpuSet, sched_setaffinity};
use nix::sys::signal::{Signal, killpg};
use nix::unistd::{Pid, dup, getpgrp};
use std::fs::{self, File};
use std::io::Read;
use std::os::fd::{IntoRawFd, OwnedFd};
use std::path::Path;
use std::process::{Command, Stdio};

/// The word that selects this part of the `lab` program.
pub const WORD: &str = "guard-guest";

/// Names the library that the kernel is to load first ([`crate::cargo::registers`]).
pub(crate) const REGISTERS: &str = "LAB_REGISTERS";

/// Adds the arguments that [`main`] reads; the kernel's own follow. Standard input must be a pipe that stays open
/// as long as the guest may live; standard output and error become the guest's serial lines.
pub(crate) fn arguments(command: &mut Command, scratch: &Path, cpu: usize, kernel: &Path) {
    command.arg(WORD).arg(scratch).arg(cpu.to_string()).arg(kernel);
}

/// Runs the kernel and ends with it, or when standard input closes: `guard-guest SCRATCH CPU KERNEL ARGUMENTS…`.
///
/// # Errors
/// Whatever kept the kernel from starting.
pub fn main(arguments: &[String]) -> Result<std::convert::Infallible> {
    let [scratch, cpu, kernel, rest @ ..] = arguments else {
        return Err(LabError::Failed(format!("usage: lab {WORD} SCRATCH CPU KERNEL ARGUMENTS…")));
    };
    let mut set = CpuSet::new();
    set.set(cpu.parse().unwrap_or(0)).attempt(format!("choosing CPU {cpu}"))?;
    sched_setaffinity(Pid::from_raw(0), &set).attempt(format!("staying on CPU {cpu}"))?;
    let [out, err] = [leak(dup(std::io::stdout()))?, leak(dup(std::io::stderr()))?];
    let console = Path::new(scratch).join("console");
    let console = File::create(&console).attempt(format!("creating {}", console.display()))?;
    let errors = console.try_clone().attempt("sharing the console's file")?;
    let mut kernel = Command::new(kernel)
        .args(rest)
        .args([format!("ssl0=null,fd:{out}"), format!("ssl1=null,fd:{err}")])
        .stdin(Stdio::null())
        .stdout(console)
        .stderr(errors)
        .envs(std::env::var_os(REGISTERS).map(|library| ("LD_PRELOAD", library)))
        .spawn()
        .attempt(format!("starting {kernel}"))?;

    // The kernel makes a group of its own a moment after its start.
    let kernels = i32::try_from(kernel.id()).map(Pid::from_raw).unwrap_or(getpgrp());
    let scratch = scratch.clone();
    std::thread::spawn(move || {
        while std::io::stdin().read(&mut [0; 16]).is_ok_and(|n| n > 0) {}
        let _ = fs::remove_dir_all(&scratch);
        end_groups(kernels);
    });
    kernel.wait().attempt("waiting for the kernel")?;
    end_groups(kernels);
    Err(LabError::Failed("the guard outlived its own signal".into()))
}

fn end_groups(kernels: Pid) {
    let _ = killpg(kernels, Signal::SIGKILL);
    let _ = killpg(getpgrp(), Signal::SIGKILL);
}

/// Gives a descriptor to the program that follows.
fn leak(descriptor: nix::Result<OwnedFd>) -> Result<i32> {
    Ok(descriptor.attempt("duplicating a serial line")?.into_raw_fd())
}
