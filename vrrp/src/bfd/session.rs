//! The state machine of one neighbour (RFC 5880, 6.2 and 6.8).
//!
//! ```text
//!            heard: Down                heard: Init or Up
//!   Down ────────────────► Init ─────────────────────────────► Up
//!    │ ▲                     │                                 │
//!    │ └─────────────────────┴──── nothing heard in time ──────┤
//!    │ └────────────────────────── heard: Down ────────────────┘
//!    └─ heard: Init ──────────────────────────────────────────► Up
//! ```
//!
//! Hand it facts by the `handle_…` methods, take what it wants from [`Session::poll_output`] after each, and sleep until
//! [`Session::poll_timeout`].

mod remnant;

use std::collections::{BTreeMap, VecDeque};
use std::num::{NonZeroU8, NonZeroU32};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use super::chance::Chance;
use super::packet::{Packet, PacketError};
use super::settings::Settings;
use super::timers::Timers;
use super::words::{Diagnostic, State};

pub use remnant::Remnant;

/// What a session wants done, in order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Output {
    /// Send this packet to the neighbour.
    Send(Packet),
    /// The state has changed.
    Changed {
        /// State before.
        from: State,
        /// State now.
        to: State,
        /// Why, if it was lost.
        diagnostic: Diagnostic,
    },
}

/// What a session waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Reason {
    /// Our next packet is due.
    Transmit,
    /// Without a packet from the neighbour until then it is down.
    Detection,
}

/// Counters since the session was made.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counters {
    /// Packets sent.
    pub sent: u64,
    /// Packets accepted.
    pub received: u64,
    /// Times it came up.
    pub ups: u64,
    /// Times it was lost.
    pub downs: u64,
    /// Packets dropped, by kind.
    pub dropped: BTreeMap<String, u64>,
}

/// What the neighbour said last.
#[derive(Debug, Clone)]
struct Remote {
    state: State,
    diagnostic: Diagnostic,
    /// Its number for the session; `None` while it is not known.
    discriminator: Option<NonZeroU32>,
    multiplier: NonZeroU8,
    min_tx: Duration,
    min_rx: Duration,
    demand: bool,
    /// When it was heard last; `None` once the detection time has passed.
    heard: Option<Instant>,
}

/// One session.
#[derive(Debug, Clone)]
pub struct Session {
    discriminator: NonZeroU32,
    settings: Settings,
    state: State,
    diagnostic: Diagnostic,
    since: Instant,
    remote: Remote,
    timers: Timers,
    /// Our next packet; `None` while we are to be silent.
    next_packet: Option<Instant>,
    chance: Chance,
    outputs: VecDeque<Output>,
    counters: Counters,
}

impl Session {
    /// A session that begins at `now`, down. Its first packet, unless it is passive, follows within the idle interval.
    /// The discriminator must be unique on this host, and other than that of the session before a restart.
    pub fn new(discriminator: NonZeroU32, settings: Settings, seed: u64, now: Instant) -> Session {
        let settings = settings.normalized();
        let mut session = Session {
            discriminator,
            state: State::Down,
            diagnostic: Diagnostic::NONE,
            since: now,
            remote: Remote {
                state: State::Down,
                diagnostic: Diagnostic::NONE,
                discriminator: None,
                multiplier: NonZeroU8::MIN,
                min_tx: Duration::ZERO,
                // RFC 5880, 6.8.1: bfd.RemoteMinRxInterval starts at 1.
                min_rx: Duration::from_micros(1),
                demand: false,
                heard: None,
            },
            timers: Timers::new(settings.idle_tx, settings.min_rx),
            next_packet: None,
            chance: Chance::new(seed),
            outputs: VecDeque::new(),
            counters: Counters::default(),
            settings,
        };
        if session.may_send() {
            // Many sessions that start together do not all speak at once, and nobody waits a second for the first word.
            let first = session.chance.next() % 100;
            session.next_packet = Some(now + Duration::from_millis(first));
        }
        session
    }

    /// A packet of this neighbour, which arrived at `now`.
    pub fn handle_packet(&mut self, packet: &Packet, now: Instant) {
        self.counters.received += 1;
        let remote = &mut self.remote;
        remote.state = packet.state;
        remote.diagnostic = packet.diagnostic;
        remote.discriminator = Some(packet.mine);
        remote.multiplier = packet.multiplier;
        remote.min_tx = packet.desired_min_tx;
        remote.min_rx = packet.required_min_rx;
        remote.demand = packet.demand;
        remote.heard = Some(remote.heard.map_or(now, |before| before.max(now)));
        if self.state == State::AdminDown {
            return;
        }
        if packet.answer {
            self.timers.answered();
        }
        match (self.state, packet.state) {
            (State::Init | State::Up, State::AdminDown) | (State::Up, State::Down) => {
                self.enter(State::Down, Diagnostic::SIGNALED, now);
            }
            (State::Down, State::Down) => self.enter(State::Init, self.diagnostic, now),
            (State::Down, State::Init) | (State::Init, State::Init | State::Up) => {
                self.enter(State::Up, Diagnostic::NONE, now);
            }
            _ => {}
        }
        if packet.poll {
            self.send(now, true);
        }
        self.pace(now);
    }

    /// A packet that was for this session and is not taken.
    pub fn handle_error(&mut self, error: &PacketError) {
        self.drop_packet(error.kind());
    }

    /// Counts a packet that was dropped for another reason than its contents.
    pub fn drop_packet(&mut self, kind: &str) {
        *self.counters.dropped.entry(kind.to_owned()).or_default() += 1;
    }

    /// Other settings. A session that is up stays up: the neighbour is asked to agree to new intervals by a poll.
    pub fn handle_settings(&mut self, settings: Settings, now: Instant) {
        let settings = settings.normalized();
        if settings == self.settings {
            return;
        }
        let more = settings.multiplier != self.settings.multiplier;
        self.settings = settings;
        let (tx, rx) = self.wanted_intervals();
        let before = self.timers.said();
        match self.state {
            State::Up => self.timers.negotiate(tx, rx),
            _ => self.timers.set(tx, rx),
        }
        // What packets say has changed: the neighbour need not wait for the next one to hear of it.
        if (more || before != (tx, rx)) && self.may_send() {
            self.send(now, false);
        }
        self.pace(now);
    }

    /// Ends the session, for good. The neighbour is told at once that it is down, for administrative reasons.
    ///
    /// The packet says Down and not AdminDown (RFC 5880, 6.8.16), because this side will not be there any more:
    /// AdminDown would say that the path is as good as it was, and keepalived goes on counting a neighbour as up that
    /// says so (RFC 5882, 3.2).
    pub fn handle_stop(&mut self, now: Instant) {
        if self.state == State::AdminDown {
            return;
        }
        let was_known = self.may_send();
        self.change(State::AdminDown, Diagnostic::ADMIN, now);
        self.next_packet = None;
        if was_known {
            self.send(now, false);
            self.next_packet = None;
        }
    }

    /// Does everything that is due.
    pub fn handle_timeout(&mut self, now: Instant) {
        if self.detection_deadline().is_some_and(|at| at <= now) {
            self.remote.heard = None;
            // RFC 5880, 6.8.1: after the detection time the neighbour's number is forgotten.
            self.remote.discriminator = None;
            self.remote.demand = false;
            self.remote.min_rx = Duration::from_micros(1);
            if matches!(self.state, State::Init | State::Up) {
                self.enter(State::Down, Diagnostic::EXPIRED, now);
            }
            self.pace(now);
        }
        if self.next_packet.is_some_and(|at| at <= now) {
            self.send(now, false);
        }
    }

    /// The next thing to do, in order.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// When to call [`Session::handle_timeout`], and what for; `None` for not at all.
    pub fn poll_timeout(&self) -> Option<(Instant, Reason)> {
        let detection = self.detection_deadline().map(|at| (at, Reason::Detection));
        let packet = self.next_packet.map(|at| (at, Reason::Transmit));
        [detection, packet].into_iter().flatten().min()
    }

    /// The state.
    pub fn state(&self) -> State {
        self.state
    }

    /// Whether both sides hear each other.
    pub fn is_up(&self) -> bool {
        self.state == State::Up
    }

    /// When the present state began.
    pub fn since(&self) -> Instant {
        self.since
    }

    /// Why it was lost last.
    pub fn diagnostic(&self) -> Diagnostic {
        self.diagnostic
    }

    /// What the neighbour says of itself: its state, and why it was not up.
    pub fn remote(&self) -> (State, Diagnostic) {
        (self.remote.state, self.remote.diagnostic)
    }

    /// Our number for the session.
    pub fn discriminator(&self) -> NonZeroU32 {
        self.discriminator
    }

    /// The neighbour's number for it, while it is known.
    pub fn remote_discriminator(&self) -> Option<NonZeroU32> {
        self.remote.discriminator
    }

    /// The time between our packets, before jitter.
    pub fn transmit_interval(&self) -> Duration {
        self.timers.transmit(self.remote.min_rx)
    }

    /// How long the neighbour may be silent before it counts as down; `None` while it is not heard.
    pub fn detection_time(&self) -> Option<Duration> {
        self.remote.heard?;
        Some(self.timers.expect(self.remote.min_tx) * u32::from(self.remote.multiplier.get()))
    }

    /// The settings, normalized.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Counters since the session was made.
    pub fn counters(&self) -> &Counters {
        &self.counters
    }

    // ----- states -----

    /// Goes to another state and says so at once: a packet that differs need not wait (RFC 5880, 6.8.7).
    fn enter(&mut self, to: State, diagnostic: Diagnostic, now: Instant) {
        self.change(to, diagnostic, now);
        let (tx, rx) = self.wanted_intervals();
        match to {
            State::Up => self.timers.negotiate(tx, rx),
            _ => self.timers.set(tx, rx),
        }
        if self.may_send() {
            self.send(now, false);
        }
    }

    fn change(&mut self, to: State, diagnostic: Diagnostic, now: Instant) {
        let from = std::mem::replace(&mut self.state, to);
        self.diagnostic = diagnostic;
        self.since = now;
        self.counters.ups += u64::from(to == State::Up);
        self.counters.downs += u64::from(from == State::Up);
        self.outputs.push_back(Output::Changed { from, to, diagnostic });
    }

    /// What our packets should say in the present state: slow until the session is up (RFC 5880, 6.8.3).
    fn wanted_intervals(&self) -> (Duration, Duration) {
        let Settings { min_tx, idle_tx, min_rx, .. } = self.settings;
        (if self.state == State::Up { min_tx } else { idle_tx }, min_rx)
    }

    // ----- time -----

    fn detection_deadline(&self) -> Option<Instant> {
        if self.state == State::AdminDown {
            return None;
        }
        Some(self.remote.heard? + self.detection_time()?)
    }

    /// Whether packets may be sent of our own accord (RFC 5880, 6.8.7).
    fn may_send(&self) -> bool {
        let unknown = self.remote.discriminator.is_none();
        let both_up = self.state == State::Up && self.remote.state == State::Up;
        let hushed = self.remote.demand && both_up && !self.timers.polls();
        !(self.settings.passive && unknown || self.remote.min_rx.is_zero() || hushed)
    }

    /// Sets the time of our next packet by what is in effect now. One that is due sooner stays.
    fn pace(&mut self, now: Instant) {
        if self.state == State::AdminDown || !self.may_send() {
            self.next_packet = None;
            return;
        }
        // Only a shorter interval moves the next packet, and drawing lots on each packet heard would hurry ours.
        let interval = self.transmit_interval();
        let too_far = self.next_packet.is_none_or(|at| at > now + interval);
        if too_far {
            let wait = self.chance.jitter(interval, self.settings.multiplier.get());
            self.next_packet = Some(now + wait);
        }
    }

    // ----- packets -----

    /// Sends a packet as things are now. An answer to a poll leaves the rhythm alone.
    fn send(&mut self, now: Instant, answer: bool) {
        let (desired_min_tx, required_min_rx) = self.timers.said();
        self.counters.sent += 1;
        self.outputs.push_back(Output::Send(Packet {
            state: if self.state == State::AdminDown { State::Down } else { self.state },
            diagnostic: self.diagnostic,
            // A packet cannot ask and answer; asking waits.
            poll: !answer && self.timers.polls(),
            answer,
            independent: false,
            demand: false,
            multiplier: self.settings.multiplier,
            mine: self.discriminator,
            yours: self.remote.discriminator,
            desired_min_tx,
            required_min_rx,
            required_min_echo_rx: Duration::ZERO,
        }));
        if !answer {
            self.next_packet = None;
            self.pace(now);
        }
    }
}
