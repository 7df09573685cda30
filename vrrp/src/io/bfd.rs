//! Sending and receiving BFD packets: UDP, over IPv4 and IPv6.
//!
//! One [`BfdListener`] hears all neighbours of a family and a port, and tells with each packet where it came from, how
//! far, and when the kernel received it. Each session has a [`BfdSpeaker`] of its own: a source port of its own is what
//! RFC 5881, 4 asks for.

use std::io::{self, IoSliceMut};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::time::{Duration, Instant, SystemTime};

use nix::sys::socket::{ControlMessageOwned, MsgFlags, SockaddrStorage, recvmsg, setsockopt, sockopt};
use nix::sys::time::TimeSpec;
use socket2::{Domain, Protocol, Type};

use super::at_step;
use super::socket::{PRIORITY, RECEIVE_BUFFER, TYPE_OF_SERVICE, arrival_instant};
use crate::datagram::Envelope;

/// Source ports are taken from here up (RFC 5881, 4).
const FIRST_PORT: u16 = 49_152;
/// How many ports there are from there.
const PORTS: u16 = u16::MAX - FIRST_PORT + 1;

/// A non-blocking socket that hears all neighbours of one family on one port.
#[derive(Debug)]
pub struct BfdListener {
    socket: socket2::Socket,
}

/// One packet as it arrived.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BfdArrival<'buffer> {
    /// Source, destination, and time to live or hop limit.
    pub envelope: Envelope,
    /// The UDP payload, cut off at the buffer's length.
    pub payload: &'buffer [u8],
    /// When the kernel received it.
    pub arrived: Instant,
}

impl BfdListener {
    /// Listens on this port of all addresses of a family.
    ///
    /// # Errors
    /// `AddrInUse` when another BFD daemon listens there; `Unsupported` or `EAFNOSUPPORT` where the kernel has no IPv6.
    pub fn open(v6: bool, port: u16) -> io::Result<Self> {
        let family = if v6 { "IPv6" } else { "IPv4" };
        let step = |what: &'static str| {
            move |error| {
                at_step(format_args!("BFD socket on {family} port {port}: {what}"), "more rights", error)
            }
        };
        let socket = udp_socket(v6).map_err(step("opening it"))?;
        let wanted = || -> io::Result<()> {
            if v6 {
                socket.set_recv_hoplimit_v6(true)?;
                setsockopt(&socket, sockopt::Ipv6RecvPacketInfo, &true)?;
            } else {
                setsockopt(&socket, sockopt::Ipv4RecvTtl, &true)?;
                setsockopt(&socket, sockopt::Ipv4PacketInfo, &true)?;
            }
            setsockopt(&socket, sockopt::ReceiveTimestampns, &true)?;
            if setsockopt(&socket, sockopt::RcvBufForce, &RECEIVE_BUFFER).is_err() {
                socket.set_recv_buffer_size(RECEIVE_BUFFER)?;
            }
            Ok(())
        };
        wanted().map_err(step("asking for what comes beside a packet"))?;
        socket.bind(&SocketAddr::new(any_address(v6), port).into()).map_err(step("binding it"))?;
        Ok(Self { socket })
    }

    /// The next packet that waits; `None` when there is none. 64 bytes are more than any packet counts.
    ///
    /// # Errors
    /// Whatever the kernel says of the socket; it can be read on.
    pub fn receive<'buffer>(&self, buffer: &'buffer mut [u8]) -> io::Result<Option<BfdArrival<'buffer>>> {
        let mut control = nix::cmsg_space!(TimeSpec, libc::in6_pktinfo, libc::in_pktinfo, libc::c_int);
        let (mut stamp, mut ttl, mut destination) = (None, 0, None);
        let (length, source) = loop {
            let mut parts = [IoSliceMut::new(buffer)];
            let flags = MsgFlags::MSG_DONTWAIT;
            match recvmsg::<SockaddrStorage>(self.socket.as_raw_fd(), &mut parts, Some(&mut control), flags) {
                Ok(message) => {
                    for part in message.cmsgs().into_iter().flatten() {
                        match part {
                            ControlMessageOwned::ScmTimestampns(time) => stamp = Some(Duration::from(time)),
                            ControlMessageOwned::Ipv4Ttl(hops) | ControlMessageOwned::Ipv6HopLimit(hops) => {
                                ttl = u8::try_from(hops).unwrap_or(0);
                            }
                            ControlMessageOwned::Ipv4PacketInfo(info) => {
                                let address = Ipv4Addr::from_bits(u32::from_be(info.ipi_addr.s_addr));
                                destination = Some(IpAddr::V4(address));
                            }
                            ControlMessageOwned::Ipv6PacketInfo(info) => {
                                destination = Some(IpAddr::V6(info.ipi6_addr.s6_addr.into()));
                            }
                            _ => {}
                        }
                    }
                    let source = message.address.as_ref().and_then(ip_of);
                    break (message.bytes, source);
                }
                Err(nix::errno::Errno::EAGAIN) => return Ok(None),
                Err(nix::errno::Errno::EINTR) => {}
                Err(error) => return Err(error.into()),
            }
        };
        let arrived = arrival_instant(stamp, SystemTime::now(), Instant::now());
        let unknown = || any_address(source.is_some_and(|address| address.is_ipv6()));
        let envelope = Envelope {
            source: source.unwrap_or_else(unknown),
            destination: destination.unwrap_or_else(unknown),
            ttl,
        };
        Ok(Some(BfdArrival { envelope, payload: buffer.get(..length).unwrap_or_default(), arrived }))
    }
}

impl AsFd for BfdListener {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

/// A non-blocking socket that sends the packets of one session.
#[derive(Debug)]
pub struct BfdSpeaker {
    socket: socket2::Socket,
}

impl BfdSpeaker {
    /// A socket that sends from this address, whether the host has it yet or not, or from the one that the kernel
    /// chooses. `ttl` is the time to live or hop limit. Where to begin to look for a free source port is the caller's
    /// choice, so that sessions do not all ask for the same.
    ///
    /// # Errors
    /// `AddrInUse` when no port from 49152 up is free.
    pub fn open(source: Option<IpAddr>, v6: bool, ttl: u8, first: u16) -> io::Result<Self> {
        let step = |what: &'static str| {
            move |error| at_step(format_args!("BFD socket: {what}"), "more rights", error)
        };
        let socket = udp_socket(v6).map_err(step("opening it"))?;
        let hops = u32::from(ttl);
        let options = || match v6 {
            true => socket.set_unicast_hops_v6(hops).and_then(|()| socket.set_freebind_v6(true)),
            false => socket.set_ttl_v4(hops).and_then(|()| socket.set_freebind_v4(true)),
        };
        options().map_err(step("setting the time to live"))?;
        let source = source.unwrap_or_else(|| any_address(v6));
        let mut tried = 0;
        loop {
            let port = FIRST_PORT + (first.wrapping_add(tried)) % PORTS;
            match socket.bind(&SocketAddr::new(source, port).into()) {
                Ok(()) => return Ok(Self { socket }),
                Err(error) if error.kind() == io::ErrorKind::AddrInUse && tried < PORTS - 1 => tried += 1,
                Err(error) => return Err(step("binding it to its source")(error)),
            }
        }
    }

    /// Sends a packet.
    ///
    /// # Errors
    /// `ENETUNREACH` and its kin without a route, `EINVAL` or `EADDRNOTAVAIL` while the host does not have the source
    /// address, `WouldBlock` or `ENOBUFS` when a queue is full. The packet is then not sent.
    pub fn send(&self, payload: &[u8], destination: SocketAddr) -> io::Result<()> {
        loop {
            match self.socket.send_to(payload, &destination.into()) {
                Ok(_) => return Ok(()),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// The address and port that it sends from.
    ///
    /// # Errors
    /// As getsockname(2).
    pub fn local(&self) -> io::Result<Option<SocketAddr>> {
        Ok(self.socket.local_addr()?.as_socket())
    }
}

/// What both kinds of socket have in common.
fn udp_socket(v6: bool) -> io::Result<socket2::Socket> {
    let domain = if v6 { Domain::IPV6 } else { Domain::IPV4 };
    let socket = socket2::Socket::new(domain, Type::DGRAM, Some(Protocol::UDP))?;
    socket.set_nonblocking(true)?;
    if v6 {
        socket.set_only_v6(true)?;
        socket.set_tclass_v6(TYPE_OF_SERVICE)?;
    } else {
        // The type of service sets a priority of its own, so it comes first.
        socket.set_tos_v4(TYPE_OF_SERVICE)?;
    }
    socket.set_priority(PRIORITY)?;
    Ok(socket)
}

fn any_address(v6: bool) -> IpAddr {
    if v6 { Ipv6Addr::UNSPECIFIED.into() } else { Ipv4Addr::UNSPECIFIED.into() }
}

fn ip_of(address: &SockaddrStorage) -> Option<IpAddr> {
    let v4 = address.as_sockaddr_in().map(|v4| IpAddr::V4(v4.ip()));
    v4.or_else(|| address.as_sockaddr_in6().map(|v6| IpAddr::V6(v6.ip())))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn round_trip(v6: bool, ttl: u8) {
        let lo = if v6 { IpAddr::V6(Ipv6Addr::LOCALHOST) } else { IpAddr::V4(Ipv4Addr::LOCALHOST) };
        // Port 0: the kernel's choice, so that the test runs anywhere.
        let Ok(listener) = BfdListener::open(v6, 0) else {
            assert!(v6, "there is always IPv4");
            return;
        };
        let port = listener.socket.local_addr().unwrap().as_socket().unwrap().port();
        let Ok(speaker) = BfdSpeaker::open(Some(lo), v6, ttl, 7) else {
            assert!(v6);
            return;
        };
        assert!(speaker.local().unwrap().unwrap().port() >= FIRST_PORT);
        if let Err(error) = speaker.send(b"hello", SocketAddr::new(lo, port)) {
            assert!(v6, "{error}");
            return;
        }
        let mut buffer = [0; 64];
        let heard = (0..500)
            .find_map(|_| {
                std::thread::sleep(Duration::from_millis(2));
                listener.receive(&mut buffer).unwrap().map(|a| (a.envelope, a.payload.to_vec()))
            })
            .expect("it arrives");
        let envelope = Envelope { source: lo, destination: lo, ttl };
        assert_eq!(heard, (envelope, b"hello".to_vec()));
        assert_eq!(listener.receive(&mut buffer).unwrap(), None);
    }

    #[test]
    fn a_packet_arrives_with_its_addresses_and_its_time_to_live() {
        round_trip(false, 255);
        round_trip(false, 63);
        round_trip(true, 255);
        round_trip(true, 64);
    }

    #[test]
    fn each_session_has_a_source_port_of_its_own() {
        let lo = IpAddr::V4(Ipv4Addr::LOCALHOST);
        let open = || BfdSpeaker::open(Some(lo), false, 255, PORTS - 1).unwrap();
        let (one, two) = (open(), open());
        let port = |speaker: &BfdSpeaker| speaker.local().unwrap().unwrap().port();
        assert_ne!(port(&one), port(&two));
        assert!(port(&one) >= FIRST_PORT && port(&two) >= FIRST_PORT);
    }

    #[test]
    fn a_source_that_the_host_does_not_have_yet_is_no_hindrance() {
        let absent = IpAddr::V4(Ipv4Addr::new(203, 0, 113, 77));
        assert!(BfdSpeaker::open(Some(absent), false, 255, 0).is_ok());
    }
}
