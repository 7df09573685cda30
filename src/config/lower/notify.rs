//! The `notify…` lines of instances and groups.

use super::context::{Context, Entry};
use crate::config::{Deleted, Notify};

impl Notify {
    /// Takes in a statement, if it is one of these.
    pub(super) fn take(&mut self, context: &mut Context<'_>, entry: &Entry<'_>) -> bool {
        let command = match entry.name() {
            "notify_master" => &mut self.master,
            "notify_backup" => &mut self.backup,
            "notify_fault" => &mut self.fault,
            "notify_stop" => &mut self.stop,
            "notify" => &mut self.any,
            "notify_master_rx_lower_pri" => &mut self.lower_priority,
            "notify_deleted" => {
                self.deleted = if entry.words().is_empty() {
                    Deleted::Told
                } else {
                    context.command(entry).map_or(Deleted::Told, Deleted::Command)
                };
                return true;
            }
            "notify_priority_changes" => {
                self.priority_changes = context.switch(entry).or(self.priority_changes);
                return true;
            }
            _ => return false,
        };
        if let Some(said) = context.command(entry) {
            *command = Some(said);
        }
        true
    }
}
