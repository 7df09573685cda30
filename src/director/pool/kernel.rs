//! What a pool wants in the kernel: a pure function of its state; nothing is added or removed step by step.

use std::collections::BTreeMap;
use std::sync::Arc;

use ipvs_backend::{DestinationKey, DestinationSettings, Forwarding, Service, ServiceKey};

use super::server::Server;
use super::{Pool, StandIn};
use crate::config::Served;
use crate::director::overrides::Steer;

impl Pool {
    /// The real servers in the kernel that one of the configuration stands for.
    pub(in crate::director) fn places(&self, server: &DestinationKey) -> Vec<(ServiceKey, DestinationKey)> {
        let in_kernel = |service: &ServiceKey| {
            let level = self.level(service).filter(|_| self.is_group());
            let like = |key: &&DestinationKey| key.address == server.address;
            let level = level.filter(|level| !level.destinations.contains_key(server));
            level.and_then(|level| level.destinations.keys().find(like)).copied().unwrap_or(*server)
        };
        self.serves.iter().map(|service| (*service, in_kernel(service))).collect()
    }

    /// The kernel's weight for a server: `None` if it should not be in the table. While others stand in, servers that
    /// are up make room for them.
    pub(in crate::director) fn weight(&self, server: &Server) -> Option<u32> {
        let turn = if server.backup { StandIn::Backups } else { StandIn::Nobody };
        let in_turn = self.stand_in() == turn;
        match server.share() {
            _ if server.steer == Steer::Out => None,
            // It is being drained, and its connections live on.
            0 if server.up => Some(0),
            weight if server.up && in_turn => Some(weight),
            _ if server.config.inhibit => Some(0),
            _ => None,
        }
    }

    /// What should be in the kernel for this service.
    pub(super) fn wanted(&self) -> Service {
        let mut destinations: BTreeMap<DestinationKey, DestinationSettings> = self
            .servers
            .iter()
            .filter_map(|(key, server)| Some((*key, server.settings(self.weight(server)?))))
            .collect();
        if let Some(sorry) = self.sorry() {
            let settings = |weight| DestinationSettings {
                tunnel: sorry.tunnel,
                ..DestinationSettings::new(sorry.forwarding, weight)
            };
            if self.sorry_stands_in() {
                destinations.insert(sorry.key, settings(1));
            } else if sorry.inhibit {
                // It may be a real server as well, which then counts.
                destinations.entry(sorry.key).or_insert(settings(0));
            }
        }
        Service { settings: self.config.settings.clone(), destinations }
    }

    /// Works out anew what should be in the kernel; true if that changed.
    pub(in crate::director) fn refresh(&mut self) -> bool {
        let wanted = self.wanted();
        let kept = |port: u16, level: Service| match self.levels.get(&port) {
            Some(before) if **before == level => before.clone(),
            _ => Arc::new(level),
        };
        let mut levels = BTreeMap::new();
        if self.is_group() {
            for key in self.serves.iter() {
                let port = self.taken_over(key);
                levels.entry(port).or_insert_with(|| kept(port, with_port(&wanted, port)));
            }
        } else if !self.serves.is_empty() {
            levels.insert(0, kept(0, wanted));
        }
        let changed = levels != self.levels;
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

/// Only address translation can change the port of packets: other servers have that of the service.
fn with_port(service: &Service, port: u16) -> Service {
    let place = |key: &DestinationKey, settings: &DestinationSettings| match settings.forwarding {
        Forwarding::Nat | Forwarding::Local => *key,
        Forwarding::Dr | Forwarding::Tun => DestinationKey { port, ..*key },
    };
    let destinations = service.destinations.iter().map(|(key, settings)| (place(key, settings), *settings));
    Service { settings: service.settings.clone(), destinations: destinations.collect() }
}
