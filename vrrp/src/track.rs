//! What comes of the things that a router tracks: a priority and faults, as a function of settings and readings.
//!
//! Each tracker has a [`Weight`] and, at any time, a [`Reading`]. Together they make an [`Effect`]: points that are
//! added to the priority, or a fault. [`fold`] adds the points up. Nothing here has a memory: how often a script must
//! fail before it counts as down, or how long a link must be gone, is decided before a reading is made.

use serde::{Deserialize, Serialize};

use crate::advert::PRIORITY_OWNER;

/// The highest priority of a router that does not own the addresses.
pub const HIGHEST: u8 = 254;

/// Points beyond which a number in a file does no more (keepalived's limit for one tracker).
const MOST: i64 = 253;

/// How a tracker changes the priority.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Weight {
    /// Points, −254 to 254: positive ones are added while all is well, negative ones while it is not. 0: a failure is a
    /// fault of the instance. The number in a track file is multiplied by it.
    pub points: i16,
    /// `reverse`: what is added is taken away, and with 0 it is success that is a fault.
    pub reverse: bool,
}

/// What a tracker says at present.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Reading {
    /// Nothing is known yet.
    Unknown,
    /// All is well.
    Up,
    /// All is not well.
    Down,
    /// A number, which a weight multiplies (a track file).
    Number(i64),
}

/// What a tracker does to its router.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Effect {
    /// Points added to the priority, negative ones taken away.
    pub points: i32,
    /// It is a fault.
    pub fault: bool,
}

/// A priority with everything that was added to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Effective {
    /// What adverts say, 1..=255.
    pub priority: u8,
    /// The sum before it was brought between 1 and 254.
    pub sum: i32,
}

impl Weight {
    /// What is added to the priority while all is well or not.
    pub fn change(self, well: bool) -> i32 {
        let points = i32::from(self.points);
        let counts = if well { points > 0 } else { points < 0 };
        match (counts, self.reverse) {
            (false, _) => 0,
            (true, false) => points,
            (true, true) => -points,
        }
    }

    /// Whether a failure lowers the priority.
    pub fn lowers(self) -> bool {
        self.change(false) < self.change(true)
    }

    /// What a reading does. Before there is one, nothing is added and nothing is wrong.
    ///
    /// A number is multiplied, and a product below −253 is a fault; with weight 0 any number but 0 is a fault, with
    /// `reverse` 0 itself.
    pub fn effect(self, reading: Reading) -> Effect {
        match reading {
            Reading::Unknown => Effect::default(),
            Reading::Up | Reading::Down => {
                let well = reading == Reading::Up;
                Effect { points: self.change(well), fault: self.points == 0 && well == self.reverse }
            }
            Reading::Number(number) if self.points == 0 => {
                Effect { points: 0, fault: (number != 0) != self.reverse }
            }
            Reading::Number(number) => {
                let sign = if self.reverse { -1 } else { 1 };
                let product = number.saturating_mul(i64::from(self.points)).saturating_mul(sign);
                if product < -MOST {
                    return Effect { points: 0, fault: true };
                }
                Effect { points: i32::try_from(product.min(MOST)).unwrap_or_default(), fault: false }
            }
        }
    }

    /// Whether a reading can be a fault at all: a router waits for the first one of such a tracker before it starts.
    pub fn may_be_fault(self, is_number: bool) -> bool {
        self.points == 0 || is_number
    }
}

/// The priority that comes of a base and all changes. The owner of the addresses keeps its own, any other stays between
/// 1 and 254.
pub fn fold(base: u8, changes: impl Iterator<Item = i32>) -> Effective {
    if base == PRIORITY_OWNER {
        return Effective { priority: base, sum: base.into() };
    }
    let sum = changes.fold(i32::from(base), i32::saturating_add);
    Effective { priority: u8::try_from(sum.clamp(1, HIGHEST.into())).unwrap_or(1), sum }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use proptest::test_runner::Config;

    use super::*;

    const fn weight(points: i16, reverse: bool) -> Weight {
        Weight { points, reverse }
    }

    #[test]
    fn weights_add_up_between_1_and_254_and_an_owner_is_never_weighted() {
        let cases: &[(u8, &[i32], u8, i32)] = &[
            (100, &[], 100, 100),
            (100, &[20, -30], 90, 90),
            (100, &[-100], 1, 0),
            (100, &[-253, -253], 1, -406),
            (250, &[20], 254, 270),
            (250, &[20, -16], 254, 254),
            (254, &[-1], 253, 253),
            (255, &[-253], 255, 255),
            (255, &[5], 255, 255),
            (1, &[i32::MIN], 1, i32::MIN + 1),
        ];
        for (base, changes, priority, sum) in cases {
            let expected = Effective { priority: *priority, sum: *sum };
            assert_eq!(fold(*base, changes.iter().copied()), expected, "{base} {changes:?}");
        }
    }

    #[test]
    fn positive_weights_count_while_well_and_negative_ones_while_not() {
        let cases = [
            (5, false, 5, 0, true),
            (-5, false, 0, -5, true),
            (5, true, -5, 0, false),
            (-5, true, 0, 5, false),
            (0, false, 0, 0, false),
            (0, true, 0, 0, false),
        ];
        for (points, reverse, up, down, lowers) in cases {
            let weight = weight(points, reverse);
            let found = (weight.change(true), weight.change(false), weight.lowers());
            assert_eq!(found, (up, down, lowers), "{weight:?}");
        }
    }

    #[test]
    fn weight_0_makes_a_failure_a_fault_and_reversed_a_success() {
        let fault = |reverse, reading| weight(0, reverse).effect(reading).fault;
        assert!(fault(false, Reading::Down) && !fault(false, Reading::Up));
        assert!(fault(true, Reading::Up) && !fault(true, Reading::Down));
        for reverse in [false, true] {
            assert!(!fault(reverse, Reading::Unknown));
            assert!(!weight(5, reverse).effect(Reading::Down).fault);
            assert!(!weight(-5, reverse).effect(Reading::Up).fault);
        }
    }

    #[test]
    fn a_number_is_multiplied_and_far_below_nothing_it_is_a_fault() {
        let cases = [
            (1, false, 7, 7, false),
            (1, true, 7, -7, false),
            (-2, false, 7, -14, false),
            (-1, false, 253, -253, false),
            (-1, false, 254, 0, true),
            (1, true, 254, 0, true),
            (254, false, i64::MAX, 253, false),
            (254, false, i64::MIN, 0, true),
            (0, false, 0, 0, false),
            (0, false, -3, 0, true),
            (0, true, 0, 0, true),
            (0, true, 1, 0, false),
        ];
        for (points, reverse, number, added, fault) in cases {
            let found = weight(points, reverse).effect(Reading::Number(number));
            assert_eq!(found, Effect { points: added, fault }, "{points} {reverse} {number}");
        }
    }

    proptest! {
        #![proptest_config(Config { failure_persistence: None, ..Config::default() })]

        #[test]
        fn no_reading_takes_a_priority_out_of_its_range(
            base in 1_u8..=254,
            trackers in prop::collection::vec((-254_i16..=254, any::<bool>(), any::<i64>()), 0..9),
        ) {
            let effects = trackers.iter().map(|(points, reverse, number)| {
                weight(*points, *reverse).effect(Reading::Number(*number)).points
            });
            let found = fold(base, effects);
            prop_assert!((1..=254).contains(&found.priority));
        }
    }
}
