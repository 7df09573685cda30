//! `vrrp_sync_group`.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{Notify, Tracks, Weight};

/// `vrrp_sync_group`: instances that change state together.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Group {
    /// `group`: names of instances, in the file's order; each is there.
    pub members: Vec<String>,
    /// `sync_group_tracking_weight`: members may have weighted trackers.
    pub weighted: bool,
    /// Commands that hear of changes of state.
    pub notify: Notify,
    /// What changes the members' priorities, or is a fault of all.
    pub tracks: Tracks,
    /// `smtp_alert`: whether they are mailed; on unless switched off, when mail is configured at all.
    pub alert: bool,
}

impl Group {
    /// What counts for a member: its own trackers, those with a weight only if the group says so, and the group's. Where
    /// both have the same, a weight of 0 stays, and any other is the group's.
    pub fn counting(&self, own: &Tracks) -> Tracks {
        let merged = |own: &BTreeMap<String, Weight>, shared: &BTreeMap<String, Weight>| {
            let own = own.iter().filter(|(_, weight)| weight.points == 0 || self.weighted);
            let mut all: BTreeMap<String, Weight> =
                own.map(|(name, weight)| (name.clone(), *weight)).collect();
            for (name, weight) in shared {
                if all.get(name).is_none_or(|own| own.points != 0) {
                    all.insert(name.clone(), *weight);
                }
            }
            all
        };
        let shared = &self.tracks;
        Tracks {
            interfaces: merged(&own.interfaces, &shared.interfaces),
            scripts: merged(&own.scripts, &shared.scripts),
            files: merged(&own.files, &shared.files),
            processes: merged(&own.processes, &shared.processes),
            neighbours: merged(&own.neighbours, &shared.neighbours),
        }
    }
}
