//! How a virtual server comes or changes with a configuration.

use std::time::Instant;

use healthcheck::Monitor;

use super::event::CheckId;
use super::pool::{CheckRun, Configured, Pool, rhythm};
use super::{Director, Place};
use crate::config::Served;

impl Director {
    /// Takes over what is configured of one, which may be new.
    pub(super) fn configure_pool(&mut self, served: &Served, now: Instant) {
        let Some(config) = self.config.virtual_server(served).cloned() else { return };
        let mut pool = self.pools.remove(served).unwrap_or_else(|| Pool::new(served.clone(), config.clone()));
        self.plan_windows(served, now);
        pool.steered = self.steers(served, &config, now);
        self.forget_neighbour_checks(&pool);
        let (next_check, seed, compat) = (&mut self.next_check, self.birth.seed, self.config.global.compat);
        let all = self.config.clone();
        let Configured { gone, mut changes, mut started, released } =
            pool.configure(config, &all, now, |_, spec| {
                let id = CheckId(*next_check);
                *next_check += 1;
                let mut rhythm = rhythm(spec);
                if compat {
                    // keepalived asks nobody at once.
                    rhythm.warmup = rhythm.warmup.or(Some(rhythm.interval));
                }
                let monitor = Monitor::new(rhythm, spec.steps(), seed.wrapping_add(id.0), now);
                CheckRun { id, spec: spec.clone(), monitor, must_pass: false, made: false }
            });
        self.forget_checks(gone);
        // Whoever goes on as before has nothing to tell.
        if self.recall_health(&mut pool, now) {
            changes.clear();
            started.clear();
            pool.told_lost = !pool.has_quorum();
        }
        let mut ids = Vec::new();
        for (server, state) in &pool.servers {
            for (index, run) in state.checks.iter().enumerate() {
                let place = Place { service: served.clone(), server: *server, index };
                self.places.insert(run.id, place);
                ids.push(run.id);
            }
        }
        self.pools.insert(served.clone(), pool);
        self.place_pool(served);
        if self.config.global.lvs.notify_at_start {
            for server in started {
                self.tell_server(served, &server, true, "the configuration took effect");
            }
        }
        self.tell_changes(served, changes, now);
        self.tell_released(served, released, now);
        // Before the first attempts go out.
        self.suspend_checks_of(served, now);
        self.configure_vip_check(served, now);
        self.share_checks_of(served, now);
        for id in ids {
            self.with_monitor(id, now, |_| {});
        }
        self.note_neighbour_checks(served, now);
        self.note_files(served, now);
        self.note_maintenance(served, now);
        self.time_pool(served);
    }

    pub(super) fn forget_checks(&mut self, gone: Vec<CheckId>) {
        self.unshare(&gone);
        for id in gone {
            self.places.remove(&id);
            self.judged(id);
            self.checks.set(id, None);
        }
    }
}
