//! The owner of the addresses that this daemon puts on interfaces, and of the announcements that follow: gratuitous ARP,
//! for IPv6 unsolicited neighbour advertisements.
//!
//! One thread, so that an announcement never overtakes the address it announces, and so that a thousand addresses
//! never delay an advert.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::sync::mpsc::Receiver;

use tracing::{error, warn};
use vrrp::AddressKey;
use vrrp::io::{AddressTable, Announcer};

use super::inbox::Sender;
use super::priority;
use super::remembered::Remembered;
use crate::director::effect::{Announcement, Level, Neighbourhood};
use crate::director::event::{AddressReport, Event};

/// What the owner can be asked.
#[derive(Debug)]
pub(super) enum Job {
    /// The addresses should be like this.
    Addresses(Level<vrrp::AddressLevel>),
    /// Tell the neighbours.
    Announce(Announcement),
}

/// Works until the brain's end of the queue is gone.
pub(super) fn work(
    mut table: AddressTable,
    mut remembered: Remembered<AddressKey>,
    jobs: &Receiver<Job>,
    inbox: &Sender,
) {
    priority::prefer(priority::ADDRESSES);
    let mut announcer = None;
    while let Ok(first) = jobs.recv() {
        let (level, announcements) = newest(first, jobs);
        // A take-over is told to the neighbours before anything is read back.
        let added = level.as_ref().map(|level| {
            remembered.add(level.value.keys());
            table.add_missing(&level.value)
        });
        for announcement in announcements {
            announce(&mut announcer, &announcement);
        }
        if let (Some(level), Some(added)) = (level, added) {
            let mut report = converge(&mut table, &level);
            report.added.extend(added);
            remembered.keep(level.value.keys().chain(table.ours().keys()).cloned().collect());
            inbox.blocking_event(Event::AddressesApplied(report));
        }
    }
}

/// Everything that waits: of the levels only the newest, of the announcements all.
fn newest(first: Job, jobs: &Receiver<Job>) -> (Option<Level<vrrp::AddressLevel>>, Vec<Announcement>) {
    let (mut level, mut announcements) = (None, Vec::new());
    for job in std::iter::once(first).chain(jobs.try_iter()) {
        match job {
            Job::Addresses(newer) => level = Some(newer),
            Job::Announce(announcement) => announcements.push(announcement),
        }
    }
    (level, announcements)
}

fn converge(table: &mut AddressTable, level: &Level<vrrp::AddressLevel>) -> AddressReport {
    let report = table.converge(&level.value);
    let failures = report.failures.iter().map(|(key, why)| format!("{key}: {why}"));
    AddressReport {
        serial: level.serial,
        failures: failures.collect(),
        added: report.added,
        removed: report.removed,
    }
}

fn announce(announcer: &mut Option<Announcer>, announcement: &Announcement) {
    if announcer.is_none() {
        match Announcer::open() {
            Ok(opened) => *announcer = Some(opened),
            Err(error) => return error!("cannot send gratuitous ARP: {error}"),
        }
    }
    let Some(announcer) = announcer else { return };
    let v6 = |place: &&Neighbourhood| place.addresses.iter().any(IpAddr::is_ipv6);
    let routers: BTreeSet<u32> = announcement
        .places
        .iter()
        .filter(v6)
        .filter(|place| forwards(&place.interface))
        .map(|place| place.index)
        .collect();
    for _ in 0..announcement.repeat {
        for place in &announcement.places {
            for address in &place.addresses {
                let (what, sent) = match address {
                    IpAddr::V4(address) => {
                        ("gratuitous ARP", announcer.gratuitous_arp(place.index, place.mac, *address))
                    }
                    IpAddr::V6(address) => {
                        let router = routers.contains(&place.index);
                        let sent =
                            announcer.unsolicited_advertisement(place.index, place.mac, *address, router);
                        ("unsolicited neighbour advertisement", sent)
                    }
                };
                if let Err(error) = sent {
                    warn!("{what} for {address} on {} was not sent: {error}", place.interface);
                }
            }
        }
    }
}

/// Whether this host forwards IPv6 packets that come in by the interface, which makes it a router to its neighbours.
fn forwards(interface: &str) -> bool {
    let setting = std::fs::read_to_string(format!("/proc/sys/net/ipv6/conf/{interface}/forwarding"));
    setting.is_ok_and(|setting| setting.trim() != "0")
}
