//! What instances take over, as statements.

use std::time::Duration;

use vrrp::Version;

use super::Lines;
use crate::config::{ExtraGarp, GarpDefaults, VrrpDefaults};

pub(super) fn write(vrrp: &VrrpDefaults, lines: &mut Lines) {
    let version = vrrp.version.map(|version| if version == Version::V3 { "3" } else { "2" });
    lines.some("vrrp_version", version);
    lines.some("vrrp_mcast_group4", vrrp.group4.map(|group| group.to_string()));
    lines.some("vrrp_mcast_group6", vrrp.group6.map(|group| group.to_string()));
    garp(&vrrp.garp, lines);
    lines.some("vrrp_garp_interval", vrrp.garp_interval);
    lines.some("vrrp_gna_interval", vrrp.gna_interval);
    lines.some("vrrp_min_garp", vrrp.min_garp);
    if let Some(ExtraGarp { all, every }) = &vrrp.garp_extra_if {
        let all = all.then(|| "all".to_owned());
        lines.say("vrrp_garp_extra_if", all.into_iter().chain([every.to_string()]));
    }
    lines.some("vrrp_down_timer_adverts", vrrp.down_timer_adverts);
    lines.some("vrrp_lower_prio_no_advert", vrrp.lower_prio_no_advert);
    lines.some("vrrp_higher_prio_send_advert", vrrp.higher_prio_send_advert);
    lines.flag("vrrp_check_unicast_src", vrrp.check_unicast_src);
    lines.flag("vrrp_skip_check_adv_addr", vrrp.skip_check_adv_addr);
    lines.flag("vrrp_strict", vrrp.strict);
    lines.some("vrrp_owner_ignore_adverts", vrrp.owner_ignore_adverts);
    lines.some("v3_checksum_as_v2", vrrp.v3_checksum_as_v2);
    lines.other("vrrp_startup_delay", vrrp.startup_delay, Duration::ZERO);
    lines.other("vrrp_delay_after_boot", vrrp.delay_after_boot, Duration::ZERO);
    lines.flag("log_unknown_vrids", vrrp.log_unknown_vrids);
    lines.some("vmac_prefix", vrrp.vmac_prefix.as_ref());
    lines.some("vmac_addr_prefix", vrrp.vmac_addr_prefix.as_ref());
    lines.some("vrrp_notify_priority_changes", vrrp.notify_priority_changes);
    lines.flag("disable_local_igmp", vrrp.disable_local_igmp);
}

fn garp(garp: &GarpDefaults, lines: &mut Lines) {
    lines.some("vrrp_garp_master_delay", garp.delay);
    lines.some("vrrp_garp_master_repeat", garp.repeat);
    lines.some("vrrp_garp_master_refresh", garp.refresh);
    lines.some("vrrp_garp_master_refresh_repeat", garp.refresh_repeat);
    lines.some("vrrp_garp_lower_prio_delay", garp.lower_delay);
    lines.some("vrrp_garp_lower_prio_repeat", garp.lower_repeat);
}
