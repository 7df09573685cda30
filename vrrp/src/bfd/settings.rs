//! What the operator says about one neighbour.

use std::num::NonZeroU8;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// Settings of a session; all of them can change while it is up.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Settings {
    /// `min_tx`: shortest time between our packets, 1 µs to 71 minutes.
    pub min_tx: Duration,
    /// `min_rx`: shortest time between the neighbour's packets that we can take, as long.
    pub min_rx: Duration,
    /// `idle_tx`: time between our packets while the session is not up, at least a second (RFC 5880, 6.8.3).
    pub idle_tx: Duration,
    /// `multiplier`: our packets that the neighbour may miss before it takes us for down.
    pub multiplier: NonZeroU8,
    /// `passive`: say nothing until the neighbour was heard (RFC 5880, 6.1).
    pub passive: bool,
}

/// The shortest time between packets of a session that is not up (RFC 5880, 6.8.3).
const SLOWEST_START: Duration = Duration::from_secs(1);
/// What 32 bits of microseconds can say.
const LONGEST: Duration = Duration::from_micros(u32::MAX as u64);

impl Settings {
    /// The same settings with every interval inside its range.
    #[must_use]
    pub fn normalized(mut self) -> Settings {
        let range = Duration::from_micros(1)..=LONGEST;
        self.min_tx = self.min_tx.clamp(*range.start(), *range.end());
        self.min_rx = self.min_rx.clamp(*range.start(), *range.end());
        self.idle_tx = self.idle_tx.clamp(SLOWEST_START, *range.end());
        self
    }
}

/// How far a neighbour may be: which packets may be its (RFC 5881, 5 and RFC 5883, 3).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reach {
    /// `ttl` or `hoplimit` of our packets, and what the neighbour is taken to send with. 255 on both sides, with
    /// `max_hops` 0, is the test that only a packet from the own link passes (RFC 5082).
    pub ttl: u8,
    /// `max_hops`: how many routers a packet may have passed. `None`: any number.
    pub max_hops: Option<u8>,
    /// `multihop`: the neighbour is not on the own link, and the port is 4784.
    pub multihop: bool,
}

impl Reach {
    /// The least time to live that a packet may arrive with.
    pub fn least_ttl(&self) -> u8 {
        self.max_hops.map_or(0, |hops| self.ttl.saturating_sub(hops))
    }

    /// The port that packets of this neighbour come to and go to.
    pub fn port(&self) -> u16 {
        if self.multihop { super::PORT_MULTIHOP } else { super::PORT }
    }
}
