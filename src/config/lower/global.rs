//! `global_defs`.
//!
//! What is said goes straight into [`Global`]; there is a file for each group of keywords. A line that is wrong leaves
//! what was said before, as in keepalived.

mod daemon;
mod filter;
mod lvs;
mod mail;
mod report;
mod sysctl;
mod vrrp;

use std::net::IpAddr;
use std::time::Duration;

use super::check::Timing;
use super::context::{Context, Entry, short};
use crate::config::complaint::{Code, Reaction};
use crate::config::keywords::{Form, Place};
use crate::config::{DynamicInterfaces, ExtraGarp, FlapHold, Thing};
pub(super) use crate::config::{GarpDefaults as Garp, Global};
use mail::MailDraft;
pub(super) use vrrp::version;

/// What instances and virtual servers take over where they say nothing themselves.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Defaults {
    pub interface: Option<String>,
    pub version: Option<::vrrp::Version>,
    pub down_timer_adverts: Option<u8>,
    pub lower_prio_no_advert: Option<bool>,
    pub higher_prio_send_advert: Option<bool>,
    pub garp: Garp,
    pub extra_garp: Option<ExtraGarp>,
    pub group4: Option<IpAddr>,
    pub group6: Option<IpAddr>,
    pub v3_checksum_as_v2: Option<bool>,
    pub check_unicast_src: bool,
    pub strict: bool,
    pub owner_ignores: Option<bool>,
    pub drain_on_remove: Duration,
    pub panic_threshold: Option<u8>,
    pub flap_hold: Option<FlapHold>,
    pub share_checks: bool,
    /// Of checks.
    pub timing: Timing,
    alert_vrrp: Option<bool>,
    alert_checker: Option<bool>,
}

impl Defaults {
    fn of(global: &Global, timing: Timing) -> Self {
        let (vrrp, alerts) = (&global.vrrp, global.alerts);
        Self {
            interface: global.default_interface.clone(),
            version: vrrp.version,
            down_timer_adverts: vrrp.down_timer_adverts,
            lower_prio_no_advert: vrrp.lower_prio_no_advert,
            higher_prio_send_advert: vrrp.higher_prio_send_advert,
            garp: vrrp.garp_with_minimum(),
            extra_garp: vrrp.garp_extra_if,
            group4: vrrp.group4.map(IpAddr::V4),
            group6: vrrp.group6.map(IpAddr::V6),
            v3_checksum_as_v2: vrrp.v3_checksum_as_v2,
            check_unicast_src: vrrp.check_unicast_src,
            strict: vrrp.strict,
            owner_ignores: vrrp.owner_ignore_adverts,
            timing,
            drain_on_remove: global.lvs.drain_on_remove.unwrap_or_default(),
            panic_threshold: global.lvs.panic_threshold,
            flap_hold: global.lvs.flap_hold,
            share_checks: global.lvs.share_checks.unwrap_or(true),
            alert_vrrp: alerts.vrrp.or(alerts.all),
            alert_checker: alerts.checker.or(alerts.all),
        }
    }

    /// Whether changes of state of instances are mailed.
    pub fn alert_vrrp(&self) -> bool {
        self.alert_vrrp.unwrap_or(true)
    }

    /// Whether events of virtual and real servers are mailed.
    pub fn alert_checker(&self) -> bool {
        self.alert_checker.unwrap_or(true)
    }
}

/// All blocks of the file together are one.
pub(super) fn lower<'a>(
    context: &mut Context<'_>,
    blocks: impl Iterator<Item = &'a Entry<'a>>,
) -> (Global, Defaults) {
    let mut global = Global::default();
    let mut mail = MailDraft::default();
    let mut timing = Timing::default();
    for block in blocks {
        context.at_most(block, 0);
        context.note(Thing::Global, block);
        let Some(inside) = &block.statement.block else { continue };
        for entry in context.entries(inside, Place::Global) {
            let taken = mail.take(context, &entry)
                || timing.take_default(context, &entry)
                || global.take(context, &entry)
                || global.vrrp.take(context, &entry)
                || global.filter.take(context, &entry)
                || global.lvs.take(context, &entry)
                || global.scripts.take(context, &entry)
                || global.process_names.take(context, &entry)
                || global.scheduling.take(context, &entry)
                || global.buffers.take(context, &entry)
                || global.fifos.take(context, &entry)
                || global.snmp.take(context, &entry)
                || global.dbus.take(context, &entry)
                || global.reload.take(context, &entry)
                || global.files.take(context, &entry);
            if !taken {
                context.forgotten(&entry);
            }
        }
    }
    global.email = mail.finish(context);
    let defaults = Defaults::of(&global, timing);
    (global, defaults)
}

impl Global {
    fn take(&mut self, context: &mut Context<'_>, entry: &Entry<'_>) -> bool {
        let alerts = &mut self.alerts;
        match entry.name() {
            "compat" => set(&mut self.compat, context.switch(entry)),
            "router_id" => keep(&mut self.router_id, context.text(entry)),
            "default_interface" => {
                let interface = context.word(entry).and_then(|word| context.interface(word));
                keep(&mut self.default_interface, interface);
            }
            "dynamic_interfaces" => self.dynamic_interfaces = dynamic_interfaces(context, entry),
            "umask" => keep(&mut self.umask, daemon::umask(context, entry)),
            "random_seed" => keep(&mut self.random_seed, context.whole(entry)),
            "smtp_alert" => keep(&mut alerts.all, context.switch(entry)),
            "smtp_alert_vrrp" => keep(&mut alerts.vrrp, context.switch(entry)),
            "smtp_alert_checker" => keep(&mut alerts.checker, context.switch(entry)),
            "no_email_faults" => alerts.no_faults = flag(context, entry),
            "no_checker_emails" => set(&mut alerts.no_checks, context.switch(entry)),
            "checker_log_all_failures" => set(&mut alerts.log_all_failures, context.switch(entry)),
            _ => return false,
        }
        true
    }
}

fn dynamic_interfaces(context: &mut Context<'_>, entry: &Entry<'_>) -> DynamicInterfaces {
    context.at_most(entry, 1);
    match entry.words().first() {
        None => DynamicInterfaces::MayCome,
        Some(word) if word.text == "allow_if_changes" => DynamicInterfaces::MayChange,
        Some(word) => {
            let message = format!(
                "`dynamic_interfaces` is `{}`; allowed: nothing, or allow_if_changes",
                short(&word.text)
            );
            let reaction = Reaction::goes_on("the word is ignored");
            context.error_but(Code::InvalidChoice, word.span, message, None, reaction);
            DynamicInterfaces::MayCome
        }
    }
}

/// The keyword alone says it.
fn flag(context: &mut Context<'_>, entry: &Entry<'_>) -> bool {
    context.flag(entry);
    true
}

/// Takes a value, if it is one.
fn set<T>(slot: &mut T, value: Option<T>) {
    if let Some(value) = value {
        *slot = value;
    }
}

/// The same where there may be none yet.
fn keep<T>(slot: &mut Option<T>, value: Option<T>) {
    if value.is_some() {
        *slot = value;
    }
}

/// The same where the first one counts.
fn keep_first<T>(slot: &mut Option<T>, value: Option<T>) {
    if slot.is_none() {
        *slot = value;
    }
}

/// A number of which keepalived replaces some that are out of range, those in `replaced`, by the nearest in range.
fn nearest<T: TryFrom<i64>>(
    context: &mut Context<'_>,
    entry: &Entry<'_>,
    replaced: std::ops::RangeInclusive<i64>,
) -> Option<T> {
    let Form::Whole(min, max) = entry.keyword.form else { return None };
    let far = |number: &i64| replaced.contains(number) && !(min..=max).contains(number);
    let number = entry.words().first().and_then(|word| word.text.parse::<i64>().ok()).filter(far);
    let Some(number) = number else { return context.whole(entry) };
    let near = number.clamp(min, max);
    let word = context.word(entry)?;
    let message = format!("`{}` is {number}; allowed: {min} to {max}", entry.keyword.name);
    let reaction = Reaction::goes_on(format!("the value is {near}"));
    context.error_but(Code::OutOfRange, word.span, message, None, reaction);
    T::try_from(near).ok()
}
