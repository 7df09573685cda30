//! Threads that stay awake for a moment because work is about to come.
//!
//! When a master has been silent for nearly as long as it may, addresses are likely to be wanted in less than a
//! millisecond. A thread that sleeps until then is late by what it takes a processor to wake up, and here one thread
//! hands on to the next.

use std::sync::mpsc::{Receiver, RecvTimeoutError, TryRecvError};
use std::time::{Duration, Instant};

/// How long a roused thread stays awake: a little longer than the loop before a silence is over.
const STAY: Duration = Duration::from_micros(900);

/// Whether a thread stays awake, and until when.
#[derive(Debug, Default)]
pub(super) struct Alert(Option<Instant>);

impl Alert {
    /// Work is about to come.
    pub(super) fn rouse(&mut self) {
        self.0 = Some(Instant::now() + STAY);
    }

    /// The next thing from this queue, or that it is `until`.
    pub(super) fn receive<T>(
        &mut self,
        queue: &Receiver<T>,
        until: Option<Instant>,
    ) -> Result<T, RecvTimeoutError> {
        let awake = self.0.map(|end| until.map_or(end, |until| until.min(end)));
        while awake.is_some_and(|end| Instant::now() < end) {
            match queue.try_recv() {
                Ok(thing) => return Ok(thing),
                Err(TryRecvError::Disconnected) => return Err(RecvTimeoutError::Disconnected),
                // To whoever else was roused, if there is one processor for both.
                Err(TryRecvError::Empty) => std::thread::yield_now(),
            }
        }
        self.0 = self.0.filter(|end| Instant::now() < *end);
        match until {
            None => queue.recv().map_err(|_| RecvTimeoutError::Disconnected),
            Some(until) => queue.recv_timeout(until.saturating_duration_since(Instant::now())),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    #[test]
    fn whoever_is_awake_takes_what_comes_and_keeps_its_times_and_sleeps_after_a_moment() {
        let (sender, queue) = mpsc::channel();
        let mut alert = Alert::default();
        alert.rouse();
        let soon = Instant::now() + STAY / 8;
        assert_eq!(alert.receive::<u8>(&queue, Some(soon)), Err(RecvTimeoutError::Timeout));
        assert!(Instant::now() >= soon);
        sender.send(1).unwrap();
        assert_eq!(alert.receive(&queue, None), Ok(1));
        // Asleep or awake, what comes later comes all the same.
        let later = std::thread::spawn(move || {
            std::thread::sleep(STAY * 2);
            sender.send(2).unwrap();
        });
        assert_eq!(alert.receive(&queue, None), Ok(2));
        assert!(alert.0.is_none());
        later.join().unwrap();
        alert.rouse();
        assert_eq!(alert.receive(&queue, None), Err(RecvTimeoutError::Disconnected));
    }
}
