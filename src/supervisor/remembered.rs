//! What is ours, remembered in the runtime directory across a crash.
//!
//! A daemon that was killed leaves addresses and services behind. Its successor takes over those that its own
//! configuration still names; the others it may remove only if it knows that they were ours and not another's. So
//! the keys of everything that may be put into the kernel are written down before it is put there.

use std::collections::BTreeSet;
use std::fmt::{self, Display};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use tracing::warn;

/// A key with what belongs to it, as one line of a file.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(super) struct Noted<K, S>(pub(super) K, pub(super) S);

impl<K: Serialize, S: Serialize> fmt::Display for Noted<K, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&serde_json::to_string(self).map_err(|_| fmt::Error)?)
    }
}

impl<K: DeserializeOwned, S: DeserializeOwned> FromStr for Noted<K, S> {
    type Err = serde_json::Error;

    fn from_str(line: &str) -> Result<Self, serde_json::Error> {
        serde_json::from_str(line)
    }
}

/// A set of keys and the file it is kept in, one key a line.
#[derive(Debug)]
pub(super) struct Remembered<K> {
    path: PathBuf,
    keys: BTreeSet<K>,
}

impl<K: Clone + Ord + Display + FromStr> Remembered<K> {
    /// What the last run left. A file that is missing or damaged remembers less, never something wrong.
    pub(super) fn load(directory: &Path, name: &str) -> Self {
        let path = directory.join(name);
        let text = fs::read_to_string(&path).unwrap_or_default();
        Remembered { path, keys: text.lines().filter_map(|line| line.parse().ok()).collect() }
    }

    /// The keys.
    pub(super) fn keys(&self) -> &BTreeSet<K> {
        &self.keys
    }

    /// Adds keys. Nothing is written, and next to nothing done, when they are known: the usual case at a take-over.
    pub(super) fn add<'a>(&mut self, keys: impl Iterator<Item = &'a K>)
    where
        K: 'a,
    {
        let new: Vec<K> = keys.filter(|key| !self.keys.contains(key)).cloned().collect();
        if !new.is_empty() {
            self.keys.extend(new);
            self.store();
        }
    }

    /// Forgets all but these.
    pub(super) fn keep(&mut self, keys: BTreeSet<K>) {
        if self.keys != keys {
            self.keys = keys;
            self.store();
        }
    }

    fn store(&self) {
        if let Err(error) = self.write() {
            // The work goes on: what is lost is the memory of a run that may never crash.
            warn!(
                "cannot write {}: {error}; after a crash, leftovers may have to be removed by hand",
                self.path.display()
            );
        }
    }

    /// Whole or not at all: a reader never sees half a file.
    fn write(&self) -> io::Result<()> {
        if self.keys.is_empty() {
            return match fs::remove_file(&self.path) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
                _ => Ok(()),
            };
        }
        let new = self.path.with_extension("new");
        let lines: String = self.keys.iter().map(|key| format!("{key}\n")).collect();
        fs::write(&new, lines)?;
        fs::rename(&new, &self.path)
    }
}

#[cfg(test)]
mod tests {
    use vrrp::AddressKey;

    use super::*;

    #[test]
    fn keys_outlive_the_process_and_damage_costs_no_more_than_what_is_damaged() {
        let directory = std::env::temp_dir().join(format!("directord-remembered-{}", std::process::id()));
        fs::create_dir_all(&directory).unwrap();
        let key = |last| AddressKey::new("eth0", [192, 0, 2, last].into());
        let mut first = Remembered::load(&directory, "addresses");
        assert!(first.keys().is_empty());
        first.add([key(1), key(2)].iter());
        let path = directory.join("addresses");
        fs::write(&path, fs::read_to_string(&path).unwrap() + "not a key\n").unwrap();
        let mut second = Remembered::<AddressKey>::load(&directory, "addresses");
        assert_eq!(second.keys(), &BTreeSet::from([key(1), key(2)]));
        second.keep(BTreeSet::from([key(2)]));
        assert_eq!(Remembered::<AddressKey>::load(&directory, "addresses").keys(), &BTreeSet::from([key(2)]));
        second.keep(BTreeSet::new());
        assert!(!path.exists());
        fs::remove_dir_all(&directory).unwrap();
    }
}
