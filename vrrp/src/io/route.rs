//! The one owner of the routes we make.
//!
//! [`RouteTable::converge`] reads those routes of the kernel that bear our mark (the kernel itself leaves the others
//! out: a router may have a million), finds the difference to the wanted level and carries it out in few system calls.

use std::collections::BTreeSet;
use std::io;

use netlink_packet_core::{NLM_F_APPEND, NLM_F_CREATE, NLM_F_EXCL};
use netlink_packet_route::RouteNetlinkMessage;
use netlink_packet_route::route::RouteMessage;

use super::marked::{Names, carry_out, note_losses};
use super::netlink::Netlink;
use super::route_message::{held_route, message};
use super::wire::{INET, INET6};
use crate::marked::{Change, plan};
use crate::route::{OwnRoutes, Place, RouteKey, RouteLevel, RouteReport, RouteSettings, order};

/// `RTM_NEWROUTE` of `<linux/rtnetlink.h>`.
const RTM_NEWROUTE: u16 = 24;

/// Makes routes and takes them away; see [`RouteLevel`] for what can be asked.
#[derive(Debug)]
pub struct RouteTable {
    kernel: Netlink,
    ours: OwnRoutes,
    /// Routes with our marks, as last read.
    held: Vec<RouteKey>,
}

impl RouteTable {
    /// `predecessors`: routes that the last run made. Those of them that are still there are ours.
    ///
    /// # Errors
    /// Whatever the netlink socket says. The missing right to change routes is no error here; each change will report
    /// it.
    pub fn open(predecessors: OwnRoutes) -> io::Result<Self> {
        let mut table = Self { kernel: Netlink::open_strict()?, ours: predecessors, held: Vec::new() };
        table.examine(&RouteLevel::new())?;
        Ok(table)
    }

    /// The netlink port that this table's changes are made by.
    pub fn port(&self) -> u32 {
        self.kernel.port()
    }

    /// The routes that are ours, as we made them.
    pub fn ours(&self) -> &OwnRoutes {
        &self.ours
    }

    /// Brings the kernel to the `wanted` level and reports what changed and what could not be done. Whatever failed is
    /// tried again at the next call. Nothing is asked of the kernel where nothing is wanted and nothing is ours.
    pub fn converge(&mut self, wanted: &RouteLevel) -> RouteReport {
        match self.examine(wanted) {
            Ok(lost) => RouteReport { lost, ..self.apply(wanted) },
            Err(error) => {
                let text = format!("the kernel's routes cannot be read: {error}");
                let failures = wanted.keys().map(|key| (key.clone(), text.clone())).collect();
                RouteReport { failures, ..RouteReport::default() }
            }
        }
    }

    /// The first half of [`converge`](Self::converge): reads the kernel's routes and tells which of ours are gone.
    ///
    /// # Errors
    /// Whatever the netlink socket says.
    pub fn examine(&mut self, wanted: &RouteLevel) -> io::Result<Vec<RouteKey>> {
        let mut report = RouteReport::default();
        self.held = self.read(&self.protocols(wanted))?;
        note_losses(&mut self.ours, |key| is_held(&self.held, key), &mut report);
        Ok(report.lost)
    }

    /// The second half: carries out what is missing to the `wanted` level, as the kernel was when it was last read.
    pub fn apply(&mut self, wanted: &RouteLevel) -> RouteReport {
        let mut report = RouteReport::default();
        let mut changes = plan(|key| is_held(&self.held, key), wanted, &self.ours);
        order(&mut changes);
        // No such process: there is no such route. The others: its interface or its network is gone.
        let gone = [libc::ESRCH, libc::ENODEV, libc::ENETDOWN, libc::ENETUNREACH, libc::EHOSTUNREACH];
        carry_out(&mut self.kernel, &mut self.ours, changes, request, &gone, &mut report);
        report
    }

    /// The marks that matter.
    fn protocols(&self, wanted: &RouteLevel) -> BTreeSet<(bool, u8)> {
        let keys = wanted.keys().chain(self.ours.keys());
        keys.map(|key| (key.destination.is_ipv6(), key.protocol)).collect()
    }

    fn read(&mut self, protocols: &BTreeSet<(bool, u8)>) -> io::Result<Vec<RouteKey>> {
        let mut names = Names::default();
        let mut held = Vec::new();
        for (ipv6, protocol) in protocols {
            let mut request = RouteMessage::default();
            request.header.address_family = if *ipv6 { INET6 } else { INET }.into();
            request.header.protocol = (*protocol).into();
            let rows = self.kernel.dump(RouteNetlinkMessage::GetRoute(request), RTM_NEWROUTE, held_route)?;
            let rows = rows.into_iter().map(|row| row.with_names(&mut names));
            held.extend(rows.filter(|key| key.protocol == *protocol));
        }
        Ok(held)
    }
}

fn is_held(held: &[RouteKey], key: &RouteKey) -> bool {
    held.iter().any(|held| key.is_held_as(held))
}

/// The netlink request for one change, and its flags; or why there can be none.
fn request(change: &Change<RouteKey, RouteSettings>) -> Result<(RouteNetlinkMessage, u16), String> {
    match change {
        Change::Add(key, settings) => {
            let place = match settings.place {
                Place::Prepend => 0,
                Place::Append => NLM_F_APPEND,
                Place::Alone => NLM_F_EXCL,
            };
            let message = message(key, Some(settings))?;
            Ok((RouteNetlinkMessage::NewRoute(message), NLM_F_CREATE | place))
        }
        Change::Remove(key) => Ok((RouteNetlinkMessage::DelRoute(message(key, None)?), 0)),
    }
}
