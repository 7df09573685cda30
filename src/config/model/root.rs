//! What the top level says beside the blocks that have files of their own.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::Config;

/// Words of the top level, and what it says of interfaces.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Root {
    /// `net_namespace`: the network namespace to run in. `None`: where the daemon was started.
    pub namespace: Option<String>,
    /// `net_namespace_ipvs`: the network namespace whose IPVS table is used.
    pub ipvs_namespace: IpvsNamespace,
    /// `instance`: tells several daemons on one host apart.
    pub instance: Option<String>,
    /// `linkbeat_use_polling`: poll the link state of every interface.
    pub poll_links: bool,
    /// `linkbeat_interfaces`: interfaces whose link state is polled.
    pub polled: BTreeMap<String, Option<LinkQuery>>,
    /// `interface_up_down_delays`: how long a link must be down or up before it counts.
    pub delays: BTreeMap<String, LinkDelay>,
    /// `garp_group` blocks, in the file's order.
    pub garp_groups: Vec<GarpGroup>,
}

/// `net_namespace_ipvs`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum IpvsNamespace {
    /// Not said: the one that the daemon runs in.
    #[default]
    Same,
    /// Said without a name: the host's own.
    Host,
    /// The one of this name.
    Named(String),
}

/// How the state of a link is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum LinkQuery {
    /// `MII`.
    Mii,
    /// `ETHTOOL`.
    Ethtool,
    /// `IOCTL`.
    Ioctl,
}

/// How long a link must be in a state before it counts; up to 255 s.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct LinkDelay {
    /// Before it counts as down.
    pub down: Duration,
    /// Before it counts as up; zero if only the other is said.
    pub up: Duration,
}

/// `garp_group`: the pace of messages on some interfaces, which share it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GarpGroup {
    /// `garp_interval`. `None`: as `vrrp_garp_interval`.
    pub garp_interval: Option<Duration>,
    /// `gna_interval`. `None`: as `vrrp_gna_interval`.
    pub gna_interval: Option<Duration>,
    /// `interface` and `interfaces`; never empty.
    pub interfaces: BTreeSet<String>,
}

/// How fast announcements of addresses may follow each other on an interface.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Pace {
    /// Which `garp_group`, counted from the file's start: its interfaces share the pace. `None`: the interface alone.
    pub group: Option<usize>,
    /// `garp_interval`: between two gratuitous ARP; zero for none.
    pub garp: Duration,
    /// `gna_interval`: between two unsolicited neighbour advertisements; zero for none.
    pub gna: Duration,
}

impl Config {
    /// The pace of announcements on this interface.
    pub fn pace(&self, interface: &str) -> Pace {
        let groups = &self.root.garp_groups;
        let group = groups.iter().position(|group| group.interfaces.contains(interface));
        let own = |part: fn(&GarpGroup) -> Option<Duration>| group.and_then(|at| part(groups.get(at)?));
        let vrrp = &self.global.vrrp;
        Pace {
            group,
            garp: own(|group| group.garp_interval).or(vrrp.garp_interval).unwrap_or_default(),
            gna: own(|group| group.gna_interval).or(vrrp.gna_interval).unwrap_or_default(),
        }
    }
}
