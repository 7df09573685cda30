//! The beat on which masters speak.
//!
//! A thousand masters that speak at a thousand instants wake their host a thousand times in an interval; on a common beat
//! they speak one after the other in short bursts, and the host sleeps in between. The protocol counts intervals in
//! hundredths of a second (RFC 9568, 5.2.7), which are whole numbers of beats: whoever has spoken on the beat once always
//! does, and the time between two adverts remains the interval. Only the first is shorter, by less than a beat.
//!
//! A longer beat would wake the host less often still, but of a longer burst the last advert is less punctual. Where so few
//! speak that hardly two ever do on the same beat, it spares nothing, and each of them speaks at its own time.

use std::time::{Duration, Instant};

/// From one beat to the next, in nanoseconds. A second is a whole number of them.
const BEAT: u32 = 1_000_000;

/// A beat is kept where at least so many adverts fall on it, on an average.
const SHARED_BY: u128 = 2;

/// A beat that several routers keep; by default there is none, and each speaks at its own time.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Beat(Option<Instant>);

impl Beat {
    /// A beat that counts from `since` on.
    pub fn new(since: Instant) -> Beat {
        Beat(Some(since))
    }

    /// The beat of routers with these advert intervals, all on one host: one that counts from `since` on if so many speak
    /// that it spares the host to wake, none otherwise.
    pub fn of(intervals: impl IntoIterator<Item = Duration>, since: Instant) -> Beat {
        let second = Duration::from_secs(1).as_nanos();
        let adverts: u128 = intervals.into_iter().map(|interval| second / interval.as_nanos().max(1)).sum();
        if adverts * u128::from(BEAT) >= SHARED_BY * second { Beat::new(since) } else { Beat::default() }
    }

    /// Whether there is one.
    pub(crate) fn is_kept(self) -> bool {
        self.0.is_some()
    }

    /// The last beat that is not after `at`.
    pub(crate) fn before(self, at: Instant) -> Instant {
        let Some(since) = self.0 else { return at };
        let past = at.saturating_duration_since(since).subsec_nanos() % BEAT;
        at.checked_sub(Duration::from_nanos(past.into())).unwrap_or(at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_where_many_speak_there_is_a_beat() {
        let since = Instant::now();
        let of = |count, millis| Beat::of(std::iter::repeat_n(Duration::from_millis(millis), count), since);
        for (count, millis) in [(0, 100), (1, 10), (100, 100), (199, 100), (1_000, 1_000)] {
            assert_eq!(of(count, millis), Beat::default(), "{count} every {millis} ms");
        }
        for (count, millis) in [(200, 100), (1_000, 100), (2_000, 1_000), (20, 10)] {
            assert_eq!(of(count, millis), Beat::new(since), "{count} every {millis} ms");
        }
        assert_eq!(Beat::of([Duration::ZERO], since), Beat::new(since), "and nothing is divided by zero");
    }

    #[test]
    fn a_time_between_two_beats_is_brought_to_the_first() {
        let since = Instant::now();
        let beat = Beat::new(since);
        let at = |micros| since + Duration::from_micros(micros);
        for (time, before) in
            [(0, 0), (1, 0), (999, 0), (1_000, 1_000), (123_456, 123_000), (9_999_999, 9_999_000)]
        {
            assert_eq!(beat.before(at(time)), at(before), "{time}");
        }
        assert_eq!(Beat::new(at(500)).before(since), since, "nothing is known of the time before it");
        assert_eq!(Beat::default().before(at(123_456)), at(123_456));
    }
}
