//! The workers, each the one owner of a piece of the outside, and the queues that lead to them.
//!
//! Every method of [`Workers`] returns at once: it is called on the brain's thread. Levels may pile up for a moment;
//! their owners take the newest and forget the rest.

use std::sync::mpsc as std_mpsc;

use notify::{Notice, Notices};
use tokio::sync::mpsc;

use super::network::Job;
use crate::director::effect::{Announcement, Attempt, Level};

/// Notices that may wait for the mail worker. When it is full a notice is dropped and counted, and the next mail
/// tells how many: mail is slow, and what they would have told is in the log as well.
pub(super) const NOTICES: usize = 4096;

/// The ways to all workers.
#[derive(Debug)]
pub(super) struct Workers {
    /// To the owner of addresses and announcements.
    pub(super) network: std_mpsc::Sender<Job>,
    /// To the owner of the IPVS table.
    pub(super) table: std_mpsc::Sender<Level<ipvs_backend::Table>>,
    /// To the probes: at most one attempt of each check is under way, which bounds this queue.
    pub(super) probes: mpsc::UnboundedSender<Attempt>,
    /// To the mail worker.
    pub(super) notices: Notices,
}

impl Workers {
    pub(super) fn addresses(&self, level: Level<vrrp::NetworkLevel>) {
        // A worker that has ended was told so by a panic that ends the process; nothing to do here.
        let _ = self.network.send(Job::Addresses(level));
    }

    pub(super) fn announce(&self, announcement: Announcement) {
        let _ = self.network.send(Job::Announce(announcement));
    }

    pub(super) fn table(&self, level: Level<ipvs_backend::Table>) {
        let _ = self.table.send(level);
    }

    pub(super) fn probe(&self, attempt: Attempt) {
        let _ = self.probes.send(attempt);
    }

    pub(super) fn notify(&self, notice: Notice) {
        let _ = self.notices.send(notice);
    }
}
