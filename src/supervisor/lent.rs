//! Settings of the system that are ours only for a time: what they were before is written down and put back.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::fs;
use std::str::FromStr;

use tracing::warn;

use super::host::RuntimeDir;
use super::remembered::Remembered;

/// A file under /proc/sys and what it held.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Before {
    path: String,
    value: String,
}

/// What was changed, and how it was.
#[derive(Debug)]
pub(super) struct Lent(Remembered<Before>);

impl Lent {
    /// What the last run did not put back is ours to put back.
    pub(super) fn load(directory: &RuntimeDir) -> Self {
        Lent(directory.remembered("sysctls"))
    }

    /// `promote_secondaries` is on for these interfaces; where it is on because of us and need not be, it is put back.
    pub(super) fn set(&mut self, promote: &BTreeSet<String>) {
        let path = |interface: &String| format!("/proc/sys/net/ipv4/conf/{interface}/promote_secondaries");
        let wanted: BTreeSet<String> = promote.iter().map(path).collect();
        let lent: BTreeMap<String, String> =
            self.0.keys().iter().map(|before| (before.path.clone(), before.value.clone())).collect();
        for path in wanted.iter().filter(|path| !lent.contains_key(*path)) {
            let Ok(value) = fs::read_to_string(path) else { continue };
            let value = value.trim().to_owned();
            if value == "1" {
                continue;
            }
            self.0.add([Before { path: path.clone(), value }].iter());
            write(path, "1");
        }
        for (path, value) in lent.iter().filter(|(path, _)| !wanted.contains(*path)) {
            write(path, value);
        }
        self.0.keep(self.0.keys().iter().filter(|before| wanted.contains(&before.path)).cloned().collect());
    }
}

fn write(path: &str, value: &str) {
    match fs::write(path, value) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            warn!("cannot write {value} to {path}: {error}");
        }
        _ => {}
    }
}

impl fmt::Display for Before {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.path, self.value)
    }
}

impl FromStr for Before {
    type Err = ();

    /// Only what this daemon may have written: the file lies where others may be able to write.
    fn from_str(line: &str) -> Result<Self, ()> {
        let (path, value) = line.split_once(' ').ok_or(())?;
        let ours = path.starts_with("/proc/sys/net/ipv4/conf/") && path.ends_with("/promote_secondaries");
        let plain = !path.contains("..") && value.bytes().all(|byte| byte.is_ascii_digit());
        (ours && plain).then(|| Before { path: path.to_owned(), value: value.to_owned() }).ok_or(())
    }
}
