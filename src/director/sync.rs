//! The connection synchronisation daemons (`lvs_sync_daemon`): which of them should run, as a function of the state.
//!
//! Tied to an instance, the master daemon runs while that instance is master, the backup daemon in every other state;
//! without an instance both run all the time. An instance that is not there runs none, which the log tells.

use std::sync::Arc;
use std::time::Instant;

use ipvs_backend::{SyncDaemons, SyncRole, SyncSettings};

use super::event::TableReport;
use super::journal::Entry;
use super::{Director, Pending};
use crate::config::{Config, SyncDaemon};

/// What the file asks for: `lvs_sync_daemon`, else the older `lvs_sync_daemon_interface` of an instance.
fn configured(config: &Config) -> Option<SyncDaemon> {
    let of_instance = || {
        config.instances.iter().find_map(|(name, instance)| {
            let interface = instance.sync_interface.clone()?;
            // Said this way the number is 0, not the VRID: both directors must have the same one.
            let (id, max_length, port, ttl, group) = (Some(0), None, None, None, None);
            Some(SyncDaemon { interface, instance: Some(name.clone()), id, max_length, port, ttl, group })
        })
    };
    config.global.lvs.sync.clone().or_else(of_instance)
}

fn settings(daemon: &SyncDaemon, vrid: u8) -> SyncSettings {
    let default = SyncSettings::new(&*daemon.interface, daemon.id.unwrap_or(vrid));
    SyncSettings {
        max_length: daemon.max_length,
        port: daemon.port.unwrap_or(default.port),
        ttl: daemon.ttl.unwrap_or(default.ttl),
        group: daemon.group.unwrap_or(default.group),
        ..default
    }
}

impl Director {
    fn wanted_sync(&self) -> SyncDaemons {
        let Some(daemon) = configured(&self.config).filter(|_| !self.stopping) else {
            return SyncDaemons::new();
        };
        match &daemon.instance {
            None => [SyncRole::Master, SyncRole::Backup].map(|role| (role, settings(&daemon, 0))).into(),
            Some(name) => {
                let Some(instance) = self.instances.get(name) else { return SyncDaemons::new() };
                let role = if instance.router.is_master() { SyncRole::Master } else { SyncRole::Backup };
                SyncDaemons::from([(role, settings(&daemon, instance.config.router.vrid))])
            }
        }
    }

    /// After a configuration: says so if it names an instance that is not there.
    pub(super) fn note_missing_sync_instance(&mut self) {
        let named = configured(&self.config).and_then(|daemon| daemon.instance);
        if let Some(instance) = named.filter(|name| !self.instances.contains_key(name)) {
            self.log(Entry::NobodyToFollow { instance });
        }
    }

    /// Hands out the level anew if it changed.
    pub(super) fn publish_sync(&mut self) {
        let wanted = self.wanted_sync();
        if *self.sync.value != wanted {
            self.sync.value = Arc::new(wanted);
            self.queue_sync();
        }
    }

    /// Has the owner try again what failed: an interface may have appeared.
    pub(super) fn retry_sync(&mut self) {
        if !self.sync.failures.is_empty() {
            self.queue_sync();
        }
    }

    fn queue_sync(&mut self) {
        self.sync.serial += 1;
        if !self.sync.queued {
            self.sync.queued = true;
            self.pending.push_back(Pending::Sync);
        }
    }

    pub(super) fn sync_applied(&mut self, report: TableReport, now: Instant) {
        self.sync.applied = report.serial;
        let news: Vec<String> =
            report.failures.iter().filter(|f| !self.sync.failures.contains(f)).cloned().collect();
        let lost = report.unavailable.clone().filter(|_| report.unavailable != self.sync.unavailable);
        self.sync.failures = report.failures;
        self.sync.unavailable = report.unavailable;
        for what in news.into_iter().chain(lost) {
            self.log(Entry::SyncRefused { what });
        }
        if report.applied > 0 && !self.stopping {
            let running = self.sync.value.iter();
            let running: Vec<String> = running
                .map(|(role, settings)| format!("{role} on {}, id {}", settings.interface, settings.id))
                .collect();
            self.log(Entry::Synchronizing { daemons: running });
        }
        self.settle(now);
        self.end_if_released();
    }
}
