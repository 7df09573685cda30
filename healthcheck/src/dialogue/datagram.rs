//! Whether a datagram that came back is the one that was expected (`UDP_CHECK`).

use std::fmt;

use super::quote;
use crate::spec::{MaskedByte, Udp};

/// What is wrong with an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
    /// It is shorter or longer than it may be: its length, and the bounds.
    Length(usize, u16, u16),
    /// From this byte on it is another; the answer's beginning, fit for people.
    Bytes(usize, String),
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Fault::Length(length, shortest, longest) => {
                write!(f, "the answer has {length} bytes, expected {shortest} to {longest}")
            }
            Fault::Bytes(at, answer) => {
                write!(f, "the answer differs from what is expected in byte {}: '{answer}'", at + 1)
            }
        }
    }
}

/// How many bytes of an answer must be looked at; one more tells that it is too long.
pub fn room(udp: &Udp) -> usize {
    usize::from(udp.longest).max(udp.reply.as_ref().map_or(0, Vec::len)) + 1
}

/// Judges an answer of which `length` bytes came and these are known. Without an expected one any will do. It is
/// compared as far as both the answer and what is expected of it reach, as keepalived does; `min_reply_length` asks
/// for more.
pub fn judge(udp: &Udp, answer: &[u8], length: usize) -> Result<(), Fault> {
    let Some(expected) = udp.reply.as_ref().filter(|expected| !expected.is_empty()) else { return Ok(()) };
    if length < usize::from(udp.shortest) || length > usize::from(udp.longest) {
        return Err(Fault::Length(length, udp.shortest, udp.longest));
    }
    let differs = |(expected, found): (&MaskedByte, &u8)| found & expected.mask != expected.value;
    match expected.iter().zip(answer).position(differs) {
        Some(at) => Err(Fault::Bytes(at, quote(answer))),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::parse_reply;

    fn expecting(text: &str) -> Udp {
        Udp { reply: Some(parse_reply(text).unwrap()), shortest: 2, longest: 4, ..Udp::default() }
    }

    #[test]
    fn answers_are_compared_digit_by_digit() {
        let udp = expecting("70 6x xf");
        for (answer, expected) in [
            (&b"pi/"[..], Ok(())),
            (b"pi/x", Ok(())),
            (b"pi", Ok(())),
            (b"p", Err(Fault::Length(1, 2, 4))),
            (b"pi/xx", Err(Fault::Length(5, 2, 4))),
            (b"qi/", Err(Fault::Bytes(0, "qi/".to_owned()))),
            (b"py/", Err(Fault::Bytes(1, "py/".to_owned()))),
            (b"pix", Err(Fault::Bytes(2, "pix".to_owned()))),
        ] {
            assert_eq!(judge(&udp, answer, answer.len()), expected, "{answer:?}");
        }
    }

    #[test]
    fn without_expectations_anything_passes() {
        for reply in [None, Some(Vec::new())] {
            let udp = Udp { reply, shortest: 5, ..Udp::default() };
            assert_eq!(judge(&udp, b"", 0), Ok(()));
        }
    }
}
