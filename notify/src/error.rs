//! Why a notice was not delivered.

use std::time::Duration;

/// Why a notice was not delivered.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DeliveryError {
    /// A configured address cannot be one.
    #[error("found mail address '{address}', which {problem}; expected one such as admin@example.org")]
    Address {
        /// The address as configured.
        address: String,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// There is nobody to send to.
    #[error("found no recipient; add one to notification_email")]
    NoRecipient,
    /// The name to greet the mail server with cannot be one.
    #[error("found '{0}' as the name to greet the mail server with; expected a host name in smtp_helo_name")]
    Helo(String),
    /// The message could not be put together.
    #[error("the message could not be written: {0}")]
    Message(String),
    /// The mail server could not be reached, or fell silent.
    #[error("mail server {server} could not be used: {reason}; check smtp_server and that it runs")]
    Server {
        /// The server and port.
        server: String,
        /// What went wrong.
        reason: String,
    },
    /// The dialogue took too long.
    #[error("mail server {server} did not answer within {} s; check that it runs", patience.as_secs_f64())]
    Timeout {
        /// The server and port.
        server: String,
        /// The time it was given.
        patience: Duration,
    },
    /// The mail server refused the message, or every recipient.
    #[error("mail server {server} refused {what}: {reply}")]
    Refused {
        /// The server and port.
        server: String,
        /// What it refused: `the message`, `recipient a@b, c@d`.
        what: String,
        /// Its reply, code and text.
        reply: String,
        /// Whether it said that trying again is of no use (a reply of 5xx).
        permanent: bool,
    },
}

impl DeliveryError {
    /// Whether the same notice would fail again, unless the settings change.
    pub fn is_permanent(&self) -> bool {
        match self {
            DeliveryError::Address { .. }
            | DeliveryError::NoRecipient
            | DeliveryError::Helo(_)
            | DeliveryError::Message(_) => true,
            DeliveryError::Server { .. } | DeliveryError::Timeout { .. } => false,
            DeliveryError::Refused { permanent, .. } => *permanent,
        }
    }
}
