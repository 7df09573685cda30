//! `maintenance_window`, as the daemon uses it: when it comes, and what becomes of the servers meanwhile.

use std::fmt;

use serde::{Deserialize, Serialize};

/// `maintenance_window`: a time that comes every week, or every day, in which servers get no new connections.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct MaintenanceWindow {
    /// `days`: those on which it begins; every day by default.
    pub days: Days,
    /// `from`: when it begins.
    pub from: TimeOfDay,
    /// `to`: when it ends; on the next day, if that is not behind `from`. The two are never the same.
    pub to: TimeOfDay,
    /// `timezone`: by which clock.
    pub clock: WindowClock,
    /// `mode`: what becomes of the servers.
    pub mode: WindowMode,
    /// `reason`: why, in the operator's words.
    pub reason: Option<String>,
}

/// Days of the week, at least one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Days(u8);

/// Minutes since midnight, 0 to 1440: the end of a day may be said as `24:00`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct TimeOfDay(u16);

/// `timezone`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum WindowClock {
    /// This host's, with its daylight saving time.
    #[default]
    Local,
    /// That of UTC.
    Utc,
}

/// `mode`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum WindowMode {
    /// Weight 0: connections that are there go on.
    #[default]
    Drain,
    /// Not in the table: connections that are there end.
    Disable,
}

impl Days {
    /// Every day.
    pub const ALL: Self = Self(0x7f);
    /// How the days are named, Monday first.
    pub const NAMES: [&'static str; 7] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];

    /// Of days counted from Monday, 0 to 6; `None` without any.
    pub fn of(days: impl IntoIterator<Item = u8>) -> Option<Self> {
        let all = days.into_iter().filter(|day| *day < 7).fold(0, |all, day| all | 1 << day);
        (all != 0).then_some(Self(all))
    }

    /// Whether this one is among them, counted from Monday, 0 to 6.
    pub fn has(self, day: u8) -> bool {
        day < 7 && self.0 & 1 << day != 0
    }

    /// Their names.
    pub fn names(self) -> impl Iterator<Item = &'static str> {
        (0..).zip(Self::NAMES).filter(move |(day, _)| self.has(*day)).map(|(_, name)| name)
    }
}

impl TimeOfDay {
    /// The last: midnight at the end of the day.
    pub const LAST: u16 = 24 * 60;

    /// So many minutes after midnight; `None` beyond the end of the day.
    pub fn of(minutes: u16) -> Option<Self> {
        (minutes <= Self::LAST).then_some(Self(minutes))
    }

    /// Minutes since midnight.
    pub fn minutes(self) -> u16 {
        self.0
    }
}

impl fmt::Display for TimeOfDay {
    /// `02:30`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:02}:{:02}", self.0 / 60, self.0 % 60)
    }
}

impl WindowClock {
    /// The words behind `timezone`.
    pub const NAMES: [&'static str; 2] = ["local", "utc"];

    /// Its word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Local => "local",
            Self::Utc => "utc",
        }
    }
}

impl WindowMode {
    /// The words behind `mode`.
    pub const NAMES: [&'static str; 2] = ["drain", "disable"];

    /// Its word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Drain => "drain",
            Self::Disable => "disable",
        }
    }
}
