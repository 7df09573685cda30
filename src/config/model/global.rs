//! `global_defs`, as the daemon uses it.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// `global_defs`: settings that concern the daemon as a whole.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Global {
    /// `router_id`, the name used in mail subjects. `None`: the host name, filled in by the daemon.
    pub router_id: Option<String>,
    /// Whom to write to and how. `None`: no mail at all (no recipients, or no `smtp_server`).
    pub email: Option<Email>,
}

/// Where notices go by mail.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Email {
    /// `notification_email`, in the file's order; never empty.
    pub to: Vec<String>,
    /// `notification_email_from`. `None`: `root@` and the host name, filled in by the daemon.
    pub from: Option<String>,
    /// `smtp_server`: host name or address.
    pub server: String,
    /// `smtp_server`: port, 25 by default.
    pub port: u16,
    /// `smtp_connect_timeout`, 30 s by default.
    pub connect_timeout: Duration,
    /// `smtp_helo_name`. `None`: the host name.
    pub helo: Option<String>,
}
