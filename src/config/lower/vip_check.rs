//! `vip_check`: the backup asks the address of the service as a client would.

use std::net::SocketAddr;
use std::sync::Arc;

use healthcheck::{Check, Kind, Via, Way};
use ipvs_backend::{DestinationKey, ServiceKey};

use super::check;
use super::context::{Context, Entry};
use super::place::Endpoint;
use super::server::Inherited;
use crate::config::Served;
use crate::config::complaint::Code;
use crate::config::keywords::Place;

/// The check in the block.
pub(super) fn lower(
    context: &mut Context<'_>,
    block: &Entry<'_>,
    endpoint: Endpoint<'_>,
    inherited: &Inherited,
) -> Option<Arc<Check>> {
    let vip = match endpoint.served {
        Served::Key(ServiceKey::Address { address, port, .. }) if *port > 0 => {
            DestinationKey::new(*address, *port)
        }
        _ => {
            let message =
                "`vip_check` asks the address and port of a virtual server; this one has not one of each";
            let suggestion = "leave `vip_check` out, or give the address a `virtual_server` of its own";
            context.error_with(Code::Conflict, block.span(), message.to_owned(), suggestion);
            return None;
        }
    };
    context.at_most(block, 0);
    let mut blocks = Vec::new();
    for entry in context.entries_of(block, Place::VipCheck) {
        match check::is_check(entry.name()) {
            true => blocks.push(entry),
            false => context.forgotten(&entry),
        }
    }
    // The checks of servers go their own way, and who waits for them does not wait for this one.
    let inherited = Inherited { via: false, alpha: false, ..inherited.clone() };
    let thing = |number: usize| endpoint.served.check(vip, number);
    let checks = check::lower(context, &blocks, vip, &inherited, thing);
    let [made] = checks.made.as_slice() else {
        let message = format!("`vip_check` holds {} checks; expected one", checks.made.len());
        context.error(Code::Conflict, block.span(), message);
        return None;
    };
    let mut check = Check::clone(made);
    if check.target != SocketAddr::new(vip.address, vip.port) || check.mark != 0 || check.kind == Kind::Ping {
        let message = "`vip_check` asks the address and port of the service, with a mark of its own: `connect_ip`, \
                       `connect_port` and `fwmark` cannot stand in it";
        context.error(Code::Conflict, block.span(), message);
        return None;
    }
    check.via = Some(Box::new(Via { mark: 0, direct: None, way: Way::Dr }));
    Some(Arc::new(check))
}
