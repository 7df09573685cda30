//! How a configuration takes effect: piece by piece, and nothing is taken away before it is known that the new can be had.
//!
//! *Piece by piece.* Tens of thousands of real servers are not gone through at once: after a bounded number of them the
//! brain asks to be woken again in a moment, and adverts that are due meanwhile leave first. Each virtual server is
//! either as it was or as it will be; the table is handed out when all are.
//!
//! *Nothing is taken away first.* A reload adds and raises in the IPVS table, keeps what it is going to remove, and waits
//! for the owners of everything to answer. Only if none of them was refused anything new does it remove. If one was, the
//! brain says so ([`super::effect::Effect::Settled`]) and waits a moment: who handed the configuration over may return to
//! the one before, and finds everything that it needs still there. That is how a service with a usable server never
//! passes through having none, whatever goes wrong.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use ipvs_backend::ServiceKey;

use super::effect::{Effect, Settlement};
use super::journal::Entry;
use super::keeping::Keeping;
use super::pools::{Transit, Unbegun};
use super::{Director, Owner};
use crate::config::{Difference, GroupKey, Served};

/// Real servers and checks gone through in one piece: a tenth of a millisecond or two, where an advert may come every
/// ten. The next piece is due at once, behind everything that is due already, and adverts that become due go first.
const PIECE: usize = 128;

/// How long the owners of table, addresses and interfaces may take to answer.
const PATIENCE: Duration = Duration::from_secs(30);

/// How long whoever handed a configuration over has to return to the one before.
const RESPITE: Duration = Duration::from_secs(1);

/// A configuration on its way into effect.
#[derive(Debug, Default)]
pub(super) struct Changeover {
    stage: Stage,
    /// Virtual servers that are still as the configuration before wanted them, in several sets; one may be in two.
    pending: Vec<BTreeSet<ServiceKey>>,
    /// The same of groups.
    pending_groups: Vec<BTreeSet<GroupKey>>,
    /// The one that is on its way.
    pub(super) transit: Option<Transit>,
    /// New checks that have not begun yet.
    pub(super) unbegun: Unbegun,
    /// What the table is going to keep of the one that is on its way.
    pub(super) kept: Option<Keeping>,
    /// Virtual servers that the table holds more of than is wanted.
    pub(super) spare: BTreeSet<ServiceKey>,
    /// What was refused before it began.
    before: BTreeSet<String>,
    /// Whether there is something to return to.
    careful: bool,
    /// Real servers of all pools.
    pub(super) servers: usize,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum Stage {
    /// There is nothing to do.
    #[default]
    Done,
    /// Virtual servers take on their new configuration.
    Adding,
    /// The owners are at work on what is new.
    Added(Awaited),
    /// Something was refused: whoever handed the configuration over may take it back.
    Failed,
    /// What is no longer wanted goes.
    Removing,
    /// The owners are at work on that.
    Removed(Awaited),
}

/// The numbers of the levels that must have been answered: table, sync daemons, addresses, interfaces.
type Awaited = [u64; 4];

impl Changeover {
    /// The next virtual server to be changed.
    fn next(&mut self) -> Option<Served> {
        pop(&mut self.pending).map(Served::Key).or_else(|| pop(&mut self.pending_groups).map(Served::Group))
    }
}

fn pop<K: Ord>(sets: &mut Vec<BTreeSet<K>>) -> Option<K> {
    loop {
        match sets.last_mut()?.pop_first() {
            Some(key) => return Some(key),
            None => sets.pop(),
        };
    }
}

impl Director {
    /// A configuration has come, and what is not about virtual servers is in effect.
    pub(super) fn change_services(&mut self, difference: Difference, now: Instant) {
        let Difference { services, group_services, .. } = difference;
        let known = self.known_failures();
        let mut transit = self.changeover.transit.take();
        if let Some(transit) = &mut transit {
            self.tell_some(transit, usize::MAX, now);
        }
        let changeover = &mut self.changeover;
        // One that was on its way begins again: it may have another goal, or none.
        match transit.map(|transit| transit.served) {
            Some(Served::Key(key)) => changeover.pending.push([key].into()),
            Some(Served::Group(key)) => changeover.pending_groups.push([key].into()),
            None => {}
        }
        // The sets are taken as they are: filling another one would take its time.
        changeover.pending.extend([services.to_remove, services.to_change, services.to_add]);
        changeover.pending_groups.extend([
            group_services.to_remove,
            group_services.to_change,
            group_services.to_add,
        ]);
        changeover.before.extend(known);
        // On the way back from what was refused, everything that is needed is still there.
        changeover.careful = self.generation > 1 && changeover.stage != Stage::Failed;
        changeover.stage = Stage::Adding;
        if !self.changeover.careful {
            let spare: Vec<ServiceKey> = std::mem::take(&mut self.changeover.spare).into_iter().collect();
            self.write_services(&spare, Spare::Goes);
        }
        self.change_on(now);
    }

    /// The next piece, or the end of a wait.
    pub(super) fn change_on(&mut self, now: Instant) {
        match self.changeover.stage {
            Stage::Done => {}
            Stage::Adding => self.add_piece(now),
            Stage::Removing => self.remove_piece(now),
            Stage::Failed if self.changeover.spare.is_empty() => self.end_changeover(),
            Stage::Failed => self.begin_removing(now),
            Stage::Added(awaited) | Stage::Removed(awaited) => {
                let unanswered = self.unanswered(awaited);
                self.conclude(unanswered, now);
            }
        }
    }

    fn add_piece(&mut self, now: Instant) {
        let mut left = PIECE;
        while let Some(mut transit) = self.next_transit() {
            while left > 0 && !transit.is_through() {
                left = left.saturating_sub(self.move_on(&mut transit, left, now));
            }
            let through = transit.is_through();
            self.changeover.transit = (!through).then_some(transit);
            left = left.saturating_sub(usize::from(through));
            if left == 0 {
                return self.agenda.set(Owner::Changeover, Some(now));
            }
        }
        self.keep_leaving(now);
        self.configure_overrides(now);
        self.await_first_results();
        self.publish_table();
        // Behind the table: what is in the kernel may become ours only once all that is wanted is known.
        self.publish_settings();
        let summary = format!(
            "{} vrrp_instances, {} virtual_servers, {} real_servers",
            self.config.instances.len(),
            self.config.services.len() + self.config.group_services.len(),
            self.changeover.servers,
        );
        self.log(Entry::Configured { summary });
        self.changeover.stage = Stage::Added(self.wanted_serials());
        self.agenda.set(Owner::Changeover, Some(now + PATIENCE));
        self.settle(now);
    }

    /// The virtual server that is on its way, or the next one.
    fn next_transit(&mut self) -> Option<Transit> {
        if let Some(transit) = self.changeover.transit.take() {
            return Some(transit);
        }
        let served = self.changeover.next()?;
        Some(Transit::new(served))
    }

    /// Whether the table keeps what a configuration that takes effect does not want any more.
    pub(super) fn spare(&self) -> Spare {
        match self.changeover.stage {
            Stage::Adding if self.changeover.careful => Spare::Stays,
            _ => Spare::Goes,
        }
    }

    fn begin_removing(&mut self, now: Instant) {
        self.changeover.stage = Stage::Removing;
        self.remove_piece(now);
    }

    fn remove_piece(&mut self, now: Instant) {
        let mut left = PIECE;
        while let Some(key) = self.changeover.spare.pop_first() {
            let held = self.table.value.services.get(&key);
            left = left.saturating_sub(1 + held.map_or(0, |held| held.destinations.len()));
            self.write_services(&[key], Spare::Goes);
            if left == 0 && !self.changeover.spare.is_empty() {
                return self.agenda.set(Owner::Changeover, Some(now));
            }
        }
        self.publish_table();
        self.changeover.stage = Stage::Removed(self.wanted_serials());
        self.agenda.set(Owner::Changeover, Some(now + PATIENCE));
        self.settle(now);
    }

    /// An owner has answered: goes on if that was the last one.
    pub(super) fn settle(&mut self, now: Instant) {
        let (Stage::Added(awaited) | Stage::Removed(awaited)) = self.changeover.stage else { return };
        if self.unanswered(awaited).is_empty() {
            self.conclude(Vec::new(), now);
        }
    }

    /// All owners have answered, or time is up: tells how it went, or goes on with the removals.
    fn conclude(&mut self, unanswered: Vec<String>, now: Instant) {
        let mut refused: Vec<String> = self.known_failures();
        refused.retain(|failure| !self.changeover.before.contains(failure));
        let adding = matches!(self.changeover.stage, Stage::Added(_));
        let spare = adding && !self.changeover.spare.is_empty();
        if spare && refused.is_empty() && unanswered.is_empty() {
            return self.begin_removing(now);
        }
        // What cannot be removed is no reason to return: everything that is wanted is there.
        let (failures, leftovers) = if adding { (refused, Vec::new()) } else { (Vec::new(), refused) };
        let (generation, failed) = (self.generation, !failures.is_empty());
        self.effect(Effect::Settled(Settlement { generation, failures, leftovers, unanswered }));
        if adding && failed {
            self.changeover.stage = Stage::Failed;
            self.agenda.set(Owner::Changeover, Some(now + RESPITE));
        } else if spare {
            self.begin_removing(now);
        } else {
            self.end_changeover();
        }
    }

    fn end_changeover(&mut self) {
        self.changeover.stage = Stage::Done;
        self.changeover.before.clear();
        self.agenda.set(Owner::Changeover, None);
    }

    /// The daemon ends: nothing more is changed over.
    pub(super) fn abandon_changeover(&mut self) {
        self.changeover = Changeover::default();
        self.agenda.set(Owner::Changeover, None);
    }

    fn wanted_serials(&self) -> Awaited {
        [self.table.serial, self.sync.serial, self.addresses.serial, self.host.serial]
    }

    /// The owners that have not answered yet, in words.
    fn unanswered(&self, awaited: Awaited) -> Vec<String> {
        let applied = [self.table.applied, self.sync.applied, self.addresses.applied, self.host.applied];
        let names = ["the IPVS table", "the sync daemons", "addresses, routes and rules", "the interfaces"];
        let late = names.iter().zip(awaited).zip(applied).filter(|((_, awaited), applied)| applied < awaited);
        late.map(|((name, _), _)| (*name).to_owned()).collect()
    }

    /// Everything that the owners were refused, at present.
    fn known_failures(&self) -> Vec<String> {
        let unavailable = [&self.table.unavailable, &self.sync.unavailable].into_iter().flatten();
        let refused =
            [&self.table.failures, &self.sync.failures, &self.addresses.failures, &self.host.failures];
        unavailable.chain(refused.into_iter().flatten()).cloned().collect()
    }
}

/// What becomes of what the table holds beyond what is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Spare {
    /// It may be needed again.
    Stays,
    /// It goes.
    Goes,
}
