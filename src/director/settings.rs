//! The level of the kernel's IPVS settings beside the table: time-outs (`lvs_timeouts`), switches (`lvs_sysctl`), and
//! whether everything in the table counts as ours (`lvs_flush`).
//!
//! Nothing is ever flushed. To empty the table is to take whatever is in it for ours: what the file does not name then
//! goes, by difference, and what it names goes on serving.

use std::sync::Arc;

use ipvs_backend::{Setting, Settings};

use super::effect::IpvsSettings;
use super::event::TableReport;
use super::journal::Entry;
use super::{Director, Pending};
use crate::config::FlushOnStop;

impl Director {
    fn wanted_settings(&self) -> Settings {
        let lvs = &self.config.global.lvs;
        let compat = self.config.global.compat;
        let times = &lvs.timeouts;
        let times = [(Setting::Tcp, times.tcp), (Setting::TcpFin, times.tcpfin), (Setting::Udp, times.udp)];
        let times =
            times.into_iter().filter_map(|(setting, time)| Some((setting, time?.as_secs().to_string())));
        if self.stopping {
            // keepalived leaves the times as they are.
            return times.filter(|_| compat).collect();
        }
        let mut settings = Settings::new();
        // Clients of a server that was removed are told so by a reset of their next packet, not left to wait.
        if self.config.has_virtual_servers() && !compat {
            settings.insert(Setting::Switch("expire_nodest_conn".to_owned()), "1".to_owned());
        }
        let switches = lvs.switches.iter();
        settings.extend(switches.map(|(name, value)| (Setting::Switch(name.clone()), value.clone())));
        settings.extend(times);
        settings
    }

    /// Hands out the level anew if it changed.
    pub(super) fn publish_settings(&mut self) {
        let lvs = &self.config.global.lvs;
        let flushes = match (self.stopping, self.generation) {
            (false, ..=1) => lvs.flush,
            (false, _) => false,
            (true, _) => lvs.flush_on_stop == FlushOnStop::Everything,
        };
        let claims = self.settings.value.claims + u64::from(flushes);
        let wanted = IpvsSettings { settings: self.wanted_settings(), claims };
        // Said once even where nothing is wanted: what the last run set and left is put back then.
        if *self.settings.value == wanted && self.settings.serial > 0 {
            return;
        }
        self.settings.value = Arc::new(wanted);
        self.settings.serial += 1;
        if !self.settings.queued {
            self.settings.queued = true;
            self.pending.push_back(Pending::Settings);
        }
    }

    pub(super) fn settings_applied(&mut self, report: TableReport) {
        self.settings.applied = report.serial;
        let news: Vec<String> =
            report.failures.iter().filter(|f| !self.settings.failures.contains(f)).cloned().collect();
        self.settings.failures = report.failures;
        // That there is no IPVS is told of the table.
        self.settings.unavailable = report.unavailable;
        for what in news {
            self.log(Entry::Refused { what });
        }
        self.end_if_released();
    }
}
