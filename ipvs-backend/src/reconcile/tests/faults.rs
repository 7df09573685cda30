//! A kernel in which something happens at any step: an error, or somebody else's hand.

use std::cell::{Cell, RefCell};

use super::*;

/// One step of a change.
pub(super) enum Step<'a> {
    /// This operation is about to be carried out.
    Change(&'a Operation),
    /// The table, or a part of it, is about to be read.
    Read,
}

/// What becomes of a step: nothing, or the operation is refused with this error, or nobody knows.
pub(super) type Fate = Result<Option<Errno>, KernelError>;

/// A kernel that asks before each step what becomes of it.
pub(super) struct Hooked<F> {
    pub(super) kernel: MemoryKernel,
    pub(super) before: F,
}

impl<F: FnMut(&MemoryKernel, Step<'_>) -> Fate> Kernel for Hooked<F> {
    fn apply(&mut self, operations: &[Operation]) -> Result<Vec<Rejection>, KernelError> {
        let mut rejections = Vec::new();
        for (index, operation) in operations.iter().enumerate() {
            if let Some(errno) = (self.before)(&self.kernel, Step::Change(operation))? {
                rejections.push(Rejection::new(index, operation, errno, None));
                continue;
            }
            let done = self.kernel.apply(std::slice::from_ref(operation))?;
            rejections.extend(done.into_iter().map(|rejection| Rejection { index, ..rejection }));
        }
        Ok(rejections)
    }

    fn dump(&mut self) -> Result<Table, KernelError> {
        (self.before)(&self.kernel, Step::Read)?;
        self.kernel.dump()
    }

    fn dump_service(&mut self, key: &ServiceKey) -> Result<Option<crate::Service>, KernelError> {
        (self.before)(&self.kernel, Step::Read)?;
        self.kernel.dump_service(key)
    }

    fn traffic(&mut self) -> Result<BTreeMap<ServiceKey, Traffic>, KernelError> {
        self.kernel.traffic()
    }

    fn usage(&mut self, key: &ServiceKey) -> Result<BTreeMap<DestinationKey, ServerUsage>, KernelError> {
        self.kernel.usage(key)
    }

    fn daemons(&mut self) -> Result<crate::SyncDaemons, KernelError> {
        self.kernel.daemons()
    }

    fn change_daemon(&mut self, change: &crate::SyncChange) -> Result<Option<Errno>, KernelError> {
        self.kernel.change_daemon(change)
    }

    fn timeouts(&mut self) -> Result<crate::Timeouts, KernelError> {
        self.kernel.timeouts()
    }

    fn set_timeouts(&mut self, timeouts: &crate::Timeouts) -> Result<Option<Errno>, KernelError> {
        self.kernel.set_timeouts(timeouts)
    }
}

#[test]
fn a_table_that_is_changed_under_our_hands_ends_as_wanted() {
    let kernel = MemoryKernel::with_table(&table(&[("FWM 9", &[("10.9.0.1:0", 1)])]));
    let wanted =
        table(&[(WEB, &[("10.1.0.1:80", 1), ("10.1.0.2:80", 1), ("10.1.0.3:80", 1)]), ("FWM 1", &[])]);
    // Behind our second operation the service goes, behind the next it is there again, of somebody else; and in the next
    // attempt one of its servers is changed.
    let mut theirs: Vec<(usize, Operation)> = vec![
        (
            2,
            Operation::SetDestination { service: service(WEB), key: server("10.1.0.3:80"), settings: nat(7) },
        ),
        (1, Operation::AddService { key: service(WEB), settings: ServiceSettings::default() }),
        (2, Operation::RemoveService { key: service(WEB) }),
    ];
    let before = |kernel: &MemoryKernel, step: Step<'_>| -> Fate {
        if let Step::Change(_) = step {
            if let Some((_, theirs)) = theirs.pop_if(|(after, _)| *after == 0) {
                // It may have nothing to do it to.
                let _ = kernel.meddle(&theirs);
            }
            if let Some((after, _)) = theirs.last_mut() {
                *after = after.saturating_sub(1);
            }
        }
        Ok(None)
    };
    let mut reconciler = Reconciler::new(Hooked { kernel: kernel.clone(), before });
    let report = reconciler.converge(&wanted).unwrap();
    assert!(report.settled && report.refused.is_empty(), "{report:?}");
    assert!(!report.drift.is_empty(), "what was undone is told");
    let mut held = kernel.table();
    assert!(held.services.remove(&service("FWM 9")).is_some(), "somebody else's is untouched");
    assert_eq!(held, wanted);
    assert_eq!(reconciler.check().unwrap(), []);
}

/// What can happen at a step.
#[derive(Debug, Clone, Copy)]
enum Trouble {
    /// One operation is refused.
    Refused(Errno),
    /// From there on every operation is, until the trouble is over.
    RefusedOn(Errno),
    /// A call fails.
    Failed,
    /// Answers are lost.
    Lost,
}

const TROUBLES: [Trouble; 6] = [
    Trouble::Refused(Errno::ENOMEM),
    Trouble::Refused(Errno::EBUSY),
    Trouble::Refused(Errno::EPERM),
    Trouble::RefusedOn(Errno::ENOMEM),
    Trouble::Failed,
    Trouble::Lost,
];

/// Goes from `held` to `wanted` with trouble at this step; false if there is no such step.
fn go_through(
    (held, wanted): (&Table, &Table),
    claimed: &BTreeSet<ServiceKey>,
    (place, trouble): (usize, Trouble),
) -> Result<bool, TestCaseError> {
    let kernel = MemoryKernel::with_table(held);
    let before = kernel.table();
    let usable = |table: &Table, key: &ServiceKey| table.services.get(key).is_some_and(|s| s.is_usable());
    let served: Vec<_> =
        wanted.services.keys().filter(|key| usable(&before, key) && usable(wanted, key)).collect();
    let (steps, armed, emptied) = (Cell::new(0), Cell::new(true), RefCell::new(None));
    let hook = |kernel: &MemoryKernel, step: Step<'_>| -> Fate {
        let table = kernel.table();
        if !served.iter().all(|key| usable(&table, key)) {
            emptied.borrow_mut().get_or_insert_with(|| match step {
                Step::Change(operation) => format!("before it was to {operation}"),
                Step::Read => "before a reading".to_owned(),
            });
        }
        let at = steps.replace(steps.get() + 1);
        match trouble {
            _ if !armed.get() => Ok(None),
            Trouble::RefusedOn(errno) if at >= place => Ok(Some(errno)),
            Trouble::Refused(errno) if at == place => Ok(Some(errno)),
            Trouble::Failed if at == place => Err(KernelError::NoPrivilege),
            Trouble::Lost if at == place => Err(KernelError::Overrun),
            _ => Ok(None),
        }
    };
    let mut reconciler = Reconciler::new(Hooked { kernel: kernel.clone(), before: hook });
    reconciler.claim(claimed.iter().copied());
    let first = reconciler.converge(wanted);
    let reached = steps.get() > place;
    match trouble {
        // What passes is overcome at once.
        Trouble::Refused(Errno::ENOMEM | Errno::EBUSY) | Trouble::Lost => {
            prop_assert!(first.as_ref().is_ok_and(|report| report.settled), "{:?}", first);
        }
        Trouble::Failed => prop_assert_eq!(first.is_err(), reached),
        Trouble::Refused(_) | Trouble::RefusedOn(_) => prop_assert!(first.is_ok()),
    }
    armed.set(false);
    let report = reconciler.converge(wanted).expect("the trouble is over");
    prop_assert!(report.settled && report.refused.is_empty() && report.drift.is_empty(), "{:?}", report);
    prop_assert_eq!(emptied.take(), None);
    let mut ours = claimed.clone();
    ours.extend(wanted.services.keys());
    let after = kernel.table();
    prop_assert_eq!(plan(&after, wanted, &ours), Vec::new());
    for (key, service) in before.services.iter().filter(|(key, _)| !ours.contains(key)) {
        prop_assert_eq!(after.services.get(key), Some(service), "a foreign service");
    }
    Ok(reached)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 100, failure_persistence: None, ..ProptestConfig::default() })]

    /// One after the other each operation and each reading goes wrong, in each way: the end is what is wanted, what is
    /// foreign stays, and what serves before and after serves all the time.
    #[test]
    fn trouble_at_any_step_is_overcome_and_costs_no_service(
        held in any_table(), wanted in any_table(), claimed in any_keys(),
    ) {
        for trouble in TROUBLES {
            let mut place = 0;
            while go_through((&held, &wanted), &claimed, (place, trouble))? {
                place += 1;
            }
        }
    }
}
