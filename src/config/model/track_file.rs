//! `track_file`, as the daemon uses it.

use serde::{Deserialize, Serialize};

use super::Weight;

/// `track_file`: a file that holds one number; a missing file is 0.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TrackFile {
    /// `file`: its absolute path.
    pub path: String,
    /// `weight` for those who track it and say none, 1 by default. With 0 a number other than 0 is a fault.
    pub weight: Weight,
    /// `init_file`: what to write at start.
    pub init: Option<InitFile>,
}

/// `init_file`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct InitFile {
    /// The number, 0 by default.
    pub value: i32,
    /// `overwrite`: even if there is a file already.
    pub overwrite: bool,
}
