//! Keywords of the health checks.

use super::Form::{Address, Block, Flag, OneOf, Port, Seconds, Switch, Whole, Word, Words};
use super::Place::{
    self, BfdCheck, DnsCheck, FileCheck, HttpGet, MiscCheck, PingCheck, SmtpCheck, SmtpHost, SslGet,
    TcpCheck, UdpCheck, Url,
};
use super::Status::{NotYet, Works};
use super::{ANY, Keyword, NOT_YET, SECOND, key};

/// Checks that open a connection.
const NETWORK: &[Place] = &[TcpCheck, HttpGet, SslGet, SmtpCheck, DnsCheck, UdpCheck, PingCheck];
const WEB: &[Place] = &[HttpGet, SslGet];
const BODY: &str = "the body is not searched";

#[rustfmt::skip]
pub(super) const TABLE: &[Keyword] = &[
    key("connect_ip", NETWORK, Address, Works, "The address to ask; by default the real server's."),
    key("connect_port", NETWORK, Port, Works, "The port to ask; by default the real server's."),
    key("bindto", NETWORK, Address, Works, "The address to ask from."),
    key("bind_port", NETWORK, Port, Works, "The port to ask from, together with `bindto`."),
    key("bind_if", NETWORK, Word("an interface"), NotYet("the route decides"), "The interface to ask through."),
    key("fwmark", NETWORK, Whole(0, u32::MAX as i64), NotYet("packets of the check are not marked"), "The mark on packets of the check."),
    key("log_all_failures", &[TcpCheck, HttpGet, SslGet, SmtpCheck, DnsCheck, UdpCheck, PingCheck, MiscCheck], Switch, NOT_YET, "Log each failed attempt."),

    key("http_protocol", WEB, OneOf(&["1.0", "1.0C", "1.1"]), Works, "The version of HTTP; 1.0 by default."),
    key("url", WEB, Block("", Url), Works, "A page to ask for; several are asked for in turn."),
    key("enable_sni", WEB, Flag, NOT_YET, "Send the virtual host in the TLS greeting."),
    key("sni_name", WEB, Word("a host name"), NOT_YET, "The name to send in the TLS greeting."),
    key("fast_recovery", WEB, Switch, NOT_YET, "No delay between pages while the server comes up."),
    key("tls_compliant", &[HttpGet, SslGet, Url], Flag, NOT_YET, "Close TLS connections properly."),
    key("path", &[Url], Word("a path"), Works, "The path to ask for, beginning with a slash."),
    key("status_code", &[Url], Words("NUMBER or FIRST-LAST…"), Works, "The statuses that pass; 200-299 by default."),
    key("digest", &[Url], Word("32 hexadecimal digits"), Works, "The MD5 sum of the page."),
    key("virtualhost", &[Url], Word("a host name"), Works, "The Host header of this page."),
    key("regex", &[Url], Word("a regular expression"), NotYet(BODY), "What must be in the page."),
    key("regex_no_match", &[Url], Flag, NotYet(BODY), "It must not be in the page."),
    key("regex_options", &[Url], Words("OPTION…"), NotYet(BODY), "How the expression is read."),
    key("regex_min_offset", &[Url], Whole(0, ANY), NotYet(BODY), "Where in the page the match may begin."),
    key("regex_max_offset", &[Url], Whole(0, ANY), NotYet(BODY), "Where in the page the match must have begun."),
    key("regex_stack", &[Url], Words("START MAXIMUM"), NotYet(BODY), "Memory for the match."),

    key("helo_name", &[SmtpCheck], Word("a host name"), NOT_YET, "How we introduce ourselves."),
    key("host", &[SmtpCheck], Block("", SmtpHost), NOT_YET, "Older way to say where to connect to."),
    key("connect_ip", &[SmtpHost], Address, NOT_YET, "The address to connect to."),
    key("bindto", &[SmtpHost], Address, NOT_YET, "The address to connect from."),
    key("type", &[DnsCheck], OneOf(&["A", "NS", "CNAME", "SOA", "MX", "TXT", "AAAA", "RRSIG", "DNSKEY"]), NOT_YET, "The type of record to ask for; SOA by default."),
    key("name", &[DnsCheck], Word("a domain name"), NOT_YET, "The name to ask for; the root by default."),
    key("name", &[BfdCheck], Word("a bfd_instance"), NOT_YET, "The neighbour that must be up."),
    key("misc_path", &[MiscCheck], Words("COMMAND"), NOT_YET, "The command."),
    key("misc_timeout", &[MiscCheck], Seconds(1_000, 86_400 * SECOND), NOT_YET, "How long the command may take."),
    key("misc_dynamic", &[MiscCheck], Flag, NOT_YET, "The exit status sets the weight."),
    key("user", &[MiscCheck], Words("USER [[:]GROUP]"), NOT_YET, "Who runs the command."),
    key("payload", &[UdpCheck], Words("HEXADECIMAL DIGITS"), NOT_YET, "What to send."),
    key("require_reply", &[UdpCheck], Words("[HEXADECIMAL DIGITS]"), NOT_YET, "What must come back."),
    key("min_reply_length", &[UdpCheck], Whole(0, 65_535), NOT_YET, "How short the answer may be."),
    key("max_reply_length", &[UdpCheck], Whole(0, 65_535), NOT_YET, "How long the answer may be."),
    key("track_file", &[FileCheck], Word("a track_file"), NOT_YET, "The file."),
    key("weight", &[FileCheck], Words("NUMBER [reverse]"), NOT_YET, "What its number is multiplied by."),
];
