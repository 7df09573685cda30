//! Rules of the packet filter.

use super::{flag, keep_first, set};
use crate::config::complaint::Code;
use crate::config::lower::context::{Context, Entry, short};
use crate::config::syntax::Word;
use crate::config::{Chains, PacketFilter};

/// As many sets as there are uses for.
const MOST_SETS: usize = 6;

impl PacketFilter {
    pub(super) fn take(&mut self, context: &mut Context<'_>, entry: &Entry<'_>) -> bool {
        match entry.name() {
            "nftables" => keep_first(&mut self.nftables, table(context, entry, "keepalived")),
            "nftables_priority" => set(&mut self.priority, context.whole(entry)),
            "nftables_ifindex" => self.by_index = flag(context, entry),
            "nftables_counters" => self.counters = flag(context, entry),
            "nftables_ipvs" => keep_first(&mut self.ipvs, table(context, entry, "keepalived_ipvs")),
            "nftables_ipvs_priority" => set(&mut self.ipvs_priority, context.whole(entry)),
            "nftables_ipvs_start_fwmark" => set(&mut self.ipvs_first_mark, context.whole(entry)),
            "vrrp_iptables" => keep_first(&mut self.iptables, chains(context, entry)),
            "vrrp_ipsets" => keep_first(&mut self.ipsets, names(context, entry, MOST_SETS)),
            _ => return false,
        }
        true
    }
}

/// The name of a table, or what the bare keyword means.
fn table(context: &mut Context<'_>, entry: &Entry<'_>, bare: &str) -> Option<String> {
    let table = names(context, entry, 1)?.pop();
    Some(table.unwrap_or_else(|| bare.to_owned()))
}

fn chains(context: &mut Context<'_>, entry: &Entry<'_>) -> Option<Chains> {
    let mut names = names(context, entry, 2)?.into_iter();
    Some(match names.next() {
        Some(input) => Chains { input, output: names.next() },
        None => Chains { input: "INPUT".to_owned(), output: Some("OUTPUT".to_owned()) },
    })
}

fn names(context: &mut Context<'_>, entry: &Entry<'_>, most: usize) -> Option<Vec<String>> {
    context.at_most(entry, most);
    entry.words().iter().take(most).map(|word| name(context, word)).collect()
}

fn name(context: &mut Context<'_>, word: &Word) -> Option<String> {
    let odd = |c: char| c.is_whitespace() || c.is_control();
    if word.text.is_empty() || word.text.contains(odd) {
        let message = format!("`{}` cannot be a name of the packet filter", short(&word.text));
        context.error(Code::InvalidText, word.span, message);
        return None;
    }
    Some(word.text.clone())
}
