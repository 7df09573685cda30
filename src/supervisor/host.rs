//! The machine this runs on: its name, what this process may do here, its runtime directory, systemd.

use std::fmt::Display;
use std::fs::{self, File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::{Duration, Instant, SystemTime};

use caps::{CapSet, Capability};
use nix::fcntl::{Flock, FlockArg};
use nix::time::{ClockId, clock_gettime};
use notify::EmailSettings;
use sd_notify::NotifyState;

use super::devices::Memory;
use super::remembered::Remembered;
use crate::config::{Config, Global};
use crate::director::Birth;

/// How long the kernel may take to clear away a process that was killed.
const LAST_BREATH: Duration = Duration::from_millis(300);

/// The host's own name, without asking any resolver.
pub(super) fn name() -> String {
    nix::sys::utsname::uname()
        .ok()
        .and_then(|system| system.nodename().to_str().map(str::to_owned))
        .filter(|name| !name.is_empty())
        .unwrap_or_else(|| "localhost".to_owned())
}

/// What the brain of this process is born with. A seed that is not said differs between machines and starts.
pub(super) fn birth(seed: Option<u32>) -> Birth {
    let (at, wall) = (Instant::now(), SystemTime::now());
    let since_1970 = wall.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let any = u64::from(since_1970.subsec_nanos())
        ^ since_1970.as_secs() << 20
        ^ u64::from(std::process::id()) << 40;
    let seed = seed.map_or(any, u64::from);
    // Where the kernel does not tell, it is as if it had just booted.
    let up = clock_gettime(ClockId::CLOCK_BOOTTIME).map(Duration::from).unwrap_or_default();
    Birth { host_name: name(), seed, at, wall, up }
}

/// Mail settings with this host's name filled in where the file says nothing.
pub(super) fn mail_settings(global: &Global) -> Option<EmailSettings> {
    let email = global.email.as_ref()?;
    Some(EmailSettings {
        to: email.to.clone(),
        from: email.from.clone().unwrap_or_else(|| format!("root@{}", name())),
        server: email.server.clone(),
        port: email.port,
        connect_timeout: email.connect_timeout,
        helo: email.helo.clone(),
    })
}

/// The capabilities that this configuration needs and this process lacks, each with what it is for.
pub(super) fn missing_capabilities(config: &Config, kernel_table: bool) -> Vec<String> {
    let mut needed = Vec::new();
    if !config.instances.is_empty() {
        needed.push((Capability::CAP_NET_RAW, "to send and receive adverts and gratuitous ARP"));
    }
    if !config.instances.is_empty() || config.has_statics() || (kernel_table && config.has_virtual_servers())
    {
        needed
            .push((Capability::CAP_NET_ADMIN, "to put virtual addresses on interfaces and to program IPVS"));
    }
    needed
        .into_iter()
        .filter(|(capability, _)| !caps::has_cap(None, CapSet::Effective, *capability).unwrap_or(true))
        .map(|(capability, purpose)| format!("{capability} ({purpose})"))
        .collect()
}

/// The directory that holds everything the daemon keeps while it runs, locked against a second daemon.
#[derive(Debug)]
pub(super) struct RuntimeDir {
    path: PathBuf,
    _lock: Flock<File>,
}

impl RuntimeDir {
    /// The same as [`RuntimeDir::claim`], with a moment's patience for a daemon that is just ending there.
    pub(super) fn claim_soon(path: &Path) -> Result<Self, String> {
        let end = Instant::now() + LAST_BREATH;
        loop {
            match Self::claim(path) {
                Err(sentence) if Instant::now() >= end => return Err(sentence),
                Err(_) => std::thread::sleep(Duration::from_millis(2)),
                claimed => return claimed,
            }
        }
    }

    /// Makes the directory if it is missing, and locks it. The error is a sentence for the operator.
    pub(super) fn claim(path: &Path) -> Result<Self, String> {
        let cannot = |what: &str, error: &dyn std::fmt::Display| {
            format!("cannot {what} {}: {error}; choose another place with --runtime-dir", path.display())
        };
        fs::create_dir_all(path).map_err(|e| cannot("make the runtime directory", &e))?;
        let file = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .open(path.join("lock"))
            .map_err(|e| cannot("write to the runtime directory", &e))?;
        match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
            Ok(lock) => Ok(RuntimeDir { path: path.to_owned(), _lock: lock }),
            Err((_, nix::errno::Errno::EWOULDBLOCK)) => Err(format!(
                "another directord runs in {}; stop it, or give this one its own --runtime-dir",
                path.display()
            )),
            Err((_, errno)) => Err(cannot("lock the runtime directory", &errno)),
        }
    }

    /// Where it is.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// What the last run wrote down under this name.
    pub(super) fn remembered<K: Clone + Ord + Display + FromStr>(&self, name: &str) -> Remembered<K> {
        Remembered::load(&self.path, name)
    }

    /// Where operators' overrides are kept.
    pub(super) fn overrides(&self) -> PathBuf {
        self.path.join("overrides.json")
    }

    /// What the last run wrote down of interfaces, switches and tables.
    pub(super) fn devices(&self) -> Memory {
        Memory::load(&self.path)
    }

    /// Where the copy of the last good configuration lies, unless another place is named.
    pub(super) fn last_good(&self) -> PathBuf {
        self.path.join("last-good.conf")
    }

    /// Where the control socket lies. One left by a daemon that died is removed: its lock is gone with it.
    pub(super) fn control_socket(&self) -> io::Result<PathBuf> {
        let path = control_socket(&self.path);
        match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(path),
        }
    }
}

impl Drop for RuntimeDir {
    fn drop(&mut self) {
        let _ = fs::remove_file(control_socket(&self.path));
    }
}

/// Whether no daemon lives in a runtime directory.
pub(crate) fn nobody_runs_in(runtime_dir: &Path) -> bool {
    RuntimeDir::claim(runtime_dir).is_ok()
}

/// The control socket's path in a runtime directory.
pub(crate) fn control_socket(runtime_dir: &Path) -> PathBuf {
    runtime_dir.join("control.sock")
}

/// Tells systemd, if it listens, that the daemon serves.
pub(super) fn tell_ready(status: &str) {
    let _ = sd_notify::notify(&[NotifyState::Ready, NotifyState::Status(status)]);
}

/// The time within which systemd wants to hear that the daemon works, if it watches (`WatchdogSec=`).
pub(super) fn watchdog() -> Option<Duration> {
    sd_notify::watchdog_enabled()
}

/// Tells systemd's watchdog that the daemon works.
pub(super) fn tell_alive() {
    let _ = sd_notify::notify(&[NotifyState::Watchdog]);
}

/// Tells systemd that a reload began.
pub(super) fn tell_reloading() {
    if let Ok(now) = NotifyState::monotonic_usec_now() {
        let _ = sd_notify::notify(&[NotifyState::Reloading, now]);
    }
}

/// Tells systemd that the daemon is on its way out.
pub(super) fn tell_stopping() {
    let _ = sd_notify::notify(&[NotifyState::Stopping]);
}
