//! The arithmetic of priorities: what becomes of them when something that is tracked fails.

use std::collections::BTreeMap;

use crate::config::{Config, Group, Instance, Tracks, Weight};

/// The highest priority of a router that is not the owner.
const HIGHEST: i32 = 254;

/// A priority with all weights.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Effective {
    /// What adverts say.
    pub priority: u8,
    /// The sum before it is brought between 1 and 254.
    pub sum: i32,
}

/// The group that each member belongs to, by the member's name.
pub(super) fn groups(config: &Config) -> BTreeMap<&str, (&str, &Group)> {
    let all = config.groups.iter().flat_map(|(name, group)| {
        group.members.iter().map(|member| (member.as_str(), (name.as_str(), group.as_ref())))
    });
    all.collect()
}

/// What counts for an instance: its own trackers, those with a weight only if its group says so, and the group's. Where
/// both have the same, a weight of 0 stays, and any other is the group's.
pub(super) fn counting(instance: &Instance, group: Option<&Group>) -> Tracks {
    let Some(group) = group else { return instance.tracks.clone() };
    let merged = |own: &BTreeMap<String, Weight>, shared: &BTreeMap<String, Weight>| {
        let own = own.iter().filter(|(_, weight)| weight.points == 0 || group.weighted);
        let mut all: BTreeMap<String, Weight> = own.map(|(name, weight)| (name.clone(), *weight)).collect();
        for (name, weight) in shared {
            if all.get(name).is_none_or(|own| own.points != 0) {
                all.insert(name.clone(), *weight);
            }
        }
        all
    };
    let (own, shared) = (&instance.tracks, &group.tracks);
    Tracks {
        interfaces: merged(&own.interfaces, &shared.interfaces),
        scripts: merged(&own.scripts, &shared.scripts),
        files: merged(&own.files, &shared.files),
        processes: merged(&own.processes, &shared.processes),
        neighbours: merged(&own.neighbours, &shared.neighbours),
    }
}

/// The priority of an instance of whose trackers `well` says, by list and name, which are well. The numbers in track
/// files are taken for 0.
pub(super) fn effective(
    instance: &Instance,
    tracks: &Tracks,
    well: impl Fn(&str, &str) -> bool,
) -> Effective {
    let changes = tracks.switches().map(|(list, name, weight)| weight.change(well(list, name)));
    add(instance.router.priority, changes)
}

/// The owner of the addresses keeps its priority; any other is changed, and stays between 1 and 254.
fn add(base: u8, changes: impl Iterator<Item = i32>) -> Effective {
    if base == vrrp::PRIORITY_OWNER {
        return Effective { priority: base, sum: base.into() };
    }
    let sum = changes.fold(i32::from(base), i32::saturating_add);
    Effective { priority: u8::try_from(sum.clamp(1, HIGHEST)).unwrap_or(1), sum }
}

impl Weight {
    /// Whether a failure lowers the priority.
    pub(super) fn lowers(self) -> bool {
        self.change(false) < self.change(true)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weights_add_up_between_1_and_254() {
        let cases: &[(u8, &[i32], u8, i32)] = &[
            (100, &[], 100, 100),
            (100, &[20, -30], 90, 90),
            (100, &[-100], 1, 0),
            (100, &[-253, -253], 1, -406),
            (250, &[20], 254, 270),
            (250, &[20, -16], 254, 254),
            (254, &[-1], 253, 253),
            (255, &[-253], 255, 255),
            (255, &[5], 255, 255),
            (1, &[i32::MIN], 1, i32::MIN + 1),
        ];
        for (base, changes, priority, sum) in cases {
            let expected = Effective { priority: *priority, sum: *sum };
            assert_eq!(add(*base, changes.iter().copied()), expected, "{base} {changes:?}");
        }
    }

    #[test]
    fn positive_weights_count_while_well_and_negative_ones_while_not() {
        let cases = [
            (5, false, 5, 0, true),
            (-5, false, 0, -5, true),
            (5, true, -5, 0, false),
            (-5, true, 0, 5, false),
            (0, false, 0, 0, false),
            (0, true, 0, 0, false),
        ];
        for (points, reverse, up, down, lowers) in cases {
            let weight = Weight { points, reverse };
            let found = (weight.change(true), weight.change(false), weight.lowers());
            assert_eq!(found, (up, down, lowers), "{weight:?}");
        }
    }
}
