//! Checks that go through the kernel's table (`via_ipvs`): each server that has some is the only one of a service of its
//! own, for packets with the server's mark.
//!
//! These services stand in the table beside those of clients and are seen by nobody else: not by pools, not in `status`.
//! They hold their server whatever its checks say, for that is what the checks are to find out. A check asks only while
//! the table is known to hold its service: without it a marked packet would be anybody's, and would reach some other
//! server perhaps.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Instant;

use ipvs_backend::{
    DestinationKey, DestinationSettings, Family, Forwarding, Scheduler, Service, ServiceKey, ServiceSettings,
    Table,
};

use super::Director;
use super::changeover::Spare;
use super::wishes::Published;
use crate::config::{Served, VirtualServer};

/// The services of checks.
#[derive(Debug, Default)]
pub(super) struct Vias {
    services: BTreeMap<ServiceKey, Arc<Service>>,
    /// The virtual servers that have some.
    pools: BTreeMap<Served, Via>,
}

/// Those of one virtual server.
#[derive(Debug)]
struct Via {
    keys: BTreeSet<ServiceKey>,
    /// The number of the first level that holds them.
    serial: u64,
    /// Whether its checks ask.
    asks: bool,
}

impl Vias {
    /// What should be in the kernel for a mark, if it is one of ours.
    pub(super) fn service(&self, key: &ServiceKey) -> Option<&Arc<Service>> {
        self.services.get(key)
    }

    /// Whether a virtual server has such checks.
    pub(super) fn concerns(&self, served: &Served) -> bool {
        self.pools.contains_key(served)
    }

    /// Whether the checks of a virtual server that go through the table must wait for it.
    pub(super) fn waits(&self, served: &Served, table: &Published<Table>) -> bool {
        self.pools.get(served).is_some_and(|via| !via.is_held(table))
    }
}

impl Via {
    /// Whether the kernel holds all of these services.
    fn is_held(&self, table: &Published<Table>) -> bool {
        let refused = |key: &ServiceKey| {
            let name = key.to_string();
            table.failures.iter().any(|failure| failure.contains(&name))
        };
        table.unavailable.is_none() && table.applied >= self.serial && !self.keys.iter().any(refused)
    }
}

impl Director {
    /// A virtual server has another configuration, or (`None`) is no more: its checks have other services perhaps.
    pub(super) fn place_via(&mut self, served: &Served, config: Option<&VirtualServer>) {
        let wanted = config.map(services).unwrap_or_default();
        let before = self.vias.pools.remove(served);
        if wanted.is_empty() && before.is_none() {
            return;
        }
        let keys: BTreeSet<ServiceKey> = wanted.keys().copied().collect();
        let mut touched: Vec<ServiceKey> = Vec::new();
        for key in before.iter().flat_map(|via| &via.keys).filter(|key| !keys.contains(key)) {
            // Meanwhile it may be another one's.
            let mine = self.vias.pools.values().all(|other| !other.keys.contains(key));
            if mine && self.vias.services.remove(key).is_some() {
                touched.push(*key);
            }
        }
        for (key, service) in wanted {
            if self.vias.services.get(&key) != Some(&service) {
                self.vias.services.insert(key, service);
                touched.push(key);
            }
        }
        let (serial, asks) = match before {
            Some(via) if touched.is_empty() => (via.serial, via.asks),
            Some(via) => (self.table.serial + 1, via.asks),
            None => (self.table.serial + 1, false),
        };
        if !keys.is_empty() {
            self.vias.pools.insert(served.clone(), Via { keys, serial, asks });
        }
        self.write_services(&touched, Spare::Goes);
    }

    /// The owner of the table has answered: checks that waited for it ask, or no longer do.
    pub(super) fn resume_via(&mut self, now: Instant) {
        let changed: Vec<Served> = self
            .vias
            .pools
            .iter()
            .filter(|(_, via)| via.asks != via.is_held(&self.table))
            .map(|(served, _)| served.clone())
            .collect();
        for served in changed {
            if let Some(via) = self.vias.pools.get_mut(&served) {
                via.asks = via.is_held(&self.table);
            }
            self.suspend_checks_of(&served, now);
            self.rest_vip_check(&served, now);
        }
    }
}

/// A service for each server that is checked through the table, and one for the address of the service itself.
fn services(config: &VirtualServer) -> BTreeMap<ServiceKey, Arc<Service>> {
    let vip = config.vip_check.iter().filter_map(|check| {
        let via = check.via.as_deref()?;
        let (address, port) = (check.target.ip(), check.target.port());
        let mut service = Service::new(ServiceSettings::new(config.settings.scheduler.clone()));
        let settings = DestinationSettings::new(Forwarding::Dr, 1);
        service.destinations.insert(DestinationKey::new(address, port), settings);
        Some((ServiceKey::Mark { family: Family::of(address), mark: via.mark }, Arc::new(service)))
    });
    let servers = config.servers.iter().chain(&config.backups).filter_map(|(key, server)| {
        let check = server.checks.iter().find(|check| check.via.is_some())?;
        let via = check.via.as_deref()?;
        let family = Family::of(check.target.ip());
        let tunnel = server.extras().tunnel;
        let settings = DestinationSettings { tunnel, ..DestinationSettings::new(server.forwarding, 1) };
        // One server needs no choice, and what the service itself uses is surely there.
        let scheduler: Scheduler = config.settings.scheduler.clone();
        let mut service = Service::new(ServiceSettings::new(scheduler));
        service.destinations.insert(*key, settings);
        Some((ServiceKey::Mark { family, mark: via.mark }, Arc::new(service)))
    });
    servers.chain(vip).collect()
}
