//! The states with what belongs to them: each owns its deadlines, and there is no field for a deadline
//! that a state does not have.

use std::net::IpAddr;
use std::time::{Duration, Instant};

use crate::beat::Beat;
use crate::election::{master_down, skew};
use crate::pace::Pace;
use crate::settings::Settings;
use crate::state::{Cause, Reason, State};

#[derive(Debug, Clone)]
pub(crate) enum Stage {
    /// Not started; where a start is planned, when.
    Initialize(Option<Instant>),
    Backup(Backup),
    Master(Master),
    Fault,
    Stopped,
}

impl Stage {
    pub(crate) fn state(&self) -> State {
        match self {
            Stage::Initialize(_) => State::Initialize,
            Stage::Backup(_) => State::Backup,
            Stage::Master(_) => State::Master,
            Stage::Fault => State::Fault,
            Stage::Stopped => State::Stopped,
        }
    }
}

/// Another router as it was last heard.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Heard {
    pub(crate) source: IpAddr,
    pub(crate) priority: u8,
}

/// A backup's deadline follows from when its timer was started and what it waits for, so that a change
/// of settings or priority moves it without further ado.
#[derive(Debug, Clone)]
pub(crate) struct Backup {
    pub(crate) timer_started: Instant,
    pub(crate) wait: Wait,
    /// Version 3: the interval found in the master's adverts.
    pub(crate) master_interval: Option<Duration>,
    /// `preempt_delay`: a master of lower priority is tolerated until then. Set by its first advert.
    pub(crate) tolerate_until: Option<Instant>,
    /// The master as last heard, and whether it restarted the timer.
    pub(crate) heard: Option<(Heard, Respect)>,
    /// An owner that gave in to another owner; it counts as 254 while it is backup.
    pub(crate) conceded: bool,
    /// Its time has come, and it waits for the consent of its group.
    pub(crate) ready: bool,
}

/// What a backup waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wait {
    /// Just started with the wish to be master: one interval and the skew.
    First,
    /// The full master-down interval.
    MasterDown,
    /// The master has resigned: the skew alone.
    Skew,
    /// An owner in a group: only the others are waited for.
    Nothing,
}

/// What a backup made of an advert.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Respect {
    /// The master is good enough: the timer was restarted.
    Respected,
    /// The master is to be preempted: the timer runs on.
    Ignored,
    /// The master said that it leaves.
    Resigned,
}

impl Backup {
    pub(crate) fn new(now: Instant, wait: Wait) -> Backup {
        Backup {
            timer_started: now,
            wait,
            master_interval: None,
            tolerate_until: None,
            heard: None,
            conceded: false,
            ready: false,
        }
    }

    pub(crate) fn restart(&mut self, now: Instant, wait: Wait) {
        self.timer_started = now;
        self.wait = wait;
        self.ready = false;
    }

    /// When to take over.
    pub(crate) fn deadline(&self, settings: &Settings, priority: u8) -> Instant {
        let interval = self.master_interval.unwrap_or(settings.interval);
        let adverts = match self.wait {
            Wait::First => 1,
            Wait::MasterDown => settings.down_timer_adverts,
            Wait::Nothing => return self.timer_started,
            Wait::Skew => return self.timer_started + skew(settings.version, priority, interval),
        };
        self.timer_started + master_down(settings.version, priority, interval, adverts)
    }

    /// Why to take over, the deadline being reached.
    pub(crate) fn takeover_cause(&self) -> Cause {
        let Some((Heard { source, priority }, respect)) = self.heard else { return Cause::NoMaster };
        match respect {
            Respect::Respected => Cause::MasterSilent { source, priority },
            Respect::Ignored => Cause::Preempted { source, priority },
            Respect::Resigned => Cause::MasterResigned { source },
        }
    }
}

#[derive(Debug, Clone)]
pub(crate) struct Master {
    pub(crate) pace: Pace,
    /// Second burst after becoming master.
    pub(crate) second_announce: Option<Instant>,
    /// Second burst after another master was heard.
    pub(crate) lower_announce: Option<Instant>,
    pub(crate) refresh: Option<Instant>,
    /// The periodic announcement on other interfaces.
    pub(crate) elsewhere: Option<Instant>,
    /// Another router that says it is master too and has the lesser claim.
    pub(crate) rival: Option<Rival>,
}

#[derive(Debug, Clone, Copy)]
pub(crate) struct Rival {
    pub(crate) heard: Heard,
    /// First and latest advert of this encounter.
    pub(crate) first: Instant,
    pub(crate) last: Instant,
}

impl Master {
    /// Everything a new master plans, whichever way it became one.
    pub(crate) fn new(now: Instant, settings: &Settings, beat: Beat) -> Master {
        let mut master = Master {
            pace: Pace::new(now, settings.interval, beat),
            second_announce: None,
            lower_announce: None,
            refresh: settings.announce.refresh.map(|every| now + every),
            elsewhere: settings.announce.elsewhere.map(|every| now + every),
            rival: None,
        };
        master.plan_second_announce(now, settings);
        master
    }

    pub(crate) fn plan_second_announce(&mut self, now: Instant, settings: &Settings) {
        self.second_announce = later(now, settings.announce.delay);
    }

    pub(crate) fn plan_lower_announce(&mut self, now: Instant, settings: &Settings) {
        self.lower_announce = later(now, settings.announce.lower_delay);
    }

    /// Whether by now a backup of this priority has rightly taken over, because the advert that was due is late by
    /// that much: the process was stopped, or the machine slept.
    pub(crate) fn is_outlived(&self, settings: &Settings, priority: u8, now: Instant) -> bool {
        let Settings { version, interval, down_timer_adverts, .. } = *settings;
        let patience = master_down(version, priority, interval, down_timer_adverts);
        now > self.pace.due() + patience.saturating_sub(interval)
    }

    /// The earliest deadline; an advert comes before anything else that is due.
    pub(crate) fn deadline(&self) -> (Instant, Reason) {
        let announcements = [
            (self.second_announce, Reason::SecondAnnounce),
            (self.lower_announce, Reason::LowerAnnounce),
            (self.refresh, Reason::Refresh),
            (self.elsewhere, Reason::Elsewhere),
        ];
        let planned = announcements.into_iter().filter_map(|(at, reason)| Some((at?, reason)));
        planned.fold((self.pace.due(), Reason::Advert), |first, other| first.min(other))
    }

    /// Notes the advert of a rival. True when this is a new encounter: none was heard for `memory`.
    pub(crate) fn meet(&mut self, heard: Heard, memory: Duration, now: Instant) -> bool {
        let known = self.rival.filter(|rival| now.saturating_duration_since(rival.last) <= memory);
        let first = known.map_or(now, |rival| rival.first);
        self.rival = Some(Rival { heard, first, last: now });
        known.is_none()
    }
}

/// A delay of zero means never.
fn later(now: Instant, delay: Duration) -> Option<Instant> {
    (!delay.is_zero()).then(|| now + delay)
}

/// The deadline after this one: no drift, and no catching up after more than a whole period was missed.
pub(crate) fn next(deadline: Instant, every: Duration, now: Instant) -> Instant {
    let due = deadline + every;
    if due > now { due } else { now + every }
}
