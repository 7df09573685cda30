//! `vrrp_sync_group`.

use serde::{Deserialize, Serialize};

use super::{Notify, Tracks};

/// `vrrp_sync_group`: instances that change state together. Not in effect yet.
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
