//! How virtual servers come, change and go with a configuration.

use std::time::Instant;

use healthcheck::Monitor;

use super::event::CheckId;
use super::pool::{CheckRun, Configured, Pool, rhythm};
use super::{Director, Owner, Place};
use crate::config::{Changes, Difference, Served};

impl Director {
    /// Takes over what differs.
    pub(super) fn configure_pools(&mut self, difference: &Difference, now: Instant) {
        let Difference { services, group_services, .. } = difference;
        for served in
            keys(services, |changes| &changes.to_remove).chain(keys(group_services, |c| &c.to_remove))
        {
            self.displace_pool(&served);
        }
        let changed = keys(services, |c| &c.to_change).chain(keys(group_services, |c| &c.to_change));
        let added = keys(services, |c| &c.to_add).chain(keys(group_services, |c| &c.to_add));
        for served in changed.chain(added) {
            self.configure_pool(&served, now);
        }
    }

    fn configure_pool(&mut self, served: &Served, now: Instant) {
        let Some(config) = self.config.virtual_server(served).cloned() else { return };
        let mut pool = self.pools.remove(served).unwrap_or_else(|| Pool::new(served.clone(), config.clone()));
        let (next_check, seed) = (&mut self.next_check, self.birth.seed);
        let Configured { gone, changes, started } = pool.configure(config, now, |_, spec| {
            let id = CheckId(*next_check);
            *next_check += 1;
            let monitor = Monitor::new(rhythm(spec), spec.steps(), seed.wrapping_add(id.0), now);
            CheckRun { id, spec: spec.clone(), monitor, must_pass: false }
        });
        self.forget_checks(gone);
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
        // Before the first attempts go out.
        self.suspend_checks_of(served, now);
        for id in ids {
            self.with_monitor(id, now, |_| {});
        }
    }

    pub(super) fn forget_checks(&mut self, gone: Vec<CheckId>) {
        for id in gone {
            self.places.remove(&id);
            self.agenda.set(Owner::Check(id), None);
        }
    }
}

fn keys<'a, K: Ord + Clone + Into<Served>>(
    changes: &'a Changes<K>,
    part: impl FnOnce(&'a Changes<K>) -> &'a std::collections::BTreeSet<K>,
) -> impl Iterator<Item = Served> + 'a {
    part(changes).iter().cloned().map(Into::into)
}
