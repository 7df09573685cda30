//! When a master speaks.
//!
//! Adverts are due on a grid, interval after interval. Counted from when the last one really left they would be too few, for
//! a machine's timers are late now and then, and never early. But a grid that is kept strictly makes two uneven gaps of one
//! late advert, the first too long and the second as much too short. So a master that is behind comes back to its grid by
//! degrees: each gap is shorter by a small part of what is still to be made up for.

use std::time::{Duration, Instant};

use crate::beat::Beat;

/// One part in so many of what an advert was behind the grid is made up for before the next one.
const DEGREE: u32 = 8;

/// The pace of one master.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Pace {
    /// When the next advert is due.
    due: Instant,
    /// When it would be due had none been late.
    grid: Instant,
}

impl Pace {
    /// After an advert that leaves now.
    pub(crate) fn new(now: Instant, interval: Duration, beat: Beat) -> Pace {
        let due = beat.before(now + interval);
        Pace { due, grid: due }
    }

    /// When the next advert is due.
    pub(crate) fn due(&self) -> Instant {
        self.due
    }

    /// The advert that was due leaves now. Behind by an interval or more, the grid begins anew: what was missed is not made up
    /// for. Behind by less, the next advert is so by half an interval at most, or those that are late again and again would
    /// end there. On a beat all come at once: whoever came back to it by degrees would speak between two beats.
    pub(crate) fn spoken(&mut self, now: Instant, interval: Duration, beat: Beat) {
        let next = self.grid + interval;
        if next <= now {
            *self = Pace::new(now, interval, beat);
            return;
        }
        let behind = now.saturating_duration_since(self.grid);
        let left = if beat.is_kept() { Duration::ZERO } else { behind - behind / DEGREE };
        let grid = beat.before(next);
        *self = Pace { due: grid + left.min(interval / 2), grid };
    }

    /// The interval is another one now: the next advert is due sooner if that is shorter, else as it was.
    pub(crate) fn hasten(&mut self, now: Instant, interval: Duration, beat: Beat) {
        let anew = Pace::new(now, interval, beat);
        if anew.due < self.due {
            *self = anew;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const INTERVAL: Duration = Duration::from_millis(100);

    fn micros(micros: u64) -> Duration {
        Duration::from_micros(micros)
    }

    /// When so many adverts leave, since the start, each late by what `lateness` says of its number.
    fn speaks(count: u64, lateness: impl Fn(u64) -> Duration) -> Vec<Duration> {
        let start = Instant::now();
        let mut pace = Pace::new(start, INTERVAL, Beat::default());
        let speak = |number| {
            let now = pace.due() + lateness(number);
            pace.spoken(now, INTERVAL, Beat::default());
            now - start
        };
        (1..=count).map(speak).collect()
    }

    #[test]
    fn one_late_advert_makes_one_uneven_gap() {
        let late = micros(800);
        let sent = speaks(60, |number| if number == 5 { late } else { Duration::ZERO });
        let gaps: Vec<_> = sent.windows(2).map(|two| two[1] - two[0]).collect();
        assert_eq!(gaps[3], INTERVAL + late);
        assert_eq!(gaps[4], INTERVAL - late / 8);
        for after in gaps[4..].windows(2) {
            assert!(after[0] <= after[1] && after[1] <= INTERVAL, "{gaps:?}");
        }
        assert!(60 * INTERVAL + micros(1) > sent[59], "and it is made up for: {:?}", sent[59]);
    }

    #[test]
    fn adverts_that_are_all_late_are_as_many_as_configured() {
        for late in [micros(50), micros(3_000), micros(45_000)] {
            let sent = speaks(1_000, |_| late);
            assert!(sent[999] < 1_000 * INTERVAL + INTERVAL, "{late:?}: the last at {:?}", sent[999]);
            let gaps = sent[100..].windows(2).map(|two| two[1] - two[0]);
            assert!(gaps.into_iter().all(|gap| gap.abs_diff(INTERVAL) < micros(1)), "{late:?}");
        }
    }

    #[test]
    fn what_was_missed_is_not_made_up_for() {
        let sent = speaks(4, |number| if number == 2 { 3 * INTERVAL } else { Duration::ZERO });
        assert_eq!(sent, [INTERVAL, 5 * INTERVAL, 6 * INTERVAL, 7 * INTERVAL]);
    }

    #[test]
    fn on_a_beat_the_next_advert_is_in_time_at_once() {
        let start = Instant::now();
        let beat = Beat::new(start);
        let mut pace = Pace::new(start, INTERVAL, beat);
        pace.spoken(start + micros(102_700), INTERVAL, beat);
        assert_eq!(pace.due() - start, 2 * INTERVAL);
    }
}
