//! The real servers of a pool, and what they come to together.
//!
//! A pool may have tens of thousands of them, and one check of one of them fails: what follows must not take a look at
//! all. So whatever concerns several servers together (what is up weighs how much, who fails, who is held back, whose
//! place in the table is another) is kept here, and brought up to date with each change of one server. There is one way
//! to change a server, [`Servers::change`], and no other: that is why it can be relied on.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::{AddAssign, Deref, SubAssign};
use std::time::Instant;

use ipvs_backend::{DestinationKey, DestinationSettings};

use super::server::{CheckRun, Server};
use crate::director::overrides::Steer;

/// The real servers of a pool by address and port. For readers they are a map.
#[derive(Debug, Default)]
pub(in crate::director) struct Servers {
    all: BTreeMap<DestinationKey, Server>,
    tally: Tally,
    /// Those that fail and may be taken out for it, as far as `panic_threshold` counts them.
    failing: BTreeSet<Ranked>,
    /// Those that fail and stay in service all the same.
    spared: BTreeSet<Ranked>,
    /// Those that are held back, by the end of that.
    held: BTreeSet<Ranked>,
    /// Of these, those that `panic_threshold` counts.
    counted_held: BTreeSet<Ranked>,
    /// Those that serve and should not, or the other way round, and those whose configuration is new.
    undecided: BTreeSet<DestinationKey>,
    /// Those whose place in the table may be another.
    stale: BTreeSet<DestinationKey>,
}

/// In the order of time.
type Ranked = (Instant, DestinationKey);

/// What servers come to together; what one adds to it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(in crate::director) struct Tally {
    /// Real servers, not backup servers.
    pub(in crate::director) real: usize,
    /// What these weigh by the file.
    pub(in crate::director) all: u64,
    /// What those of them weigh that are up ...
    pub(in crate::director) live: u64,
    /// ... and how many of those take clients.
    pub(in crate::director) usable: usize,
    /// What those of them weigh that are well, or spared: what would be up if that were decided now.
    pub(super) ready: u64,
    /// Those that are in a `maintenance_window`.
    pub(in crate::director) in_window: usize,
    /// Those of which checks may take out a share only.
    pub(super) counted: usize,
    /// What backup servers weigh that are up ...
    pub(super) backups_live: u64,
    /// ... and how many of them could stand in.
    pub(super) backups: usize,
}

impl Tally {
    /// What one server adds.
    pub(super) fn of(server: &Server) -> Self {
        let share = server.share();
        let live = if server.up { u64::from(share) } else { 0 };
        let usable = usize::from(live > 0);
        if server.backup {
            return Tally { backups_live: live, backups: usable, ..Tally::default() };
        }
        let ready = server.is_well() || server.spared;
        Tally {
            real: 1,
            all: u64::from(server.config.weight),
            live,
            usable,
            ready: if ready { u64::from(share) } else { 0 },
            in_window: usize::from(server.in_window),
            counted: usize::from(server.counts_for_panic()),
            ..Tally::default()
        }
    }
}

impl AddAssign for Tally {
    fn add_assign(&mut self, more: Self) {
        self.real += more.real;
        self.all += more.all;
        self.live += more.live;
        self.usable += more.usable;
        self.ready += more.ready;
        self.in_window += more.in_window;
        self.counted += more.counted;
        self.backups_live += more.backups_live;
        self.backups += more.backups;
    }
}

impl SubAssign for Tally {
    fn sub_assign(&mut self, less: Self) {
        self.real -= less.real;
        self.all -= less.all;
        self.live -= less.live;
        self.usable -= less.usable;
        self.ready -= less.ready;
        self.in_window -= less.in_window;
        self.counted -= less.counted;
        self.backups_live -= less.backups_live;
        self.backups -= less.backups;
    }
}

/// What matters of one server to the pool as a whole.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Facts {
    tally: Tally,
    fails: Option<Instant>,
    spared: bool,
    held: Option<Instant>,
    counted_held: Option<Instant>,
    undecided: bool,
    /// In the table, while it is its turn to serve and while it is not.
    places: [Option<DestinationSettings>; 2],
}

impl Facts {
    fn of(server: &Server) -> Self {
        let held = server.held_until();
        let wanted_up = server.is_well() || server.spared;
        Facts {
            tally: Tally::of(server),
            fails: fails(server),
            spared: server.spared,
            held,
            counted_held: held.filter(|_| is_counted(server)),
            undecided: server.fresh.is_some() || server.up != wanted_up,
            places: [true, false].map(|in_turn| server.place(in_turn)),
        }
    }
}

/// Whether checks decide over it, as far as `panic_threshold` leaves that to them.
fn is_counted(server: &Server) -> bool {
    server.counts_for_panic() && server.steer != Steer::Out
}

fn fails(server: &Server) -> Option<Instant> {
    server.failing.filter(|_| is_counted(server))
}

impl Servers {
    /// Changes one server; `None` if there is none.
    pub(in crate::director) fn change<R>(
        &mut self,
        key: &DestinationKey,
        change: impl FnOnce(&mut Server) -> R,
    ) -> Option<R> {
        let server = self.all.get_mut(key)?;
        let before = Facts::of(server);
        let answer = change(server);
        let fails = fails(server);
        if fails != before.fails {
            // Who begins to fail takes its place among those that do.
            let first = self.spared.first();
            server.spared = fails.is_some_and(|since| first.is_some_and(|first| *first < (since, *key)));
        }
        let after = Facts::of(server);
        if before != after {
            self.forget(*key, &before);
            self.note(*key, &after);
            if before.places != after.places {
                self.stale.insert(*key);
            }
        }
        Some(answer)
    }

    /// Adds a server, unless it is there.
    pub(super) fn enter(&mut self, key: DestinationKey, new: impl FnOnce() -> Server) {
        if !self.all.contains_key(&key) {
            let server = new();
            self.note(key, &Facts::of(&server));
            self.stale.insert(key);
            self.all.insert(key, server);
        }
    }

    /// Takes a server out.
    pub(super) fn remove(&mut self, key: &DestinationKey) -> Option<Server> {
        let server = self.all.remove(key)?;
        self.forget(*key, &Facts::of(&server));
        self.undecided.remove(key);
        self.stale.insert(*key);
        Some(server)
    }

    /// A check of a server, to be told something: that means nothing to the pool until the server is judged by it.
    pub(in crate::director) fn check(&mut self, key: &DestinationKey, index: usize) -> Option<&mut CheckRun> {
        self.all.get_mut(key)?.checks.get_mut(index)
    }

    /// What all of them come to.
    pub(in crate::director) fn tally(&self) -> Tally {
        self.tally
    }

    fn note(&mut self, key: DestinationKey, facts: &Facts) {
        self.tally += facts.tally;
        if let Some(since) = facts.fails {
            let ranks = if facts.spared { &mut self.spared } else { &mut self.failing };
            ranks.insert((since, key));
        }
        self.held.extend(facts.held.map(|until| (until, key)));
        self.counted_held.extend(facts.counted_held.map(|until| (until, key)));
        if facts.undecided {
            self.undecided.insert(key);
        }
    }

    fn forget(&mut self, key: DestinationKey, facts: &Facts) {
        self.tally -= facts.tally;
        if let Some(since) = facts.fails {
            let ranks = if facts.spared { &mut self.spared } else { &mut self.failing };
            ranks.remove(&(since, key));
        }
        if let Some(until) = facts.held {
            self.held.remove(&(until, key));
        }
        if let Some(until) = facts.counted_held {
            self.counted_held.remove(&(until, key));
        }
    }

    // ----- who fails, and who is held back -----

    /// How many fail, as far as `panic_threshold` counts them.
    pub(super) fn failing(&self) -> usize {
        self.failing.len() + self.spared.len()
    }

    /// Of those that fail the first so many may be taken out, and the others are spared: moves at most so many from one
    /// side to the other. True if all stand where they belong.
    pub(super) fn spare_all_but(&mut self, most: usize, moves: usize) -> bool {
        for _ in 0..moves {
            let (key, spared) = match self.failing.len() {
                many if many > most => match self.failing.pop_last() {
                    Some((_, key)) => (key, true),
                    None => return true,
                },
                few if few < most => match self.spared.pop_first() {
                    Some((_, key)) => (key, false),
                    None => return true,
                },
                _ => return true,
            };
            self.change(&key, |server| server.spared = spared);
        }
        false
    }

    /// Whether anybody is held back.
    pub(super) fn holds_any(&self) -> bool {
        !self.held.is_empty()
    }

    /// When the next one has been held back for long enough.
    pub(super) fn next_end_of_hold(&self) -> Option<Instant> {
        self.held.first().map(|(until, _)| *until)
    }

    /// Those are not held back any longer whose time is over.
    pub(super) fn end_holds_until(&mut self, now: Instant) {
        while self.next_end_of_hold().is_some_and(|until| until <= now) {
            let Some((_, key)) = self.held.pop_first() else { return };
            self.change(&key, Server::end_hold);
        }
    }

    /// Nobody is held back any longer.
    pub(super) fn end_all_holds(&mut self) {
        while let Some((_, key)) = self.held.pop_first() {
            self.change(&key, Server::end_hold);
        }
    }

    /// Of those that `panic_threshold` counts only so many stay held back: those whose hold would end last.
    pub(super) fn hold_at_most(&mut self, most: usize) {
        while self.counted_held.len() > most {
            let Some((_, key)) = self.counted_held.pop_first() else { return };
            self.change(&key, Server::end_hold);
        }
    }

    // ----- what is still to be done -----

    /// The next server about which something is to be decided, which it is then.
    pub(super) fn next_undecided(&mut self) -> Option<DestinationKey> {
        self.undecided.pop_first()
    }

    /// Something else than the server has a say about its place in the table.
    pub(super) fn note_stale(&mut self, key: DestinationKey) {
        self.stale.insert(key);
    }

    /// The next one whose place in the table may be another.
    pub(super) fn next_stale(&mut self) -> Option<DestinationKey> {
        self.stale.pop_first()
    }

    /// How many there are.
    pub(in crate::director) fn stale(&self) -> usize {
        self.stale.len()
    }
}

impl Deref for Servers {
    type Target = BTreeMap<DestinationKey, Server>;

    fn deref(&self) -> &Self::Target {
        &self.all
    }
}

#[cfg(test)]
impl Servers {
    /// Whether all that is kept is what a look at each server says; what it is not, in words.
    pub(in crate::director) fn contradiction(&self) -> Option<String> {
        let mut walk = Servers::default();
        for (key, server) in &self.all {
            walk.note(*key, &Facts::of(server));
        }
        let kept = (&self.tally, &self.failing, &self.spared, &self.held, &self.counted_held);
        let seen = (&walk.tally, &walk.failing, &walk.spared, &walk.held, &walk.counted_held);
        let decided = walk.undecided.is_subset(&self.undecided);
        let apart = walk.failing.last().zip(walk.spared.first()).is_none_or(|(last, first)| last < first);
        (kept != seen || !decided || !apart)
            .then(|| format!("kept: {kept:?}, seen: {seen:?}, {decided}, {apart}"))
    }
}
