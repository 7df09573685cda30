//! Kernel objects that bear our mark: which are there, which shall be, and what must change to get there.
//!
//! Routes and rules carry the number of the daemon that made them. Only what carries our number *and* is remembered
//! as ours is taken away when it is no longer wanted; a like one of somebody else's is never touched.

use std::collections::BTreeMap;

/// How things shall be: with these settings, or, where there are none, gone if what is there bears our mark.
pub type MarkedLevel<K, S> = BTreeMap<K, Option<S>>;

/// Things that this program made, as it made them.
pub type OwnThings<K, S> = BTreeMap<K, S>;

/// One change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change<K, S> {
    /// Make it.
    Add(K, S),
    /// Take it away.
    Remove(K),
}

impl<K, S> Change<K, S> {
    /// What it is about.
    pub fn key(&self) -> &K {
        match self {
            Self::Add(key, _) | Self::Remove(key) => key,
        }
    }
}

/// What came of bringing the kernel to a level.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MarkedReport<K> {
    /// What was not there and now is.
    pub added: Vec<K>,
    /// What was there and no longer is.
    pub removed: Vec<K>,
    /// What we had made and was found gone.
    pub lost: Vec<K>,
    /// What could not be done, and why, in words. It is tried again the next time.
    pub failures: Vec<(K, String)>,
}

impl<K> Default for MarkedReport<K> {
    fn default() -> Self {
        Self { added: Vec::new(), removed: Vec::new(), lost: Vec::new(), failures: Vec::new() }
    }
}

/// The changes that lead to `wanted`, removals first. `held` tells whether a thing with that key and our mark is there.
/// What is there with other settings than those wanted is taken away and made anew.
pub fn plan<K: Ord + Clone, S: PartialEq + Clone>(
    held: impl Fn(&K) -> bool,
    wanted: &MarkedLevel<K, S>,
    ours: &OwnThings<K, S>,
) -> Vec<Change<K, S>> {
    let (mut removals, mut additions) = (Vec::new(), Vec::new());
    for key in ours.keys().filter(|key| !wanted.contains_key(key)) {
        if held(key) {
            removals.push(Change::Remove(key.clone()));
        }
    }
    for (key, settings) in wanted {
        match (settings, ours.get(key), held(key)) {
            (None, _, true) => removals.push(Change::Remove(key.clone())),
            (Some(settings), Some(own), true) if own != settings => {
                removals.push(Change::Remove(key.clone()));
                additions.push(Change::Add(key.clone(), settings.clone()));
            }
            (Some(settings), _, false) => additions.push(Change::Add(key.clone(), settings.clone())),
            (None, _, false) | (Some(_), _, true) => {}
        }
    }
    removals.append(&mut additions);
    removals
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    type Level = MarkedLevel<u8, u8>;

    fn apply(held: &mut BTreeSet<u8>, ours: &mut OwnThings<u8, u8>, changes: Vec<Change<u8, u8>>) {
        for change in changes {
            match change {
                Change::Add(key, settings) => {
                    assert!(held.insert(key), "made twice");
                    ours.insert(key, settings);
                }
                Change::Remove(key) => {
                    assert!(held.remove(&key), "only what is there is taken away");
                    ours.remove(&key);
                }
            }
        }
    }

    #[test]
    fn settings_that_differ_replace_and_what_is_like_ours_is_adopted_in_silence() {
        let ours = OwnThings::from([(1, 7)]);
        let held = |key: &u8| *key <= 2;
        let plan = |wanted: Level| super::plan(held, &wanted, &ours);
        assert_eq!(plan(Level::from([(1, Some(8))])), [Change::Remove(1), Change::Add(1, 8)]);
        assert!(plan(Level::from([(1, Some(7)), (2, Some(9))])).is_empty());
        assert_eq!(plan(Level::new()), [Change::Remove(1)], "2 was never ours");
        assert_eq!(plan(Level::from([(1, Some(7)), (2, None)])), [Change::Remove(2)]);
        assert_eq!(plan(Level::from([(1, Some(7)), (3, Some(0))])), [Change::Add(3, 0)]);
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]
        #[test]
        fn the_plan_leads_to_the_level_and_planning_again_does_nothing(
            strangers in proptest::collection::btree_set(0..8_u8, 0..4),
            levels in proptest::collection::vec(
                proptest::collection::btree_map(0..8_u8, proptest::option::of(0..3_u8), 0..8), 1..6),
        ) {
            let mut held = strangers.clone();
            let mut ours = OwnThings::new();
            let mut named = BTreeSet::new();
            for level in levels {
                let changes = plan(|key| held.contains(key), &level, &ours);
                apply(&mut held, &mut ours, changes);
                prop_assert_eq!(plan(|key| held.contains(key), &level, &ours), vec![]);
                for (key, settings) in &level {
                    prop_assert_eq!(held.contains(key), settings.is_some());
                    named.insert(*key);
                }
                prop_assert!(ours.keys().all(|key| level.contains_key(key)));
                prop_assert!(strangers.difference(&named).all(|key| held.contains(key)));
            }
        }
    }
}
