//! The owner of the addresses that this daemon puts on interfaces, and of the announcements that follow: gratuitous ARP,
//! for IPv6 unsolicited neighbour advertisements.
//!
//! One thread, so that an announcement never overtakes the address it announces, and so that a thousand addresses
//! never delay an advert.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::Instant;

use vrrp::AddressKey;
use vrrp::io::AddressTable;

use super::announcements::Announcements;
use super::inbox::Sender;
use super::priority;
use super::remembered::Remembered;
use crate::director::effect::{Announcement, Level};
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
    let mut announcements = Announcements::default();
    let mut wanted = Arc::new(vrrp::AddressLevel::new());
    loop {
        let first = match next(jobs, announcements.next()) {
            Ok(first) => first,
            Err(RecvTimeoutError::Timeout) => {
                announcements.go_on(&wanted, Instant::now());
                continue;
            }
            Err(RecvTimeoutError::Disconnected) => return,
        };
        let (level, bursts) = newest(first, jobs);
        // A take-over is told to the neighbours before anything is read back.
        let added = level.as_ref().map(|level| {
            remembered.add(level.value.keys());
            table.add_missing(&level.value)
        });
        for burst in bursts {
            announcements.announce(&burst, Instant::now());
        }
        if let (Some(level), Some(added)) = (level, added) {
            wanted = level.value.clone();
            let mut report = converge(&mut table, &level);
            report.added.extend(added);
            remembered.keep(level.value.keys().chain(table.ours().keys()).cloned().collect());
            inbox.blocking_event(Event::AddressesApplied(report));
        }
    }
}

/// The next thing to do, or the time at which an announcement may leave.
fn next(jobs: &Receiver<Job>, until: Option<Instant>) -> Result<Job, RecvTimeoutError> {
    match until {
        None => jobs.recv().map_err(|_| RecvTimeoutError::Disconnected),
        Some(until) => jobs.recv_timeout(until.saturating_duration_since(Instant::now())),
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
