//! The worker that delivers: takes notices, runs the outbox, sends, reports.
//!
//! The producer never waits: [`Notices::send`] puts a notice into a bounded channel or, if the worker has
//! been kept from running for so long that the channel is full, counts it as missed; the next mail tells.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use tokio::sync::{mpsc, watch};
use tokio::time::{sleep_until, timeout};

use crate::email::Accepted;
use crate::error::DeliveryError;
use crate::notice::Notice;
use crate::rules::{Failure, Limits, Outbox, Output};
use crate::settings::EmailSettings;

/// What became of a notice. Reports are for the log and for counting; they are dropped, not waited for,
/// when nobody takes them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DeliveryReport {
    /// The mail server took it.
    Sent {
        /// The notice's subject.
        subject: String,
        /// The recipients the server refused, each with its reply.
        refused: Vec<(String, String)>,
    },
    /// It could not be delivered yet and will be tried again.
    Delayed {
        /// The notice's subject.
        subject: String,
        /// Why the try failed.
        reason: String,
        /// The pause until the next try.
        pause: Duration,
    },
    /// It will not be delivered.
    Lost {
        /// The notice's subject.
        subject: String,
        /// Why not.
        reason: String,
    },
}

/// The producer's end: cheap to clone, never blocks.
#[derive(Debug, Clone)]
pub struct Notices {
    queue: mpsc::Sender<Notice>,
    missed: Arc<AtomicU64>,
}

impl Notices {
    /// Hands a notice to the worker. `false` when it had to be dropped: the channel is full, or the worker
    /// has ended.
    pub fn send(&self, notice: Notice) -> bool {
        let taken = self.queue.try_send(notice).is_ok();
        if !taken {
            self.missed.fetch_add(1, Ordering::Relaxed);
        }
        taken
    }
}

/// The worker's end.
#[derive(Debug)]
pub struct NoticeReceiver {
    queue: mpsc::Receiver<Notice>,
    missed: Arc<AtomicU64>,
}

/// A channel from the producer of notices to the worker, for so many notices at once (0 counts as 1).
pub fn channel(capacity: usize) -> (Notices, NoticeReceiver) {
    let (sender, receiver) = mpsc::channel(capacity.max(1));
    let missed = Arc::new(AtomicU64::new(0));
    (Notices { queue: sender, missed: Arc::clone(&missed) }, NoticeReceiver { queue: receiver, missed })
}

/// Delivers notices until every [`Notices`] is dropped, then tries for [`Limits::flush`] to deliver what is
/// left, and returns. While there are no settings, notices are taken and forgotten. Changed settings hold
/// from the next try on, which is made at once.
pub async fn deliver(
    mut notices: NoticeReceiver,
    mut settings: watch::Receiver<Option<EmailSettings>>,
    reports: mpsc::Sender<DeliveryReport>,
    limits: Limits,
) {
    let flush = limits.flush;
    let mut worker = Worker { outbox: Outbox::new(limits), running: None, reports };
    worker.serve(&mut notices, &mut settings).await;
    worker.outbox.handle_overflow(notices.missed.swap(0, Ordering::Relaxed));
    worker.outbox.handle_hurry();
    worker.drain(&settings);
    // Whether all went out in time or not, the end below reports what did not.
    let _ = timeout(flush, worker.finish(&settings)).await;
    worker.outbox.handle_end();
    worker.drain(&settings);
}

type Sending = Pin<Box<dyn Future<Output = (u64, String, Result<Accepted, DeliveryError>)> + Send>>;

struct Worker {
    outbox: Outbox,
    /// The try on its way.
    running: Option<Sending>,
    reports: mpsc::Sender<DeliveryReport>,
}

impl Worker {
    /// The loop while there are producers.
    async fn serve(
        &mut self,
        notices: &mut NoticeReceiver,
        settings: &mut watch::Receiver<Option<EmailSettings>>,
    ) {
        let mut settings_live = true;
        loop {
            let wake = self.outbox.poll_timeout();
            tokio::select! {
                biased;
                done = finished(&mut self.running) => self.handle_done(done),
                changed = settings.changed(), if settings_live => match changed {
                    Ok(()) => self.outbox.handle_hurry(),
                    Err(_) => settings_live = false,
                },
                notice = notices.queue.recv() => match notice {
                    Some(notice) => {
                        self.outbox.handle_overflow(notices.missed.swap(0, Ordering::Relaxed));
                        self.outbox.handle_notice(notice);
                    }
                    None => return,
                },
                () = until(wake.map(|(instant, _)| instant)) => self.outbox.handle_timeout(Instant::now()),
            }
            self.drain(settings);
        }
    }

    /// The loop without producers, until nothing is left.
    async fn finish(&mut self, settings: &watch::Receiver<Option<EmailSettings>>) {
        while !self.outbox.is_empty() {
            let wake = self.outbox.poll_timeout();
            tokio::select! {
                biased;
                done = finished(&mut self.running) => self.handle_done(done),
                () = until(wake.map(|(instant, _)| instant)) => self.outbox.handle_timeout(Instant::now()),
            }
            self.drain(settings);
        }
    }

    fn handle_done(&mut self, (number, subject, result): (u64, String, Result<Accepted, DeliveryError>)) {
        self.running = None;
        let result = match result {
            Ok(accepted) => {
                self.report(DeliveryReport::Sent { subject, refused: accepted.refused });
                Ok(())
            }
            Err(error) => Err(Failure { reason: error.to_string(), permanent: error.is_permanent() }),
        };
        self.outbox.handle_result(number, result, Instant::now());
    }

    /// Carries out what the outbox wants.
    fn drain(&mut self, settings: &watch::Receiver<Option<EmailSettings>>) {
        let settings = settings.borrow().clone();
        if settings.is_none() {
            self.outbox.handle_silence();
        }
        while let Some(output) = self.outbox.poll_output() {
            match (output, &settings) {
                (Output::Send { number, notice }, Some(settings)) => {
                    let settings = settings.clone();
                    self.running = Some(Box::pin(async move {
                        let result = settings.send(&notice).await;
                        (number, notice.subject, result)
                    }));
                }
                // There is nobody to tell, so it is as good as told.
                (Output::Send { number, .. }, None) => {
                    self.outbox.handle_result(number, Ok(()), Instant::now());
                }
                (Output::Delayed { subject, reason, pause }, _) => {
                    self.report(DeliveryReport::Delayed { subject, reason, pause });
                }
                (Output::Lost { notice, reason }, _) => {
                    self.report(DeliveryReport::Lost { subject: notice.subject, reason });
                }
            }
        }
    }

    fn report(&self, report: DeliveryReport) {
        // A full or closed channel means that nobody is interested now.
        let _ = self.reports.try_send(report);
    }
}

/// Ends with the running try; never, if there is none.
async fn finished(running: &mut Option<Sending>) -> (u64, String, Result<Accepted, DeliveryError>) {
    match running {
        Some(sending) => sending.as_mut().await,
        None => std::future::pending().await,
    }
}

/// Ends at an instant; never, if there is none.
async fn until(instant: Option<Instant>) {
    match instant {
        Some(instant) => sleep_until(instant.into()).await,
        None => std::future::pending().await,
    }
}

#[cfg(test)]
mod tests;
