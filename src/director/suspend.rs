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
    }

    /// The same for one virtual server.
    pub(super) fn suspend_checks_of(&mut self, served: &Served, now: Instant) {
        let Some(pool) = self.pools.get(served) else { return };
        let suspended = pool.config.ha_suspend && !self.is_here(&pool.serves);
        let Some(pool) = self.pools.get_mut(served).filter(|pool| suspended || pool.suspended) else {
            return;
        };
        pool.suspended = suspended;
        let checks: Vec<_> = pool.servers.values().flat_map(|s| s.checks.iter().map(|run| run.id)).collect();
        for id in checks {
            self.with_monitor(id, now, |monitor| monitor.handle_suspension(suspended, now));
        }
    }

    /// Whether an address of these is on this host.
    fn is_here(&self, services: &[ServiceKey]) -> bool {
        let here = |address: &IpAddr| {
            self.links.values().any(|link| link.addresses.iter().any(|held| held.address == *address))
        };
        services.iter().any(|key| match key {
            ServiceKey::Address { address, .. } => here(address),
            ServiceKey::Mark { .. } => false,
        })
    }
}
