//! The threads that must not wait are preferred by the scheduler: adverts first, then addresses.
//!
//! This needs `CAP_SYS_NICE` or a limit that allows it (systemd: `LimitNICE=`); without either, all threads are equal,
//! as in any other daemon. Real-time scheduling is another matter, and the operator's to ask for.

use tracing::debug;

/// For the thread that sends adverts, in nice levels of `setpriority(2)`.
pub(super) const ADVERTS: i32 = -15;

/// For the thread that puts addresses on interfaces and announces them.
pub(super) const ADDRESSES: i32 = -10;

/// Prefers the calling thread.
#[expect(
    unsafe_code,
    reason = "no crate in use wraps setpriority; the call takes three integers and no pointer"
)]
pub(super) fn prefer(nice: i32) {
    // On Linux "process 0" is the calling thread alone (setpriority(2), "C library/kernel differences").
    let result = unsafe { libc::setpriority(libc::PRIO_PROCESS, 0, nice) };
    if result != 0 {
        debug!("this thread is not preferred: {}", std::io::Error::last_os_error());
    }
}
