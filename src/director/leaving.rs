//! Real servers on their way out of the table: those that a reload removed and `drain_on_remove` keeps for a while, and
//! those that an operator drains for their removal.
//!
//! A removed server stays in the table with weight 0 beside what is configured, until its connections are gone or its
//! time is over; if another reload brings it back, it is simply configured again. Its connections are counted by the
//! owner of the table. Twice none in a row means gone: between two states a connection may be in neither count.

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::Instant;

use ipvs_backend::{DestinationKey, DestinationSettings, Service, ServiceKey, ServiceSettings};

use super::effect::Counted;
use super::journal::Entry;
use super::snapshot::LeavingStatus;
use super::target::plain;
use super::wishes::Pending;
use super::{Director, Owner};
use crate::config::{Config, Difference};

/// A real server in the kernel.
type Place = (ServiceKey, DestinationKey);

/// Servers on their way out.
#[derive(Debug, Default)]
pub(super) struct Leaving {
    servers: BTreeMap<Place, Leaver>,
    /// The services of those; a service that is no longer configured stays for their sake.
    services: BTreeMap<ServiceKey, ServiceSettings>,
    /// Whose connections are counted: these, and those that operators drain for their removal.
    pub(super) counted: Arc<Counted>,
    /// Those that had none when they were counted last.
    empty: BTreeSet<Place>,
}

/// A server that is no longer configured.
#[derive(Debug, Clone, Copy)]
struct Leaver {
    settings: DestinationSettings,
    until: Instant,
    /// The connections that were counted last.
    left: Option<u64>,
}

impl Leaving {
    /// What should be in the kernel for a service: what is configured, and beside it those that leave.
    pub(super) fn beside(&self, key: &ServiceKey, mut configured: Service) -> Service {
        for (server, leaver) in self.of_service(key) {
            configured.destinations.entry(*server).or_insert(leaver.settings);
        }
        configured
    }

    fn of_service(&self, key: &ServiceKey) -> impl Iterator<Item = (&DestinationKey, &Leaver)> {
        let first = (*key, DestinationKey::new(Ipv4Addr::UNSPECIFIED.into(), 0));
        let of = self.servers.range(first..).take_while(move |((service, _), _)| service == key);
        of.map(|((_, server), leaver)| (server, leaver))
    }

    /// Forgets servers; the services that were theirs.
    fn forget(&mut self, gone: impl Fn(&Place, &Leaver) -> bool) -> BTreeSet<ServiceKey> {
        let mut touched = BTreeSet::new();
        self.servers.retain(|place, leaver| {
            let goes = gone(place, leaver);
            if goes {
                touched.insert(place.0);
            }
            !goes
        });
        let left: BTreeSet<ServiceKey> = self.servers.keys().map(|(service, _)| *service).collect();
        self.services.retain(|key, _| left.contains(key));
        touched
    }
}

impl Director {
    /// Another configuration is about to take effect: who is in the table and not in it any more may have time to leave,
    /// and who is back stays.
    pub(super) fn see_off(&mut self, new: &Config, difference: &Difference, now: Instant) {
        let changes = &difference.services;
        for key in changes.to_remove.iter().chain(&changes.to_change) {
            let (Some(pool), Some(level)) = (self.pools.get(key), self.table.value.services.get(key)) else {
                continue;
            };
            let configured = new.services.get(key);
            for (server, config) in &pool.config.servers {
                let stays = configured.is_some_and(|service| service.servers.contains_key(server));
                let Some(time) = config.extras().drain_on_remove.filter(|_| !stays) else { continue };
                let Some(settings) = level.destinations.get(server) else { continue };
                let settings = DestinationSettings { weight: 0, ..*settings };
                let leaver = Leaver { settings, until: now + time, left: None };
                self.leaving.servers.insert((*key, *server), leaver);
                self.leaving.services.insert(*key, level.settings.clone());
            }
        }
        self.leaving.forget(|(service, server), _| {
            new.services.get(service).is_some_and(|service| service.servers.contains_key(server))
        });
    }

    /// A configuration took effect: services that are gone from it stay for those that leave them.
    pub(super) fn keep_leaving(&mut self, now: Instant) {
        let gone = self.leaving.services.iter().filter(|(key, _)| !self.pools.contains_key(key));
        let kept: Vec<(ServiceKey, Service)> = gone
            .map(|(key, settings)| (*key, self.leaving.beside(key, Service::new(settings.clone()))))
            .collect();
        if !kept.is_empty() {
            let services = &mut Arc::make_mut(&mut self.table.value).services;
            services.extend(kept.into_iter().map(|(key, service)| (key, Arc::new(service))));
        }
        let news: Vec<String> = self
            .leaving
            .servers
            .iter()
            .filter(|(place, leaver)| leaver.left.is_none() && !self.is_counted(place))
            .map(|((service, server), leaver)| {
                let time = leaver.until.saturating_duration_since(now).as_secs();
                let server = plain(server);
                format!(
                    "real_server {server} of virtual_server {service}: removed from the configuration; it keeps its \
                     connections for at most {time} s (drain_on_remove)"
                )
            })
            .collect();
        for what in news {
            self.log(Entry::Override { what });
        }
        self.time_leaving();
        self.publish_counts(now);
    }

    /// Who has had its time goes.
    pub(super) fn leaving_due(&mut self, now: Instant) {
        self.let_go(now, "its time is over", |_, leaver| leaver.until <= now);
    }

    /// The owner of the table has counted.
    pub(super) fn connections_counted(
        &mut self,
        counts: &BTreeMap<ServiceKey, BTreeMap<DestinationKey, u64>>,
        now: Instant,
    ) {
        let left = |(service, server): &Place| {
            counts.get(service).and_then(|of| of.get(server)).copied().unwrap_or(0)
        };
        let counted = self.leaving.counted.clone();
        let places = || counted.iter().flat_map(|(service, of)| of.iter().map(|server| (*service, *server)));
        let empty: BTreeSet<Place> = places().filter(|place| left(place) == 0).collect();
        let gone: BTreeSet<Place> = empty.intersection(&self.leaving.empty).copied().collect();
        self.leaving.empty = empty;
        for (place, leaver) in &mut self.leaving.servers {
            leaver.left = Some(left(place));
        }
        self.let_go(now, "its connections are gone", |place, _| gone.contains(place));
        self.drained(&gone, now);
    }

    /// Servers that an operator drains for their removal have become empty.
    fn drained(&mut self, gone: &BTreeSet<Place>, now: Instant) {
        let wall = self.since_1970(now);
        let mut touched = BTreeSet::new();
        for (service, server) in gone {
            let Some(pool) = self.pools.get(service) else { continue };
            if self.overrides.awaits_removal(&pool.served(), server, wall) {
                self.overrides.note_empty((pool.served(), *server));
                touched.insert(*service);
                let what = format!(
                    "real_server {} of virtual_server {service}: drained: its connections are gone, and it is out of the table",
                    plain(server)
                );
                self.log(Entry::Override { what });
            }
        }
        if !touched.is_empty() {
            self.unsteered.extend(touched);
            self.steer_some(now);
        }
    }

    fn let_go(&mut self, now: Instant, why: &str, gone: impl Fn(&Place, &Leaver) -> bool) {
        let going: Vec<Place> = self
            .leaving
            .servers
            .iter()
            .filter(|(place, leaver)| gone(place, leaver))
            .map(|(place, _)| *place)
            .collect();
        for (service, server) in &going {
            let server = plain(server);
            self.log(Entry::Override {
                what: format!(
                    "real_server {server} of virtual_server {service}: out of the table now: {why}"
                ),
            });
        }
        let touched = self.leaving.forget(gone);
        for key in &touched {
            let level = match (self.pools.get(key), self.leaving.services.get(key)) {
                (Some(pool), _) => Some(self.leaving.beside(key, pool.wanted())),
                (None, Some(settings)) => Some(self.leaving.beside(key, Service::new(settings.clone()))),
                (None, None) => None,
            };
            let services = &mut Arc::make_mut(&mut self.table.value).services;
            match level {
                Some(level) => services.insert(*key, Arc::new(level)),
                None => services.remove(key),
            };
        }
        if !touched.is_empty() {
            self.publish_table();
            self.publish_counts(now);
        }
        self.time_leaving();
    }

    fn time_leaving(&mut self) {
        let next = self.leaving.servers.values().map(|leaver| leaver.until).min();
        self.agenda.set(Owner::Leaving, next);
    }

    fn is_counted(&self, (service, server): &Place) -> bool {
        self.leaving.counted.get(service).is_some_and(|of| of.contains(server))
    }

    /// Has those counted that wait for the end of their connections, behind the table that says so.
    pub(super) fn publish_counts(&mut self, now: Instant) {
        let mut counted = Counted::new();
        for (service, server) in self.leaving.servers.keys() {
            counted.entry(*service).or_default().insert(*server);
        }
        let wall = self.since_1970(now);
        if self.overrides.remove_any() {
            for pool in self.pools.values() {
                let awaits =
                    |server: &&DestinationKey| self.overrides.awaits_removal(&pool.served(), server, wall);
                let servers: BTreeSet<DestinationKey> = pool.servers.keys().filter(awaits).copied().collect();
                if !servers.is_empty() {
                    counted.entry(pool.key).or_default().extend(servers);
                }
            }
        }
        if *self.leaving.counted != counted {
            self.leaving.counted = Arc::new(counted);
            self.pending.push_back(Pending::Counts);
        }
    }

    /// Those that leave, as they are shown.
    pub(super) fn leaving_status(&self, now: Instant) -> Vec<LeavingStatus> {
        let status = |((service, server), leaver): (&Place, &Leaver)| LeavingStatus {
            service: *service,
            server: *server,
            connections: leaver.left,
            at_most_seconds: leaver.until.saturating_duration_since(now).as_secs_f64(),
        };
        self.leaving.servers.iter().map(status).collect()
    }
}
