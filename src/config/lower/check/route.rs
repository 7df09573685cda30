//! Whom a check asks, from where, how and when: what all checks over the network have in common.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use healthcheck::{Check, Kind, ProxyHeader, Via, Way};
use ipvs_backend::DestinationKey;

use super::{Timing, USUAL_TIMEOUT};
use crate::config::complaint::{Code, Reaction};
use crate::config::lower::context::{Context, Entry};
use crate::config::lower::server::Inherited;
use crate::config::source::Span;

/// What has been said of it.
#[derive(Debug, Clone)]
pub(super) struct Route {
    address: Option<IpAddr>,
    port: Option<u16>,
    from_address: Option<(IpAddr, Span)>,
    from_port: Option<u16>,
    device: Option<String>,
    mark: Option<u32>,
    /// `via_ipvs`.
    via: bool,
    /// `proxy_protocol`, and where the check itself says it.
    proxy: (Option<ProxyHeader>, Option<Span>),
    log_all_failures: Option<bool>,
    alpha: bool,
    /// `fast_recovery` of a check with several steps.
    pub fast_recovery: bool,
    timing: Timing,
    /// Whether the check itself says how long to wait for a connection.
    patient: bool,
}

impl Route {
    /// Nothing but what the server says.
    pub fn new(inherited: &Inherited) -> Self {
        Self {
            address: None,
            port: None,
            from_address: None,
            from_port: None,
            device: None,
            mark: None,
            via: inherited.via,
            proxy: (inherited.proxy, None),
            log_all_failures: None,
            alpha: inherited.alpha,
            fast_recovery: false,
            timing: inherited.timing.inside(),
            patient: false,
        }
    }

    /// The way to a host of a check: its own, at the times of the check.
    pub fn of_host(&self) -> Self {
        let (address, port, from_address, from_port) = (None, None, None, None);
        let (device, mark, patient, via) = (None, None, false, false);
        let timing = self.timing.inside();
        Self { address, port, from_address, from_port, device, mark, patient, via, timing, ..self.clone() }
    }

    /// Answers may come as late as they like; returns whether the check itself says something else.
    pub fn forget_latency(&mut self) -> bool {
        self.timing.forget_latency()
    }

    /// Whether anything was said of whom to ask and how.
    pub fn is_said(&self) -> bool {
        let Self { address, port, from_address, from_port, device, mark, patient, .. } = self;
        address.is_some()
            || port.is_some()
            || from_address.is_some()
            || from_port.is_some()
            || device.is_some()
            || mark.is_some()
            || *patient
    }

    /// Reads the block of a check; what is of its own kind goes to `take`.
    pub fn read<'b>(
        &mut self,
        context: &mut Context<'_>,
        block: &Entry<'b>,
        mut take: impl FnMut(&mut Context<'_>, &Entry<'b>) -> bool,
    ) {
        let Some(place) = block.keyword.inside() else { return };
        for entry in context.entries_of(block, place) {
            if !self.take(context, &entry) && !take(context, &entry) {
                context.forgotten(&entry);
            }
        }
    }

    fn take(&mut self, context: &mut Context<'_>, entry: &Entry<'_>) -> bool {
        match entry.name() {
            "connect_ip" => self.address = context.address_of(entry).or(self.address),
            "connect_port" => self.port = context.port_of(entry).or(self.port),
            "bindto" => {
                let address = context.address_of(entry).map(|address| (address, entry.span()));
                self.from_address = address.or(self.from_address);
            }
            "bind_port" => self.from_port = context.port_of(entry).or(self.from_port),
            "bind_if" => {
                let device = context.word(entry).and_then(|word| context.interface(word));
                self.device = device.or(self.device.take());
            }
            "via_ipvs" => self.via = context.switch(entry).unwrap_or(self.via),
            "proxy_protocol" => {
                if let Some(header) = proxy_header(context, entry) {
                    self.proxy = (header, header.map(|_| entry.span()));
                }
            }
            "fwmark" => self.mark = context.whole(entry).or(self.mark),
            "log_all_failures" => self.log_all_failures = context.switch(entry).or(self.log_all_failures),
            "alpha" => self.alpha = context.switch(entry).unwrap_or(self.alpha),
            name => {
                self.patient |= name == "connect_timeout";
                return self.timing.take(context, entry);
            }
        }
        true
    }

    /// The check, complete.
    pub fn finish(
        &self,
        context: &mut Context<'_>,
        block: &Entry<'_>,
        kind: Kind,
        server: DestinationKey,
    ) -> Check {
        let target =
            SocketAddr::new(self.address.unwrap_or(server.address), self.port.unwrap_or(server.port));
        if target.port() == 0 && kind != Kind::Ping {
            let message =
                format!("`{}` has no port to connect to: the server has none either", block.keyword.name);
            let keepalived = Reaction::goes_on("port 0 is asked, where nobody answers");
            let suggestion = Some("add `connect_port`".to_owned());
            context.error_but(Code::MissingKeyword, block.span(), message, suggestion, keepalived);
        }
        let mut schedule = self.timing.schedule(|interval| kind.schedule(interval), self.alpha);
        schedule.fast_recovery = self.fast_recovery;
        Check {
            source: self.source(context, target),
            target,
            device: self.device.clone(),
            mark: self.mark.unwrap_or_default(),
            via: self.via(context, block, &kind, target),
            proxy: self.proxy(context, &kind),
            connect_timeout: self.timing.connect_timeout.unwrap_or(USUAL_TIMEOUT),
            schedule,
            log_all_failures: self.log_all_failures,
            kind,
        }
    }

    /// `via_ipvs`: where the check leads to is known with the server. Echoes are not balanced.
    fn via(
        &self,
        context: &mut Context<'_>,
        block: &Entry<'_>,
        kind: &Kind,
        target: SocketAddr,
    ) -> Option<Box<Via>> {
        if !self.via || *kind == Kind::Ping {
            return None;
        }
        if self.address.is_some() || self.port.is_some() || self.mark.is_some() {
            let message = "`via_ipvs` asks the address of the virtual server with a mark of its own: `connect_ip`, \
                           `connect_port` and `fwmark` cannot stand beside it";
            let suggestion = "leave them out, or say `via_ipvs off` in this check";
            context.error_with(Code::Conflict, block.span(), message.to_owned(), suggestion);
            return None;
        }
        Some(Box::new(Via { mark: 0, direct: Some(target), way: Way::default() }))
    }

    /// `proxy_protocol`: datagrams have no beginning.
    fn proxy(&self, context: &mut Context<'_>, kind: &Kind) -> Option<ProxyHeader> {
        let (header, said) = self.proxy;
        let header = header.filter(|_| kind.connects());
        if let (None, Some(span)) = (header, said) {
            let message = "`proxy_protocol` has no effect on datagrams; it begins a TCP connection";
            context.warning(Code::NoEffect, span, message);
        }
        header
    }

    fn source(&self, context: &mut Context<'_>, target: SocketAddr) -> Option<SocketAddr> {
        let mut address = self.from_address;
        if let Some((other, span)) = address.take_if(|(address, _)| address.is_ipv4() != target.is_ipv4()) {
            let message =
                format!("`bindto` {other} and the checked address {} are not of one family", target.ip());
            context.error(Code::FamilyMismatch, span, message);
        }
        let any = if target.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
        let source =
            SocketAddr::new(address.map_or(any, |(address, _)| address), self.from_port.unwrap_or(0));
        // Any address and any port are what the kernel chooses from anyway.
        (!source.ip().is_unspecified() || source.port() > 0).then_some(source)
    }
}

/// What `proxy_protocol` says; nothing if it could not be read.
pub(in crate::config::lower) fn proxy_header(
    context: &mut Context<'_>,
    entry: &Entry<'_>,
) -> Option<Option<ProxyHeader>> {
    Some(match context.choice(entry)? {
        "v1" => Some(ProxyHeader::V1),
        "v2" => Some(ProxyHeader::V2),
        _ => None,
    })
}
