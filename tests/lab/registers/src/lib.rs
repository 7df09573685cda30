//! Lets an older User-Mode Linux kernel run on processors with more registers than it knows.
//!
//! The kernel is an ordinary process that runs its guest's programs by `ptrace`, and so saves and restores their
//! registers with two calls (`PTRACE_GETREGSET` and `PTRACE_SETREGSET` of `NT_X86_XSTATE`). Reading fewer bytes than there
//! are is fine; writing fewer is refused since Linux 5.14. A kernel that was built before a processor grew (Intel's AMX
//! tiles are eight kilobytes) cannot start a single program there. This library is loaded before the C library and
//! stands in for `ptrace`: a write that was refused for being short is done again with the rest at zero, its state at first.

use std::ffi::{c_int, c_long, c_void};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Requests of `ptrace(2)` and the kind of registers, from `linux/ptrace.h` and `linux/elf.h`.
const PEEKS: std::ops::RangeInclusive<c_int> = 1..=3;
const GETREGSET: c_int = 0x4204;
const SETREGSET: c_int = 0x4205;
const NT_X86_XSTATE: usize = 0x202;

/// More than any processor's registers.
const LARGEST: usize = 64 << 10;

/// Not on the stack: that of a kernel is small. What lies behind a write stays zero, since all writes are of one length.
static REGISTERS: Mutex<[u8; LARGEST]> = Mutex::new([0; LARGEST]);

/// As the C library's: what is peeked at is the result, not written to `data`.
///
/// # Safety
/// As for `ptrace(2)`: `data` must point to what the request needs.
#[expect(
    unsafe_code,
    reason = "it takes the place of a function of the C library, which is made of raw pointers"
)]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ptrace(request: c_int, pid: c_int, address: usize, data: *mut c_void) -> c_long {
    let mut peeked: c_long = 0;
    let target = if PEEKS.contains(&request) { (&raw mut peeked).cast() } else { data };
    // SAFETY: the caller's own arguments, or a number of ours to write to.
    let result = unsafe { call(request, pid, address, target) };
    if PEEKS.contains(&request) && result >= 0 {
        // SAFETY: the C library's own place for it.
        unsafe { *libc::__errno_location() = 0 };
        return peeked;
    }
    if request != SETREGSET || address != NT_X86_XSTATE || result >= 0 || data.is_null() {
        return result;
    }
    // SAFETY: for this request `data` points to such a description, and that to so many bytes.
    unsafe {
        let wanted = *data.cast::<libc::iovec>();
        let Some(length) = whole_length(pid, address) else { return result };
        if wanted.iov_len > length {
            return result;
        }
        // No guest uses the registers that its kernel does not know: they are as they were at first.
        let Ok(mut all) = REGISTERS.lock() else { return result };
        std::ptr::copy_nonoverlapping(wanted.iov_base.cast::<u8>(), all.as_mut_ptr(), wanted.iov_len);
        let mut whole = libc::iovec { iov_base: all.as_mut_ptr().cast(), iov_len: length };
        call(SETREGSET, pid, address, (&raw mut whole).cast())
    }
}

/// How many bytes this processor's registers have, asked once; the processor stays the same.
#[expect(unsafe_code, reason = "the system call again")]
fn whole_length(pid: c_int, address: usize) -> Option<usize> {
    static LENGTH: AtomicUsize = AtomicUsize::new(0);
    let known = LENGTH.load(Ordering::Relaxed);
    if known > 0 {
        return Some(known);
    }
    let mut all = vec![0_u8; LARGEST];
    let mut whole = libc::iovec { iov_base: all.as_mut_ptr().cast(), iov_len: all.len() };
    // SAFETY: the description is of a buffer of ours.
    if unsafe { call(GETREGSET, pid, address, (&raw mut whole).cast()) } < 0 {
        return None;
    }
    LENGTH.store(whole.iov_len, Ordering::Relaxed);
    Some(whole.iov_len)
}

/// The system call itself; it sets `errno`.
#[expect(unsafe_code, reason = "there is no other way to it once its name is ours")]
unsafe fn call(request: c_int, pid: c_int, address: usize, data: *mut c_void) -> c_long {
    // SAFETY: the caller sees to `data`.
    unsafe { libc::syscall(libc::SYS_ptrace, c_long::from(request), c_long::from(pid), address, data) }
}
