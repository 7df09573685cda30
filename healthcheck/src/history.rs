//! What came of a check's latest attempts: when each ended, how long it took, and why it failed.
//!
//! Thousands of checks have one each, so an attempt takes 16 bytes: its time is a distance from that of the
//! attempt before, and a failure that repeats itself is kept once.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::outcome::{Failure, Outcome};

/// Attempts that are kept.
pub const KEPT: usize = 10;

/// The latest attempts of one check.
#[derive(Debug, Clone, Default)]
pub struct History {
    /// Oldest first.
    past: VecDeque<Past>,
    /// When the newest one ended.
    newest: Option<Instant>,
    /// When the verdict last changed.
    flipped: Option<Instant>,
    failed_in_a_row: u32,
}

/// One attempt, small.
#[derive(Debug, Clone)]
struct Past {
    /// Milliseconds since the attempt before ended; 49 days at most.
    gap: u32,
    /// Microseconds; 71 minutes at most.
    took: u32,
    /// Why it failed; none: it passed.
    failure: Option<Arc<Failure>>,
}

/// One attempt that was made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Made {
    /// When it ended; to the millisecond, a little more for the older ones.
    pub ended: Instant,
    /// From its start to its end, to the microsecond.
    pub took: Duration,
    /// Why it failed; none: it passed.
    pub failure: Option<Arc<Failure>>,
}

/// How long attempts took.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Latency {
    /// The shortest.
    pub least: Duration,
    /// The middle one; of an even number the longer one of the two.
    pub median: Duration,
    /// The longest.
    pub most: Duration,
}

impl History {
    /// An attempt ended at `now` with this outcome.
    pub fn note(&mut self, outcome: &Outcome, now: Instant) {
        let failure = outcome.result.as_ref().err().map(|failure| self.shared(failure));
        self.failed_in_a_row = match failure {
            Some(_) => self.failed_in_a_row.saturating_add(1),
            None => 0,
        };
        let gap = self.newest.map_or(Duration::ZERO, |newest| now.saturating_duration_since(newest));
        let gap = u32::try_from(gap.as_millis()).unwrap_or(u32::MAX);
        let took = u32::try_from(outcome.took.as_micros()).unwrap_or(u32::MAX);
        if self.past.capacity() == 0 {
            // Room for exactly these: a queue that grows by itself would take more.
            self.past.reserve_exact(KEPT);
        }
        if self.past.len() == KEPT {
            self.past.pop_front();
        }
        self.past.push_back(Past { gap, took, failure });
        self.newest = Some(now);
    }

    /// The verdict changed at `now`.
    pub fn note_flip(&mut self, now: Instant) {
        self.flipped = Some(now);
    }

    /// The attempts that are kept, newest first.
    pub fn made(&self) -> impl Iterator<Item = Made> {
        let mut ended = self.newest;
        self.past.iter().rev().map_while(move |past| {
            let at = ended?;
            ended = at.checked_sub(Duration::from_millis(past.gap.into()));
            let took = Duration::from_micros(past.took.into());
            Some(Made { ended: at, took, failure: past.failure.clone() })
        })
    }

    /// Attempts that failed in a row up to now, those included that are no longer kept.
    pub fn failed_in_a_row(&self) -> u32 {
        self.failed_in_a_row
    }

    /// When the verdict last changed; none before the first one.
    pub fn flipped(&self) -> Option<Instant> {
        self.flipped
    }

    /// How long those of the kept attempts took that passed; none if none did. What a failed one took tells of our
    /// patience, not of the server.
    pub fn latency(&self) -> Option<Latency> {
        let passed = self.past.iter().filter(|past| past.failure.is_none());
        let mut took: Vec<u32> = passed.map(|past| past.took).collect();
        took.sort_unstable();
        let time = |at: usize| took.get(at).map(|took| Duration::from_micros((*took).into()));
        Some(Latency {
            least: time(0)?,
            median: time(took.len() / 2)?,
            most: time(took.len().checked_sub(1)?)?,
        })
    }

    /// The same failure as the last time is kept once.
    fn shared(&self, failure: &Failure) -> Arc<Failure> {
        let last = self.past.iter().rev().find_map(|past| past.failure.as_ref());
        match last {
            Some(last) if **last == *failure => last.clone(),
            _ => Arc::new(failure.clone()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::outcome::FailureKind;

    const MILLISECOND: Duration = Duration::from_millis(1);

    fn refused(took: Duration) -> Outcome {
        Outcome::failed(FailureKind::Refused, "connection refused", took)
    }

    #[test]
    fn the_last_ten_are_kept_with_their_times() {
        let (mut history, start) = (History::default(), Instant::now());
        assert_eq!((history.made().count(), history.latency()), (0, None));
        for second in 0..25u32 {
            history.note(&Outcome::passed(MILLISECOND * second), start + Duration::from_secs(1) * second);
        }
        let made: Vec<Made> = history.made().collect();
        assert_eq!(made.len(), KEPT);
        for (age, one) in (0u32..).zip(&made) {
            assert_eq!(one.ended, start + Duration::from_secs(1) * (24 - age));
            assert_eq!(one.took, MILLISECOND * (24 - age));
        }
        let latency = Latency { least: MILLISECOND * 15, median: MILLISECOND * 20, most: MILLISECOND * 24 };
        assert_eq!(history.latency(), Some(latency));
    }

    #[test]
    fn failures_are_counted_also_beyond_those_that_are_kept() {
        let (mut history, now) = (History::default(), Instant::now());
        history.note(&Outcome::passed(MILLISECOND * 3), now);
        for _ in 0..9 {
            history.note(&refused(MILLISECOND * 900), now);
        }
        assert_eq!(history.failed_in_a_row(), 9);
        assert_eq!(
            history.latency().map(|latency| latency.most),
            Some(MILLISECOND * 3),
            "failures do not count"
        );
        history.note(&refused(MILLISECOND), now);
        assert_eq!((history.failed_in_a_row(), history.latency()), (10, None), "the one that passed is gone");
        history.note(&Outcome::passed(MILLISECOND), now);
        assert_eq!(history.failed_in_a_row(), 0);
    }

    #[test]
    fn a_failure_that_repeats_itself_is_kept_once() {
        let (mut history, now) = (History::default(), Instant::now());
        history.note(&refused(MILLISECOND), now);
        history.note(&Outcome::passed(MILLISECOND), now);
        history.note(&refused(MILLISECOND), now);
        history.note(&Outcome::failed(FailureKind::Timeout, "no answer", MILLISECOND), now);
        let failures: Vec<Arc<Failure>> = history.made().filter_map(|made| made.failure).collect();
        assert!(Arc::ptr_eq(&failures[1], &failures[2]));
        assert!(!Arc::ptr_eq(&failures[0], &failures[1]));
    }

    #[test]
    fn an_attempt_takes_sixteen_bytes() {
        assert_eq!(size_of::<Past>(), 16);
        let mut history = History::default();
        (0..100).for_each(|_| history.note(&refused(MILLISECOND), Instant::now()));
        assert_eq!(history.past.capacity(), KEPT);
    }

    #[test]
    fn what_is_too_long_to_be_told_is_told_as_the_longest() {
        let (mut history, start) = (History::default(), Instant::now());
        let year = Duration::from_secs(365 * 86_400);
        history.note(&Outcome::passed(year), start);
        history.note(&Outcome::passed(year), start + year);
        let made: Vec<Made> = history.made().collect();
        assert_eq!(made[0].ended, start + year);
        assert!(made[1].ended < start + year && made[1].took < year);
    }
}
