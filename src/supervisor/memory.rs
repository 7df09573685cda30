//! The memory of this process: where it comes from, and how it is given back.
//!
//! With the C library's `malloc` each thread has an arena, and whoever frees what another thread made locks the arena of
//! that one. The brain frees what probes, readers and the log have made, and they free what the brain has made: with tens
//! of thousands of checks it would wait for threads that run only when nobody else wants to, while an advert is due.
//! mimalloc has no such lock: what belongs to another thread is put on a list of that thread's by one atomic operation.

use libmimalloc_sys::{mi_option_set, mi_option_t};
use mimalloc::MiMalloc;

#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

/// After how many milliseconds free memory is given back (`mi_option_purge_delay` of mimalloc.h).
const PURGE_DELAY: mi_option_t = 15;

/// Has free memory given back at once, page by page. Text, statements and complaints of ten thousand real servers take
/// several times what the configuration itself does, and are free at once. To give it back later is more work at a time,
/// for whichever thread then happens to ask for memory.
///
/// Called first of all.
#[expect(unsafe_code, reason = "mimalloc's own call, for which no crate has a safe name")]
pub(super) fn give_back_at_once() {
    // SAFETY: an option may be set by any thread at any time.
    unsafe { mi_option_set(PURGE_DELAY, 0) };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[expect(unsafe_code, reason = "mimalloc's own call, for which no crate has a safe name")]
    fn the_option_is_the_one_that_is_meant() {
        // SAFETY: an option may be read by any thread at any time.
        let value = || unsafe { libmimalloc_sys::mi_option_get(PURGE_DELAY) };
        assert_eq!(value(), 1000, "mimalloc's usual delay; another option has another value");
        give_back_at_once();
        assert_eq!(value(), 0);
    }
}
