//! Keywords of the health checks.

use super::Form::{Address, Block, Flag, OneOf, Port, Switch, Whole, Word, Words};
use super::Place::{
    self, BfdCheck, DnsCheck, FileCheck, FtpCheck, GrpcCheck, HttpGet, ImapCheck, LdapCheck, MiscCheck,
    MysqlCheck, NntpCheck, OracleCheck, PgsqlCheck, PingCheck, Pop3Check, RadiusCheck, SipCheck, SmtpCheck,
    SmtpHost, SslGet, TcpCheck, TextCheck, UdpCheck, Url,
};
use super::Status::{Accepted, Works};
use super::{ANY, DIRECTORD, Keyword, dialogue, handshake, join, key};

/// Checks whose packets IPVS can forward.
pub(super) const FORWARDED: &[Place] = &[
    TcpCheck,
    HttpGet,
    SslGet,
    SmtpCheck,
    DnsCheck,
    UdpCheck,
    GrpcCheck,
    LdapCheck,
    MysqlCheck,
    PgsqlCheck,
    RadiusCheck,
    OracleCheck,
    FtpCheck,
    ImapCheck,
    Pop3Check,
    NntpCheck,
    SipCheck,
    TextCheck,
];
const OTHERS: &[Place] = &[SmtpHost, PingCheck];
/// Checks that ask over the network.
pub(super) const NETWORK: &[Place] = &join::<{ FORWARDED.len() + OTHERS.len() }>(&[FORWARDED, OTHERS]);
/// Checks over a TCP connection.
pub(super) const CONNECTED: &[Place] = &[
    TcpCheck,
    HttpGet,
    SslGet,
    SmtpCheck,
    SmtpHost,
    GrpcCheck,
    LdapCheck,
    MysqlCheck,
    PgsqlCheck,
    OracleCheck,
    FtpCheck,
    ImapCheck,
    Pop3Check,
    NntpCheck,
    SipCheck,
    TextCheck,
];
/// Checks over the network, and commands.
const LOGGING: &[Place] = &join::<{ NETWORK.len() + 1 }>(&[NETWORK, &[MiscCheck]]);
/// Where an expression is looked for in what a server delivers.
const SEARCHED: &[Place] = &[Url, FtpCheck, TextCheck];
const WEB: &[Place] = &[HttpGet, SslGet];
/// Checks that speak TLS.
const SECURE: &[Place] = &[SslGet, GrpcCheck];
/// Those, and the ones that may speak it.
const EXPIRING: &[Place] = &join::<{ SECURE.len() + handshake::SECURE.len() + dialogue::SECURED.len() }>(&[
    SECURE,
    handshake::SECURE,
    dialogue::SECURED,
]);
const NO_TLS: &str = "`HTTP_GET` speaks no TLS";

#[rustfmt::skip]
pub(super) const TABLE: &[Keyword] = &[
    key("connect_ip", NETWORK, Address, Works, "The address to ask; by default the real server's.").by_default("the real server's"),
    key("connect_port", NETWORK, Port, Works, "The port to ask; by default the real server's.").by_default("the real server's"),
    key("bindto", NETWORK, Address, Works, "The address to ask from.").by_default("what the kernel chooses"),
    key("bind_port", NETWORK, Port, Works, "The port to ask from, together with `bindto`.").by_default("what the kernel chooses"),
    key("bind_if", NETWORK, Word("an interface"), Works, "The interface to ask through.").by_default("what the kernel chooses"),
    key("fwmark", NETWORK, Whole(0, u32::MAX as i64), Works, "The mark on packets of the check.").by_default("none"),
    key("log_all_failures", LOGGING, Switch, Works, "Log each failed attempt.").by_default("as `checker_log_all_failures`"),

    key("http_protocol", WEB, OneOf(&["1.0", "1.0C", "1.1", "2"]), Works, "The version of HTTP; 2 is for directord only, and over TLS the server must choose it.").by_default("1.0"),
    key("url", WEB, Block("", Url), Works, "A page to ask for; several are asked for in turn."),
    key("enable_sni", &[HttpGet], Flag, Accepted(NO_TLS), "Send the virtual host in the TLS greeting.").by_default("off"),
    key("sni_name", &[HttpGet], Word("a host name"), Accepted(NO_TLS), "The name to send in the TLS greeting.").since("after 2.4.3"),
    key("tls_compliant", &[HttpGet], Flag, Accepted(NO_TLS), "Close TLS connections properly.").by_default("off").since("2.2.8"),
    key("enable_sni", SECURE, Flag, Works, "Send the virtual host in the TLS greeting.").by_default("off"),
    key("sni_name", SECURE, Word("a host name"), Works, "The name to send in the TLS greeting.").since("after 2.4.3"),
    key("expiry_days", EXPIRING, Whole(0, 36_500), Works, "Warn when the server's certificate ends within so many days; 0 never.").by_default("as in `SSL`, else 0").since(DIRECTORD),
    key("verify", SECURE, Switch, Works, "The server's certificate must be valid, and for the name that is asked for.").by_default("as in `SSL`, else on; with `compat` off").since(DIRECTORD),
    key("fast_recovery", WEB, Switch, Works, "No delay between pages while the server comes up.").by_default("off"),
    key("tls_compliant", &[SslGet, Url], Flag, Works, "Close TLS connections properly.").by_default("off").since("2.2.8"),
    key("login", WEB, Word("a user's name"), Works, "Who we say we are (basic authentication).").since(DIRECTORD),
    key("password", WEB, Word("a password"), Works, "The password that goes with `login`; nobody is shown it.").by_default("an empty one").since(DIRECTORD),
    key("header", &[HttpGet, SslGet, Url], Words("\"NAME: VALUE\""), Works, "A header that is sent; several add up, and values are shown to nobody.").since(DIRECTORD),
    key("method", &[Url], OneOf(&["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]), Works, "What is done with the page.").by_default("GET").since(DIRECTORD),
    key("body", &[Url], Word("a text, in quotes"), Works, "What is sent along, up to 64 KiB; a `header` says of which type it is.").since(DIRECTORD),
    key("json", &[Url], Words("POINTER [[RELATION] VALUE]"), Works, "What the page, which is JSON, must have at a place such as /status; several must all hold.").since(DIRECTORD),
    key("path", &[Url], Word("a path"), Works, "The path to ask for, beginning with a slash."),
    key("status_code", &[Url, SipCheck], Words("NUMBER or FIRST-LAST…"), Works, "The statuses that pass; 200-299 by default.").by_default("200-299"),
    key("digest", &[Url], Word("32 hexadecimal digits"), Works, "The MD5 sum of the page."),
    key("virtualhost", &[Url], Word("a host name"), Works, "The Host header of this page.").by_default("the check's"),
    key("regex", SEARCHED, Word("a regular expression"), Works, "What must be in the page, the file or the answer."),
    key("regex_no_match", SEARCHED, Flag, Works, "It must not be in the page.").by_default("off"),
    key("regex_options", SEARCHED, Words("OPTION…"), Works, "How the expression is read."),
    key("regex_min_offset", SEARCHED, Whole(0, ANY), Works, "Where in it the match may begin.").by_default("0"),
    key("regex_max_offset", SEARCHED, Whole(0, ANY), Works, "Where in it the match must have begun.").by_default("no limit"),
    key("regex_stack", SEARCHED, Words("START MAXIMUM"), Accepted("the expression is interpreted, within bounds of its own"), "Memory for the match."),

    key("service", &[GrpcCheck], Word("a gRPC service"), Works, "The service that must be serving.").by_default("the server as a whole").since(DIRECTORD),
    key("virtualhost", &[GrpcCheck], Word("a host name"), Works, "The name that the server is asked by.").by_default("the server's, else the service's, else the address").since(DIRECTORD),
    key("tls", &[GrpcCheck], Switch, Works, "Ask over TLS.").by_default("off").since(DIRECTORD),
    key("helo_name", &[SmtpCheck], Word("a host name"), Works, "How we introduce ourselves.").by_default("the host name"),
    key("host", &[SmtpCheck], Block("", SmtpHost), Works, "Older way to say where to connect to."),
    key("type", &[DnsCheck], OneOf(&["A", "NS", "CNAME", "SOA", "MX", "TXT", "AAAA", "RRSIG", "DNSKEY"]), Works, "The type of record to ask for.").by_default("SOA"),
    key("name", &[DnsCheck], Word("a domain name"), Works, "The name to ask for; the root by default.").by_default(". (the root)"),
    key("name", &[BfdCheck], Word("a bfd_instance"), Works, "The neighbour that must be up."),
    key("misc_path", &[MiscCheck], Word("a command, in quotes if it has arguments"), Works, "The command."),
    key("misc_timeout", &[MiscCheck], Whole(0, 4_294), Works, "How long the command may take.").by_default("as `delay_loop`"),
    key("misc_dynamic", &[MiscCheck], Flag, Works, "The exit status sets the weight.").by_default("off"),
    key("user", &[MiscCheck], Words("USER [[:]GROUP]"), Works, "Who runs the command.").by_default("as `script_user`"),
    key("payload", &[UdpCheck], Words("HEXADECIMAL DIGITS"), Works, "What to send.").by_default("random bytes"),
    key("require_reply", &[UdpCheck], Words("[HEXADECIMAL DIGITS]"), Works, "What must come back.").by_default("off"),
    key("min_reply_length", &[UdpCheck], Whole(0, 65_535), Works, "How short the answer may be.").by_default("0"),
    key("max_reply_length", &[UdpCheck], Whole(0, 65_535), Works, "How long the answer may be.").by_default("255"),
    key("track_file", &[FileCheck], Word("a track_file"), Works, "The file."),
    key("weight", &[FileCheck], Words("NUMBER [reverse]"), Works, "What its number is multiplied by.").by_default("the track_file's"),
];
