//! The control socket: a unix socket that speaks HTTP and JSON, and the commands that use it.
//!
//! Readers see snapshots, never the brain itself. The socket lies in the runtime directory and is for the daemon's
//! user alone; `curl --unix-socket DIR/control.sock http://localhost/v1/status` works as well.

mod client;
mod render;
mod server;

pub use client::{ControlError, reload, status};
pub use render::render;
pub(crate) use server::{Desk, serve};

use serde::{Deserialize, Serialize};

use crate::config::Complaint;
use crate::director::snapshot::Snapshot;
use crate::supervisor::reload::ReloadOutcome;

/// What `directord status --json` prints.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Status {
    /// Version of the daemon.
    pub version: String,
    /// Its process.
    pub pid: u32,
    /// The configuration file, as given.
    pub config: String,
    /// How the last reload ended.
    pub last_reload: ReloadOutcome,
    /// What was said of the configuration in effect; it stays visible here for as long as that is so.
    pub warnings: Vec<Complaint>,
    /// Everything else.
    #[serde(flatten)]
    pub director: Snapshot,
}
