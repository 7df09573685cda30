//! The memory of this process: where it comes from, and how it is given back.
//!
//! With the C library's `malloc` each thread has an arena, and whoever frees what another thread made locks the arena of
//! that one. The brain frees what probes, readers and the log have made, and they free what the brain has made: with tens
//! of thousands of checks it would wait for threads that run only when nobody else wants to, while an advert is due.
//! mimalloc has no such lock: what belongs to another thread is put on a list of that thread's by one atomic operation.

use std::ffi::c_long;

use libmimalloc_sys::{mi_option_set, mi_option_t};
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

/// Has free memory given back at once, page by page. Text, statements and complaints of ten thousand real servers take
/// several times what the configuration itself does, and are free at once. To give it back later is more work at a time,
/// for whichever thread then happens to ask for memory.
///
/// And has no thread look through all its memory for what is free in it: with forty thousand checks that takes the brain
/// several milliseconds in one piece. A page in which something is free is found when memory of its kind is asked for.
///
/// Called first of all.
#[expect(unsafe_code, reason = "mimalloc's own call, for which no crate has a safe name")]
pub(super) fn arrange() {
    for (option, value) in [(PURGE_DELAY, 0), (COLLECT, SELDOM)] {
        // SAFETY: an option may be set by any thread at any time.
        unsafe { mi_option_set(option, value) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[expect(unsafe_code, reason = "mimalloc's own call, for which no crate has a safe name")]
    fn the_options_are_those_that_are_meant() {
        // SAFETY: an option may be read by any thread at any time.
        let values =
            || [PURGE_DELAY, COLLECT].map(|option| unsafe { libmimalloc_sys::mi_option_get(option) });
        assert_eq!(values(), [1000, 10_000], "mimalloc's usual values; other options have others");
        arrange();
        assert_eq!(values(), [0, SELDOM]);
    }
}
