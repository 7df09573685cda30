//! Persistence: how long a client stays with its server, and what counts as one client.

use std::net::Ipv4Addr;
use std::str::FromStr;
use std::time::Duration;

use ipvs_backend::{Family, Granularity, Persistence};

use super::context::{Context, Entry, short};
use crate::config::complaint::{Code, Reaction};
use crate::config::source::Span;

/// `persistence_timeout` without a time (`IPVS_SVC_PERSISTENT_TIMEOUT` of ipvsadm).
const DEFAULT: Duration = Duration::from_secs(360);
/// Thirty-one days, the longest time-out that IPVS takes.
const MAX: i64 = 31 * 86_400;

/// What has been said of it.
#[derive(Debug, Default)]
pub(super) struct Draft {
    timeout: Option<Duration>,
    granularity: Option<(Granularity, Span)>,
    engine: Option<String>,
    /// Whether the kernel would refuse the service.
    refused: bool,
}

impl Draft {
    /// Takes in a statement, if it is one of these.
    pub fn take(&mut self, context: &mut Context<'_>, entry: &Entry<'_>) -> bool {
        match entry.name() {
            "persistence_timeout" => self.timeout = timeout(context, entry).or(self.timeout),
            "persistence_granularity" => {
                let granularity = granularity(context, entry).map(|granularity| (granularity, entry.span()));
                self.granularity = granularity.or(self.granularity);
            }
            "persistence_engine" => self.engine(context, entry),
            _ => return false,
        }
        true
    }

    /// The kernel has one engine so far (`net/netfilter/ipvs/ip_vs_pe_sip.c`).
    fn engine(&mut self, context: &mut Context<'_>, entry: &Entry<'_>) {
        let Some(word) = context.word(entry) else { return };
        self.engine = Some("sip".to_owned());
        self.refused = word.text != "sip";
        if self.refused {
            let message = format!("`persistence_engine` is `{}`; allowed: sip", short(&word.text));
            let keepalived = Reaction::goes_on("the kernel refuses the service: it is left out");
            context.error_but(Code::InvalidChoice, word.span, message, None, keepalived);
        }
    }

    /// A netmask is for IPv4 and a prefix length for IPv6, which tells the family of a mark.
    pub fn family(&self) -> Option<Family> {
        match self.granularity?.0 {
            Granularity::Host => None,
            Granularity::Netmask(_) => Some(Family::V4),
            Granularity::Prefix(_) => Some(Family::V6),
        }
    }

    /// Persistence and its engine. `None` if the kernel would refuse the service for them.
    pub fn finish(
        self,
        context: &mut Context<'_>,
        family: Family,
        every_port: bool,
        span: Span,
    ) -> Option<(Option<Persistence>, Option<String>)> {
        let granularity = self.granularity.and_then(|granularity| fitting(context, granularity, family));
        let mut timeout = self.timeout;
        if let (None, Some((_, span))) = (timeout, self.granularity) {
            let message = "`persistence_granularity` makes the service persistent; the time-out is 360 s";
            let suggestion = "say `persistence_timeout 360` if that is meant";
            context.warning_with(Code::ValueAdjusted, span, message.to_owned(), suggestion);
            timeout = Some(DEFAULT);
        }
        if timeout.is_none() && every_port {
            let message = "a service for every port is always persistent; the time-out is 360 s".to_owned();
            let suggestion = "say `persistence_timeout 360`, or name a port";
            context.warning_with(Code::ValueAdjusted, span, message, suggestion);
            timeout = Some(DEFAULT);
        }
        let granularity = granularity.unwrap_or_default();
        let persistence = timeout.map(|timeout| Persistence { timeout, granularity });
        (!self.refused).then_some((persistence, self.engine))
    }
}

fn timeout(context: &mut Context<'_>, entry: &Entry<'_>) -> Option<Duration> {
    context.at_most(entry, 1);
    let Some(word) = entry.words().first() else { return Some(DEFAULT) };
    let name = entry.keyword.name;
    let found = short(&word.text);
    if word.text == "0" {
        // Many templates write it to say that there is none.
        let message = format!("`{name}` is 0, which is ignored; allowed: 1 to {MAX}");
        context.warning_with(Code::ValueAdjusted, word.span, message, "leave the line out");
        return None;
    }
    if word.text.is_empty() || !word.text.bytes().all(|byte| byte.is_ascii_digit()) {
        let message = format!("`{name}` is `{found}`; expected a whole number of seconds from 1 to {MAX}");
        let keepalived = Reaction::goes_on("the line is ignored");
        context.error_but(Code::InvalidNumber, word.span, message, None, keepalived);
        return None;
    }
    let seconds = context.number(name, word, 1, MAX)?;
    u64::try_from(seconds).ok().map(Duration::from_secs)
}

fn granularity(context: &mut Context<'_>, entry: &Entry<'_>) -> Option<Granularity> {
    let word = context.word(entry)?;
    let netmask = Ipv4Addr::from_str(&word.text).ok();
    let plain = word.text.bytes().all(|byte| byte.is_ascii_digit());
    let prefix = word.text.parse::<u8>().ok().filter(|prefix| plain && (1..=128).contains(prefix));
    if netmask.is_some_and(|mask| mask.is_unspecified()) {
        let message = "`persistence_granularity` 0.0.0.0 makes all clients one".to_owned();
        let keepalived = Reaction::goes_on("all clients count as one");
        context.error_but(Code::InvalidPrefix, word.span, message, None, keepalived);
    }
    let granularity = netmask.map(Granularity::Netmask).or(prefix.map(Granularity::Prefix));
    if granularity.is_none() {
        let message = format!(
            "`persistence_granularity` is `{}`; expected a netmask like 255.255.255.0, for IPv6 1 to 128",
            short(&word.text)
        );
        context.error(Code::InvalidPrefix, word.span, message);
    }
    granularity
}

/// The granularity as it fits the family of the service.
fn fitting(
    context: &mut Context<'_>,
    (granularity, span): (Granularity, Span),
    family: Family,
) -> Option<Granularity> {
    let message = "`persistence_granularity` is a netmask for IPv4 and a prefix length for IPv6";
    match (granularity, family) {
        (Granularity::Prefix(prefix), Family::V4) => {
            let mask = Ipv4Addr::from_bits(u32::from(prefix));
            let keepalived = Reaction::goes_on(format!("the netmask is {mask}"));
            let suggestion = u32::MAX.checked_shl(32_u32.saturating_sub(u32::from(prefix)));
            let suggestion = suggestion.filter(|_| prefix <= 32).map(Ipv4Addr::from_bits);
            let suggestion = suggestion.map(|mask| format!("did you mean `{mask}`?"));
            context.error_but(Code::FamilyMismatch, span, message, suggestion, keepalived);
            Some(Granularity::Netmask(mask))
        }
        (Granularity::Netmask(_), Family::V6) => {
            context.error(Code::FamilyMismatch, span, message);
            None
        }
        (granularity, _) => Some(granularity),
    }
}
