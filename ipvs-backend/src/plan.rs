//! The difference between two tables, as operations in an order that costs no traffic.
//!
//! Within a service, real servers are added and raised before others are lowered and removed: a service that has a
//! usable server before and after never passes through having none. Services are added and changed before others
//! are removed. A foreign service (in the kernel, not wanted, not ours) is left alone.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::key::ServiceKey;
use crate::model::{Service, Table};
use crate::operation::Operation;

/// The operations that lead from `current` to `wanted`; none when the kernel holds what is wanted already.
///
/// `ours` are the services that may be removed; those in `wanted` may be changed whether in `ours` or not. Services
/// that both tables share by `Arc` are not looked into.
pub fn plan(current: &Table, wanted: &Table, ours: &BTreeSet<ServiceKey>) -> Vec<Operation> {
    let mut operations = Vec::new();
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
    let mut lowered = Vec::new();
    for (key, settings) in &wanted.destinations {
        let (key, settings) = (*key, *settings);
        match current.and_then(|current| current.destinations.get(&key)) {
            None => operations.push(Operation::AddDestination { service, key, settings }),
            Some(held) if held.same_as(&settings) => {}
            Some(held) if settings.weight < held.weight => {
                lowered.push(Operation::SetDestination { service, key, settings });
            }
            Some(_) => operations.push(Operation::SetDestination { service, key, settings }),
        }
    }
    operations.append(&mut lowered);
    let held = current.into_iter().flat_map(|current| current.destinations.keys());
    let dropped = held.filter(|key| !wanted.destinations.contains_key(key));
    operations.extend(dropped.map(|key| Operation::RemoveDestination { service, key: *key }));
}
