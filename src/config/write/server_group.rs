//! `virtual_server_group` as statements.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;

use super::Lines;
use crate::config::{GroupEntry, ServerGroup, Thing};

/// All groups, by name.
pub(super) fn write(groups: &BTreeMap<String, Arc<ServerGroup>>, out: &mut Lines) {
    for (name, group) in groups {
        let thing = Some(Thing::ServerGroup(name.clone()));
        out.block("virtual_server_group", [name.clone()], thing, |lines| {
            for entry in &group.entries {
                line(entry, lines);
            }
        });
    }
}

fn line(entry: &GroupEntry, lines: &mut Lines) {
    match entry {
        GroupEntry::Addresses { first, last, port } => lines.say(&range(*first, *last), [port.to_string()]),
        GroupEntry::Mark { mark, family } => {
            let family = family.map(|family| super::service::family(family).to_owned());
            lines.say("fwmark", [mark.to_string()].into_iter().chain(family));
        }
    }
}

fn range(first: IpAddr, last: IpAddr) -> String {
    if first == last { first.to_string() } else { format!("{first}-{last}") }
}
