//! Whatever holds an IPVS table: the real kernel, or one in memory that obeys the same rules.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::KernelError;
use crate::key::{DestinationKey, ServiceKey};
use crate::model::{Service, Table};
use crate::operation::Operation;
use crate::settings::Timeouts;
use crate::sync::{SyncChange, SyncDaemons};
use crate::traffic::{ServerUsage, Traffic};

/// The holder of an IPVS table. The one trait of the project that exists for test doubles.
pub trait Kernel {
    /// The whole table, foreign services included.
    fn dump(&mut self) -> Result<Table, KernelError>;

    /// One service, or `None` when the kernel has no such service.
    fn dump_service(&mut self, key: &ServiceKey) -> Result<Option<Service>, KernelError>;

    /// What has been counted of each service.
    fn traffic(&mut self) -> Result<BTreeMap<ServiceKey, Traffic>, KernelError>;

    /// What each real server of a service does; nothing when there is no such service.
    fn usage(&mut self, key: &ServiceKey) -> Result<BTreeMap<DestinationKey, ServerUsage>, KernelError>;

    /// Carries out the operations one after another. One that the kernel refuses does not hold up the others.
    ///
    /// # Errors
    /// After an error it is unknown how many operations were carried out.
    fn apply(&mut self, operations: &[Operation]) -> Result<Vec<Rejection>, KernelError>;

    /// The connection synchronisation daemons that run.
    fn daemons(&mut self) -> Result<SyncDaemons, KernelError>;

    /// Starts or stops one; the answer is what it was refused with, if it was.
    fn change_daemon(&mut self, change: &SyncChange) -> Result<Option<Errno>, KernelError>;

    /// How long connections are remembered.
    fn timeouts(&mut self) -> Result<Timeouts, KernelError>;

    /// Sets that; the answer is what it was refused with, if it was.
    fn set_timeouts(&mut self, timeouts: &Timeouts) -> Result<Option<Errno>, KernelError>;
}

impl<K: Kernel + ?Sized> Kernel for &mut K {
    fn dump(&mut self) -> Result<Table, KernelError> {
        (**self).dump()
    }

    fn dump_service(&mut self, key: &ServiceKey) -> Result<Option<Service>, KernelError> {
        (**self).dump_service(key)
    }

    fn traffic(&mut self) -> Result<BTreeMap<ServiceKey, Traffic>, KernelError> {
        (**self).traffic()
    }

    fn usage(&mut self, key: &ServiceKey) -> Result<BTreeMap<DestinationKey, ServerUsage>, KernelError> {
        (**self).usage(key)
    }

    fn apply(&mut self, operations: &[Operation]) -> Result<Vec<Rejection>, KernelError> {
        (**self).apply(operations)
    }

    fn daemons(&mut self) -> Result<SyncDaemons, KernelError> {
        (**self).daemons()
    }

    fn change_daemon(&mut self, change: &SyncChange) -> Result<Option<Errno>, KernelError> {
        (**self).change_daemon(change)
    }

    fn timeouts(&mut self) -> Result<Timeouts, KernelError> {
        (**self).timeouts()
    }

    fn set_timeouts(&mut self, timeouts: &Timeouts) -> Result<Option<Errno>, KernelError> {
        (**self).set_timeouts(timeouts)
    }
}

impl<K: Kernel + ?Sized> Kernel for Box<K> {
    fn dump(&mut self) -> Result<Table, KernelError> {
        (**self).dump()
    }

    fn dump_service(&mut self, key: &ServiceKey) -> Result<Option<Service>, KernelError> {
        (**self).dump_service(key)
    }

    fn traffic(&mut self) -> Result<BTreeMap<ServiceKey, Traffic>, KernelError> {
        (**self).traffic()
    }

    fn usage(&mut self, key: &ServiceKey) -> Result<BTreeMap<DestinationKey, ServerUsage>, KernelError> {
        (**self).usage(key)
    }

    fn apply(&mut self, operations: &[Operation]) -> Result<Vec<Rejection>, KernelError> {
        (**self).apply(operations)
    }

    fn daemons(&mut self) -> Result<SyncDaemons, KernelError> {
        (**self).daemons()
    }

    fn change_daemon(&mut self, change: &SyncChange) -> Result<Option<Errno>, KernelError> {
        (**self).change_daemon(change)
    }

    fn timeouts(&mut self) -> Result<Timeouts, KernelError> {
        (**self).timeouts()
    }

    fn set_timeouts(&mut self, timeouts: &Timeouts) -> Result<Option<Errno>, KernelError> {
        (**self).set_timeouts(timeouts)
    }
}

/// An operation that the kernel refused.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rejection {
    /// Place of the operation among those that were given to [`Kernel::apply`].
    pub index: usize,
    /// The system's error number.
    pub errno: Errno,
    /// Why, in words.
    pub reason: String,
}

impl Rejection {
    /// `words` are the kernel's own, if it gave some.
    pub(crate) fn new(index: usize, operation: &Operation, errno: Errno, words: Option<String>) -> Self {
        let reason = match words {
            Some(words) if !words.is_empty() => format!("{} ({words})", reason(operation, errno)),
            _ => reason(operation, errno),
        };
        Self { index, errno, reason }
    }
}

impl fmt::Display for Rejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.reason)
    }
}

/// An error number of Linux (`asm-generic/errno-base.h`, `asm-generic/errno.h`), positive.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Errno(pub i32);

impl Errno {
    /// Not permitted.
    pub const EPERM: Self = Self(1);
    /// No such real server, scheduler or persistence engine.
    pub const ENOENT: Self = Self(2);
    /// No such service.
    pub const ESRCH: Self = Self(3);
    /// Out of memory.
    pub const ENOMEM: Self = Self(12);
    /// Resource busy.
    pub const EBUSY: Self = Self(16);
    /// Exists already.
    pub const EEXIST: Self = Self(17);
    /// No such device.
    pub const ENODEV: Self = Self(19);
    /// Invalid value.
    pub const EINVAL: Self = Self(22);
    /// Value out of range.
    pub const ERANGE: Self = Self(34);
    /// Not supported by this kernel.
    pub const EOPNOTSUPP: Self = Self(95);
    /// Address family not supported.
    pub const EAFNOSUPPORT: Self = Self(97);
    /// No address to use.
    pub const EADDRNOTAVAIL: Self = Self(99);

    /// Whether the same operation will be refused again as long as nobody changes the kernel or the
    /// operation.
    pub fn is_lasting(self) -> bool {
        matches!(
            self,
            Self::ENOENT | Self::EINVAL | Self::ERANGE | Self::EOPNOTSUPP | Self::EAFNOSUPPORT | Self::EPERM
        )
    }
}

impl fmt::Display for Errno {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::EPERM => f.write_str("operation not permitted (EPERM)"),
            Self::ENOENT => f.write_str("no such entry (ENOENT)"),
            Self::ESRCH => f.write_str("no such service (ESRCH)"),
            Self::ENOMEM => f.write_str("out of memory (ENOMEM)"),
            Self::EBUSY => f.write_str("busy (EBUSY)"),
            Self::EEXIST => f.write_str("exists already (EEXIST)"),
            Self::ENODEV => f.write_str("no such device (ENODEV)"),
            Self::EINVAL => f.write_str("invalid value (EINVAL)"),
            Self::ERANGE => f.write_str("value out of range (ERANGE)"),
            Self::EOPNOTSUPP => f.write_str("not supported (EOPNOTSUPP)"),
            Self::EAFNOSUPPORT => f.write_str("address family not supported (EAFNOSUPPORT)"),
            Self::EADDRNOTAVAIL => f.write_str("no address to use (EADDRNOTAVAIL)"),
            Self(number) => write!(f, "system error {number}"),
        }
    }
}

/// What an error number means for this operation (`net/netfilter/ipvs/ip_vs_ctl.c`).
fn reason(operation: &Operation, errno: Errno) -> String {
    match (operation, errno) {
        (_, Errno::ESRCH) => "there is no such service in the kernel".to_owned(),
        (Operation::AddService { .. }, Errno::EEXIST) => "the service is in the kernel already".to_owned(),
        (Operation::AddDestination { .. }, Errno::EEXIST) => {
            "the real server is in the service already".to_owned()
        }
        (Operation::AddService { settings, .. } | Operation::SetService { settings, .. }, Errno::ENOENT) => {
            match &settings.engine {
                None => format!(
                    "the kernel has no scheduler {0}; it is in the module ip_vs_{0}: `modprobe ip_vs_{0}`",
                    settings.scheduler
                ),
                Some(engine) => format!(
                    "the kernel has no scheduler {0} or no persistence engine {engine}; they are in the modules \
                     ip_vs_{0} and ip_vs_pe_{engine}: `modprobe -a ip_vs_{0} ip_vs_pe_{engine}`",
                    settings.scheduler
                ),
            }
        }
        (Operation::SetDestination { .. } | Operation::RemoveDestination { .. }, Errno::ENOENT) => {
            "there is no such real server in the service".to_owned()
        }
        (
            Operation::AddDestination { settings, .. } | Operation::SetDestination { settings, .. },
            Errno::ERANGE,
        ) => {
            format!(
                "weight {}, upper threshold {}, lower threshold {}: the weight must not exceed 2147483647, \
                 the lower threshold not the upper",
                settings.weight, settings.upper, settings.lower
            )
        }
        (
            Operation::AddDestination { settings, .. } | Operation::SetDestination { settings, .. },
            Errno::EOPNOTSUPP,
        ) => {
            format!(
                "this kernel has no tunnels of the kind {}, only plain IP in IP: Linux has gue since 5.2, gre and \
                 checksums since 5.3",
                settings.method()
            )
        }
        (Operation::AddDestination { service, key, settings }, Errno::EINVAL)
            if crate::Family::of(key.address) != service.family() =>
        {
            format!(
                "a real server of the other address family is reached by tunnels only, not {}, and not while \
                 connections are synchronised",
                settings.forwarding
            )
        }
        (Operation::AddDestination { key, .. } | Operation::SetDestination { key, .. }, Errno::EINVAL) => {
            format!(
                "{} is no address of a single host (or this network namespace has no address yet, not \
                 even on lo)",
                key.address
            )
        }
        (_, errno) => errno.to_string(),
    }
}
