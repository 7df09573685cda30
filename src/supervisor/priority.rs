//! The threads that must not wait are preferred by the scheduler: adverts first, then addresses.
//!
//! Where the system permits it (`CAP_SYS_NICE`, or systemd's `LimitRTPRIO=`) they are real-time threads of the lowest
//! priorities: they run as soon as they are due, before everything ordinary and after whatever the operator holds to be
//! more urgent. A real-time thread that never waits could keep a core from everybody else; the kernel's own guard
//! (`kernel.sched_rt_runtime_us`) leaves the others their share even then. Otherwise the threads are at least preferred
//! among the ordinary ones (`LimitNICE=`), and without that all threads are equal, as in any other daemon.

use std::mem::MaybeUninit;

use tracing::debug;

/// How much a thread is preferred.
#[derive(Debug, Clone, Copy)]
pub(super) struct Preference {
    /// Among real-time threads, 1 (lowest) to 99.
    real_time: i32,
    /// Among ordinary ones, in nice levels of `setpriority(2)`.
    nice: i32,
}

/// For the thread that sends adverts.
pub(super) const ADVERTS: Preference = Preference { real_time: 2, nice: -15 };

/// For the thread that puts addresses on interfaces and announces them.
pub(super) const ADDRESSES: Preference = Preference { real_time: 1, nice: -10 };

/// Prefers the calling thread. Threads and processes that it starts are ordinary again.
pub(super) fn prefer(preference: Preference) {
    if let Err(error) = real_time(preference.real_time) {
        debug!("this thread does not run in real time: {error}");
        if let Err(error) = nice(preference.nice) {
            debug!("this thread is not preferred: {error}");
        }
    }
}

#[expect(
    unsafe_code,
    reason = "no crate in use wraps sched_setscheduler; the call reads one struct, which is whole"
)]
fn real_time(priority: i32) -> std::io::Result<()> {
    // Some systems have more fields than this one; zero is their default.
    let mut parameters: libc::sched_param = unsafe { MaybeUninit::zeroed().assume_init() };
    parameters.sched_priority = priority;
    let policy = libc::SCHED_RR | libc::SCHED_RESET_ON_FORK;
    // "Process 0" is the calling thread (sched_setscheduler(2)).
    match unsafe { libc::sched_setscheduler(0, policy, &raw const parameters) } {
        0 => Ok(()),
        _ => Err(std::io::Error::last_os_error()),
    }
}

#[expect(
    unsafe_code,
    reason = "no crate in use wraps setpriority; the call takes three integers and no pointer"
)]
fn nice(level: i32) -> std::io::Result<()> {
    // On Linux "process 0" is the calling thread alone (setpriority(2), "C library/kernel differences").
    match unsafe { libc::setpriority(libc::PRIO_PROCESS, 0, level) } {
        0 => Ok(()),
        _ => Err(std::io::Error::last_os_error()),
    }
}
