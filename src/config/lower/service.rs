//! `virtual_server`.

use std::collections::BTreeMap;
use std::str::FromStr;
use std::sync::Arc;

use ipvs_backend::{Family, Protocol, Scheduler, ServiceSettings, flag};

use super::context::{Context, Entry};
use super::global::Defaults;
use super::method::{self, Method};
use super::persistence;
use super::place::Endpoint;
use super::pool;
use super::quorum;
use super::server::{self, Servers};
use super::sorry;
use super::target::Target;
use super::vip_check;
use super::window;
use crate::config::complaint::{Code, Reaction};
use crate::config::keywords::Place;
use crate::config::source::Span;
use crate::config::{Config, MaintenanceWindow, Served, VirtualServer};

/// All virtual servers of the file.
pub(super) fn lower<'a>(
    context: &mut Context<'_>,
    blocks: impl Iterator<Item = &'a Entry<'a>>,
    defaults: &Defaults,
    config: &mut Config,
) {
    for block in blocks {
        let Some(target) = Target::read(context, block, &config.server_groups) else { continue };
        let span = target.span;
        let Some((served, service)) = Draft::read(context, block, target, defaults) else { continue };
        context.note(served.thing(), block);
        match served {
            Served::Key(key) => insert(context, &mut config.services, key, service, span),
            Served::Group(key) => insert(context, &mut config.group_services, key, service, span),
        }
    }
}

/// Of two blocks for one service, keepalived puts all servers into the service that the kernel made for the first.
fn insert<K: Ord + std::fmt::Display>(
    context: &mut Context<'_>,
    services: &mut BTreeMap<K, Arc<VirtualServer>>,
    key: K,
    service: VirtualServer,
    span: Span,
) {
    let Some(first) = services.get_mut(&key) else {
        services.insert(key, Arc::new(service));
        return;
    };
    let keepalived = Reaction::goes_on("its real servers join those of the first one, whose settings count");
    let message = format!("there already is a virtual server {key}");
    context.error_but(Code::DuplicateService, span, message, None, keepalived);
    let first = Arc::make_mut(first);
    for (key, server) in service.servers {
        first.servers.entry(key).or_insert(server);
    }
    for (key, server) in service.backups {
        first.backups.entry(key).or_insert(server);
    }
    let VirtualServer { servers, backups, .. } = first;
    backups.retain(|key, _| !servers.contains_key(key));
    first.sorry = first.sorry.take().or(service.sorry);
}

/// What has been said in the block.
struct Draft<'a> {
    target: Target,
    scheduler: Option<Scheduler>,
    method: Option<Method>,
    protocol: Option<(Protocol, Span)>,
    flags: Vec<SchedulerFlag>,
    one_packet: Option<Span>,
    persistence: persistence::Draft,
    family: Option<Family>,
    sorry: sorry::Draft<'a>,
    servers: Vec<Entry<'a>>,
    backups: Vec<Entry<'a>>,
    inherited: server::Inherited,
    quorum: quorum::Draft,
    omega: bool,
    ha_suspend: Option<Span>,
    snmp_name: Option<String>,
    vip_check: Option<Entry<'a>>,
    alert: Option<bool>,
    panic_threshold: Option<u8>,
    share_checks: bool,
    windows: Vec<MaintenanceWindow>,
    /// Whether scheduler, method and protocol are there, though perhaps with a wrong value.
    given: [bool; 3],
}

/// A flag of the scheduler.
struct SchedulerFlag {
    bit: u32,
    /// The scheduler that it is for; `None` if it is for any.
    scheduler: Option<&'static str>,
    /// Whether that scheduler had been named before.
    named: bool,
    name: &'static str,
    span: Span,
}

impl<'a> Draft<'a> {
    fn new(target: Target, defaults: &Defaults) -> Self {
        Self {
            target,
            scheduler: None,
            method: None,
            protocol: None,
            flags: Vec::new(),
            one_packet: None,
            persistence: persistence::Draft::default(),
            family: None,
            sorry: sorry::Draft::default(),
            servers: Vec::new(),
            backups: Vec::new(),
            inherited: server::Inherited {
                method: Method::default(),
                inhibit: false,
                alpha: false,
                weight: 1,
                virtualhost: None,
                timing: defaults.timing.inside(),
                alert: defaults.alert_checker(),
                drain_on_remove: defaults.drain_on_remove,
                via: false,
                proxy: None,
                flap_hold: defaults.flap_hold,
            },
            quorum: quorum::Draft::default(),
            omega: false,
            ha_suspend: None,
            snmp_name: None,
            vip_check: None,
            alert: None,
            panic_threshold: defaults.panic_threshold,
            share_checks: defaults.share_checks,
            windows: Vec::new(),
            given: [false; 3],
        }
    }

    fn read(
        context: &mut Context<'_>,
        block: &Entry<'a>,
        target: Target,
        defaults: &Defaults,
    ) -> Option<(Served, VirtualServer)> {
        let mut draft = Self::new(target, defaults);
        let inside = block.statement.block.as_ref()?;
        for entry in context.entries(inside, Place::VirtualServer) {
            let taken = draft.inherited.timing.take(context, &entry)
                || draft.take_balancing(context, &entry)
                || draft.persistence.take(context, &entry)
                || draft.quorum.take(context, &entry)
                || draft.sorry.take(context, &entry)
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
                let scheduler = context.choice(entry).and_then(|name| Scheduler::from_str(name).ok());
                self.scheduler = scheduler.or(self.scheduler.take());
            }
            "lvs_method" => {
                self.given[1] = true;
                self.method = method::method(context, entry).or(self.method);
            }
            "protocol" => {
                self.given[2] = true;
                let protocol =
                    context.choice_in_any_case(entry).and_then(|name| Protocol::from_str(name).ok());
                self.protocol = protocol.map(|protocol| (protocol, entry.span())).or(self.protocol);
            }
            "ops" => {
                context.flag(entry);
                self.one_packet = Some(entry.span());
            }
            "flag-1" => self.flag(context, entry, flag::SCHED_1, None),
            "flag-2" => self.flag(context, entry, flag::SCHED_2, None),
            "flag-3" => self.flag(context, entry, flag::SCHED_3, None),
            "sh-fallback" => self.flag(context, entry, flag::SH_FALLBACK, Some("sh")),
            "sh-port" => self.flag(context, entry, flag::SH_PORT, Some("sh")),
            "mh-fallback" => self.flag(context, entry, flag::MH_FALLBACK, Some("mh")),
            "mh-port" => self.flag(context, entry, flag::MH_PORT, Some("mh")),
            "ip_family" => self.ip_family(context, entry),
            _ => return false,
        }
        true
    }

    fn flag(
        &mut self,
        context: &mut Context<'_>,
        entry: &Entry<'_>,
        bit: u32,
        scheduler: Option<&'static str>,
    ) {
        context.flag(entry);
        let named = self.scheduler.as_ref().map(Scheduler::as_str) == scheduler;
        let (name, span) = (entry.name(), entry.span());
        self.flags.push(SchedulerFlag { bit, scheduler, named, name, span });
    }

    /// What has told the family first counts: the address, an earlier line, or a real server.
    fn ip_family(&mut self, context: &mut Context<'_>, entry: &Entry<'_>) {
        let Some(name) = context.choice(entry) else { return };
        let family = if name == "inet" { Family::V4 } else { Family::V6 };
        let known = self.target.family().or(self.family).or_else(|| self.family_of_servers());
        if known.is_some_and(|known| known != family) {
            let message =
                format!("`ip_family {name}` is not the family of the service or of what stands before");
            let suggestion = "it is for firewall marks, and stands before the real servers";
            context.error_with(Code::FamilyMismatch, entry.span(), message, suggestion);
            return;
        }
        self.family = Some(family);
    }

    /// The family of the first real server that packets do not reach through a tunnel.
    fn family_of_servers(&self) -> Option<Family> {
        let tunnel = self.method.is_some_and(|method| method.is_tunnel());
        self.servers.iter().find_map(|entry| {
            let own = entry.statements().iter().rfind(|line| line.keyword.text == "lvs_method");
            let tunnel = own.map_or(tunnel, |line| line.word(0).is_some_and(|word| word.text == "TUN"));
            let address = entry.words().first().filter(|_| !tunnel)?;
            let address = address.text.split('/').next().and_then(|text| text.parse().ok());
            address.map(Family::of)
        })
    }

    fn take_servers(&mut self, context: &mut Context<'_>, entry: &Entry<'a>) -> bool {
        let own = &mut self.inherited;
        match entry.name() {
            // Defaults for servers may stand behind them, so servers come last.
            "real_server" => self.servers.push(*entry),
            "vip_check" => self.vip_check = Some(*entry),
            "via_ipvs" => own.via = context.switch(entry).unwrap_or(own.via),
            "proxy_protocol" => own.proxy = super::check::proxy_header(context, entry).unwrap_or(own.proxy),
            "backup_server" => self.backups.push(*entry),
            "inhibit_on_failure" => own.inhibit = stands_alone(context, entry),
            "alpha" => own.alpha = stands_alone(context, entry),
            "omega" => self.omega = stands_alone(context, entry),
            "ha_suspend" => self.ha_suspend = stands_alone(context, entry).then_some(entry.span()),
            "drain_on_remove" => {
                own.drain_on_remove = context.seconds(entry).unwrap_or(own.drain_on_remove);
            }
            "flap_hold" => own.flap_hold = pool::flap_hold(context, entry).unwrap_or(own.flap_hold),
            "panic_threshold" => {
                self.panic_threshold = pool::percent(context, entry).or(self.panic_threshold)
            }
            "maintenance_window" => self.windows.extend(window::lower(context, entry)),
            "share_checks" => self.share_checks = context.switch(entry).unwrap_or(self.share_checks),
            "weight" => own.weight = context.whole(entry).unwrap_or(own.weight),
            "virtualhost" => {
                own.virtualhost = super::check::virtualhost(context, entry).or(own.virtualhost.take());
            }
            "snmp_name" => self.snmp_name = context.text(entry).or(self.snmp_name.take()),
            "smtp_alert" => self.alert = context.switch(entry).or(self.alert),
            _ => return false,
        }
        true
    }

    fn finish(mut self, context: &mut Context<'_>, defaults: &Defaults) -> Option<(Served, VirtualServer)> {
        let span = self.target.span;
        self.note_defaults(context);
        self.inherited.method = self.method.unwrap_or_default();
        let family = self.target.family().or(self.family).or(self.persistence.family());
        let family = self.target.fitting(context, family.or_else(|| self.family_of_servers()))?;
        let served = self.target.served(self.protocol.map(|(protocol, _)| protocol), family);
        let settings = self.settings(context, family);
        let endpoint = Endpoint { served: &served, family, port: self.target.port() };
        let mut servers = Servers::new();
        for entry in &self.servers {
            server::lower(context, entry, endpoint, &self.inherited, &Servers::new(), &mut servers);
        }
        let mut backups = Servers::new();
        for entry in &self.backups {
            server::lower(context, entry, endpoint, &self.inherited, &servers, &mut backups);
        }
        // Filled one after the other a map is half empty; made at once it is full.
        let servers: Servers = servers.into_iter().collect();
        if servers.is_empty() && !self.without_servers(context, &served) {
            return None;
        }
        let sorry =
            std::mem::take(&mut self.sorry).finish(context, endpoint, self.inherited.method, &servers);
        let vip_check =
            self.vip_check.and_then(|block| vip_check::lower(context, &block, endpoint, &self.inherited));
        let ha_suspend = self.ha_suspend(context);
        let total: u64 = servers.values().map(|server| u64::from(server.weight)).sum();
        let quorum = self.quorum.finish(context, span, total);
        let alert = self.alert.unwrap_or(defaults.alert_checker());
        let (alpha, omega, snmp_name) = (self.inherited.alpha, self.omega, self.snmp_name);
        let settings = settings?;
        let panic_threshold = self.panic_threshold.filter(|percent| *percent < 100);
        let service = VirtualServer {
            settings,
            servers,
            backups,
            sorry,
            alert,
            quorum,
            alpha,
            omega,
            ha_suspend,
            snmp_name,
            vip_check,
            panic_threshold,
            own_checks: !self.share_checks,
            windows: self.windows,
        };
        Some((served, service))
    }

    fn note_defaults(&self, context: &mut Context<'_>) {
        let span = self.target.span;
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
        let marked = self.target.is_marked();
        note(protocol || marked, "no `protocol`: the service is UDP", "say `protocol TCP` or `protocol UDP`");
        if let Some((_, span)) = self.protocol.filter(|_| marked) {
            let message = "`protocol` has no effect: a mark serves packets of any protocol";
            context.warning(Code::NoEffect, span, message);
        }
    }

    fn settings(&mut self, context: &mut Context<'_>, family: Family) -> Option<ServiceSettings> {
        let mut settings = ServiceSettings::new(self.scheduler.take().unwrap_or_default());
        settings.flags = self.scheduler_flags(context, settings.scheduler.as_str());
        let protocol = self.protocol.map_or(Protocol::Udp, |(protocol, _)| protocol);
        match self.one_packet {
            Some(span) if protocol != Protocol::Udp && !self.target.is_marked() => {
                let message = format!("`ops` is for UDP and has no effect with {protocol}");
                context.warning(Code::Conflict, span, message);
            }
            Some(_) => settings.flags |= flag::ONE_PACKET,
            None => {}
        }
        let every_port = self.target.every_port();
        let persistence = std::mem::take(&mut self.persistence);
        let (persistence, engine) = persistence.finish(context, family, every_port, self.target.span)?;
        Some(ServiceSettings { persistence, engine, ..settings })
    }

    /// The flags that are for this scheduler.
    fn scheduler_flags(&self, context: &mut Context<'_>, scheduler: &str) -> u32 {
        let mut flags = 0;
        for SchedulerFlag { bit, scheduler: wanted, named, name, span } in &self.flags {
            let fits = wanted.is_none_or(|wanted| wanted == scheduler);
            if let Some(wanted) = wanted.filter(|_| !named) {
                let message = if fits {
                    format!("`{name}` stands before `lvs_sched {wanted}`; keepalived ignores it there")
                } else {
                    format!("`{name}` has no effect: it is for the scheduler {wanted}")
                };
                context.warning(Code::NoEffect, *span, message);
            }
            // To keepalived the scheduler counts that was named before.
            let counts = if context.compat() { wanted.is_none() || *named } else { fits };
            flags |= if counts { *bit } else { 0 };
        }
        flags
    }

    /// Whether a service without a real server is to be; keepalived makes none, even with a sorry server.
    fn without_servers(&self, context: &mut Context<'_>, served: &Served) -> bool {
        let message = format!("the virtual server {served} has no `real_server`");
        if context.compat() {
            let keepalived = Reaction::goes_on("the virtual server is left out");
            context.error_but(Code::MissingKeyword, self.target.span, message, None, keepalived);
            return false;
        }
        if self.servers.is_empty() {
            context.warning(Code::MissingKeyword, self.target.span, message);
        }
        true
    }

    fn ha_suspend(&self, context: &mut Context<'_>) -> bool {
        let Some(span) = self.ha_suspend else { return false };
        let marked = self.target.is_marked();
        if marked {
            let message = "`ha_suspend` has no effect: a mark has no address that could be on this host";
            context.warning(Code::NoEffect, span, message);
        }
        !marked
    }
}

/// A keyword that stands alone here, though not everywhere: to keepalived `off` behind it is a word like any other,
/// and what it asks for is on.
fn stands_alone(context: &mut Context<'_>, entry: &Entry<'_>) -> bool {
    let name = entry.keyword.name;
    match entry.words().first() {
        Some(word) if matches!(word.text.as_str(), "on" | "true" | "yes") => context.at_most(entry, 1),
        Some(word) if matches!(word.text.as_str(), "off" | "false" | "no") => {
            let message = format!(
                "`{name}` stands alone in a `virtual_server`: `{}` does not switch it off",
                word.text
            );
            let keepalived = Reaction::goes_on(format!("the word is ignored: `{name}` is on"));
            let suggestion = Some("leave the line out".to_owned());
            context.error_but(Code::UnexpectedWord, word.span, message, suggestion, keepalived);
        }
        _ => context.at_most(entry, 0),
    }
    true
}
