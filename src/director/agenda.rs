//! What is due when: one deadline per owner, the earliest first.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

/// Deadlines of many owners, each with at most one.
#[derive(Debug)]
pub(super) struct Agenda<O> {
    by_time: BTreeSet<(Instant, O)>,
    by_owner: BTreeMap<O, Instant>,
}

impl<O: Ord + Clone> Agenda<O> {
    pub(super) fn new() -> Self {
        Agenda { by_time: BTreeSet::new(), by_owner: BTreeMap::new() }
    }

    /// Sets, moves or clears the deadline of `owner`.
    pub(super) fn set(&mut self, owner: O, at: Option<Instant>) {
        match (self.by_owner.get_mut(&owner), at) {
            (None, None) => {}
            (None, Some(at)) => {
                self.by_owner.insert(owner.clone(), at);
                self.by_time.insert((at, owner));
            }
            (Some(old), Some(at)) if *old == at => {}
            // The usual case, ten thousand times a second: nothing is copied.
            (Some(old), Some(at)) => {
                let mut entry = (std::mem::replace(old, at), owner);
                self.by_time.remove(&entry);
                entry.0 = at;
                self.by_time.insert(entry);
            }
            (Some(old), None) => {
                let entry = (*old, owner);
                self.by_time.remove(&entry);
                self.by_owner.remove(&entry.1);
            }
        }
    }

    /// The earliest deadline and its owner.
    pub(super) fn next(&self) -> Option<&(Instant, O)> {
        self.by_time.first()
    }

    /// Takes the earliest deadline that is not after `now` off the agenda.
    pub(super) fn take_due(&mut self, now: Instant) -> Option<O> {
        if self.by_time.first().is_none_or(|(at, _)| *at > now) {
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
        assert_eq!(agenda.next(), Some(&(start + Duration::from_secs(1), "a")));
        assert_eq!(agenda.take_due(start), None);
        assert_eq!(agenda.take_due(start + Duration::from_secs(9)), Some("a"));
        assert_eq!(agenda.take_due(start + Duration::from_secs(9)), Some("b"));
        assert_eq!(agenda.take_due(start + Duration::from_secs(9)), None);
    }
}
