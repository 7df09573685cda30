//! Monitors that ask the same of the same target: one asks, the others listen.
//!
//! A listener counts the outcomes of somebody else's attempts as if they were its own; it starts none and wants to be
//! woken for nothing. Its verdict is its own: it may be younger than the asker's. It keeps to the asker's grid, so that it
//! can go on asking in the asker's place without a gap.

use std::time::Instant;

use super::{Monitor, Output, Phase, Reason, grid_phase};
use crate::outcome::Outcome;
use crate::verdict::Verdict;

impl Monitor {
    /// A point of the grid of regular attempts.
    pub fn grid(&self) -> Instant {
        self.anchor
    }

    /// From now on another monitor, whose [`Monitor::grid`] this is, asks for this one too. An attempt that nobody has
    /// taken out yet is withdrawn, the outcome of one that runs is ignored.
    pub fn handle_following(&mut self, grid: Instant) {
        self.outputs.retain(|output| !matches!(output, Output::Attempt { .. }));
        (self.anchor, self.phase) = (grid, Phase::Following);
    }

    /// What came of an attempt that another monitor started; nothing unless this one follows.
    pub fn handle_shared_result(&mut self, outcome: Outcome, now: Instant) {
        if matches!(self.phase, Phase::Following) {
            self.phase = Phase::Asking { outdated: false };
            self.handle_result(self.attempts, outcome, now);
            self.phase = Phase::Following;
        }
    }

    /// From now on this monitor asks for itself again, beside the other one and in a rhythm of its own.
    pub fn handle_parting(&mut self, now: Instant) {
        if matches!(self.phase, Phase::Following) {
            self.anchor = now + grid_phase(&self.schedule, self.seed);
            self.handle_leading(now);
        }
    }

    /// From now on this monitor asks in the place of the other one: at once if it has no verdict yet, else when the other
    /// one would have.
    pub fn handle_leading(&mut self, now: Instant) {
        if !matches!(self.phase, Phase::Following) {
            return;
        }
        let (until, reason) = match self.verdict() {
            Verdict::Unknown => (now, Reason::First),
            Verdict::Up | Verdict::Down => self.next_attempt(now),
        };
        self.phase = Phase::Waiting { until, reason };
        self.handle_timeout(now);
    }

    /// Somebody new listens who has no verdict yet: asks at once instead of when the next regular attempt is due.
    pub fn handle_listener(&mut self, now: Instant) {
        if let Phase::Waiting { until, reason: Reason::Regular } = &mut self.phase
            && !self.suspended
        {
            *until = now;
            self.handle_timeout(now);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::outcome::FailureKind;
    use crate::spec::Schedule;

    const INTERVAL: Duration = Duration::from_secs(5);

    fn monitor(seed: u64, now: Instant) -> Monitor {
        let schedule = Schedule { interval: INTERVAL, ..Schedule::default() };
        Monitor::new(schedule, 1, seed, now)
    }

    fn refused() -> Outcome {
        Outcome::failed(FailureKind::Refused, "refused", Duration::ZERO)
    }

    #[test]
    fn a_listener_counts_and_asks_nothing() {
        let now = Instant::now();
        let (asker, mut listener) = (monitor(1, now), monitor(2, now));
        listener.handle_following(asker.grid());
        assert_eq!(
            (listener.poll_output(), listener.poll_timeout()),
            (None, None),
            "its attempt is withdrawn"
        );
        listener.handle_shared_result(Outcome::passed(Duration::ZERO), now);
        assert_eq!(listener.verdict(), Verdict::Up);
        listener.handle_shared_result(refused(), now);
        assert_eq!(listener.verdict(), Verdict::Up, "it has as much patience as it would have alone");
        listener.handle_shared_result(refused(), now);
        assert_eq!(listener.verdict(), Verdict::Down);
        assert_eq!(listener.last(), Some(&refused()));
        listener.handle_timeout(now + INTERVAL);
        assert_eq!(listener.poll_timeout(), None);
    }

    #[test]
    fn a_listener_goes_on_in_the_askers_rhythm() {
        let now = Instant::now();
        let (mut asker, mut listener) = (monitor(1, now), monitor(2, now));
        listener.handle_following(asker.grid());
        let Some(Output::Attempt { number, .. }) = asker.poll_output() else { panic!() };
        asker.handle_result(number, Outcome::passed(Duration::ZERO), now);
        listener.handle_shared_result(Outcome::passed(Duration::ZERO), now);
        listener.handle_leading(now);
        let at = |monitor: &Monitor| monitor.poll_timeout().map(|(at, _)| at);
        assert_eq!(at(&listener), at(&asker));
        // One that is not following is not led.
        asker.handle_leading(now);
        asker.handle_shared_result(refused(), now);
        assert_eq!(at(&listener), at(&asker));
        // Those that part do not stay in step.
        let mut parting = monitor(4, now);
        parting.handle_following(asker.grid());
        parting.handle_shared_result(Outcome::passed(Duration::ZERO), now);
        parting.handle_parting(now);
        assert!(at(&parting) != at(&asker) && at(&parting) <= Some(now + INTERVAL));
        // Without a verdict it asks at once.
        let mut listener = monitor(3, now);
        listener.handle_following(asker.grid());
        listener.handle_leading(now);
        assert!(matches!(listener.poll_output(), Some(Output::Attempt { .. })));
    }

    #[test]
    fn who_is_listened_to_anew_asks_at_once_but_for_a_repetition() {
        let now = Instant::now();
        let mut asker = monitor(1, now);
        let Some(Output::Attempt { number, .. }) = asker.poll_output() else { panic!() };
        asker.handle_listener(now);
        assert_eq!(asker.poll_output(), None, "it is asking");
        asker.handle_result(number, Outcome::passed(Duration::ZERO), now);
        asker.handle_listener(now);
        let Some(Output::Attempt { number, .. }) = asker.poll_output() else { panic!("it does not ask") };
        asker.handle_result(number, refused(), now);
        asker.handle_listener(now);
        assert_eq!(asker.poll_output(), None, "a repetition keeps its distance");
    }
}
