//! The owner of the IPVS table: one thread that holds the only handles to it and to its sync daemons.

use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::time::Duration;

use clap::ValueEnum;
use ipvs_backend::{
    Kernel, KernelError, MemoryKernel, NetlinkKernel, Reconciler, ServiceKey, SyncDaemons, Table,
};
use serde::{Deserialize, Serialize};
use tokio::sync::oneshot;

use super::inbox::Sender;
use super::priority;
use super::remembered::Remembered;
use super::{ipvs_settings, sync};
use crate::config::digest::digest_of;
use crate::config::plan::Connections;
use crate::director::effect::{IpvsSettings, Level};
use crate::director::event::{Event, TableReport};

/// How long to wait before trying again what the kernel refused or could not do.
const RETRY: Duration = Duration::from_secs(10);

/// Failures told at most; a table that is refused as a whole needs no ten thousand lines.
const TOLD: usize = 32;

/// Which table to keep.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum Backend {
    /// The kernel's, by generic netlink.
    #[default]
    Kernel,
    /// One in memory: for machines without IPVS, for dry runs, for measurements.
    Memory,
}

impl Backend {
    /// Opens the table.
    pub fn open(self) -> Result<Box<dyn Kernel + Send>, KernelError> {
        Ok(match self {
            Backend::Kernel => Box::new(NetlinkKernel::open()?),
            Backend::Memory => Box::new(MemoryKernel::new()),
        })
    }
}

/// What the owner can be asked for.
#[derive(Debug)]
pub(crate) enum Job {
    /// The table should be like this.
    Table(Level<Table>),
    /// Settings should be like this.
    Settings(Level<IpvsSettings>),
    /// These daemons should run.
    Sync(Level<SyncDaemons>),
    /// What is in the table?
    Survey(Question),
    /// There is nothing more to do.
    End,
}

/// A question about the table, and where the answer goes.
#[derive(Debug)]
pub(crate) struct Question {
    /// The services whose connections are to be counted.
    services: Vec<ServiceKey>,
    reply: oneshot::Sender<KernelState>,
}

/// Asks the owner of the table. One that has ended knows nothing.
pub(crate) async fn survey(jobs: &mpsc::Sender<Job>, services: Vec<ServiceKey>) -> KernelState {
    let (reply, answer) = oneshot::channel();
    let _ = jobs.send(Job::Survey(Question { services, reply }));
    answer.await.unwrap_or_default()
}

/// Works until it is told to end. The table is opened when it is first needed, so that a
/// configuration without virtual servers never touches it.
pub(super) fn work(
    backend: Backend,
    remembered: Remembered<ServiceKey>,
    mut sync: sync::Owner,
    mut settings: ipvs_settings::Owner,
    jobs: &Receiver<Job>,
    inbox: &Sender,
) {
    priority::prefer(priority::CHECKS);
    let mut owner = Owner { backend, remembered, table: None, claims: (0, 0) };
    let (mut table, mut daemons, mut set) = (None, None, None);
    let (mut questions, mut end) = (Vec::new(), false);
    // Whether there is something to do, or to do again.
    let (mut table_due, mut sync_due, mut settings_due) = (false, false, false);
    loop {
        let again = table_due || sync_due || settings_due;
        let received = if again { jobs.recv_timeout(RETRY) } else { jobs.recv().map_err(Into::into) };
        let first = match received {
            Ok(job) => Some(job),
            Err(RecvTimeoutError::Timeout) => None,
            Err(RecvTimeoutError::Disconnected) => return,
        };
        for job in first.into_iter().chain(jobs.try_iter()) {
            match job {
                Job::Table(level) => (table, table_due) = (Some(level), true),
                Job::Settings(level) => {
                    table_due |= owner.claim(level.value.claims) && table.is_some();
                    (set, settings_due) = (Some(level), true);
                }
                Job::Sync(level) => (daemons, sync_due) = (Some(level), true),
                Job::Survey(question) => questions.push(question),
                Job::End => end = true,
            }
        }
        let must_repeat = |report: &TableReport| report.unavailable.is_some() || !report.failures.is_empty();
        if let Some(level) = daemons.as_ref().filter(|_| sync_due) {
            let report = sync.carry_out(level);
            sync_due = must_repeat(&report);
            inbox.blocking_event(Event::SyncApplied(report));
        }
        if let Some(level) = set.as_ref().filter(|_| settings_due) {
            let report = settings.carry_out(level);
            settings_due = must_repeat(&report);
            inbox.blocking_event(Event::SettingsApplied(report));
        }
        if let Some(level) = table.as_ref().filter(|_| table_due) {
            let report = owner.carry_out(level);
            table_due = must_repeat(&report);
            inbox.blocking_event(Event::TableApplied(report));
        }
        // Behind the work that was there before the question.
        for Question { services, reply } in questions.drain(..) {
            let _ = reply.send(owner.survey(&services));
        }
        if end {
            return;
        }
    }
}

/// The table's owner.
struct Owner {
    backend: Backend,
    remembered: Remembered<ServiceKey>,
    /// The table, once it was needed and could be opened.
    table: Option<Reconciler<Box<dyn Kernel + Send>>>,
    /// How often everything in the table was to become ours, and how often it has.
    claims: (u64, u64),
}

impl Owner {
    /// From the next convergence on, everything that is in the table then is ours; false if that was known.
    fn claim(&mut self, claims: u64) -> bool {
        let new = self.claims.0 < claims;
        self.claims.0 = claims;
        new
    }

    fn carry_out(&mut self, level: &Level<Table>) -> TableReport {
        let mut report = TableReport { serial: level.serial, ..TableReport::default() };
        let nothing_ours = self.remembered.keys().is_empty() && level.value.services.is_empty();
        if self.table.is_none() && nothing_ours && self.claims.0 == self.claims.1 {
            return report;
        }
        match self.converge(&level.value) {
            Ok(done) => {
                report.applied = done.applied.len();
                report.failures = done.refused.iter().take(TOLD).map(ToString::to_string).collect();
            }
            Err(error) => {
                report.unavailable = Some(error.to_string());
                self.table = None;
            }
        }
        report
    }

    fn converge(&mut self, wanted: &Table) -> Result<ipvs_backend::Report, KernelError> {
        let table = match &mut self.table {
            Some(table) => table,
            None => {
                let mut table = Reconciler::new(self.backend.open()?);
                table.start()?;
                table.claim(self.remembered.keys().iter().copied());
                self.table.insert(table)
            }
        };
        if self.claims.1 < self.claims.0 {
            table.start()?;
            let found: Vec<_> =
                table.known().into_iter().flat_map(|known| known.services.keys().copied()).collect();
            table.claim(found);
            self.claims.1 = self.claims.0;
        }
        self.remembered.add(wanted.services.keys());
        let report = table.converge(wanted)?;
        self.remembered.keep(table.ours().clone());
        Ok(report)
    }

    /// What is in the table, read anew, and how many connections some services have.
    fn survey(&mut self, services: &[ServiceKey]) -> KernelState {
        let Some(table) = &mut self.table else { return KernelState::default() };
        let mut state = KernelState::default();
        // What somebody else changed is read as well; it is put right with the next change.
        if let Err(error) = table.check() {
            state.unavailable = Some(error.to_string());
            return state;
        }
        state.digest = table.known().map(digest_of);
        for key in services {
            match table.connections(key) {
                Ok(servers) if servers.is_empty() => {}
                Ok(servers) => drop(state.connections.insert(*key, servers)),
                Err(error) => state.unavailable = Some(error.to_string()),
            }
        }
        state
    }
}

/// What the kernel's table holds at one moment.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct KernelState {
    /// A digest of the whole table, those of other programs included; none if no table was needed so far.
    pub digest: Option<String>,
    /// The connections that were asked for.
    pub connections: Connections,
    /// Set if the table is out of reach: why.
    pub unavailable: Option<String>,
}
