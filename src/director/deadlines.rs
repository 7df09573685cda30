//! What of the brain is due when. Instances and neighbours come first: whatever else is due, and for however long it has
//! been, an advert or a packet of BFD that is due now goes before it.

use std::time::Instant;

use super::Owner;
use super::agenda::Agenda;

/// The deadlines of everything but checks, which have slots of their own.
#[derive(Debug)]
pub(super) struct Deadlines {
    /// Of instances and neighbours.
    adverts: Agenda<Owner>,
    others: Agenda<Owner>,
}

impl Deadlines {
    pub(super) fn new() -> Self {
        Deadlines { adverts: Agenda::new(), others: Agenda::new() }
    }

    /// Sets, moves or clears the deadline of `owner`.
    pub(super) fn set(&mut self, owner: Owner, at: Option<Instant>) {
        match owner {
            Owner::Instance(_) | Owner::Neighbour(_) => self.adverts.set(owner, at),
            _ => self.others.set(owner, at),
        }
    }

    /// The earliest deadline and its owner.
    pub(super) fn next(&self) -> Option<(Instant, &Owner)> {
        let both = self.adverts.next().into_iter().chain(self.others.next());
        both.min_by_key(|(at, _)| *at)
    }

    /// The earliest deadline of an instance or a neighbour.
    pub(super) fn next_advert(&self) -> Option<Instant> {
        self.adverts.next().map(|(at, _)| at)
    }

    /// The earliest deadline of the others.
    pub(super) fn next_other(&self) -> Option<Instant> {
        self.others.next().map(|(at, _)| at)
    }

    /// Takes an instance or a neighbour whose deadline is not after `now` off the agenda.
    pub(super) fn take_advert(&mut self, now: Instant) -> Option<Owner> {
        self.adverts.take_due(now)
    }

    /// The same of the others.
    pub(super) fn take_other(&mut self, now: Instant) -> Option<Owner> {
        self.others.take_due(now)
    }
}
