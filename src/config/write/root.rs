//! Words of the top level, and its small blocks about interfaces, as statements.

use super::{Lines, Value};
use crate::config::{GarpGroup, IpvsNamespace, LinkDelay, LinkQuery, Root};

/// What stands before the first instance.
pub(super) fn write(root: &Root, out: &mut Lines) {
    out.some("net_namespace", root.namespace.as_ref());
    match &root.ipvs_namespace {
        IpvsNamespace::Same => {}
        IpvsNamespace::Host => out.say("net_namespace_ipvs", []),
        IpvsNamespace::Named(name) => out.value("net_namespace_ipvs", name),
    }
    out.some("instance", root.instance.as_ref());
    out.flag("linkbeat_use_polling", root.poll_links);
    out.list(
        "linkbeat_interfaces",
        root.polled.iter().map(|(interface, query)| {
            let query = query.map(|query| {
                match query {
                    LinkQuery::Mii => "MII",
                    LinkQuery::Ethtool => "ETHTOOL",
                    LinkQuery::Ioctl => "IOCTL",
                }
                .to_owned()
            });
            std::iter::once(interface.clone()).chain(query).collect()
        }),
    );
    out.list(
        "interface_up_down_delays",
        root.delays
            .iter()
            .map(|(interface, LinkDelay { down, up })| vec![interface.clone(), down.word(), up.word()]),
    );
    for GarpGroup { garp_interval, gna_interval, interfaces } in &root.garp_groups {
        out.block("garp_group", [], None, |lines| {
            lines.some("garp_interval", *garp_interval);
            lines.some("gna_interval", *gna_interval);
            lines.list("interfaces", interfaces.iter().map(|interface| vec![interface.clone()]));
        });
    }
}
