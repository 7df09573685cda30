//! Virtual servers and their real servers: what their keywords mean, what keepalived makes of mistakes in them, and the
//! way back to text.

use directord::config::source::Fetched;
use directord::config::{
    Checksum, Command, GroupEntry, GroupKey, Manner, RealServer, Tunnel, VirtualServer, write,
};
use ipvs_backend::Protocol;
use proptest::prelude::*;

use super::*;

fn compatible(text: &str) -> Reading {
    let main = Fetched { path: PathBuf::from("test.conf"), text: Ok(text.to_owned()) };
    let around = Surroundings { config_id: "", seed: 0, variable: &|_| None, directory: Path::new("/") };
    let manner = Manner { purpose: Purpose::Check, compat: true };
    read_fetched(main, &|_| Vec::new(), &around, manner)
}

/// Errors when read strictly, and the effect that keepalived has on the only service (`None`: left out).
#[track_caller]
fn effect(text: &str, code: Code) -> Option<VirtualServer> {
    let strict = read_text("test.conf", text);
    let refused =
        strict.complaints.iter().any(|found| found.severity == Severity::Error && found.code == code);
    assert!(refused, "{text}\n{}", shown(&strict));
    survived(text, code)
}

/// The effect alone.
#[track_caller]
fn survived(text: &str, code: Code) -> Option<VirtualServer> {
    let reading = compatible(text);
    let told =
        reading.complaints.iter().any(|found| found.code == code && found.severity == Severity::Warning);
    assert!(told, "{text}\n{}", shown(&reading));
    let all = shown(&reading);
    let config = reading.config.unwrap_or_else(|| panic!("{text}\n{all}"));
    config.services.into_values().next().map(|service| (*service).clone())
}

/// Reading what is written gives the same.
#[track_caller]
fn assert_written(config: &Config) {
    let text = write::text(&write::lines(config));
    let reading = read_text("test.conf", &text);
    // What is not supported yet is an error, and only otherwise the reading is the strict one.
    let reading = if reading.config.is_some() { reading } else { compatible(&text) };
    assert_eq!(reading.config.as_ref(), Some(config), "{text}\n{}", shown(&reading));
}

fn server(lines: &str) -> String {
    service(&format!("real_server 10.0.1.1 80 {{\n{lines}\n}}"))
}

fn only_server(service: &VirtualServer) -> (DestinationKey, RealServer) {
    let [(key, server)] = service.servers.iter().collect::<Vec<_>>()[..] else { panic!("{service:?}") };
    (*key, (**server).clone())
}

#[test]
fn every_word_of_a_service_is_kept() {
    let config = good(&service(
        "alpha\nomega\nha_suspend\nquorum 5\nhysteresis 2\nquorum_up \"/bin/up now\" root\nquorum_down /bin/down\n\
         snmp_name web\nsmtp_alert off\nsorry_server 10.0.1.9 8080\nsorry_server_inhibit\nsorry_server_lvs_method NAT\n\
         real_server 10.0.1.1 81 {\nweight 70000\nalpha off\nuthreshold 100\nlthreshold 50\nnotify_up /bin/a\n\
         notify_down \"/bin/b 'c d'\" nobody nogroup\nsnmp_name one\nsmtp_alert off\ninhibit_on_failure\n}",
    ));
    let service = only_service(&config);
    assert!(service.alpha && service.omega && service.ha_suspend && !service.alert);
    assert_eq!((service.quorum.weight, service.quorum.hysteresis), (5, 2));
    let command = |words: &[&str], user: Option<&str>, group: Option<&str>| Command {
        words: words.iter().map(|word| (*word).to_owned()).collect(),
        user: user.map(str::to_owned),
        group: group.map(str::to_owned),
    };
    assert_eq!(service.quorum.up, Some(command(&["/bin/up", "now"], Some("root"), None)));
    assert_eq!(service.quorum.down, Some(command(&["/bin/down"], None, None)));
    assert_eq!(service.snmp_name.as_deref(), Some("web"));
    let sorry = service.sorry.as_ref().expect("a sorry server");
    assert!(sorry.inhibit && sorry.key.port == 8080);
    let (_, server) = only_server(service);
    assert_eq!((server.weight, server.alpha, server.alert, server.inhibit), (70000, false, false, true));
    let extras = server.extras();
    assert_eq!((extras.upper, extras.lower, extras.snmp_name.as_deref()), (100, 50, Some("one")));
    assert_eq!(extras.notify_up, Some(command(&["/bin/a"], None, None)));
    assert_eq!(extras.notify_down, Some(command(&["/bin/b", "c d"], Some("nobody"), Some("nogroup"))));
    assert_written(&config);
}

#[test]
fn a_plain_server_needs_no_extras() {
    let config = clean(&server("weight 3"));
    assert!(only_server(only_service(&config)).1.extras.is_none());
}

#[test]
fn servers_that_say_the_same_share_it() {
    let server = |n: u8| format!("real_server 10.0.1.{n} 80 {{\nsnmp_name x\n}}\n");
    let config = good(&service(&(server(1) + &server(2))));
    let extras: Vec<_> = only_service(&config).servers.values().map(|server| server.extras.clone()).collect();
    let [Some(first), Some(second)] = &extras[..] else { panic!("{extras:?}") };
    assert!(std::sync::Arc::ptr_eq(first, second));
}

#[test]
fn servers_take_over_what_the_service_says() {
    let config = good(&service("weight 9\nalpha\ninhibit_on_failure\nreal_server 10.0.1.1 80 {\n}"));
    let (_, server) = only_server(only_service(&config));
    assert_eq!((server.weight, server.alpha, server.inhibit), (9, true, true));
    assert_written(&config);
}

#[test]
fn tunnels_have_kinds() {
    let tunnel = |words: &str| {
        let reading = compatible(&server(&format!("lvs_method TUN {words}")));
        let config = reading.config.expect("it is survived");
        assert_written(&config);
        let (_, server) = only_server(only_service(&config));
        (server.forwarding, server.extras().tunnel)
    };
    let port = 5555.try_into().expect("not zero");
    let gue = |checksum| Some(Tunnel::Gue { port, checksum });
    let gre = |checksum| Some(Tunnel::Gre { checksum });
    for (words, expected) in [
        ("", None),
        ("type ipip", None),
        ("type ipip nocsum", None),
        ("type gue port 5555", gue(Checksum::None)),
        ("port 5555 type gue csum", gue(Checksum::Plain)),
        ("type gue port 5555 csum remcsum", gue(Checksum::Remote)),
        ("type gre", gre(Checksum::None)),
        ("type gre csum", gre(Checksum::Plain)),
        // With a mistake in the options the tunnel is a plain one.
        ("type gue", None),
        ("type gue port", None),
        ("type gue port 0", None),
        ("type gre port 4", None),
        ("type gre remcsum", None),
        ("type ipip csum", None),
        ("type GRE", None),
        ("type", None),
        ("gre", None),
    ] {
        assert_eq!(tunnel(words), (Forwarding::Tun, expected), "{words}");
    }
    let strict =
        read_text("a", &server("lvs_method TUN type gre")).config.expect("there is nothing wrong with it");
    assert_eq!(only_server(only_service(&strict)).1.extras().tunnel, gre(Checksum::None));
    assert!(effect(&server("lvs_method TUN type gre port 4"), Code::Conflict).is_some());
    assert!(effect(&server("lvs_method TUN type"), Code::MissingValue).is_some());
}

#[test]
fn groups_hold_addresses_ranges_and_marks() {
    let group = |line: &str| {
        compatible(&format!("virtual_server_group G {{\n10.0.0.1 80\n{line}\n}}\n{}", server("")))
    };
    let entry = |line: &str| {
        let config = group(line).config.expect("it is survived");
        assert_written(&config);
        config.server_groups["G"].entries.get(1).copied()
    };
    let range = |first: &str, last: &str, port| {
        Some(GroupEntry::Addresses { first: ip(first), last: ip(last), port })
    };
    for (line, expected) in [
        ("10.0.0.2 81", range("10.0.0.2", "10.0.0.2", 81)),
        ("10.0.0.2", range("10.0.0.2", "10.0.0.2", 0)),
        ("10.0.0.2-9 81", range("10.0.0.2", "10.0.0.9", 81)),
        ("10.0.0.2-10.0.1.1 81", range("10.0.0.2", "10.0.1.1", 81)),
        ("10.0.0.4/30 81", range("10.0.0.4", "10.0.0.7", 81)),
        ("10.0.0.4/32 81", range("10.0.0.4", "10.0.0.4", 81)),
        ("2001:db8::1-a1 53", range("2001:db8::1", "2001:db8::a1", 53)),
        ("2001:db8::/112 53", range("2001:db8::", "2001:db8::ffff", 53)),
        ("fwmark 5", Some(GroupEntry::Mark { mark: 5, family: None })),
        ("fwmark 5 inet6", Some(GroupEntry::Mark { mark: 5, family: Some(Family::V6) })),
        // What is wrong is left out.
        ("10.0.0.5-3 81", None),
        ("10.0.0.5-5 81", None),
        ("10.0.0.5-300 81", None),
        ("10.0.0.5-x 81", None),
        ("10.0.0.5-2001:db8::1 81", None),
        ("10.0.0.5/30 81", None),
        ("10.0.0.4/33 81", None),
        ("10.0.0.x 81", None),
        ("10.0.0.2 99999", None),
        ("10.0.0.2 80-82", None),
        ("fwmark 5 foo", None),
        ("fwmark 0", None),
    ] {
        assert_eq!(entry(line), expected, "{line}");
        let text = format!("virtual_server_group G {{\n10.0.0.1 80\n{line}\n}}\n");
        assert_eq!(read_text("a", &text).config.is_some(), expected.is_some(), "{line}");
    }
    assert!(group("fwmark").config.is_none(), "keepalived ends there");
    for head in ["fwmark", "group"] {
        let text = service(SERVER).replace("10.0.0.9 80", head);
        assert!(compatible(&text).config.is_none(), "keepalived crashes at `virtual_server {head}`");
    }
}

#[test]
fn a_service_of_a_group_is_kept_apart() {
    let group = "virtual_server_group G {\n10.0.0.1 80\n10.0.0.2 81\n}\n";
    let text = server("weight 7").replace("10.0.0.9 80", "group G") + group;
    let config = read_text("a", &text).config.expect("there is nothing wrong with it");
    let key = GroupKey { group: "G".to_owned(), protocol: Protocol::Tcp, family: Family::V4 };
    let (_, real) = only_server(&config.group_services[&key]);
    assert_eq!(real.weight, 7);
    assert!(config.services.is_empty());
    assert_written(&config);

    // No port is the port that packets come to; direct routing cannot change it.
    let direct = text.replace("NAT", "DR");
    assert!(compatible(&direct).config.is_some());
    assert!(read_text("a", &direct).complaints.iter().any(|complaint| complaint.code == Code::PortChange));
    let one_port = direct.replace("10.0.0.2 81", "10.0.0.2-9 80");
    assert!(!read_text("a", &one_port).complaints.iter().any(|complaint| complaint.code == Code::PortChange));
    let fits = direct.replace("10.0.1.1 80", "10.0.1.1");
    assert!(!read_text("a", &fits).complaints.iter().any(|complaint| complaint.code == Code::PortChange));

    assert_eq!(effect(&text.replace("server group G", "server group H"), Code::UndefinedName), None);
    let empty = text.replace("10.0.0.1 80\n10.0.0.2 81\n", "");
    assert_eq!(effect(&empty, Code::MissingValue), None);
    let twice = format!("{text}{group}");
    assert_eq!(effect(&twice, Code::DuplicateName), None);
    let marks = text.replace("10.0.0.1 80\n10.0.0.2 81\n", "fwmark 3\n");
    let told = compatible(&marks);
    assert!(told.complaints.iter().any(|complaint| complaint.code == Code::NoEffect && complaint.line == 2));
    assert_written(&told.config.expect("it is survived"));
}

#[test]
#[rustfmt::skip]
fn mistakes_have_the_effect_that_keepalived_gives_them() {
    let after = |line: &str| service(&format!("{SERVER}\n{line}"));
    let settings = |line: &str, code| effect(&after(line), code).expect("a service").settings;
    // The line is ignored, and what was said before counts.
    assert_eq!(settings("lvs_sched RR", Code::InvalidChoice).scheduler.as_str(), "rr");
    assert_eq!(settings("persistence_timeout 60\npersistence_timeout 6x", Code::InvalidNumber).persistence.map(|p| p.timeout), Some(secs(60)));
    assert_eq!(settings("persistence_timeout 2678401", Code::OutOfRange).persistence, None);
    let mask = settings("persistence_timeout 60\npersistence_granularity 24", Code::FamilyMismatch).persistence;
    assert_eq!(mask.map(|p| p.granularity), Some(Granularity::Netmask([0, 0, 0, 24].into())));
    assert_eq!(effect(&after("persistence_engine x"), Code::InvalidChoice), None);
    let method = |line: &str| only_server(&effect(&after(line), Code::InvalidChoice).expect("a service")).1.forwarding;
    assert_eq!(method("lvs_method FNAT"), Forwarding::Nat);
    assert_eq!(method("lvs_method dr"), Forwarding::Nat);
    let missing = effect(&service(SERVER).replace("TCP", "ICMP"), Code::InvalidChoice).expect("a service");
    assert_eq!(only_server(&missing).0.port, 80);
    // Flags that stand alone in this block are on whatever follows.
    let flags = |line: &str| effect(&after(line), Code::UnexpectedWord).expect("a service");
    assert!(flags("alpha off").alpha && flags("omega no").omega && flags("ha_suspend off").ha_suspend);
    assert!(only_server(&flags("inhibit_on_failure off")).1.inhibit);
    assert!(!only_server(&effect(&server("inhibit_on_failure foo"), Code::InvalidSwitch).expect("a service")).1.inhibit);

    // Numbers.
    let weight = |line: &str, code| only_server(&effect(&server(line), code).expect("a service")).1.weight;
    assert_eq!(weight("weight 3\nweight 2147483648", Code::OutOfRange), 3);
    assert_eq!(weight("weight 3\nweight 5x", Code::InvalidNumber), 5);
    assert_eq!(weight("weight 3\nweight x", Code::InvalidNumber), 0);
    let service_weight = effect(&after("weight 0"), Code::OutOfRange).expect("a service");
    assert_eq!(only_server(&service_weight).1.weight, 1);
    let quorum = |lines: &str, code| {
        let quorum = survived(&after(&format!("weight 5\n{lines}")), code).expect("a service").quorum;
        (quorum.weight, quorum.hysteresis)
    };
    assert_eq!(quorum("quorum 4\nquorum 0", Code::OutOfRange), (1, 0));
    assert_eq!(quorum("quorum 3x", Code::InvalidNumber), (3, 0));
    assert_eq!(quorum("quorum 9\nhysteresis 6", Code::ValueAdjusted), (5, 4));
    assert_eq!(quorum("quorum 2\nhysteresis 2", Code::ValueAdjusted), (2, 1));
    let strict = good(&after("weight 5\nquorum 9\nhysteresis 6"));
    assert_eq!((only_service(&strict).quorum.weight, only_service(&strict).quorum.hysteresis), (9, 6));
}

#[test]
fn checks_repeat_at_least_once_unless_they_say_otherwise_themselves() {
    let retry = |service_line: &str, check_line: &str, code| {
        let text = service(&format!(
            "{service_line}\nreal_server 10.0.1.1 80 {{\nTCP_CHECK {{\n{check_line}\n}}\n}}"
        ));
        let service = match code {
            Some(code) => effect(&text, code).expect("a service"),
            None => only_service(&clean(&text)).clone(),
        };
        only_server(&service).1.checks[0].schedule.retry
    };
    assert_eq!(retry("retry 3\nretry 0", "", Some(Code::OutOfRange)), 3);
    assert_eq!(retry("retry 3", "retry 0", None), 0);
    assert_eq!(retry("retry 4294967295", "", None), u32::MAX);
    assert_eq!(retry("nb_get_retry 3", "", Some(Code::MisplacedKeyword)), 1);
}

#[test]
#[rustfmt::skip]
fn servers_that_do_not_fit_are_left_out() {
    let two = |first: &str| service(&format!("real_server {first} {{\nweight 2\n}}\nreal_server 10.0.1.2 80 {{\n}}"));
    for (first, code) in [
        ("10.0.1.x 80", Code::InvalidAddress),
        ("10.0.1.1 99999", Code::InvalidPort),
        ("10.0.1.1 http", Code::InvalidPort),
        ("2001:db8::1 80", Code::FamilyMismatch),
    ] {
        let service = effect(&two(first), code).expect("a service");
        assert_eq!(only_server(&service).0, DestinationKey::new(ip("10.0.1.2"), 80), "{first}");
    }
    let refused = effect(&server("uthreshold 5\nlthreshold 10"), Code::Conflict);
    assert_eq!(refused, None, "the kernel takes no such server, and without any there is no service");
    let kept = effect(&two("10.0.1.1/32 80"), Code::InvalidAddress).expect("a service");
    assert_eq!(kept.servers.len(), 2, "the prefix length is ignored");
    // Ports.
    let direct = effect(&two("10.0.1.1 8080").replace("NAT", "DR"), Code::PortChange).expect("a service");
    assert!(direct.servers.keys().all(|key| key.port == 80));
    let checked = server("TCP_CHECK {\n}").replace("NAT", "DR").replace("10.0.1.1 80", "10.0.1.1 8080");
    let (key, real) = only_server(&effect(&checked, Code::PortChange).expect("a service"));
    assert_eq!((key.port, real.checks[0].target.port()), (80, 8080), "the check asks the port that is written");
    let marked = good(&two("10.0.1.1 80").replace("10.0.0.9 80", "fwmark 1").replace("NAT", "DR").replace("protocol TCP", ""));
    assert!(only_service(&marked).servers.keys().all(|key| key.port == 0));
    assert_written(&marked);
    // Without any real server there is no service, whatever the sorry server.
    let text = service("sorry_server 10.0.1.9 80");
    assert_eq!(survived(&text, Code::MissingKeyword), None);
    assert!(good(&text).services.len() == 1);
    assert_eq!(survived(&service("real_server 10.0.1.x 80 {\n}"), Code::MissingKeyword), None);
    for head in ["10.0.0.9 http", "10.0.0.x 80", "fwmark 0", "fwmark 4294967296"] {
        let bad = service(SERVER).replace("10.0.0.9 80", head);
        assert_eq!(compatible(&bad).config.expect("it is survived").services.len(), 0, "{head}");
    }
}

#[test]
fn two_blocks_of_one_service_are_joined() {
    let second = service("real_server 10.0.1.1 80 {\nweight 4\n}\nreal_server 10.0.1.2 80 {\nweight 5\n}");
    let text = service(SERVER) + &second.replace("sched rr", "sched wlc");
    let joined = effect(&text, Code::DuplicateService).expect("a service");
    assert_eq!(joined.settings.scheduler.as_str(), "rr");
    let weights: Vec<_> = joined.servers.values().map(|server| server.weight).collect();
    assert_eq!(weights, [1, 5]);
}

#[test]
#[rustfmt::skip]
fn the_order_of_lines_counts_where_it_counts_for_keepalived() {
    let flags = |lines: &str| survived(&service(lines).replace("lvs_sched rr\n", ""), Code::NoEffect).expect("a service").settings.flags;
    assert_eq!(flags(&format!("sh-port\nlvs_sched sh\n{SERVER}")), 0);
    assert_eq!(flags(&format!("lvs_sched mh\nsh-port\nmh-fallback\n{SERVER}")), flag::MH_FALLBACK);
    let strict = good(&service(&format!("sh-port\nlvs_sched sh\n{SERVER}")).replace("lvs_sched rr\n", ""));
    assert_eq!(only_service(&strict).settings.flags, flag::SH_PORT);

    let sorry = |lines: &str| service(&format!("{SERVER}\n{lines}"));
    let early = sorry("sorry_server_inhibit\nsorry_server_lvs_method DR\nsorry_server 10.0.1.9 80");
    let found = survived(&early, Code::NoEffect).and_then(|service| service.sorry).expect("a sorry server");
    assert_eq!((found.inhibit, found.forwarding), (false, Forwarding::Nat));
    let found = only_service(&good(&early)).sorry.clone().expect("a sorry server");
    assert_eq!((found.inhibit, found.forwarding), (true, Forwarding::Dr));
    assert!(survived(&sorry("sorry_server_inhibit"), Code::NoEffect).is_some());

    let late = service("real_server 10.0.1.1 {\n}\nip_family inet6").replace("10.0.0.9 80", "fwmark 7");
    assert_eq!(only_server(&effect(&late, Code::FamilyMismatch).expect("a service")).0.address, ip("10.0.1.1"));
    let early = service("ip_family inet6\nreal_server 10.0.1.1 {\n}").replace("10.0.0.9 80", "fwmark 7");
    assert_eq!(effect(&early, Code::FamilyMismatch), None);
    let tunnel = clean(&early.replace("NAT", "TUN").replace("protocol TCP", ""));
    assert_eq!(tunnel.services.keys().next(), Some(&ServiceKey::Mark { family: Family::V6, mark: 7 }));
    assert_written(&tunnel);

    let commands = server("notify_up /bin/a\nnotify_up /bin/b");
    let first = survived(&commands, Code::RepeatedKeyword).expect("a service");
    assert_eq!(only_server(&first).1.extras().notify_up.as_ref().map(|up| up.words[0].as_str()), Some("/bin/a"));
}

#[test]
fn persistence_comes_with_what_needs_it() {
    let timeout = |text: &str| {
        let reading = read_text("test.conf", text);
        assert!(reading.complaints.iter().any(|complaint| complaint.code == Code::ValueAdjusted), "{text}");
        let config = reading.config.expect("only warnings");
        assert_written(&config);
        only_service(&config).settings.persistence.map(|persistence| persistence.timeout)
    };
    let after = |line: &str| service(&format!("{SERVER}\n{line}"));
    assert_eq!(timeout(&after("persistence_granularity 255.255.255.0")), Some(secs(360)));
    assert_eq!(timeout(&after("persistence_timeout 0")), None);
    assert_eq!(timeout(&service(SERVER).replace("10.0.0.9 80", "10.0.0.9")), Some(secs(360)));
}

fn lines_of_a_service() -> impl Strategy<Value = String> {
    const LINES: &[&str] = &[
        "alpha",
        "omega",
        "ha_suspend",
        "inhibit_on_failure",
        "ops",
        "sh-port",
        "mh-fallback",
        "flag-3",
        "quorum 2",
        "hysteresis 1",
        "quorum_up \"/bin/x 'a b'\" root",
        "quorum_down /bin/y",
        "lvs_sched sh",
        "lvs_sched mh",
        "lvs_method DR",
        "lvs_method TUN type gue port 9 csum",
        "protocol UDP",
        "protocol SCTP",
        "persistence_timeout",
        "persistence_timeout 60",
        "persistence_granularity 255.255.0.0",
        "persistence_granularity 64",
        "persistence_engine sip",
        "sorry_server 10.0.1.9 80",
        "sorry_server ::9",
        "sorry_server_inhibit",
        "sorry_server_lvs_method TUN type gre",
        "smtp_alert off",
        "snmp_name \"a b\"",
        "maintenance_window {\nfrom 23:30\nto 01:00\n}",
        "maintenance_window {\ndays sat mon-wed\nfrom 00:00\nto 24:00\ntimezone utc\nmode disable\nreason \"a # b\"\n}",
        "panic_threshold 40%",
        "flap_hold 5 60",
        "share_checks off",
        "backup_server 10.0.1.7 80 {\nweight 3\nTCP_CHECK {\n}\n}",
        "weight 9",
        "ip_family inet6",
        "real_server 10.0.1.1 80 {\nweight 0\nlvs_method TUN\n}",
        "real_server 10.0.1.3 81 {\nmaintenance_window {\ndays sun\nfrom 2:00\nto 3:00\n}\nflap_hold 1\n}",
        "real_server 10.0.1.2 81 {\nuthreshold 9\nlthreshold 4\nalpha off\n}",
        "real_server 2001:db8::2 {\nnotify_up \"x y\"\nsnmp_name s\ninhibit_on_failure\n}",
    ];
    prop::collection::vec(prop::sample::select(LINES), 0..9).prop_map(|lines| lines.join("\n"))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(150))]

    /// Whatever is read can be written, and is then the same.
    #[test]
    fn what_is_written_is_read_as_the_same(
        head in prop::sample::select(&["10.0.0.9 80", "10.0.0.9", "2001:db8::9 53", "fwmark 3", "group G", "group M"][..]),
        lines in lines_of_a_service(),
    ) {
        let groups = "virtual_server_group G {\n10.0.0.0/29 80\n2001:db8::1-4\nfwmark 4 inet\n}\n\
                      virtual_server_group M {\nfwmark 5\nfwmark 6 inet6\n}\n";
        let text = format!("{groups}{}", service(&lines).replace("10.0.0.9 80", head));
        assert_written(&compatible(&text).config.expect("keepalived survives all of it"));
        if let Some(config) = read_text("test.conf", &text).config {
            assert_written(&config);
        }
    }
}

#[test]
fn a_group_and_its_servers_go_together() {
    let text = |lines: &str, server: &str| {
        let body = "lvs_sched rr\nlvs_method NAT\nprotocol TCP";
        format!(
            "virtual_server_group G {{\n{lines}\n}}\nvirtual_server group G {{\n{body}\nreal_server {server} {{\n}}\n}}\n"
        )
    };
    let tunnelled = |text: &str| text.replace("NAT", "TUN");
    let families = |text: &str| -> Vec<Family> {
        let config = read_text("a", text).config.expect("it is good");
        config.group_services.keys().map(|key| key.family).collect()
    };
    assert_eq!(families(&text("10.0.0.1 80\nfwmark 1", "10.0.1.1 80")), [Family::V4]);
    assert_eq!(families(&text("fd00::1 80\nfwmark 1", "fd00::9 80")), [Family::V6]);
    assert_eq!(families(&text("fwmark 1", "fd00::9 80")), [Family::V6]);
    // A tunnel goes anywhere: the group tells.
    assert_eq!(families(&tunnelled(&text("fd00::1 80\nfwmark 1", "10.0.1.1 80"))), [Family::V6]);
    let mixed = "10.0.0.1 80\nfd00::1 80\nfwmark 1 inet\nfwmark 1 inet6";
    assert_eq!(families(&tunnelled(&text(mixed, "10.0.1.1 80"))), [Family::V4]);
    // As keepalived 2.2.7, which leaves the virtual server out, or the group and with it the virtual server.
    for (lines, server) in
        [("fd00::1 80", "10.0.1.1 80"), (mixed, "10.0.1.1 80"), ("10.0.0.1 80", "fd00::9 80")]
    {
        assert!(read_text("a", &text(lines, server)).config.is_none(), "{lines}");
        let config = compatible(&text(lines, server)).config.expect("it is survived");
        assert!(config.group_services.is_empty(), "{lines}");
    }
    let unclear = tunnelled(&text("10.0.0.1 80\nfd00::1 80\nfwmark 1", "10.0.1.1 80"));
    let config = compatible(&unclear).config.expect("it is survived");
    assert!(config.group_services.is_empty() && config.server_groups.is_empty());
    // Each address becomes a service of its own.
    let large = text("10.0.0.0/15 80", "10.0.1.1 80");
    assert!(read_text("a", &large).config.is_none());
}

#[test]
fn shares_and_holds_have_ranges() {
    let read = |line: &str| {
        let config = read_text("a", &service(&format!("{line}\n{SERVER}"))).config?;
        assert_written(&config);
        let service = only_service(&config);
        let hold = only_server(service).1.extras().flap_hold;
        Some((service.panic_threshold, hold.map(|hold| (hold.first.as_millis(), hold.longest.as_millis()))))
    };
    for (line, expected) in [
        ("panic_threshold 50", Some((Some(50), None))),
        ("panic_threshold 0%", Some((Some(0), None))),
        ("panic_threshold 100%", Some((None, None))),
        ("panic_threshold 101", None),
        ("panic_threshold half", None),
        ("panic_threshold 50 %", None),
        ("panic_threshold", None),
        ("flap_hold 10 900", Some((None, Some((10_000, 900_000))))),
        ("flap_hold 0.5", Some((None, Some((500, 600_000))))),
        ("flap_hold 700", Some((None, Some((700_000, 700_000))))),
        ("flap_hold 0", Some((None, None))),
        ("flap_hold 20 10", None),
        ("flap_hold 10 90000", None),
        ("flap_hold ten", None),
        ("flap_hold", None),
    ] {
        assert_eq!(read(line), expected, "{line}");
    }
    let global = "global_defs {\npanic_threshold 30\nflap_hold 10\nshare_checks off\n}\n";
    let config = good(&(global.to_owned() + &service(SERVER)));
    let taken_over = only_service(&config);
    assert_eq!((taken_over.panic_threshold, taken_over.own_checks), (Some(30), true));
    assert!(only_server(taken_over).1.extras().flap_hold.is_some());
    assert_written(&config);
    let own = "panic_threshold 100\nflap_hold 0\nshare_checks on\n";
    let config = good(&(global.to_owned() + &service(&format!("{own}{SERVER}"))));
    let own = only_service(&config);
    assert_eq!((own.panic_threshold, own.own_checks), (None, false));
    assert!(only_server(own).1.extras().flap_hold.is_none());
    assert_written(&config);
}

#[test]
fn a_backup_server_is_none_of_the_real_ones() {
    let backup = |address: &str| service(&format!("{SERVER}\nbackup_server {address} 80 {{\nweight 4\n}}"));
    let config = good(&backup("10.0.1.7"));
    let service = only_service(&config);
    assert_eq!(service.backups.values().map(|server| server.weight).collect::<Vec<_>>(), [4]);
    assert_eq!(service.total_weight(), 1, "they make no quorum");
    assert_written(&config);
    let real = good(&self::service(SERVER)).services.into_values().next().expect("a service");
    let address = real.servers.keys().next().expect("a server").address.to_string();
    let survived = effect(&backup(&address), Code::DuplicateServer).expect("it is left out");
    assert!(survived.backups.is_empty() && survived.servers.len() == 1);
}
