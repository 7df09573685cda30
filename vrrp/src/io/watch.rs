//! Hearing that addresses, routes or rules were taken away, and by whom.
//!
//! As with interfaces, what is heard is a hint to look: the tables themselves tell what is gone, so that an event that
//! was lost (an overrun of the socket) costs nothing but the name of the culprit. The kernel puts the netlink port of
//! whoever asked for a change into the message about it; our own changes are told from others' by that.

use std::collections::BTreeSet;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};

use super::marked::Names;
use super::netlink::{Heard, Subscription, address_row, messages};
use super::route_message::held_route;
use super::rule::held_rule;
use super::sieve::Sieve;
use crate::address::AddressKey;
use crate::route::{KEEPALIVED_PROTOCOL, ROUTE_PROTOCOL};
use crate::thing::Thing;

// Multicast groups and message types of <linux/rtnetlink.h>.
const RTNLGRP_LINK: u32 = 1;
const RTNLGRP_IPV4_IFADDR: u32 = 5;
const RTNLGRP_IPV4_ROUTE: u32 = 7;
const RTNLGRP_IPV4_RULE: u32 = 8;
const RTNLGRP_IPV6_IFADDR: u32 = 9;
const RTNLGRP_IPV6_ROUTE: u32 = 11;
const RTNLGRP_IPV6_RULE: u32 = 19;
const RTM_NEWLINK: u16 = 16;
const RTM_DELLINK: u16 = 17;
const RTM_NEWADDR: u16 = 20;
const RTM_DELADDR: u16 = 21;
const RTM_DELROUTE: u16 = 25;
const RTM_DELRULE: u16 = 33;

/// Marks of routes that may be ours.
const MARKS: [u8; 2] = [ROUTE_PROTOCOL, KEEPALIVED_PROTOCOL];

/// Where `struct rtmsg` has `rtm_protocol`.
const ROUTE_MARK: usize = 5;

/// Something that may concern us.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Rumour {
    /// This was taken away.
    Removed {
        /// What.
        what: Thing,
        /// The netlink port of whoever asked for it; usually the number of its process. `None`: nobody did, it went
        /// with something else, or the kernel does not tell (it does not for IPv6 addresses).
        by: Option<u32>,
    },
    /// Interfaces or addresses changed: what could not be done may now be possible, and what is on an interface that
    /// went down may be gone without a word.
    Changed,
}

/// Hears of changes of the kernel's addresses, routes and rules.
#[derive(Debug)]
pub struct TableWatch {
    events: Subscription,
    own: BTreeSet<u32>,
}

impl TableWatch {
    /// Subscribes. `own`: ports of our own sockets, whose changes are no news. Needs no capability.
    ///
    /// # Errors
    /// Whatever the netlink socket says.
    pub fn open(own: impl IntoIterator<Item = u32>) -> io::Result<Self> {
        let events = Subscription::open(&[
            RTNLGRP_LINK,
            RTNLGRP_IPV4_IFADDR,
            RTNLGRP_IPV4_ROUTE,
            RTNLGRP_IPV4_RULE,
            RTNLGRP_IPV6_IFADDR,
            RTNLGRP_IPV6_ROUTE,
            RTNLGRP_IPV6_RULE,
        ])?;
        let own: BTreeSet<u32> = own.into_iter().collect();
        let ports: Vec<u32> = own.iter().copied().collect();
        // A comfort: what passes all the same is sorted out below.
        let _ = Sieve { ports: &ports, routes_but: Some(&MARKS) }.attach(&events);
        Ok(Self { events, own })
    }

    /// Everything that waits; nothing if nothing does. An overrun is a change.
    ///
    /// # Errors
    /// Whatever the netlink socket says.
    pub fn read(&mut self) -> io::Result<Vec<Rumour>> {
        let mut rumours = Vec::new();
        let mut changed = false;
        let mut buffer = Vec::with_capacity(super::netlink::DATAGRAM);
        let mut names = Names::default();
        loop {
            match self.events.receive(&mut buffer)? {
                Heard::Nothing => break,
                Heard::Overrun => changed = true,
                Heard::Datagram => {
                    for message in messages(&buffer) {
                        let port = message.port_number();
                        if self.own.contains(&port) {
                            continue;
                        }
                        let by = Some(port).filter(|port| *port != 0);
                        match message.message_type() {
                            RTM_NEWLINK | RTM_DELLINK | RTM_NEWADDR => changed = true,
                            kind => rumours.extend(
                                removed(kind, message.payload(), &mut names)
                                    .map(|what| Rumour::Removed { what, by }),
                            ),
                        }
                    }
                }
            }
        }
        if changed {
            rumours.push(Rumour::Changed);
        }
        Ok(rumours)
    }
}

impl AsFd for TableWatch {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.events.as_fd()
    }
}

/// What was taken away. Of routes only those that bear a mark of ours: elsewhere a million may come and go.
fn removed(kind: u16, payload: &[u8], names: &mut Names) -> Option<Thing> {
    match kind {
        RTM_DELADDR => {
            let row = address_row(payload)?;
            Some(Thing::Address(AddressKey::new(names.of(row.index)?, row.address)))
        }
        RTM_DELROUTE if MARKS.contains(payload.get(ROUTE_MARK)?) => {
            Some(Thing::Route(held_route(payload)?.with_names(names)))
        }
        RTM_DELRULE => Some(Thing::Rule(held_rule(payload)?)),
        _ => None,
    }
}
