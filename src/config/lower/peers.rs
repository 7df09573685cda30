//! `unicast_peer`: the directors that adverts are sent to.

use std::net::IpAddr;

use super::context::{Context, Entry};
use super::line::{Line, host, whole};
use crate::config::TtlLimits;
use crate::config::complaint::Reaction;
use crate::config::source::Span;
use crate::config::syntax::Statement;

/// One line.
pub(super) struct Peer {
    pub address: IpAddr,
    pub ttl: TtlLimits,
}

/// The peers of a block, each with its place, without those that are wrong.
pub(super) fn lower(context: &mut Context<'_>, entry: &Entry<'_>) -> Vec<(Peer, Span)> {
    context.at_most(entry, 0);
    let line = |statement| context.reacting("the peer is left out", |context| line(context, statement));
    entry.statements().iter().filter_map(line).collect()
}

fn line(context: &mut Context<'_>, statement: &Statement) -> Option<(Peer, Span)> {
    const IGNORED: &str = "the word is ignored";
    let mut line = Line::new(context, statement, "a peer", Reaction::goes_on(IGNORED));
    let address = host(context, "the peer", line.next()?)?;
    let mut ttl = TtlLimits::default();
    while let Some(word) = line.next() {
        let limit = match word.text.as_str() {
            "min_ttl" => &mut ttl.min,
            "max_ttl" => &mut ttl.max,
            _ => {
                context.reacting(IGNORED, |context| -> Option<()> {
                    context.invalid_choice("an option of a peer", word, &["min_ttl", "max_ttl"]);
                    None
                });
                continue;
            }
        };
        let value = context.reacting(IGNORED, |context| {
            let value = line.value(context, word)?;
            whole(context, &format!("`{}`", word.text), value, 0, 255)
        });
        *limit = value.and_then(|value| u8::try_from(value).ok()).or(*limit);
    }
    Some((Peer { address, ttl }, line.span()))
}
