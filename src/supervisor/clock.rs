//! Notices that the wall clock was set (by an operator, by a time daemon that steps it, or by a sleep of the machine).
//!
//! A timer on that clock which is never to fire is cancelled by the kernel when the clock is set
//! (`TFD_TIMER_CANCEL_ON_SET`, timerfd_create(2)), and becomes readable.

use std::os::fd::{AsFd, BorrowedFd};
use std::time::{Duration, SystemTime};

use nix::sys::time::TimeSpec;
use nix::sys::timerfd::{ClockId, Expiration, TimerFd, TimerFlags, TimerSetTimeFlags};

/// Further than any clock goes; the kernel clips it to its own limit.
const NEVER: Duration = Duration::from_secs(i64::MAX as u64 / 1_000_000_000);

/// A descriptor that is readable when the wall clock was set.
#[derive(Debug)]
pub(super) struct ClockWatch {
    timer: TimerFd,
}

impl ClockWatch {
    pub(super) fn new() -> nix::Result<Self> {
        let flags = TimerFlags::TFD_NONBLOCK | TimerFlags::TFD_CLOEXEC;
        let watch = ClockWatch { timer: TimerFd::new(ClockId::CLOCK_REALTIME, flags)? };
        watch.arm()?;
        Ok(watch)
    }

    /// Waits for the next time, and tells what the clock says now: a change between the two is not missed.
    pub(super) fn rearm(&self) -> nix::Result<SystemTime> {
        // It says ECANCELED, which is known.
        let _ = self.timer.wait();
        self.arm()?;
        Ok(SystemTime::now())
    }

    fn arm(&self) -> nix::Result<()> {
        let flags = TimerSetTimeFlags::TFD_TIMER_ABSTIME | TimerSetTimeFlags::TFD_TIMER_CANCEL_ON_SET;
        self.timer.set(Expiration::OneShot(TimeSpec::from(NEVER)), flags)
    }
}

impl AsFd for ClockWatch {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.timer.as_fd()
    }
}
