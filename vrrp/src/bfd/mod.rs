//! Bidirectional forwarding detection (RFC 5880): is a neighbour there, and does it hear us?
//!
//! Two systems send each other small [`Packet`]s at a pace that both can take; whoever hears nothing for a few of them
//! takes the other for down, within milliseconds where wanted. The type to know is [`Session`], the state machine of
//! one neighbour, in asynchronous mode over one hop (RFC 5881) or several (RFC 5883). It does no IO and reads no clock,
//! and has the shape of [`Router`](crate::Router): facts and the present instant go in, what it wants done comes out.
//!
//! What is not spoken, and how that is said: no echo function (we ask for none by an interval of zero), no
//! authentication (packets that have one are dropped and counted), no demand mode of our own (a neighbour's is obeyed).

mod chance;
mod packet;
mod session;
mod settings;
#[cfg(test)]
mod tests;
mod timers;
mod words;

pub use chance::discriminator;
pub use packet::{LENGTH, Packet, PacketError};
pub use session::{Counters, Output, Reason, Remnant, Session};
pub use settings::{Reach, Settings};
pub use words::{Diagnostic, State};

/// UDP port of neighbours on the same link (RFC 5881, 4).
pub const PORT: u16 = 3784;

/// UDP port of neighbours some hops away (RFC 5883, 5).
pub const PORT_MULTIHOP: u16 = 4784;
