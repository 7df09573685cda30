//! Runs the attempts that the brain asks for, many at once, on the shared runtime.

use std::sync::Arc;
use std::time::Duration;

use healthcheck::{FailureKind, Outcome};
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use tokio::sync::{Semaphore, mpsc};

use super::inbox::Sender;
use crate::director::effect::Attempt;
use crate::director::event::Event;

/// File descriptors left to everything that is not a probe.
const RESERVE: u64 = 128;

/// Probes under way at most, whatever the limit on open files allows.
const MOST: u64 = 60_000;

/// Lets this process open as many files as the system permits it, and says how many probes that allows.
pub(super) fn raise_file_limit() -> usize {
    let allowed = getrlimit(Resource::RLIMIT_NOFILE).map_or(1024, |(soft, hard)| {
        let raised = setrlimit(Resource::RLIMIT_NOFILE, hard, hard).is_ok();
        if raised { hard } else { soft }
    });
    usize::try_from(allowed.saturating_sub(RESERVE).clamp(16, MOST)).unwrap_or(16)
}

/// Works until the brain's end of the queue is gone.
pub(super) async fn work(mut attempts: mpsc::UnboundedReceiver<Attempt>, inbox: Sender, at_once: usize) {
    let places = Arc::new(Semaphore::new(at_once));
    while let Some(attempt) = attempts.recv().await {
        let Ok(place) = places.clone().acquire_owned().await else { return };
        let inbox = inbox.clone();
        tokio::spawn(async move {
            let (check, number) = (attempt.check, attempt.number);
            // A task of its own: a probe that panics is a failed attempt, not a check that waits for ever.
            let probe =
                tokio::spawn(async move { healthcheck::probe::attempt(&attempt.spec, attempt.step).await });
            let outcome = probe.await.unwrap_or_else(|_| {
                let reason = "the probe itself failed; please report this with the log of this moment";
                Outcome::failed(FailureKind::Local, reason, Duration::ZERO)
            });
            drop(place);
            inbox.event(Event::ProbeDone { check, attempt: number, outcome }).await;
        });
    }
}
