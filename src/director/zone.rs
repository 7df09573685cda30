//! The clock on the wall: how it stands against UTC, when it jumps, and when a maintenance window is by it.
//!
//! The brain is told the coming changes ([`Zone`]) and does the sums itself, so that a night on which the clock is put back
//! can be lived through on a desk. Instants are seconds since 1970, in UTC.

use serde::{Deserialize, Serialize};

use crate::config::{MaintenanceWindow, WindowClock};

const DAY: i64 = 86_400;

/// How many days are looked at beyond today: a window that comes once a week comes within them.
const AHEAD: i64 = 8;

/// Where the local clock stands against UTC.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Zone {
    /// Seconds east of Greenwich before the first change.
    pub offset: i32,
    /// Changes in their order: from this instant on, this many seconds east.
    pub changes: Vec<(i64, i32)>,
}

/// When a window is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    /// Now, and until then.
    Open(i64),
    /// Not now; it begins then.
    Closed(i64),
}

impl Zone {
    /// The stretches of time between changes, with what holds in them.
    fn stretches(&self) -> impl DoubleEndedIterator<Item = (i64, i64, i64)> {
        let begin = |at: usize| at.checked_sub(1).and_then(|at| self.changes.get(at)).copied();
        (0..=self.changes.len()).map(move |at| {
            let (start, offset) = begin(at).unwrap_or((i64::MIN, self.offset));
            let end = self.changes.get(at).map_or(i64::MAX, |(next, _)| *next);
            (start, end, i64::from(offset))
        })
    }

    /// What the clock shows at an instant, in seconds since 1970 by this clock.
    fn shows(&self, at: i64) -> i64 {
        let offset = self.stretches().find(|(_, end, _)| at < *end).map_or(0, |(.., offset)| offset);
        at.saturating_add(offset)
    }

    /// The first instant at which the clock shows this, or has jumped over it.
    fn first(&self, shown: i64) -> i64 {
        let mut stretches = self.stretches();
        let reached = stretches.find(|(_, end, offset)| shown - offset < *end);
        reached.map_or(shown, |(start, _, offset)| start.max(shown - offset))
    }

    /// The last instant at which the clock shows this. Where it jumps over it, when it would have shown it without the
    /// jump.
    fn last(&self, shown: i64) -> i64 {
        let mut stretches = self.stretches().rev();
        let begun = stretches.find(|(start, _, offset)| shown - offset >= *start);
        begun.map_or(shown, |(.., offset)| shown - offset)
    }

    /// When a window is, seen from an instant. A clock that jumps makes one longer, and never cuts it short: it begins when
    /// the clock first shows its beginning, and ends when the clock last shows its end.
    pub(super) fn phase(&self, window: &MaintenanceWindow, at: i64) -> Phase {
        let utc = Zone::default();
        let zone = match window.clock {
            WindowClock::Local => self,
            WindowClock::Utc => &utc,
        };
        let (from, to) = (i64::from(window.from.minutes()) * 60, i64::from(window.to.minutes()) * 60);
        let length = if to > from { to - from } else { to + DAY - from };
        let today = zone.shows(at).div_euclid(DAY);
        // 1970 began on a Thursday.
        let begins_on =
            |day: &i64| u8::try_from((day + 3).rem_euclid(7)).is_ok_and(|day| window.days.has(day));
        // One that began the day before yesterday may last where the clock was put back.
        let days = (today - 2..=today + AHEAD).filter(begins_on);
        let times = days.map(|day| {
            let shown = day * DAY + from;
            (zone.first(shown), zone.last(shown + length))
        });
        let mut phase = Phase::Closed(i64::MAX);
        for (begin, end) in times {
            match phase {
                // What goes on where it ends is one window.
                Phase::Open(until) if begin <= until => phase = Phase::Open(until.max(end)),
                Phase::Open(_) => break,
                Phase::Closed(_) if begin <= at && at < end => phase = Phase::Open(end),
                Phase::Closed(next) if begin > at => phase = Phase::Closed(next.min(begin)),
                Phase::Closed(_) => {}
            }
        }
        phase
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Days, TimeOfDay, WindowMode};

    /// Central Europe in 2026: one hour east, two from 29 March to 25 October, 01:00 UTC both.
    const SPRING: i64 = 1_774_746_000;
    const AUTUMN: i64 = 1_792_890_000;

    fn berlin() -> Zone {
        Zone { offset: 3600, changes: vec![(SPRING, 7200), (AUTUMN, 3600)] }
    }

    fn window(days: &[u8], from: (u16, u16), to: (u16, u16)) -> MaintenanceWindow {
        let time = |(hours, minutes): (u16, u16)| TimeOfDay::of(hours * 60 + minutes).expect("a time");
        let days = Days::of(days.iter().copied()).unwrap_or(Days::ALL);
        let (clock, mode) = (WindowClock::Local, WindowMode::Drain);
        MaintenanceWindow { days, from: time(from), to: time(to), clock, mode, reason: None }
    }

    /// When it is next, or now, by its length in minutes and the instant it begins at.
    fn next(zone: &Zone, window: &MaintenanceWindow, at: i64) -> (i64, i64) {
        let Phase::Closed(begin) = zone.phase(window, at) else { panic!("it is open") };
        let Phase::Open(end) = zone.phase(window, begin) else { panic!("it does not begin") };
        assert_eq!(zone.phase(window, begin - 1), Phase::Closed(begin));
        assert_eq!(zone.phase(window, end - 1), Phase::Open(end));
        assert!(matches!(zone.phase(window, end), Phase::Closed(next) if next > end));
        (begin, (end - begin) / 60)
    }

    #[test]
    fn a_window_comes_on_its_days_and_goes_on_over_midnight() {
        let utc = Zone::default();
        // 1970-01-01 was a Thursday.
        let noon = 12 * 3600;
        assert_eq!(next(&utc, &window(&[], (2, 0), (4, 30)), noon), (DAY + 7200, 150));
        assert_eq!(next(&utc, &window(&[3], (11, 0), (11, 30)), noon), (7 * DAY + 11 * 3600, 30));
        assert_eq!(next(&utc, &window(&[4], (23, 0), (1, 0)), noon), (DAY + 23 * 3600, 120));
        // Of Friday's night Saturday's morning is a part, and Friday's is not.
        let night = window(&[4], (23, 0), (1, 0));
        assert_eq!(utc.phase(&night, 2 * DAY + 1800), Phase::Open(2 * DAY + 3600));
        assert!(matches!(utc.phase(&night, DAY + 1800), Phase::Closed(_)));
    }

    #[test]
    fn whole_days_in_a_row_are_one_window() {
        let utc = Zone::default();
        let weekend = window(&[5, 6], (0, 0), (24, 0));
        assert_eq!(next(&utc, &weekend, 0), (2 * DAY, 2 * 24 * 60));
        let always = window(&[], (0, 0), (24, 0));
        assert!(matches!(utc.phase(&always, 5), Phase::Open(until) if until > 7 * DAY));
    }

    #[test]
    fn it_is_by_the_local_clock_unless_it_says_utc() {
        let at = SPRING - 4 * DAY - 60;
        let local = window(&[], (2, 0), (3, 0));
        let utc = MaintenanceWindow { clock: WindowClock::Utc, ..local.clone() };
        assert_eq!(next(&berlin(), &local, at).0, at + 60);
        assert_eq!(next(&berlin(), &utc, at).0, at + 60 + 3600);
    }

    #[test]
    fn where_the_clock_is_put_forward_a_window_begins_after_the_jump_and_is_not_lost() {
        let evening = SPRING - 5 * 3600;
        // From 02:00 to 04:30: two o'clock is three o'clock.
        assert_eq!(next(&berlin(), &window(&[], (2, 0), (4, 30)), evening), (SPRING, 90));
        assert_eq!(next(&berlin(), &window(&[], (1, 30), (3, 30)), evening), (SPRING - 1800, 60));
        // All of it is in the hour that is not there.
        assert_eq!(next(&berlin(), &window(&[], (2, 15), (2, 45)), evening), (SPRING, 45));
        assert_eq!(next(&berlin(), &window(&[], (1, 0), (2, 0)), evening), (SPRING - 3600, 60));
    }

    #[test]
    fn where_the_clock_is_put_back_a_window_lasts_through_the_hour_that_comes_twice() {
        let evening = AUTUMN - 5 * 3600;
        assert_eq!(next(&berlin(), &window(&[], (2, 0), (4, 30)), evening), (AUTUMN - 3600, 210));
        assert_eq!(next(&berlin(), &window(&[], (2, 15), (2, 45)), evening), (AUTUMN - 2700, 90));
        assert_eq!(next(&berlin(), &window(&[], (1, 30), (2, 30)), evening), (AUTUMN - 5400, 120));
        assert_eq!(next(&berlin(), &window(&[], (3, 0), (4, 0)), evening), (AUTUMN + 3600, 60));
    }
}
