//! Whether enough of a virtual server is up, counted in weights (`quorum`, `hysteresis`).
//!
//! It is lost below the quorum minus the hysteresis, and with the last server; it is reached at the quorum plus the
//! hysteresis, which also holds at the start. A quorum above what all servers weigh counts as what they weigh.

use crate::config;

/// The quorum of one virtual server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::director) struct Quorum {
    /// Whether it is reached.
    pub(in crate::director) up: bool,
    /// The weight at which it changes next: lost below it while up, else reached at it.
    pub(in crate::director) threshold: u64,
    /// The weight that is up.
    pub(in crate::director) live: u64,
}

impl Quorum {
    /// Nothing is up yet.
    pub(super) fn new() -> Self {
        Quorum { up: false, threshold: 1, live: 0 }
    }

    /// Takes in what is up now; true if the quorum was reached or lost. `total` is the weight of all servers.
    pub(super) fn follow(&mut self, said: &config::Quorum, live: u64, total: u64) -> bool {
        let needed = match total {
            // Without any weight there is nothing to count.
            0 => u64::from(said.weight),
            total => u64::from(said.weight).min(total),
        };
        let hysteresis = u64::from(said.hysteresis);
        let (lost_below, reached_at) = (needed.saturating_sub(hysteresis).max(1), needed + hysteresis);
        let before = self.up;
        self.live = live;
        self.up = live >= if before { lost_below } else { reached_at };
        self.threshold = if self.up { lost_below } else { reached_at };
        self.up != before
    }

    /// Why it is as it is, in words.
    pub(in crate::director) fn words(&self) -> String {
        let Quorum { up, threshold, live } = self;
        match up {
            true => format!("a weight of {live} is up, and it is lost below {threshold}"),
            false => format!("a weight of {live} is up, and {threshold} are needed"),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn said(weight: u32, hysteresis: u32) -> config::Quorum {
        config::Quorum { weight, hysteresis, ..config::Quorum::default() }
    }

    /// What follows from these weights one after the other.
    fn follow(said: &config::Quorum, total: u64, live: &[u64]) -> Vec<bool> {
        let mut quorum = Quorum::new();
        let up = live.iter().map(|live| {
            quorum.follow(said, *live, total);
            quorum.up
        });
        up.collect()
    }

    #[test]
    fn it_is_reached_and_lost_at_different_weights() {
        // As keepalived 2.2.7: `quorum 3`, `hysteresis 1`.
        let steps = [3, 4, 3, 2, 1, 2, 3, 4];
        let up = follow(&said(3, 1), 5, &steps);
        assert_eq!(up, [false, true, true, true, false, false, false, true]);
    }

    #[test]
    fn the_last_server_is_always_needed_and_all_are_always_enough() {
        assert_eq!(follow(&said(2, 2), 4, &[4, 1, 0]), [true, true, false]);
        assert_eq!(follow(&said(9, 0), 4, &[4, 3]), [true, false]);
        assert_eq!(follow(&said(1, 0), 0, &[0]), [false]);
        assert_eq!(follow(&said(u32::MAX, u32::MAX), 1 << 40, &[1 << 40, 1, 0]), [true, true, false]);
    }

    proptest! {
        /// It never changes twice for one weight, and is never up with nothing.
        #[test]
        fn it_stands_still(
            weight in 1..20u32, hysteresis in 0..20u32, live in prop::collection::vec(0..40u64, 1..20),
        ) {
            let mut quorum = Quorum::new();
            for live in live {
                quorum.follow(&said(weight, hysteresis), live, 40);
                prop_assert!(!quorum.follow(&said(weight, hysteresis), live, 40));
                prop_assert!(live > 0 || !quorum.up);
            }
        }
    }
}
