//! What to ask a real server, and how often: the settings of one check.
//!
//! A [`Check`] names one question to one address. [`Kind`] is the question, [`Schedule`] the rhythm.
//! Everything here is plain data: it is compared on reload, recorded and replayed.

mod http;
mod pattern;
mod question;
mod via;

use std::fmt;
use std::net::SocketAddr;
use std::time::Duration;

use serde::{Deserialize, Serialize};

pub use http::*;
pub use pattern::{Pattern, PatternOption};
pub use question::*;
pub use via::{Via, Way};

/// One check of one real server.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Check {
    /// The question.
    pub kind: Kind,
    /// Whom to ask: `connect_ip` and `connect_port`, by default the real server itself.
    pub target: SocketAddr,
    /// The address to ask from (`bindto`, `bind_port`); port 0 lets the kernel choose one.
    pub source: Option<SocketAddr>,
    /// The interface to ask through (`bind_if`), by any route.
    pub device: Option<String>,
    /// The mark on packets of the check (`fwmark`), 0 for none.
    pub mark: u32,
    /// Set if it asks through the kernel's IPVS table (`via_ipvs`): how.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub via: Option<Box<Via>>,
    /// How long the connection may take to be made, and again how long the answer may take.
    pub connect_timeout: Duration,
    /// How often to ask.
    pub schedule: Schedule,
    /// Whether each failed attempt is logged; `None` leaves that to a setting for all checks.
    pub log_all_failures: Option<bool>,
}

impl Check {
    /// How many different attempts the check goes through in turn: the URLs of an HTTP check, else 1.
    pub fn steps(&self) -> usize {
        match &self.kind {
            Kind::Http(http) => http.urls.len().max(1),
            Kind::Tcp | Kind::Smtp(_) | Kind::Dns(_) | Kind::Udp(_) | Kind::Ping | Kind::Command(_) => 1,
        }
    }

    /// The longest one attempt can take before it is given up: the time to connect, and for a check that
    /// wants an answer the same time again.
    pub fn patience(&self) -> Duration {
        // One that fails through the table is made once more, directly.
        let attempts = if self.via.is_some() { 2 } else { 1 };
        let one = match &self.kind {
            Kind::Command(program) => program.timeout.unwrap_or(self.schedule.interval),
            Kind::Tcp | Kind::Dns(_) | Kind::Udp(_) | Kind::Ping => self.connect_timeout,
            Kind::Http(_) | Kind::Smtp(_) => self.connect_timeout.saturating_mul(2),
        };
        one.saturating_mul(attempts)
    }
}

/// The question a check asks. Shown by keepalived's names.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Kind {
    /// Does a TCP connection come about? (`TCP_CHECK`)
    Tcp,
    /// Does a GET bring the expected answer? (`HTTP_GET`, and with TLS `SSL_GET`)
    Http(Http),
    /// Does a mail server greet? (`SMTP_CHECK`)
    Smtp(Smtp),
    /// Does a name server answer? (`DNS_CHECK`)
    Dns(Dns),
    /// Is a datagram accepted, or answered? (`UDP_CHECK`)
    Udp(Udp),
    /// Is an echo request answered? (`PING_CHECK`)
    Ping,
    /// Does a command succeed? (`MISC_CHECK`)
    Command(Program),
}

impl Kind {
    /// keepalived's rhythm for this kind, where `interval` is all that is said.
    pub fn schedule(&self, interval: Duration) -> Schedule {
        let usual = Schedule { interval, ..Schedule::default() };
        match self {
            Kind::Http(_) => Schedule { delay_before_retry: Duration::from_secs(3), ..usual },
            Kind::Command(_) => Schedule { retry: 0, ..usual },
            Kind::Dns(_) => Schedule { retry: 3, delay_before_retry: interval, ..usual },
            Kind::Tcp | Kind::Smtp(_) | Kind::Udp(_) | Kind::Ping => usual,
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Kind::Tcp => "TCP_CHECK",
            Kind::Http(http) if http.tls.is_some() => "SSL_GET",
            Kind::Http(_) => "HTTP_GET",
            Kind::Smtp(_) => "SMTP_CHECK",
            Kind::Dns(_) => "DNS_CHECK",
            Kind::Udp(_) => "UDP_CHECK",
            Kind::Ping => "PING_CHECK",
            Kind::Command(_) => "MISC_CHECK",
        })
    }
}

/// How often a server is asked, and how patiently it is failed.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Schedule {
    /// From the start of one attempt to the start of the next (`delay_loop`).
    pub interval: Duration,
    /// How many more attempts a live server gets after one failed (`retry`).
    pub retry: u32,
    /// From the end of a failed attempt to the start of its repetition (`delay_before_retry`).
    pub delay_before_retry: Duration,
    /// Whether the server counts as down, not up, until its first verdict (`alpha`).
    pub alpha: bool,
    /// The first attempt starts at a random moment within this time (`warmup`); `None` and zero mean at
    /// once.
    pub warmup: Option<Duration>,
    /// No pause between the steps of a check while the server comes up (`fast_recovery`).
    pub fast_recovery: bool,
}

impl Default for Schedule {
    /// keepalived's defaults for TCP_CHECK: every 60 s, one retry after 1 s.
    fn default() -> Schedule {
        Schedule {
            interval: Duration::from_secs(60),
            retry: 1,
            delay_before_retry: Duration::from_secs(1),
            alpha: false,
            warmup: None,
            fast_recovery: false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patience_covers_connection_and_answer() {
        let mut check = Check {
            kind: Kind::Tcp,
            target: "10.0.0.2:80".parse().unwrap(),
            source: None,
            device: None,
            mark: 0,
            via: None,
            connect_timeout: Duration::from_secs(3),
            schedule: Schedule::default(),
            log_all_failures: None,
        };
        assert_eq!((check.patience(), check.steps()), (Duration::from_secs(3), 1));
        assert_eq!(check.kind.to_string(), "TCP_CHECK");
        let urls = vec![Url::new("/").unwrap(), Url::new("/b").unwrap()];
        check.kind = Kind::Http(Http { urls, ..Http::default() });
        assert_eq!((check.patience(), check.steps()), (Duration::from_secs(6), 2));
        assert_eq!(check.kind.to_string(), "HTTP_GET");
    }
}
