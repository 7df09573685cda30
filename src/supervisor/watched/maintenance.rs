//! What lies in the directory of servers in maintenance (`maintenance_dir`).
//!
//! The kernel reports each file that comes or goes. A directory that is missing, or that lies on a file system whose
//! changes nobody reports, is looked at once a second: here a delay does no harm. Names that are no addresses are looked up.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::ErrorKind;
use std::net::IpAddr;
use std::os::fd::{AsFd, BorrowedFd};
use std::path::Path;
use std::time::Instant;

use nix::sys::inotify::{AddWatchFlags, InitFlags, Inotify, WatchDescriptor};

use super::files::silent_directory;
use super::lookups::{Lookups, host_of};
use crate::director::event::Event;
use crate::director::maintenance::names_a_server;

/// Files that are looked at; more is a mistake.
const MOST: usize = 10_000;

/// That something in it came or went, and its own end.
const CHANGES: AddWatchFlags = AddWatchFlags::IN_CREATE
    .union(AddWatchFlags::IN_MOVE)
    .union(AddWatchFlags::IN_DELETE)
    .union(AddWatchFlags::IN_DELETE_SELF)
    .union(AddWatchFlags::IN_MOVE_SELF)
    .union(AddWatchFlags::IN_ONLYDIR);

/// What is told of a directory: names of servers, those of hosts with their addresses, and what is wrong.
type Found = (BTreeSet<String>, BTreeMap<String, BTreeSet<IpAddr>>, Option<String>);

/// What lies in it: names of servers, others, and what is wrong.
type Contents = (BTreeSet<String>, BTreeSet<String>, Option<String>);

/// The directory, if there is one.
#[derive(Debug, Default)]
pub(super) struct Maintenance {
    path: Option<String>,
    inotify: Option<Inotify>,
    watch: Option<WatchDescriptor>,
    /// What the brain was told.
    told: Option<Found>,
    lookups: Lookups,
}

impl Maintenance {
    pub(super) fn is_empty(&self) -> bool {
        self.path.is_none()
    }

    /// Whether the kernel does not report what changes.
    pub(super) fn must_look(&self) -> bool {
        self.path.is_some() && (self.watch.is_none() || self.lookups.must_look())
    }

    pub(super) fn descriptor(&self) -> Option<BorrowedFd<'_>> {
        self.inotify.as_ref().map(Inotify::as_fd)
    }

    /// The directory to watch from now on.
    pub(super) fn configure(&mut self, path: Option<&String>) {
        if self.path.as_ref() != path {
            *self = Maintenance { path: path.cloned(), ..Maintenance::default() };
        }
    }

    /// Takes the kernel's reports and looks into the directory: what changed.
    pub(super) fn look(&mut self) -> Option<Event> {
        let path = self.path.clone()?;
        let now = Instant::now();
        let news = self.reported() || self.lookups.is_due(now);
        if !news && self.watch.is_some() && self.told.is_some() {
            return None;
        }
        // Watched before read: what changes between the two is reported.
        if self.watch.is_none() {
            self.begin(Path::new(&path));
        }
        let (names, others, problem) = read(Path::new(&path));
        let (hosts, unknown) = self.look_up(&path, &others, now);
        let found = (names, hosts, problem.or(unknown));
        if self.told.as_ref() == Some(&found) {
            return None;
        }
        self.told = Some(found.clone());
        let (names, hosts, problem) = found;
        Some(Event::MaintenanceRead { names, hosts, problem })
    }

    /// The hosts that these files are named by, as far as they are known, and what is wrong with the first of the others.
    fn look_up(
        &mut self,
        path: &str,
        others: &BTreeSet<String>,
        now: Instant,
    ) -> (BTreeMap<String, BTreeSet<IpAddr>>, Option<String>) {
        let hosts = others.iter().filter_map(|name| host_of(name)).map(|(host, _)| host.to_owned()).collect();
        let known = self.lookups.find(&hosts, now);
        let (mut found, mut strange) = (BTreeMap::new(), None);
        for name in others {
            let why = match host_of(name).map(|(host, _)| known.get(host)) {
                Some(Some(Ok(addresses))) => {
                    found.insert(name.clone(), addresses.clone());
                    continue;
                }
                // It is being asked for.
                Some(None) => continue,
                Some(Some(Err(why))) => format!(", and looked up as a host: {why}"),
                None => String::new(),
            };
            let shown: String = name.chars().take(40).flat_map(char::escape_debug).collect();
            strange.get_or_insert_with(|| {
                format!(
                    "`{shown}` in {path} is no address of a server{why}; expected a name like 192.0.2.1, 192.0.2.1:80 or \
                     web1.example.org"
                )
            });
        }
        (found, strange)
    }

    /// Takes all reports; true if there was any.
    fn reported(&mut self) -> bool {
        let mut any = false;
        while let Some(Ok(events)) = self.inotify.as_ref().map(Inotify::read_events) {
            for event in events {
                any = true;
                let ends =
                    AddWatchFlags::IN_DELETE_SELF | AddWatchFlags::IN_MOVE_SELF | AddWatchFlags::IN_IGNORED;
                if event.mask.intersects(ends) {
                    self.watch = None;
                }
            }
        }
        any
    }

    fn begin(&mut self, path: &Path) {
        if self.inotify.is_none() {
            self.inotify = Inotify::init(InitFlags::IN_NONBLOCK | InitFlags::IN_CLOEXEC).ok();
        }
        if silent_directory(path).is_none() {
            self.watch = self.inotify.as_ref().and_then(|inotify| inotify.add_watch(path, CHANGES).ok());
        }
    }
}

fn read(path: &Path) -> Contents {
    let problem = |what: String| (BTreeSet::new(), BTreeSet::new(), Some(what));
    let entries = match fs::read_dir(path) {
        Ok(entries) => entries,
        Err(error) if error.kind() == ErrorKind::NotFound => {
            return problem(format!("there is no directory {}: no server is in maintenance", path.display()));
        }
        Err(error) => return problem(format!("{} cannot be read: {error}", path.display())),
    };
    let (mut names, mut others) = (BTreeSet::new(), BTreeSet::new());
    for entry in entries.flatten().take(MOST) {
        let name = entry.file_name().to_string_lossy().into_owned();
        match names_a_server(&name) {
            true => drop(names.insert(name)),
            // A hidden file is meant for nobody.
            false if name.starts_with('.') => {}
            false => drop(others.insert(name)),
        }
    }
    (names, others, None)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(maintenance: &mut Maintenance) -> Option<(Vec<String>, bool)> {
        match maintenance.look()? {
            Event::MaintenanceRead { names, problem, .. } => {
                Some((names.into_iter().collect(), problem.is_some()))
            }
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn files_that_come_and_go_are_told_and_the_directory_may_too() {
        let path = std::env::temp_dir().join(format!("directord-maintenance-{}", std::process::id()));
        let _ = fs::remove_dir_all(&path);
        let text = path.to_str().unwrap().to_owned();
        let mut maintenance = Maintenance::default();
        maintenance.configure(Some(&text));
        assert_eq!(told(&mut maintenance), Some((Vec::new(), true)), "it is missing");
        assert!(maintenance.must_look());
        fs::create_dir(&path).unwrap();
        assert_eq!(told(&mut maintenance), Some((Vec::new(), false)));
        assert!(!maintenance.must_look());
        fs::write(path.join("192.0.2.1:80"), "").unwrap();
        fs::write(path.join(".hidden"), "").unwrap();
        assert_eq!(told(&mut maintenance), Some((vec!["192.0.2.1:80".to_owned()], false)));
        assert_eq!(told(&mut maintenance), None, "told twice");
        fs::write(path.join("web 1"), "").unwrap();
        assert_eq!(told(&mut maintenance), Some((vec!["192.0.2.1:80".to_owned()], true)));
        fs::rename(path.join("web 1"), path.join("[2001:db8::1]:80")).unwrap();
        assert_eq!(told(&mut maintenance).unwrap().0, ["192.0.2.1:80", "[2001:db8::1]:80"]);
        fs::remove_dir_all(&path).unwrap();
        assert_eq!(told(&mut maintenance), Some((Vec::new(), true)));
        fs::create_dir(&path).unwrap();
        assert_eq!(told(&mut maintenance), Some((Vec::new(), false)), "it is found again");
        maintenance.configure(None);
        assert!(maintenance.is_empty() && told(&mut maintenance).is_none());
        fs::remove_dir_all(&path).unwrap();
    }
}
