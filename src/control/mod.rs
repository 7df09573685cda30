//! The control socket: a unix socket that speaks HTTP and JSON, and the commands that use it.
//!
//! Readers see snapshots, never the brain itself. The socket lies in the runtime directory and is for the daemon's
//! user alone; `curl --unix-socket DIR/control.sock http://localhost/v1/status` works as well.

mod caller;
mod check_table;
mod checks;
mod client;
mod overrides;
mod page;
mod render;
mod requests;
mod server;
mod usage;
mod why;
mod why_instance;
mod why_text;

pub use crate::director::target::plain;
pub use check_table::render_checks;
pub use checks::{CheckReport, ChecksAnswer, ChecksWish, LatencyReport, Next, ResultReport};
pub use client::{
    ControlError, checks, confirm, connections, kernel, names, override_servers, overrides, priority, reload,
    roll_back, running, status, succeed, why,
};
pub use page::Look;
pub use render::{Detail, render, render_overrides};
pub use requests::*;
pub(crate) use server::{Desk, serve};
pub use why::{InstanceReasons, ServiceReasons, Undo, WhyAnswer, WhyWish};
pub use why_text::render_why;

use std::path::PathBuf;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::config::{Complaint, Config};
use crate::director::snapshot::{InstanceStatus, Snapshot};
use crate::supervisor::reload::ReloadOutcome;

/// What `directord status --json` prints; etc/status.schema.json describes it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Status {
    /// Version of the daemon.
    pub version: String,
    /// Its process.
    pub pid: u32,
    /// When it was started, in milliseconds since 1970: after an upgrade or a restart another time.
    pub started: u64,
    /// The configuration file, as given.
    pub config: String,
    /// How the last reload ended.
    pub last_reload: ReloadOutcome,
    /// What was said of the configuration in effect; it stays visible here for as long as that is so.
    pub warnings: Vec<Complaint>,
    /// Seconds until the running configuration is rolled back unless confirmed (`directord reload --confirm`).
    #[serde(default)]
    pub confirm_within: Option<f64>,
    /// Why connections and traffic of servers are missing, or stand still, if they do.
    #[serde(default)]
    pub uncounted: Option<String>,
    /// Everything else.
    #[serde(flatten)]
    pub director: Snapshot,
}

/// The configuration in effect (`GET /v1/config`), with everything that is secret in it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Running {
    /// The file that a reload reads.
    pub file: PathBuf,
    /// What is in effect.
    pub config: Arc<Config>,
}

/// The wish to change the base priority of an instance (`POST /v1/priority`).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PriorityWish {
    /// Its name.
    pub instance: String,
    /// 1..=254; none: as the file says.
    pub priority: Option<u8>,
}

/// What became of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PriorityAnswer {
    /// Whether it was granted.
    pub accepted: bool,
    /// One sentence.
    pub summary: String,
    /// The instance as it is now.
    pub instance: Option<InstanceStatus>,
}
