//! A small engine for the kernel's route netlink, shared by the link monitor and the address table.
//!
//! Requests are sent many at a time and every answer is matched by its sequence number. Tables are read with dumps,
//! which are repeated when the kernel says that it changed something meanwhile. What the kernel tells is reduced to
//! the few fields VRRP needs, so an attribute we have never heard of cannot disturb us.
//! The formats are those of `rtnetlink(7)` and `netlink(7)`.

use std::collections::BTreeMap;
use std::io;
use std::net::IpAddr;
use std::os::fd::{AsFd, BorrowedFd};

use netlink_packet_core::{
    NLM_F_ACK, NLM_F_DUMP, NLM_F_DUMP_INTR, NLM_F_REQUEST, NetlinkBuffer, NetlinkMessage, NlaBuffer,
    NlasIterator,
};
use netlink_packet_route::RouteNetlinkMessage;
use netlink_packet_route::address::{AddressHeader, AddressMessage};
use netlink_packet_route::link::{
    LinkAttribute, LinkExtentMask, LinkFlags, LinkHeader, LinkLayerType, LinkMessage,
};
use netlink_sys::{Socket, SocketAddr, protocols::NETLINK_ROUTE};
use nix::sys::socket::{setsockopt, sockopt};
use nix::sys::time::TimeVal;

use super::wire::read_number;
use crate::address_settings::{
    AUTO_JOIN, AddressDetails, HOME, MANAGE_TEMPORARY, NO_DETECTION, NO_PREFIX_ROUTE,
};

/// Requests per send. More would not be faster, whoever waits for the first of many hears of it soon, and a default
/// receive buffer loses acknowledgements above 256.
const BATCH: usize = 32;

/// The first send of many is shorter: somebody waits for the first answers.
const FIRST_BATCH: usize = 8;

/// Receive buffer of each socket, bytes: room for thousands of events.
const RECEIVE_BUFFER: usize = 1 << 20;

/// Room for one datagram of the kernel, bytes; dumps come in pieces of at most 32 KiB.
pub(super) const DATAGRAM: usize = 64 << 10;

/// How often a dump is repeated when the table changed meanwhile.
const DUMP_ATTEMPTS: usize = 8;

/// Longest wait for an answer, seconds. The kernel answers within the send call, so this is never reached in earnest.
const ANSWER_SECONDS: i64 = 2;

/// Length of `struct nlmsghdr`, bytes.
const MESSAGE_HEADER: usize = 16;

/// Lengths of `struct ifinfomsg` and `struct ifaddrmsg`, bytes.
const LINK_HEADER: usize = 16;
const ADDRESS_HEADER: usize = 8;

// Message types and attributes of <linux/netlink.h>, <linux/rtnetlink.h>, <linux/if_link.h> and <linux/if_addr.h>.
const NLMSG_ERROR: u16 = 2;
const NLMSG_DONE: u16 = 3;
const RTM_NEWLINK: u16 = 16;
const RTM_NEWADDR: u16 = 20;
const NLMSGERR_ATTR_MSG: u16 = 1;
const IFLA_ADDRESS: u16 = 1;
const IFLA_IFNAME: u16 = 3;
const IFLA_LINKINFO: u16 = 18;
const IFLA_INFO_KIND: u16 = 1;
const IFLA_INFO_DATA: u16 = 2;
const IFLA_VRF_TABLE: u16 = 1;
const IFA_ADDRESS: u16 = 1;
const IFA_LOCAL: u16 = 2;
const IFA_LABEL: u16 = 3;
const IFA_BROADCAST: u16 = 4;
const IFA_CACHEINFO: u16 = 6;
const IFA_FLAGS: u16 = 8;
const IFA_PROTO: u16 = 11;
const IFA_F_SECONDARY: u32 = 1;
const IFA_F_DADFAILED: u32 = 0x08;
const IFA_F_TENTATIVE: u32 = 0x40;

/// A blocking request socket on the kernel's route tables.
#[derive(Debug)]
pub(super) struct Netlink {
    socket: Socket,
    sequence: u32,
}

/// One interface, as dumped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct LinkRow {
    pub(super) index: u32,
    pub(super) name: String,
    pub(super) up: bool,
    pub(super) loopback: bool,
    pub(super) mac: Option<[u8; 6]>,
    /// The routing table of a routing domain (VRF).
    pub(super) table: Option<u32>,
}

/// One address, as dumped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct AddressRow {
    pub(super) index: u32,
    pub(super) address: IpAddr,
    pub(super) prefix: u8,
    pub(super) secondary: bool,
    /// Not usable yet, or never: whether somebody else has it is being asked, or was answered.
    pub(super) tentative: bool,
    pub(super) label: Option<String>,
    pub(super) protocol: u8,
    pub(super) details: AddressDetails,
}

/// The kernel's "no" to one request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Refusal {
    /// The `errno` value, positive.
    pub(super) code: i32,
    /// The kernel's own explanation, if it gave one (extended acknowledgement).
    pub(super) text: Option<String>,
}

impl Netlink {
    pub(super) fn open() -> io::Result<Self> {
        let socket = bound_socket()?;
        setsockopt(&socket, sockopt::ReceiveTimeout, &TimeVal::new(ANSWER_SECONDS, 0))?;
        // Both are comforts: short acknowledgements, and explanations in them.
        let _ = socket.set_cap_ack(true);
        let _ = socket.set_ext_ack(true);
        Ok(Self { socket, sequence: 0 })
    }

    /// A socket whose dumps the kernel itself reduces to what the request names (since Linux 4.20; before, everything
    /// comes).
    pub(super) fn open_strict() -> io::Result<Self> {
        let opened = Self::open()?;
        let _ = opened.socket.set_netlink_get_strict_chk(true);
        Ok(opened)
    }

    /// The number that the kernel knows this socket by.
    pub(super) fn port(&self) -> u32 {
        let mut address = SocketAddr::new(0, 0);
        let found = self.socket.get_address(&mut address);
        found.map_or(0, |()| address.port_number())
    }

    /// Every interface of the namespace.
    pub(super) fn links(&mut self) -> io::Result<Vec<LinkRow>> {
        let mut request = LinkMessage::default();
        request.attributes.push(LinkAttribute::ExtMask(vec![LinkExtentMask::SkipStats]));
        self.dump(RouteNetlinkMessage::GetLink(request), RTM_NEWLINK, link_row)
    }

    /// Every address of the namespace: IPv4 before IPv6, and the addresses of an interface in the kernel's order.
    pub(super) fn addresses(&mut self) -> io::Result<Vec<AddressRow>> {
        self.dump(RouteNetlinkMessage::GetAddress(AddressMessage::default()), RTM_NEWADDR, address_row)
    }

    /// Sends `requests`, each with its flags besides REQUEST and ACK, and returns the kernel's answer to each in order.
    pub(super) fn transact(
        &mut self,
        requests: Vec<(RouteNetlinkMessage, u16)>,
    ) -> io::Result<Vec<Result<(), Refusal>>> {
        let mut answers = Vec::with_capacity(requests.len());
        self.transact_in_parts(requests.into_iter(), |part| answers.extend(part))?;
        Ok(answers)
    }

    /// The same for many: the answers are handed on as they come, in order, some at a time.
    pub(super) fn transact_in_parts(
        &mut self,
        requests: impl Iterator<Item = (RouteNetlinkMessage, u16)>,
        mut answered: impl FnMut(Vec<Result<(), Refusal>>),
    ) -> io::Result<()> {
        let mut requests = requests.peekable();
        let mut most = FIRST_BATCH;
        while requests.peek().is_some() {
            let mut batch = Vec::new();
            let first = self.sequence.wrapping_add(1);
            let mut count = 0;
            while let Some((request, flags)) = (count < most).then(|| requests.next()).flatten() {
                count += 1;
                // The kernel works in order and tells every refusal: its "yes" to the last one ends the batch.
                let last = count == most || requests.peek().is_none();
                batch.extend(self.emit(request, if last { flags | NLM_F_ACK } else { flags }));
            }
            self.send(&batch)?;
            answered(self.acknowledgements(first, count)?);
            most = BATCH;
        }
        Ok(())
    }

    /// The answers to `count` requests, at least one, from the sequence number `first` on.
    fn acknowledgements(&self, first: u32, count: usize) -> io::Result<Vec<Result<(), Refusal>>> {
        let mut answers: BTreeMap<usize, Result<(), Refusal>> = BTreeMap::new();
        let mut buffer = Vec::with_capacity(DATAGRAM);
        let mut unsaid = Ok(());
        while !answers.contains_key(&(count - 1)) {
            match receive(&self.socket, &mut buffer) {
                Ok(()) => {}
                Err(error) if is_overrun(&error) => {
                    let text = Some("the kernel's answer was lost".into());
                    unsaid = Err(Refusal { code: libc::ENOBUFS, text });
                    break;
                }
                Err(error) => return Err(error),
            }
            for message in messages(&buffer).filter(|message| message.message_type() == NLMSG_ERROR) {
                let place = message.sequence_number().wrapping_sub(first) as usize;
                if place < count {
                    answers.insert(place, verdict(message.payload()));
                }
            }
        }
        Ok((0..count).map(|place| answers.remove(&place).unwrap_or(unsaid.clone())).collect())
    }

    /// All rows of a table that the `request` asks for, as far as `decode` understands them.
    pub(super) fn dump<Row>(
        &mut self,
        request: RouteNetlinkMessage,
        kind: u16,
        decode: fn(&[u8]) -> Option<Row>,
    ) -> io::Result<Vec<Row>> {
        for _ in 0..DUMP_ATTEMPTS {
            let bytes = self.emit(request.clone(), NLM_F_DUMP);
            self.send(&bytes)?;
            if let Some(rows) = self.collect(kind, decode)? {
                return Ok(rows);
            }
        }
        Err(io::Error::other(format!("the kernel's table changed during each of {DUMP_ATTEMPTS} readings")))
    }

    /// The rows of the dump just asked for; `None` if it must be repeated.
    fn collect<Row>(&self, kind: u16, decode: fn(&[u8]) -> Option<Row>) -> io::Result<Option<Vec<Row>>> {
        let mut rows = Vec::new();
        let mut consistent = true;
        let mut buffer = Vec::with_capacity(DATAGRAM);
        loop {
            match receive(&self.socket, &mut buffer) {
                Ok(()) => {}
                Err(error) if is_overrun(&error) => return Ok(None),
                Err(error) => return Err(error),
            }
            for message in messages(&buffer).filter(|message| message.sequence_number() == self.sequence) {
                consistent &= message.flags() & NLM_F_DUMP_INTR == 0;
                match message.message_type() {
                    NLMSG_ERROR | NLMSG_DONE => {
                        return match verdict(message.payload()) {
                            Ok(()) => Ok(consistent.then_some(rows)),
                            Err(refusal) if refusal.code == libc::EINTR => Ok(None),
                            Err(refusal) => Err(io::Error::from_raw_os_error(refusal.code)),
                        };
                    }
                    found if found == kind => rows.extend(decode(message.payload())),
                    _ => {}
                }
            }
        }
    }

    /// The bytes of one request, under the next sequence number.
    fn emit(&mut self, request: RouteNetlinkMessage, flags: u16) -> Vec<u8> {
        self.sequence = self.sequence.wrapping_add(1);
        let mut message = NetlinkMessage::from(request);
        message.header.flags = flags | NLM_F_REQUEST;
        message.header.sequence_number = self.sequence;
        message.finalize();
        let mut bytes = vec![0; message.buffer_len().next_multiple_of(4)];
        message.serialize(&mut bytes);
        bytes
    }

    fn send(&self, bytes: &[u8]) -> io::Result<()> {
        match self.socket.send(bytes, 0)? {
            sent if sent == bytes.len() => Ok(()),
            sent => Err(io::Error::other(format!("the kernel took {sent} of {} bytes", bytes.len()))),
        }
    }
}

/// A non-blocking socket that only hears what changes.
#[derive(Debug)]
pub(super) struct Subscription(Socket);

impl Subscription {
    /// Subscribes to multicast groups (`RTNLGRP_…` of `<linux/rtnetlink.h>`).
    pub(super) fn open(groups: &[u32]) -> io::Result<Self> {
        let socket = bound_socket()?;
        for group in groups {
            socket.add_membership(*group)?;
        }
        socket.set_non_blocking(true)?;
        Ok(Self(socket))
    }

    /// The next datagram, whole.
    pub(super) fn receive(&self, buffer: &mut Vec<u8>) -> io::Result<Heard> {
        match receive(&self.0, buffer) {
            Ok(()) => Ok(Heard::Datagram),
            Err(error) if is_overrun(&error) => Ok(Heard::Overrun),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(Heard::Nothing),
            Err(error) => Err(error),
        }
    }

    /// Reads away everything that waits and says whether there was anything. An overrun counts: something was said,
    /// we only missed what.
    pub(super) fn drain(&self) -> io::Result<bool> {
        let mut heard = false;
        // The content does not matter (the tables are asked afterwards), so a small buffer may cut it off.
        let mut buffer = Vec::with_capacity(64);
        loop {
            match receive(&self.0, &mut buffer) {
                Ok(()) => heard = true,
                Err(error) if is_overrun(&error) => heard = true,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(heard),
                Err(error) => return Err(error),
            }
        }
    }
}

/// What a subscription has to say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Heard {
    /// A datagram, now in the buffer.
    Datagram,
    /// More was said than there was room for.
    Overrun,
    /// Nothing waits.
    Nothing,
}

impl AsFd for Subscription {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

impl Refusal {
    /// In words, with the capability that a lack of rights asks for.
    pub(super) fn in_words(&self) -> String {
        let reason = io::Error::from_raw_os_error(self.code);
        let explanation = self.text.as_ref().map(|text| format!(" ({text})")).unwrap_or_default();
        let advice = if self.code == libc::EPERM { ": the process needs CAP_NET_ADMIN" } else { "" };
        format!("{reason}{explanation}{advice}")
    }
}

fn bound_socket() -> io::Result<Socket> {
    let mut socket = Socket::new(NETLINK_ROUTE)?;
    // Beyond the system's limit where we may, up to it otherwise; a smaller buffer only costs repeated reading.
    if setsockopt(&socket, sockopt::RcvBufForce, &RECEIVE_BUFFER).is_err() {
        let _ = setsockopt(&socket, sockopt::RcvBuf, &RECEIVE_BUFFER);
    }
    socket.bind(&SocketAddr::new(0, 0))?;
    Ok(socket)
}

/// Replaces `buffer` by the next datagram, cut off at its capacity.
fn receive(socket: &Socket, buffer: &mut Vec<u8>) -> io::Result<()> {
    loop {
        buffer.clear();
        match socket.recv(buffer, 0) {
            Ok(_) => return Ok(()),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

fn is_overrun(error: &io::Error) -> bool {
    error.raw_os_error() == Some(libc::ENOBUFS)
}

/// The messages of one datagram; what is malformed ends the list.
pub(super) fn messages(datagram: &[u8]) -> impl Iterator<Item = NetlinkBuffer<&[u8]>> {
    let mut rest = datagram;
    std::iter::from_fn(move || {
        let message = NetlinkBuffer::new_checked(rest).ok()?;
        let length = (message.length() as usize).next_multiple_of(4);
        rest = rest.get(length..).unwrap_or_default();
        Some(message)
    })
}

/// Reads the payload of an acknowledgement (`struct nlmsgerr` and attributes) or of the end of a dump.
fn verdict(payload: &[u8]) -> Result<(), Refusal> {
    let Some((code, rest)) = payload.split_first_chunk::<4>() else { return Ok(()) };
    match i32::from_ne_bytes(*code) {
        0.. => Ok(()),
        code => {
            let text = attributes(rest.get(MESSAGE_HEADER..).unwrap_or_default())
                .find(|attribute| attribute.kind() == NLMSGERR_ATTR_MSG)
                .map(|attribute| text_of(attribute.value()));
            Err(Refusal { code: code.saturating_neg(), text })
        }
    }
}

fn link_row(payload: &[u8]) -> Option<LinkRow> {
    let header = LinkHeader::parse(payload).ok()?;
    let mut name = None;
    let mut mac = None;
    let mut table = None;
    for attribute in attributes(payload.get(LINK_HEADER..)?) {
        match attribute.kind() {
            IFLA_LINKINFO => table = domain_table(attribute.value()),
            IFLA_IFNAME => name = Some(text_of(attribute.value())),
            IFLA_ADDRESS => mac = attribute.value().try_into().ok(),
            _ => {}
        }
    }
    Some(LinkRow {
        index: header.index,
        name: name?,
        up: header.flags.contains(LinkFlags::Up | LinkFlags::Running),
        loopback: header.flags.contains(LinkFlags::Loopback),
        mac: mac.filter(|_| header.link_layer_type == LinkLayerType::Ether),
        table,
    })
}

/// The routing table of an interface that is a routing domain.
fn domain_table(info: &[u8]) -> Option<u32> {
    let part = |kind| attributes(info).find(|part| part.kind() == kind);
    part(IFLA_INFO_KIND).filter(|kind| text_of(kind.value()) == "vrf")?;
    let data = part(IFLA_INFO_DATA)?;
    let table = attributes(data.value()).find(|part| part.kind() == IFLA_VRF_TABLE)?;
    read_number(table.value())
}

pub(super) fn address_row(payload: &[u8]) -> Option<AddressRow> {
    let header = AddressHeader::parse(payload).ok()?;
    let (mut local, mut address, mut label, mut protocol) = (None, None, None, 0);
    let mut details = AddressDetails { scope: u8::from(header.scope), ..AddressDetails::default() };
    let mut flags = u32::from(header.flags.bits());
    for attribute in attributes(payload.get(ADDRESS_HEADER..)?) {
        let value = attribute.value();
        match attribute.kind() {
            // On a point-to-point interface IFA_ADDRESS is the peer's; IFA_LOCAL, where given, is always our own.
            IFA_LOCAL => local = ip_address(value),
            IFA_ADDRESS => address = ip_address(value),
            IFA_LABEL => label = Some(text_of(value)),
            IFA_FLAGS => flags = value.try_into().map(u32::from_ne_bytes).unwrap_or(flags),
            IFA_BROADCAST => details.broadcast = <[u8; 4]>::try_from(value).ok().map(Into::into),
            // `struct ifa_cacheinfo`: the preferred lifetime comes first.
            IFA_CACHEINFO => {
                let preferred = value.first_chunk().map(|seconds| u32::from_ne_bytes(*seconds));
                details.preferred = preferred.filter(|seconds| *seconds != u32::MAX);
            }
            IFA_PROTO => protocol = value.first().copied().unwrap_or(0),
            _ => {}
        }
    }
    let own = local.or(address)?;
    details.peer = address.filter(|peer| *peer != own);
    details.flags = flags & (NO_DETECTION | HOME | MANAGE_TEMPORARY | NO_PREFIX_ROUTE | AUTO_JOIN);
    if own.is_ipv6() {
        details.scope = 0;
    }
    Some(AddressRow {
        index: header.index,
        address: own,
        prefix: header.prefix_len,
        secondary: flags & IFA_F_SECONDARY != 0,
        tentative: flags & (IFA_F_TENTATIVE | IFA_F_DADFAILED) != 0,
        label,
        protocol,
        details,
    })
}

/// The attributes of a message or of a nest; what is malformed ends the list.
pub(super) fn attributes(bytes: &[u8]) -> impl Iterator<Item = NlaBuffer<&[u8]>> {
    NlasIterator::new(bytes).map_while(Result::ok)
}

pub(super) fn ip_address(bytes: &[u8]) -> Option<IpAddr> {
    let v4 = || Some(IpAddr::from(<[u8; 4]>::try_from(bytes).ok()?));
    let v6 = || Some(IpAddr::from(<[u8; 16]>::try_from(bytes).ok()?));
    v4().or_else(v6)
}

/// A string of the kernel, without the zero byte that ends it.
pub(super) fn text_of(bytes: &[u8]) -> String {
    let end = bytes.iter().position(|byte| *byte == 0).unwrap_or(bytes.len());
    String::from_utf8_lossy(bytes.get(..end).unwrap_or_default()).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn attribute(kind: u16, value: &[u8]) -> Vec<u8> {
        let mut bytes = Vec::new();
        bytes.extend((value.len() as u16 + 4).to_ne_bytes());
        bytes.extend(kind.to_ne_bytes());
        bytes.extend(value);
        bytes.resize(bytes.len().next_multiple_of(4), 0);
        bytes
    }

    #[test]
    fn an_address_is_read() {
        let mut payload = vec![2, 24, 0, 0, 7, 0, 0, 0];
        payload[4..8].copy_from_slice(&7_u32.to_ne_bytes());
        payload.extend(attribute(IFA_ADDRESS, &[192, 0, 2, 9]));
        payload.extend(attribute(IFA_LOCAL, &[192, 0, 2, 1]));
        payload.extend(attribute(IFA_LABEL, b"eth0:1\0"));
        payload.extend(attribute(IFA_FLAGS, &0x81_u32.to_ne_bytes()));
        payload.extend(attribute(IFA_PROTO, &[112]));
        payload.extend(attribute(999, &[1]));
        let row = AddressRow {
            index: 7,
            address: "192.0.2.1".parse().unwrap(),
            prefix: 24,
            secondary: true,
            tentative: false,
            label: Some("eth0:1".into()),
            protocol: 112,
            details: AddressDetails { peer: Some([192, 0, 2, 9].into()), ..AddressDetails::default() },
        };
        assert_eq!(address_row(&payload), Some(row));
        for length in 0..payload.len() {
            let _ = address_row(&payload[..length]);
        }
    }

    #[test]
    fn a_link_is_read() {
        let mut payload = vec![0, 0];
        payload.extend(1_u16.to_ne_bytes());
        payload.extend(3_u32.to_ne_bytes());
        payload.extend(0x1_1043_u32.to_ne_bytes());
        payload.extend([0; 4]);
        payload.extend(attribute(IFLA_IFNAME, b"eth0\0"));
        payload.extend(attribute(IFLA_ADDRESS, &[2, 0, 0, 0, 0, 1]));
        let row = LinkRow {
            index: 3,
            name: "eth0".into(),
            up: true,
            loopback: false,
            mac: Some([2, 0, 0, 0, 0, 1]),
            table: None,
        };
        assert_eq!(link_row(&payload), Some(row.clone()));
        payload[8] = 0x03; // IFF_UP without IFF_RUNNING
        let row = LinkRow { up: false, ..row };
        assert_eq!(link_row(&payload), Some(row.clone()));
        let data = attribute(IFLA_INFO_DATA, &attribute(IFLA_VRF_TABLE, &10_u32.to_ne_bytes()));
        let info = |kind: &[u8]| [attribute(IFLA_INFO_KIND, kind), data.clone()].concat();
        let described = |kind| [payload.clone(), attribute(IFLA_LINKINFO, &info(kind))].concat();
        assert_eq!(
            link_row(&described(b"vlan\0")),
            Some(row.clone()),
            "attribute 1 of another kind is something else"
        );
        payload = described(b"vrf\0");
        assert_eq!(link_row(&payload), Some(LinkRow { table: Some(10), ..row }));
        for length in 0..payload.len() {
            let _ = link_row(&payload[..length]);
        }
    }

    #[test]
    fn a_refusal_carries_the_kernels_words() {
        let mut payload = (-libc::EPERM).to_ne_bytes().to_vec();
        payload.extend([0; MESSAGE_HEADER]);
        payload.extend(attribute(NLMSGERR_ATTR_MSG, b"not you\0"));
        let refusal = verdict(&payload).unwrap_err();
        assert_eq!(refusal, Refusal { code: libc::EPERM, text: Some("not you".into()) });
        assert!(refusal.in_words().contains("(not you): the process needs CAP_NET_ADMIN"));
        assert_eq!(verdict(&[0; 20]), Ok(()));
    }

    #[test]
    fn messages_end_at_what_is_malformed() {
        let mut datagram = vec![0; 20];
        datagram[0..4].copy_from_slice(&20_u32.to_ne_bytes());
        datagram.extend([255; 18]);
        assert_eq!(messages(&datagram).count(), 1);
        assert_eq!(messages(&datagram[..19]).count(), 0);
    }
}
