//! The owner of the IPVS table: one thread that holds the only handles to it and to its sync daemons.

use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use clap::ValueEnum;
use ipvs_backend::{
    Drift, Kernel, KernelError, MemoryKernel, NetlinkKernel, Reconciler, ServiceKey, SyncDaemons, Table,
};
use serde::{Deserialize, Serialize};
use tokio::sync::{oneshot, watch};

use super::inbox::Sender;
use super::priority;
use super::remembered::Remembered;
use super::sync;
use crate::config::Reconcile;
use crate::config::digest::digest_of;
use crate::config::plan::Connections;
use crate::director::effect::Level;
use crate::director::event::{Event, TableComparison, TableReport};

/// How long to wait before trying again what the kernel refused or could not do.
const RETRY: Duration = Duration::from_secs(10);

/// How often the whole table is read, to find what others did to it.
const COMPARISON: Duration = Duration::from_secs(30);

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
    /// These daemons should run.
    Sync(Level<SyncDaemons>),
    /// What an earlier run left and nobody wants may go.
    Judged,
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
pub(super) fn work(mut owner: Owner, mut sync: sync::Owner, jobs: &Receiver<Job>, inbox: &Sender) {
    priority::prefer(priority::CHECKS);
    let (mut table, mut daemons) = (None, None);
    let (mut questions, mut end) = (Vec::new(), false);
    // Whether there is something to do, or to do again, and when.
    let (mut table_due, mut sync_due) = (false, false);
    let mut again: Option<Instant> = None;
    loop {
        let until = [again, owner.next_comparison()].into_iter().flatten().min();
        let received = match until {
            Some(at) => jobs.recv_timeout(at.saturating_duration_since(Instant::now())),
            None => jobs.recv().map_err(Into::into),
        };
        let first = match received {
            Ok(job) => Some(job),
            Err(RecvTimeoutError::Timeout) => None,
            Err(RecvTimeoutError::Disconnected) => return,
        };
        let news = first.is_some();
        for job in first.into_iter().chain(jobs.try_iter()) {
            match job {
                Job::Table(level) => (table, table_due) = (Some(level), true),
                Job::Judged => {
                    owner.settle();
                    table_due |= table.is_some();
                }
                Job::Sync(level) => (daemons, sync_due) = (Some(level), true),
                Job::Survey(question) => questions.push(question),
                Job::End => end = true,
            }
        }
        if news || again.is_some_and(|at| at <= Instant::now()) {
            let must_repeat =
                |report: &TableReport| report.unavailable.is_some() || !report.failures.is_empty();
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
            again = (table_due || sync_due).then(|| Instant::now() + RETRY);
        }
        // Behind the work that was there before the question.
        for Question { services, reply } in questions.drain(..) {
            let _ = reply.send(owner.survey(&services));
        }
        if end {
            return;
        }
        let due = owner.next_comparison().is_some_and(|at| at <= Instant::now());
        if let Some(comparison) = table.as_ref().filter(|_| due).and_then(|level| owner.compare(&level.value))
        {
            inbox.blocking_event(Event::TableCompared(comparison));
        }
    }
}

/// The kernel's table, and what of it is ours.
type OwnTable = Reconciler<Box<dyn Kernel + Send>>;

/// The table's owner.
pub(super) struct Owner {
    backend: Backend,
    remembered: Remembered<ServiceKey>,
    /// The table, once it was needed and could be opened.
    table: Option<OwnTable>,
    /// Whether what an earlier run left and nobody wants may go.
    settled: bool,
    /// What is done about changes by others.
    reconcile: watch::Receiver<Reconcile>,
    /// When the table was read as a whole last.
    compared: Instant,
    /// What was found between two comparisons.
    meanwhile: Vec<Drift>,
    /// Whether the last comparison found anything: the next one without is told as well.
    drifted: bool,
}

impl Owner {
    pub(super) fn new(
        backend: Backend,
        remembered: Remembered<ServiceKey>,
        reconcile: watch::Receiver<Reconcile>,
    ) -> Self {
        let (table, settled, compared, drifted) = (None, false, Instant::now(), false);
        let meanwhile = Vec::new();
        Owner { backend, remembered, table, settled, reconcile, compared, meanwhile, drifted }
    }

    /// What an earlier run left and nobody wants may go, with the next level that is carried out.
    pub(super) fn settle(&mut self) {
        self.settled = true;
        if let Some(table) = &mut self.table {
            table.settle();
        }
    }

    pub(super) fn carry_out(&mut self, level: &Level<Table>) -> TableReport {
        let mut report = TableReport { serial: level.serial, ..TableReport::default() };
        let nothing_ours = self.remembered.keys().is_empty() && level.value.services.is_empty();
        if self.table.is_none() && nothing_ours {
            return report;
        }
        match self.converge(&level.value, &mut report.adopted) {
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

    fn converge(
        &mut self,
        wanted: &Table,
        adopted: &mut Vec<String>,
    ) -> Result<ipvs_backend::Report, KernelError> {
        let table = match self.table.take() {
            Some(table) => table,
            None => {
                let (table, strangers) = self.begin(self.backend.open()?, wanted)?;
                adopted.extend(strangers);
                table
            }
        };
        let table = self.table.insert(table);
        self.remembered.add(wanted.services.keys());
        let report = table.converge(wanted)?;
        self.remembered.keep(table.ours().clone());
        Ok(report)
    }

    /// Reads the table, which may hold what an earlier run left, and what somebody else put there: the services of others
    /// that are wanted here too.
    fn begin(
        &mut self,
        kernel: Box<dyn Kernel + Send>,
        wanted: &Table,
    ) -> Result<(OwnTable, Vec<String>), KernelError> {
        let mut table = Reconciler::new(kernel);
        table.start()?;
        self.compared = Instant::now();
        let ours = self.remembered.keys();
        table.claim(ours.iter().copied());
        let there = table.known().map(|known| &known.services);
        let is_stranger =
            |key: &&ServiceKey| !ours.contains(key) && there.is_some_and(|there| there.contains_key(key));
        let strangers = wanted.services.keys().filter(is_stranger).map(ToString::to_string).collect();
        if !self.settled {
            table.spare(wanted);
        }
        Ok((table, strangers))
    }

    /// When the whole table is to be compared with what it was told; `None` while nobody wants that.
    fn next_comparison(&self) -> Option<Instant> {
        let wanted = self.table.is_some() && *self.reconcile.borrow() != Reconcile::Off;
        wanted.then(|| self.compared + COMPARISON)
    }

    /// Reads the whole table, and puts right what others did to it, if that is wanted. `None`: there is nothing to tell.
    fn compare(&mut self, wanted: &Table) -> Option<TableComparison> {
        self.compared = Instant::now();
        let repairs = *self.reconcile.borrow() == Reconcile::Repair;
        let table = self.table.as_mut()?;
        // A table that cannot be read is told when it is to be changed next.
        let mut found = std::mem::take(&mut self.meanwhile);
        found.extend(if repairs { table.check() } else { table.look() }.ok()?);
        let drift: Vec<String> = found.iter().take(TOLD).map(ToString::to_string).collect();
        let more = found.len().saturating_sub(TOLD);
        let repaired = repairs && !found.is_empty() && table.converge(wanted).is_ok_and(|done| done.settled);
        let tell = self.drifted || !found.is_empty();
        self.drifted = !found.is_empty();
        tell.then_some(TableComparison { drift, more, repaired })
    }

    /// What is in the table, read anew, and how many connections some services have.
    fn survey(&mut self, services: &[ServiceKey]) -> KernelState {
        let Some(table) = &mut self.table else { return KernelState::default() };
        let mut state = KernelState::default();
        // What somebody else changed is read as well; the next comparison tells of it.
        match table.check() {
            Ok(drift) => self.meanwhile.extend(drift),
            Err(error) => {
                state.unavailable = Some(error.to_string());
                return state;
            }
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

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use ipvs_backend::{DestinationKey, DestinationSettings, Forwarding, Service, ServiceSettings};

    use super::*;

    fn table(last: &[u8], weight: u32) -> Table {
        let mut service = Service::new(ServiceSettings::default());
        for last in last {
            let key = DestinationKey::new([10, 0, 1, *last].into(), 80);
            service.destinations.insert(key, DestinationSettings::new(Forwarding::Nat, weight));
        }
        Table { services: [(ServiceKey::tcp([10, 0, 0, 1].into(), 80), Arc::new(service))].into() }
    }

    /// An owner of a table in memory in which somebody was at work before.
    fn owner(kernel: &MemoryKernel, name: &str, mode: Reconcile) -> (Owner, watch::Sender<Reconcile>) {
        let directory = std::env::temp_dir().join(format!("directord-table-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&directory).unwrap();
        let (sender, receiver) = watch::channel(mode);
        let mut owner = Owner::new(Backend::Memory, Remembered::load(&directory, "services"), receiver);
        let (table, strangers) = owner.begin(Box::new(kernel.clone()), &table(&[1, 2], 5)).unwrap();
        assert_eq!(
            strangers.is_empty(),
            kernel.table().services.is_empty(),
            "somebody else's are adopted with a notice"
        );
        owner.table = Some(table);
        (owner, sender)
    }

    fn level(serial: u64, value: Table) -> Level<Table> {
        Level { serial, value: Arc::new(value) }
    }

    #[test]
    fn what_others_change_is_told_and_put_right_or_told_alone() {
        let kernel = MemoryKernel::new();
        let (mut owner, mode) = owner(&kernel, "drift", Reconcile::Repair);
        let wanted = table(&[1, 2], 5);
        owner.carry_out(&level(1, wanted.clone()));
        assert_eq!(owner.compare(&wanted), None);

        kernel.set_table(&table(&[1, 3], 7));
        let found = owner.compare(&wanted).expect("a difference");
        assert!(found.repaired && found.drift.len() == 3, "{found:?}");
        assert_eq!(kernel.table(), wanted);
        assert_eq!(owner.compare(&wanted), Some(TableComparison::default()), "the end is told");
        assert_eq!(owner.compare(&wanted), None);

        mode.send(Reconcile::Report).unwrap();
        kernel.set_table(&table(&[1], 5));
        let found = owner.compare(&wanted).expect("a difference");
        assert!(!found.repaired && found.drift.len() == 1, "{found:?}");
        assert_eq!(owner.compare(&wanted).map(|found| found.drift.len()), Some(1), "it is still there");
        assert_eq!(kernel.table(), table(&[1], 5));

        mode.send(Reconcile::Off).unwrap();
        assert_eq!(owner.next_comparison(), None);
    }

    #[test]
    fn services_that_an_earlier_run_left_go_after_the_first_results_only() {
        let kernel = MemoryKernel::new();
        let (wanted, left) = (table(&[1, 2], 5), ServiceKey::tcp([10, 0, 0, 9].into(), 80));
        let mut more = table(&[1, 9], 5);
        more.services.insert(left, Arc::new(Service::new(ServiceSettings::default())));
        kernel.set_table(&more);
        let (mut owner, _mode) = owner(&kernel, "left", Reconcile::Repair);
        let table = owner.table.as_mut().unwrap();
        table.claim([left]);
        table.spare(&wanted);
        owner.carry_out(&level(1, wanted.clone()));
        let mut held = kernel.table();
        assert!(held.services.remove(&left).is_some());
        assert_eq!(held, wanted, "a server that is not wanted goes at once");
        owner.settle();
        owner.carry_out(&level(2, wanted.clone()));
        assert_eq!(kernel.table(), wanted);
    }
}
