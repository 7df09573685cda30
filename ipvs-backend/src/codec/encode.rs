//! Requests as bytes.

use std::net::IpAddr;

use super::netlink::{
    CTRL_ATTR_FAMILY_NAME, CTRL_CMD_GETFAMILY, CTRL_VERSION, GENERIC_HEADER, GENL_ID_CTRL, HEADER,
    NLA_F_NESTED, NLM_F_ACK, NLM_F_DUMP, NLM_F_REQUEST,
};
use super::number::*;
use super::wire::{ServiceWire, family_number, forwarding_number, protocol_number};
use crate::key::{DestinationKey, Family, ServiceKey};
use crate::model::{DestinationSettings, ServiceSettings};
use crate::operation::Operation;
use crate::settings::Timeouts;
use crate::sync::{SyncChange, SyncRole};
use crate::tunnel::Tunnel;

/// What can be asked of the kernel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Request<'a> {
    /// Which number the family "IPVS" has. Goes to the controller, whatever family number is given.
    Family,
    /// Version and size of the connection table.
    Info,
    /// All services.
    Services,
    /// One service.
    Service(ServiceKey),
    /// The real servers of one service; none when there is no such service.
    Destinations(ServiceKey),
    /// The connection synchronisation daemons.
    Daemons,
    /// Starts or stops one of them.
    Daemon(&'a SyncChange),
    /// How long connections are remembered.
    Timeouts,
    /// Sets that.
    SetTimeouts(Timeouts),
    /// A change. Unless `acknowledge` is set the kernel answers only when it refuses.
    Change {
        /// The change.
        operation: &'a Operation,
        /// Whether success is answered too.
        acknowledge: bool,
    },
}

/// Appends one request to `buffer`. `family` is the number that the kernel gave to IPVS, `sequence` comes
/// back in each answer.
pub fn request(buffer: &mut Vec<u8>, family: u16, sequence: u32, request: Request<'_>) {
    let (kind, flags, command, version) = match request {
        Request::Family => (GENL_ID_CTRL, NLM_F_ACK, CTRL_CMD_GETFAMILY, CTRL_VERSION),
        Request::Info => (family, NLM_F_ACK, IPVS_CMD_GET_INFO, IPVS_GENL_VERSION),
        Request::Services => (family, NLM_F_DUMP, IPVS_CMD_GET_SERVICE, IPVS_GENL_VERSION),
        Request::Service(_) => (family, NLM_F_ACK, IPVS_CMD_GET_SERVICE, IPVS_GENL_VERSION),
        Request::Destinations(_) => (family, NLM_F_DUMP, IPVS_CMD_GET_DEST, IPVS_GENL_VERSION),
        Request::Daemons => (family, NLM_F_DUMP, IPVS_CMD_GET_DAEMON, IPVS_GENL_VERSION),
        Request::Timeouts => (family, NLM_F_ACK, IPVS_CMD_GET_CONFIG, IPVS_GENL_VERSION),
        Request::SetTimeouts(_) => (family, NLM_F_ACK, IPVS_CMD_SET_CONFIG, IPVS_GENL_VERSION),
        Request::Daemon(change) => {
            let command = match change {
                SyncChange::Start(..) => IPVS_CMD_NEW_DAEMON,
                SyncChange::Stop(_) => IPVS_CMD_DEL_DAEMON,
            };
            (family, NLM_F_ACK, command, IPVS_GENL_VERSION)
        }
        Request::Change { operation, acknowledge } => {
            (family, if acknowledge { NLM_F_ACK } else { 0 }, command_of(operation), IPVS_GENL_VERSION)
        }
    };
    let start = buffer.len();
    buffer.extend_from_slice(&[0; 4]); // length, filled in below
    buffer.extend_from_slice(&kind.to_ne_bytes());
    buffer.extend_from_slice(&(NLM_F_REQUEST | flags).to_ne_bytes());
    buffer.extend_from_slice(&sequence.to_ne_bytes());
    buffer.extend_from_slice(&[0; 4]); // port of the sender, which the kernel knows
    buffer.extend_from_slice(&[command, version, 0, 0]);
    debug_assert_eq!(buffer.len(), start + HEADER + GENERIC_HEADER);
    match request {
        Request::Family => attribute(buffer, CTRL_ATTR_FAMILY_NAME, IPVS_GENL_NAME),
        Request::Info | Request::Services | Request::Daemons | Request::Timeouts => {}
        Request::SetTimeouts(Timeouts { tcp, tcp_fin, udp }) => {
            attribute(buffer, IPVS_CMD_ATTR_TIMEOUT_TCP, &tcp.to_ne_bytes());
            attribute(buffer, IPVS_CMD_ATTR_TIMEOUT_TCP_FIN, &tcp_fin.to_ne_bytes());
            attribute(buffer, IPVS_CMD_ATTR_TIMEOUT_UDP, &udp.to_ne_bytes());
        }
        Request::Daemon(of) => daemon(buffer, of),
        Request::Service(key) | Request::Destinations(key) => service(buffer, &key, None),
        Request::Change { operation, .. } => change(buffer, operation),
    }
    let length = u32::try_from(buffer.len() - start).expect("a request is a few hundred bytes long");
    fill(buffer, start, &length.to_ne_bytes());
}

fn command_of(operation: &Operation) -> u8 {
    match operation {
        Operation::AddService { .. } => IPVS_CMD_NEW_SERVICE,
        Operation::SetService { .. } => IPVS_CMD_SET_SERVICE,
        Operation::RemoveService { .. } => IPVS_CMD_DEL_SERVICE,
        Operation::AddDestination { .. } => IPVS_CMD_NEW_DEST,
        Operation::SetDestination { .. } => IPVS_CMD_SET_DEST,
        Operation::RemoveDestination { .. } => IPVS_CMD_DEL_DEST,
    }
}

fn change(buffer: &mut Vec<u8>, operation: &Operation) {
    match operation {
        Operation::AddService { key, settings } | Operation::SetService { key, settings } => {
            service(buffer, key, Some(settings));
        }
        Operation::RemoveService { key } => service(buffer, key, None),
        Operation::AddDestination { service: of, key, settings }
        | Operation::SetDestination { service: of, key, settings } => {
            service(buffer, of, None);
            destination(buffer, key, Some(settings));
        }
        Operation::RemoveDestination { service: of, key } => {
            service(buffer, of, None);
            destination(buffer, key, None);
        }
    }
}

fn service(buffer: &mut Vec<u8>, key: &ServiceKey, settings: Option<&ServiceSettings>) {
    let family = key.family();
    nested(buffer, IPVS_CMD_ATTR_SERVICE, |buffer| {
        attribute(buffer, IPVS_SVC_ATTR_AF, &family_number(family).to_ne_bytes());
        match key {
            ServiceKey::Address { protocol, address, port } => {
                attribute(buffer, IPVS_SVC_ATTR_PROTOCOL, &protocol_number(*protocol).to_ne_bytes());
                attribute(buffer, IPVS_SVC_ATTR_ADDR, &address_bytes(*address));
                attribute(buffer, IPVS_SVC_ATTR_PORT, &port.to_be_bytes());
            }
            ServiceKey::Mark { mark, .. } => attribute(buffer, IPVS_SVC_ATTR_FWMARK, &mark.to_ne_bytes()),
        }
        let Some(settings) = settings else { return };
        let wire = ServiceWire::new(settings, family);
        name(buffer, IPVS_SVC_ATTR_SCHED_NAME, wire.scheduler);
        if let Some(engine) = wire.engine {
            name(buffer, IPVS_SVC_ATTR_PE_NAME, engine);
        }
        // struct ip_vs_flags: the flags, and which of them are meant.
        let mut flags = [0; 8];
        flags[..4].copy_from_slice(&wire.flags.to_ne_bytes());
        flags[4..].copy_from_slice(&u32::MAX.to_ne_bytes());
        attribute(buffer, IPVS_SVC_ATTR_FLAGS, &flags);
        attribute(buffer, IPVS_SVC_ATTR_TIMEOUT, &wire.timeout.to_ne_bytes());
        let netmask = match family {
            Family::V4 => wire.netmask.to_be_bytes(),
            Family::V6 => wire.netmask.to_ne_bytes(),
        };
        attribute(buffer, IPVS_SVC_ATTR_NETMASK, &netmask);
    });
}

fn destination(buffer: &mut Vec<u8>, key: &DestinationKey, settings: Option<&DestinationSettings>) {
    nested(buffer, IPVS_CMD_ATTR_DEST, |buffer| {
        attribute(buffer, IPVS_DEST_ATTR_ADDR, &address_bytes(key.address));
        attribute(buffer, IPVS_DEST_ATTR_PORT, &key.port.to_be_bytes());
        let family = family_number(Family::of(key.address));
        attribute(buffer, IPVS_DEST_ATTR_ADDR_FAMILY, &family.to_ne_bytes());
        let Some(settings) = settings else { return };
        attribute(buffer, IPVS_DEST_ATTR_FWD_METHOD, &forwarding_number(settings.forwarding).to_ne_bytes());
        attribute(buffer, IPVS_DEST_ATTR_WEIGHT, &settings.weight.to_ne_bytes());
        attribute(buffer, IPVS_DEST_ATTR_U_THRESH, &settings.upper.to_ne_bytes());
        attribute(buffer, IPVS_DEST_ATTR_L_THRESH, &settings.lower.to_ne_bytes());
        let Some((kind, port, flags)) = settings.own_header().map(Tunnel::numbers) else { return };
        attribute(buffer, IPVS_DEST_ATTR_TUN_TYPE, &[kind]);
        attribute(buffer, IPVS_DEST_ATTR_TUN_PORT, &port.to_be_bytes());
        attribute(buffer, IPVS_DEST_ATTR_TUN_FLAGS, &flags.to_ne_bytes());
    });
}

fn daemon(buffer: &mut Vec<u8>, change: &SyncChange) {
    let (SyncChange::Start(role, _) | SyncChange::Stop(role)) = change;
    nested(buffer, IPVS_CMD_ATTR_DAEMON, |buffer| {
        let state = match role {
            SyncRole::Master => IP_VS_STATE_MASTER,
            SyncRole::Backup => IP_VS_STATE_BACKUP,
        };
        attribute(buffer, IPVS_DAEMON_ATTR_STATE, &state.to_ne_bytes());
        let SyncChange::Start(_, settings) = change else { return };
        name(buffer, IPVS_DAEMON_ATTR_MCAST_IFN, &settings.interface);
        attribute(buffer, IPVS_DAEMON_ATTR_SYNC_ID, &u32::from(settings.id).to_ne_bytes());
        if let Some(length) = settings.max_length {
            attribute(buffer, IPVS_DAEMON_ATTR_SYNC_MAXLEN, &length.to_ne_bytes());
        }
        match settings.group {
            IpAddr::V4(group) => attribute(buffer, IPVS_DAEMON_ATTR_MCAST_GROUP, &group.octets()),
            IpAddr::V6(group) => attribute(buffer, IPVS_DAEMON_ATTR_MCAST_GROUP6, &group.octets()),
        }
        // In the host's byte order, other than the ports of services.
        attribute(buffer, IPVS_DAEMON_ATTR_MCAST_PORT, &settings.port.to_ne_bytes());
        attribute(buffer, IPVS_DAEMON_ATTR_MCAST_TTL, &[settings.ttl]);
    });
}

/// `union nf_inet_addr`: 16 bytes, of which IPv4 uses the first four.
fn address_bytes(address: IpAddr) -> [u8; 16] {
    match address {
        IpAddr::V4(address) => {
            let mut bytes = [0; 16];
            bytes[..4].copy_from_slice(&address.octets());
            bytes
        }
        IpAddr::V6(address) => address.octets(),
    }
}

fn name(buffer: &mut Vec<u8>, kind: u16, name: &str) {
    let mut bytes = [0; NAME_MAXLEN];
    let length = name.len().min(NAME_MAXLEN - 1);
    bytes[..length].copy_from_slice(&name.as_bytes()[..length]);
    attribute(buffer, kind, &bytes[..=length]);
}

fn nested(buffer: &mut Vec<u8>, kind: u16, content: impl FnOnce(&mut Vec<u8>)) {
    let start = buffer.len();
    attribute(buffer, kind | NLA_F_NESTED, &[]);
    content(buffer);
    let length = u16::try_from(buffer.len() - start).expect("a nested attribute is a few hundred bytes long");
    fill(buffer, start, &length.to_ne_bytes());
}

/// `struct nlattr`: length without padding, kind, value, padding to four bytes.
fn attribute(buffer: &mut Vec<u8>, kind: u16, value: &[u8]) {
    let length = u16::try_from(4 + value.len()).expect("our attributes are short");
    buffer.extend_from_slice(&length.to_ne_bytes());
    buffer.extend_from_slice(&kind.to_ne_bytes());
    buffer.extend_from_slice(value);
    buffer.resize(buffer.len().next_multiple_of(4), 0);
}

fn fill(buffer: &mut [u8], at: usize, bytes: &[u8]) {
    buffer[at..at + bytes.len()].copy_from_slice(bytes);
}
