//! What readers may know of overrides and of servers on their way out, and what a wish would come to.

use ipvs_backend::{DestinationKey, ServiceKey};
use serde::{Deserialize, Serialize};

use super::overrides::Member;
use super::target::Target;

/// One override.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OverrideStatus {
    /// What it is for, as it is said on the command line.
    pub target: String,
    /// `drained`, `disabled` or `weight N`.
    pub act: String,
    /// Who said it.
    pub owner: String,
    /// Why, in the operator's words.
    pub reason: Option<String>,
    /// For how long it has been there.
    pub set_seconds_ago: u64,
    /// When it ends by itself.
    pub expires_in_seconds: Option<u64>,
    /// Whether a drained server is taken out of the table in the end.
    pub removes: bool,
    /// Whether nothing that it is for is in the configuration at present.
    pub dormant: bool,
    /// The command that takes it back.
    pub undo: String,
}

/// One real server that was removed from the configuration and keeps its connections for a while.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LeavingStatus {
    /// Of which virtual server.
    pub service: ServiceKey,
    /// Address and port.
    pub server: DestinationKey,
    /// The connections that it still has; none before they were counted.
    pub connections: Option<u64>,
    /// How long it may stay at most.
    pub at_most_seconds: f64,
}

/// What a wish would come to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Consideration {
    /// What is meant.
    pub target: Target,
    /// The real servers that it covers now ...
    pub members: Vec<Member>,
    /// ... and those in the kernel that they stand for.
    pub covered: Vec<(ServiceKey, DestinationKey)>,
    /// Virtual servers that would lose their quorum.
    pub endangered: Vec<Endangered>,
    /// Whether clients are bound to any of the servers (`persistence_timeout`).
    pub persistent: bool,
}

impl Consideration {
    /// A target of which nothing is there.
    pub fn of_nothing(target: Target) -> Self {
        Self { target, members: Vec::new(), covered: Vec::new(), endangered: Vec::new(), persistent: false }
    }
}

/// A virtual server that would lose its quorum.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endangered {
    /// As it is said on the command line.
    pub service: String,
    /// What would stand in, in words.
    pub stands_in: Option<String>,
}
