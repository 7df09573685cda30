//! `directord priority`: an operator's word against the file's.

use std::time::Instant;

use super::Director;
use super::instance::Instance;
use super::journal::Entry;

impl Instance {
    /// The operator's priority; the owner of the addresses keeps its own.
    pub(super) fn overridden(&self) -> Option<u8> {
        self.priority.filter(|_| !self.config.router.is_owner())
    }

    /// Another base priority, or the file's again.
    pub(super) fn override_priority(&mut self, priority: Option<u8>, now: Instant) {
        self.priority = priority;
        self.router.handle_settings(self.settings(), now);
    }
}

impl Director {
    /// Gives an instance another base priority, 1..=254, or with `None` the file's again. It lasts through reloads,
    /// until the instance or the daemon ends. The owner of the addresses keeps its own.
    pub(super) fn set_priority(&mut self, name: &str, priority: Option<u8>, now: Instant) {
        let Some(instance) = self.instances.get_mut(name) else { return };
        if instance.config.router.is_owner() {
            return;
        }
        let before = instance.router.effective_priority();
        instance.override_priority(priority.map(|priority| priority.clamp(1, vrrp::track::HIGHEST)), now);
        let after = instance.router.effective_priority();
        let why = match priority {
            Some(priority) => format!("an operator set the base to {priority}"),
            None => format!("the base is {} again, as in the file", instance.config.router.priority),
        };
        self.log(Entry::Priority { instance: name.to_owned(), from: before, to: after, why });
        self.drain_router(name, now);
    }
}
