//! The level of the IPVS table: what all pools together want in it.
//!
//! Most services are one pool's alone. Virtual servers of groups can meet: two may serve one mark, or a group the address
//! of another virtual server. As with keepalived the servers of all of them then stand in the one service, whose
//! settings are the first one's.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Instant;

use ipvs_backend::{DestinationKey, Service, ServiceKey};

use super::changeover::Spare;
use super::event::TableReport;
use super::journal::Entry;
use super::keeping::Keeping;
use super::{Director, Pending};
use crate::config::Served;

impl Director {
    /// A pool has another configuration, and other services in the kernel perhaps.
    /// `via`: some of its checks go through the table.
    pub(super) fn place_pool(&mut self, served: &Served, via: bool) {
        let (serves, spare) = (self.config.kernel_services(served), self.spare());
        let Some(pool) = self.pools.get_mut(served) else { return };
        let before = std::mem::replace(&mut pool.serves, serves.clone());
        pool.refresh();
        if let Served::Group(_) = served {
            for key in before.iter() {
                self.leave(key, served);
            }
            for key in serves.iter() {
                self.of_groups.entry(*key).or_default().insert(served.clone());
            }
            let gone: Vec<ServiceKey> = before.iter().filter(|key| !serves.contains(key)).copied().collect();
            self.write_services(&gone, spare);
        }
        self.write_services(&serves, spare);
        let config = self.config.virtual_server(served).filter(|_| via).cloned();
        self.place_via(served, config.as_deref());
    }

    /// A pool is no more, and neither is what it had in the kernel.
    pub(super) fn displace_pool(&mut self, served: &Served, now: Instant) {
        let Some(pool) = self.pools.remove(served) else { return };
        self.changeover.servers = self.changeover.servers.saturating_sub(pool.counted);
        self.forget_vip_check(served);
        self.time_pool(served);
        self.plan_windows(served, BTreeSet::new(), now);
        for key in pool.serves.iter() {
            self.leave(key, served);
        }
        self.write_services(&pool.serves, self.spare());
        self.place_via(served, None);
        let gone = pool.servers.values().flat_map(|s| s.checks.iter().map(|run| run.id)).collect();
        self.forget_checks(gone);
        self.lead_orphans(now);
    }

    fn leave(&mut self, key: &ServiceKey, served: &Served) {
        if let Some(others) = self.of_groups.get_mut(key) {
            others.remove(served);
            if others.is_empty() {
                self.of_groups.remove(key);
            }
        }
    }

    /// Puts what is wanted of these services into the level.
    pub(super) fn write_services(&mut self, keys: &[ServiceKey], spare: Spare) {
        for key in keys {
            let mut wanted = self.wanted_service(key);
            let held = self.table.value.services.get(key);
            let same = match (&wanted, held) {
                (Some(wanted), Some(held)) => Arc::ptr_eq(wanted, held) || wanted == held,
                (None, None) => true,
                _ => false,
            };
            self.changeover.spare.remove(key);
            if same {
                continue;
            }
            if let (Spare::Stays, Some(held)) = (spare, held) {
                let kept = match &wanted {
                    Some(wanted) => {
                        let prepared = self.changeover.kept.take_if(|kept| kept.is_of(wanted, held));
                        prepared.unwrap_or_else(|| Keeping::new(wanted.clone(), held.clone())).complete()
                    }
                    None => Some(held.clone()),
                };
                if kept.is_some() {
                    self.changeover.spare.insert(*key);
                    wanted = kept;
                }
            }
            let services = &mut Arc::make_mut(&mut self.table.value).services;
            match wanted {
                Some(wanted) => services.insert(*key, wanted),
                None => services.remove(key),
            };
        }
    }

    /// Gathers what the table is going to keep of a virtual server until a configuration is in effect, by a look at so many
    /// real servers: whether that was enough, and how much of it was needed.
    pub(super) fn keep_some(&mut self, served: &Served, most: usize) -> (bool, usize) {
        let kept = self.changeover.kept.take();
        let Some((wanted, held)) = self.sole_levels(served).filter(|_| self.spare() == Spare::Stays) else {
            return (true, 0);
        };
        let mut keeping =
            kept.filter(|kept| kept.is_of(&wanted, &held)).unwrap_or_else(|| Keeping::new(wanted, held));
        let looked = keeping.gather(most);
        let complete = keeping.is_complete();
        self.changeover.kept = Some(keeping);
        (complete, looked)
    }

    /// What a virtual server wants of its service and what is there, if nobody else has anything to say of it.
    fn sole_levels(&self, served: &Served) -> Option<(Arc<Service>, Arc<Service>)> {
        let Served::Key(key) = served else { return None };
        let others = self.vias.service(key).is_some()
            || self.of_groups.contains_key(key)
            || self.leaving.concerns(key);
        let wanted = self.pools.get(served)?.level(key).filter(|_| !others)?;
        Some((wanted.clone(), self.table.value.services.get(key)?.clone()))
    }

    /// What should be in the kernel for a service: what is configured, and beside it those that leave.
    fn wanted_service(&self, key: &ServiceKey) -> Option<Arc<Service>> {
        self.leaving.beside(key, self.configured_service(key))
    }

    /// What all who serve this want of it; `None` if nobody does.
    fn configured_service(&self, key: &ServiceKey) -> Option<Arc<Service>> {
        if let Some(service) = self.vias.service(key) {
            return Some(service.clone());
        }
        let own = self.pools.get(&Served::Key(*key)).into_iter();
        let of_groups = self.of_groups.get(key).into_iter().flatten().filter_map(|s| self.pools.get(s));
        let mut levels = own.chain(of_groups).filter_map(|pool| pool.level(key));
        let first = levels.next()?.clone();
        Some(levels.fold(first, |mut joined, level| {
            let missing = level.destinations.iter().map(|(server, settings)| (*server, *settings));
            Arc::make_mut(&mut joined).destinations.extend_missing(missing);
            joined
        }))
    }

    /// Whether a real server of the kernel is one of the configuration, in service or not.
    pub(super) fn is_configured(&self, service: &ServiceKey, server: &DestinationKey) -> bool {
        let own = self.pools.get(&Served::Key(*service)).into_iter();
        let of_groups = self.of_groups.get(service).into_iter().flatten().filter_map(|s| self.pools.get(s));
        // In the kernel it may have another port, but no other address.
        let [first, last] = [u16::MIN, u16::MAX].map(|port| DestinationKey::new(server.address, port));
        own.chain(of_groups).any(|pool| {
            let mut like = pool.servers.range(first..=last);
            like.any(|(key, _)| pool.places(key).contains(&(*service, *server)))
        })
    }

    pub(super) fn publish_table(&mut self) {
        self.table.serial += 1;
        if !self.table.queued {
            self.table.queued = true;
            self.pending.push_back(Pending::Table);
        }
    }

    pub(super) fn table_applied(&mut self, report: TableReport, now: Instant) {
        self.note_adopted(&report.adopted, now);
        self.table.applied = report.serial;
        if self.table.unavailable != report.unavailable && !self.stopping {
            self.log(Entry::Ipvs { unavailable: report.unavailable.clone() });
        }
        self.table.unavailable = report.unavailable;
        // It is tried again and again, and told once.
        let known = std::mem::replace(&mut self.table.failures, report.failures);
        let news = self.table.failures.iter().filter(|what| !known.contains(what));
        for what in news.cloned().collect::<Vec<_>>() {
            self.log(Entry::Refused { what });
        }
        self.resume_via(now);
        self.settle(now);
        self.end_if_released();
    }
}
