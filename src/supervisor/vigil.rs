//! How long before a deadline the loop is awake already.
//!
//! A processor that sleeps has to be woken first, and is late by that: by some hundredths of a millisecond, on a virtual
//! machine now and then by several. Whoever is awake already is in time. How early that has to be the machine tells by
//! itself: a little earlier than it was late of late.

use std::time::{Duration, Instant};

/// Before a master is believed to be gone, at least. It happens where a master has been silent for long, and hardly ever
/// else.
const SILENCE: Duration = Duration::from_micros(400);

/// What is believed of the machine at first.
const FIRST: Duration = Duration::from_micros(250);

/// Never earlier than this.
pub(super) const LONGEST: Duration = Duration::from_millis(3);

/// To stay awake is to take a processor from others. Before an advert of our own, or a packet of BFD, this part of the
/// time since the last one at most.
const SHARE: u32 = 40;

/// Where they follow each other more closely it is not done: so small a share is no help.
const APART: Duration = Duration::from_millis(10);

/// Each packet sent takes off one of so many parts, 178 of them a half: the bad times of a virtual machine last for some
/// tens of seconds, in which one wake-up of thirty is late.
const FORGETS: u32 = 256;

/// When something was sent last, and how late the machine is.
#[derive(Debug)]
pub(super) struct Vigil {
    sent: Instant,
    early: Duration,
}

impl Vigil {
    pub(super) fn new(now: Instant) -> Self {
        Vigil { sent: now, early: FIRST }
    }

    /// An advert has left, or a packet of BFD.
    pub(super) fn sent(&mut self, now: Instant) {
        self.sent = now;
        self.early -= self.early / FORGETS;
    }

    /// The loop was woken from its sleep, so late. Nothing is forgotten here: who is awake before a deadline stays so.
    pub(super) fn woken(&mut self, late: Duration) {
        self.early = self.early.max(late.saturating_mul(3) / 2).min(LONGEST);
    }

    /// How long before this deadline the loop stays awake. `next_advert`: when the next advert is due; `silence`: a master is
    /// believed to be gone then.
    pub(super) fn before(&self, deadline: Instant, next_advert: Option<Instant>, silence: bool) -> Duration {
        let since = deadline.saturating_duration_since(self.sent);
        match silence {
            true => self.early.max(SILENCE),
            false if next_advert == Some(deadline) && since >= APART => self.early.min(since / SHARE),
            false => Duration::ZERO,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn micros(n: u64) -> Duration {
        Duration::from_micros(n)
    }

    #[test]
    fn it_is_awake_before_what_must_be_in_time_and_happens_seldom() {
        let start = Instant::now();
        let at = |millis| start + Duration::from_millis(millis);
        let mut vigil = Vigil::new(start);
        vigil.sent(at(1000));
        let advert = |vigil: &Vigil, millis| vigil.before(at(millis), Some(at(millis)), false);
        assert_eq!(advert(&vigil, 1100), FIRST - FIRST / FORGETS);
        assert_eq!(advert(&vigil, 1009), Duration::ZERO, "adverts are close together");
        assert_eq!(vigil.before(at(1100), Some(at(1101)), false), Duration::ZERO, "it is a check");
        assert_eq!(vigil.before(at(1009), Some(at(1009)), true), SILENCE);
        vigil.sent(at(1091));
        assert_eq!(advert(&vigil, 1100), Duration::ZERO);
    }

    #[test]
    fn it_is_as_early_as_the_machine_is_late_within_its_share() {
        let start = Instant::now();
        let mut vigil = Vigil::new(start);
        let before = |vigil: &Vigil, millis, silence| {
            let at = start + Duration::from_millis(millis);
            vigil.before(at, Some(at), silence)
        };
        vigil.woken(micros(1000));
        vigil.woken(micros(20));
        assert_eq!(before(&vigil, 100, false), micros(1500));
        assert_eq!(before(&vigil, 100, true), micros(1500));
        assert_eq!(before(&vigil, 40, false), micros(1000), "a fortieth of the time since the last one");
        vigil.woken(Duration::from_secs(3600));
        assert_eq!(before(&vigil, 1000, false), LONGEST);
        assert_eq!(before(&vigil, 100, false), micros(2500));
        // A machine that is in time is trusted again, by and by.
        let mut send = |times| {
            for _ in 0..times {
                vigil.woken(micros(20));
                vigil.sent(start);
            }
            [false, true].map(|silence| before(&vigil, 1000, silence))
        };
        let [half, _] = send(178);
        assert!((micros(1480)..micros(1520)).contains(&half), "{half:?}");
        let [advert, silence] = send(2000);
        assert!((micros(29)..=micros(30)).contains(&advert), "{advert:?}");
        assert_eq!(silence, SILENCE);
    }
}
