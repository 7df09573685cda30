//! Which notice goes out when.
//!
//! One notice is on its way at a time, so they arrive in the order in which things happened. One that
//! cannot be delivered is tried again, each pause three times as long as the one before; the others wait
//! behind it. After its last try, or at once when trying again is of no use, it is given up.
//!
//! Overflow rule: when more notices wait than the queue holds, the oldest waiting one is dropped. Whatever
//! was dropped or given up is counted, and the next mail that is delivered tells the number.
//!
//! A notice that says the same of the same one as the latest still waiting takes its place instead of
//! standing behind it. DOWN, UP, DOWN stay three notices.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use crate::notice::Notice;

/// How many notices may wait, and how stubbornly each is tried.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limits {
    /// The most notices that wait (0 counts as 1).
    pub capacity: usize,
    /// How often a notice is tried in all (0 counts as 1).
    pub tries: u32,
    /// The pause before the second try; each further one is three times as long, up to an hour.
    pub first_pause: Duration,
    /// How long the last notices may take when the daemon stops.
    pub flush: Duration,
}

impl Default for Limits {
    /// 256 notices, five tries over nearly seven minutes (10 s, 30 s, 90 s, 270 s), 5 s at the end.
    fn default() -> Limits {
        Limits {
            capacity: 256,
            tries: 5,
            first_pause: Duration::from_secs(10),
            flush: Duration::from_secs(5),
        }
    }
}

/// What the outbox wants done, or wants known.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Output {
    /// Send this, and report to [`Outbox::handle_result`] under this number. Nothing else is sent until
    /// then.
    Send {
        /// Counts the tries of this outbox from 1.
        number: u64,
        /// The notice, with the number of missed ones told in its body.
        notice: Notice,
    },
    /// A try failed; the notice will be tried again.
    Delayed {
        /// The notice's subject.
        subject: String,
        /// Why the try failed.
        reason: String,
        /// The pause until the next try.
        pause: Duration,
    },
    /// A notice will not be delivered.
    Lost {
        /// The notice.
        notice: Notice,
        /// Why not.
        reason: String,
    },
}

/// Why the outbox wants to be woken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Reason {
    /// A notice that could not be delivered is to be tried again.
    Retry,
}

/// Why a try failed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// In words.
    pub reason: String,
    /// Whether trying again is of no use.
    pub permanent: bool,
}

/// The notices that wait for delivery.
#[derive(Debug, Clone)]
pub struct Outbox {
    limits: Limits,
    waiting: VecDeque<Notice>,
    phase: Phase,
    numbers: u64,
    /// Notices dropped or given up that no delivered mail has told of.
    missed: u64,
    outputs: VecDeque<Output>,
}

/// What the outbox is doing.
#[derive(Debug, Clone)]
enum Phase {
    /// Nothing waits.
    Idle,
    /// The notice is on its way, for the `tried`-th time, and tells of `told` missed ones.
    Sending { notice: Notice, tried: u32, told: u64 },
    /// The notice has been tried `tried` times and is tried again at `until`.
    Pausing { notice: Notice, tried: u32, until: Instant },
}

impl Outbox {
    /// An empty outbox.
    pub fn new(limits: Limits) -> Outbox {
        Outbox {
            limits,
            waiting: VecDeque::new(),
            phase: Phase::Idle,
            numbers: 0,
            missed: 0,
            outputs: VecDeque::new(),
        }
    }

    /// Something happened that is to be told.
    pub fn handle_notice(&mut self, notice: Notice) {
        if let Some(same) = self.latest_about(&notice).filter(|latest| latest.subject == notice.subject) {
            *same = notice;
            return;
        }
        if self.waiting.len() >= self.limits.capacity.max(1)
            && let Some(oldest) = self.waiting.pop_front()
        {
            self.lose(oldest, "more notices waited than the queue holds");
        }
        self.waiting.push_back(notice);
        self.send_next();
    }

    /// So many notices were dropped before they came here.
    pub fn handle_overflow(&mut self, dropped: u64) {
        self.missed = self.missed.saturating_add(dropped);
    }

    /// What came of a try. A number other than that of the running try is ignored.
    pub fn handle_result(&mut self, number: u64, result: Result<(), Failure>, now: Instant) {
        if number != self.numbers {
            return;
        }
        let (notice, tried, told) = match std::mem::replace(&mut self.phase, Phase::Idle) {
            Phase::Sending { notice, tried, told } => (notice, tried, told),
            other => {
                self.phase = other;
                return;
            }
        };
        match result {
            Ok(()) => self.missed = self.missed.saturating_sub(told),
            Err(failure) if failure.permanent || tried >= self.limits.tries => {
                self.lose(notice, &failure.reason);
            }
            Err(failure) => {
                let pause = self.pause(tried);
                let subject = notice.subject.clone();
                self.outputs.push_back(Output::Delayed { subject, reason: failure.reason, pause });
                self.phase = Phase::Pausing { notice, tried, until: now + pause };
            }
        }
        self.send_next();
    }

    /// The time has come that [`Outbox::poll_timeout`] asked for. Too early a call does nothing.
    pub fn handle_timeout(&mut self, now: Instant) {
        if matches!(self.phase, Phase::Pausing { until, .. } if until <= now) {
            self.retry();
        }
    }

    /// Something changed that may let a failed try succeed (other settings, or no more time): the notice
    /// in question is tried again at once.
    pub fn handle_hurry(&mut self) {
        self.retry();
    }

    /// There is nobody to tell any more: forgets all notices, except one that is on its way.
    pub fn handle_silence(&mut self) {
        self.waiting.clear();
        self.missed = 0;
        if let Phase::Pausing { .. } = self.phase {
            self.phase = Phase::Idle;
        }
    }

    /// There is no more time: gives all notices up.
    pub fn handle_end(&mut self) {
        match std::mem::replace(&mut self.phase, Phase::Idle) {
            Phase::Idle => {}
            Phase::Sending { notice, .. } | Phase::Pausing { notice, .. } => self.waiting.push_front(notice),
        }
        while let Some(notice) = self.waiting.pop_front() {
            self.lose(notice, "the daemon stopped before it could be delivered");
        }
    }

    /// The next thing to do or to know, oldest first.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// When to call [`Outbox::handle_timeout`], and why; `None` while nothing pauses.
    pub fn poll_timeout(&self) -> Option<(Instant, Reason)> {
        match self.phase {
            Phase::Pausing { until, .. } => Some((until, Reason::Retry)),
            Phase::Idle | Phase::Sending { .. } => None,
        }
    }

    /// Whether nothing waits and nothing is on its way.
    pub fn is_empty(&self) -> bool {
        matches!(self.phase, Phase::Idle)
    }

    /// The latest notice about the same one that is not on its way.
    fn latest_about(&mut self, notice: &Notice) -> Option<&mut Notice> {
        let pausing = match &mut self.phase {
            Phase::Pausing { notice, .. } => Some(notice),
            Phase::Idle | Phase::Sending { .. } => None,
        };
        let waiting = self.waiting.iter_mut().rev();
        waiting.chain(pausing).find(|other| other.about == notice.about)
    }

    fn send_next(&mut self) {
        if matches!(self.phase, Phase::Idle)
            && let Some(notice) = self.waiting.pop_front()
        {
            self.send(notice, 1);
        }
    }

    fn retry(&mut self) {
        match std::mem::replace(&mut self.phase, Phase::Idle) {
            Phase::Pausing { notice, tried, .. } => self.send(notice, tried.saturating_add(1)),
            other => self.phase = other,
        }
    }

    fn send(&mut self, notice: Notice, tried: u32) {
        self.numbers += 1;
        let mut letter = notice.clone();
        if self.missed > 0 {
            letter.body.push_str(&format!("Not delivered before this: {} earlier notices.\n", self.missed));
        }
        self.phase = Phase::Sending { notice, tried, told: self.missed };
        self.outputs.push_back(Output::Send { number: self.numbers, notice: letter });
    }

    fn lose(&mut self, notice: Notice, reason: &str) {
        self.missed = self.missed.saturating_add(1);
        self.outputs.push_back(Output::Lost { notice, reason: reason.to_owned() });
    }

    fn pause(&self, tried: u32) -> Duration {
        let longer = 3u32.saturating_pow(tried.saturating_sub(1));
        self.limits.first_pause.saturating_mul(longer).min(Duration::from_secs(3600))
    }
}

#[cfg(test)]
mod tests;
