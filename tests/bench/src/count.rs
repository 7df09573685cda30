//! How many services and real servers the kernel's IPVS table holds: one cheap call of the old interface
//! (`IP_VS_SO_GET_SERVICES` of `linux/ip_vs.h`), where a dump of the table would disturb what is measured.

use std::io::{Error, Result};
use std::os::fd::{AsRawFd, OwnedFd};

use nix::sys::socket::{AddressFamily, SockFlag, SockProtocol, SockType, socket};

/// `IP_VS_BASE_CTL + 2`.
const IP_VS_SO_GET_SERVICES: i32 = 64 + 1024 + 64 + 2;
/// `struct ip_vs_get_services` without its entries: one `unsigned int`, aligned for the 64-bit counters after it.
const HEAD: usize = 8;
/// `struct ip_vs_service_entry`.
const ENTRY: usize = 104;
/// Where `num_dests` lies in it.
const NUM_DESTS: usize = 44;

/// Asks this network namespace's IPVS table for its size.
pub struct Counter {
    socket: OwnedFd,
    /// How many services there will be; the call fails while there is another number.
    services: u32,
}

impl Counter {
    /// Opens a socket.
    ///
    /// # Errors
    /// Without CAP_NET_ADMIN and CAP_NET_RAW.
    pub fn new(services: u32) -> Result<Counter> {
        let socket = socket(AddressFamily::Inet, SockType::Raw, SockFlag::SOCK_CLOEXEC, SockProtocol::Raw)?;
        Ok(Counter { socket, services })
    }

    /// How many real servers all services have together; `None` while the number of services is another one.
    pub fn servers(&self) -> Option<u32> {
        let mut table = vec![0; HEAD + ENTRY * self.services as usize];
        table[..4].copy_from_slice(&self.services.to_ne_bytes());
        get(&self.socket, &mut table).ok()?;
        let count =
            |entry: &[u8]| entry.get(NUM_DESTS..NUM_DESTS + 4)?.try_into().ok().map(u32::from_ne_bytes);
        table[HEAD..].chunks_exact(ENTRY).map(count).sum()
    }
}

#[expect(unsafe_code, reason = "nix has no getsockopt that takes a question as well as an answer")]
fn get(socket: &OwnedFd, table: &mut [u8]) -> Result<()> {
    let mut length = libc::socklen_t::try_from(table.len()).map_err(Error::other)?;
    // SAFETY: the kernel writes at most `length` bytes to `table`, which is that long and lives through the call.
    let result = unsafe {
        libc::getsockopt(
            socket.as_raw_fd(),
            libc::IPPROTO_IP,
            IP_VS_SO_GET_SERVICES,
            table.as_mut_ptr().cast(),
            &raw mut length,
        )
    };
    if result == 0 { Ok(()) } else { Err(Error::last_os_error()) }
}
