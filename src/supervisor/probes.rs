//! Runs the attempts that the brain asks for, many at once.
//!
//! Most attempts are little more than a few calls of the kernel, and so they are made on one thread that does nothing
//! else: handing each of them from thread to thread would cost more than the attempt. What needs the processor (TLS)
//! or processes of its own (commands) runs on the shared runtime. Results go to the brain in batches.

mod command;

use std::future::{Future, poll_fn};
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::sync::{Arc, Mutex};
use std::task::Poll;
use std::time::Duration;

use healthcheck::{FailureKind, Kind, Outcome};
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use tokio::runtime::Handle;
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore, mpsc};

use super::command::Executor;
use super::inbox::Sender;
use super::priority;
use crate::director::effect::Attempt;
use crate::director::event::Event;
use command::Commands;

/// File descriptors left to everything that is not a probe.
const RESERVE: u64 = 128;

/// Probes under way at most, whatever the limit on open files allows.
const MOST: u64 = 60_000;

/// Attempts that are begun before those under way may go on: so many, or this part of those that wait.
const BATCH: usize = 64;
const SHARE: usize = 512;

/// With more attempts under way than this, others wait a little before they begin. Ten thousand that are due at once, when
/// the daemon starts, would otherwise all be under way at once, each with its memory; and servers that hang must not keep
/// the others from being asked, so that it is a pause and no limit.
const CROWD: usize = 512;
const PAUSE: Duration = Duration::from_millis(4);

/// Lets this process open as many files as the system permits it, and says how many probes that allows.
fn raise_file_limit() -> usize {
    let allowed = getrlimit(Resource::RLIMIT_NOFILE).map_or(1024, |(soft, hard)| {
        let raised = setrlimit(Resource::RLIMIT_NOFILE, hard, hard).is_ok();
        if raised { hard } else { soft }
    });
    usize::try_from(allowed.saturating_sub(RESERVE).clamp(16, MOST)).unwrap_or(16)
}

/// Starts the thread; it ends with the brain's end of the queue. Call on the shared runtime.
pub(super) fn start(
    attempts: mpsc::UnboundedReceiver<Attempt>,
    inbox: Sender,
    executor: Executor,
) -> io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let most = raise_file_limit();
    let probes = Probes {
        most,
        places: Arc::new(Semaphore::new(most)),
        results: Arc::default(),
        shared: Handle::current(),
        commands: Commands::new(executor),
    };
    std::thread::Builder::new().name("probes".to_owned()).spawn(move || {
        priority::prefer(priority::CHECKS);
        runtime.block_on(async {
            tokio::spawn(probes.results.clone().deliver(inbox));
            probes.work(attempts).await;
        });
        priority::dismiss();
    })?;
    Ok(())
}

struct Probes {
    /// All the places that there are.
    most: usize,
    places: Arc<Semaphore>,
    results: Arc<Results>,
    shared: Handle,
    commands: Commands,
}

impl Probes {
    async fn work(&self, mut attempts: mpsc::UnboundedReceiver<Attempt>) {
        let mut batch = Vec::with_capacity(BATCH);
        while attempts.recv_many(&mut batch, BATCH.max(attempts.len() / SHARE)).await > 0 {
            for attempt in batch.drain(..) {
                let Some(place) = self.place().await else { return };
                self.begin(attempt, place);
            }
            if self.most.saturating_sub(self.places.available_permits()) > CROWD {
                tokio::time::sleep(PAUSE).await;
            }
        }
    }

    async fn place(&self) -> Option<OwnedSemaphorePermit> {
        match self.places.clone().try_acquire_owned() {
            Ok(place) => Some(place),
            Err(_) => self.places.clone().acquire_owned().await.ok(),
        }
    }

    fn begin(&self, attempt: Attempt, place: OwnedSemaphorePermit) {
        let results = self.results.clone();
        let elsewhere = match &attempt.spec.kind {
            Kind::Command(_) => {
                // They have places of their own.
                drop(place);
                let commands = self.commands.clone();
                self.shared.spawn(async move { commands.run(attempt, &results).await });
                return;
            }
            kind => kind.speaks_tls(),
        };
        let probe = async move {
            let outcome = unless_it_panics(healthcheck::probe::attempt(&attempt.spec, attempt.step)).await;
            drop(place);
            results.add(&attempt, outcome);
        };
        if elsewhere {
            self.shared.spawn(probe)
        } else {
            tokio::spawn(probe)
        };
    }
}

/// A probe that panics is a failed attempt, not a check that waits for ever.
async fn unless_it_panics(probe: impl Future<Output = Outcome>) -> Outcome {
    let mut probe = pin!(probe);
    let caught = poll_fn(|context| match catch_unwind(AssertUnwindSafe(|| probe.as_mut().poll(context))) {
        Ok(polled) => polled.map(Some),
        Err(_) => Poll::Ready(None),
    });
    caught.await.unwrap_or_else(|| {
        let reason = "the probe itself failed; please report this with the log of this moment";
        Outcome::failed(FailureKind::Local, reason, Duration::ZERO)
    })
}

/// Results that come together at most, but for moments like the start.
const USUAL: usize = 1024;

/// Results that are on their way to the brain.
#[derive(Debug, Default)]
struct Results {
    waiting: Mutex<Vec<Event>>,
    some: Notify,
}

impl Results {
    fn add(&self, attempt: &Attempt, outcome: Outcome) {
        let event = Event::ProbeDone { check: attempt.check, attempt: attempt.number, outcome };
        let mut waiting = self.waiting.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        waiting.push(event);
        if waiting.len() == 1 {
            self.some.notify_one();
        }
    }

    /// Hands over what has come together since it looked last.
    async fn deliver(self: Arc<Self>, inbox: Sender) {
        let mut batch = Vec::new();
        loop {
            self.some.notified().await;
            // Those that are as good as done come along.
            tokio::task::yield_now().await;
            {
                let mut waiting = self.waiting.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
                std::mem::swap(&mut batch, &mut *waiting);
            }
            inbox.events(batch.drain(..)).await;
            batch.shrink_to(USUAL);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_probe_that_panics_has_failed() {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let outcome = runtime.block_on(unless_it_panics(async {
            tokio::task::yield_now().await;
            panic!("on purpose")
        }));
        assert_eq!(outcome.result.unwrap_err().kind, FailureKind::Local);
        let passed = Outcome::passed(Duration::ZERO);
        assert_eq!(runtime.block_on(unless_it_panics(async { passed.clone() })), passed);
    }
}
