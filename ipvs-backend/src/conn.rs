//! The kernel's connections: how many a real server has, and who they are.
//!
//! The numbers ([`ConnectionCounts`]) come with each real server of a dump and cost next to nothing. The connections
//! themselves ([`Connection`]) are lines of `/proc/net/ip_vs_conn`, of which there may be millions: they are parsed one
//! at a time, and only when somebody asks.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::ops::AddAssign;

use serde::{Deserialize, Serialize};

use crate::key::{DestinationKey, ServiceKey};

/// How many connections a real server of a virtual service has (`struct ip_vs_dest_entry` in `linux/ip_vs.h`).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConnectionCounts {
    /// Established TCP and SCTP connections.
    pub active: u32,
    /// All others: opening, closing, closed a short while ago; everything of UDP.
    pub inactive: u32,
    /// Persistence templates: clients that are bound to this server, with a connection or without.
    pub persistent: u32,
}

impl AddAssign for ConnectionCounts {
    fn add_assign(&mut self, Self { active, inactive, persistent }: Self) {
        self.active = self.active.saturating_add(active);
        self.inactive = self.inactive.saturating_add(inactive);
        self.persistent = self.persistent.saturating_add(persistent);
    }
}

/// One line of `/proc/net/ip_vs_conn` (`ip_vs_conn_seq_show` in `net/netfilter/ipvs/ip_vs_conn.c`).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Connection {
    /// `TCP`, `UDP`, `SCTP`; `IP` for the template of a firewall mark.
    pub protocol: String,
    /// The client; in a template the network that counts as one client.
    pub client: IpAddr,
    /// Its port; 0 in a template.
    pub client_port: u16,
    /// The virtual address; in the template of a firewall mark, the mark.
    pub virtual_address: IpAddr,
    /// The virtual port; 0 in the template of a service of every port.
    pub virtual_port: u16,
    /// The real server; its port is 0 where that of the packet counts.
    pub server: DestinationKey,
    /// `ESTABLISHED`, `FIN_WAIT`, `UDP`, …
    pub state: String,
    /// Seconds until the kernel forgets it, unless another packet comes.
    pub expires: u32,
}

impl Connection {
    /// The connection of a line; `None` for the heading and for what is no such line.
    pub fn parse(line: &str) -> Option<Self> {
        let mut words = line.split_ascii_whitespace();
        let mut word = || words.next();
        let protocol = word()?.to_owned();
        let (client, client_port) = (address(word()?)?, port(word()?)?);
        let (virtual_address, virtual_port) = (address(word()?)?, port(word()?)?);
        let server = DestinationKey::new(address(word()?)?, port(word()?)?);
        let (state, expires) = (word()?.to_owned(), word()?.parse().ok()?);
        Some(Self { protocol, client, client_port, virtual_address, virtual_port, server, state, expires })
    }

    /// Whether it only says that a client belongs to this server.
    pub fn is_template(&self) -> bool {
        self.client_port == 0
    }

    /// Whether it can be one of this service: one of an address is known by that, one of a mark by its template only.
    pub fn is_of(&self, service: &ServiceKey) -> bool {
        match service {
            ServiceKey::Address { protocol, address, port } => {
                self.virtual_address == *address
                    && (self.virtual_port == *port || *port == 0)
                    && self.protocol.eq_ignore_ascii_case(&protocol.to_string())
            }
            ServiceKey::Mark { mark, .. } => {
                !self.is_template() || self.virtual_address == IpAddr::V4(Ipv4Addr::from_bits(*mark))
            }
        }
    }
}

/// Eight hexadecimal digits, or eight groups of four (`%08X` and `%pI6`).
fn address(word: &str) -> Option<IpAddr> {
    if word.contains(':') {
        return word.parse::<Ipv6Addr>().ok().map(IpAddr::V6);
    }
    let bits = (word.len() == 8).then(|| u32::from_str_radix(word, 16).ok())??;
    Some(IpAddr::V4(Ipv4Addr::from_bits(bits)))
}

fn port(word: &str) -> Option<u16> {
    (word.len() == 4).then(|| u16::from_str_radix(word, 16).ok())?
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::sample::{server, service};

    #[test]
    fn a_connection_of_ipv4() {
        let line = "TCP 0A00000A C350 0A000064 0050 0A000115 1F90 ESTABLISHED     899\n";
        let connection = Connection::parse(line).unwrap();
        assert_eq!(connection.client, IpAddr::from([10, 0, 0, 10]));
        assert_eq!((connection.client_port, connection.virtual_port), (50_000, 80));
        assert_eq!(connection.server, server("10.0.1.21:8080"));
        assert_eq!((connection.state.as_str(), connection.expires), ("ESTABLISHED", 899));
        assert!(!connection.is_template());
        assert!(connection.is_of(&service("[10.0.0.100]:tcp:80")));
        assert!(connection.is_of(&service("[10.0.0.100]:tcp:0")));
        assert!(!connection.is_of(&service("[10.0.0.100]:udp:80")));
        assert!(!connection.is_of(&service("[10.0.0.101]:tcp:80")));
    }

    #[test]
    fn connections_of_ipv6_and_through_tunnels_between_the_families() {
        let line = "UDP 2001:0db8:0000:0000:0000:0000:0000:000a 0035 2001:0db8:0000:0000:0000:0000:0000:0064 0035 \
                    2001:0db8:0000:0000:0000:0000:0000:0021 0035 UDP             300";
        let connection = Connection::parse(line).unwrap();
        assert_eq!(connection.server, server("[2001:db8::21]:53"));
        assert!(connection.is_of(&service("[2001:db8::64]:udp:53")));
        let mixed = "TCP 2001:0db8:0000:0000:0000:0000:0000:000a C350 2001:0db8:0000:0000:0000:0000:0000:0064 0050 \
                     0A000115 0050 TIME_WAIT       100";
        assert_eq!(Connection::parse(mixed).unwrap().server, server("10.0.1.21:80"));
    }

    #[test]
    fn templates_and_what_a_persistence_engine_adds() {
        let of_address = "TCP 0A00000A 0000 0A000064 0050 0A000115 0050 NONE            296";
        let of_mark = "IP  0A000000 0000 00000005 0000 0A000115 0000 ASSURED         296 sip call-id";
        let (of_address, of_mark) =
            (Connection::parse(of_address).unwrap(), Connection::parse(of_mark).unwrap());
        assert!(of_address.is_template() && of_mark.is_template());
        assert!(of_mark.is_of(&service("FWM 5")) && !of_mark.is_of(&service("FWM 6")));
    }

    #[test]
    fn headings_and_rubbish_are_no_connections() {
        let heading = "Pro FromIP   FPrt ToIP     TPrt DestIP   DPrt State       Expires PEName PEData";
        for line in [heading, "", "TCP", "TCP 0A00000A C350 0A000064 0050 0A000115 0050 ESTABLISHED soon"] {
            assert_eq!(Connection::parse(line), None, "{line}");
        }
    }

    proptest! {
        #[test]
        fn no_line_is_a_panic(line: String) {
            let _ = Connection::parse(&line);
        }
    }
}
