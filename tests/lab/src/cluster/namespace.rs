//! A named network namespace of the guest: one machine of the cluster, as far as the network is concerned.

use crate::error::{Attempt, LabError, Result};
use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, setns, unshare};
use nix::unistd::{Pid, gettid};
use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::mpsc;

/// A network namespace that `ip` knows by its name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Namespace {
    name: &'static str,
    /// A thread that lives inside for good, so that `/proc` shows the inside without entering.
    resident: Pid,
}

impl Namespace {
    /// Makes a new namespace. It lives as long as the guest.
    ///
    /// # Errors
    /// [`LabError::Io`] without the right to (outside a guest).
    pub fn create(name: &'static str) -> Result<Self> {
        let at = path(name);
        File::create(&at).attempt(format!("creating {}", at.display()))?;
        let (sender, receiver) = mpsc::channel();
        std::thread::spawn(move || {
            let made = make(&at);
            let good = made.is_ok();
            let told = sender.send(made.map(|()| gettid()));
            while good && told.is_ok() {
                std::thread::park();
            }
        });
        let gone = |_| LabError::Failed("a thread of the lab panicked".into());
        Ok(Self { name, resident: receiver.recv().map_err(gone)?? })
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// What the kernel shows of it in a file below `/proc/…/net`, such as `ip_vs`; cheaper than entering.
    ///
    /// # Errors
    /// [`LabError::Io`] when there is no such file, for want of a kernel module for example.
    pub fn read(&self, file: &str) -> Result<String> {
        let path = format!("/proc/self/task/{}/net/{file}", self.resident);
        let what = || format!("reading {path} of {}", self.name);
        // In one large gulp: when such a file is read in small pieces, the kernel takes up its walk over the services
        // of all namespaces at the wrong place, and leaves some out.
        let mut text = vec![0; 1 << 20];
        let length = File::open(&path).and_then(|mut file| file.read(&mut text)).attempt(what())?;
        text.truncate(length);
        Ok(String::from_utf8_lossy(&text).into_owned())
    }

    /// Does something inside, in a thread of its own: sockets opened, files of `/proc` read and processes started
    /// there belong to this namespace.
    ///
    /// # Errors
    /// The work's own, or [`LabError::Io`] when the namespace cannot be entered.
    pub fn enter<T: Send>(&self, work: impl FnOnce() -> Result<T> + Send) -> Result<T> {
        in_thread(|| {
            let path = path(self.name);
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
}

fn path(name: &str) -> PathBuf {
    Path::new("/run/netns").join(name)
}

/// Moves the thread into a new namespace and gives that a name.
fn make(at: &Path) -> Result<()> {
    unshare(CloneFlags::CLONE_NEWNET).attempt("making a network namespace")?;
    let here = Path::new("/proc/thread-self/ns/net");
    let none: Option<&str> = None;
    mount(Some(here), at, none, MsFlags::MS_BIND, none).attempt(format!("naming it {}", at.display()))
}

/// Namespaces belong to threads: what changes them happens in a thread that ends afterwards.
fn in_thread<T: Send>(work: impl FnOnce() -> Result<T> + Send) -> Result<T> {
    std::thread::scope(|scope| scope.spawn(work).join())
        .unwrap_or_else(|_| Err(LabError::Failed("a thread of the lab panicked".into())))
}
