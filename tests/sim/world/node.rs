//! One machine of the cluster, and all that it has when its daemon is not running.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::Instant;

use directord::config::Config;
use directord::director::Director;
use directord::director::legacy::Legacy;
use directord::director::overrides::{Act, Override};
use ipvs_backend::{MemoryKernel, Reconciler, ServiceKey};

pub(super) struct Node {
    pub(super) address: Ipv4Addr,
    pub(super) priority: u8,
    /// Counts restarts; facts for an earlier life are lost.
    pub(super) life: u64,
    pub(super) director: Option<Director>,
    pub(super) config: Arc<Config>,
    pub(super) link_up: bool,
    /// What its script finds: it fails.
    pub(super) sick: bool,
    pub(super) held: BTreeSet<IpAddr>,
    /// What operators want of servers, until when.
    pub(super) orders: BTreeMap<u8, (Act, Option<Instant>)>,
    /// The same as the daemon wrote it down.
    pub(super) kept: Vec<Override>,
    /// Numbers of the newest levels that the two owners took up: they never go back to an older one.
    pub(super) newest: (u64, u64),
    pub(super) kernel: MemoryKernel,
    pub(super) reconciler: Option<Reconciler<MemoryKernel>>,
    /// Whether the reconciler has not seen its first level yet.
    pub(super) spares: bool,
    /// The services that were ours when the last life ended.
    pub(super) remembered: BTreeSet<ServiceKey>,
    /// What is written down for the next life, and how the last one ended.
    pub(super) legacy: Legacy,
    pub(super) left: Option<(Instant, bool)>,
}
