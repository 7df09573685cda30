//! Quorum and hysteresis: how much weight must be up.

use super::context::{Context, Entry};
use super::server::command;
use crate::config::Quorum;
use crate::config::complaint::{Code, Reaction};
use crate::config::source::Span;

/// What has been said of it.
#[derive(Default)]
pub(super) struct Draft {
    quorum: Quorum,
    /// Where the two numbers stand.
    weight: Option<Span>,
    hysteresis: Option<Span>,
}

impl Draft {
    /// Takes in a statement, if it is one of these.
    pub fn take(&mut self, context: &mut Context<'_>, entry: &Entry<'_>) -> bool {
        match entry.name() {
            "quorum" => self.weight(context, entry),
            "hysteresis" => {
                let hysteresis = context.whole(entry);
                self.quorum.hysteresis = hysteresis.unwrap_or(self.quorum.hysteresis);
                self.hysteresis = entry.words().first().map(|word| word.span);
            }
            "quorum_up" => command(context, entry, &mut self.quorum.up),
            "quorum_down" => command(context, entry, &mut self.quorum.down),
            _ => return false,
        }
        true
    }

    /// keepalived makes 1 of a number that it does not take.
    fn weight(&mut self, context: &mut Context<'_>, entry: &Entry<'_>) {
        self.weight = entry.words().first().map(|word| word.span);
        self.quorum.weight = context.whole(entry).unwrap_or(1);
    }

    /// With what keepalived makes of numbers that do not go together; strictly they stay as they are, and a hint tells.
    pub fn finish(self, context: &mut Context<'_>, service: Span, total: u64) -> Quorum {
        let Self { mut quorum, weight, hysteresis } = self;
        // Without any weight there is nothing to count.
        if !context.compat() || total == 0 {
            return quorum;
        }
        if u64::from(quorum.weight) > total {
            let message =
                format!("`quorum` is {} and the real servers weigh {total} together", quorum.weight);
            adjust(context, weight.unwrap_or(service), message, format!("the quorum is {total}"));
            quorum.weight = u32::try_from(total).unwrap_or(u32::MAX);
        }
        if quorum.hysteresis >= quorum.weight {
            let most = quorum.weight.saturating_sub(1);
            let message = format!(
                "`hysteresis` is {}, which is not below the quorum, {}",
                quorum.hysteresis, quorum.weight
            );
            adjust(context, hysteresis.unwrap_or(service), message, format!("the hysteresis is {most}"));
            quorum.hysteresis = most;
        }
        quorum
    }
}

fn adjust(context: &mut Context<'_>, span: Span, message: String, effect: String) {
    context.error_but(Code::ValueAdjusted, span, message, None, Reaction::goes_on(effect));
}
