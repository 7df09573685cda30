//! The owner of the addresses, routes and rules of this daemon.
//!
//! A thread of its own, so that a thousand addresses never delay an advert. It tells the [herald](super::herald) of each
//! address that is there, so that no announcement overtakes the address it announces.

use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::Instant;

use vrrp::NetworkLevel;

use super::alert::Alert;
use super::devices::Gate;
use super::holdings::{Hearsay, Holdings};
use super::inbox::Sender;
use super::links::Nudge;
use super::priority;
use crate::director::effect::Level;
use crate::director::event::Event;

/// What the owner can be asked.
#[derive(Debug)]
pub(super) enum Job {
    /// Addresses, routes and rules should be like this.
    Addresses(Level<NetworkLevel>),
    /// Somebody else changed something: look whether all is there.
    Rumours(Vec<Hearsay>),
    /// A level is likely to come in a moment.
    Rouse,
    /// There is nothing more to do.
    End,
}

/// What waited, put together.
#[derive(Debug, Default)]
struct Work {
    /// Of the levels only the newest.
    level: Option<Level<NetworkLevel>>,
    /// `None`: nothing was heard.
    rumours: Option<Vec<Hearsay>>,
    rouse: bool,
    end: bool,
}

/// Works until it is told to end, or the brain's end of the queue is gone.
pub(super) fn work(mut holdings: Holdings, jobs: &Receiver<Job>, gate: &Gate, nudge: &Nudge, inbox: &Sender) {
    priority::prefer(priority::ADDRESSES);
    let mut alert = Alert::default();
    loop {
        let now = Instant::now();
        let due = holdings.due(now);
        let until = [holdings.telling(), due].into_iter().flatten().min();
        let work = match alert.receive(jobs, until) {
            Ok(first) => Work::gather(first, jobs),
            Err(RecvTimeoutError::Timeout) => Work::default(),
            Err(RecvTimeoutError::Disconnected) => return,
        };
        if work.rouse {
            alert.rouse();
        }
        if work.level.is_some() {
            gate.wait();
        }
        let look = work.rumours.is_some() || due.is_some_and(|at| at <= Instant::now());
        let end = work.end;
        carry_out(work, look, &mut holdings, inbox);
        if holdings.take_touched() {
            nudge.nudge();
        }
        if end {
            return;
        }
    }
}

fn carry_out(work: Work, look: bool, holdings: &mut Holdings, inbox: &Sender) {
    if let Some(rumours) = work.rumours {
        holdings.hear(rumours, Instant::now());
    }
    let begun = work.level.map(|level| holdings.take(level));
    if (begun.is_some() || look)
        && let Some(report) = holdings.settle(begun, Instant::now())
    {
        inbox.blocking_event(Event::AddressesApplied(report));
    }
    let taken = holdings.tell(Instant::now());
    if !taken.is_empty() {
        inbox.blocking_event(Event::Taken(taken));
    }
}

impl Work {
    /// Everything that waits.
    fn gather(first: Job, jobs: &Receiver<Job>) -> Self {
        let mut work = Work::default();
        for job in std::iter::once(first).chain(jobs.try_iter()) {
            match job {
                Job::Addresses(newer) => work.level = Some(newer),
                Job::Rumours(rumours) => work.rumours.get_or_insert_default().extend(rumours),
                Job::Rouse => work.rouse = true,
                Job::End => work.end = true,
            }
        }
        work
    }
}
