//! The arithmetic of priorities: what becomes of them when something that is tracked fails.

use std::collections::BTreeMap;

use vrrp::track::{Effective, fold};

use crate::config::{Config, Group, Instance, Tracks};

/// The group that each member belongs to, by the member's name.
pub(super) fn groups(config: &Config) -> BTreeMap<&str, (&str, &Group)> {
    let all = config.groups.iter().flat_map(|(name, group)| {
        group.members.iter().map(|member| (member.as_str(), (name.as_str(), group.as_ref())))
    });
    all.collect()
}

/// What counts for an instance, a member of this group or of none.
pub(super) fn counting(instance: &Instance, group: Option<&Group>) -> Tracks {
    group.map_or_else(|| instance.tracks.clone(), |group| group.counting(&instance.tracks))
}

/// The priority of an instance of whose trackers `well` says, by list and name, which are well. The numbers in track
/// files are taken for 0.
pub(super) fn effective(
    instance: &Instance,
    tracks: &Tracks,
    well: impl Fn(&str, &str) -> bool,
) -> Effective {
    let changes = tracks.switches().map(|(list, name, weight)| weight.change(well(list, name)));
    fold(instance.router.priority, changes)
}
