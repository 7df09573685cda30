//! How daemons begin and end: by the switch, by a restart, by an upgrade, by a crash that somebody mends.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use directord::director::event::Event;
use directord::director::legacy::{Inheritance, Legacy};
use directord::director::overrides::Order;
use directord::director::{Birth, Director};
use ipvs_backend::Reconciler;

use super::{Happening, Tempo, World, foreign_table};
use crate::chance::Chance;

impl World {
    pub(super) fn boot(&mut self, node: usize) {
        let seed = self.chance.number();
        let me = &mut self.nodes[node];
        me.life += 1;
        me.newest = (0, 0);
        let (at, wall) = (self.now, SystemTime::UNIX_EPOCH);
        let (host_name, up) = (format!("node{node}"), Duration::ZERO);
        me.director = Some(Director::new(Birth { host_name, seed, at, wall, up }));
        let mut reconciler = Reconciler::new(me.kernel.clone());
        reconciler.claim(me.remembered.iter().copied());
        me.reconciler = Some(reconciler);
        me.spares = true;
        self.tell(node, Event::Links(self.links(node)));
        let since_birth = self.now - self.start;
        self.tell(node, Event::ClockSet { wall: SystemTime::UNIX_EPOCH + since_birth });
        let kept = self.nodes[node].kept.clone();
        self.tell(node, Event::Override(Order::Restore(kept)));
        self.recall(node);
        self.configure(node, Arc::default());
    }

    /// Tells a brain that was just started what the last one left on its machine.
    fn recall(&mut self, node: usize) {
        let me = &mut self.nodes[node];
        let Some((at, planned)) = me.left.take() else { return };
        let age = self.now.saturating_duration_since(at);
        let inheritance = Inheritance { legacy: me.legacy.clone(), age, planned };
        self.tell(node, Event::Inherited(Box::new(inheritance)));
    }

    /// The process has come to its end.
    pub(super) fn end(&mut self, node: usize) {
        let me = &mut self.nodes[node];
        me.director = None;
        let ours = me.reconciler.as_ref().map(|reconciler| reconciler.ours().clone());
        me.remembered = ours.unwrap_or_default();
        if me.left.is_none() {
            me.legacy = Legacy::default();
        }
    }

    /// From nothing to far beyond what a backup waits.
    pub(super) fn pause(&mut self) -> Duration {
        self.interval * self.chance.below(1000) as u32 / 200
    }

    /// A restart or an upgrade: it leaves, and a while later another one takes its place.
    pub(super) fn leave(&mut self, node: usize, pause: Duration) {
        if self.nodes[node].director.as_ref().is_none_or(super::is_stopping) {
            return;
        }
        self.remember(format!("node{node} is started again after {pause:?}"));
        self.nodes[node].left = Some((self.now, true));
        self.tell(node, Event::Leave);
        let life = self.nodes[node].life;
        self.later(pause, Happening::Start { node, life });
    }

    /// kill -9; what was written down may be a little old. A while later another one takes its place.
    pub(super) fn crash(&mut self, node: usize, pause: Duration) {
        if self.nodes[node].director.as_ref().is_none_or(super::is_stopping) {
            return;
        }
        self.remember(format!("node{node} crashes, and is started again after {pause:?}"));
        let old = self.interval * self.chance.below(100) as u32 / 400;
        self.nodes[node].left = Some((self.now.checked_sub(old).unwrap_or(self.now), false));
        self.end(node);
        let life = self.nodes[node].life;
        self.later(pause, Happening::Start { node, life });
    }

    /// Unless somebody else was faster.
    pub(super) fn start_again(&mut self, node: usize, life: u64) {
        if self.nodes[node].life == life && self.nodes[node].director.is_none() {
            // Who comes back when somebody else is master may take the role back, and that takes as long as after any
            // other trouble. Who comes back in time has no such excuse.
            if !self.masters().is_empty() {
                self.last_trouble = self.now;
            }
            self.boot(node);
        }
    }

    /// Power off: addresses and table vanish with the machine.
    pub(super) fn kill(&mut self, node: usize) {
        self.remember(format!("node{node} loses its power"));
        let me = &mut self.nodes[node];
        me.director = None;
        me.reconciler = None;
        me.life += 1;
        me.held.clear();
        me.remembered.clear();
        me.left = None;
        me.legacy = Legacy::default();
        // The runtime directory is in memory.
        me.orders.clear();
        me.kept.clear();
        me.kernel.set_table(&foreign_table());
    }

    /// Restarts, upgrades and crashes in a world in which nothing else happens: nobody notices.
    pub fn live_calmly(seed: u64) {
        let mut world = World::new(seed, Tempo::Fast);
        let settling = world.settling() + world.check_time();
        world.run_until(world.start + settling, false);
        let masters = world.masters();
        assert_eq!(masters.len(), 1, "{}", world.tale());
        let master = masters.first().copied().unwrap_or_default();
        world.steadfast = Some((master, world.nodes[master].held.clone()));
        let table = world.nodes[master].kernel.table();
        for _ in 0..12 {
            // Mostly the master.
            let any = world.chance.below(world.nodes.len() as u64) as usize;
            let node = if world.chance.percent(70) { master } else { any };
            let tenths = |most: u64, chance: &mut Chance| chance.below(most) as u32;
            if world.chance.percent(50) {
                let pause = world.interval * tenths(29, &mut world.chance) / 10;
                world.leave(node, pause);
            } else {
                let pause = world.interval * tenths(17, &mut world.chance) / 10;
                world.crash(node, pause);
            }
            let calm = world.interval * (4 + tenths(60, &mut world.chance)) / 4;
            world.run_until(world.now + calm, false);
        }
        world.run_until(world.now + settling, false);
        world.demand_rest();
        assert_eq!(world.nodes[master].kernel.table(), table, "the table moved\n{}", world.tale());
    }

    /// While somebody must stay master: nobody else is, and its addresses stay where they are.
    pub(super) fn demand_constancy(&self) {
        let Some((master, held)) = &self.steadfast else { return };
        let others: Vec<usize> = self.masters().into_iter().filter(|node| node != master).collect();
        assert_eq!(others, [0; 0], "somebody took over from node{master}\n{}", self.tale());
        let now: &BTreeSet<IpAddr> = &self.nodes[*master].held;
        assert_eq!(now, held, "the addresses of node{master} moved\n{}", self.tale());
    }
}
