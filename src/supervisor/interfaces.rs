//! Interfaces that the file names and the machine does not have: without `dynamic_interfaces` keepalived ends over
//! them, and so does whoever asks to be compatible. Otherwise they are waited for.

use std::collections::BTreeSet;

use crate::config::{Config, Device, DynamicInterfaces, Hop, Instance, Route, VirtualAddress};

/// The sentence with which to end, if keepalived would.
pub(super) fn missing(config: &Config, exists: impl Fn(&str) -> bool) -> Option<String> {
    if config.global.dynamic_interfaces != DynamicInterfaces::Unsaid {
        return None;
    }
    // Those are made by the daemon itself.
    let made: BTreeSet<&str> = instances(config).filter_map(|(_, instance)| made(instance)).collect();
    let absent = |name: &&str| !made.contains(name) && !exists(name);
    let (who, name) = named(config).find(|(_, name)| absent(name))?;
    Some(format!(
        "{who} names the interface `{name}`, which this machine does not have; keepalived ends over this, and with it \
         whoever reads the file compatibly. Say `dynamic_interfaces` in `global_defs` to have it waited for"
    ))
}

/// Every interface that is named, with who names it.
fn named(config: &Config) -> impl Iterator<Item = (String, &str)> {
    let instances = instances(config).flat_map(|(name, instance)| {
        let who = format!("vrrp_instance {name}");
        used(instance).map(move |interface| (who.clone(), interface))
    });
    let addresses = config.static_addresses.iter().filter_map(device);
    let routes = config.static_routes.iter().flat_map(ways);
    let routes = routes.filter_map(|hop| hop.interface.as_deref());
    let paces = config.root.garp_groups.iter().flat_map(|group| &group.interfaces).map(String::as_str);
    instances
        .chain(addresses.map(|name| ("static_ipaddress".to_owned(), name)))
        .chain(routes.map(|name| ("static_routes".to_owned(), name)))
        .chain(paces.map(|name| ("garp_group".to_owned(), name)))
}

fn instances(config: &Config) -> impl Iterator<Item = (&String, &Instance)> {
    config.instances.iter().map(|(name, instance)| (name, &**instance))
}

fn used(instance: &Instance) -> impl Iterator<Item = &str> {
    let hops = instance.routes.iter().flat_map(ways);
    std::iter::once(instance.interface.as_str())
        .chain(instance.tracks.interfaces.keys().map(String::as_str))
        .chain(instance.all_addresses().filter_map(device))
        .chain(hops.filter_map(|hop| hop.interface.as_deref()))
}

fn ways(route: &Route) -> impl Iterator<Item = &Hop> {
    std::iter::once(&route.hop).chain(&route.hops)
}

fn device(address: &VirtualAddress) -> Option<&str> {
    address.interface.as_deref()
}

fn made(instance: &Instance) -> Option<&str> {
    match &instance.device {
        Device::Interface => None,
        Device::Vmac(vmac) => vmac.name.as_deref(),
        Device::Ipvlan(ipvlan) => ipvlan.name.as_deref(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::read_text;

    fn sentence(more: &str, global: &str) -> Option<String> {
        let text = format!(
            "global_defs {{\n{global}\n}}\nvrrp_instance A {{\ninterface eth0\nvirtual_router_id 1\n\
             virtual_ipaddress {{\n10.0.0.9\n}}\n{more}\n}}\n"
        );
        let config = read_text("a.conf", &text).config.unwrap_or_else(|| panic!("{text}"));
        missing(&config, |name| name == "eth0")
    }

    #[test]
    fn what_is_named_must_be_there_or_may_come_or_is_made() {
        assert_eq!(sentence("", ""), None);
        let excluded = "virtual_ipaddress_excluded {\n10.0.0.8 dev eth1\n}";
        assert!(sentence(excluded, "").is_some_and(|said| said.contains("vrrp_instance A names")));
        assert!(sentence("track_interface {\neth1\n}", "").is_some());
        assert_eq!(sentence(excluded, "dynamic_interfaces"), None);
    }
}
