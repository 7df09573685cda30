//! What instances take over from `global_defs` where they say nothing themselves.

use std::net::{Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use vrrp::Version;

use crate::config::ExtraGarp;

/// The `vrrp_…` keywords of `global_defs`, as said; `None`: not said.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct VrrpDefaults {
    /// `vrrp_version`; 2 if nothing is said.
    pub version: Option<Version>,
    /// `vrrp_mcast_group4`; 224.0.0.18 if nothing is said.
    pub group4: Option<Ipv4Addr>,
    /// `vrrp_mcast_group6`; ff02::12 if nothing is said.
    pub group6: Option<Ipv6Addr>,
    /// `vrrp_garp_…`.
    pub garp: GarpDefaults,
    /// `vrrp_garp_interval`: time between two gratuitous ARP messages.
    pub garp_interval: Option<Duration>,
    /// `vrrp_gna_interval`: time between two unsolicited neighbour adverts.
    pub gna_interval: Option<Duration>,
    /// `vrrp_min_garp`: one message per address and no second burst.
    pub min_garp: Option<bool>,
    /// `vrrp_garp_extra_if`: regular messages on other interfaces as well.
    pub garp_extra_if: Option<ExtraGarp>,
    /// `vrrp_down_timer_adverts`.
    pub down_timer_adverts: Option<u8>,
    /// `vrrp_lower_prio_no_advert`.
    pub lower_prio_no_advert: Option<bool>,
    /// `vrrp_higher_prio_send_advert`.
    pub higher_prio_send_advert: Option<bool>,
    /// `vrrp_check_unicast_src`.
    pub check_unicast_src: bool,
    /// `vrrp_skip_check_adv_addr`.
    pub skip_check_adv_addr: bool,
    /// `vrrp_strict`.
    pub strict: bool,
    /// `vrrp_owner_ignore_adverts`.
    pub owner_ignore_adverts: Option<bool>,
    /// `v3_checksum_as_v2`.
    pub v3_checksum_as_v2: Option<bool>,
    /// `vrrp_startup_delay`: how long instances wait after the start.
    pub startup_delay: Duration,
    /// `vrrp_delay_after_boot`: how long instances wait after the system booted.
    pub delay_after_boot: Duration,
    /// `log_unknown_vrids`.
    pub log_unknown_vrids: bool,
    /// `vmac_prefix`; `vrrp` if nothing is said.
    pub vmac_prefix: Option<String>,
    /// `vmac_addr_prefix`; as [`Self::vmac_prefix`] if nothing is said.
    pub vmac_addr_prefix: Option<String>,
    /// `vrrp_notify_priority_changes`.
    pub notify_priority_changes: Option<bool>,
    /// `disable_local_igmp`: no group reports for link-local groups.
    pub disable_local_igmp: bool,
}

/// When gratuitous ARP is sent, as said; `None`: not said.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct GarpDefaults {
    /// `garp_master_delay`.
    pub delay: Option<Duration>,
    /// `garp_master_repeat`.
    pub repeat: Option<u32>,
    /// `garp_master_refresh`; zero for none.
    pub refresh: Option<Duration>,
    /// `garp_master_refresh_repeat`.
    pub refresh_repeat: Option<u32>,
    /// `garp_lower_prio_delay`.
    pub lower_delay: Option<Duration>,
    /// `garp_lower_prio_repeat`.
    pub lower_repeat: Option<u32>,
}
