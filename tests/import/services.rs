//! What is written for each service that ldirectord can check.

use super::*;

/// What is written for the only server of a section.
fn check_of(section: &str) -> String {
    let imported = ldirectord(&format!("{section}\tquiescent=yes\n"));
    read(&imported);
    let text = config::write::text(imported.lines.as_ref().unwrap());
    let dropped: Vec<_> = imported.report.notes().filter(|note| note.fate == Fate::Dropped).collect();
    assert!(dropped.is_empty(), "{dropped:?}");
    let from = text.find("weight 1\n").unwrap_or_else(|| panic!("{text}")) + "weight 1\n".len();
    let lines = text[from..].lines().take_while(|line| *line != "    }");
    lines.map(|line| format!("{}\n", line.strip_prefix("        ").unwrap_or(line))).collect()
}

#[test]
#[expect(clippy::too_many_lines, reason = "a table")]
fn each_service_is_asked_in_its_own_language() {
    let section = |port: u16, lines: &str| {
        let lines: String = lines.lines().map(|line| format!("\t{line}\n")).collect();
        format!("virtual=192.0.2.1:{port}\n\treal=198.51.100.1:{port} gate\n{lines}")
    };
    for (port, lines, expected) in [
        (
            21,
            "login=\"a\"\npasswd=\"b c\"\nrequest=\"motd\"\nreceive=\"^ok\"",
            "FTP_CHECK {\n    login a\n    password \"b c\"\n    path /motd\n    regex ^ok\n    retry 0\n}\n",
        ),
        (21, "", "FTP_CHECK {\n    retry 0\n}\n"),
        (143, "", "IMAP_CHECK {\n    retry 0\n}\n"),
        (
            993,
            "login=\"a\"\npasswd=\"b\"",
            "IMAP_CHECK {\n    tls on\n    verify off\n    login a\n    password b\n    retry 0\n}\n",
        ),
        (110, "login=\"a\"", "POP3_CHECK {\n    login a\n    retry 0\n}\n"),
        (995, "", "POP3_CHECK {\n    tls on\n    verify off\n    retry 0\n}\n"),
        (119, "", "NNTP_CHECK {\n    retry 0\n}\n"),
        (
            5060,
            "login=\"a@example.org\"",
            "SIP_CHECK {\n    uri sip:a@example.org\n    transport TCP\n    status_code 200\n    retry 0\n}\n",
        ),
        (5060, "protocol=udp", "SIP_CHECK {\n    status_code 200\n    retry 0\n}\n"),
        (
            7,
            "service=simpletcp\nrequest=\"a\\nb\\n\"\nreceive=\"^ok$\"",
            "TEXT_CHECK {\n    send \"a\\nb\\n\"\n    regex ^ok$\n    regex_options multiline\n    half_close\n    retry 0\n}\n",
        ),
        (
            7,
            "service=simpletcp\nprotocol=udp\nrequest=\"a\"",
            "TEXT_CHECK {\n    send a\n    transport UDP\n    retry 0\n}\n",
        ),
        (
            3128,
            "request=\"http://www.example.org/x\"\nreceive=\"ok\"",
            "HTTP_GET {\n    url {\n        path http://www.example.org/x\n        regex ok\n    }\n    retry 0\n}\n",
        ),
        (
            80,
            "httpmethod=HEAD",
            "HTTP_GET {\n    url {\n        path /\n        method HEAD\n    }\n    retry 0\n}\n",
        ),
        (
            389,
            "request=\"cn=a,dc=b\"\nlogin=\"cn=me\"\npasswd=\"p\"\nreceive=\"cn=a\"",
            "LDAP_CHECK {\n    login cn=me\n    password p\n    base cn=a,dc=b\n    retry 0\n}\n",
        ),
        (
            636,
            "request=\"dc=b\"\nlogin=\"cn=me\"",
            "LDAP_CHECK {\n    tls on\n    verify off\n    base dc=b\n    retry 0\n}\n",
        ),
        (
            3306,
            "login=\"a\"\npasswd=\"b c\"\ndatabase=\"shop\"\nrequest=\"SELECT 1\"",
            "MYSQL_CHECK {\n    login a\n    password \"b c\"\n    database shop\n    query \"SELECT 1\"\n    retry 0\n}\n",
        ),
        (
            5432,
            "login=\"a\"\nrequest=\"SELECT * FROM t\"",
            "PGSQL_CHECK {\n    login a\n    query \"SELECT * FROM t\"\n    retry 0\n}\n",
        ),
        (
            1812,
            "protocol=udp\nlogin=\"a\"\npasswd=\"b\"\nsecret=\"c\"",
            "RADIUS_CHECK {\n    login a\n    password b\n    secret c\n    require_message_authenticator off\n    retry 0\n}\n",
        ),
        (1521, "database=\"ORCL\"", "ORACLE_CHECK {\n    sid ORCL\n    retry 0\n}\n"),
        // One round negotiates, two only connect.
        (
            110,
            "checktype=2\ncheckport=1110",
            "POP3_CHECK {\n    connect_port 1110\n    delay_loop 30\n    retry 0\n}\nTCP_CHECK {\n    connect_port 1110\n    retry 0\n}\n",
        ),
        (
            53,
            "checktype=1",
            "DNS_CHECK {\n    type A\n    name .\n    delay_loop 20\n    retry 0\n}\nPING_CHECK {\n    retry 0\n}\n",
        ),
    ] {
        let written = check_of(&section(port, lines));
        assert_eq!(written, expected, "{port} {lines}");
    }
    let text = "maintenancedir = /var/lib/maintenance\n";
    let imported = ldirectord(&(text.to_owned() + &section(80, "checktype=connect\nquiescent=no")));
    assert_eq!(read(&imported).global.lvs.maintenance_dir.as_deref(), Some("/var/lib/maintenance"));
}
