//! The memory of this process: where it comes from, and how it is given back.
//!
//! With the C library's `malloc` each thread has an arena, and whoever frees what another thread made locks the arena of
//! that one. The brain frees what probes, readers and the log have made, and they free what the brain has made: with tens
//! of thousands of checks it would wait for threads that run only when nobody else wants to, while an advert is due.
//! mimalloc has no such lock: what belongs to another thread is put on a list of that thread's by one atomic operation.

use std::cell::Cell;
use std::ffi::{c_long, c_ulonglong, c_void};
use std::hint::black_box;

use libmimalloc_sys::{mi_option_get, mi_option_set, mi_option_t, mi_register_deferred_free};
use mimalloc::MiMalloc;

#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

/// After how many milliseconds free memory is given back (`mi_option_purge_delay` of mimalloc.h).
const PURGE_DELAY: mi_option_t = 15;

/// After how many requests that were not met from the page at hand a thread goes through all memory that it has, looking
/// for what others have freed (`mi_option_generic_collect`).
const COLLECT: mi_option_t = 34;

/// The most that this may be.
const SELDOM: c_long = 1_000_000;

/// The least: it goes through it as soon as it looks at this option, once in [`BEAT`] of those requests.
const NOW: c_long = 1;
const BEAT: usize = 1000;

/// A request that is never met from the page at hand, whatever is free there: in bytes, more than `MI_SMALL_SIZE_MAX`.
const SLOW: usize = 2048;

/// After so many thousands of those requests, half of what mimalloc would wait for, a thread that must not be held up does
/// it by itself.
const TIDY: u32 = 500;

thread_local! {
    /// Thousands of requests of this thread that were not met from the page at hand, since it went through its memory.
    static THOUSANDS: Cell<u32> = const { Cell::new(0) };
}

/// Has free memory given back at once, page by page. Text, statements and complaints of ten thousand real servers take
/// several times what the configuration itself does, and are free at once. To give it back later is more work at a time,
/// for whichever thread then happens to ask for memory.
///
/// And has no thread go through all its memory for what is free in it: with forty thousand checks that takes the brain
/// several milliseconds in one piece. A page in which something is free is found when memory of its kind is asked for.
/// Only seldom does mimalloc do it still, and the brain before that, when it has the time ([`tidy`]).
///
/// Called first of all.
#[expect(unsafe_code, reason = "mimalloc's own calls, for which no crate has a safe name")]
pub(super) fn arrange() {
    for (option, value) in [(PURGE_DELAY, 0), (COLLECT, SELDOM)] {
        // SAFETY: an option may be set by any thread at any time.
        unsafe { mi_option_set(option, value) };
    }
    // SAFETY: what is registered may be called by any thread at any time, and asks for no memory.
    unsafe { mi_register_deferred_free(Some(count), std::ptr::null_mut()) };
}

/// mimalloc calls this once in [`BEAT`] slow requests of a thread, and when it goes through the memory of one.
extern "C" fn count(_force: bool, _beat: c_ulonglong, _argument: *mut c_void) {
    THOUSANDS.set(THOUSANDS.get().saturating_add(1));
}

/// Whether it is time that this thread goes through its memory, if nothing is due.
pub(super) fn is_untidy() -> bool {
    THOUSANDS.get() >= TIDY
}

/// Goes through all memory of this thread, now: a few milliseconds where there are tens of thousands of checks.
pub(super) fn tidy() {
    go_through();
    THOUSANDS.set(0);
}

/// mimalloc has a call for it, but does it again after that at a time of its own choice: its requests count on. So it is led
/// to believe that this is the time. How often it called [`count`] for it: once for the requests, and once because it did.
#[expect(unsafe_code, reason = "mimalloc's own calls, for which no crate has a safe name")]
fn go_through() -> u32 {
    let before = THOUSANDS.get();
    // SAFETY: an option may be read and set by any thread at any time. Others may go through their memory meanwhile.
    let seldom = unsafe { mi_option_get(COLLECT) };
    // SAFETY: the same.
    unsafe { mi_option_set(COLLECT, NOW) };
    for _ in 0..BEAT {
        drop(black_box(Vec::<u8>::with_capacity(SLOW)));
    }
    // SAFETY: the same.
    unsafe { mi_option_set(COLLECT, seldom) };
    THOUSANDS.get() - before
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[expect(unsafe_code, reason = "mimalloc's own call, for which no crate has a safe name")]
    fn memory_is_gone_through_when_there_is_time() {
        // SAFETY: an option may be read by any thread at any time.
        let values = || [PURGE_DELAY, COLLECT].map(|option| unsafe { mi_option_get(option) });
        assert_eq!(values(), [1000, 10_000], "mimalloc's usual values; other options have others");
        arrange();
        assert_eq!(values(), [0, SELDOM]);

        let ask = |thousands: usize| {
            for _ in 0..thousands * BEAT {
                drop(black_box(Vec::<u8>::with_capacity(SLOW)));
            }
        };
        ask(TIDY as usize - 5);
        assert!((TIDY - 5..TIDY).contains(&THOUSANDS.get()), "{}", THOUSANDS.get());
        assert!(!is_untidy());
        ask(5);
        assert!(is_untidy());
        tidy();
        assert_eq!((is_untidy(), values()), (false, [0, SELDOM]));
        assert_eq!(go_through(), 2, "one of them because it was done");
    }
}
