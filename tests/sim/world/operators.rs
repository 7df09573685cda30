//! Operators at work: they drain, disable and weigh servers, take that back, and change the file.

use std::sync::Arc;
use std::time::Duration;

use directord::director::event::Event;
use directord::director::overrides::{Act, Kind, Order, Override};
use directord::director::target::Target;

use super::{SERVERS, World, is_stopping, rip};

impl World {
    /// An operator overrides what the file says of a server, or takes it back.
    pub(super) fn operate(&mut self, node: usize) {
        let now = self.now;
        let server = 1 + self.chance.below(u64::from(SERVERS)) as u8;
        let target = Target::Server { service: None, address: rip(server), port: None };
        let Some(director) = self.nodes[node].director.as_ref().filter(|director| !is_stopping(director))
        else {
            return;
        };
        let wall = director.wall_clock(now);
        if let Some((act, _)) = self.nodes[node].orders.remove(&server) {
            self.remember(format!("node{node}: server {server} is no longer {act}"));
            let kind = match act {
                Act::Drain { .. } => Kind::Drain,
                Act::Disable => Kind::Disable,
                Act::Weight(_) => Kind::Weight,
            };
            let order = Order::TakeBack { target, kind, by: "op".to_owned() };
            return self.tell(node, Event::Override(order));
        }
        let act = match self.chance.below(3) {
            0 => Act::Drain { removal: None },
            1 => Act::Disable,
            _ => Act::Weight(self.chance.below(20) as u32),
        };
        let lasting = self.chance.percent(50).then(|| Duration::from_secs(5 + self.chance.below(60)));
        self.remember(format!("node{node}: server {server} is {act} for {lasting:?}"));
        self.nodes[node].orders.insert(server, (act, lasting.map(|time| now + time)));
        let expires = lasting.map(|time| wall + time);
        let (owner, reason, set, dormant) = ("op".to_owned(), None, wall, None);
        let new = Override { target, act, owner, reason, set, expires, dormant };
        self.tell(node, Event::Override(Order::Set(new)));
    }

    /// The file has other weights now.
    pub(super) fn reload(&mut self, node: usize) {
        if self.nodes[node].director.is_none() {
            return;
        }
        let weight = 1 + self.chance.below(9) as u32;
        self.remember(format!("node{node} reloads with weight {weight}"));
        let old = self.nodes[node].config.clone();
        self.nodes[node].config = Arc::new(self.config(self.nodes[node].priority, weight));
        self.configure(node, old);
        if self.chance.percent(20) {
            self.nodes[node].kernel.refuse_next(2, ipvs_backend::Errno(12));
        }
    }
}
