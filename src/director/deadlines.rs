//! What of the brain is due when. Instances and neighbours come first: however much else has been due for longer, an advert
//! or a packet of BFD that is due now goes before it.
//!
//! Where there are more adverts than the machine can send, the others have their turn all the same: once they have waited
//! for long, one of them comes between two adverts.

use std::time::{Duration, Instant};

use super::Owner;
use super::agenda::Agenda;

/// How long the others may be late before they have a turn of their own.
const PATIENCE: Duration = Duration::from_millis(250);

/// The deadlines of everything but checks, which have slots of their own.
#[derive(Debug)]
pub(super) struct Deadlines {
    /// Of instances and neighbours.
    adverts: Agenda<Owner>,
    others: Agenda<Owner>,
    /// Whether the last one that had its turn was one of these.
    was_advert: bool,
}

impl Deadlines {
    pub(super) fn new() -> Self {
        Deadlines { adverts: Agenda::new(), others: Agenda::new(), was_advert: false }
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

    /// Takes an instance or a neighbour whose deadline is not after `now` off the agenda, unless it is the turn of the
    /// others, of which the first, checks among them, was due at `other`.
    pub(super) fn take_advert(&mut self, other: Option<Instant>, now: Instant) -> Option<Owner> {
        let waits = other.is_some_and(|at| at + PATIENCE <= now);
        let taken = if waits && self.was_advert { None } else { self.adverts.take_due(now) };
        self.was_advert = taken.is_some();
        taken
    }

    /// Takes one of the others whose deadline is not after `now` off the agenda.
    pub(super) fn take_other(&mut self, now: Instant) -> Option<Owner> {
        self.others.take_due(now)
    }
}
