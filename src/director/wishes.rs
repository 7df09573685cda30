//! What the brain wants and has not handed out yet, and in which order that happens.

use std::sync::Arc;

use super::Director;
use super::effect::{Effect, Level};
use super::instance::Among;
use super::snapshot::OwnerStatus;

/// Deadlines that are met one after the other before anything but adverts is handed out.
const HASTE: u32 = 64;

/// What waits to be handed out. Levels are named here and read when their turn comes, so that many changes make one.
#[derive(Debug)]
pub(super) enum Pending {
    Effect(Effect),
    /// Of this instance, so many times, on these interfaces.
    Announce(String, u32, Among),
    Sockets,
    NeighbourSockets,
    Addresses,
    Host,
    Table,
    Watched,
    Sync,
    Settings,
    Counts,
}

/// A level and what its owner said of it.
#[derive(Debug, Default)]
pub(super) struct Published<T> {
    pub(super) value: Arc<T>,
    pub(super) serial: u64,
    pub(super) queued: bool,
    pub(super) applied: u64,
    pub(super) unavailable: Option<String>,
    pub(super) failures: Vec<String>,
}

impl<T> Published<T> {
    pub(super) fn status(&self) -> OwnerStatus {
        OwnerStatus {
            wanted: self.serial,
            applied: self.applied,
            unavailable: self.unavailable.clone(),
            failures: self.failures.clone(),
        }
    }

    pub(super) fn take(&mut self) -> Level<T> {
        self.queued = false;
        Level { serial: self.serial, value: self.value.clone() }
    }
}

impl Director {
    /// The next wish, until there is none. Adverts come first, whatever they were asked for with. While other deadlines
    /// have passed as well, only adverts are handed out: of a thousand instances that become masters at once each sends
    /// its advert first, and their addresses make a few levels, not a thousand.
    pub fn poll_effect(&mut self) -> Option<Effect> {
        if let Some(first) = self.adverts.front() {
            // But for a socket that is not open yet: then those that are still open stay so for farewells.
            let is_new = !self.open_sockets.contains(&first.socket) && self.sockets.contains(&first.socket);
            if is_new {
                let both = self.open_sockets.union(&self.sockets).cloned().collect();
                self.open_sockets = Arc::new(both);
                return Some(Effect::Sockets(self.open_sockets.clone()));
            }
            return self.adverts.pop_front().map(Effect::Send);
        }
        if let Some(packet) = self.packets.pop_front() {
            return Some(Effect::SendToNeighbour(packet));
        }
        let (met, now) = self.haste;
        if (1..HASTE).contains(&met) && self.deadline().is_some_and(|at| at <= now) {
            return None;
        }
        self.haste.0 = 0;
        Some(match self.pending.pop_front()? {
            Pending::Effect(effect) => effect,
            Pending::Announce(name, repeat, among) => {
                Effect::Announce(self.announcement(&name, repeat, among))
            }
            Pending::Sockets => {
                self.open_sockets = self.sockets.clone();
                Effect::Sockets(self.sockets.clone())
            }
            Pending::NeighbourSockets => Effect::NeighbourSockets(self.neighbours.sockets()),
            Pending::Addresses => {
                self.addresses.value = Arc::new(self.wanted_addresses());
                Effect::Addresses(self.addresses.take())
            }
            Pending::Host => {
                self.host.value = Arc::new(self.wanted_host());
                Effect::Host(self.host.take())
            }
            Pending::Table => Effect::Table(self.table.take()),
            Pending::Watched => Effect::Watch(self.trackers.watched.clone()),
            Pending::Settings => Effect::IpvsSettings(self.settings.take()),
            Pending::Sync => Effect::SyncDaemons(self.sync.take()),
            Pending::Counts => Effect::Count(self.leaving.counted.clone()),
        })
    }
}
