//! The owner of the IPVS table: one thread that holds the only handles to it and to its sync daemons.

use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use clap::ValueEnum;
use ipvs_backend::{
    Drift, Kernel, KernelError, MemoryKernel, NetlinkKernel, Reconciler, ServiceKey, SyncDaemons, Table,
};
use serde::{Deserialize, Serialize};
use tokio::sync::{oneshot, watch};

use super::connections::Counts;
use super::counting::Counting;
use super::inbox::Sender;
use super::priority;
use super::remembered::Remembered;
use super::tally::{self, Tallies};
use super::{ipvs_settings, sync};
use crate::config::Reconcile;
use crate::config::digest::digest_of;
use crate::config::plan::Connections;
use crate::director::effect::{Counted, IpvsSettings, Level};
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
    /// Settings should be like this.
    Settings(Level<IpvsSettings>),
    /// These daemons should run.
    Sync(Level<SyncDaemons>),
    /// Connections of these should be counted from now on.
    Count(Arc<Counted>),
    /// Connections of these should be counted now.
    CountOnce(Counted, oneshot::Sender<Result<Counts, String>>),
    /// What our services and their real servers do should be read.
    Tally(tally::Reply),
    /// What an earlier run left and nobody wants may go.
    Judged,
    /// What is in the table?
    Survey(Question),
    /// Nothing more comes: those who may ask outlive the brain.
    End,
}

/// Whose connections are asked for, and where the answer goes.
type Asked = (Counted, oneshot::Sender<Result<Counts, String>>);

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
    mut owner: Owner,
    mut sync: sync::Owner,
    mut settings: ipvs_settings::Owner,
    jobs: &Receiver<Job>,
    inbox: &Sender,
) {
    priority::prefer(priority::CHECKS);
    let mut duties = Duties::default();
    let mut last_try = Instant::now();
    loop {
        let again = duties.any_due().then(|| last_try + RETRY);
        let wake = [again, duties.counting.due(), owner.next_comparison()].into_iter().flatten().min();
        let received = match wake {
            // There is more to read, unless somebody wants something.
            _ if duties.tallies.is_wanted() => jobs.recv_timeout(Duration::ZERO),
            Some(at) => jobs.recv_timeout(at.saturating_duration_since(Instant::now())),
            None => jobs.recv().map_err(Into::into),
        };
        let first = match received {
            Ok(job) => Some(job),
            Err(RecvTimeoutError::Timeout) => None,
            Err(RecvTimeoutError::Disconnected) => return,
        };
        for job in first.into_iter().chain(jobs.try_iter()) {
            duties.accept(job, &mut owner);
        }
        let fresh = std::mem::take(&mut duties.fresh);
        if fresh || again.is_some_and(|at| at <= Instant::now()) {
            last_try = Instant::now();
            duties.fulfil(&mut owner, &mut sync, &mut settings, inbox);
        }
        owner.answer(std::mem::take(&mut duties.asked), &mut duties.questions);
        duties.tallies.go_on(&mut owner);
        duties.counting.count(&mut owner, inbox);
        if duties.end {
            return;
        }
        duties.compare(&mut owner, inbox);
    }
}

/// A level, and whether something is to be done for it, or done again.
struct Duty<T> {
    level: Option<Level<T>>,
    due: bool,
}

impl<T> Default for Duty<T> {
    fn default() -> Self {
        Self { level: None, due: false }
    }
}

impl<T> Duty<T> {
    fn accept(&mut self, level: Level<T>) {
        (self.level, self.due) = (Some(level), true);
    }

    /// Does what is due. What the kernel refused or could not do stays due.
    fn fulfil(&mut self, carry_out: impl FnOnce(&Level<T>) -> TableReport) -> Option<TableReport> {
        let level = self.level.as_ref().filter(|_| self.due)?;
        let report = carry_out(level);
        self.due = report.unavailable.is_some() || !report.failures.is_empty();
        Some(report)
    }
}

/// All that the owner of the table is asked for.
#[derive(Default)]
struct Duties {
    table: Duty<Table>,
    settings: Duty<IpvsSettings>,
    daemons: Duty<SyncDaemons>,
    counting: Counting,
    asked: Vec<Asked>,
    questions: Vec<Question>,
    tallies: Tallies,
    /// Something came that has not been tried yet.
    fresh: bool,
    end: bool,
}

impl Duties {
    fn any_due(&self) -> bool {
        self.table.due || self.settings.due || self.daemons.due
    }

    fn accept(&mut self, job: Job, owner: &mut Owner) {
        self.fresh |= matches!(job, Job::Table(_) | Job::Settings(_) | Job::Sync(_));
        match job {
            Job::Table(level) => self.table.accept(level),
            Job::Settings(level) => {
                self.table.due |= owner.claim(level.value.claims) && self.table.level.is_some();
                self.settings.accept(level);
            }
            Job::Judged => {
                owner.settle();
                self.table.due |= self.table.level.is_some();
                self.fresh = true;
            }
            Job::Sync(level) => self.daemons.accept(level),
            Job::Count(level) => self.counting.follow(level),
            Job::CountOnce(servers, reply) => self.asked.push((servers, reply)),
            Job::Tally(reply) => self.tallies.ask(reply),
            Job::Survey(question) => self.questions.push(question),
            Job::End => self.end = true,
        }
    }

    /// The slow check, when it is time.
    fn compare(&self, owner: &mut Owner, inbox: &Sender) {
        let due = owner.next_comparison().is_some_and(|at| at <= Instant::now());
        let wanted = self.table.level.as_ref().filter(|_| due);
        if let Some(comparison) = wanted.and_then(|level| owner.compare(&level.value)) {
            inbox.blocking_event(Event::TableCompared(comparison));
        }
    }

    fn fulfil(
        &mut self,
        owner: &mut Owner,
        sync: &mut sync::Owner,
        settings: &mut ipvs_settings::Owner,
        inbox: &Sender,
    ) {
        if let Some(report) = self.daemons.fulfil(|level| sync.carry_out(level)) {
            inbox.blocking_event(Event::SyncApplied(report));
        }
        if let Some(report) = self.settings.fulfil(|level| settings.carry_out(level)) {
            inbox.blocking_event(Event::SettingsApplied(report));
        }
        if let Some(report) = self.table.fulfil(|level| owner.carry_out(level)) {
            inbox.blocking_event(Event::TableApplied(report));
        }
    }
}
/// The kernel's table, and what of it is ours.
pub(super) type OwnTable = Reconciler<Box<dyn Kernel + Send>>;

/// The table's owner.
pub(super) struct Owner {
    backend: Backend,
    remembered: Remembered<ServiceKey>,
    /// The table, once it was needed and could be opened.
    table: Option<OwnTable>,
    /// How often everything in the table was to become ours, and how often it has.
    claims: (u64, u64),
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
        let claims = (0, 0);
        Owner { backend, remembered, table, claims, settled, reconcile, compared, meanwhile, drifted }
    }

    /// What an earlier run left and nobody wants may go, with the next level that is carried out.
    pub(super) fn settle(&mut self) {
        self.settled = true;
        if let Some(table) = &mut self.table {
            table.settle();
        }
    }

    /// From the next convergence on, everything that is in the table then is ours; false if that was known.
    fn claim(&mut self, claims: u64) -> bool {
        let new = self.claims.0 < claims;
        self.claims.0 = claims;
        new
    }

    pub(super) fn carry_out(&mut self, level: &Level<Table>) -> TableReport {
        let mut report = TableReport { serial: level.serial, ..TableReport::default() };
        let nothing_ours = self.remembered.keys().is_empty() && level.value.services.is_empty();
        if self.table.is_none() && nothing_ours && self.claims.0 == self.claims.1 {
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

    /// The table, if it was needed and could be opened.
    pub(super) fn table(&mut self) -> Option<&mut OwnTable> {
        self.table.as_mut()
    }

    /// Answers those who ask, behind the work that was there before.
    fn answer(&mut self, counts: Vec<Asked>, surveys: &mut Vec<Question>) {
        for (servers, reply) in counts {
            let _ = reply.send(self.connections(&servers));
        }
        for Question { services, reply } in surveys.drain(..) {
            let _ = reply.send(self.survey(&services));
        }
    }

    /// The connections of these servers, as the kernel counts them now; of one that is not in the table, nothing. A table
    /// that is out of reach has not lost them.
    pub(super) fn connections(&mut self, servers: &Counted) -> Result<Counts, String> {
        let mut counts = Counts::new();
        let Some(table) = &mut self.table else {
            return Err("the IPVS table is out of reach; `directord status` says why".to_owned());
        };
        for (service, wanted) in servers {
            let mut found = table.connections(service).map_err(|error| error.to_string())?;
            found.retain(|server, _| wanted.contains(server));
            counts.insert(*service, found);
        }
        Ok(counts)
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

    use ipvs_backend::{
        DestinationKey, DestinationSettings, Forwarding, Operation, Service, ServiceSettings, Traffic,
    };

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

    #[tokio::test]
    async fn readers_share_a_tally_and_whoever_has_gone_stops_none() {
        let kernel = MemoryKernel::new();
        let (mut owner, _mode) = owner(&kernel, "tally", Reconcile::Repair);
        owner.carry_out(&level(1, table(&[1, 2], 5)));
        let (ours, server) =
            (ServiceKey::tcp([10, 0, 0, 1].into(), 80), DestinationKey::new([10, 0, 1, 2].into(), 80));
        let traffic = Traffic { bytes_in: 1 << 40, ..Traffic::default() };
        kernel.set_traffic(ours, Some(server), traffic);
        kernel.set_traffic(ours, None, Traffic { connections: 7, ..traffic });
        let foreign = ServiceKey::tcp([10, 0, 0, 9].into(), 80);
        kernel.meddle(&Operation::AddService { key: foreign, settings: ServiceSettings::default() }).unwrap();

        let mut tallies = Tallies::default();
        let mut asked = Vec::new();
        for _ in 0..3 {
            let (reply, answer) = oneshot::channel();
            tallies.ask(reply);
            asked.push(answer);
        }
        drop(asked.pop());
        while tallies.is_wanted() {
            tallies.go_on(&mut owner);
        }
        for answer in asked {
            let tally = answer.await.unwrap().unwrap();
            assert_eq!(tally.services.keys().collect::<Vec<_>>(), [&ours], "nobody else's are counted");
            assert_eq!(
                (tally.services[&ours].traffic.connections, tally.services[&ours].servers.len()),
                (7, 2)
            );
            assert_eq!(tally.services[&ours].servers[&server].traffic, traffic);
        }

        // A kernel that does not answer is told as such, and asked anew by the next reader.
        kernel.fail_next(KernelError::Overrun);
        let (reply, answer) = oneshot::channel();
        tallies.ask(reply);
        tallies.go_on(&mut owner);
        assert!(answer.await.unwrap().is_err() && !tallies.is_wanted());
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
