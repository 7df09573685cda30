//! How long the brain's thread has worked without a rest.
//!
//! It runs before everybody else, and whoever does so for nearly all of a second is stopped for the rest of it by the kernel
//! (sched(7), `sched_rt_runtime_us`: after 950 of 1000 ms), whatever is due meanwhile: adverts would be 50 ms late. Tens of
//! thousands of checks that begin or end together are as much work. So it rests by itself now and then, for a moment at
//! which no advert is due.

use std::time::{Duration, Instant};

/// So much work in each second is done without any rest: most of what there is to do takes less.
const FREE: Duration = Duration::from_millis(100);

/// The time in which that is counted.
const SECOND: Duration = Duration::from_secs(1);

/// After so much work it rests, if no advert is due.
const STRETCH: Duration = Duration::from_millis(3);

/// After so much it rests whatever is due: half a millisecond is better than fifty.
const LONGEST: Duration = Duration::from_millis(6);

/// How long it rests: a seventh of the time, at least a thirteenth, where a twentieth is what the kernel takes.
const REST: Duration = Duration::from_micros(500);

/// A wait that counts as a rest: what comes at once was there already.
const WAIT: Duration = Duration::from_micros(50);

/// How long before an advert it is back.
const MARGIN: Duration = Duration::from_micros(100);

/// Work without a rest.
#[derive(Debug)]
pub(super) struct Stretch {
    begun: Instant,
    /// The second in which work is counted.
    second: Instant,
    /// The work in it before this stretch.
    before: Duration,
}

impl Stretch {
    pub(super) fn new(now: Instant) -> Self {
        Stretch { begun: now, second: now, before: Duration::ZERO }
    }

    /// It has waited from then until now, if that was long enough for others to have the processor meanwhile.
    pub(super) fn waited(&mut self, from: Instant, now: Instant) {
        if now.saturating_duration_since(from) >= WAIT {
            self.before += from.saturating_duration_since(self.begun.max(self.second));
            self.begun = now;
        }
    }

    /// How long to rest now, if at all; `next`: when the next advert is due.
    pub(super) fn rest(&mut self, next: Option<Instant>, now: Instant) -> Option<Duration> {
        if now.saturating_duration_since(self.second) >= SECOND {
            (self.second, self.before) = (now, Duration::ZERO);
        }
        let of_second = self.before + now.saturating_duration_since(self.begun.max(self.second));
        let worked = now.saturating_duration_since(self.begun);
        let due = next.is_some_and(|at| at < now + REST + MARGIN);
        let longest = if due { LONGEST } else { STRETCH };
        (of_second >= FREE && worked >= longest).then_some(REST)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_rests_after_a_stretch_of_work_and_not_when_an_advert_is_due() {
        let start = Instant::now();
        let at = |micros| start + Duration::from_micros(micros);
        let mut stretch = Stretch::new(start);
        assert_eq!(stretch.rest(None, at(99_900)), None, "it is free");
        stretch.waited(at(100_000), at(100_500));
        let begun = 100_500;
        assert_eq!(stretch.rest(None, at(begun + 2_900)), None);
        assert_eq!(stretch.rest(None, at(begun + 3_100)), Some(REST));
        assert_eq!(stretch.rest(Some(at(begun + 9_000)), at(begun + 3_100)), Some(REST));
        for due in [2_000, 3_100, 3_600] {
            assert_eq!(stretch.rest(Some(at(begun + due)), at(begun + 3_100)), None, "{due}");
            assert_eq!(stretch.rest(Some(at(begun + due)), at(begun + 6_100)), Some(REST), "{due}");
        }
        stretch.waited(at(begun + 6_100), at(begun + 6_110));
        assert_eq!(stretch.rest(None, at(begun + 6_200)), Some(REST), "that was no wait");
        stretch.waited(at(begun + 6_100), at(begun + 6_600));
        assert_eq!(stretch.rest(None, at(begun + 9_500)), None);
        stretch.waited(at(begun + 9_500), at(1_000_000));
        assert_eq!(stretch.rest(None, at(1_090_000)), None, "another second");
    }

    #[test]
    fn the_kernel_has_no_reason_to_stop_it() {
        // However much there is to do, with an advert due at any time: what it works in any second.
        let start = Instant::now();
        let step = Duration::from_micros(100);
        let (mut stretch, mut now, mut rests) = (Stretch::new(start), start, Vec::new());
        while now < start + 5 * SECOND {
            now += step;
            if let Some(rest) = stretch.rest(Some(now), now) {
                rests.push(now);
                stretch.waited(now, now + rest);
                now += rest;
            }
        }
        let rested = |from: Instant| {
            let within = rests.iter().filter(|at| **at >= from && **at + REST <= from + SECOND);
            REST * u32::try_from(within.count()).unwrap_or(u32::MAX)
        };
        let least = (0..400).map(|n| rested(start + Duration::from_millis(10 * n))).min();
        assert!(least > Some(Duration::from_millis(55)), "{least:?}");
    }
}
