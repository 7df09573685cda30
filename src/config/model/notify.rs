//! Which commands hear of changes of state.

use serde::{Deserialize, Serialize};

use super::Command;

/// The `notify…` lines of an instance or a group.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Notify {
    /// `notify_master`.
    pub master: Option<Command>,
    /// `notify_backup`.
    pub backup: Option<Command>,
    /// `notify_fault`.
    pub fault: Option<Command>,
    /// `notify_stop`.
    pub stop: Option<Command>,
    /// `notify`: each change.
    pub any: Option<Command>,
    /// `notify_master_rx_lower_pri`: as master, a lower priority was heard. Instances only.
    pub lower_priority: Option<Command>,
    /// `notify_deleted`: a reload removed the instance. Instances only.
    pub deleted: Deleted,
    /// `notify_priority_changes`. `None`: as `vrrp_notify_priority_changes`.
    pub priority_changes: Option<bool>,
}

/// `notify_deleted`: what is told of an instance that a reload removes.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Deleted {
    /// A fault.
    #[default]
    Fault,
    /// That it was removed.
    Told,
    /// The same, and this command hears of it.
    Command(Command),
}
