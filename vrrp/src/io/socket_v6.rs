//! Sending and receiving adverts over IPv6.
//!
//! Unlike its sister for IPv4 this socket sees no header: the kernel builds and checks it, and tells source, destination
//! and hop limit beside the packet. So what is sent and received here is the payload with its [`Envelope`].

use std::io::{self, IoSlice, IoSliceMut};
use std::net::{IpAddr, Ipv6Addr, SocketAddrV6};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};
use std::time::{Duration, Instant, SystemTime};

use nix::sys::socket::{
    ControlMessage, ControlMessageOwned, MsgFlags, SockaddrIn6, recvmsg, sendmsg, setsockopt, sockopt,
};
use nix::sys::time::TimeSpec;
use socket2::{Domain, Protocol, Type};

use super::at_step;
use super::socket::{PRIORITY, PROTOCOL, RECEIVE_BUFFER, TTL, TYPE_OF_SERVICE, arrival_instant};
use crate::datagram::Envelope;

/// A raw, non-blocking socket for adverts over IPv6, on one interface.
#[derive(Debug)]
pub struct SocketV6 {
    socket: socket2::Socket,
    /// The interface's index: link-local addresses mean nothing without it.
    index: u32,
}

/// One advert as it arrived.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ArrivalV6<'buffer> {
    /// Source, destination and hop limit.
    pub envelope: Envelope,
    /// What stood behind the header, cut off at the buffer's length.
    pub payload: &'buffer [u8],
    /// When the kernel received it.
    pub arrived: Instant,
}

impl SocketV6 {
    /// A socket that hears the multicast `group` on one interface, and only that, and sends out through it. What it
    /// sends does not come back to this host.
    ///
    /// # Errors
    /// `PermissionDenied` when the process lacks `CAP_NET_RAW`; otherwise most likely the interface does not exist
    /// (any more), or IPv6 is switched off on it. The text names the step.
    pub fn multicast(interface: &str, index: u32, group: Ipv6Addr) -> io::Result<Self> {
        let step = |what: &'static str| {
            move |error| {
                at_step(format_args!("IPv6 advert socket on {interface}: {what}"), "CAP_NET_RAW", error)
            }
        };
        let socket = Self::open(interface, index)?;
        socket.socket.join_multicast_v6(&group, index).map_err(step("joining the multicast group"))?;
        // Bound to the group, it is not handed the unicast adverts that belong to another socket.
        let address = SocketAddrV6::new(group, 0, 0, index);
        socket.socket.bind(&address.into()).map_err(step("binding it to the multicast group"))?;
        Ok(socket)
    }

    /// A socket that hears adverts sent to this host's own addresses on one interface.
    ///
    /// # Errors
    /// As [`multicast`](Self::multicast).
    pub fn unicast(interface: &str, index: u32) -> io::Result<Self> {
        Self::open(interface, index)
    }

    fn open(interface: &str, index: u32) -> io::Result<Self> {
        let step = |what: &'static str| {
            move |error| {
                at_step(format_args!("IPv6 advert socket on {interface}: {what}"), "CAP_NET_RAW", error)
            }
        };
        let socket = raw_socket().map_err(step("opening it"))?;
        socket.bind_device(Some(interface.as_bytes())).map_err(step("binding it to the interface"))?;
        socket.set_multicast_if_v6(index).map_err(step("choosing the interface for multicast"))?;
        Ok(Self { socket, index })
    }

    /// Sends an advert with the envelope's source, destination and hop limit; the checksum is the payload's own.
    ///
    /// # Errors
    /// `WouldBlock` or `ENOBUFS` when the interface's queue is full, `ENETDOWN` and `ENODEV` when it is down or gone,
    /// `EADDRNOTAVAIL` when the source is not an address of this host (yet), `InvalidInput` for IPv4 addresses.
    /// The advert is then not sent.
    pub fn send(&self, envelope: &Envelope, payload: &[u8]) -> io::Result<()> {
        let (IpAddr::V6(source), IpAddr::V6(destination)) = (envelope.source, envelope.destination) else {
            let text = format!("{} cannot be reached by a socket for IPv6", envelope.destination);
            return Err(io::Error::new(io::ErrorKind::InvalidInput, text));
        };
        let info = libc::in6_pktinfo {
            ipi6_addr: libc::in6_addr { s6_addr: source.octets() },
            ipi6_ifindex: self.index,
        };
        let hops = i32::from(envelope.ttl);
        let control = [ControlMessage::Ipv6PacketInfo(&info), ControlMessage::Ipv6HopLimit(&hops)];
        let scope =
            if destination.is_unicast_link_local() || destination.is_multicast() { self.index } else { 0 };
        let address = SockaddrIn6::from(SocketAddrV6::new(destination, 0, 0, scope));
        let parts = [IoSlice::new(payload)];
        loop {
            match sendmsg(self.socket.as_raw_fd(), &parts, &control, MsgFlags::MSG_DONTWAIT, Some(&address)) {
                Ok(_) => return Ok(()),
                Err(nix::errno::Errno::EINTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// The next advert that waits; `None` when there is none. 8192 bytes hold any.
    ///
    /// # Errors
    /// Whatever the kernel says of the socket (`ENETDOWN` when its interface went down); it can be read on.
    pub fn receive<'buffer>(&self, buffer: &'buffer mut [u8]) -> io::Result<Option<ArrivalV6<'buffer>>> {
        let mut control = nix::cmsg_space!(TimeSpec, libc::in6_pktinfo, libc::c_int);
        let (mut stamp, mut ttl, mut destination) = (None, 0, Ipv6Addr::UNSPECIFIED);
        let (length, source) = loop {
            let mut parts = [IoSliceMut::new(buffer)];
            let flags = MsgFlags::MSG_DONTWAIT;
            match recvmsg::<SockaddrIn6>(self.socket.as_raw_fd(), &mut parts, Some(&mut control), flags) {
                Ok(message) => {
                    for part in message.cmsgs().into_iter().flatten() {
                        match part {
                            ControlMessageOwned::ScmTimestampns(time) => stamp = Some(Duration::from(time)),
                            ControlMessageOwned::Ipv6PacketInfo(info) => {
                                destination = info.ipi6_addr.s6_addr.into();
                            }
                            ControlMessageOwned::Ipv6HopLimit(hops) => ttl = u8::try_from(hops).unwrap_or(0),
                            _ => {}
                        }
                    }
                    let source = message.address.map_or(Ipv6Addr::UNSPECIFIED, |address| address.ip());
                    break (message.bytes, source);
                }
                Err(nix::errno::Errno::EAGAIN) => return Ok(None),
                Err(nix::errno::Errno::EINTR) => {}
                Err(error) => return Err(error.into()),
            }
        };
        let arrived = arrival_instant(stamp, SystemTime::now(), Instant::now());
        let envelope = Envelope { source: source.into(), destination: destination.into(), ttl };
        Ok(Some(ArrivalV6 { envelope, payload: buffer.get(..length).unwrap_or_default(), arrived }))
    }
}

impl AsFd for SocketV6 {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

impl AsRawFd for SocketV6 {
    fn as_raw_fd(&self) -> RawFd {
        self.socket.as_raw_fd()
    }
}

/// What both kinds of socket have in common.
fn raw_socket() -> io::Result<socket2::Socket> {
    // The constructor sets close-on-exec.
    let socket = socket2::Socket::new(Domain::IPV6, Type::RAW, Some(Protocol::from(PROTOCOL)))?;
    socket.set_nonblocking(true)?;
    socket.set_unicast_hops_v6(TTL)?;
    socket.set_multicast_hops_v6(TTL)?;
    socket.set_multicast_loop_v6(false)?;
    // Only groups that this very socket has joined, not those of any socket on the host.
    socket.set_multicast_all_v6(false)?;
    socket.set_tclass_v6(TYPE_OF_SERVICE)?;
    socket.set_priority(PRIORITY)?;
    socket.set_recv_hoplimit_v6(true)?;
    setsockopt(&socket, sockopt::Ipv6RecvPacketInfo, &true)?;
    setsockopt(&socket, sockopt::ReceiveTimestampns, &true)?;
    // Beyond the system's limit where we may, up to it otherwise.
    if setsockopt(&socket, sockopt::RcvBufForce, &RECEIVE_BUFFER).is_err() {
        socket.set_recv_buffer_size(RECEIVE_BUFFER)?;
    }
    Ok(socket)
}
