//! A keyword without its value: fatal to keepalived after most keywords, ignored after some.
//!
//! Which is which follows no rule but keepalived's own code, so it is a list. It was found by giving each keyword of the
//! table to keepalived 2.2.7 without a value; a test that has keepalived at hand does the same again.

use super::context::Entry;
use crate::config::complaint::Reaction;
use crate::config::keywords::Place;

/// Keywords that keepalived ignores when their value is missing.
const IGNORED: &[&str] = &[
    "bfd_cpu_affinity",
    "bfd_priority",
    "bfd_rt_priority",
    "ca",
    "certificate",
    "checker_cpu_affinity",
    "checker_priority",
    "checker_rt_priority",
    "dbus_service_name",
    "default_interface",
    "dynamic_interfaces",
    "file",
    "garp_extra_if",
    "helo_name",
    "http_protocol",
    "init_file",
    "instance",
    "kernel_rx_buf_size",
    "key",
    "lvs_id",
    "lvs_netlink_cmd_rcv_bufs",
    "lvs_netlink_monitor_rcv_bufs",
    "lvs_notify_fifo",
    "lvs_notify_fifo_script",
    "lvs_sync_daemon",
    "lvs_timeouts",
    "max_auto_priority",
    "min_auto_priority_delay",
    "misc_path",
    "nat_mask",
    "net_namespace",
    "net_namespace_ipvs",
    "notification_email_from",
    "notify_deleted",
    "notify_fifo",
    "notify_fifo_script",
    "param_match",
    "password",
    "payload",
    "process_monitor_rcv_bufs",
    "regex",
    "regex_max_offset",
    "regex_min_offset",
    "regex_options",
    "regex_stack",
    "reload_file",
    "reload_time_file",
    "require_reply",
    "router_id",
    "script",
    "script_user",
    "shutdown_script",
    "shutdown_script_timeout",
    "smtp_helo_name",
    "snmp_name",
    "snmp_socket",
    "sorry_server_lvs_method",
    "startup_script",
    "startup_script_timeout",
    "status_code",
    "tmp_config_directory",
    "track_group",
    "virtualhost",
    "vmac_garp_intvl",
    "vrrp_cpu_affinity",
    "vrrp_garp_extra_if",
    "vrrp_instance",
    "vrrp_iptables",
    "vrrp_netlink_cmd_rcv_bufs",
    "vrrp_netlink_monitor_rcv_bufs",
    "vrrp_notify_fifo",
    "vrrp_notify_fifo_script",
    "vrrp_priority",
    "vrrp_rt_priority",
    "vrrp_rx_bufs_multiplier",
    "vrrp_rx_bufs_policy",
    "vrrp_sync_group",
    "vrrp_vmac_garp_intvl",
];

/// Keywords that it ignores in these places only.
const IGNORED_IN: &[(&str, &[Place])] = &[
    ("user", &[Place::MiscCheck]),
    ("weight", &[Place::TrackFile, Place::TrackProcess, Place::FileCheck]),
    ("name", &[Place::BfdCheck]),
];

/// What keepalived does with a keyword whose value is missing.
pub(super) fn reaction(entry: &Entry<'_>) -> Reaction {
    let keyword = entry.keyword;
    let listed = IGNORED.contains(&keyword.name)
        || IGNORED_IN.iter().any(|(name, places)| {
            *name == keyword.name && keyword.places.iter().all(|place| places.contains(place))
        });
    // What 2.2.7 does not know it ignores in any form.
    if listed || keyword.since.is_some() { Reaction::goes_on("the line is ignored") } else { Reaction::Stops }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::keywords;

    #[test]
    fn every_listed_keyword_exists() {
        for name in IGNORED.iter().chain(IGNORED_IN.iter().map(|(name, _)| name)) {
            assert!(!keywords::named(name).is_empty(), "{name}");
        }
    }
}
