//! What to do about things of ours that somebody else takes away.
//!
//! A thing that vanishes is put back at once. When it vanishes again and again, somebody else means it: each time it
//! is put back a little later, so that two daemons do not keep a machine busy with their quarrel. One *episode* lasts
//! from the first loss until the thing has stayed for a minute; it is told once when it begins and once when it has
//! become a quarrel.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

/// Losses that are made good at once; those that follow in the same episode are made good after a pause.
pub const AT_ONCE: u32 = 4;

/// The first pause; it doubles with each loss.
pub const FIRST_PAUSE: Duration = Duration::from_millis(250);

/// The longest pause.
pub const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// How long a thing must stay to end an episode.
pub const QUIET: Duration = Duration::from_secs(60);

/// The episodes that go on now, by what was lost.
#[derive(Debug, Clone)]
pub struct Custody<K> {
    episodes: BTreeMap<K, Episode>,
}

#[derive(Debug, Clone)]
struct Episode {
    losses: u32,
    last: Instant,
    not_before: Instant,
}

/// What a loss means.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Loss {
    /// The first of an episode.
    First,
    /// Another one, of which nothing needs to be said.
    Again,
    /// From this one on it is a quarrel.
    Quarrel,
}

impl<K> Default for Custody<K> {
    fn default() -> Self {
        Self { episodes: BTreeMap::new() }
    }
}

impl<K: Ord + Clone> Custody<K> {
    /// `key` was found gone.
    pub fn lost(&mut self, key: &K, now: Instant) -> Loss {
        self.forget(now);
        let fresh = Episode { losses: 0, last: now, not_before: now };
        let episode = self.episodes.entry(key.clone()).or_insert(fresh);
        episode.losses = episode.losses.saturating_add(1);
        episode.last = now;
        episode.not_before = now + pause(episode.losses);
        match episode.losses {
            1 => Loss::First,
            losses if losses == AT_ONCE + 1 => Loss::Quarrel,
            _ => Loss::Again,
        }
    }

    /// Whether `key` must not be put back yet.
    pub fn holds_back(&self, key: &K, now: Instant) -> bool {
        self.episodes.get(key).is_some_and(|episode| episode.not_before > now)
    }

    /// Losses of `key` in its episode; 0 without one.
    pub fn losses(&self, key: &K) -> u32 {
        self.episodes.get(key).map_or(0, |episode| episode.losses)
    }

    /// A thing that is wanted anew is not held back for what happened before.
    pub fn pardon(&mut self, key: &K) {
        self.episodes.remove(key);
    }

    /// What has an episode.
    pub fn held(&self) -> impl Iterator<Item = &K> {
        self.episodes.keys()
    }

    /// When something that is held back may be put back.
    pub fn poll_timeout(&self, now: Instant) -> Option<Instant> {
        self.episodes.values().map(|episode| episode.not_before).filter(|at| *at > now).min()
    }

    fn forget(&mut self, now: Instant) {
        self.episodes.retain(|_, episode| now < episode.last.max(episode.not_before) + QUIET);
    }
}

/// How long the loss with this number waits.
fn pause(losses: u32) -> Duration {
    let Some(doublings) = losses.checked_sub(AT_ONCE + 1) else { return Duration::ZERO };
    FIRST_PAUSE.saturating_mul(1 << doublings.min(16)).min(LONGEST_PAUSE)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn a_quarrel_gets_slower_and_slower_and_is_told_once() {
        let (mut custody, mut now) = (Custody::default(), Instant::now());
        let mut told = Vec::new();
        let mut pauses = Vec::new();
        for _ in 0..20 {
            told.push(custody.lost(&"vip", now));
            let at = custody.poll_timeout(now).unwrap_or(now);
            assert_eq!(custody.holds_back(&"vip", now), at > now);
            pauses.push(at - now);
            now = at;
            assert!(!custody.holds_back(&"vip", now));
        }
        assert_eq!(told[0], Loss::First);
        assert_eq!(told.iter().filter(|loss| **loss == Loss::Quarrel).count(), 1);
        assert!(pauses[..AT_ONCE as usize].iter().all(Duration::is_zero));
        assert!(pauses.is_sorted() && pauses[AT_ONCE as usize] == FIRST_PAUSE);
        assert_eq!(pauses[19], LONGEST_PAUSE);
        assert_eq!(custody.losses(&"vip"), 20);
    }

    #[test]
    fn an_episode_ends_when_the_thing_has_stayed() {
        let (mut custody, now) = (Custody::default(), Instant::now());
        assert_eq!(custody.lost(&1, now), Loss::First);
        assert_eq!(custody.lost(&1, now + QUIET - SECOND), Loss::Again);
        assert_eq!(custody.lost(&2, now + QUIET), Loss::First, "each thing has its own");
        assert_eq!(custody.lost(&1, now + QUIET * 2 - SECOND), Loss::First);
    }

    #[test]
    fn what_is_wanted_anew_is_not_held_back() {
        let (mut custody, now) = (Custody::default(), Instant::now());
        for _ in 0..10 {
            custody.lost(&1, now);
        }
        assert!(custody.holds_back(&1, now));
        custody.pardon(&1);
        assert!(!custody.holds_back(&1, now) && custody.held().next().is_none());
    }
}
