//! The words of the protocol: states and diagnostics, with their numbers on the wire.

use std::fmt;

use serde::{Deserialize, Serialize};

/// State of a session, ours or the neighbour's (RFC 5880, 4.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum State {
    /// An operator holds the session down.
    AdminDown,
    /// Nothing is heard, or the other side hears nothing.
    Down,
    /// The other side is heard; whether it hears us is not known yet.
    Init,
    /// Both hear each other.
    Up,
}

impl State {
    /// The state with this number, 0..=3.
    pub(super) fn from_wire(number: u8) -> State {
        match number & 3 {
            0 => State::AdminDown,
            1 => State::Down,
            2 => State::Init,
            _ => State::Up,
        }
    }

    pub(super) fn to_wire(self) -> u8 {
        match self {
            State::AdminDown => 0,
            State::Down => 1,
            State::Init => 2,
            State::Up => 3,
        }
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            State::AdminDown => "admin-down",
            State::Down => "down",
            State::Init => "init",
            State::Up => "up",
        })
    }
}

/// Why a session left the state Up last, 0..=31 (RFC 5880, 4.1).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Diagnostic(pub u8);

impl Diagnostic {
    /// No reason: it was never up, or is.
    pub const NONE: Diagnostic = Diagnostic(0);
    /// Nothing was heard for the detection time.
    pub const EXPIRED: Diagnostic = Diagnostic(1);
    /// The other side says that it does not hear us, or that it was started anew.
    pub const SIGNALED: Diagnostic = Diagnostic(3);
    /// An operator switched the session off.
    pub const ADMIN: Diagnostic = Diagnostic(7);
}

impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.0 {
            0 => "no diagnostic",
            1 => "control detection time expired",
            2 => "echo function failed",
            3 => "neighbour signaled session down",
            4 => "forwarding plane reset",
            5 => "path down",
            6 => "concatenated path down",
            7 => "administratively down",
            8 => "reverse concatenated path down",
            other => return write!(f, "diagnostic {other}"),
        })
    }
}
