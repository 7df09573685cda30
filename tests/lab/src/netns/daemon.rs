//! A daemon on a host of the segment: directord or keepalived, started from the text of a configuration.
//!
//! Both take the same text, so one test can put either program on either side.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant, SystemTime};

use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;

use super::{Host, tool};

/// Which daemon to run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Program {
    /// directord, built at this path.
    Directord(PathBuf),
    /// keepalived as Debian packages it, VRRP part only.
    Keepalived,
}

/// A running daemon; killed when dropped.
pub struct Daemon<'a> {
    program: Program,
    host: &'a Host,
    child: Child,
    conf: PathBuf,
    log: PathBuf,
    started: SystemTime,
}

impl Program {
    /// The command that runs this program in the foreground with a configuration file.
    pub fn command(&self, conf: &Path, dir: &Path) -> Command {
        match self {
            Program::Directord(path) => {
                let mut command = Command::new(path);
                command.args(["run", "--ipvs", "memory", "--config"]).arg(conf).arg("--runtime-dir").arg(dir);
                command
            }
            Program::Keepalived => {
                let mut command = tool("keepalived");
                // Foreground, VRRP only.
                command.args(["-n", "-P", "-f"]).arg(conf);
                command.arg("-p").arg(dir.join("pid")).arg("-r").arg(dir.join("vrrp.pid"));
                command
            }
        }
    }
}

impl<'a> Daemon<'a> {
    /// Starts the program on the host with a configuration of this text, and has it log in detail.
    ///
    /// # Panics
    /// If it cannot be started.
    pub fn start(program: &Program, host: &'a Host, config: &str) -> Daemon<'a> {
        Daemon::start_with(program, host, config, |command| match program {
            Program::Directord(_) => {}
            Program::Keepalived => {
                command.args(["-l", "-D"]);
            }
        })
    }

    /// Starts the program on the host with a configuration of this text, its command first changed by `change`.
    ///
    /// # Panics
    /// If it cannot be started.
    pub fn start_with(
        program: &Program,
        host: &'a Host,
        config: &str,
        change: impl FnOnce(&mut Command),
    ) -> Daemon<'a> {
        use std::os::unix::process::CommandExt;
        let conf = host.dir().join("daemon.conf");
        std::fs::write(&conf, config).expect("/run is ours");
        let mut command = program.command(&conf, host.dir());
        change(&mut command);
        let log = host.dir().join("daemon.log");
        let out = File::options().create(true).append(true).open(&log).expect("/run is ours");
        let err = out.try_clone().expect("descriptors are not that scarce");
        if *program == Program::Keepalived {
            // It takes the process ids of a killed predecessor, not yet collected by its parent, for a running one.
            for file in ["pid", "vrrp.pid"] {
                let _ = std::fs::remove_file(host.dir().join(file));
            }
        }
        // A process group of its own, so that signals reach its children too.
        command.stdin(Stdio::null()).stdout(out).stderr(err).process_group(0);
        let started = SystemTime::now();
        let child = host.spawn(&mut command).unwrap_or_else(|e| panic!("{command:?}: {e}"));
        Daemon { program: program.clone(), host, child, conf, log, started }
    }

    /// The host it runs on.
    pub fn host(&self) -> &'a Host {
        self.host
    }

    /// The number of its process, which is also that of its process group.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// When it was started.
    pub fn started(&self) -> SystemTime {
        self.started
    }

    /// Sends a signal to the main process.
    ///
    /// # Panics
    /// If the daemon is gone.
    pub fn signal(&self, signal: Signal) {
        nix::sys::signal::kill(self.pid(), signal).expect("the daemon still runs");
    }

    /// Puts another text into the configuration file and asks for a reload (SIGHUP).
    ///
    /// # Panics
    /// If the daemon is gone.
    pub fn reload(&self, config: &str) {
        self.rewrite(config);
        self.signal(Signal::SIGHUP);
    }

    /// Puts another text into the configuration file, and tells nobody.
    ///
    /// # Panics
    /// If it cannot be written.
    pub fn rewrite(&self, config: &str) {
        std::fs::write(&self.conf, config).expect("/run is ours");
    }

    /// Like a power cut: all its processes are stopped first, so that none can say farewell, and then killed.
    /// Its addresses stay on the host. Returns when the last process could still have sent something.
    pub fn kill(&mut self) -> SystemTime {
        // Already gone is fine.
        let _ = killpg(self.pid(), Signal::SIGSTOP);
        let at = SystemTime::now();
        let _ = killpg(self.pid(), Signal::SIGKILL);
        let _ = self.child.wait();
        at
    }

    /// Asks it to stop (SIGTERM) and waits for its end.
    ///
    /// # Panics
    /// If it has not ended after 10 s.
    pub fn stop(&mut self) -> ExitStatus {
        self.signal(Signal::SIGTERM);
        self.wait(Duration::from_secs(10))
    }

    /// Waits for its end.
    ///
    /// # Panics
    /// If it has not ended after `limit`; the text holds its log.
    pub fn wait(&mut self, limit: Duration) -> ExitStatus {
        let end = Instant::now() + limit;
        loop {
            if let Some(status) = self.child.try_wait().expect("a child can be waited for") {
                return status;
            }
            assert!(Instant::now() < end, "still runs after {limit:?}; its log:\n{}", self.log());
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    /// Whether it still runs.
    pub fn is_running(&mut self) -> bool {
        self.child.try_wait().expect("a child can be waited for").is_none()
    }

    /// What it and its predecessors on this host have printed.
    pub fn log(&self) -> String {
        String::from_utf8_lossy(&std::fs::read(&self.log).unwrap_or_default()).into_owned()
    }

    /// The answer of `directord status --json`. `None` while it does not answer (yet), and for keepalived.
    pub fn status(&self) -> Option<serde_json::Value> {
        let Program::Directord(path) = &self.program else { return None };
        let mut command = Command::new(path);
        command.args(["status", "--json", "--runtime-dir"]).arg(self.host.dir());
        let output = self.host.output(&mut command).ok()?;
        serde_json::from_slice(&output.stdout).ok()
    }

    fn pid(&self) -> Pid {
        Pid::from_raw(self.child.id().cast_signed())
    }
}

impl Drop for Daemon<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            println!("--- log of {} ---\n{}", self.host.name(), self.log());
        }
        if matches!(self.child.try_wait(), Ok(None)) {
            self.kill();
        }
    }
}
