//! Settings of the kernel's IPVS beside the table: how long connections are remembered, and the switches below
//! `/proc/sys/net/ipv4/vs`.
//!
//! They belong to the whole network namespace, so what was there before is remembered and comes back once nobody asks
//! for another value. What somebody else has changed meanwhile is theirs and stays. The kernel knows no time-outs of a
//! single service.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::kernel::Kernel;
use crate::{KernelError, ParseError};

/// How long IPVS remembers connections, in whole seconds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Timeouts {
    /// TCP connections that are open.
    pub tcp: u32,
    /// TCP connections after a FIN.
    pub tcp_fin: u32,
    /// UDP.
    pub udp: u32,
}

/// One setting.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Setting {
    /// Open TCP connections, in seconds.
    Tcp,
    /// TCP connections after a FIN, in seconds.
    TcpFin,
    /// UDP, in seconds.
    Udp,
    /// `net.ipv4.vs.…`, by the last part of its name.
    Switch(String),
}

/// Settings and their values; of those that are not in it nothing is wanted.
pub type Settings = BTreeMap<Setting, String>;

/// Where switches are: the real ones, or some in memory.
pub trait Switches {
    /// The value of one; `None` if this kernel has no such switch.
    ///
    /// # Errors
    /// Why it cannot be read, in words.
    fn read(&self, name: &str) -> Result<Option<String>, String>;

    /// Sets one.
    ///
    /// # Errors
    /// Why it cannot be set, in words.
    fn write(&mut self, name: &str, value: &str) -> Result<(), String>;
}

/// What one pass did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SettingsReport {
    /// Settings that were changed or put back.
    pub applied: Vec<(Setting, String)>,
    /// What could not be done, in words.
    pub refused: Vec<String>,
}

/// The one who changes settings.
#[derive(Debug)]
pub struct SettingsKeeper {
    /// What settings were before we changed them, and what we made of them, if that was this process.
    changed: BTreeMap<Setting, (String, Option<String>)>,
}

impl SettingsKeeper {
    /// With what a predecessor left behind: settings and what they were before.
    pub fn new(left: impl IntoIterator<Item = (Setting, String)>) -> Self {
        Self { changed: left.into_iter().map(|(setting, before)| (setting, (before, None))).collect() }
    }

    /// What will have to be put back.
    pub fn remembered(&self) -> impl Iterator<Item = (&Setting, &str)> {
        self.changed.iter().map(|(setting, (before, _))| (setting, before.as_str()))
    }

    /// Makes settings what is wanted, and puts back those of which nothing is wanted any more. `remember` hears what is
    /// to be put back before anything is changed.
    ///
    /// # Errors
    /// When the kernel cannot be asked or told at all.
    pub fn converge(
        &mut self,
        wanted: &Settings,
        kernel: &mut dyn Kernel,
        switches: &mut dyn Switches,
        remember: &mut dyn FnMut(&Self),
    ) -> Result<SettingsReport, KernelError> {
        let mut report = SettingsReport::default();
        let mut times = match self.changed.keys().chain(wanted.keys()).any(|s| s.is_timeout()) {
            true => Some(kernel.timeouts()?),
            false => None,
        };
        let before = times;
        let now = |setting: &Setting, times: &Option<Timeouts>| match (setting, times) {
            (Setting::Switch(name), _) => switches.read(name),
            (_, Some(times)) => Ok(times.get(setting).map(|seconds| seconds.to_string())),
            (_, None) => Ok(None),
        };
        let mut writes = Vec::new();
        for (setting, value) in wanted {
            match now(setting, &times) {
                Ok(Some(found)) if found == *value => {}
                Ok(Some(found)) => {
                    self.changed.entry(setting.clone()).or_insert((found, None)).1 = Some(value.clone());
                    writes.push((setting.clone(), value.clone()));
                }
                Ok(None) => report.refused.push(format!("{setting}: this kernel has no such setting")),
                Err(why) => report.refused.push(format!("{setting} cannot be read: {why}")),
            }
        }
        let over: Vec<Setting> = self.changed.keys().filter(|s| !wanted.contains_key(s)).cloned().collect();
        let mut forgotten = Vec::new();
        for setting in over {
            let Some((value, written)) = self.changed.get(&setting).cloned() else { continue };
            let found = now(&setting, &times).ok().flatten();
            if written.is_none() || written == found {
                writes.push((setting.clone(), value));
            }
            forgotten.push(setting);
        }
        if !writes.is_empty() {
            remember(self);
        }
        for (setting, value) in writes {
            let done = match (&setting, &mut times) {
                (Setting::Switch(name), _) => switches.write(name, &value),
                (_, Some(times)) => times.set(&setting, &value),
                (_, None) => Ok(()),
            };
            match done {
                Ok(()) => report.applied.push((setting, value)),
                Err(why) => report.refused.push(format!("{setting} cannot be set to {value}: {why}")),
            }
        }
        if let Some(times) = times.filter(|_| times != before)
            && let Some(errno) = kernel.set_timeouts(&times)?
        {
            report.refused.push(format!("change its time-outs: {errno}"));
        }
        self.changed.retain(|setting, _| !forgotten.contains(setting));
        remember(self);
        Ok(report)
    }
}

impl Timeouts {
    fn get(&self, setting: &Setting) -> Option<u32> {
        match setting {
            Setting::Tcp => Some(self.tcp),
            Setting::TcpFin => Some(self.tcp_fin),
            Setting::Udp => Some(self.udp),
            Setting::Switch(_) => None,
        }
    }

    fn set(&mut self, setting: &Setting, value: &str) -> Result<(), String> {
        let seconds = value.parse().map_err(|_| "it is no number of seconds".to_owned())?;
        match setting {
            Setting::Tcp => self.tcp = seconds,
            Setting::TcpFin => self.tcp_fin = seconds,
            Setting::Udp => self.udp = seconds,
            Setting::Switch(_) => {}
        }
        Ok(())
    }
}

impl Setting {
    fn is_timeout(&self) -> bool {
        !matches!(self, Self::Switch(_))
    }
}

impl fmt::Display for Setting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp => f.write_str("timeout tcp"),
            Self::TcpFin => f.write_str("timeout tcpfin"),
            Self::Udp => f.write_str("timeout udp"),
            Self::Switch(name) => write!(f, "net.ipv4.vs.{name}"),
        }
    }
}

impl FromStr for Setting {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        match text {
            "timeout tcp" => Ok(Self::Tcp),
            "timeout tcpfin" => Ok(Self::TcpFin),
            "timeout udp" => Ok(Self::Udp),
            other => match other.strip_prefix("net.ipv4.vs.") {
                // Never a way out of the directory.
                Some(name) if name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_') => {
                    Ok(Self::Switch(name.to_owned()))
                }
                _ => Err(ParseError::new("setting", text, "timeout tcp, tcpfin or udp, or net.ipv4.vs.…")),
            },
        }
    }
}

impl Serialize for Setting {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Setting {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::MemoryKernel;

    #[derive(Default)]
    struct Memory(BTreeMap<String, String>);

    impl Switches for Memory {
        fn read(&self, name: &str) -> Result<Option<String>, String> {
            Ok(self.0.get(name).cloned())
        }

        fn write(&mut self, name: &str, value: &str) -> Result<(), String> {
            if value == "bad" {
                return Err("invalid".to_owned());
            }
            self.0.insert(name.to_owned(), value.to_owned());
            Ok(())
        }
    }

    fn settings(all: &[(&str, &str)]) -> Settings {
        all.iter().map(|(setting, value)| (setting.parse().unwrap(), (*value).to_owned())).collect()
    }

    fn memory() -> Memory {
        Memory([("drop_entry", "0"), ("conntrack", "0")].map(|(a, b)| (a.to_owned(), b.to_owned())).into())
    }

    /// What is remembered whenever it is told.
    fn pass(
        keeper: &mut SettingsKeeper,
        wanted: &Settings,
        kernel: &MemoryKernel,
        switches: &mut Memory,
    ) -> SettingsReport {
        keeper.converge(wanted, &mut kernel.clone(), switches, &mut |_| {}).unwrap()
    }

    #[test]
    fn what_was_there_comes_back_unless_somebody_else_changed_it() {
        let (kernel, mut switches) = (MemoryKernel::new(), memory());
        let mut keeper = SettingsKeeper::new([]);
        let first = kernel.clone().timeouts().unwrap();
        let wanted = settings(&[
            ("timeout udp", "17"),
            ("net.ipv4.vs.drop_entry", "1"),
            ("net.ipv4.vs.conntrack", "1"),
            ("net.ipv4.vs.nothing", "1"),
        ]);
        let report = pass(&mut keeper, &wanted, &kernel, &mut switches);
        assert_eq!(report.applied.len(), 3);
        assert_eq!(report.refused, ["net.ipv4.vs.nothing: this kernel has no such setting"]);
        assert_eq!(kernel.clone().timeouts().unwrap(), Timeouts { udp: 17, ..first });
        assert_eq!(pass(&mut keeper, &wanted, &kernel, &mut switches).applied, []);
        switches.0.insert("conntrack".to_owned(), "2".to_owned());
        pass(&mut keeper, &Settings::new(), &kernel, &mut switches);
        assert_eq!((switches.0["drop_entry"].as_str(), switches.0["conntrack"].as_str()), ("0", "2"));
        assert_eq!(kernel.clone().timeouts().unwrap(), first);
        assert_eq!(keeper.remembered().count(), 0);
    }

    #[test]
    fn what_a_crash_left_comes_back() {
        let (kernel, mut switches) = (MemoryKernel::new(), memory());
        let mut told = Vec::new();
        let mut keeper = SettingsKeeper::new([]);
        let wanted = settings(&[("timeout tcp", "99"), ("net.ipv4.vs.drop_entry", "3")]);
        let mut remember = |keeper: &SettingsKeeper| {
            told.push(keeper.remembered().map(|(s, v)| (s.to_string(), v.to_owned())).collect::<Vec<_>>());
        };
        keeper.converge(&wanted, &mut kernel.clone(), &mut switches, &mut remember).unwrap();
        let left = told.first().unwrap().clone();
        assert_eq!(left.len(), 2, "it is told before anything is changed");
        let left = left.into_iter().map(|(setting, value)| (setting.parse().unwrap(), value));
        let mut heir = SettingsKeeper::new(left);
        // The successor wants one of the two as well, and still knows what it was.
        pass(&mut heir, &settings(&[("timeout tcp", "99")]), &kernel, &mut switches);
        assert_eq!(switches.0["drop_entry"], "0");
        pass(&mut heir, &Settings::new(), &kernel, &mut switches);
        assert_eq!(kernel.clone().timeouts().unwrap(), MemoryKernel::new().timeouts().unwrap());
    }

    #[test]
    fn what_is_refused_is_told_and_tried_again() {
        let (kernel, mut switches) = (MemoryKernel::new(), memory());
        let mut keeper = SettingsKeeper::new([]);
        for _ in 0..2 {
            let report =
                pass(&mut keeper, &settings(&[("net.ipv4.vs.conntrack", "bad")]), &kernel, &mut switches);
            assert_eq!(report.refused, ["net.ipv4.vs.conntrack cannot be set to bad: invalid"]);
        }
        assert!("net.ipv4.vs../../ip_forward".parse::<Setting>().is_err());
    }
}
