//! Settings in the form in which the kernel holds them, so that equal here means equal there.

use std::net::Ipv4Addr;
use std::time::Duration;

use super::number::{IP_VS_SVC_F_PERSISTENT, NAME_MAXLEN};
use crate::key::{Family, Protocol};
use crate::model::{Forwarding, Granularity, Persistence, Scheduler, ServiceSettings, flag};

/// A mask that leaves each address for itself, as an IPv4 mask and as an IPv6 prefix length.
const HOST_MASK: u32 = u32::MAX;
const HOST_PREFIX: u32 = 128;

/// The settings of a service as they stand in its attributes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServiceWire<'a> {
    /// Name of the scheduler, at most 15 bytes.
    pub scheduler: &'a str,
    /// Flags that user space sets, `IP_VS_SVC_F_PERSISTENT` included.
    pub flags: u32,
    /// Persistence timeout in seconds, 0 without persistence.
    pub timeout: u32,
    /// Persistence mask: IPv4 mask as a number (255.255.255.0 is 0xffffff00), IPv6 prefix length.
    pub netmask: u32,
    /// Name of the persistence engine, at most 15 bytes.
    pub engine: Option<&'a str>,
}

impl<'a> ServiceWire<'a> {
    /// What the kernel is told for these settings in a service of this family.
    pub fn new(settings: &'a ServiceSettings, family: Family) -> Self {
        let flags = settings.flags & flag::ALL;
        let (flags, timeout, netmask) = match settings.persistence {
            None => (flags, 0, netmask(Granularity::Host, family)),
            Some(persistence) => (
                flags | IP_VS_SVC_F_PERSISTENT,
                whole_seconds(persistence.timeout),
                netmask(persistence.granularity, family),
            ),
        };
        let engine = settings.engine.as_deref().map(shortened).filter(|name| !name.is_empty());
        Self { scheduler: shortened(settings.scheduler.as_str()), flags, timeout, netmask, engine }
    }

    /// The settings that the kernel means by this.
    pub fn settings(&self, family: Family) -> ServiceSettings {
        let persistence = (self.flags & IP_VS_SVC_F_PERSISTENT != 0).then(|| Persistence {
            timeout: Duration::from_secs(self.timeout.into()),
            granularity: granularity(self.netmask, family),
        });
        ServiceSettings {
            scheduler: Scheduler::from_kernel(self.scheduler),
            flags: self.flags & flag::ALL,
            persistence,
            engine: self.engine.map(str::to_owned),
        }
    }
}

/// IP protocol number.
pub(super) fn protocol_number(protocol: Protocol) -> u16 {
    match protocol {
        Protocol::Tcp => super::number::IPPROTO_TCP,
        Protocol::Udp => super::number::IPPROTO_UDP,
        Protocol::Sctp => super::number::IPPROTO_SCTP,
    }
}

/// `AF_INET` or `AF_INET6`.
pub(super) fn family_number(family: Family) -> u16 {
    match family {
        Family::V4 => super::number::AF_INET,
        Family::V6 => super::number::AF_INET6,
    }
}

/// Forwarding method as `IP_VS_CONN_F_*`. [`Forwarding::Local`] cannot be asked for: it goes as translation,
/// which is how the kernel treats a server on its own host anyway.
pub(super) fn forwarding_number(forwarding: Forwarding) -> u32 {
    match forwarding {
        Forwarding::Nat | Forwarding::Local => super::number::IP_VS_CONN_F_MASQ,
        Forwarding::Dr => super::number::IP_VS_CONN_F_DROUTE,
        Forwarding::Tun => super::number::IP_VS_CONN_F_TUNNEL,
    }
}

/// The kernel's counter holds whole seconds; a part of one is rounded up so that no timeout becomes 0 by
/// rounding.
fn whole_seconds(timeout: Duration) -> u32 {
    let seconds = timeout.as_secs() + u64::from(timeout.subsec_nanos() > 0);
    u32::try_from(seconds).unwrap_or(u32::MAX)
}

fn netmask(granularity: Granularity, family: Family) -> u32 {
    match (granularity, family) {
        (Granularity::Netmask(mask), Family::V4) => mask.to_bits(),
        (Granularity::Prefix(length), Family::V6) => u32::from(length),
        // A granularity of the other family cannot mean anything here.
        (_, Family::V4) => HOST_MASK,
        (_, Family::V6) => HOST_PREFIX,
    }
}

fn granularity(netmask: u32, family: Family) -> Granularity {
    match family {
        Family::V4 if netmask != HOST_MASK => Granularity::Netmask(Ipv4Addr::from_bits(netmask)),
        Family::V6 if netmask < HOST_PREFIX => Granularity::Prefix(u8::try_from(netmask).unwrap_or(u8::MAX)),
        Family::V4 | Family::V6 => Granularity::Host,
    }
}

/// As much of a name as the kernel takes.
fn shortened(name: &str) -> &str {
    let mut end = name.len().min(NAME_MAXLEN - 1);
    while !name.is_char_boundary(end) {
        end -= 1;
    }
    name.get(..end).unwrap_or(name)
}
