//! Threads that stay awake for a moment because work is about to come.
//!
//! When a master has been silent for nearly as long as it may, addresses are likely to be wanted in less than a
//! millisecond. A thread that sleeps until then is late by what it takes a processor to wake up, and here one thread
//! hands on to the next.

use std::sync::mpsc::{Receiver, RecvTimeoutError, TryRecvError};
use std::time::{Duration, Instant};

use super::vigil::LONGEST;

/// How long a roused thread stays awake: a little longer than the loop before a silence is over, and through what comes then.
const STAY: Duration = LONGEST.saturating_add(Duration::from_micros(500));

/// How often it looks at most in that time. A turn takes about a microsecond, so that the time is over first; but where a
/// clock stands still as long as somebody is busy, as in a simulated machine, waiting for it would not end.
const TURNS: u32 = 12_000;

/// How often a processor is told in each turn that nothing is to be had yet: for a microsecond or so.
const PAUSES: u32 = 32;

/// Whether a thread stays awake: until when, and for how many turns.
#[derive(Debug, Default)]
pub(super) struct Alert(Option<(Instant, u32)>);

impl Alert {
    /// Work is about to come.
    pub(super) fn rouse(&mut self) {
        self.0 = Some((Instant::now() + STAY, TURNS));
    }

    /// The next thing from this queue, or that it is `until`.
    pub(super) fn receive<T>(
        &mut self,
        queue: &Receiver<T>,
        until: Option<Instant>,
    ) -> Result<T, RecvTimeoutError> {
        while let Some((end, turns)) = &mut self.0 {
            let now = Instant::now();
            if *turns == 0 || now >= *end {
                self.0 = None;
                break;
            }
            if until.is_some_and(|until| now >= until) {
                break;
            }
            *turns -= 1;
            match queue.try_recv() {
                Ok(thing) => return Ok(thing),
                Err(TryRecvError::Disconnected) => return Err(RecvTimeoutError::Disconnected),
                Err(TryRecvError::Empty) => {
                    (0..PAUSES).for_each(|_| std::hint::spin_loop());
                    // To whoever else was roused, if there is one processor for both.
                    std::thread::yield_now();
                }
            }
        }
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
    fn it_falls_asleep_as_well_where_the_clock_does_not_get_on() {
        let (_sender, queue) = mpsc::channel::<u8>();
        let mut alert = Alert(Some((Instant::now() + Duration::from_secs(3600), TURNS)));
        let late = Instant::now() + Duration::from_secs(1);
        assert_eq!(alert.receive(&queue, Some(late)), Err(RecvTimeoutError::Timeout));
        assert!(alert.0.is_none());
    }

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
