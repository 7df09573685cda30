//! Track files: what number each holds now.
//!
//! The directories are watched, not the files: a file may be missing, come, go, or be replaced by a rename, and a watch on
//! the file itself would stay with the old one. Of a symbolic link both places are watched. A directory that is missing
//! is looked for once a second. A file system whose changes the kernel does not report (a network's, or one that the
//! kernel makes up) is refused, as keepalived does: a switch that works by chance is worse than none.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Read, Write};
use std::num::IntErrorKind;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use nix::sys::inotify::{AddWatchFlags, InitFlags, Inotify, WatchDescriptor};
use nix::sys::statfs::{FsType, statfs};
use tracing::{error, warn};

use crate::config::{InitFile, TrackFile};
use crate::director::event::Event;

/// More than any number needs; the rest of a file is not read.
const LONGEST: u64 = 64;

/// What the kernel reports of a directory: that something in it was written, came or went, and its own end.
const CHANGES: AddWatchFlags = AddWatchFlags::IN_CLOSE_WRITE
    .union(AddWatchFlags::IN_CREATE)
    .union(AddWatchFlags::IN_MOVE)
    .union(AddWatchFlags::IN_DELETE)
    .union(AddWatchFlags::IN_DELETE_SELF)
    .union(AddWatchFlags::IN_MOVE_SELF)
    .union(AddWatchFlags::IN_ONLYDIR);

/// File systems that report nothing, or not what happens on other machines (magic numbers of `statfs(2)`).
const SILENT: &[(FsType, &str)] = &[
    (FsType(0x6969), "NFS"),
    (FsType(0x6573_5546), "FUSE"),
    (FsType(0x517b), "SMB"),
    (FsType(0xff53_4d42), "CIFS"),
    (FsType(0xfe53_4d42), "SMB2"),
    (FsType(0x5346_414f), "AFS"),
    (FsType(0x00c3_6400), "Ceph"),
    (FsType(0x0102_1997), "9p"),
    (FsType(0x9fa0), "proc"),
    (FsType(0x6265_6572), "sysfs"),
    (FsType(0x6462_6720), "debugfs"),
    (FsType(0x0027_e0eb), "cgroup"),
    (FsType(0x6367_7270), "cgroup2"),
];

/// All files, and the directories that are watched for them.
#[derive(Debug)]
pub(super) struct Files {
    inotify: Option<Inotify>,
    files: BTreeMap<String, Watch>,
    directories: BTreeMap<PathBuf, Directory>,
    /// Something cannot be watched, and is looked at instead.
    incomplete: bool,
}

#[derive(Debug)]
struct Watch {
    file: Arc<TrackFile>,
    /// What the brain was told.
    told: Option<(i64, Option<String>)>,
}

#[derive(Debug)]
struct Directory {
    descriptor: WatchDescriptor,
    /// The names in it that matter; `None`: any may.
    names: Option<BTreeSet<OsString>>,
}

impl Files {
    /// No files yet. Without inotify everything is looked at once a second.
    pub(super) fn new() -> Self {
        let inotify = Inotify::init(InitFlags::IN_NONBLOCK | InitFlags::IN_CLOEXEC);
        if let Err(errno) = &inotify {
            warn!("changes of track files are seen with a delay of a second: inotify: {errno}");
        }
        Files {
            inotify: inotify.ok(),
            files: BTreeMap::new(),
            directories: BTreeMap::new(),
            incomplete: false,
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.files.is_empty()
    }

    pub(super) fn must_look(&self) -> bool {
        self.incomplete
    }

    pub(super) fn descriptor(&self) -> Option<BorrowedFd<'_>> {
        self.inotify.as_ref().map(Inotify::as_fd)
    }

    /// The files to watch from now on. One that is new is written first, if that is asked for.
    pub(super) fn configure(&mut self, wanted: &BTreeMap<String, Arc<TrackFile>>) {
        self.files.retain(|name, _| wanted.contains_key(name));
        for (name, file) in wanted {
            let known = self.files.get_mut(name).filter(|watch| watch.file.path == file.path);
            if let Some(watch) = known {
                watch.file = file.clone();
                continue;
            }
            if let Some(init) = file.init
                && let Err(error) = write(Path::new(&file.path), init)
            {
                error!("track_file {name}: cannot write {}: {error}", file.path);
            }
            self.files.insert(name.clone(), Watch { file: file.clone(), told: None });
        }
        // A reload tells the brain everything anew only where that is new; the rest it knows.
        self.arrange();
    }

    /// Takes the kernel's reports and reads the files: what changed.
    pub(super) fn look(&mut self) -> Vec<Event> {
        if self.files.is_empty() {
            let _ = self.reports();
            return Vec::new();
        }
        // Watched before read: what changes between the two is reported.
        let fresh = self.files.values().any(|watch| watch.told.is_none());
        if !self.reports() && !fresh {
            return Vec::new();
        }
        self.arrange();
        let mut events = Vec::new();
        for (name, watch) in &mut self.files {
            let found = read(Path::new(&watch.file.path));
            if watch.told.as_ref() != Some(&found) {
                let (number, problem) = found.clone();
                watch.told = Some(found);
                events.push(Event::FileRead { file: name.clone(), number, problem });
            }
        }
        events
    }

    /// Takes all reports; true if the watches have to be looked at anew. Without any report it is time to look anyway.
    fn reports(&mut self) -> bool {
        let Some(inotify) = &self.inotify else { return true };
        let mut any = false;
        let mut concerned = false;
        while let Ok(events) = inotify.read_events() {
            for event in events {
                any = true;
                let directory = self.directories.values().find(|known| known.descriptor == event.wd);
                concerned |= match (directory, &event.name) {
                    (Some(Directory { names: Some(names), .. }), Some(name)) => names.contains(name),
                    _ => true,
                };
                if event.mask.intersects(AddWatchFlags::IN_MOVE_SELF) {
                    let _ = inotify.rm_watch(event.wd);
                }
                let gone = AddWatchFlags::IN_IGNORED | AddWatchFlags::IN_MOVE_SELF;
                if event.mask.intersects(gone) {
                    self.directories.retain(|_, known| known.descriptor != event.wd);
                }
            }
        }
        concerned || !any
    }

    /// Watches the directories of all files, and no others.
    fn arrange(&mut self) {
        let mut wanted: BTreeMap<PathBuf, Option<BTreeSet<OsString>>> = BTreeMap::new();
        for watch in self.files.values() {
            let path = Path::new(&watch.file.path);
            let target = fs::canonicalize(path).ok();
            let is_link = fs::symlink_metadata(path).is_ok_and(|file| file.is_symlink());
            for place in std::iter::once(path).chain(target.as_deref().filter(|target| *target != path)) {
                let (Some(directory), Some(name)) = (place.parent(), place.file_name()) else { continue };
                let names = wanted.entry(directory.to_owned()).or_insert_with(|| Some(BTreeSet::new()));
                if is_link {
                    *names = None;
                } else if let Some(names) = names {
                    names.insert(name.to_owned());
                }
            }
        }
        let Some(inotify) = &self.inotify else {
            self.incomplete = !wanted.is_empty();
            return;
        };
        self.incomplete = false;
        self.directories.retain(|path, known| {
            let keep = wanted.contains_key(path);
            if !keep {
                let _ = inotify.rm_watch(known.descriptor);
            }
            keep
        });
        for (path, names) in wanted {
            // The same directory is the same watch; another one of that name is another.
            match inotify.add_watch(&path, CHANGES) {
                Ok(descriptor) => drop(self.directories.insert(path, Directory { descriptor, names })),
                Err(_) => self.incomplete = true,
            }
        }
    }
}

/// `init_file`: an existing file is replaced only on request, and never through a symbolic link.
fn write(path: &Path, init: InitFile) -> io::Result<()> {
    let mut options = OpenOptions::new();
    options.write(true).mode(0o644).custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK);
    if init.overwrite {
        options.create(true).truncate(true);
    } else {
        options.create_new(true);
    }
    match options.open(path) {
        Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(()),
        Err(error) => Err(error),
        Ok(mut file) => writeln!(file, "{}", init.value),
    }
}

/// The number in a file, and what is wrong with it: then it counts as 0. A file that is missing or empty is 0.
fn read(path: &Path) -> (i64, Option<String>) {
    let problem = |what: String| (0, Some(format!("{what}; it counts as 0")));
    if let Some(name) = silent(path) {
        return problem(format!(
            "{} is on a file system of type {name}, whose changes the kernel does not report: choose a place like /run",
            path.display()
        ));
    }
    let text = match text(path) {
        Ok(text) => text,
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {
            return (0, None);
        }
        Err(error) => return problem(format!("{} cannot be read: {error}", path.display())),
    };
    match text.trim().parse::<i64>() {
        Ok(number) => (number, None),
        Err(error) => match error.kind() {
            IntErrorKind::Empty => (0, None),
            IntErrorKind::PosOverflow => (i64::MAX, None),
            IntErrorKind::NegOverflow => (i64::MIN, None),
            _ => {
                let found: String = text.trim().chars().take(20).flat_map(char::escape_debug).collect();
                problem(format!("{} says `{found}`, expected one whole number", path.display()))
            }
        },
    }
}

/// The beginning of a regular file. Opening never waits, as it would for a FIFO.
fn text(path: &Path) -> io::Result<String> {
    let file: File = OpenOptions::new().read(true).custom_flags(libc::O_NONBLOCK).open(path)?;
    if !file.metadata()?.is_file() {
        return Err(io::Error::other("it is no regular file"));
    }
    let mut bytes = Vec::new();
    file.take(LONGEST).read_to_end(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// The type of the file system that a file lies on, if it is one that reports no changes.
fn silent(path: &Path) -> Option<&'static str> {
    silent_directory(path.parent()?)
}

/// The same of a directory.
pub(super) fn silent_directory(path: &Path) -> Option<&'static str> {
    let system = statfs(path).ok()?.filesystem_type();
    SILENT.iter().find(|(known, _)| *known == system).map(|(_, name)| *name)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A directory of its own, gone with the test.
    struct Place(PathBuf);

    impl Place {
        fn new(name: &str) -> Place {
            let path = std::env::temp_dir().join(format!("directord-files-{name}-{}", std::process::id()));
            let _ = fs::remove_dir_all(&path);
            fs::create_dir_all(&path).unwrap();
            Place(path)
        }

        fn path(&self, name: &str) -> PathBuf {
            self.0.join(name)
        }
    }

    impl Drop for Place {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    fn track(path: &Path, init: Option<InitFile>) -> BTreeMap<String, Arc<TrackFile>> {
        let path = path.to_str().unwrap().to_owned();
        [("f".to_owned(), Arc::new(TrackFile { path, weight: Default::default(), init }))].into()
    }

    /// The numbers told, after what the kernel has to report.
    fn numbers(files: &mut Files) -> Vec<i64> {
        let told = files.look().into_iter().map(|event| match event {
            Event::FileRead { number, .. } => number,
            other => panic!("{other:?}"),
        });
        told.collect()
    }

    #[test]
    fn a_file_that_is_written_replaced_and_removed_is_told_each_time() {
        let place = Place::new("written");
        let path = place.path("number");
        let mut files = Files::new();
        files.configure(&track(&path, None));
        assert_eq!(numbers(&mut files), [0], "a missing file is 0");
        fs::write(&path, "5\n").unwrap();
        assert_eq!(numbers(&mut files), [5]);
        assert!(numbers(&mut files).is_empty(), "told twice");
        fs::write(place.path("new"), " -7 ").unwrap();
        fs::rename(place.path("new"), &path).unwrap();
        assert_eq!(numbers(&mut files), [-7]);
        fs::remove_file(&path).unwrap();
        assert_eq!(numbers(&mut files), [0]);
        files.configure(&BTreeMap::new());
        assert!(files.is_empty() && files.directories.is_empty() && !files.must_look());
    }

    #[test]
    fn a_missing_directory_is_looked_for_and_one_that_is_replaced_is_found_again() {
        let place = Place::new("directory");
        let path = place.path("deep/number");
        let mut files = Files::new();
        files.configure(&track(&path, None));
        assert!(files.must_look());
        assert_eq!(numbers(&mut files), [0]);
        fs::create_dir(place.path("deep")).unwrap();
        fs::write(&path, "3").unwrap();
        assert_eq!(numbers(&mut files), [3]);
        assert!(!files.must_look());
        fs::rename(place.path("deep"), place.path("away")).unwrap();
        assert_eq!(numbers(&mut files), [0]);
        assert!(files.must_look());
        fs::create_dir(place.path("deep")).unwrap();
        fs::write(&path, "4").unwrap();
        assert_eq!(numbers(&mut files), [4]);
    }

    #[test]
    fn a_link_is_followed_wherever_it_leads() {
        let place = Place::new("link");
        fs::create_dir(place.path("there")).unwrap();
        fs::write(place.path("there/one"), "1").unwrap();
        std::os::unix::fs::symlink(place.path("there/one"), place.path("number")).unwrap();
        let mut files = Files::new();
        files.configure(&track(&place.path("number"), None));
        assert_eq!(numbers(&mut files), [1]);
        fs::write(place.path("there/one"), "2").unwrap();
        assert_eq!(numbers(&mut files), [2]);
    }

    #[test]
    fn rubbish_counts_as_nothing_and_is_told() {
        let place = Place::new("rubbish");
        let path = place.path("number");
        let cases = [("", 0, false), ("12", 12, false), ("on", 0, true), ("1 2", 0, true), ("1.5", 0, true)];
        for (text, number, problem) in cases {
            fs::write(&path, text).unwrap();
            let found = read(&path);
            assert_eq!((found.0, found.1.is_some()), (number, problem), "{text:?}: {found:?}");
        }
        fs::write(&path, "9".repeat(40)).unwrap();
        assert_eq!(read(&path).0, i64::MAX);
        fs::write(&path, [0xff, 0, 7]).unwrap();
        assert!(read(&path).1.is_some());
        assert!(read(&place.0).1.is_some(), "a directory is no file");
        nix::unistd::mkfifo(&place.path("fifo"), nix::sys::stat::Mode::S_IRWXU).unwrap();
        assert!(read(&place.path("fifo")).1.is_some_and(|why| why.contains("regular")));
        let refused = read(Path::new("/proc/self/number")).1;
        assert!(refused.is_some_and(|why| why.contains("type proc")));
    }

    #[test]
    fn a_file_is_written_at_first_and_replaced_only_on_request() {
        let place = Place::new("initial");
        let path = place.path("number");
        let write = |value, overwrite| {
            let mut files = Files::new();
            files.configure(&track(&path, Some(InitFile { value, overwrite })));
            // A reload is no start.
            fs::read_to_string(&path).unwrap()
        };
        assert_eq!(write(3, false), "3\n");
        assert_eq!(write(4, false), "3\n");
        assert_eq!(write(4, true), "4\n");
        fs::remove_file(&path).unwrap();
        std::os::unix::fs::symlink(place.path("target"), &path).unwrap();
        super::write(&path, InitFile { value: 5, overwrite: true }).unwrap_err();
        assert!(!place.path("target").exists(), "written through a link");
    }
}
