//! `maintenance_window`.

use super::context::{Context, Entry, short};
use crate::config::complaint::Code;
use crate::config::keywords::Place;
use crate::config::syntax::Word;
use crate::config::{Days, MaintenanceWindow, TimeOfDay, WindowClock, WindowMode};

/// One block; nothing comes of one with a mistake.
pub(super) fn lower(context: &mut Context<'_>, block: &Entry<'_>) -> Option<MaintenanceWindow> {
    context.at_most(block, 0);
    let (mut days, mut from, mut to) = (Some(Days::ALL), None, None);
    let (mut clock, mut mode, mut reason) = (WindowClock::default(), WindowMode::default(), None);
    for entry in context.entries_of(block, Place::MaintenanceWindow) {
        match entry.name() {
            "days" => days = self::days(context, &entry),
            "from" => from = Some(time(context, &entry, TimeOfDay::LAST - 1)),
            "to" => to = Some(time(context, &entry, TimeOfDay::LAST)),
            "timezone" => match context.choice(&entry) {
                Some("utc") => clock = WindowClock::Utc,
                _ => clock = WindowClock::Local,
            },
            "mode" => match context.choice(&entry) {
                Some("disable") => mode = WindowMode::Disable,
                _ => mode = WindowMode::Drain,
            },
            "reason" => reason = context.text(&entry),
            _ => context.forgotten(&entry),
        }
    }
    for (keyword, said) in [("from", from.is_some()), ("to", to.is_some())] {
        if !said {
            context.missing("`maintenance_window`", keyword, block.end());
        }
    }
    let (days, from, to) = (days?, from??, to??);
    if from == to {
        let message = format!("`maintenance_window` begins and ends at {from}");
        let suggestion = "a whole day is `from 00:00` `to 24:00`";
        context.error_with(Code::Conflict, block.span(), message, suggestion);
        return None;
    }
    Some(MaintenanceWindow { days, from, to, clock, mode, reason })
}

/// `mon-fri sun`.
fn days(context: &mut Context<'_>, entry: &Entry<'_>) -> Option<Days> {
    context.first(entry)?;
    let mut all = Vec::new();
    for word in entry.words() {
        let text = word.text.to_ascii_lowercase();
        let (first, last) = text.split_once('-').unwrap_or((&text, &text));
        let (Some(first), Some(last)) = (day(first), day(last)) else {
            context.invalid_choice("a day of `days`", word, &Days::NAMES);
            return None;
        };
        // From Saturday to Monday is over the end of the week.
        all.extend((0..=(last + 7 - first) % 7).map(|behind| (first + behind) % 7));
    }
    Days::of(all)
}

/// A day by its name, which may be written out, counted from Monday.
fn day(name: &str) -> Option<u8> {
    const WHOLE: [&str; 7] = ["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"];
    let is = |at: &usize| Days::NAMES.get(*at) == Some(&name) || WHOLE.get(*at) == Some(&name);
    (0..WHOLE.len()).find(is).and_then(|at| u8::try_from(at).ok())
}

/// `HH:MM`, up to so many minutes after midnight.
fn time(context: &mut Context<'_>, entry: &Entry<'_>, last: u16) -> Option<TimeOfDay> {
    let word = context.word(entry)?;
    let time = minutes(word).filter(|minutes| *minutes <= last).and_then(TimeOfDay::of);
    if time.is_none() {
        let latest = TimeOfDay::of(last).map_or_else(String::new, |time| time.to_string());
        let message = format!(
            "`{}` is `{}`; expected a time from 00:00 to {latest}, such as 02:30",
            entry.keyword.name,
            short(&word.text)
        );
        context.error(Code::InvalidText, word.span, message);
    }
    time
}

/// Hours, a colon, and two digits of minutes.
fn minutes(word: &Word) -> Option<u16> {
    let (hours, minutes) = word.text.split_once(':')?;
    let number =
        |text: &str| text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse::<u16>().ok())?;
    let (hours, minutes) =
        (number(hours).filter(|_| hours.len() <= 2)?, number(minutes).filter(|_| minutes.len() == 2)?);
    (minutes < 60).then_some(hours * 60 + minutes)
}
