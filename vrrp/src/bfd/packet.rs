//! One control packet as a value, and its bytes (RFC 5880, 4.1).
//!
//! ```text
//!  0                   1                   2                   3
//!  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//! |Vers |  Diag   |Sta|P|F|C|A|D|M|  Detect Mult  |    Length     |
//! |                       My Discriminator                        |
//! |                      Your Discriminator                       |
//! |                    Desired Min TX Interval                    |
//! |                   Required Min RX Interval                    |
//! |                 Required Min Echo RX Interval                 |
//! ```

use std::num::{NonZeroU8, NonZeroU32};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::words::{Diagnostic, State};

/// Bytes of a packet without authentication.
pub const LENGTH: usize = 24;

const VERSION: u8 = 1;
const POLL: u8 = 0x20;
const FINAL: u8 = 0x10;
const INDEPENDENT: u8 = 0x08;
const AUTHENTICATED: u8 = 0x04;
const DEMAND: u8 = 0x02;
const MULTIPOINT: u8 = 0x01;

/// One control packet. Intervals are whole microseconds of at most 32 bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Packet {
    /// The sender's state.
    pub state: State,
    /// Why the sender was not up, last.
    pub diagnostic: Diagnostic,
    /// The sender asks for an answer with [`answer`](Packet::answer).
    pub poll: bool,
    /// The answer to a poll (the Final bit).
    pub answer: bool,
    /// The sender's packets go on while its control plane restarts.
    pub independent: bool,
    /// The sender asks us to be silent while both are up, but for polls.
    pub demand: bool,
    /// Packets missed before the sender counts as down.
    pub multiplier: NonZeroU8,
    /// The sender's number for this session.
    pub mine: NonZeroU32,
    /// The receiver's number for this session; `None` while the sender has not heard it.
    pub yours: Option<NonZeroU32>,
    /// The pace at which the sender would like to send.
    pub desired_min_tx: Duration,
    /// The pace that the sender can take; zero for "send nothing".
    pub required_min_rx: Duration,
    /// The pace of echo packets that the sender can take; zero for none.
    pub required_min_echo_rx: Duration,
}

/// Why a packet was dropped (RFC 5880, 6.8.6).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, Error)]
pub enum PacketError {
    /// Fewer bytes than a packet has, or than it says that it has.
    #[error("{found} bytes, at least {expected} expected")]
    Truncated {
        /// Bytes there are.
        found: usize,
        /// Bytes there must be.
        expected: usize,
    },
    /// The packet says that it is shorter than any can be.
    #[error("the length field says {found}, at least {LENGTH} expected")]
    Length {
        /// What the length field says.
        found: u8,
    },
    /// Another version of the protocol.
    #[error("BFD version {found}, only {VERSION} is spoken")]
    Version {
        /// Version found, 0..=7.
        found: u8,
    },
    /// It has authentication, and this side has no key.
    #[error(
        "the packet is authenticated, and authentication is not supported: switch it off at the neighbour"
    )]
    Authenticated,
    /// The bit for point-to-multipoint, which is reserved.
    #[error("the multipoint bit is set, which is reserved")]
    Multipoint,
    /// A multiplier of zero would mean that everybody is always down.
    #[error("the detection multiplier is 0, which is not allowed")]
    ZeroMultiplier,
    /// The sender's own number for the session is zero.
    #[error("the sender's discriminator is 0, which is not allowed")]
    ZeroDiscriminator,
    /// In this state a sender must name the session.
    #[error("the sender is {state} and does not name the session (your discriminator is 0)")]
    Nameless {
        /// The sender's state.
        state: State,
    },
}

impl PacketError {
    /// The counter that it belongs to.
    pub fn kind(&self) -> &'static str {
        match self {
            PacketError::Truncated { .. } | PacketError::Length { .. } => "length",
            PacketError::Version { .. } => "version",
            PacketError::Authenticated => "authentication",
            PacketError::Multipoint => "multipoint",
            PacketError::ZeroMultiplier => "multiplier",
            PacketError::ZeroDiscriminator | PacketError::Nameless { .. } => "discriminator",
        }
    }
}

impl Packet {
    /// The bytes of this packet, without authentication.
    pub fn emit(&self) -> [u8; LENGTH] {
        let mut flags = self.state.to_wire() << 6;
        for (set, bit) in
            [(self.poll, POLL), (self.answer, FINAL), (self.independent, INDEPENDENT), (self.demand, DEMAND)]
        {
            if set {
                flags |= bit;
            }
        }
        let mut bytes = [0; LENGTH];
        bytes[0] = VERSION << 5 | self.diagnostic.0 & 0x1f;
        bytes[1] = flags;
        bytes[2] = self.multiplier.get();
        bytes[3] = LENGTH as u8;
        let numbers = [
            self.mine.get(),
            self.yours.map_or(0, NonZeroU32::get),
            micros(self.desired_min_tx),
            micros(self.required_min_rx),
            micros(self.required_min_echo_rx),
        ];
        for (place, number) in bytes[4..].chunks_exact_mut(4).zip(numbers) {
            place.copy_from_slice(&number.to_be_bytes());
        }
        bytes
    }

    /// Reads the payload of a datagram, with the tests of RFC 5880, 6.8.6 that need no session. Bytes after the
    /// packet's own length are not looked at.
    ///
    /// # Errors
    /// What is wrong with it, in the RFC's order.
    pub fn parse(payload: &[u8]) -> Result<Packet, PacketError> {
        let truncated = |expected| PacketError::Truncated { found: payload.len(), expected };
        let bytes: &[u8; LENGTH] = payload.first_chunk().ok_or(truncated(LENGTH))?;
        let [first, flags, multiplier, length, ..] = *bytes;
        if first >> 5 != VERSION {
            return Err(PacketError::Version { found: first >> 5 });
        }
        if usize::from(length) < LENGTH {
            return Err(PacketError::Length { found: length });
        }
        if usize::from(length) > payload.len() {
            return Err(truncated(length.into()));
        }
        let multiplier = NonZeroU8::new(multiplier).ok_or(PacketError::ZeroMultiplier)?;
        if flags & MULTIPOINT != 0 {
            return Err(PacketError::Multipoint);
        }
        let number = |at: usize| {
            let bytes = bytes.get(at..).and_then(<[u8]>::first_chunk);
            u32::from_be_bytes(bytes.copied().unwrap_or_default())
        };
        let interval = |at| Duration::from_micros(number(at).into());
        let mine = NonZeroU32::new(number(4)).ok_or(PacketError::ZeroDiscriminator)?;
        let yours = NonZeroU32::new(number(8));
        let state = State::from_wire(flags >> 6);
        if yours.is_none() && !matches!(state, State::Down | State::AdminDown) {
            return Err(PacketError::Nameless { state });
        }
        if flags & AUTHENTICATED != 0 {
            return Err(PacketError::Authenticated);
        }
        Ok(Packet {
            state,
            diagnostic: Diagnostic(first & 0x1f),
            poll: flags & POLL != 0,
            answer: flags & FINAL != 0,
            independent: flags & INDEPENDENT != 0,
            demand: flags & DEMAND != 0,
            multiplier,
            mine,
            yours,
            desired_min_tx: interval(12),
            required_min_rx: interval(16),
            required_min_echo_rx: interval(20),
        })
    }
}

/// An interval as the wire has it: whole microseconds, at most 71 minutes.
fn micros(interval: Duration) -> u32 {
    u32::try_from(interval.as_micros()).unwrap_or(u32::MAX)
}
