//! `garp_extra_if`: messages on interfaces that the instance does not live on.

use super::context::{Context, Entry};
use super::line::whole;
use crate::config::ExtraGarp;
use crate::config::complaint::Code;

/// A day.
const LONGEST: u32 = 86_400;

/// `[all] SECONDS`.
pub(super) fn extra(context: &mut Context<'_>, entry: &Entry<'_>) -> Option<ExtraGarp> {
    context.first(entry)?;
    let all = entry.words().first().is_some_and(|word| word.text == "all");
    let Some(seconds) = entry.words().get(usize::from(all)) else {
        let message = format!("`{}` needs a time: [all] SECONDS", entry.keyword.name);
        context.error(Code::InvalidText, entry.span(), message);
        return None;
    };
    context.at_most(entry, 1 + usize::from(all));
    let every = whole(context, &format!("`{}`", entry.keyword.name), seconds, 0, LONGEST)?;
    Some(ExtraGarp { every, all })
}
