//! How fast connections go, and when they will be gone at that pace.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// What happened before that is forgotten: connections go in spurts, and the pace of an hour ago is no use.
const WINDOW: Duration = Duration::from_secs(15);

/// What was counted lately.
#[derive(Debug, Default)]
pub(super) struct Pace {
    samples: VecDeque<(Instant, u64)>,
}

impl Pace {
    /// So many are left.
    pub(super) fn note(&mut self, left: u64, now: Instant) {
        self.samples.push_back((now, left));
        let old = |(at, _): &(Instant, u64)| now.saturating_duration_since(*at) > WINDOW;
        while self.samples.len() > 2 && self.samples.front().is_some_and(old) {
            self.samples.pop_front();
        }
    }

    /// How many fewer there are in each second; `None` while they do not become fewer.
    pub(super) fn per_second(&self) -> Option<f64> {
        let ((first, before), (last, left)) = (self.samples.front()?, self.samples.back()?);
        let seconds = last.saturating_duration_since(*first).as_secs_f64();
        (before > left && seconds > 0.0).then(|| before.saturating_sub(*left) as f64 / seconds)
    }

    /// How long it takes until none is left, at this pace.
    pub(super) fn estimate(&self) -> Option<Duration> {
        let left = self.samples.back()?.1 as f64;
        Duration::try_from_secs_f64(left / self.per_second()?).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pace_is_that_of_the_last_seconds() {
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let mut pace = Pace::default();
        assert_eq!(pace.estimate(), None);
        pace.note(100, at(0));
        assert_eq!(pace.estimate(), None);
        pace.note(90, at(5));
        assert_eq!(pace.per_second(), Some(2.0));
        assert_eq!(pace.estimate(), Some(Duration::from_secs(45)));
        // What is long ago does not count.
        for second in 6..=60 {
            pace.note(90, at(second));
        }
        assert_eq!(pace.estimate(), None);
        pace.note(120, at(61));
        assert_eq!(pace.per_second(), None);
    }
}
