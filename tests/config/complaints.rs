//! Texts with one thing wrong, and what must be said about it.

use super::*;

/// A text, and the complaint that must be made: code, line, column, and a piece of the message or suggestion.
pub(super) type Case = (String, Code, u32, u32, &'static str);

/// The complaint must be there; only an error refuses the text, and a warning must come without any.
#[track_caller]
pub(super) fn assert_cases(severity: Severity, cases: &[Case]) {
    for (text, code, line, column, piece) in cases {
        let reading = read_text("test.conf", text);
        let found = reading.complaints.iter().find(|complaint| {
            let place = (complaint.line, complaint.column) == (*line, *column);
            let suggestion = complaint.suggestion.as_deref().unwrap_or_default();
            let said = complaint.message.contains(piece) || suggestion.contains(piece);
            place && said && complaint.code == *code && complaint.severity == severity
        });
        let all = shown(&reading);
        assert!(found.is_some(), "{text}\nexpected {severity}[{code}] at {line}:{column}: {piece}\n{all}");
        let errors = reading.complaints.iter().any(|complaint| complaint.severity == Severity::Error);
        assert_eq!(reading.config.is_none(), errors, "{text}");
        assert_eq!(errors, severity == Severity::Error, "{text}\n{all}");
    }
}

pub(super) fn case(text: impl Into<String>, code: Code, line: u32, column: u32, piece: &'static str) -> Case {
    (text.into(), code, line, column, piece)
}

/// An instance with this line in its `virtual_ipaddress`, which is the sixth of the text.
fn vip(line: &str) -> String {
    instance("").replace("10.0.0.9", line)
}

#[test]
#[rustfmt::skip]
fn broken_structure_is_told() {
    assert_cases(Severity::Error, &[
        case("global_defs {\nrouter_id x\n", Code::UnclosedBlock, 1, 13, "add the missing `}`"),
        case("global_defs {\nrouter_id x\n\nvrrp_instance A {\n}\n", Code::UnclosedBlock, 1, 13, "line 4"),
        case("global_defs {\n}\n }\n", Code::StrayBrace, 3, 2, "closes nothing"),
        case("{\n}\n", Code::StrayBrace, 1, 1, "belongs to no keyword"),
        case("global_defs\n", Code::MissingBlock, 1, 1, "global_defs … { … }"),
        case("global_defs {\nrouter_id x {\n}\n}\n", Code::UnexpectedBlock, 2, 13, "takes no block"),
        case("global_defs {\nrouter_id \"x\n}\n", Code::UnclosedQuote, 2, 11, "not closed"),
        case("a {".repeat(40), Code::TooDeep, 1, 51, "nested"),
        case("include x\n", Code::FileMissing, 1, 9, "`x`"),
        case("include\n", Code::MissingValue, 1, 1, "name of a file"),
    ]);
}

#[test]
#[rustfmt::skip]
fn wrong_keywords_are_told() {
    let both_on_one_line = instance("authentication { auth_type PASS auth_pass x }");
    assert_cases(Severity::Error, &[
        case("vvrp_script x {\n}\n", Code::UnknownKeyword, 1, 1, "did you mean `vrrp_script`?"),
        case(instance("priorty 5"), Code::UnknownKeyword, 4, 1, "did you mean `priority`?"),
        case(instance("lb_algo rr"), Code::MisplacedKeyword, 4, 1, "belongs to `virtual_server`"),
        case("router_id x\n", Code::MisplacedKeyword, 1, 1, "the top level; it belongs to `global_defs`"),
        case(service("real_server 10.0.1.1 80 {\nSMTP_CHEKC {\n}\n}"), Code::UnknownKeyword, 6, 1, "SMTP_CHECK"),
        case("vrrp_script x {\nintervall 2\n}\n", Code::UnknownKeyword, 2, 1, "did you mean `interval`?"),
        case("// comment\n", Code::UnknownKeyword, 1, 1, "comments begin with"),
        case(instance("auth_hmac {\nkey 1 x\n}"), Code::InvalidText, 5, 7, "allowed: 32 to 64"),
        case(service(SERVER).replace("10.0.0.9 80", "group G"), Code::UndefinedName, 1, 22, "no `virtual_server_group G`"),
        case("global_defs {\nrouter_id\n}\n", Code::MissingValue, 2, 1, "a name"),
        case("global_defs {\nrouter_id a b\n}\n", Code::UnexpectedWord, 2, 13, "`b`"),
        case(both_on_one_line, Code::UnexpectedWord, 4, 33, "begin a new line before `auth_pass`"),
    ]);
}

#[test]
#[rustfmt::skip]
fn wrong_instances_are_told() {
    let vrid = |value: &str| instance("").replace("id 1", &format!("id {value}"));
    let auth = |kind: &str| instance(&format!("authentication {{\nauth_type {kind}\nauth_pass x\n}}"));
    let two = |second: &str| format!("{}{}", instance(""), instance("").replace("_instance A", second));
    let v3_with_password = instance("version 3\nauthentication {\nauth_type PASS\nauth_pass x\n}");
    assert_cases(Severity::Error, &[
        case(vrid("0"), Code::OutOfRange, 3, 19, "is 0; allowed: 1 to 255"),
        case(vrid("300"), Code::OutOfRange, 3, 19, "is 300; allowed: 1 to 255"),
        case(vrid("99999999999999999999"), Code::OutOfRange, 3, 19, "allowed: 1 to 255"),
        case(vrid("-1"), Code::OutOfRange, 3, 19, "allowed: 1 to 255"),
        case(vrid("51x"), Code::InvalidNumber, 3, 19, "did you mean `51`?"),
        case(vrid("fifty"), Code::InvalidNumber, 3, 19, "a whole number from 1 to 255"),
        case(vrid(""), Code::MissingValue, 3, 1, "needs a value: a whole number from 1 to 255"),
        case(instance("priority 256"), Code::OutOfRange, 4, 10, "allowed: 1 to 255"),
        case(instance("advert_int 0"), Code::OutOfRange, 4, 12, "allowed: 0.01 to 255 s"),
        case(instance("advert_int 1s"), Code::InvalidNumber, 4, 12, "did you mean `1`?"),
        case(instance("version 3\nadvert_int 41"), Code::OutOfRange, 5, 12, "0.01 to 40.95"),
        case(instance("state MASTRE"), Code::InvalidChoice, 4, 7, "did you mean `MASTER`?"),
        case(instance("smtp_alert maybe"), Code::InvalidSwitch, 4, 12, "allowed: on, true, yes"),
        case(instance("interface a-name-too-long1"), Code::InvalidText, 4, 11, "1 to 15 characters"),
        case(instance("").replace("interface eth0", ""), Code::MissingKeyword, 1, 15, "no `interface`"),
        case(instance("").replace("virtual_router_id 1", ""), Code::MissingKeyword, 1, 15, "no `virtual_router_id`"),
        case(vip("10.0.0.256"), Code::InvalidAddress, 6, 1, "is `10.0.0.256`, which is no IP address"),
        case(vip("<VIP>"), Code::InvalidAddress, 6, 1, "was to be filled in"),
        case(vip("224.0.0.18"), Code::InvalidAddress, 6, 1, "unicast address"),
        case(vip("10.0.0.9/33"), Code::InvalidPrefix, 6, 1, "is `33`; allowed: 0 to 32"),
        case(vip("10.0.0.9/+8"), Code::InvalidPrefix, 6, 1, "is `+8`; allowed: 0 to 32"),
        case(vip("10.0.0.9 dev"), Code::MissingValue, 6, 10, "`dev` needs a value"),
        case(vip("10.0.0.9 label sixteen-letters1"), Code::InvalidText, 6, 16, "1 to 15"),
        case(vip("10.0.0.9 lable x"), Code::InvalidChoice, 6, 10, "did you mean `label`?"),
        case(vip("dev eth0"), Code::MissingValue, 6, 1, "names no address"),
        case(instance("unicast_peer {\nhost\n}"), Code::InvalidAddress, 5, 1, "the peer is `host`"),
        case(auth("SECRET"), Code::InvalidChoice, 5, 11, "allowed: PASS, AH"),
        case(instance("authentication {\nauth_type PASS\n}"), Code::MissingKeyword, 4, 1, "no `auth_pass`"),
        case(v3_with_password, Code::Conflict, 5, 1, "version 3 has no authentication"),
        case(two("_instance A"), Code::DuplicateName, 9, 15, "already is an instance named `A`"),
        case(two("_instance B"), Code::DuplicateRouter, 11, 19, "already used on eth0 by `A`"),
        case("vrrp_instance {\n}\n", Code::MissingValue, 1, 1, "needs a value: NAME"),
    ]);
}

#[test]
#[rustfmt::skip]
fn wrong_services_are_told() {
    let check = |lines: &str| service(&format!("real_server 10.0.1.1 80 {{\nHTTP_GET {{\n{lines}\n}}\n}}"));
    let key = |key: &str| service(SERVER).replace("10.0.0.9 80", key);
    let direct = |method: &str, lines: &str| service(lines).replace("NAT", method);
    let port_change = "has port 8080 and the service port 80; DR cannot change the port";
    let no_port = key("fwmark 1").replace("80 {\n}", "{\nTCP_CHECK {\n}\n}");
    assert_cases(Severity::Error, &[
        case(key("10.0.0.9 65536"), Code::InvalidPort, 1, 25, "is `65536`; expected a port from 0 to 65535"),
        case(key("10.0.0.9 http"), Code::InvalidPort, 1, 25, "is `http`"),
        case(key("10.0.0.9:80"), Code::InvalidAddress, 1, 16, "`10.0.0.9 80`"),
        case(key("fwmark 0"), Code::OutOfRange, 1, 23, "1 to 4294967295"),
        case(key("fwmark"), Code::MissingValue, 1, 16, "needs a number"),
        case(format!("{0}{0}", service(SERVER)), Code::DuplicateService, 8, 16, "[10.0.0.9]:tcp:80"),
        case(service("real_server 10.0.1.1 70000 {\n}"), Code::InvalidPort, 5, 22, "0 to 65535"),
        case(service("real_server 10.0.1 80 {\n}"), Code::InvalidAddress, 5, 13, "the real server is `10.0.1`"),
        case(service("real_server 10.0.1.1 80 {\nweight 1x\n}"), Code::InvalidNumber, 6, 8, "did you mean `1`?"),
        case(service("real_server 10.0.1.1 80 {\nweight -1\n}"), Code::OutOfRange, 6, 8, "allowed: 0 to 2147483647"),
        case(direct("DR", "real_server 10.0.1.1 8080 {\n}"), Code::PortChange, 5, 22, port_change),
        case(direct("TUN", "real_server 10.0.1.1 81 {\n}"), Code::PortChange, 5, 22, "TUN cannot change the port"),
        case(service("real_server 10.0.1.1 81 {\nlvs_method DR\n}"), Code::PortChange, 5, 22, "say port 80"),
        case(direct("DR", &format!("sorry_server 10.0.1.1 81\n{SERVER}")), Code::PortChange, 5, 23, "the sorry server"),
        case(service("real_server 2001:db8::1 80 {\n}"), Code::FamilyMismatch, 5, 13, "not of one family"),
        case(service(&format!("alpha off\n{SERVER}")), Code::UnexpectedWord, 5, 7, "leave the line out"),
        case(service("real_server 10.0.1.1 80 {\nuthreshold 5\nlthreshold 10\n}"), Code::Conflict, 7, 1, "at least 10"),
        case(direct("ROUTE", SERVER), Code::InvalidChoice, 4, 12, "allowed: NAT, DR, TUN"),
        case(service(SERVER).replace("sched rr", "sched wlcc"), Code::InvalidChoice, 3, 11, "did you mean `wlc`?"),
        case(service(SERVER).replace("TCP", "ICMP"), Code::InvalidChoice, 2, 10, "TCP, UDP, SCTP"),
        case(service("persistence_timeout x"), Code::InvalidNumber, 5, 21, "1 to 2678400"),
        case(service("persistence_granularity 300"), Code::InvalidPrefix, 5, 25, "a netmask"),
        case(service("persistence_granularity 24"), Code::FamilyMismatch, 5, 1, "did you mean `255.255.255.0`?"),
        case(check("connect_port 0\nurl {\npath /\n}"), Code::InvalidPort, 7, 14, "1 to 65535"),
        case(check(""), Code::MissingKeyword, 8, 1, "no `url`"),
        case(check("url {\n}"), Code::MissingKeyword, 7, 1, "no `path`"),
        case(check("url {\npath index.html\n}"), Code::InvalidText, 8, 6, "did you mean `/index.html`?"),
        case(check("url {\npath /\nstatus_code 2xx\n}"), Code::InvalidNumber, 9, 13, "2xx"),
        case(check("url {\npath /\ndigest 1234\n}"), Code::InvalidText, 9, 8, "32"),
        case(check("bindto ::1\nurl {\npath /\n}"), Code::FamilyMismatch, 7, 1, "not of one family"),
        case(no_port, Code::MissingKeyword, 6, 1, "add `connect_port`"),
        case("global_defs {\nsmtp_server a/b\n}\n", Code::InvalidText, 2, 13, "neither a host name"),
        case("global_defs {\nnotification_email {\na@\n}\n}\n", Code::InvalidText, 3, 1, "no mail address"),
    ]);
}

#[test]
#[rustfmt::skip]
fn what_is_used_in_another_way_is_a_warning() {
    let without = |line: &str| service(SERVER).replace(line, "");
    let long_password = instance("authentication {\nauth_type PASS\nauth_pass 123456789\n}");
    let unchecked = service("real_server 10.0.1.1 80 {\nMISC_CHECK {\nmisc_path x\n}\n}");
    let no_server = "global_defs {\nnotification_email {\na@b.c\n}\n}\n";
    let no_host = "global_defs {\nsmtp_server ::1\nnotification_email {\nroot\n}\n}\n";
    assert_cases(Severity::Warning, &[
        case("global_defs {\nenable_traps\n}\n", Code::NotSupportedYet, 2, 1, "no SNMP agent"),
        case("global_defs {\ntmp_config_directory /x\n}\n", Code::NoEffect, 2, 1, "no copy"),
        case(service(&format!("{SERVER}\nnat_mask 255.0.0.0")), Code::NoEffect, 7, 1, "no effect any more"),
        case(no_server, Code::MissingKeyword, 2, 1, "no `smtp_server`"),
        case(no_host, Code::ValueAdjusted, 4, 1, "root@localhost"),
        case("global_defs {\nnotification_email {\n}\n}\n", Code::MissingValue, 2, 1, "names nobody"),
        case(instance("state MASTER"), Code::DefaultUsed, 1, 15, "means 255"),
        case(instance("state MASTER\npriority 9\nnopreempt"), Code::Conflict, 6, 1, "state BACKUP"),
        case(instance("nopreempt\npreempt_delay 5"), Code::Conflict, 5, 1, "no effect with `nopreempt`"),
        case(instance("nopreempt\npreempt"), Code::Conflict, 5, 1, "exclude each other"),
        case(instance("advert_int 0.4"), Code::ValueAdjusted, 4, 12, "0.4 s becomes 1 s"),
        case(instance("advert_int 1.5"), Code::ValueAdjusted, 4, 12, "1.5 s becomes 2 s"),
        case(instance("version 3\nadvert_int 0.123"), Code::ValueAdjusted, 5, 12, "0.123 s becomes 0.13 s"),
        case(long_password, Code::ValueAdjusted, 6, 11, "longer than eight characters"),
        case(instance("unicast_peer {\n}"), Code::DefaultUsed, 1, 15, "multicast"),
        case(vip(""), Code::MissingKeyword, 1, 15, "no `virtual_ipaddress`"),
        case(vip("10.0.0.9\n10.0.0.9"), Code::DuplicateAddress, 7, 1, "used once"),
        case(instance("priority 1\npriority 2"), Code::RepeatedKeyword, 5, 1, "after line 4; the last one counts"),
        case(without("protocol TCP"), Code::DefaultUsed, 1, 16, "the service is UDP"),
        case(without("lvs_sched rr"), Code::DefaultUsed, 1, 16, "wlc"),
        case(without("lvs_method NAT"), Code::DefaultUsed, 1, 16, "NAT"),
        case(service(""), Code::MissingKeyword, 1, 16, "no `real_server`"),
        case(service(&format!("{SERVER}\n{SERVER}")), Code::DuplicateServer, 7, 13, "left out"),
        case(service(SERVER).replace("0.9 80", "0.9"), Code::ValueAdjusted, 1, 16, "always persistent"),
        case(service(&format!("ops\n{SERVER}")), Code::Conflict, 5, 1, "`ops` is for UDP"),
        case(unchecked, Code::NotSupportedYet, 6, 1, "counts as up"),
        case("global_defs {\u{a0}\n}\n", Code::OddBlank, 1, 14, "U+00A0"),
    ]);
}
