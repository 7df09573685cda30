//! How long before a deadline the loop is awake already: a processor that has to be woken first is late by a tenth of a
//! millisecond, now and then by several, and never by the same.

use std::time::{Duration, Instant};

/// Before a master is believed to be gone. It happens where a master has been silent for long, and hardly ever else.
const SILENCE: Duration = Duration::from_micros(400);

/// Before an advert of our own, or a packet of BFD: what nine of ten wake-ups take on a virtual machine.
const ADVERT: Duration = Duration::from_micros(250);

/// Where adverts follow each other more closely it is not done: to stay awake is to take a processor from others, here a
/// two-hundredth part of one at most.
const APART: Duration = Duration::from_millis(50);

/// When something was sent last.
#[derive(Debug)]
pub(super) struct Vigil {
    sent: Instant,
}

impl Vigil {
    pub(super) fn new(now: Instant) -> Self {
        Vigil { sent: now }
    }

    /// An advert has left, or a packet of BFD.
    pub(super) fn sent(&mut self, now: Instant) {
        self.sent = now;
    }

    /// How long before this deadline the loop stays awake. `next_advert`: when the next advert is due; `silence`: a master is
    /// believed to be gone then.
    pub(super) fn before(&self, deadline: Instant, next_advert: Option<Instant>, silence: bool) -> Duration {
        let is_rare = || deadline.saturating_duration_since(self.sent) >= APART;
        match silence {
            true => SILENCE,
            false if next_advert == Some(deadline) && is_rare() => ADVERT,
            false => Duration::ZERO,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_awake_before_what_must_be_in_time_and_happens_seldom() {
        let start = Instant::now();
        let at = |millis| start + Duration::from_millis(millis);
        let mut vigil = Vigil::new(start);
        vigil.sent(at(1000));
        let advert = |vigil: &Vigil, millis| vigil.before(at(millis), Some(at(millis)), false);
        assert_eq!(advert(&vigil, 1100), ADVERT);
        assert_eq!(advert(&vigil, 1010), Duration::ZERO, "adverts are close together");
        assert_eq!(vigil.before(at(1100), Some(at(1101)), false), Duration::ZERO, "it is a check");
        assert_eq!(vigil.before(at(1010), Some(at(1010)), true), SILENCE);
        vigil.sent(at(1060));
        assert_eq!(advert(&vigil, 1100), Duration::ZERO);
    }
}
