//! What came of one attempt: it passed, or it failed for a reason that can be told in words.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// What came of one attempt.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Outcome {
    /// Passed, or why not.
    pub result: Result<(), Failure>,
    /// From the start of the attempt to its end.
    pub took: Duration,
    /// What the server should weigh by this check, where it has a say in that (`misc_dynamic`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub weight: Option<u32>,
}

impl Outcome {
    /// An attempt that passed.
    pub fn passed(took: Duration) -> Outcome {
        Outcome { result: Ok(()), took, weight: None }
    }

    /// An attempt that failed. For an attempt that could not be made at all (its worker panicked, its
    /// queue was full) use [`FailureKind::Local`]: every attempt asked for must be answered.
    pub fn failed(kind: FailureKind, reason: impl Into<String>, took: Duration) -> Outcome {
        Outcome { result: Err(Failure { kind, reason: reason.into() }), took, weight: None }
    }
}

/// Why an attempt failed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// The sort of failure, for counting.
    pub kind: FailureKind,
    /// The failure in words, for people: "connection refused", "HTTP status 503, expected 200-299".
    pub reason: String,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.reason)
    }
}

/// The sorts of failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum FailureKind {
    /// Nothing listens there.
    Refused,
    /// No connection, or no complete answer, in time.
    Timeout,
    /// The server reset the connection.
    Reset,
    /// The network says the server cannot be reached.
    Unreachable,
    /// The server closed the connection before its answer was complete.
    Closed,
    /// The answer is none in the protocol that was asked in.
    Protocol,
    /// The answer is longer than we are willing to read.
    TooLong,
    /// The answer has a status that does not pass.
    BadStatus,
    /// The answer has another body than expected.
    BadDigest,
    /// The answer has not in it what it should, or something that it should not.
    BadAnswer,
    /// The server's certificate is not to be trusted.
    BadCertificate,
    /// The command says that the server does not work, or cannot say anything.
    Command,
    /// The command cannot be started: it is not there, or may not be run.
    NotStarted,
    /// We could not ask: no free port or descriptor, a source address that is not ours, a local filter.
    /// This says nothing about the server and counts neither for nor against it.
    Local,
}
