//! Keywords of our own about pools as a whole: how much of one checks may take out, and how soon servers return.

use std::time::Duration;

use super::context::{Context, Entry, short};
use super::value::micros;
use crate::config::FlapHold;
use crate::config::complaint::{Code, Reaction};
use crate::config::syntax::Word;

/// What keepalived makes of a line with a keyword that it does not know.
const IGNORED: &str = "the line is ignored";

/// The longest hold, and what it is if only the first one is said.
const LONGEST: Duration = Duration::from_secs(86_400);
const USUAL_LONGEST: Duration = Duration::from_secs(600);

/// A number from 0 to 100, with or without a percent sign.
pub(super) fn percent(context: &mut Context<'_>, entry: &Entry<'_>) -> Option<u8> {
    context.reacting(IGNORED, |context| {
        let word = context.word(entry)?;
        let text = word.text.strip_suffix('%').unwrap_or(&word.text).to_owned();
        let word = Word { text, ..word.clone() };
        u8::try_from(context.number(entry.keyword.name, &word, 0, 100)?).ok()
    })
}

/// `SECONDS [LONGEST]`; `Some(None)` is for a server that is never held back.
pub(super) fn flap_hold(context: &mut Context<'_>, entry: &Entry<'_>) -> Option<Option<FlapHold>> {
    context.at_most(entry, 2);
    let first = context.first(entry)?;
    let first = time(context, entry, first)?;
    let longest = match entry.words().get(1) {
        Some(word) => time(context, entry, word)?,
        None => first.max(USUAL_LONGEST),
    };
    if longest < first {
        let message = format!(
            "`flap_hold` begins with {} s and gets no longer than {} s",
            first.as_secs_f64(),
            longest.as_secs_f64()
        );
        let suggestion = Some("say the shorter time first".to_owned());
        context.error_but(Code::Conflict, entry.span(), message, suggestion, Reaction::goes_on(IGNORED));
        return None;
    }
    Some((!first.is_zero()).then_some(FlapHold { first, longest }))
}

fn time(context: &mut Context<'_>, entry: &Entry<'_>, word: &Word) -> Option<Duration> {
    let time = micros(&word.text).map(Duration::from_micros).filter(|time| *time <= LONGEST);
    if time.is_none() {
        let message = format!(
            "`{}` is `{}`; expected seconds from 0 to {}",
            entry.keyword.name,
            short(&word.text),
            LONGEST.as_secs()
        );
        context.error_but(Code::InvalidNumber, word.span, message, None, Reaction::goes_on(IGNORED));
    }
    time
}
