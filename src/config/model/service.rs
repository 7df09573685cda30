//! `virtual_server` and `sorry_server`, as the daemon uses them.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::RealServer;

/// `virtual_server`: one service and its real servers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct VirtualServer {
    /// Scheduler, flags and persistence as the kernel takes them.
    pub settings: ipvs_backend::ServiceSettings,
    /// Real servers by address and port.
    pub servers: BTreeMap<ipvs_backend::DestinationKey, Arc<RealServer>>,
    /// `sorry_server`: stands in while no real server is up; never checked.
    pub sorry: Option<SorryServer>,
    /// Whether server events are mailed; on unless switched off, when mail is configured at all.
    pub alert: bool,
}

/// `sorry_server`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SorryServer {
    /// Its address and port.
    pub key: ipvs_backend::DestinationKey,
    /// How packets reach it.
    pub forwarding: ipvs_backend::Forwarding,
}
