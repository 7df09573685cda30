//! `global_defs` and the top level: what is refused, and that compatible reading makes of it what keepalived does.

use directord::config::{GarpGroup, LinkDelay};

use super::*;

fn global(lines: &str) -> String {
    format!("global_defs {{\n{lines}\n}}\n")
}

fn compatible(text: &str) -> Reading {
    read_text_as("test.conf", text, Manner { purpose: Purpose::Check, compat: true })
}

#[track_caller]
fn survived(text: &str) -> Config {
    let reading = compatible(text);
    let all = shown(&reading);
    reading.config.unwrap_or_else(|| panic!("{text}\n{all}"))
}

/// These lines of `global_defs` are refused with this code in the first of them, and mean to keepalived what the others
/// say.
#[track_caller]
fn assert_same(cases: &[(&str, Code, &str)]) {
    for (lines, code, same) in cases {
        let text = global(lines);
        let reading = read_text("test.conf", &text);
        let found =
            reading.complaints.iter().find(|complaint| complaint.code == *code && complaint.line == 2);
        let found = found.unwrap_or_else(|| panic!("{text}\nexpected {code}\n{}", shown(&reading)));
        assert_eq!(found.severity, Severity::Error, "{text}");
        assert!(found.keepalived.is_some() && reading.config.is_none(), "{text}\n{}", shown(&reading));
        assert_eq!(survived(&text), survived(&global(same)), "{lines}\nis to be\n{same}");
    }
}

#[test]
#[rustfmt::skip]
fn global_defs_survive_as_with_keepalived() {
    use Code::*;
    assert_same(&[
        ("router_id a b", UnexpectedWord, "router_id a"),
        ("router_id", MissingValue, ""),
        ("script_user", MissingValue, ""),
        ("script_user nobody:nogroup", InvalidText, ""),
        ("script_user nobody nogroup more", UnexpectedWord, "script_user nobody nogroup"),
        ("startup_script \"\"", InvalidText, ""),
        ("startup_script_timeout 0", OutOfRange, ""),
        ("startup_script_timeout 5x", InvalidNumber, "startup_script_timeout 5"),
        ("umask 01000", InvalidText, ""),
        ("umask IWGRP IWOTH", InvalidText, ""),
        ("umask xyz", InvalidText, ""),
        ("dynamic_interfaces x", InvalidChoice, "dynamic_interfaces"),
        ("smtp_server 192.0.2.1 0\nnotification_email {\na@b.c\n}", InvalidPort, ""),
        ("smtp_server \"192.0.2.1 25\"\nnotification_email {\na@b.c\n}", InvalidText, ""),
        ("smtp_alert maybe", InvalidSwitch, ""),
        ("no_checker_emails maybe", InvalidSwitch, ""),
        ("no_email_faults maybe", UnexpectedWord, "no_email_faults"),
        ("vrrp_version 4", OutOfRange, ""),
        ("vrrp_mcast_group4 10.0.0.1", InvalidAddress, ""),
        ("vrrp_mcast_group4 ff02::12", InvalidAddress, ""),
        ("vrrp_mcast_group6 fe80::1", InvalidAddress, ""),
        ("vrrp_garp_master_delay -1", OutOfRange, ""),
        ("vrrp_garp_master_delay 5000", OutOfRange, ""),
        ("vrrp_garp_master_repeat 0", OutOfRange, "vrrp_garp_master_repeat 1"),
        ("vrrp_garp_master_repeat -1", OutOfRange, ""),
        ("vrrp_garp_master_refresh_repeat 0", OutOfRange, "vrrp_garp_master_refresh_repeat 1"),
        ("vrrp_garp_interval 5000", OutOfRange, ""),
        ("vrrp_garp_extra_if all 100000", OutOfRange, ""),
        ("vrrp_down_timer_adverts 101", OutOfRange, ""),
        ("vrrp_startup_delay 5000", OutOfRange, ""),
        ("vrrp_rx_bufs_policy x", InvalidChoice, ""),
        ("lvs_sync_daemon eth0 VI id 256 maxlen 1000", OutOfRange, "lvs_sync_daemon eth0 VI maxlen 1000"),
        ("lvs_sync_daemon eth0 maxlen 70000", OutOfRange, "lvs_sync_daemon eth0"),
        ("lvs_sync_daemon eth0 group 10.0.0.1", InvalidAddress, "lvs_sync_daemon eth0"),
        ("lvs_sync_daemon eth0 VI id", MissingValue, "lvs_sync_daemon eth0 VI"),
        ("lvs_timeouts tcp 5 foo udp 2678401", InvalidChoice, "lvs_timeouts tcp 5"),
        ("lvs_flush_on_stop x", InvalidChoice, ""),
        ("max_auto_priority 100", OutOfRange, ""),
        ("vrrp_priority 20", OutOfRange, ""),
        ("vrrp_rt_priority 0", OutOfRange, "vrrp_rt_priority 1"),
        ("vrrp_rt_priority 200", OutOfRange, "vrrp_rt_priority 99"),
        ("vrrp_cpu_affinity", MissingValue, ""),
        ("json_version 3", InvalidChoice, ""),
        ("no_such_keyword 5", UnknownKeyword, ""),
    ]);
}

#[test]
fn what_keepalived_does_not_survive_is_no_better_compatibly() {
    for line in
        ["vrrp_version", "process_name", "umask", "smtp_server", "vrrp_garp_interval", "config_save_dir"]
    {
        let reading = compatible(&global(line));
        assert!(reading.config.is_none(), "{line}\n{}", shown(&reading));
    }
}

#[test]
fn values_that_keepalived_changes_are_changed() {
    let mail = "smtp_server 192.0.2.1\nnotification_email {\na@b.c\n}\nsmtp_connect_timeout 0";
    let config = survived(&global(mail));
    assert_eq!(config.global.email.map(|email| email.connect_timeout), Some(secs(1)));
    let reading = read_text("test.conf", &global("process_name averyveryverylongname"));
    assert!(shown(&reading).contains("it becomes `averyveryverylo`"), "{}", shown(&reading));
}

#[test]
fn the_first_counts_where_keepalived_says_so() {
    let config = survived(
        "instance a\ninstance b\nnet_namespace a\nnet_namespace b\nglobal_defs {\nnotify_fifo /a\nnotify_fifo /b\nnftables a\n\
         nftables b\nrouter_id a\nrouter_id b\nlvs_timeouts tcp 5\nlvs_timeouts udp 6\n}\n",
    );
    assert_eq!((config.root.instance.as_deref(), config.root.namespace.as_deref()), (Some("a"), Some("a")));
    let global = config.global;
    assert_eq!(global.fifos.all.pipe.map(|pipe| pipe.path).as_deref(), Some("/a"));
    assert_eq!((global.filter.nftables.as_deref(), global.router_id.as_deref()), (Some("a"), Some("b")));
    assert_eq!((global.lvs.timeouts.tcp, global.lvs.timeouts.udp), (Some(secs(5)), Some(secs(6))));
}

#[test]
fn the_file_itself_can_ask_for_compatibility() {
    let text = |compat: &str| format!("{}bogus\n", global(compat));
    for on in ["compat", "compat on", "compat off\ncompat yes"] {
        let reading = read_text("test.conf", &text(on));
        assert_eq!(reading.config.map(|config| config.global.compat), Some(true), "{on}");
    }
    for off in ["", "compat off", "compat\ncompat no"] {
        assert!(read_text("test.conf", &text(off)).config.is_none(), "{off}");
    }
}

#[test]
fn interfaces_of_the_top_level_survive_as_with_keepalived() {
    let config = survived(
        "interface_up_down_delays {\neth0\neth1 1\neth2 1 x\neth3 300 2\n}\nlinkbeat_interfaces {\neth0 foo\neth1 MII x\n}\n\
         garp_group {\ngarp_interval 1\ninterface eth0\n}\ngarp_group {\ngna_interval 2\ninterfaces {\neth0 eth1\n}\n}\n\
         garp_group {\ninterface eth5\n}\ngarp_group {\ngarp_interval 5000\ninterface eth6\n}\n",
    );
    let delay = |down, up| LinkDelay { down: secs(down), up: secs(up) };
    let delays: Vec<_> = config.root.delays.values().copied().collect();
    assert_eq!(delays, [delay(0, 0), delay(1, 0), delay(1, 0), delay(0, 2)]);
    assert_eq!(config.root.polled.keys().collect::<Vec<_>>(), ["eth0", "eth1"]);
    let groups: Vec<Vec<&str>> = config
        .root
        .garp_groups
        .iter()
        .map(|GarpGroup { interfaces, .. }| interfaces.iter().map(String::as_str).collect())
        .collect();
    assert_eq!(groups, [vec!["eth0"], vec!["eth1"]]);
}
