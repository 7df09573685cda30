//! `vrrp_script`, as the daemon uses it.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{Command, Weight};

/// `vrrp_script`: a command that is run again and again; its exit status tells whether all is well.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Script {
    /// `script`, and `user`. A program that begins with `<` is the old form: the file behind it must be readable.
    pub command: Command,
    /// `interval`: from one run to the next, 1 s by default.
    pub interval: Duration,
    /// `timeout`: how long a run may take, as long as `interval` by default.
    pub timeout: Duration,
    /// `weight` for those who track it and say none; by default a failure is a fault.
    pub weight: Weight,
    /// `rise`: successes in a row that count as up, 1 by default.
    pub rise: u32,
    /// `fall`: failures in a row that count as down, 1 by default.
    pub fall: u32,
    /// `init_fail`: down until the first success.
    pub init_fail: bool,
}
