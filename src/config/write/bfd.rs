//! `bfd_instance` as statements.

use std::net::IpAddr;
use std::time::Duration;

use super::Lines;
use crate::config::keywords::seconds;
use crate::config::{Bfd, Config, Thing, Weight};

/// All neighbours, by name.
pub(super) fn write(config: &Config, out: &mut Lines) {
    for (name, bfd) in &config.neighbours {
        let thing = Some(Thing::Bfd(name.clone()));
        out.block("bfd_instance", [name.clone()], thing, |lines| one(bfd, lines));
    }
}

fn one(bfd: &Bfd, lines: &mut Lines) {
    lines.value("neighbor_ip", bfd.neighbor.map_or_else(|| "none".to_owned(), |address| address.to_string()));
    lines.some("source_ip", bfd.source);
    lines.unless("min_rx", milliseconds(bfd.min_rx), "10".to_owned());
    lines.unless("min_tx", milliseconds(bfd.min_tx), "10".to_owned());
    lines.unless("idle_tx", milliseconds(bfd.idle_tx), "1000".to_owned());
    lines.unless("multiplier", bfd.multiplier, 5);
    lines.flag("passive", bfd.passive);
    if bfd.neighbor.is_some_and(|address: IpAddr| address.is_ipv6()) {
        lines.unless("hoplimit", bfd.ttl, 64);
    } else {
        lines.unless("ttl", bfd.ttl, 255);
    }
    lines.unless("max_hops", bfd.max_hops.map_or(-1, i32::from), 0);
    lines.unless("multihop", bfd.multihop, false);
    lines.weight(bfd.weight, Weight::default());
    // To say neither is to say both.
    if bfd.vrrp != bfd.checker {
        lines.flag("vrrp", bfd.vrrp);
        lines.flag("checker", bfd.checker);
    }
}

/// With as many decimals as there are.
fn milliseconds(duration: Duration) -> String {
    seconds(u64::try_from(duration.as_nanos() / 1_000).unwrap_or(u64::MAX).saturating_mul(1_000))
}
