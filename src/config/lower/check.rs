//! `TCP_CHECK` and `HTTP_GET`, and the times that checks inherit.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::str::FromStr;
use std::time::Duration;

use healthcheck::spec::{check_path, check_virtualhost, parse_digest};
use healthcheck::{Check, Http, HttpVersion, Kind, Schedule, StatusRanges, Url};
use ipvs_backend::DestinationKey;

use super::context::{Context, Entry};
use super::server::Inherited;
use crate::config::complaint::Code;
use crate::config::keywords::Place;
use crate::config::source::Span;

/// When and how patiently to check, as far as it has been said. The nearest word counts: the check's, else the
/// server's, else the service's.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Timing {
    delay_loop: Option<Duration>,
    connect_timeout: Option<Duration>,
    retry: Option<u32>,
    delay_before_retry: Option<Duration>,
    warmup: Option<Duration>,
}

impl Timing {
    /// Takes in a statement, if it is one of these.
    pub fn take(&mut self, context: &mut Context<'_>, entry: &Entry<'_>) -> bool {
        match entry.name() {
            "delay_loop" => self.delay_loop = context.seconds(entry).or(self.delay_loop),
            "connect_timeout" => self.connect_timeout = context.seconds(entry).or(self.connect_timeout),
            "retry" => self.retry = context.whole(entry).or(self.retry),
            "delay_before_retry" => {
                self.delay_before_retry = context.seconds(entry).or(self.delay_before_retry)
            }
            "warmup" => self.warmup = context.seconds(entry).or(self.warmup),
            _ => return false,
        }
        true
    }

    /// Every 60 s, one retry, after 1 s or for HTTP 3 s.
    fn schedule(&self, kind: &Kind) -> Schedule {
        let default = Schedule::default();
        let delay_before_retry = match kind {
            Kind::Http(_) => Duration::from_secs(3),
            _ => default.delay_before_retry,
        };
        Schedule {
            interval: self.delay_loop.unwrap_or(default.interval),
            retry: self.retry.unwrap_or(default.retry),
            delay_before_retry: self.delay_before_retry.unwrap_or(delay_before_retry),
            alpha: default.alpha,
            warmup: self.warmup.or(default.warmup),
        }
    }
}

/// What has been said in the block.
#[derive(Default)]
struct Draft {
    address: Option<IpAddr>,
    port: Option<u16>,
    from_address: Option<(IpAddr, Span)>,
    from_port: Option<u16>,
    timing: Timing,
    protocol: HttpVersion,
    virtualhost: Option<String>,
    urls: Vec<Url>,
    /// Whether there was a URL at all, right or wrong.
    any_url: bool,
}

/// One check of one server. What it inherits comes from the server, which has taken it over from the service.
pub(super) fn lower(
    context: &mut Context<'_>,
    block: &Entry<'_>,
    server: DestinationKey,
    inherited: &Inherited,
) -> Option<Check> {
    context.at_most(block, 0);
    let place = if block.name() == "HTTP_GET" { Place::HttpGet } else { Place::TcpCheck };
    let mut draft =
        Draft { timing: inherited.timing, virtualhost: inherited.virtualhost.clone(), ..Draft::default() };
    for entry in context.entries(block.statement.block.as_ref()?, place) {
        if !draft.timing.take(context, &entry) && !draft.take(context, &entry) {
            context.forgotten(&entry);
        }
    }
    draft.finish(context, block, place, server)
}

impl Draft {
    fn take(&mut self, context: &mut Context<'_>, entry: &Entry<'_>) -> bool {
        match entry.name() {
            "connect_ip" => self.address = context.address_of(entry),
            "connect_port" => self.port = context.port_of(entry),
            "bindto" => self.from_address = context.address_of(entry).map(|address| (address, entry.span())),
            "bind_port" => self.from_port = context.port_of(entry),
            "virtualhost" => self.virtualhost = virtualhost(context, entry),
            "http_protocol" => {
                self.protocol = match context.choice(entry) {
                    Some("1.1") => HttpVersion::Http11,
                    Some("1.0C") => HttpVersion::Http10Close,
                    _ => HttpVersion::Http10,
                }
            }
            "url" => {
                self.any_url = true;
                self.urls.extend(url(context, entry));
            }
            _ => return false,
        }
        true
    }

    fn finish(
        self,
        context: &mut Context<'_>,
        block: &Entry<'_>,
        place: Place,
        server: DestinationKey,
    ) -> Option<Check> {
        let name = block.keyword.name;
        if place == Place::HttpGet && !self.any_url {
            context.missing(&format!("`{name}`"), "url", block.span());
        }
        let target =
            SocketAddr::new(self.address.unwrap_or(server.address), self.port.unwrap_or(server.port));
        if target.port() == 0 {
            let message = format!("`{name}` has no port to connect to: the server has none either");
            context.error_with(Code::MissingKeyword, block.span(), message, "add `connect_port`");
        }
        if let Some((address, span)) = self.from_address
            && address.is_ipv4() != target.is_ipv4()
        {
            let message =
                format!("`bindto` {address} and the checked address {} are not of one family", target.ip());
            context.error(Code::FamilyMismatch, span, message);
        }
        let any = if target.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
        let source = match (self.from_address, self.from_port) {
            (None, None) => None,
            (address, port) => {
                Some(SocketAddr::new(address.map_or(any, |(address, _)| address), port.unwrap_or(0)))
            }
        };
        let kind = if place == Place::HttpGet {
            Kind::Http(Http { urls: self.urls, virtualhost: self.virtualhost, protocol: self.protocol })
        } else {
            Kind::Tcp
        };
        let connect_timeout = self.timing.connect_timeout.unwrap_or(Duration::from_secs(5));
        let schedule = self.timing.schedule(&kind);
        Some(Check { kind, target, source, connect_timeout, schedule })
    }
}

/// `virtualhost`, at any level.
pub(super) fn virtualhost(context: &mut Context<'_>, entry: &Entry<'_>) -> Option<String> {
    let word = context.word(entry)?;
    match check_virtualhost(&word.text) {
        Ok(()) => Some(word.text.clone()),
        Err(error) => {
            context.error(Code::InvalidText, word.span, error.to_string());
            None
        }
    }
}

fn url(context: &mut Context<'_>, block: &Entry<'_>) -> Option<Url> {
    context.at_most(block, 0);
    let (mut path, mut has_path) = (None, false);
    let (mut status, mut digest, mut host) = (StatusRanges::default(), None, None);
    for entry in context.entries(block.statement.block.as_ref()?, Place::Url) {
        match entry.name() {
            "path" => {
                has_path = true;
                path = path_of(context, &entry);
            }
            "status_code" => status = status_of(context, &entry).unwrap_or(status),
            "digest" => digest = digest_of(context, &entry),
            "virtualhost" => host = virtualhost(context, &entry),
            _ => context.forgotten(&entry),
        }
    }
    if !has_path {
        context.missing("`url`", "path", block.span());
    }
    Some(Url { path: path?, status, digest, virtualhost: host })
}

fn path_of(context: &mut Context<'_>, entry: &Entry<'_>) -> Option<String> {
    let word = context.word(entry)?;
    let Err(error) = check_path(&word.text) else { return Some(word.text.clone()) };
    let with_slash = format!("/{}", word.text);
    if check_path(&with_slash).is_ok() {
        context.error_with(
            Code::InvalidText,
            word.span,
            error.to_string(),
            format!("did you mean `{with_slash}`?"),
        );
    } else {
        context.error(Code::InvalidText, word.span, error.to_string());
    }
    None
}

fn status_of(context: &mut Context<'_>, entry: &Entry<'_>) -> Option<StatusRanges> {
    let word = context.first(entry)?;
    let parsed = StatusRanges::from_str(&entry.statement.text());
    if let Err(error) = &parsed {
        context.error(Code::InvalidNumber, word.span, error.to_string());
    }
    parsed.ok()
}

fn digest_of(context: &mut Context<'_>, entry: &Entry<'_>) -> Option<[u8; 16]> {
    let word = context.word(entry)?;
    let parsed = parse_digest(&word.text);
    if let Err(error) = &parsed {
        context.error(Code::InvalidText, word.span, error.to_string());
    }
    parsed.ok()
}
