//! The level of the IPVS table: what all pools together want in it.
//!
//! Most services are one pool's alone. Virtual servers of groups can meet: two may serve one mark, or a group the address
//! of another virtual server. As with keepalived the servers of all of them then stand in the one service, whose
//! settings are the first one's.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Instant;

use ipvs_backend::{DestinationKey, Service, ServiceKey};

use super::changeover::{Spare, with_spare};
use super::event::TableReport;
use super::journal::Entry;
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
                let more = with_spare(wanted.as_deref(), held);
                if more.is_some() {
                    self.changeover.spare.insert(*key);
                    wanted = more.map(Arc::new);
                }
            }
            let services = &mut Arc::make_mut(&mut self.table.value).services;
            match wanted {
                Some(wanted) => services.insert(*key, wanted),
                None => services.remove(key),
            };
        }
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
            let service = Arc::make_mut(&mut joined);
            for (server, settings) in &level.destinations {
                service.destinations.insert_missing(*server, *settings);
            }
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
