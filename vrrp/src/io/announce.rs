//! Telling the neighbours that an address now lives here.
//!
//! Switches and hosts remember behind which port and hardware address an IP address was last seen. After a take-over
//! they must forget that: a gratuitous ARP (IPv4) or an unsolicited neighbour advertisement (IPv6) says to everybody
//! on the link who holds the address now. The frames are built by two plain functions; [`Announcer`] puts them on the
//! wire of any interface through a single packet socket.

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};

use socket2::{Domain, SockAddr, SockAddrStorage, Socket, Type};

use super::at_step;
use crate::checksum;

/// Ethernet's address of everybody on the link.
const BROADCAST: [u8; 6] = [0xff; 6];

/// All nodes on the link: the multicast group and its Ethernet address (RFC 4291 section 2.7.1, RFC 2464 section 7).
const ALL_NODES: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 1);
const ALL_NODES_MAC: [u8; 6] = [0x33, 0x33, 0, 0, 0, 1];

// Ethernet's types of payload (IEEE 802 numbers, IANA).
const ETHERTYPE_ARP: [u8; 2] = [0x08, 0x06];
const ETHERTYPE_IPV6: [u8; 2] = [0x86, 0xdd];

const ICMPV6: u8 = 58;

/// Length of a neighbour advertisement with its one option, bytes.
const ADVERTISEMENT: usize = 32;

/// Sends announcements on any interface of the network namespace.
#[derive(Debug)]
pub struct Announcer {
    socket: Socket,
}

impl Announcer {
    /// Opens the packet socket. It never receives anything.
    ///
    /// # Errors
    /// `PermissionDenied` when the process lacks `CAP_NET_RAW`.
    pub fn open() -> io::Result<Self> {
        // Protocol 0: no frame is delivered to this socket (packet(7)). The type gives close-on-exec by itself.
        let socket = Socket::new(Domain::PACKET, Type::RAW, None)
            .and_then(|socket| socket.set_nonblocking(true).map(|()| socket))
            .map_err(|error| at_step("opening the packet socket for announcements", "CAP_NET_RAW", error))?;
        Ok(Self { socket })
    }

    /// Says on the interface with this `index` that `mac` now holds `address`.
    ///
    /// # Errors
    /// `ENXIO` when there is no such interface, `ENETDOWN` when it is down, `WouldBlock` or `ENOBUFS` when its queue is
    /// full. The frame is then not sent; the next announcement makes up for it.
    pub fn gratuitous_arp(&self, index: u32, mac: [u8; 6], address: Ipv4Addr) -> io::Result<()> {
        self.send(index, ETHERTYPE_ARP, &gratuitous_arp_frame(mac, address))
    }

    /// Says the same for IPv6. `router` tells whether this host forwards packets.
    ///
    /// # Errors
    /// As [`gratuitous_arp`](Self::gratuitous_arp).
    pub fn unsolicited_advertisement(
        &self,
        index: u32,
        mac: [u8; 6],
        address: Ipv6Addr,
        router: bool,
    ) -> io::Result<()> {
        self.send(index, ETHERTYPE_IPV6, &unsolicited_advertisement_frame(mac, address, router))
    }

    fn send(&self, index: u32, ethertype: [u8; 2], frame: &[u8]) -> io::Result<()> {
        loop {
            match self.socket.send_to(frame, &link_address(index, ethertype)) {
                Ok(_) => return Ok(()),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }
}

impl AsFd for Announcer {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

impl AsRawFd for Announcer {
    fn as_raw_fd(&self) -> RawFd {
        self.socket.as_raw_fd()
    }
}

/// A whole Ethernet frame with a gratuitous ARP request (RFC 826, RFC 5227 section 3): sender and target are `address`,
/// the target's hardware address is the broadcast address.
pub fn gratuitous_arp_frame(mac: [u8; 6], address: Ipv4Addr) -> [u8; 42] {
    let address = address.octets();
    // Hardware Ethernet (1), protocol IPv4, lengths 6 and 4, operation request (1).
    let kind = [0, 1, 8, 0, 6, 4, 0, 1];
    join(&[&BROADCAST, &mac, &ETHERTYPE_ARP, &kind, &mac, &address, &BROADCAST, &address])
}

/// A whole Ethernet frame with an unsolicited neighbour advertisement (RFC 4861 section 4.4) to all nodes: not solicited,
/// overriding what they remember, with the router flag as given (RFC 9568 section 6.4.2).
pub fn unsolicited_advertisement_frame(mac: [u8; 6], address: Ipv6Addr, router: bool) -> [u8; 86] {
    let target = address.octets();
    let all_nodes = ALL_NODES.octets();
    let flags = if router { 0xa0 } else { 0x20 };
    // Type 136, code 0, checksum; flags and reserved bytes; target; option 2: the target's hardware address.
    let advertisement = |checksum: [u8; 2]| -> [u8; ADVERTISEMENT] {
        join(&[&[136, 0], &checksum, &[flags, 0, 0, 0], &target, &[2, 1], &mac])
    };
    // The pseudo-header of RFC 8200 section 8.1: addresses, length, next header.
    let pseudo_header: [u8; 40] =
        join(&[&target, &all_nodes, &[0, 0, 0, ADVERTISEMENT as u8], &[0, 0, 0, ICMPV6]]);
    let sum = checksum::sum(&pseudo_header) + checksum::sum(&advertisement([0, 0]));
    // Version 6 with traffic class 0xC0 (network control), length, next header, hop limit 255.
    let header = [0x6c, 0, 0, 0, 0, ADVERTISEMENT as u8, ICMPV6, 255];
    join(&[
        &ALL_NODES_MAC,
        &mac,
        &ETHERTYPE_IPV6,
        &header,
        &target,
        &all_nodes,
        &advertisement(checksum::finish(sum).to_be_bytes()),
    ])
}

/// The parts one after the other.
fn join<const LENGTH: usize>(parts: &[&[u8]]) -> [u8; LENGTH] {
    parts.concat().try_into().expect("the parts of a frame have fixed lengths that add up to its own")
}

/// The address of "out through this interface" for a packet socket (`struct sockaddr_ll`, packet(7)).
#[expect(unsafe_code, reason = "no crate at hand builds a sockaddr_ll without it")]
fn link_address(index: u32, ethertype: [u8; 2]) -> SockAddr {
    let mut storage = SockAddrStorage::zeroed();
    // SAFETY: `sockaddr_ll` is one of the kernel's socket addresses, valid in any bit pattern.
    let address = unsafe { storage.view_as::<libc::sockaddr_ll>() };
    address.sll_family = libc::AF_PACKET as libc::sa_family_t;
    address.sll_protocol = u16::from_ne_bytes(ethertype);
    // An index the kernel cannot have names no interface; it answers ENXIO.
    address.sll_ifindex = i32::try_from(index).unwrap_or(i32::MAX);
    address.sll_halen = BROADCAST.len() as u8;
    // SAFETY: the storage holds a `sockaddr_ll`, initialised above, of just this length.
    unsafe { SockAddr::new(storage, size_of::<libc::sockaddr_ll>() as libc::socklen_t) }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MAC: [u8; 6] = [0x02, 0x00, 0x5e, 0x10, 0x20, 0x30];

    #[test]
    fn a_gratuitous_arp_to_the_byte() {
        #[rustfmt::skip]
        let golden = [
            0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x02, 0x00, 0x5e, 0x10, 0x20, 0x30, 0x08, 0x06,
            0x00, 0x01, 0x08, 0x00, 0x06, 0x04, 0x00, 0x01,
            0x02, 0x00, 0x5e, 0x10, 0x20, 0x30, 192, 0, 2, 100,
            0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 192, 0, 2, 100,
        ];
        assert_eq!(gratuitous_arp_frame(MAC, Ipv4Addr::new(192, 0, 2, 100)), golden);
    }

    #[test]
    fn an_unsolicited_advertisement_to_the_byte() {
        let frame = unsolicited_advertisement_frame(MAC, "2001:db8::64".parse().unwrap(), true);
        #[rustfmt::skip]
        let golden = [
            0x33, 0x33, 0x00, 0x00, 0x00, 0x01, 0x02, 0x00, 0x5e, 0x10, 0x20, 0x30, 0x86, 0xdd,
            0x6c, 0x00, 0x00, 0x00, 0x00, 0x20, 0x3a, 0xff,
            0x20, 0x01, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x64,
            0xff, 0x02, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x01,
            0x88, 0x00, 0x00, 0x00, 0xa0, 0x00, 0x00, 0x00,
            0x20, 0x01, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x64,
            0x02, 0x01, 0x02, 0x00, 0x5e, 0x10, 0x20, 0x30,
        ];
        let without_checksum = |mut frame: [u8; 86]| {
            frame[56..58].fill(0);
            frame
        };
        assert_eq!(without_checksum(frame), golden);
        let pseudo_header = [&frame[22..54], &[0, 0, 0, 32, 0, 0, 0, 58]].concat();
        assert!(checksum::holds(checksum::sum(&pseudo_header) + checksum::sum(&frame[54..])));
        assert_ne!(frame[56..58], [0, 0]);
        assert_eq!(unsolicited_advertisement_frame(MAC, "2001:db8::64".parse().unwrap(), false)[58], 0x20);
    }
}
