//! Echo requests and replies (RFC 792, RFC 4443 section 4) as bytes.

/// Bytes behind the head: they tell our reply from others.
pub const COOKIE: usize = 16;
/// Length of a request and of its reply, without the IP header.
pub const LENGTH: usize = 8 + COOKIE;

/// An echo request. Of a datagram socket the kernel sets the identifier itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Echo {
    /// Whether it goes by IPv6.
    pub v6: bool,
    /// Whose request it is.
    pub identifier: u16,
    /// What comes back as it was sent.
    pub cookie: [u8; COOKIE],
}

impl Echo {
    /// The request. Over IPv6 the kernel works the checksum out, which covers addresses.
    pub fn request(&self) -> [u8; LENGTH] {
        let mut message = [0; LENGTH];
        message[0] = if self.v6 { 128 } else { 8 };
        message[4..6].copy_from_slice(&self.identifier.to_be_bytes());
        message[7] = 1;
        message[8..].copy_from_slice(&self.cookie);
        if !self.v6 {
            let sum = checksum(&message);
            message[2..4].copy_from_slice(&sum.to_be_bytes());
        }
        message
    }

    /// Whether this is the reply to it, as a socket hands it over: over IPv4 a raw socket has the IP header before it.
    pub fn is_answered_by(&self, packet: &[u8]) -> bool {
        let packet = match packet.first() {
            Some(first) if !self.v6 && first >> 4 == 4 => {
                packet.get(usize::from(first & 0xf) * 4..).unwrap_or_default()
            }
            _ => packet,
        };
        let Some(message) = packet.first_chunk::<LENGTH>() else { return false };
        let reply = if self.v6 { 129 } else { 0 };
        message[..2] == [reply, 0] && message[6..8] == [0, 1] && message[8..] == self.cookie
    }
}

/// The internet checksum (RFC 1071).
fn checksum(bytes: &[u8]) -> u16 {
    let words = bytes.chunks(2).map(|pair| {
        let (high, low) = (pair.first().copied().unwrap_or(0), pair.get(1).copied().unwrap_or(0));
        u32::from(u16::from_be_bytes([high, low]))
    });
    let mut sum: u32 = words.sum();
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !(sum as u16)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ECHO: Echo = Echo { v6: false, identifier: 0x0102, cookie: [7; COOKIE] };

    #[test]
    fn requests_sum_up_to_nothing() {
        assert_eq!(checksum(&ECHO.request()), 0);
        assert_eq!(ECHO.request()[..8], [8, 0, 0xbe, 0xc4, 1, 2, 0, 1]);
    }

    #[test]
    fn only_its_own_reply_answers_a_request() {
        for v6 in [false, true] {
            let echo = Echo { v6, ..ECHO };
            let mut reply = echo.request();
            assert!(!echo.is_answered_by(&reply), "the request itself, as one's own host hears it");
            reply[0] = if v6 { 129 } else { 0 };
            assert!(echo.is_answered_by(&reply));
            let with_header = [&[0x45; 20][..], &reply].concat();
            assert_eq!(echo.is_answered_by(&with_header), !v6);
            assert!(!echo.is_answered_by(&reply[..LENGTH - 1]));
            reply[20] = 0;
            assert!(!echo.is_answered_by(&reply));
        }
        assert!(!ECHO.is_answered_by(&[]) && !ECHO.is_answered_by(&[0x4f]));
    }
}
