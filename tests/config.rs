//! Reading configurations: what is understood, and what is said about what is not.

#[path = "config/any_check.rs"]
mod any_check;
#[path = "config/any_text.rs"]
mod any_text;
#[path = "config/checks.rs"]
mod checks;
#[path = "config/complaints.rs"]
mod complaints;
#[path = "config/global.rs"]
mod global;
#[path = "config/handshakes.rs"]
mod handshakes;
#[path = "config/instances.rs"]
mod instances;
#[path = "config/language.rs"]
mod language;
#[path = "config/proxied.rs"]
mod proxied;
#[path = "config/requests.rs"]
mod requests;
#[path = "config/round_trip.rs"]
mod round_trip;
#[path = "config/samples.rs"]
mod samples;
#[path = "config/services.rs"]
mod services;
#[path = "config/toml.rs"]
mod toml;
#[path = "config/trackers.rs"]
mod trackers;
#[path = "config/via.rs"]
mod via;
#[path = "config/windows.rs"]
mod windows;

use std::collections::BTreeSet;
use std::fs;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use directord::config::keywords::{self, Form, Place, Status};
use directord::config::source::{Fetched, Refusal};
use directord::config::{
    Code, Colour, Config, Manner, Purpose, Reading, Severity, Surroundings, Transport, read, read_fetched,
    read_text, read_text_as, render,
};
use healthcheck::{HttpVersion, Kind};
use ipvs_backend::{DestinationKey, Family, Forwarding, Granularity, ServiceKey, flag};
use nix::time::ClockId;
use vrrp::{Auth, Role, Version};

fn shown(reading: &Reading) -> String {
    render(&reading.complaints, &reading.sources, Colour::Never)
}

/// The configuration of a text without any complaint but hints, which have tests of their own.
#[track_caller]
fn clean(text: &str) -> Config {
    let reading = read_text("test.conf", text);
    let bad = reading.complaints.iter().any(|complaint| complaint.severity != Severity::Hint);
    assert!(!bad, "{}", shown(&reading));
    reading.config.expect("without complaints there is a configuration")
}

/// The configuration of a text that is used, perhaps with complaints.
#[track_caller]
fn good(text: &str) -> Config {
    let reading = read_text("test.conf", text);
    let complaints = shown(&reading);
    reading.config.unwrap_or_else(|| panic!("{complaints}"))
}

fn ip(text: &str) -> IpAddr {
    text.parse().expect("an address")
}

/// A complete instance with these lines in it.
fn instance(lines: &str) -> String {
    format!(
        "vrrp_instance A {{\ninterface eth0\nvirtual_router_id 1\n{lines}\nvirtual_ipaddress {{\n10.0.0.9\n}}\n}}\n"
    )
}

/// A complete virtual server with these lines in it, the first of which is the fifth of the text.
fn service(lines: &str) -> String {
    format!("virtual_server 10.0.0.9 80 {{\nprotocol TCP\nlvs_sched rr\nlvs_method NAT\n{lines}\n}}\n")
}

const SERVER: &str = "real_server 10.0.1.1 80 {\n}";

fn only_instance(config: &Config) -> &directord::config::Instance {
    config.instances.values().next().expect("an instance")
}

fn only_service(config: &Config) -> &directord::config::VirtualServer {
    config.services.values().next().expect("a virtual server")
}

fn only_check(config: &Config) -> &healthcheck::Check {
    let server = only_service(config).servers.values().next().expect("a real server");
    server.checks.first().expect("a check")
}

#[test]
fn the_example_is_without_complaint() {
    let reading =
        read(Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/etc/directord.conf")), None, Purpose::Check);
    assert!(reading.complaints.is_empty(), "{}", shown(&reading));
    let config = reading.config.expect("a configuration");
    assert_eq!((config.instances.len(), config.services.len()), (1, 3));
    let methods: BTreeSet<_> = config
        .services
        .values()
        .flat_map(|service| service.servers.values().map(|server| server.forwarding.to_string()))
        .collect();
    assert_eq!(methods, ["DR", "NAT", "TUN"].map(String::from).into());
    assert!(config.global.email.is_some());
}

#[test]
fn defaults_of_an_instance_are_keepaliveds() {
    let config = clean(&instance(""));
    let instance = only_instance(&config);
    let router = &instance.router;
    assert_eq!((instance.interface.as_str(), router.vrid), ("eth0", 1));
    assert_eq!((router.version, router.priority, router.wish), (Version::V2, 100, Role::Backup));
    assert_eq!((router.interval, router.preempt, router.preempt_delay), (secs(1), true, secs(0)));
    assert_eq!((router.down_timer_adverts, &router.auth), (3, &Auth::None));
    assert_eq!((router.announce.repeat, router.announce.delay, router.announce.refresh), (5, secs(5), None));
    assert_eq!((router.announce.lower_repeat, router.announce.lower_delay), (5, secs(5)));
    assert_eq!(router.addresses, [ip("10.0.0.9")]);
    assert_eq!(instance.addresses[0].prefix, 32);
    assert_eq!((&instance.transport, instance.source, instance.alert), (&Transport::Multicast, None, true));
}

#[test]
fn an_instance_says_everything_itself() {
    let config = clean(
        "global_defs {\nvrrp_version 2\nsmtp_alert_vrrp off\nvrrp_garp_master_repeat 2\n}\n\
         vrrp_instance A {\nstate BACKUP\ninterface bond0.7\nvirtual_router_id 255\npriority 254\nversion 3\n\
         advert_int 0.05\nnopreempt\ndown_timer_adverts 5\nlower_prio_no_advert\nhigher_prio_send_advert yes\n\
         unicast_src_ip 10.0.0.1\nunicast_peer {\n10.0.0.2\n10.0.0.3\n}\n\
         garp_master_delay 0\ngarp_master_refresh 60\ngarp_master_refresh_repeat 3\ngarp_lower_prio_delay 1\n\
         garp_lower_prio_repeat 0\nsmtp_alert\n\
         virtual_ipaddress {\n10.0.0.9/24 brd 10.0.0.255 dev eth1 scope global label eth1:vip\n}\n\
         virtual_ipaddress_excluded {\n10.0.5.9\n}\n}\n",
    );
    let instance = only_instance(&config);
    let router = &instance.router;
    assert_eq!((router.vrid, router.priority, router.version), (255, 254, Version::V3));
    assert_eq!(
        (router.interval, router.preempt, router.down_timer_adverts),
        (Duration::from_millis(50), false, 5)
    );
    assert!(router.lower_prio_no_advert && router.higher_prio_send_advert);
    assert_eq!(instance.transport, Transport::Unicast(vec![ip("10.0.0.2"), ip("10.0.0.3")]));
    assert_eq!(instance.source, Some(ip("10.0.0.1")));
    let announce = router.announce;
    assert_eq!((announce.repeat, announce.delay, announce.refresh), (2, secs(0), Some(secs(60))));
    assert_eq!((announce.refresh_repeat, announce.lower_delay, announce.lower_repeat), (3, secs(1), 0));
    assert_eq!(router.addresses, [ip("10.0.0.9")]);
    let [first, second] = instance.addresses.as_slice() else { panic!("two addresses") };
    assert_eq!(
        (first.prefix, first.interface.as_deref(), first.label.as_deref()),
        (24, Some("eth1"), Some("eth1:vip"))
    );
    assert_eq!(second.address, ip("10.0.5.9"));
    assert!(instance.alert);
}

#[test]
fn passwords_go_with_version_2() {
    let config = clean(&instance("authentication {\nauth_type PASS\nauth_pass \"a b#c\"\n}"));
    assert_eq!(only_instance(&config).router.auth, Auth::password("a b#c"));
}

#[test]
fn global_settings_reach_instances_wherever_they_stand() {
    let text = format!(
        "{}global_defs {{\nvrrp_version 3\nvrrp_garp_master_delay 7\nvrrp_down_timer_adverts 4\n\
         vrrp_lower_prio_no_advert\nsmtp_alert false\nrouter_id LVS\nvrrp_skip_check_adv_addr\ndynamic_interfaces\n}}\n",
        instance("")
    );
    let config = clean(&text);
    let instance = only_instance(&config);
    assert_eq!((instance.router.version, instance.router.down_timer_adverts), (Version::V3, 4));
    assert_eq!((instance.router.announce.delay, instance.router.announce.lower_delay), (secs(7), secs(7)));
    assert!(instance.router.lower_prio_no_advert && !instance.alert);
    assert_eq!(config.global.router_id.as_deref(), Some("LVS"));
}

#[test]
fn mail_needs_recipients_and_a_server() {
    let config = clean(
        "global_defs {\nnotification_email { a@b.c d@e.f }\nnotification_email_from \"Boss <x@y.z>\"\n\
         smtp_server mail.example.org 2525\nsmtp_helo_name me.example.org\nsmtp_connect_timeout 5\n}\n",
    );
    let email = config.global.email.expect("mail");
    assert_eq!(email.to, ["a@b.c", "d@e.f"]);
    assert_eq!(
        (email.server.as_str(), email.port, email.connect_timeout),
        ("mail.example.org", 2525, secs(5))
    );
    assert_eq!(
        (email.from.as_deref(), email.helo.as_deref()),
        (Some("Boss <x@y.z>"), Some("me.example.org"))
    );
    let config = clean("global_defs {\nsmtp_server ::1\n}\n");
    assert_eq!(config.global.email, None);
    let config = good("global_defs {\nnotification_email {\nroot\n}\nsmtp_server ::1\n}\n");
    let email = config.global.email.expect("mail");
    assert_eq!(
        (email.to, email.port, email.connect_timeout),
        (vec!["root@localhost".to_owned()], 25, secs(30))
    );
}

#[test]
fn defaults_of_services_servers_and_checks_are_keepaliveds() {
    let config = clean(&service("real_server 10.0.1.1 8080 {\nTCP_CHECK {\n}\n}"));
    let (key, service) = config.services.iter().next().expect("a service");
    assert_eq!(*key, ServiceKey::tcp(ip("10.0.0.9"), 80));
    assert_eq!((service.settings.flags, service.settings.persistence), (0, None));
    assert!(service.sorry.is_none() && service.alert);
    let (key, server) = service.servers.iter().next().expect("a server");
    assert_eq!(*key, DestinationKey::new(ip("10.0.1.1"), 8080));
    assert_eq!(
        (server.weight, server.forwarding, server.inhibit, server.alert),
        (1, Forwarding::Nat, false, true)
    );
    let check = &server.checks[0];
    assert_eq!(
        (&check.kind, check.target.to_string().as_str(), check.source),
        (&Kind::Tcp, "10.0.1.1:8080", None)
    );
    assert_eq!(check.connect_timeout, secs(5));
    assert_eq!((check.schedule.interval, check.schedule.retry), (secs(60), 1));
    assert_eq!((check.schedule.delay_before_retry, check.schedule.alpha), (secs(1), false));
    let config = clean(&self::service("real_server 10.0.1.1 80 {\nHTTP_GET {\nurl {\npath /\n}\n}\n}"));
    assert_eq!(only_check(&config).schedule.delay_before_retry, secs(3));
}

#[test]
fn services_are_balanced_as_written() {
    let config = clean(
        "virtual_server 10.0.0.9 443 {\nlb_algo sh\nlb_kind DR\nprotocol tcp\npersistence_timeout\n\
         persistence_granularity 255.255.255.0\nsh-port\nsh-fallback\nweight 7\ninhibit_on_failure\n\
         sorry_server 10.0.1.99 443\nreal_server 10.0.1.1 443 {\n}\nreal_server 10.0.1.2 {\nweight 0\nlvs_method TUN\n}\n}\n",
    );
    let service = only_service(&config);
    assert_eq!(service.settings.scheduler.as_str(), "sh");
    assert_eq!(service.settings.flags, flag::SH_PORT | flag::SH_FALLBACK);
    let persistence = service.settings.persistence.expect("persistence");
    assert_eq!(
        (persistence.timeout, persistence.granularity),
        (secs(360), Granularity::Netmask([255, 255, 255, 0].into()))
    );
    let servers: Vec<_> = service
        .servers
        .iter()
        .map(|(key, server)| (key.port, server.weight, server.forwarding, server.inhibit))
        .collect();
    assert_eq!(servers, [(443, 7, Forwarding::Dr, true), (443, 0, Forwarding::Tun, true)]);
    let sorry = service.sorry.as_ref().expect("a sorry server");
    assert_eq!((sorry.key, sorry.forwarding), (DestinationKey::new(ip("10.0.1.99"), 443), Forwarding::Dr));
}

#[test]
fn marks_and_ipv6_services_are_understood() {
    let config = clean(
        "virtual_server fwmark 7 {\nlvs_sched rr\nlvs_method DR\nreal_server 2001:db8::1 {\n}\n}\n\
         virtual_server 2001:db8::9 53 {\nlvs_sched rr\nlvs_method DR\nprotocol UDP\nops\nreal_server 2001:db8::1 53 {\n\
         TCP_CHECK {\n}\n}\n}\n",
    );
    let keys: Vec<_> = config.services.keys().copied().collect();
    assert_eq!(
        keys,
        [ServiceKey::udp(ip("2001:db8::9"), 53), ServiceKey::Mark { family: Family::V6, mark: 7 }]
    );
    assert_eq!(only_service(&config).settings.flags, flag::ONE_PACKET);
}

#[test]
fn the_layout_of_the_text_does_not_matter() {
    let neat = "global_defs {\n    router_id LVS\n}\n\nvrrp_instance A {\n    interface eth0\n    virtual_router_id 1\n    \
                virtual_ipaddress {\n        10.0.0.9\n    }\n}\n";
    let odd = "\u{feff}! Configuration File\r\nglobal_defs{router_id LVS}\r\n\tvrrp_instance   A\r\n\r\n{ # caf\u{e9}\r\n\
               interface\teth0 ! the outer one\r\nvirtual_router_id 1 #}\r\nvirtual_ipaddress { 10.0.0.9 }\r\n} # end";
    assert_eq!(clean(odd), clean(neat));
}

#[test]
fn an_emptied_file_is_refused() {
    let directory = scratch("empty");
    let file = directory.join("empty.conf");
    for text in ["", "\n", "# nothing but words\n", "global_defs {\n router_id LVS\n}\n"] {
        fs::write(&file, text).unwrap();
        let reading = read(&file, None, Purpose::Check);
        assert_eq!(codes(&reading), [(Severity::Error, Code::NothingToDo, 1, 1)], "{text:?}");
        assert!(reading.config.is_none());
    }
    fs::remove_dir_all(&directory).unwrap();
}

#[test]
fn odd_bytes_matter_outside_comments_only() {
    let directory = scratch("bytes");
    let file = directory.join("latin.conf");
    let service = b"\nvirtual_server 192.0.2.1 80 {\nprotocol TCP\nlvs_sched rr\nlvs_method NAT\nreal_server 192.0.2.2 80 {\nTCP_CHECK {\n}\n}\n}\n";
    let good = [b"# caf\xe9\nglobal_defs {\n\trouter_id LVS ! \xff\n}".as_slice(), service].concat();
    fs::write(&file, good).unwrap();
    let reading = read(&file, None, Purpose::Check);
    assert!(reading.complaints.is_empty(), "{}", shown(&reading));
    assert_eq!(reading.config.expect("a configuration").global.router_id.as_deref(), Some("LVS"));
    fs::write(&file, b"global_defs {\n\trouter_id caf\xe9\n}").unwrap();
    assert_eq!(codes(&read(&file, None, Purpose::Check)), [(Severity::Error, Code::NotUtf8, 2, 12)]);
    fs::write(&file, b"global_defs {\n\trouter_id\0 x\n}").unwrap();
    assert_eq!(codes(&read(&file, None, Purpose::Check))[0], (Severity::Error, Code::NulByte, 2, 11));
    fs::remove_dir_all(&directory).unwrap();
}

#[test]
fn files_that_are_none_are_refused_with_their_name() {
    let directory = scratch("none");
    for (path, code) in
        [(directory.join("missing.conf"), Code::FileMissing), (directory.clone(), Code::NotAFile)]
    {
        let reading = read(&path, None, Purpose::Check);
        assert!(reading.config.is_none());
        assert_eq!(codes(&reading), [(Severity::Error, code, 1, 1)]);
        assert_eq!(reading.complaints[0].file, path.display().to_string());
        let place = format!(" --> {}:1:1\n", path.display());
        assert!(shown(&reading).contains(&place), "{}", shown(&reading));
    }
    fs::remove_dir_all(&directory).unwrap();
}

#[test]
fn included_files_are_read_relative_to_the_one_that_includes() {
    let directory = scratch("include");
    let write = |name: &str, text: &str| fs::write(directory.join(name), text).unwrap();
    fs::create_dir(directory.join("conf.d")).unwrap();
    write(
        "main.conf",
        "include conf.d/*.conf\ninclude nothing/*.conf\nglobal_defs {\n\tinclude {name,mail}.inc\n}\n",
    );
    write("conf.d/b.conf", &instance("priorty 9"));
    write("conf.d/a.conf", "include b-list.inc\n");
    write("conf.d/b-list.inc", &service(SERVER));
    write("name.inc", "router_id LVS");
    write("mail.inc", "smtp_server 127.0.0.1");
    let reading = read(&directory.join("main.conf"), None, Purpose::Check);
    assert_eq!(codes(&reading), [(Severity::Error, Code::UnknownKeyword, 4, 1)]);
    assert!(reading.complaints[0].file.ends_with("conf.d/b.conf"));
    assert!(
        shown(&reading).contains(&format!("included from {}:1\n", directory.join("main.conf").display()))
    );
    write("conf.d/b.conf", &instance("priority 9"));
    let reading = read(&directory.join("main.conf"), None, Purpose::Check);
    assert!(reading.complaints.iter().all(|c| c.severity == Severity::Hint), "{}", shown(&reading));
    let config = reading.config.expect("a configuration");
    assert_eq!((config.instances.len(), config.services.len()), (1, 1));
    assert_eq!(config.global.router_id.as_deref(), Some("LVS"));
    fs::remove_dir_all(&directory).unwrap();
}

#[test]
fn includes_without_end_are_stopped() {
    let fetch = |path: &Path| -> Vec<Fetched> {
        let name = path.to_string_lossy();
        let text = match name.as_ref() {
            "self" => "include self".to_owned(),
            "missing" => {
                let message = "there is no such file".to_owned();
                let text = Err(Refusal { code: Code::FileMissing, message });
                return vec![Fetched { path: path.to_owned(), text }];
            }
            // Each file includes two others: a tree that would never be finished.
            other => format!("include {other}a\ninclude {other}b\n"),
        };
        vec![Fetched { path: path.to_owned(), text: Ok(text) }]
    };
    let reading = |text: &str| {
        read_fetched(
            Fetched { path: PathBuf::from("main"), text: Ok(text.to_owned()) },
            &fetch,
            &language::around("low"),
            Purpose::Check,
        )
    };
    assert_eq!(codes(&reading("include self")), [(Severity::Error, Code::IncludeLoop, 1, 9)]);
    assert_eq!(codes(&reading("include missing")), [(Severity::Error, Code::FileMissing, 1, 9)]);
    let tree = reading("include x");
    assert_eq!(codes(&tree).iter().map(|found| found.1).collect::<BTreeSet<_>>(), [Code::IncludeLoop].into());
    assert!(tree.config.is_none());
}

#[test]
fn every_complaint_is_made_in_one_go() {
    let text = "global_defs {\nrouterid x\n}\nvrrp_instance A {\npriority 256\nstate SLAVE\n}\n";
    let found: Vec<_> =
        codes(&read_text("test.conf", text)).into_iter().map(|found| (found.1, found.2)).collect();
    let expected = [
        (Code::UnknownKeyword, 2),
        (Code::MissingKeyword, 4),
        (Code::MissingKeyword, 4),
        (Code::MissingKeyword, 4),
        (Code::OutOfRange, 5),
        (Code::InvalidChoice, 6),
    ];
    assert_eq!(found, expected);
}

#[test]
fn instances_of_both_families_are_read() {
    let config = clean(
        "vrrp_instance A {\ninterface eth0\nvirtual_router_id 1\npriority 100\nversion 3\n\
         virtual_ipaddress {\nfe80::9/64\n2001:db8::9\n}\n\
         virtual_ipaddress_excluded {\n2001:db8::10/64\n10.0.0.9/24\n}\n}\n",
    );
    let instance = &config.instances["A"];
    assert!(instance.is_ipv6());
    assert_eq!(instance.router.addresses, [ip("fe80::9"), ip("2001:db8::9")], "what adverts name");
    let all: Vec<_> = instance.all_addresses().map(|a| format!("{}/{}", a.address, a.prefix)).collect();
    assert_eq!(all, ["fe80::9/64", "2001:db8::9/128", "2001:db8::10/64", "10.0.0.9/24"]);
}

#[test]
fn one_missing_brace_is_one_error() {
    let text = format!(
        "{}\n{}{}",
        instance("").trim_end().trim_end_matches('}'),
        service(SERVER),
        instance("").replace(" A", " B").replace("id 1", "id 2")
    );
    let (errors, rest): (Vec<_>, Vec<_>) =
        codes(&read_text("test.conf", &text)).into_iter().partition(|found| found.0 == Severity::Error);
    assert_eq!(errors, [(Severity::Error, Code::UnclosedBlock, 1, 17)]);
    // What keepalived makes of the rest is told of each line, and shown once.
    assert!(rest.iter().all(|found| found.1 == Code::ReadElsewhere), "{rest:?}");
    assert_eq!(read_text("test.conf", &text).render(Colour::Never).matches("read-elsewhere").count(), 1);
}

#[test]
fn complaints_are_shown_with_their_line() {
    let reading = read_text("my.conf", "vrrp_instance A {\n\tpriorty 100\n}\n");
    let text = shown(&reading);
    let expected = "\
error[unknown-keyword]: `priorty` is no keyword of `vrrp_instance`
 --> my.conf:2:2
  |
2 |     priorty 100
  |     ^^^^^^^
  = help: did you mean `priority`?
";
    assert!(text.contains(expected), "{text}");
    assert_eq!(
        reading.complaints.last().map(ToString::to_string).as_deref(),
        Some(
            "my.conf:2:2: error[unknown-keyword]: `priorty` is no keyword of `vrrp_instance`; did you mean `priority`?"
        )
    );
    let json = serde_json::to_value(&reading.complaints).unwrap();
    assert_eq!(json[3]["code"], "unknown-keyword");
    assert_eq!((&json[3]["severity"], &json[3]["line"]), (&"error".into(), &2.into()));
}

/// A keyword that the table says works must be known to the code that lowers its block.
#[test]
fn every_working_keyword_does_something() {
    for keyword in
        keywords::all().filter(|keyword| matches!(keyword.status, Status::Works | Status::SameAs(_)))
    {
        for place in keyword.places {
            let line = match keyword.form {
                Form::Block(..) | Form::Lines(..) => format!("{} {{\n}}", keyword.name),
                _ => keyword.name.to_owned(),
            };
            let reading = read_text("test.conf", &inside(*place, &line));
            let forgotten = reading.complaints.iter().find(|complaint| {
                complaint.code == Code::NotSupportedYet
                    && complaint.message == format!("`{}` is not in effect yet", keyword.name)
            });
            let excused = matches!(
                place,
                Place::SslGet | Place::SmtpCheck | Place::DnsCheck | Place::UdpCheck | Place::PingCheck
            );
            let other = keywords::find(*place, keyword.canonical());
            let works = matches!(other, keywords::Found::Here(found) if found.status == Status::Works);
            assert!(forgotten.is_none() || excused || !works, "{} in {place}", keyword.name);
        }
    }
}

/// A text in which the line stands at that place.
fn inside(place: Place, line: &str) -> String {
    let server =
        |check: &str| format!("virtual_server 10.0.0.9 80 {{\nreal_server 10.0.1.1 80 {{\n{check}\n}}\n}}\n");
    match place {
        Place::Root => line.to_owned(),
        Place::VirtualServer => format!("virtual_server 10.0.0.9 80 {{\n{line}\n}}\n"),
        Place::RealServer => server(line),
        Place::Authentication => format!("vrrp_instance A {{\nauthentication {{\n{line}\n}}\n}}\n"),
        Place::Url => server(&format!("HTTP_GET {{\nurl {{\n{line}\n}}\n}}")),
        Place::TcpCheck
        | Place::HttpGet
        | Place::FtpCheck
        | Place::ImapCheck
        | Place::Pop3Check
        | Place::NntpCheck
        | Place::SipCheck
        | Place::TextCheck => server(&format!("{} {{\n{line}\n}}", place.name())),
        other => format!("{} A {{\n{line}\n}}\n", other.name()),
    }
}

#[test]
fn a_hundred_thousand_servers_are_read_in_linear_time() {
    let text = |count: u32| {
        let mut text =
            "virtual_server 10.0.0.1 80 {\nprotocol TCP\nlvs_sched rr\nlvs_method NAT\n".to_owned();
        for n in 0..count {
            let [_, a, b, c] = n.to_be_bytes();
            text += &format!(
                "real_server 10.{a}.{b}.{c} 80 {{\nweight 1\nTCP_CHECK {{\nconnect_timeout 3\n}}\n}}\n"
            );
        }
        text + "}\n"
    };
    let measure = |count| {
        let text = text(count);
        let start = processor_time();
        assert_eq!(only_service(&clean(&text)).servers.len(), usize::try_from(count).unwrap());
        processor_time() - start
    };
    let (small, large) = (measure(10_000), measure(100_000));
    // Ten times the text; a quadratic step anywhere would make it a hundred times the work.
    assert!(large < small * 40, "{small:?} for 10,000, {large:?} for 100,000");
}

/// What this thread has had of the processor, however many others want it.
fn processor_time() -> Duration {
    ClockId::CLOCK_THREAD_CPUTIME_ID.now().expect("each thread has such a clock").into()
}

fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// Severity, code, line and column of each complaint.
fn codes(reading: &Reading) -> Vec<(Severity, Code, u32, u32)> {
    let place = |complaint: &directord::config::Complaint| {
        (complaint.severity, complaint.code, complaint.line, complaint.column)
    };
    reading.complaints.iter().map(place).collect()
}

/// A directory of this test's own.
fn scratch(name: &str) -> PathBuf {
    let directory = std::env::temp_dir().join(format!("directord-config-{name}-{}", std::process::id()));
    fs::create_dir_all(&directory).expect("the temporary directory can be written to");
    directory
}
