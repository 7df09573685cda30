//! The table of ipvsadm: the services that come of it are those that it describes.

use std::time::Duration;

use directord::config::{self, Code};
use directord::import;
use ipvs_backend::{
    DestinationSettings, Family, Forwarding, Granularity, Persistence, Protocol, Scheduler, ServiceKey,
    ServiceSettings, flag,
};

use super::{TABLE, key, read, server};

#[test]
fn a_table_becomes_the_services_that_it_describes() {
    let imported = import::ipvsadm::import("table", TABLE);
    assert!(imported.report.is_faithful(), "{}", imported.report());
    for trap in ["the servers have no checks", "prints neither limits of connections"] {
        assert!(imported.report().contains(trap), "{}", imported.report());
    }
    let services = read(&imported).services;
    let service = |scheduler: &str| ServiceSettings::new(scheduler.parse::<Scheduler>().unwrap());
    let persistent = |mut settings: ServiceSettings, seconds: u64, granularity: Granularity| {
        settings.persistence = Some(Persistence { timeout: Duration::from_secs(seconds), granularity });
        settings
    };
    let with = |mut settings: ServiceSettings, flags: u32| {
        settings.flags = flags;
        settings
    };
    let mut sip = persistent(service("wlc"), 60, Granularity::Host);
    sip.engine = Some("sip".to_owned());
    let mask = Granularity::Netmask("255.255.255.0".parse().unwrap());
    let hashed =
        with(persistent(service("sh"), 60, Granularity::Prefix(64)), flag::SH_FALLBACK | flag::SH_PORT);
    let own = DestinationSettings::new;
    let expected = [
        (
            key(Protocol::Tcp, "192.0.2.1", 80),
            persistent(service("wlc"), 300, mask),
            vec![
                (server("198.51.100.1", 80), own(Forwarding::Dr, 1)),
                (server("198.51.100.2", 80), own(Forwarding::Dr, 3)),
            ],
        ),
        (
            key(Protocol::Tcp, "2001:db8::1", 443),
            hashed,
            vec![(server("2001:db8::2", 443), own(Forwarding::Tun, 2))],
        ),
        (
            key(Protocol::Udp, "192.0.2.1", 53),
            with(service("rr"), flag::ONE_PACKET),
            vec![(server("198.51.100.1", 5353), own(Forwarding::Nat, 1))],
        ),
        (
            key(Protocol::Udp, "192.0.2.1", 5060),
            sip,
            vec![(server("198.51.100.1", 5060), own(Forwarding::Nat, 0))],
        ),
        (
            key(Protocol::Sctp, "192.0.2.1", 2905),
            service("lc"),
            vec![(server("198.51.100.1", 2905), own(Forwarding::Nat, 1))],
        ),
        (
            ServiceKey::Mark { family: Family::V4, mark: 7 },
            service("wrr"),
            vec![(server("198.51.100.1", 0), own(Forwarding::Dr, 1))],
        ),
        (
            ServiceKey::Mark { family: Family::V6, mark: 8 },
            with(service("mh"), flag::SCHED_1),
            vec![(server("2001:db8::2", 0), own(Forwarding::Dr, 1))],
        ),
    ];
    assert_eq!(services.len(), expected.len());
    for (key, settings, servers) in expected {
        let found = &services[&key];
        assert_eq!(found.settings, settings, "{key}");
        let found: Vec<_> =
            found.servers.iter().map(|(key, server)| (*key, own(server.forwarding, server.weight))).collect();
        assert_eq!(found, servers, "{key}");
    }
}

#[test]
fn other_commands_of_ipvsadm_are_read_or_complained_of() {
    let text = "/sbin/ipvsadm -C # a script\nipvsadm --set 900 0 300\nipvsadm -A -t 192.0.2.1:http -s rr -p\n\
                ipvsadm -E -t 192.0.2.1:80 -s wrr\nipvsadm -a -t 192.0.2.1:80 -r 198.51.100.1:8080\n\
                ipvsadm -e -t 192.0.2.1:80 -r 198.51.100.1:8080 -w 7\n\
                ipvsadm -a -t 192.0.2.1:80 -r 198.51.100.2:80 -w 2147483647\n\
                ipvsadm --start-daemon master --mcast-interface eth0 --syncid 5\n\
                ipvsadm --start-daemon backup --mcast-interface eth0 --syncid 5\n";
    let imported = import::ipvsadm::import("script", text);
    let config = read(&imported);
    let web = &config.services[&key(Protocol::Tcp, "192.0.2.1", 80)];
    assert_eq!((web.settings.scheduler.as_str(), web.settings.persistence), ("wrr", None));
    assert_eq!(web.servers[&server("198.51.100.1", 80)].weight, 7, "without -m the port stays");
    assert_eq!(web.servers[&server("198.51.100.2", 80)].weight, 2_147_483_647);
    let text = config::write::text(imported.lines.as_ref().unwrap());
    assert!(
        text.contains("lvs_sync_daemon eth0 id 5\n") && text.contains("lvs_timeouts tcp 900 udp 300\n"),
        "{text}"
    );

    for (text, code, column) in [
        ("-A -t www.example.org:80", Code::InvalidAddress, 7),
        ("-A -t 192.0.2.1:gopher", Code::InvalidPort, 7),
        ("-A -t", Code::MissingValue, 4),
        ("-A -f 0", Code::InvalidNumber, 7),
        ("-a -f 1 -r 198.51.100.1 -w 2147483648", Code::InvalidNumber, 28),
        ("-A -t 192.0.2.1:80 -s fair", Code::InvalidChoice, 23),
        ("-A -t 192.0.2.1:80 -b sh-prot", Code::InvalidChoice, 23),
        ("-A -t 192.0.2.1:80 -p 60 -M 64", Code::InvalidPrefix, 29),
        ("-A -s rr", Code::MissingKeyword, 1),
        ("-a -t 192.0.2.1:80 -r 198.51.100.1", Code::UndefinedName, 1),
        ("-L -n", Code::UnknownKeyword, 1),
        ("IP Virtual Server version 1.2.1", Code::UnknownKeyword, 1),
    ] {
        let imported = import::ipvsadm::import("table", text);
        let found: Vec<_> = imported.complaints.iter().map(|c| (c.code, c.line, c.column)).collect();
        assert_eq!(found, [(code, 1, column)], "{text}");
    }
}

#[test]
fn a_large_table_takes_no_time() {
    let mut text = String::from("-A -t 192.0.2.1:80 -s rr\n");
    for number in 0..40_000u32 {
        let address = std::net::Ipv4Addr::from(0x0a00_0001 + number);
        text.push_str(&format!("-a -t 192.0.2.1:80 -r {address}:80 -m -w 1\n"));
    }
    let imported = import::ipvsadm::import("table", &text);
    assert_eq!(imported.lines.unwrap()[0].block.as_ref().unwrap().len(), 3 + 40_000);
}
