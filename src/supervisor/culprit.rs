//! Who is behind a netlink port.
//!
//! The first netlink socket of a process has the process's number as its port; libraries that open several add bits of
//! their own above it. The process is looked up at once: a short-lived one (`ip`) is gone a moment later.

use std::fs;

/// Bits of a port that libnl leaves for the number of the process.
const PROCESS_BITS: u32 = 0x3f_ffff;

/// The process, in words: its number and name.
pub(super) fn name(port: u32) -> String {
    for process in [port, port & PROCESS_BITS] {
        let Ok(name) = fs::read_to_string(format!("/proc/{process}/comm")) else { continue };
        // A number in another process namespace, or one of chance, is no proof.
        let namespace = |who: &str| fs::read_link(format!("/proc/{who}/ns/net")).ok();
        let (theirs, ours) = (namespace(&process.to_string()), namespace("self"));
        if theirs.is_none() || theirs == ours {
            return format!("process {process} (`{}`)", name.trim().escape_debug());
        }
    }
    match port {
        1..=PROCESS_BITS => format!("process {port}, which has ended"),
        _ => format!("a process that cannot be named (netlink port {port:#x})"),
    }
}
