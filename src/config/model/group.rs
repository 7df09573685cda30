//! `vrrp_sync_group`.

use serde::{Deserialize, Serialize};

use super::Notify;

/// `vrrp_sync_group`: instances that change state together. Not in effect yet.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Group {
    /// `group`: names of instances, in the file's order; each is there.
    pub members: Vec<String>,
    /// `sync_group_tracking_weight`: members may have weighted trackers.
    pub weighted: bool,
    /// Commands that hear of changes of state.
    pub notify: Notify,
    /// `smtp_alert`: whether they are mailed; on unless switched off, when mail is configured at all.
    pub alert: bool,
}
