//! The workers, each the one owner of a piece of the outside, and the queues that lead to them.
//!
//! Every method of [`Workers`] returns at once: it is called on the brain's thread. Levels may pile up for a moment;
//! their owners take the newest and forget the rest.

use std::cell::Cell;
use std::sync::Arc;
use std::sync::mpsc as std_mpsc;

use notify::{Notice, Notices};
use tokio::sync::mpsc;

use super::devices::Gate;
use super::herald::Herald;
use super::network::Job;
use super::{keeper, table, watched};
use crate::director::effect::{
    Announcement, Attempt, Counted, HostLevel, Level, ScriptRun, Settlement, Telling, Watched,
};
use crate::director::legacy::Keepsake;
use crate::director::overrides::Override;

/// Notices that may wait for the mail worker. When it is full a notice is dropped and counted, and the next mail
/// tells how many: mail is slow, and what they would have told is in the log as well.
pub(super) const NOTICES: usize = 4096;

/// Changes of state that may wait for the caller of programs. It only sorts them, so that more wait only if that thread
/// stands still; they are then dropped, each with a line in the log.
pub(super) const TELLINGS: usize = 16_384;

/// The way to the owner of the instances' interfaces, and where those wait that come after it.
pub(super) type Host = (std_mpsc::Sender<Level<HostLevel>>, Gate);

/// The ways to all workers.
#[derive(Debug)]
pub(super) struct Workers {
    /// To the owner of the addresses.
    pub(super) network: std_mpsc::Sender<Job>,
    /// The number of the last level that it was handed.
    pub(super) addresses: Cell<u64>,
    /// To whoever tells the neighbours.
    pub(super) herald: Herald,
    /// To the owner of the instances' interfaces, and where those wait that come after it.
    pub(super) host: Host,
    /// To the owner of the IPVS table and its sync daemons.
    pub(super) table: std_mpsc::Sender<table::Job>,
    /// To the keeper of overrides.
    pub(super) overrides: std_mpsc::Sender<Arc<Vec<Override>>>,
    /// To the probes: at most one attempt of each check is under way, which bounds this queue.
    pub(super) probes: mpsc::UnboundedSender<Attempt>,
    /// To the owner of track files and processes.
    pub(super) watch: watched::Sender,
    /// To the runs of `vrrp_script`s: at most one of each is under way, which bounds this queue.
    pub(super) scripts: mpsc::UnboundedSender<ScriptRun>,
    /// To the caller of programs that hear of changes.
    pub(super) tellings: mpsc::Sender<Telling>,
    /// To the mail worker.
    pub(super) notices: Notices,
    /// To the keeper of what the next life must know: a line for each change of a role or a verdict.
    pub(super) keeper: std_mpsc::Sender<keeper::Job>,
    /// To the reloader: one for each configuration.
    pub(super) settlements: mpsc::UnboundedSender<Settlement>,
}

impl Workers {
    pub(super) fn addresses(&self, level: Level<vrrp::NetworkLevel>) {
        self.addresses.set(level.serial);
        // A worker that has ended was told so by a panic that ends the process; nothing to do here.
        let _ = self.network.send(Job::Addresses(level));
    }

    /// Addresses are likely to be wanted in a moment.
    pub(super) fn rouse(&self) {
        let _ = self.network.send(Job::Rouse);
        self.herald.rouse();
    }

    pub(super) fn host(&self, level: Level<HostLevel>) {
        let (owner, gate) = &self.host;
        gate.expect(level.serial);
        let _ = owner.send(level);
    }

    pub(super) fn announce(&self, announcement: Announcement) {
        self.herald.announce(announcement, self.addresses.get());
    }

    pub(super) fn table(&self, level: Level<ipvs_backend::Table>) {
        let _ = self.table.send(table::Job::Table(level));
    }

    pub(super) fn ipvs_settings(&self, level: Level<crate::director::effect::IpvsSettings>) {
        let _ = self.table.send(table::Job::Settings(level));
    }

    pub(super) fn judged(&self) {
        let _ = self.table.send(table::Job::Judged);
    }

    pub(super) fn sync(&self, level: Level<ipvs_backend::SyncDaemons>) {
        let _ = self.table.send(table::Job::Sync(level));
    }

    pub(super) fn count(&self, level: Arc<Counted>) {
        let _ = self.table.send(table::Job::Count(level));
    }

    pub(super) fn keep_overrides(&self, all: Arc<Vec<Override>>) {
        let _ = self.overrides.send(all);
    }

    pub(super) fn probe(&self, attempt: Attempt) {
        let _ = self.probes.send(attempt);
    }

    pub(super) fn watch(&self, level: Arc<Watched>) {
        self.watch.send(level);
    }

    pub(super) fn run_script(&self, run: ScriptRun) {
        let _ = self.scripts.send(run);
    }

    pub(super) fn tell(&self, telling: Telling) {
        if let Err(mpsc::error::TrySendError::Full(telling)) = self.tellings.try_send(telling) {
            let change = telling.change;
            tracing::error!(
                "{}: no program hears of {}: too much is told at once",
                change.subject,
                change.word
            );
        }
    }

    pub(super) fn keep(&self, keepsake: Keepsake) {
        let _ = self.keeper.send(keeper::Job::Keep(keepsake));
    }

    pub(super) fn settled(&self, settlement: Settlement) {
        let _ = self.settlements.send(settlement);
    }

    pub(super) fn notify(&self, notice: Notice) {
        let _ = self.notices.send(notice);
    }
}
