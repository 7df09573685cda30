//! The intervals of our side: what our packets say, what is in effect, and the poll that leads from one to the other.
//!
//! While a session is up the neighbour's clocks run by what it was told last. So an interval that would make it believe
//! in a loss (we send more slowly) or us (we expect more) takes effect only when a poll was answered
//! (RFC 5880, 6.5 and 6.8.3); the other direction, and every change while the session is not up, takes effect at once.

use std::time::Duration;

#[derive(Debug, Clone)]
pub(super) struct Timers {
    /// Desired Min TX Interval in our packets, and in effect.
    said_tx: Duration,
    tx: Duration,
    /// Required Min RX Interval in our packets, and in effect.
    said_rx: Duration,
    rx: Duration,
    poll: Poll,
}

/// Whether we wait for an answer to a poll.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Poll {
    Idle,
    Asked,
    /// Something changed while we waited: the answer under way may be to what was said before, so ask once more.
    AskedTwice,
}

impl Timers {
    pub(super) fn new(tx: Duration, rx: Duration) -> Timers {
        Timers { said_tx: tx, tx, said_rx: rx, rx, poll: Poll::Idle }
    }

    /// Other intervals for a session that is up.
    pub(super) fn negotiate(&mut self, tx: Duration, rx: Duration) {
        if (tx, rx) == (self.said_tx, self.said_rx) {
            return;
        }
        (self.said_tx, self.said_rx) = (tx, rx);
        self.tx = self.tx.min(tx);
        self.rx = self.rx.max(rx);
        self.poll = if self.poll == Poll::Idle { Poll::Asked } else { Poll::AskedTwice };
    }

    /// Other intervals for a session that is not up.
    pub(super) fn set(&mut self, tx: Duration, rx: Duration) {
        *self = Timers::new(tx, rx);
    }

    /// The answer to a poll arrived.
    pub(super) fn answered(&mut self) {
        match self.poll {
            Poll::Idle => {}
            Poll::Asked => {
                self.poll = Poll::Idle;
                (self.tx, self.rx) = (self.said_tx, self.said_rx);
            }
            Poll::AskedTwice => self.poll = Poll::Asked,
        }
    }

    /// Whether our packets ask for an answer.
    pub(super) fn polls(&self) -> bool {
        self.poll != Poll::Idle
    }

    /// What our packets say: Desired Min TX and Required Min RX.
    pub(super) fn said(&self) -> (Duration, Duration) {
        (self.said_tx, self.said_rx)
    }

    /// The time between our packets before jitter, for a neighbour that can take one each `remote_rx`.
    pub(super) fn transmit(&self, remote_rx: Duration) -> Duration {
        self.tx.max(remote_rx)
    }

    /// The time between the neighbour's packets that would like to send one each `remote_tx`.
    pub(super) fn expect(&self, remote_tx: Duration) -> Duration {
        self.rx.max(remote_tx)
    }
}
