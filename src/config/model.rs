//! What a configuration says, typed and complete: one struct for each kind of block, every default filled in.
//!
//! Nothing here knows the text it came from: files that mean the same are equal. What no part of the daemon uses yet
//! is kept all the same, so that a configuration can be shown, converted and compared as a whole.

mod address;
mod bfd;
mod check;
mod command;
mod device;
mod global;
mod group;
mod hmac;
mod instance;
mod notify;
mod root;
mod route;
mod script;
mod server;
mod server_group;
mod service;
mod track;
mod track_file;
mod track_process;
mod window;

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

pub use address::*;
pub use bfd::*;
pub use check::*;
pub use command::*;
pub use device::*;
pub use global::*;
pub use group::*;
pub use hmac::*;
pub use instance::*;
pub use notify::*;
pub use root::*;
pub use route::*;
pub use script::*;
pub use server::*;
pub use server_group::*;
pub use service::*;
pub use track::*;
pub use track_file::*;
pub use track_process::*;
pub use window::*;

/// Everything one configuration file asks for.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Config {
    /// `global_defs`.
    pub global: Global,
    /// What the top level says beside blocks.
    pub root: Root,
    /// `vrrp_instance` blocks by name.
    pub instances: BTreeMap<String, Arc<Instance>>,
    /// Their names in the file's order: of what happens at one moment, the first of the file comes first.
    #[serde(default)]
    pub order: Vec<String>,
    /// `vrrp_sync_group` blocks by name.
    pub groups: BTreeMap<String, Arc<Group>>,
    /// `static_ipaddress`.
    pub static_addresses: Vec<VirtualAddress>,
    /// `static_routes`.
    pub static_routes: Vec<Route>,
    /// `static_rules`.
    pub static_rules: Vec<Rule>,
    /// `track_group` blocks: names of instances by the name of the group.
    pub track_groups: BTreeMap<String, Vec<String>>,
    /// `vrrp_script` blocks by name.
    pub scripts: BTreeMap<String, Arc<Script>>,
    /// `track_file` blocks by name.
    pub files: BTreeMap<String, Arc<TrackFile>>,
    /// `vrrp_track_process` blocks by name.
    pub processes: BTreeMap<String, Arc<TrackProcess>>,
    /// `bfd_instance` blocks by name.
    pub neighbours: BTreeMap<String, Arc<Bfd>>,
    /// `virtual_server` blocks by what they serve.
    pub services: BTreeMap<ipvs_backend::ServiceKey, Arc<VirtualServer>>,
    /// `virtual_server_group` blocks by name.
    pub server_groups: BTreeMap<String, Arc<ServerGroup>>,
    /// `virtual_server group` blocks by what they serve.
    pub group_services: BTreeMap<GroupKey, Arc<VirtualServer>>,
    /// `SSL`, if it is there.
    pub tls: Option<TlsFiles>,
}

impl Config {
    /// Every instance, in the file's order; those of which it says nothing last.
    pub fn in_order(&self) -> impl Iterator<Item = (&String, &Arc<Instance>)> {
        let placed = self.order.iter().filter_map(|name| self.instances.get_key_value(name));
        let complete = self.order.len() >= self.instances.len();
        let rest = self.instances.iter().filter(move |(name, _)| !complete && !self.order.contains(name));
        placed.chain(rest)
    }

    /// Every virtual server, those of groups last.
    pub fn virtual_servers(&self) -> impl Iterator<Item = (Served, &Arc<VirtualServer>)> {
        let services = self.services.iter().map(|(key, service)| (Served::Key(*key), service));
        let of_groups = self.group_services.iter();
        services.chain(of_groups.map(|(key, service)| (Served::Group(key.clone()), service)))
    }

    /// Whether there is any.
    pub fn has_virtual_servers(&self) -> bool {
        !(self.services.is_empty() && self.group_services.is_empty())
    }

    /// Whether any real server is ever taken out by the clock on the wall.
    pub fn has_windows(&self) -> bool {
        let in_service = |service: &Arc<VirtualServer>| {
            let mut servers = service.servers.values().chain(service.backups.values());
            !service.windows.is_empty() || servers.any(|server| !server.extras().windows.is_empty())
        };
        !self.global.lvs.windows.is_empty()
            || self.services.values().chain(self.group_services.values()).any(in_service)
    }

    /// One of them.
    pub fn virtual_server(&self, served: &Served) -> Option<&Arc<VirtualServer>> {
        match served {
            Served::Key(key) => self.services.get(key),
            Served::Group(key) => self.group_services.get(key),
        }
    }

    /// The services that one of them has in the kernel: itself, or what its group holds.
    pub fn kernel_services(&self, served: &Served) -> Arc<[ipvs_backend::ServiceKey]> {
        match served {
            Served::Key(key) => Arc::new([*key]),
            Served::Group(key) => {
                let group = self.server_groups.get(&key.group);
                group.map(|group| group.services(key).into_iter().collect()).unwrap_or_default()
            }
        }
    }

    /// Whether there are addresses, routes or rules that are there in every state.
    pub fn has_statics(&self) -> bool {
        !(self.static_addresses.is_empty() && self.static_routes.is_empty() && self.static_rules.is_empty())
    }

    /// Whether nothing is asked for: no instance, no watched neighbour, no virtual server, and nothing static.
    pub fn is_empty(&self) -> bool {
        self.instances.is_empty()
            && !self.has_statics()
            && self.neighbours.is_empty()
            && self.services.is_empty()
            && self.group_services.is_empty()
    }
}
