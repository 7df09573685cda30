//! One case of the matrix: its properties, and the instances of the two sides.

use std::fmt;
use std::time::Duration;

use lab::netns::Instance;

use crate::{PEER, PEER_V6, WE, WE_V6};

/// Priority of the program that is started first, and of the other.
pub const FIRST: u8 = 100;
/// The other has a better claim: with preemption it takes over.
pub const SECOND: u8 = 200;

/// The number of properties of a case.
pub const FACTORS: usize = 5;

/// What is spoken. keepalived speaks version 2 over IPv4 only, and knows authentication in version 2 only.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Speech {
    V3Ipv4,
    V3Ipv6,
    V2Plain,
    V2Password,
    V2Header,
}

/// What becomes of the master.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// Its processes end without a word, as by a power cut; later the program is started again.
    Kill,
    /// It is asked to stop; later it is started again.
    Stop,
    /// Its cable is pulled; later it is plugged in again.
    LinkDown,
    /// Its file gets another address and is read again: nothing may change.
    Reload,
}

/// One case.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Case {
    pub speech: Speech,
    pub unicast: bool,
    pub preempt: bool,
    /// We are started first, with the lower priority.
    pub we_first: bool,
    pub fate: Fate,
}

const SPEECHES: [Speech; 5] =
    [Speech::V3Ipv4, Speech::V3Ipv6, Speech::V2Plain, Speech::V2Password, Speech::V2Header];
const FATES: [Fate; 4] = [Fate::Kill, Fate::Stop, Fate::LinkDown, Fate::Reload];
const BOTH: [bool; 2] = [false, true];

impl Case {
    /// Every case.
    pub fn all() -> impl Iterator<Item = Case> {
        SPEECHES.into_iter().flat_map(|speech| {
            BOTH.into_iter().flat_map(move |unicast| {
                BOTH.into_iter().flat_map(move |preempt| {
                    BOTH.into_iter().flat_map(move |we_first| {
                        FATES.into_iter().map(move |fate| Case { speech, unicast, preempt, we_first, fate })
                    })
                })
            })
        })
    }

    /// Its properties as numbers.
    pub fn values(&self) -> [usize; FACTORS] {
        let Case { speech, unicast, preempt, we_first, fate } = *self;
        [speech as usize, unicast.into(), preempt.into(), we_first.into(), fate as usize]
    }

    /// VRRP's version.
    pub fn version(&self) -> u8 {
        match self.speech {
            Speech::V3Ipv4 | Speech::V3Ipv6 => 3,
            Speech::V2Plain | Speech::V2Password | Speech::V2Header => 2,
        }
    }

    /// The instance of one side.
    pub fn instance(&self, ours: bool, priority: u8) -> Instance {
        // Version 2 knows whole seconds only.
        let interval = if self.version() == 2 { Duration::from_secs(1) } else { Duration::from_millis(200) };
        let mut instance = Instance::new(self.version(), interval, priority);
        if self.speech == Speech::V3Ipv6 {
            instance = instance.v6();
        }
        let (own, other) = if self.speech == Speech::V3Ipv6 { (WE_V6, PEER_V6) } else { (WE, PEER) };
        instance.unicast = self.unicast.then_some(if ours { (own, other) } else { (other, own) });
        instance.password = (self.speech == Speech::V2Password).then(|| "opensesm".into());
        if self.speech == Speech::V2Header {
            instance.more = "authentication {\nauth_type AH\nauth_pass opensesm\n}".into();
        }
        instance.nopreempt = !self.preempt;
        instance
    }

    /// The address that the reload adds.
    pub fn extra(&self) -> std::net::IpAddr {
        let text = if self.speech == Speech::V3Ipv6 { "2001:db8::65" } else { "10.0.0.101" };
        text.parse().expect("an address")
    }
}

impl fmt::Display for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Case { speech, unicast, preempt, we_first, fate } = self;
        let cast = if *unicast { "unicast" } else { "multicast" };
        let preempt = if *preempt { "preempt" } else { "nopreempt" };
        let first = if *we_first { "we-first" } else { "they-first" };
        write!(f, "{speech:?}/{cast}/{preempt}/{first}/{fate:?}")
    }
}
