//! What is left of a session when its process is replaced by another, which goes on with it.
//!
//! A session that began anew would say Down, and the neighbour would believe it. The numbers of both sides and what the
//! neighbour said of its own rhythm are all that a process needs to go on as if nothing had happened; if the neighbour
//! has gone away meanwhile, its silence tells within the detection time.

use std::num::{NonZeroU8, NonZeroU32};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use super::{Session, Settings, State, Timers};

/// A session that is up, as the process that had it leaves it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Remnant {
    /// Our number for it.
    pub mine: NonZeroU32,
    /// The neighbour's number for it.
    pub yours: NonZeroU32,
    /// How many packets of the neighbour may be missed.
    pub multiplier: NonZeroU8,
    /// How often the neighbour would like to send.
    pub min_tx: Duration,
    /// How often the neighbour can take a packet.
    pub min_rx: Duration,
}

impl Session {
    /// What is left of it; `None` unless it is up.
    pub fn remnant(&self) -> Option<Remnant> {
        let remote = &self.remote;
        let yours = remote.discriminator.filter(|_| self.is_up())?;
        Some(Remnant {
            mine: self.discriminator,
            yours,
            multiplier: remote.multiplier,
            min_tx: remote.min_tx,
            min_rx: remote.min_rx,
        })
    }

    /// A session that goes on: it is up, and says so at once. The neighbour has the detection time to be heard.
    pub fn resume(remnant: &Remnant, settings: Settings, seed: u64, now: Instant) -> Session {
        let mut session = Session::new(remnant.mine, settings, seed, now);
        session.state = State::Up;
        session.remote.state = State::Up;
        session.remote.discriminator = Some(remnant.yours);
        session.remote.multiplier = remnant.multiplier;
        session.remote.min_tx = remnant.min_tx;
        session.remote.min_rx = remnant.min_rx;
        session.remote.heard = Some(now);
        // Other settings than those of before are what our packets say from now on; they need no poll, for the neighbour
        // takes what the next packet says.
        session.timers = Timers::new(session.settings.min_tx, session.settings.min_rx);
        session.counters.ups = 1;
        session.next_packet = session.may_send().then_some(now);
        session
    }
}
