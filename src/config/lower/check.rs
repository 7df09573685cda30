//! The checks of a real server, and the times that they inherit.
//!
//! Those that are attempts and those that look at what is known anyway stand in two lists.

mod dialogue;
mod grpc;
mod handshake;
mod http;
mod local;
mod question;
mod request;
mod route;
mod secure;

use std::sync::Arc;
use std::time::Duration;

use healthcheck::{Check, Kind, Latency, Schedule, Udp};
use ipvs_backend::DestinationKey;

pub(super) use http::virtualhost;
use route::Route;
pub(super) use route::proxy_header;

use super::context::{Context, Entry};
use super::server::Inherited;
use crate::config::complaint::Code;
use crate::config::{PlannedCheck, Thing};

/// How long a check waits for a connection where nothing is said of it.
const USUAL_TIMEOUT: Duration = Duration::from_secs(5);

/// The checks of one server.
#[derive(Debug, Default)]
pub(super) struct Checks {
    /// Those that are attempts.
    pub made: Vec<Arc<Check>>,
    /// The others.
    pub planned: Vec<Arc<PlannedCheck>>,
}

/// Whether a keyword of a real server opens the block of a check.
pub(super) fn is_check(name: &str) -> bool {
    matches!(
        name,
        "TCP_CHECK"
            | "HTTP_GET"
            | "SSL_GET"
            | "SMTP_CHECK"
            | "DNS_CHECK"
            | "UDP_CHECK"
            | "PING_CHECK"
            | "GRPC_CHECK"
            | "MISC_CHECK"
            | "FILE_CHECK"
            | "BFD_CHECK"
            | "LDAP_CHECK"
            | "MYSQL_CHECK"
            | "PGSQL_CHECK"
            | "RADIUS_CHECK"
            | "ORACLE_CHECK"
            | "FTP_CHECK"
            | "IMAP_CHECK"
            | "POP3_CHECK"
            | "NNTP_CHECK"
            | "SIP_CHECK"
            | "TEXT_CHECK"
    )
}

/// The checks of one server, which is the first to be asked. What they inherit comes from the server, which has taken
/// it over from the service. `thing` names the checks by number: those that are made come first.
pub(super) fn lower(
    context: &mut Context<'_>,
    blocks: &[Entry<'_>],
    server: DestinationKey,
    inherited: &Inherited,
    thing: impl Fn(usize) -> Thing,
) -> Checks {
    let mut checks = Checks::default();
    let (mut made, mut planned) = (Vec::new(), Vec::new());
    for block in blocks {
        context.at_most(block, 0);
        match block.name() {
            "MISC_CHECK" => {
                let check = local::misc(context, block, server, inherited);
                checks.made.extend(check.map(Arc::new));
            }
            "FILE_CHECK" | "BFD_CHECK" => {
                let check = local::lower(context, block, inherited);
                checks.planned.extend(check.map(Arc::new));
            }
            _ => context.within(block, |context| network(context, block, server, inherited, &mut checks)),
        }
        made.resize(checks.made.len(), block);
        planned.resize(checks.planned.len(), block);
    }
    for (number, block) in made.into_iter().chain(planned).enumerate() {
        context.note(thing(number), block);
    }
    checks
}

fn network(
    context: &mut Context<'_>,
    block: &Entry<'_>,
    server: DestinationKey,
    inherited: &Inherited,
    checks: &mut Checks,
) {
    let mut route = Route::new(inherited);
    let mut hosts = Vec::new();
    let kind = match block.name() {
        "HTTP_GET" | "SSL_GET" => http::lower(context, block, inherited, &mut route),
        "SMTP_CHECK" => Some(question::smtp(context, block, &mut route, &mut hosts)),
        "FTP_CHECK" | "IMAP_CHECK" | "POP3_CHECK" | "NNTP_CHECK" => {
            Some(dialogue::letting_in(context, block, &mut route))
        }
        "SIP_CHECK" => Some(dialogue::sip(context, block, &mut route)),
        "TEXT_CHECK" => Some(dialogue::text(context, block, &mut route)),
        "DNS_CHECK" => Some(question::dns(context, block, &mut route)),
        "LDAP_CHECK" => handshake::ldap(context, block, &mut route),
        "MYSQL_CHECK" | "PGSQL_CHECK" => handshake::sql(context, block, &mut route),
        "RADIUS_CHECK" => handshake::radius(context, block, &mut route),
        "ORACLE_CHECK" => handshake::oracle(context, block, &mut route),
        "UDP_CHECK" => Some(question::udp(context, block, &mut route)),
        "GRPC_CHECK" => Some(grpc::lower(context, block, inherited, &mut route)),
        name => {
            route.read(context, block, |_, _| false);
            Some(if name == "PING_CHECK" { Kind::Ping } else { Kind::Tcp })
        }
    };
    let Some(kind) = kind else { return };
    // Silence passes after all the time there is.
    if let Kind::Udp(Udp { reply: None, .. }) = &kind
        && route.forget_latency()
    {
        let message = "how soon the answer must come has no effect without `require_reply`";
        context.warning(Code::NoEffect, block.span(), message);
    }
    // Hosts are checks of their own; the block itself is one more if it says whom to ask.
    if hosts.is_empty() || route.is_said() {
        checks.made.push(Arc::new(route.finish(context, block, kind.clone(), server)));
    }
    for host in hosts {
        let mut route = route.of_host();
        route.read(context, &host, |_, _| false);
        checks.made.push(Arc::new(route.finish(context, &host, kind.clone(), server)));
    }
}

/// When and how patiently to check, as far as it has been said. The nearest word counts: the check's, else the
/// server's, else the service's.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct Timing {
    delay_loop: Option<Duration>,
    connect_timeout: Option<Duration>,
    retry: Option<u32>,
    delay_before_retry: Option<Duration>,
    warmup: Option<Duration>,
    rise: Option<u32>,
    latency: Latency,
    /// Whether the block that is being read says `fall`, beside which its `retry` does not count.
    falls: bool,
    /// Whether it says how slow an answer may be.
    hurries: bool,
}

impl Timing {
    /// What holds at the beginning of a block inside the one that said this.
    pub fn inside(self) -> Timing {
        Timing { falls: false, hurries: false, ..self }
    }

    /// Answers may come as late as they like; returns whether this very block says something else.
    pub fn forget_latency(&mut self) -> bool {
        self.latency = Latency::default();
        self.hurries
    }

    /// Takes in a statement of `global_defs`, if it is one of these. It is kept in the checks that it holds for.
    pub fn take_default(&mut self, context: &mut Context<'_>, entry: &Entry<'_>) -> bool {
        match entry.name() {
            "checker_rise" => self.rise = context.whole(entry).or(self.rise),
            "checker_fall" => {
                let failures = context.whole::<u32>(entry);
                self.retry = failures.map(|failures| failures.saturating_sub(1)).or(self.retry);
            }
            _ => return false,
        }
        true
    }

    /// Takes in a statement, if it is one of these.
    pub fn take(&mut self, context: &mut Context<'_>, entry: &Entry<'_>) -> bool {
        match entry.name() {
            "delay_loop" => self.delay_loop = interval(context, entry).or(self.delay_loop),
            "connect_timeout" => self.connect_timeout = context.seconds(entry).or(self.connect_timeout),
            "retry" => {
                let said = context.whole(entry);
                if !self.falls {
                    self.retry = said.or(self.retry);
                }
            }
            "fall" => {
                if let Some(failures) = context.whole::<u32>(entry) {
                    self.retry = Some(failures.saturating_sub(1));
                    self.falls = true;
                }
            }
            "rise" => self.rise = context.whole(entry).or(self.rise),
            "max_latency" => {
                self.hurries = true;
                self.latency.most = milliseconds(context, entry).or(self.latency.most);
            }
            "warn_latency" => {
                self.hurries = true;
                self.latency.warn = milliseconds(context, entry).or(self.latency.warn);
            }
            "delay_before_retry" => {
                self.delay_before_retry = context.seconds(entry).or(self.delay_before_retry)
            }
            "warmup" => self.warmup = context.seconds(entry).or(self.warmup),
            _ => return false,
        }
        true
    }

    /// The rhythm of a check, from the defaults that its kind has for an interval.
    fn schedule(&self, defaults: impl FnOnce(Duration) -> Schedule, alpha: bool) -> Schedule {
        let usual = defaults(self.delay_loop.unwrap_or(Schedule::default().interval));
        Schedule {
            interval: usual.interval,
            retry: self.retry.unwrap_or(usual.retry),
            delay_before_retry: self.delay_before_retry.unwrap_or(usual.delay_before_retry),
            alpha,
            warmup: self.warmup.or(usual.warmup),
            fast_recovery: false,
            rise: self.rise.unwrap_or(usual.rise),
            latency: self.latency,
        }
    }
}

fn milliseconds(context: &mut Context<'_>, entry: &Entry<'_>) -> Option<Duration> {
    context.whole(entry).map(Duration::from_millis)
}

/// No check comes more than a thousand times a second, whatever keepalived tries.
fn interval(context: &mut Context<'_>, entry: &Entry<'_>) -> Option<Duration> {
    const SHORTEST: Duration = Duration::from_millis(1);
    let said = context.seconds(entry)?;
    if said < SHORTEST {
        let message =
            format!("`delay_loop` is {} s; every 0.001 s is as often as it gets", said.as_secs_f64());
        context.warning(Code::ValueAdjusted, entry.span(), message);
    }
    Some(said.max(SHORTEST))
}
