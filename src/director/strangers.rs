//! Adverts of virtual routers that are not configured here (`log_unknown_vrids`): on a link with many directors that is
//! usual, and sometimes a VRID that was mistyped. Each such router is told once.

use std::collections::BTreeSet;
use std::net::IpAddr;

use super::journal::Entry;
use super::{Director, Listener};

/// Those that were told since the last configuration: at most two for each of the 255 VRIDs of an interface.
#[derive(Debug, Default)]
pub(super) struct Strangers(BTreeSet<(String, u8, bool)>);

impl Strangers {
    /// A new configuration may know them, or wish to hear of them again.
    pub(super) fn forget(&mut self) {
        self.0.clear();
    }
}

impl Director {
    /// An advert came that no instance is there for.
    pub(super) fn meet_stranger(&mut self, interface: &str, advert: &vrrp::Advert, source: IpAddr) {
        if !self.config.global.vrrp.log_unknown_vrids {
            return;
        }
        let vrid = advert.vrid;
        // One that is configured here, and only spoke in another way than it should, is none.
        let lives_here = |listener: &Listener| {
            let instance = self.instances.get(&listener.name);
            instance
                .is_some_and(|i| i.advert_interface() == interface && i.config.is_ipv6() == source.is_ipv6())
        };
        if self.by_vrid.get(&vrid).is_some_and(|there| there.iter().any(lives_here)) {
            return;
        }
        if self.strangers.0.insert((interface.to_owned(), vrid, source.is_ipv6())) {
            let priority = advert.priority;
            self.log(Entry::UnknownRouter { interface: interface.to_owned(), vrid, source, priority });
        }
    }
}
