//! What is our own in checks: counts of passes and failures, latency, what a request says, JSON, gRPC.

use healthcheck::{Expect, Grpc, Latency, Method, Relation, Sni, Tls};

use super::checks::{asked, block, page};
use super::*;

#[test]
fn the_counts_of_passes_and_failures_come_from_the_nearest_place() {
    let counts = |global: &str, service_lines: &str, server: &str, check: &str, kind: &str| {
        let text = service(&format!(
            "real_server 10.0.1.1 80 {{\n{server}\n{kind} {{\n{check}\n}}\n}}\n{service_lines}"
        ));
        let schedule = &only_check(&good(&format!("global_defs {{\n{global}\n}}\n{text}"))).schedule.clone();
        (schedule.rise, schedule.retry)
    };
    let tcp = |global, service, server, check| counts(global, service, server, check, "TCP_CHECK");
    assert_eq!(tcp("", "", "", ""), (1, 1));
    assert_eq!(tcp("checker_rise 2\nchecker_fall 3", "", "", ""), (2, 2));
    assert_eq!(tcp("checker_rise 2\nchecker_fall 3", "rise 4\nfall 5", "", ""), (4, 4));
    assert_eq!(tcp("checker_fall 3", "fall 5", "rise 6\nfall 7", ""), (6, 6));
    assert_eq!(tcp("checker_fall 3", "fall 5", "rise 6\nfall 7", "rise 8\nfall 1"), (8, 0));
    // A nearer `retry` counts before a `fall` farther away, and beside a `fall` none does.
    assert_eq!(tcp("checker_fall 9", "fall 5", "", "retry 0"), (1, 0));
    assert_eq!(tcp("checker_fall 9", "", "retry 4", ""), (1, 4));
    for both in ["retry 7\nfall 3", "fall 3\nretry 7"] {
        assert_eq!(tcp("", "", "", both), (1, 2));
        assert_eq!(tcp("", "", both, ""), (1, 2));
        assert_eq!(tcp("", both, "", ""), (1, 2));
    }
    let misc = |server| counts("", "", server, "misc_path /bin/x", "MISC_CHECK");
    assert_eq!((misc(""), misc("rise 2\nfall 3")), ((1, 0), (2, 2)));
    let mail = counts("", "", "fall 4", "host {\nretry 2\n}", "SMTP_CHECK");
    assert_eq!(mail, (1, 2));
    assert_eq!(counts("", "", "", "", "DNS_CHECK"), (1, 3));
}

#[test]
fn how_slow_an_answer_may_be_is_said_anywhere_and_concerns_answers() {
    let latency = |kind: &str, lines: &str| {
        let text = service(&format!(
            "max_latency 900\nreal_server 10.0.1.1 80 {{\nwarn_latency 80\n{kind} {{\n{lines}\n}}\n}}"
        ));
        only_check(&good(&text)).schedule.latency
    };
    let (most, warn) = (Some(Duration::from_millis(900)), Some(Duration::from_millis(80)));
    assert_eq!(latency("PING_CHECK", ""), Latency { most, warn });
    assert_eq!(
        latency("PING_CHECK", "warn_latency 9"),
        Latency { most, warn: Some(Duration::from_millis(9)) }
    );
    assert_eq!(latency("UDP_CHECK", "require_reply"), Latency { most, warn });
    // Silence passes when all the time is over, and a command is nobody's answer.
    assert_eq!(latency("UDP_CHECK", ""), Latency::default());
    assert_eq!(latency("MISC_CHECK", "misc_path /bin/x"), Latency::default());
}

#[test]
fn requests_are_described_and_secrets_are_not_shown() {
    let text = block(
        "SSL_GET",
        "http_protocol 2\nlogin probe\npassword \"open sesame\"\nheader X-Key: of  gold\nexpiry_days 21\n\
         url {\npath /\nmethod post\nbody \"silver key\"\nheader \"Content-Type: text/plain\"\n\
         json /status ok\njson /queue below 10\n}",
    );
    let config = good(&text);
    let Kind::Http(http) = &only_check(&config).kind else { panic!() };
    assert_eq!(http.protocol, HttpVersion::Http2);
    let login = http.login.as_ref().expect("a login");
    assert_eq!((login.name.as_str(), login.password.reveal()), ("probe", "open sesame"));
    assert_eq!(http.headers[0].value.reveal(), "of gold");
    assert_eq!(http.tls.as_ref().and_then(|tls| tls.expiry_days), Some(21));
    let url = &http.urls[0];
    assert_eq!((url.method, url.body.as_ref().map(|body| body.reveal())), (Method::Post, Some("silver key")));
    let expected = [Expect::Is(Relation::Is, "ok".into()), Expect::Is(Relation::Below, "10".into())];
    assert_eq!(url.json.iter().map(|one| one.expect.clone()).collect::<Vec<_>>(), expected);
    // Neither in logs nor in plans.
    let changed = text.replace("sesame", "simsim").replace("gold", "iron").replace("silver", "wooden");
    let plan = format!("{:?} {:?}", config, directord::config::plan::changes(&config, &good(&changed)));
    for secret in ["sesame", "simsim", "gold", "iron", "silver", "wooden"] {
        assert!(!plan.contains(secret), "{secret}: {plan}");
    }
    assert!(plan.contains("X-Key: (not shown)"), "{plan}");
    // Of a password in several words nothing is repeated either.
    let torn = read_text("test.conf", &text.replace("\"open sesame\"", "open sesame"));
    assert!(torn.config.is_none());
    assert!(!format!("{:?}", torn.complaints).contains("sesame"), "{:?}", torn.complaints);
}

#[test]
fn grpc_servers_are_asked_with_and_without_tls() {
    let kind = |lines: &str| asked(&block("GRPC_CHECK", lines)).kind;
    assert_eq!(kind(""), Kind::Grpc(Grpc::default()));
    let tls = Some(Tls { sni: Sni::VirtualHost, verify: false, files: None, expiry_days: Some(5) });
    let grpc = Grpc { service: "shop.v1.Cart".into(), virtualhost: Some("a.example".into()), tls };
    let lines = "service shop.v1.Cart\nvirtualhost a.example\nenable_sni\nverify off\nexpiry_days 5\ntls";
    assert_eq!(kind(lines), Kind::Grpc(grpc));
    let expiry = |text: &str| match asked(text).kind {
        Kind::Grpc(Grpc { tls: Some(tls), .. }) => tls.expiry_days,
        other => panic!("{other:?}"),
    };
    let everywhere = "SSL {\nexpiry_days 14\n}\n";
    assert_eq!(expiry(&(block("GRPC_CHECK", "tls") + everywhere)), Some(14));
    assert_eq!(expiry(&(block("GRPC_CHECK", "tls\nexpiry_days 0") + everywhere)), Some(0));
}

#[test]
#[rustfmt::skip]
fn mistakes_in_what_keepalived_does_not_know_are_told() {
    use Code::*;
    use super::complaints::{assert_cases, case};
    assert_cases(Severity::Error, &[
        case(block("TCP_CHECK", "rise 0"), OutOfRange, 8, 6, "rise"),
        case(block("TCP_CHECK", "fall 0"), OutOfRange, 8, 6, "fall"),
        case(block("TCP_CHECK", "max_latency 1.5"), InvalidNumber, 8, 13, "max_latency"),
        case(block("TCP_CHECK", "header \"A: b\""), MisplacedKeyword, 8, 1, "HTTP_GET"),
        case(block("MISC_CHECK", "misc_path /bin/x\nmax_latency 5"), MisplacedKeyword, 9, 1, "TCP_CHECK"),
        case(page("header \"A b\""), InvalidText, 10, 8, "Name: value"),
        case(page("header \"Host: b\""), InvalidText, 10, 8, "`virtualhost`"),
        case(page("method FETCH"), InvalidChoice, 10, 8, "PATCH"),
        case(page("body x"), Conflict, 10, 1, "a GET has no `body`"),
        case(page("method HEAD\nregex a"), Conflict, 10, 1, "never hold"),
        case(page("json status ok"), InvalidText, 10, 6, "/status"),
        case(page("json /status < 3"), InvalidText, 10, 6, "at_most"),
        case(page("json /status below soon"), InvalidText, 10, 6, "a number"),
        case(page("json /status matches (a"), InvalidText, 10, 6, "missing closing parenthesis"),
        case(block("HTTP_GET", "login a:b\nurl {\npath /\n}"), InvalidText, 8, 7, "colon"),
        case(block("HTTP_GET", "login a\npassword open sesame\nurl {\npath /\n}"), UnexpectedWord, 9, 15, "in quotes"),
        case(block("HTTP_GET", "login a\nheader \"authorization: b\"\nurl {\npath /\n}"), Conflict, 7, 1, "two things"),
        case(block("HTTP_GET", "http_protocol 3\nurl {\npath /\n}"), InvalidChoice, 8, 15, "1.1"),
        case(block("GRPC_CHECK", "service 'a b'"), InvalidText, 8, 9, "ASCII"),
        case(block("SSL_GET", "expiry_days -1\nurl {\npath /\n}"), OutOfRange, 8, 13, "expiry_days"),
    ]);
    assert_cases(Severity::Warning, &[
        case(block("HTTP_GET", "password x\nurl {\npath /\n}"), NoEffect, 8, 1, "without `login`"),
        case(block("GRPC_CHECK", "verify off"), NoEffect, 7, 1, "without `tls`"),
        case(block("UDP_CHECK", "warn_latency 5"), NoEffect, 7, 1, "`require_reply`"),
    ]);
}
