//! The level of what instances need of the host beside addresses: their interfaces, and the packets that they do not
//! want. One owner carries it out and reports.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::time::Instant;

use vrrp::{Device, DeviceKind, DeviceLevel, FilterLevel, State};

use super::devices::Main;
use super::effect::HostLevel;
use super::event::HostReport;
use super::journal::Entry;
use super::{Director, Instance, Pending};
use crate::config;

impl Director {
    /// Has interfaces and packet filter looked after: after a change of state, and when the outside may have changed.
    pub(super) fn queue_host(&mut self) {
        if !self.host_needed && *self.host.value == HostLevel::default() {
            return;
        }
        self.host.serial += 1;
        if !self.host.queued {
            self.host.queued = true;
            self.pending.push_back(Pending::Host);
        }
    }

    /// The end waits for the interfaces to be taken away, which happens once the addresses are.
    pub(super) fn hold_host(&mut self) {
        if *self.host.value != HostLevel::default() {
            self.host.serial += 1;
        }
    }

    /// The interfaces of the instances, and the packets they do not want, as their states want it now.
    pub(super) fn wanted_host(&self) -> HostLevel {
        if self.stopping {
            return HostLevel::default();
        }
        let mut level = HostLevel::default();
        let filter = &self.config.global.filter;
        level.filter = FilterLevel {
            table: filter.nftables.clone().unwrap_or_default(),
            priority: filter.priority,
            counters: filter.counters,
            by_name: filter.nftables.is_some() && !filter.by_index,
            ..FilterLevel::default()
        };
        for instance in self.instances.values() {
            let (config, devices) = (&instance.config, &instance.devices);
            if let Some(main) = &devices.main {
                add_device(&mut level.devices, &main.name, self.main_device(instance, main));
            }
            for ((parent, ipv6), (name, kind)) in &devices.others {
                // What speaks IPv6 to its neighbours needs a link-local address: the one of the interface below.
                let below = self.links.get(parent).filter(|_| *ipv6);
                let own = below.and_then(|link| link.link_local(&self.guests.virtual_addresses));
                let device = Device {
                    parent: parent.clone(),
                    kind: *kind,
                    group: None,
                    notify: false,
                    ipv4: !ipv6,
                    ipv6: *ipv6,
                    addresses: own.into_iter().collect(),
                };
                add_device(&mut level.devices, name, device);
            }
            if devices.is_silent() && instance.router.is_master() {
                for address in config.all_addresses() {
                    match address.address {
                        IpAddr::V6(own) if own.is_unicast_link_local() => {
                            let place = devices.interface_of(config, address).to_owned();
                            level.filter.silent_on.insert((own, place));
                        }
                        other => {
                            level.filter.silent.insert(other);
                        }
                    }
                }
            }
        }
        self.agree_on_flags(&mut level.devices);
        level
    }

    /// What ipvlan interfaces on one interface see of each other is one setting for all of them: the last one says it.
    fn agree_on_flags(&self, level: &mut DeviceLevel) {
        let mut flags = BTreeMap::new();
        for name in self.names() {
            let main = self.instances.get(&name).and_then(|instance| instance.devices.main.as_ref());
            let device = main.and_then(|main| level.get(&main.name));
            if let Some(Device { parent, kind: DeviceKind::Ipvlan(flag), .. }) = device {
                flags.insert(parent.clone(), *flag);
            }
        }
        for device in level.values_mut() {
            if let (DeviceKind::Ipvlan(flag), Some(last)) = (&mut device.kind, flags.get(&device.parent)) {
                *flag = *last;
            }
        }
    }

    fn main_device(&self, instance: &Instance, main: &Main) -> Device {
        let config = &instance.config;
        let mut addresses = BTreeSet::new();
        let (group, notify) = match &config.device {
            config::Device::Vmac(vmac) => (vmac.group, vmac.notify_kernel),
            config::Device::Ipvlan(ipvlan) => {
                addresses.extend(ipvlan.address.map(|own| (own.address, own.prefix)));
                (ipvlan.group, false)
            }
            config::Device::Interface => (None, false),
        };
        // Over IPv6 adverts come from the link-local address of the interface below.
        if let Some(below) =
            self.links.get(&config.interface).filter(|_| config.is_ipv6() && !main.adverts_below)
        {
            let source = instance.own_source(below, &self.guests);
            let held = below.addresses.iter().find(|held| Some(held.address) == source);
            addresses.extend(held.map(|held| (held.address, held.prefix)));
        }
        Device {
            parent: config.interface.clone(),
            kind: main.kind,
            group,
            notify,
            ipv4: !config.is_ipv6(),
            ipv6: config.is_ipv6() || !config.other_addresses.is_empty(),
            addresses,
        }
    }

    pub(super) fn host_applied(&mut self, report: HostReport, now: Instant) {
        self.host.applied = report.serial;
        let news: Vec<String> =
            report.failures.iter().filter(|f| !self.host.failures.contains(f)).cloned().collect();
        self.host.failures = report.failures;
        for what in news {
            self.log(Entry::Refused { what });
        }
        if self.refused_devices != report.refused {
            self.refused_devices = report.refused;
            self.together(now, |director| director.begin_waiting(now));
        }
        self.settle(now);
        self.end_if_released();
    }

    /// Whether an interface that is being made is all that an instance lacks to start.
    pub(super) fn waits_for_device(&self, name: &str) -> bool {
        let Some(instance) = self.instances.get(name).filter(|instance| instance.lacks_device) else {
            return false;
        };
        let refused = |name: &String| self.refused_devices.contains(name);
        instance.router.state() == State::Initialize
            && instance.devices.main.as_ref().is_some_and(|main| !refused(&main.name))
    }

    /// Starts the instances that waited for their interfaces, if those are there or will not come.
    pub(super) fn begin_waiting(&mut self, now: Instant) {
        let waiting =
            |instance: &Instance| instance.devices.has_main() && instance.router.state() == State::Initialize;
        for name in self.names() {
            if self.instances.get(&name).is_some_and(waiting) {
                self.evaluate(&name, now);
            }
        }
    }
}

/// Adds an interface, or what one that is there needs besides.
fn add_device(level: &mut DeviceLevel, name: &str, device: Device) {
    match level.get_mut(name) {
        Some(there) if there.parent == device.parent && there.kind == device.kind => {
            there.ipv4 |= device.ipv4;
            there.ipv6 |= device.ipv6;
            there.notify |= device.notify;
            there.group = there.group.or(device.group);
            there.addresses.extend(device.addresses);
        }
        // Two instances gave one name to different interfaces: the first one has it.
        Some(_) => {}
        None => {
            level.insert(name.to_owned(), device);
        }
    }
}
