//! The owner of the kernel's IPVS settings beside the table. It lives on the thread of the table's owner, because they are
//! the same kernel's.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use ipvs_backend::{Kernel, KernelError, Setting, Settings, SettingsKeeper, SettingsReport, Switches};

use super::remembered::{Noted, Remembered};
use super::table::Backend;
use crate::director::effect::{IpvsSettings, Level};
use crate::director::event::TableReport;

/// Where the kernel has its switches.
const SWITCHES: &str = "/proc/sys/net/ipv4/vs";

/// What keeps settings in step with what is wanted.
pub(super) struct Owner {
    backend: Backend,
    /// What settings were before we changed them.
    remembered: Remembered<Noted<Setting, String>>,
    keeper: SettingsKeeper,
    /// The kernel, once it was needed and could be opened.
    kernel: Option<(Box<dyn Kernel + Send>, Box<dyn Switches + Send>)>,
}

impl Owner {
    pub(super) fn new(backend: Backend, remembered: Remembered<Noted<Setting, String>>) -> Self {
        let left = remembered.keys().iter().map(|Noted(setting, before)| (setting.clone(), before.clone()));
        let keeper = SettingsKeeper::new(left);
        Owner { backend, remembered, keeper, kernel: None }
    }

    pub(super) fn carry_out(&mut self, level: &Level<IpvsSettings>) -> TableReport {
        let mut report = TableReport { serial: level.serial, ..TableReport::default() };
        let wanted = &level.value.settings;
        if self.kernel.is_none() && self.remembered.keys().is_empty() && wanted.is_empty() {
            return report;
        }
        match self.converge(wanted) {
            Ok(done) => {
                report.applied = done.applied.len();
                report.failures = done.refused;
            }
            Err(error) => {
                report.unavailable = Some(error.to_string());
                self.kernel = None;
            }
        }
        report
    }

    fn converge(&mut self, wanted: &Settings) -> Result<SettingsReport, KernelError> {
        let (kernel, switches) = match &mut self.kernel {
            Some(opened) => opened,
            None => {
                let switches: Box<dyn Switches + Send> = match self.backend {
                    Backend::Kernel => Box::new(Files(PathBuf::from(SWITCHES))),
                    Backend::Memory => Box::new(Memory::default()),
                };
                self.kernel.insert((self.backend.open()?, switches))
            }
        };
        let remembered = &mut self.remembered;
        self.keeper.converge(wanted, kernel, &mut **switches, &mut |keeper| {
            let left = keeper.remembered().map(|(setting, before)| Noted(setting.clone(), before.to_owned()));
            remembered.keep(left.collect());
        })
    }
}

/// Switches of the kernel, one file each.
struct Files(PathBuf);

impl Files {
    fn path(&self, name: &str) -> PathBuf {
        Path::new(&self.0).join(name)
    }
}

impl Switches for Files {
    fn read(&self, name: &str) -> Result<Option<String>, String> {
        match fs::read_to_string(self.path(name)) {
            // Several numbers stand apart by tabs.
            Ok(text) => Ok(Some(text.split_whitespace().collect::<Vec<_>>().join(" "))),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error.to_string()),
        }
    }

    fn write(&mut self, name: &str, value: &str) -> Result<(), String> {
        fs::write(self.path(name), value).map_err(|error| error.to_string())
    }
}

/// Switches in memory, all of which are there.
#[derive(Default)]
struct Memory(BTreeMap<String, String>);

impl Switches for Memory {
    fn read(&self, name: &str) -> Result<Option<String>, String> {
        Ok(Some(self.0.get(name).cloned().unwrap_or_else(|| "0".to_owned())))
    }

    fn write(&mut self, name: &str, value: &str) -> Result<(), String> {
        self.0.insert(name.to_owned(), value.to_owned());
        Ok(())
    }
}
