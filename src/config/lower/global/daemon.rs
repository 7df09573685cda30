//! Processes, their priorities and buffers, and the rules for scripts.

use std::collections::BTreeSet;
use std::time::Duration;

use super::{flag, keep, keep_first, nearest, set};
use crate::config::complaint::{Code, Reaction};
use crate::config::lower::context::{Context, Entry, short};
use crate::config::syntax::Word;
use crate::config::{
    Account, AdvertBuffer, Buffer, Buffers, PartScheduling, ProcessNames, Scheduling, ScriptRules,
};

/// The longest name of a process (`TASK_COMM_LEN` in `linux/sched.h`).
const PROCESS_NAME: usize = 15;

impl ProcessNames {
    pub(super) fn take(&mut self, context: &mut Context<'_>, entry: &Entry<'_>) -> bool {
        match entry.name() {
            "process_names" => self.distinct = flag(context, entry),
            "process_name" => keep(&mut self.daemon, process_name(context, entry)),
            "vrrp_process_name" => keep(&mut self.vrrp, process_name(context, entry)),
            "checker_process_name" => keep(&mut self.checker, process_name(context, entry)),
            "bfd_process_name" => keep(&mut self.bfd, process_name(context, entry)),
            _ => return false,
        }
        true
    }
}

fn process_name(context: &mut Context<'_>, entry: &Entry<'_>) -> Option<String> {
    let mut name = context.text(entry)?;
    if name.len() > PROCESS_NAME {
        let cut = name.char_indices().map(|(at, c)| at + c.len_utf8()).take_while(|end| *end <= PROCESS_NAME);
        let end = cut.last().unwrap_or(0);
        name.truncate(end);
        let message =
            format!("`{}` is longer than {PROCESS_NAME} bytes; it becomes `{name}`", entry.keyword.name);
        context.warning(Code::ValueAdjusted, entry.span(), message);
    }
    Some(name)
}

impl ScriptRules {
    pub(super) fn take(&mut self, context: &mut Context<'_>, entry: &Entry<'_>) -> bool {
        match entry.name() {
            "script_user" => keep(&mut self.user, account(context, entry)),
            "enable_script_security" => self.security = flag(context, entry),
            "set_supplementary_groups" => self.supplementary_groups = flag(context, entry),
            "use_symlink_paths" => set(&mut self.symlink_paths, context.switch(entry)),
            "notify_timeout" => set(&mut self.notify_timeout, context.whole_seconds(entry)),
            "startup_script" => keep_first(&mut self.startup, context.command(entry)),
            "startup_script_timeout" => set(&mut self.startup_timeout, context.whole_seconds(entry)),
            "shutdown_script" => keep_first(&mut self.shutdown, context.command(entry)),
            "shutdown_script_timeout" => set(&mut self.shutdown_timeout, context.whole_seconds(entry)),
            _ => return false,
        }
        true
    }
}

/// `USER [[:]GROUP]`. Whether there is such a user is only known on the host.
fn account(context: &mut Context<'_>, entry: &Entry<'_>) -> Option<Account> {
    context.at_most(entry, 2);
    let first = context.first(entry)?;
    let user = name(context, "user", first, None)?;
    let Some(word) = entry.words().get(1) else {
        return Some(Account { user, group: None, supplementary: false });
    };
    let bare = word.text.strip_prefix(':');
    let group = match bare {
        Some("") => None,
        _ => Some(name(context, "group", word, bare)?),
    };
    Some(Account { user, group, supplementary: bare.is_some() })
}

fn name(context: &mut Context<'_>, what: &str, word: &Word, text: Option<&str>) -> Option<String> {
    let text = text.unwrap_or(&word.text);
    let odd = |c: char| c.is_whitespace() || c.is_control() || matches!(c, '/' | ':' | ',');
    if text.is_empty() || text.starts_with('-') || text.contains(odd) {
        let message = format!("`{}` cannot be the name of a {what}", short(text));
        let suggestion = text.contains(':').then(|| "a blank stands between user and group".to_owned());
        let reaction = Reaction::goes_on("the line is ignored");
        context.error_but(Code::InvalidText, word.span, message, suggestion, reaction);
        return None;
    }
    Some(text.to_owned())
}

/// A number in C's forms, or names of permissions with bars between.
pub(super) fn umask(context: &mut Context<'_>, entry: &Entry<'_>) -> Option<u16> {
    let first = context.first(entry)?;
    let text: String = entry.words().iter().map(|word| word.text.as_str()).collect::<Vec<_>>().join(" ");
    let mask = if first.text.starts_with(|c: char| c.is_ascii_digit()) {
        context.at_most(entry, 1);
        number(&first.text)
    } else {
        text.split('|').map(|name| permission(name.trim())).try_fold(0, |mask, bit| Some(mask | bit?))
    };
    if mask.is_none() {
        let message = format!(
            "`umask` is `{}`; expected a number such as 022, from 0 to 0777, or names such as IWGRP | IWOTH",
            short(&text)
        );
        context.error(Code::InvalidText, first.span, message);
    }
    mask
}

fn number(text: &str) -> Option<u16> {
    let mask = match text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")) {
        Some(hexadecimal) => u16::from_str_radix(hexadecimal, 16),
        None if text.starts_with('0') => u16::from_str_radix(text, 8),
        None => text.parse(),
    };
    mask.ok().filter(|mask| *mask <= 0o777)
}

/// The permissions, under the names of `stat.h` without their `S_`.
pub(in crate::config) const PERMISSIONS: [(&str, u16); 9] = [
    ("IRUSR", 0o400),
    ("IWUSR", 0o200),
    ("IXUSR", 0o100),
    ("IRGRP", 0o040),
    ("IWGRP", 0o020),
    ("IXGRP", 0o010),
    ("IROTH", 0o004),
    ("IWOTH", 0o002),
    ("IXOTH", 0o001),
];

fn permission(name: &str) -> Option<u16> {
    PERMISSIONS.iter().find(|(known, _)| *known == name).map(|(_, bit)| *bit)
}

impl Scheduling {
    pub(super) fn take(&mut self, context: &mut Context<'_>, entry: &Entry<'_>) -> bool {
        let name = entry.name();
        match name {
            "max_auto_priority" => keep(&mut self.max_auto_priority, max_auto_priority(context, entry)),
            "min_auto_priority_delay" => set(&mut self.min_auto_priority_delay, micros(context, entry)),
            _ => {
                let Some((part, rest)) = name.split_once('_') else { return false };
                let part = match part {
                    "vrrp" => &mut self.vrrp,
                    "checker" => &mut self.checker,
                    "bfd" => &mut self.bfd,
                    _ => return false,
                };
                return part.take(context, rest, entry);
            }
        }
        true
    }
}

impl PartScheduling {
    /// The name is the part's own, without the part in front.
    fn take(&mut self, context: &mut Context<'_>, name: &str, entry: &Entry<'_>) -> bool {
        match name {
            "priority" => set(&mut self.nice, context.whole(entry)),
            "rt_priority" => keep(&mut self.realtime, nearest(context, entry, i64::MIN..=i64::MAX)),
            "rlimit_rttime" => set(&mut self.longest_run, micros(context, entry)),
            "no_swap" => self.no_swap = flag(context, entry),
            "cpu_affinity" => self.cpus.extend(cpus(context, entry)),
            _ => return false,
        }
        true
    }
}

fn micros(context: &mut Context<'_>, entry: &Entry<'_>) -> Option<Duration> {
    context.whole(entry).map(Duration::from_micros)
}

/// The bare keyword means the highest.
fn max_auto_priority(context: &mut Context<'_>, entry: &Entry<'_>) -> Option<i8> {
    context.at_most(entry, 1);
    match entry.words().first() {
        None => Some(99),
        Some(word) => i8::try_from(context.number(entry.keyword.name, word, -1, 99)?).ok(),
    }
}

/// Numbers of processors; how many there are is only known on the host.
fn cpus(context: &mut Context<'_>, entry: &Entry<'_>) -> BTreeSet<u16> {
    context.first(entry);
    let what = format!("a processor of `{}`", entry.keyword.name);
    let number = |word: &Word| u16::try_from(context.number(&what, word, 0, 8_191)?).ok();
    entry.words().iter().filter_map(number).collect()
}

impl Buffers {
    pub(super) fn take(&mut self, context: &mut Context<'_>, entry: &Entry<'_>) -> bool {
        match entry.name() {
            "vrrp_rx_bufs_policy" => keep(&mut self.adverts, advert_buffer(context, entry)),
            "vrrp_rx_bufs_multiplier" => set(&mut self.advert_factor, context.whole(entry)),
            name => {
                let (of, force) = match name.strip_suffix("_force") {
                    Some(of) => (of, true),
                    None => (name, false),
                };
                let Some(buffer) = self.named(of) else { return false };
                if force {
                    set(&mut buffer.force, context.switch(entry));
                } else {
                    keep(&mut buffer.size, context.whole(entry));
                }
            }
        }
        true
    }

    fn named(&mut self, name: &str) -> Option<&mut Buffer> {
        Some(match name {
            "vrrp_netlink_cmd_rcv_bufs" => &mut self.vrrp_commands,
            "vrrp_netlink_monitor_rcv_bufs" => &mut self.vrrp_monitor,
            "lvs_netlink_cmd_rcv_bufs" => &mut self.lvs_commands,
            "lvs_netlink_monitor_rcv_bufs" => &mut self.lvs_monitor,
            "process_monitor_rcv_bufs" => &mut self.process_monitor,
            _ => return None,
        })
    }
}

fn advert_buffer(context: &mut Context<'_>, entry: &Entry<'_>) -> Option<AdvertBuffer> {
    let word = context.word(entry)?;
    if word.text.eq_ignore_ascii_case("mtu") {
        return Some(AdvertBuffer::Mtu);
    }
    if word.text.eq_ignore_ascii_case("advert") {
        return Some(AdvertBuffer::Advert);
    }
    if !word.text.starts_with(|c: char| c.is_ascii_digit()) {
        context.invalid_choice("`vrrp_rx_bufs_policy`", word, &["MTU", "ADVERT", "a number of bytes"]);
        return None;
    }
    let bytes = context.number(entry.keyword.name, word, 0, i64::from(u32::MAX))?;
    u32::try_from(bytes).ok().map(AdvertBuffer::Bytes)
}
