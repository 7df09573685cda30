//! What is odd about other routers: told once per episode for each of them, and known while it lasts.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::{Duration, Instant};

use super::Router;
use crate::state::{Note, NoteKind};

/// An oddity that was not met for this long is over; met again, it is told again.
const EPISODE: Duration = Duration::from_secs(60);

/// So many routers are named for one kind of oddity at a time; further ones are counted only. Who invents senders fills
/// neither the memory nor the log.
const NAMED: usize = 16;

/// The oddities of the present.
#[derive(Debug, Clone, Default)]
pub(super) struct Notes {
    /// The latest of each kind by each router, and when that was. `None`: nobody knows by whom.
    latest: BTreeMap<(NoteKind, Option<IpAddr>), (Note, Instant)>,
}

impl Notes {
    /// Remembers what was met; true if an episode begins with it.
    pub(super) fn meet(&mut self, note: &Note, now: Instant) -> bool {
        let key = (note.kind(), note.source());
        if let Some((latest, at)) = self.latest.get_mut(&key) {
            let begins = !lasts(*at, now);
            latest.clone_from(note);
            *at = now;
            return begins;
        }
        self.latest.retain(|_, (_, at)| lasts(*at, now));
        let named = self.latest.keys().filter(|(kind, _)| *kind == key.0).count();
        if named < NAMED {
            self.latest.insert(key, (note.clone(), now));
        }
        named < NAMED
    }

    /// Begins anew: what is met from now on is told.
    pub(super) fn clear(&mut self) {
        self.latest.clear();
    }

    /// A state ends, and with it what was odd beside it: who spoke as master beside us.
    pub(super) fn end_state(&mut self) {
        self.latest.retain(|(kind, _), _| *kind != NoteKind::LowerPriorityMaster);
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
