//! `vrrp_script`.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use super::context::{Context, Entry, short};
use super::track::{self, Defined, Kind};
use crate::config::complaint::{Code, Reaction};
use crate::config::keywords::Place;
use crate::config::{Command, Script, Weight};

const SECOND: Duration = Duration::from_secs(1);

/// All scripts of the file.
pub(super) fn lower<'a>(
    context: &mut Context<'_>,
    blocks: impl Iterator<Item = &'a Entry<'a>>,
    out: &mut BTreeMap<String, Arc<Script>>,
) {
    track::define(context, Kind::Script, blocks, out, |context, name, block| {
        let script = Draft::read(context, block).finish(context, name, block)?;
        let weight = script.weight;
        Some((script, Defined::As(weight)))
    });
}

#[derive(Default)]
struct Draft {
    words: Option<Vec<String>>,
    given: bool,
    /// Who runs it; `None` inside if that is no user.
    user: Option<Option<(String, Option<String>)>>,
    interval: Option<Duration>,
    timeout: Option<Duration>,
    weight: Option<Weight>,
    rise: Option<u32>,
    fall: Option<u32>,
    init_fail: bool,
}

impl Draft {
    fn read(context: &mut Context<'_>, block: &Entry<'_>) -> Self {
        let mut draft = Self::default();
        for entry in context.entries_of(block, Place::Script) {
            match entry.name() {
                "script" => {
                    draft.given = true;
                    draft.words = words(context, &entry);
                }
                "interval" => draft.interval = period(context, &entry).or(draft.interval),
                "timeout" => draft.timeout = period(context, &entry).or(draft.timeout),
                "weight" => draft.weight = track::weight(context, Kind::Script, &entry).or(draft.weight),
                // Nonsense is the default again, whatever was said before.
                "rise" => draft.rise = context.whole(&entry),
                "fall" => draft.fall = context.whole(&entry),
                "user" => draft.user = Some(user(context, &entry)),
                "init_fail" => {
                    context.flag(&entry);
                    draft.init_fail = true;
                }
                _ => context.forgotten(&entry),
            }
        }
        draft
    }

    fn finish(self, context: &mut Context<'_>, name: &str, block: &Entry<'_>) -> Option<Script> {
        if !self.given {
            track::incomplete(context, Kind::Script, name, "script", block.end());
        }
        let (user, group) = match self.user {
            Some(named) => named.map(|(user, group)| (Some(user), group))?,
            None => (None, None),
        };
        let interval = self.interval.unwrap_or(SECOND);
        Some(Script {
            command: Command { words: self.words?, user, group },
            interval,
            timeout: self.timeout.unwrap_or(interval),
            weight: self.weight.unwrap_or_default(),
            rise: self.rise.unwrap_or(1),
            fall: self.fall.unwrap_or(1),
            init_fail: self.init_fail,
        })
    }
}

/// The command is one word; keepalived does not look at what follows it.
fn words(context: &mut Context<'_>, entry: &Entry<'_>) -> Option<Vec<String>> {
    let word = context.first(entry)?;
    if let Some(second) = entry.words().get(1) {
        let found = short(&second.text);
        let message = format!("the command is one word, and `{found}` stands behind it");
        let suggestion = Some("put the command and its arguments in one pair of quotes".to_owned());
        let reaction = Reaction::goes_on("what stands behind the first word is ignored");
        context.error_but(Code::UnexpectedWord, second.span, message, suggestion, reaction);
    }
    let mut words = context.arguments(word)?;
    if let Some(program) = words.first_mut() {
        let path = program.strip_prefix('<').unwrap_or(program);
        let old_form = path.len() < program.len();
        if !path.starts_with('/') && (old_form || path.contains('/')) {
            let found = short(path);
            let message = if path.is_empty() {
                "behind `<` stands the name of a file, without a blank".to_owned()
            } else {
                format!("`{found}` is neither an absolute path nor a mere name that is looked up in the path")
            };
            let suggestion = Some("write the whole path, from `/`".to_owned());
            let reaction = Reaction::goes_on("the path begins where it was started, a service at `/`");
            context.error_but(Code::InvalidText, word.span, message, suggestion, reaction);
            *program = format!("{}/{path}", if old_form { "<" } else { "" });
        }
    }
    Some(words)
}

/// `interval` and `timeout`: keepalived takes 0 for one second.
fn period(context: &mut Context<'_>, entry: &Entry<'_>) -> Option<Duration> {
    let zero = |word: &str| word.contains('0') && word.chars().all(|c| matches!(c, '0' | '.'));
    match entry.words().first() {
        Some(word) if zero(&word.text) => {
            let message = format!("`{}` is 0 s; allowed: {}", entry.keyword.name, entry.keyword.form);
            let reaction = Reaction::goes_on("it is 1 s");
            context.error_but(Code::OutOfRange, word.span, message, None, reaction);
            Some(SECOND)
        }
        _ => context.seconds(entry),
    }
}

fn user(context: &mut Context<'_>, entry: &Entry<'_>) -> Option<(String, Option<String>)> {
    let user = context.first(entry)?;
    context.at_most(entry, 2);
    let user = context.account("user", user)?;
    let group = match entry.words().get(1) {
        Some(group) => Some(context.account("group", group)?),
        None => None,
    };
    Some((user, group))
}
