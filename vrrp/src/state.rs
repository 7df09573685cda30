//! The words in which a router speaks about itself: states, causes, notes, outputs.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::advert::Advert;
use crate::error::{AdvertError, ErrorKind};

/// State of a virtual router (RFC 9568, 6.4), with the two that keepalived adds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum State {
    /// Not started.
    Initialize,
    /// Listens to a master, ready to take over.
    Backup,
    /// Holds the addresses and says so.
    Master,
    /// Cannot take part at present; see [`Fault`].
    Fault,
    /// Was told to stop.
    Stopped,
}

/// A reason why a router cannot take part.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Fault {
    /// The interface does not exist.
    InterfaceMissing,
    /// The interface is down or has no carrier.
    InterfaceDown,
    /// There is no address to send from.
    NoSourceAddress,
    /// Another router of this host has the same VRID on the same interface.
    DuplicateVrid,
    /// The settings cannot be used; the text says why.
    Configuration(String),
    /// A tracked thing is at fault; the text names it and says why (`track_interface eth1 is down`).
    Tracked(String),
    /// A member of the same sync group is at fault; the text names it.
    Group(String),
    /// An operator asked for it.
    Operator,
}

/// What a router wants done, in order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Output {
    /// Send this advert to the group, or to every peer.
    Send(Advert),
    /// Announce the addresses: this many messages for each.
    Announce(u32),
    /// Announce once the addresses that are on other interfaces than the router's own.
    AnnounceElsewhere,
    /// The state has changed.
    Transition {
        /// State before.
        from: State,
        /// State now.
        to: State,
        /// Why.
        cause: Cause,
    },
    /// As master, another one with a lesser claim was met, of whom nothing had been heard for as long as a backup waits.
    Encounter,
    /// Something an operator should read; not repeated while it lasts.
    Note(Note),
}

/// Why a state changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Cause {
    /// The router was started.
    Started,
    /// The router goes on as the master that its process was before it was started again.
    Resumed,
    /// The router was told to stop.
    Stopped,
    /// Nobody was heard since this router began to listen.
    NoMaster,
    /// The master that was heard before fell silent.
    MasterSilent {
        /// Its address.
        source: IpAddr,
        /// Its priority.
        priority: u8,
    },
    /// The master said that it leaves (priority 0).
    MasterResigned {
        /// Its address.
        source: IpAddr,
    },
    /// The master has a lower priority than we have.
    Preempted {
        /// Its address.
        source: IpAddr,
        /// Its priority.
        priority: u8,
    },
    /// As master, somebody with a better claim was heard: a higher priority, or the same priority
    /// and a numerically higher address.
    BetterMaster {
        /// Its address.
        source: IpAddr,
        /// Its priority.
        priority: u8,
    },
    /// Two routers claim to own the addresses, and the other one did not give in.
    OwnerConflict {
        /// Its address.
        source: IpAddr,
    },
    /// Another member of the same sync group is master no more.
    Sibling {
        /// Its name.
        member: String,
    },
    /// This process was held up for so long that the other router took over, as it should.
    Succeeded {
        /// Its address.
        source: IpAddr,
        /// Its priority.
        priority: u8,
    },
    /// This process was held up for so long that somebody must have taken over (`timer_expired_backup`).
    HeldUp,
    /// These faults were found.
    Faults(Vec<Fault>),
    /// The last fault is gone.
    FaultsCleared,
}

/// Something an operator should read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Note {
    /// As master, another one with a lesser claim was heard: the network was split, or one of us did
    /// not hear the other.
    LowerPriorityMaster {
        /// Its address.
        source: IpAddr,
        /// Its priority.
        priority: u8,
    },
    /// The sender's addresses are not ours. The advert counts nevertheless.
    AddressListDiffers {
        /// Who sent it.
        source: IpAddr,
        /// Its addresses.
        found: Vec<IpAddr>,
    },
    /// Version 3: the master's interval is not ours; a backup goes by the master's.
    IntervalDiffers {
        /// Who sent it.
        source: IpAddr,
        /// Its interval.
        found: Duration,
        /// Our interval.
        ours: Duration,
    },
    /// Another router claims priority 255 too: only one can own the addresses.
    OwnerConflict {
        /// Its address.
        source: IpAddr,
    },
    /// Adverts come in from our own address: the network sends ours back, or somebody else has our address.
    OwnAddress {
        /// The address.
        source: IpAddr,
    },
    /// Adverts are being dropped.
    Rejected {
        /// Who sent it, where known.
        source: Option<IpAddr>,
        /// What was wrong with it.
        error: AdvertError,
    },
}

/// Kind of a [`Note`]: what is not repeated of one router.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum NoteKind {
    /// [`Note::LowerPriorityMaster`].
    LowerPriorityMaster,
    /// [`Note::AddressListDiffers`].
    AddressListDiffers,
    /// [`Note::IntervalDiffers`].
    IntervalDiffers,
    /// [`Note::OwnerConflict`].
    OwnerConflict,
    /// [`Note::OwnAddress`].
    OwnAddress,
    /// [`Note::Rejected`], for each kind of error.
    Rejected(ErrorKind),
}

impl Note {
    /// Who it is about, where that is known.
    pub fn source(&self) -> Option<IpAddr> {
        match self {
            Note::LowerPriorityMaster { source, .. }
            | Note::AddressListDiffers { source, .. }
            | Note::IntervalDiffers { source, .. }
            | Note::OwnerConflict { source }
            | Note::OwnAddress { source } => Some(*source),
            Note::Rejected { source, .. } => *source,
        }
    }

    /// The kind of this note.
    pub fn kind(&self) -> NoteKind {
        match self {
            Note::LowerPriorityMaster { .. } => NoteKind::LowerPriorityMaster,
            Note::AddressListDiffers { .. } => NoteKind::AddressListDiffers,
            Note::IntervalDiffers { .. } => NoteKind::IntervalDiffers,
            Note::OwnerConflict { .. } => NoteKind::OwnerConflict,
            Note::OwnAddress { .. } => NoteKind::OwnAddress,
            Note::Rejected { error, .. } => NoteKind::Rejected(error.kind()),
        }
    }
}

/// What a router waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Reason {
    /// Master: the next advert is due.
    Advert,
    /// Not started: the wait before the start is over.
    Start,
    /// Backup: without a word from the master until then, take over.
    MasterDown,
    /// Master: the second burst after becoming master.
    SecondAnnounce,
    /// Master: the second burst after another master was heard.
    LowerAnnounce,
    /// Master: the periodic announcement.
    Refresh,
    /// Master: the periodic announcement on other interfaces.
    Elsewhere,
}

/// Counters since the router was made.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counters {
    /// Adverts sent, those with priority 0 included.
    pub sent: u64,
    /// Adverts accepted, those with priority 0 included.
    pub received: u64,
    /// Adverts sent with priority 0.
    pub zero_sent: u64,
    /// Adverts accepted with priority 0.
    pub zero_received: u64,
    /// Adverts from our own address, ignored: they came back, or another host has it too.
    pub looped: u64,
    /// Times this router became master.
    pub became_master: u64,
    /// Adverts dropped, and accepted ones with another address list, by kind.
    pub errors: BTreeMap<ErrorKind, u64>,
}
