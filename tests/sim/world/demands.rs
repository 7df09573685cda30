//! What must hold: always, and once the faults have stopped.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;

use ipvs_backend::DestinationKey;
use vrrp::State;

use super::{Node, SERVERS, Tempo, World, foreign_table, rip, second_vip, service_key, vip};

impl World {
    /// The longest takeover, and a few intervals for those who heard of it late.
    pub(super) fn settling(&self) -> Duration {
        self.interval * 8 + Duration::from_secs(2)
    }

    pub(super) fn check_time(&self) -> Duration {
        self.check_interval() + Duration::from_secs(3)
    }

    pub(super) fn check_interval(&self) -> Duration {
        match self.tempo {
            Tempo::Fast => Duration::from_secs(1),
            Tempo::Slow => Duration::from_secs(60),
        }
    }

    pub(super) fn masters(&self) -> Vec<usize> {
        let is_master = |node: &Node| {
            node.director.as_ref().is_some_and(|d| d.states().any(|(_, state)| state == State::Master))
        };
        (0..self.nodes.len()).filter(|n| is_master(&self.nodes[*n])).collect()
    }

    /// Always: two masters only while something is wrong or has just been mended; nothing foreign is touched; no
    /// new connections to a server whose verdict is down, once that was applied.
    pub(super) fn demand_safety(&self) {
        let troubled = self.loss > 0 || !self.deaf.is_empty();
        if !troubled && self.now > self.last_trouble + self.settling() {
            let masters = self.masters();
            assert!(masters.len() <= 1, "two masters without a reason: {masters:?}\n{}", self.tale());
        }
        self.demand_unity();
        if !self.order.is_multiple_of(64) {
            return;
        }
        for (number, node) in self.nodes.iter().enumerate() {
            let Some(director) = &node.director else { continue };
            let snapshot = director.snapshot(self.now);
            if snapshot.ipvs.wanted != snapshot.ipvs.applied || !snapshot.ipvs.failures.is_empty() {
                continue;
            }
            let table = node.kernel.table();
            for service in &snapshot.services {
                let directord::config::Served::Key(key) = &service.service else { continue };
                let Some(kernel) = table.services.get(key) else { continue };
                for server in service.servers.iter().filter(|s| s.verdict == "down") {
                    let weight = kernel.destinations.get(&server.server).map_or(0, |d| d.weight);
                    assert_eq!(
                        weight,
                        0,
                        "node{number} sends clients to {}, which is down\n{}",
                        server.server,
                        self.tale()
                    );
                }
            }
        }
        for (number, node) in self.nodes.iter().enumerate() {
            let table = node.kernel.table();
            let foreign = foreign_table();
            for (key, service) in &foreign.services {
                assert_eq!(
                    table.services.get(key),
                    Some(service),
                    "node{number} touched a foreign service\n{}",
                    self.tale()
                );
            }
        }
    }

    /// Always: the members of a sync group are in the same state, whatever happens around them.
    fn demand_unity(&self) {
        for (number, node) in self.nodes.iter().enumerate() {
            let states: Vec<State> = node.director.iter().flat_map(|d| d.states().map(|(_, s)| s)).collect();
            let agree = states.windows(2).all(|pair| pair[0] == pair[1]);
            assert!(agree, "the group of node{number} is at odds: {states:?}\n{}", self.tale());
        }
    }

    /// After the faults: one master, the right one; its address there only; every table as wanted.
    pub(super) fn demand_rest(&self) {
        let masters = self.masters();
        assert_eq!(masters.len(), 1, "masters: {masters:?}\n{}", self.tale());
        let best = (0..self.nodes.len()).max_by_key(|n| (self.nodes[*n].priority, self.nodes[*n].address));
        if self.preempt && self.nodes.iter().any(|n| n.priority != self.nodes[0].priority) {
            assert_eq!(masters.first().copied(), best, "not the highest priority is master\n{}", self.tale());
        }
        for (number, node) in self.nodes.iter().enumerate() {
            for address in [vip(), second_vip()].iter().take(if self.grouped { 2 } else { 1 }) {
                let holds = node.held.contains(address);
                assert_eq!(
                    holds,
                    masters.contains(&number),
                    "node{number} holds {address}: {holds}\n{}",
                    self.tale()
                );
            }
            let snapshot = node.director.as_ref().unwrap().snapshot(self.now);
            assert_eq!(snapshot.ipvs.wanted, snapshot.ipvs.applied, "node{number}: table\n{}", self.tale());
            let table = node.kernel.table();
            let service = table.services.get(&service_key()).unwrap();
            let weights: BTreeMap<IpAddr, u32> =
                service.destinations.iter().map(|(key, settings)| (key.address, settings.weight)).collect();
            assert_eq!(weights, self.expected(node), "node{number}: weights\n{}", self.tale());
        }
    }

    pub(super) fn expected(&self, node: &Node) -> BTreeMap<IpAddr, u32> {
        let service = &node.config.services[&service_key()];
        let mut weights = BTreeMap::new();
        for n in 1..=SERVERS {
            let server = &service.servers[&DestinationKey::new(rip(n), 80)];
            match (self.dead_servers.contains(&n), server.inhibit) {
                (false, _) => weights.insert(rip(n), server.weight),
                (true, true) => weights.insert(rip(n), 0),
                (true, false) => None,
            };
        }
        if weights.values().all(|weight| *weight == 0) {
            weights.insert(rip(99), 1);
        }
        weights
    }
}
