//! The memory of this process: how it grows, and how it is given back.
//!
//! With the C library of GNU each thread has memory of its own. By itself that grows page by page, each by a call of the
//! system, during which everybody waits who has something of it to free: ten thousand real servers would be twelve
//! hundred such calls on the thread of the brain.

/// What a thread's memory has room for at its beginning, in bytes. Only what is used of it takes any.
pub(super) const STEP: i32 = 1 << 20;

/// The same of the brain, which holds all real servers: some tens of thousands.
pub(super) const LARGE_STEP: i32 = 32 << 20;

/// Threads that begin from now on have room for so much.
#[cfg(target_env = "gnu")]
#[expect(unsafe_code, reason = "the C library's own call, for which no crate has a safe name")]
pub(super) fn grow_by(bytes: i32) {
    // SAFETY: mallopt(3) may be called by any thread and takes any number for this; it means nothing but speed to whoever
    // allocates at the same time.
    unsafe {
        libc::mallopt(libc::M_TOP_PAD, bytes);
    }
}

/// Other C libraries have no such thing.
#[cfg(not(target_env = "gnu"))]
pub(super) fn grow_by(_: i32) {}

/// Called first on a thread for which more room was asked for: others have the usual again.
pub(super) fn begin() {
    // The thread's memory is made with the first of it that is used.
    drop(std::hint::black_box(Box::new([0_u8; 64])));
    grow_by(STEP);
}

/// Has the C library give back the free memory that it keeps. Text, statements and complaints of ten thousand real servers
/// take several times what the configuration itself does; they are freed at once, and kept for the next allocation, which
/// may never come.
///
/// While it works in an arena no other thread can allocate there. So it is called when the first configuration is in effect,
/// and after reloads only if the brain has few checks: with forty thousand of them the arena of its thread has tens of
/// thousands of holes afterwards, each of which takes a call of the system. Their memory is taken again by the next
/// reload.
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
