//! `vrrp_instance` as statements.

use super::{Lines, track};
use crate::config::{Config, Thing};

/// All instances, by name.
pub(super) fn write(config: &Config, out: &mut Lines) {
    for (name, instance) in &config.instances {
        let thing = Some(Thing::Instance(name.clone()));
        out.block("vrrp_instance", [name.clone()], thing, |lines| {
            lines.value("interface", instance.interface.as_str());
            lines.value("virtual_router_id", instance.router.vrid);
            lines.value("priority", instance.router.priority);
            lines.unless("advert_int", instance.router.interval, std::time::Duration::from_secs(1));
            track::write(&instance.tracks, config, lines);
        });
    }
}
