//! `virtual_server`.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use ipvs_backend::{
    DestinationKey, Family, Forwarding, Granularity, Persistence, Protocol, Scheduler, ServiceKey,
    ServiceSettings, flag,
};

use super::check::Timing;
use super::context::{Context, Entry, short};
use super::global::Defaults;
use super::server::{self, Endpoint};
use crate::config::complaint::Code;
use crate::config::keywords::Place;
use crate::config::source::Span;
use crate::config::syntax::Word;
use crate::config::{SorryServer, Thing, VirtualServer};

/// `persistence_timeout` without a time (`IPVS_SVC_PERSISTENT_TIMEOUT` of ipvsadm).
const DEFAULT_PERSISTENCE: Duration = Duration::from_secs(360);
/// Thirty-one days, the longest time-out that IPVS takes.
const MAX_PERSISTENCE: i64 = 31 * 86_400;

/// All virtual servers of the file.
pub(super) fn lower<'a>(
    context: &mut Context<'_>,
    blocks: impl Iterator<Item = &'a Entry<'a>>,
    defaults: &Defaults,
    out: &mut BTreeMap<ServiceKey, Arc<VirtualServer>>,
) {
    for block in blocks {
        let Some(target) = Target::read(context, block) else { continue };
        let Some((key, service)) = Draft::read(context, block, target, defaults) else { continue };
        context.note(Thing::Service(key), block);
        if out.insert(key, Arc::new(service)).is_some() {
            context.error(
                Code::DuplicateService,
                target.span(),
                format!("there already is a virtual server {key}"),
            );
        }
    }
}

/// What stands behind `virtual_server`.
#[derive(Debug, Clone, Copy)]
pub(super) enum Target {
    Address { address: IpAddr, port: u16, span: Span },
    Mark { mark: u32, span: Span },
}

impl Target {
    fn read(context: &mut Context<'_>, block: &Entry<'_>) -> Option<Self> {
        let word = context.first(block)?;
        let span = word.span;
        match word.text.as_str() {
            "fwmark" => {
                context.at_most(block, 2);
                let Some(word) = block.words().get(1) else {
                    context.error(Code::MissingValue, span, "`fwmark` needs a number from 1 to 4294967295");
                    return None;
                };
                let mark = context.number("fwmark", word, 1, i64::from(u32::MAX))?;
                Some(Self::Mark { mark: u32::try_from(mark).ok()?, span })
            }
            "group" => {
                let message = "`virtual_server group` is not supported yet, and without it the service would be missing";
                context.error(Code::NotSupportedYet, span, message);
                None
            }
            _ => {
                context.at_most(block, 2);
                let address = context.address("the virtual server", word);
                let port = match block.words().get(1) {
                    Some(word) => context.port("the port of the virtual server", word, 0),
                    None => Some(0),
                };
                Some(Self::Address { address: address?, port: port?, span })
            }
        }
    }

    fn span(self) -> Span {
        match self {
            Self::Address { span, .. } | Self::Mark { span, .. } => span,
        }
    }

    /// The port that servers have by default and must have where ports cannot be changed; none for a mark.
    pub fn port(self) -> Option<u16> {
        match self {
            Self::Address { port, .. } => Some(port),
            Self::Mark { .. } => None,
        }
    }
}

/// What has been said in the block.
struct Draft<'a> {
    target: Target,
    scheduler: Option<Scheduler>,
    forwarding: Option<Forwarding>,
    protocol: Option<Protocol>,
    flags: u32,
    one_packet: Option<Span>,
    persistence: Option<Duration>,
    granularity: Option<(Granularity, Span)>,
    engine: Option<String>,
    family: Option<(Family, Span)>,
    sorry: Option<(&'a [Word], Span)>,
    sorry_forwarding: Option<Forwarding>,
    servers: Vec<Entry<'a>>,
    inherited: server::Inherited,
    alert: Option<bool>,
    /// Whether scheduler, method and protocol are there, though perhaps with a wrong value.
    given: [bool; 3],
}

impl<'a> Draft<'a> {
    fn new(target: Target, defaults: &Defaults) -> Self {
        Self {
            target,
            scheduler: None,
            forwarding: None,
            protocol: None,
            flags: 0,
            one_packet: None,
            persistence: None,
            granularity: None,
            engine: None,
            family: None,
            sorry: None,
            sorry_forwarding: None,
            servers: Vec::new(),
            inherited: server::Inherited {
                forwarding: Forwarding::Nat,
                inhibit: false,
                weight: 1,
                virtualhost: None,
                timing: Timing::default(),
                alpha: false,
                alert: defaults.alert_checker(),
            },
            alert: None,
            given: [false; 3],
        }
    }

    fn read(
        context: &mut Context<'_>,
        block: &Entry<'a>,
        target: Target,
        defaults: &Defaults,
    ) -> Option<(ServiceKey, VirtualServer)> {
        let mut draft = Self::new(target, defaults);
        let inside = block.statement.block.as_ref()?;
        for entry in context.entries(inside, Place::VirtualServer) {
            let taken = draft.inherited.timing.take(context, &entry)
                || draft.take_balancing(context, &entry)
                || draft.take_persistence(context, &entry)
                || draft.take_servers(context, &entry);
            if !taken {
                context.forgotten(&entry);
            }
        }
        draft.finish(context, defaults)
    }

    fn take_balancing(&mut self, context: &mut Context<'_>, entry: &Entry<'a>) -> bool {
        match entry.name() {
            "lvs_sched" => {
                self.given[0] = true;
                self.scheduler = context.choice(entry).and_then(|name| Scheduler::from_str(name).ok());
            }
            "lvs_method" => {
                self.given[1] = true;
                self.forwarding = server::method(context, entry);
            }
            "protocol" => {
                self.given[2] = true;
                self.protocol =
                    context.choice_in_any_case(entry).and_then(|name| Protocol::from_str(name).ok());
            }
            "ops" => {
                context.flag(entry);
                self.one_packet = Some(entry.span());
            }
            "flag-1" | "sh-fallback" | "mh-fallback" => self.flag(context, entry, flag::SCHED_1),
            "flag-2" | "sh-port" | "mh-port" => self.flag(context, entry, flag::SCHED_2),
            "flag-3" => self.flag(context, entry, flag::SCHED_3),
            "ip_family" => {
                let family = |name| if name == "inet" { Family::V4 } else { Family::V6 };
                self.family = context.choice(entry).map(|name| (family(name), entry.span()));
            }
            _ => return false,
        }
        true
    }

    fn flag(&mut self, context: &mut Context<'_>, entry: &Entry<'_>, bit: u32) {
        context.flag(entry);
        self.flags |= bit;
    }

    fn take_persistence(&mut self, context: &mut Context<'_>, entry: &Entry<'a>) -> bool {
        match entry.name() {
            "persistence_timeout" => {
                context.at_most(entry, 1);
                self.persistence = match entry.words().first() {
                    None => Some(DEFAULT_PERSISTENCE),
                    // Zero is the way to say that there is none.
                    Some(word) => context
                        .number("persistence_timeout", word, 0, MAX_PERSISTENCE)
                        .and_then(|seconds| u64::try_from(seconds).ok())
                        .filter(|seconds| *seconds > 0)
                        .map(Duration::from_secs),
                };
            }
            "persistence_granularity" => {
                let granularity = context.word(entry).and_then(|word| granularity(context, word));
                self.granularity = granularity.map(|granularity| (granularity, entry.span()));
            }
            "persistence_engine" => self.engine = engine(context, entry),
            _ => return false,
        }
        true
    }

    fn take_servers(&mut self, context: &mut Context<'_>, entry: &Entry<'a>) -> bool {
        match entry.name() {
            // Defaults for servers may stand behind them, so servers come last.
            "real_server" => self.servers.push(*entry),
            "sorry_server" => {
                context.at_most(entry, 2);
                self.sorry = context.first(entry).map(|_| (entry.words(), entry.span()));
            }
            "sorry_server_lvs_method" => self.sorry_forwarding = server::method(context, entry),
            "alpha" => {
                context.flag(entry);
                self.inherited.alpha = true;
            }
            "inhibit_on_failure" => self.inherited.inhibit = context.switch(entry).unwrap_or(false),
            "weight" => self.inherited.weight = context.whole(entry).unwrap_or(1),
            "virtualhost" => self.inherited.virtualhost = super::check::virtualhost(context, entry),
            "smtp_alert" => self.alert = context.switch(entry),
            _ => return false,
        }
        true
    }

    fn finish(
        mut self,
        context: &mut Context<'_>,
        defaults: &Defaults,
    ) -> Option<(ServiceKey, VirtualServer)> {
        let span = self.target.span();
        self.note_defaults(context);
        self.inherited.forwarding = self.forwarding.unwrap_or(Forwarding::Nat);
        let servers_start = self.servers.first().and_then(|entry| entry.words().first());
        let first_server = servers_start.and_then(|word| IpAddr::from_str(&word.text).ok());
        let key = self.key(context, first_server);
        let settings = self.settings(context, key);
        let mut servers = BTreeMap::new();
        let endpoint = Endpoint { service: key, family: key.family(), port: self.target.port() };
        for entry in &self.servers {
            server::lower(context, entry, endpoint, &self.inherited, &mut servers);
        }
        if self.servers.is_empty() {
            context.warning(
                Code::MissingKeyword,
                span,
                format!("the virtual server {key} has no `real_server`"),
            );
        }
        let sorry = self.sorry(context, endpoint);
        let alert = self.alert.unwrap_or(defaults.alert_checker());
        Some((key, VirtualServer { settings, servers, sorry, alert }))
    }

    fn note_defaults(&self, context: &mut Context<'_>) {
        let span = self.target.span();
        let mut note = |given: bool, message: &str, suggestion: &str| {
            if !given {
                context.warning_with(Code::DefaultUsed, span, message.to_owned(), suggestion);
            }
        };
        let [scheduler, method, protocol] = self.given;
        note(scheduler, "no `lvs_sched`: the scheduler is wlc", "say `lvs_sched wlc` if that is meant");
        note(
            method,
            "no `lvs_method`: packets are forwarded by NAT",
            "say `lvs_method NAT` if that is meant",
        );
        let protocol = protocol || matches!(self.target, Target::Mark { .. });
        note(protocol, "no `protocol`: the service is UDP", "say `protocol TCP` or `protocol UDP`");
    }

    fn key(&self, context: &mut Context<'_>, first_server: Option<IpAddr>) -> ServiceKey {
        match self.target {
            Target::Address { address, port, .. } => {
                if let Some((family, span)) = self.family
                    && family != Family::of(address)
                {
                    let message = format!("`ip_family` is not the family of {address}");
                    context.error_with(Code::FamilyMismatch, span, message, "it is for firewall marks only");
                }
                ServiceKey::Address { protocol: self.protocol.unwrap_or(Protocol::Udp), address, port }
            }
            Target::Mark { mark, .. } => {
                let family = self.family.map(|(family, _)| family).or(first_server.map(Family::of));
                ServiceKey::Mark { family: family.unwrap_or(Family::V4), mark }
            }
        }
    }

    fn settings(&mut self, context: &mut Context<'_>, key: ServiceKey) -> ServiceSettings {
        let mut settings = ServiceSettings::new(self.scheduler.take().unwrap_or_default());
        settings.flags = self.flags;
        match (self.one_packet, key) {
            (Some(span), ServiceKey::Address { protocol, .. }) if protocol != Protocol::Udp => {
                let message = format!("`ops` is for UDP and has no effect with {protocol}");
                context.warning(Code::Conflict, span, message);
            }
            (Some(_), _) => settings.flags |= flag::ONE_PACKET,
            (None, _) => {}
        }
        if self.persistence.is_none() && self.target.port() == Some(0) {
            let message = "a service for every port is always persistent; the time-out is 360 s".to_owned();
            let suggestion = "say `persistence_timeout 360`, or name a port";
            context.warning_with(Code::ValueAdjusted, self.target.span(), message, suggestion);
            self.persistence = Some(DEFAULT_PERSISTENCE);
        }
        if let Some((granularity, span)) = self.granularity {
            let fits = matches!(
                (granularity, key.family()),
                (Granularity::Host, _)
                    | (Granularity::Netmask(_), Family::V4)
                    | (Granularity::Prefix(_), Family::V6)
            );
            if !fits {
                let message = "`persistence_granularity` is a netmask for IPv4 and a prefix length for IPv6";
                context.error(Code::FamilyMismatch, span, message);
            } else if self.persistence.is_none() {
                let message = "`persistence_granularity` has no effect without `persistence_timeout`";
                context.warning(Code::NoEffect, span, message);
            }
        }
        let granularity = self.granularity.map_or(Granularity::Host, |(granularity, _)| granularity);
        settings.persistence = self.persistence.map(|timeout| Persistence { timeout, granularity });
        settings.engine = self.engine.take();
        settings
    }

    fn sorry(&self, context: &mut Context<'_>, endpoint: Endpoint) -> Option<SorryServer> {
        let (words, span) = self.sorry?;
        let forwarding = self.sorry_forwarding.unwrap_or(self.inherited.forwarding);
        let key: DestinationKey =
            server::key(context, "the sorry server", words, span, endpoint, forwarding)?;
        Some(SorryServer { key, forwarding })
    }
}

fn granularity(context: &mut Context<'_>, word: &Word) -> Option<Granularity> {
    let netmask = Ipv4Addr::from_str(&word.text).ok().filter(|mask| !mask.is_unspecified());
    let prefix = word.text.parse::<u8>().ok().filter(|prefix| (1..=128).contains(prefix));
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

/// The kernel has one engine so far (`net/netfilter/ipvs/ip_vs_pe_sip.c`).
fn engine(context: &mut Context<'_>, entry: &Entry<'_>) -> Option<String> {
    let word = context.word(entry)?;
    if word.text != "sip" {
        context.invalid_choice("`persistence_engine`", word, &["sip"]);
        return None;
    }
    Some(word.text.clone())
}
