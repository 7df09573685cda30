//! Where mail goes: the settings of the electronic mail, as the configuration gives them.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::address::check_address;
use crate::error::DeliveryError;

/// Where mail goes, from whom, and through which server. Plain SMTP, without TLS and without login: for
/// those, let a mail server on the same machine relay.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EmailSettings {
    /// The recipients (`notification_email`); see [`check_address`].
    pub to: Vec<String>,
    /// The sender (`notification_email_from`).
    pub from: String,
    /// The mail server's name or address (`smtp_server`). A name is resolved anew for each message.
    pub server: String,
    /// The mail server's port, usually 25.
    pub port: u16,
    /// How long the name may take to resolve and the connection to be made (`smtp_connect_timeout`,
    /// usually 30 s); the dialogue then may take twice as long.
    pub connect_timeout: Duration,
    /// The name to greet the server with (`smtp_helo_name`); `None` is this machine's name.
    pub helo: Option<String>,
}

impl EmailSettings {
    /// Whether mail can be sent with these settings, as far as that can be said without the network.
    pub fn check(&self) -> Result<(), DeliveryError> {
        if self.to.is_empty() {
            return Err(DeliveryError::NoRecipient);
        }
        check_address(&self.from)?;
        self.to.iter().try_for_each(|address| check_address(address))?;
        match &self.helo {
            Some(name) if name.is_empty() || !name.bytes().all(|byte| byte.is_ascii_graphic()) => {
                Err(DeliveryError::Helo(name.clone()))
            }
            _ => Ok(()),
        }
    }
}
