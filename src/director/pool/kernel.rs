//! What a pool wants in the kernel: a pure function of its state.
//!
//! For tens of thousands of real servers it is not worked out as a whole: a draft is kept, in which only those are looked
//! at whose place may be another, and when that is done for all of them the draft is what is wanted. Who stands in
//! concerns all of them; then all are gone through. Both can be done in pieces.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::Arc;

use ipvs_backend::{DestinationKey, DestinationSettings, Destinations, Forwarding, Service, ServiceKey};

use super::server::Server;
use super::{Pool, StandIn};
use crate::config::{Served, SorryServer};

/// What is wanted in the kernel, in the making.
#[derive(Debug)]
pub(super) struct Draft {
    destinations: Destinations,
    /// For which of them it was made.
    stand_in: StandIn,
    /// All servers are gone through, and it goes on here.
    walk: Option<Bound<DestinationKey>>,
}

impl Draft {
    pub(super) fn new() -> Self {
        Draft { destinations: Destinations::new(), stand_in: StandIn::Nobody, walk: None }
    }
}

impl Pool {
    /// The real servers in the kernel that one of the configuration stands for.
    pub(in crate::director) fn places(&self, server: &DestinationKey) -> Vec<(ServiceKey, DestinationKey)> {
        let in_kernel = |service: &ServiceKey| {
            let level = self.level(service).filter(|_| self.is_group());
            let level = level.filter(|level| !level.destinations.contains_key(server));
            let first = DestinationKey::new(server.address, 0);
            let like = level.and_then(|level| level.destinations.iter_from(&first).next());
            like.map(|(key, _)| *key).filter(|key| key.address == server.address).unwrap_or(*server)
        };
        self.serves.iter().map(|service| (*service, in_kernel(service))).collect()
    }

    /// The kernel's weight for a server: `None` if it should not be in the table. While others stand in, servers that
    /// are up make room for them.
    pub(in crate::director) fn weight(&self, server: &Server) -> Option<u32> {
        server.weight_in_table(self.is_turn_of(server))
    }

    fn is_turn_of(&self, server: &Server) -> bool {
        let turn = if server.backup { StandIn::Backups } else { StandIn::Nobody };
        self.stand_in() == turn
    }

    /// What should be in the kernel at this address and port, where this server is.
    fn wanted_at(&self, key: &DestinationKey, server: Option<&Server>) -> Option<DestinationSettings> {
        let sorry = self.sorry().filter(|sorry| sorry.key == *key);
        let stands_in = sorry.filter(|_| self.sorry_stands_in()).map(|sorry| sorry_settings(sorry, 1));
        // It may be a real server as well, which then counts.
        let real = || server.and_then(|server| server.place(self.is_turn_of(server)));
        let waits = || sorry.filter(|sorry| sorry.inhibit).map(|sorry| sorry_settings(sorry, 0));
        if sorry.is_some_and(|sorry| sorry.twin) {
            return real().or(stands_in).or_else(waits);
        }
        stands_in.or_else(real).or_else(waits)
    }

    /// Works out anew what should be in the kernel, by a look at so many servers; true if it is another than before, and
    /// `None` if that was not enough.
    pub(in crate::director) fn refresh_some(&mut self, most: usize) -> Option<bool> {
        let stand_in = self.stand_in();
        if std::mem::replace(&mut self.draft.stand_in, stand_in) != stand_in {
            self.draft.walk = Some(Bound::Unbounded);
            self.note_sorry();
        }
        let mut changes = Vec::new();
        if let Some(first) = self.draft.walk {
            let walked = self.servers.range((first, Bound::Unbounded)).take(most);
            changes.extend(walked.map(|(key, server)| (*key, self.wanted_at(key, Some(server)))));
            let last = changes.last().filter(|_| changes.len() == most);
            self.draft.walk = last.map(|(key, _)| Bound::Excluded(*key));
        }
        while changes.len() < most
            && let Some(key) = self.servers.next_stale()
        {
            changes.push((key, self.wanted_at(&key, self.servers.get(&key))));
        }
        self.draft.destinations.apply(changes);
        let done = self.draft.walk.is_none() && self.servers.stale() == 0;
        done.then(|| self.take_draft_over())
    }

    /// The sorry server's place is another perhaps.
    pub(super) fn note_sorry(&mut self) {
        if let Some(key) = self.sorry().map(|sorry| sorry.key) {
            self.servers.note_stale(key);
        }
    }

    /// Works out anew what should be in the kernel; true if that changed.
    pub(in crate::director) fn refresh(&mut self) -> bool {
        loop {
            if let Some(changed) = self.refresh_some(usize::MAX) {
                return changed;
            }
        }
    }

    fn take_draft_over(&mut self) -> bool {
        let settings = &self.config.settings;
        let kept = |port: u16, destinations: Destinations| match self.levels.get(&port) {
            Some(before) if before.settings == *settings && before.destinations == destinations => {
                before.clone()
            }
            _ => Arc::new(Service { settings: settings.clone(), destinations }),
        };
        let wanted = &self.draft.destinations;
        let mut levels = BTreeMap::new();
        if self.is_group() {
            for key in self.serves.iter() {
                let port = self.taken_over(key);
                levels.entry(port).or_insert_with(|| kept(port, with_port(wanted, port)));
            }
        } else if !self.serves.is_empty() {
            levels.insert(0, kept(0, wanted.clone()));
        }
        let same = |before: &Arc<Service>, level: &Arc<Service>| Arc::ptr_eq(before, level);
        let changed = levels.len() != self.levels.len()
            || levels.iter().any(|(port, level)| self.levels.get(port).is_none_or(|b| !same(b, level)));
        self.levels = levels;
        changed
    }

    /// What should be in the kernel for one of the services, as it was at the last [`Pool::refresh`].
    pub(in crate::director) fn level(&self, key: &ServiceKey) -> Option<&Arc<Service>> {
        self.levels.get(&self.taken_over(key))
    }

    /// The port that servers behind direct routing and tunnels take over from a service of a group. All others have
    /// what the file says.
    fn taken_over(&self, key: &ServiceKey) -> u16 {
        match key {
            ServiceKey::Address { port, .. } if self.is_group() => *port,
            ServiceKey::Address { .. } | ServiceKey::Mark { .. } => 0,
        }
    }

    fn is_group(&self) -> bool {
        matches!(self.served, Served::Group(_))
    }
}

#[cfg(test)]
impl Pool {
    /// The draft, worked out by a look at each server.
    pub(in crate::director) fn wanted(&self) -> Destinations {
        let sorry = self.sorry().map(|sorry| &sorry.key);
        let keys = self.servers.keys().chain(sorry);
        keys.filter_map(|key| Some((*key, self.wanted_at(key, self.servers.get(key))?))).collect()
    }

    /// The draft as it is.
    pub(in crate::director) fn drafted(&self) -> &Destinations {
        &self.draft.destinations
    }
}

fn sorry_settings(sorry: &SorryServer, weight: u32) -> DestinationSettings {
    DestinationSettings { tunnel: sorry.tunnel, ..DestinationSettings::new(sorry.forwarding, weight) }
}

/// Only address translation can change the port of packets: other servers have that of the service.
fn with_port(destinations: &Destinations, port: u16) -> Destinations {
    let stays = |(key, settings): (&DestinationKey, &DestinationSettings)| {
        key.port == port || matches!(settings.forwarding, Forwarding::Nat | Forwarding::Local)
    };
    if destinations.iter().all(stays) {
        return destinations.clone();
    }
    let place = |(key, settings): (&DestinationKey, &DestinationSettings)| {
        let port = if stays((key, settings)) { key.port } else { port };
        (DestinationKey { port, ..*key }, *settings)
    };
    destinations.iter().map(place).collect()
}
