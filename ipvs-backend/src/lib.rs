//! The kernel IPVS table as a value: model, plan, generic netlink codec; the kernel behind a feature.
//!
//! [`Table`] says how the kernel's IPVS table is or should be. [`plan`] compares two tables and yields the
//! [`Operation`]s that lead from one to the other; [`codec`] turns operations into generic netlink messages
//! and the kernel's answers back into values. [`Kernel`] is whatever holds a table: [`MemoryKernel`] for
//! tests and simulations, `NetlinkKernel` (feature `io`) for the real one. [`Reconciler`] keeps one in step
//! with what is wanted, and touches nothing that it does not own; [`SyncKeeper`] does
//! the same for the daemons that tell another director of connections.
//!
//! Numbers of the interface come from `include/uapi/linux/ip_vs.h` of the Linux kernel.

pub mod codec;
mod conn;
mod destinations;
mod error;
mod kernel;
mod key;
mod memory;
mod model;
#[cfg(feature = "io")]
mod netlink;
mod operation;
mod plan;
mod reconcile;
#[cfg(test)]
mod sample;
mod settings;
mod sync;
mod traffic;
mod tunnel;

pub use conn::{Connection, ConnectionCounts};
pub use destinations::Destinations;
pub use error::{KernelError, ParseError};
pub use kernel::{Errno, Kernel, Rejection};
pub use key::{DestinationKey, Family, Protocol, ServiceKey};
pub use memory::MemoryKernel;
pub use model::{
    DestinationSettings, Forwarding, Granularity, Persistence, Scheduler, Service, ServiceSettings, Table,
    flag,
};
#[cfg(feature = "io")]
pub use netlink::NetlinkKernel;
pub use operation::Operation;
pub use plan::plan;
pub use reconcile::{Drift, Reconciler, Refusal, Report};
pub use settings::{Setting, Settings, SettingsKeeper, SettingsReport, Switches, Timeouts};
pub use sync::{SyncChange, SyncDaemons, SyncKeeper, SyncReport, SyncRole, SyncSettings, plan_sync};
pub use traffic::{Rates, ServerUsage, ServiceUsage, Traffic};
pub use tunnel::{Checksum, Tunnel};
