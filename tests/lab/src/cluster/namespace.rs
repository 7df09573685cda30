//! A named network namespace of the guest: one machine of the cluster, as far as the network is concerned.

use crate::error::{Attempt, LabError, Result};
use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, setns, unshare};
use std::fs::{self, File};
use std::path::{Path, PathBuf};

/// A network namespace that `ip` knows by its name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Namespace {
    name: &'static str,
}

impl Namespace {
    /// Makes a new namespace. It lives as long as the guest.
    ///
    /// # Errors
    /// [`LabError::Io`] without the right to (outside a guest).
    pub fn create(name: &'static str) -> Result<Self> {
        let namespace = Self { name };
        let at = namespace.path();
        File::create(&at).attempt(format!("creating {}", at.display()))?;
        in_thread(|| {
            unshare(CloneFlags::CLONE_NEWNET).attempt("making a network namespace")?;
            let here = Path::new("/proc/thread-self/ns/net");
            let none: Option<&str> = None;
            mount(Some(here), &at, none, MsFlags::MS_BIND, none).attempt(format!("naming it {}", at.display()))
        })?;
        Ok(namespace)
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// Does something inside, in a thread of its own: sockets opened, files of `/proc` read and processes started
    /// there belong to this namespace.
    ///
    /// # Errors
    /// The work's own, or [`LabError::Io`] when the namespace cannot be entered.
    pub fn enter<T: Send>(&self, work: impl FnOnce() -> Result<T> + Send) -> Result<T> {
        in_thread(|| {
            let path = self.path();
            let file = File::open(&path).attempt(format!("opening {}", path.display()))?;
            setns(file, CloneFlags::CLONE_NEWNET).attempt(format!("entering {}", self.name))?;
            work()
        })
    }

    /// Sets kernel settings below `/proc/sys/net`.
    ///
    /// # Errors
    /// [`LabError::Io`] with the setting's name.
    pub fn set(&self, settings: &[(&str, &str)]) -> Result<()> {
        self.enter(|| {
            settings.iter().try_for_each(|(name, value)| {
                fs::write(Path::new("/proc/sys/net").join(name), value).attempt(format!("setting {name}"))
            })
        })
    }

    fn path(&self) -> PathBuf {
        Path::new("/run/netns").join(self.name)
    }
}

/// Namespaces belong to threads: what changes them happens in a thread that ends afterwards.
fn in_thread<T: Send>(work: impl FnOnce() -> Result<T> + Send) -> Result<T> {
    std::thread::scope(|scope| scope.spawn(work).join())
        .unwrap_or_else(|_| Err(LabError::Failed("a thread of the lab panicked".into())))
}
