//! `virtual_server` and `real_server` as statements.

use std::collections::BTreeMap;
use std::sync::Arc;

use ipvs_backend::ServiceKey;

use super::Lines;
use crate::config::{Thing, VirtualServer};

/// All services.
pub(super) fn write(services: &BTreeMap<ServiceKey, Arc<VirtualServer>>, out: &mut Lines) {
    for (key, service) in services {
        let words = match *key {
            ServiceKey::Address { address, port, .. } => vec![address.to_string(), port.to_string()],
            ServiceKey::Mark { mark, .. } => vec!["fwmark".to_owned(), mark.to_string()],
        };
        out.block("virtual_server", words, Some(Thing::Service(*key)), |lines| {
            lines.value("lvs_sched", service.settings.scheduler.as_str());
            for (server, real) in &service.servers {
                let words = [server.address.to_string(), server.port.to_string()];
                lines.block("real_server", words, Some(Thing::Server(*key, *server)), |lines| {
                    let thing = |number| Thing::Check(*key, *server, number);
                    super::check::write(*server, real, thing, lines);
                });
            }
        });
    }
}
