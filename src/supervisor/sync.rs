//! The owner of the connection synchronisation daemons. It lives on the thread of the IPVS table's owner, because they
//! are the same kernel's.

use ipvs_backend::{Kernel, KernelError, SyncDaemons, SyncKeeper, SyncReport, SyncRole};

use super::remembered::Remembered;
use super::table::Backend;
use crate::director::effect::Level;
use crate::director::event::TableReport;

/// What keeps them in step with what is wanted.
pub(super) struct Owner {
    backend: Backend,
    remembered: Remembered<SyncRole>,
    /// The kernel, once it was needed and could be opened.
    keeper: Option<SyncKeeper<Box<dyn Kernel + Send>>>,
}

impl Owner {
    pub(super) fn new(backend: Backend, remembered: Remembered<SyncRole>) -> Self {
        Owner { backend, remembered, keeper: None }
    }

    pub(super) fn carry_out(&mut self, level: &Level<SyncDaemons>) -> TableReport {
        let mut report = TableReport { serial: level.serial, ..TableReport::default() };
        let nothing_ours = self.remembered.keys().is_empty() && level.value.is_empty();
        if self.keeper.is_none() && nothing_ours {
            return report;
        }
        match self.converge(&level.value) {
            Ok(done) => {
                report.applied = done.applied.len();
                report.failures = done.refused;
            }
            Err(error) => {
                report.unavailable = Some(error.to_string());
                self.keeper = None;
            }
        }
        report
    }

    fn converge(&mut self, wanted: &SyncDaemons) -> Result<SyncReport, KernelError> {
        let keeper = match &mut self.keeper {
            Some(keeper) => keeper,
            None => self.keeper.insert(SyncKeeper::new(self.backend.open()?, self.remembered.keys().clone())),
        };
        self.remembered.add(wanted.keys());
        let report = keeper.converge(wanted)?;
        self.remembered.keep(keeper.ours().clone());
        Ok(report)
    }
}
