//! Keywords of `virtual_server` and `real_server`.

use super::Form::{Block, Flag, OneOf, Seconds, Switch, Whole, Word, Words};
use super::Place::{
    BfdCheck, DnsCheck, FileCheck, GrpcCheck, HttpGet, MiscCheck, PingCheck, RealServer, SmtpCheck, SslGet,
    TcpCheck, UdpCheck, VipCheck, VirtualServer,
};
use super::Status::{Obsolete, SameAs, Works};
use super::check::{CONNECTED, FORWARDED};
use super::global::MONTH;
use super::{ANY, DIRECTORD, Keyword, NOT_YET, Place, SECOND, join, key};

const SCHEDULERS: &[&str] = &ipvs_backend::Scheduler::KNOWN;
const METHOD: &str = "NAT, DR, or TUN [type ipip|gre|gue] [port NUMBER] [nocsum|csum|remcsum]";
pub(super) const PERCENT: &str = "PERCENT, 0 to 100";
pub(super) const PANIC: &str = "Checks never take more of the real servers out of service at once than this many percent: of those that fail, the ones that failed last stay. Servers that an operator takes out are not among them, and `alpha` servers that have never been up stay out. keepalived ignores the keyword as unknown.";
pub(super) const HOLD: &str = "SECONDS [LONGEST]; 0 for none";
pub(super) const FLAP: &str = "A server that fails within LONGEST (600 s) after it came back must pass its checks for SECONDS before it returns, and for twice as long each further time, up to LONGEST; each LONGEST that it stays up takes a doubling back. It is not held back while the others do not reach the quorum. keepalived ignores the keyword as unknown.";
pub(super) const SHARE: &str = "Checks that ask the same of the same target in the same rhythm are made once for all servers that want them; never with `compat` or `ha_suspend`. keepalived ignores the keyword as unknown.";
const PROXY: &str = "The check begins its connection, before TLS, with the PROXY header that HAProxy's `accept-proxy`, nginx's `proxy_protocol`, Postfix's `smtpd_upstream_proxy_protocol` or dovecot's `haproxy` waits for: v1 names both ends of the connection, v2 says that the check asks for itself (LOCAL). keepalived ignores the keyword as unknown.";
/// The largest number of the kernel's tables.
const U32: i64 = u32::MAX as i64;
/// Ten years: as good as never, and no number that time is lost in; in microseconds.
const LONG: u64 = 315_360_000 * SECOND;
const IN_CHECKS: &[Place] = super::check::NETWORK;
const SERVERS: &[Place] = &[VirtualServer, RealServer];
const CHECKED: &[Place] = &join::<{ IN_CHECKS.len() + 1 }>(&[&[RealServer], IN_CHECKS]);
/// Checks whose packets IPVS can forward, and what stands around them.
const VIA: &[Place] = &join::<{ FORWARDED.len() + 2 }>(&[SERVERS, FORWARDED]);
/// Checks that begin a connection, and what stands around them.
const PROXIED: &[Place] = &join::<{ CONNECTED.len() + 2 }>(&[SERVERS, CONNECTED]);
const DEFAULTS: &[Place] = &join::<{ IN_CHECKS.len() + 2 }>(&[SERVERS, IN_CHECKS]);
/// The same with checks that are commands.
const ATTEMPTED: &[Place] = &join::<{ DEFAULTS.len() + 1 }>(&[DEFAULTS, &[MiscCheck]]);
/// The longest time that anybody waits for an answer, in milliseconds: an hour.
const HOUR: i64 = 3_600_000;

#[rustfmt::skip]
pub(super) const TABLE: &[Keyword] = &[
    key("real_server", &[VirtualServer], Block("ADDRESS [PORT]", RealServer), Works, "One server that does the work."),
    key("backup_server", &[VirtualServer], Block("ADDRESS [PORT]", RealServer), Works, "Stands in while the quorum is lost, with the other backup servers that are up, by weight; it is checked like a real server and counts for no quorum. If none is up the `sorry_server` stands in. keepalived ignores the keyword as unknown.").since(DIRECTORD),
    key("lvs_sched", &[VirtualServer], OneOf(SCHEDULERS), Works, "How connections are spread over the servers.").by_default("wlc"),
    key("lb_algo", &[VirtualServer], OneOf(SCHEDULERS), SameAs("lvs_sched"), "Older name of `lvs_sched`.").by_default("wlc"),
    key("lvs_method", &[VirtualServer, RealServer], Words(METHOD), Works, "How packets reach the servers: address translation, direct routing or a tunnel.").by_default("NAT; in a server the service's"),
    key("lb_kind", &[VirtualServer], Words(METHOD), SameAs("lvs_method"), "Older name of `lvs_method`.").by_default("NAT; in a server the service's"),
    key("protocol", &[VirtualServer], OneOf(&["TCP", "UDP", "SCTP"]), Works, "The protocol of the service; UDP if it is not given.").by_default("UDP"),
    key("persistence_timeout", &[VirtualServer], Words("[SECONDS]"), Works, "How long a client stays with its server; 360 s if no time is given.").by_default("off; without a number 360"),
    key("persistence_granularity", &[VirtualServer], Words("NETMASK, or a prefix length for IPv6"), Works, "Which clients count as one.").by_default("each client for itself"),
    key("persistence_engine", &[VirtualServer], Word("an engine"), Works, "What clients are told apart by, besides their address."),
    key("ops", &[VirtualServer], Flag, Works, "Each datagram is scheduled on its own (UDP).").by_default("off"),
    key("flag-1", &[VirtualServer], Flag, Works, "First flag of the scheduler.").by_default("off"),
    key("flag-2", &[VirtualServer], Flag, Works, "Second flag of the scheduler.").by_default("off"),
    key("flag-3", &[VirtualServer], Flag, Works, "Third flag of the scheduler.").by_default("off"),
    key("sh-port", &[VirtualServer], Flag, Works, "Scheduler sh: the client's port counts.").by_default("off"),
    key("sh-fallback", &[VirtualServer], Flag, Works, "Scheduler sh: take another server if the right one is gone.").by_default("off"),
    key("mh-port", &[VirtualServer], Flag, Works, "Scheduler mh: the client's port counts.").by_default("off"),
    key("mh-fallback", &[VirtualServer], Flag, Works, "Scheduler mh: take another server if the right one is gone.").by_default("off"),
    key("hashed", &[VirtualServer], Flag, Obsolete("services are always hashed"), "Hash the service."),
    key("nat_mask", &[VirtualServer], Word("a netmask"), Obsolete("address translation needs no mask"), "The network of the servers, long ago."),
    key("ip_family", &[VirtualServer], OneOf(&["inet", "inet6"]), Works, "The address family of a firewall mark.").by_default("that of the first real server"),
    key("delay_loop", DEFAULTS, Seconds(1, LONG), Works, "Time between two checks.").by_default("60"),
    key("connect_timeout", DEFAULTS, Seconds(1, u32::MAX as u64), Works, "How long a check waits for a connection.").by_default("5"),
    key("retry", &[VirtualServer, RealServer], Whole(1, U32), Works, "Attempts that checks repeat before a server is given up.").by_default("1; in a DNS_CHECK 3"),
    key("retry", IN_CHECKS, Whole(0, U32), Works, "Attempts that are repeated before a server is given up.").by_default("1; in a DNS_CHECK 3"),
    key("retry", &[MiscCheck], Whole(0, U32), Works, "Attempts that are repeated before a server is given up.").by_default("0"),
    key("rise", ATTEMPTED, Whole(1, U32), Works, "Passes in a row, `delay_loop` apart, that bring a server up; of a check with several pages, rounds of all of them.").by_default("1, or what `checker_rise` says").since(DIRECTORD),
    key("fall", ATTEMPTED, Whole(1, U32), Works, "Failures in a row, `delay_before_retry` apart, that take a server out; the same as a `retry` of one less, and counts before it.").by_default("what `retry` says").since(DIRECTORD),
    key("max_latency", DEFAULTS, Whole(1, HOUR), Works, "Milliseconds from the first packet to the last word of the answer; what takes longer has failed.").by_default("no limit").since(DIRECTORD),
    key("warn_latency", DEFAULTS, Whole(1, HOUR), Works, "Milliseconds after which an answer that passes is told to be slow.").by_default("no limit").since(DIRECTORD),
    key("nb_get_retry", &[HttpGet, SslGet], Whole(0, U32), SameAs("retry"), "Older name of `retry`.").by_default("1"),
    key("delay_before_retry", DEFAULTS, Seconds(0, LONG), Works, "Time before an attempt is repeated; 1 s, for HTTP 3 s by default.").by_default("1; in HTTP_GET and SSL_GET 3; in a DNS_CHECK as `delay_loop`"),
    key("delay_before_retry", &[MiscCheck], Seconds(0, LONG), Works, "Time before an attempt is repeated.").by_default("1"),
    key("warmup", DEFAULTS, Seconds(0, LONG), Works, "The first check waits for a random part of this time; by default it comes at once.").by_default("0"),
    key("warmup", &[MiscCheck], Seconds(0, LONG), Works, "The first check waits for a random part of this time.").by_default("0"),
    key("delay_loop", &[MiscCheck], Seconds(1, LONG), Works, "Time between two checks.").by_default("60"),
    key("alpha", &[VirtualServer], Flag, Works, "Servers count as down until a check passes.").by_default("off"),
    key("alpha", CHECKED, Switch, Works, "The server counts as down until a check passes.").by_default("as in the block around it"),
    key("alpha", &[MiscCheck], Switch, Works, "The server counts as down until a check passes.").by_default("off"),
    key("alpha", &[BfdCheck], Switch, Works, "The server counts as down until the neighbour has been up.").by_default("off"),
    key("omega", &[VirtualServer], Flag, Works, "Run the scripts for servers that go down when the daemon stops.").by_default("off"),
    key("quorum", &[VirtualServer], Whole(1, U32), Works, "The weight of servers that must be up.").by_default("1"),
    key("hysteresis", &[VirtualServer], Whole(0, U32), Works, "How far the quorum must be missed or exceeded.").by_default("0"),
    key("quorum_up", &[VirtualServer], Words("COMMAND"), Works, "Run when the quorum is reached."),
    key("quorum_down", &[VirtualServer], Words("COMMAND"), Works, "Run when the quorum is lost."),
    key("inhibit_on_failure", &[VirtualServer], Flag, Works, "A server that is down gets weight 0 instead of being removed.").by_default("off"),
    key("inhibit_on_failure", &[RealServer], Switch, Works, "While it is down the server gets weight 0 instead of being removed.").by_default("the service's"),
    key("sorry_server", &[VirtualServer], Words("ADDRESS [PORT]"), Works, "Stands in while the quorum is lost; it is not checked."),
    key("sorry_server_inhibit", &[VirtualServer], Flag, Works, "The sorry server stays in the table with weight 0.").by_default("off"),
    key("sorry_server_lvs_method", &[VirtualServer], Words(METHOD), Works, "How packets reach the sorry server.").by_default("the service's"),
    key("ha_suspend", &[VirtualServer], Flag, Works, "Check only while the service's address is on this host.").by_default("off"),
    key("virtualhost", &[VirtualServer, RealServer, HttpGet, SslGet], Word("a host name"), Works, "The Host header of checks.").by_default("the server's, else the service's, else the address"),
    key("via_ipvs", VIA, Switch, Works, "The check takes the way of a client's packets: through the kernel's table, to the address of the service.").by_default("off; in a block as in the one around it").since(DIRECTORD),
    key("proxy_protocol", PROXIED, OneOf(&["v1", "v2", "off"]), Works, PROXY).by_default("off; in a block as in the one around it").since(DIRECTORD),
    key("weight", &[VirtualServer], Whole(1, ANY), Works, "Share of new connections for servers that name none.").by_default("1"),
    key("weight", &[RealServer], Whole(0, ANY), Works, "Share of new connections; 0 for none.").by_default("the service's, else 1"),
    key("smtp_alert", &[VirtualServer, RealServer], Switch, Works, "Whether events are mailed; yes by default, when mail is configured.").by_default("as `smtp_alert_checker`"),
    key("snmp_name", &[VirtualServer, RealServer], Word("a name"), NOT_YET, "Name in SNMP tables."),
    key("uthreshold", &[RealServer], Whole(0, U32), Works, "At this many connections the server gets no new ones.").by_default("0, which is no limit"),
    key("lthreshold", &[RealServer], Whole(0, U32), Works, "Below this many connections it gets new ones again; at most `uthreshold`.").by_default("0, which is three quarters of `uthreshold`"),
    key("drain_on_remove", &[VirtualServer, RealServer], Seconds(0, MONTH), Works, "Removed by a reload, the server gets no new connections and keeps those it has, until they are gone or for this long; 0: it goes at once.").by_default("as `drain_on_remove`").since(DIRECTORD),
    key("panic_threshold", &[VirtualServer], Words(PERCENT), Works, PANIC).by_default("as `panic_threshold`").since(DIRECTORD),
    key("flap_hold", &[VirtualServer, RealServer], Words(HOLD), Works, FLAP).by_default("as `flap_hold`").since(DIRECTORD),
    key("share_checks", &[VirtualServer], Switch, Works, SHARE).by_default("as `share_checks`").since(DIRECTORD),
    key("notify_up", &[RealServer], Words("COMMAND"), Works, "Run when the server comes up."),
    key("notify_down", &[RealServer], Words("COMMAND"), Works, "Run when the server goes down."),

    key("vip_check", &[VirtualServer], Block("", VipCheck), Works, "One check that the director asks the address of the service while another one is master, as a client would; it is told of and shown, and changes nothing.").since(DIRECTORD),
    key("TCP_CHECK", &[RealServer, VipCheck], Block("", TcpCheck), Works, "A TCP connection must come about."),
    key("HTTP_GET", &[RealServer, VipCheck], Block("", HttpGet), Works, "A page must be delivered."),
    key("SSL_GET", &[RealServer, VipCheck], Block("", SslGet), Works, "A page must be delivered over TLS."),
    key("SMTP_CHECK", &[RealServer, VipCheck], Block("", SmtpCheck), Works, "A mail server must greet."),
    key("DNS_CHECK", &[RealServer, VipCheck], Block("", DnsCheck), Works, "A name server must answer."),
    key("MISC_CHECK", &[RealServer], Block("", MiscCheck), Works, "A command must succeed."),
    key("UDP_CHECK", &[RealServer, VipCheck], Block("", UdpCheck), Works, "A datagram must not be refused, or be answered."),
    key("PING_CHECK", &[RealServer], Block("", PingCheck), Works, "An echo request must be answered."),
    key("GRPC_CHECK", &[RealServer, VipCheck], Block("", GrpcCheck), Works, "A gRPC server must say that its service is serving.").since(DIRECTORD),
    key("BFD_CHECK", &[RealServer], Block("", BfdCheck), Works, "A BFD neighbour must be up."),
    key("FILE_CHECK", &[RealServer], Block("", FileCheck), Works, "A file's number changes the weight."),

];
