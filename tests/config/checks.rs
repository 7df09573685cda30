//! Checks of every kind: what is read of them, what is wrong with them, and what keepalived makes of that.

use directord::config::{BfdCheck, Complaint, FileCheck, FileWeight, PlannedCheck, RealServer};
use healthcheck::{
    Check, Dns, Http, Latency, Pattern, PatternOption, Program, RecordType, Schedule, Smtp, Sni, Tls,
    TlsFiles, Udp,
};

use super::*;

/// A service whose only server says this; its first line is the seventh of the text.
pub(super) fn server(lines: &str) -> String {
    service(&format!("delay_loop 11\nreal_server 10.0.1.1 80 {{\n{lines}\n}}")) + TRACKED
}

/// What checks track.
pub(super) const TRACKED: &str =
    "track_file f {\nfile \"/f\"\n}\nbfd_instance b {\nneighbor_ip 10.0.3.1\nsource_ip 10.0.3.2\n}\n";

/// A check with these lines, the first of which is the eighth of the text.
pub(super) fn block(name: &str, lines: &str) -> String {
    server(&format!("{name} {{\n{lines}\n}}"))
}

/// A page with these lines, the first of which is the tenth of the text.
pub(super) fn page(lines: &str) -> String {
    block("HTTP_GET", &format!("url {{\npath /\n{lines}\n}}"))
}

pub(super) fn only_server(config: &Config) -> &RealServer {
    only_service(config).servers.values().next().expect("a real server")
}

/// The only check of a text, which is one without attempts.
#[track_caller]
fn planned(text: &str) -> PlannedCheck {
    let config = good(text);
    let server = only_server(&config);
    assert!(server.checks.is_empty(), "{:?}", server.checks);
    let [check] = server.planned.as_slice() else { panic!("{:?}", server.planned) };
    PlannedCheck::clone(check)
}

#[track_caller]
pub(super) fn asked(text: &str) -> Check {
    only_check(&good(text)).clone()
}

/// A text as keepalived understands it. It must have complaints, and without `compat` be refused.
#[track_caller]
fn survived(text: &str) -> Config {
    assert!(read_text("test.conf", text).config.is_none(), "{text}");
    good(&format!("{text}global_defs {{\ncompat\n}}\n"))
}

#[test]
fn each_kind_has_the_defaults_of_keepalived() {
    let rhythm = |check: &Check| {
        let Schedule { interval, retry, delay_before_retry, alpha, warmup, fast_recovery, rise, latency } =
            check.schedule;
        assert!(!fast_recovery);
        assert_eq!((rise, latency), (1, Latency::default()));
        assert_eq!((interval, alpha, warmup), (secs(11), false, None));
        // Programs are not asked at a port.
        let target = if matches!(check.kind, Kind::Command(_)) { "10.0.1.1:0" } else { "10.0.1.1:80" };
        assert_eq!((check.target.to_string().as_str(), check.source), (target, None));
        assert_eq!((check.device.as_deref(), check.mark, check.log_all_failures), (None, 0, None));
        assert_eq!(check.connect_timeout, secs(5));
        (check.kind.clone(), retry, delay_before_retry)
    };
    let check = |name: &str| rhythm(&asked(&block(name, "")));
    assert_eq!(check("SMTP_CHECK"), (Kind::Smtp(Smtp::default()), 1, secs(1)));
    let dns = Dns { record: RecordType::Soa, name: ".".into() };
    assert_eq!(check("DNS_CHECK"), (Kind::Dns(dns), 3, secs(11)), "a pause is a round");
    let udp = Udp { payload: None, reply: None, shortest: 0, longest: 255 };
    assert_eq!(check("UDP_CHECK"), (Kind::Udp(udp), 1, secs(1)));
    assert_eq!(check("PING_CHECK"), (Kind::Ping, 1, secs(1)));
    let tls = rhythm(&asked(&block("SSL_GET", "url {\npath /\n}")));
    let http = Http {
        urls: vec![healthcheck::Url::new("/").unwrap()],
        tls: Some(Tls { sni: Sni::Off, verify: true, files: None, expiry_days: None }),
        ..Http::default()
    };
    assert_eq!(tls, (Kind::Http(http), 1, secs(3)));
    let misc =
        Program { words: vec!["/bin/x".into()], user: None, group: None, timeout: None, dynamic: false };
    assert_eq!(rhythm(&asked(&block("MISC_CHECK", "misc_path /bin/x"))), (Kind::Command(misc), 0, secs(1)));
}

#[test]
fn settings_of_checks_come_from_the_nearest_place() {
    let text = |server: &str, check: &str| {
        service(&format!(
            "real_server 10.0.1.1 80 {{\n{server}\nTCP_CHECK {{\n{check}\n}}\n}}\ndelay_loop 9\nretry 4\nconnect_timeout 2"
        ))
    };
    let values = |config: &Config| {
        let check = only_check(config);
        (check.schedule.interval, check.schedule.retry, check.connect_timeout)
    };
    assert_eq!(values(&clean(&text("", ""))), (secs(9), 4, secs(2)));
    assert_eq!(values(&clean(&text("retry 5\ndelay_loop 8", ""))), (secs(8), 5, secs(2)));
    assert_eq!(
        values(&clean(&text("retry 5", "retry 6\nconnect_timeout 0.5"))),
        (secs(9), 6, Duration::from_millis(500))
    );
}

#[test]
fn a_web_check_says_everything_itself() {
    let config = clean(&service(
        "virtualhost service.example\nreal_server 10.0.1.1 80 {\nHTTP_GET {\nconnect_ip 10.0.1.2\nconnect_port 81\n\
         bindto 10.0.1.9\nhttp_protocol 1.1\nnb_get_retry 2\ndelay_before_retry 0.5\nwarmup 1\n\
         url {\npath /a?b=c\nstatus_code 200 301-302\nvirtualhost url.example\n}\n\
         url { path / \n digest 9b3a0c85a887a256d6939da88aabd8cd }\n}\n}",
    ));
    let check = only_check(&config);
    assert_eq!(check.target.to_string(), "10.0.1.2:81");
    assert_eq!(check.source.map(|source| source.to_string()).as_deref(), Some("10.0.1.9:0"));
    assert_eq!((check.schedule.retry, check.schedule.warmup), (2, Some(secs(1))));
    let Kind::Http(http) = &check.kind else { panic!("{:?}", check.kind) };
    assert_eq!((http.protocol, http.virtualhost.as_deref()), (HttpVersion::Http11, Some("service.example")));
    let [first, second] = http.urls.as_slice() else { panic!("two pages") };
    assert_eq!((first.path.as_str(), first.status.to_string().as_str()), ("/a?b=c", "200 301-302"));
    assert_eq!((first.virtualhost.as_deref(), first.digest), (Some("url.example"), None));
    assert_eq!(second.digest.map(|digest| digest[..2].to_vec()), Some(vec![0x9b, 0x3a]));
    assert_eq!(second.status.to_string(), "200-299");
}

#[test]
fn everything_that_is_said_is_kept() {
    let check = asked(&block(
        "SSL_GET",
        "connect_ip 10.0.1.2\nconnect_port 81\nbindto 10.0.1.9\nbind_port 1024\nbind_if eth1\nfwmark 7\nalpha\n\
         log_all_failures off\nwarmup 2\nenable_sni\nsni_name a.example\nfast_recovery\ntls_compliant\nvirtualhost b.example\n\
         url {\npath /x\nregex 'a b'\nregex_no_match\nregex_options caseless multiline\nregex_min_offset 3\n\
         regex_max_offset 9\nregex_stack 10 20\n}",
    ));
    assert_eq!(check.target.to_string(), "10.0.1.2:81");
    assert_eq!(check.source.map(|source| source.to_string()).as_deref(), Some("10.0.1.9:1024"));
    assert_eq!((check.device.as_deref(), check.mark, check.log_all_failures), (Some("eth1"), 7, Some(false)));
    assert_eq!((check.schedule.alpha, check.schedule.warmup), (true, Some(secs(2))));
    let Kind::Http(http) = &check.kind else { panic!("{:?}", check.kind) };
    let sni = Sni::Name("a.example".into());
    assert_eq!(http.tls, Some(Tls { sni, verify: true, files: None, expiry_days: None }));
    assert!(check.schedule.fast_recovery && http.urls[0].close_notify);
    let options = [PatternOption::Caseless, PatternOption::Multiline].into();
    let (min_offset, max_offset, stack) = (3, Some(9), Some((10, 20)));
    let pattern = Pattern { text: "a b".into(), absent: true, options, min_offset, max_offset, stack };
    assert_eq!(http.urls[0].pattern.as_deref(), Some(&pattern));
    // TLS has no place in a check without.
    let config = good(&page("regex a\ntls_compliant"));
    let Kind::Http(http) = &only_check(&config).kind else { panic!() };
    assert_eq!(http.urls[0].pattern.as_ref().map(|pattern| pattern.text.as_str()), Some("a"));
    assert!(!http.urls[0].close_notify && http.tls.is_none());
}

#[test]
fn kinds_say_what_is_their_own() {
    let kind = |name: &str, lines: &str| asked(&block(name, lines)).kind;
    let helo = Some("mail.example".to_owned());
    assert_eq!(kind("SMTP_CHECK", "helo_name mail.example"), Kind::Smtp(Smtp { helo, ..Smtp::default() }));
    let dns = Dns { record: RecordType::Aaaa, name: "a.example.".into() };
    assert_eq!(kind("DNS_CHECK", "type aaaa\nname a.example."), Kind::Dns(dns));
    let Kind::Udp(udp) = kind("UDP_CHECK", "payload 0aF f\nrequire_reply") else { panic!() };
    assert_eq!((udp.payload, udp.reply), (Some(vec![0x0a, 0x0f, 0x0f]), Some(vec![])));
    let Kind::Udp(udp) = kind("UDP_CHECK", "require_reply 1x xx\nmin_reply_length 2\nmax_reply_length 9")
    else {
        panic!()
    };
    let reply: String = udp.reply.iter().flatten().map(ToString::to_string).collect();
    assert_eq!((reply.as_str(), udp.shortest, udp.longest), ("1xxx", 2, 9));
    let program = Program {
        words: vec!["/bin/x".into(), "a b".into()],
        user: Some("nobody".into()),
        group: Some("nogroup".into()),
        timeout: Some(secs(7)),
        dynamic: true,
    };
    let schedule = Schedule {
        interval: secs(4),
        retry: 2,
        delay_before_retry: secs(3),
        alpha: true,
        warmup: Some(secs(0)),
        fast_recovery: false,
        rise: 4,
        latency: Latency::default(),
    };
    let misc = "user nobody nogroup\nmisc_path \"/bin/x 'a b'\"\nmisc_timeout 7\nmisc_dynamic\nretry 2\n\
                delay_before_retry 3\nrise 4\ndelay_loop 4\nwarmup 0\nalpha\nlog_all_failures";
    let check = asked(&block("MISC_CHECK", misc));
    assert_eq!((check.kind, check.schedule), (Kind::Command(program), schedule));
    assert_eq!(check.log_all_failures, Some(true));
}

#[test]
fn certificates_are_verified_unless_it_is_said_or_done_as_keepalived_does() {
    let tls = |text: &str| match only_check(&good(text)).kind.clone() {
        Kind::Http(Http { tls: Some(tls), .. }) => tls,
        other => panic!("{other:?}"),
    };
    let check = |line: &str| block("SSL_GET", &format!("url {{\npath /\n}}\n{line}"));
    let compat = "global_defs {\ncompat\n}\n";
    for (text, expected) in [
        (check(""), true),
        (check("verify off"), false),
        (check("") + "SSL {\nverify off\n}\n", false),
        (check("verify") + "SSL {\nverify off\n}\n", true),
        (check("") + compat, false),
        (check("verify") + compat, true),
        (check("") + "SSL {\nverify\n}\n" + compat, true),
    ] {
        assert_eq!(tls(&text).verify, expected, "{text}");
    }
    let files = TlsFiles { ca: Some("/a".into()), ..TlsFiles::default() };
    let found = tls(&(check("") + "SSL {\nca /a\n}\n")).files;
    assert_eq!(found.as_deref(), Some(&files));
}

#[test]
fn hosts_of_a_mail_check_are_checks_of_their_own() {
    let checks = |lines: &str| -> Vec<(String, u32, Option<String>)> {
        let config = good(&block("SMTP_CHECK", lines));
        let describe = |check: &std::sync::Arc<Check>| match &**check {
            Check { target, schedule, kind: Kind::Smtp(Smtp { helo, .. }), .. } => {
                (target.to_string(), schedule.retry, helo.clone())
            }
            other => panic!("{other:?}"),
        };
        only_server(&config).checks.iter().map(describe).collect()
    };
    let check =
        |target: &str, retry: u32, helo: Option<&str>| (target.to_owned(), retry, helo.map(str::to_owned));
    assert_eq!(checks("host {\n}"), [check("10.0.1.1:80", 1, None)]);
    let two = "host {\nconnect_ip 10.0.0.3\nretry 5\n}\nhost {\nconnect_port 26\n}\nretry 4\nhelo_name x";
    assert_eq!(checks(two), [check("10.0.0.3:80", 5, Some("x")), check("10.0.1.1:26", 4, Some("x"))]);
    let both = "connect_port 25\nhost {\nconnect_ip 10.0.0.3\n}";
    assert_eq!(checks(both), [check("10.0.1.1:25", 1, None), check("10.0.0.3:80", 1, None)]);
}

#[test]
fn a_check_of_a_server_without_port_needs_one() {
    let text = |check: &str| {
        format!(
            "virtual_server fwmark 1 {{\nlvs_sched rr\nlvs_method NAT\nreal_server 10.0.1.1 {{\n{check}\n}}\n}}\n"
        )
    };
    good(&text("PING_CHECK {\n}"));
    good(&text("TCP_CHECK {\nconnect_port 80\n}"));
    assert_eq!(only_check(&survived(&text("TCP_CHECK {\n}"))).target.port(), 0);
}

#[test]
fn files_and_neighbours_are_named() {
    let file = |lines: &str| match planned(&block("FILE_CHECK", lines)) {
        PlannedCheck::File(check) => check,
        other => panic!("{other:?}"),
    };
    let check = |weight| FileCheck { track_file: "f".into(), weight };
    assert_eq!(file("track_file f"), check(None));
    let weight = |factor, reverse| Some(FileWeight { factor, reverse });
    assert_eq!(file("track_file f\nweight -3 reverse"), check(weight(-3, true)));
    assert_eq!(file("weight 300\ntrack_file f"), check(weight(300, false)));
    let bfd = BfdCheck { name: "b".into(), alpha: true };
    assert_eq!(planned(&block("BFD_CHECK", "name b\nalpha")), PlannedCheck::Bfd(bfd));
}

#[test]
fn tls_files_are_kept() {
    let text = format!(
        "SSL {{\npassword x\nca /a\n}}\nSSL {{\ncertificate /b\nkey /c\nca /d\n}}\n{}",
        service(SERVER)
    );
    let tls = good(&text).tls.expect("files");
    let value = |value: &str| Some(value.to_owned());
    assert_eq!(
        (tls.password, tls.ca, tls.certificate, tls.key),
        (value("x"), value("/d"), value("/b"), value("/c"))
    );
    assert_eq!(good(&service(SERVER)).tls, None);
}

#[test]
#[rustfmt::skip]
fn mistakes_in_checks_are_told() {
    use Code::*;
    use super::complaints::{assert_cases, case};
    let misc = |line: &str| block("MISC_CHECK", &format!("misc_path /bin/x\n{line}"));
    assert_cases(Severity::Error, &[
        case(block("HTTP_GET", ""), MissingKeyword, 9, 1, "`url`"),
        case(block("SSL_GET", "url {\n}"), MissingKeyword, 8, 1, "`path`"),
        case(page("status_code 200 2xx"), InvalidNumber, 10, 17, "2xx"),
        case(page("digest d41d"), InvalidText, 10, 8, "32"),
        case(page("regex a b"), UnexpectedWord, 10, 9, "quotes"),
        case(page("regex \"(a\""), InvalidText, 10, 7, "missing closing parenthesis"),
        case(page("regex a\nregex_options caseles"), InvalidChoice, 11, 15, "`caseless`"),
        case(page("regex a\nregex_min_offset 9\nregex_max_offset 3"), Conflict, 11, 1, "behind"),
        case(page("regex a\nregex_stack 9"), MissingValue, 11, 1, "two numbers"),
        case(page("regex a\nregex_stack 9 3"), Conflict, 11, 1, "less"),
        case(block("TCP_CHECK", "bind_if a/b"), InvalidText, 8, 9, "interface"),
        case(block("TCP_CHECK", "fwmark 0x10"), InvalidNumber, 8, 8, "fwmark"),
        case(block("TCP_CHECK", "bindto ::1"), FamilyMismatch, 8, 1, "family"),
        case(block("TCP_CHECK", "nb_get_retry 3"), MisplacedKeyword, 8, 1, "HTTP_GET"),
        case(block("DNS_CHECK", "type AAA"), InvalidChoice, 8, 6, "did you mean"),
        case(block("DNS_CHECK", "name a..b"), InvalidText, 8, 6, "empty"),
        case(block("UDP_CHECK", "payload 0x0a"), InvalidText, 8, 9, "hexadecimal"),
        case(block("UDP_CHECK", "payload zz"), InvalidText, 8, 9, "hexadecimal"),
        case(block("UDP_CHECK", "require_reply on"), InvalidText, 8, 15, "hexadecimal"),
        case(block("UDP_CHECK", "min_reply_length 300"), Conflict, 8, 1, "none ever passes"),
        case(block("UDP_CHECK", "max_reply_length 70000"), OutOfRange, 8, 18, "65535"),
        case(block("MISC_CHECK", ""), MissingKeyword, 9, 1, "`misc_path`"),
        case(block("MISC_CHECK", "misc_path /bin/x -v"), UnexpectedWord, 8, 18, "`-v`"),
        case(misc("misc_timeout 1.5"), InvalidNumber, 9, 14, "misc_timeout"),
        case(misc("user a b c"), UnexpectedWord, 9, 10, "`c`"),
        case(misc("connect_timeout 3"), MisplacedKeyword, 9, 1, "TCP_CHECK"),
        case(block("FILE_CHECK", ""), MissingKeyword, 9, 1, "`track_file`"),
        case(block("FILE_CHECK", "track_file f\nweight 3 backwards"), InvalidChoice, 9, 10, "reverse"),
        case(block("BFD_CHECK", "alpha"), MissingKeyword, 9, 1, "`name`"),
        case(block("FILE_CHECK", "track_file g"), UndefinedName, 8, 12, "no `track_file` named `g`"),
        case(block("BFD_CHECK", "name c"), UndefinedName, 8, 6, "no `bfd_instance` named `c`"),
        case(block("BFD_CHECK", "name b").replace("neighbor_ip", "vrrp\nneighbor_ip"), UndefinedName, 8, 6, "add `checker`"),
        case(block("BFD_CHECK", "name a b"), UnexpectedWord, 8, 8, "`b`"),
        case(server("TCP_CHECK x {\n}"), UnexpectedWord, 7, 11, "`x`"),
    ]);
    assert_cases(Severity::Warning, &[
        case(page("regex_no_match"), NoEffect, 10, 1, "without `regex`"),
        case(page("digest d41d8cd98f00b204e9800998ecf8427e\ndigest 00000000000000000000000000000000"), RepeatedKeyword, 11, 1, "the first one counts"),
        case(block("TCP_CHECK", "delay_loop 0.0001"), ValueAdjusted, 8, 1, "0.001"),
        case(page("regex a\nregex_options caseless alt_bsux"), NotSupportedYet, 11, 24, "`alt_bsux`"),
    ]);
    // Hints beside other things.
    let above = format!("{TRACKED}{}", block("FILE_CHECK", "track_file f").replace(TRACKED, ""));
    for (text, expected) in [
        (block("HTTP_GET", "nb_get_retry 3\nurl {\npath /\n}"), Some(OldName)),
        (block("HTTP_GET", "retry 3\nurl {\npath /\n}"), None),
        (block("FILE_CHECK", "track_file f"), Some(DefinedLater)),
        (above, None),
    ] {
        let reading = read_text("test.conf", &text);
        let hint = |complaint: &&Complaint| matches!(complaint.code, OldName | DefinedLater);
        let hint = reading.complaints.iter().find(hint);
        assert_eq!(hint.map(|complaint| complaint.code), expected, "{text}");
    }
}

#[test]
fn keepaliveds_way_with_mistakes_is_known() {
    // Web checks.
    let url = |lines: &str| match &only_check(&survived(&page(lines))).kind {
        Kind::Http(http) => http.urls[0].clone(),
        other => panic!("{other:?}"),
    };
    assert_eq!(url("status_code 200 2xx 300-301 500-400").status.to_string(), "200 300-301");
    assert_eq!(url("status_code 99").status.to_string(), "200-299");
    assert_eq!(url("digest d41d").digest, None);
    assert_eq!(url("regex \"(a\"").pattern, None);
    assert_eq!(url("regex a b").pattern, None);
    let pattern = url("regex a\nregex_options caseless x\nregex_min_offset 9\nregex_max_offset 3");
    let pattern = pattern.pattern.expect("an expression");
    assert_eq!(pattern.options, [PatternOption::Caseless].into());
    assert_eq!((pattern.min_offset, pattern.max_offset), (0, None));
    assert_eq!(url("path x").path, "x");
    assert_eq!(url("virtualhost a/b").virtualhost.as_deref(), Some("a/b"));
    let urls = |lines: &str| match &only_check(&survived(&block("HTTP_GET", lines))).kind {
        Kind::Http(http) => http.urls.len(),
        other => panic!("{other:?}"),
    };
    assert_eq!(urls("url {\n}\nurl {\npath /\n}"), 1);
    // Checks that are left out.
    for text in [
        block("MISC_CHECK", "user nobody"),
        block("FILE_CHECK", "weight 3"),
        block("BFD_CHECK", "name a b"),
        block("BFD_CHECK", "name c"),
        block("FILE_CHECK", "track_file g"),
    ] {
        let config = survived(&text);
        let server = only_server(&config);
        assert!(server.checks.is_empty() && server.planned.is_empty(), "{text}");
    }
    // Lines that are left out.
    let kind = |name: &str, lines: &str| {
        let config = survived(&block(name, lines));
        only_check(&config).kind.clone()
    };
    let dns = Dns { record: RecordType::A, name: "a".into() };
    assert_eq!(kind("DNS_CHECK", "type A\ntype B\nname a\nname a..b"), Kind::Dns(dns));
    let any = Udp { reply: Some(vec![]), payload: Some(vec![1]), ..Udp::default() };
    assert_eq!(kind("UDP_CHECK", "payload 01\npayload zz\nrequire_reply on"), Kind::Udp(any));
    let never = Udp { shortest: 300, ..Udp::default() };
    assert_eq!(kind("UDP_CHECK", "min_reply_length 300"), Kind::Udp(never));
    assert_eq!(only_check(&survived(&block("TCP_CHECK", "bindto ::1"))).source, None);
    let config = survived(&block("MISC_CHECK", "misc_path /bin/x -v\nmisc_timeout x"));
    let Kind::Command(misc) = &only_check(&config).kind else { panic!() };
    assert_eq!((misc.words.as_slice(), misc.timeout), (["/bin/x".to_owned()].as_slice(), None));
}

#[test]
fn of_what_is_said_again_keepalived_takes_its_own_choice() {
    let config = good(&page(
        "status_code 200\nstatus_code 301-302\ndigest d41d8cd98f00b204e9800998ecf8427e\n\
         digest 00000000000000000000000000000000\npath /a\nregex a\nregex b",
    ));
    let Kind::Http(http) = &only_check(&config).kind else { panic!() };
    let url = &http.urls[0];
    assert_eq!((url.status.to_string().as_str(), url.path.as_str()), ("200 301-302", "/a"));
    assert_eq!(url.digest.map(|digest| digest[0]), Some(0xd4));
    assert_eq!(url.pattern.as_ref().map(|pattern| pattern.text.as_str()), Some("b"));
}
