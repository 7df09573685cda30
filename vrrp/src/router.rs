//! The state machine of one virtual router (RFC 9568, 6.4; RFC 3768, 6.4).
//!
//! ```text
//!                     start                 master-down timer
//!   Initialize ────────────────► Backup ────────────────────────► Master
//!       │                        ▲    ▲                             │  │
//!       │ start of an owner      │    └─────────────────────────────┘  │
//!       └────────────► Master    │         a better master was heard   │
//!                                │                                     │
//!                  last fault    │            a fault: advert of       │
//!                     gone       └── Fault ◄── priority 0 ─────────────┘
//! ```
//!
//! From everywhere a stop leads to Stopped, for a master by way of an advert of priority 0; a fault
//! leads to Fault from Backup and Initialize too. A router never goes from Fault to Master directly.
//!
//! The router does no IO and reads no clock. It is handed facts by the `handle_…` methods; after each of
//! them, take what it wants done from [`Router::poll_output`] until that is `None`, and then sleep until
//! [`Router::poll_timeout`]. On becoming master the advert is the first output, before the address is
//! even on the interface: late adverts cause a second master, late addresses only a late address.

mod hear;
mod notes;
mod sync;

use std::collections::{BTreeSet, VecDeque};
use std::net::IpAddr;
use std::time::Instant;

use notes::Notes;

use crate::advert::{Advert, PRIORITY_OWNER, PRIORITY_STOP};
use crate::beat::Beat;
use crate::datagram::Envelope;
use crate::error::{AdvertError, ErrorKind};
use crate::settings::{Role, Settings};
use crate::stage::{Backup, Master, Stage, Wait, next};
use crate::state::{Cause, Counters, Fault, Note, Output, Reason, State};
use crate::track;

/// One virtual router.
#[derive(Debug, Clone)]
pub struct Router {
    settings: Settings,
    beat: Beat,
    stage: Stage,
    /// Facts that hold in every state.
    faults: BTreeSet<Fault>,
    source: Option<IpAddr>,
    weight: i32,
    /// A member of a sync group.
    member: bool,
    outputs: VecDeque<Output>,
    /// What is odd about others, since the last change of settings.
    noted: Notes,
    counters: Counters,
    last_transition: Option<(Instant, Cause)>,
}

impl Router {
    /// A router in [`State::Initialize`]. The settings are [normalized](Settings::normalized).
    pub fn new(settings: Settings) -> Router {
        Router {
            settings: settings.normalized(),
            beat: Beat::default(),
            stage: Stage::Initialize(None),
            faults: BTreeSet::new(),
            source: None,
            weight: 0,
            member: false,
            outputs: VecDeque::new(),
            noted: Notes::default(),
            counters: Counters::default(),
            last_transition: None,
        }
    }

    /// As master it speaks on this beat, which it shares with others, from the advert after the next on.
    pub fn keep_beat(&mut self, beat: Beat) {
        self.beat = beat;
    }

    /// Begins to take part: an owner that wishes so as master at once, a router that wishes to be master
    /// as a backup that waits for one interval and skew only, every other as a backup. With faults it
    /// begins in [`State::Fault`]. Has no effect on a router that is running.
    pub fn handle_start(&mut self, now: Instant) {
        if !matches!(self.stage, Stage::Initialize(_) | Stage::Stopped) {
            return;
        }
        if !self.faults.is_empty() {
            self.enter_fault(now);
            return;
        }
        match self.settings.wish {
            Role::Master if self.settings.is_owner() => self.start_as_owner(now),
            Role::Master => self.enter_backup(Backup::new(now, Wait::First), Cause::Started, now),
            Role::Backup => self.enter_backup(Backup::new(now, Wait::MasterDown), Cause::Started, now),
        }
    }

    /// Plans the start for later (`vrrp_startup_delay`): until then the router neither speaks nor listens.
    pub fn handle_start_at(&mut self, at: Instant) {
        if matches!(self.stage, Stage::Initialize(_)) {
            self.stage = Stage::Initialize(Some(at));
        }
    }

    /// The faults there are now, all of them. A fault ends mastership with an advert of priority 0; when
    /// the last one is gone the router is a backup.
    pub fn handle_faults(&mut self, faults: &BTreeSet<Fault>, now: Instant) {
        self.faults.clone_from(faults);
        match self.stage {
            Stage::Initialize(_) | Stage::Stopped => {}
            Stage::Fault if self.faults.is_empty() => {
                self.enter_backup(Backup::new(now, Wait::MasterDown), Cause::FaultsCleared, now);
            }
            Stage::Fault => {}
            Stage::Backup(_) | Stage::Master(_) if self.faults.is_empty() => {}
            Stage::Backup(_) | Stage::Master(_) => self.enter_fault(now),
        }
    }

    /// The address our adverts come from: it decides among equal priorities, and tells our own adverts
    /// from others.
    pub fn handle_source(&mut self, source: IpAddr) {
        self.source = Some(source);
    }

    /// The sum of the weights of everything tracked. An owner is never weighted. A backup's timer moves with its skew,
    /// a master says it with its next advert, which comes when it would have come anyway.
    pub fn handle_weight(&mut self, weight: i32) {
        self.weight = weight;
    }

    /// An advert that could be parsed. It is checked against the settings here and, where it does not
    /// fit, counted and dropped. An advert with another address list is counted and used, so that a
    /// cluster survives the time in which only one of its routers has a new list.
    pub fn handle_advert(&mut self, advert: &Advert, envelope: &Envelope, now: Instant) {
        self.hear(advert, envelope, now);
    }

    /// An advert for this router that could not be parsed, or that is not believed for what surrounds it: it is
    /// counted. `source`: who sent it, where that could be read.
    pub fn handle_error(&mut self, source: Option<IpAddr>, error: &AdvertError, now: Instant) {
        self.reject(source, error, now);
    }

    /// Does everything that is due.
    pub fn handle_timeout(&mut self, now: Instant) {
        match &self.stage {
            Stage::Backup(backup) => {
                if backup.deadline(&self.settings, self.effective_priority()) <= now {
                    let cause = backup.takeover_cause();
                    self.take_over(cause, now);
                }
            }
            Stage::Master(_) => self.master_timeout(now),
            Stage::Initialize(Some(start)) if *start <= now => self.handle_start(now),
            Stage::Initialize(_) | Stage::Fault | Stage::Stopped => {}
        }
    }

    /// Other settings for the same VRID. A role is never lost by this: a master stays master, and if its
    /// addresses are others it advertises and announces them at once. A lower priority lets the election
    /// do the rest. A backup whose wait depends on a changed interval begins to wait anew.
    pub fn handle_settings(&mut self, new: Settings, now: Instant) {
        debug_assert_eq!(new.vrid, self.settings.vrid, "another VRID is another router");
        let old = std::mem::replace(&mut self.settings, new.normalized());
        let new = &self.settings;
        self.noted.clear();
        let new_addresses = old.addresses != new.addresses;
        match &mut self.stage {
            Stage::Backup(backup) => {
                if old.version != new.version {
                    backup.master_interval = None;
                }
                let waits_by_own_interval = backup.master_interval.is_none() && backup.wait != Wait::Skew;
                if waits_by_own_interval && (old.interval, old.version) != (new.interval, new.version) {
                    backup.restart(now, backup.wait);
                }
            }
            Stage::Master(master) => {
                master.pace.hasten(now, new.interval, self.beat);
                if old.announce.refresh != new.announce.refresh {
                    master.refresh = new.announce.refresh.map(|every| now + every);
                }
                if old.announce.elsewhere != new.announce.elsewhere {
                    master.elsewhere = new.announce.elsewhere.map(|every| now + every);
                }
                if new_addresses {
                    master.plan_second_announce(now, new);
                    self.send_advert();
                    self.announce(self.settings.announce.repeat);
                }
            }
            Stage::Initialize(_) | Stage::Fault | Stage::Stopped => {}
        }
    }

    /// Leaves: a master says so with priority 0, so that a backup need not wait.
    pub fn handle_stop(&mut self, now: Instant) {
        if self.state() == State::Stopped {
            return;
        }
        self.resign();
        self.change(Stage::Stopped, Cause::Stopped, now);
    }

    /// The next thing to do, in order.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// When to call [`Router::handle_timeout`], and what for; `None` for not at all.
    pub fn poll_timeout(&self) -> Option<(Instant, Reason)> {
        match &self.stage {
            Stage::Backup(_) if self.awaits_group() => None,
            Stage::Backup(backup) => {
                Some((backup.deadline(&self.settings, self.effective_priority()), Reason::MasterDown))
            }
            Stage::Master(master) => Some(master.deadline()),
            Stage::Initialize(Some(start)) => Some((*start, Reason::Start)),
            Stage::Initialize(None) | Stage::Fault | Stage::Stopped => None,
        }
    }

    /// The state.
    pub fn state(&self) -> State {
        self.stage.state()
    }

    /// Whether this router is master.
    pub fn is_master(&self) -> bool {
        matches!(self.stage, Stage::Master(_))
    }

    /// The settings, normalized.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// The faults as last handed in.
    pub fn faults(&self) -> &BTreeSet<Fault> {
        &self.faults
    }

    /// The priority this router advertises: base and weights, 1..=254. An owner has 255 whatever the
    /// weights, or 254 while it gives way to another owner.
    pub fn effective_priority(&self) -> u8 {
        let owner = self.settings.is_owner();
        match &self.stage {
            Stage::Backup(Backup { conceded: true, .. }) if owner => PRIORITY_OWNER - 1,
            _ if owner => PRIORITY_OWNER,
            _ => track::fold(self.settings.priority, std::iter::once(self.weight)).priority,
        }
    }

    /// The other router that was last heard as master in the present state: its address and priority
    /// (0 when it said that it leaves). As master ourselves: the rival.
    pub fn master(&self) -> Option<(IpAddr, u8)> {
        let heard = match &self.stage {
            Stage::Backup(backup) => backup.heard.map(|(heard, _)| heard),
            Stage::Master(master) => master.rival.map(|rival| rival.heard),
            Stage::Initialize(_) | Stage::Fault | Stage::Stopped => None,
        };
        heard.map(|heard| (heard.source, heard.priority))
    }

    /// Counters since the router was made.
    pub fn counters(&self) -> &Counters {
        &self.counters
    }

    /// Why the state changed last; `None` before the start.
    pub fn last_transition(&self) -> Option<&Cause> {
        self.last_transition.as_ref().map(|(_, cause)| cause)
    }

    /// When the present state began; `None` before the start.
    pub fn since(&self) -> Option<Instant> {
        self.last_transition.as_ref().map(|(at, _)| *at)
    }

    // ----- states -----

    fn enter_master(&mut self, cause: Cause, now: Instant) {
        let from = self.state();
        self.stage = Stage::Master(Master::new(now, &self.settings, self.beat));
        self.counters.became_master += 1;
        self.send_advert();
        self.tell(from, cause, now);
        self.announce(self.settings.announce.repeat);
    }

    fn enter_backup(&mut self, backup: Backup, cause: Cause, now: Instant) {
        self.change(Stage::Backup(backup), cause, now);
    }

    fn enter_fault(&mut self, now: Instant) {
        self.resign();
        self.change(Stage::Fault, Cause::Faults(self.faults.iter().cloned().collect()), now);
    }

    /// A master that leaves without having heard a better one.
    fn resign(&mut self) {
        if self.is_master() {
            self.send(PRIORITY_STOP);
        }
    }

    fn change(&mut self, to: Stage, cause: Cause, now: Instant) {
        let from = self.state();
        self.stage = to;
        self.tell(from, cause, now);
    }

    fn tell(&mut self, from: State, cause: Cause, now: Instant) {
        self.last_transition = Some((now, cause.clone()));
        self.noted.end_state();
        self.outputs.push_back(Output::Transition { from, to: self.state(), cause });
    }

    // ----- time -----

    fn master_timeout(&mut self, now: Instant) {
        let announce = self.settings.announce;
        if let (Stage::Master(master), Some(priority), false) =
            (&self.stage, self.settings.expired_backup, self.settings.preempt)
            && master.is_outlived(&self.settings, priority, now)
        {
            self.enter_backup(Backup::new(now, Wait::MasterDown), Cause::HeldUp, now);
            return;
        }
        while let Stage::Master(master) = &mut self.stage {
            let (deadline, reason) = master.deadline();
            if deadline > now {
                return;
            }
            match reason {
                Reason::Advert => {
                    master.pace.spoken(now, self.settings.interval, self.beat);
                    self.send_advert();
                }
                Reason::SecondAnnounce => {
                    master.second_announce = None;
                    self.announce(announce.repeat);
                }
                Reason::LowerAnnounce => {
                    master.lower_announce = None;
                    self.announce(announce.lower_repeat);
                }
                Reason::Refresh => {
                    master.refresh = announce.refresh.map(|every| next(deadline, every, now));
                    self.announce(announce.refresh_repeat);
                }
                Reason::Elsewhere => {
                    master.elsewhere = announce.elsewhere.map(|every| next(deadline, every, now));
                    self.outputs.push_back(Output::AnnounceElsewhere);
                }
                Reason::MasterDown | Reason::Start => {
                    unreachable!("a master waits for no master and no start")
                }
            }
        }
    }

    // ----- outputs -----

    fn send_advert(&mut self) {
        self.send(self.effective_priority());
    }

    fn send(&mut self, priority: u8) {
        self.counters.sent += 1;
        self.counters.zero_sent += u64::from(priority == PRIORITY_STOP);
        self.outputs.push_back(Output::Send(Advert {
            version: self.settings.version,
            vrid: self.settings.vrid,
            priority,
            interval: self.settings.interval,
            auth: self.settings.auth.clone(),
            addresses: self.settings.addresses.clone(),
        }));
    }

    fn announce(&mut self, messages: u32) {
        if messages > 0 {
            self.outputs.push_back(Output::Announce(messages));
        }
    }

    fn count(&mut self, kind: ErrorKind) {
        *self.counters.errors.entry(kind).or_default() += 1;
    }

    fn note(&mut self, note: Note, now: Instant) {
        if self.noted.meet(&note, now) {
            self.outputs.push_back(Output::Note(note));
        }
    }
}

#[cfg(test)]
mod tests;
