//! `vrrp_instance` as statements.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::Lines;
use crate::config::{Instance, Thing};

/// All instances, by name.
pub(super) fn write(instances: &BTreeMap<String, Arc<Instance>>, out: &mut Lines) {
    for (name, instance) in instances {
        let thing = Some(Thing::Instance(name.clone()));
        out.block("vrrp_instance", [name.clone()], thing, |lines| {
            lines.value("interface", instance.interface.as_str());
            lines.value("virtual_router_id", instance.router.vrid);
            lines.value("priority", instance.router.priority);
            lines.unless("advert_int", instance.router.interval, std::time::Duration::from_secs(1));
        });
    }
}
