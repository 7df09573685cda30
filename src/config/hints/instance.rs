//! Traps in `vrrp_instance`.

use std::collections::BTreeMap;
use std::time::Duration;

use vrrp::{Role, Version};

use super::{Look, seconds};
use crate::config::{Instance, Thing, Transport};

/// Shorter pauses happen to every program now and then.
const SHORT_SILENCE: Duration = Duration::from_millis(100);

pub(super) fn owner_as_backup(look: &mut Look<'_>) {
    for (name, instance) in &look.config.instances {
        if instance.router.is_owner() && instance.router.wish == Role::Backup {
            let message =
                "`priority 255` means the owner of the addresses, and `state BACKUP` that it is not";
            let suggestion =
                "say `state MASTER` if this host owns the addresses, otherwise a priority below 255";
            look.hint(&Thing::Instance(name.clone()), "state", message.to_owned(), suggestion);
        }
    }
}

pub(super) fn shared_router(look: &mut Look<'_>) {
    let mut seen: BTreeMap<(&str, u8), (&str, Version)> = BTreeMap::new();
    for (name, instance) in &look.config.instances {
        let (vrid, version) = (instance.router.vrid, instance.router.version);
        let Some((other, _)) = seen
            .insert((instance.interface.as_str(), vrid), (name, version))
            .filter(|(_, other)| *other != version)
        else {
            continue;
        };
        let message = format!(
            "VRID {vrid} is used on {} by `{other}` too, in another version: one virtual MAC address for two routers",
            instance.interface
        );
        let suggestion = "give each instance on an interface its own number";
        look.hint(&Thing::Instance(name.clone()), "virtual_router_id", message, suggestion);
    }
}

pub(super) fn no_source_address(look: &mut Look<'_>) {
    for (name, instance) in &look.config.instances {
        if matches!(instance.transport, Transport::Unicast(_)) && instance.source.is_none() {
            let message = "adverts go to peers from whatever is the interface's first address, and the peers accept \
                           them from the address that they name only";
            let suggestion = "add `unicast_src_ip` with the address that the peers name";
            look.hint(&Thing::Instance(name.clone()), "unicast_peer", message.to_owned(), suggestion);
        }
    }
}

pub(super) fn peer_is_self(look: &mut Look<'_>) {
    for (name, instance) in &look.config.instances {
        let (Transport::Unicast(peers), Some(source)) = (&instance.transport, instance.source) else {
            continue;
        };
        if peers.contains(&source) {
            let message = format!("{source} is this director's own address and stands among its peers");
            let suggestion = "name the other directors only";
            look.hint(&Thing::Instance(name.clone()), "unicast_peer", message, suggestion);
        }
    }
}

pub(super) fn short_down_timer(look: &mut Look<'_>) {
    for (name, instance) in &look.config.instances {
        let router = &instance.router;
        let silence = router.interval.saturating_mul(u32::from(router.down_timer_adverts));
        let (keyword, message) = if router.down_timer_adverts == 1 {
            ("down_timer_adverts", "a single lost advert makes a backup take over".to_owned())
        } else if silence < SHORT_SILENCE {
            let message = format!("a master that is held up for {} loses its role", seconds(silence));
            ("advert_int", message)
        } else {
            continue;
        };
        let suggestion = "make `down_timer_adverts` larger, 3 is the default";
        look.hint(&Thing::Instance(name.clone()), keyword, message, suggestion);
    }
}

pub(super) fn announced_once(look: &mut Look<'_>) {
    for (name, instance) in &look.config.instances {
        if is_announced_once(instance) {
            let message = "a new master sends one gratuitous ARP for each address and never again: if it is lost, \
                           clients ask the old master until their entries expire";
            let suggestion = "add `garp_master_refresh 60`, or let `garp_master_delay` be above 0";
            look.hint(&Thing::Instance(name.clone()), "garp_master_repeat", message.to_owned(), suggestion);
        }
    }
}

fn is_announced_once(instance: &Instance) -> bool {
    let announce = &instance.router.announce;
    let has_addresses = !instance.addresses.is_empty();
    has_addresses && announce.repeat <= 1 && announce.delay.is_zero() && announce.refresh.is_none()
}

/// Off is the default, and no trap for most; who switches it off in so many words should know what that means.
pub(super) fn refresh_off(look: &mut Look<'_>) {
    let off =
        |instance: &Instance| instance.router.announce.refresh.is_none() && !is_announced_once(instance);
    let mut found = Vec::new();
    if look.spans.says(&Thing::Global, &["vrrp_garp_master_refresh"])
        && look.config.instances.values().all(|instance| off(instance))
    {
        found.push((Thing::Global, "vrrp_garp_master_refresh"));
    }
    for (name, instance) in &look.config.instances {
        let thing = Thing::Instance(name.clone());
        if off(instance) && look.spans.says(&thing, &["garp_master_refresh"]) {
            found.push((thing, "garp_master_refresh"));
        }
    }
    let message = "the addresses are not announced again while this director is master: a switch that heard another \
                   master for a moment keeps sending there";
    let found: Vec<_> =
        found.into_iter().map(|(thing, keyword)| (thing, keyword, message.to_owned())).collect();
    look.hint_at_first(&found, "say `garp_master_refresh 60`, or nothing if the switches are trusted");
}
