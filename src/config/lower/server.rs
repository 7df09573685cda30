//! `real_server` and `sorry_server`.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use healthcheck::ProxyHeader;
use ipvs_backend::DestinationKey;

use super::check::{self, Checks, Timing};
use super::context::{Context, Entry, short};
use super::method::{Method, method};
use super::place::{Endpoint, Located, place};
use super::pool;
use super::via;
use super::window;
use crate::config::complaint::{Code, Reaction};
use crate::config::keywords::Place;
use crate::config::source::Span;
use crate::config::syntax::Word;
use crate::config::{Command, Extras, FlapHold, RealServer};

/// What a server takes over from its service where it says nothing itself.
#[derive(Debug, Clone)]
pub(super) struct Inherited {
    pub method: Method,
    pub inhibit: bool,
    pub alpha: bool,
    pub weight: u32,
    pub virtualhost: Option<String>,
    pub timing: Timing,
    pub alert: bool,
    /// Zero: they go at once.
    pub drain_on_remove: Duration,
    /// `via_ipvs`.
    pub via: bool,
    /// `proxy_protocol`.
    pub proxy: Option<ProxyHeader>,
    pub flap_hold: Option<FlapHold>,
}

/// Servers by address and port.
pub(super) type Servers = BTreeMap<DestinationKey, Arc<RealServer>>;

/// One `real_server` or `backup_server` block. It may be none of the `others`.
pub(super) fn lower(
    context: &mut Context<'_>,
    block: &Entry<'_>,
    endpoint: Endpoint<'_>,
    inherited: &Inherited,
    others: &Servers,
    out: &mut Servers,
) {
    let what = if block.name() == "backup_server" { "the backup server" } else { "the real server" };
    context.at_most(block, 2);
    let own = Inherited { timing: inherited.timing.inside(), ..inherited.clone() };
    let mut draft = Draft { own, extras: Extras::default(), limits: None, checks: Vec::new() };
    for entry in context.entries_of(block, Place::RealServer) {
        let taken = draft.own.timing.take(context, &entry) || draft.take(context, &entry);
        if !taken {
            context.forgotten(&entry);
        }
    }
    if context.first(block).is_none() {
        return;
    }
    let (words, span) = (block.words(), block.span());
    let Some(Located { key, asked }) = place(context, what, words, span, endpoint, draft.own.method) else {
        return;
    };
    if others.contains_key(&key) {
        let span = words.first().map_or(span, |word| word.span);
        let message = format!("{what} {key} is a real server of this virtual server as well");
        let suggestion = Some("a server that is to stand in must be another one".to_owned());
        let reaction = Reaction::goes_on(format!("{what} is left out"));
        context.error_but(Code::DuplicateServer, span, message, suggestion, reaction);
        return;
    }
    context.note(endpoint.served.server(key), block);
    let thing = |number: usize| endpoint.served.check(key, number);
    // A check asks the port that is written, even where the service's own counts.
    let checks = check::lower(context, &draft.checks, asked, &draft.own, thing);
    let Some(mut server) = draft.finish(context, checks) else { return };
    via::lead(context, (key.port, &mut server), endpoint, span);
    if out.contains_key(&key) {
        let span = words.first().map_or(span, |word| word.span);
        let message = format!("{what} {key} is there already; this one is left out");
        context.warning(Code::DuplicateServer, span, message);
        return;
    }
    let server = shared(server, out);
    out.insert(key, server);
}

/// Of thousands of servers most say the same: what the one before has is kept once.
fn shared(mut server: RealServer, others: &Servers) -> Arc<RealServer> {
    let Some((_, before)) = others.last_key_value() else { return Arc::new(server) };
    if **before == server {
        return Arc::clone(before);
    }
    if before.extras == server.extras {
        server.extras.clone_from(&before.extras);
    }
    Arc::new(server)
}

/// What has been said in the block.
struct Draft<'a> {
    own: Inherited,
    extras: Extras,
    /// Where the limits stand.
    limits: Option<Span>,
    checks: Vec<Entry<'a>>,
}

impl<'a> Draft<'a> {
    fn take(&mut self, context: &mut Context<'_>, entry: &Entry<'a>) -> bool {
        let own = &mut self.own;
        match entry.name() {
            "weight" => own.weight = weight(context, entry).unwrap_or(own.weight),
            "lvs_method" => own.method = method(context, entry).unwrap_or(own.method),
            "inhibit_on_failure" => own.inhibit = context.switch(entry).unwrap_or(own.inhibit),
            "alpha" => own.alpha = context.switch(entry).unwrap_or(own.alpha),
            "virtualhost" => {
                own.virtualhost = check::virtualhost(context, entry).or(own.virtualhost.take());
            }
            "via_ipvs" => own.via = context.switch(entry).unwrap_or(own.via),
            "proxy_protocol" => own.proxy = check::proxy_header(context, entry).unwrap_or(own.proxy),
            "smtp_alert" => own.alert = context.switch(entry).unwrap_or(own.alert),
            "drain_on_remove" => {
                own.drain_on_remove = context.seconds(entry).unwrap_or(own.drain_on_remove);
            }
            "flap_hold" => own.flap_hold = pool::flap_hold(context, entry).unwrap_or(own.flap_hold),
            "maintenance_window" => self.extras.windows.extend(window::lower(context, entry)),
            "uthreshold" => {
                self.extras.upper = context.whole(entry).unwrap_or(self.extras.upper);
                self.limits = self.limits.or(Some(entry.span()));
            }
            "lthreshold" => {
                self.extras.lower = context.whole(entry).unwrap_or(self.extras.lower);
                self.limits = Some(entry.span());
            }
            "notify_up" => command(context, entry, &mut self.extras.notify_up),
            "notify_down" => command(context, entry, &mut self.extras.notify_down),
            "snmp_name" => self.extras.snmp_name = context.text(entry).or(self.extras.snmp_name.take()),
            name if check::is_check(name) => self.checks.push(*entry),
            _ => return false,
        }
        true
    }

    fn finish(mut self, context: &mut Context<'_>, checks: Checks) -> Option<RealServer> {
        let Extras { upper, lower, .. } = self.extras;
        if let Some(span) = self.limits.filter(|_| lower > upper) {
            // `ip_vs_add_dest` in Linux.
            let message =
                format!("`lthreshold` is {lower} and `uthreshold` {upper}: the kernel takes no such server");
            let keepalived = Reaction::goes_on("the kernel refuses the real server: it gets no connections");
            let suggestion = Some(format!("make `uthreshold` at least {lower}"));
            context.error_but(Code::Conflict, span, message, suggestion, keepalived);
            return None;
        }
        let Inherited { method, inhibit, alpha, weight, alert, drain_on_remove, flap_hold, .. } = self.own;
        self.extras.drain_on_remove = Some(drain_on_remove).filter(|time| !time.is_zero());
        self.extras.flap_hold = flap_hold;
        self.extras.tunnel = method.tunnel;
        let extras = (self.extras != Extras::default()).then(|| Arc::new(self.extras));
        let Checks { made: checks, planned } = checks;
        Some(RealServer {
            weight,
            forwarding: method.forwarding,
            inhibit,
            alpha,
            alert,
            checks,
            planned,
            extras,
        })
    }
}

/// A command of which keepalived takes the first that is given.
pub(super) fn command(context: &mut Context<'_>, entry: &Entry<'_>, slot: &mut Option<Command>) {
    let command = context.command(entry);
    if command.is_some() && !(context.compat() && slot.is_some()) {
        *slot = command;
    }
}

/// A weight. Of a word that is no number at all keepalived makes 0.
pub(super) fn weight(context: &mut Context<'_>, entry: &Entry<'_>) -> Option<u32> {
    let no_number = |word: &&Word| !word.text.starts_with(|c: char| c.is_ascii_digit() || c == '-');
    let Some(word) = entry.words().first().filter(no_number) else { return context.whole(entry) };
    let message = format!("`weight` is `{}`; expected a whole number", short(&word.text));
    let keepalived = Reaction::goes_on("the weight is 0");
    context.error_but(Code::InvalidNumber, word.span, message, None, keepalived);
    Some(0)
}
