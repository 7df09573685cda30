//! `vrrp_instance` as statements.

use std::time::Duration;

use vrrp::{Auth, Role, Version};

use super::{Lines, address, group, track};
use crate::config::{
    AdvertOptions, Conduct, Config, Device, Hmac, HmacKey, HmacMode, Instance, IpvlanMode, OldChecksum,
    Thing, Transport, TtlLimits,
};

/// All instances, in the file's order: those that run, and those that cannot yet.
pub(super) fn write(config: &Config, out: &mut Lines) {
    for (name, instance) in config.in_order() {
        let thing = Some(Thing::Instance(name.clone()));
        out.block("vrrp_instance", [name.clone()], thing, |lines| {
            lines.value("interface", instance.interface.as_str());
            election(instance, lines);
            device(&instance.device, lines);
            adverts(instance, lines);
            conduct(&instance.conduct, lines);
            authentication(instance, lines);
            announce(instance, lines);
            addresses(instance, lines);
            track::write(&instance.tracks, config, lines);
            lines.some("lvs_sync_daemon_interface", instance.sync_interface.as_ref());
            group::notify(&instance.notify, lines);
            lines.inherited("smtp_alert", instance.alert);
        });
    }
}

fn election(instance: &Instance, lines: &mut Lines) {
    let router = &instance.router;
    let is_backup = router.wish == Role::Backup;
    let state = if is_backup { "BACKUP" } else { "MASTER" };
    lines.value("virtual_router_id", router.vrid);
    let owner = router.priority == vrrp::PRIORITY_OWNER;
    lines.unless("state", state, if owner { "MASTER" } else { "BACKUP" });
    lines.push(
        "priority",
        vec![router.priority.to_string()],
        is_backup && router.priority == 100,
        None,
        None,
    );
    lines.inherited("version", if router.version == Version::V2 { 2_u8 } else { 3 });
    lines.unless("advert_int", router.interval, Duration::from_secs(1));
    lines.flag("nopreempt", !router.preempt);
    lines.unless("preempt_delay", router.preempt_delay, Duration::ZERO);
    lines.inherited("down_timer_adverts", router.down_timer_adverts);
    lines.inherited("lower_prio_no_advert", router.lower_prio_no_advert);
    lines.inherited("higher_prio_send_advert", router.higher_prio_send_advert);
}

fn device(device: &Device, lines: &mut Lines) {
    let pair =
        |word: &str, value: Option<String>| value.map(|value| [word.to_owned(), value]).into_iter().flatten();
    match device {
        Device::Interface => {}
        Device::Vmac(vmac) => {
            let hex = |bytes: &Vec<u8>| {
                bytes.iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().join(":")
            };
            let told = vmac.notify_kernel.then(|| "netlink_notify_msg".to_owned());
            let words = pair("name", vmac.name.clone()).chain(vmac.mac.as_ref().map(hex));
            lines.say(
                "use_vmac",
                words.chain(told).chain(pair("group", vmac.group.map(|group| group.to_string()))),
            );
            lines.flag("vmac_xmit_base", vmac.adverts_below);
        }
        Device::Ipvlan(ipvlan) => {
            let mode = match ipvlan.mode {
                IpvlanMode::Bridge => "bridge",
                IpvlanMode::Private => "private",
                IpvlanMode::Vepa => "vepa",
            };
            let words =
                pair("name", ipvlan.name.clone()).chain(ipvlan.address.map(|address| address.to_string()));
            let group = pair("group", ipvlan.group.map(|group| group.to_string()));
            lines.say("use_ipvlan", words.chain([mode.to_owned()]).chain(group));
        }
    }
}

fn adverts(instance: &Instance, lines: &mut Lines) {
    let options = &instance.adverts;
    match &instance.transport {
        Transport::Multicast => lines.some("mcast_src_ip", instance.source),
        Transport::Unicast(peers) => {
            lines.some("unicast_src_ip", instance.source);
            let limits = |word: &str, limit: Option<u8>| {
                limit
                    .map(|limit| [word.to_owned(), limit.to_string()])
                    .into_iter()
                    .flatten()
                    .collect::<Vec<_>>()
            };
            let peer = |peer| {
                let TtlLimits { min, max } = options.peer_ttl.get(peer).copied().unwrap_or_default();
                [vec![peer.to_string()], limits("min_ttl", min), limits("max_ttl", max)].concat()
            };
            lines.list("unicast_peer", peers.iter().map(peer));
        }
    }
    let AdvertOptions { group, ttl, vrf, skip_address_check, v3_checksum_as_v2, .. } = options;
    lines.some("mcast_dst_ip", *group);
    lines.some("unicast_ttl", *ttl);
    lines.flag("check_unicast_src", options.check_source);
    lines.some("skip_check_adv_addr", *skip_address_check);
    match options.old_checksum {
        OldChecksum::Auto => {}
        OldChecksum::Old => lines.flag("old_unicast_checksum", true),
        OldChecksum::Never => lines.value("old_unicast_checksum", "never"),
    }
    lines.some("v3_checksum_as_v2", *v3_checksum_as_v2);
    lines.flag("track_src_ip", options.track_source);
    lines.flag("unicast_fault_no_peer", options.fault_without_peers);
    lines.some("vrf", vrf.as_ref());
}

fn conduct(conduct: &Conduct, lines: &mut Lines) {
    lines.some("strict_mode", conduct.strict);
    lines.some("accept", conduct.accept.filter(|accept| *accept));
    lines.some("no_accept", conduct.accept.filter(|accept| !accept).map(|accept| !accept));
    lines.some("owner_ignore_adverts", conduct.owner_ignores);
    lines.some("timer_expired_backup", conduct.expired_backup);
    lines.flag("dont_track_primary", conduct.ignore_interface);
    lines.flag("use_vmac_addr", conduct.vmac_everywhere);
    lines.flag("promote_secondaries", conduct.promote_secondaries);
}

fn authentication(instance: &Instance, lines: &mut Lines) {
    let header = instance.auth_header.as_ref().map(|auth| ("AH", auth));
    let said = header.or(Some(("PASS", &instance.router.auth)));
    if let Some((kind, Auth::Password(bytes))) = said {
        lines.block("authentication", [], None, |lines| {
            lines.value("auth_type", kind);
            lines.value("auth_pass", password(*bytes));
        });
    }
    if let Some(Hmac { keys, active, monotonic, window, mode }) = &instance.hmac {
        lines.block("auth_hmac", [], None, |lines| {
            for (id, key) in keys {
                lines.say("key", [id.to_string(), self::key(key)]);
            }
            lines.value("active_key", *active);
            lines.unless("anti_replay", if *monotonic { "monotonic" } else { "time" }, "time");
            lines.some("time_window", *window);
            let mode = match mode {
                HmacMode::Enforce => "enforce",
                HmacMode::Permissive => "permissive",
                HmacMode::ReceiveOnly => "receive-only",
            };
            lines.unless("mode", mode, "enforce");
        });
    }
}

/// A password without the zeros behind it. A character that was cut in two is completed with something: what counts
/// are the first eight bytes.
fn password(bytes: [u8; 8]) -> String {
    let mut bytes: Vec<u8> = bytes.to_vec();
    while bytes.last() == Some(&0) {
        bytes.pop();
    }
    // The first continuation byte must not make an overlong or an impossible character; one of these fits.
    let tails: [&[u8]; 9] = [
        &[],
        &[0x80],
        &[0xa0],
        &[0x90],
        &[0x80, 0x80],
        &[0xa0, 0x80],
        &[0x90, 0x80],
        &[0x80, 0x80, 0x80],
        &[0x90, 0x80, 0x80],
    ];
    let whole = tails.iter().find_map(|tail| String::from_utf8([&bytes, *tail].concat()).ok());
    whole.unwrap_or_else(|| String::from_utf8_lossy(&bytes).into_owned())
}

fn key(key: &HmacKey) -> String {
    match key {
        HmacKey::File(path, _) => format!("file:{path}"),
        HmacKey::Bytes(bytes) => {
            let digits: Vec<String> = bytes.reveal().iter().map(|byte| format!("{byte:02x}")).collect();
            format!("hex:{}", digits.concat())
        }
    }
}

fn announce(instance: &Instance, lines: &mut Lines) {
    let announce = &instance.router.announce;
    lines.inherited("garp_master_delay", announce.delay);
    lines.inherited("garp_master_repeat", announce.repeat);
    lines.inherited("garp_master_refresh", announce.refresh.unwrap_or_default());
    lines.inherited("garp_master_refresh_repeat", announce.refresh_repeat);
    lines.inherited("garp_lower_prio_delay", announce.lower_delay);
    lines.inherited("garp_lower_prio_repeat", announce.lower_repeat);
    if let Some(extra) = instance.extra_garp {
        let all = extra.all.then(|| "all".to_owned());
        lines.say("garp_extra_if", all.into_iter().chain([extra.every.to_string()]));
    }
}

fn addresses(instance: &Instance, lines: &mut Lines) {
    if instance.router.addresses.is_empty() {
        lines.flag("no_virtual_ipaddress", true);
    }
    let (advertised, excluded) =
        instance.addresses.split_at(instance.router.addresses.len().min(instance.addresses.len()));
    lines.list("virtual_ipaddress", advertised.iter().map(address::address));
    let excluded = excluded.iter().chain(&instance.other_addresses);
    lines.list("virtual_ipaddress_excluded", excluded.map(address::address));
    lines.list("virtual_routes", instance.routes.iter().map(address::route));
    lines.list("virtual_rules", instance.rules.iter().map(address::rule));
}

#[cfg(test)]
mod tests;
