//! `vrrp_track_process`, as the daemon uses it.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::Weight;

/// `vrrp_track_process`: processes that must be there, or must not.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TrackProcess {
    /// `process`: the name of the program, and parameters if they matter; never empty.
    pub process: Vec<String>,
    /// `full_command`: compare the command line, not the kernel's name of the process. Comparing parameters implies it.
    pub full_command: bool,
    /// `param_match`: how parameters are compared.
    pub parameters: Parameters,
    /// `weight` for those who track it and say none; by default a failure is a fault.
    pub weight: Weight,
    /// `quorum`: how many there must be, 1 by default; 0 if there must be none.
    pub quorum: u16,
    /// `quorum_max`: how many there may be.
    pub quorum_max: Option<u16>,
    /// `fork_delay`: how long a new process must be there before it counts.
    pub fork_delay: Duration,
    /// `terminate_delay`: how long a process must be gone before it counts.
    pub terminate_delay: Duration,
}

/// `param_match`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Parameters {
    /// All parameters are the same; if none are named, any will do.
    #[default]
    Exact,
    /// `initial`: the first parameters are those named, more may follow.
    Initial,
    /// `partial`: the same, and the last of them may go on.
    Partial,
}
