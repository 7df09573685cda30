//! Maintenance windows at work: servers that take no new connections at times that come by the clock.
//!
//! While a window is open it is an override like an operator's, which the clock sets and takes back: checks go on
//! underneath, connections that are there end by themselves, and `status`, `why` and `overrides` show it. It is a function of
//! the configuration and of the time, so nothing of it need be kept over a reload or a restart.
//!
//! A window holds even where it leaves a virtual server without a usable server: that may be what it is for, as the sorry
//! server then stands in, and whoever works on a server must be able to rely on it. It is never done in silence: people are
//! told at once. Of a server in a window nobody is told that it is down, for that is expected; but if it still is when the
//! window is over, they are.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use ipvs_backend::DestinationKey;

use super::journal::Entry;
use super::overrides::{Act, Override};
use super::pool::Tally;
use super::target::Target;
use super::zone::{Phase, Zone};
use super::{Director, Owner};
use crate::config::{MaintenanceWindow, Served, WindowMode};

/// Who sets these overrides.
const OWNER: &str = "maintenance_window";

/// What ends one before its time.
pub(super) const UNDO: &str = "a reload without it";

/// Targets that a line of the log names.
const NAMED: usize = 10;

/// The windows of the configuration.
#[derive(Debug, Default)]
pub(super) struct Windows {
    zone: Zone,
    /// Whom they are for. Those that say the same are one.
    plan: BTreeMap<MaintenanceWindow, BTreeSet<Target>>,
    /// The same by virtual server; those for everybody are not here.
    of_services: BTreeMap<Served, BTreeSet<(MaintenanceWindow, Target)>>,
    /// Those that are open, and until when, since 1970.
    open: BTreeMap<MaintenanceWindow, Duration>,
}

impl Director {
    /// The local clock goes otherwise from now on, or some time from now.
    pub(super) fn keep_zone(&mut self, zone: Zone, now: Instant) {
        self.windows.zone = zone;
        self.windows_due(now);
    }

    /// What `global_defs` says now.
    pub(super) fn plan_director_windows(&mut self, now: Instant) {
        let said: BTreeSet<&MaintenanceWindow> = self.config.global.lvs.windows.iter().collect();
        let target = Target::Director;
        let planned = self.windows.plan.iter().filter(|(_, targets)| targets.contains(&target));
        let gone: Vec<MaintenanceWindow> =
            planned.map(|(window, _)| window).filter(|window| !said.contains(window)).cloned().collect();
        let said: Vec<MaintenanceWindow> = said.into_iter().cloned().collect();
        for window in gone {
            self.unplan_window(&window, &target, now);
        }
        for window in said {
            self.plan_window(window, target.clone(), now);
        }
        self.time_windows(now);
    }

    /// What the configuration says of a virtual server now, which may be nothing any more. What it says of its servers was
    /// looked for before.
    pub(super) fn plan_windows(
        &mut self,
        served: &Served,
        mut said: BTreeSet<(MaintenanceWindow, Target)>,
        now: Instant,
    ) {
        if let Some(config) = self.config.virtual_server(served) {
            let whole = Target::Service(served.clone());
            said.extend(config.windows.iter().map(|window| (window.clone(), whole.clone())));
        }
        let before = self.windows.of_services.remove(served).unwrap_or_default();
        if before == said && said.is_empty() {
            return;
        }
        for (window, target) in before.difference(&said) {
            self.unplan_window(window, target, now);
        }
        for (window, target) in said.difference(&before) {
            self.plan_window(window.clone(), target.clone(), now);
        }
        if !said.is_empty() {
            self.windows.of_services.insert(served.clone(), said);
        }
        self.time_windows(now);
    }

    fn plan_window(&mut self, window: MaintenanceWindow, target: Target, now: Instant) {
        if !self.windows.plan.entry(window.clone()).or_default().insert(target.clone()) {
            return;
        }
        if let Phase::Open(until) = self.window_phase(&window, now) {
            let until = since_1970(until);
            self.windows.open.insert(window.clone(), until);
            self.open_window(&window, &[target], until, now);
        }
    }

    fn unplan_window(&mut self, window: &MaintenanceWindow, target: &Target, now: Instant) {
        let Some(targets) = self.windows.plan.get_mut(window) else { return };
        targets.remove(target);
        if targets.is_empty() {
            self.windows.plan.remove(window);
            self.windows.open.remove(window);
        }
        self.close_window(
            window,
            std::slice::from_ref(target),
            "it is not in the configuration any more",
            now,
        );
    }

    /// A window begins or ends; or the clock was set, and any may have.
    pub(super) fn windows_due(&mut self, now: Instant) {
        if self.stopping {
            return;
        }
        let phases: Vec<(MaintenanceWindow, Phase)> =
            self.windows.plan.keys().map(|window| (window.clone(), self.window_phase(window, now))).collect();
        for (window, phase) in phases {
            let until = match phase {
                Phase::Open(until) => Some(since_1970(until)),
                Phase::Closed(_) => None,
            };
            let before = self.windows.open.get(&window).copied();
            if until == before {
                continue;
            }
            let targets: Vec<Target> =
                self.windows.plan.get(&window).into_iter().flatten().cloned().collect();
            match until {
                Some(until) => {
                    self.windows.open.insert(window.clone(), until);
                    self.open_window(&window, &targets, until, now);
                }
                None => {
                    self.windows.open.remove(&window);
                    self.close_window(&window, &targets, "its time is over", now);
                }
            }
        }
        self.time_windows(now);
    }

    fn window_phase(&self, window: &MaintenanceWindow, now: Instant) -> Phase {
        let wall = i64::try_from(self.since_1970(now).as_secs()).unwrap_or(i64::MAX);
        self.windows.zone.phase(window, wall)
    }

    /// The next of them begins or ends then, as the wall clock goes now.
    fn time_windows(&mut self, now: Instant) {
        let edge = |window: &MaintenanceWindow| match self.window_phase(window, now) {
            Phase::Open(at) | Phase::Closed(at) => since_1970(at),
        };
        let wall = self.since_1970(now);
        // Without any days to come there is no window, and a clock may be centuries off.
        let next = self.windows.plan.keys().map(edge).min();
        let next = next.and_then(|at| now.checked_add(at.saturating_sub(wall)));
        self.agenda.set(Owner::Windows, next);
    }

    fn open_window(&mut self, window: &MaintenanceWindow, targets: &[Target], until: Duration, now: Instant) {
        let act = match window.mode {
            WindowMode::Drain => Act::Drain { removal: None },
            WindowMode::Disable => Act::Disable,
        };
        let mut begun = Vec::new();
        let mut words = String::new();
        for target in targets {
            let new = Override {
                target: target.clone(),
                act,
                owner: OWNER.to_owned(),
                reason: window.reason.clone(),
                set: self.since_1970(now),
                expires: Some(until),
                dormant: None,
            };
            words = format!("{new}{}", self.until(&new, now));
            if self.overrides.open(window, new) {
                begun.push(target.clone());
            }
        }
        if !begun.is_empty() {
            self.log(Entry::Override { what: format!("{}: {words}", named(&begun)) });
        }
        self.steer_all(&begun, now);
    }

    fn close_window(&mut self, window: &MaintenanceWindow, targets: &[Target], why: &str, now: Instant) {
        let mut ended = Vec::new();
        let mut words = String::new();
        for target in targets {
            if let Some(one) = self.overrides.close(window, target) {
                words = format!("no longer {one}: {why}");
                ended.push(target.clone());
            }
        }
        if !ended.is_empty() {
            self.log(Entry::Override { what: format!("{}: {words}", named(&ended)) });
        }
        self.steer_all(&ended, now);
    }

    /// What all these mean has changed. One that takes on its configuration just now sees to it by itself.
    fn steer_all(&mut self, targets: &[Target], now: Instant) {
        for target in targets {
            match target.service() {
                Some(only) if self.pools.contains_key(only) => {
                    self.unsteered.insert(only.clone());
                }
                Some(_) => {}
                None => self.unsteered.extend(self.pools.keys().cloned()),
            }
        }
        if !targets.is_empty() {
            self.steer_some(now);
        }
    }

    /// Whether a server is in a window, so that nobody need hear that it is down.
    pub(super) fn in_window(&self, service: &Served, server: &DestinationKey) -> bool {
        let pool = self.pools.get(service);
        pool.and_then(|pool| pool.servers.get(server)).is_some_and(|server| server.in_window)
    }

    /// Servers have come out of their window: of those that are not as people believe, they hear now.
    pub(super) fn tell_released(&mut self, service: &Served, released: Vec<DestinationKey>, now: Instant) {
        for key in released {
            let server = self.pools.get(service).and_then(|pool| pool.servers.get(&key));
            let Some(server) = server.filter(|server| server.up != server.told_up) else { continue };
            let (up, reason) = (server.up, server.reason());
            let treatment = match up {
                true => "up since its maintenance_window".to_owned(),
                false => format!("still down at the end of its maintenance_window: {reason}"),
            };
            let words = format!("its maintenance_window is over; {reason}");
            self.mail_of_server(service, &key, up, &words, now);
            self.log(Entry::ServerFlipped { service: service.clone(), server: key, up, treatment });
        }
    }

    /// What windows have to do with a quorum that is lost, in words.
    pub(super) fn windows_of(&self, service: &Served) -> Option<String> {
        let pool = self.pools.get(service)?;
        let Tally { in_window, real, .. } = pool.servers.tally();
        (in_window > 0).then(|| format!("{in_window} of {real} servers are in a maintenance_window"))
    }
}

/// An instant that the calendar tells; before 1970 there was none.
fn since_1970(at: i64) -> Duration {
    Duration::from_secs(u64::try_from(at).unwrap_or(0))
}

/// The first of many targets.
fn named(targets: &[Target]) -> String {
    let shown: Vec<String> = targets.iter().take(NAMED).map(Target::to_string).collect();
    match targets.len().saturating_sub(shown.len()) {
        0 => shown.join(", "),
        more => format!("{} and {more} more", shown.join(", ")),
    }
}
