//! What differs between the running configuration and a new one, by key.
//!
//! Only what differs is touched at a reload: everything that hangs on an unchanged instance or virtual server goes
//! on as if nothing had been read. To make that cheap to see, the new configuration takes over the old one's values
//! wherever they say the same, so that from then on equal parts are the same pointer.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use ipvs_backend::ServiceKey;
use serde::{Deserialize, Serialize};

use super::{Config, GroupKey, RealServer, VirtualServer};

/// Keys of one kind of block, by what happens to them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Changes<K: Ord> {
    /// In the old configuration only.
    pub to_remove: BTreeSet<K>,
    /// In both, with other contents.
    pub to_change: BTreeSet<K>,
    /// In the new configuration only.
    pub to_add: BTreeSet<K>,
}

/// What differs between two configurations.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Difference {
    /// Instances by name.
    pub instances: Changes<String>,
    /// Virtual servers by what they serve.
    pub services: Changes<ServiceKey>,
    /// Virtual servers of groups. One whose group holds something else is to change as well.
    #[serde(default)]
    pub group_services: Changes<GroupKey>,
    /// Whether `global_defs` differs. What instances and services take over from it shows up with them.
    pub global_changed: bool,
    /// Whether nothing of this differs, and yet something that nothing acts on so far.
    #[serde(default)]
    pub rest_changed: bool,
}

impl<K: Ord> Default for Changes<K> {
    fn default() -> Self {
        Self { to_remove: BTreeSet::new(), to_change: BTreeSet::new(), to_add: BTreeSet::new() }
    }
}

impl<K: Ord> Changes<K> {
    /// Whether nothing changes.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether this key changes in any way.
    pub fn has<Q: Ord + ?Sized>(&self, key: &Q) -> bool
    where
        K: std::borrow::Borrow<Q>,
    {
        self.to_remove.contains(key) || self.to_change.contains(key) || self.to_add.contains(key)
    }

    /// How many keys change.
    pub fn len(&self) -> usize {
        self.to_remove.len() + self.to_change.len() + self.to_add.len()
    }
}

impl Difference {
    /// Whether the two configurations say the same.
    pub fn is_empty(&self) -> bool {
        self.instances.is_empty()
            && self.services.is_empty()
            && self.group_services.is_empty()
            && !self.global_changed
            && !self.rest_changed
    }
}

/// The new configuration, with the old one's values wherever both say the same, and what differs.
///
/// Within a virtual server that differs, the real servers (and their checks) that do not differ are the old ones.
pub fn adopt(old: &Config, mut new: Config) -> (Config, Difference) {
    let mut difference = Difference {
        instances: adopt_map(&old.instances, &mut new.instances, |_, _| {}),
        services: adopt_map(&old.services, &mut new.services, adopt_servers),
        group_services: adopt_map(&old.group_services, &mut new.group_services, adopt_servers),
        global_changed: old.global != new.global,
        rest_changed: false,
    };
    let groups = adopt_map(&old.server_groups, &mut new.server_groups, |_, _| {});
    let regrouped = |key: &&GroupKey| old.group_services.contains_key(key) && groups.has(&key.group);
    difference.group_services.to_change.extend(new.group_services.keys().filter(regrouped).cloned());
    // What is the same is the same pointer by now, so this is cheap.
    difference.rest_changed = difference.is_empty() && *old != new;
    (new, difference)
}

/// `within` may adopt parts of a value that differs as a whole.
fn adopt_map<K: Ord + Clone, V: PartialEq>(
    old: &BTreeMap<K, Arc<V>>,
    new: &mut BTreeMap<K, Arc<V>>,
    within: impl Fn(&V, &mut Arc<V>),
) -> Changes<K> {
    let mut changes = Changes::default();
    for (key, value) in new.iter_mut() {
        match old.get(key) {
            None => {
                changes.to_add.insert(key.clone());
            }
            Some(before) if Arc::ptr_eq(before, value) => {}
            Some(before) if before == value => *value = Arc::clone(before),
            Some(before) => {
                within(before, value);
                changes.to_change.insert(key.clone());
            }
        }
    }
    changes.to_remove = old.keys().filter(|key| !new.contains_key(key)).cloned().collect();
    changes
}

fn adopt_servers(old: &VirtualServer, new: &mut Arc<VirtualServer>) {
    let mut service = VirtualServer::clone(new);
    adopt_map(&old.servers, &mut service.servers, adopt_checks);
    adopt_map(&old.backups, &mut service.backups, adopt_checks);
    *new = Arc::new(service);
}

fn adopt_checks(old: &RealServer, server: &mut Arc<RealServer>) {
    if server.checks.is_empty() && server.planned.is_empty() {
        // There is nothing to take over; and it may stand for many that say the same.
        return;
    }
    let mut copy = RealServer::clone(server);
    for check in &mut copy.checks {
        if let Some(same) = old.checks.iter().find(|same| *same == check) {
            *check = Arc::clone(same);
        }
    }
    for check in &mut copy.planned {
        if let Some(same) = old.planned.iter().find(|same| *same == check) {
            *check = Arc::clone(same);
        }
    }
    *server = Arc::new(copy);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::read_text;

    fn config(text: &str) -> Config {
        read_text("test.conf", text).config.expect("the text is good")
    }

    fn service(port: u16, weight: u32) -> String {
        format!(
            "virtual_server 10.0.0.1 {port} {{\n lvs_sched rr\n lvs_method NAT\n protocol TCP\n \
             real_server 10.0.1.1 80 {{\n weight {weight}\n TCP_CHECK {{\n }}\n }}\n \
             real_server 10.0.1.2 80 {{\n TCP_CHECK {{\n }}\n }}\n }}\n"
        )
    }

    #[test]
    fn the_same_text_is_no_difference_and_keeps_every_pointer() {
        let text = format!("{}{}", service(80, 1), service(81, 1));
        let old = config(&text);
        let (new, difference) = adopt(&old, config(&text));
        assert!(difference.is_empty(), "{difference:?}");
        for (key, value) in &new.services {
            assert!(Arc::ptr_eq(value, &old.services[key]), "{key}");
        }
    }

    #[test]
    fn changes_are_told_by_key() {
        let old = config(&format!("{}{}{}", service(80, 1), service(81, 1), service(82, 1)));
        let text = format!(
            "global_defs {{\n router_id x\n}}\n{}{}{}",
            service(81, 1),
            service(82, 7),
            service(83, 1)
        );
        let (new, difference) = adopt(&old, config(&text));
        let key = |port| ServiceKey::tcp("10.0.0.1".parse().unwrap(), port);
        assert_eq!(difference.services.to_remove, [key(80)].into());
        assert_eq!(difference.services.to_change, [key(82)].into());
        assert_eq!(difference.services.to_add, [key(83)].into());
        assert_eq!(difference.services.len(), 3);
        assert!(difference.global_changed);
        assert!(difference.instances.is_empty());
        assert!(Arc::ptr_eq(&new.services[&key(81)], &old.services[&key(81)]));
    }

    #[test]
    fn what_is_not_in_effect_yet_restarts_nothing() {
        let text = |lines: &str, group: &str| {
            config(&format!(
                "{group}vrrp_instance A {{\ninterface eth0\nvirtual_router_id 1\n{lines}\nvirtual_ipaddress {{\n\
                 10.0.0.9\n}}\n}}\n"
            ))
        };
        let old = text("", "");
        let (new, difference) = adopt(&old, text("notify_master /bin/x\nuse_vmac", ""));
        assert_eq!(difference.instances.to_change, ["A".to_owned()].into());
        assert_eq!(difference.instances.len(), 1);
        assert_eq!(new.instances["A"].router, old.instances["A"].router);
        let (new, difference) = adopt(&old, text("", "vrrp_sync_group G {\ngroup {\nA\n}\n}\n"));
        assert!(difference.instances.is_empty() && difference.rest_changed, "{difference:?}");
        assert!(Arc::ptr_eq(&new.instances["A"], &old.instances["A"]));
    }

    #[test]
    fn what_nothing_acts_on_yet_is_a_difference_of_its_own() {
        let group =
            |address: &str| format!("virtual_server_group G {{\n {address} 80\n}}\n{}", service(80, 1));
        let old = config(&group("10.0.0.5"));
        let (_, difference) = adopt(&old, config(&group("10.0.0.6")));
        assert!(difference.services.is_empty() && difference.rest_changed && !difference.is_empty());
        let (_, difference) = adopt(&old, config(&group("10.0.0.5")));
        assert!(difference.is_empty());
    }

    #[test]
    fn a_group_that_holds_something_else_changes_its_virtual_servers() {
        let text = |address: &str| {
            let of_group = service(80, 1).replace("10.0.0.1 80", "group G");
            config(&format!("virtual_server_group G {{\n {address} 80\n}}\n{of_group}{}", service(80, 1)))
        };
        let old = text("10.0.0.5");
        let (new, difference) = adopt(&old, text("10.0.0.5-7"));
        let keys: Vec<_> = new.group_services.keys().cloned().collect();
        assert_eq!(difference.group_services.to_change, keys.iter().cloned().collect());
        assert!(difference.services.is_empty());
        let found = new.kernel_services(&crate::config::Served::Group(keys[0].clone()));
        let key = |address: &str| ServiceKey::tcp(address.parse().unwrap(), 80);
        assert_eq!(*found, ["10.0.0.5", "10.0.0.6", "10.0.0.7"].map(key));
    }

    #[test]
    fn within_a_changed_service_unchanged_servers_and_checks_keep_their_pointers() {
        let old = config(&service(80, 1));
        let (new, _) = adopt(&old, config(&service(80, 2)));
        let servers = |config: &Config| -> Vec<_> {
            config.services.values().flat_map(|service| service.servers.values().cloned()).collect()
        };
        let (old, new) = (servers(&old), servers(&new));
        assert_eq!(new[0].weight, 2);
        assert!(!Arc::ptr_eq(&old[0], &new[0]));
        assert!(Arc::ptr_eq(&old[0].checks[0], &new[0].checks[0]));
        assert!(Arc::ptr_eq(&old[1], &new[1]));
    }
}
