//! Checks that hold a conversation in text: FTP, IMAP, POP3, news, SIP, and whatever is said and expected in plain words.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::{Login, Pattern, StatusRanges, Tls};

/// A conversation that must go well.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Dialogue {
    /// The language it is held in.
    pub protocol: Protocol,
    /// Whether anybody may listen.
    pub encryption: Encryption,
    /// Who we say that we are; `None`: no login is tried.
    pub login: Option<Login>,
}

/// The language of a conversation.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Protocol {
    /// A file server must let us in, and deliver a file if one is named (RFC 959).
    Ftp(Ftp),
    /// A mailbox server must greet, and let us in if we have a name (RFC 9051).
    Imap,
    /// The same in POP3 (RFC 1939).
    Pop3,
    /// A news server must greet, and let us in if we have a name (RFC 3977).
    Nntp,
    /// A telephone server must answer OPTIONS (RFC 3261 section 11).
    Sip(Sip),
    /// Something is said, and something must come back.
    Text(Text),
}

/// What to ask of a file server.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Ftp {
    /// A file to fetch; `None`: the login is enough.
    pub path: Option<String>,
    /// What must, or must not, be in the file.
    pub pattern: Option<Box<Pattern>>,
}

/// What to ask of a telephone server.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Sip {
    /// Whom to ask for, such as `sip:probe@example.org`; `None`: the server itself, by its address.
    pub uri: Option<String>,
    /// How to reach the server.
    pub transport: Transport,
    /// The statuses that pass.
    pub status: StatusRanges,
}

/// What to say to any server, and what to expect.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Text {
    /// What to say; `None`: nothing, the server speaks first.
    pub send: Option<String>,
    /// What must, or must not, be in the answer; `None`: anything will do, but nothing will not.
    pub pattern: Option<Box<Pattern>>,
    /// How to reach the server.
    pub transport: Transport,
    /// Whether the server is told at once that nothing more will be said (the connection is closed on our side).
    pub half_close: bool,
}

/// How a server is reached.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Transport {
    /// By a connection.
    #[default]
    Tcp,
    /// By datagrams.
    Udp,
}

impl Transport {
    /// Both, with the words that files say for them.
    pub const NAMES: &[&str] = &["TCP", "UDP"];
}

impl fmt::Display for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Transport::Tcp => "TCP",
            Transport::Udp => "UDP",
        })
    }
}

/// Whether, and from when on, TLS is spoken.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Encryption {
    /// Never.
    #[default]
    Off,
    /// From the first byte on.
    On(Tls),
    /// After both sides have agreed on it in the clear (STARTTLS, STLS, AUTH TLS).
    StartTls(Tls),
}

impl Encryption {
    /// The words that files say for each.
    pub const NAMES: &[&str] = &["off", "on", "starttls"];

    /// How TLS is spoken, if it is.
    pub fn tls(&self) -> Option<&Tls> {
        match self {
            Encryption::Off => None,
            Encryption::On(tls) | Encryption::StartTls(tls) => Some(tls),
        }
    }
}

impl fmt::Display for Encryption {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Encryption::Off => "off",
            Encryption::On(_) => "on",
            Encryption::StartTls(_) => "starttls",
        })
    }
}

impl Dialogue {
    /// A conversation in the clear, without a login.
    pub fn new(protocol: Protocol) -> Dialogue {
        Dialogue { protocol, encryption: Encryption::Off, login: None }
    }

    /// Whether it is held by datagrams.
    pub fn by_datagram(&self) -> bool {
        match &self.protocol {
            Protocol::Sip(sip) => sip.transport == Transport::Udp,
            Protocol::Text(text) => text.transport == Transport::Udp,
            Protocol::Ftp(_) | Protocol::Imap | Protocol::Pop3 | Protocol::Nntp => false,
        }
    }
}

impl fmt::Display for Protocol {
    /// The keyword of the check.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Protocol::Ftp(_) => "FTP_CHECK",
            Protocol::Imap => "IMAP_CHECK",
            Protocol::Pop3 => "POP3_CHECK",
            Protocol::Nntp => "NNTP_CHECK",
            Protocol::Sip(_) => "SIP_CHECK",
            Protocol::Text(_) => "TEXT_CHECK",
        })
    }
}
