//! `ha_suspend`: a virtual server is checked only while one of its addresses is on this host.
//!
//! As with keepalived the servers stay what they were while nobody checks them. Once the address is here, all of them
//! are asked at once and not when their turn comes.

use std::net::IpAddr;
use std::time::Instant;

use ipvs_backend::ServiceKey;

use super::Director;
use crate::config::Served;

impl Director {
    /// After a configuration or a change of addresses: lets checks rest or go on.
    pub(super) fn suspend_checks(&mut self, now: Instant) {
        let asked = self.pools.iter().filter(|(_, pool)| pool.config.ha_suspend || pool.suspended);
        let asked: Vec<Served> = asked.map(|(served, _)| served.clone()).collect();
        for served in asked {
            self.suspend_checks_of(&served, now);
        }
        self.rest_vip_checks(now);
    }

    /// The same for one virtual server.
    pub(super) fn suspend_checks_of(&mut self, served: &Served, now: Instant) {
        let Some(pool) = self.pools.get(served) else { return };
        let suspended = pool.config.ha_suspend && !self.is_here(&pool.serves);
        let (via, waits) = (self.vias.concerns(served), self.vias.waits(served, &self.table));
        let Some(pool) = self.pools.get_mut(served).filter(|pool| suspended || pool.suspended || via) else {
            return;
        };
        pool.suspended = suspended;
        let runs = pool.servers.values().flat_map(|server| &server.checks);
        let checks: Vec<_> =
            runs.map(|run| (run.id, suspended || (waits && run.spec.via.is_some()))).collect();
        for (id, rests) in checks {
            self.with_monitor(id, now, |monitor| monitor.handle_suspension(rests, now));
        }
    }

    /// Whether an address of these is on this host.
    pub(super) fn is_here(&self, services: &[ServiceKey]) -> bool {
        let here = |address: &IpAddr| {
            self.links.values().any(|link| link.addresses.iter().any(|held| held.address == *address))
        };
        services.iter().any(|key| match key {
            ServiceKey::Address { address, .. } => here(address),
            ServiceKey::Mark { .. } => false,
        })
    }
}
