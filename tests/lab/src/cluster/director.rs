//! A director: a machine that runs the program under test, and what its kernel says about it.

use super::daemon::{Daemon, configuration};
use super::namespace::Namespace;
use super::process::Process;
use super::table::Table;
use super::topology::{SERVICES, Topology};
use crate::error::{Attempt, LabError, Result};
use crate::packages::{self, Tools};
use std::fs;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// One of the two directors.
#[derive(Debug)]
pub struct Director {
    machine: Namespace,
    dir: PathBuf,
    daemon: Daemon,
    process: Option<Process>,
    tools: Tools,
}

impl Director {
    /// Director 1 or 2 with its configuration written, its daemon not yet started.
    ///
    /// # Errors
    /// When its folder cannot be made.
    pub fn new(
        number: usize,
        machine: &Namespace,
        daemon: &Daemon,
        advert: f64,
        tools: &Tools,
    ) -> Result<Self> {
        let dir = Path::new("/run/cluster").join(machine.name());
        fs::create_dir_all(&dir).attempt(format!("making {}", dir.display()))?;
        fs::write(dir.join("directord.conf"), configuration(number, advert))
            .attempt("writing a configuration")?;
        let (machine, daemon, tools) = (machine.clone(), daemon.clone(), tools.clone());
        Ok(Self { machine, dir, daemon, process: None, tools })
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &'static str {
        self.machine.name()
    }

    /// Starts the daemon.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn start(&mut self) -> Result<()> {
        let mut command = self.daemon.command(&self.tools, &self.dir.join("directord.conf"), &self.dir);
        self.process = Some(Process::start(&self.machine, &mut command, &self.dir.join("log"))?);
        Ok(())
    }

    /// An error with the log's end if the daemon has ended by itself.
    ///
    /// # Errors
    /// That error.
    pub fn check_running(&mut self) -> Result<()> {
        let Some(status) = self.process.as_mut().and_then(Process::ended) else { return Ok(()) };
        let (program, machine) = (self.daemon.name(), self.name());
        Err(LabError::Failed(format!("expected {program} on {machine} to run; it ended by itself, {status}")))
    }

    /// The running daemon, to freeze or kill.
    pub fn process(&mut self) -> Option<&mut Process> {
        self.process.as_mut()
    }

    /// Adds a text to its configuration; a running daemon hears of it with the next [`Director::reload`].
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn add(&mut self, text: &str) -> Result<()> {
        let path = self.dir.join("directord.conf");
        let old = fs::read_to_string(&path).attempt("reading a configuration")?;
        fs::write(path, old + text).attempt("writing a configuration")
    }

    /// Replaces a text in its configuration.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn replace(&mut self, from: &str, to: &str) -> Result<()> {
        let path = self.dir.join("directord.conf");
        let old = fs::read_to_string(&path).attempt("reading a configuration")?;
        fs::write(path, old.replace(from, to)).attempt("writing a configuration")
    }

    /// Asks the daemon to read its configuration again.
    pub fn reload(&self) {
        self.process.iter().for_each(Process::reload);
    }

    /// Its IPVS connections, as the kernel prints them.
    ///
    /// # Errors
    /// When the kernel does not tell.
    pub fn connections(&self) -> Result<String> {
        self.machine.read("ip_vs_conn")
    }

    /// Asks the daemon to stop; false when it did not within the limit.
    pub fn stop(&mut self, limit: Duration) -> bool {
        self.process.take().is_none_or(|mut process| process.stop(limit))
    }

    /// A power cut: the daemon falls silent, the cables go dead, and it dies without a word. Returns the instant of
    /// the last moment in which it could still have said something.
    ///
    /// # Errors
    /// When the cables cannot be pulled.
    pub fn power_off(&mut self, topology: &Topology) -> Result<Instant> {
        let process = self.process.take();
        process.iter().for_each(Process::freeze);
        let silent = Instant::now();
        topology.unplug(&self.machine)?;
        process.into_iter().for_each(|mut process| process.kill());
        Ok(silent)
    }

    /// Power is back: a fresh kernel (own addresses only, no IPVS table) and a fresh daemon.
    ///
    /// # Errors
    /// When the machine cannot be set up.
    pub fn power_on(&mut self, topology: &Topology) -> Result<()> {
        topology.reset(&self.machine)?;
        topology.plug(&self.machine)?;
        self.ipvsadm(&["-C"])?;
        self.start()
    }

    /// Sets kernel settings below `/proc/sys/net`.
    ///
    /// # Errors
    /// With the setting's name.
    pub fn set(&self, settings: &[(&str, &str)]) -> Result<()> {
        self.machine.set(settings)
    }

    /// The IPv4 addresses on its interfaces.
    ///
    /// # Errors
    /// When the kernel does not tell.
    pub fn addresses(&self) -> Result<Vec<Ipv4Addr>> {
        Ok(local_addresses(&self.machine.read("fib_trie")?))
    }

    /// Whether it has all of the VIPs (or, with `false`, none of them).
    ///
    /// # Errors
    /// When the kernel does not tell.
    pub fn holds_vips(&self, all: bool) -> Result<bool> {
        let addresses = self.addresses()?;
        Ok(SERVICES.iter().all(|s| addresses.contains(&s.vip) == all))
    }

    /// Its IPVS table.
    ///
    /// # Errors
    /// When the kernel does not tell.
    pub fn table(&self) -> Result<Table> {
        Ok(Table::parse(&self.machine.read("ip_vs")?))
    }

    /// What `ipvsadm` says with these arguments (`-Ln`, `-Sn`, `-C`).
    ///
    /// # Errors
    /// When it fails.
    pub fn ipvsadm(&self, arguments: &[&str]) -> Result<String> {
        let mut command = self.tools.command("ipvsadm");
        let output = self.machine.enter(|| packages::output(command.args(arguments)))?;
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }

    /// What the daemon says about itself: `directord status` with these further arguments. keepalived has no such
    /// thing: `None`.
    ///
    /// # Errors
    /// When it does not answer.
    pub fn status(&self, arguments: &[&str]) -> Result<Option<String>> {
        let Daemon::Directord(program) = &self.daemon else { return Ok(None) };
        let mut command = Command::new(program);
        command.arg("status").arg("--runtime-dir").arg(&self.dir).args(arguments);
        let output = self.machine.enter(|| packages::output(&mut command))?;
        Ok(Some(String::from_utf8_lossy(&output.stdout).into_owned()))
    }

    /// Has `directord` say something to the daemon, in a thread of its own; the exit status and both outputs.
    ///
    /// # Panics
    /// With a keepalived: it has no such thing.
    #[must_use]
    pub fn directord(&self, arguments: &[&str]) -> JoinHandle<Result<(Option<i32>, String)>> {
        let Daemon::Directord(program) = &self.daemon else { panic!("keepalived takes no commands") };
        let mut command = Command::new(program);
        command.args(arguments).arg("--runtime-dir").arg(&self.dir);
        let machine = self.machine.clone();
        std::thread::spawn(move || {
            machine.enter(|| {
                let output = command.output().attempt("running directord")?;
                let text = [output.stdout, output.stderr].concat();
                Ok((output.status.code(), String::from_utf8_lossy(&text).into_owned()))
            })
        })
    }

    /// What a command of directord on the running daemon says; keepalived knows none: `None`.
    ///
    /// # Errors
    /// When it fails.
    pub fn ask(&self, words: &[&str]) -> Result<Option<String>> {
        let Daemon::Directord(program) = &self.daemon else { return Ok(None) };
        let mut command = Command::new(program);
        command.args(words).arg("--runtime-dir").arg(&self.dir);
        let output = self.machine.enter(|| packages::output(&mut command))?;
        Ok(Some(String::from_utf8_lossy(&output.stdout).into_owned()))
    }

    /// The end of the daemon's log.
    #[must_use]
    pub fn log_tail(&self, lines: usize) -> String {
        let text = fs::read(self.dir.join("log")).unwrap_or_default();
        let text = String::from_utf8_lossy(&text);
        let all: Vec<&str> = text.lines().collect();
        all.get(all.len().saturating_sub(lines)..).unwrap_or_default().join("\n")
    }
}

/// The addresses that the kernel takes for its own, from its text form of the routing tables: each is a line with
/// the address, followed by one that says `/32 host LOCAL`.
fn local_addresses(fib_trie: &str) -> Vec<Ipv4Addr> {
    let pairs = fib_trie.lines().zip(fib_trie.lines().skip(1));
    let local = pairs.filter(|(_, kind)| kind.trim() == "/32 host LOCAL");
    let mut addresses: Vec<Ipv4Addr> =
        local.filter_map(|(line, _)| line.trim().strip_prefix("|-- ")?.parse().ok()).collect();
    addresses.sort();
    addresses.dedup();
    addresses
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_the_local_entries() {
        let text = "Local:\n  +-- 10.0.0.0/24 2 0 2\n     |-- 10.0.0.11\n        /32 host LOCAL\n     \
                    |-- 10.0.0.255\n        /32 link BROADCAST\n     |-- 10.0.0.100\n        /32 host LOCAL\n";
        assert_eq!(local_addresses(text), [Ipv4Addr::new(10, 0, 0, 11), Ipv4Addr::new(10, 0, 0, 100)]);
    }
}
