//! `virtual_server_group`, and the virtual servers that use one.

use std::collections::BTreeSet;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

use ipvs_backend::{Family, Protocol, ServiceKey};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// `virtual_server_group`: what one virtual server serves together.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServerGroup {
    /// Addresses and marks, in the file's order; never empty.
    pub entries: Vec<GroupEntry>,
}

/// One line of a group.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum GroupEntry {
    /// Addresses from the first to the last, which are of one family; both are the same where there is one only.
    Addresses {
        /// The first address.
        first: IpAddr,
        /// The last address.
        last: IpAddr,
        /// The port; 0 stands for every port.
        port: u16,
    },
    /// Packets that the packet filter has marked.
    Mark {
        /// The mark, from 1.
        mark: u32,
        /// The family of the packets. `None`: that of the real servers.
        family: Option<Family>,
    },
}

impl ServerGroup {
    /// The services that a virtual server of this group has in the kernel.
    pub fn services(&self, key: &GroupKey) -> BTreeSet<ServiceKey> {
        let mut services = BTreeSet::new();
        for entry in &self.entries {
            match entry {
                GroupEntry::Addresses { first, last, port } => {
                    let service =
                        |address| ServiceKey::Address { protocol: key.protocol, address, port: *port };
                    services.extend(addresses(*first, *last).map(service));
                }
                GroupEntry::Mark { mark, family } => {
                    services.insert(ServiceKey::Mark { family: family.unwrap_or(key.family), mark: *mark });
                }
            }
        }
        services
    }

    /// The addresses that are served.
    pub fn addresses(&self) -> impl Iterator<Item = IpAddr> {
        let ranges = self.entries.iter().filter_map(|entry| match entry {
            GroupEntry::Addresses { first, last, .. } => Some((*first, *last)),
            GroupEntry::Mark { .. } => None,
        });
        ranges.flat_map(|(first, last)| addresses(first, last))
    }

    /// Whether a line says that packets of this family are served.
    pub fn says(&self, wanted: Family) -> bool {
        self.entries.iter().any(|entry| match entry {
            GroupEntry::Addresses { first, .. } => Family::of(*first) == wanted,
            GroupEntry::Mark { family, .. } => *family == Some(wanted),
        })
    }
}

/// All addresses of a range.
fn addresses(first: IpAddr, last: IpAddr) -> impl Iterator<Item = IpAddr> {
    let (number, end): (u128, u128) = match (first, last) {
        (IpAddr::V4(first), IpAddr::V4(last)) => (first.to_bits().into(), last.to_bits().into()),
        (IpAddr::V6(first), IpAddr::V6(last)) => (first.to_bits(), last.to_bits()),
        _ => (1, 0),
    };
    (number..=end).map(move |number| match u32::try_from(number) {
        Ok(number) if first.is_ipv4() => Ipv4Addr::from_bits(number).into(),
        _ => Ipv6Addr::from_bits(number).into(),
    })
}

/// What a virtual server of a group is known by: the group, and which packets to its addresses it serves.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct GroupKey {
    /// The name of the group.
    pub group: String,
    /// The protocol; UDP, which is the default, for a group of marks only.
    pub protocol: Protocol,
    /// The family of its real servers.
    pub family: Family,
}

impl fmt::Display for GroupKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let family = if self.family == Family::V4 { "" } else { " v6" };
        write!(f, "[{}]:{}{family}", self.group, self.protocol)
    }
}

impl FromStr for GroupKey {
    type Err = ipvs_backend::ParseError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (group, protocol) = text.rsplit_once("]:").unwrap_or((text, ""));
        let (protocol, family) = match protocol.strip_suffix(" v6") {
            Some(protocol) => (protocol, Family::V6),
            None => (protocol, Family::V4),
        };
        let group = group.strip_prefix('[').unwrap_or(group).to_owned();
        Ok(Self { group, protocol: Protocol::from_str(protocol)?, family })
    }
}

impl Serialize for GroupKey {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for GroupKey {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_a_word() {
        for (family, text) in [(Family::V4, r#""[a]:b]:tcp""#), (Family::V6, r#""[a]:b]:tcp v6""#)] {
            let key = GroupKey { group: "a]:b".to_owned(), protocol: Protocol::Tcp, family };
            let json = serde_json::to_string(&key).unwrap();
            assert_eq!(json, text);
            assert_eq!(serde_json::from_str::<GroupKey>(&json).unwrap(), key);
        }
        assert!(serde_json::from_str::<GroupKey>(r#""a""#).is_err());
    }
}
