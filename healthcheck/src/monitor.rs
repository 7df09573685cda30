//! When to ask: the rhythm of one check of one server, and what is believed so far.
//!
//! A monitor knows no sockets and no clock. Its owner tells it the present instant and what came of an
//! attempt; the monitor says when it wants to be called again, and which attempt to start. After every
//! call, drain [`Monitor::poll_output`], then sleep until [`Monitor::poll_timeout`].
//!
//! The first attempt starts at once (or within the warm-up time). All regular ones lie on a grid: one per
//! interval, with a phase drawn from the seed. So servers that began together do not stay in step, a slow
//! answer does not move the grid, and no two attempts of a check lie further apart than one interval plus
//! the time the first of them took. Where a server was silent for an interval or longer, the next one starts at once.
//! A failed attempt of a live server is repeated off the grid, after
//! `delay_before_retry`; the passes of a server that comes up (`rise`) lie on the grid. The phase is all the chance
//! there is: jitter on top of it would only make that bound, and so the time until a death is seen, a vague one.
//!
//! ```
//! use std::time::{Duration, Instant};
//! use healthcheck::{Monitor, Outcome, Output, Schedule, Verdict};
//!
//! let now = Instant::now();
//! let mut monitor = Monitor::new(Schedule::default(), 1, 42, now);
//! let Some(Output::Attempt { number, step: 0 }) = monitor.poll_output() else { panic!() };
//! monitor.handle_result(number, Outcome::passed(Duration::from_millis(3)), now);
//! assert_eq!(monitor.verdict(), Verdict::Up);
//! assert!(monitor.poll_timeout().is_some());
//! ```

mod shared;

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use crate::history::History;
use crate::outcome::{FailureKind, Outcome};
use crate::spec::Schedule;
use crate::verdict::{Tally, Verdict};
use crate::warning::{Concern, Standing, Warning};

/// What a monitor wants done, or wants known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Output {
    /// Start an attempt, and report its outcome to [`Monitor::handle_result`] under this number. Every
    /// attempt must be answered: the next one starts only then.
    Attempt {
        /// Counts the attempts of this monitor from 1.
        number: u64,
        /// Which of the check's steps to try: the index of the URL.
        step: usize,
    },
    /// The server has begun or ceased to count as up by this check.
    Flipped {
        /// Whether it counts as up now.
        up: bool,
    },
    /// Something is odd about attempts that pass, or cannot be made, or is no more. [`Monitor::warnings`] has the words.
    Warned {
        /// What it is about.
        about: Concern,
        /// Whether it begins with this attempt; else it is over.
        begins: bool,
    },
}

/// Why a monitor wants to be woken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Reason {
    /// The very first attempt is due, after the warm-up time.
    First,
    /// A regular attempt is due.
    Regular,
    /// A live server failed; the attempt that makes sure of it is due.
    Retry,
    /// The server comes up; the next of its steps is due.
    Step,
}

/// The rhythm and the verdict of one check of one server.
#[derive(Debug, Clone)]
pub struct Monitor {
    schedule: Schedule,
    steps: usize,
    step: usize,
    seed: u64,
    /// A point of the grid; the others lie whole intervals away.
    anchor: Instant,
    phase: Phase,
    /// Nothing is asked for the time being.
    suspended: bool,
    tally: Tally,
    attempts: u64,
    last: Option<Outcome>,
    warnings: Standing,
    history: History,
    outputs: VecDeque<Output>,
}

/// What a monitor is doing.
#[derive(Debug, Clone, Copy)]
enum Phase {
    /// Nothing runs; the next attempt starts at `until`.
    Waiting { until: Instant, reason: Reason },
    /// The attempt with the latest number runs. It has a deadline of its own. If the question has changed
    /// since it started, its outcome says nothing.
    Asking { outdated: bool },
    /// Another monitor asks for this one too.
    Following,
}

impl Monitor {
    /// A monitor without history, for a check of `steps` steps (0 counts as 1). The seed decides the
    /// phase of the grid and the warm-up time: give each monitor its own.
    pub fn new(schedule: Schedule, steps: usize, seed: u64, now: Instant) -> Monitor {
        let warmup = fraction(schedule.warmup.unwrap_or_default().min(LONGEST), mix(seed, 1));
        let anchor = now + grid_phase(&schedule, seed);
        let mut monitor = Monitor {
            schedule,
            steps: steps.max(1),
            step: 0,
            seed,
            anchor,
            phase: Phase::Waiting { until: now + warmup, reason: Reason::First },
            suspended: false,
            tally: Tally::default(),
            attempts: 0,
            last: None,
            warnings: Standing::default(),
            history: History::default(),
            outputs: VecDeque::new(),
        };
        monitor.handle_timeout(now);
        monitor
    }

    /// What was believed of the server before this program was started again. It counts as a verdict: an up server is
    /// forgiven as many failures as ever, a down one comes back when all steps have passed.
    pub fn presume(&mut self, up: bool) {
        self.tally = Tally::of(if up { Verdict::Up } else { Verdict::Down });
    }

    /// What came of an attempt. A number other than that of the running attempt is ignored.
    pub fn handle_result(&mut self, attempt: u64, outcome: Outcome, now: Instant) {
        let Phase::Asking { outdated } = self.phase else { return };
        if attempt != self.attempts {
            return;
        }
        self.history.note(&outcome, now);
        let verdict = self.verdict();
        if !outdated {
            self.count(&outcome);
        }
        if self.verdict() != verdict {
            self.history.note_flip(now);
        }
        let silent = outcome.result.as_ref().is_err_and(|failure| failure.kind == FailureKind::Timeout);
        let overdue = silent && outcome.took >= period(&self.schedule);
        self.last = Some(outcome);
        let (until, reason) = match self.next_attempt(now) {
            // By waiting for a silent server it has missed a point of the grid. To wait for the next one would ask half
            // as often as the interval says, and see as late that the server is back.
            (_, Reason::Regular) if overdue => (now, Reason::Regular),
            next => next,
        };
        self.phase = Phase::Waiting { until, reason };
    }

    /// The time has come that [`Monitor::poll_timeout`] asked for. Too early a call does nothing.
    pub fn handle_timeout(&mut self, now: Instant) {
        match self.phase {
            Phase::Waiting { until, .. } if until <= now && self.suspended => {
                self.phase = Phase::Waiting { until: self.next_on_grid(now), reason: Reason::Regular };
            }
            Phase::Waiting { until, .. } if until <= now => {
                self.attempts += 1;
                self.phase = Phase::Asking { outdated: false };
                self.outputs.push_back(Output::Attempt { number: self.attempts, step: self.step });
            }
            Phase::Waiting { .. } | Phase::Asking { .. } | Phase::Following => {}
        }
    }

    /// Rests or goes on. While it rests nothing is asked, what was asked before does not count, and the verdict stays;
    /// when it goes on it asks at once.
    pub fn handle_suspension(&mut self, suspended: bool, now: Instant) {
        if suspended == self.suspended {
            return;
        }
        self.suspended = suspended;
        // An attempt that nobody has taken out yet is withdrawn.
        if suspended && matches!(self.outputs.back(), Some(Output::Attempt { .. })) {
            self.outputs.pop_back();
            self.phase = Phase::Waiting { until: now, reason: Reason::First };
        }
        match &mut self.phase {
            Phase::Asking { outdated } => *outdated |= suspended,
            Phase::Waiting { until, .. } if !suspended => *until = now,
            Phase::Waiting { .. } | Phase::Following => {}
        }
        self.handle_timeout(now);
    }

    /// A reload brought another schedule. Counts and verdict stay; the next attempt may come sooner than
    /// it would have, never later.
    pub fn handle_schedule(&mut self, schedule: Schedule, now: Instant) {
        if schedule == self.schedule {
            return;
        }
        let counted_as_up = self.counts_as_up();
        if schedule.interval != self.schedule.interval {
            self.anchor = now + grid_phase(&schedule, self.seed);
        }
        self.schedule = schedule;
        if let Phase::Waiting { until, reason } = self.phase {
            let (sooner, _) = self.next_attempt(now);
            self.phase = Phase::Waiting { until: until.min(sooner), reason };
        }
        self.tell_flip(counted_as_up);
    }

    /// A reload changed the question itself (the URLs, what is expected of them), now of `steps` steps (0
    /// counts as 1). The verdict stays. The outcome of an attempt that still runs does not count, and a row
    /// of passes that is not complete begins anew.
    pub fn handle_question(&mut self, steps: usize) {
        self.steps = steps.max(1);
        self.step = 0;
        self.tally.restart_row();
        if let Phase::Asking { outdated } = &mut self.phase {
            *outdated = true;
        }
    }

    /// The next thing to do or to know, oldest first.
    pub fn poll_output(&mut self) -> Option<Output> {
        let next = self.outputs.pop_front();
        if self.outputs.is_empty() {
            // There are thousands of monitors, and most queues are empty: they hold no memory.
            self.outputs = VecDeque::new();
        }
        next
    }

    /// When to call [`Monitor::handle_timeout`], and why; `None` while an attempt runs.
    pub fn poll_timeout(&self) -> Option<(Instant, Reason)> {
        match self.phase {
            Phase::Waiting { until, reason } => Some((until, reason)),
            Phase::Asking { .. } | Phase::Following => None,
        }
    }

    /// What is believed of the server.
    pub fn verdict(&self) -> Verdict {
        self.tally.verdict()
    }

    /// Whether the server counts as up: by the verdict, and until the first one unless `alpha` is set.
    pub fn counts_as_up(&self) -> bool {
        match self.tally.verdict() {
            Verdict::Unknown => !self.schedule.alpha,
            Verdict::Up => true,
            Verdict::Down => false,
        }
    }

    /// The latest outcome, whatever it was.
    pub fn last(&self) -> Option<&Outcome> {
        self.last.as_ref()
    }

    /// What is odd about the attempts that pass.
    pub fn warnings(&self) -> impl Iterator<Item = &Warning> {
        self.warnings.all()
    }

    /// Passes in a row of a server that comes up, and how many of them it needs; `None` while it is up or fails.
    pub fn row(&self) -> Option<(usize, usize)> {
        self.tally.coming_up().then(|| (self.tally.passes(), self.needed()))
    }

    /// The latest outcomes, with their times.
    pub fn history(&self) -> &History {
        &self.history
    }

    /// Whether nothing is asked for the time being.
    pub fn suspended(&self) -> bool {
        self.suspended
    }

    /// How many attempts have been started.
    pub fn attempts(&self) -> u64 {
        self.attempts
    }

    /// The schedule in force.
    pub fn schedule(&self) -> &Schedule {
        &self.schedule
    }

    fn count(&mut self, outcome: &Outcome) {
        let changes = self.warnings.observe(outcome, self.steps);
        self.count_pass_or_failure(outcome);
        self.outputs.extend(changes.into_iter().map(|(about, begins)| Output::Warned { about, begins }));
    }

    fn count_pass_or_failure(&mut self, outcome: &Outcome) {
        let passed = match &outcome.result {
            Ok(()) => true,
            // We could not ask, so we know nothing new.
            Err(failure) if failure.kind == FailureKind::Local => return,
            Err(_) => false,
        };
        let counted_as_up = self.counts_as_up();
        self.tally.observe(passed, self.schedule.retry, self.needed());
        self.tell_flip(counted_as_up);
        if passed {
            // A failed step is asked again until it passes, so that trouble is followed, not passed by.
            self.step = (self.step + 1) % self.steps;
        }
    }

    /// The passes in a row that bring the server up.
    fn needed(&self) -> usize {
        let rounds = usize::try_from(self.schedule.rise.max(1)).unwrap_or(usize::MAX);
        self.steps.saturating_mul(rounds)
    }

    fn tell_flip(&mut self, counted_as_up: bool) {
        let up = self.counts_as_up();
        if up != counted_as_up {
            self.outputs.push_back(Output::Flipped { up });
        }
    }

    fn next_attempt(&self, now: Instant) -> (Instant, Reason) {
        if self.tally.doubtful() {
            return (now + self.schedule.delay_before_retry.min(LONGEST), Reason::Retry);
        }
        let passed = self.last.as_ref().is_some_and(|outcome| outcome.result.is_ok());
        // Between the steps there is no pause, between the rounds (`rise`) there is.
        let amid_a_round = self.tally.coming_up() && !self.tally.passes().is_multiple_of(self.steps);
        if self.schedule.fast_recovery && passed && amid_a_round {
            return (now, Reason::Step);
        }
        (self.next_on_grid(now), Reason::Regular)
    }

    /// The first point of the grid after `now`. Counted from the anchor, so that no error adds up.
    fn next_on_grid(&self, now: Instant) -> Instant {
        let interval = period(&self.schedule);
        match now.checked_duration_since(self.anchor) {
            None => self.anchor,
            Some(since) => now + (interval - remainder(since, interval)),
        }
    }
}

/// The distance from now to the first point of a new grid: more than nothing, one interval at most.
fn grid_phase(schedule: &Schedule, seed: u64) -> Duration {
    let interval = period(schedule);
    interval - fraction(interval, mix(seed, 0))
}

/// Longer times are cut to this, so that they can be added to any instant: ten years.
const LONGEST: Duration = Duration::from_secs(10 * 365 * 86_400);

/// The interval, bounded from below by what a loop can bear.
fn period(schedule: &Schedule) -> Duration {
    schedule.interval.clamp(Duration::from_millis(1), LONGEST)
}

/// `duration` × `share` / 2⁶⁴, which is less than `duration`.
fn fraction(duration: Duration, share: u64) -> Duration {
    let nanos = (duration.as_nanos() * u128::from(share)) >> 64;
    Duration::from_nanos(u64::try_from(nanos).expect("durations are limited to 10 years"))
}

fn remainder(duration: Duration, interval: Duration) -> Duration {
    let nanos = duration.as_nanos() % interval.as_nanos();
    Duration::from_nanos(u64::try_from(nanos).expect("the remainder is less than an interval of 10 years"))
}

/// Spreads seeds, also neighbouring ones, over all numbers (the SplitMix64 generator's output function).
fn mix(seed: u64, stream: u64) -> u64 {
    let mut z = seed.wrapping_add(stream.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15));
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests;
