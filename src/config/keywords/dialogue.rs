//! Keywords of the checks that hold a conversation in text. keepalived has none of them.

use super::Form::{Block, Flag, OneOf, Switch, Word};
use super::Place::{
    self, FtpCheck, ImapCheck, NntpCheck, Pop3Check, RealServer, SipCheck, SmtpCheck, TextCheck, VipCheck,
};
use super::Status::Works;
use super::{DIRECTORD, Form, Keyword, key};

/// Those that can begin in the clear and go on with TLS, and that know logins.
const LETTING_IN: &[Place] = &[SmtpCheck, FtpCheck, ImapCheck, Pop3Check, NntpCheck];
/// Those that speak TLS from the first byte on, or never.
const PLAIN: &[Place] = &[SipCheck, TextCheck];
pub(super) const SECURED: &[Place] =
    &[SmtpCheck, FtpCheck, ImapCheck, Pop3Check, NntpCheck, SipCheck, TextCheck];
const TRANSPORT: Form = OneOf(healthcheck::Transport::NAMES);

const fn own(name: &'static str, places: &'static [Place], form: Form, about: &'static str) -> Keyword {
    key(name, places, form, Works, about).since(DIRECTORD)
}

#[rustfmt::skip]
pub(super) const TABLE: &[Keyword] = &[
    own("FTP_CHECK", &[RealServer, VipCheck], Block("", FtpCheck), "A file server must let us in, and deliver a file if one is named."),
    own("IMAP_CHECK", &[RealServer, VipCheck], Block("", ImapCheck), "A mailbox server must greet, and let us in if there is a login."),
    own("POP3_CHECK", &[RealServer, VipCheck], Block("", Pop3Check), "A mailbox server must greet, and let us in if there is a login."),
    own("NNTP_CHECK", &[RealServer, VipCheck], Block("", NntpCheck), "A news server must greet, and let us in if there is a login."),
    own("SIP_CHECK", &[RealServer, VipCheck], Block("", SipCheck), "A telephone server must answer OPTIONS."),
    own("TEXT_CHECK", &[RealServer, VipCheck], Block("", TextCheck), "Something is said, and something must come back."),

    own("tls", LETTING_IN, OneOf(healthcheck::Encryption::NAMES), "Whether TLS is spoken: from the first byte on, or after both sides have agreed on it.").by_default("off"),
    own("tls", PLAIN, Switch, "Whether TLS is spoken, from the first byte on.").by_default("off"),
    own("verify", SECURED, Switch, "The server's certificate must be valid, for the name in `sni_name` or else for the address.").by_default("as in `SSL`, else on; with `compat` off"),
    own("sni_name", SECURED, Word("a host name"), "The name to send in the TLS greeting.").by_default("none is sent"),
    own("login", LETTING_IN, Word("a name"), "Who we say that we are; without it no login is tried, but for FTP as anonymous.").by_default("none"),
    own("password", LETTING_IN, Word("a password"), "The password of the login; it is never shown.").by_default("empty"),
    own("password_file", LETTING_IN, Word("a file"), "A file that holds the password of the login in its first line.").by_default("none"),
    own("path", &[FtpCheck], Word("a path"), "A file to fetch; without it the login is enough.").by_default("none"),
    own("uri", &[SipCheck], Word("a SIP URI"), "Whom to ask for, such as sip:probe@example.org.").by_default("the server, by its address"),
    own("transport", &[SipCheck], TRANSPORT, "How to reach the server.").by_default("UDP; with `tls` TCP"),
    own("transport", &[TextCheck], TRANSPORT, "How to reach the server.").by_default("TCP"),
    own("send", &[TextCheck], Word("a text"), "What to say; `\\r` and `\\n` in quotes end lines.").by_default("nothing"),
    own("half_close", &[TextCheck], Flag, "Close the connection on our side as soon as everything is said.").by_default("off"),
];
