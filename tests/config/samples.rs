//! Values for each keyword of the table, and a place for each line: what tests of whole configurations are built from.

use directord::config::keywords::{Form, Keyword, Place, seconds};

/// Things that other blocks name.
pub const WORLD: &str = "\
vrrp_script s1 {\nscript /bin/true\n}
track_file f1 {\nfile /run/f1\n}
track_file f4 {\nfile /run/f4\n}
vrrp_track_process p1 {\nprocess nginx\n}
bfd_instance b1 {\nneighbor_ip 192.0.2.77\n}
bfd_instance b4 {\nneighbor_ip 192.0.2.76\n}
vrrp_instance Other {\ninterface eth9\nvirtual_router_id 99\npriority 50\nvirtual_ipaddress {\n10.9.9.9\n}\n}
vrrp_instance Third {\ninterface eth9\nvirtual_router_id 98\npriority 50\nvirtual_ipaddress {\n10.9.9.8\n}\n}
vrrp_instance Fourth {\ninterface eth9\nvirtual_router_id 97\npriority 50\nvirtual_ipaddress {\n10.9.9.7\n}\n}
virtual_server_group vg1 {\n10.9.0.1 80\n}
";

/// The lines with what is needed beside them; what they say themselves is not said for them.
fn beside(needed: &[&str], lines: &str) -> String {
    let keyword = |text: &str| text.split_whitespace().next().unwrap_or_default().to_owned();
    let said = |statement: &&&str| !lines.lines().any(|line| keyword(line) == keyword(statement));
    let needed: Vec<&str> = needed.iter().filter(said).copied().collect();
    format!("{}\n{lines}", needed.join("\n"))
}

/// A block of a virtual server with what that needs.
fn beside_a_server(inside: &str) -> String {
    format!("protocol TCP\nlvs_sched rr\nlvs_method NAT\n{inside}real_server 10.0.1.1 80 {{\n\n}}\n")
}

/// What the block of such a check cannot do without.
fn handshake(place: Place, lines: &str, with: impl Fn(&[&str]) -> String) -> String {
    match place {
        Place::LdapCheck => with(&["login cn=a", "password x", "tls on"]),
        Place::MysqlCheck | Place::PgsqlCheck => with(&["login a", "password x", "tls"]),
        // Who asks how the server is does not log in.
        Place::RadiusCheck if lines.contains("status_server") => with(&["secret s"]),
        Place::RadiusCheck => with(&["login a", "password x", "secret s"]),
        _ => lines.to_owned(),
    }
}

/// The same of checks that hold a conversation in text.
fn conversation(place: Place, lines: &str, with: impl Fn(&[&str]) -> String) -> String {
    let says = |word: &str| lines.contains(word);
    match place {
        Place::ImapCheck | Place::Pop3Check | Place::NntpCheck => with(&["tls starttls", "login probe"]),
        // A file is fetched without TLS only.
        Place::FtpCheck if says("tls") || says("verify") || says("sni_name") || says("expiry_days") => {
            with(&["tls on"])
        }
        Place::FtpCheck => with(&["login probe", "path /motd"]),
        _ if says("UDP") => lines.to_owned(),
        _ => with(&["tls"]),
    }
}

/// A whole configuration in which the lines stand at that place, and beside them what they cannot do without.
pub fn around(place: Place, lines: &str) -> String {
    let with = |needed: &[&str]| beside(needed, lines);
    let block = |name: &str, inside: &str| format!("{name} {{\n{inside}\n}}\n");
    let instance = |inside: &str| block("vrrp_instance A", inside);
    let service = |inside: &str| block("virtual_server 10.0.0.9 80", inside);
    let servers = |inside: &str| {
        let server = block("real_server 10.0.1.1 80", inside);
        service(&format!("protocol TCP\nlvs_sched rr\nlvs_method NAT\n{server}"))
    };
    let network =
        ["interface eth0", "virtual_router_id 1", "priority 100", "virtual_ipaddress {\n10.0.0.9\n}"];
    let text = match place {
        Place::Root => lines.to_owned() + "\n",
        Place::Global => block(
            place.name(),
            &with(&["smtp_server mail.example.org", "notification_email {\nx@example.org\n}"]),
        ),
        Place::Tls => block(place.name(), lines),
        Place::Instance => instance(&with(&network)),
        Place::Authentication => instance(&format!(
            "{}\n{}",
            network.join("\n"),
            block("authentication", &with(&["auth_type PASS", "auth_pass x"]))
        )),
        Place::AuthHmac => {
            let key = "key 1 \"0123456789abcdef0123456789abcdef\"";
            instance(&format!("{}\nversion 3\n{}", network.join("\n"), block("auth_hmac", &with(&[key]))))
        }
        Place::SyncGroup => block("vrrp_sync_group G", &with(&["group {\nOther\nThird\n}"])),
        Place::Script => block("vrrp_script s2", &with(&["script /bin/true"])),
        Place::TrackFile => block("track_file f2", &with(&["file /run/f2"])),
        Place::TrackProcess => block("vrrp_track_process p2", &with(&["process haproxy"])),
        Place::Bfd => block("bfd_instance b2", &with(&["neighbor_ip 192.0.2.78"])),
        Place::TrackGroup => block("track_group g2", &with(&["group {\nOther\n}"])),
        Place::GarpGroup => block("garp_group", &with(&["garp_interval 1", "interface eth0"])),
        Place::VirtualServer => service(&with(&[
            "protocol TCP",
            "lvs_sched rr",
            "lvs_method NAT",
            "real_server 10.0.1.1 80 {\nHTTP_GET {\nurl {\npath /\n}\n}\n}",
        ])),
        Place::RealServer => servers(&with(&["HTTP_GET {\nurl {\npath /\n}\n}"])),
        Place::TcpCheck | Place::UdpCheck | Place::PingCheck => servers(&block(place.name(), lines)),
        Place::SmtpCheck => servers(&block(place.name(), &with(&["tls on", "login probe"]))),
        Place::HttpGet | Place::SslGet => {
            servers(&block(place.name(), &with(&["login probe", "url {\npath /\n}"])))
        }
        Place::LdapCheck
        | Place::MysqlCheck
        | Place::PgsqlCheck
        | Place::RadiusCheck
        | Place::OracleCheck => servers(&block(place.name(), &handshake(place, lines, with))),
        Place::Url => servers(&block("SSL_GET", &block("url", &with(&["path /"])))),
        Place::SmtpHost => servers(&block("SMTP_CHECK", &block("host", lines))),
        Place::DnsCheck => servers(&block(place.name(), &with(&["name example.org"]))),
        Place::MiscCheck => servers(&block(place.name(), &with(&["misc_path /bin/true"]))),
        Place::BfdCheck => servers(&block(place.name(), &with(&["name b1"]))),
        Place::FileCheck => servers(&block(place.name(), &with(&["track_file f1"]))),
        Place::GrpcCheck => servers(&block(place.name(), &with(&["tls"]))),
        Place::ImapCheck
        | Place::Pop3Check
        | Place::NntpCheck
        | Place::FtpCheck
        | Place::SipCheck
        | Place::TextCheck => servers(&block(place.name(), &conversation(place, lines, with))),
        Place::MaintenanceWindow => {
            service(&beside_a_server(&block(place.name(), &with(&["from 02:00", "to 04:30"]))))
        }
        Place::VipCheck => service(&beside_a_server(&block(place.name(), lines))),
    };
    format!("{WORLD}{text}")
}

/// Keywords that mean nothing without another.
const COMPANIONS: &[(&str, &str)] = &[
    ("bind_port", "bindto 10.0.0.250"),
    ("body", "method POST"),
    ("mh-fallback", "lvs_sched mh"),
    ("mh-port", "lvs_sched mh"),
    ("ops", "protocol UDP"),
    ("regex_max_offset", "regex x"),
    ("regex_min_offset", "regex x"),
    ("regex_no_match", "regex x"),
    ("regex_options", "regex x"),
    ("regex_stack", "regex x"),
    ("sh-fallback", "lvs_sched sh"),
    ("sh-port", "lvs_sched sh"),
    ("sorry_server_inhibit", "sorry_server 10.0.1.90 80"),
    ("sorry_server_lvs_method", "sorry_server 10.0.1.90 80"),
    ("unicast_ttl", "unicast_peer {\n10.0.0.2\n}"),
    ("vmac_xmit_base", "use_vmac"),
];

/// Whole lines, with their blocks, of a keyword at a place; some may be refused for what else stands there.
pub fn lines(keyword: &Keyword, place: Place) -> Vec<String> {
    let companion = COMPANIONS.iter().find(|(name, _)| *name == keyword.name).map_or("", |(_, other)| other);
    let line = |value: String| format!("{} {value}\n{companion}", keyword.name).trim_end().to_owned();
    values(keyword, place).into_iter().map(line).collect()
}

fn values(keyword: &Keyword, place: Place) -> Vec<String> {
    let texts = |values: &[&str]| values.iter().map(|value| (*value).to_owned()).collect();
    match keyword.form {
        Form::Flag => texts(&[""]),
        Form::Switch => texts(&["", "on", "off"]),
        Form::Whole(min, max) => [min, max, min.saturating_add(1), min / 2 + max / 2, 3]
            .into_iter()
            .filter(|number| (min..=max).contains(number))
            .map(|number| number.to_string())
            .collect(),
        Form::Seconds(min, max) => [min, max, min.saturating_add(10_000), 2_500_000, 7_000_000]
            .into_iter()
            .filter(|micros| (min..=max).contains(micros))
            .map(seconds)
            .collect(),
        Form::OneOf(words) => texts(words),
        Form::Address if keyword.name.contains("mcast_group") || keyword.name == "mcast_dst_ip" => {
            texts(&["224.0.0.42", "ff02::42"])
        }
        Form::Address => texts(&["192.0.2.7", "10.0.0.250", "2001:db8::7"]),
        Form::Port => texts(&["1", "8080", "65535"]),
        Form::Word(what) => texts(word(keyword.name, what)),
        Form::Words(_) | Form::Lines(..) | Form::Block(..) => texts(words(keyword.name, place)),
    }
}

fn word(name: &str, what: &str) -> &'static [&'static str] {
    match (name, what) {
        ("nat_mask", _) => &["255.255.255.0"],
        ("persistence_engine", _) => &["sip"],
        ("via_ipvs_marks", _) => &["0x1000", "4096"],
        ("snmp_socket", _) => &["udp:localhost:705"],
        ("service_name" | "sid", _) => &["ORCL", "orcl.example.org"],
        ("password" | "auth_pass", _) => &["secret", "\"a b#c\"", "a$b"],
        ("digest", _) => &["0123456789abcdef0123456789ABCDEF"],
        (_, "a gRPC service") => &["shop.v1.Cart"],
        ("regex", _) => &["^ok", "\"a b\\\\d+ #\""],
        ("uri", _) => &["sip:probe@example.org", "sips:example.org:5061;transport=tcp"],
        ("send", _) => &["hello", "\"hello\\r\\n\"", "\"\""],
        ("name", "a bfd_instance") => &["b1", "b4"],
        ("track_file", _) => &["f1", "f4"],
        (_, "an interface") => &["eth5"],
        (_, "a host name") => &["www.example.org"],
        (_, "a domain name") => &["example.net", "."],
        (_, "a mail address") => &["me@example.org", "\"Me & You <me@example.org>\""],
        (_, "a time of day, HH:MM") => &["00:10", "23:59"],
        (_, "a network namespace") => &["blue"],
        (_, "a path" | "a file" | "a directory") => &["/run/some/where", "\"/run/a b\""],
        _ => &["name1", "\"name 2\""],
    }
}

#[expect(clippy::too_many_lines, reason = "a table")]
fn words(name: &str, place: Place) -> &'static [&'static str] {
    match (name, place) {
        // Blocks.
        ("global_defs", _) => &["{\nrouter_id r\n}"],
        ("vrrp_instance", _) => &["I {\ninterface eth7\nvirtual_router_id 7\nno_virtual_ipaddress\n}"],
        ("vrrp_sync_group", _) => {
            &["G1 {\ngroup {\nOther\nThird\n}\n}", "\"G 2\" {\ngroup {\nOther\nThird\n}\n}"]
        }
        ("vrrp_script", _) => &["s3 {\nscript /bin/false\n}"],
        ("track_file" | "vrrp_track_file", Place::Root) => &["f3 {\nfile /run/f3\n}"],
        ("vrrp_track_process", _) => &["p3 {\nprocess named\n}"],
        ("bfd_instance", _) => &["b3 {\nneighbor_ip 192.0.2.79\n}"],
        ("virtual_server", _) => &[
            "10.0.0.7 53 {\nprotocol UDP\nlvs_sched rr\nlvs_method DR\nreal_server 10.0.1.1 53 {\n}\n}",
            "fwmark 5 {\nprotocol TCP\nlvs_sched wlc\nlvs_method NAT\nreal_server 10.0.1.1 80 {\nTCP_CHECK {\n}\n}\n}",
            "2001:db8::1 53 {\nprotocol TCP\nlvs_sched rr\nlvs_method TUN\nreal_server 2001:db8::2 53 {\n}\n}",
            "group vg1 {\nprotocol TCP\nlvs_sched rr\nlvs_method NAT\nreal_server 10.0.1.1 80 {\nTCP_CHECK {\n}\n}\n}",
        ],
        ("SSL", _) => &["{\nkey /k.pem\n}"],
        ("track_group", _) => &["g1 {\ngroup {\nOther\nThird\n}\n}"],
        ("garp_group", _) => &["{\ninterface eth0\ngarp_interval 0.5\n}"],
        ("authentication", _) => {
            &["{\nauth_type PASS\nauth_pass \"a b\"\n}", "{\nauth_type AH\nauth_pass x\n}"]
        }
        ("auth_hmac", _) => &["{\nkey 1 \"0123456789abcdef0123456789abcdef\"\n}"],
        ("real_server", _) => &["10.0.1.2 8080 {\nTCP_CHECK {\n}\n}", "10.0.1.3 {\n}"],
        ("HTTP_GET" | "SSL_GET", _) => {
            &["{\nurl {\npath /\n}\nurl {\npath /b\nstatus_code 200 301-302\n}\n}"]
        }
        ("DNS_CHECK", _) => &["{\n}", "{\ntype A\nname example.org\n}"],
        ("MISC_CHECK", _) => &["{\nmisc_path \"/bin/x a\"\n}"],
        ("BFD_CHECK", _) => &["{\nname b1\n}"],
        ("FILE_CHECK", _) => &["{\ntrack_file f1\n}"],
        ("RADIUS_CHECK", _) => {
            &["{\nlogin a\npassword \"b c\"\nsecret d\n}", "{\nstatus_server\nsecret_file /d\n}"]
        }
        ("LDAP_CHECK" | "MYSQL_CHECK" | "PGSQL_CHECK", _) => {
            &["{\n}", "{\nlogin a\npassword_file /b\ntls\n}"]
        }
        ("ORACLE_CHECK", _) => &["{\n}", "{\nsid ORCL\n}"],
        ("TCP_CHECK" | "SMTP_CHECK" | "UDP_CHECK" | "PING_CHECK", _) => &["{\n}", "{\nconnect_timeout 3\n}"],
        ("FTP_CHECK", _) => &["{\n}", "{\nlogin a\npassword \"b c\"\npath /motd\nregex ok\n}"],
        ("IMAP_CHECK" | "POP3_CHECK" | "NNTP_CHECK", _) => {
            &["{\n}", "{\ntls starttls\nverify off\nlogin a\npassword_file /run/b\n}"]
        }
        ("SIP_CHECK", _) => &["{\n}", "{\ntransport TCP\nuri sip:a@example.org\nstatus_code 200 404\n}"],
        ("TEXT_CHECK", _) => &["{\n}", "{\nsend \"hello\\r\\n\"\nregex hello\nhalf_close\n}"],
        ("url", _) => &["{\npath /x\n}"],
        ("vip_check", _) => &["{\nTCP_CHECK {\n}\n}", "{\nHTTP_GET {\nretry 2\nurl {\npath /\n}\n}\n}"],
        ("host", _) => &["{\nconnect_ip 10.0.1.9\n}", "{\n}"],
        // Lists.
        ("virtual_server_group", _) => {
            &["vg2 {\n10.0.2.1 80\n10.0.2.2-5 443\nfwmark 7\n}", "vg3 {\n2001:db8::10-1f 80\n}"]
        }
        ("static_ipaddress" | "virtual_ipaddress" | "virtual_ipaddress_excluded", _) => &[
            "{\n10.1.0.1/24 dev eth1\n10.1.0.2\n}",
            "{\n10.1.0.3/24 brd 10.1.0.255 dev eth1 scope link label eth1:x\n10.1.0.4/24 brd - dev eth2\n}",
        ],
        ("static_routes" | "virtual_routes", _) => &[
            "{\n10.2.0.0/16 via 10.1.0.254 dev eth1\ndefault via 10.1.0.253 table 100 metric 5\n}",
            "{\nsrc 10.1.0.1 10.3.0.0/16 dev eth1 scope link\nblackhole 10.4.0.0/16\n}",
        ],
        ("static_rules" | "virtual_rules", _) => {
            &["{\nfrom 10.1.0.0/16 table 100\nto 10.2.0.0/16 priority 50 lookup main\n}"]
        }
        ("linkbeat_interfaces" | "interfaces", _) => &["{\neth1\neth2\n}"],
        ("interface_up_down_delays", _) => &["{\neth1 2 3\neth2 0.5\n}"],
        ("lvs_sysctl", _) => &["{\nconntrack 1\n}", "{\nsync_threshold 3 50\nest_cpulist 0-3,5\n}"],
        ("notification_email", _) => &["{\na@example.org\n}", "{\na@example.org\nb@example.org\n}"],
        ("group", Place::SyncGroup) => &["{\nThird\nFourth\n}"],
        ("group", _) => &["{\nThird\n}"],
        ("unicast_peer", _) => &["{\n10.0.0.2\n10.0.0.3\n}", "{\n10.0.0.2 min_ttl 250 max_ttl 255\n}"],
        ("track_interface", _) => &["{\neth1\neth2 weight -5\n}", "{\neth3 weight 5 reverse\n}"],
        ("track_script", _) => &["{\ns1\n}", "{\ns1 weight -20\n}"],
        ("track_file", _) => &["{\nf1\n}", "{\nf1 weight -20 reverse\n}"],
        ("track_process", _) => &["{\np1\n}", "{\np1 weight 20\n}"],
        ("track_bfd", _) => &["{\nb1\n}", "{\nb1 weight 20\n}"],
        // Words.
        (
            "weight",
            Place::FileCheck | Place::Script | Place::TrackFile | Place::TrackProcess | Place::Bfd,
        ) => &["5", "-5 reverse", "0"],
        ("user" | "script_user", _) => &["nobody", "root root"],
        ("lvs_method" | "lb_kind" | "sorry_server_lvs_method", _) => {
            &["NAT", "TUN", "DR", "TUN type gue port 6080", "TUN type gre csum"]
        }
        ("persistence_timeout", _) => &["", "50", "3600"],
        ("persistence_granularity", _) => &["255.255.255.0"],
        ("backup_server", _) => &["10.0.1.92 8080 {\nweight 3\nTCP_CHECK {\n}\n}", "10.0.1.93 {\n}"],
        ("panic_threshold", _) => &["50", "0", "33%", "100"],
        ("days", _) => &["sat sun", "mon-fri", "Sunday", "sun-mon wed"],
        ("maintenance_window", _) => &[
            "{\nfrom 02:00\nto 04:30\n}",
            "{\ndays sat-sun\nfrom 23:30\nto 00:10\ntimezone utc\nmode disable\nreason \"a # b\"\n}",
        ],
        ("flap_hold", _) => &["10", "10 900", "0.5 60", "0"],
        ("sorry_server", _) => &["10.0.1.90 80", "10.0.1.90"],
        ("header", _) => &["\"X-Probe: one two\"", "X-Key: 1"],
        ("json", _) => &["/a", "/a ok", "\"/b c\" at_least 3", "'' matches \"^{ #\""],
        ("GRPC_CHECK", _) => &["{\n}", "{\nservice a.B\ntls\n}"],
        ("status_code", _) => &["200", "200 301-302 404"],
        ("regex_options", _) => &["caseless", "multiline dotall"],
        ("regex_stack", _) => &["1024 65536"],
        ("payload", _) => &["01ff", "01 ff"],
        ("require_reply", _) => &["", "01ff"],
        ("min_rx" | "min_tx", _) => &["30", "100"],
        ("idle_tx", _) => &["1200", "2000.5"],
        ("neighbor_ip" | "neighbour_ip", _) => &["192.0.2.80", "2001:db8::80"],
        ("source_ip", _) => &["192.0.2.81"],
        ("init_file", _) => &["", "5", "5 overwrite"],
        ("key", _) => &["2 \"fedcba9876543210fedcba9876543210\""],
        ("timer_expired_backup" | "thread_timer_expired" | "max_auto_priority", _) => &["", "20"],
        ("old_unicast_checksum", _) => &["", "never"],
        ("use_vmac", _) => &["", "vrrp.7", "vrrp.7 02:00:00:00:00:07", "vrrp.8 netlink_notify"],
        ("use_ipvlan", _) => &["", "ipv.7", "ipv.7 private", "10.0.0.77/24 vepa"],
        ("garp_extra_if" | "vmac_garp_intvl" | "vrrp_garp_extra_if" | "vrrp_vmac_garp_intvl", _) => {
            &["5", "all 7"]
        }
        ("smtp_server", _) => &["mail.example.org", "192.0.2.25 2525"],
        ("dynamic_interfaces", _) => &["", "allow_if_changes"],
        ("lvs_flush_on_stop" | "lvs_flush_onstop", _) => &["", "VS"],
        ("notify_fifo" | "vrrp_notify_fifo" | "lvs_notify_fifo", _) => {
            &["/run/fifo", "/run/fifo nobody", "/run/fifo nobody nogroup"]
        }
        ("lvs_sync_daemon", _) => {
            &["eth1", "eth1 Other", "eth1 Other id 7 maxlen 1400 port 8848 ttl 2 group 224.0.0.82"]
        }
        ("lvs_timeouts", _) => &["tcp 900", "tcp 900 tcpfin 120 udp 300"],
        ("nftables" | "nftables_ipvs", _) => &["", "table1"],
        ("net_namespace_ipvs", _) => &["", "blue"],
        ("umask", _) => &["022", "IRGRP | IWGRP"],
        ("vrrp_ipsets", _) => &["", "a b c"],
        ("vrrp_iptables", _) => &["", "INPUT", "INPUT OUTPUT"],
        ("vrrp_rx_bufs_policy", _) => &["MTU", "ADVERT", "2000"],
        ("reload_check_config", _) => &["", "/run/log"],
        ("reload_file", _) => &["", "/run/reload"],
        ("include_check", _) => &["", "match"],
        ("debug", _) => &["", "1"],
        (name, _) if name.ends_with("_cpu_affinity") => &["0", "0 1"],
        (name, _) if name.contains("snmp") => &["1"],
        // What is left are commands.
        _ => &["/bin/say", "\"/bin/say 'a b' \\\"c\\\" #d\"", "/bin/say hello world"],
    }
}
