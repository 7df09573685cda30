//! What an instance stands on: its interface, as it is now, and what follows from that. Faults, the index that adverts
//! leave by, and their source address.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::time::Instant;

use vrrp::{Fault, Link, Links};

use super::devices::Carrier;
use super::instance::Instance;
use super::source::Guests;
use crate::config::Transport;

impl Instance {
    /// Looks at the interface: faults, index and source address follow from it.
    ///
    /// `guests` are never a source: they may be on the interface today and gone tomorrow.
    pub(super) fn observe(&mut self, links: &Links, guests: &Guests, now: Instant) {
        let missing = |thing: &vrrp::Thing| Fault::Tracked(format!("static {thing}"));
        let mut faults: BTreeSet<Fault> = self.lacks.iter().map(missing).collect();
        if self.lacks_peers() {
            faults.insert(Fault::Configuration("unicast_fault_no_peer: no unicast_peer is named".to_owned()));
        }
        self.place = None;
        self.lacks_device = false;
        match links.get(&self.config.interface) {
            None => {
                faults.insert(Fault::InterfaceMissing);
            }
            Some(link) => self.stand_on(link, links, guests, &mut faults),
        }
        faults.extend(self.homeless(links));
        if let Some((_, source)) = self.place {
            self.last_source = Some(source);
            self.router.handle_source(source);
        }
        self.faults = faults;
        self.apply_faults(now);
    }

    /// The interface is there: whether adverts can leave by it.
    fn stand_on(&mut self, link: &Link, links: &Links, guests: &Guests, faults: &mut BTreeSet<Fault>) {
        // `dont_track_primary`: whoever has a link of its own between two directors keeps its role without it.
        let tracked = !self.config.conduct.ignore_interface;
        if !link.up && tracked {
            faults.insert(Fault::InterfaceDown);
        }
        let source = self.own_source(link, guests);
        // Nobody could hear a master that sends from an address which is not here: it would be a second one.
        let said = self.config.source.filter(|_| self.tracks_source());
        let Some(source) = source.filter(|_| said.is_none_or(|source| is_here(links, source))) else {
            faults.insert(Fault::NoSourceAddress);
            return;
        };
        match self.devices.carrier(links, link, source) {
            Carrier::Ready(index) => self.place = Some((index, source)),
            Carrier::Down(index) if !tracked => self.place = Some((index, source)),
            Carrier::Down(_) => {
                self.lacks_device = faults.is_empty() && self.devices.has_main();
                faults.insert(Fault::InterfaceDown);
            }
            Carrier::Missing => {
                self.lacks_device = faults.is_empty() && self.devices.has_main();
                faults.insert(Fault::InterfaceMissing);
            }
        }
    }

    /// Whether the source address that the file names must be on this host: by multicast it may be any
    /// (`track_src_ip`).
    fn tracks_source(&self) -> bool {
        matches!(self.config.transport, Transport::Unicast(_)) || self.config.adverts.track_source
    }

    /// Whether it is to speak to peers, and has none (`unicast_fault_no_peer`).
    fn lacks_peers(&self) -> bool {
        self.config.adverts.fault_without_peers && self.config.transport == Transport::Multicast
    }
}

/// Whether an interface of this host has the address.
fn is_here(links: &Links, address: IpAddr) -> bool {
    links.values().flat_map(|link| &link.addresses).any(|held| held.address == address)
}
