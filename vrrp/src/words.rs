//! How states, causes and counters read: the words that operators see in logs, mails and status.

use std::collections::BTreeMap;
use std::fmt;

use crate::error::ErrorKind;
use crate::state::{Cause, Counters, Fault, Note, State};
use crate::track::Reading;

impl fmt::Display for State {
    /// keepalived's words, which scripts and people look for.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            State::Initialize => "INIT",
            State::Backup => "BACKUP",
            State::Master => "MASTER",
            State::Fault => "FAULT",
            State::Stopped => "STOP",
        })
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Fault::InterfaceMissing => f.write_str("the interface does not exist"),
            Fault::InterfaceDown => f.write_str("the interface is down"),
            Fault::NoSourceAddress => f.write_str("the interface has no address to send adverts from"),
            Fault::DuplicateVrid => f.write_str("another instance has the same VRID on this interface"),
            Fault::Configuration(why) => f.write_str(why),
            Fault::Tracked(what) => f.write_str(what),
            Fault::Group(member) => write!(f, "{member} of the same sync group is at fault"),
            Fault::Operator => f.write_str("an operator asked for it"),
        }
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Cause::Started => f.write_str("started"),
            Cause::Resumed => f.write_str("goes on as before the restart"),
            Cause::Stopped => f.write_str("told to stop"),
            Cause::NoMaster => f.write_str("no master was heard"),
            Cause::MasterSilent { source, priority } => {
                write!(f, "the master {source} (priority {priority}) fell silent")
            }
            Cause::MasterResigned { source } => write!(f, "the master {source} said that it leaves"),
            Cause::Preempted { source, priority } => {
                write!(f, "the master {source} has a lower priority ({priority})")
            }
            Cause::BetterMaster { source, priority } => {
                write!(f, "{source} (priority {priority}) has the better claim")
            }
            Cause::OwnerConflict { source } => write!(f, "{source} claims to own the addresses too"),
            Cause::Sibling { member } => write!(f, "{member} of the same sync group is master no more"),
            Cause::Succeeded { source, priority } => {
                write!(f, "this process was held up, and {source} (priority {priority}) has taken over")
            }
            Cause::HeldUp => f.write_str("this process was held up for longer than a backup waits"),
            Cause::Faults(faults) => {
                let words: Vec<String> = faults.iter().map(ToString::to_string).collect();
                f.write_str(&words.join("; "))
            }
            Cause::FaultsCleared => f.write_str("what was at fault is well again"),
        }
    }
}

impl fmt::Display for Reading {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Reading::Unknown => f.write_str("unknown"),
            Reading::Up => f.write_str("up"),
            Reading::Down => f.write_str("down"),
            Reading::Number(number) => write!(f, "{number}"),
        }
    }
}

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Note::LowerPriorityMaster { source, priority } => {
                write!(f, "{source} (priority {priority}) says that it is master too; it should yield")
            }
            Note::AddressListDiffers { source, found } => {
                let found: Vec<String> = found.iter().map(ToString::to_string).collect();
                let found = if found.is_empty() { "none".to_owned() } else { found.join(", ") };
                write!(f, "{source} advertises other addresses than are configured here: {found}")
            }
            Note::IntervalDiffers { source, found, ours } => {
                let (found, ours) = (found.as_secs_f64(), ours.as_secs_f64());
                write!(f, "{source} advertises every {found} s, advert_int here is {ours} s")
            }
            Note::OwnerConflict { source } => {
                write!(f, "{source} has priority 255 too, but only one can own the addresses")
            }
            Note::OwnAddress { source } => {
                write!(
                    f,
                    "adverts come in from {source}, our own address: the network sends ours back, or another host has \
                     this address too; they are ignored"
                )
            }
            Note::Rejected { source: Some(source), error } => {
                write!(f, "adverts of {source} are dropped: {error}")
            }
            Note::Rejected { source: None, error } => write!(f, "adverts are dropped: {error}"),
        }
    }
}

impl fmt::Display for ErrorKind {
    /// The names of the counters in `status`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            ErrorKind::Length => "length",
            ErrorKind::Version => "version",
            ErrorKind::Type => "type",
            ErrorKind::Vrid => "vrid",
            ErrorKind::Ttl => "ttl",
            ErrorKind::Checksum => "checksum",
            ErrorKind::AddressCount => "address_count",
            ErrorKind::AddressList => "address_list",
            ErrorKind::Authentication => "authentication",
            ErrorKind::Interval => "interval",
            ErrorKind::SignatureMissing => "signature_missing",
            ErrorKind::SignatureMalformed => "signature_malformed",
            ErrorKind::SignatureStale => "signature_stale",
            ErrorKind::SignatureUnknownKey => "signature_unknown_key",
            ErrorKind::SignatureInvalid => "signature_invalid",
            ErrorKind::Replay => "replay",
        })
    }
}

impl Counters {
    /// All counters by name; those of dropped adverts begin with `dropped_`. Errors that did not happen are there too.
    pub fn by_name(&self) -> BTreeMap<String, u64> {
        let plain = [
            ("sent", self.sent),
            ("received", self.received),
            ("priority_zero_sent", self.zero_sent),
            ("priority_zero_received", self.zero_received),
            ("looped", self.looped),
            ("became_master", self.became_master),
        ];
        let dropped = ErrorKind::ALL.iter().map(|kind| {
            let prefix = if *kind == ErrorKind::AddressList { "differing" } else { "dropped" };
            (format!("{prefix}_{kind}"), self.errors.get(kind).copied().unwrap_or(0))
        });
        plain.into_iter().map(|(name, count)| (name.to_owned(), count)).chain(dropped).collect()
    }
}

impl ErrorKind {
    /// Every kind.
    pub const ALL: [ErrorKind; 16] = [
        ErrorKind::Length,
        ErrorKind::Version,
        ErrorKind::Type,
        ErrorKind::Vrid,
        ErrorKind::Ttl,
        ErrorKind::Checksum,
        ErrorKind::AddressCount,
        ErrorKind::AddressList,
        ErrorKind::Authentication,
        ErrorKind::Interval,
        ErrorKind::SignatureMissing,
        ErrorKind::SignatureMalformed,
        ErrorKind::SignatureStale,
        ErrorKind::SignatureUnknownKey,
        ErrorKind::SignatureInvalid,
        ErrorKind::Replay,
    ];
}
