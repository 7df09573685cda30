//! What an instance or a group watches, and how much each of it changes the priority.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// How a tracker changes the priority.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Weight {
    /// Points, −254 to 254: positive ones are added while all is well, negative ones while it is not. 0: a failure is a
    /// fault of the instance. The number in a track file is multiplied by it.
    pub points: i16,
    /// `reverse`: what is added is taken away, and with 0 it is success that is a fault.
    pub reverse: bool,
}

impl Weight {
    /// What is added to the priority while all is well or not.
    pub fn change(self, well: bool) -> i32 {
        let points = i32::from(self.points);
        let counts = if well { points > 0 } else { points < 0 };
        match (counts, self.reverse) {
            (false, _) => 0,
            (true, false) => points,
            (true, true) => -points,
        }
    }
}

/// `track_interface`, `track_script`, `track_file`, `track_process` and `track_bfd` of an instance or a group: what is
/// watched, by name. Weights that are not said there are those of the definitions.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tracks {
    /// Interfaces; all is well while one is up.
    pub interfaces: BTreeMap<String, Weight>,
    /// `vrrp_script`.
    pub scripts: BTreeMap<String, Weight>,
    /// `track_file`.
    pub files: BTreeMap<String, Weight>,
    /// `vrrp_track_process`.
    pub processes: BTreeMap<String, Weight>,
    /// `bfd_instance`.
    pub neighbours: BTreeMap<String, Weight>,
}

impl Tracks {
    /// Everything that either works or does not, with its kind; the numbers in files may be any.
    pub fn switches(&self) -> impl Iterator<Item = (&'static str, &str, Weight)> {
        let lists = [
            ("track_interface", &self.interfaces),
            ("track_script", &self.scripts),
            ("track_process", &self.processes),
            ("track_bfd", &self.neighbours),
        ];
        lists.into_iter().flat_map(move |(kind, list)| {
            list.iter().map(move |(name, weight)| (kind, name.as_str(), *weight))
        })
    }

    /// Everything, with its kind.
    pub fn all(&self) -> impl Iterator<Item = (&'static str, &str, Weight)> {
        let files = self.files.iter().map(|(name, weight)| ("track_file", name.as_str(), *weight));
        self.switches().chain(files)
    }
}
