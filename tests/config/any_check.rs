//! Checks by chance: what is written of them reads the same.

use directord::config::write;
use proptest::prelude::*;

use super::checks::{TRACKED, only_server};
use super::*;

/// What says how a server is spoken to.
const ACCESS: &[&str] = &[
    "tls",
    "tls on",
    "tls starttls",
    "tls off",
    "verify off",
    "sni_name mail.example",
    "login me",
    "login 'it is me'",
    "password secret",
    "password \"a # \\\\ {b}\"",
];

/// Lines that may stand in a check of each kind.
const LINES: &[(&str, &[&str])] = &[
    ("TCP_CHECK", &[]),
    (
        "HTTP_GET",
        &[
            "virtualhost a.example",
            "http_protocol 1.1",
            "http_protocol 1.0c",
            "http_protocol 2",
            "fast_recovery",
            "enable_sni",
            "login 'a b'",
            "password \"it's # {secret}\"",
            "header \"X-Key: x=y\"",
            "header A:",
        ],
    ),
    (
        "SSL_GET",
        &[
            "enable_sni",
            "sni_name b.example",
            "tls_compliant",
            "fast_recovery off",
            "verify off",
            "verify",
            "expiry_days 14",
            "expiry_days 0",
            "login x",
        ],
    ),
    (
        "GRPC_CHECK",
        &[
            "service a.B",
            "service ''",
            "virtualhost a.example",
            "tls",
            "tls off",
            "verify off",
            "sni_name x",
            "expiry_days 3",
        ],
    ),
    (
        "SMTP_CHECK",
        &[
            "helo_name a.example",
            "login me",
            "tls starttls",
            "tls on",
            "host {\nconnect_ip 10.0.3.3\nretry 7\n}",
            "host {\nbindto 10.0.3.4\n}",
            "host {\nproxy_protocol off\n}",
            "proxy_protocol v2",
        ],
    ),
    ("DNS_CHECK", &["type MX", "type dnskey", "name a.example", "name ."]),
    (
        "UDP_CHECK",
        &[
            "payload 'ab cd'",
            "payload 1",
            "require_reply",
            "require_reply xa bx 1",
            "min_reply_length 3",
            "max_reply_length 99",
        ],
    ),
    ("PING_CHECK", &[]),
    (
        "MISC_CHECK",
        &[
            "misc_path \"/bin/y 'it is' '#!{}'\"",
            "user a",
            "user a b",
            "misc_timeout 3",
            "misc_timeout 0",
            "misc_dynamic",
        ],
    ),
    (
        "LDAP_CHECK",
        &[
            "login cn=a,dc=b",
            "password \"x $y #z\"",
            "base dc=b",
            "tls on",
            "tls starttls",
            "verify off",
            "sni_name a.example",
            "proxy_protocol v2",
            "proxy_protocol off",
        ],
    ),
    (
        "MYSQL_CHECK",
        &[
            "login a",
            "password_file /a",
            "database d",
            "query \"select '1' # {}\"",
            "tls",
            "verify",
            "allow_cleartext",
        ],
    ),
    (
        "PGSQL_CHECK",
        &["login a", "password x", "query \"select 1\"", "tls", "sni_name a.example", "verify off"],
    ),
    ("RADIUS_CHECK", &["login a", "password 'x y'", "accept_reject", "require_message_authenticator off"]),
    ("ORACLE_CHECK", &["service_name orcl.example"]),
    ("FTP_CHECK", &["login me", "path '/a b'", "path /a", "regex ok"]),
    ("FTP_CHECK", &["login me", "tls on", "tls starttls", "verify off"]),
    ("IMAP_CHECK", ACCESS),
    ("POP3_CHECK", ACCESS),
    ("NNTP_CHECK", ACCESS),
    (
        "SIP_CHECK",
        &[
            "uri sip:a@b",
            "status_code 200 404",
            "transport tcp",
            "proxy_protocol v1",
            "tls",
            "sni_name a.example",
        ],
    ),
    (
        "TEXT_CHECK",
        &[
            "send 'a b'",
            "send \"a\\r\\n\"",
            "regex '^ok$'",
            "regex_options multiline",
            "half_close",
            "transport TCP",
            "tls",
        ],
    ),
    ("TEXT_CHECK", &["send x", "transport UDP", "regex x"]),
    ("FILE_CHECK", &["weight 3", "weight -3 reverse"]),
    ("BFD_CHECK", &["alpha", "alpha off"]),
];
const ROUTE: &[&str] = &[
    "connect_ip 10.0.1.7",
    "connect_ip 2001:db8::1",
    "connect_port 8080",
    "bind_port 1024",
    "bind_if eth0.7",
    "fwmark 4294967295",
    "fwmark 0",
    "connect_timeout 0.25",
];
const RHYTHM: &[&str] = &[
    "retry 0",
    "fall 3",
    "rise 2",
    "delay_before_retry 0",
    "delay_before_retry 2.5",
    "delay_loop 0.001",
    "delay_loop 100000",
    "warmup 3",
    "warmup 0",
    "alpha",
    "alpha off",
    "log_all_failures",
    "log_all_failures no",
];
const PAGE: &[&str] = &[
    "status_code 200 301-302",
    "digest d41d8cd98f00b204e9800998ecf8427e",
    "virtualhost c.example:81",
    "regex \"a # b\"",
    "regex \"\\\\d+ it's\"",
    "regex ''",
    "regex_no_match",
    "regex_options utf caseless",
    "regex_min_offset 4",
    "regex_max_offset 5",
    "regex_stack 3 4",
    "tls_compliant",
    "method PUT",
    "header \"X-A: b  c\"",
    "header \"x-a: d\"",
    "method POST\nbody \"{\\\"a\\\": 'b'}\\n\"",
    "json /a",
    "json \"/b c\" absent",
    "json /a is_not \"is not\"",
    "json '' at_least -3.5",
];
const INHERITED: &[&str] = &[
    "rise 6",
    "fall 5",
    "max_latency 900",
    "warn_latency 90",
    "retry 9",
    "delay_loop 8",
    "delay_before_retry 7",
    "connect_timeout 6",
    "warmup 5",
    "alpha",
    "virtualhost d.example",
    "proxy_protocol v1",
];

fn some(lines: &'static [&'static str]) -> impl Strategy<Value = String> {
    let most = lines.len();
    proptest::sample::subsequence(lines, 0..=most).prop_shuffle().prop_map(|lines| lines.join("\n"))
}

fn any_check() -> impl Strategy<Value = String> {
    let kinds = proptest::sample::select(LINES);
    let pages = proptest::collection::vec(some(PAGE), 1..3);
    let kind = kinds.prop_flat_map(|(name, lines)| some(lines).prop_map(move |own| (name, own)));
    (kind, some(ROUTE), some(RHYTHM), pages).prop_map(|((name, own), route, rhythm, pages)| {
        let pages: String = pages.iter().map(|page| format!("url {{\npath /a?b\n{page}\n}}\n")).collect();
        let (route, rhythm, object) = match name {
            "HTTP_GET" | "SSL_GET" => (route, rhythm, pages.as_str()),
            "MISC_CHECK" => (String::new(), rhythm, "misc_path /bin/x"),
            "LDAP_CHECK" => (route, rhythm, "password p"),
            "RADIUS_CHECK" => (route, rhythm, "secret \"s t\"\nstatus_server"),
            "FILE_CHECK" => (String::new(), String::new(), "track_file f"),
            "BFD_CHECK" => (String::new(), String::new(), "name b"),
            _ => (route, rhythm, ""),
        };
        format!("{name} {{\n{object}\n{own}\n{route}\n{rhythm}\n}}")
    })
}

proptest! {
    #[test]
    fn checks_that_are_written_read_the_same(
        checks in proptest::collection::vec(any_check(), 0..4),
        above in some(INHERITED),
        server in some(INHERITED),
    ) {
        let text = service(&format!("{above}\nreal_server 10.0.1.1 80 {{\n{server}\n{}\n}}", checks.join("\n")));
        let text = text + TRACKED;
        let config = good(&text);
        let before = only_server(&config);
        prop_assert_eq!(before.checks.len() + before.planned.len() >= checks.len(), true);
        let lines = write::lines(&config);
        let written = lines.iter().find(|line| line.keyword == "virtual_server").and_then(|line| line.block.as_ref());
        let written: Vec<_> = written.into_iter().flatten().filter(|line| line.keyword == "real_server").cloned().collect();
        let again = good(&(service(&write::text(&written)) + TRACKED));
        let after = only_server(&again);
        prop_assert_eq!(&before.checks, &after.checks);
        prop_assert_eq!(&before.planned, &after.planned);
    }
}
