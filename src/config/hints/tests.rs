use super::*;
use crate::config::{Reading, read_text};

/// The codes of a text's hints. The text must have no other complaints, except those listed.
#[track_caller]
fn hints(text: &str, others: &[Code]) -> Vec<Code> {
    let reading = read_text("a.conf", text);
    assert!(reading.config.is_some(), "{}", shown(&reading));
    let is_hint = |code: &Code| TRAPS.iter().any(|trap| trap.code == *code);
    let codes: Vec<Code> = reading.complaints.iter().map(|complaint| complaint.code).collect();
    let rest: Vec<Code> = codes.iter().copied().filter(|code| !is_hint(code)).collect();
    assert_eq!(rest, others, "{}", shown(&reading));
    for complaint in reading.complaints.iter().filter(|complaint| is_hint(&complaint.code)) {
        assert_eq!(complaint.severity, Severity::Hint);
        assert!(complaint.suggestion.is_some() && complaint.line > 0, "{complaint}");
    }
    codes.into_iter().filter(is_hint).collect()
}

fn shown(reading: &Reading) -> String {
    reading.render(crate::config::Colour::Never)
}

/// The codes of a text that has warnings of its own: much of it is not in effect yet.
#[track_caller]
fn only_hints(text: &str) -> Vec<Code> {
    let reading = read_text("a.conf", text);
    assert!(reading.config.is_some(), "{}", shown(&reading));
    let hints = reading.complaints.iter().filter(|complaint| complaint.severity == Severity::Hint);
    hints.map(|complaint| complaint.code).collect()
}

fn instance(lines: &str) -> String {
    format!(
        "vrrp_instance A {{\ninterface eth0\nvirtual_router_id 1\n{lines}\nvirtual_ipaddress {{\n10.0.0.9\n}}\n}}\n"
    )
}

/// A service with two servers, the second of which is without fault.
fn service(protocol: &str, lines: &str, first_server: &str) -> String {
    format!(
        "virtual_server 10.0.0.9 80 {{\n{protocol}\nlvs_sched rr\nlvs_method NAT\n{lines}\n\
         real_server 10.0.1.1 80 {{\n{first_server}\n}}\n\
         real_server 10.0.1.2 80 {{\nTCP_CHECK {{\nconnect_port 80\nconnect_timeout 1\n}}\n}}\n}}\n"
    )
}

fn tcp(lines: &str) -> String {
    service("protocol TCP", lines, "TCP_CHECK {\n}")
}

fn http(url: &str) -> String {
    service("protocol TCP", "", &format!("HTTP_GET {{\nurl {{\npath /\n{url}\n}}\n}}"))
}

fn misc(path: &str) -> String {
    service("protocol TCP", "", &format!("MISC_CHECK {{\nuser nobody\nmisc_path {path}\n}}"))
}

fn ssl(files: &str, lines: &str) -> String {
    let check = format!("SSL_GET {{\n{lines}\nurl {{\npath /\n}}\n}}");
    format!("SSL {{\n{files}\n}}\n{}", service("protocol TCP", "", &check))
}

fn udp(port: u16, check: &str) -> String {
    let text = service("protocol UDP", "", check).replace(" 80", &format!(" {port}"));
    let second = format!("connect_port {port}");
    text.replace(&second, "connect_port 9999")
}

#[test]
#[rustfmt::skip]
fn traps_of_instances_are_told_and_nothing_else() {
    use Code::*;
    let cases: &[(&str, &[Code])] = &[
        ("", &[]),
        ("state BACKUP\npriority 255", &[OwnerAsBackup]),
        ("state MASTER\npriority 255", &[]),
        ("priority 255", &[]),
        ("state BACKUP\npriority 254", &[]),
        ("unicast_peer {\n10.0.0.2\n}", &[NoSourceAddress]),
        ("unicast_src_ip 10.0.0.1\nunicast_peer {\n10.0.0.2\n}", &[]),
        ("unicast_src_ip 10.0.0.1\nunicast_peer {\n10.0.0.2\n10.0.0.1\n}", &[PeerIsSelf]),
        ("down_timer_adverts 1", &[ShortDownTimer]),
        ("down_timer_adverts 2", &[]),
        ("version 3\nadvert_int 0.03", &[ShortDownTimer]),
        ("version 3\nadvert_int 0.04", &[]),
        ("version 3\nadvert_int 0.01\ndown_timer_adverts 10", &[]),
        ("garp_master_repeat 1\ngarp_master_delay 0", &[AnnouncedOnce]),
        ("garp_master_repeat 1\ngarp_master_delay 0\ngarp_master_refresh 60", &[]),
        ("garp_master_repeat 1", &[]),
        ("garp_master_refresh 0", &[RefreshOff]),
        ("garp_master_refresh 60", &[]),
        ("garp_master_repeat 1\ngarp_master_delay 0\ngarp_master_refresh 0", &[AnnouncedOnce]),
        ("garp_master_delay 0", &[]),
    ];
    for (lines, expected) in cases {
        assert_eq!(hints(&instance(lines), &[]), *expected, "{lines}");
    }
}

#[test]
fn traps_of_groups_are_told_and_nothing_else() {
    use Code::*;
    let two = |first: &str, second: &str, members: &str| {
        let other = instance(second).replace(" A ", " B ").replace("id 1", "id 2").replace("0.9", "0.8");
        format!("{}{other}vrrp_sync_group G {{\ngroup {{\n{members}\n}}\n}}\n", instance(first))
    };
    let cases: &[(&str, &str, &str, &[Code])] = &[
        ("", "", "A\nB", &[]),
        ("priority 150", "priority 150", "A\nB", &[]),
        ("priority 150", "", "A\nB", &[UnevenGroup]),
        ("state BACKUP", "", "A\nB", &[]),
        ("state MASTER\npriority 100", "", "A\nB", &[UnevenGroup]),
        ("state MASTER\npriority 150", "", "B\nA", &[UnevenGroup]),
        ("priority 150", "", "A", &[LonelyGroup]),
    ];
    for (first, second, members, expected) in cases {
        let text = two(first, second, members);
        assert_eq!(hints(&text, &[]), *expected, "{text}");
    }
}

#[test]
fn one_vrid_in_two_versions_is_a_trap_on_one_interface() {
    let second = instance("version 3").replace(" A ", " B ");
    assert_eq!(hints(&(instance("version 2") + &second), &[]), [Code::SharedRouter]);
    let elsewhere = second.replace("eth0", "eth1");
    assert_eq!(hints(&(instance("version 2") + &elsewhere), &[]), []);
}

#[test]
#[rustfmt::skip]
fn traps_of_services_are_told_and_nothing_else() {
    use Code::*;
    let two = "real_server 10.0.1.3 80 {\n}\nreal_server 10.0.1.4 80 {\n}";
    let cases: Vec<(String, &[Code])> = vec![
        (tcp(""), &[]),
        (tcp("delay_loop 5\nconnect_timeout 5"), &[]),
        (tcp("delay_loop 4\nconnect_timeout 5"), &[SlowCheck]),
        // 3 s × 4 and 3 s × 3: longer than the loop, and yet what many files have.
        (tcp("delay_loop 6\nconnect_timeout 3\nretry 3\ndelay_before_retry 3"), &[]),
        (tcp("delay_loop 6\nconnect_timeout 6\nretry 3\ndelay_before_retry 3"), &[SlowCheck]),
        (tcp("delay_loop 60\nconnect_timeout 6\nretry 3\ndelay_before_retry 3"), &[]),
        (http("status_code 200"), &[]),
        (http(""), &[]),
        (http("status_code 100-599"), &[CheckCannotFail]),
        (http("status_code 100-399 400-999"), &[CheckCannotFail]),
        (http("status_code 200-499"), &[]),
        (http("status_code 200-599\ndigest d41d8cd98f00b204e9800998ecf8427e"), &[]),
        (http("status_code 200-599\nregex ok"), &[]),
        (http("regex ok\ndigest d41d8cd98f00b204e9800998ecf8427e"), &[DigestAndRegex]),
        (service("protocol TCP", "", ""), &[UncheckedServer]),
        (service("protocol TCP", "", "PING_CHECK {\n}"), &[]),
        (misc("/bin/true"), &[CheckCannotFail]),
        (misc("\"/usr/local/bin/true x\""), &[CheckCannotFail]),
        (misc("/bin/truecolor"), &[]),
        (misc("\"/bin/x | /bin/y\""), &[NoShell]),
        (misc("\"/bin/x 'a | b'\""), &[]),
        (misc("/bin/x\nmisc_timeout 6\ndelay_loop 5"), &[SlowCheck]),
        (misc("/bin/x\ndelay_loop 5"), &[]),
        (service("protocol TCP", "", "DNS_CHECK {\n}"), &[]),
        (service("protocol TCP", "", "DNS_CHECK {\nconnect_timeout 61\n}"), &[SlowCheck]),
        (udp(5000, "UDP_CHECK {\n}"), &[SilencePasses]),
        (udp(5000, "UDP_CHECK {\nrequire_reply\n}"), &[]),
        (udp(5000, "PING_CHECK {\n}"), &[UdpCheckedByTcp]),
        (udp(53, "PING_CHECK {\n}"), &[UdpCheckedByTcp]),
        (udp(53, "PING_CHECK {\n}\nTCP_CHECK {\n}"), &[]),
        (udp(5000, "PING_CHECK {\n}\nTCP_CHECK {\n}"), &[UdpCheckedByTcp]),
        (udp(5000, "TCP_CHECK {\n}\nDNS_CHECK {\n}"), &[]),
        (ssl("", "verify\nenable_sni"), &[SniWithoutName]),
        (ssl("", "verify\nenable_sni\nvirtualhost a.example"), &[]),
        (ssl("verify", "sni_name a.example"), &[]),
        (ssl("", ""), &[VerifiedCertificate]),
        (ssl("verify off", ""), &[]),
        (ssl("", "verify off"), &[]),
        (ssl("", "") + "global_defs {\ncompat\n}\n", &[]),
        (ssl("", "").replace("SSL_GET", "HTTP_GET"), &[]),
        (service("protocol TCP", "", "TCP_CHECK {\nfall 3\n}"), &[]),
        (service("protocol TCP", "", "TCP_CHECK {\nretry 3\nfall 3\n}"), &[RetryAndFall]),
        (service("protocol TCP\nfall 2\nretry 1", "", "TCP_CHECK {\nretry 3\n}"), &[RetryAndFall]),
        (service("protocol TCP", "", "TCP_CHECK {\nproxy_protocol v1\n}\nFTP_CHECK {\n}"), &[ProxyHeaderSometimes]),
        (service("protocol TCP", "proxy_protocol v2", "TCP_CHECK {\n}\nFTP_CHECK {\n}\nPING_CHECK {\n}"), &[]),
        (service("protocol TCP", "", "TCP_CHECK {\nproxy_protocol v1\n}\nFTP_CHECK {\nconnect_port 21\n}"), &[]),
        (ssl("ca /a", ""), &[]),
        (ssl("ca /a", "verify off"), &[UnverifiedCertificate]),
        (ssl("key /a", "verify"), &[]),
        (ssl("ca /a", "").replace("SSL_GET", "HTTP_GET"), &[]),
        (tcp(two), &[UncheckedServer]),
        (udp(5000, "TCP_CHECK {\n}"), &[UdpCheckedByTcp]),
        (udp(5000, "TCP_CHECK {\nconnect_port 22\n}"), &[]),
        (udp(53, "TCP_CHECK {\n}"), &[]),
        (tcp("sorry_server 10.0.1.2 80"), &[SorryIsReal]),
        (tcp("sorry_server 10.0.1.2 81"), &[]),
        (tcp("").replace("80 {\nTCP", "80 {\nweight 0\nTCP"), &[NoWeight]),
        (service("protocol TCP", "", "weight 0\nTCP_CHECK {\n}"), &[]),
    ];
    for (text, expected) in cases {
        assert_eq!(only_hints(&text), expected, "{text}");
    }
}

#[test]
fn mail_that_nobody_gets_is_told_once() {
    let mail = "global_defs {\nnotification_email {\na@example.org\n}\nsmtp_server 192.0.2.1\n}\n";
    let on = "global_defs {\nsmtp_alert\n}\n";
    assert_eq!(hints(&instance("smtp_alert"), &[]), [Code::UnsentMail]);
    assert_eq!(hints(&(instance("") + on), &[]), [Code::UnsentMail]);
    assert_eq!(hints(&(instance("smtp_alert") + on), &[]), [Code::UnsentMail]);
    assert_eq!(hints(&tcp("smtp_alert"), &[]), [Code::UnsentMail]);
    assert_eq!(hints(&(instance("smtp_alert") + mail), &[]), []);
    assert_eq!(hints(&instance("smtp_alert off"), &[]), []);
    // What is wrong there is told by a warning.
    let no_server = mail.replace("smtp_server 192.0.2.1\n", "");
    assert_eq!(hints(&(instance("smtp_alert") + &no_server), &[Code::MissingKeyword]), []);
}

#[test]
#[rustfmt::skip]
fn traps_of_pools_are_told_and_nothing_else() {
    use Code::*;
    let hints = only_hints;
    let udp = |lines: &str| tcp(lines).replace("protocol TCP", "protocol UDP").replace(" 80", " 53");
    let alpha = |check: &str| service("protocol TCP", "", &format!("alpha\n{check}"));
    let group = "virtual_server_group G {\n10.0.0.1 80\n}\n";
    let cases: Vec<(String, &[Code])> = vec![
        (tcp("quorum 2"), &[]),
        (tcp("quorum 3"), &[QuorumTooHigh]),
        (tcp("weight 2\nquorum 3"), &[]),
        (tcp("weight 2\nquorum 3\nhysteresis 1"), &[]),
        (tcp("weight 2\nquorum 3\nhysteresis 2"), &[QuorumNotRegained]),
        (tcp("weight 2\nquorum 2\nhysteresis 2"), &[HysteresisTooLarge]),
        (tcp("hysteresis 0"), &[]),
        (alpha("TCP_CHECK {\n}"), &[]),
        (alpha("PING_CHECK {\n}"), &[]),
        (alpha(""), &[UncheckedServer, AlphaUnchecked]),
        (tcp("omega"), &[OmegaWithoutScripts]),
        (tcp("omega\nquorum_down /bin/true"), &[ScriptsAsRoot]),
        (tcp("omega").replacen("80 {\nTCP", "80 {\nnotify_down /bin/true\nTCP", 1), &[ScriptsAsRoot]),
        (udp("ops"), &[]),
        (udp("ops\npersistence_timeout 60"), &[PersistentOps]),
        (tcp("persistence_timeout 60"), &[]),
        (tcp("inhibit_on_failure"), &[]),
        (tcp("persistence_timeout 60\ninhibit_on_failure"), &[InhibitedPersistence]),
        (tcp("") + group, &[UnusedGroup]),
    ];
    for (text, expected) in cases {
        assert_eq!(hints(&text), expected, "{text}");
    }
}

#[test]
fn a_window_in_which_nobody_serves_is_told() {
    let window = |lines: &str| format!("maintenance_window {{\n{lines}\n}}\n");
    let servers = |first: &str, second: &str, more: &str| {
        let server = |number: u8, lines: &str| {
            format!("real_server 10.0.1.{number} 80 {{\n{lines}\nTCP_CHECK {{\n}}\n}}\n")
        };
        format!(
            "virtual_server 10.0.0.9 80 {{\nprotocol TCP\nlvs_sched rr\nlvs_method NAT\n{more}\n{}{}}}\n",
            server(1, first),
            server(2, second)
        )
    };
    let (night, morning) = (window("from 23:00\nto 01:30"), window("from 01:00\nto 02:00"));
    let later = window("from 01:30\nto 02:00");
    let sunday = window("days sun\nfrom 23:00\nto 01:30");
    let monday = window("days mon\nfrom 01:00\nto 02:00");
    let utc = window("from 01:00\nto 02:00\ntimezone utc");
    let global = format!("global_defs {{\n{night}}}\n");
    let told: &[Code] = &[Code::WindowTakesAll];
    for (text, expected) in [
        (servers(&night, "", ""), &[][..]),
        (servers(&night, &later, ""), &[]),
        (servers(&night, &morning, ""), told),
        (servers(&sunday, &monday, ""), told),
        (servers(&sunday, &window("days tue\nfrom 01:00\nto 02:00"), ""), &[]),
        (servers(&night, &utc, ""), &[]),
        (servers(&utc, &utc, ""), told),
        (servers("", "", &night), told),
        (servers("", "", &format!("{night}sorry_server 10.0.1.9 80")), &[]),
        (servers(&night, &morning, "backup_server 10.0.1.7 80 {\nTCP_CHECK {\n}\n}"), &[]),
        (global.clone() + &servers("", "", ""), told),
        (global + &servers(&morning, "", "sorry_server 10.0.1.9 80"), &[]),
    ] {
        assert_eq!(hints(&text, &[]), expected, "{text}");
    }
    let reading = read_text("a.conf", &servers(&sunday, &monday, ""));
    let said = shown(&reading);
    assert!(said.contains("at mon 01:00 every server of "), "{said}");
}

#[test]
fn what_another_complaint_tells_is_not_told_again() {
    // No protocol, which is told of.
    assert_eq!(hints(&service("", "", "TCP_CHECK {\n}"), &[Code::DefaultUsed]), []);
}

#[test]
fn many_servers_with_one_trap_make_one_hint_at_the_first() {
    let reading = read_text("a.conf", &tcp("real_server 10.0.1.3 80 {\n}\nreal_server 10.0.1.4 80 {\n}"));
    let [complaint] = reading.complaints.as_slice() else { panic!("{}", shown(&reading)) };
    let expected = "a.conf:5:13: hint[unchecked-server]: the real server [10.0.1.3]:80 has no check: it counts as up for \
                    ever (and 1 more like it); add at least a `TCP_CHECK`";
    assert_eq!(complaint.to_string(), expected);
}

#[test]
fn every_trap_has_a_code_and_a_sentence_of_its_own() {
    let codes: std::collections::BTreeSet<Code> = TRAPS.iter().map(|trap| trap.code).collect();
    assert_eq!(codes.len(), TRAPS.len());
    assert!(TRAPS.iter().all(|trap| trap.about.ends_with('.')));
}

/// What is said of two instances with these lines, by file: severity and code.
fn compared(ours: &str, theirs: &str) -> [Vec<(Severity, Code)>; 2] {
    let (here, there) = (read_text("a.conf", ours), read_text("b.conf", theirs));
    assert!(here.config.is_some() && there.config.is_some(), "{}{}", shown(&here), shown(&there));
    let brief = |list: Vec<crate::config::Complaint>| {
        list.into_iter().map(|complaint| (complaint.severity, complaint.code)).collect()
    };
    compare(&here, &there).map(brief)
}

#[test]
#[rustfmt::skip]
fn directors_that_do_not_fit_are_told() {
    use Code::*;
    use Severity::{Hint, Warning};
    let unicast = |own: &str, peer: &str, priority: u8| {
        format!("priority {priority}\nunicast_src_ip 10.0.0.{own}\nunicast_peer {{\n10.0.0.{peer}\n}}")
    };
    let password = |text: &str| format!("authentication {{\nauth_type PASS\nauth_pass {text}\n}}");
    type Expected = &'static [(Severity, Code)];
    let cases: &[(&str, &str, Expected)] = &[
        ("priority 150", "", &[]),
        ("", "", &[(Hint, EqualPriority)]),
        ("priority 150\nversion 3", "version 2", &[(Warning, PeerDiffers)]),
        ("priority 150\nadvert_int 2", "", &[(Warning, PeerDiffers)]),
        ("priority 150\nversion 3\nadvert_int 2", "version 3", &[(Hint, PeerDiffers)]),
        (&password("one"), "priority 150", &[(Warning, PeerDiffers)]),
        (&password("one"), &format!("priority 150\n{}", password("two")), &[(Warning, PeerDiffers)]),
        (&password("one"), &format!("priority 150\n{}", password("one")), &[]),
        ("priority 150\nvirtual_ipaddress_excluded {\n10.0.0.8\n}", "", &[(Warning, PeerDiffers)]),
        (&unicast("1", "2", 100), &unicast("2", "1", 150), &[]),
        (&unicast("1", "2", 100), &unicast("3", "1", 150), &[(Warning, PeerDiffers)]),
        (&unicast("1", "2", 100), &unicast("2", "3", 150), &[(Warning, PeerDiffers)]),
        (&unicast("1", "2", 100), "priority 150", &[(Warning, PeerDiffers)]),
        ("priority 150\nnopreempt", "nopreempt", &[]),
        ("priority 150\nnopreempt", "", &[]),
        ("priority 150", "nopreempt", &[(Hint, IdleNopreempt)]),
        ("nopreempt", "priority 150", &[(Hint, IdleNopreempt)]),
    ];
    for (ours, theirs, expected) in cases {
        assert_eq!(compared(&instance(ours), &instance(theirs)), [expected.to_vec(), vec![]], "{ours}\n{theirs}");
    }
}

#[test]
fn instances_belong_together_by_name_and_else_by_vrid() {
    let warning = |code| vec![(Severity::Warning, code)];
    let (ours, theirs) = (instance("priority 150"), instance(""));
    let renamed = theirs.replace(" A ", " B ");
    assert_eq!(compared(&ours, &renamed), [vec![], vec![]]);
    let renumbered = theirs.replace("router_id 1", "router_id 2");
    assert_eq!(compared(&ours, &renumbered), [warning(Code::PeerDiffers), vec![]]);
    let other = renamed.replace("router_id 1", "router_id 2");
    assert_eq!(compared(&ours, &other), [warning(Code::PeerMissing), warning(Code::PeerMissing)]);
}

#[test]
fn a_difference_names_both_places() {
    let (here, there) = (
        read_text("a.conf", &instance("priority 150\nadvert_int 2")),
        read_text("b.conf", &instance("advert_int 1")),
    );
    let [ours, _] = compare(&here, &there);
    let expected = "a.conf:5:12: warning[peer-differs]: `advert_int` is 2 s here and 1 s there: in version 2 such adverts \
                    are dropped (b.conf:4:12); say the same `advert_int` on both";
    assert_eq!(ours.iter().map(ToString::to_string).collect::<Vec<_>>(), [expected]);
}

#[test]
fn a_file_with_errors_is_not_compared() {
    let (here, there) = (read_text("a.conf", &instance("")), read_text("b.conf", "nonsense\n"));
    assert_eq!(compare(&here, &there), [vec![], vec![]]);
}
