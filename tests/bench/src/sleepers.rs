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

    /// For how long within this time one processor or another was not to be had. Where one was held up again as soon as its
    /// sleeper slept again, it counts as held in between: of that nobody knows.
    pub fn held_within(&self, from: SystemTime, until: SystemTime) -> Duration {
        let mut held: Vec<Held> = self.each(merged).flatten().collect();
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

/// The same with what is no further apart than a nap taken together.
fn merged(held: &[Held]) -> Vec<Held> {
    let near = |(_, there): &Held, (due, _): &Held| {
        due.duration_since(*there).is_ok_and(|apart| apart < NAP + USUAL)
    };
    let ends = |group: &[Held]| Some((group.first()?.0, group.last()?.1));
    held.chunk_by(near).filter_map(ends).collect()
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
        let at = |tenths: u64| start + Duration::from_micros(tenths * 100);
        let held = |times: &[(u64, u64)]| {
            Arc::new(Mutex::new(times.iter().map(|(due, there)| (at(*due), at(*there))).collect()))
        };
        let sleepers = |held| Sleepers { over: Arc::default(), threads: Vec::new(), held };
        let tenths = |time: Duration| time.as_micros() / 100;

        let two = sleepers(vec![held(&[(100, 150), (200, 240)]), held(&[(120, 180)])]);
        let within = |from, until| tenths(two.held_within(at(from), at(until)));
        assert_eq!([within(0, 90), within(0, 300), within(140, 300), within(130, 210)], [0, 120, 80, 60]);
        assert_eq!([within(160, 170), within(150, 200)], [10, 30]);
        let worst = |from| tenths(two.worst_since(at(from)));
        assert_eq!([worst(0), worst(110), worst(130), worst(250)], [60, 60, 40, 0]);

        let again = sleepers(vec![held(&[(100, 150), (155, 170), (180, 190)])]);
        assert_eq!(tenths(again.held_within(at(0), at(300))), 80, "in between it had no time to be seen");
    }
}
