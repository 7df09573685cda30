//! Tracked processes: how many there are now.
//!
//! The kernel's connector tells which process to look at; `/proc` tells what it is. Where there is no connector (in a
//! container, in another network namespace, without `CAP_NET_ADMIN`) all of `/proc` is read once a second.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::fd::BorrowedFd;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tracing::{info, warn};

use super::connector::{Connector, Report};
use crate::config::{Parameters, TrackProcess};
use crate::director::event::Event;

/// How long the kernel may take to say that it reports.
const ANSWER: Duration = Duration::from_secs(1);

/// Between two readings of `/proc`; a little less than the time between two looks.
const SCAN: Duration = Duration::from_millis(900);

/// Bytes of the kernel's name of a process.
const NAME: usize = 15;

/// All trackers, and which processes they mean.
#[derive(Debug)]
pub(super) struct Processes {
    wanted: BTreeMap<String, Arc<TrackProcess>>,
    /// The trackers that mean a process, by its number; processes that none means are not here.
    found: BTreeMap<i32, BTreeSet<String>>,
    told: BTreeMap<String, u32>,
    source: Source,
    /// When all of `/proc` was read last; `None`: it has to be.
    scanned: Option<Instant>,
    /// Why there is no connector, until the brain is told.
    missing: Option<String>,
    /// That there is no connector is told once.
    told_why: bool,
}

#[derive(Debug)]
enum Source {
    None,
    /// Subscribed at that time; since then reports may have come.
    Connector {
        connector: Connector,
        asked: Instant,
        answered: bool,
    },
    Scan,
}

impl Processes {
    pub(super) fn new() -> Self {
        Processes {
            wanted: BTreeMap::new(),
            found: BTreeMap::new(),
            told: BTreeMap::new(),
            source: Source::None,
            scanned: None,
            told_why: false,
            missing: None,
        }
    }

    pub(super) fn must_look(&self) -> bool {
        matches!(self.source, Source::Scan | Source::Connector { answered: false, .. })
    }

    pub(super) fn descriptor(&self) -> Option<BorrowedFd<'_>> {
        match &self.source {
            Source::Connector { connector, .. } => Some(connector.descriptor()),
            _ => None,
        }
    }

    /// The processes to watch from now on.
    pub(super) fn configure(&mut self, wanted: &BTreeMap<String, Arc<TrackProcess>>, now: Instant) {
        // What means other processes now is counted anew, and that is told.
        self.told.retain(|name, _| {
            let (old, new) = (self.wanted.get(name), wanted.get(name));
            old.zip(new).is_some_and(|(old, new)| {
                (&old.process, old.full_command, old.parameters)
                    == (&new.process, new.full_command, new.parameters)
            })
        });
        self.wanted.clone_from(wanted);
        self.scanned = None;
        if self.wanted.is_empty() {
            self.source = Source::None;
            self.found.clear();
        } else if matches!(self.source, Source::None) {
            // Subscribed before the first reading: what changes between the two is heard.
            self.source = match Connector::open() {
                Ok(connector) => Source::Connector { connector, asked: now, answered: false },
                Err(error) => {
                    self.do_without(&error.to_string());
                    Source::Scan
                }
            };
        }
    }

    /// Takes the kernel's reports: which numbers changed.
    pub(super) fn look(&mut self, now: Instant) -> Vec<Event> {
        if self.wanted.is_empty() {
            return Vec::new();
        }
        self.take_reports(now);
        let due = match self.source {
            Source::Scan => self.scanned.is_none_or(|at| now.duration_since(at) >= SCAN),
            _ => self.scanned.is_none(),
        };
        if due {
            self.scan();
            self.scanned = Some(now);
        }
        let mut counts: BTreeMap<&String, u32> = self.wanted.keys().map(|name| (name, 0)).collect();
        for name in self.found.values().flatten() {
            if let Some(count) = counts.get_mut(name) {
                *count += 1;
            }
        }
        let mut events: Vec<Event> = self.missing.take().map(Event::ProcessesUnheard).into_iter().collect();
        for (process, count) in counts {
            if self.told.insert(process.clone(), count) != Some(count) {
                events.push(Event::ProcessesCounted { process: process.clone(), count });
            }
        }
        events
    }

    fn take_reports(&mut self, now: Instant) {
        let Source::Connector { connector, asked, answered } = &mut self.source else { return };
        let reports = connector.read();
        *answered |= !reports.is_empty();
        let silent = !*answered && now.duration_since(*asked) >= ANSWER;
        for report in reports {
            match report {
                Report::Listening => {}
                Report::Changed(number) => self.examine(number),
                Report::Ended(number) => drop(self.found.remove(&number)),
                Report::Lost => {
                    warn!(
                        "the kernel had more to tell of processes than we could hear: they are counted anew"
                    );
                    self.scanned = None;
                }
            }
        }
        if silent {
            self.do_without("the kernel does not answer, as is usual in a container");
            self.source = Source::Scan;
        }
    }

    fn do_without(&mut self, why: &str) {
        if !self.told_why {
            self.told_why = true;
            self.missing = Some(why.to_owned());
            info!("tracked processes are counted once a second, not at once: process connector: {why}");
        }
    }

    /// Reads all of `/proc`.
    fn scan(&mut self) {
        self.found.clear();
        let Ok(entries) = fs::read_dir("/proc") else { return };
        for entry in entries.flatten() {
            if let Some(number) = entry.file_name().to_str().and_then(|name| name.parse().ok()) {
                self.examine(number);
            }
        }
    }

    /// Looks at one process: which trackers mean it.
    fn examine(&mut self, number: i32) {
        let meant = match Process::read(number) {
            Some(process) => {
                let meant = self.wanted.iter().filter(|(_, tracker)| process.is_meant_by(tracker));
                meant.map(|(name, _)| name.clone()).collect()
            }
            None => BTreeSet::new(),
        };
        if meant.is_empty() {
            self.found.remove(&number);
        } else {
            self.found.insert(number, meant);
        }
    }
}

/// What `/proc` says of a process.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Process {
    /// The kernel's name, 15 bytes at most.
    name: Vec<u8>,
    /// The command line, a word each.
    words: Vec<Vec<u8>>,
}

impl Process {
    /// `None` if there is no such process, or if it has ended and nobody has asked how.
    fn read(number: i32) -> Option<Process> {
        let status = fs::read(format!("/proc/{number}/stat")).ok()?;
        let name = alive(&status)?.to_vec();
        let line = fs::read(format!("/proc/{number}/cmdline")).unwrap_or_default();
        let line = line.strip_suffix(b"\0").unwrap_or(&line);
        let words = line.split(|byte| *byte == 0).map(<[u8]>::to_vec).collect();
        Some(Process { name, words })
    }

    fn is_meant_by(&self, tracker: &TrackProcess) -> bool {
        let Some((program, parameters)) = tracker.process.split_first() else { return false };
        if !tracker.full_command {
            let name = program.rsplit('/').next().unwrap_or(program).as_bytes();
            return self.name == name.get(..NAME).unwrap_or(name);
        }
        let Some((own_program, own)) = self.words.split_first() else { return false };
        if own_program != program.as_bytes() {
            return false;
        }
        let same =
            |own: &[Vec<u8>]| own.iter().map(Vec::as_slice).eq(parameters.iter().map(String::as_bytes));
        match tracker.parameters {
            Parameters::Exact => parameters.is_empty() || same(own),
            Parameters::Initial => own.get(..parameters.len()).is_some_and(same),
            Parameters::Partial => {
                let Some((last, before)) = parameters.split_last() else { return true };
                let own_before = own.get(..before.len());
                let equal = own_before
                    .is_some_and(|own| own.iter().map(Vec::as_slice).eq(before.iter().map(String::as_bytes)));
                equal && own.get(before.len()).is_some_and(|word| word.starts_with(last.as_bytes()))
            }
        }
    }
}

/// The name in `/proc/NUMBER/stat` of a process that lives: `77 (name) S ...`. A name may hold anything, so it ends
/// with the last parenthesis.
fn alive(status: &[u8]) -> Option<&[u8]> {
    let begin = status.iter().position(|byte| *byte == b'(')? + 1;
    let end = status.iter().rposition(|byte| *byte == b')')?;
    let state = status.get(end + 2)?;
    if matches!(state, b'Z' | b'X' | b'x') {
        return None;
    }
    status.get(begin..end)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tracker(words: &[&str], full_command: bool, parameters: Parameters) -> Arc<TrackProcess> {
        Arc::new(TrackProcess {
            process: words.iter().map(|word| (*word).to_owned()).collect(),
            full_command,
            parameters,
            weight: Default::default(),
            quorum: 1,
            quorum_max: None,
            fork_delay: Duration::ZERO,
            terminate_delay: Duration::ZERO,
        })
    }

    fn process(name: &str, words: &[&str]) -> Process {
        let words = words.iter().map(|word| word.as_bytes().to_vec()).collect();
        Process { name: name.as_bytes().to_vec(), words }
    }

    #[test]
    fn by_its_name_or_by_its_whole_command() {
        let sshd = process("sshd", &["/usr/sbin/sshd", "-D", "-p", "2222"]);
        let meant = |words: &[&str], full, parameters| sshd.is_meant_by(&tracker(words, full, parameters));
        assert!(meant(&["sshd"], false, Parameters::Exact));
        assert!(meant(&["/usr/sbin/sshd"], false, Parameters::Exact));
        assert!(!meant(&["ssh"], false, Parameters::Exact));
        assert!(meant(&["/usr/sbin/sshd"], true, Parameters::Exact));
        assert!(!meant(&["sshd"], true, Parameters::Exact));
        let words = ["/usr/sbin/sshd", "-D", "-p", "2222"];
        assert!(meant(&words, true, Parameters::Exact));
        assert!(!meant(&words[..3], true, Parameters::Exact));
        assert!(meant(&words[..3], true, Parameters::Initial));
        assert!(!meant(&["/usr/sbin/sshd", "-p"], true, Parameters::Initial));
        assert!(meant(&["/usr/sbin/sshd", "-D", "-p", "22"], true, Parameters::Partial));
        assert!(!meant(&["/usr/sbin/sshd", "-D", "-p", "22"], true, Parameters::Initial));
        assert!(!meant(&["/usr/sbin/sshd", "-D", "-p", "2222", "x"], true, Parameters::Partial));
        let long = process("a-very-long-nam", &["a-very-long-name-of-a-program"]);
        assert!(
            long.is_meant_by(&tracker(&["a-very-long-name-of-a-program"], false, Parameters::Exact)),
            "the kernel cuts names"
        );
    }

    #[test]
    fn a_name_may_hold_anything_and_a_dead_process_is_none() {
        assert_eq!(alive(b"77 (a) b) S 1 2"), Some(&b"a) b"[..]));
        assert_eq!(alive(b"77 (sshd) Z 1 2"), None);
        for odd in [&b""[..], b"77", b"77 (", b"77 )(", b"77 (x)"] {
            assert_eq!(alive(odd), None);
        }
    }

    #[test]
    fn what_begins_and_ends_is_counted() {
        let words = ["sleep", "4321.125"];
        let wanted = BTreeMap::from([("p".to_owned(), tracker(&words, true, Parameters::Exact))]);
        let mut processes = Processes::new();
        processes.configure(&wanted, Instant::now());
        let mut count = |at: Instant| match processes.look(at).as_slice() {
            [] => None,
            [Event::ProcessesCounted { count, .. }] => Some(*count),
            other => panic!("{other:?}"),
        };
        assert_eq!(count(Instant::now()), Some(0));
        let mut child = std::process::Command::new("sleep").arg("4321.125").spawn().unwrap();
        let wait = |count: &mut dyn FnMut(Instant) -> Option<u32>, expected| {
            let end = Instant::now() + Duration::from_secs(20);
            loop {
                if count(Instant::now()) == Some(expected) {
                    return;
                }
                assert!(Instant::now() < end, "never counted {expected}");
                std::thread::sleep(Duration::from_millis(20));
            }
        };
        wait(&mut count, 1);
        child.kill().unwrap();
        wait(&mut count, 0);
        child.wait().unwrap();
    }
}
