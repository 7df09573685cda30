//! What to ask a real server, and how often: the settings of one check.
//!
//! A [`Check`] names one question to one address. [`Kind`] is the question, [`Schedule`] the rhythm.
//! Everything here is plain data: it is compared on reload, recorded and replayed.

mod assertion;
mod dialogue;
mod grpc;
mod handshake;
mod http;
mod pattern;
mod proxy;
mod question;
mod request;
mod secret;
mod via;

use std::fmt;
use std::net::SocketAddr;
use std::time::Duration;

use serde::{Deserialize, Serialize};

pub(crate) use assertion::number;
pub use assertion::{Assertion, Expect, Relation};
pub use dialogue::*;
pub use grpc::*;
pub use handshake::*;
pub use http::*;
pub use pattern::{Pattern, PatternOption};
pub use proxy::ProxyHeader;
pub use question::*;
pub use request::*;
pub use secret::Secret;
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
    /// What a connection begins with, if anything, before TLS and all else (`proxy_protocol`); datagrams and commands have
    /// none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub proxy: Option<ProxyHeader>,
    /// How long the connection may take to be made, and again how long the answer may take.
    pub connect_timeout: Duration,
    /// How often to ask.
    pub schedule: Schedule,
    /// Whether each failed attempt is logged; `None` leaves that to a setting for all checks.
    pub log_all_failures: Option<bool>,
}

impl Check {
    /// Asks this of there, in keepalived's rhythm for connections, straight and with 5 s to connect.
    pub fn new(kind: Kind, target: SocketAddr) -> Check {
        Check {
            kind,
            target,
            source: None,
            device: None,
            mark: 0,
            via: None,
            proxy: None,
            connect_timeout: Duration::from_secs(5),
            schedule: Schedule::default(),
            log_all_failures: None,
        }
    }

    /// How many different attempts the check goes through in turn: the URLs of an HTTP check, else 1.
    pub fn steps(&self) -> usize {
        match &self.kind {
            Kind::Http(http) => http.urls.len().max(1),
            _ => 1,
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
            Kind::Radius(_) => self.connect_timeout,
            Kind::Http(_) | Kind::Smtp(_) | Kind::Grpc(_) => self.connect_timeout.saturating_mul(2),
            Kind::Ldap(_) | Kind::Mysql(_) | Kind::Pgsql(_) | Kind::Oracle(_) => {
                self.connect_timeout.saturating_mul(2)
            }
            Kind::Dialogue(dialogue) if dialogue.by_datagram() => self.connect_timeout,
            Kind::Dialogue(_) => self.connect_timeout.saturating_mul(2),
        };
        one.saturating_mul(attempts)
    }

    /// The files that hold a password or a shared secret of it.
    pub fn secret_files(&self) -> impl Iterator<Item = &str> {
        self.kind.passwords().filter_map(|password| match password {
            Password::File(path, _) => Some(path.as_str()),
            Password::Said(_) => None,
        })
    }

    /// Puts in place what these files hold; nothing for one that could not be read.
    pub fn fill(&mut self, mut read: impl FnMut(&str) -> Option<Secret>) {
        for password in self.kind.passwords_mut() {
            if let Password::File(path, secret) = password {
                *secret = read(path);
            }
        }
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
    /// Does a server say that its service is serving? (`GRPC_CHECK`)
    Grpc(Grpc),
    /// Does a directory let us in, and have an entry? (`LDAP_CHECK`)
    Ldap(Ldap),
    /// Does MySQL or MariaDB let us in, and answer? (`MYSQL_CHECK`)
    Mysql(Sql),
    /// Does PostgreSQL let us in, and answer? (`PGSQL_CHECK`)
    Pgsql(Sql),
    /// Does a RADIUS server answer? (`RADIUS_CHECK`)
    Radius(Radius),
    /// Does Oracle's listener know a service? (`ORACLE_CHECK`)
    Oracle(Oracle),
    /// Does a conversation in text go well? (`FTP_CHECK`, `IMAP_CHECK`, `POP3_CHECK`, `NNTP_CHECK`, `SIP_CHECK`,
    /// `TEXT_CHECK`)
    Dialogue(Box<Dialogue>),
}

impl Kind {
    /// keepalived's rhythm for this kind, where `interval` is all that is said.
    pub fn schedule(&self, interval: Duration) -> Schedule {
        let usual = Schedule { interval, ..Schedule::default() };
        match self {
            Kind::Http(_) => Schedule { delay_before_retry: Duration::from_secs(3), ..usual },
            Kind::Command(_) => Schedule { retry: 0, ..usual },
            Kind::Dns(_) => Schedule { retry: 3, delay_before_retry: interval, ..usual },
            _ => usual,
        }
    }

    /// Whether it asks over a TCP connection of ours.
    pub fn connects(&self) -> bool {
        match self {
            Kind::Dialogue(dialogue) => !dialogue.by_datagram(),
            Kind::Tcp
            | Kind::Http(_)
            | Kind::Smtp(_)
            | Kind::Grpc(_)
            | Kind::Ldap(_)
            | Kind::Mysql(_)
            | Kind::Pgsql(_)
            | Kind::Oracle(_) => true,
            Kind::Dns(_) | Kind::Udp(_) | Kind::Ping | Kind::Command(_) | Kind::Radius(_) => false,
        }
    }

    /// Whether an attempt speaks TLS, which takes the processor a while.
    pub fn speaks_tls(&self) -> bool {
        match self {
            Kind::Http(http) => http.tls.is_some(),
            Kind::Grpc(grpc) => grpc.tls.is_some(),
            Kind::Smtp(smtp) => smtp.encryption.tls().is_some(),
            Kind::Dialogue(dialogue) => dialogue.encryption.tls().is_some(),
            Kind::Ldap(ldap) => ldap.tls.is_some(),
            Kind::Mysql(sql) | Kind::Pgsql(sql) => sql.tls.is_some() || sql.login.is_some(),
            Kind::Tcp
            | Kind::Dns(_)
            | Kind::Udp(_)
            | Kind::Ping
            | Kind::Command(_)
            | Kind::Radius(_)
            | Kind::Oracle(_) => false,
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Kind::Dialogue(dialogue) => return dialogue.protocol.fmt(f),
            Kind::Tcp => "TCP_CHECK",
            Kind::Http(http) if http.tls.is_some() => "SSL_GET",
            Kind::Http(_) => "HTTP_GET",
            Kind::Smtp(_) => "SMTP_CHECK",
            Kind::Dns(_) => "DNS_CHECK",
            Kind::Udp(_) => "UDP_CHECK",
            Kind::Ping => "PING_CHECK",
            Kind::Command(_) => "MISC_CHECK",
            Kind::Grpc(_) => "GRPC_CHECK",
            Kind::Ldap(_) => "LDAP_CHECK",
            Kind::Mysql(_) => "MYSQL_CHECK",
            Kind::Pgsql(_) => "PGSQL_CHECK",
            Kind::Radius(_) => "RADIUS_CHECK",
            Kind::Oracle(_) => "ORACLE_CHECK",
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
    /// How many passes in a row of the whole check, with all its steps, bring a server up (`rise`); 0 counts as 1. They
    /// come at the interval: what is to show that a server stays well must not be over in a moment.
    #[serde(default = "once")]
    pub rise: u32,
    /// How slow an answer may be.
    #[serde(default)]
    pub latency: Latency,
}

fn once() -> u32 {
    1
}

/// How slow an answer may be, from the first packet to the last word of it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Latency {
    /// Slower than this has failed (`max_latency`).
    pub most: Option<Duration>,
    /// Slower than this has passed, and is worth a warning (`warn_latency`).
    pub warn: Option<Duration>,
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
            rise: 1,
            latency: Latency::default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patience_covers_connection_and_answer() {
        let mut check = Check::new(Kind::Tcp, "10.0.0.2:80".parse().unwrap());
        assert_eq!((check.patience(), check.steps()), (Duration::from_secs(5), 1));
        assert_eq!(check.kind.to_string(), "TCP_CHECK");
        let urls = vec![Url::new("/").unwrap(), Url::new("/b").unwrap()];
        check.kind = Kind::Http(Http { urls, ..Http::default() });
        assert_eq!((check.patience(), check.steps()), (Duration::from_secs(10), 2));
        assert_eq!(check.kind.to_string(), "HTTP_GET");
    }
}
