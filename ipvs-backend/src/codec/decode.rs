//! Answers as values. Every function takes any bytes at all.

mod traffic;

pub use traffic::{decode_traffic, decode_usage};

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::netlink::{
    CTRL_ATTR_FAMILY_ID, GENERIC_HEADER, HEADER, NLA_TYPE_MASK, NLM_F_ACK_TLVS, NLM_F_CAPPED,
    NLM_F_DUMP_INTR, NLMSG_DONE, NLMSG_ERROR, NLMSG_NOOP, NLMSG_OVERRUN, NLMSGERR_ATTR_MSG,
};
use super::number::*;
use super::wire::ServiceWire;
use crate::kernel::Errno;
use crate::key::{DestinationKey, Family, Protocol, ServiceKey};
use crate::model::{DestinationSettings, Forwarding, ServiceSettings};
use crate::settings::Timeouts;
use crate::sync::{SyncRole, SyncSettings};
use crate::tunnel::Tunnel;

/// Bytes that are no message, or a message that lacks something.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Malformed(pub &'static str);

/// One message from the kernel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer<'a> {
    /// Sequence number of the request that is answered.
    pub sequence: u32,
    /// Whether the table changed while it was being dumped (`NLM_F_DUMP_INTR`).
    pub interrupted: bool,
    /// What it says.
    pub body: Body<'a>,
}

/// What a message from the kernel says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Body<'a> {
    /// The request was carried out.
    Acknowledged,
    /// The request was refused.
    Refused {
        /// The system's error number.
        errno: Errno,
        /// The kernel's own words, where it has some.
        words: Option<String>,
    },
    /// The end of a dump.
    Done,
    /// Data was lost (`NLMSG_OVERRUN`).
    Overrun,
    /// Attributes of one item, for the `decode_…` functions.
    Item(&'a [u8]),
}

/// Version of the kernel's IPVS.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Info {
    /// Major, minor, patch.
    pub version: [u8; 3],
    /// Number of buckets of the connection table.
    pub connection_table_size: u32,
}

/// The messages in one datagram from the kernel.
#[derive(Debug, Clone)]
pub struct Messages<'a> {
    rest: &'a [u8],
}

impl<'a> Messages<'a> {
    /// Messages in these bytes. Ends at the end or after the first malformed one.
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }
}

impl<'a> Iterator for Messages<'a> {
    type Item = Result<Answer<'a>, Malformed>;

    fn next(&mut self) -> Option<Self::Item> {
        while !self.rest.is_empty() {
            let (message, rest) = match split_message(self.rest) {
                Ok(split) => split,
                Err(malformed) => {
                    self.rest = &[];
                    return Some(Err(malformed));
                }
            };
            self.rest = rest;
            match answer(message).transpose() {
                Some(answer) => return Some(answer),
                None => continue, // NLMSG_NOOP
            }
        }
        None
    }
}

/// The number of the family, from the controller's answer to [`Request::Family`](super::Request::Family).
pub fn decode_family(item: &[u8]) -> Result<u16, Malformed> {
    find(item, CTRL_ATTR_FAMILY_ID).and_then(number16).ok_or(Malformed("answer without a family number"))
}

/// The answer to [`Request::Info`](super::Request::Info).
pub fn decode_info(item: &[u8]) -> Result<Info, Malformed> {
    let version = find(item, IPVS_INFO_ATTR_VERSION).and_then(number32);
    let size = find(item, IPVS_INFO_ATTR_CONN_TAB_SIZE).and_then(number32);
    let [_, major, minor, patch] = version.ok_or(Malformed("information without a version"))?.to_be_bytes();
    let connection_table_size = size.ok_or(Malformed("information without a table size"))?;
    Ok(Info { version: [major, minor, patch], connection_table_size })
}

/// One service of a dump; `None` for one that this crate has no words for (of an unknown protocol or family).
pub fn decode_service(item: &[u8]) -> Result<Option<(ServiceKey, ServiceSettings)>, Malformed> {
    let attributes = find(item, IPVS_CMD_ATTR_SERVICE).ok_or(Malformed("answer without a service"))?;
    let Some(key) = service_key(attributes)? else { return Ok(None) };
    let family = key.family();
    let flags = find(attributes, IPVS_SVC_ATTR_FLAGS).and_then(number32);
    let netmask = find(attributes, IPVS_SVC_ATTR_NETMASK).and_then(|bytes| match family {
        Family::V4 => Some(u32::from_be_bytes(first(bytes)?)),
        Family::V6 => number32(bytes),
    });
    let wire = ServiceWire {
        scheduler: find(attributes, IPVS_SVC_ATTR_SCHED_NAME).and_then(text).unwrap_or("none"),
        flags: flags.ok_or(Malformed("service without flags"))?,
        timeout: find(attributes, IPVS_SVC_ATTR_TIMEOUT).and_then(number32).unwrap_or(0),
        netmask: netmask.ok_or(Malformed("service without a netmask"))?,
        engine: find(attributes, IPVS_SVC_ATTR_PE_NAME).and_then(text).filter(|name| !name.is_empty()),
    };
    Ok(Some((key, wire.settings(family))))
}

/// One real server of a dump, of a service of this family; `None` for one that this crate has no words for
/// (an unknown family or forwarding method).
pub fn decode_destination(
    item: &[u8],
    service: Family,
) -> Result<Option<(DestinationKey, DestinationSettings)>, Malformed> {
    let Some((key, attributes)) = server(item, service)? else { return Ok(None) };
    let number = |kind| find(attributes, kind).and_then(number32);
    let method = number(IPVS_DEST_ATTR_FWD_METHOD).ok_or(Malformed("real server without a method"))?;
    let Some(forwarding) = forwarding_of(method) else { return Ok(None) };
    let tunnel = find(attributes, IPVS_DEST_ATTR_TUN_TYPE).and_then(|bytes| bytes.first()).and_then(|kind| {
        let port = find(attributes, IPVS_DEST_ATTR_TUN_PORT).and_then(first).map(u16::from_be_bytes);
        let flags = find(attributes, IPVS_DEST_ATTR_TUN_FLAGS).and_then(number16);
        Tunnel::of_numbers(*kind, port.unwrap_or(0), flags.unwrap_or(0))
    });
    let settings = DestinationSettings {
        forwarding,
        tunnel: tunnel.filter(|_| forwarding == Forwarding::Tun),
        weight: number(IPVS_DEST_ATTR_WEIGHT).ok_or(Malformed("real server without a weight"))?,
        upper: number(IPVS_DEST_ATTR_U_THRESH).unwrap_or(0),
        lower: number(IPVS_DEST_ATTR_L_THRESH).unwrap_or(0),
    };
    Ok(Some((key, settings)))
}

/// The answer to [`Request::Timeouts`](super::Request::Timeouts).
pub fn decode_timeouts(item: &[u8]) -> Result<Timeouts, Malformed> {
    let seconds =
        |kind| find(item, kind).and_then(number32).ok_or(Malformed("time-outs of which one is missing"));
    Ok(Timeouts {
        tcp: seconds(IPVS_CMD_ATTR_TIMEOUT_TCP)?,
        tcp_fin: seconds(IPVS_CMD_ATTR_TIMEOUT_TCP_FIN)?,
        udp: seconds(IPVS_CMD_ATTR_TIMEOUT_UDP)?,
    })
}

/// What a real server of a dump is known by, and all that is said of it.
fn server(item: &[u8], service: Family) -> Result<Option<(DestinationKey, &[u8])>, Malformed> {
    let attributes = find(item, IPVS_CMD_ATTR_DEST).ok_or(Malformed("answer without a real server"))?;
    // Kernels before 3.18 do not tell the family: it is the service's.
    let family = match find(attributes, IPVS_DEST_ATTR_ADDR_FAMILY).and_then(number16) {
        None | Some(0) => Some(service),
        Some(number) => family_of(number),
    };
    let Some(family) = family else { return Ok(None) };
    let address = find(attributes, IPVS_DEST_ATTR_ADDR).and_then(|bytes| address(bytes, family));
    let port = find(attributes, IPVS_DEST_ATTR_PORT).and_then(first).map(u16::from_be_bytes);
    let key = DestinationKey {
        address: address.ok_or(Malformed("real server without an address"))?,
        port: port.ok_or(Malformed("real server without a port"))?,
    };
    Ok(Some((key, attributes)))
}

/// Whether the kernel that told of this real server knows all kinds of tunnels: Linux since 5.3. An older one takes every
/// tunnel for plain IP in IP.
pub fn knows_tunnels(item: &[u8]) -> bool {
    find(item, IPVS_CMD_ATTR_DEST).is_some_and(|server| find(server, IPVS_DEST_ATTR_TUN_FLAGS).is_some())
}

/// One connection synchronisation daemon of a dump; `None` for one of a role that this crate has no word for. Kernels
/// before 4.3 tell neither lengths nor groups: these are the defaults.
pub fn decode_daemon(item: &[u8]) -> Result<Option<(SyncRole, SyncSettings)>, Malformed> {
    let attributes = find(item, IPVS_CMD_ATTR_DAEMON).ok_or(Malformed("answer without a sync daemon"))?;
    let number = |kind| find(attributes, kind).and_then(number32);
    let role = match number(IPVS_DAEMON_ATTR_STATE).ok_or(Malformed("sync daemon without a state"))? {
        IP_VS_STATE_MASTER => SyncRole::Master,
        IP_VS_STATE_BACKUP => SyncRole::Backup,
        _ => return Ok(None),
    };
    let interface = find(attributes, IPVS_DAEMON_ATTR_MCAST_IFN).and_then(text);
    let id = number(IPVS_DAEMON_ATTR_SYNC_ID).ok_or(Malformed("sync daemon without an id"))?;
    let group = |kind, family| find(attributes, kind).and_then(|bytes| address(bytes, family));
    let default = SyncSettings::new(interface.ok_or(Malformed("sync daemon without an interface"))?, 0);
    Ok(Some((
        role,
        SyncSettings {
            id: u8::try_from(id).unwrap_or(u8::MAX),
            max_length: find(attributes, IPVS_DAEMON_ATTR_SYNC_MAXLEN).and_then(number16),
            port: find(attributes, IPVS_DAEMON_ATTR_MCAST_PORT).and_then(number16).unwrap_or(default.port),
            ttl: find(attributes, IPVS_DAEMON_ATTR_MCAST_TTL)
                .and_then(|bytes| bytes.first().copied())
                .unwrap_or(default.ttl),
            group: group(IPVS_DAEMON_ATTR_MCAST_GROUP, Family::V4)
                .or(group(IPVS_DAEMON_ATTR_MCAST_GROUP6, Family::V6))
                .unwrap_or(default.group),
            ..default
        },
    )))
}

fn split_message(bytes: &[u8]) -> Result<(&[u8], &[u8]), Malformed> {
    let length = number32(bytes).ok_or(Malformed("message shorter than its length field"))?;
    let length = usize::try_from(length).map_err(|_| Malformed("message longer than memory"))?;
    if length < HEADER {
        return Err(Malformed("message shorter than its header"));
    }
    let message = bytes.get(..length).ok_or(Malformed("message cut off"))?;
    // The last message of a datagram may lack its padding.
    let rest = bytes.get(length.next_multiple_of(4)..).unwrap_or(&[]);
    Ok((message, rest))
}

/// `None` for a message that says nothing.
fn answer(message: &[u8]) -> Result<Option<Answer<'_>>, Malformed> {
    let field = |at| message.get(at..);
    let kind = field(4).and_then(number16).ok_or(Malformed("message without a kind"))?;
    let flags = field(6).and_then(number16).ok_or(Malformed("message without flags"))?;
    let sequence = field(8).and_then(number32).ok_or(Malformed("message without a sequence number"))?;
    let payload = field(HEADER).unwrap_or(&[]);
    let body = match kind {
        NLMSG_NOOP => return Ok(None),
        NLMSG_ERROR => outcome(payload, flags)?,
        NLMSG_DONE => match number32(payload).map_or(0, u32::cast_signed) {
            0.. => Body::Done,
            // A dump that failed in its middle says so at its end.
            negative => Body::Refused { errno: Errno(negative.saturating_neg()), words: None },
        },
        NLMSG_OVERRUN => Body::Overrun,
        _ => Body::Item(payload.get(GENERIC_HEADER..).ok_or(Malformed("message without a command"))?),
    };
    Ok(Some(Answer { sequence, interrupted: flags & NLM_F_DUMP_INTR != 0, body }))
}

/// `struct nlmsgerr`: error number (0 or negative), header of the request, its content unless capped,
/// attributes.
fn outcome(payload: &[u8], flags: u16) -> Result<Body<'_>, Malformed> {
    let code = number32(payload).ok_or(Malformed("acknowledgement without an error number"))?.cast_signed();
    if code == 0 {
        return Ok(Body::Acknowledged);
    }
    let request = payload.get(4..).and_then(number32).and_then(|length| usize::try_from(length).ok());
    let repeated = if flags & NLM_F_CAPPED == 0 { request.unwrap_or(HEADER).max(HEADER) } else { HEADER };
    let words = (flags & NLM_F_ACK_TLVS != 0)
        .then(|| payload.get(4usize.saturating_add(repeated).checked_next_multiple_of(4)?..))
        .flatten()
        .and_then(|attributes| text(find(attributes, NLMSGERR_ATTR_MSG)?))
        .map(str::to_owned);
    Ok(Body::Refused { errno: Errno(code.saturating_neg()), words })
}

/// What a service of a dump is known by.
fn service_key(attributes: &[u8]) -> Result<Option<ServiceKey>, Malformed> {
    let family = find(attributes, IPVS_SVC_ATTR_AF).and_then(number16);
    let Some(family) = family_of(family.ok_or(Malformed("service without an address family"))?) else {
        return Ok(None);
    };
    match find(attributes, IPVS_SVC_ATTR_FWMARK).and_then(number32) {
        Some(mark) => Ok(Some(ServiceKey::Mark { family, mark })),
        None => address_service(attributes, family),
    }
}

fn address_service(attributes: &[u8], family: Family) -> Result<Option<ServiceKey>, Malformed> {
    let protocol = find(attributes, IPVS_SVC_ATTR_PROTOCOL).and_then(number16);
    let protocol = protocol_of(protocol.ok_or(Malformed("service without a protocol"))?);
    let address = find(attributes, IPVS_SVC_ATTR_ADDR).and_then(|bytes| address(bytes, family));
    let port = find(attributes, IPVS_SVC_ATTR_PORT).and_then(first).map(u16::from_be_bytes);
    let address = address.ok_or(Malformed("service without an address"))?;
    let port = port.ok_or(Malformed("service without a port"))?;
    Ok(protocol.map(|protocol| ServiceKey::Address { protocol, address, port }))
}

/// The value of the first attribute of this kind.
fn find(attributes: &[u8], kind: u16) -> Option<&[u8]> {
    let mut rest = attributes;
    while let Some(length) = number16(rest).map(usize::from) {
        let found = rest.get(2..).and_then(number16)? & NLA_TYPE_MASK;
        let value = rest.get(4..length)?;
        if found == kind {
            return Some(value);
        }
        rest = rest.get(length.next_multiple_of(4)..)?;
    }
    None
}

fn first<const N: usize>(bytes: &[u8]) -> Option<[u8; N]> {
    bytes.first_chunk().copied()
}

fn number16(bytes: &[u8]) -> Option<u16> {
    first(bytes).map(u16::from_ne_bytes)
}

fn number32(bytes: &[u8]) -> Option<u32> {
    first(bytes).map(u32::from_ne_bytes)
}

/// A text up to its closing zero byte.
fn text(bytes: &[u8]) -> Option<&str> {
    let end = bytes.iter().position(|byte| *byte == 0).unwrap_or(bytes.len());
    str::from_utf8(bytes.get(..end)?).ok()
}

fn address(bytes: &[u8], family: Family) -> Option<IpAddr> {
    match family {
        Family::V4 => first::<4>(bytes).map(|octets| Ipv4Addr::from(octets).into()),
        Family::V6 => first::<16>(bytes).map(|octets| Ipv6Addr::from(octets).into()),
    }
}

fn family_of(number: u16) -> Option<Family> {
    match number {
        AF_INET => Some(Family::V4),
        AF_INET6 => Some(Family::V6),
        _ => None,
    }
}

fn protocol_of(number: u16) -> Option<Protocol> {
    match number {
        IPPROTO_TCP => Some(Protocol::Tcp),
        IPPROTO_UDP => Some(Protocol::Udp),
        IPPROTO_SCTP => Some(Protocol::Sctp),
        _ => None,
    }
}

fn forwarding_of(number: u32) -> Option<Forwarding> {
    match number & IP_VS_CONN_F_FWD_MASK {
        IP_VS_CONN_F_MASQ => Some(Forwarding::Nat),
        IP_VS_CONN_F_LOCALNODE => Some(Forwarding::Local),
        IP_VS_CONN_F_TUNNEL => Some(Forwarding::Tun),
        IP_VS_CONN_F_DROUTE => Some(Forwarding::Dr),
        _ => None,
    }
}
