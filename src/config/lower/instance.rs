//! `vrrp_instance`.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use vrrp::{Auth, Role, Settings, Version};

use super::address::{self, Placed, only_ipv4};
use super::authentication;
use super::context::{Context, Entry};
use super::global::{Defaults, Garp, version};
use crate::config::complaint::Code;
use crate::config::keywords::Place;
use crate::config::source::Span;
use crate::config::{Instance, Thing, Tracks, Transport, VirtualAddress};

/// An advert has one byte for the number of addresses.
const MAX_ADVERTISED: usize = 255;
/// The longest interval of version 3: twelve bits of hundredths of a second.
const MAX_INTERVAL_V3: Duration = Duration::from_millis(40_950);

/// All instances of the file.
pub(super) fn lower<'a>(
    context: &mut Context<'_>,
    blocks: impl Iterator<Item = &'a Entry<'a>>,
    defaults: &Defaults,
    out: &mut BTreeMap<String, Arc<Instance>>,
) {
    // Who uses a virtual router identifier on an interface.
    let mut routers = BTreeMap::new();
    for block in blocks {
        let Some(name) = context.text(block) else { continue };
        context.note(Thing::Instance(name.clone()), block);
        let span = block.words().first().map_or(block.span(), |word| word.span);
        let draft = Draft::read(context, block);
        let vrid = draft.vrid.map_or(span, |(_, span)| span);
        let Some(instance) = draft.finish(context, &name, span, defaults) else { continue };
        let router =
            (instance.interface.clone(), instance.router.vrid, instance.router.version == Version::V3);
        if let Some(other) = routers.insert(router, name.clone()) {
            let message = format!(
                "virtual_router_id {} is already used on {} by `{other}`",
                instance.router.vrid, instance.interface
            );
            context.error_with(
                Code::DuplicateRouter,
                vrid,
                message,
                "give each instance on an interface its own number",
            );
        }
        if out.insert(name.clone(), Arc::new(instance)).is_some() {
            context.error(Code::DuplicateName, span, format!("there already is an instance named `{name}`"));
        }
    }
}

/// What has been said in the block; the span where a second look at it may lead to a complaint.
#[derive(Default)]
struct Draft {
    role: Option<Role>,
    interface: Option<String>,
    vrid: Option<(u8, Span)>,
    priority: Option<u8>,
    version: Option<Version>,
    interval: Option<(Duration, Span)>,
    nopreempt: Option<Span>,
    preempt: Option<Span>,
    preempt_delay: Option<(Duration, Span)>,
    down_timer_adverts: Option<u8>,
    lower_prio_no_advert: Option<bool>,
    higher_prio_send_advert: Option<bool>,
    unicast_source: Option<IpAddr>,
    multicast_source: Option<IpAddr>,
    peers: Option<Vec<IpAddr>>,
    auth: Option<(Auth, Span)>,
    addresses: Vec<Placed>,
    excluded: Vec<Placed>,
    /// Whether anything has been said about addresses, right or wrong.
    addresses_given: bool,
    garp: Garp,
    tracks: Tracks,
    alert: Option<bool>,
    /// Keywords that are there, though perhaps with a wrong value.
    given: BTreeSet<&'static str>,
}

impl Draft {
    fn read(context: &mut Context<'_>, block: &Entry<'_>) -> Self {
        let mut draft = Self::default();
        let Some(inside) = &block.statement.block else { return draft };
        for entry in context.entries(inside, Place::Instance) {
            draft.given.insert(entry.name());
            let taken = draft.garp.take(context, entry.name(), &entry)
                || draft.take_election(context, &entry)
                || draft.take_network(context, &entry)
                || draft.tracks.take(context, &entry);
            if !taken {
                context.forgotten(&entry);
            }
        }
        draft
    }

    fn take_election(&mut self, context: &mut Context<'_>, entry: &Entry<'_>) -> bool {
        let span = entry.span();
        match entry.name() {
            "state" => self.role = context.choice(entry).map(role),
            "virtual_router_id" => self.vrid = context.whole(entry).map(|vrid| (vrid, value_span(entry))),
            "priority" => self.priority = context.whole(entry),
            "version" => self.version = version(context, entry),
            "advert_int" => {
                self.interval = context.seconds(entry).map(|interval| (interval, value_span(entry)))
            }
            "nopreempt" => {
                context.flag(entry);
                self.nopreempt = Some(span);
            }
            "preempt" => {
                context.flag(entry);
                self.preempt = Some(span);
            }
            "preempt_delay" => self.preempt_delay = context.seconds(entry).map(|delay| (delay, span)),
            "down_timer_adverts" => self.down_timer_adverts = context.whole(entry),
            "lower_prio_no_advert" => self.lower_prio_no_advert = context.switch(entry),
            "higher_prio_send_advert" => self.higher_prio_send_advert = context.switch(entry),
            "smtp_alert" => self.alert = context.switch(entry),
            _ => return false,
        }
        true
    }

    fn take_network(&mut self, context: &mut Context<'_>, entry: &Entry<'_>) -> bool {
        match entry.name() {
            "interface" => self.interface = context.word(entry).and_then(|word| context.interface(word)),
            "unicast_src_ip" => self.unicast_source = source(context, entry),
            "mcast_src_ip" => self.multicast_source = source(context, entry),
            "unicast_peer" => self.peers.get_or_insert_default().extend(peers(context, entry)),
            "authentication" => {
                self.auth = authentication::lower(context, entry).map(|auth| (auth, entry.span()));
            }
            "virtual_ipaddress" => {
                self.addresses.extend(address::lower(context, entry));
                self.addresses_given |= !entry.statements().is_empty();
            }
            "virtual_ipaddress_excluded" => {
                self.excluded.extend(address::lower(context, entry));
                self.addresses_given |= !entry.statements().is_empty();
            }
            "no_virtual_ipaddress" => {
                context.flag(entry);
                self.addresses_given = true;
            }
            _ => return false,
        }
        true
    }

    fn finish(
        mut self,
        context: &mut Context<'_>,
        name: &str,
        span: Span,
        defaults: &Defaults,
    ) -> Option<Instance> {
        let owner = format!("instance `{name}`");
        let interface = self.interface.take().or_else(|| defaults.interface.clone());
        if interface.is_none() && !self.given.contains("interface") {
            context.missing(&owner, "interface", span);
        }
        if self.vrid.is_none() && !self.given.contains("virtual_router_id") {
            context.missing(&owner, "virtual_router_id", span);
        }
        if !self.addresses_given {
            let message = format!("{owner} has no `virtual_ipaddress`: it will be master of nothing");
            let suggestion = "say `no_virtual_ipaddress` if that is meant";
            context.warning_with(Code::MissingKeyword, span, message, suggestion);
        }
        let version = self.version.or(defaults.version).unwrap_or(Version::V2);
        let role = self.role.unwrap_or(if self.priority == Some(255) { Role::Master } else { Role::Backup });
        let priority = self.priority(context, role, span);
        let interval = self.interval(context, version);
        let (preempt, preempt_delay) = self.preemption(context, role);
        let auth = self.checked_auth(context, version);
        let transport = self.transport(context, span);
        let source = match transport {
            Transport::Multicast => self.multicast_source.or(self.unicast_source),
            Transport::Unicast(_) => self.unicast_source.or(self.multicast_source),
        };
        let (advertised, addresses) = self.all_addresses(context);
        let mut router = Settings::new(self.vrid?.0, advertised);
        router.version = version;
        router.priority = priority;
        router.wish = role;
        router.interval = interval;
        router.preempt = preempt;
        router.preempt_delay = preempt_delay;
        router.down_timer_adverts =
            self.down_timer_adverts.or(defaults.down_timer_adverts).unwrap_or(router.down_timer_adverts);
        router.auth = auth;
        router.announce = self.garp.settings(&defaults.garp);
        router.lower_prio_no_advert = self.lower_prio_no_advert.unwrap_or(defaults.lower_prio_no_advert);
        router.higher_prio_send_advert =
            self.higher_prio_send_advert.unwrap_or(defaults.higher_prio_send_advert);
        let alert = self.alert.unwrap_or(defaults.alert_vrrp());
        Some(Instance {
            interface: interface?,
            router,
            transport,
            source,
            addresses,
            tracks: self.tracks,
            alert,
        })
    }

    fn priority(&self, context: &mut Context<'_>, role: Role, span: Span) -> u8 {
        match self.priority {
            Some(priority) => priority,
            None if role == Role::Master && !self.given.contains("priority") => {
                let message =
                    "`state MASTER` without `priority` means 255, the owner of the addresses".to_owned();
                context.warning_with(Code::DefaultUsed, span, message, "give each director its `priority`");
                vrrp::PRIORITY_OWNER
            }
            None => 100,
        }
    }

    fn interval(&self, context: &mut Context<'_>, version: Version) -> Duration {
        let Some((interval, span)) = self.interval else { return Duration::from_secs(1) };
        let seconds = interval.as_secs_f64();
        match version {
            Version::V2 if interval.subsec_nanos() > 0 => {
                let rounded = Duration::from_secs((interval + Duration::from_millis(500)).as_secs().max(1));
                let message = format!(
                    "version 2 knows whole seconds only: {seconds} s becomes {} s",
                    rounded.as_secs()
                );
                context.warning_with(
                    Code::ValueAdjusted,
                    span,
                    message,
                    "say `version 3` for shorter intervals",
                );
                rounded
            }
            Version::V2 => interval,
            Version::V3 if interval > MAX_INTERVAL_V3 => {
                context.error(
                    Code::OutOfRange,
                    span,
                    format!("`advert_int` is {seconds} s; version 3 allows 0.01 to 40.95"),
                );
                interval
            }
            Version::V3 => {
                let hundredths = Duration::from_millis(interval.as_micros().div_ceil(10_000) as u64 * 10);
                if hundredths != interval {
                    let message = format!(
                        "version 3 knows hundredths of a second: {seconds} s becomes {} s",
                        hundredths.as_secs_f64()
                    );
                    context.warning(Code::ValueAdjusted, span, message);
                }
                hundredths
            }
        }
    }

    /// Whether to preempt, and after which delay. Both make sense for a backup only.
    fn preemption(&self, context: &mut Context<'_>, role: Role) -> (bool, Duration) {
        let mut preempt = self.nopreempt.is_none();
        if let (Some(span), Role::Master) = (self.nopreempt, role) {
            let message = "`nopreempt` has no effect with `state MASTER`".to_owned();
            context.warning_with(Code::Conflict, span, message, "say `state BACKUP` on both directors");
            preempt = true;
        } else if let (Some(_), Some(span)) = (self.nopreempt, self.preempt) {
            context.warning(
                Code::Conflict,
                span,
                "`preempt` and `nopreempt` exclude each other; `nopreempt` counts",
            );
        }
        let Some((delay, span)) = self.preempt_delay else { return (preempt, Duration::ZERO) };
        if delay.is_zero() || (preempt && role == Role::Backup) {
            return (preempt, delay);
        }
        let other = if preempt { "state MASTER" } else { "nopreempt" };
        context.warning(Code::Conflict, span, format!("`preempt_delay` has no effect with `{other}`"));
        (preempt, Duration::ZERO)
    }

    fn checked_auth(&mut self, context: &mut Context<'_>, version: Version) -> Auth {
        let Some((auth, span)) = self.auth.take() else { return Auth::None };
        if version == Version::V3 {
            let message = "version 3 has no authentication (RFC 9568, 9)".to_owned();
            context.error_with(Code::Conflict, span, message, "remove this block, or say `version 2`");
        }
        auth
    }

    fn transport(&mut self, context: &mut Context<'_>, span: Span) -> Transport {
        match self.peers.take() {
            None => Transport::Multicast,
            Some(peers) if peers.is_empty() => {
                context.warning(
                    Code::DefaultUsed,
                    span,
                    "`unicast_peer` names nobody: adverts go to the multicast group",
                );
                Transport::Multicast
            }
            Some(peers) => Transport::Unicast(peers),
        }
    }

    /// The addresses in adverts, and all that are put on interfaces.
    fn all_addresses(&mut self, context: &mut Context<'_>) -> (Vec<IpAddr>, Vec<VirtualAddress>) {
        let mut seen = BTreeSet::new();
        let mut unique = |context: &mut Context<'_>, list: Vec<Placed>| -> Vec<Placed> {
            let fresh = |(address, span): &Placed| {
                let fresh = seen.insert((address.address, address.interface.clone()));
                if !fresh {
                    let message = format!("{} is there already; it is used once", address.address);
                    context.warning(Code::DuplicateAddress, *span, message);
                }
                fresh
            };
            list.into_iter().filter(fresh).collect()
        };
        let addresses = unique(context, std::mem::take(&mut self.addresses));
        let excluded = unique(context, std::mem::take(&mut self.excluded));
        if let Some((_, span)) = addresses.get(MAX_ADVERTISED) {
            let message =
                format!("an advert holds {MAX_ADVERTISED} addresses; the rest is used and not advertised");
            context.warning(Code::ValueAdjusted, *span, message);
        }
        let advertised = addresses.iter().take(MAX_ADVERTISED).map(|(address, _)| address.address).collect();
        (advertised, addresses.into_iter().chain(excluded).map(|(address, _)| address).collect())
    }
}

fn role(word: &str) -> Role {
    if word == "MASTER" { Role::Master } else { Role::Backup }
}

/// The first word behind the keyword, or the keyword if there is none.
pub(super) fn value_span(entry: &Entry<'_>) -> Span {
    entry.words().first().map_or(entry.span(), |word| word.span)
}

fn source(context: &mut Context<'_>, entry: &Entry<'_>) -> Option<IpAddr> {
    let address = context.address_of(entry)?;
    only_ipv4(context, address, value_span(entry)).then_some(address)
}

fn peers(context: &mut Context<'_>, entry: &Entry<'_>) -> Vec<IpAddr> {
    context.at_most(entry, 0);
    let mut peers = Vec::new();
    for statement in entry.statements() {
        if let Some(block) = &statement.block {
            context.error(Code::UnexpectedBlock, block.open, "a peer takes no block");
        }
        let address = context.address("the peer", &statement.keyword);
        peers.extend(address.filter(|address| only_ipv4(context, *address, statement.keyword.span)));
        let mut words = statement.words.iter();
        while let Some(word) = words.next() {
            if !matches!(word.text.as_str(), "min_ttl" | "max_ttl") {
                context.invalid_choice("an option of a peer", word, &["min_ttl", "max_ttl"]);
                continue;
            }
            let message = format!("`{}` of a peer is not supported yet: it has no effect", word.text);
            context.warning(Code::NotSupportedYet, word.span, message);
            words.next();
        }
    }
    peers
}
