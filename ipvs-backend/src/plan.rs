//! The difference between two tables, as operations in an order that costs no traffic.
//!
//! Within a service, real servers are added and raised before others are lowered and removed: a service that
//! has a usable server before and after never passes through having none. Services are added and changed
//! before others are removed. A foreign service (in the kernel, not wanted, not ours) is left alone.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::destinations::Destinations;
use crate::key::ServiceKey;
use crate::model::{Service, Table};
use crate::operation::Operation;

/// The operations that lead from `current` to `wanted`; none when the kernel holds what is wanted already.
///
/// `ours` are the services that may be removed; those in `wanted` may be changed whether in `ours` or not.
/// Services that both tables share by `Arc` are not looked into.
pub fn plan(current: &Table, wanted: &Table, ours: &BTreeSet<ServiceKey>) -> Vec<Operation> {
    // Services that are not there yet are most of what there ever is to do at once: memory is asked for once.
    let new = wanted.services.iter().filter(|(key, _)| !current.services.contains_key(key));
    let mut operations = Vec::with_capacity(new.map(|(_, service)| 1 + service.destinations.len()).sum());
    for (key, wanted) in &wanted.services {
        match current.services.get(key) {
            Some(current) if Arc::ptr_eq(current, wanted) => {}
            current => plan_service(*key, current.map(Arc::as_ref), wanted, &mut operations),
        }
    }
    let dropped = ours.iter().filter(|key| !wanted.services.contains_key(key));
    let dropped = dropped.filter(|key| current.services.contains_key(key));
    operations.extend(dropped.map(|key| Operation::RemoveService { key: *key }));
    operations
}

fn plan_service(
    key: ServiceKey,
    current: Option<&Service>,
    wanted: &Service,
    operations: &mut Vec<Operation>,
) {
    let settings = || wanted.settings.clone();
    match current {
        None => operations.push(Operation::AddService { key, settings: settings() }),
        Some(current) if !current.settings.same_as(&wanted.settings, key.family()) => {
            operations.push(Operation::SetService { key, settings: settings() });
        }
        Some(_) => {}
    }
    plan_destinations(key, current, wanted, operations);
}

fn plan_destinations(
    service: ServiceKey,
    current: Option<&Service>,
    wanted: &Service,
    operations: &mut Vec<Operation>,
) {
    let none = Destinations::new();
    let current = current.map_or(&none, |current| &current.destinations);
    let (mut lowered, mut dropped) = (Vec::new(), Vec::new());
    for (key, held, wanted) in current.differences(&wanted.destinations) {
        let Some(settings) = wanted.copied() else {
            dropped.push(Operation::RemoveDestination { service, key });
            continue;
        };
        match held {
            None => operations.push(Operation::AddDestination { service, key, settings }),
            Some(held) if held.same_as(&settings) => {}
            Some(held) if settings.weight < held.weight => {
                lowered.push(Operation::SetDestination { service, key, settings });
            }
            Some(_) => operations.push(Operation::SetDestination { service, key, settings }),
        }
    }
    operations.append(&mut lowered);
    operations.append(&mut dropped);
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::sample::{any_keys, any_table, nat, server, service, table};
    use crate::{DestinationSettings, Kernel, MemoryKernel, ServiceSettings};

    fn described(current: &Table, wanted: &Table, ours: &[&str]) -> Vec<String> {
        let ours = ours.iter().map(|key| service(key)).collect();
        plan(current, wanted, &ours).iter().map(Operation::to_string).collect()
    }

    #[test]
    fn raised_before_lowered_before_removed() {
        let key = "[10.0.0.1]:tcp:80";
        let current = table(&[(key, &[("10.1.0.1:80", 1), ("10.1.0.2:80", 3), ("10.1.0.3:80", 0)])]);
        let wanted = table(&[(key, &[("10.1.0.2:80", 0), ("10.1.0.3:80", 2), ("10.1.0.4:80", 1)])]);
        assert_eq!(
            described(&current, &wanted, &[]),
            [
                "change real server [10.1.0.3]:80 of [10.0.0.1]:tcp:80 (NAT weight 2)",
                "add real server [10.1.0.4]:80 to [10.0.0.1]:tcp:80 (NAT weight 1)",
                "change real server [10.1.0.2]:80 of [10.0.0.1]:tcp:80 (NAT weight 0)",
                "remove real server [10.1.0.1]:80 from [10.0.0.1]:tcp:80",
            ]
        );
    }

    #[test]
    fn services_come_before_they_go_and_foreign_ones_stay() {
        let current = table(&[("FWM 1", &[("10.1.0.1:0", 1)]), ("FWM 2", &[]), ("FWM 3", &[])]);
        let wanted = table(&[("FWM 3", &[]), ("FWM 4", &[("10.1.0.1:0", 1)])]);
        assert_eq!(
            described(&current, &wanted, &["FWM 1", "FWM 3", "FWM 9"]),
            [
                "add service FWM 4 (wlc)",
                "add real server [10.1.0.1]:0 to FWM 4 (NAT weight 1)",
                "remove service FWM 1"
            ]
        );
    }

    #[test]
    fn a_changed_setting_changes_in_place() {
        let current = table(&[("FWM 1", &[("10.1.0.1:0", 1)])]);
        let mut changed = Service::clone(&current.services[&service("FWM 1")]);
        changed.settings = ServiceSettings::new("rr".parse().unwrap());
        let routed = DestinationSettings::new(crate::Forwarding::Dr, 1);
        changed.destinations.insert(server("10.1.0.1:0"), routed);
        let wanted = Table { services: [(service("FWM 1"), Arc::new(changed))].into() };
        assert_eq!(
            described(&current, &wanted, &[]),
            ["change service FWM 1 (rr)", "change real server [10.1.0.1]:0 of FWM 1 (DR weight 1)"]
        );
    }

    #[test]
    fn shared_services_are_not_looked_into() {
        let mut current = table(&[("FWM 1", &[])]);
        let mut wanted = current.clone();
        assert_eq!(described(&current, &wanted, &[]), [""; 0]);
        // The difference shows as soon as the pointer differs.
        let changed = Arc::make_mut(wanted.services.get_mut(&service("FWM 1")).unwrap());
        changed.destinations.insert(server("10.1.0.1:0"), nat(1));
        assert_eq!(described(&current, &wanted, &[]).len(), 1);
        current = wanted.clone();
        assert_eq!(described(&current, &wanted, &[]), [""; 0]);
    }

    proptest! {
        #[test]
        fn carried_out_it_leads_to_what_is_wanted(
            current in any_table(), wanted in any_table(), ours in any_keys(),
        ) {
            let mut kernel = MemoryKernel::with_table(&current);
            let before = kernel.table();
            let operations = plan(&before, &wanted, &ours);
            prop_assert_eq!(kernel.apply(&operations), Ok(Vec::new()));
            let after = kernel.table();
            prop_assert_eq!(plan(&after, &wanted, &ours), Vec::new());
            // What is there is wanted, or foreign and as it was.
            for (key, service) in &after.services {
                let foreign = !wanted.services.contains_key(key);
                prop_assert!(!foreign || (!ours.contains(key) && before.services.get(key) == Some(service)));
            }
            prop_assert!(wanted.services.keys().all(|key| after.services.contains_key(key)));
            let mut gone = before.services.keys().filter(|key| !after.services.contains_key(key));
            prop_assert!(gone.all(|key| ours.contains(key)));
        }

        #[test]
        fn a_usable_service_stays_usable(current in any_table(), wanted in any_table(), ours in any_keys()) {
            let mut kernel = MemoryKernel::with_table(&current);
            let usable =
                |table: &Table, key| table.services.get(key).is_some_and(|service| service.is_usable());
            let served: Vec<_> =
                wanted.services.keys().filter(|key| usable(&current, key) && usable(&wanted, key)).collect();
            for operation in plan(&kernel.table(), &wanted, &ours) {
                prop_assert_eq!(kernel.apply(std::slice::from_ref(&operation)), Ok(Vec::new()));
                let table = kernel.table();
                prop_assert!(served.iter().all(|key| usable(&table, key)), "empty after: {}", operation);
            }
        }
    }
}
