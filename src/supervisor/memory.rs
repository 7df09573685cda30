//! Memory that reading a large configuration took goes back to the system.
//!
//! Text, statements and complaints of ten thousand real servers take several times what the configuration itself does.
//! They are freed at once, but the C library keeps what is freed for the next allocation, which may never come.
//!
//! It is called once, when the first configuration is in effect, and not after reloads: while it works in an arena no
//! other thread can allocate there, and after a reload the arena of the brain's thread may have tens of thousands of
//! holes. Their memory is taken again by the next reload.

/// Has the C library give back the free memory that it keeps.
#[cfg(target_env = "gnu")]
#[expect(unsafe_code, reason = "the C library's own call, for which no crate has a safe name")]
pub(super) fn give_back() {
    // SAFETY: malloc_trim(3) may be called by any thread at any time; it touches nothing but free memory.
    unsafe {
        libc::malloc_trim(0);
    }
}

/// Other C libraries have no such call.
#[cfg(not(target_env = "gnu"))]
pub(super) fn give_back() {}
