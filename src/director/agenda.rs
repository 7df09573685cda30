//! What is due when: one deadline per owner, the earliest first, and of the same instant the one that was set first.

use std::collections::{BTreeMap, VecDeque};
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
        let moved = old.and_then(|old| self.by_time.remove(&old));
        let Some(at) = at else {
            self.by_owner.remove(&owner);
            return;
        };
        self.last += 1;
        // Ten thousand adverts a second move as many deadlines: the name goes along and is not copied.
        self.by_time.insert((at, self.last), moved.unwrap_or_else(|| owner.clone()));
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

/// The same for very many owners whose deadlines fall on few instants: whoever sets one joins the queue of its instant.
/// Who moves or clears it leaves a place in that queue that counts no more, and is passed over when its turn comes.
#[derive(Debug)]
pub(super) struct Slots<O> {
    queues: BTreeMap<Instant, VecDeque<O>>,
    by_owner: BTreeMap<O, Instant>,
}

impl<O: Ord + Copy> Slots<O> {
    pub(super) fn new() -> Self {
        Slots { queues: BTreeMap::new(), by_owner: BTreeMap::new() }
    }

    /// Sets, moves or clears the deadline of `owner`.
    pub(super) fn set(&mut self, owner: O, at: Option<Instant>) {
        let before = match at {
            Some(at) => self.by_owner.insert(owner, at),
            None => self.by_owner.remove(&owner),
        };
        if before == at {
            return;
        }
        if let Some(at) = at {
            self.queues.entry(at).or_default().push_back(owner);
        }
        if self.by_owner.is_empty() {
            self.queues.clear();
        }
    }

    /// The earliest deadline, or an earlier instant that nobody waits for any more.
    pub(super) fn next(&self) -> Option<(Instant, O)> {
        self.queues.first_key_value().and_then(|(at, queue)| Some((*at, *queue.front()?)))
    }

    /// Takes the earliest deadline that is not after `now` off the agenda.
    pub(super) fn take_due(&mut self, now: Instant) -> Option<O> {
        while let Some(mut first) = self.queues.first_entry().filter(|first| *first.key() <= now) {
            let at = *first.key();
            let owner = first.get_mut().pop_front();
            if first.get().is_empty() {
                first.remove();
            }
            if let Some(owner) = owner.filter(|owner| self.by_owner.get(owner) == Some(&at)) {
                self.by_owner.remove(&owner);
                return Some(owner);
            }
        }
        None
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

    #[test]
    fn slots_come_in_their_order_and_whoever_left_one_is_passed_over() {
        let start = Instant::now();
        let at = |n| Some(start + Duration::from_secs(n));
        let mut slots = Slots::new();
        for (owner, second) in [(1, 2), (2, 3), (3, 1), (4, 2), (5, 2)] {
            slots.set(owner, at(second));
        }
        slots.set(3, None);
        slots.set(2, at(2));
        slots.set(1, at(3));
        slots.set(1, at(2));
        assert_eq!(slots.take_due(start), None);
        assert_eq!(slots.take_due(start + Duration::from_secs(1)), None, "nobody is left in the first one");
        assert_eq!(slots.next().map(|(at, _)| at), at(2));
        let mut taken = |now| std::iter::from_fn(|| slots.take_due(now)).collect::<Vec<_>>();
        assert_eq!(taken(start + Duration::from_secs(2)), [1, 4, 5, 2], "each once, and nobody twice");
        assert!(taken(start + Duration::from_secs(9)).is_empty());
        slots.set(7, at(1));
        slots.set(7, None);
        assert_eq!(slots.next(), None);
    }
}
