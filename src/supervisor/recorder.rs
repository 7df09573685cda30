//! Writes down what the brain was told and what it answered, one JSON object a line, so that a run can be replayed
//! on a desk ([`replay`]).
//!
//! The brain's thread only puts copies into a queue; a thread of its own writes. A disk that cannot keep up loses
//! the end of the recording, never an advert: when the queue is full, recording stops and says so.
//!
//! Passwords and secrets of checks are not written down: a replay makes no attempt, and needs them only to tell one from
//! another. Keys of routers are, since the brain itself signs with them.

use std::fs::File;
use std::io::{self, BufRead, BufReader, BufWriter, Write};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{SyncSender, TrySendError, sync_channel};
use std::time::{Duration, Instant, SystemTime};

use healthcheck::Secret;
use serde::{Deserialize, Serialize};
use tracing::error;

use crate::director::effect::Effect;
use crate::director::event::Event;
use crate::director::legacy::Keepsake;
use crate::director::{Birth, Director};

/// Lines that may wait for the disk.
const QUEUE: usize = 100_000;

/// One line of a recording.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Line {
    /// The first line: how the brain was made.
    Brain {
        host_name: String,
        seed: u64,
        wall: SystemTime,
        #[serde(default)]
        up: Duration,
    },
    /// A fact, and nanoseconds since the first line.
    Event { at: u64, event: Event },
    /// The clock reached a deadline.
    Timeout { at: u64 },
    /// What the brain wanted then.
    Effect(String),
}

/// The writing end, on the brain's thread.
#[derive(Debug)]
pub(super) struct Recorder {
    lines: SyncSender<Line>,
    start: Instant,
    overflown: AtomicBool,
}

impl Recorder {
    /// Starts a recording of a brain made with these values.
    pub(super) fn create(path: &Path, birth: &Birth) -> io::Result<Self> {
        let mut file = BufWriter::new(File::create(path)?);
        let (lines, queue) = sync_channel::<Line>(QUEUE);
        std::thread::Builder::new().name("recorder".to_owned()).spawn(move || {
            for line in queue {
                let written = Secret::hiding(|| serde_json::to_writer(&mut file, &line))
                    .map_err(io::Error::other)
                    .and_then(|()| file.write_all(b"\n"))
                    .and_then(|()| file.flush());
                if let Err(error) = written {
                    error!("the recording ends here: {error}");
                    return;
                }
            }
        })?;
        let recorder = Recorder { lines, start: birth.at, overflown: AtomicBool::new(false) };
        let Birth { host_name, seed, wall, up, .. } = birth.clone();
        recorder.write(Line::Brain { host_name, seed, wall, up });
        Ok(recorder)
    }

    pub(super) fn event(&self, now: Instant, event: &Event) {
        self.write(Line::Event { at: self.offset(now), event: event.clone() });
    }

    pub(super) fn timeout(&self, now: Instant) {
        self.write(Line::Timeout { at: self.offset(now) });
    }

    pub(super) fn effect(&self, effect: &Effect) {
        self.write(Line::Effect(describe(effect)));
    }

    fn offset(&self, now: Instant) -> u64 {
        u64::try_from(now.saturating_duration_since(self.start).as_nanos()).unwrap_or(u64::MAX)
    }

    fn write(&self, line: Line) {
        if self.overflown.load(Ordering::Relaxed) {
            return;
        }
        if let Err(failure) = self.lines.try_send(line) {
            self.overflown.store(true, Ordering::Relaxed);
            // A writer that has ended said why itself.
            if matches!(failure, TrySendError::Full(_)) {
                error!("the recording ends here: the disk cannot keep up");
            }
        }
    }
}

/// An effect as it is compared. The IPVS table is told by its number and size, it would fill the disk.
fn describe(effect: &Effect) -> String {
    match effect {
        Effect::Table(level) => format!("Table #{} {} services", level.serial, level.value.services.len()),
        Effect::Keep(Keepsake::Only(_)) => "Keep(Only)".to_owned(),
        other => format!("{other:?}"),
    }
}

/// How a replay ended.
#[derive(Debug, PartialEq, Eq)]
pub enum Replay {
    /// The brain did again what it did then: facts and effects compared.
    Same {
        /// Facts and deadlines.
        inputs: usize,
        /// Effects.
        effects: usize,
    },
    /// The first line at which it did something else.
    Differs {
        /// Line number in the recording, from 1.
        line: usize,
        /// What the recording says.
        recorded: String,
        /// What the brain wanted now.
        replayed: String,
    },
}

/// Lets a fresh brain live through a recording, and compares what it wants with what was wanted then.
pub fn replay(path: &Path) -> io::Result<Replay> {
    let mut lines = BufReader::new(File::open(path)?).lines().enumerate();
    let parse = |text: &str| serde_json::from_str::<Line>(text).map_err(io::Error::other);
    let first = lines.next().map(|(_, text)| text).transpose()?.unwrap_or_default();
    let Line::Brain { host_name, seed, wall, up } = parse(&first)? else {
        return Err(io::Error::other("not a recording: its first line does not say how the brain was made"));
    };
    let start = Instant::now();
    let mut director = Director::new(Birth { host_name, seed, at: start, wall, up });
    let (mut inputs, mut effects) = (0, 0);
    for (number, text) in lines {
        let differs =
            |recorded: String, replayed: String| Replay::Differs { line: number + 1, recorded, replayed };
        let line = match parse(&text?) {
            Ok(line) => line,
            // A process that was killed leaves half a line at the end.
            Err(_) => break,
        };
        match line {
            Line::Effect(recorded) => {
                effects += 1;
                let replayed = director.poll_effect().map_or("nothing".to_owned(), |e| describe(&e));
                if replayed != recorded {
                    return Ok(differs(recorded, replayed));
                }
            }
            Line::Event { at, event } => {
                inputs += 1;
                if let Some(more) = director.poll_effect() {
                    return Ok(differs("nothing more".to_owned(), describe(&more)));
                }
                director.handle_event(event, start + Duration::from_nanos(at));
            }
            Line::Timeout { at } => {
                inputs += 1;
                if let Some(more) = director.poll_effect() {
                    return Ok(differs("nothing more".to_owned(), describe(&more)));
                }
                director.handle_timeout(start + Duration::from_nanos(at));
            }
            Line::Brain { .. } => return Err(io::Error::other("a second recording begins in the middle")),
        }
    }
    Ok(Replay::Same { inputs, effects })
}
