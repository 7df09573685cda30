//! The header by which a proxy says for whom it connects, and by which a check says that it asks for itself
//! (HAProxy's `proxy-protocol.txt`, "the specification" below).
//!
//! A server that waits for it hangs up on whoever does not begin with it, a check as well.

use std::fmt;
use std::net::{IpAddr, SocketAddr};

use serde::{Deserialize, Serialize};

/// The header that a check begins its connection with (`proxy_protocol`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum ProxyHeader {
    /// The line in text.
    V1,
    /// The bytes.
    V2,
}

/// What version 2 begins with.
const SIGNATURE: [u8; 12] = *b"\r\n\r\n\0\r\nQUIT\n";
/// Version 2, and the command LOCAL.
const LOCAL: u8 = 0x20;

impl ProxyHeader {
    /// The header of a connection between these two ends; 107 bytes at most, which the specification wants sent at once.
    pub fn bytes(self, from: SocketAddr, to: SocketAddr) -> Vec<u8> {
        match self {
            ProxyHeader::V1 => line(from, to).into_bytes(),
            ProxyHeader::V2 => local().to_vec(),
        }
    }
}

/// Version 1 (section 2.1) knows no word for a check: it is to name the ends that the connection has. `UNKNOWN` is only for
/// what cannot be named otherwise, as some servers refuse it.
fn line(from: SocketAddr, to: SocketAddr) -> String {
    let family = match (from.ip().to_canonical(), to.ip().to_canonical()) {
        (IpAddr::V4(_), IpAddr::V4(_)) => "TCP4",
        (IpAddr::V6(_), IpAddr::V6(_)) => "TCP6",
        // No connection is like that.
        _ => return "PROXY UNKNOWN\r\n".to_owned(),
    };
    let (source, target) = (from.ip().to_canonical(), to.ip().to_canonical());
    format!("PROXY {family} {source} {target} {} {}\r\n", from.port(), to.port())
}

/// Version 2 (section 2.2) has the command LOCAL for checks: the server is to take the ends that it sees itself. So it does
/// not count the check as a client that came by a proxy, nothing is wrong where addresses are translated on the way, and
/// every server that knows version 2 must take it. No family and no addresses go with it.
fn local() -> [u8; 16] {
    let mut header = [0; 16];
    let (signature, rest) = header.split_at_mut(SIGNATURE.len());
    signature.copy_from_slice(&SIGNATURE);
    rest.copy_from_slice(&[LOCAL, 0, 0, 0]);
    header
}

impl fmt::Display for ProxyHeader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            ProxyHeader::V1 => "v1",
            ProxyHeader::V2 => "v2",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(header: ProxyHeader, from: &str, to: &str) -> Vec<u8> {
        header.bytes(from.parse().unwrap(), to.parse().unwrap())
    }

    /// The example of section 2.1 first.
    #[test]
    fn version_1_names_both_ends() {
        for (from, to, line) in [
            ("192.168.0.1:56324", "192.168.0.11:443", "PROXY TCP4 192.168.0.1 192.168.0.11 56324 443\r\n"),
            (
                "255.255.255.255:65535",
                "255.255.255.255:65535",
                "PROXY TCP4 255.255.255.255 255.255.255.255 65535 65535\r\n",
            ),
            (
                "[2001:db8::1]:1024",
                "[2001:db8:0:1::80]:80",
                "PROXY TCP6 2001:db8::1 2001:db8:0:1::80 1024 80\r\n",
            ),
            // The interface of an address is none of the server's business.
            ("[fe80::1%3]:1024", "[fe80::2%3]:80", "PROXY TCP6 fe80::1 fe80::2 1024 80\r\n"),
            // The socket is one of IPv6, its packets are of IPv4.
            ("[::ffff:10.0.0.1]:1024", "[::ffff:10.0.0.2]:80", "PROXY TCP4 10.0.0.1 10.0.0.2 1024 80\r\n"),
            ("10.0.0.1:1024", "[2001:db8::1]:80", "PROXY UNKNOWN\r\n"),
        ] {
            assert_eq!(String::from_utf8_lossy(&said(ProxyHeader::V1, from, to)), line);
        }
    }

    #[test]
    fn the_longest_line_is_as_long_as_a_server_must_read() {
        let end = "[ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff]:65535";
        assert_eq!(said(ProxyHeader::V1, end, end).len(), 104, "section 2.1");
    }

    #[test]
    fn version_2_says_local() {
        let bytes = [
            0x0d, 0x0a, 0x0d, 0x0a, 0x00, 0x0d, 0x0a, 0x51, 0x55, 0x49, 0x54, 0x0a, // The signature.
            0x20, // Version 2, LOCAL.
            0x00, // Of no family.
            0x00, 0x00, // No addresses.
        ];
        assert_eq!(said(ProxyHeader::V2, "10.0.0.1:1024", "10.0.0.2:80"), bytes);
        assert_eq!(said(ProxyHeader::V2, "[2001:db8::1]:1024", "[2001:db8::2]:80"), bytes);
    }
}
