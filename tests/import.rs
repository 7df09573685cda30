//! Importing other programs' configurations: what is written is read without an error and means the same, and of each
//! line is told what became of it.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on should fail here")]

#[path = "import/ipvsadm.rs"]
mod ipvsadm;
#[path = "import/services.rs"]
mod services;

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::time::Duration;

use directord::config::{self, Code, Config, VirtualServer};
use directord::import::{self, Fate, Imported};
use healthcheck::Kind;
use ipvs_backend::{
    DestinationKey, Family, Forwarding, Granularity, Persistence, Protocol, ServiceKey, flag,
};
use proptest::prelude::*;

const WEB: &str = include_str!("import/web.cf");
const PLAIN: &str = include_str!("import/plain.cf");
const OTHERS: &str = include_str!("import/others.cf");
const SHARED: &str = include_str!("import/shared.cf");
const TABLE: &str = include_str!("import/table.ipvsadm");

/// One name has an address in each family, no other has any.
fn resolve(name: &str, family: Family) -> Option<IpAddr> {
    let address = match family {
        Family::V4 => "198.51.100.77",
        Family::V6 => "2001:db8::77",
    };
    (name == "web1.example.org").then(|| address.parse().unwrap())
}

fn ldirectord(text: &str) -> Imported {
    import::ldirectord::import("test.cf", text, &resolve)
}

/// What is written, read again in both forms.
fn read(imported: &Imported) -> Config {
    let lines = imported.lines.as_ref().unwrap_or_else(|| panic!("{:#?}", imported.complaints));
    let text = config::write::text(lines);
    let reading = config::read_text("written.conf", &text);
    let config = reading.config.unwrap_or_else(|| panic!("{text}\n{:#?}", reading.complaints));
    let toml = config::write::toml(lines);
    let reading = config::read_text("written.toml", &toml);
    assert_eq!(reading.config.as_ref(), Some(&config), "{toml}\n{:#?}", reading.complaints);
    config
}

fn notes(imported: &Imported, line: u32) -> Vec<(Fate, &str)> {
    imported
        .report
        .notes()
        .filter(|note| note.line == line)
        .map(|note| (note.fate, note.text.as_str()))
        .collect()
}

/// The line that begins so, counted from 1.
fn line_of(text: &str, start: &str) -> u32 {
    let found = text.lines().position(|line| line.trim_start().starts_with(start));
    u32::try_from(found.unwrap_or_else(|| panic!("no line begins with {start}")) + 1).unwrap()
}

fn key(protocol: Protocol, address: &str, port: u16) -> ServiceKey {
    ServiceKey::Address { protocol, address: address.parse().unwrap(), port }
}

fn server(address: &str, port: u16) -> DestinationKey {
    DestinationKey::new(address.parse().unwrap(), port)
}

#[test]
fn of_each_line_is_told_what_became_of_it() {
    for (text, imported) in [
        (WEB, ldirectord(WEB)),
        (OTHERS, ldirectord(OTHERS)),
        (PLAIN, ldirectord(PLAIN)),
        (SHARED, ldirectord(SHARED)),
        (TABLE, import::ipvsadm::import("table", TABLE)),
    ] {
        read(&imported);
        for (number, line) in (1..).zip(text.lines()) {
            let says = !line.trim().is_empty() && !line.trim_start().starts_with('#');
            let fates = notes(&imported, number);
            let told = fates.iter().any(|(fate, _)| *fate != Fate::Trap);
            assert_eq!(told, says, "line {number}: {line}: {fates:?}");
        }
    }
}

/// Every keyword that ldirectord knows, by its manual and the two that the manual leaves out.
const KEYWORDS: &str = "checktimeout negotiatetimeout checkinterval checkcount failurecount autoreload callback fallback \
    fallback6 fallbackcommand logfile emailalert emailalertfrom emailalertfreq emailalertstatus smtp execute supervised \
    fork quiescent readdquiescent cleanstop maintenancedir virtual virtual6 real real6 checktype service checkcommand \
    checkport request receive httpmethod virtualhost login passwd database secret scheduler persistent netmask \
    schedflags protocol ops monitorfile servicename comment load";

#[test]
fn the_samples_say_every_keyword() {
    let said: BTreeSet<&str> = [WEB, OTHERS]
        .iter()
        .flat_map(|text| text.lines())
        .filter_map(|line| line.trim().split(['=', ' ']).next())
        .collect();
    let missing: Vec<&str> = KEYWORDS.split_whitespace().filter(|keyword| !said.contains(keyword)).collect();
    assert!(missing.is_empty(), "{missing:?}");
}

#[test]
fn a_section_becomes_a_virtual_server_that_means_the_same() {
    let config = read(&ldirectord(WEB));
    let web: &VirtualServer = &config.services[&key(Protocol::Tcp, "192.0.2.10", 80)];
    let expected = Persistence {
        timeout: Duration::from_secs(600),
        granularity: Granularity::Netmask("255.255.255.0".parse().unwrap()),
    };
    assert_eq!(web.settings.scheduler.as_str(), "wlc");
    assert_eq!(web.settings.persistence, Some(expected));
    assert_eq!(web.sorry.as_ref().unwrap().key, server("127.0.0.1", 80));
    assert_eq!(web.servers.len(), 6, "a range is three servers");
    let first = &web.servers[&server("198.51.100.1", 80)];
    assert_eq!((first.weight, first.forwarding, first.inhibit), (5, Forwarding::Dr, true));
    let [check] = first.checks.as_slice() else { panic!("{:?}", first.checks) };
    assert_eq!(check.connect_timeout, Duration::from_secs(6), "the time of checks that negotiate");
    assert_eq!(check.schedule.interval, Duration::from_secs(8));
    assert_eq!((check.schedule.retry, check.schedule.delay_before_retry), (2, Duration::from_secs(8)));
    let Kind::Http(http) = &check.kind else { panic!("{check:?}") };
    assert_eq!(http.urls[0].path, "/index.html");
    let translated = &web.servers[&server("198.51.100.5", 8080)];
    assert_eq!((translated.weight, translated.forwarding), (2, Forwarding::Nat));
    let Kind::Http(http) = &translated.checks[0].kind else { panic!("{translated:?}") };
    assert_eq!(http.urls[0].path, "/alive?deep=1", "a server's own request");
    // Direct routing keeps the port; the check asks where it asked.
    let direct = &web.servers[&server("198.51.100.6", 80)];
    assert_eq!(direct.checks[0].target.port(), 8080);

    let tls = &config.services[&key(Protocol::Tcp, "192.0.2.10", 443)];
    assert_eq!(tls.settings.flags, flag::MH_PORT | flag::MH_FALLBACK);
    let sorry = tls.sorry.as_ref().unwrap();
    assert_eq!((sorry.key, sorry.forwarding), (server("198.51.100.99", 8443), Forwarding::Nat));
    assert!(tls.servers.values().all(|server| server.forwarding == Forwarding::Tun && !server.inhibit));

    let mark = &config.services[&ServiceKey::Mark { family: Family::V4, mark: 7 }];
    let checks: Vec<_> = mark.servers.values().map(|server| server.checks[0].target.to_string()).collect();
    assert_eq!(checks, ["198.51.100.1:80", "198.51.100.2:80"]);
    assert_eq!(mark.servers.values().next().unwrap().checks[0].connect_timeout, Duration::from_secs(4));
    assert!(config.services.contains_key(&ServiceKey::Mark { family: Family::V6, mark: 9 }));
    let ipv6 = &config.services[&key(Protocol::Tcp, "2001:db8::10", 80)];
    assert_eq!(ipv6.sorry.as_ref().unwrap().key, server("::1", 80));
    let email = config.global.email.unwrap();
    assert_eq!(email.to, ["ops@example.org", "night@example.org", "web@example.org"]);
    assert_eq!(email.server, "mail.example.org");
}

#[test]
fn a_plain_file_becomes_this() {
    let imported = ldirectord(PLAIN);
    let expected = "\
virtual_server 192.0.2.1 80 {
    protocol TCP
    lvs_sched wrr
    lvs_method DR
    delay_loop 10
    connect_timeout 30
    alpha
    inhibit_on_failure

    real_server 198.51.100.1 80 {
        weight 1
        HTTP_GET {
            url {
                path /
            }
            retry 0
        }
    }
}

virtual_server fwmark 3 {
    lvs_sched wrr
    lvs_method DR
    delay_loop 10
    connect_timeout 5
    retry 1
    delay_before_retry 10
    alpha
    inhibit_on_failure
    sorry_server 127.0.0.1

    real_server 198.51.100.1 {
        weight 1
        TCP_CHECK {
            connect_port 8080
        }
    }
}
";
    assert_eq!(config::write::text(imported.lines.as_ref().unwrap()), expected);
    let config = read(&imported);
    let retries: Vec<u32> = config
        .services
        .values()
        .map(|service| service.servers.values().next().unwrap().checks[0].schedule.retry)
        .collect();
    assert_eq!(retries, [0, 1]);
}

#[test]
fn what_has_no_counterpart_is_said_to_be_lost() {
    let imported = ldirectord(OTHERS);
    let config = read(&imported);
    let text = config::write::text(imported.lines.as_ref().unwrap());
    for (start, fate, part) in [
        ("service = ldap", Fate::Translated, "`LDAP_CHECK`"),
        ("virtual = 192.0.2.1:1812", Fate::Changed, "Status-Server"),
        ("service = imap", Fate::Translated, "`IMAP_CHECK`"),
        ("passwd = ", Fate::Translated, "`password`"),
        ("database = ", Fate::Translated, "`database`"),
        ("checktype = external-perl", Fate::Changed, "executable"),
        ("checktype = off", Fate::Changed, "`weight 0`"),
        ("virtual = 192.0.2.1:110", Fate::Trap, "without `login`"),
        ("service = ftp", Fate::Trap, "without `receive`"),
        ("virtual = 192.0.2.2:53", Fate::Trap, "without `receive`"),
        ("virtual = 192.0.2.1:9999", Fate::Trap, "never checked"),
        ("virtual = 192.0.2.1:25", Fate::Trap, "taken for smtp"),
        ("checktype = connect", Fate::Trap, "pings"),
    ] {
        let found = notes(&imported, line_of(OTHERS, start));
        assert!(found.iter().any(|(f, text)| *f == fate && text.contains(part)), "{start}: {found:?}");
    }
    let whole: Vec<&str> = notes(&imported, 0).into_iter().map(|(_, text)| text).collect();
    assert!(whole.iter().any(|text| text.contains("`quiescent` is not said")), "{whole:?}");
    assert!(whole.iter().any(|text| text.contains("30 s is longer")), "{whole:?}");
    // The arguments of a command, in ldirectord's order.
    assert!(text.contains("misc_path \"/usr/local/bin/probe 192.0.2.3 9999 198.51.100.1 9999\"\n"), "{text}");
    // A name server is asked backward for an address.
    assert!(text.contains("name 10.2.0.192.in-addr.arpa\n"), "{text}");
    // Nobody is written to about a section whose mails are off.
    let silent = &config.services[&key(Protocol::Tcp, "192.0.2.3", 9999)];
    assert!(!silent.alert && silent.servers.values().all(|server| !server.alert));
    let loud = &config.services[&key(Protocol::Tcp, "192.0.2.4", 9999)];
    assert!(loud.servers.values().all(|server| server.alert));
    // With `off` the fallback serves, and nobody else.
    let off = &config.services[&key(Protocol::Tcp, "192.0.2.7", 9999)];
    let weights: Vec<_> =
        off.servers.iter().map(|(key, server)| (key.address.to_string(), server.weight)).collect();
    assert_eq!(weights, [("198.51.100.1".to_owned(), 0), ("198.51.100.9".to_owned(), 1)]);
    // A whole address of a page is asked there.
    let pages = &config.services[&key(Protocol::Tcp, "192.0.2.9", 80)];
    assert_eq!(pages.servers[&server("198.51.100.1", 80)].checks[0].target.to_string(), "198.51.100.50:8081");
    assert!(!imported.report().contains("very secret") && !imported.report().contains("shared\""));
}

#[test]
fn sections_that_share_a_check_are_named() {
    let imported = ldirectord(SHARED);
    let second = line_of(SHARED, "real = 198.51.100.1:80 gate 2 # again");
    let found = notes(&imported, second);
    assert!(found.iter().any(|(_, text)| text.contains("counts each failure once per section")), "{found:?}");
    assert!(
        found.iter().any(|(_, text)| text.contains("with the login, method and times of that one")),
        "{found:?}"
    );
    let persistent = notes(&imported, line_of(SHARED, "persistent"));
    assert!(persistent.iter().any(|(_, text)| text.contains("expire_quiescent_template")), "{persistent:?}");
    let config = read(&imported);
    // An interval of a section counts where each has a process.
    let intervals: Vec<u64> = config
        .services
        .values()
        .map(|service| service.servers.values().next().unwrap().checks[0].schedule.interval.as_secs())
        .collect();
    assert_eq!(intervals, [10, 2]);
}

#[test]
fn times_are_each_others_default() {
    // What is said for all, what the section says, what kind of check, and the time that comes of it.
    for (all, own, kind, expected) in [
        ("", "", "connect", 5),
        ("", "", "negotiate", 30),
        ("checktimeout=7\n", "", "negotiate", 7),
        ("negotiatetimeout=8\n", "", "connect", 8),
        ("checktimeout=7\nnegotiatetimeout=8\n", "", "connect", 7),
        ("checktimeout=7\nnegotiatetimeout=8\n", "", "negotiate", 8),
        ("checktimeout=7\n", "\tnegotiatetimeout=9\n", "connect", 9),
        ("negotiatetimeout=8\n", "\tchecktimeout=6\n", "negotiate", 6),
        ("checktimeout=7\n", "\tchecktimeout=6\n\tnegotiatetimeout=9\n", "connect", 6),
    ] {
        let text =
            format!("{all}virtual=192.0.2.1:80\n\treal=198.51.100.1:80 gate\n\tchecktype={kind}\n{own}");
        let config = read(&ldirectord(&text));
        let service = config.services.values().next().unwrap();
        let check = &service.servers.values().next().unwrap().checks[0];
        assert_eq!(check.connect_timeout.as_secs(), expected, "{text}");
    }
}

#[test]
fn names_are_looked_up_and_the_report_says_so() {
    let text =
        "virtual=web1.example.org:www\n\treal=web1.example.org:http gate\n\tservice=http\n\tquiescent=no\n";
    let imported = ldirectord(text);
    let config = read(&imported);
    assert!(config.services.contains_key(&key(Protocol::Tcp, "198.51.100.77", 80)));
    assert!(
        notes(&imported, 1)
            .iter()
            .any(|(fate, text)| *fate == Fate::Changed && text.contains("198.51.100.77"))
    );
    assert!(!imported.report.is_faithful());
}

#[test]
fn a_file_can_be_translated_without_loss() {
    let text = "checktimeout=3\nnegotiatetimeout=3\ncheckinterval=5\nquiescent=yes\n\
                virtual=192.0.2.1:80\n\treal=198.51.100.1:80 gate\n\tchecktype=connect\n\tscheduler=rr\n";
    let imported = ldirectord(text);
    read(&imported);
    assert!(imported.report.is_faithful(), "{}", imported.report());
    assert!(
        imported.report().ends_with("test.cf: 8 lines translated, 0 changed, 0 dropped, 0 traps\n"),
        "{}",
        imported.report()
    );
}

#[test]
fn comments_stand_where_ldirectord_bears_them() {
    let text = "checkinterval=7  # seconds\nlogfile=\"local0\" # a facility\n\
                virtual=192.0.2.1:80   # a comment\n\treal=198.51.100.1 gate -w 3\t# without a port\n\tchecktype=connect\n\
                virtual=5\t#mark\n\treal=198.51.100.1 gate\n\tchecktype=on#\n";
    let imported = ldirectord(text);
    let config = read(&imported);
    let web = &config.services[&key(Protocol::Tcp, "192.0.2.1", 80)];
    let server = &web.servers[&server("198.51.100.1", 80)];
    assert_eq!((server.weight, server.checks[0].schedule.interval.as_secs()), (3, 7));
    assert!(config.services.contains_key(&ServiceKey::Mark { family: Family::V4, mark: 5 }));
    assert!(notes(&imported, 1).iter().all(|(fate, _)| *fate == Fate::Translated));
    let refused = ldirectord("quiescent=no # a comment\n");
    assert!(refused.complaints[0].suggestion.as_ref().unwrap().contains("a line of its own"));
}

#[test]
fn what_cannot_be_read_is_complained_of_where_it_stands() {
    let section = |line: &str| format!("virtual=192.0.2.1:80\n\treal=198.51.100.1:80 gate\n\t{line}\n");
    let real = |value: &str| format!("virtual=192.0.2.1:80\n\treal={value}\n");
    let cases = [
        ("checkintervall=3\n".to_owned(), Code::UnknownKeyword, 1, 1),
        ("checkinterval=often\n".to_owned(), Code::InvalidNumber, 1, 15),
        ("checktimeout=0\n".to_owned(), Code::OutOfRange, 1, 14),
        ("timeout=3\n".to_owned(), Code::UnknownKeyword, 1, 1),
        ("quiescent=maybe\n".to_owned(), Code::InvalidChoice, 1, 11),
        ("logfile=local0\n".to_owned(), Code::InvalidText, 1, 9),
        ("nonsense\n".to_owned(), Code::MissingValue, 1, 1),
        ("fork=\n".to_owned(), Code::MissingValue, 1, 1),
        ("real=198.51.100.1:80 gate\n".to_owned(), Code::MisplacedKeyword, 1, 1),
        ("  fork=yes\n".to_owned(), Code::MisplacedKeyword, 1, 3),
        ("\tservice=http\n".to_owned(), Code::MisplacedKeyword, 1, 2),
        (section("\n\tservice=http"), Code::MisplacedKeyword, 4, 2),
        (section("fork=yes"), Code::MisplacedKeyword, 3, 2),
        (section("receive=\"a#b\""), Code::UnclosedQuote, 3, 12),
        (section("request=index.html"), Code::InvalidText, 3, 10),
        (section("checktype=ask"), Code::InvalidChoice, 3, 12),
        (section("service=gopher"), Code::InvalidChoice, 3, 10),
        (section("scheduler=fair"), Code::InvalidChoice, 3, 12),
        (section("schedflags=sh-prot"), Code::InvalidChoice, 3, 13),
        (section("netmask=24"), Code::InvalidPrefix, 3, 10),
        (section("protocol=sctp"), Code::InvalidChoice, 3, 11),
        (section("real6=[2001:db8::1]:80 gate"), Code::FamilyMismatch, 3, 2),
        (section("virtualhost=a/b"), Code::InvalidText, 3, 14),
        (section("emailalertstatus=sleeping"), Code::InvalidChoice, 3, 19),
        (section("request=\"a b\""), Code::InvalidText, 3, 2),
        (real("198.51.100.1:80"), Code::MissingValue, 2, 7),
        (real("198.51.100.1:80 gatee"), Code::InvalidChoice, 2, 7),
        (real("198.51.100.1:htpp gate"), Code::InvalidPort, 2, 7),
        (real("198.51.100.300:80 gate"), Code::InvalidAddress, 2, 7),
        (real("nowhere.example.org:80 gate"), Code::UndefinedName, 2, 7),
        (real("198.51.100.9->198.51.100.1:80 gate"), Code::OutOfRange, 2, 7),
        (real("10.0.0.1->10.255.255.255:80 gate"), Code::OutOfRange, 2, 7),
        (real("198.51.100.1:80 gate heavy"), Code::UnexpectedWord, 2, 7),
        (real("198.51.100.1:80 gate 1 \"/\""), Code::InvalidText, 2, 7),
        ("virtual=192.0.2.1\n".to_owned(), Code::MissingValue, 1, 9),
        ("virtual=0\n".to_owned(), Code::OutOfRange, 1, 9),
        ("virtual=[2001:db8::1]:80\n".to_owned(), Code::FamilyMismatch, 1, 9),
        ("virtual=3\n\tprotocol=tcp\n".to_owned(), Code::InvalidChoice, 2, 11),
        ("virtual=3\n\treal=198.51.100.1 gate\n\tchecktype=connect\n".to_owned(), Code::MissingValue, 2, 2),
        (format!("{0}{0}", real("198.51.100.1:80 gate")), Code::DuplicateService, 3, 1),
    ];
    for (text, code, line, column) in cases {
        let imported = ldirectord(&text);
        let found: Vec<_> = imported.complaints.iter().map(|c| (c.code, c.line, c.column)).collect();
        assert_eq!(found, [(code, line, column)], "{text}");
        assert!(imported.lines.is_none(), "{text}");
    }
}

#[test]
fn the_command_writes_and_tells_how_it_went() {
    let folder = std::path::PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("import");
    std::fs::create_dir_all(&folder).unwrap();
    let (good, bad) = (folder.join("good.cf"), folder.join("bad.cf"));
    std::fs::write(&good, PLAIN).unwrap();
    std::fs::write(&bad, "checkintervall=3\n").unwrap();
    let directord = |arguments: &[&str]| {
        std::process::Command::new(env!("CARGO_BIN_EXE_directord"))
            .arg("import")
            .args(arguments)
            .output()
            .unwrap()
    };
    let (good, bad) = (good.to_str().unwrap(), bad.to_str().unwrap());
    let (to, report) = (folder.join("out.toml"), folder.join("report"));
    let output = directord(&["ldirectord", good]);
    assert_eq!(output.status.code(), Some(0));
    assert!(String::from_utf8(output.stdout).unwrap().starts_with("virtual_server 192.0.2.1 80 {\n"));
    assert!(
        String::from_utf8(output.stderr).unwrap().contains("good.cf:3: translated: `virtual = 192.0.2.1:80`")
    );
    let (to, report) = (to.to_str().unwrap(), report.to_str().unwrap());
    let output = directord(&["ldirectord", good, "--to", "toml", "-o", to, "--report", report]);
    assert_eq!((output.status.code(), output.stdout, output.stderr), (Some(0), vec![], vec![]));
    assert!(std::fs::read_to_string(to).unwrap().starts_with("[virtual_server.\"192.0.2.1 80\"]\n"));
    assert!(std::fs::read_to_string(report).unwrap().contains("9 lines translated"));
    let table = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/import/table.ipvsadm");
    let output = directord(&["ipvsadm", table, "-o", to, "--report", "-"]);
    assert_eq!(output.status.code(), Some(0));
    assert!(String::from_utf8(output.stdout).unwrap().contains("15 lines translated"));
    let web = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/import/web.cf");
    assert_eq!(directord(&["ldirectord", web]).status.code(), Some(1), "something was changed");
    let output = directord(&["ldirectord", bad, "-o", "/nonexistent/out"]);
    assert_eq!((output.status.code(), output.stdout.len()), (Some(2), 0));
    let complaint = String::from_utf8(output.stderr).unwrap();
    assert!(complaint.contains("bad.cf:1:1") && !complaint.contains("keepalived"), "{complaint}");
    assert_eq!(directord(&["ldirectord", "/nonexistent/file"]).status.code(), Some(66));
    assert_eq!(directord(&["ldirectord", good, "-o", "/nonexistent/out"]).status.code(), Some(73));
}

/// Lines of sections, of which any choice can be read.
const OF_SECTIONS: &[&str] = &[
    "checktype=connect",
    "checktype=ping",
    "checktype=on",
    "checktype=off",
    "checktype=external",
    "checktype=2",
    "service=http",
    "service=https",
    "service=dns",
    "service=smtp",
    "service=pop",
    "service=sip",
    "service=mysql",
    "service=radius",
    "service=none",
    "protocol=udp",
    "protocol=tcp",
    "checkport=8080",
    "checkcommand=\"/bin/probe it\"",
    "request=\"a/b?c=$d{e}!\"",
    "receive=\"^(a|b) \\\"{2}$\"",
    "virtualhost=\"x.example.org\"",
    "httpmethod=HEAD",
    "scheduler=sh",
    "schedflags=sh-port,sh-fallback",
    "persistent=60",
    "netmask=255.255.0.0",
    "ops=yes",
    "quiescent=yes",
    "fallback=198.51.100.99:81 masq",
    "fallback=127.0.0.1",
    "fallbackcommand=\"/bin/x y\"",
    "emailalert=a@example.org",
    "emailalertstatus=none",
    "failurecount=3",
    "checkcount=2",
    "checkinterval=2",
    "checktimeout=5000",
    "login=\"x\"",
    "cleanstop=no",
    "real=198.51.100.8->198.51.100.9:82 ipip 0",
];
const OF_ALL: &[&str] = &[
    "checktimeout=3",
    "negotiatetimeout=4",
    "failurecount=2",
    "checkcount=3",
    "fork=yes",
    "fallback=127.0.0.1:80",
    "fallbackcommand=/bin/down now",
    "quiescent=no",
    "emailalert=ops@example.org",
    "smtp=mail.example.org",
    "emailalertfrom=director@example.org",
];
const HEADS: &[&str] = &[
    "virtual=192.0.2.1:80\n\treal=198.51.100.1:80 gate",
    "virtual=192.0.2.2:443\n\treal=198.51.100.1:443 masq 3",
    "virtual=192.0.2.3:53\n\treal=198.51.100.1:5353 gate",
    "virtual=192.0.2.4:9\n\treal=198.51.100.1:9 ipip 2 \"/x\", \"y z\"",
];

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn whatever_can_be_read_is_written_without_an_error(
        all in proptest::sample::subsequence(OF_ALL.to_vec(), 0..OF_ALL.len()),
        sections in proptest::collection::vec(proptest::sample::subsequence(OF_SECTIONS.to_vec(), 0..12), HEADS.len()),
    ) {
        let mut text: String = all.iter().map(|line| format!("{line}\n")).collect();
        for (head, lines) in HEADS.iter().zip(sections) {
            text.push_str(head);
            for line in lines {
                text.push_str(&format!("\n    {line}"));
            }
            text.push_str("\n\n");
        }
        let imported = ldirectord(&text);
        prop_assert!(imported.lines.is_some(), "{text}\n{:#?}", imported.complaints);
        read(&imported);
    }

    #[test]
    fn any_text_gives_statements_or_a_complaint(text in r#"((virtual|real|real6|checktype|fallback|x|-A|-a|-t)?[= \t]?(\[|\]|->|:|"|,|[0-9.]{1,9}|\PC{0,5}|gate|-r)?[\n \t#]{0,2}){0,12}"#) {
        for imported in [ldirectord(&text), import::ipvsadm::import("table", &text)] {
            prop_assert_eq!(imported.lines.is_none(), !imported.complaints.is_empty(), "{}", text);
            imported.report();
        }
    }
}
