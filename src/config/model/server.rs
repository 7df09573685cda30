//! `real_server`, as the daemon uses it.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::PlannedCheck;

/// `real_server`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RealServer {
    /// Weight while up, 1 by default; 0 takes no new connections.
    pub weight: u32,
    /// How packets reach it (`lvs_method`, by default the service's).
    pub forwarding: ipvs_backend::Forwarding,
    /// `inhibit_on_failure`: weight 0 instead of removal while down.
    pub inhibit: bool,
    /// The checks, in the file's order; all must pass.
    pub checks: Vec<Arc<healthcheck::Check>>,
    /// Checks that are not made yet, in the file's order.
    pub planned: Vec<Arc<PlannedCheck>>,
    /// Whether events of this server are mailed.
    pub alert: bool,
}
