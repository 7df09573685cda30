//! What instances take over where they say nothing themselves.

use std::net::IpAddr;
use std::time::Duration;

use vrrp::{AnnounceSettings, Version};

use super::{flag, keep, keep_first, nearest, set};
use crate::config::complaint::Code;
use crate::config::lower::announce;
use crate::config::lower::context::{Context, Entry};
use crate::config::{GarpDefaults, VrrpDefaults};

impl VrrpDefaults {
    pub(super) fn take(&mut self, context: &mut Context<'_>, entry: &Entry<'_>) -> bool {
        let name = entry.name();
        if let Some(name) = name.strip_prefix("vrrp_").filter(|name| name.starts_with("garp_"))
            && self.garp.take(context, name, entry)
        {
            return true;
        }
        match name {
            "vrrp_version" => keep(&mut self.version, version(context, entry)),
            "vrrp_mcast_group4" => {
                if let Some(IpAddr::V4(group)) = group(context, entry, vrrp::GROUP_V4.into()) {
                    self.group4 = Some(group);
                }
            }
            "vrrp_mcast_group6" => {
                if let Some(IpAddr::V6(group)) = group(context, entry, vrrp::GROUP_V6.into()) {
                    self.group6 = Some(group);
                }
            }
            "vrrp_garp_interval" => keep(&mut self.garp_interval, pace(context, entry)),
            "vrrp_gna_interval" => keep(&mut self.gna_interval, pace(context, entry)),
            "vrrp_min_garp" => keep(&mut self.min_garp, context.switch(entry)),
            "vrrp_garp_extra_if" => keep(&mut self.garp_extra_if, announce::extra(context, entry)),
            "vrrp_down_timer_adverts" => keep(&mut self.down_timer_adverts, context.whole(entry)),
            "vrrp_lower_prio_no_advert" => keep(&mut self.lower_prio_no_advert, context.switch(entry)),
            "vrrp_higher_prio_send_advert" => keep(&mut self.higher_prio_send_advert, context.switch(entry)),
            "vrrp_check_unicast_src" => self.check_unicast_src = flag(context, entry),
            "vrrp_skip_check_adv_addr" => self.skip_check_adv_addr = flag(context, entry),
            "vrrp_strict" => self.strict = flag(context, entry),
            "vrrp_owner_ignore_adverts" => keep(&mut self.owner_ignore_adverts, context.switch(entry)),
            "v3_checksum_as_v2" => keep(&mut self.v3_checksum_as_v2, context.switch(entry)),
            "vrrp_startup_delay" => set(&mut self.startup_delay, context.seconds(entry)),
            "vrrp_delay_after_boot" => set(&mut self.delay_after_boot, context.seconds(entry)),
            "log_unknown_vrids" => self.log_unknown_vrids = flag(context, entry),
            "vmac_prefix" => keep_first(&mut self.vmac_prefix, context.text(entry)),
            "vmac_addr_prefix" => keep_first(&mut self.vmac_addr_prefix, context.text(entry)),
            "vrrp_notify_priority_changes" => keep(&mut self.notify_priority_changes, context.switch(entry)),
            "disable_local_igmp" => self.disable_local_igmp = flag(context, entry),
            _ => return false,
        }
        true
    }

    /// What is said of gratuitous ARP, with what `vrrp_min_garp` means for it.
    pub(super) fn garp_with_minimum(&self) -> GarpDefaults {
        let mut garp = self.garp;
        if self.min_garp == Some(true) {
            garp.repeat = garp.repeat.or(Some(1));
            garp.delay = garp.delay.or(Some(Duration::ZERO));
        }
        garp
    }
}

impl GarpDefaults {
    /// Takes in a statement; the names are those of `vrrp_instance`.
    pub(in crate::config::lower) fn take(
        &mut self,
        context: &mut Context<'_>,
        name: &str,
        entry: &Entry<'_>,
    ) -> bool {
        match name {
            "garp_master_delay" => keep(&mut self.delay, context.whole_seconds(entry)),
            "garp_master_repeat" => keep(&mut self.repeat, nearest(context, entry, 0..=0)),
            "garp_master_refresh" => keep(&mut self.refresh, context.whole_seconds(entry)),
            "garp_master_refresh_repeat" => keep(&mut self.refresh_repeat, nearest(context, entry, 0..=0)),
            "garp_lower_prio_delay" => keep(&mut self.lower_delay, context.whole_seconds(entry)),
            "garp_lower_prio_repeat" => keep(&mut self.lower_repeat, context.whole(entry)),
            _ => return false,
        }
        true
    }

    /// The settings, with `global` and then the built-in defaults for what has not been said. What follows a lower
    /// priority is by default what `global` says of becoming master.
    pub(in crate::config::lower) fn settings(self, global: &Self) -> AnnounceSettings {
        let default = AnnounceSettings::default();
        let refresh = self.refresh.or(global.refresh).filter(|refresh| !refresh.is_zero());
        let lower_delay = self.lower_delay.or(global.lower_delay).or(global.delay);
        let lower_repeat = self.lower_repeat.or(global.lower_repeat).or(global.repeat);
        AnnounceSettings {
            repeat: self.repeat.or(global.repeat).unwrap_or(default.repeat),
            delay: self.delay.or(global.delay).unwrap_or(default.delay),
            refresh: refresh.or(default.refresh),
            refresh_repeat: self.refresh_repeat.or(global.refresh_repeat).unwrap_or(default.refresh_repeat),
            lower_delay: lower_delay.unwrap_or(default.lower_delay),
            lower_repeat: lower_repeat.unwrap_or(default.lower_repeat),
            elsewhere: None,
        }
    }
}

/// `version` and `vrrp_version`.
pub(in crate::config::lower) fn version(context: &mut Context<'_>, entry: &Entry<'_>) -> Option<Version> {
    let number: i64 = context.whole(entry)?;
    Some(if number == 2 { Version::V2 } else { Version::V3 })
}

/// Time between two messages; 0 is the same as nothing.
fn pace(context: &mut Context<'_>, entry: &Entry<'_>) -> Option<Duration> {
    context.seconds(entry).filter(|pace| !pace.is_zero())
}

/// A multicast group of the family of the usual one.
fn group(context: &mut Context<'_>, entry: &Entry<'_>, usual: IpAddr) -> Option<IpAddr> {
    let span = entry.words().first().map_or(entry.span(), |word| word.span);
    let group = context.address_of(entry)?;
    let name = entry.keyword.name;
    if !group.is_multicast() || group.is_ipv4() != usual.is_ipv4() {
        let family = if usual.is_ipv4() { "IPv4" } else { "IPv6" };
        let message = format!("`{name}` is {group}; expected a multicast group of {family}");
        context.error(Code::InvalidAddress, span, message);
        return None;
    }
    Some(group)
}
