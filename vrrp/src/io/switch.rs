//! The kernel's switches below `/proc/sys/net`: set while they are needed, put back afterwards.
//!
//! Whatever is changed on an interface that is not ours had a value before, which is remembered (and told, so that
//! it outlives a crash). It is written back once nobody needs the change any more, unless somebody else has changed
//! the switch meanwhile: then it is theirs.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::path::PathBuf;

use crate::device::{Manner, Switch, reverse_path_filter};

/// Last part of the path of the switch that several interfaces have to share.
const REVERSE_PATH_FILTER: &str = "rp_filter";

/// The switches that we have changed.
#[derive(Debug)]
pub(super) struct Switches {
    root: PathBuf,
    changed: BTreeMap<String, Changed>,
}

/// One of them.
#[derive(Debug)]
struct Changed {
    /// What it was.
    before: String,
    /// What we wrote; `None` if that was a predecessor.
    written: Option<String>,
}

impl Switches {
    /// With what a predecessor left behind.
    pub(super) fn new(left: &BTreeSet<Switch>) -> Self {
        let changed =
            |switch: &Switch| (switch.path.clone(), Changed { before: switch.value.clone(), written: None });
        Self { root: PathBuf::from("/proc/sys/net"), changed: left.iter().map(changed).collect() }
    }

    /// What will have to be written back.
    pub(super) fn remembered(&self) -> BTreeSet<Switch> {
        let before = |(path, changed): (&String, &Changed)| Switch {
            path: path.clone(),
            value: changed.before.clone(),
        };
        self.changed.iter().map(before).collect()
    }

    /// Writes what is `wanted` and not so yet. `own` are the interfaces that end with us: what their switches were
    /// does not matter. `remember` hears of what each other one was before it is changed.
    pub(super) fn set(
        &mut self,
        wanted: &BTreeMap<String, String>,
        own: &BTreeSet<String>,
        remember: &mut dyn FnMut(&BTreeSet<Switch>),
    ) -> Vec<String> {
        let mut failures = Vec::new();
        let mut writes = Vec::new();
        for (path, value) in wanted {
            match self.read(path) {
                Ok(now) if now == *value => {}
                Ok(now) => {
                    let is_own = path.split('/').nth(2).is_some_and(|interface| own.contains(interface));
                    if !is_own {
                        let known = self.changed.entry(path.clone());
                        known.or_insert(Changed { before: now, written: None }).written = Some(value.clone());
                    }
                    writes.push((path, value));
                }
                // Without IPv6 in the kernel, or once the interface is gone, there is nothing to switch.
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => failures.push(format!("/proc/sys/net/{path} cannot be read: {error}")),
            }
        }
        if !writes.is_empty() {
            remember(&self.remembered());
        }
        for (path, value) in writes {
            if let Err(error) = fs::write(self.root.join(path), value) {
                failures.push(format!("/proc/sys/net/{path} cannot be set to {value}: {error}"));
            }
        }
        failures
    }

    /// Writes back what is no longer `wanted`, except what the manner leaves.
    pub(super) fn restore(&mut self, wanted: &BTreeMap<String, String>, manner: Manner) {
        let over: Vec<String> =
            self.changed.keys().filter(|path| !wanted.contains_key(*path)).cloned().collect();
        for path in over {
            let Some(changed) = self.changed.remove(&path).filter(|_| !manner.leaves(&path)) else {
                continue;
            };
            let untouched = |now: &String| changed.written.as_ref().is_none_or(|written| written == now);
            if self.read(&path).is_ok_and(|now| untouched(&now)) {
                // What cannot be written back was not for us to write, and was told then.
                let _ = fs::write(self.root.join(&path), &changed.before);
            }
        }
    }

    /// The switches for the reverse path filter, where `spared` interfaces go without it: those to change now, and
    /// those that were changed for it before.
    pub(super) fn reverse_path_filter(&self, spared: &BTreeSet<String>) -> BTreeMap<String, String> {
        let path = |interface: &str| format!("ipv4/conf/{interface}/{REVERSE_PATH_FILTER}");
        let interfaces = fs::read_dir(self.root.join("ipv4/conf")).into_iter().flatten().flatten();
        let value = |name: String| {
            let value = self.read(&path(&name)).ok()?.parse().ok()?;
            Some((name, value))
        };
        let now: BTreeMap<String, u8> =
            interfaces.filter_map(|entry| value(entry.file_name().into_string().ok()?)).collect();
        let earlier = self.changed.keys().filter(|path| path.ends_with(REVERSE_PATH_FILTER));
        let kept = earlier.filter_map(|path| Some((path.clone(), self.read(path).ok()?)));
        let new = reverse_path_filter(&now, spared);
        kept.chain(new.iter().map(|(name, value)| (path(name), value.to_string()))).collect()
    }

    fn read(&self, path: &str) -> io::Result<String> {
        Ok(fs::read_to_string(self.root.join(path))?.trim().to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn switches(name: &str, files: &[(&str, &str)]) -> Switches {
        let root = std::env::temp_dir().join(format!("directord-{name}-{}", std::process::id()));
        for (path, value) in files {
            let file = root.join(path);
            fs::create_dir_all(file.parent().unwrap()).unwrap();
            fs::write(file, format!("{value}\n")).unwrap();
        }
        Switches { root, changed: BTreeMap::new() }
    }

    fn wanted(entries: &[(&str, &str)]) -> BTreeMap<String, String> {
        entries.iter().map(|(path, value)| ((*path).to_owned(), (*value).to_owned())).collect()
    }

    const ONE: &str = "ipv4/conf/eth0/arp_ignore";
    const TWO: &str = "ipv4/conf/eth0/arp_filter";
    const OWN: &str = "ipv4/conf/vrrp.51/arp_ignore";

    #[test]
    fn what_was_there_comes_back_unless_somebody_else_changed_it() {
        let mut switches = switches("switch", &[(ONE, "0"), (TWO, "0"), (OWN, "0")]);
        let own = BTreeSet::from(["vrrp.51".to_owned()]);
        let mut told = Vec::new();
        let level = wanted(&[(ONE, "1"), (TWO, "1"), (OWN, "1"), ("ipv4/conf/gone/arp_ignore", "1")]);
        assert!(switches.set(&level, &own, &mut |all| told.push(all.len())).is_empty());
        assert!(switches.set(&level, &own, &mut |all| told.push(all.len())).is_empty());
        assert_eq!(told, [2], "it is told once, and not of what ends with us");
        assert_eq!(switches.read(OWN).unwrap(), "1");
        fs::write(switches.root.join(TWO), "2").unwrap();
        switches.restore(&BTreeMap::new(), Manner::Thorough);
        assert_eq!((switches.read(ONE).unwrap(), switches.read(TWO).unwrap()), ("0".into(), "2".into()));
        assert!(switches.remembered().is_empty());
        fs::remove_dir_all(&switches.root).unwrap();
    }

    #[test]
    fn keepalived_leaves_how_an_interface_answers() {
        let filter = "ipv4/conf/all/rp_filter";
        let mut switches = switches("switch-compat", &[(ONE, "0"), (TWO, "0"), (filter, "1")]);
        let level = wanted(&[(ONE, "1"), (TWO, "1"), (filter, "0")]);
        assert!(switches.set(&level, &BTreeSet::new(), &mut |_| {}).is_empty());
        switches.restore(&BTreeMap::new(), Manner::AsKeepalived);
        let now = [ONE, TWO, filter].map(|path| switches.read(path).unwrap());
        assert_eq!(now, ["1", "1", "1"], "arp_ignore and arp_filter stay, rp_filter comes back");
        assert!(switches.remembered().is_empty(), "and nobody is told to put them back later");
        fs::remove_dir_all(&switches.root).unwrap();
    }

    #[test]
    fn a_predecessors_changes_are_known() {
        let mut switches = switches("switch-left", &[(ONE, "1"), ("ipv4/conf/all/rp_filter", "0")]);
        let left = |path: &str, value: &str| Switch { path: path.to_owned(), value: value.to_owned() };
        let left = BTreeSet::from([left(ONE, "0"), left("ipv4/conf/all/rp_filter", "1")]);
        switches.changed = Switches::new(&left).changed;
        assert_eq!(switches.remembered(), left);
        let filter = switches.reverse_path_filter(&BTreeSet::new());
        assert_eq!(
            filter,
            wanted(&[("ipv4/conf/all/rp_filter", "0")]),
            "it stays changed while it is needed"
        );
        switches.restore(&filter, Manner::Thorough);
        assert_eq!(switches.read(ONE).unwrap(), "0");
        assert_eq!(switches.read("ipv4/conf/all/rp_filter").unwrap(), "0");
        switches.restore(&BTreeMap::new(), Manner::Thorough);
        assert_eq!(switches.read("ipv4/conf/all/rp_filter").unwrap(), "1");
        fs::remove_dir_all(&switches.root).unwrap();
    }
}
