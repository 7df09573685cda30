//! A program that runs on a machine of the cluster, with its log.

use super::namespace::Namespace;
use crate::error::{Attempt, Result};
use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use std::fs::File;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

/// A running program, leader of a process group of its own.
#[derive(Debug)]
pub struct Process {
    child: Child,
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
        Ok(Self { child })
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
        while self.ended().is_none() {
            if Instant::now() > deadline {
                self.kill();
                return false;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        true
    }

    /// Asks it to read its configuration again (SIGHUP).
    pub fn reload(&self) {
        let _ = nix::sys::signal::kill(self.group(), Signal::SIGHUP);
    }

    /// Stops it in its tracks: it neither answers nor ends.
    pub fn freeze(&self) {
        self.signal(Signal::SIGSTOP);
    }

    /// Lets it go on.
    pub fn thaw(&self) {
        self.signal(Signal::SIGCONT);
    }

    /// How it ended, if it has.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().ok().flatten()
    }

    fn signal(&self, signal: Signal) {
        // One that is already gone needs no signal.
        let _ = killpg(self.group(), signal);
    }

    fn group(&self) -> Pid {
        Pid::from_raw(self.child.id().cast_signed())
    }
}
