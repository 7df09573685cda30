//! The owner of the IPVS table: one thread that holds the only handles to it and to its sync daemons.

use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::Duration;

use clap::ValueEnum;
use ipvs_backend::{
    Kernel, KernelError, MemoryKernel, NetlinkKernel, Reconciler, ServiceKey, SyncDaemons, Table,
};

use super::inbox::Sender;
use super::priority;
use super::remembered::Remembered;
use super::sync;
use crate::director::effect::Level;
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
pub(super) enum Job {
    /// The table should be like this.
    Table(Level<Table>),
    /// These daemons should run.
    Sync(Level<SyncDaemons>),
}

/// Works until the brain's end of the queue is gone. The table is opened when it is first needed, so that a
/// configuration without virtual servers never touches it.
pub(super) fn work(
    backend: Backend,
    remembered: Remembered<ServiceKey>,
    mut sync: sync::Owner,
    jobs: &Receiver<Job>,
    inbox: &Sender,
) {
    priority::prefer(priority::CHECKS);
    let mut owner = Owner::new(backend, remembered);
    let (mut table, mut daemons) = (None, None);
    // Whether there is something to do, or to do again.
    let (mut table_due, mut sync_due) = (false, false);
    loop {
        let again = table_due || sync_due;
        let received = if again { jobs.recv_timeout(RETRY) } else { jobs.recv().map_err(Into::into) };
        let first = match received {
            Ok(job) => Some(job),
            Err(RecvTimeoutError::Timeout) => None,
            Err(RecvTimeoutError::Disconnected) => return,
        };
        for job in first.into_iter().chain(jobs.try_iter()) {
            match job {
                Job::Table(level) => (table, table_due) = (Some(level), true),
                Job::Sync(level) => (daemons, sync_due) = (Some(level), true),
            }
        }
        let must_repeat = |report: &TableReport| report.unavailable.is_some() || !report.failures.is_empty();
        if let Some(level) = daemons.as_ref().filter(|_| sync_due) {
            let report = sync.carry_out(level);
            sync_due = must_repeat(&report);
            inbox.blocking_event(Event::SyncApplied(report));
        }
        if let Some(level) = table.as_ref().filter(|_| table_due) {
            let report = owner.carry_out(level);
            table_due = must_repeat(&report);
            inbox.blocking_event(Event::TableApplied(report));
        }
    }
}

/// The table's owner.
pub(super) struct Owner {
    backend: Backend,
    remembered: Remembered<ServiceKey>,
    /// The table, once it was needed and could be opened.
    table: Option<Reconciler<Box<dyn Kernel + Send>>>,
}

impl Owner {
    pub(super) fn new(backend: Backend, remembered: Remembered<ServiceKey>) -> Self {
        Owner { backend, remembered, table: None }
    }

    pub(super) fn carry_out(&mut self, level: &Level<Table>) -> TableReport {
        let mut report = TableReport { serial: level.serial, ..TableReport::default() };
        let nothing_ours = self.remembered.keys().is_empty() && level.value.services.is_empty();
        if self.table.is_none() && nothing_ours {
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
        self.remembered.add(wanted.services.keys());
        let report = table.converge(wanted)?;
        self.remembered.keep(table.ours().clone());
        Ok(report)
    }
}
