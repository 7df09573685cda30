//! Whether the machine itself keeps time: a thread on each processor that does nothing but sleep for half a millisecond.
//!
//! A virtual machine is not always given its processors when it should be, and a kernel that does not preempt itself holds
//! up everybody now and then. Nobody can be more punctual than a thread that has nothing else to do and runs before all
//! others (`SCHED_FIFO` 99): where that one is late, so is any daemon on the same processor, and no more can be said of it.

use std::mem::MaybeUninit;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant, SystemTime};

use nix::sched::{CpuSet, sched_getaffinity, sched_setaffinity};
use nix::unistd::Pid;

/// For so long each of them sleeps.
const NAP: Duration = Duration::from_micros(500);

/// To be late by less is usual.
const USUAL: Duration = Duration::from_micros(200);

/// A time at which a processor was not to be had: when it was due, and when it was there.
type Held = (SystemTime, SystemTime);

/// The threads; they end when this is dropped.
#[derive(Debug)]
pub struct Sleepers {
    over: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
    /// Of each processor.
    held: Vec<Arc<Mutex<Vec<Held>>>>,
}

impl Sleepers {
    /// One on each processor that this process may use.
    ///
    /// # Errors
    /// Why they may not run before all others: then they would be late by themselves, and say nothing.
    pub fn start() -> std::io::Result<Sleepers> {
        let mut sleepers = Sleepers { over: Arc::default(), threads: Vec::new(), held: Vec::new() };
        let usable = sched_getaffinity(Pid::from_raw(0))?;
        for cpu in (0..CpuSet::count()).filter(|cpu| usable.is_set(*cpu).unwrap_or(false)) {
            let (over, held) = (sleepers.over.clone(), Arc::default());
            sleepers.held.push(Arc::clone(&held));
            let (tell, told) = std::sync::mpsc::channel();
            sleepers.threads.push(std::thread::spawn(move || {
                let begun = settle_on(cpu);
                let fit = begun.is_ok();
                let _ = tell.send(begun);
                if fit {
                    sleep(&over, &held);
                }
            }));
            told.recv().map_err(std::io::Error::other)??;
        }
        Ok(sleepers)
    }

    /// For how long within this time one processor or another was not to be had.
    pub fn held_within(&self, from: SystemTime, until: SystemTime) -> Duration {
        let mut held: Vec<Held> = self.each(|held| held.to_vec()).flatten().collect();
        held.sort();
        let mut sum = Duration::ZERO;
        let mut counted = from;
        for (due, there) in held {
            let (begin, end) = (due.max(counted), there.min(until));
            sum += end.duration_since(begin).unwrap_or_default();
            counted = counted.max(end);
        }
        sum
    }

    /// The longest time that one was late since then.
    pub fn worst_since(&self, from: SystemTime) -> Duration {
        let late = |(due, there): &Held| there.duration_since(*due).unwrap_or_default();
        let worst = |held: &[Held]| held.iter().filter(|(due, _)| *due >= from).map(late).max();
        self.each(worst).flatten().max().unwrap_or_default()
    }

    fn each<T>(&self, tell: impl Fn(&[Held]) -> T) -> impl Iterator<Item = T> {
        self.held.iter().map(move |held| tell(&held.lock().unwrap_or_else(PoisonError::into_inner)))
    }
}

impl Drop for Sleepers {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Relaxed);
        for thread in self.threads.drain(..) {
            let _ = thread.join();
        }
    }
}

/// Moves the calling thread to a processor, and before all others.
#[expect(
    unsafe_code,
    reason = "no crate in use wraps sched_setscheduler; the call reads one struct, which is whole"
)]
fn settle_on(cpu: usize) -> std::io::Result<()> {
    let mut set = CpuSet::new();
    set.set(cpu)?;
    sched_setaffinity(Pid::from_raw(0), &set)?;
    let mut parameters: libc::sched_param = unsafe { MaybeUninit::zeroed().assume_init() };
    parameters.sched_priority = 99;
    match unsafe { libc::sched_setscheduler(0, libc::SCHED_FIFO, &raw const parameters) } {
        0 => Ok(()),
        _ => Err(std::io::Error::last_os_error()),
    }
}

fn sleep(over: &AtomicBool, held: &Mutex<Vec<Held>>) {
    while !over.load(Ordering::Relaxed) {
        let (begun, wall) = (Instant::now(), SystemTime::now());
        std::thread::sleep(NAP);
        let slept = begun.elapsed();
        if slept > NAP + USUAL {
            held.lock().unwrap_or_else(PoisonError::into_inner).push((wall + NAP, wall + slept));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_holds_up_two_processors_at_once_counts_once() {
        let start = SystemTime::now();
        let at = |millis| start + Duration::from_millis(millis);
        let held = |times: &[(u64, u64)]| {
            Arc::new(Mutex::new(times.iter().map(|(a, b)| (at(*a), at(*b))).collect()))
        };
        let sleepers = Sleepers {
            over: Arc::default(),
            threads: Vec::new(),
            held: vec![held(&[(10, 15), (20, 24)]), held(&[(12, 18)])],
        };
        let within = |from, until| sleepers.held_within(at(from), at(until)).as_millis();
        assert_eq!([within(0, 9), within(0, 30), within(14, 30), within(13, 21)], [0, 12, 8, 6]);
        assert_eq!([within(16, 17), within(15, 20)], [1, 3]);
        let worst = |from| sleepers.worst_since(at(from)).as_millis();
        assert_eq!([worst(0), worst(11), worst(13), worst(25)], [6, 6, 4, 0]);
    }
}
