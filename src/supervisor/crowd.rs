//! Whether adverts come so fast that reading each by itself would cost more than it is worth.
//!
//! A backup of a thousand instances hears ten thousand adverts a second, and waking up for each of them would be most of
//! its work. Each bears the kernel's stamp of its arrival, by which the timers go, so it may as well lie for a moment: the
//! loop rests and then reads what has come together. Nothing else waits for that: the rest ends before the next deadline.

use std::time::{Duration, Instant};

/// The longest rest.
const REST: Duration = Duration::from_millis(2);

/// Shorter ones are no rest.
const SHORTEST: Duration = Duration::from_micros(100);

/// The time over which adverts are counted: instances that began together speak together, and are silent together until
/// their next turn.
const WINDOW: Duration = Duration::from_millis(200);

/// Adverts a second from which on it is a crowd.
const DENSE: u32 = 4000;

/// How many adverts came lately.
#[derive(Debug)]
pub(super) struct Crowd {
    since: Instant,
    count: u32,
    dense: bool,
}

impl Crowd {
    pub(super) fn new(now: Instant) -> Self {
        Crowd { since: now, count: 0, dense: false }
    }

    /// So many have been read.
    pub(super) fn heard(&mut self, count: usize, now: Instant) {
        self.count = self.count.saturating_add(u32::try_from(count).unwrap_or(u32::MAX));
        let passed = now.saturating_duration_since(self.since);
        if passed >= WINDOW {
            self.dense = f64::from(self.count) >= f64::from(DENSE) * passed.as_secs_f64();
            (self.since, self.count) = (now, 0);
        }
    }

    /// How long to rest where the next deadline is `until`; `None` for not at all.
    pub(super) fn rest(&self, until: Option<Instant>, now: Instant) -> Option<Duration> {
        let left = until.map_or(REST, |until| until.saturating_duration_since(now).min(REST));
        (self.dense && left >= SHORTEST).then_some(left)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a loop does that hears an advert every `gap`, for a second: rests, and adverts that lay.
    fn rests(gap: Duration) -> (u32, Duration) {
        let start = Instant::now();
        let (mut now, mut read, mut rests, mut longest) = (start, start, 0, Duration::ZERO);
        let mut crowd = Crowd::new(start);
        while now < start + Duration::from_secs(1) {
            let mut count = 0;
            while read <= now {
                longest = longest.max(now - read);
                read += gap;
                count += 1;
            }
            crowd.heard(count, now);
            now = match crowd.rest(None, now) {
                Some(rest) => {
                    rests += 1;
                    now + rest
                }
                None => read,
            };
        }
        (rests, longest)
    }

    #[test]
    fn it_rests_where_many_come_and_nowhere_else() {
        assert_eq!(rests(Duration::from_millis(10)).0, 0);
        assert_eq!(rests(Duration::from_micros(300)).0, 0);
        let (rests, longest) = rests(Duration::from_micros(100));
        assert!((390..=410).contains(&rests), "{rests}");
        assert!(longest <= REST, "{longest:?}");
    }

    #[test]
    fn it_rests_where_they_come_in_bursts() {
        // A thousand within 40 of every 100 ms.
        let start = Instant::now();
        let (mut crowd, mut restless) = (Crowd::new(start), 0);
        for period in 0..10 {
            for burst in 0..400 {
                let now = start + Duration::from_millis(100 * period) + Duration::from_micros(100 * burst);
                crowd.heard(2 + usize::from(burst % 2 == 0), now);
                restless += u32::from(period > 2 && crowd.rest(None, now).is_none());
            }
        }
        assert_eq!(restless, 0);
    }

    #[test]
    fn no_deadline_is_slept_through() {
        let now = Instant::now();
        let mut crowd = Crowd::new(now);
        crowd.heard(10_000, now + WINDOW);
        let now = now + WINDOW;
        assert_eq!(crowd.rest(None, now), Some(REST));
        let near = Duration::from_micros(200);
        assert_eq!(crowd.rest(Some(now + near), now), Some(near));
        assert_eq!(crowd.rest(Some(now + SHORTEST / 2), now), None);
        assert_eq!(crowd.rest(Some(now), now + near), None);
        // A second without any.
        crowd.heard(1, now + Duration::from_secs(1));
        assert_eq!(crowd.rest(None, now), None);
    }
}
