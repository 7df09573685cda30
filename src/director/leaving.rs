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

use super::changeover::Spare;
use super::effect::Counted;
use super::journal::Entry;
use super::overrides::Member;
use super::snapshot::LeavingStatus;
use super::target::plain;
use super::wishes::Pending;
use super::{Director, Owner};
use crate::config::{RealServer, Served};

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
    pub(super) fn beside(&self, key: &ServiceKey, configured: Option<Arc<Service>>) -> Option<Arc<Service>> {
        let Some(settings) = self.services.get(key) else { return configured };
        let mut service = configured.unwrap_or_else(|| Arc::new(Service::new(settings.clone())));
        let leavers = self.of_service(key).map(|(server, leaver)| (*server, leaver.settings));
        Arc::make_mut(&mut service).destinations.extend_missing(leavers);
        Some(service)
    }

    /// Whether servers of a service are on their way out.
    pub(super) fn concerns(&self, key: &ServiceKey) -> bool {
        self.services.contains_key(key)
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
    /// A virtual server is about to take on another configuration: a real server that is in the table and not in it any
    /// more may have time to leave.
    pub(super) fn see_off(
        &mut self,
        served: &Served,
        server: &DestinationKey,
        config: &RealServer,
        now: Instant,
    ) {
        let Some(time) = config.extras().drain_on_remove else { return };
        let Some(pool) = self.pools.get(served) else { return };
        let configured = self.config.virtual_server(served);
        let stays = configured.is_some_and(|service| service.server(server).is_some());
        let serves = self.config.kernel_services(served);
        for place in pool.places(server) {
            if stays && serves.contains(&place.0) {
                continue;
            }
            let Some(level) = self.table.value.services.get(&place.0) else { continue };
            let Some(settings) = level.destinations.get(&place.1) else { continue };
            let settings = DestinationSettings { weight: 0, ..*settings };
            self.leaving.servers.insert(place, Leaver { settings, until: now + time, left: None });
            self.leaving.services.insert(place.0, level.settings.clone());
        }
    }

    /// A configuration took effect: who is back in it stays.
    pub(super) fn keep_leaving(&mut self, now: Instant) {
        let back: BTreeSet<Place> = self
            .leaving
            .servers
            .keys()
            .filter(|(service, server)| self.is_configured(service, server))
            .copied()
            .collect();
        let touched: Vec<ServiceKey> =
            self.leaving.forget(|place, _| back.contains(place)).into_iter().collect();
        self.write_services(&touched, self.spare());
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

    /// Servers that an operator drains for their removal have become empty, wherever the kernel has them.
    fn drained(&mut self, gone: &BTreeSet<Place>, now: Instant) {
        let emptied: Vec<Member> = self
            .awaiting(now)
            .filter(|(_, _, places)| !places.is_empty() && places.iter().all(|place| gone.contains(place)))
            .map(|(served, server, _)| (served.clone(), *server))
            .collect();
        for (served, server) in &emptied {
            let what = format!(
                "real_server {} of virtual_server {served}: drained: its connections are gone, and it is out of the table",
                plain(server)
            );
            self.log(Entry::Override { what });
            self.overrides.note_empty((served.clone(), *server));
            self.unsteered.insert(served.clone());
        }
        if !emptied.is_empty() {
            self.steer_some(now);
        }
    }

    /// The servers that are to be removed once their connections are gone, and where the kernel has them.
    fn awaiting(&self, now: Instant) -> impl Iterator<Item = (&Served, &DestinationKey, Vec<Place>)> {
        let wall = self.since_1970(now);
        let pools = self.pools.iter().filter(|_| self.overrides.remove_any());
        pools.flat_map(move |(served, pool)| {
            let awaits = move |server: &&DestinationKey| self.overrides.awaits_removal(served, server, wall);
            pool.servers.keys().filter(awaits).map(move |server| (served, server, pool.places(server)))
        })
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
        let touched: Vec<ServiceKey> = self.leaving.forget(gone).into_iter().collect();
        if !touched.is_empty() {
            self.write_services(&touched, Spare::Goes);
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
        for (_, _, places) in self.awaiting(now) {
            for (service, server) in places {
                counted.entry(service).or_default().insert(server);
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
