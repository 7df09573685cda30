//! Watching the host's interfaces.
//!
//! The kernel's events are taken only as a hint *that* something changed; how it is now is asked with a dump. So a
//! lost event (an overrun of the socket) does no harm, the order of addresses is always the kernel's own, and there is
//! one way to learn the state instead of two.

use std::collections::BTreeMap;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};

use super::netlink::{AddressRow, LinkRow, Netlink, Subscription};
use super::sieve::Sieve;
use crate::link::{Link, LinkAddress, Links};

// Multicast groups of <linux/rtnetlink.h>.
const RTNLGRP_LINK: u32 = 1;
const RTNLGRP_IPV4_IFADDR: u32 = 5;
const RTNLGRP_IPV6_IFADDR: u32 = 9;

/// The host's interfaces and their addresses, kept up to date by the kernel's events.
///
/// Its file descriptor becomes readable when something may have changed; then call [`read`](Self::read).
#[derive(Debug)]
pub struct LinkMonitor {
    events: Subscription,
    kernel: Netlink,
    links: Links,
    /// Something changed, and the tables were not read since.
    stale: bool,
}

impl LinkMonitor {
    /// Subscribes to the kernel's events and reads the present state. Needs no capability.
    ///
    /// # Errors
    /// Whatever the netlink sockets say.
    pub fn open() -> io::Result<Self> {
        // Subscribed before the first reading: what changes between the two is heard.
        let events = Subscription::open(&[RTNLGRP_LINK, RTNLGRP_IPV4_IFADDR, RTNLGRP_IPV6_IFADDR])?;
        let mut kernel = Netlink::open()?;
        let links = read_links(&mut kernel)?;
        Ok(Self { events, kernel, links, stale: false })
    }

    /// The interfaces as last read.
    pub fn links(&self) -> &Links {
        &self.links
    }

    /// From now on, changes made by the owners of these netlink ports are no news: whoever makes them says when they are
    /// done, by [`mark_stale`](Self::mark_stale). Whoever adds many addresses is then not held up by a listener of its own.
    pub fn overlook(&self, ports: &[u32]) {
        // Without it everything is heard, as before.
        let _ = Sieve { ports, routes_but: None }.attach(&self.events);
    }

    /// Something changed that was not heard: the next [`read`](Self::read) looks.
    pub fn mark_stale(&mut self) {
        self.stale = true;
    }

    /// Takes all waiting events and, if there were any, reads the interfaces anew. Returns whether they differ from
    /// before. Never waits for an event; the reading itself takes about half a microsecond per address or interface.
    ///
    /// # Errors
    /// Whatever the netlink sockets say; the next call tries again, even without a new event.
    pub fn read(&mut self) -> io::Result<bool> {
        self.stale |= self.events.drain()?;
        if !self.stale {
            return Ok(false);
        }
        let links = read_links(&mut self.kernel)?;
        self.stale = false;
        let changed = links != self.links;
        self.links = links;
        Ok(changed)
    }
}

impl AsFd for LinkMonitor {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.events.as_fd()
    }
}

impl AsRawFd for LinkMonitor {
    fn as_raw_fd(&self) -> RawFd {
        self.as_fd().as_raw_fd()
    }
}

fn read_links(kernel: &mut Netlink) -> io::Result<Links> {
    let links = kernel.links()?;
    Ok(assemble(links, kernel.addresses()?))
}

fn assemble(links: Vec<LinkRow>, addresses: Vec<AddressRow>) -> Links {
    let mut by_index: BTreeMap<u32, Vec<LinkAddress>> = BTreeMap::new();
    // An address that cannot be used yet is not there yet; the kernel tells when that changes.
    for row in addresses.into_iter().filter(|row| !row.tentative) {
        let address = LinkAddress { address: row.address, prefix: row.prefix, secondary: row.secondary };
        by_index.entry(row.index).or_default().push(address);
    }
    let link = |row: LinkRow| {
        let addresses = by_index.remove(&row.index).unwrap_or_default();
        let LinkRow { index, name, up, loopback, mac, table } = row;
        (name, Link { index, up, loopback, mac, addresses, table })
    };
    links.into_iter().map(link).collect()
}
