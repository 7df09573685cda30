//! What concerns IPVS as a whole.

use std::net::IpAddr;
use std::time::Duration;

use super::{flag, keep, keep_first, set, sysctl};
use crate::config::complaint::{Code, Reaction};
use crate::config::lower::context::{Context, Entry, short};
use crate::config::lower::pool;
use crate::config::lower::via;
use crate::config::lower::window;
use crate::config::syntax::Word;
use crate::config::{FlushOnStop, LvsGlobal, LvsTimeouts, Reconcile, SyncDaemon};

const SYNC_OPTIONS: [&str; 5] = ["id", "maxlen", "port", "ttl", "group"];
/// What one message of the sync daemon can hold.
const LONGEST: i64 = 65_507;
/// The longest time that IPVS remembers a connection: 31 days.
const LONGEST_TIMEOUT: i64 = 31 * 86_400;

impl LvsGlobal {
    pub(super) fn take(&mut self, context: &mut Context<'_>, entry: &Entry<'_>) -> bool {
        match entry.name() {
            "lvs_sync_daemon" => keep_first(&mut self.sync, sync_daemon(context, entry)),
            "lvs_timeouts" => timeouts(context, entry, &mut self.timeouts),
            "lvs_flush" => self.flush = flag(context, entry),
            "lvs_flush_on_stop" => set(&mut self.flush_on_stop, flush_on_stop(context, entry)),
            "lvs_sysctl" => sysctl::lower(context, entry, &mut self.switches),
            "drain_on_remove" => keep(&mut self.drain_on_remove, context.seconds(entry)),
            "maintenance_dir" => keep(&mut self.maintenance_dir, directory(context, entry)),
            "maintenance_window" => self.windows.extend(window::lower(context, entry)),
            "panic_threshold" => keep(&mut self.panic_threshold, pool::percent(context, entry)),
            "flap_hold" => set(&mut self.flap_hold, pool::flap_hold(context, entry)),
            "share_checks" => keep(&mut self.share_checks, context.switch(entry)),
            "reconcile" => set(&mut self.reconcile, reconcile(context, entry)),
            "via_ipvs_marks" => keep(&mut self.via_marks, first_mark(context, entry)),
            "rs_init_notifies" => set(&mut self.notify_at_start, context.switch(entry)),
            _ => return false,
        }
        true
    }
}

/// A path that means the same wherever the daemon was started.
fn directory(context: &mut Context<'_>, entry: &Entry<'_>) -> Option<String> {
    let path = context.text(entry)?;
    if !path.starts_with('/') {
        let message = format!(
            "`{}` is `{}`; expected a path that begins with a slash",
            entry.keyword.name,
            short(&path)
        );
        context.error(Code::InvalidText, entry.span(), message);
        return None;
    }
    Some(path)
}

/// A mark in decimal or hexadecimal digits, with room for those that follow it.
fn first_mark(context: &mut Context<'_>, entry: &Entry<'_>) -> Option<u32> {
    let word = context.word(entry)?;
    let text = word.text.as_str();
    let hexadecimal = text.strip_prefix("0x").map(|digits| u32::from_str_radix(digits, 16).ok());
    let mark = hexadecimal.unwrap_or_else(|| text.parse().ok());
    let mark = mark.filter(|mark| *mark > 0 && mark.checked_add(via::COUNT).is_some());
    if mark.is_none() {
        let message = format!(
            "`via_ipvs_marks` is `{}`; expected the first of {} marks in a row, such as {:#x}",
            short(text),
            via::COUNT,
            via::FIRST
        );
        context.error(Code::InvalidNumber, word.span, message);
    }
    mark
}

/// `INTERFACE [INSTANCE] [OPTIONS]`. Of a wrong option keepalived takes the default.
fn sync_daemon(context: &mut Context<'_>, entry: &Entry<'_>) -> Option<SyncDaemon> {
    let first = context.first(entry)?;
    let interface = context.interface(first)?;
    let mut daemon = SyncDaemon {
        interface,
        instance: None,
        id: None,
        max_length: None,
        port: None,
        ttl: None,
        group: None,
    };
    let mut words = entry.words().iter().skip(1).peekable();
    if let Some(name) = words.next_if(|word| !SYNC_OPTIONS.contains(&word.text.as_str())) {
        // Some files say so in front of the name.
        let name = match words.next_if(|_| name.text == "inst") {
            Some(behind) => behind,
            None => name,
        };
        daemon.instance = Some(name.text.clone());
    }
    while let Some(option) = words.next() {
        let name = option.text.as_str();
        if !SYNC_OPTIONS.contains(&name) {
            unknown_option(context, entry, option, &SYNC_OPTIONS);
            continue;
        }
        let Some(value) = words.next() else {
            missing_value(context, entry, option);
            break;
        };
        match name {
            "id" => keep(&mut daemon.id, number(context, entry, option, value, 0, 255)),
            "maxlen" => keep(&mut daemon.max_length, number(context, entry, option, value, 1, LONGEST)),
            "port" => keep(&mut daemon.port, number(context, entry, option, value, 1, 65_535)),
            "ttl" => keep(&mut daemon.ttl, number(context, entry, option, value, 1, 255)),
            _ => keep(&mut daemon.group, group(context, value)),
        }
    }
    Some(daemon)
}

fn group(context: &mut Context<'_>, word: &Word) -> Option<IpAddr> {
    let group = word.text.parse().ok().filter(IpAddr::is_multicast);
    if group.is_none() {
        let message =
            format!("the group of `lvs_sync_daemon` is `{}`; expected a multicast group", short(&word.text));
        context.error_but(Code::InvalidAddress, word.span, message, None, option_ignored());
    }
    group
}

/// `tcp SECONDS tcpfin SECONDS udp SECONDS`, in any order; 0 leaves a time as it is.
fn timeouts(context: &mut Context<'_>, entry: &Entry<'_>, timeouts: &mut LvsTimeouts) {
    const KINDS: [&str; 3] = ["tcp", "tcpfin", "udp"];
    if context.first(entry).is_none() {
        return;
    }
    let mut words = entry.words().iter();
    while let Some(option) = words.next() {
        let slot = match option.text.as_str() {
            "tcp" => &mut timeouts.tcp,
            "tcpfin" => &mut timeouts.tcpfin,
            "udp" => &mut timeouts.udp,
            _ => {
                unknown_option(context, entry, option, &KINDS);
                continue;
            }
        };
        let Some(value) = words.next() else {
            missing_value(context, entry, option);
            break;
        };
        let seconds: Option<u64> = number(context, entry, option, value, 0, LONGEST_TIMEOUT);
        keep(slot, seconds.map(Duration::from_secs));
    }
}

fn flush_on_stop(context: &mut Context<'_>, entry: &Entry<'_>) -> Option<FlushOnStop> {
    context.at_most(entry, 1);
    match entry.words().first() {
        None => Some(FlushOnStop::Everything),
        Some(word) if word.text == "VS" => Some(FlushOnStop::Services),
        Some(word) => {
            context.invalid_choice(&format!("`{}`", entry.keyword.name), word, &["nothing", "VS"]);
            None
        }
    }
}

fn reconcile(context: &mut Context<'_>, entry: &Entry<'_>) -> Option<Reconcile> {
    context.at_most(entry, 1);
    let word = context.first(entry)?;
    match word.text.as_str() {
        "off" => Some(Reconcile::Off),
        "report" => Some(Reconcile::Report),
        "repair" => Some(Reconcile::Repair),
        _ => {
            context.invalid_choice("`reconcile`", word, &["off", "report", "repair"]);
            None
        }
    }
}

fn number<T: TryFrom<i64>>(
    context: &mut Context<'_>,
    entry: &Entry<'_>,
    option: &Word,
    value: &Word,
    min: i64,
    max: i64,
) -> Option<T> {
    let what = format!("{} {}", entry.keyword.name, option.text);
    let number = value.text.parse::<i64>().ok().filter(|number| (min..=max).contains(number));
    if number.is_none() {
        let digits = value.text.strip_prefix('-').unwrap_or(&value.text);
        let plain = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
        let code = if plain { Code::OutOfRange } else { Code::InvalidNumber };
        let message =
            format!("`{what}` is `{}`; expected a whole number from {min} to {max}", short(&value.text));
        context.error_but(code, value.span, message, None, option_ignored());
    }
    T::try_from(number?).ok()
}

fn unknown_option(context: &mut Context<'_>, entry: &Entry<'_>, word: &Word, allowed: &[&'static str]) {
    context.invalid_choice(&format!("an option of `{}`", entry.keyword.name), word, allowed);
}

fn missing_value(context: &mut Context<'_>, entry: &Entry<'_>, option: &Word) {
    let message = format!("`{}` of `{}` needs a value", option.text, entry.keyword.name);
    context.error_but(Code::MissingValue, option.span, message, None, option_ignored());
}

fn option_ignored() -> Reaction {
    Reaction::goes_on("the option is ignored")
}
