//! What an instance or a group watches, and how much each of it changes the priority.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
pub use vrrp::Weight;

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
