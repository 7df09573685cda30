//! `proxy_protocol`: checks whose connections begin as a proxy's do.

use directord::config::write;
use healthcheck::ProxyHeader::{self, V1, V2};

use super::checks::block;
use super::*;

fn headers(text: &str) -> Vec<Option<ProxyHeader>> {
    let config = good(text);
    let servers = config.services.values().flat_map(|service| service.servers.values());
    servers.flat_map(|server| &server.checks).map(|check| check.proxy).collect()
}

#[test]
fn the_nearest_word_counts_for_what_connects() {
    let text = |service_line: &str, server: &str, check: &str| {
        let block = format!("{check}\nconnect_timeout 4");
        service(&format!(
            "{service_line}\nreal_server 10.0.1.1 80 {{\n{server}\nTCP_CHECK {{\n{block}\n}}\nDNS_CHECK {{\n}}\n}}"
        ))
    };
    let first = |service_line, server, check| {
        let headers = headers(&text(service_line, server, check));
        assert_eq!((headers.len(), headers[1]), (2, None), "a name server is asked by datagram");
        headers[0]
    };
    assert_eq!(first("", "", ""), None);
    assert_eq!(first("", "", "proxy_protocol v2"), Some(V2));
    assert_eq!(first("proxy_protocol v1", "", ""), Some(V1));
    assert_eq!(first("proxy_protocol v1", "proxy_protocol v2", ""), Some(V2));
    assert_eq!(first("proxy_protocol v1", "proxy_protocol off", ""), None);
    assert_eq!(first("", "proxy_protocol v2", "proxy_protocol off"), None);
    let hosts = block("SMTP_CHECK", "proxy_protocol v1\nhost {\n}\nhost {\nproxy_protocol off\n}");
    assert_eq!(headers(&hosts), [Some(V1), None]);
    // By datagram or not: the check says.
    assert_eq!(headers(&block("SIP_CHECK", "transport TCP\nproxy_protocol v1")), [Some(V1)]);
    let inherited = service("proxy_protocol v1\nreal_server 10.0.1.1 80 {\nSIP_CHECK {\n}\n}");
    clean(&inherited);
    assert_eq!(headers(&inherited), [None]);
    let vip = service(&format!("proxy_protocol v2\nvip_check {{\nTCP_CHECK {{\n}}\n}}\n{SERVER}"));
    let check = only_service(&good(&vip)).vip_check.clone().expect("a check");
    assert_eq!(check.proxy, Some(V2), "a client's connection comes with one as well");
}

#[test]
fn it_is_written_as_it_was_read() {
    let texts = [
        service(
            "proxy_protocol v1\nvia_ipvs\nreal_server 10.0.1.1 80 {\nTCP_CHECK {\nbindto 10.0.1.9\n}\n\
             HTTP_GET {\nproxy_protocol v2\nurl {\npath /\n}\n}\nIMAP_CHECK {\nproxy_protocol off\n}\n}",
        ),
        block("SMTP_CHECK", "proxy_protocol v2\nfwmark 7\nhost {\n}\nhost {\nproxy_protocol v1\n}"),
    ];
    for text in texts {
        let config = good(&text);
        let all = write::lines(&config);
        for written in [write::text(&all), write::text(&write::without_defaults(all.clone()))] {
            assert!(written.contains("proxy_protocol v"), "{written}");
            assert_eq!(good(&written), config, "{written}");
        }
    }
}

#[test]
#[rustfmt::skip]
fn what_it_cannot_be_is_told() {
    use super::complaints::{assert_cases, case};
    assert_cases(Severity::Error, &[
        case(block("TCP_CHECK", "proxy_protocol v3"), Code::InvalidChoice, 8, 16, "v1"),
        case(block("TCP_CHECK", "proxy_protocol"), Code::MissingValue, 8, 1, "proxy_protocol"),
        case(block("UDP_CHECK", "proxy_protocol v1"), Code::MisplacedKeyword, 8, 1, "TCP_CHECK"),
        case(block("PING_CHECK", "proxy_protocol v1"), Code::MisplacedKeyword, 8, 1, "TCP_CHECK"),
    ]);
    assert_cases(Severity::Warning, &[
        case(block("SIP_CHECK", "proxy_protocol v1"), Code::NoEffect, 8, 1, "no effect on datagrams"),
        case(block("TEXT_CHECK", "transport UDP\nsend x\nregex x\nproxy_protocol v2"), Code::NoEffect, 11, 1, "TCP connection"),
    ]);
}
