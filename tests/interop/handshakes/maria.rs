//! MariaDB.

use std::fs;
use std::io::Read;
use std::net::TcpStream;
use std::process::Command;
use std::time::Duration;

use lab::in_namespaces;
use lab::netns::{Host, Net, wait_until};
use lab::packages::Tools;

use super::{Server, attempt, certificate, check, file, prepare, tools, try_all, words};

/// Connections that may end in the handshake, one after another, before the whole host is refused.
const MOST_ERRORS: usize = 5;

/// Who may say for whom he connects.
const PROXY: &str = "10.0.0.77";

fn mariadbd(tools: &Tools, host: &Host) -> Command {
    let (dir, root) = (host.dir().display(), tools.root.display());
    let mut command = tools.command("mariadbd");
    command.args(["--no-defaults", "--user=root", "--skip-networking=0"]).args([
        format!("--basedir={root}/usr"),
        format!("--lc-messages-dir={root}/usr/share/mysql"),
        format!("--plugin-dir={root}/usr/lib/mysql/plugin"),
        format!("--character-sets-dir={root}/usr/share/mysql/charsets"),
        format!("--datadir={dir}/db"),
        format!("--tmpdir={dir}"),
    ]);
    command.args([
        "--innodb-flush-log-at-trx-commit=0",
        "--innodb-log-file-size=4M",
        "--innodb-buffer-pool-size=8M",
    ]);
    command
}

/// Gives the hosts of the segment names: MariaDB counts the errors only of those that it can tell the name of.
fn name_hosts(host: &Host) {
    let path = host.dir().join("hosts");
    fs::write(&path, "127.0.0.1 localhost\n10.0.0.1 director.example\n10.0.0.2 server.example\n")
        .expect("a folder of ours");
    let none: Option<&str> = None;
    nix::mount::mount(Some(&path), "/etc/hosts", none, nix::mount::MsFlags::MS_BIND, none)
        .expect("mounts are ours here");
}

fn start(tools: &Tools, host: &Host) -> (Server, String) {
    name_hosts(host);
    let (certificate, key) = certificate(host);
    let dir = host.dir().display().to_string();
    fs::create_dir(host.dir().join("db")).expect("a folder of ours");
    let read = |name: &str| {
        let path = tools.root.join("usr/share/mysql").join(name);
        fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
    };
    let tables = ["mysql_system_tables.sql", "mysql_system_tables_data.sql"].map(read).concat();
    fs::write(host.dir().join("tables.sql"), format!("create database mysql;\nuse mysql;\n{tables}"))
        .expect("a folder of ours");
    let input = fs::File::open(host.dir().join("tables.sql")).expect("it was just written");
    prepare(host, mariadbd(tools, host).arg("--bootstrap").stdin(input));
    let users = "CREATE DATABASE shop;\n\
                 CREATE TABLE shop.things (id INT);\n\
                 CREATE USER probe IDENTIFIED BY 'sesame';\n\
                 GRANT SELECT ON shop.* TO probe;\n\
                 CREATE USER secure IDENTIFIED BY 'sesame' REQUIRE SSL;\n\
                 CREATE USER local IDENTIFIED VIA unix_socket;\n";
    fs::write(host.dir().join("users.sql"), users).expect("a folder of ours");
    let mut command = mariadbd(tools, host);
    command.args([
        format!("--init-file={dir}/users.sql"),
        format!("--bind-address={}", host.address()),
        format!("--socket={dir}/socket"),
        format!("--pid-file={dir}/pid"),
        format!("--ssl-cert={certificate}"),
        format!("--ssl-key={key}"),
        format!("--max-connect-errors={MOST_ERRORS}"),
        format!("--proxy-protocol-networks={PROXY}"),
    ]);
    command.arg("--port=3306");
    (Server::start(host, command, 3306), certificate)
}

/// Waits until it has read who may come in: it listens before that.
fn wait_ready(director: &Host, host: &Host, ca: &str, server: &mut Server) {
    let check =
        check(&file(host, ca, &[(3306, "MYSQL_CHECK {\nlogin probe\npassword sesame\n}".to_owned())]));
    wait_until("MariaDB", Duration::from_secs(60), || {
        server.expect_running();
        (words(&attempt(director, &check)) == "passed").then_some(())
    });
}

#[test]
fn mariadb_is_asked() {
    let Some(tools) = tools() else { return };
    in_namespaces!();
    let net = Net::new(&["director", "server"]);
    let (director, host) = (net.host("director"), net.host("server"));
    let (mut server, ca) = start(&tools, host);
    wait_ready(director, host, &ca, &mut server);
    let mysql = |lines: &str| format!("MYSQL_CHECK {{\n{lines}\n}}");
    let known = |more: &str| mysql(&format!("login probe\npassword sesame\n{more}"));
    let trials = [
        ("mysql-no-login", mysql(""), "passed"),
        ("mysql-login", known(""), "passed"),
        ("mysql-wrong-password", mysql("login probe\npassword sesamee"), "Access denied for user 'probe'"),
        ("mysql-unknown-login", mysql("login nobody\npassword sesame"), "Access denied for user 'nobody'"),
        ("mysql-database", known("database shop"), "passed"),
        ("mysql-no-database", known("database other"), "(1044)"),
        ("mysql-query", known("query 'select 1'"), "passed"),
        ("mysql-no-row", known("database shop\nquery 'select id from things'"), "the query brings no row"),
        ("mysql-no-table", known("query 'select * from shop.others'"), "(1146)"),
        ("mysql-no-question", known("query 'set @a = 1'"), "no rows at all"),
        ("mysql-tls", known("tls\nquery 'select 1'"), "passed"),
        ("mysql-tls-other-name", known("tls\nsni_name other.example"), "it is not for other.example"),
        ("mysql-wants-tls", mysql("login secure\npassword sesame"), "Access denied"),
        ("mysql-has-tls", mysql("login secure\npassword sesame\ntls"), "passed"),
        ("mysql-no-login-tls", mysql("tls"), "passed"),
        ("mysql-not-mysql", "LDAP_CHECK {\n}".to_owned(), "the answer is not LDAP"),
    ];
    try_all(director, host, &ca, 3306, &trials, &mut server);
}

/// It greets before it has heard the header, and takes one from nobody but a proxy.
#[test]
fn mariadb_is_asked_as_a_proxy_would() {
    let Some(tools) = tools() else { return };
    in_namespaces!();
    let net = Net::new(&["director", "server"]);
    let (director, host) = (net.host("director"), net.host("server"));
    director.ip(&format!("addr add {PROXY}/24 dev eth0"));
    let (mut server, ca) = start(&tools, host);
    wait_ready(director, host, &ca, &mut server);
    for header in ["proxy_protocol v1", "proxy_protocol v2"] {
        let asked = |lines: &str| {
            let login = "login probe\npassword sesame\nquery 'select 1'";
            let text = format!("MYSQL_CHECK {{\n{header}\n{login}\n{lines}\n}}");
            words(&attempt(director, &check(&file(host, &ca, &[(3306, text)]))))
        };
        let bound = format!("bindto {PROXY}");
        assert_eq!(asked(&bound), "passed");
        assert_eq!(asked(&format!("{bound}\ntls")), "passed");
        let refused = asked("");
        let expected = format!("(asked with a PROXY header, `{header}`)");
        assert!(refused.ends_with(&expected), "{refused}");
    }
}

#[test]
fn mariadb_does_not_come_to_block_us() {
    let Some(tools) = tools() else { return };
    in_namespaces!();
    let net = Net::new(&["director", "server"]);
    let (director, host) = (net.host("director"), net.host("server"));
    let (mut server, ca) = start(&tools, host);
    wait_ready(director, host, &ca, &mut server);
    let asked = |lines: &str| {
        let check = check(&file(host, &ca, &[(3306, format!("MYSQL_CHECK {{\n{lines}\n}}"))]));
        words(&attempt(director, &check))
    };
    // Who leaves without a word is soon refused with all of his host, until somebody logs in: none of ours does.
    for _ in 0..MOST_ERRORS * 3 {
        assert_eq!(asked(""), "passed");
        assert!(asked("login probe\npassword wrong").contains("Access denied"));
        assert_eq!(asked("login probe\npassword sesame\nquery 'select 1'"), "passed");
    }
    for _ in 0..MOST_ERRORS * 3 {
        assert_eq!(asked(""), "passed");
        assert!(asked("login probe\npassword wrong").contains("Access denied"));
    }
    for _ in 0..MOST_ERRORS * 2 {
        let mut stream = director.enter(|| TcpStream::connect((host.address(), 3306)).expect("it listens"));
        assert!(stream.read(&mut [0; 1024]).expect("it greets") > 0);
    }
    wait_until("MariaDB blocks who leaves without a word", Duration::from_secs(10), || {
        asked("").contains("is blocked because of many connection errors").then_some(())
    });
}
