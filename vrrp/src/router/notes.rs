//! What is odd about other routers: told once per episode, and known while it lasts.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use super::Router;
use crate::state::{Note, NoteKind};

/// An oddity that was not met for this long is over; met again, it is told again.
const EPISODE: Duration = Duration::from_secs(60);

/// The oddities of the present.
#[derive(Debug, Clone, Default)]
pub(super) struct Notes {
    /// The latest of each kind, and when that was.
    latest: BTreeMap<NoteKind, (Note, Instant)>,
}

impl Notes {
    /// Remembers what was met; true if an episode begins with it.
    pub(super) fn meet(&mut self, note: &Note, now: Instant) -> bool {
        let before = self.latest.insert(note.kind(), (note.clone(), now));
        before.is_none_or(|(_, at)| !lasts(at, now))
    }

    /// Begins anew: what is met from now on is told.
    pub(super) fn clear(&mut self) {
        self.latest.clear();
    }

    /// Those that last.
    pub(super) fn lasting(&self, now: Instant) -> impl Iterator<Item = &Note> {
        self.latest.values().filter(move |(_, at)| lasts(*at, now)).map(|(note, _)| note)
    }
}

fn lasts(met: Instant, now: Instant) -> bool {
    now.saturating_duration_since(met) <= EPISODE
}

impl Router {
    /// What is odd about other routers at present: met within the last minute, since the last change of settings.
    pub fn notes(&self, now: Instant) -> impl Iterator<Item = &Note> {
        self.noted.lasting(now)
    }
}
