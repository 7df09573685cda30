//! Where an instance's adverts come from: which address of its interface, and how its peers learn that.
//!
//! Virtual addresses are never a source, for they move; an address that was chosen once is kept while it is there.

use std::collections::BTreeSet;
use std::net::IpAddr;

use vrrp::{Fault, Link, Links};

use super::effect::{Announcement, Neighbourhood};
use super::instance::Instance;
use crate::config::{self, Pace, Transport, VirtualAddress, Watch};

/// Addresses that are on interfaces because the configuration says so.
#[derive(Debug, Default)]
pub(super) struct Guests {
    /// Those of instances.
    pub(super) virtual_addresses: BTreeSet<IpAddr>,
    /// Those and the static ones.
    pub(super) all: BTreeSet<IpAddr>,
}

impl Guests {
    pub(super) fn of(config: &config::Config) -> Self {
        let virtual_addresses: BTreeSet<IpAddr> =
            config.instances.values().flat_map(|i| i.all_addresses().map(|a| a.address)).collect();
        let statics = config.static_addresses.iter().map(|a| a.address);
        let all = virtual_addresses.iter().copied().chain(statics).collect();
        Self { virtual_addresses, all }
    }
}

impl Instance {
    /// The address that adverts come from, given the interface that the instance lives on. One that comes later is no
    /// reason to change, and one of ours that is there in every state comes last.
    pub(super) fn own_source(&self, link: &Link, guests: &Guests) -> Option<IpAddr> {
        // The owner's addresses are its own, and may be all it has.
        let nothing = BTreeSet::new();
        let owner = self.config.router.is_owner();
        let virtual_addresses = if owner { &nothing } else { &guests.virtual_addresses };
        let kept = || self.last_source.filter(|source| link.offers(*source, virtual_addresses));
        let found = |excluded: &BTreeSet<IpAddr>| match self.config.is_ipv6() {
            false => link.source_v4(excluded).map(IpAddr::V4),
            true => link.source_v6(excluded).map(IpAddr::V6),
        };
        let own = || found(&guests.all).filter(|_| !owner).or_else(|| found(virtual_addresses));
        self.config.source.or_else(|| self.devices.own_source(&self.config)).or_else(kept).or_else(own)
    }

    /// One message that tells the peers where adverts come from: they may have learned otherwise while it was at fault.
    pub(super) fn own_announcement(&self, links: &Links) -> Option<Announcement> {
        let (_, source) = self.place.filter(|_| matches!(self.config.transport, Transport::Unicast(_)))?;
        let link = links.get(&self.config.interface)?;
        let place = Neighbourhood {
            index: link.index,
            ground: link.index,
            mac: link.mac?,
            pace: Pace::default(),
            interface: self.config.interface.clone(),
            addresses: vec![source],
        };
        Some(Announcement { places: vec![place], repeat: 1, turn: self.place_in_file })
    }

    /// Addresses elsewhere belong to the service as well: an interface that is to carry one, and cannot, is a fault.
    pub(super) fn homeless(&self, links: &Links) -> Option<Fault> {
        let own =
            |interface: &String| *interface == self.config.interface || self.devices.contains(interface);
        let is_up = |interface: &String| links.get(interface).is_some_and(|link| link.up);
        let tracked =
            |address: &&VirtualAddress| address.options.as_ref().is_none_or(|o| o.watch != Watch::Off);
        self.config.all_addresses().filter(tracked).find_map(|address| {
            let interface = address.interface.as_ref().filter(|name| !own(name) && !is_up(name))?;
            Some(Fault::Tracked(format!("{interface}, for {}: not there, or down", address.address)))
        })
    }
}
