//! Memory that reading a configuration has needed, and that the C library would keep.

/// Gives back to the system what is free. Reading ten thousand servers takes more memory than serving them, in pieces
/// between others that stay, and so the C library would hold on to it for good. It stops each thread that asks for
/// memory for a few milliseconds: call it once, when the first configuration is in effect and no advert is due yet.
#[cfg(target_env = "gnu")]
#[expect(unsafe_code, reason = "no crate in use wraps malloc_trim; the call takes a number and no pointer")]
pub(super) fn give_back() {
    // SAFETY: it may be called at any time from any thread (malloc_trim(3)).
    unsafe { libc::malloc_trim(0) };
}

/// Other C libraries give back by themselves.
#[cfg(not(target_env = "gnu"))]
pub(super) fn give_back() {}
