//! Asking a driver whether its link has a carrier (`linkbeat_interfaces`).
//!
//! A few drivers never tell the kernel when the cable is pulled, so that the kernel goes on reporting the link as
//! running. They can be asked: for the status register of the MII transceiver (IEEE 802.3, 22.2.4.2), by ethtool, or by
//! the interface's flags. All three are ioctls of `netdevice(7)`; none waits for the hardware.

use std::io;
use std::os::fd::AsRawFd;

use socket2::{Domain, Socket, Type};

/// How to ask.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum CarrierQuery {
    /// The transceiver's register.
    Mii,
    /// By ethtool.
    Ethtool,
    /// The interface's flags: the kernel's own opinion.
    Flags,
}

/// In this order, where nothing is said.
const ORDER: [CarrierQuery; 3] = [CarrierQuery::Mii, CarrierQuery::Ethtool, CarrierQuery::Flags];

// <linux/sockios.h>, <linux/ethtool.h>, <linux/mii.h> and <linux/if.h>.
const SIOCGIFFLAGS: u32 = 0x8913;
const SIOCETHTOOL: u32 = 0x8946;
const SIOCGMIIPHY: u32 = 0x8947;
const SIOCGMIIREG: u32 = 0x8948;
const ETHTOOL_GLINK: u32 = 0x0a;
/// The basic mode status register, and its bit for the link.
const MII_BMSR: u16 = 1;
const BMSR_LSTATUS: u16 = 0x0004;
const IFF_RUNNING: u16 = 0x40;

/// Length of a name with the zero byte that ends it (`IFNAMSIZ`).
const NAME: usize = 16;

/// `struct ifreq`: a name, and 24 bytes that depend on the request.
#[repr(C)]
struct Request<T> {
    name: [u8; NAME],
    data: T,
}

/// Numbers of 16 bits: flags, or `struct mii_ioctl_data`.
type Shorts = [u16; 12];

/// `struct ethtool_value`.
#[repr(C)]
struct Value {
    command: u32,
    data: u32,
}

#[repr(C)]
struct Pointer {
    value: *mut Value,
    rest: [usize; 2],
}

/// Asks drivers.
#[derive(Debug)]
pub struct CarrierProbe {
    socket: Socket,
}

impl CarrierProbe {
    /// Needs no capability.
    ///
    /// # Errors
    /// Whatever the kernel says to one more socket.
    pub fn open() -> io::Result<Self> {
        Ok(Self { socket: Socket::new(Domain::IPV4, Type::DGRAM, None)? })
    }

    /// Whether the link of an interface has a carrier, asked in this way or in the first that the driver answers.
    /// `None`: it answers to none, or there is no such interface.
    pub fn has_carrier(&self, interface: &str, query: Option<CarrierQuery>) -> Option<bool> {
        match query {
            Some(query) => self.ask(interface, query),
            None => ORDER.into_iter().find_map(|query| self.ask(interface, query)),
        }
    }

    fn ask(&self, interface: &str, query: CarrierQuery) -> Option<bool> {
        match query {
            CarrierQuery::Mii => {
                let mut request = request(interface, Shorts::default())?;
                self.ioctl(SIOCGMIIPHY, &mut request)?;
                // The number of the transceiver stays where the answer has put it.
                request.data[1] = MII_BMSR;
                self.ioctl(SIOCGMIIREG, &mut request)?;
                Some(request.data[3] & BMSR_LSTATUS != 0)
            }
            CarrierQuery::Ethtool => {
                let mut value = Value { command: ETHTOOL_GLINK, data: 0 };
                let mut request = request(interface, Pointer { value: &raw mut value, rest: [0; 2] })?;
                self.ioctl(SIOCETHTOOL, &mut request)?;
                Some(value.data != 0)
            }
            CarrierQuery::Flags => {
                let mut request = request(interface, Shorts::default())?;
                self.ioctl(SIOCGIFFLAGS, &mut request)?;
                Some(request.data[0] & IFF_RUNNING != 0)
            }
        }
    }

    #[expect(unsafe_code, reason = "these requests have no safe wrapper")]
    fn ioctl<T>(&self, code: u32, request: &mut Request<T>) -> Option<()> {
        // SAFETY: the kernel reads and writes a `struct ifreq`, whose layout `Request` has and whose size it has at
        // least; what a `Pointer` points to lives as long as the borrow of its request.
        let done = unsafe { libc::ioctl(self.socket.as_raw_fd(), code as _, std::ptr::from_mut(request)) };
        (done == 0).then_some(())
    }
}

/// `None` for a name that no interface can have.
fn request<T>(interface: &str, data: T) -> Option<Request<T>> {
    let mut name = [0; NAME];
    name.get_mut(..interface.len()).filter(|_| interface.len() < NAME)?.copy_from_slice(interface.as_bytes());
    Some(Request { name, data })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_every_length_are_asked_for() {
        let probe = CarrierProbe::open().unwrap();
        for length in 0..40 {
            assert_eq!(probe.has_carrier(&"x".repeat(length), None), None);
        }
        assert_eq!(size_of::<Request<Shorts>>(), size_of::<Request<Pointer>>());
        assert!(size_of::<Request<Shorts>>() >= size_of::<libc::ifreq>());
    }

    #[test]
    fn the_loopback_runs_and_has_no_transceiver() {
        let probe = CarrierProbe::open().unwrap();
        assert_eq!(probe.has_carrier("lo", Some(CarrierQuery::Mii)), None);
        let flags = probe.has_carrier("lo", Some(CarrierQuery::Flags));
        assert!(flags.is_some());
        assert!(probe.has_carrier("lo", None).is_some());
    }
}
