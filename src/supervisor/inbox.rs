//! How facts reach the brain's thread: a bounded queue, and an eventfd that wakes the loop.
//!
//! Overflow rule: nothing is dropped. A worker that finds the queue full waits; the brain never waits for a worker,
//! so the queue always empties.

use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;

use nix::sys::eventfd::{EfdFlags, EventFd};
use tokio::sync::{mpsc, oneshot};

use crate::director::event::Event;
use crate::director::snapshot::Snapshot;

/// Facts that may wait for the brain.
const CAPACITY: usize = 65_536;

/// What a worker can hand to the brain's thread.
#[derive(Debug)]
#[expect(
    clippy::large_enum_variant,
    reason = "nearly all are events: a box for each would be one more allocation"
)]
pub(super) enum Input {
    /// A fact for the brain.
    Event(Event),
    /// A reader's question; answered between two events, recorded nowhere.
    Snapshot(oneshot::Sender<Snapshot>),
}

/// The workers' end.
#[derive(Debug, Clone)]
pub struct Sender {
    queue: mpsc::Sender<Input>,
    waker: Arc<EventFd>,
}

/// The brain's end.
#[derive(Debug)]
pub(super) struct Inbox {
    queue: mpsc::Receiver<Input>,
    waker: Arc<EventFd>,
}

/// A queue and its two ends.
pub(super) fn inbox() -> nix::Result<(Sender, Inbox)> {
    let waker = Arc::new(EventFd::from_flags(EfdFlags::EFD_NONBLOCK | EfdFlags::EFD_CLOEXEC)?);
    let (sender, receiver) = mpsc::channel(CAPACITY);
    Ok((Sender { queue: sender, waker: waker.clone() }, Inbox { queue: receiver, waker }))
}

impl Sender {
    /// Hands over a fact. A brain that has ended takes none, and nobody minds.
    pub async fn event(&self, event: Event) {
        let _ = self.queue.send(Input::Event(event)).await;
        self.wake();
    }

    /// Hands over an operator's wish about the base priority of an instance.
    pub(crate) async fn set_priority(&self, instance: &str, priority: Option<u8>) {
        self.event(Event::SetPriority { instance: instance.to_owned(), priority }).await;
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
        // The counter is full only after 2^64 wake-ups that nobody read; the loop is awake then anyway.
        let _ = self.waker.write(1);
    }
}

impl Inbox {
    /// Forgets the wake-ups so far. Call before reading the queue, so that none is missed.
    pub(super) fn clear_wakeups(&self) {
        let _ = self.waker.read();
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
        self.waker.as_fd()
    }
}
