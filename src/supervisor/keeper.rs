//! The keeper of what the next life of this daemon must know: roles, verdicts, sessions.
//!
//! A thread of its own writes it to two files in the runtime directory. `state` is replaced as a whole and holds what
//! the brain said; `alive` the time at which no advert was late, again and again while there is a master. Whoever
//! starts here next reads both. A state that is torn, or was written by another version, on another host, before the
//! last boot or in another network namespace, is not believed; what the kernel holds is.

mod pulse;

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::sync::{Arc, LazyLock};
use std::time::{Duration, Instant};

use nix::time::{ClockId, clock_gettime};
use serde::{Deserialize, Serialize};
use tracing::{info, warn};
use vrrp::State;

use pulse::Pulse;

use super::host;
use crate::director::legacy::{Inheritance, Keepsake, Legacy};

/// Grows when a state of before can no longer be understood.
const FORMAT: u32 = 1;

/// How long verdicts may wait to be written together; roles never wait.
const GATHER: Duration = Duration::from_millis(200);

/// Where writing takes long it is done for so small a part of the time: one of twenty.
const SHARE: u32 = 20;

/// How often `alive` is written: at least four times an interval, within these bounds.
const BEATS: (Duration, Duration) = (Duration::from_millis(20), Duration::from_millis(500));

/// Nobody's state is larger: two hundred bytes for each of 100,000 real servers.
const LARGEST: u64 = 20 << 20;

const STATE: &str = "state";
const ALIVE: &str = "alive";

/// What the keeper can be told.
#[derive(Debug)]
pub(super) enum Job {
    /// Something changed.
    Keep(Keepsake),
    /// The process ends and leaves everything to a successor. At this time, by [`since_boot`], each master has sent an
    /// advert.
    Left(Duration),
    /// The process has let go of everything: there is nothing to go on with.
    Over,
}

/// Whether the brain is in time: it writes down its next deadline, others look whether that has passed.
#[derive(Debug, Clone)]
pub(super) struct Punctual(Arc<(Instant, AtomicU64)>);

impl Punctual {
    pub(super) fn new() -> Self {
        Punctual(Arc::new((Instant::now(), AtomicU64::new(0))))
    }

    /// The brain has nothing to do before this.
    pub(super) fn expect(&self, deadline: Option<Instant>) {
        let (start, next) = &*self.0;
        let until = deadline.map_or(u64::MAX, |at| nanos(at.saturating_duration_since(*start)));
        next.store(until, Ordering::Relaxed);
    }

    fn holds(&self, now: Instant) -> bool {
        let (start, next) = &*self.0;
        nanos(now.saturating_duration_since(*start)) < next.load(Ordering::Relaxed)
    }
}

/// The file `state`.
#[derive(Debug, Serialize, Deserialize)]
struct Written {
    format: u32,
    version: String,
    #[serde(flatten)]
    place: Place,
    /// When everything was left to a successor.
    left: Option<u64>,
    legacy: Legacy,
}

/// Where and when a state means anything.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Place {
    host: String,
    /// Another at each start of a kernel.
    pub(super) boot: String,
    /// The network namespace.
    pub(super) namespace: u64,
}

impl Place {
    /// This host, now.
    pub(super) fn here() -> Self {
        use std::os::linux::fs::MetadataExt;
        static BOOT: LazyLock<String> =
            LazyLock::new(|| fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default());
        let namespace = fs::metadata("/proc/self/ns/net").map_or(0, |file| file.st_ino());
        Place { host: host::name(), boot: BOOT.trim().to_owned(), namespace }
    }
}

/// What was found at the start.
#[derive(Debug, Clone, Default)]
pub(super) struct Found {
    legacy: Legacy,
    /// When no advert was late, by [`since_boot`], and whether each master sent one then.
    on_time: Option<(Duration, bool)>,
}

impl Found {
    /// Reads what the last life left. What cannot be believed is told, and remembers nothing.
    pub(super) fn load(directory: &Path) -> Self {
        match read(directory) {
            Ok(found) => found,
            Err(sentence) => {
                warn!(
                    "{}: {sentence}; it is ignored: what the kernel holds is compared with the configuration, and every \
                     instance begins as backup",
                    directory.join(STATE).display()
                );
                Found::default()
            }
        }
    }

    /// Whether the last life ended by plan and left everything to this one.
    pub(super) fn is_planned(&self) -> bool {
        self.on_time.is_some_and(|(_, planned)| planned)
    }

    /// What the brain is told of it.
    pub(super) fn inheritance(&self) -> Inheritance {
        let (age, planned) = match self.on_time {
            Some((at, planned)) => (since_boot().saturating_sub(at), planned),
            // Nobody knows: too long ago for anything.
            None => (Duration::MAX, false),
        };
        Inheritance { legacy: self.legacy.clone(), age, planned }
    }
}

fn read(directory: &Path) -> Result<Found, String> {
    let path = directory.join(STATE);
    match fs::metadata(&path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Found::default()),
        Ok(file) if file.len() > LARGEST => return Err(format!("{} bytes are too many", file.len())),
        _ => {}
    }
    let text = fs::read_to_string(&path).map_err(|error| format!("it cannot be read: {error}"))?;
    /// The part that every version understands.
    #[derive(Deserialize)]
    struct Head {
        format: u32,
        version: String,
        #[serde(flatten)]
        place: Place,
    }
    let head: Head = serde_json::from_str(&text).map_err(|error| format!("it is damaged: {error}"))?;
    let here = Place::here();
    if head.place.host != here.host {
        return Err(format!("it is of the host {}, and this is {}", head.place.host, here.host));
    }
    if head.place.boot != here.boot {
        return Err("it is from before the last boot".to_owned());
    }
    if head.place.namespace != here.namespace {
        return Err("it is of another network namespace".to_owned());
    }
    let other_version =
        || format!("it was written by directord {} in another form than this version reads", head.version);
    if head.format != FORMAT {
        return Err(other_version());
    }
    let written: Written = serde_json::from_str(&text).map_err(|_| other_version())?;
    let left = written.left.map(|at| (Duration::from_nanos(at), true));
    let alive = pulse::read(&directory.join(ALIVE)).map(|at| (at, false));
    Ok(Found { legacy: written.legacy, on_time: left.or(alive) })
}

/// Time since the boot, that of sleep included: a peer does not sleep with us.
pub(super) fn since_boot() -> Duration {
    clock_gettime(ClockId::CLOCK_BOOTTIME).map(Duration::from).unwrap_or_default()
}

fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

/// The keeper.
#[derive(Debug)]
pub(super) struct Keeper {
    directory: PathBuf,
    place: Place,
    legacy: Legacy,
    punctual: Punctual,
    pulse: Pulse,
    /// Verdicts that are not written yet, and since when.
    unwritten: Option<Instant>,
    /// How long they wait.
    gather: Duration,
    /// What was wrong with writing and was told.
    told: Option<String>,
}

impl Keeper {
    /// Goes on with what was found: what is not heard of anew stays as it was.
    pub(super) fn new(directory: &Path, found: Found, punctual: Punctual) -> Self {
        let (directory, place) = (directory.to_owned(), Place::here());
        let (legacy, gather) = (found.legacy, GATHER);
        let pulse = Pulse::new(directory.join(ALIVE));
        Keeper { directory, place, legacy, punctual, pulse, unwritten: None, gather, told: None }
    }

    /// Works until it is told how the process ends. Where that is not said, the files stay as they are.
    pub(super) fn work(mut self, jobs: &Receiver<Job>) {
        let mut next_beat = Instant::now();
        loop {
            let beat = self.beat().map(|_| next_beat);
            let due = [beat, self.unwritten.map(|since| since + self.gather)].into_iter().flatten().min();
            let first = match due {
                None => jobs.recv().map_err(|_| RecvTimeoutError::Disconnected),
                Some(at) => jobs.recv_timeout(at.saturating_duration_since(Instant::now())),
            };
            let first = match first {
                Ok(job) => Some(job),
                Err(RecvTimeoutError::Timeout) => None,
                Err(RecvTimeoutError::Disconnected) => return,
            };
            let mut roles_changed = false;
            for job in first.into_iter().chain(jobs.try_iter()) {
                match job {
                    Job::Keep(keepsake) => {
                        roles_changed |= matches!(keepsake, Keepsake::Role(..));
                        self.legacy.keep(keepsake);
                        self.unwritten.get_or_insert_with(Instant::now);
                    }
                    Job::Left(at) => return self.write(Some(at)),
                    Job::Over => return remove(&self.directory),
                }
            }
            let now = Instant::now();
            if roles_changed || self.unwritten.is_some_and(|since| since + self.gather <= now) {
                self.write(None);
            }
            if let Some(every) = self.beat().filter(|_| next_beat <= now) {
                self.tell_alive(now);
                next_beat = now + every;
            }
        }
    }

    /// How often it is written down that adverts are in time; `None` without a master.
    fn beat(&self) -> Option<Duration> {
        let masters = self.legacy.roles.values().filter(|role| role.state == State::Master);
        masters.map(|role| role.interval).min().map(|interval| (interval / 4).clamp(BEATS.0, BEATS.1))
    }

    fn tell_alive(&mut self, now: Instant) {
        let at = since_boot();
        if self.punctual.holds(now) {
            let written = self.pulse.beat(at);
            self.tell(written);
        }
    }

    fn write(&mut self, left: Option<Duration>) {
        let began = Instant::now();
        self.unwritten = None;
        let written = Written {
            format: FORMAT,
            version: env!("CARGO_PKG_VERSION").to_owned(),
            place: self.place.clone(),
            left: left.map(nanos),
            legacy: std::mem::take(&mut self.legacy),
        };
        let text = serde_json::to_vec(&written).map_err(io::Error::other);
        self.legacy = written.legacy;
        let outcome = text.and_then(|text| replace(&self.directory.join(STATE), &text));
        self.gather = GATHER.max(began.elapsed() * SHARE);
        self.tell(outcome);
    }

    fn tell(&mut self, outcome: io::Result<()>) {
        let trouble = outcome.err().map(|error| error.to_string());
        if trouble == self.told {
            return;
        }
        match &trouble {
            Some(why) => warn!(
                "{}: the state cannot be written: {why}; a restart would begin without it, and hand over",
                self.directory.display()
            ),
            None => info!("{}: the state is written again", self.directory.display()),
        }
        self.told = trouble;
    }
}

/// Whole or not at all: a reader never sees half a file.
fn replace(path: &Path, content: &[u8]) -> io::Result<()> {
    let new = path.with_extension("new");
    fs::write(&new, content)?;
    fs::rename(&new, path)
}

/// Whether a life ended here without letting go of everything.
pub(super) fn is_there(directory: &Path) -> bool {
    directory.join(STATE).exists()
}

/// There is nothing to go on with.
pub(super) fn remove(directory: &Path) {
    for name in [STATE, ALIVE] {
        let _ = fs::remove_file(directory.join(name));
    }
}

#[cfg(test)]
mod tests;
