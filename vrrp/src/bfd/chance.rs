//! Chance that can be repeated: numbers that follow from a seed.
//!
//! Packets are spread over time so that neighbours do not fall into step (RFC 5880, 6.8.7), and a session's number
//! should not be guessable from the last one's. Neither needs more than a good mixer (SplitMix64), and with a seed a
//! recorded run lives again packet by packet.

use std::num::NonZeroU32;
use std::time::Duration;

/// A source of numbers.
#[derive(Debug, Clone)]
pub(super) struct Chance(u64);

impl Chance {
    pub(super) fn new(seed: u64) -> Chance {
        Chance(seed)
    }

    pub(super) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        mix(self.0)
    }

    /// An interval shortened by 0 to 25 percent, or where a single lost packet counts, by 10 to 25 percent
    /// (RFC 5880, 6.8.7).
    pub(super) fn jitter(&mut self, interval: Duration, multiplier: u8) -> Duration {
        let most: u64 = if multiplier == 1 { 90 } else { 100 };
        // In steps of a 65536th, so that the arithmetic stays whole.
        let low = 75 * 65_536 / 100;
        let width = most * 65_536 / 100 - low;
        let share = low + self.next() % (width + 1);
        let nanos = u128::from(share) * interval.as_nanos() / 65_536;
        Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
    }
}

/// A discriminator made from a seed: a number by which a session is named in packets.
pub fn discriminator(seed: u64) -> NonZeroU32 {
    let mixed = Chance::new(seed).next();
    NonZeroU32::new((mixed >> 32) as u32).unwrap_or(NonZeroU32::MIN)
}

fn mix(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}
