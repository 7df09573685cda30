//! What is due when: one deadline per owner, the earliest first, and of the same instant the one that was set first.

use std::collections::BTreeMap;
use std::time::Instant;

/// Deadlines of many owners, each with at most one.
#[derive(Debug)]
pub(super) struct Agenda<O> {
    by_time: BTreeMap<(Instant, u64), O>,
    by_owner: BTreeMap<O, (Instant, u64)>,
    /// Counts what was set.
    last: u64,
}

impl<O: Ord + Clone> Agenda<O> {
    pub(super) fn new() -> Self {
        Agenda { by_time: BTreeMap::new(), by_owner: BTreeMap::new(), last: 0 }
    }

    /// Sets, moves or clears the deadline of `owner`.
    pub(super) fn set(&mut self, owner: O, at: Option<Instant>) {
        let old = self.by_owner.get(&owner).copied();
        if old.map(|(at, _)| at) == at {
            return;
        }
        if let Some(old) = old {
            self.by_time.remove(&old);
        }
        let Some(at) = at else {
            self.by_owner.remove(&owner);
            return;
        };
        self.last += 1;
        self.by_time.insert((at, self.last), owner.clone());
        self.by_owner.insert(owner, (at, self.last));
    }

    /// The earliest deadline and its owner.
    pub(super) fn next(&self) -> Option<(Instant, &O)> {
        self.by_time.first_key_value().map(|((at, _), owner)| (*at, owner))
    }

    /// Takes the earliest deadline that is not after `now` off the agenda.
    pub(super) fn take_due(&mut self, now: Instant) -> Option<O> {
        if self.by_time.first_key_value().is_none_or(|((at, _), _)| *at > now) {
            return None;
        }
        let (_, owner) = self.by_time.pop_first()?;
        self.by_owner.remove(&owner);
        Some(owner)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn the_earliest_deadline_comes_first_and_only_when_due() {
        let start = Instant::now();
        let at = |n| Some(start + Duration::from_secs(n));
        let mut agenda = Agenda::new();
        agenda.set("b", at(2));
        agenda.set("a", at(3));
        agenda.set("c", at(1));
        agenda.set("c", None);
        agenda.set("a", at(1));
        assert_eq!(agenda.next(), Some((start + Duration::from_secs(1), &"a")));
        assert_eq!(agenda.take_due(start), None);
        assert_eq!(agenda.take_due(start + Duration::from_secs(9)), Some("a"));
        assert_eq!(agenda.take_due(start + Duration::from_secs(9)), Some("b"));
        assert_eq!(agenda.take_due(start + Duration::from_secs(9)), None);
    }

    #[test]
    fn of_one_instant_the_first_that_was_set_comes_first() {
        let at = Instant::now();
        let mut agenda = Agenda::new();
        for owner in ["b", "c", "a"] {
            agenda.set(owner, Some(at));
        }
        agenda.set("b", Some(at));
        assert_eq!(std::iter::from_fn(|| agenda.take_due(at)).collect::<Vec<_>>(), ["b", "c", "a"]);
    }
}
