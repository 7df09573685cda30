//! PostgreSQL.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use lab::in_namespaces;
use lab::netns::{Host, Net, wait_until};
use lab::packages::Tools;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::{Server, attempt, certificate, check, file, prepare, tools, try_all, words};

/// A program of the server, which refuses to be run by root: it is somebody else in a namespace of its own.
fn program(tools: &Tools, name: &str) -> Command {
    let versions = tools.root.join("usr/lib/postgresql");
    let mut found: Vec<PathBuf> =
        fs::read_dir(&versions).expect("it is unpacked").flatten().map(|entry| entry.path()).collect();
    found.sort();
    let mut command = Command::new("unshare");
    command.args(["--user", "--map-user=1000", "--map-group=1000", "--"]);
    command.arg(found.last().expect("a version of it").join("bin").join(name));
    command.env("LD_LIBRARY_PATH", tools.library_path()).env("LC_ALL", "C");
    command
}

fn start(tools: &Tools, host: &Host) -> (Server, String) {
    let (certificate, key) = certificate(host);
    let path = |name: &str| host.dir().join(name).display().to_string();
    let db = path("db");
    fs::write(path("password"), "sesame\n").expect("a folder of ours");
    prepare(
        host,
        program(tools, "initdb")
            .args(["-D", &db, "-U", "admin", "-E", "UTF8", "--locale=C", "--no-sync", "--auth=trust"])
            .arg(format!("--pwfile={}", path("password"))),
    );
    let roles = "CREATE ROLE scram LOGIN PASSWORD 'sesame';\nCREATE ROLE clear LOGIN PASSWORD 'sesame';\n\
                 SET password_encryption = 'md5';\nCREATE ROLE old LOGIN PASSWORD 'sesame';\n\
                 CREATE ROLE trusted LOGIN;\nCREATE TABLE things (id int);\nGRANT SELECT ON things TO scram;\n";
    fs::write(path("roles"), roles).expect("a folder of ours");
    let input = fs::File::open(path("roles")).expect("it was just written");
    prepare(host, program(tools, "postgres").args(["--single", "-D", &db, "postgres"]).stdin(input));
    let rules = "hostssl all scram 0.0.0.0/0 scram-sha-256\nhost all scram 0.0.0.0/0 scram-sha-256\n\
                 host all clear 0.0.0.0/0 password\nhost all old 0.0.0.0/0 md5\nhost all trusted 0.0.0.0/0 trust\n";
    fs::write(host.dir().join("db/pg_hba.conf"), rules).expect("a folder of ours");
    let mut command = program(tools, "postgres");
    command.args(["-D", &db, "-p", "5432", "-h", &host.address().to_string()]);
    for setting in [
        "unix_socket_directories=".to_owned(),
        "fsync=off".to_owned(),
        "ssl=on".to_owned(),
        format!("ssl_cert_file={certificate}"),
        format!("ssl_key_file={key}"),
    ] {
        command.args(["-c", &setting]);
    }
    (Server::start(host, command, 5432), certificate)
}

/// Waits until it has recovered and lets people in.
fn wait_ready(director: &Host, host: &Host, ca: &str) {
    let check = check(&file(host, ca, &[(5432, "PGSQL_CHECK {\n}".to_owned())]));
    wait_until("PostgreSQL", Duration::from_secs(30), || {
        (words(&attempt(director, &check)) == "passed").then_some(())
    });
}

#[test]
fn postgresql_is_asked() {
    let Some(tools) = tools() else { return };
    in_namespaces!();
    let net = Net::new(&["director", "server"]);
    let (director, host) = (net.host("director"), net.host("server"));
    let (mut server, ca) = start(&tools, host);
    wait_ready(director, host, &ca);
    let pgsql = |lines: &str| format!("PGSQL_CHECK {{\n{lines}\n}}");
    let known = |login: &str, more: &str| {
        pgsql(&format!("login {login}\npassword sesame\ndatabase postgres\n{more}"))
    };
    let wrong = |login: &str, more: &str| known(login, more).replace("sesame", "sesamee");
    let trials = [
        ("pgsql-no-login", pgsql(""), "passed"),
        ("pgsql-no-login-tls", pgsql("tls"), "passed"),
        ("pgsql-trust", known("trusted", ""), "passed"),
        ("pgsql-scram", known("scram", ""), "passed"),
        (
            "pgsql-scram-wrong",
            wrong("scram", ""),
            "password authentication failed for user \"scram\"' (28P01)",
        ),
        ("pgsql-scram-tls", known("scram", "tls\nquery 'select 1'"), "passed"),
        (
            "pgsql-tls-other-name",
            known("scram", "tls\nsni_name other.example"),
            "it is not for other.example",
        ),
        ("pgsql-md5", known("old", ""), "passed"),
        ("pgsql-md5-wrong", wrong("old", ""), "(28P01)"),
        ("pgsql-clear", known("clear", ""), "the server wants the password itself"),
        ("pgsql-clear-allowed", known("clear", "allow_cleartext"), "passed"),
        ("pgsql-clear-wrong", wrong("clear", "allow_cleartext"), "(28P01)"),
        ("pgsql-clear-tls", known("clear", "tls"), "passed"),
        ("pgsql-unknown-login", known("nobody", ""), "no pg_hba.conf entry"),
        ("pgsql-no-database", pgsql("login trusted\ndatabase other"), "(3D000)"),
        ("pgsql-query", known("scram", "query 'select 1'"), "passed"),
        ("pgsql-no-row", known("scram", "query 'select id from things'"), "the query brings no row"),
        ("pgsql-no-table", known("scram", "query 'select * from others'"), "(42P01)"),
        ("pgsql-no-question", known("scram", "query 'set x.y = 1'"), "the query brings no row"),
        ("pgsql-not-pgsql", "MYSQL_CHECK {\nconnect_timeout 1\n}".to_owned(), "no greeting within 1 s"),
    ];
    try_all(director, host, &ca, 5432, &trials, &mut server);
}

#[test]
fn postgresql_that_is_shutting_down_does_not_serve() {
    let Some(tools) = tools() else { return };
    in_namespaces!();
    let net = Net::new(&["director", "server"]);
    let (director, host) = (net.host("director"), net.host("server"));
    let (server, ca) = start(&tools, host);
    wait_ready(director, host, &ca);
    // A session that goes on keeps the server from ending.
    let mut session = director.enter(|| TcpStream::connect((host.address(), 5432)).expect("it listens"));
    let start = b"\0\x03\0\0user\0trusted\0database\0postgres\0\0";
    let length = (start.len() as u32 + 4).to_be_bytes();
    session.write_all(&[&length[..], start].concat()).expect("it listens");
    let mut heard = [0; 1024];
    assert!(session.read(&mut heard).expect("it answers") > 0);
    std::thread::sleep(Duration::from_millis(300));
    let pid = i32::try_from(server.child.id()).expect("a number of a process");
    kill(Pid::from_raw(pid), Signal::SIGTERM).expect("it is ours");
    for lines in ["", "login trusted\ndatabase postgres"] {
        let check = check(&file(host, &ca, &[(5432, format!("PGSQL_CHECK {{\n{lines}\n}}"))]));
        wait_until("the shutdown", Duration::from_secs(10), || {
            let said = words(&attempt(director, &check));
            said.contains("does not serve now: 'the database system is shutting down' (57P03)").then_some(())
        });
    }
}
