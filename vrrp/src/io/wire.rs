//! Netlink attributes put together by hand: routes and rules have some that no library in use knows how to write, and
//! with all of them in one place one can see what is said to the kernel.

use std::net::IpAddr;

use netlink_packet_core::DefaultNla;

/// The attribute holds attributes (`NLA_F_NESTED` of `<linux/netlink.h>`).
pub(super) const NESTED: u16 = 0x8000;

/// `AF_INET` and `AF_INET6` as they stand in headers and in `RTA_VIA`.
pub(super) const INET: u8 = 2;
pub(super) const INET6: u8 = 10;

/// Attributes one after the other.
#[derive(Debug, Default)]
pub(super) struct Attributes(Vec<(u16, Vec<u8>)>);

impl Attributes {
    pub(super) fn bytes(&mut self, kind: u16, value: impl Into<Vec<u8>>) {
        self.0.push((kind, value.into()));
    }

    pub(super) fn byte(&mut self, kind: u16, value: u8) {
        self.bytes(kind, [value]);
    }

    pub(super) fn number(&mut self, kind: u16, value: u32) {
        self.bytes(kind, value.to_ne_bytes());
    }

    pub(super) fn short(&mut self, kind: u16, value: u16) {
        self.bytes(kind, value.to_ne_bytes());
    }

    /// With the zero byte that ends it.
    pub(super) fn text(&mut self, kind: u16, value: &str) {
        self.bytes(kind, [value.as_bytes(), &[0]].concat());
    }

    pub(super) fn address(&mut self, kind: u16, address: IpAddr) {
        self.bytes(kind, octets(address));
    }

    pub(super) fn nested(&mut self, kind: u16, inner: Attributes) {
        self.bytes(kind, inner.emit());
    }

    /// As they stand in a message, each filled up to four bytes.
    pub(super) fn emit(self) -> Vec<u8> {
        let mut out = Vec::new();
        for (kind, value) in self.0 {
            let length = u16::try_from(value.len() + 4).unwrap_or(u16::MAX);
            out.extend(length.to_ne_bytes());
            out.extend(kind.to_ne_bytes());
            out.extend(value);
            out.resize(out.len().next_multiple_of(4), 0);
        }
        out
    }

    /// For the library's messages.
    pub(super) fn into_nlas(self) -> impl Iterator<Item = DefaultNla> {
        self.0.into_iter().map(|(kind, value)| DefaultNla::new(kind, value))
    }
}

pub(super) fn octets(address: IpAddr) -> Vec<u8> {
    match address {
        IpAddr::V4(address) => address.octets().into(),
        IpAddr::V6(address) => address.octets().into(),
    }
}

/// The family of an address, as in headers.
pub(super) fn family(ipv6: bool) -> u8 {
    if ipv6 { INET6 } else { INET }
}

/// A number in the kernel's own byte order; `None` unless it has four bytes.
pub(super) fn read_number(bytes: &[u8]) -> Option<u32> {
    Some(u32::from_ne_bytes(bytes.try_into().ok()?))
}
