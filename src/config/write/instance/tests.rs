use proptest::prelude::*;
use proptest::sample::{select, subsequence};

use crate::config::write::{lines, text};
use crate::config::{Code, Config, Manner, Purpose, Reading, Severity, read_text_as};

fn reading(text: &str) -> Reading {
    read_text_as("test.conf", text, Manner { purpose: Purpose::Check, compat: true })
}

/// The configuration of a text in which nothing is wrong, though much may not be in effect yet.
#[track_caller]
fn config(text: &str) -> Config {
    let reading = reading(text);
    let wrong = |code: Code| code != Code::NotSupportedYet;
    let bad =
        reading.complaints.iter().find(|complaint| complaint.keepalived.is_some() && wrong(complaint.code));
    assert!(bad.is_none(), "{bad:?}\n{text}");
    let shown = reading.render(crate::config::Colour::Never);
    reading.config.unwrap_or_else(|| panic!("{shown}\n{text}"))
}

/// What is written says the same, and writing that again gives the same text.
#[track_caller]
fn assert_same_again(before: &str) {
    let config = config(before);
    let written = text(&lines(&config));
    let again = reading(&written);
    let shown = again.render(crate::config::Colour::Never);
    let errors = again.complaints.iter().any(|complaint| complaint.severity == Severity::Error);
    assert!(!errors, "{before}\n---\n{written}\n---\n{shown}");
    let again = again.config.unwrap_or_else(|| panic!("{before}\n---\n{written}\n---\n{shown}"));
    assert_eq!(config, again, "{before}\n---\n{written}");
    assert_eq!(text(&lines(&again)), written);
}

/// Lines of an instance: each group is one choice.
const LINES: &[&[&str]] = &[
    &["state MASTER", "state BACKUP"],
    &["priority 1", "priority 99", "priority 255"],
    &["version 2", "version 3"],
    &["advert_int 2", "advert_int 0.05", "advert_int 255"],
    &["nopreempt", "preempt_delay 3.5"],
    &["timer_expired_backup", "timer_expired_backup 7"],
    &["down_timer_adverts 5"],
    &["accept", "no_accept", "no_accept off"],
    // Strict mode itself refuses what others of these lines ask for.
    &["strict_mode off"],
    &["owner_ignore_adverts", "owner_ignore_adverts off"],
    &["lower_prio_no_advert", "higher_prio_send_advert"],
    &["skip_check_adv_addr", "skip_check_adv_addr off"],
    &["unicast_src_ip OWN", "mcast_src_ip OWN"],
    &["track_src_ip"],
    &["unicast_peer {\nPEER\nOTHER min_ttl 3 max_ttl 200\n}", "unicast_peer {\nPEER max_ttl 4\n}"],
    &["unicast_fault_no_peer"],
    &["unicast_ttl 64"],
    &["check_unicast_src"],
    &["old_unicast_checksum", "old_unicast_checksum never"],
    &["v3_checksum_as_v2", "v3_checksum_as_v2 off"],
    &["mcast_dst_ip GROUP"],
    &["vrf blue"],
    &["dont_track_primary"],
    &[
        "use_vmac",
        "use_vmac vrrp.77\nvmac_xmit_base",
        "use_vmac name v7 02:00:5e:00:01:07 netlink_notify_msg group 7",
        "use_vmac 02:00:5e:00:01",
        "use_ipvlan",
        "use_ipvlan name i7 10.0.0.7/24 private group 3",
        "use_ipvlan i8 fd00::7 vepa",
    ],
    &["use_vmac_addr"],
    &["promote_secondaries"],
    &["lvs_sync_daemon_interface eth9"],
    &[
        "authentication {\nauth_type PASS\nauth_pass \"a b\"\n}",
        "authentication {\nauth_type PASS\nauth_pass seven77é\n}",
        "authentication {\nauth_type AH\nauth_pass secret\n}",
        "auth_hmac {\nkey 1 hex:000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f\n}",
        "auth_hmac {\nkey 7 \"0123456789 123456789 123456789 !#\"\nkey 8 file:/etc/k\nactive_key 8\n\
         anti_replay monotonic\ntime_window 30\nmode receive-only\n}",
    ],
    &["garp_master_delay 0", "garp_master_repeat 3\ngarp_master_refresh 60\ngarp_master_refresh_repeat 2"],
    &["garp_lower_prio_delay 1\ngarp_lower_prio_repeat 0"],
    &["garp_extra_if 10", "garp_extra_if all 0", "vmac_garp_intvl all 5"],
    &["notify_master /bin/m", "notify_backup \"/bin/b 'x y' \\\"z\\\"\" nobody", "notify_fault /bin/f a b"],
    &["notify_stop /bin/s", "notify \"/bin/n #\" root", "notify_master_rx_lower_pri /bin/r"],
    &["notify_deleted", "notify_deleted /bin/d"],
    &["notify_priority_changes", "notify_priority_changes no"],
    &["smtp_alert", "smtp_alert no"],
    &["virtual_routes {\nROUTES\n}"],
    &["virtual_rules {\nRULES\n}"],
];

const ADDRESSES: &[&str] = &[
    "10.0.0.1",
    "10.0.0.2/24 dev eth1",
    "10.0.0.3/24 brd + label eth0:x scope link",
    "10.0.0.4/32 brd - no_track",
    "10.0.0.5/16 brd 10.0.255.255 peer 10.0.1.1 preferred_lft 0 scope 200",
    "10.0.0.6/0 noprefixroute autojoin preferred_lft forever",
    "10.0.0.7 use_vmac dev eth2",
];

const ADDRESSES_6: &[&str] = &[
    "fe80::1/64",
    "2001:db8::1",
    "2001:db8::2/64 home -nodad mngtmpaddr preferred_lft 30 dev eth1",
    "2001:db8::3 peer 2001:db8::4 no_track",
];

const ROUTES: &[&str] = &[
    "default via 10.0.0.254 dev eth0",
    "default6 via fe80::1 dev eth0",
    "default via fe80::1 dev eth0",
    "10.1.0.0/16 via 10.0.0.254",
    "src 10.0.0.1 to 10.2.0.0/16 via inet 10.0.0.254 dev eth0 onlink metric 5",
    "10.3.0.0/16 via 10.0.0.1 or 10.0.0.2",
    "blackhole 10.4.0.0/16 no_track",
    "10.5.0.1 dev eth0 scope link table 100 priority 7 protocol 18",
    "10.6.0.0/16 dev eth0 mtu lock 1400 advmss 1300 rtt 10ms rttvar lock 1.5s hoplimit 7 tos 0x10 realms a/7",
    "10.7.0.0/16 no_track protocol bird nexthop via 10.0.0.1 dev eth0 weight 3 onlink nexthop dev eth1",
    "10.8.0.0/16 dev eth0 encap mpls 100/200 append",
    "10.9.0.0/16 dev eth0 encap ip id 7 dst 10.0.0.1 ttl 9 add",
    "2001:db8:1::/48 dev eth0 expires 30 pref low vrf v features ecn",
    "10.10.0.0/16 dev eth0 initcwnd 10 initrwnd lock 20 congctl lock reno quickack 1 ttl-propagate enabled",
    "inet6 default dev eth0",
];

const RULES: &[&str] = &[
    "from 10.0.0.1 table 100 preference 5",
    "not from 10.0.0.0/8 to 10.1.0.0/16 lookup main order 6 no_track",
    "from all iif eth0 oif eth1 fwmark 7/0xff tos 16 goto 900 priority 7",
    "inet6 fwmark 0x9 table 7 preference 8",
    "to 2001:db8::/32 blackhole preference 9",
    "from 10.0.0.9 type prohibit preference 10",
    "dev eth0 nop",
    "from 10.0.0.3 l3mdev uidrange 1-7 preference 11",
    "from 10.0.0.4 ipproto TCP sport 1-5 dport 80 tunnel-id 9 suppress_prefixlength 8 suppress_ifgroup x table 9 \
     protocol 9 realms 7/b preference 12",
];

fn some(of: &'static [&'static str]) -> impl Strategy<Value = String> {
    subsequence(of, 0..=of.len()).prop_map(|lines| lines.join("\n"))
}

/// A valid instance of either family.
fn instance(name: &'static str, vrid: u8) -> impl Strategy<Value = String> {
    let lines: Vec<_> = LINES
        .iter()
        .map(|choices| prop::option::weighted(0.3, select(*choices)).prop_map(Option::unwrap_or_default))
        .collect();
    let parts = (lines, some(ADDRESSES), some(ADDRESSES_6), any::<bool>(), some(ROUTES), some(RULES));
    parts.prop_map(move |(lines, v4, v6, ipv6, routes, rules)| {
        let (own, other, words) = if ipv6 {
            (&v6, &v4, [("OWN", "fe80::7"), ("PEER", "fe80::8"), ("OTHER", "fe80::9"), ("GROUP", "ff02::77")])
        } else {
            (&v4, &v6, [("OWN", "10.9.0.1"), ("PEER", "10.9.0.2"), ("OTHER", "10.9.0.3"), ("GROUP", "224.0.0.9")])
        };
        // No authentication with version 3, and intervals that it can say.
        let mut lines = lines;
        if ipv6 || lines.contains(&"version 3") {
            lines.retain(|line| !line.starts_with("authentication"));
        }
        let mut lines = lines.join("\n").replace("advert_int 255", "advert_int 40");
        for (word, address) in words {
            lines = lines.replace(word, address);
        }
        lines = lines.replace("ROUTES", &routes).replace("RULES", &rules);
        let none = if own.is_empty() { "no_virtual_ipaddress" } else { "" };
        format!(
            "vrrp_instance {name} {{\ninterface eth0\nvirtual_router_id {vrid}\nvirtual_ipaddress {{\n{own}\n}}\n\
             {none}\n{lines}\nvirtual_ipaddress_excluded {{\n{other}\n}}\n}}\n"
        )
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn an_instance_is_written_as_it_was_meant(one in instance("A", 1), two in instance("\"b c\"", 2)) {
        let group = "vrrp_sync_group G {\ngroup {\nA\n\"b c\"\n}\nnotify \"/bin/g x\"\nsync_group_tracking_weight\n}\n";
        assert_same_again(&format!("{group}{one}{two}"));
    }

    #[test]
    fn what_is_static_is_written_as_it_was_meant(v4 in some(ADDRESSES), v6 in some(ADDRESSES_6), routes in some(ROUTES), rules in some(RULES)) {
        let v4 = v4.replace("use_vmac ", "track_group T ");
        let text = format!(
            "track_group T {{\ngroup {{\nA\n}}\n}}\nvrrp_instance A {{\ninterface e\nvirtual_router_id 9\n\
             no_virtual_ipaddress\n}}\nstatic_ipaddress {{\n{v4}\n{v6}\n}}\nstatic_routes {{\n{routes}\n\
             10.77.0.0/16 dev eth0 track_group T\n}}\nstatic_rules {{\n{rules}\nfrom 10.7.7.7 table 5 track_group T\n}}\n"
        );
        assert_same_again(&text);
    }
}

#[rustfmt::skip]
/// Pieces that lines of addresses, routes, rules, peers and devices are made of, right and wrong.
const PIECES: &[&str] = &[
    "dev eth0", "dev eth1", "dev e/", "label eth0:x", "label", "brd +", "brd -", "brd 10.0.0.255", "brd x", "scope link",
    "scope 300", "scope 7", "peer 10.0.0.9", "peer fe80::9", "preferred_lft 7", "preferred_lft x", "preferred_lft forever",
    "home", "-nodad", "mngtmpaddr", "noprefixroute", "autojoin", "no_track", "track_group T", "track_group U", "use_vmac",
    "src 10.0.0.7", "src fe80::7", "to 10.7.0.0/16", "via 10.0.0.254", "via inet6 fe80::7", "gw 10.0.0.253",
    "or 10.0.0.252", "inet", "inet6", "table main", "table 0x7", "metric 7", "metric -1", "mtu 1400", "mtu lock 1400",
    "nexthop", "nexthop via 10.0.0.251 weight 7", "nexthop dev eth2 weight 300 onlink", "onlink", "encap mpls 7/8",
    "encap ip id 7 ttl 8", "append", "add", "prepend", "blackhole", "nat 10.8.0.0/16", "tos 0x10", "dsfield 7",
    "protocol 18", "protocol bird", "realms 1/2", "realms x", "rtt 10ms", "rtt 1.5s", "rttvar lock 0.0004s", "pref low",
    "features ecn", "features x", "expires 7", "vrf v", "advmss lock 7", "congctl lock reno", "quickack 1", "not",
    "from 10.6.0.0/16", "from all", "to fd00::/7", "lookup 7", "goto 77", "nop", "l3mdev", "iif eth0", "oif eth1",
    "fwmark 1/0xff", "fwmark 0x7", "preference 7", "order 8", "ipproto TCP", "ipproto x", "sport 1-9", "dport 7",
    "uidrange 1-7", "tunnel-id 7", "suppress_prefixlength 7", "suppress_ifgroup x", "type prohibit", "\"\"", "\"a b\"",
    "name v7", "group 7", "group x", "min_ttl 7", "max_ttl 300", "02:00:00:00:00:01", "private", "netlink_notify_msg",
    "10.0.0.3/24", "fd00::3/64", "7", "x",
];

#[rustfmt::skip]
/// How lines begin.
const BEGINNINGS: &[&str] = &[
    "10.0.0.1", "10.0.0.1/24", "10.0.0.2/33", "10.0.0.2/x", "127.0.0.1", "fe80::1", "fd00::/64", "default", "default6",
    "from 10.0.0.7 table 7", "to fd00::7 lookup main preference 9", "x", "not", "name v1", "",
];

fn nonsense() -> impl Strategy<Value = String> {
    let line = (select(BEGINNINGS), prop::collection::vec(select(PIECES), 0..4))
        .prop_map(|(first, rest)| format!("{first} {}", rest.join(" ")));
    prop::collection::vec(line, 0..4).prop_map(|lines| lines.join("\n"))
}

fn text_of(config: &Config) -> String {
    text(&lines(config))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 3_000, failure_persistence: None, ..ProptestConfig::default() })]

    /// Whatever compatible reading makes of nonsense, it is written so that strict reading makes the same of it.
    #[test]
    fn what_is_left_of_nonsense_is_written_as_it_was_meant(lines in nonsense(), place in 0..9_usize) {
        let block = |name: &str| format!("{name} {{\n{lines}\n}}\n");
        let device = |name: &str| format!("{name} {}\n", lines.lines().next().unwrap_or_default());
        let (inside, outside) = match place {
            0 => (block("virtual_ipaddress"), String::new()),
            1 => (block("virtual_ipaddress_excluded"), String::new()),
            2 => (block("virtual_routes"), String::new()),
            3 => (block("virtual_rules"), String::new()),
            4 => (block("unicast_peer"), String::new()),
            5 => (device("use_vmac"), String::new()),
            6 => (device("use_ipvlan"), String::new()),
            7 => (String::new(), block("static_routes") + &block("static_ipaddress")),
            _ => (String::new(), block("static_rules")),
        };
        let text = format!(
            "track_group T {{\ngroup {{\nA\n}}\n}}\n{outside}vrrp_instance A {{\ninterface eth0\nvirtual_router_id 1\n{inside}}}\n"
        );
        // A word without its value ends keepalived.
        if let Some(config) = reading(&text).config {
            let written = text_of(&config);
            let again = reading(&written);
            let shown = again.render(crate::config::Colour::Never);
            prop_assert_eq!(again.config.as_ref(), Some(&config), "{}\n---\n{}\n---\n{}", text, written, shown);
            let wrong = again.complaints.iter().find(|complaint| {
                complaint.keepalived.is_some() && complaint.code != Code::NotSupportedYet
            });
            // An address that is none is used all the same.
            let wrong = wrong.filter(|wrong| wrong.code != Code::InvalidAddress);
            prop_assert!(wrong.is_none(), "{}\n---\n{}\n---\n{}", text, written, shown);
        }
    }
}

#[test]
fn what_is_written_is_what_was_said() {
    let text = "vrrp_instance A {\ninterface eth0\nvirtual_router_id 7\nuse_vmac name v7\nnotify \"/x 'y z'\" u g\n\
                unicast_peer {\n10.0.0.2 min_ttl 254\n}\nvirtual_ipaddress {\n10.0.0.9/24 dev eth1 label eth1:v\n}\n\
                virtual_ipaddress_excluded {\nfe80::9/64\n}\nvirtual_routes {\ndefault via 10.0.0.1 dev eth0\n}\n}\n";
    let written = super::super::text(&lines(&config(text)));
    for line in [
        "use_vmac name v7",
        "vmac_xmit_base",
        "notify \"/x 'y z'\" u g",
        "10.0.0.2 min_ttl 254",
        "10.0.0.9/24 dev eth1 label eth1:v",
        "fe80::9/64",
        "default via 10.0.0.1 dev eth0",
    ] {
        assert!(written.lines().any(|written| written.trim() == line), "{line}\n{written}");
    }
}
