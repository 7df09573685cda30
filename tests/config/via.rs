//! `via_ipvs`: checks through the kernel's table.

use std::collections::BTreeMap;

use directord::config::write;
use healthcheck::Way;

use super::*;

fn text(lines: &str, check: &str) -> String {
    service(&format!(
        "{lines}\nreal_server 10.0.1.1 8080 {{\nTCP_CHECK {{\n{check}\n}}\n}}\n\
         real_server 10.0.1.2 8080 {{\nTCP_CHECK {{\n}}\n}}"
    ))
}

/// The marks of all servers with such checks.
fn marks(config: &Config) -> BTreeMap<String, u32> {
    let servers = config.services.values().flat_map(|service| &service.servers);
    let marked = servers
        .filter_map(|(key, server)| Some((key.to_string(), server.checks.first()?.via.as_ref()?.mark)));
    marked.collect()
}

#[test]
fn the_nearest_word_counts_and_leads_to_the_service() {
    let config = clean(&text("via_ipvs", ""));
    let server = only_service(&config).servers.values().next().expect("two servers");
    let check = &server.checks[0];
    let via = check.via.as_deref().expect("it goes through the table");
    assert_eq!(check.target.port(), 80, "the port of the service");
    assert_eq!(
        (via.direct.map(|direct| direct.to_string()), via.way),
        (Some("10.0.1.1:8080".to_owned()), Way::Nat)
    );
    assert_eq!(marks(&config).len(), 2);
    assert_eq!(marks(&clean(&text("via_ipvs", "via_ipvs off"))).len(), 1);
    assert_eq!(marks(&clean(&text("", "via_ipvs"))).len(), 1);
    assert!(marks(&clean(&text("", ""))).is_empty());
}

/// Without translation packets arrive at the port of the service: that one is asked directly too, and written again.
#[test]
fn a_server_is_asked_directly_where_its_packets_arrive() {
    let text = text("via_ipvs", "").replace("lvs_method NAT", "lvs_method DR");
    // Who does not read compatibly is told that the ports must be the same.
    let text = format!("global_defs {{\ncompat\n}}\n{text}");
    let direct = |config: &Config| -> Vec<String> {
        let servers = config.services.values().flat_map(|service| service.servers.values());
        let via = servers.flat_map(|server| &server.checks).filter_map(|check| check.via.as_ref()?.direct);
        via.map(|direct| direct.to_string()).collect()
    };
    let every_port = text.replace("10.0.0.9 80", "10.0.0.9 0");
    for (text, port) in [(text, 80), (every_port, 8080)] {
        let config = read_text("a", &text).config.expect("a warning at most");
        assert_eq!(direct(&config), ["10.0.1.1", "10.0.1.2"].map(|server| format!("{server}:{port}")));
        let again = read_text("again", &write::text(&write::lines(&config))).config;
        assert_eq!(again.as_ref(), Some(&config));
    }
}

#[test]
fn marks_are_different_and_stay() {
    let config = clean(&text("via_ipvs", ""));
    let both = marks(&config);
    let values: BTreeSet<u32> = both.values().copied().collect();
    assert_eq!(values.len(), 2);
    assert!(values.iter().all(|mark| (0x6400_0000..0x6401_0000).contains(mark)));
    let alone = marks(&clean(&text("via_ipvs", "via_ipvs off")));
    assert_eq!(alone.values().next(), both.get("[10.0.1.2]:8080"), "whatever becomes of the others");
    let elsewhere = marks(&clean(&(text("via_ipvs", "") + "global_defs {\nvia_ipvs_marks 0x1000\n}\n")));
    assert!(elsewhere.values().all(|mark| (0x1000..0x1_1000).contains(mark)));
}

#[test]
fn a_mark_of_somebody_else_is_not_taken() {
    let mark = *marks(&clean(&text("via_ipvs", ""))).values().next().expect("two");
    let other = format!(
        "virtual_server fwmark {mark} {{\nlvs_sched rr\nlvs_method NAT\nreal_server 10.0.1.9 80 {{\nweight 1\n}}\n}}\n"
    );
    let config = good(&(text("via_ipvs", "") + &other));
    assert!(marks(&config).values().all(|taken| *taken != mark));
}

#[test]
fn what_it_cannot_do_is_refused() {
    for (text, expected) in [
        (text("via_ipvs", "connect_port 81"), "`connect_port` and `fwmark` cannot stand beside it"),
        (text("via_ipvs", "fwmark 7"), "cannot stand beside it"),
        (
            "virtual_server fwmark 7 {\nlvs_sched rr\nlvs_method NAT\nvia_ipvs\nreal_server 10.0.1.1 80 {\nTCP_CHECK {\n}\n}\n}\n"
                .to_owned(),
            "a firewall mark and a group have none of their own",
        ),
        (text("", "") + "global_defs {\nvia_ipvs_marks 0xfffffff0\n}\n", "expected the first of 65536 marks"),
        (text("", "") + "global_defs {\nvia_ipvs_marks x\n}\n", "expected the first of 65536 marks"),
    ] {
        let reading = read_text("test.conf", &text);
        assert!(reading.config.is_none(), "{text}");
        assert!(shown(&reading).contains(expected), "{}", shown(&reading));
    }
}

#[test]
fn an_echo_takes_the_straight_way() {
    let text = service("via_ipvs\nreal_server 10.0.1.1 80 {\nPING_CHECK {\n}\n}");
    assert!(marks(&clean(&text)).is_empty(), "IPVS forwards no echoes");
}

#[test]
fn it_is_written_as_it_was_read() {
    let config = clean(&(text("via_ipvs", "bindto 10.0.1.9") + "global_defs {\nvia_ipvs_marks 0x1000\n}\n"));
    let written = write::text(&write::without_defaults(write::lines(&config)));
    assert_eq!(good(&written), config, "{written}");
}

#[test]
fn every_kind_that_takes_it_over_can_be_written() {
    let blocks =
        ["GRPC_CHECK {\n}", "PGSQL_CHECK {\n}", "FTP_CHECK {\n}", "SIP_CHECK {\n}", "ORACLE_CHECK {\n}"];
    for block in blocks {
        let config = good(&service(&format!("via_ipvs\nreal_server 10.0.1.1 80 {{\n{block}\n}}")));
        assert_eq!(marks(&config).len(), 1, "{block}");
        let all = write::lines(&config);
        for written in [write::text(&all), write::text(&write::without_defaults(all.clone()))] {
            assert_eq!(good(&written), config, "{written}");
        }
    }
}

#[test]
fn the_address_of_a_service_is_asked_by_one_check() {
    let block = |inside: &str| service(&format!("delay_loop 7\nvip_check {{\n{inside}\n}}\n{SERVER}"));
    let config = clean(&block("TCP_CHECK {\nconnect_timeout 2\n}"));
    let check = only_service(&config).vip_check.clone().expect("a check");
    assert_eq!(
        (check.target.to_string().as_str(), check.schedule.interval),
        ("10.0.0.9:80", Duration::from_secs(7))
    );
    assert!(check.via.as_deref().is_some_and(|via| via.mark != 0 && via.direct.is_none()));
    let written = write::text(&write::without_defaults(write::lines(&config)));
    assert_eq!(good(&written), config, "{written}");
    for (inside, expected) in [
        ("", "holds 0 checks; expected one"),
        ("TCP_CHECK {\n}\nTCP_CHECK {\n}", "holds 2 checks"),
        ("TCP_CHECK {\nconnect_port 81\n}", "cannot stand in it"),
        ("MISC_CHECK {\nmisc_path /bin/true\n}", "MISC_CHECK"),
    ] {
        let reading = read_text("test.conf", &block(inside));
        assert!(
            reading.complaints.iter().any(|c| c.message.contains(expected)),
            "{inside}: {}",
            shown(&reading)
        );
    }
}
