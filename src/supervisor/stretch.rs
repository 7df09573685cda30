//! How long the brain's thread has worked without a rest.
//!
//! It runs before everybody else, and whoever does so for nearly all of a second is stopped for the rest of it by the kernel
//! (sched(7), `sched_rt_runtime_us`: after 950 of 1000 ms), whatever is due meanwhile: adverts would be 50 ms late. Tens of
//! thousands of checks that begin or end together are as much work. So it rests by itself now and then, for a moment at
//! which no advert is due.

use std::time::{Duration, Instant};

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
}

impl Stretch {
    pub(super) fn new(now: Instant) -> Self {
        Stretch { begun: now }
    }

    /// It has waited from then until now, if that was long enough for others to have the processor meanwhile.
    pub(super) fn waited(&mut self, from: Instant, now: Instant) {
        if now.saturating_duration_since(from) >= WAIT {
            self.begun = now;
        }
    }

    /// How long to rest now, if at all; `next`: when the next advert is due.
    pub(super) fn rest(&self, next: Option<Instant>, now: Instant) -> Option<Duration> {
        let worked = now.saturating_duration_since(self.begun);
        let due = next.is_some_and(|at| at < now + REST + MARGIN);
        let longest = if due { LONGEST } else { STRETCH };
        (worked >= longest).then_some(REST)
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
        assert_eq!(stretch.rest(None, at(2_900)), None);
        assert_eq!(stretch.rest(None, at(3_100)), Some(REST));
        assert_eq!(stretch.rest(Some(at(9_000)), at(3_100)), Some(REST));
        for due in [2_000, 3_100, 3_600] {
            assert_eq!(stretch.rest(Some(at(due)), at(3_100)), None, "{due}");
            assert_eq!(stretch.rest(Some(at(due)), at(6_100)), Some(REST), "{due}");
        }
        stretch.waited(at(6_100), at(6_110));
        assert_eq!(stretch.rest(None, at(6_200)), Some(REST), "that was no wait");
        stretch.waited(at(6_100), at(6_600));
        assert_eq!(stretch.rest(None, at(9_500)), None);
    }

    #[test]
    fn the_kernel_has_no_reason_to_stop_it() {
        let most = LONGEST.as_secs_f64() / (LONGEST + REST).as_secs_f64();
        assert!(most < 0.94, "{most}");
    }
}
