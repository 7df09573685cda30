//! Checks that begin with a handshake: what is read of them, what is wrong with them, and that nothing secret shows.

use healthcheck::{Ldap, Login, Oracle, Password, Radius, Secret, Sni, Sql, Tls};

use super::complaints::{assert_cases, case};
use super::*;

/// A check with these lines, the first of which is the seventh of the text.
fn block(name: &str, lines: &str) -> String {
    service(&format!("real_server 10.0.1.1 80 {{\n{name} {{\n{lines}\n}}\n}}"))
}

#[track_caller]
fn kind(name: &str, lines: &str) -> Kind {
    only_check(&clean(&block(name, lines))).kind.clone()
}

fn said(text: &str) -> Password {
    Password::Said(Secret::new(text.to_owned()))
}

fn login(name: &str, password: Password) -> Option<Login> {
    Some(Login { name: name.to_owned(), password })
}

#[test]
fn each_kind_says_what_is_its_own() {
    assert_eq!(kind("LDAP_CHECK", ""), Kind::Ldap(Ldap::default()));
    let tls = Tls { verify: true, ..Tls::default() };
    let ldap = "login cn=a,dc=b\npassword \"x y\"\nbase dc=b\ntls starttls\nsni_name a.example";
    let expected = Ldap {
        login: login("cn=a,dc=b", said("x y")),
        base: Some("dc=b".into()),
        tls: Some(Tls { sni: Sni::Name("a.example".into()), ..tls.clone() }),
        starttls: true,
    };
    assert_eq!(kind("LDAP_CHECK", ldap), Kind::Ldap(expected));
    let on = Ldap { tls: Some(tls.clone()), ..Ldap::default() };
    assert_eq!(kind("LDAP_CHECK", "tls on"), Kind::Ldap(on));
    assert_eq!(kind("LDAP_CHECK", "tls off"), Kind::Ldap(Ldap::default()));

    assert_eq!(kind("MYSQL_CHECK", ""), Kind::Mysql(Sql::default()));
    let sql = "login a\npassword_file /b\ndatabase c\nquery \"select 1\"\ntls\nverify off\nallow_cleartext";
    let expected = Sql {
        login: login("a", Password::File("/b".into(), None)),
        database: Some("c".into()),
        query: Some("select 1".into()),
        tls: Some(Tls { verify: false, ..tls }),
        cleartext: true,
    };
    assert_eq!(kind("MYSQL_CHECK", sql), Kind::Mysql(expected.clone()));
    assert_eq!(kind("PGSQL_CHECK", sql), Kind::Pgsql(expected));
    let empty = Sql { login: login("a", said("")), ..Sql::default() };
    assert_eq!(kind("PGSQL_CHECK", "login a"), Kind::Pgsql(empty));

    let radius = Radius { login: login("a", said("b")), secret: said("c"), rejection: false, signed: true };
    assert_eq!(kind("RADIUS_CHECK", "login a\npassword b\nsecret c"), Kind::Radius(radius.clone()));
    let lax = Radius { rejection: true, signed: false, ..radius.clone() };
    let lines = "login a\npassword b\nsecret c\naccept_reject\nrequire_message_authenticator off";
    assert_eq!(kind("RADIUS_CHECK", lines), Kind::Radius(lax));
    let status = Radius { login: None, secret: Password::File("/c".into(), None), ..radius };
    assert_eq!(kind("RADIUS_CHECK", "status_server\nsecret_file /c"), Kind::Radius(status));

    assert_eq!(kind("ORACLE_CHECK", ""), Kind::Oracle(Oracle::Listener));
    assert_eq!(kind("ORACLE_CHECK", "service_name a.b"), Kind::Oracle(Oracle::Service("a.b".into())));
    assert_eq!(kind("ORACLE_CHECK", "sid ORCL"), Kind::Oracle(Oracle::Sid("ORCL".into())));
}

#[test]
#[rustfmt::skip]
fn mistakes_are_told() {
    use Code::*;
    assert_cases(Severity::Error, &[
        case(block("LDAP_CHECK", "login cn=a"), MissingKeyword, 8, 1, "`login cn=a` has no password: a bind with an empty one is anonymous"),
        case(block("LDAP_CHECK", "tls yes"), InvalidChoice, 7, 5, "allowed: off, on, starttls"),
        case(block("MYSQL_CHECK", "login a\npassword b c"), UnexpectedWord, 8, 1, "put it into quotes"),
        case(block("MYSQL_CHECK", "login a\npassword \"\""), InvalidText, 8, 10, "is empty"),
        case(block("PGSQL_CHECK", "tls starttls"), InvalidSwitch, 7, 5, "allowed: on"),
        case(block("RADIUS_CHECK", "login a"), MissingKeyword, 8, 1, "no `secret`"),
        case(block("RADIUS_CHECK", "secret a"), MissingKeyword, 8, 1, "add `login` and `password`, or `status_server`"),
        case(block("RADIUS_CHECK", &format!("secret a\nlogin b\npassword {}", "c".repeat(129))), InvalidText, 6, 1, "than 128"),
        case(block("ORACLE_CHECK", "sid a\nservice_name b"), Conflict, 6, 1, "leave `sid` out"),
        case(block("ORACLE_CHECK", "sid 'a)(b=c'"), InvalidText, 7, 5, "letters, digits"),
    ]);
    assert_cases(Severity::Warning, &[
        case(block("MYSQL_CHECK", "password b"), NoEffect, 7, 1, "without `login`"),
        case(block("PGSQL_CHECK", "query 'select 1'"), NoEffect, 7, 1, "without `login`"),
        case(block("RADIUS_CHECK", "login a\nsecret b\nstatus_server"), NoEffect, 9, 1, "beside `login`"),
        case(block("RADIUS_CHECK", "secret b\nstatus_server\naccept_reject"), NoEffect, 9, 1, "nobody is rejected"),
    ]);
    for text in [
        block("MYSQL_CHECK", "login a\npassword hunter2 hunter2"),
        block("MYSQL_CHECK", "login a\npassword \"hunter2\\t\""),
        block("RADIUS_CHECK", &format!("login a\nsecret hunter2\npassword hunter2{}", "x".repeat(130))),
    ] {
        let reading = read_text("test.conf", &text);
        assert!(reading.config.is_none(), "{text}");
        let told = reading.complaints.iter().any(|complaint| format!("{complaint}").contains("hunter2"));
        assert!(!told, "{:?}", reading.complaints);
    }
}

#[test]
fn passwords_are_read_from_files() {
    use std::os::unix::fs::PermissionsExt;
    let folder = std::env::temp_dir().join(format!("directord-passwords-{}", std::process::id()));
    fs::create_dir_all(&folder).unwrap();
    let path = |name: &str| folder.join(name).display().to_string();
    let put = |name: &str, bytes: &[u8]| {
        fs::write(path(name), bytes).unwrap();
        fs::set_permissions(path(name), fs::Permissions::from_mode(0o600)).unwrap();
    };
    put("good", b"hunter2 # 1\r\n");
    put("empty", b"\n");
    put("lines", b"a\nb\n");
    put("binary", b"\xff\xfe");
    put("long", &[b'x'; 2000]);
    put("open", b"x\n");
    fs::set_permissions(path("open"), fs::Permissions::from_mode(0o644)).unwrap();
    let reading = |name: &str| {
        let check =
            |login: &str| format!("MYSQL_CHECK {{\nlogin {login}\npassword_file {}\n}}\n", path(name));
        let text = service(&format!("real_server 10.0.1.1 80 {{\n{}{}}}", check("a"), check("b")));
        fs::write(path("conf"), text).unwrap();
        read(&folder.join("conf"), None, Purpose::Check)
    };
    let good = reading("good");
    let config = good.config.unwrap();
    let checks = &only_service(&config).servers.values().next().unwrap().checks;
    let revealed: Vec<&[u8]> = checks
        .iter()
        .map(|check| match &check.kind {
            Kind::Mysql(Sql { login: Some(login), .. }) => login.password.reveal(),
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(revealed, [b"hunter2 # 1".as_slice(); 2]);
    assert!(!format!("{config:?}").contains("hunter2"));
    let text = directord::config::write::text(&directord::config::write::lines(&config));
    assert!(text.contains("password_file") && !text.contains("hunter2"), "{text}");
    for (name, expected) in [
        ("nowhere", "no password in"),
        ("empty", "it is empty"),
        ("lines", "more than one line"),
        ("binary", "not UTF-8"),
        ("long", "longer than 1024 bytes"),
    ] {
        let reading = reading(name);
        let told: Vec<String> = reading
            .complaints
            .iter()
            .filter(|one| one.severity == Severity::Error)
            .map(|one| one.message.clone())
            .collect();
        assert!(
            reading.config.is_none() && told.len() == 1 && told[0].contains(expected),
            "{name}: {told:?}"
        );
    }
    let open = reading("open");
    let told = open.complaints.iter().filter(|complaint| complaint.code == Code::FileUnsafe).count();
    assert!(open.config.is_some() && told == 1, "{:?}", open.complaints);
    fs::remove_dir_all(&folder).unwrap();
}
