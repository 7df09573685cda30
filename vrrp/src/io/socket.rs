//! Sending and receiving adverts.
//!
//! A [`Socket`] is a raw IPv4 socket for protocol 112. It takes and gives whole IP datagrams, header included, because
//! VRRP looks at the header's TTL and source. Each packet that arrives comes with the interface it came in by and the
//! moment *the kernel* received it: a director that was busy must not count its own delay as the master's silence.

use std::io::{self, IoSliceMut};
use std::net::{IpAddr, Ipv4Addr, SocketAddrV4};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};
use std::time::{Duration, Instant, SystemTime};

use nix::sys::socket::{ControlMessageOwned, MsgFlags, SockaddrIn, recvmsg, setsockopt, sockopt};
use nix::sys::time::TimeSpec;
use socket2::{Domain, InterfaceIndexOrAddress, Protocol, SockAddr, Type};

use super::at_step;
use crate::header::PROTOCOL_HEADER;

/// VRRP's IP protocol number (RFC 9568 section 5.1.1.4).
pub(super) const PROTOCOL: i32 = 112;

/// The only TTL of a genuine advert from the own link (RFC 9568 section 5.1.1.3).
pub(super) const TTL: u32 = 255;

/// Type of service "internetwork control" (RFC 791), what routing protocols use.
pub(super) const TYPE_OF_SERVICE: u32 = 0xc0;

/// The queueing priority for control traffic (`TC_PRIO_CONTROL` is 7 and needs a capability, 6 is interactive): the
/// highest that needs none, served first by the kernel's default queue.
pub(super) const PRIORITY: u32 = 6;

/// Receive buffer in bytes: thousands of adverts, should the reader be held up.
pub(super) const RECEIVE_BUFFER: usize = 1 << 20;

/// A packet older than this on arrival was not delayed, the wall clock was set.
const OLDEST: Duration = Duration::from_secs(1);

/// A raw, non-blocking socket for adverts over IPv4.
#[derive(Debug)]
pub struct Socket {
    socket: socket2::Socket,
}

/// One datagram as it arrived.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Arrival<'buffer> {
    /// The whole IP datagram, header included, cut off at the buffer's length.
    pub datagram: &'buffer [u8],
    /// Index of the interface it came in by.
    pub interface: u32,
    /// When the kernel received it.
    pub arrived: Instant,
}

impl Socket {
    /// A socket that hears the multicast `group` on one interface, and only that, and sends out through it. What it
    /// sends does not come back to this host.
    ///
    /// # Errors
    /// `PermissionDenied` when the process lacks `CAP_NET_RAW`; otherwise most likely the interface does not exist
    /// (any more). The text names the step.
    pub fn multicast(interface: &str, index: u32, group: Ipv4Addr) -> io::Result<Self> {
        Self::multicast_of(PROTOCOL, interface, index, group)
    }

    /// The same for adverts behind an authentication header (IP protocol 51). It is handed every packet with such a
    /// header that is sent to the group.
    ///
    /// # Errors
    /// As [`multicast`](Self::multicast).
    pub fn multicast_headers(interface: &str, index: u32, group: Ipv4Addr) -> io::Result<Self> {
        Self::multicast_of(PROTOCOL_HEADER.into(), interface, index, group)
    }

    fn multicast_of(protocol: i32, interface: &str, index: u32, group: Ipv4Addr) -> io::Result<Self> {
        let step = |what: &'static str| {
            move |error| at_step(format_args!("advert socket on {interface}: {what}"), "CAP_NET_RAW", error)
        };
        let socket = raw_socket(protocol).map_err(step("opening it"))?;
        // This settles both directions: the kernel also sends multicast of a bound socket through its interface, which
        // needs neither an address (as IP_MULTICAST_IF would choose by) nor a route.
        socket.bind_device(Some(interface.as_bytes())).map_err(step("binding it to the interface"))?;
        socket.set_multicast_loop_v4(false).map_err(step("switching the loop-back off"))?;
        socket.set_multicast_ttl_v4(TTL).map_err(step("setting the TTL"))?;
        socket
            .join_multicast_v4_n(&group, &InterfaceIndexOrAddress::Index(index))
            .map_err(step("joining the multicast group"))?;
        // Bound to the group, it is not handed the unicast adverts that belong to another socket.
        socket.bind(&socket_address(group)).map_err(step("binding it to the multicast group"))?;
        Ok(Self { socket })
    }

    /// A socket that hears adverts sent to this host's own addresses, on one interface or on all.
    ///
    /// # Errors
    /// As [`multicast`](Self::multicast).
    pub fn unicast(interface: Option<&str>) -> io::Result<Self> {
        Self::unicast_of(PROTOCOL, interface)
    }

    /// The same for adverts behind an authentication header (IP protocol 51).
    ///
    /// # Errors
    /// As [`multicast`](Self::multicast).
    pub fn unicast_headers(interface: Option<&str>) -> io::Result<Self> {
        Self::unicast_of(PROTOCOL_HEADER.into(), interface)
    }

    fn unicast_of(protocol: i32, interface: Option<&str>) -> io::Result<Self> {
        let place = interface.unwrap_or("any interface");
        let step = |what: &'static str| {
            move |error| {
                at_step(format_args!("unicast advert socket on {place}: {what}"), "CAP_NET_RAW", error)
            }
        };
        let socket = raw_socket(protocol).map_err(step("opening it"))?;
        if let Some(interface) = interface {
            socket.bind_device(Some(interface.as_bytes())).map_err(step("binding it to the interface"))?;
        }
        Ok(Self { socket })
    }

    /// Sends a whole IP datagram, header included. The kernel fills in the header's checksum and total length, and
    /// the identification where it is zero (raw(7), `IP_HDRINCL`).
    ///
    /// # Errors
    /// `WouldBlock` or `ENOBUFS` when the interface's queue is full, `ENETDOWN` and `ENODEV` when it is down or gone,
    /// `InvalidInput` for an IPv6 destination. The datagram is then not sent.
    pub fn send(&self, datagram: &[u8], destination: IpAddr) -> io::Result<()> {
        let IpAddr::V4(destination) = destination else {
            let text = format!("{destination} cannot be reached by a socket for IPv4");
            return Err(io::Error::new(io::ErrorKind::InvalidInput, text));
        };
        let destination = socket_address(destination);
        loop {
            match self.socket.send_to(datagram, &destination) {
                Ok(_) => return Ok(()),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// The next datagram that waits; `None` when there is none. 2048 bytes hold any advert.
    ///
    /// # Errors
    /// Whatever the kernel says of the socket (`ENETDOWN` when its interface went down); it can be read on.
    pub fn receive<'buffer>(&self, buffer: &'buffer mut [u8]) -> io::Result<Option<Arrival<'buffer>>> {
        let mut control = nix::cmsg_space!(TimeSpec, libc::in_pktinfo);
        let mut stamp = None;
        let mut interface = 0;
        let length = loop {
            let mut parts = [IoSliceMut::new(buffer)];
            let flags = MsgFlags::MSG_DONTWAIT;
            match recvmsg::<SockaddrIn>(self.socket.as_raw_fd(), &mut parts, Some(&mut control), flags) {
                Ok(message) => {
                    for part in message.cmsgs().into_iter().flatten() {
                        match part {
                            ControlMessageOwned::ScmTimestampns(time) => stamp = Some(Duration::from(time)),
                            ControlMessageOwned::Ipv4PacketInfo(info) => {
                                interface = u32::try_from(info.ipi_ifindex).unwrap_or(0);
                            }
                            _ => {}
                        }
                    }
                    break message.bytes;
                }
                Err(nix::errno::Errno::EAGAIN) => return Ok(None),
                Err(nix::errno::Errno::EINTR) => {}
                Err(error) => return Err(error.into()),
            }
        };
        let arrived = arrival_instant(stamp, SystemTime::now(), Instant::now());
        let datagram = buffer.get(..length).unwrap_or_default();
        Ok(Some(Arrival { datagram, interface, arrived }))
    }
}

impl AsFd for Socket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

impl AsRawFd for Socket {
    fn as_raw_fd(&self) -> RawFd {
        self.socket.as_raw_fd()
    }
}

/// What both kinds of socket have in common.
fn raw_socket(protocol: i32) -> io::Result<socket2::Socket> {
    // The constructor sets close-on-exec.
    let socket = socket2::Socket::new(Domain::IPV4, Type::RAW, Some(Protocol::from(protocol)))?;
    socket.set_nonblocking(true)?;
    socket.set_header_included_v4(true)?;
    socket.set_ttl_v4(TTL)?;
    // The type of service sets a priority of its own, so it comes first.
    socket.set_tos_v4(TYPE_OF_SERVICE)?;
    socket.set_priority(PRIORITY)?;
    // Only groups that this very socket has joined, not those of any socket on the host.
    socket.set_multicast_all_v4(false)?;
    setsockopt(&socket, sockopt::Ipv4PacketInfo, &true)?;
    setsockopt(&socket, sockopt::ReceiveTimestampns, &true)?;
    // Beyond the system's limit where we may, up to it otherwise.
    if setsockopt(&socket, sockopt::RcvBufForce, &RECEIVE_BUFFER).is_err() {
        socket.set_recv_buffer_size(RECEIVE_BUFFER)?;
    }
    Ok(socket)
}

/// A raw socket's address has no port.
fn socket_address(address: Ipv4Addr) -> SockAddr {
    SocketAddrV4::new(address, 0).into()
}

/// The kernel's stamp (wall clock, since 1970) on the monotonic clock. `wall` and `now` are the same moment on the two
/// clocks. A stamp from the future, or too old to be true, means that the wall clock was set: then it counts as now.
pub(super) fn arrival_instant(stamp: Option<Duration>, wall: SystemTime, now: Instant) -> Instant {
    let age = stamp
        .and_then(|stamp| SystemTime::UNIX_EPOCH.checked_add(stamp))
        .and_then(|stamp| wall.duration_since(stamp).ok())
        .filter(|age| *age <= OLDEST)
        .unwrap_or_default();
    now.checked_sub(age).unwrap_or(now)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arrival_is_as_long_ago_as_the_stamp_says() {
        let now = Instant::now();
        let stamp = Duration::from_secs(1_800_000_000);
        let wall = |milliseconds| SystemTime::UNIX_EPOCH + stamp + Duration::from_millis(milliseconds);
        let arrival = |milliseconds| arrival_instant(Some(stamp), wall(milliseconds), now);
        assert_eq!(arrival(0), now);
        assert_eq!(arrival(300), now - Duration::from_millis(300));
        assert_eq!(arrival(1000), now - Duration::from_secs(1));
        assert_eq!(arrival(1001), now, "the wall clock was set forward");
        let future = Some(stamp + Duration::from_secs(5));
        assert_eq!(arrival_instant(future, wall(0), now), now, "the wall clock was set back");
        assert_eq!(arrival_instant(None, wall(0), now), now);
    }
}
