//! What a virtual service and a real server are known by.
//!
//! A key never holds a setting: two services with the same key are the same service, however they are
//! scheduled, and a server whose weight changes stays the same server. Keys are written as strings, so that
//! they can be the keys of JSON maps: `[10.0.0.1]:tcp:80`, `[2001:db8::1]:udp:53`, `FWM 7`, `FWM 7 v6`;
//! `[10.0.0.2]:80`.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::ParseError;

/// A transport protocol that IPVS balances.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Protocol {
    /// Transmission Control Protocol, IP protocol 6.
    Tcp,
    /// User Datagram Protocol, IP protocol 17.
    Udp,
    /// Stream Control Transmission Protocol, IP protocol 132.
    Sctp,
}

/// The address family of a firewall-mark service; an address service has the family of its address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Family {
    /// IPv4.
    V4,
    /// IPv6.
    V6,
}

/// What a virtual service is known by, to the kernel and to us.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum ServiceKey {
    /// Packets of one protocol to one address and port.
    Address {
        /// Transport protocol.
        protocol: Protocol,
        /// Virtual address.
        address: IpAddr,
        /// Virtual port; 0 stands for every port, which the kernel serves for persistent services only.
        port: u16,
    },
    /// Packets of one family that the packet filter has marked.
    Mark {
        /// Address family of the packets.
        family: Family,
        /// The mark, 1 to 4294967295 (the kernel takes 0 as "no mark").
        mark: u32,
    },
}

impl ServiceKey {
    /// A TCP service.
    pub fn tcp(address: IpAddr, port: u16) -> Self {
        Self::Address { protocol: Protocol::Tcp, address, port }
    }

    /// A UDP service.
    pub fn udp(address: IpAddr, port: u16) -> Self {
        Self::Address { protocol: Protocol::Udp, address, port }
    }

    /// The family of the packets that this service takes.
    pub fn family(&self) -> Family {
        match self {
            Self::Address { address, .. } => Family::of(*address),
            Self::Mark { family, .. } => *family,
        }
    }
}

/// What a real server is known by within its service.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct DestinationKey {
    /// Address of the real server.
    pub address: IpAddr,
    /// Port of the real server. With direct routing and tunnels the kernel leaves the packet's port as it is,
    /// whatever stands here; 0 means the packet's own port.
    pub port: u16,
}

impl DestinationKey {
    /// A real server.
    pub fn new(address: IpAddr, port: u16) -> Self {
        Self { address, port }
    }
}

impl Family {
    /// The family of an address.
    pub fn of(address: IpAddr) -> Self {
        if address.is_ipv4() { Self::V4 } else { Self::V6 }
    }
}

impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Tcp => "tcp",
            Self::Udp => "udp",
            Self::Sctp => "sctp",
        })
    }
}

impl FromStr for Protocol {
    type Err = ParseError;

    /// Upper or lower case.
    fn from_str(text: &str) -> Result<Self, ParseError> {
        match text.to_ascii_lowercase().as_str() {
            "tcp" => Ok(Self::Tcp),
            "udp" => Ok(Self::Udp),
            "sctp" => Ok(Self::Sctp),
            _ => Err(ParseError::new("protocol", text, "tcp, udp or sctp")),
        }
    }
}

impl fmt::Display for ServiceKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address { protocol, address, port } => write!(f, "[{address}]:{protocol}:{port}"),
            Self::Mark { family: Family::V4, mark } => write!(f, "FWM {mark}"),
            Self::Mark { family: Family::V6, mark } => write!(f, "FWM {mark} v6"),
        }
    }
}

impl FromStr for ServiceKey {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        parse_service(text)
            .ok_or_else(|| ParseError::new("virtual service", text, "[10.0.0.1]:tcp:80, FWM 1 or FWM 1 v6"))
    }
}

impl fmt::Display for DestinationKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "[{}]:{}", self.address, self.port)
    }
}

impl FromStr for DestinationKey {
    type Err = ParseError;

    /// Takes `10.0.0.2:80` as well as `[10.0.0.2]:80`.
    fn from_str(text: &str) -> Result<Self, ParseError> {
        if let Ok(address) = text.parse::<SocketAddr>() {
            return Ok(Self::new(address.ip(), address.port()));
        }
        bracketed(text)
            .and_then(|(address, rest)| Some(Self::new(address, rest.parse().ok()?)))
            .ok_or_else(|| ParseError::new("real server", text, "[10.0.0.2]:80 or [2001:db8::2]:80"))
    }
}

fn parse_service(text: &str) -> Option<ServiceKey> {
    if let Some(rest) = text.strip_prefix("FWM ") {
        let (mark, family) = match rest.strip_suffix(" v6") {
            Some(mark) => (mark, Family::V6),
            None => (rest, Family::V4),
        };
        let mark = mark.parse().ok().filter(|mark| *mark != 0)?;
        return Some(ServiceKey::Mark { family, mark });
    }
    let (address, rest) = bracketed(text)?;
    let (protocol, port) = rest.split_once(':')?;
    Some(ServiceKey::Address { protocol: protocol.parse().ok()?, address, port: port.parse().ok()? })
}

/// `[address]:rest`
fn bracketed(text: &str) -> Option<(IpAddr, &str)> {
    let (address, rest) = text.strip_prefix('[')?.split_once("]:")?;
    Some((address.parse().ok()?, rest))
}

macro_rules! serde_as_string {
    ($($key:ty),*) => {$(
        impl Serialize for $key {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $key {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
            }
        }
    )*};
}

serde_as_string!(ServiceKey, DestinationKey);

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;
    use crate::sample::every_key;

    #[test]
    fn texts() {
        for text in ["[10.0.0.1]:tcp:80", "[2001:db8::1]:sctp:0", "FWM 1", "FWM 4294967295 v6"] {
            assert_eq!(text.parse::<ServiceKey>().unwrap().to_string(), text);
        }
        assert_eq!("10.0.0.2:80".parse(), "[10.0.0.2]:80".parse::<DestinationKey>());
        assert_eq!("[::1]:80".parse::<DestinationKey>().unwrap().to_string(), "[::1]:80");
    }

    #[test]
    fn nonsense_is_named_with_what_was_expected() {
        for text in
            ["", "FWM", "FWM -1", "FWM 0", "10.0.0.1:tcp:80", "[10.0.0.1]:icmp:80", "[10.0.0.1]:tcp:65536"]
        {
            let error = text.parse::<ServiceKey>().unwrap_err().to_string();
            assert!(error.contains(&format!("\"{text}\"")) && error.contains("FWM 1"), "{error}");
        }
        for text in ["", "10.0.0.2", "[10.0.0.2]", "[10.0.0.2]:x", "::1:80:"] {
            assert!(text.parse::<DestinationKey>().is_err(), "{text}");
        }
    }

    #[test]
    fn keys_of_json_maps() {
        let map = BTreeMap::from([("FWM 7 v6".parse::<ServiceKey>().unwrap(), 1)]);
        let json = serde_json::to_string(&map).unwrap();
        assert_eq!(json, r#"{"FWM 7 v6":1}"#);
        assert_eq!(serde_json::from_str::<BTreeMap<ServiceKey, i32>>(&json).unwrap(), map);
        assert!(serde_json::from_str::<ServiceKey>(r#""nonsense""#).is_err());
    }

    proptest! {
        #[test]
        fn text_is_as_good_as_the_key(key in every_key(), address: IpAddr, port: u16) {
            prop_assume!(!matches!(key, ServiceKey::Mark { mark: 0, .. }));
            prop_assert_eq!(key.to_string().parse(), Ok(key));
            let key = DestinationKey { address, port };
            prop_assert_eq!(key.to_string().parse(), Ok(key));
        }
    }
}
