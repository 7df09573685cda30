//! `global_defs`.

use std::time::Duration;

use vrrp::{AnnounceSettings, Version};

use super::context::{Context, Entry, short};
use crate::config::complaint::Code;
use crate::config::keywords::Place;
use crate::config::source::Span;
use crate::config::{Email, Global};

/// What instances and virtual servers take over where they say nothing themselves.
#[derive(Debug, Clone, Default)]
pub(super) struct Defaults {
    pub interface: Option<String>,
    pub version: Option<Version>,
    pub down_timer_adverts: Option<u8>,
    pub lower_prio_no_advert: bool,
    pub higher_prio_send_advert: bool,
    pub garp: Garp,
    min_garp: bool,
    alert: Option<bool>,
    alert_vrrp: Option<bool>,
    alert_checker: Option<bool>,
}

impl Defaults {
    /// Whether changes of state of instances are mailed.
    pub fn alert_vrrp(&self) -> bool {
        self.alert_vrrp.or(self.alert).unwrap_or(true)
    }

    /// Whether events of virtual and real servers are mailed.
    pub fn alert_checker(&self) -> bool {
        self.alert_checker.or(self.alert).unwrap_or(true)
    }
}

/// When gratuitous ARP is sent, as far as it has been said.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Garp {
    delay: Option<Duration>,
    repeat: Option<u32>,
    refresh: Option<Duration>,
    refresh_repeat: Option<u32>,
    lower_delay: Option<Duration>,
    lower_repeat: Option<u32>,
}

impl Garp {
    /// Takes in a statement; the names are those of `vrrp_instance`.
    pub fn take(&mut self, context: &mut Context<'_>, name: &str, entry: &Entry<'_>) -> bool {
        match name {
            "garp_master_delay" => self.delay = context.whole_seconds(entry).or(self.delay),
            "garp_master_repeat" => self.repeat = context.whole(entry).or(self.repeat),
            "garp_master_refresh" => self.refresh = context.whole_seconds(entry).or(self.refresh),
            "garp_master_refresh_repeat" => {
                self.refresh_repeat = context.whole(entry).or(self.refresh_repeat)
            }
            "garp_lower_prio_delay" => self.lower_delay = context.whole_seconds(entry).or(self.lower_delay),
            "garp_lower_prio_repeat" => self.lower_repeat = context.whole(entry).or(self.lower_repeat),
            _ => return false,
        }
        true
    }

    /// The settings, with `global` and then the built-in defaults for what has not been said. What follows a lower
    /// priority is by default what `global` says of becoming master.
    pub fn settings(self, global: &Garp) -> AnnounceSettings {
        let default = AnnounceSettings::default();
        let refresh = self.refresh.or(global.refresh).filter(|refresh| !refresh.is_zero());
        let lower_delay = self.lower_delay.or(global.lower_delay).or(global.delay);
        let lower_repeat = self.lower_repeat.or(global.lower_repeat).or(global.repeat);
        AnnounceSettings {
            repeat: self.repeat.or(global.repeat).unwrap_or(default.repeat),
            delay: self.delay.or(global.delay).unwrap_or(default.delay),
            refresh: refresh.or(default.refresh),
            refresh_repeat: self.refresh_repeat.or(global.refresh_repeat).unwrap_or(default.refresh_repeat),
            lower_delay: lower_delay.unwrap_or(default.lower_delay),
            lower_repeat: lower_repeat.unwrap_or(default.lower_repeat),
        }
    }
}

/// What has been said about mail.
#[derive(Debug, Default)]
struct MailDraft {
    to: Vec<String>,
    /// Where somebody is named, right or wrong.
    to_span: Option<Span>,
    from: Option<String>,
    server: Option<(String, u16)>,
    helo: Option<String>,
    timeout: Option<Duration>,
}

/// All blocks of the file together are one.
pub(super) fn lower<'a>(
    context: &mut Context<'_>,
    blocks: impl Iterator<Item = &'a Entry<'a>>,
) -> (Global, Defaults) {
    let mut global = Global::default();
    let mut defaults = Defaults::default();
    let mut mail = MailDraft::default();
    for block in blocks {
        context.at_most(block, 0);
        let Some(inside) = &block.statement.block else { continue };
        for entry in context.entries(inside, Place::Global) {
            let taken = mail.take(context, &entry) || defaults.take(context, &entry);
            match entry.name() {
                _ if taken => {}
                "router_id" => global.router_id = context.text(&entry),
                _ => context.forgotten(&entry),
            }
        }
    }
    if defaults.min_garp {
        defaults.garp.repeat = defaults.garp.repeat.or(Some(1));
        defaults.garp.delay = defaults.garp.delay.or(Some(Duration::ZERO));
    }
    global.email = mail.finish(context);
    (global, defaults)
}

impl Defaults {
    fn take(&mut self, context: &mut Context<'_>, entry: &Entry<'_>) -> bool {
        let name = entry.name();
        if let Some(name) = name.strip_prefix("vrrp_").filter(|name| name.starts_with("garp_"))
            && self.garp.take(context, name, entry)
        {
            return true;
        }
        match name {
            "default_interface" => {
                self.interface = context.word(entry).and_then(|word| context.interface(word));
            }
            "vrrp_version" => self.version = version(context, entry),
            "vrrp_down_timer_adverts" => self.down_timer_adverts = context.whole(entry),
            "vrrp_lower_prio_no_advert" => self.lower_prio_no_advert = context.switch(entry).unwrap_or(false),
            "vrrp_higher_prio_send_advert" => {
                self.higher_prio_send_advert = context.switch(entry).unwrap_or(false)
            }
            "vrrp_min_garp" => self.min_garp = context.switch(entry).unwrap_or(false),
            "vrrp_garp_interval" | "vrrp_gna_interval" => no_pace(context, entry),
            "smtp_alert" => self.alert = context.switch(entry),
            "smtp_alert_vrrp" => self.alert_vrrp = context.switch(entry),
            "smtp_alert_checker" => self.alert_checker = context.switch(entry),
            _ => return false,
        }
        true
    }
}

/// `version` and `vrrp_version`.
pub(super) fn version(context: &mut Context<'_>, entry: &Entry<'_>) -> Option<Version> {
    let number: i64 = context.whole(entry)?;
    Some(if number == 2 { Version::V2 } else { Version::V3 })
}

/// Messages are sent without pause: 0, which many files say, is all that can be asked for.
fn no_pace(context: &mut Context<'_>, entry: &Entry<'_>) {
    if context.seconds(entry).is_some_and(|pace| !pace.is_zero()) {
        let message =
            format!("`{}` is not supported yet: messages are sent without pause", entry.keyword.name);
        context.warning(Code::NotSupportedYet, entry.span(), message);
    }
}

impl MailDraft {
    fn take(&mut self, context: &mut Context<'_>, entry: &Entry<'_>) -> bool {
        match entry.name() {
            "notification_email" => self.recipients(context, entry),
            "notification_email_from" => {
                self.from = context.word(entry).and_then(|word| mail_address(context, &word.text, word.span));
            }
            "smtp_server" => self.server = server(context, entry),
            "smtp_helo_name" => {
                self.helo = context.word(entry).and_then(|word| host_name(context, &word.text, word.span))
            }
            "smtp_connect_timeout" => self.timeout = context.whole_seconds(entry),
            _ => return false,
        }
        true
    }

    fn recipients(&mut self, context: &mut Context<'_>, entry: &Entry<'_>) {
        context.at_most(entry, 0);
        if entry.statements().is_empty() {
            context.warning(Code::MissingValue, entry.span(), "`notification_email` names nobody");
            return;
        }
        self.to_span = Some(entry.span());
        for statement in entry.statements() {
            if let Some(block) = &statement.block {
                context.error(Code::UnexpectedBlock, block.open, "a mail address takes no block");
            }
            for word in std::iter::once(&statement.keyword).chain(&statement.words) {
                self.to.extend(mail_address(context, &word.text, word.span));
            }
        }
    }

    fn finish(self, context: &mut Context<'_>) -> Option<Email> {
        let span = self.to_span?;
        let Some((server, port)) = self.server else {
            let message = "there is no `smtp_server`: no mail is sent".to_owned();
            let suggestion = "add `smtp_server 127.0.0.1` if a mail server runs on this host";
            context.warning_with(Code::MissingKeyword, span, message, suggestion);
            return None;
        };
        let connect_timeout = self.timeout.unwrap_or(Duration::from_secs(30));
        Some(Email { to: self.to, from: self.from, server, port, connect_timeout, helo: self.helo })
    }
}

fn server(context: &mut Context<'_>, entry: &Entry<'_>) -> Option<(String, u16)> {
    context.at_most(entry, 2);
    let word = context.first(entry)?;
    let host = host_name(context, &word.text, word.span)?;
    let port = match entry.words().get(1) {
        Some(word) => context.port("the port of `smtp_server`", word, 1)?,
        None => 25,
    };
    Some((host, port))
}

/// A host name or an address.
fn host_name(context: &mut Context<'_>, text: &str, span: Span) -> Option<String> {
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_' | ':');
    if text.is_empty() || text.len() > 253 || !text.chars().all(fits) {
        let message = format!("`{}` is neither a host name nor an address", short(text));
        context.error(Code::InvalidText, span, message);
        return None;
    }
    Some(text.to_owned())
}

/// `user@host`, or `Name <user@host>`; a bare `user` is one of the mail server's own.
fn mail_address(context: &mut Context<'_>, text: &str, span: Span) -> Option<String> {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_' | '+');
    if !text.is_empty() && text.chars().all(plain) {
        let full = format!("{text}@localhost");
        let message = format!("`{text}` has no host; it is read as `{full}`");
        context.warning_with(Code::ValueAdjusted, span, message, "write the whole address");
        return Some(full);
    }
    let inner = text.split_once('<').and_then(|(_, rest)| rest.strip_suffix('>')).unwrap_or(text);
    let odd = |c: char| c.is_whitespace() || c.is_control() || matches!(c, '<' | '>' | ',' | ';');
    let good = inner.rsplit_once('@').is_some_and(|(user, host)| !user.is_empty() && !host.is_empty());
    if !good || inner.contains(odd) || text.contains(char::is_control) {
        let message = format!("`{}` is no mail address; expected one like admin@example.org", short(text));
        context.error(Code::InvalidText, span, message);
        return None;
    }
    Some(text.to_owned())
}
