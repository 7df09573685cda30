use std::collections::BTreeSet;

use super::*;

/// Every keyword that keepalived knows.
const NAMES: &str = "
    BFD_CHECK DNS_CHECK FILE_CHECK HTTP_GET MISC_CHECK PING_CHECK SMTP_CHECK SSL SSL_GET TCP_CHECK
    UDP_CHECK accept active_key advert_int alpha anti_replay auth_hmac auth_pass auth_type
    authentication bfd_cpu_affinity bfd_instance bfd_no_swap bfd_priority bfd_process_name
    bfd_rlimit_rtime bfd_rlimit_rttime bfd_rt_priority bind_if bind_port bindto ca certificate
    check_unicast_src checker checker_cpu_affinity checker_log_all_failures checker_no_swap
    checker_priority checker_process_name checker_rlimit_rtime checker_rlimit_rttime
    checker_rt_priority child_wait_time config_save_dir connect_ip connect_port connect_timeout
    data_use_instance dbus_no_interface_name dbus_service_name debug default_interface delay
    delay_before_retry delay_loop digest disable_local_igmp dont_track_primary down_timer_adverts
    dynamic_interfaces enable_dbus enable_script_security enable_sni enable_snmp_checker
    enable_snmp_keepalived enable_snmp_rfc enable_snmp_rfcv2 enable_snmp_rfcv3 enable_snmp_vrrp
    enable_traps fall fast_recovery fifo_write_vrrp_states_on_reload file flag-1 flag-2 flag-3
    fork_delay full_command fwmark garp_extra_if garp_group garp_interval garp_lower_prio_delay
    garp_lower_prio_repeat garp_master_delay garp_master_refresh garp_master_refresh_repeat
    garp_master_repeat global_defs global_tracking gna_interval group ha_suspend hashed helo_name
    higher_prio_send_advert hoplimit host http_protocol hysteresis idle_tx include_check
    inhibit_on_failure init_fail init_file instance interface interface_up_down_delays interfaces
    interval ip_family iproute_etc_dir iproute_usr_dir json_dump_file json_version
    kernel_rx_buf_size key lb_algo lb_kind linkbeat_interfaces linkbeat_use_polling
    log_all_failures log_unknown_vrids lower_prio_no_advert lthreshold lvs_flush lvs_flush_on_stop
    lvs_flush_onstop lvs_method lvs_netlink_cmd_rcv_bufs lvs_netlink_cmd_rcv_bufs_force
    lvs_netlink_monitor_rcv_bufs lvs_netlink_monitor_rcv_bufs_force lvs_notify_fifo
    lvs_notify_fifo_script lvs_process_name lvs_sched lvs_sync_daemon lvs_sync_daemon_interface
    lvs_timeouts max_auto_priority max_hops max_reply_length mcast_dst_ip mcast_src_ip mh-fallback
    mh-port min_auto_priority_delay min_reply_length min_rx min_tx misc_dynamic misc_path
    misc_timeout mode multihop multiplier name namespace_with_ipsets native_ipv6 nb_get_retry
    neighbor_ip neighbour_ip net_namespace net_namespace_ipvs nftables nftables_counters
    nftables_ifindex nftables_ipvs nftables_ipvs_priority nftables_ipvs_start_fwmark
    nftables_priority no_accept no_checker_emails no_email_faults no_virtual_ipaddress nopreempt
    notification_email notification_email_from notify notify_backup notify_deleted notify_down
    notify_fault notify_fifo notify_fifo_script notify_master notify_master_rx_lower_pri
    notify_priority_changes notify_stop notify_up old_unicast_checksum omega ops
    owner_ignore_adverts param_match passive password path payload persistence_engine
    persistence_granularity persistence_timeout preempt preempt_delay priority process
    process_monitor_rcv_bufs process_monitor_rcv_bufs_force process_name process_names
    promote_secondaries protocol quorum quorum_down quorum_max quorum_up random_seed real_server
    regex regex_max_offset regex_min_offset regex_no_match regex_options regex_stack
    reload_check_config reload_file reload_repeat reload_time_file require_reply retry rise
    router_id rs_init_notifies script script_user set_supplementary_groups sh-fallback sh-port
    shutdown_script shutdown_script_timeout skip_check_adv_addr smtp_alert smtp_alert_checker
    smtp_alert_vrrp smtp_connect_timeout smtp_helo_name smtp_server sni_name snmp_name
    snmp_rs_stats_update_interval snmp_socket snmp_vs_stats_update_interval sorry_server
    sorry_server_inhibit sorry_server_lvs_method source_ip startup_script startup_script_timeout
    state state_dump_file static_ipaddress static_routes static_rules stats_dump_file status_code
    strict_mode sync_group_tracking_weight terminate_delay thread_timer_expired time_window timeout
    timer_expired_backup tls_compliant tmp_config_directory track_bfd track_file track_group
    track_interface track_process track_script track_src_ip ttl type umask unicast_fault_no_peer
    unicast_peer unicast_src_ip unicast_ttl url use_ipvlan use_pid_dir use_symlink_paths use_vmac
    use_vmac_addr user uthreshold v3_checksum_as_v2 version virtual_ipaddress
    virtual_ipaddress_excluded virtual_router_id virtual_routes virtual_rules virtual_server
    virtual_server_group virtualhost vmac_addr_prefix vmac_garp_intvl vmac_prefix vmac_xmit_base
    vrf vrrp vrrp_check_unicast_src vrrp_cpu_affinity vrrp_delay_after_boot vrrp_down_timer_adverts
    vrrp_garp_extra_if vrrp_garp_interval vrrp_garp_lower_prio_delay vrrp_garp_lower_prio_repeat
    vrrp_garp_master_delay vrrp_garp_master_refresh vrrp_garp_master_refresh_repeat
    vrrp_garp_master_repeat vrrp_gna_interval vrrp_higher_prio_send_advert vrrp_instance
    vrrp_ipsets vrrp_iptables vrrp_lower_prio_no_advert vrrp_mcast_group4 vrrp_mcast_group6
    vrrp_min_garp vrrp_netlink_cmd_rcv_bufs vrrp_netlink_cmd_rcv_bufs_force
    vrrp_netlink_monitor_rcv_bufs vrrp_netlink_monitor_rcv_bufs_force vrrp_no_swap vrrp_notify_fifo
    vrrp_notify_fifo_script vrrp_notify_priority_changes vrrp_owner_ignore_adverts vrrp_priority
    vrrp_process_name vrrp_rlimit_rtime vrrp_rlimit_rttime vrrp_rt_priority vrrp_rx_bufs_multiplier
    vrrp_rx_bufs_policy vrrp_script vrrp_skip_check_adv_addr vrrp_startup_delay vrrp_strict
    vrrp_sync_group vrrp_track_file vrrp_track_process vrrp_version vrrp_vmac_garp_intvl warmup
    weight
";

/// Keywords that keepalived has forgotten, and files have not.
const HISTORIC: &str = "lvs_id nat_mask";

/// Keywords of our own, which keepalived ignores as unknown.
const OWN: &str = "
    FTP_CHECK GRPC_CHECK IMAP_CHECK LDAP_CHECK MYSQL_CHECK NNTP_CHECK ORACLE_CHECK PGSQL_CHECK POP3_CHECK RADIUS_CHECK
    SIP_CHECK TEXT_CHECK accept_reject allow_cleartext backup_server base body checker_fall checker_rise compat database
    days drain_on_remove expiry_days fall flap_hold from half_close header json login lvs_sysctl maintenance_dir
    maintenance_window max_latency method mode
    notify_timeout panic_threshold password password_file path proxy_protocol query reason reconcile require_message_authenticator rise secret
    secret_file send service service_name share_checks sid sni_name status_server timezone tls to transport uri verify via_ipvs
    via_ipvs_marks vip_check virtualhost warn_latency
";

#[test]
fn no_keyword_is_missing_and_none_is_invented() {
    let known = [NAMES, HISTORIC, OWN];
    let expected: BTreeSet<&str> = known.iter().flat_map(|names| names.split_whitespace()).collect();
    let actual: BTreeSet<&str> = all().map(|keyword| keyword.name).collect();
    assert_eq!(actual, expected);
}

#[test]
fn each_place_knows_each_name_once() {
    let mut seen = BTreeSet::new();
    for keyword in all() {
        assert!(!keyword.places.is_empty(), "{}", keyword.name);
        for place in keyword.places {
            assert!(seen.insert((place, keyword.name)), "{} is there twice in {place}", keyword.name);
        }
    }
}

#[test]
fn synonyms_lead_to_a_keyword_of_the_same_place_and_form() {
    for keyword in all() {
        for place in keyword.places {
            let Found::Here(other) = find(*place, keyword.canonical()) else {
                panic!("{} leads nowhere in {place}", keyword.name);
            };
            assert!(!matches!(other.status, Status::SameAs(_)), "{} leads to a synonym", keyword.name);
            assert_eq!(other.form, keyword.form, "{}", keyword.name);
        }
    }
}

#[test]
fn every_sentence_is_one() {
    for keyword in all() {
        assert!(keyword.about.ends_with('.'), "{}: {}", keyword.name, keyword.about);
        assert!(keyword.about.starts_with(|c: char| c.is_uppercase()), "{}: {}", keyword.name, keyword.about);
    }
}

#[test]
fn places_lead_elsewhere() {
    assert_eq!(find(Place::Instance, "lb_algo"), Found::Elsewhere(vec![Place::VirtualServer]));
    assert_eq!(find(Place::Global, "vvrp_version"), Found::Nowhere);
    assert!(matches!(find(Place::Global, "vrrp_version"), Found::Here(_)));
}

#[test]
fn the_nearest_keyword_is_suggested_and_nonsense_gets_none() {
    let cases = [
        (Place::Root, "vvrp_script", Some("vrrp_script")),
        (Place::Root, "bal_defs", Some("global_defs")),
        (Place::Root, "VRRP_INSTANCE", Some("vrrp_instance")),
        (Place::RealServer, "SMTP_CHEKC", Some("SMTP_CHECK")),
        (Place::Instance, "virtual_ipadress", Some("virtual_ipaddress")),
        (Place::Instance, "xyz", None),
        (Place::Instance, "10.0.0.1", None),
        (Place::Url, "", None),
    ];
    for (place, word, expected) in cases {
        assert_eq!(nearest(place, word), expected, "{word} in {place}");
    }
}

#[test]
fn root_blocks_are_told_from_blocks_that_also_stand_elsewhere() {
    for name in ["vrrp_instance", "virtual_server", "global_defs", "static_routes"] {
        assert!(opens_root_block(name), "{name}");
    }
    for name in ["track_file", "interface", "real_server", "instance", "nonsense"] {
        assert!(!opens_root_block(name), "{name}");
    }
}

#[test]
fn what_came_after_2_2_7_is_marked() {
    // `key` came for `auth_hmac` and was a keyword of `SSL` before.
    let since = |own: bool| -> BTreeSet<&str> {
        let marked = all().filter(|keyword| keyword.since.is_some_and(|since| (since == DIRECTORD) == own));
        marked.map(|keyword| keyword.name).collect()
    };
    assert_eq!(since(true), OWN.split_whitespace().collect());
    let names = since(false);
    assert_eq!(names.iter().filter(|name| **name != "key").count(), 26, "{names:?}");
}

#[test]
fn defaults_name_keywords_that_exist_and_switches_have_one() {
    for keyword in all() {
        let Some(default) = keyword.default else {
            let harmless = keyword.form != Form::Switch || matches!(keyword.status, Status::Obsolete(_));
            assert!(harmless, "what is {} by default?", keyword.name);
            continue;
        };
        assert!(!default.is_empty() && !default.ends_with('.'), "{}: {default}", keyword.name);
        let named = default.split('`').skip(1).step_by(2);
        for word in named.flat_map(|text| text.split_whitespace().next()).filter(|word| !word.ends_with('@'))
        {
            assert!(all().any(|other| other.name == word) || word == "keepalived_script", "{word}");
        }
    }
}
