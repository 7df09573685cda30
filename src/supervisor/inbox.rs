//! How facts reach the brain's thread: a bounded queue, and an eventfd that wakes the loop.
//!
//! Overflow rule: nothing is dropped. A worker that finds the queue full waits; the brain never waits for a worker,
//! so the queue always empties.

use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use nix::sys::eventfd::{EfdFlags, EventFd};
use tokio::sync::{mpsc, oneshot};

use crate::director::Director;
use crate::director::event::Event;
use crate::director::overrides::Order;
use crate::director::snapshot::Snapshot;

/// Facts that may wait for the brain.
const CAPACITY: usize = 65_536;

/// What a worker can hand to the brain's thread.
#[derive(Debug)]
#[expect(
    clippy::large_enum_variant,
    reason = "nearly all are facts: a box for each would cost more than it saves"
)]
pub(super) enum Input {
    /// A fact for the brain.
    Event(Event),
    /// A reader's question; answered between two events, recorded nowhere.
    Snapshot(oneshot::Sender<Snapshot>),
    /// A smaller question; answered and recorded likewise.
    Question(Question),
}

/// What is done with the brain to answer a question.
type Look = Box<dyn FnOnce(&Director, Instant) + Send>;

/// Looks at the brain and sends its answer away.
pub(super) struct Question(pub(super) Look);

impl std::fmt::Debug for Question {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Question")
    }
}

/// The workers' end.
#[derive(Debug, Clone)]
pub struct Sender {
    queue: mpsc::Sender<Input>,
    bell: Arc<Bell>,
}

/// The brain's end.
#[derive(Debug)]
pub(super) struct Inbox {
    queue: mpsc::Receiver<Input>,
    bell: Arc<Bell>,
}

/// What wakes the loop. Who finds it rung already need not ring again: that spares a call of the kernel for each fact.
#[derive(Debug)]
struct Bell {
    wire: EventFd,
    rung: AtomicBool,
}

/// A queue and its two ends.
pub(super) fn inbox() -> nix::Result<(Sender, Inbox)> {
    let wire = EventFd::from_flags(EfdFlags::EFD_NONBLOCK | EfdFlags::EFD_CLOEXEC)?;
    let bell = Arc::new(Bell { wire, rung: AtomicBool::new(false) });
    let (sender, receiver) = mpsc::channel(CAPACITY);
    Ok((Sender { queue: sender, bell: bell.clone() }, Inbox { queue: receiver, bell }))
}

impl Sender {
    /// Hands over a fact. A brain that has ended takes none, and nobody minds.
    pub async fn event(&self, event: Event) {
        let _ = self.queue.send(Input::Event(event)).await;
        self.wake();
    }

    /// Hands over facts, with one wake-up for all of them.
    pub(super) async fn events(&self, events: impl Iterator<Item = Event>) {
        for event in events {
            // Who has to wait for room makes sure that somebody makes it.
            let event = match self.queue.try_send(Input::Event(event)) {
                Ok(()) => continue,
                Err(mpsc::error::TrySendError::Closed(_)) => return,
                Err(mpsc::error::TrySendError::Full(event)) => event,
            };
            self.wake();
            let _ = self.queue.send(event).await;
        }
        self.wake();
    }

    /// Hands over an operator's wish about the base priority of an instance.
    pub(crate) async fn set_priority(&self, instance: &str, priority: Option<u8>) {
        self.event(Event::SetPriority { instance: instance.to_owned(), priority }).await;
    }

    /// Hands over an operator's override, or its end.
    pub(crate) async fn order(&self, order: Order) {
        self.event(Event::Override(order)).await;
    }

    /// Asks the brain something that takes it no time to speak of. `None` once the brain has ended.
    pub(crate) async fn ask<T: Send + 'static>(
        &self,
        question: impl FnOnce(&Director, Instant) -> T + Send + 'static,
    ) -> Option<T> {
        let (sender, receiver) = oneshot::channel();
        let answer = move |director: &Director, now: Instant| {
            let _ = sender.send(question(director, now));
        };
        self.queue.send(Input::Question(Question(Box::new(answer)))).await.ok()?;
        self.wake();
        receiver.await.ok()
    }

    /// The same from a thread without a runtime.
    pub(super) fn blocking_event(&self, event: Event) {
        let _ = self.queue.blocking_send(Input::Event(event));
        self.wake();
    }

    /// Asks for the state as it is now. `None` once the brain has ended.
    pub async fn snapshot(&self) -> Option<Snapshot> {
        let (sender, receiver) = oneshot::channel();
        self.queue.send(Input::Snapshot(sender)).await.ok()?;
        self.wake();
        receiver.await.ok()
    }

    fn wake(&self) {
        if !self.bell.rung.swap(true, Ordering::SeqCst) {
            // The counter is full only after 2^64 wake-ups that nobody read; the loop is awake then anyway.
            let _ = self.bell.wire.write(1);
        }
    }
}

impl Inbox {
    /// Forgets the wake-ups so far. Call before reading the queue, so that none is missed.
    pub(super) fn clear_wakeups(&self) {
        // In this order: whoever comes in between finds the bell rung and is in the queue already, which is read next.
        // The other way round the wire would lose a ring that the bell remembers, and nobody would ring ever again.
        let _ = self.bell.wire.read();
        self.bell.rung.store(false, Ordering::SeqCst);
    }

    /// The next input, if there is one.
    pub(super) fn next(&mut self) -> Option<Input> {
        self.queue.try_recv().ok()
    }

    /// Whether there is more to read.
    pub(super) fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }
}

impl AsFd for Inbox {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.bell.wire.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use std::thread;

    use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

    use super::*;

    /// Milliseconds: long enough for any machine; only a lost ring takes longer.
    const PATIENCE: u16 = 10_000;

    fn is_rung(inbox: &Inbox) -> bool {
        let mut wire = [PollFd::new(inbox.as_fd(), PollFlags::POLLIN)];
        poll(&mut wire, PollTimeout::from(PATIENCE)).is_ok_and(|ready| ready > 0)
    }

    #[test]
    fn no_ring_is_lost_while_the_brain_reads() {
        const SENDERS: usize = 3;
        const FACTS: usize = 30_000;
        let (sender, mut inbox) = inbox().unwrap();
        let senders: Vec<_> = (0..SENDERS)
            .map(|_| {
                let sender = sender.clone();
                thread::spawn(move || {
                    for number in 0..FACTS {
                        sender.blocking_event(Event::Stop);
                        // Now and then the queue runs empty, and the bell is needed.
                        (0..number % 64).for_each(|_| std::hint::spin_loop());
                    }
                })
            })
            .collect();
        let mut seen = 0;
        while seen < SENDERS * FACTS {
            assert!(
                is_rung(&inbox),
                "after {seen} facts: the bell is silent, in the queue: {}",
                !inbox.is_empty()
            );
            inbox.clear_wakeups();
            while inbox.next().is_some() {
                seen += 1;
            }
        }
        senders.into_iter().for_each(|sender| sender.join().unwrap());
    }
}
