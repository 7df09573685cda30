//! What is ours, remembered in the runtime directory across a crash.
//!
//! A daemon that was killed leaves addresses and services behind. Its successor takes over those that its own
//! configuration still names; the others it may remove only if it knows that they were ours and not another's. So
//! the keys of everything that may be put into the kernel are written down before it is put there.
//!
//! What is ours in one kernel is another's in the next: the first line of each file says of which boot and which network
//! namespace it is, and a file of another is ignored with a notice.

use std::collections::BTreeSet;
use std::fmt::{self, Display, Write as _};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use tracing::warn;

use super::keeper::Place;

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
    /// The first line.
    heading: String,
    keys: BTreeSet<K>,
}

/// The first line of the files of this kernel and network namespace. The number in it is that of the form.
fn heading() -> String {
    let Place { boot, namespace, .. } = Place::here();
    format!("# directord 1, boot {boot}, network namespace {namespace}")
}

/// The lines behind the heading, without one that is torn off: half a key may be another's key.
///
/// # Errors
/// Why the file is not believed.
fn lines_of<'a>(text: &'a str, heading: &str) -> Result<impl Iterator<Item = &'a str>, String> {
    let mut lines = text.split_inclusive('\n').filter_map(|line| line.strip_suffix('\n'));
    match lines.next() {
        Some(first) if first == heading => Ok(lines),
        Some(first) => Err(format!("expected `{heading}` in its first line, found `{}`", short(first))),
        None => Err("it is damaged: it has no whole line".to_owned()),
    }
}

/// As much of a line as a log should show.
fn short(line: &str) -> String {
    line.chars().filter(|c| !c.is_control()).take(100).collect()
}

impl<K: Clone + Ord + Display + FromStr> Remembered<K> {
    /// What the last run left. A file that is missing or damaged remembers less, never something wrong.
    pub(super) fn load(directory: &Path, name: &str) -> Self {
        let (path, heading) = (directory.join(name), heading());
        let text = match fs::read(&path) {
            Ok(text) => String::from_utf8_lossy(&text).into_owned(),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Remembered { path, heading, keys: BTreeSet::new() };
            }
            Err(error) => {
                warn!("cannot read {}: {error}; what the last run left is not known", path.display());
                return Remembered { path, heading, keys: BTreeSet::new() };
            }
        };
        let keys = match lines_of(&text, &heading) {
            Ok(lines) => lines.filter_map(|line| line.parse().ok()).collect(),
            Err(why) => {
                warn!(
                    "{}: {why}; it is ignored: what the kernel holds is taken for somebody else's, unless the \
                     configuration names it",
                    path.display()
                );
                BTreeSet::new()
            }
        };
        Remembered { path, heading, keys }
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
        let mut text = format!("{}\n", self.heading);
        // Writing into a String cannot fail.
        for key in &self.keys {
            let _ = writeln!(text, "{key}");
        }
        fs::write(&new, text)?;
        fs::rename(&new, &self.path)
    }
}

#[cfg(test)]
mod tests {
    use ipvs_backend::ServiceKey;
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

    #[test]
    fn what_is_torn_or_of_another_kernel_is_nobodys() {
        let directory = std::env::temp_dir().join(format!("directord-others-{}", std::process::id()));
        fs::create_dir_all(&directory).unwrap();
        let key = |text: &str| text.parse::<ServiceKey>().unwrap();
        let both = BTreeSet::from([key("[192.0.2.1]:tcp:80"), key("[192.0.2.2]:tcp:443")]);
        Remembered::load(&directory, "services").keep(both.clone());
        let path = directory.join("services");
        let whole = fs::read_to_string(&path).unwrap();
        let load = |text: &str| {
            fs::write(&path, text).unwrap();
            Remembered::<ServiceKey>::load(&directory, "services").keys().clone()
        };
        assert_eq!(load(&whole), both);
        // The half of `…:443` is a key as well, and not ours.
        assert_eq!(load(&whole[..whole.len() - 2]), BTreeSet::from([key("[192.0.2.1]:tcp:80")]));
        let boot = Place::here().boot;
        for other in [
            whole.replace("directord 1", "directord 2"),
            whole.replace(&format!("boot {boot},"), "boot another,"),
            whole.replace("namespace ", "namespace 1"),
            whole.lines().skip(1).map(|line| format!("{line}\n")).collect(),
            whole[..10].to_owned(),
            String::new(),
        ] {
            assert_ne!(other, whole);
            assert_eq!(load(&other), BTreeSet::new(), "{other}");
        }
        fs::remove_dir_all(&directory).unwrap();
    }
}
