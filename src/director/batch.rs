//! Changes of what is large are handed out together.
//!
//! What should be in the kernel is a whole value, and to work it out for a virtual server of ten thousand real servers,
//! or to hand out a table of tens of thousands of services, takes a part of a millisecond; forty thousand real servers
//! that fail one after the other take as many tables, each a copy. When a rack goes down and each of its servers would
//! cost that, nothing else would be done for a while. So the first change is handed out at once, and those that follow
//! within the next ten milliseconds together. Small tables, which cost nothing, are handed out with every change.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use super::changeover::Spare;
use super::{Director, Owner};
use crate::config::Served;

/// More real servers in all, or more services in the table, are large.
const LARGE: usize = 1000;

/// Between two times that something large is handed out.
const PAUSE: Duration = Duration::from_millis(10);

/// Real servers gone through in one piece.
const PIECE: usize = 1000;

/// Where few real servers of a pool have changed, the others are so much less work.
const LOOK: usize = 64;

/// What waits to be handed out.
#[derive(Debug, Default)]
pub(super) struct Batch {
    waiting: BTreeSet<Served>,
    /// Until when it waits; past, or none: the next change goes out at once.
    until: Option<Instant>,
    /// Whether something that has waited is another now, and the table not handed out yet.
    changed: bool,
}

impl Director {
    /// A pool has changed: what should be in the kernel for it.
    pub(super) fn renew_service(&mut self, served: &Served, now: Instant) {
        if self.is_on_its_way(served) {
            // It is handed out with all that follows from its configuration.
            return;
        }
        let Some(pool) = self.pools.get_mut(served) else { return };
        let is_large = self.changeover.servers > LARGE || self.table.value.services.len() > LARGE;
        if is_large || !self.batch.waiting.is_empty() {
            self.batch.waiting.insert(served.clone());
            match self.batch.until.filter(|until| *until > now) {
                Some(until) => self.agenda.set(Owner::Batch, Some(until)),
                None => self.renew_waiting(now),
            }
        } else if pool.refresh() {
            let keys = pool.serves.clone();
            self.write_services(&keys, Spare::Goes);
            self.publish_table();
        }
    }

    /// Hands out what has waited; what is more than one piece goes on in a moment.
    pub(super) fn renew_waiting(&mut self, now: Instant) {
        let mut left = PIECE;
        while left > 0
            && let Some(served) = self.batch.waiting.pop_first()
        {
            if self.is_on_its_way(&served) {
                continue;
            }
            let Some(pool) = self.pools.get_mut(&served) else { continue };
            let Some(changed) = pool.refresh_some(left) else {
                self.batch.waiting.insert(served);
                break;
            };
            left = left.saturating_sub(1 + pool.servers.len() / LOOK);
            if changed {
                let keys = pool.serves.clone();
                self.write_services(&keys, Spare::Goes);
                self.batch.changed = true;
            }
        }
        if !self.batch.waiting.is_empty() {
            return self.agenda.set(Owner::Batch, Some(now));
        }
        if std::mem::take(&mut self.batch.changed) {
            self.publish_table();
        }
        self.batch.until = Some(now + PAUSE);
        self.agenda.set(Owner::Batch, None);
    }

    /// The daemon ends: the table becomes empty, whatever waited.
    pub(super) fn forget_batch(&mut self) {
        self.batch = Batch::default();
        self.agenda.set(Owner::Batch, None);
    }
}
