//! What follows when all real servers of a virtual server have taken on a configuration, again a piece at a time: it is
//! decided about each, the table is worked out, people hear of it, and what is known of neighbours, files and maintenance
//! is told to those who ask for it.

use std::collections::VecDeque;
use std::ops::Bound;
use std::sync::Arc;
use std::time::Instant;

use super::Director;
use super::pools::{After, CHANGE, Step, Transit, shares};
use crate::config::{Served, VirtualServer};

/// To decide about a real server, or to work out its place in the table, is so much less work than to change it.
const DECISION: usize = 4;

impl Director {
    /// It is decided what follows for some real servers.
    pub(super) fn settle_some(
        &mut self,
        served: &Served,
        config: &Arc<VirtualServer>,
        most: usize,
        now: Instant,
    ) -> (Step, usize) {
        let Some(pool) = self.pools.get_mut(served) else { return (Step::Level, 0) };
        let (all, decided) = pool.configure_some(config, most * DECISION, now);
        (if all { Step::Level } else { Step::Settle }, decided / DECISION)
    }

    /// What should be in the table is worked out for some real servers.
    pub(super) fn level_some(&mut self, served: &Served, most: usize) -> (Step, usize) {
        let Some(pool) = self.pools.get_mut(served) else { return (Step::Arrive, 0) };
        let work = 1 + pool.servers.stale() / DECISION;
        match pool.refresh_some(most * DECISION) {
            Some(_) => (Step::Keep, work),
            None => (Step::Level, most),
        }
    }

    /// What stays in the table for the time being is gathered from some real servers.
    pub(super) fn keep_piece(&mut self, served: &Served, most: usize) -> (Step, usize) {
        let (complete, looked) = self.keep_some(served, most * CHANGE);
        (if complete { Step::Arrive } else { Step::Keep }, looked / CHANGE)
    }

    /// A virtual server is what is configured.
    pub(super) fn arrive(&mut self, transit: &mut Transit, config: &VirtualServer, now: Instant) {
        let served = &transit.served;
        let Some(mut pool) = self.pools.remove(served) else { return };
        pool.shares = Some(shares(config, self.config.global.compat));
        transit.news = pool.arrive();
        if self.recall_health(&mut pool, now) {
            // Whoever goes on as before has nothing to tell.
            transit.news.changes.clear();
            transit.news.started.clear();
            pool.told_lost = !pool.has_quorum();
        } else {
            // What was heard while the table was worked out.
            transit.news.changes.extend(pool.work_out(now, |_| None));
        }
        self.changeover.servers = (self.changeover.servers + pool.servers.len()).saturating_sub(pool.counted);
        pool.counted = pool.servers.len();
        self.pools.insert(served.clone(), pool);
        self.place_pool(served, transit.via);
        self.changeover.kept = None;
        // Before the first attempts go out.
        self.suspend_checks_of(served, now);
        self.configure_vip_check(served, now);
    }

    /// Some of what changed is told.
    pub(super) fn tell_some(&mut self, transit: &mut Transit, most: usize, now: Instant) -> (Step, usize) {
        let (served, news) = (&transit.served, &mut transit.news);
        let mut left = most;
        let started = first_of(&mut news.started, &mut left);
        let changes = first_of(&mut news.changes, &mut left);
        let released = first_of(&mut news.released, &mut left);
        if self.config.global.lvs.notify_at_start {
            for server in started {
                self.tell_server(served, &server, true, "the configuration took effect");
            }
        }
        self.tell_changes(served, changes, now);
        self.tell_released(served, released, now);
        (if left == 0 { Step::Tell } else { Step::Checks }, most - left)
    }

    /// Some real servers hear what is known of neighbours, files and maintenance.
    pub(super) fn note_some(
        &mut self,
        served: &Served,
        after: After,
        most: usize,
        now: Instant,
    ) -> (Step, usize) {
        let Some(pool) = self.pools.get(served) else { return (Step::Through, 0) };
        let first = after.map_or(Bound::Unbounded, Bound::Excluded);
        let (mut looked, mut last, mut asking) = (0, None, Vec::new());
        for (key, server) in pool.servers.range((first, Bound::Unbounded)).take(most * CHANGE) {
            (looked, last) = (looked + 1, Some(*key));
            if !server.config.planned.is_empty() {
                asking.push(*key);
            }
        }
        let maintained = self.maintained(pool, first, most * CHANGE);
        let worked = looked / CHANGE + asking.len() + maintained.len();
        self.note_neighbour_checks(served, &asking, now);
        self.note_files(served, &asking, now);
        self.note_maintenance(served, maintained, now);
        self.time_pool(served);
        let more = last.filter(|_| looked == most * CHANGE);
        (more.map_or(Step::Through, |last| Step::Notes(Some(last))), worked)
    }
}

/// Takes the first so many out; how many more may be taken is counted down.
fn first_of<T>(all: &mut VecDeque<T>, left: &mut usize) -> Vec<T> {
    let some = all.len().min(*left);
    *left -= some;
    all.drain(..some).collect()
}
