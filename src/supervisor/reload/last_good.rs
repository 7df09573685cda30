//! A copy of the configuration that was last in effect without anything being refused.
//!
//! It is the effective configuration in one file, names, repetitions and includes replaced: what was good then can be run
//! again whatever has become of the files since. It is written whole or not at all, for the daemon's user alone.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tracing::warn;

use crate::config::{Config, write};

/// Where the copy is kept, and whether this run began with it.
#[derive(Debug)]
pub(in crate::supervisor) struct LastGood {
    path: PathBuf,
    next: Arc<Next>,
    /// Why the file itself could not be used, if this run began with the copy.
    pub(super) started_from: Option<String>,
}

/// What is to be kept: of two that come together the later one, and never two at a time.
#[derive(Debug, Default)]
struct Next {
    config: Mutex<Option<Arc<Config>>>,
    turn: Mutex<()>,
}

impl LastGood {
    pub(in crate::supervisor) fn new(path: PathBuf, started_from: Option<String>) -> Self {
        LastGood { path, next: Arc::default(), started_from }
    }

    /// Keeps this one, on another thread, which is not waited for.
    pub(super) fn keep(&self, config: &Arc<Config>) {
        *lock(&self.next.config) = Some(config.clone());
        let (path, next) = (self.path.clone(), self.next.clone());
        tokio::task::spawn_blocking(move || {
            let _turn = lock(&next.turn);
            let Some(config) = lock(&next.config).take() else { return };
            if let Err(error) = store(&path, &config) {
                warn!("cannot keep a copy of the configuration in {}: {error}", path.display());
            }
        });
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn store(path: &Path, config: &Config) -> io::Result<()> {
    let said = write::said(config);
    let text = format!(
        "# The configuration that directord {} last had in effect without anything being refused.\n{said}",
        env!("CARGO_PKG_VERSION")
    );
    if fs::read(path).is_ok_and(|held| held == text.as_bytes()) {
        return Ok(());
    }
    let new = path.with_extension("new");
    fs::write(&new, text)?;
    fs::rename(&new, path)
}
