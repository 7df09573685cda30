use crate::config::keywords::{Place, Status, all};
use crate::config::write::{lines, text};
use crate::config::{Config, read_text};

/// A statement with each keyword of `global_defs`, and more where it has several forms.
const STATEMENTS: &str = r#"
compat
router_id "name of mine"
process_names
process_name one
vrrp_process_name two
checker_process_name three
lvs_process_name three
bfd_process_name four
script_user nobody
script_user nobody nogroup
script_user nobody :nogroup
script_user nobody :
enable_script_security
set_supplementary_groups
use_symlink_paths
notify_timeout 90
startup_script "/bin/begin 'two words' three" nobody nogroup
shutdown_script /bin/end
startup_script_timeout 7
shutdown_script_timeout 8
umask 022
umask IWGRP | IWOTH
random_seed 5
default_interface eth7
dynamic_interfaces
dynamic_interfaces allow_if_changes
disable_local_igmp
smtp_alert
smtp_alert off
smtp_alert_vrrp on
smtp_alert_checker off
no_email_faults
no_checker_emails
checker_log_all_failures
drain_on_remove 600
drain_on_remove 1.5
maintenance_dir /run/some/where
panic_threshold 50
flap_hold 10 900
flap_hold 0.5
share_checks off
vrrp_version 3
vrrp_version 2
vrrp_mcast_group4 224.0.0.18
vrrp_mcast_group4 224.0.0.50
vrrp_mcast_group6 ff02::50
vrrp_garp_master_delay 0
vrrp_garp_master_repeat 2
vrrp_garp_master_refresh 60
vrrp_garp_master_refresh_repeat 3
vrrp_garp_lower_prio_delay 4
vrrp_garp_lower_prio_repeat 0
vrrp_garp_interval 0.001
vrrp_gna_interval 0.5
vrrp_min_garp
vrrp_min_garp off
vrrp_garp_extra_if 10
vrrp_garp_extra_if all 20
vrrp_vmac_garp_intvl all 20
vrrp_down_timer_adverts 4
vrrp_lower_prio_no_advert
vrrp_higher_prio_send_advert
vrrp_check_unicast_src
vrrp_skip_check_adv_addr
vrrp_strict
vrrp_owner_ignore_adverts
v3_checksum_as_v2
vrrp_startup_delay 1.5
vrrp_delay_after_boot 20
log_unknown_vrids
vmac_prefix v
vmac_addr_prefix w
vrrp_notify_priority_changes
vrrp_rx_bufs_policy MTU
vrrp_rx_bufs_policy advert
vrrp_rx_bufs_policy 4096
vrrp_rx_bufs_multiplier 4
nftables
nftables mine
nftables_priority -300
nftables_ifindex
nftables_counters
nftables_ipvs
nftables_ipvs mine
nftables_ipvs_priority 5
nftables_ipvs_start_fwmark 7
vrrp_iptables
vrrp_iptables IN
vrrp_iptables IN OUT
vrrp_ipsets
vrrp_ipsets a b c
lvs_sync_daemon eth1
lvs_sync_daemon eth1 VI id 5 maxlen 1400 port 8000 ttl 2 group 224.0.0.90
lvs_sync_daemon eth1 id 5
lvs_timeouts tcp 900
lvs_timeouts udp 300 tcpfin 120
lvs_flush
lvs_flush_on_stop
lvs_flush_on_stop VS
reconcile off
reconcile report
lvs_flush_onstop
rs_init_notifies
via_ipvs_marks 0x1000
notify_fifo /run/all
notify_fifo /run/all nobody
vrrp_notify_fifo /run/vrrp nobody nogroup
lvs_notify_fifo /run/lvs
notify_fifo_script "/bin/read all"
vrrp_notify_fifo_script /bin/read nobody
lvs_notify_fifo_script /bin/read
fifo_write_vrrp_states_on_reload
max_auto_priority
max_auto_priority -1
min_auto_priority_delay 5000
vrrp_priority -5
checker_priority 5
bfd_priority 6
vrrp_rt_priority 50
checker_rt_priority 40
bfd_rt_priority 30
vrrp_rlimit_rttime 20000
checker_rlimit_rttime 30000
bfd_rlimit_rttime 40000
vrrp_rlimit_rtime 20000
checker_rlimit_rtime 30000
bfd_rlimit_rtime 40000
vrrp_no_swap
checker_no_swap
bfd_no_swap
vrrp_cpu_affinity 0 2
checker_cpu_affinity 1
bfd_cpu_affinity 3
vrrp_netlink_cmd_rcv_bufs 1000
vrrp_netlink_cmd_rcv_bufs_force
vrrp_netlink_monitor_rcv_bufs 2000
vrrp_netlink_monitor_rcv_bufs_force
lvs_netlink_cmd_rcv_bufs 3000
lvs_netlink_cmd_rcv_bufs_force
lvs_netlink_monitor_rcv_bufs 4000
lvs_netlink_monitor_rcv_bufs_force
process_monitor_rcv_bufs 5000
process_monitor_rcv_bufs_force
enable_snmp_vrrp
enable_snmp_keepalived
enable_snmp_checker
enable_snmp_rfc
enable_snmp_rfcv2
enable_snmp_rfcv3
enable_traps
snmp_socket udp:192.0.2.1:705
snmp_vs_stats_update_interval 0.5
snmp_rs_stats_update_interval 1
enable_dbus
dbus_service_name org.example.Vrrp
dbus_no_interface_name nothing
reload_check_config
reload_check_config /var/log/check
reload_time_file /run/when
reload_repeat
reload_file
reload_file /run/reloading
config_save_dir /var/lib/old
data_use_instance
state_dump_file /tmp/state
stats_dump_file /tmp/stats
json_dump_file /tmp/json
json_version 2
iproute_usr_dir /usr/share/iproute2
iproute_etc_dir /etc/iproute2
"#;

/// Keywords that need others beside them, and one that is gone once the file is read.
const ELSEWHERE: [&str; 10] = [
    "maintenance_window",
    // The checks have it.
    "checker_fall",
    "checker_rise",
    "lvs_sysctl",
    "notification_email",
    "notification_email_from",
    "smtp_server",
    "smtp_helo_name",
    "smtp_connect_timeout",
    "include_check",
];

fn config(text: &str) -> Config {
    let reading = read_text("test.conf", text);
    let complaints: Vec<String> = reading.complaints.iter().map(ToString::to_string).collect();
    reading.config.unwrap_or_else(|| panic!("{text}\n{complaints:#?}"))
}

fn again(config: &Config) -> Config {
    self::config(&text(&lines(config)))
}

#[test]
fn each_statement_of_global_defs_is_kept_and_comes_back() {
    let statements: Vec<&str> = STATEMENTS.lines().filter(|line| !line.is_empty()).collect();
    // What is refused otherwise is kept in compatible reading.
    let nothing = config("global_defs {\n compat\n}\n");
    for statement in &statements {
        let once = config(&format!("global_defs {{\n compat\n {statement}\n}}\n"));
        assert!(once != nothing || *statement == "compat", "`{statement}` is forgotten");
        assert_eq!(again(&once), once, "{statement}\n{}", text(&lines(&once)));
    }
    let all_names = all().filter(|keyword| keyword.places.contains(&Place::Global));
    for keyword in all_names.filter(|keyword| !matches!(keyword.status, Status::Obsolete(_))) {
        let said = statements.iter().any(|statement| statement.split(' ').next() == Some(keyword.name));
        assert!(said || ELSEWHERE.contains(&keyword.name), "{} has no statement", keyword.name);
    }
}

#[test]
fn all_of_global_defs_comes_back_together() {
    let mail = "notification_email {\n a@example.org\n \"B C <b@example.org>\"\n}\nnotification_email_from d@example.org\n\
                smtp_server mail.example.org 26\nsmtp_helo_name lb\nsmtp_connect_timeout 9\n";
    let all = config(&format!("global_defs {{\n{STATEMENTS}\n{mail}\n}}\n"));
    assert_eq!(again(&all), all, "{}", text(&lines(&all)));
    assert_eq!(all.global.email.map(|email| email.to.len()), Some(2));
}

#[test]
fn nothing_said_is_nothing_written() {
    assert_eq!(lines(&config("")), []);
    assert_eq!(lines(&config("global_defs {\n}\n")), []);
}

#[test]
fn what_the_top_level_says_comes_back() {
    let all = config(
        "global_defs {\n compat\n}\nnet_namespace here\nnet_namespace_ipvs there\ninstance one\nlinkbeat_use_polling\n\
         linkbeat_interfaces {\n eth0\n eth1 MII\n eth2 ETHTOOL\n eth3 IOCTL\n}\n\
         interface_up_down_delays {\n eth0 1\n eth1 0.5 2.25\n}\n\
         garp_group {\n garp_interval 0.5\n interface eth0\n}\n\
         garp_group {\n gna_interval 0\n interfaces {\n eth1\n eth2 eth3\n }\n}\n",
    );
    assert_eq!((all.root.polled.len(), all.root.delays.len(), all.root.garp_groups.len()), (4, 2, 2));
    assert_eq!(again(&all), all, "{}", text(&lines(&all)));
    let host = config("global_defs {\n compat\n}\nnet_namespace_ipvs\n");
    assert_eq!(again(&host), host);
    assert_ne!(host.root, config("").root);
}
