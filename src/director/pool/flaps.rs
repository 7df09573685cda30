//! How often a server has failed soon after it came back, and how long it is therefore held back the next time
//! (`flap_hold`).
//!
//! The first failure costs nothing. One that follows a return within the longest hold makes the next hold twice as
//! long, beginning with the first one; each longest hold that the server stays up takes one doubling back. While it is
//! held back it must pass all the time: a failure ends the hold, and the next pass begins it anew.

use std::time::{Duration, Instant};

use crate::config::FlapHold;

/// What is remembered of a server that has failed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(in crate::director) struct Flaps {
    /// How often it failed too soon; each has doubled the hold but for the first.
    level: u32,
    /// Failures in the present series, and when that began.
    failures: u32,
    first: Option<Instant>,
    /// When it came back the last time, until it fails again.
    returned: Option<Instant>,
    /// Set while it passes and is held back.
    until: Option<Instant>,
}

impl Flaps {
    /// What the last life of the daemon knew.
    pub(in crate::director) fn of(level: u32) -> Self {
        Flaps { level, failures: level, ..Flaps::default() }
    }

    /// Too many doublings to tell apart.
    const MOST: u32 = 32;

    /// It fails.
    pub(super) fn failed(&mut self, hold: FlapHold, now: Instant) {
        self.until = None;
        if let Some(returned) = self.returned.take() {
            let stayed = now.saturating_duration_since(returned);
            if stayed < hold.longest {
                self.level = (self.level + 1).min(Self::MOST);
            } else {
                let calm = stayed.as_nanos() / hold.longest.as_nanos().max(1);
                self.level = self.level.saturating_sub(u32::try_from(calm).unwrap_or(u32::MAX));
                if self.level == 0 {
                    (self.failures, self.first) = (0, None);
                }
            }
        }
        self.failures = self.failures.saturating_add(1);
        self.first.get_or_insert(now);
    }

    /// It passes again while it is out of service: it is held back, or may return at once.
    pub(super) fn passed(&mut self, hold: FlapHold, now: Instant) {
        let time = self.time(hold);
        self.until = (!time.is_zero()).then_some(now + time);
    }

    /// It is back in service.
    pub(super) fn returned(&mut self, now: Instant) {
        (self.until, self.returned) = (None, Some(now));
    }

    /// Its hold is over, or ended early.
    pub(super) fn end(&mut self) {
        self.until = None;
    }

    /// Until when it is held back, while it is.
    pub(in crate::director) fn until(&self) -> Option<Instant> {
        self.until
    }

    /// How often it failed too soon.
    pub(in crate::director) fn level(&self) -> u32 {
        self.level
    }

    /// How long it is held back as things stand.
    fn time(&self, hold: FlapHold) -> Duration {
        match self.level.checked_sub(1) {
            None => Duration::ZERO,
            Some(doublings) => hold.first.saturating_mul(1 << doublings.min(31)).min(hold.longest),
        }
    }

    /// Why it is held back: `held back for 40 s more: it failed 4 times in 5 min (flap_hold)`.
    pub(in crate::director) fn words(&self, now: Instant) -> Option<String> {
        let left = self.until?.saturating_duration_since(now);
        let since = self.first.map(|first| span(now.saturating_duration_since(first)));
        let since = since.map_or_else(String::new, |time| format!(" in {time}"));
        let times = if self.failures == 1 { "once".to_owned() } else { format!("{} times", self.failures) };
        Some(format!("held back for {} more: it failed {times}{since} (flap_hold)", span(left)))
    }
}

/// A length of time for people, rounded up.
fn span(time: Duration) -> String {
    let seconds = time.as_secs() + u64::from(time.subsec_nanos() > 0);
    match seconds {
        0..=119 => format!("{seconds} s"),
        120..=7199 => format!("{} min", seconds.div_ceil(60)),
        _ => format!("{} h", seconds.div_ceil(3600)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOLD: FlapHold = FlapHold { first: Duration::from_secs(10), longest: Duration::from_secs(60) };

    /// Fails, passes a second later, and returns once it may: how long it was held back.
    fn outage(flaps: &mut Flaps, now: &mut Instant) -> u64 {
        flaps.failed(HOLD, *now);
        *now += Duration::from_secs(1);
        flaps.passed(HOLD, *now);
        let held = flaps.until().map_or(Duration::ZERO, |until| until - *now);
        *now += held;
        flaps.returned(*now);
        held.as_secs()
    }

    #[test]
    fn holds_double_up_to_the_longest_and_shrink_with_calm() {
        let (mut flaps, mut now) = (Flaps::default(), Instant::now());
        let held: Vec<u64> = (0..6)
            .map(|_| {
                let held = outage(&mut flaps, &mut now);
                now += Duration::from_secs(59);
                held
            })
            .collect();
        assert_eq!(held, [0, 10, 20, 40, 60, 60]);
        // Two longest holds of calm take back two of the five doublings.
        now += Duration::from_secs(61);
        assert_eq!(outage(&mut flaps, &mut now), 40);
        now += Duration::from_secs(3600);
        assert_eq!(outage(&mut flaps, &mut now), 0);
        assert_eq!((flaps.failures, flaps.level), (1, 0), "a new series");
    }

    #[test]
    fn a_failure_while_it_is_held_back_begins_the_hold_anew_and_doubles_nothing() {
        let (mut flaps, mut now) = (Flaps::default(), Instant::now());
        outage(&mut flaps, &mut now);
        flaps.failed(HOLD, now);
        flaps.passed(HOLD, now);
        for _ in 0..3 {
            now += Duration::from_secs(9);
            flaps.failed(HOLD, now);
            assert_eq!(flaps.until(), None);
            flaps.passed(HOLD, now);
            assert_eq!(flaps.until(), Some(now + Duration::from_secs(10)));
        }
        let words = flaps.words(now + Duration::from_secs(3)).unwrap();
        assert_eq!(words, "held back for 7 s more: it failed 5 times in 31 s (flap_hold)");
    }
}
