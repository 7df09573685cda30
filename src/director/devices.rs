//! The interfaces that instances bring along (`use_vmac`, `use_ipvlan`), and the packets that they do not want.
//!
//! What an instance needs follows from its configuration; the names of its interfaces are handed out here, once, so
//! that a reload never renames what carries addresses. The whole of it is a level with one owner, like the addresses.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Instant;

use vrrp::{DeviceKind, IpvlanFlag, Link, Links};

use super::Director;
use crate::config::{self, Config, IpvlanMode, VirtualAddress};

/// The identity of an interface of ours. Two instances never share one, except macvlans with the same MAC address on
/// the same interface, of which the kernel allows only one.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct DeviceId {
    parent: String,
    kind: DeviceKind,
    /// Whose it is, where several may be alike.
    owner: Option<String>,
}

/// The interfaces of one instance.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Devices {
    /// What takes the place of its interface.
    pub(super) main: Option<Main>,
    /// Those for single addresses, by what they lie on.
    pub(super) others: BTreeMap<Ground, (String, DeviceKind)>,
    /// Adverts to peers go by this routing domain.
    vrf: Option<String>,
    /// Packets to the virtual addresses are dropped while master.
    silent: bool,
}

/// What an interface for single addresses lies on: the name of that, and whether it is for IPv6, which has a virtual MAC
/// address of its own.
pub(super) type Ground = (String, bool);

/// What takes the place of an instance's interface.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Main {
    pub(super) name: String,
    pub(super) kind: DeviceKind,
    /// Adverts go by the interface below.
    pub(super) adverts_below: bool,
}

/// What can carry adverts now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Carrier {
    /// This index.
    Ready(u32),
    /// An interface of ours is not made yet, or somebody changed it.
    Missing,
    /// An interface of ours is down.
    Down,
}

impl Devices {
    /// The interface that adverts leave and come by.
    pub(super) fn advert_interface<'a>(&'a self, config: &'a config::Instance) -> &'a str {
        match &self.main {
            Some(main) if !main.adverts_below => &main.name,
            _ => self.vrf.as_ref().unwrap_or(&config.interface),
        }
    }

    /// Where adverts with this source address can leave, `below` being the instance's own interface.
    pub(super) fn carrier(&self, links: &Links, below: &Link, source: IpAddr) -> Carrier {
        let ground = match &self.vrf {
            None => below.index,
            Some(vrf) => match links.get(vrf) {
                None => return Carrier::Missing,
                Some(vrf) if !vrf.up => return Carrier::Down,
                Some(vrf) => vrf.index,
            },
        };
        let Some(main) = &self.main else { return Carrier::Ready(ground) };
        let Some(link) = links.get(&main.name) else { return Carrier::Missing };
        // The kernel lets IPv6 packets go by an interface only from an address that is there.
        let lacks_source = source.is_ipv6() && !main.adverts_below && !link.holds(source);
        if main.kind.mac().is_some_and(|mac| link.mac != Some(mac)) || lacks_source {
            return Carrier::Missing;
        }
        if !link.up {
            return Carrier::Down;
        }
        Carrier::Ready(if main.adverts_below { ground } else { link.index })
    }

    /// The interface that an address is put on. With an ipvlan that is the one below: only adverts go by the ipvlan.
    pub(super) fn interface_of<'a>(
        &'a self,
        config: &'a config::Instance,
        address: &'a VirtualAddress,
    ) -> &'a str {
        if let Some(ground) = other_ground(config, address) {
            let other = self.others.get(&ground).map(|(name, _)| name.as_str());
            return other.unwrap_or(place(config, address));
        }
        let main = self.main.as_ref().filter(|main| main.kind.mac().is_some());
        match main.filter(|_| is_at_home(config, address)) {
            Some(main) => &main.name,
            None => place(config, address),
        }
    }

    /// The address of an ipvlan's own, from which adverts come then.
    pub(super) fn own_source(&self, config: &config::Instance) -> Option<IpAddr> {
        match &config.device {
            config::Device::Ipvlan(ipvlan) => {
                ipvlan.address.map(|own| own.address).filter(|own| own.is_ipv6() == config.is_ipv6())
            }
            _ => None,
        }
    }

    /// Whether packets to the addresses are dropped.
    pub(super) fn is_silent(&self) -> bool {
        self.silent
    }

    /// Whether an interface is one of these.
    pub(super) fn contains(&self, interface: &str) -> bool {
        self.main.as_ref().is_some_and(|main| main.name == interface)
            || self.others.values().any(|(name, _)| name == interface)
    }

    /// What one of the interfaces with its addresses lies on; that itself, if it is not one of these.
    pub(super) fn ground_of<'a>(&'a self, config: &'a config::Instance, interface: &'a str) -> &'a str {
        let other = self.others.iter().find(|(_, (name, _))| name == interface);
        match (&self.main, other) {
            (_, Some(((ground, _), _))) => ground,
            (Some(main), None) if main.name == interface => &config.interface,
            _ => interface,
        }
    }

    /// The name of the interface that the instance lives on.
    pub(super) fn home<'a>(&'a self, config: &'a config::Instance) -> &'a str {
        self.main.as_ref().map_or(&config.interface, |main| &main.name)
    }

    /// Whether it has an interface of its own to wait for.
    pub(super) fn has_main(&self) -> bool {
        self.main.is_some()
    }

    fn is_needed(&self) -> bool {
        self.main.is_some() || !self.others.is_empty() || self.silent
    }
}

/// The interface that the file says, or the instance's.
fn place<'a>(config: &'a config::Instance, address: &'a VirtualAddress) -> &'a String {
    address.interface.as_ref().unwrap_or(&config.interface)
}

/// Whether an address is where adverts are, and of their family.
fn is_at_home(config: &config::Instance, address: &VirtualAddress) -> bool {
    *place(config, address) == config.interface && address.address.is_ipv6() == config.is_ipv6()
}

/// What the interface lies on that an address has to be on for the sake of its MAC address, if it is not the instance's
/// own: `use_vmac` asks for that at the address, `use_vmac_addr` for all that are elsewhere.
fn other_ground(config: &config::Instance, address: &VirtualAddress) -> Option<Ground> {
    let said = address.options.as_ref().is_some_and(|options| options.on_vmac);
    let wanted = match is_at_home(config, address) {
        true => said && !matches!(config.device, config::Device::Vmac(_)),
        false => said || config.conduct.vmac_everywhere,
    };
    wanted.then(|| (place(config, address).clone(), address.address.is_ipv6()))
}

fn main_kind(instance: &config::Instance) -> Option<DeviceKind> {
    match &instance.device {
        config::Device::Interface => None,
        config::Device::Vmac(_) => Some(macvlan(instance, instance.is_ipv6())),
        config::Device::Ipvlan(ipvlan) => Some(DeviceKind::Ipvlan(match ipvlan.mode {
            IpvlanMode::Bridge => IpvlanFlag::Bridge,
            IpvlanMode::Private => IpvlanFlag::Private,
            IpvlanMode::Vepa => IpvlanFlag::Vepa,
        })),
    }
}

/// The macvlan for addresses of a family. A MAC address that the file gives is that of the instance's own.
fn macvlan(instance: &config::Instance, ipv6: bool) -> DeviceKind {
    let given = match &instance.device {
        config::Device::Vmac(vmac) if ipv6 == instance.is_ipv6() => vmac.mac.as_deref(),
        _ => None,
    };
    DeviceKind::macvlan(instance.router.vrid, ipv6, given)
}

/// What the interfaces lie on that an instance needs for single addresses, in the order of those.
fn other_grounds(instance: &config::Instance) -> Vec<Ground> {
    let mut grounds = Vec::new();
    for ground in instance.all_addresses().filter_map(|address| other_ground(instance, address)) {
        if !grounds.contains(&ground) {
            grounds.push(ground);
        }
    }
    grounds
}

/// The identity of one of those.
fn other_id(instance: &config::Instance, (parent, ipv6): &Ground) -> DeviceId {
    DeviceId { parent: parent.clone(), kind: macvlan(instance, *ipv6), owner: None }
}

/// Whether the virtual addresses answer only if they are our own.
fn is_silent(instance: &config::Instance, config: &Config) -> bool {
    let strict = instance.conduct.strict.unwrap_or(config.global.vrrp.strict);
    !instance.conduct.accept.unwrap_or(!strict) && !instance.router.is_owner()
}

impl Director {
    /// Hands out the names of the interfaces that the configuration asks for. What has one keeps it.
    pub(super) fn name_devices(&mut self) {
        let config = self.config.clone();
        let mut names = BTreeMap::new();
        let instances = || config.in_order();
        for (name, instance) in instances() {
            if let Some((id, Some(given))) = main_id(name, instance) {
                names.insert(id, given);
            }
        }
        // What has a name keeps it, before anything new takes it.
        for id in instances().flat_map(|(name, instance)| device_ids(name, instance)) {
            if let (Some(kept), false) = (self.device_names.get(&id), names.contains_key(&id)) {
                let prefix = config.global.vrrp.vmac_prefix.as_deref().unwrap_or("vrrp");
                let prefixes = [prefix, config.global.vrrp.vmac_addr_prefix.as_deref().unwrap_or(prefix)];
                let usual = |prefix: &str| {
                    let rest = kept.strip_prefix(prefix).unwrap_or_default();
                    rest.trim_start_matches(|c: char| c.is_ascii_digit()).starts_with('.')
                };
                if prefixes.into_iter().any(usual) && !names.values().any(|name| name == kept) {
                    names.insert(id, kept.clone());
                }
            }
        }
        for (name, instance) in instances() {
            let prefix = config.global.vrrp.vmac_prefix.as_deref().unwrap_or("vrrp");
            if let Some((id, None)) = main_id(name, instance) {
                self.name_device(&mut names, id, prefix, (instance.router.vrid, instance.is_ipv6()));
            }
            let prefix = config.global.vrrp.vmac_addr_prefix.as_deref().unwrap_or(prefix);
            for ground in other_grounds(instance) {
                let id = other_id(instance, &ground);
                self.name_device(&mut names, id, prefix, (instance.router.vrid, ground.1));
            }
        }
        self.device_names = names;
        let needed =
            |(name, instance): (&String, &Arc<config::Instance>)| self.devices_of(name, instance).is_needed();
        self.host_needed = config.instances.iter().any(needed);
    }

    /// Gives an interface the first name that is free: `vrrp.51`, for IPv6 then `vrrp6.51`,
    /// and `vrrp1.51` and so on.
    fn name_device(
        &self,
        names: &mut BTreeMap<DeviceId, String>,
        id: DeviceId,
        prefix: &str,
        (vrid, ipv6): (u8, bool),
    ) {
        if names.contains_key(&id) {
            return;
        }
        let taken: BTreeSet<&String> = names.values().collect();
        let free = |name: &String| {
            let is_other = |link: &Link| id.kind.mac().is_some_and(|mac| link.mac != Some(mac));
            !taken.contains(name) && !self.links.get(name).is_some_and(is_other)
        };
        let six = ipv6.then(|| format!("{prefix}6.{vrid}"));
        let numbered = (1..).map(|number: u32| format!("{prefix}{number}.{vrid}"));
        let candidates = [format!("{prefix}.{vrid}")].into_iter().chain(six).chain(numbered);
        if let Some(name) = candidates.into_iter().find(free) {
            names.insert(id, name);
        }
    }

    /// Looks at an instance's interfaces again: what `global_defs` says of them may have changed.
    pub(super) fn renew_devices(&mut self, name: &str, now: Instant) {
        let Some(config) = self.instances.get(name).map(|instance| instance.config.clone()) else { return };
        let devices = self.devices_of(name, &config);
        if let Some(instance) = self.instances.get_mut(name).filter(|instance| instance.devices != devices) {
            instance.devices = devices;
            instance.observe(&self.links, &self.guests, now);
        }
    }

    /// The interfaces of an instance, by the names that were handed out.
    pub(super) fn devices_of(&self, name: &str, instance: &config::Instance) -> Devices {
        let named = |id: &DeviceId| self.device_names.get(id).cloned();
        let adverts_below = matches!(&instance.device, config::Device::Vmac(vmac) if vmac.adverts_below);
        let main = main_id(name, instance)
            .and_then(|(id, _)| Some(Main { name: named(&id)?, kind: id.kind, adverts_below }));
        let other = |ground: Ground| {
            let id = other_id(instance, &ground);
            Some((ground, (named(&id)?, id.kind)))
        };
        let others = other_grounds(instance).into_iter().filter_map(other).collect();
        let unicast = matches!(instance.transport, config::Transport::Unicast(_));
        let vrf = instance.adverts.vrf.clone().filter(|_| unicast);
        Devices { main, others, vrf, silent: is_silent(instance, &self.config) }
    }
}

/// The identities of all interfaces that an instance brings along and that may be named freely.
fn device_ids(name: &str, instance: &config::Instance) -> Vec<DeviceId> {
    let main = main_id(name, instance).filter(|(_, given)| given.is_none()).map(|(id, _)| id);
    let others = other_grounds(instance);
    main.into_iter().chain(others.iter().map(|ground| other_id(instance, ground))).collect()
}

/// The identity of what takes the place of an instance's interface, and its name if the file says one.
fn main_id(name: &str, instance: &config::Instance) -> Option<(DeviceId, Option<String>)> {
    let kind = main_kind(instance)?;
    let (given, owner) = match &instance.device {
        config::Device::Vmac(vmac) => (vmac.name.clone(), None),
        config::Device::Ipvlan(ipvlan) => (ipvlan.name.clone(), Some(name.to_owned())),
        config::Device::Interface => return None,
    };
    Some((DeviceId { parent: instance.interface.clone(), kind, owner }, given))
}
