//! `vrrp_instance`.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use vrrp::{Auth, Role, Settings, Version};

use super::address::{self, Placed};
use super::authentication::{self, Kind};
use super::context::{Context, Entry};
use super::global::{Defaults, Garp, version};
use super::{announce, device, hmac, peers, route, rule};
use crate::config::complaint::{Code, Reaction};
use crate::config::keywords::Place;
use crate::config::source::Span;
use crate::config::{
    AdvertOptions, Conduct, Config, ExtraGarp, Hmac, Instance, Notify, Route, Rule, Thing, Tracks, Transport,
    TtlLimits, VirtualAddress, Wire,
};

mod endpoint;
mod strict;

/// An advert has one byte for the number of addresses.
const MAX_ADVERTISED: usize = 255;
/// Over IPv6 it is to fit into a packet of 1,500 bytes, with a signature; keepalived has the same limit.
const MAX_ADVERTISED_V6: usize = 89;
/// The longest interval of version 3: twelve bits of hundredths of a second.
const MAX_INTERVAL_V3: Duration = Duration::from_millis(40_950);

const LEFT_OUT: &str = "the instance is left out";

/// All instances of the file.
pub(super) fn lower<'a>(
    context: &mut Context<'_>,
    blocks: impl Iterator<Item = &'a Entry<'a>>,
    defaults: &Defaults,
    out: &mut Config,
) {
    // Who uses a virtual router identifier on an interface.
    let mut routers = BTreeMap::new();
    for block in blocks {
        let Some(name) = context.reacting(LEFT_OUT, |context| context.text(block)) else { continue };
        let span = value_span(block);
        if out.instances.contains_key(&name) {
            context.error(Code::DuplicateName, span, format!("there already is an instance named `{name}`"));
            continue;
        }
        context.note(Thing::Instance(name.clone()), block);
        let draft = Draft::read(context, block);
        let vrid = draft.vrid.map_or(span, |(_, span)| span);
        let lowered = context.reacting(LEFT_OUT, |context| draft.finish(context, &name, span, defaults));
        let Some(instance) = lowered else { continue };
        let Instance { interface, router, .. } = &instance;
        let key = (interface.clone(), router.vrid, router.version == Version::V3, instance.is_ipv6());
        if let Some(other) = routers.get(&key) {
            let message =
                format!("virtual_router_id {} is already used on {interface} by `{other}`", router.vrid);
            let suggestion = "give each instance on an interface its own number";
            context.error_but(Code::DuplicateRouter, vrid, message, Some(suggestion.into()), Reaction::Stops);
            continue;
        }
        routers.insert(key, name.clone());
        out.order.push(name.clone());
        out.instances.insert(name, Arc::new(instance));
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
    /// Whether it is a router of IPv6, and where the first address stands, which decides that.
    family: Option<(bool, Span)>,
    unicast_source: Option<IpAddr>,
    multicast_source: Option<IpAddr>,
    peers: Option<Vec<IpAddr>>,
    auth: Option<(Kind, Span)>,
    hmac: Option<(Hmac, Span)>,
    addresses: Vec<Placed>,
    excluded: Vec<Placed>,
    /// Whether anything has been said about addresses, right or wrong.
    addresses_given: bool,
    garp: Garp,
    tracks: Tracks,
    alert: Option<bool>,
    routes: Vec<Route>,
    rules: Vec<Rule>,
    notify: Notify,
    device: device::Draft,
    adverts: AdvertOptions,
    /// An older way to say what the addresses say.
    native_ipv6: bool,
    /// Where `unicast_ttl` stands.
    ttl: Option<Span>,
    conduct: Conduct,
    extra_garp: Option<ExtraGarp>,
    sync_interface: Option<String>,
    /// Keywords that are there, though perhaps with a wrong value.
    given: BTreeSet<&'static str>,
}

impl Draft {
    fn read(context: &mut Context<'_>, block: &Entry<'_>) -> Self {
        let mut draft = Self::default();
        let Some(inside) = &block.statement.block else { return draft };
        draft.native_ipv6 = inside.statements.iter().any(|line| line.keyword.text == "native_ipv6");
        for entry in context.entries(inside, Place::Instance) {
            draft.given.insert(entry.name());
            if entry.name() == "unicast_ttl" {
                draft.ttl = Some(value_span(&entry));
            }
            let taken = draft.garp.take(context, entry.name(), &entry)
                || draft.notify.take(context, &entry)
                || draft.device.take(context, &entry)
                || draft.adverts.take(context, &entry)
                || draft.conduct.take(context, &entry)
                || draft.take_election(context, &entry)
                || draft.take_network(context, &entry)
                || draft.take_addresses(context, &entry)
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
            "state" => {
                let role = context.reacting("it is read as BACKUP", |context| context.choice(entry));
                self.role = Some(role.map_or(Role::Backup, self::role));
            }
            "virtual_router_id" => {
                let vrid = context.reacting("the number is not used", |context| context.whole(entry));
                self.vrid = vrid.map(|vrid| (vrid, value_span(entry)));
            }
            "priority" => {
                let effect = "the default, 100, is used";
                self.priority = context.reacting(effect, |context| context.whole(entry));
            }
            "version" => self.version = version(context, entry),
            "advert_int" => {
                let interval = context.reacting("the line is ignored", |context| context.seconds(entry));
                self.interval = interval.map(|interval| (interval, value_span(entry))).or(self.interval);
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
            "unicast_src_ip" => {
                self.unicast_source = self.own_address(context, entry).or(self.unicast_source);
            }
            "mcast_src_ip" => {
                self.multicast_source = self.own_address(context, entry).or(self.multicast_source);
            }
            "mcast_dst_ip" => {
                self.adverts.group = self.group_address(context, entry).or(self.adverts.group);
            }
            "unicast_peer" => self.take_peers(context, entry),
            "authentication" => {
                self.auth = authentication::lower(context, entry).map(|auth| (auth, entry.span()));
            }
            "auth_hmac" => self.hmac = hmac::lower(context, entry).map(|hmac| (hmac, entry.span())),
            "garp_extra_if" => self.extra_garp = announce::extra(context, entry).or(self.extra_garp),
            "lvs_sync_daemon_interface" => {
                self.sync_interface = context.word(entry).and_then(|word| context.interface(word));
            }
            _ => return false,
        }
        true
    }

    fn take_addresses(&mut self, context: &mut Context<'_>, entry: &Entry<'_>) -> bool {
        match entry.name() {
            "virtual_ipaddress" => {
                for (address, span) in address::lower(context, entry, None) {
                    if self.fits(context, address.address, span, "the address is left out") {
                        self.addresses.push((address, span));
                    }
                }
                self.addresses_given |= !entry.statements().is_empty();
            }
            "virtual_ipaddress_excluded" => {
                self.excluded.extend(address::lower(context, entry, None));
                self.addresses_given |= !entry.statements().is_empty();
            }
            "no_virtual_ipaddress" => {
                context.flag(entry);
                self.addresses_given = true;
            }
            "virtual_routes" => self.routes.extend(route::lower(context, entry, None)),
            "virtual_rules" => self.rules.extend(rule::lower(context, entry, None)),
            _ => return false,
        }
        true
    }

    /// Whether an address is of the instance's family, which the first one decides.
    fn fits(&mut self, context: &mut Context<'_>, address: IpAddr, span: Span, effect: &str) -> bool {
        let (ipv6, first) = *self.family.get_or_insert((address.is_ipv6(), span));
        if ipv6 == address.is_ipv6() {
            return true;
        }
        let family = if ipv6 { "IPv6" } else { "IPv4" };
        let message = format!("`{address}` is not of {family}, as the instance is since line {}", first.line);
        let suggestion = "addresses of the other family stand in `virtual_ipaddress_excluded`".to_owned();
        let effect = Reaction::goes_on(effect.to_owned());
        context.error_but(Code::FamilyMismatch, span, message, Some(suggestion), effect);
        false
    }

    fn take_peers(&mut self, context: &mut Context<'_>, entry: &Entry<'_>) {
        let mut peers = self.peers.take().unwrap_or_default();
        for (peer, span) in peers::lower(context, entry) {
            if self.fits(context, peer.address, span, "the peer is left out") {
                if peer.ttl != TtlLimits::default() {
                    self.adverts.peer_ttl.insert(peer.address, peer.ttl);
                }
                peers.push(peer.address);
            }
        }
        self.peers = Some(peers);
    }

    /// The instance.
    fn finish(
        mut self,
        context: &mut Context<'_>,
        name: &str,
        span: Span,
        defaults: &Defaults,
    ) -> Option<Instance> {
        let owner = format!("instance `{name}`");
        // keepalived has the default for static items alone.
        let usual = || defaults.interface.clone().filter(|_| !context.compat());
        let interface = self.interface.take().or_else(usual);
        self.lacking(context, &owner, span, interface.is_none());
        let version = self.version(context, defaults);
        let role = self.role.unwrap_or(if self.priority == Some(255) { Role::Master } else { Role::Backup });
        let priority = self.priority(context, role, span);
        let role = self.role_with_header(context, role);
        let interval = self.interval(context, version);
        let (preempt, preempt_delay) = self.preemption(context, role);
        let transport = self.transport(context, span);
        let (first, second) = match transport {
            Transport::Multicast => (self.multicast_source, self.unicast_source),
            Transport::Unicast(_) => (self.unicast_source, self.multicast_source),
        };
        let (auth, auth_header) = self.checked_auth(context, version);
        let hmac = self.hmac.take().map(|(hmac, _)| hmac);
        let wire = self.wire(context, &transport, version, hmac.is_some(), defaults);
        let Addresses { advertised, all, other } = self.all_addresses(context);
        let must_have = version == Version::V3 || self.native_ipv6;
        self.lacking_addresses(context, &owner, span, must_have && advertised.is_empty());
        let (vrid, _) = self.vrid?;
        let mut router = Settings::new(vrid, advertised);
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
        router.announce.elsewhere = self.extra_garp.or(defaults.extra_garp).map(ExtraGarp::period);
        self.behave(context, &mut router, defaults, &owner, span)?;
        let strict_auth = router.auth.clone();
        let unicast = matches!(transport, Transport::Unicast(_));
        self.only_to_peers(context, unicast);
        // keepalived (2.2.7) waits for all it is told, whatever `state` says; the owner alone does not.
        if context.compat() && !router.is_owner() {
            router.wish = Role::Backup;
        }
        // Even peers that are not there make it one of keepalived's unicast instances in this respect.
        let spoken_of = self.given.contains("unicast_src_ip") || self.given.contains("unicast_peer");
        let device = self.device.finish(context, unicast || (context.compat() && spoken_of));
        let interface = interface?;
        let mut tracks = self.tracks;
        if tracks.interfaces.remove(&interface).is_some() {
            let message =
                format!("{owner} lives on {interface}: that is tracked anyway, and without a weight");
            context.warning(Code::NoEffect, span, message);
        }
        let instance = Instance {
            interface,
            router,
            transport,
            source: first.or(second),
            addresses: all,
            tracks,
            alert: self.alert.unwrap_or(defaults.alert_vrrp()),
            other_addresses: other,
            routes: self.routes,
            rules: self.rules,
            notify: self.notify,
            device,
            adverts: self.adverts,
            wire,
            conduct: self.conduct,
            // Strict mode has none.
            auth_header: auth_header.filter(|_| strict_auth == Auth::Header),
            hmac,
            extra_garp: self.extra_garp,
            sync_interface: self.sync_interface,
        };
        Some(instance)
    }

    /// What an instance cannot be without.
    fn lacking(&self, context: &mut Context<'_>, owner: &str, span: Span, no_interface: bool) {
        if no_interface && !self.given.contains("interface") {
            let message = format!("{owner} has no `interface`");
            context.error_but(Code::MissingKeyword, span, message, None, Reaction::Stops);
        }
        if self.vrid.is_none() && !self.given.contains("virtual_router_id") {
            context.missing(owner, "virtual_router_id", span);
        }
        if !self.addresses_given {
            let message = format!("{owner} has no `virtual_ipaddress`: it will be master of nothing");
            let suggestion = "say `no_virtual_ipaddress` if that is meant";
            context.warning_with(Code::MissingKeyword, span, message, suggestion);
        }
    }

    /// keepalived does not start with an instance of version 3 that has no address to advertise.
    fn lacking_addresses(&self, context: &mut Context<'_>, owner: &str, span: Span, none: bool) {
        let meant = self.given.contains("no_virtual_ipaddress");
        if none && !meant && context.compat() {
            let message = format!("{owner} has no `virtual_ipaddress`, which version 3 must have");
            context.error_but(Code::MissingKeyword, span, message, None, Reaction::Stops);
        }
    }

    /// What means nothing without peers.
    fn only_to_peers(&mut self, context: &mut Context<'_>, unicast: bool) {
        if let Some(span) = self.ttl.filter(|_| !unicast) {
            let message = "`unicast_ttl` means nothing without `unicast_peer`";
            context.warning(Code::NoEffect, span, message);
            self.adverts.ttl = None;
        }
    }

    /// With an authentication header one has to listen first: its numbers only ever grow.
    fn role_with_header(&self, context: &mut Context<'_>, role: Role) -> Role {
        let header = matches!(self.auth, Some((Kind::Header(_), _)));
        if !header || role == Role::Backup {
            return role;
        }
        if let Some((_, span)) = &self.auth {
            let message = "`state MASTER` has no effect with `auth_type AH`".to_owned();
            context.warning_with(Code::Conflict, *span, message, "say `state BACKUP` on both directors");
        }
        Role::Backup
    }

    /// IPv6 came with version 3.
    fn version(&self, context: &mut Context<'_>, defaults: &Defaults) -> Version {
        let Some((true, span)) = self.family else {
            return self.version.or(defaults.version).unwrap_or(Version::V2);
        };
        if self.version == Some(Version::V2) {
            let message = "an instance of IPv6 has version 3 always";
            context.warning(Code::ValueAdjusted, span, message);
        }
        Version::V3
    }

    /// How adverts are sent and judged, all in all.
    fn wire(
        &self,
        context: &Context<'_>,
        transport: &Transport,
        version: Version,
        signed: bool,
        defaults: &Defaults,
    ) -> Wire {
        let adverts = &self.adverts;
        let ipv6 = self.family.is_some_and(|(ipv6, _)| ipv6);
        let group = adverts.group.or(if ipv6 { defaults.group6 } else { defaults.group4 });
        let usual_group = if ipv6 { IpAddr::V6(vrrp::GROUP_V6) } else { IpAddr::V4(vrrp::GROUP_V4) };
        let unicast = matches!(transport, Transport::Unicast(_));
        let plain = adverts.v3_checksum_as_v2.or(defaults.v3_checksum_as_v2) == Some(true);
        let limited = !adverts.peer_ttl.is_empty();
        let checked = adverts.check_source || defaults.check_unicast_src || limited || signed;
        // keepalived sends unicast adverts over IPv6 with the kernel's hop limit, so nothing can be asked of them.
        let trusting = context.compat() || ipv6 || adverts.ttl.is_some() || !unicast;
        Wire {
            group: group.filter(|group| !unicast && *group != usual_group),
            ttl: adverts.ttl.filter(|_| unicast).unwrap_or(255),
            only_peers: unicast && (checked || !context.compat()),
            min_ttl: if trusting { 0 } else { 255 },
            plain_checksum: plain && !ipv6 && version == Version::V3,
        }
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
                let message = format!("`advert_int` is {seconds} s; version 3 allows 0.01 to 40.95");
                context.error_mended(Code::OutOfRange, span, message, "the interval is 40.95 s");
                MAX_INTERVAL_V3
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

    /// The password in adverts, or that of an authentication header.
    fn checked_auth(&mut self, context: &mut Context<'_>, version: Version) -> (Auth, Option<Auth>) {
        let Some((kind, span)) = self.auth.take() else { return (Auth::None, None) };
        const NONE: &str = "there is no authentication";
        if version == Version::V3 {
            let message = "version 3 has no authentication (RFC 9568, 9)".to_owned();
            let suggestion = Some("remove this block, or say `version 2`".to_owned());
            context.error_mended_with(Code::Conflict, span, message, suggestion, NONE);
            return (Auth::None, None);
        }
        if self.hmac.is_some() {
            let message = "`authentication` and `auth_hmac` exclude each other".to_owned();
            context.error_mended(Code::Conflict, span, message, NONE);
            return (Auth::None, None);
        }
        match kind {
            Kind::Password(auth) => (auth, None),
            Kind::Header(auth) => (Auth::Header, Some(auth)),
        }
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

    /// The addresses, each once.
    fn all_addresses(&mut self, context: &mut Context<'_>) -> Addresses {
        let mut seen = BTreeSet::new();
        let mut unique = |context: &mut Context<'_>, list: Vec<Placed>| -> Vec<Placed> {
            let fresh = |(address, span): &Placed| {
                let fresh = seen.insert((address.address, address.interface.clone()));
                // Its peers, up to 2.3.2, refuse an advert that has not as many addresses as their own file.
                let again = !fresh && context.compat();
                if !fresh {
                    let effect = if again { "adverts name it twice" } else { "it is used once" };
                    let message = format!("{} is there already; {effect}", address.address);
                    context.warning(Code::DuplicateAddress, *span, message);
                }
                fresh || again
            };
            list.into_iter().filter(fresh).collect()
        };
        let addresses = unique(context, std::mem::take(&mut self.addresses));
        let excluded = unique(context, std::mem::take(&mut self.excluded));
        let ipv6 = self.family.is_some_and(|(ipv6, _)| ipv6);
        let most = if ipv6 { MAX_ADVERTISED_V6 } else { MAX_ADVERTISED };
        if let Some((_, span)) = addresses.get(most) {
            let message = format!("an advert holds {most} addresses; the rest is used and not advertised");
            context.warning(Code::ValueAdjusted, *span, message);
        }
        let advertised = addresses.iter().take(most).map(|(address, _)| address.address).collect();
        let (own, other): (Vec<_>, Vec<_>) =
            excluded.into_iter().partition(|(address, _)| address.address.is_ipv6() == ipv6);
        let plain = |list: Vec<Placed>| list.into_iter().map(|(address, _)| address);
        Addresses {
            advertised,
            all: plain(addresses).chain(plain(own)).collect(),
            other: plain(other).collect(),
        }
    }
}

/// The addresses of an instance.
struct Addresses {
    /// What adverts name.
    advertised: Vec<IpAddr>,
    /// All of the instance's own family.
    all: Vec<VirtualAddress>,
    /// Those of the other one.
    other: Vec<VirtualAddress>,
}

fn role(word: &str) -> Role {
    if word == "MASTER" { Role::Master } else { Role::Backup }
}

/// The first word behind the keyword, or the keyword if there is none.
pub(super) fn value_span(entry: &Entry<'_>) -> Span {
    entry.words().first().map_or(entry.span(), |word| word.span)
}
