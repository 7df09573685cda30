//! `MISC_CHECK`, `FILE_CHECK` and `BFD_CHECK`: checks that ask nobody over the network by themselves.

use std::net::SocketAddr;
use std::time::Duration;

use healthcheck::{Check, Kind, Program};
use ipvs_backend::DestinationKey;

use crate::config::complaint::{Code, Reaction};
use crate::config::keywords::Place;
use crate::config::lower::context::{Context, Entry, short};
use crate::config::lower::server::Inherited;
use crate::config::lower::track;
use crate::config::{BfdCheck, FileCheck, FileWeight, PlannedCheck};

/// The check, unless it lacks what it cannot do without.
pub(super) fn lower(
    context: &mut Context<'_>,
    block: &Entry<'_>,
    inherited: &Inherited,
) -> Option<PlannedCheck> {
    match block.name() {
        "FILE_CHECK" => file(context, block).map(PlannedCheck::File),
        _ => bfd(context, block, inherited).map(PlannedCheck::Bfd),
    }
}

/// A check without its object is left out.
fn missing(context: &mut Context<'_>, block: &Entry<'_>, keyword: &str) {
    let keepalived = Reaction::goes_on("the check is left out");
    let message = format!("`{}` has no `{keyword}`", block.name());
    context.error_but(Code::MissingKeyword, block.end(), message, None, keepalived);
}

/// A `MISC_CHECK`, unless it names no command. It knows neither address nor port: those of the server stand for it.
pub(super) fn misc(
    context: &mut Context<'_>,
    block: &Entry<'_>,
    server: DestinationKey,
    inherited: &Inherited,
) -> Option<Check> {
    let mut timing = inherited.timing.inside();
    timing.forget_latency();
    let (mut command, mut account) = (None, (None, None));
    let (mut timeout, mut dynamic, mut log_all_failures) = (None, false, None);
    let mut alpha = inherited.alpha;
    let mut said = false;
    for entry in context.entries_of(block, Place::MiscCheck) {
        match entry.name() {
            _ if timing.take(context, &entry) => {}
            "misc_path" => {
                said = true;
                command = context.program(&entry).or(command);
            }
            "user" => account = context.account_of(&entry).unwrap_or(account),
            "misc_timeout" => timeout = context.whole_seconds(&entry).or(timeout),
            "misc_dynamic" => {
                context.flag(&entry);
                dynamic = true;
            }
            "alpha" => alpha = context.switch(&entry).unwrap_or(alpha),
            "log_all_failures" => log_all_failures = context.switch(&entry).or(log_all_failures),
            _ => context.forgotten(&entry),
        }
    }
    if !said {
        missing(context, block, "misc_path");
    }
    let (user, group) = account;
    let timeout = timeout.filter(|timeout| *timeout > Duration::ZERO);
    let kind = Kind::Command(Program { words: command?, user, group, timeout, dynamic });
    let schedule = timing.schedule(|interval| kind.schedule(interval), alpha);
    // A program asks whom it likes: the server's port is none of its business, and may change without it.
    let target = SocketAddr::new(server.address, 0);
    Some(Check { schedule, log_all_failures, ..Check::new(kind, target) })
}

fn file(context: &mut Context<'_>, block: &Entry<'_>) -> Option<FileCheck> {
    let (mut track_file, mut weight, mut said) = (None, None, false);
    for entry in context.entries_of(block, Place::FileCheck) {
        match entry.name() {
            "track_file" => {
                said = true;
                track_file = tracked_file(context, &entry).or(track_file);
            }
            "weight" => weight = file_weight(context, &entry).or(weight),
            _ => context.forgotten(&entry),
        }
    }
    if !said {
        missing(context, block, "track_file");
    }
    Some(FileCheck { track_file: track_file?, weight })
}

fn tracked_file(context: &mut Context<'_>, entry: &Entry<'_>) -> Option<String> {
    let word = context.word(entry)?;
    let keepalived = Reaction::goes_on("the check is left out");
    track::is_defined(context, track::Kind::File, word, keepalived).then(|| word.text.clone())
}

fn file_weight(context: &mut Context<'_>, entry: &Entry<'_>) -> Option<FileWeight> {
    let limit = i64::from(i32::MAX);
    let word = context.first(entry)?;
    let factor = context.number("weight", word, -limit, limit);
    context.at_most(entry, 2);
    let mut reverse = false;
    if let Some(word) = entry.words().get(1) {
        reverse = word.text == "reverse";
        if !reverse {
            let message = format!("behind the weight stands `{}`; allowed: reverse", short(&word.text));
            let keepalived = Reaction::goes_on("the word is ignored");
            context.error_but(Code::InvalidChoice, word.span, message, None, keepalived);
        }
    }
    Some(FileWeight { factor: i32::try_from(factor?).ok()?, reverse })
}

fn bfd(context: &mut Context<'_>, block: &Entry<'_>, inherited: &Inherited) -> Option<BfdCheck> {
    let (mut name, mut alpha, mut said) = (None, inherited.alpha, false);
    for entry in context.entries_of(block, Place::BfdCheck) {
        match entry.name() {
            "name" => {
                said = true;
                name = bfd_name(context, &entry).or(name);
            }
            "alpha" => alpha = context.switch(&entry).unwrap_or(alpha),
            _ => context.forgotten(&entry),
        }
    }
    if !said {
        missing(context, block, "name");
    }
    Some(BfdCheck { name: name?, alpha })
}

/// A name with something behind it is none to keepalived.
fn bfd_name(context: &mut Context<'_>, entry: &Entry<'_>) -> Option<String> {
    let word = context.first(entry)?;
    let keepalived = || Reaction::goes_on("the check is left out");
    if let Some(more) = entry.words().get(1) {
        let message = format!("`{}` is one word too many behind `name`", short(&more.text));
        context.error_but(Code::UnexpectedWord, more.span, message, None, keepalived());
        return None;
    }
    track::is_defined(context, track::Kind::Neighbour, word, keepalived()).then(|| word.text.clone())
}
