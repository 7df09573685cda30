//! The owner of the IPVS table: one thread that holds the only handle to it.

use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::Duration;

use clap::ValueEnum;
use ipvs_backend::{Kernel, KernelError, MemoryKernel, NetlinkKernel, Reconciler, Table};

use super::inbox::Sender;
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

/// Works until the brain's end of the queue is gone. The table is opened when it is first needed, so that a
/// configuration without virtual servers never touches it.
pub(super) fn work(backend: Backend, levels: &Receiver<Level<Table>>, inbox: &Sender) {
    let mut owner = None;
    let mut level: Option<Level<Table>> = None;
    let mut again = false;
    loop {
        let received = if again { levels.recv_timeout(RETRY) } else { levels.recv().map_err(Into::into) };
        match received {
            Ok(newer) => level = Some(levels.try_iter().last().unwrap_or(newer)),
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return,
        }
        let Some(level) = &level else { continue };
        let report = carry_out(backend, &mut owner, level);
        again = report.unavailable.is_some() || !report.failures.is_empty();
        inbox.blocking_event(Event::TableApplied(report));
    }
}

type Owner = Reconciler<Box<dyn Kernel + Send>>;

fn carry_out(backend: Backend, owner: &mut Option<Owner>, level: &Level<Table>) -> TableReport {
    let mut report = TableReport { serial: level.serial, ..TableReport::default() };
    if owner.is_none() && level.value.services.is_empty() {
        return report;
    }
    match try_carry_out(backend, owner, level) {
        Ok(done) => {
            report.applied = done.applied.len();
            report.failures = done.refused.iter().take(TOLD).map(ToString::to_string).collect();
        }
        Err(error) => {
            report.unavailable = Some(error.to_string());
            *owner = None;
        }
    }
    report
}

fn try_carry_out(
    backend: Backend,
    owner: &mut Option<Owner>,
    level: &Level<Table>,
) -> Result<ipvs_backend::Report, KernelError> {
    let owner = match owner {
        Some(owner) => owner,
        None => {
            let mut fresh = Reconciler::new(backend.open()?);
            fresh.start()?;
            owner.insert(fresh)
        }
    };
    owner.converge(&level.value)
}
