//! Rules of the packet filter as statements.

use super::Lines;
use crate::config::{Chains, PacketFilter};

pub(super) fn write(filter: &PacketFilter, lines: &mut Lines) {
    let default = PacketFilter::default();
    lines.some("nftables", filter.nftables.as_ref());
    lines.other("nftables_priority", filter.priority, default.priority);
    lines.flag("nftables_ifindex", filter.by_index);
    lines.flag("nftables_counters", filter.counters);
    lines.some("nftables_ipvs", filter.ipvs.as_ref());
    lines.other("nftables_ipvs_priority", filter.ipvs_priority, default.ipvs_priority);
    lines.other("nftables_ipvs_start_fwmark", filter.ipvs_first_mark, default.ipvs_first_mark);
    if let Some(Chains { input, output }) = &filter.iptables {
        lines.say("vrrp_iptables", std::iter::once(input.clone()).chain(output.clone()));
    }
    if let Some(sets) = &filter.ipsets {
        lines.say("vrrp_ipsets", sets.iter().cloned());
    }
}
