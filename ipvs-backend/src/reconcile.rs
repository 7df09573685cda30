//! Keeps a kernel's table in step with what is wanted.
//!
//! The [`Reconciler`] remembers what the kernel holds, so that a change costs what it changes: it plans
//! against that memory, applies, reads back the touched services only and compares. What it remembers is
//! corrected by what it reads, and it remembers which services are its own: foreign ones are never touched,
//! and stopping removes ours and no other.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::conn::ConnectionCounts;
use crate::kernel::{Errno, Kernel};
use crate::key::{DestinationKey, ServiceKey};
use crate::model::Table;
use crate::operation::Operation;
use crate::plan::plan;
use crate::traffic::{ServerUsage, Traffic};
use crate::{KernelError, Rejection};

/// How often a change is attempted before what is left of it is reported.
const ATTEMPTS: usize = 3;

/// The one owner of a kernel's table.
#[derive(Debug)]
pub struct Reconciler<K> {
    kernel: K,
    /// What the kernel holds as far as we know; `None` before the first dump and when that is uncertain.
    known: Option<Table>,
    ours: BTreeSet<ServiceKey>,
    /// What an earlier run left that is not wanted now, and may not go yet.
    spared: Spared,
}

/// Services that are not removed for the time being.
#[derive(Debug, Default)]
struct Spared(BTreeSet<ServiceKey>);

impl Spared {
    /// What is wanted again needs no mercy, and has none left when it is not wanted any more.
    fn forget_wanted(&mut self, wanted: &Table) {
        self.0.retain(|key| !wanted.services.contains_key(key));
    }

    fn covers(&self, operation: &Operation) -> bool {
        matches!(operation, Operation::RemoveService { key } if self.0.contains(key))
    }
}

/// What one convergence did.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Report {
    /// The operations that the kernel carried out, in order.
    pub applied: Vec<Operation>,
    /// What the kernel refuses to do. It is attempted again at the next convergence.
    pub refused: Vec<Refusal>,
    /// What differed in the kernel from what it was told, without a refusal: somebody else is at work.
    /// Repaired, if `settled`.
    pub drift: Vec<Drift>,
    /// How often the table had to be read again because answers were lost.
    pub overruns: usize,
    /// Whether the kernel now holds all that is wanted.
    pub settled: bool,
}

/// A change that the kernel refused.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refusal {
    /// The change.
    pub operation: Operation,
    /// The system's error number.
    pub errno: Errno,
    /// Why, in words.
    pub reason: String,
}

/// A difference between the kernel and what it was told, which somebody else made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Drift {
    /// The operation that repairs it.
    pub repair: Operation,
}

impl<K: Kernel> Reconciler<K> {
    /// Takes the kernel over; reads nothing yet.
    pub fn new(kernel: K) -> Self {
        Self { kernel, known: None, ours: BTreeSet::new(), spared: Spared::default() }
    }

    /// Reads the whole table.
    pub fn start(&mut self) -> Result<(), KernelError> {
        self.known = Some(self.kernel.dump()?);
        Ok(())
    }

    /// Declares services to be ours that an earlier run of the program added, so that they are removed unless
    /// wanted. Services of [`Self::converge`]'s table need no claim.
    pub fn claim(&mut self, services: impl IntoIterator<Item = ServiceKey>) {
        self.ours.extend(services);
    }

    /// From here on, services of ours that the kernel holds and `wanted` does not name stay there until
    /// [`Self::settle`]: whoever has just started does not know yet whether what it wants instead is of any use. Real
    /// servers that a wanted service does not name go at once: they may have been found dead a moment ago.
    pub fn spare(&mut self, wanted: &Table) {
        let known = self.known.iter().flat_map(|known| known.services.keys());
        let left = known.filter(|key| self.ours.contains(key) && !wanted.services.contains_key(key));
        self.spared = Spared(left.copied().collect());
    }

    /// What was spared may go: the next [`Self::converge`] removes it.
    pub fn settle(&mut self) {
        self.spared = Spared::default();
    }

    /// The services that are ours.
    pub fn ours(&self) -> &BTreeSet<ServiceKey> {
        &self.ours
    }

    /// What the kernel holds as far as we know, foreign services included; `None` when that is unknown.
    pub fn known(&self) -> Option<&Table> {
        self.known.as_ref()
    }

    /// Makes the kernel hold what is wanted, touching ours only. Services of `wanted` that the kernel has
    /// already are adopted: changed where they differ, and ours from now on.
    ///
    /// # Errors
    /// When the kernel cannot be talked to; the table is then read anew at the next call.
    pub fn converge(&mut self, wanted: &Table) -> Result<Report, KernelError> {
        self.ours.extend(wanted.services.keys());
        let mut report = Report::default();
        for _ in 0..ATTEMPTS {
            match self.try_once(wanted, &mut report) {
                Ok(Next::Attempt) => {}
                Ok(Next::Stop) => break,
                Err(error) => {
                    self.known = None;
                    if error != KernelError::Overrun {
                        return Err(error);
                    }
                    report.overruns += 1;
                }
            }
        }
        if self.known.is_none() {
            return Err(KernelError::Overrun);
        }
        self.forget_removed(wanted);
        Ok(report)
    }

    /// The slow check: reads the whole table and tells where it no longer holds what it was told. The next
    /// [`Self::converge`] repairs it.
    pub fn check(&mut self) -> Result<Vec<Drift>, KernelError> {
        let found = self.kernel.dump()?;
        let Some(mut believed) = self.known.take() else {
            self.known = Some(found);
            return Ok(Vec::new());
        };
        believed.services.retain(|key, _| self.ours.contains(key));
        let repairs = plan(&found, &believed, &BTreeSet::new());
        // Where nothing differs, the shared pointer stays, so that the next plan need not look inside.
        let drifted: BTreeSet<_> = repairs.iter().map(Operation::service).collect();
        let mut known = found;
        for (key, service) in believed.services.into_iter().filter(|(key, _)| !drifted.contains(key)) {
            known.services.insert(key, service);
        }
        self.known = Some(known);
        Ok(repairs.into_iter().map(|repair| Drift { repair }).collect())
    }

    /// The same as [`Self::check`] for somebody who only wants to know: nothing is repaired on that account.
    pub fn look(&mut self) -> Result<Vec<Drift>, KernelError> {
        let believed = self.known.clone();
        let drift = self.check()?;
        self.known = believed;
        Ok(drift)
    }

    /// Removes our services, and no other: what stopping does. They are no longer ours afterwards, except
    /// those that the kernel refused to remove.
    pub fn release(&mut self) -> Result<Report, KernelError> {
        self.settle();
        self.converge(&Table::default())
    }

    /// How many connections each real server of a service has at this moment.
    ///
    /// # Errors
    /// When the kernel cannot be talked to.
    pub fn connections(
        &mut self,
        key: &ServiceKey,
    ) -> Result<BTreeMap<DestinationKey, ConnectionCounts>, KernelError> {
        let usage = self.kernel.usage(key)?;
        Ok(usage.into_iter().map(|(server, usage)| (server, usage.connections)).collect())
    }

    /// What has been counted of each service, foreign ones included.
    ///
    /// # Errors
    /// When the kernel cannot be talked to.
    pub fn traffic(&mut self) -> Result<BTreeMap<ServiceKey, Traffic>, KernelError> {
        self.kernel.traffic()
    }

    /// What each real server of a service does.
    ///
    /// # Errors
    /// When the kernel cannot be talked to.
    pub fn usage(&mut self, key: &ServiceKey) -> Result<BTreeMap<DestinationKey, ServerUsage>, KernelError> {
        self.kernel.usage(key)
    }

    /// Gives the kernel back.
    pub fn into_kernel(self) -> K {
        self.kernel
    }

    fn plan(&mut self, wanted: &Table) -> Result<Vec<Operation>, KernelError> {
        if self.known.is_none() {
            self.start()?;
        }
        let known = self.known.as_ref().expect("start reads the table or fails");
        let mut operations = plan(known, wanted, &self.ours);
        self.spared.forget_wanted(wanted);
        operations.retain(|operation| !self.spared.covers(operation));
        Ok(operations)
    }

    /// Finds out what is to be done and does it.
    fn try_once(&mut self, wanted: &Table, report: &mut Report) -> Result<Next, KernelError> {
        let operations = self.plan(wanted)?;
        report.refused.clear();
        report.settled = operations.is_empty();
        if report.settled { Ok(Next::Stop) } else { self.attempt(operations, wanted, report) }
    }

    fn attempt(
        &mut self,
        operations: Vec<Operation>,
        wanted: &Table,
        report: &mut Report,
    ) -> Result<Next, KernelError> {
        let Attempt { operations, rejections, held_back } = self.carry_out(operations, wanted)?;
        let refused: BTreeSet<usize> = rejections.iter().map(|rejection| rejection.index).collect();
        self.read_back(&operations, wanted)?;
        let mut left: BTreeMap<_, _> =
            self.plan(wanted)?.into_iter().map(|operation| (subject(&operation), operation)).collect();
        report.settled = left.is_empty();
        report.refused = stuck(&operations, rejections, &mut left);
        held_back.iter().for_each(|operation| drop(left.remove(&subject(operation))));
        if refused.is_empty() && report.applied.is_empty() {
            // The usual case, and tens of thousands of operations at a start: handed over, not copied.
            report.applied = operations;
        } else {
            let accepted = operations.into_iter().enumerate().filter(|(index, _)| !refused.contains(index));
            report.applied.extend(accepted.map(|(_, operation)| operation));
        }
        // What is neither done nor refused, somebody else has undone.
        let drifted = !left.is_empty();
        report.drift.extend(left.into_values().map(|repair| Drift { repair }));
        let in_vain = report.refused.iter().all(|refusal| refusal.errno.is_lasting());
        Ok(if in_vain && !drifted { Next::Stop } else { Next::Attempt })
    }

    /// Has the kernel do it: what adds and raises first, and of the rest only what leaves no service empty because
    /// something of that was refused. Returns what was attempted, what was refused of it, and what was held back.
    fn carry_out(&mut self, operations: Vec<Operation>, wanted: &Table) -> Result<Attempt, KernelError> {
        let known = self.known.get_or_insert_default();
        let (mut attempted, lowering) = if operations.iter().any(|operation| lowers(operation, known)) {
            operations.into_iter().partition(|operation| !lowers(operation, known))
        } else {
            // As at a start, when there are the most of them: none is copied.
            (operations, Vec::new())
        };
        let mut rejections = if attempted.is_empty() { Vec::new() } else { self.kernel.apply(&attempted)? };
        if lowering.is_empty() {
            return Ok(Attempt { operations: attempted, rejections, held_back: Vec::new() });
        }
        let refused: Vec<Operation> =
            rejections.iter().filter_map(|rejection| attempted.get(rejection.index).cloned()).collect();
        let precious = precious(known, wanted, &refused);
        let (held_back, lowering): (Vec<_>, Vec<_>) = lowering.into_iter().partition(|operation| {
            operation.destination().is_some() && precious.contains(&operation.service())
        });
        let offset = attempted.len();
        let more = self.kernel.apply(&lowering)?;
        rejections.extend(more.into_iter().map(|more| Rejection { index: more.index + offset, ..more }));
        attempted.extend(lowering);
        Ok(Attempt { operations: attempted, rejections, held_back })
    }

    /// Corrects what we know by what the kernel says about the touched services.
    fn read_back(&mut self, operations: &[Operation], wanted: &Table) -> Result<(), KernelError> {
        let touched: BTreeSet<ServiceKey> = operations.iter().map(Operation::service).collect();
        for key in touched {
            let found = self.kernel.dump_service(&key)?.map(Arc::new);
            let known = self.known.get_or_insert_default();
            let Some(found) = found else {
                known.services.remove(&key);
                continue;
            };
            // Keep the wanted pointer where the kernel holds just that: the next plan compares pointers
            // first.
            let as_wanted = wanted.services.get(&key).filter(|wanted| {
                let one = |service: &Arc<_>| Table { services: BTreeMap::from([(key, Arc::clone(service))]) };
                plan(&one(&found), &one(wanted), &BTreeSet::new()).is_empty()
            });
            known.services.insert(key, as_wanted.cloned().unwrap_or(found));
        }
        Ok(())
    }

    /// A service that is neither wanted nor in the kernel is no longer ours: should it appear again, then by
    /// another.
    fn forget_removed(&mut self, wanted: &Table) {
        let known = self.known.as_ref();
        self.ours.retain(|key| {
            wanted.services.contains_key(key) || known.is_some_and(|known| known.services.contains_key(key))
        });
    }
}

/// What came of a plan.
struct Attempt {
    /// What was attempted, in order.
    operations: Vec<Operation>,
    /// What was refused of it.
    rejections: Vec<Rejection>,
    /// What was not attempted.
    held_back: Vec<Operation>,
}

/// Whether an operation takes something away.
fn lowers(operation: &Operation, known: &Table) -> bool {
    match operation {
        Operation::RemoveService { .. } | Operation::RemoveDestination { .. } => true,
        Operation::SetDestination { service, key, settings } => {
            let held = known.services.get(service).and_then(|service| service.destinations.get(key));
            held.is_some_and(|held| settings.weight < held.weight)
        }
        _ => false,
    }
}

/// The services that would be empty now if all that is not wanted went, only because what is wanted was refused.
fn precious(known: &Table, wanted: &Table, refused: &[Operation]) -> BTreeSet<ServiceKey> {
    let services: BTreeSet<ServiceKey> = refused.iter().map(Operation::service).collect();
    let is_precious = |key: &ServiceKey| {
        let Some(wanted) = wanted.services.get(key).filter(|wanted| wanted.is_usable()) else { return false };
        let refused: BTreeSet<_> = refused
            .iter()
            .filter(|operation| operation.service() == *key)
            .filter_map(Operation::destination)
            .collect();
        let held = known.services.get(key);
        let weight = |server: &DestinationKey| {
            held.and_then(|held| held.destinations.get(server)).map_or(0, |settings| settings.weight)
        };
        !wanted.destinations.iter().any(|(server, settings)| {
            settings.weight.min(if refused.contains(server) { weight(server) } else { u32::MAX }) > 0
        })
    };
    services.into_iter().filter(is_precious).collect()
}

/// What to do after an attempt.
enum Next {
    Stop,
    Attempt,
}

/// A plan has at most one operation for each of these.
fn subject(operation: &Operation) -> (ServiceKey, Option<DestinationKey>) {
    (operation.service(), operation.destination())
}

/// The refusals worth telling: of work that is still left to do, without the real servers of a service that
/// was itself refused. Takes what is refused out of `left`.
fn stuck(
    operations: &[Operation],
    rejections: Vec<Rejection>,
    left: &mut BTreeMap<(ServiceKey, Option<DestinationKey>), Operation>,
) -> Vec<Refusal> {
    let mut refused_services = BTreeSet::new();
    let mut told = Vec::new();
    for Rejection { index, errno, reason } in rejections {
        let Some(operation) = operations.get(index) else { continue };
        if left.get(&subject(operation)) != Some(operation) {
            continue;
        }
        left.remove(&subject(operation));
        if matches!(operation, Operation::AddService { .. }) {
            refused_services.insert(operation.service());
        }
        let follows = operation.destination().is_some() && refused_services.contains(&operation.service());
        if !follows {
            told.push(Refusal { operation: operation.clone(), errno, reason });
        }
    }
    told
}

impl Refusal {
    /// The service concerned.
    pub fn service(&self) -> ServiceKey {
        self.operation.service()
    }

    /// The real server concerned, if it is about one.
    pub fn destination(&self) -> Option<DestinationKey> {
        self.operation.destination()
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.operation, self.reason)
    }
}

impl fmt::Display for Drift {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.repair {
            Operation::AddService { key, .. } => write!(f, "service {key} is missing in the kernel"),
            Operation::SetService { key, .. } => {
                write!(f, "settings of service {key} were changed in the kernel")
            }
            Operation::RemoveService { key } => write!(f, "service {key} was added to the kernel again"),
            Operation::AddDestination { service, key, .. } => {
                write!(f, "real server {key} of {service} is missing in the kernel")
            }
            Operation::SetDestination { service, key, .. } => {
                write!(f, "settings of real server {key} of {service} were changed in the kernel")
            }
            Operation::RemoveDestination { service, key } => {
                write!(f, "real server {key} was added to {service} in the kernel")
            }
        }
    }
}

#[cfg(test)]
mod tests;
