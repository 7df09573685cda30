//! What one life of the daemon leaves to the next: roles, verdicts, sessions, an operator's word.
//!
//! While it runs, the brain hands out each change of these as a [`Keepsake`], and somebody else writes them down. The
//! brain of the next life is handed all of it in one piece before its first configuration, and goes on where the other
//! one stopped: a server that was down stays down until it is heard of, a master goes on as master. That last only
//! while no backup can have taken over, which follows from how long ago our adverts were in time
//! ([`Legacy::permits`]): two masters are worse than none for three adverts.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use healthcheck::{Check, Verdict};
use ipvs_backend::DestinationKey;
use serde::{Deserialize, Serialize};
use vrrp::State;

use super::agenda::Slots;
use super::deadlines::Deadlines;
use super::effect::Effect;
use super::instance::Instance;
use super::journal::Entry;
use super::pool::{CheckRun, Flaps, Pool, Server};
use super::{Director, Owner};
use crate::config::{Config, Served};

/// Behind what is known from the life before.
const BEFORE: &str = " (before the restart)";

/// Everything that is left to the next life.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Legacy {
    /// How instances stood, by name.
    pub roles: BTreeMap<String, Role>,
    /// How real servers stood; those without a verdict are not here.
    pub health: BTreeMap<Served, BTreeMap<DestinationKey, Health>>,
    /// `vrrp_script`s that had a verdict, by name: whether they were well.
    pub scripts: BTreeMap<String, bool>,
    /// Sessions with neighbours that were up, by name.
    pub neighbours: BTreeMap<String, vrrp::bfd::Remnant>,
}

/// How an instance stood.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Role {
    /// Another VRID is another virtual router.
    pub vrid: u8,
    /// Its state.
    pub state: State,
    /// What its adverts said.
    pub priority: u8,
    /// The interval that its adverts told, which its peers wait by.
    pub interval: Duration,
    /// When it came to be in this state.
    pub since: SystemTime,
    /// `directord priority`.
    pub overridden: Option<u8>,
}

/// How a real server stood.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Health {
    /// Whether it served.
    pub up: bool,
    /// Why.
    pub reason: String,
    /// Since when.
    pub since: SystemTime,
    /// The verdicts of its checks, by what they ask ([`fingerprint`]).
    pub checks: BTreeMap<u64, bool>,
    /// Whether it had ever served.
    #[serde(default)]
    pub served: bool,
    /// How often it had failed soon after a return (`flap_hold`).
    #[serde(default)]
    pub flaps: u32,
}

/// A legacy, and what is known of the time since then.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Inheritance {
    /// What was left.
    pub legacy: Legacy,
    /// How long ago no advert was late, at the time that this is told.
    pub age: Duration,
    /// Whether the other life ended by plan ([`Event::Leave`](super::event::Event::Leave)): then each master sent an
    /// advert at that very moment. Otherwise each had sent one at most an interval before.
    pub planned: bool,
}

/// One change of what will be left.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Keepsake {
    /// How an instance stands; `None`: it is gone.
    Role(String, Option<Role>),
    /// How a real server stands.
    Health(Served, DestinationKey, Health),
    /// What a `vrrp_script` says.
    Script(String, bool),
    /// The session with a neighbour that is up; `None`: it is not.
    Neighbour(String, Option<vrrp::bfd::Remnant>),
    /// What this configuration does not name is to be forgotten.
    Only(Arc<Config>),
}

/// What the present life inherited and has not made use of yet.
#[derive(Debug, Default)]
pub(super) struct Inherited {
    legacy: Legacy,
    /// When no advert was late, and whether each master sent one then.
    on_time: Option<(Instant, bool)>,
}

impl Legacy {
    /// Takes over one change.
    pub fn keep(&mut self, keepsake: Keepsake) {
        match keepsake {
            Keepsake::Role(name, Some(role)) => {
                self.roles.insert(name, role);
            }
            Keepsake::Role(name, None) => {
                self.roles.remove(&name);
            }
            Keepsake::Health(service, server, health) => {
                self.health.entry(service).or_default().insert(server, health);
            }
            Keepsake::Script(name, up) => {
                self.scripts.insert(name, up);
            }
            Keepsake::Neighbour(name, Some(remnant)) => {
                self.neighbours.insert(name, remnant);
            }
            Keepsake::Neighbour(name, None) => {
                self.neighbours.remove(&name);
            }
            Keepsake::Only(config) => self.retain(&config),
        }
    }

    fn retain(&mut self, config: &Config) {
        self.roles.retain(|name, _| config.instances.contains_key(name));
        self.scripts.retain(|name, _| config.scripts.contains_key(name));
        self.neighbours.retain(|name, _| config.neighbours.contains_key(name));
        self.health.retain(|key, servers| {
            let Some(service) = config.virtual_server(key) else { return false };
            servers.retain(|server, _| service.server(server).is_some());
            !servers.is_empty()
        });
    }
}

impl Inherited {
    /// Until when an instance that was master may go on without asking: no backup can have missed three adverts by then.
    fn permits(&self, name: &str, instance: &Instance) -> Option<(&Role, Instant)> {
        let role = self.legacy.roles.get(name)?;
        let settings = &instance.config.router;
        if role.state != State::Master || role.vrid != settings.vrid {
            return None;
        }
        let (at, spoke_then) = self.on_time?;
        let patience = u32::from(settings.down_timer_adverts.clamp(1, 3)) - u32::from(!spoke_then);
        Some((role, at + role.interval.checked_mul(patience)?))
    }
}

/// What a check asks, as a number that is the same in the next life. After an upgrade it may be another: then the check
/// begins without a verdict.
pub(super) fn fingerprint(check: &Check) -> u64 {
    let question = format!("{:?} {} {:?}", check.kind, check.target, check.source);
    // FNV-1a, 64 bits: the standard library promises nothing from one version to the next.
    question.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}

impl Instance {
    /// Whether what a master holds belongs here: it is master, or about to go on as the master that it was.
    pub(super) fn holds(&self) -> bool {
        self.router.is_master() || self.resumes
    }
}

impl Server {
    /// How it stands.
    fn health(&self, since: SystemTime) -> Health {
        let verdict = |run: &CheckRun| match run.monitor.verdict() {
            Verdict::Unknown => None,
            known => Some((fingerprint(&run.spec), known == Verdict::Up)),
        };
        let reason = if self.up { String::new() } else { self.reason() };
        let flaps = self.flaps.as_ref().map_or(0, |flaps| flaps.level());
        let checks = self.checks.iter().filter_map(verdict).collect();
        Health { up: self.up, reason, since, checks, served: self.served, flaps }
    }

    /// Its checks say what they said, as far as they still ask the same.
    fn recall(&mut self, health: &Health, since: Instant, now: Instant) {
        for run in &mut self.checks {
            match health.checks.get(&fingerprint(&run.spec)) {
                Some(up) => run.monitor.presume(*up),
                None => run.must_pass = !health.up,
            }
        }
        // Of servers that fail, those that were out have failed for longer than those that were spared.
        (self.up, self.served) = (health.up, health.served | health.up);
        self.failing = (!health.up).then_some(since);
        if health.flaps > 0 && self.config.extras().flap_hold.is_some() {
            self.flaps = Some(Box::new(Flaps::of(health.flaps)));
        }
        self.judge(now);
    }

    /// It is what it was.
    fn recalled(&mut self, health: &Health, since: Instant) {
        (self.since, self.untold) = (since, false);
        let reason = health.reason.trim_end_matches(BEFORE);
        self.held = (!self.up && self.held_until().is_none()).then(|| format!("{reason}{BEFORE}"));
    }
}

impl Director {
    /// Takes in what the last life left. Only the first configuration makes use of it.
    pub(super) fn inherit(&mut self, inheritance: Inheritance, now: Instant) {
        let Inheritance { legacy, age, planned } = inheritance;
        self.inherited = Inherited { legacy, on_time: now.checked_sub(age).map(|at| (at, planned)) };
    }

    /// A new instance: whether it will go on as master, and what an operator had said of it.
    pub(super) fn recall_role(&mut self, name: &str, now: Instant) {
        let Some(instance) = self.instances.get_mut(name).filter(|_| self.generation == 1) else { return };
        instance.resumes = self.inherited.permits(name, instance).is_some_and(|(_, until)| now < until);
        let overridden = self.inherited.legacy.roles.get(name).and_then(|role| role.overridden);
        if overridden.is_some() {
            instance.override_priority(overridden, now);
        }
    }

    /// Starts an instance as the master that it was, if it still may be. False if it may not.
    pub(super) fn resume(&mut self, name: &str, now: Instant) -> bool {
        let Some(instance) = self.instances.get(name).filter(|instance| instance.resumes) else {
            return false;
        };
        let role = self.inherited.permits(name, instance).filter(|(_, until)| now < *until);
        let since = role.map(|(role, _)| self.instant(role.since, now));
        let Some(instance) = self.instances.get_mut(name) else { return false };
        instance.resumes = false;
        if since.is_some() {
            instance.router.handle_resume(since, now);
        }
        since.is_some()
    }

    /// Until when an instance may still go on as master.
    pub(super) fn resumption_ends(&self, name: &str) -> Option<Instant> {
        let instance = self.instances.get(name).filter(|instance| instance.resumes)?;
        self.inherited.permits(name, instance).map(|(_, until)| until)
    }

    /// What an instance waited for took too long: a backup may be master by now, so what it holds is let go of.
    pub(super) fn give_up_late_resumption(&mut self, name: &str, now: Instant) {
        let Some(until) = self.resumption_ends(name) else { return };
        let Some(instance) = self.instances.get_mut(name).filter(|_| until <= now) else { return };
        instance.resumes = false;
        self.agenda.set(Owner::Patience(name.to_owned()), Some(instance.patience.max(now)));
        self.queue_addresses();
        self.queue_host();
        self.publish_sync();
    }

    /// A virtual server that may be new: its servers are what they were, until their checks say something else. True if
    /// they were known.
    pub(super) fn recall_health(&mut self, pool: &mut Pool, now: Instant) -> bool {
        let Some(known) = self.inherited.legacy.health.remove(&pool.served) else { return false };
        for (key, health) in &known {
            let since = self.instant(health.since, now);
            pool.servers.change(key, |server| server.recall(health, since, now));
        }
        pool.work_out(now, |_| None);
        for (key, health) in &known {
            let since = self.instant(health.since, now);
            pool.servers.change(key, |server| server.recalled(health, since));
        }
        true
    }

    /// What the scripts said last, before the first configuration takes them over.
    pub(super) fn recall_scripts(&mut self) -> BTreeMap<String, bool> {
        std::mem::take(&mut self.inherited.legacy.scripts)
    }

    /// The session that was up with an inherited neighbour.
    pub(super) fn recall_neighbour(&mut self, name: &str) -> Option<vrrp::bfd::Remnant> {
        self.inherited.legacy.neighbours.remove(name)
    }

    /// The instant of a time of day, as far as there is one.
    fn instant(&self, time: SystemTime, now: Instant) -> Instant {
        let ago = self.wall(now).duration_since(time).unwrap_or_default();
        now.checked_sub(ago).unwrap_or(now)
    }

    // ----- for the next life -----

    /// Writes down how an instance stands now, if that changed.
    pub(super) fn keep_role(&mut self, name: &str, now: Instant) {
        let Some(instance) = self.instances.get(name) else { return };
        let router = &instance.router;
        let role = |since| Role {
            vrid: instance.config.router.vrid,
            state: router.state(),
            priority: router.effective_priority(),
            interval: router.settings().interval,
            since,
            overridden: instance.overridden(),
        };
        if router.state() == State::Initialize
            || instance.kept.as_ref().is_some_and(|kept| role(kept.since) == *kept)
        {
            return;
        }
        let role = role(self.wall(router.since().unwrap_or(now)));
        let Some(instance) = self.instances.get_mut(name) else { return };
        instance.kept = Some(role.clone());
        self.effect(Effect::Keep(Keepsake::Role(name.to_owned(), Some(role))));
    }

    /// Writes down how a real server stands now.
    pub(super) fn keep_health(&mut self, service: &Served, server: &DestinationKey) {
        let health = self.pools.get(service).and_then(|pool| pool.servers.get(server));
        let Some(health) = health.map(|known| known.health(self.wall(known.since))) else { return };
        self.effect(Effect::Keep(Keepsake::Health(service.clone(), *server, health)));
    }

    /// Writes down the session with a neighbour as it is now.
    pub(super) fn keep_neighbour(&mut self, name: &str) {
        let remnant = self.neighbours.remnant(name);
        self.effect(Effect::Keep(Keepsake::Neighbour(name.to_owned(), remnant)));
    }

    /// The process ends, and another goes on in its place: nothing is let go of.
    pub(super) fn leave_everything(&mut self, now: Instant) {
        if self.stopping {
            return;
        }
        let names: Vec<String> = self.instances.keys().cloned().collect();
        for name in &names {
            if let Some(instance) = self.instances.get_mut(name) {
                instance.router.handle_leave();
                self.drain_one(name, now);
            }
        }
        self.log(Entry::Leaving);
        self.release_all_calls();
        self.effect(Effect::Stopped);
        self.left = true;
        self.agenda = Deadlines::new();
        self.checks = Slots::new();
    }
}
