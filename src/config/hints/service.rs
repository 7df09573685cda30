//! Traps in `virtual_server` and its servers.

use super::Look;

pub(super) fn sorry_is_real(look: &mut Look<'_>) {
    for (served, service) in look.config.virtual_servers() {
        let Some(sorry) = service.sorry.as_ref().filter(|sorry| service.servers.contains_key(&sorry.key))
        else {
            continue;
        };
        let message = format!(
            "the sorry server {} is one of the real servers: it stands in for itself when it is down",
            sorry.key
        );
        look.hint(&served.thing(), "sorry_server", message, "name a server that is not in the pool");
    }
}

pub(super) fn no_weight(look: &mut Look<'_>) {
    for (served, service) in look.config.virtual_servers() {
        if !service.servers.is_empty() && service.servers.values().all(|server| server.weight == 0) {
            let message =
                format!("every real server of {served} has weight 0: there is none for new connections");
            look.hint(&served.thing(), "", message, "give a server that should work a `weight` above 0");
        }
    }
}
