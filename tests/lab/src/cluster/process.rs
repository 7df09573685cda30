//! A program that runs on a machine of the cluster, with its log.

use super::namespace::Namespace;
use crate::error::{Attempt, Result};
use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use std::fs::{self, File};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// A running program, leader of a process group of its own.
#[derive(Debug)]
pub struct Process {
    child: Child,
    log: PathBuf,
}

impl Process {
    /// Starts a command on a machine; both its outputs are added to the log file.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn start(machine: &Namespace, command: &mut Command, log: &Path) -> Result<Self> {
        let out = File::options().create(true).append(true).open(log);
        let out = out.attempt(format!("opening {}", log.display()))?;
        let err = out.try_clone().attempt("sharing the log")?;
        command.stdin(Stdio::null()).stdout(out).stderr(err).process_group(0);
        let program = command.get_program().to_string_lossy().into_owned();
        let child =
            machine.enter(|| command.spawn().attempt(format!("starting {program} on {}", machine.name())))?;
        Ok(Self { child, log: log.to_path_buf() })
    }

    /// Ends the program and its children at once, like a power cut: all are stopped first, so that none notices
    /// the others' end and says farewell.
    pub fn kill(&mut self) {
        self.signal(Signal::SIGSTOP);
        self.signal(Signal::SIGKILL);
        let _ = self.child.wait();
    }

    /// Asks it to stop (SIGTERM) and waits; false when it had to be killed after the limit.
    pub fn stop(&mut self, limit: Duration) -> bool {
        let deadline = Instant::now() + limit;
        // Only the first process: passing it on is its own duty.
        let _ = nix::sys::signal::kill(self.group(), Signal::SIGTERM);
        while self.is_running() {
            if Instant::now() > deadline {
                self.kill();
                return false;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        true
    }

    /// Stops it in its tracks: it neither answers nor ends.
    pub fn freeze(&self) {
        self.signal(Signal::SIGSTOP);
    }

    /// Lets it go on.
    pub fn thaw(&self) {
        self.signal(Signal::SIGCONT);
    }

    /// Whether it still runs.
    pub fn is_running(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    /// The last lines of its log.
    #[must_use]
    pub fn log_tail(&self, lines: usize) -> String {
        let text = fs::read(&self.log).unwrap_or_default();
        let text = String::from_utf8_lossy(&text);
        let all: Vec<&str> = text.lines().collect();
        all.get(all.len().saturating_sub(lines)..).unwrap_or_default().join("\n")
    }

    fn signal(&self, signal: Signal) {
        // One that is already gone needs no signal.
        let _ = killpg(self.group(), signal);
    }

    fn group(&self) -> Pid {
        Pid::from_raw(self.child.id().cast_signed())
    }
}
