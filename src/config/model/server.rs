//! `real_server`, as the daemon uses it.
//!
//! There may be tens of thousands of them, so what few servers say stands apart, once for all that say the same.

use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

pub use ipvs_backend::{Checksum, Tunnel};

use super::{Command, MaintenanceWindow, PlannedCheck};

/// `real_server`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RealServer {
    /// Weight while up, 1 by default, at most 2147483647; 0 takes no new connections.
    pub weight: u32,
    /// How packets reach it (`lvs_method`, by default the service's).
    pub forwarding: ipvs_backend::Forwarding,
    /// `inhibit_on_failure`: weight 0 instead of removal while down.
    pub inhibit: bool,
    /// `alpha`: it counts as down until its checks have passed.
    pub alpha: bool,
    /// Whether events of this server are mailed.
    pub alert: bool,
    /// The checks, in the file's order; all must pass.
    pub checks: Vec<Arc<healthcheck::Check>>,
    /// Checks without a probe, in the file's order.
    pub planned: Vec<Arc<PlannedCheck>>,
    /// What most servers do not say; `None` if this one says none of it.
    pub extras: Option<Arc<Extras>>,
}

/// What a real server rarely says.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Extras {
    /// `uthreshold`: at this many connections it gets no new ones; 0 is no limit.
    pub upper: u32,
    /// `lthreshold`: below this many it gets new ones again; never above `upper`, 0 lets the kernel choose.
    pub lower: u32,
    /// The kind of tunnel that packets travel in, if it is not plain IP in IP.
    pub tunnel: Option<Tunnel>,
    /// `notify_up`: run when the server comes up.
    pub notify_up: Option<Command>,
    /// `notify_down`: run when the server goes down.
    pub notify_down: Option<Command>,
    /// `snmp_name`: its name in SNMP tables.
    pub snmp_name: Option<String>,
    /// `drain_on_remove`: removed by a reload, it keeps its connections for this long at most. `None`: it goes at once.
    pub drain_on_remove: Option<Duration>,
    /// `flap_hold`: how long it is held back when it fails again and again. `None`: it returns at once.
    pub flap_hold: Option<FlapHold>,
    /// `maintenance_window`s of its own; those of the service and of `global_defs` come on top.
    #[serde(default)]
    pub windows: Vec<MaintenanceWindow>,
}

/// `flap_hold`: what a server has to pass before it returns, if it failed soon after it had returned the last time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct FlapHold {
    /// The first time; each further time it is twice as long. More than zero.
    pub first: Duration,
    /// It gets no longer than this, and a failure within this time after a return is soon. At least `first`.
    pub longest: Duration,
}

impl RealServer {
    /// What it rarely says, with the defaults of what it does not say.
    pub fn extras(&self) -> &Extras {
        static NOTHING: Extras = Extras {
            upper: 0,
            lower: 0,
            tunnel: None,
            notify_up: None,
            notify_down: None,
            snmp_name: None,
            drain_on_remove: None,
            flap_hold: None,
            windows: Vec::new(),
        };
        self.extras.as_deref().unwrap_or(&NOTHING)
    }
}
