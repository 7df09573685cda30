//! A dialogue over a connection, in steps: what to say next, once a whole message has been heard.
//!
//! Whoever has the connection carries the steps out. Everything is judged here, so that the same bytes always lead to
//! the same verdict, whether they come from a server or from a file.

use zeroize::Zeroizing;

use crate::outcome::{Failure, FailureKind};

/// What comes next.
pub enum Step {
    /// Say this, and listen.
    Say(Vec<u8>),
    /// Listen on.
    Listen,
    /// Say this, make the connection one of TLS, and call [`Talk::secured`].
    Secure(Vec<u8>),
    /// Compute this, apart from everything that waits for servers, and hand the result to [`Talk::computed`].
    Compute(Work),
    /// The server has shown that it works: part from it.
    Part,
}

/// Something that takes a while to compute.
pub enum Work {
    /// The key that follows from a password after so many rounds (PBKDF2 with HMAC-SHA-256, RFC 8018 section 5.2), as
    /// [`stretch`](super::pgsql::stretch) does.
    Stretch {
        /// The password.
        password: Zeroizing<Vec<u8>>,
        /// The salt.
        salt: Vec<u8>,
        /// The rounds.
        rounds: u32,
    },
    /// A text that only who has the other half of this key can read (RSA, OAEP with SHA-1; RFC 8017 section 7.1).
    Encrypt {
        /// The key, in PEM.
        key: Vec<u8>,
        /// The text.
        text: Zeroizing<Vec<u8>>,
    },
}

/// One side of a dialogue: ours.
pub trait Talk {
    /// What comes first.
    fn begin(&mut self) -> Step;

    /// How long the message is that begins with these bytes, once they tell. Never 0.
    fn length(&self, bytes: &[u8]) -> Result<Option<usize>, Failure>;

    /// Takes in a whole message.
    fn hear(&mut self, message: &[u8]) -> Result<Step, Failure>;

    /// The connection is one of TLS now.
    fn secured(&mut self) -> Step {
        Step::Listen
    }

    /// What was to be computed.
    fn computed(&mut self, _result: Vec<u8>) -> Step {
        Step::Listen
    }

    /// What is waited for, in words: `greeting`.
    fn awaited(&self) -> &'static str;

    /// Whether enough has been heard to pass, should the rest be longer than anybody wants to read.
    fn is_satisfied(&self) -> bool {
        false
    }

    /// What to say in parting, with or without success; nothing where silence is in order.
    fn farewell(&self) -> Vec<u8> {
        Vec::new()
    }
}

pub(super) fn protocol(reason: impl Into<String>) -> Failure {
    Failure { kind: FailureKind::Protocol, reason: reason.into() }
}

pub(super) fn refused(reason: impl Into<String>) -> Failure {
    Failure { kind: FailureKind::BadStatus, reason: reason.into() }
}

pub(super) fn unexpected(reason: impl Into<String>) -> Failure {
    Failure { kind: FailureKind::BadAnswer, reason: reason.into() }
}
