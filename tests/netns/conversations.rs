//! Checks that hold a conversation, with real servers: dovecot, vsftpd, OpenSMTPD, Postfix, INN, SIPp and tinyproxy.
//!
//! They insist on users and places of their own, and are too much for every run: `cargo interop` runs this. With
//! `RECORD_DIALOGUES=1` what was said is written to `healthcheck/tests/dialogues`, where it is held again in every run.

mod inn;
mod postfix;

use std::fs;
use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};

use lab::in_namespaces;
use lab::netns::{Host, Net, overlay};
use lab::packages::{self, Tools};

use super::servers::{Server, certificate, expect, service};
use super::start;

/// `sesame`, as `crypt(3)` keeps it.
const SESAME: &str =
    "$6$abcdefgh$Bk2D4uYVcw0FbFPsWa0iJZ1DNfy8v6OjKcRcuBfMkWD1KdADPVnmQf5cr0O8HfAYpq1XrrjdgIRINkwgSKJ8/1";

/// What was said on one connection: by whom, and which bytes.
type Said = Vec<(char, Vec<u8>)>;

/// One check.
struct Case {
    /// What the conversation is called where it is recorded, and what was asked; nothing where TLS hides it.
    record: Option<(&'static str, &'static str)>,
    port: u16,
    check: &'static str,
    up: bool,
    reason: &'static str,
}

const fn case(port: u16, check: &'static str, up: bool, reason: &'static str) -> Case {
    Case { record: None, port, check, up, reason }
}

impl Case {
    const fn recorded(mut self, name: &'static str, words: &'static str) -> Case {
        self.record = Some((name, words));
        self
    }
}

const CASES: &[Case] = &[
    case(2121, "FTP_CHECK {\n}", true, "passed").recorded("vsftpd-anonymous", "ftp"),
    case(2121, "FTP_CHECK {\npath /motd\nregex ^all\n}", true, "passed")
        .recorded("vsftpd-file", "ftp path=/motd"),
    case(
        2121,
        "FTP_CHECK {\npath /motd\nregex fire\n}",
        false,
        "the file has nothing in it that matches 'fire'",
    ),
    case(2121, "FTP_CHECK {\npath /none\n}", false, "the answer to RETR is '550 ")
        .recorded("vsftpd-no-file", "ftp path=/none"),
    case(2121, "FTP_CHECK {\nlogin me\npassword no\n}", false, "the answer to USER is '530 ")
        .recorded("vsftpd-refused", "ftp login=me password=no"),
    case(1143, "IMAP_CHECK {\n}", true, "passed").recorded("dovecot-imap", "imap"),
    case(1143, "IMAP_CHECK {\nlogin me\npassword sesame\n}", true, "passed")
        .recorded("dovecot-imap-login", "imap login=me password=sesame"),
    case(1143, "IMAP_CHECK {\nlogin me\npassword no\n}", false, "the answer to the login is 'a2 NO ")
        .recorded("dovecot-imap-refused", "imap login=me password=no"),
    case(1143, "IMAP_CHECK {\ntls starttls\nlogin me\npassword sesame\n}", true, "passed"),
    case(1993, "IMAP_CHECK {\ntls on\nlogin me\npassword sesame\n}", true, "passed"),
    case(1993, "IMAP_CHECK {\n}", false, "no greeting within"),
    case(1143, "IMAP_CHECK {\ntls on\n}", false, "the answer is not TLS"),
    case(1144, "IMAP_CHECK {\nproxy_protocol v1\nlogin me\npassword sesame\n}", true, "passed"),
    case(1144, "IMAP_CHECK {\nproxy_protocol v2\nlogin me\npassword sesame\n}", true, "passed"),
    case(1144, "IMAP_CHECK {\n}", false, "connection closed before the answer was complete"),
    case(1994, "IMAP_CHECK {\nproxy_protocol v1\ntls on\nlogin me\npassword sesame\n}", true, "passed"),
    case(1994, "IMAP_CHECK {\nproxy_protocol v2\ntls on\nlogin me\npassword sesame\n}", true, "passed"),
    case(1994, "IMAP_CHECK {\ntls on\n}", false, "connection"),
    case(
        1143,
        "IMAP_CHECK {\nproxy_protocol v1\n}",
        false,
        "(asked with a PROXY header, `proxy_protocol v1`)",
    ),
    case(1110, "POP3_CHECK {\n}", true, "passed").recorded("dovecot-pop3", "pop3"),
    case(1110, "POP3_CHECK {\nlogin me\npassword sesame\n}", true, "passed")
        .recorded("dovecot-pop3-login", "pop3 login=me password=sesame"),
    case(1110, "POP3_CHECK {\nlogin me\npassword no\n}", false, "the answer to PASS is '-ERR ")
        .recorded("dovecot-pop3-refused", "pop3 login=me password=no"),
    case(1110, "POP3_CHECK {\ntls starttls\nverify off\n}", true, "passed"),
    case(1110, "POP3_CHECK {\ntls starttls\nsni_name other.example\n}", false, "it is not for other.example"),
    case(1143, "POP3_CHECK {\n}", false, "the answer is not POP3: '* OK "),
    case(2525, "SMTP_CHECK {\nhelo_name probe.example\n}", true, "passed").recorded("opensmtpd", "smtp"),
    case(
        2525,
        "SMTP_CHECK {\nhelo_name probe.example\nlogin me\npassword sesame\n}",
        false,
        "offers no login",
    )
    .recorded("opensmtpd-no-login", "smtp login=me password=sesame"),
    case(2526, "SMTP_CHECK {\nhelo_name probe.example\n}", true, "passed").recorded("postfix", "smtp"),
    case(
        2526,
        "SMTP_CHECK {\nhelo_name probe.example\nlogin me\npassword sesame\n}",
        false,
        "offers no login",
    )
    .recorded("postfix-no-login", "smtp login=me password=sesame"),
    case(2528, "SMTP_CHECK {\nproxy_protocol v1\ntls starttls\n}", true, "passed"),
    case(2528, "SMTP_CHECK {\nproxy_protocol v2\ntls starttls\n}", true, "passed"),
    case(2528, "SMTP_CHECK {\n}", false, "no greeting within"),
    case(
        2526,
        "SMTP_CHECK {\nproxy_protocol v1\n}",
        false,
        "(asked with a PROXY header, `proxy_protocol v1`)",
    ),
    case(2526, "SMTP_CHECK {\ntls starttls\n}", true, "passed"),
    case(2587, "SMTP_CHECK {\ntls starttls\nlogin me\npassword sesame\n}", true, "passed"),
    case(2587, "SMTP_CHECK {\ntls starttls\nlogin me\npassword no\n}", false, "the answer to AUTH is '535 "),
    case(2587, "SMTP_CHECK {\ntls starttls\nsni_name other.example\n}", false, "it is not for other.example"),
    case(2465, "SMTP_CHECK {\ntls on\nlogin me\npassword sesame\n}", true, "passed"),
    case(2465, "SMTP_CHECK {\n}", false, "no greeting within"),
    case(1119, "NNTP_CHECK {\n}", true, "passed").recorded("inn", "nntp"),
    case(1119, "NNTP_CHECK {\nlogin me\npassword sesame\n}", true, "passed")
        .recorded("inn-login", "nntp login=me password=sesame"),
    case(1119, "NNTP_CHECK {\nlogin me\npassword no\n}", false, "the answer to AUTHINFO PASS is '481 ")
        .recorded("inn-refused", "nntp login=me password=no"),
    case(1119, "NNTP_CHECK {\ntls starttls\nlogin me\npassword sesame\n}", true, "passed"),
    case(1119, "NNTP_CHECK {\ntls starttls\nsni_name other.example\n}", false, "it is not for other.example"),
    case(1563, "NNTP_CHECK {\ntls on\nlogin me\npassword sesame\n}", true, "passed"),
    case(1120, "NNTP_CHECK {\n}", false, "the greeting is '400 ").recorded("inn-unavailable", "nntp"),
    case(5060, "SIP_CHECK {\nuri sip:probe@example.org\n}", true, "passed"),
    case(5061, "SIP_CHECK {\ntransport TCP\nstatus_code 200\n}", true, "passed"),
    case(
        5061,
        "SIP_CHECK {\ntransport TCP\nstatus_code 404\n}",
        false,
        "the answer is 'SIP/2.0 200 OK', expected status 404",
    ),
    case(
        1110,
        "TEXT_CHECK {\nsend \"CAPA\\r\\nQUIT\\r\\n\"\nregex ^SASL\nregex_options multiline\n}",
        true,
        "passed",
    ),
    case(
        1110,
        "TEXT_CHECK {\nsend \"QUIT\\r\\n\"\nregex fire\n}",
        false,
        "the answer has nothing in it that matches 'fire'",
    ),
    case(3128, "HTTP_GET {\nurl {\npath http://tinyproxy.stats/\nregex tinyproxy\n}\n}", true, "passed"),
    case(3128, "HTTP_GET {\nurl {\npath http://127.0.0.1:9/\n}\n}", false, "HTTP status 500"),
];

#[test]
fn real_servers_are_spoken_with() {
    if std::env::var("INTEROP").as_deref() != Ok("full") {
        // A part of the command that has everything, not of every run.
        return;
    }
    let tools = match packages::talkers() {
        Ok(tools) => tools,
        Err(error) => return lab::netns::skip(&error.to_string()),
    };
    in_namespaces!();
    let net = Net::new(&["director", "server"]);
    let (director, host) = (net.host("director"), net.host("server"));
    // Servers change into users that a namespace of one user has not.
    if let Err(reason) = prepare(&tools, host) {
        return lab::netns::skip(&reason);
    }
    let certificate = certificate(host, 365);
    let _servers = [dovecot(&tools, host, &certificate), vsftpd(&tools, host), smtpd(&tools, host)];
    let _phones = [sipp(&tools, host, 5060, "u1"), sipp(&tools, host, 5061, "t1")];
    let _proxy = tinyproxy(&tools, host);
    let _mail = postfix::start(&tools, host, &certificate);
    let _news = inn::start(&tools, host, &certificate);

    let mut text = format!("SSL {{\nca {}\n}}\n", certificate.0);
    let mut recorded = Vec::new();
    for (number, case) in (1..).zip(CASES) {
        let mut port = case.port;
        if let Some((name, words)) = case.record {
            port = 20_000 + number;
            recorded.push((name, words, relay(host, port, case.port)));
        }
        // Many servers on few cores, and each attempt is a process for some of them.
        let service = service(number, host, port, case.check);
        text += &service
            .replace("delay_loop 0.2", "delay_loop 2")
            .replace("connect_timeout 2", "connect_timeout 5");
    }
    let daemon = start(director, &text);
    let expected: Vec<(bool, &str)> = CASES.iter().map(|case| (case.up, case.reason)).collect();
    expect(&daemon, &expected);
    // No word of a password is in what is shown.
    let status = daemon.status().expect("it answers").to_string();
    assert!(!status.contains("sesame"), "{status}");
    if std::env::var_os("RECORD_DIALOGUES").is_some() {
        for (name, words, said) in recorded {
            let ended = CASES.iter().find(|case| case.record.is_some_and(|(other, _)| other == name));
            write(
                name,
                words,
                &said.lock().expect("nobody panics with it"),
                ended.is_some_and(|case| case.up),
            );
        }
    }
}

/// Gives the servers the places and users that they were built for.
fn prepare(tools: &Tools, host: &Host) -> Result<(), String> {
    let etc = host.dir().join("etc");
    let file = |path: &str, text: String| {
        let path = etc.join(path);
        fs::create_dir_all(path.parent().unwrap_or(&etc))
            .and_then(|()| fs::write(path, text))
            .map_err(|e| e.to_string())
    };
    let users = [("probe", 4711), ("opensmtpd", 4712), ("opensmtpq", 4713), ("nobody", 65_534)];
    let users = || users.into_iter().chain(postfix::USERS);
    let home = host.dir().join("files");
    let line = |(name, id): (&str, u32)| format!("{name}:x:{id}:{id}::{}:/bin/false\n", home.display());
    file("passwd", users().map(line).collect::<String>() + "root:x:0:0::/root:/bin/sh\n")?;
    let groups: String = users().map(|(name, id)| format!("{name}:x:{id}:\n")).collect();
    file("group", groups + "root:x:0:\nnogroup:x:65533:\n")?;
    // There is nobody to ask for names.
    file("nsswitch.conf", "passwd: files\ngroup: files\nhosts: files\n".to_owned())?;
    file("hosts", "10.0.0.1 director\n10.0.0.2 reader.lab.internal reader\n".to_owned())?;
    fs::create_dir_all(&home).map_err(|error| error.to_string())?;
    fs::write(home.join("motd"), "all is well\n").map_err(|error| error.to_string())?;
    overlay(&tools.root.join("usr"), "/usr", None)?;
    overlay(&etc, "/etc", None)?;
    let empty = host.dir().join("var");
    fs::create_dir_all(empty.join("lib/opensmtpd/empty"))
        .and_then(|()| fs::create_dir_all(empty.join("spool/smtpd")))
        .map_err(|error| error.to_string())?;
    overlay(&empty, "/var", Some(&host.dir().join("written")))?;
    // Where there is one user only the servers cannot become others.
    std::os::unix::fs::chown(home.join("motd"), Some(4711), Some(4711))
        .map_err(|error| format!("no other users: {error}"))?;
    fs::set_permissions("/var/spool/smtpd", fs::Permissions::from_mode(0o711))
        .map_err(|error| error.to_string())
}

/// A program at the place that it was built for.
fn at_home(tools: &Tools, path: &str) -> Command {
    let mut command = Command::new(path);
    command.env("LD_LIBRARY_PATH", format!("{}:/usr/lib/dovecot", tools.library_path()));
    command
}

fn config(host: &Host, name: &str, text: &str) -> std::path::PathBuf {
    let path = host.dir().join(name);
    fs::write(&path, text).expect("/run is ours");
    path
}

fn dovecot(tools: &Tools, host: &Host, (certificate, key): &(String, String)) -> Server {
    let dir = host.dir().join("dovecot");
    let home = dir.join("home");
    fs::create_dir_all(&home).expect("/run is ours");
    std::os::unix::fs::chown(&home, Some(4711), Some(4711)).expect("there are users");
    let library = format!("{}:/usr/lib/dovecot", tools.library_path());
    let (dir, listen) = (dir.display(), host.address());
    let listener = |name: &str, port: u16| format!("  inet_listener {name} {{\n    port = {port}\n  }}\n");
    let proxied = |name: &str, port: u16| listener(name, port).replace("  }", "    haproxy = yes\n  }");
    let text = format!(
        "haproxy_trusted_networks = {listen}/24\nhaproxy_timeout = 1s\nbase_dir = {dir}/base\nstate_dir = {dir}/state\nlog_path = /dev/stderr\nprotocols = imap pop3\n\
         listen = {listen}\nssl = yes\nssl_cert = <{certificate}\nssl_key = <{key}\ndisable_plaintext_auth = no\n\
         default_internal_user = root\ndefault_internal_group = root\ndefault_login_user = nobody\n\
         import_environment = LD_LIBRARY_PATH={library}\nauth_mechanisms = plain login\nauth_failure_delay = 0\n\
         mail_max_userip_connections = 100\nmail_location = mbox:~/mail\n\
         passdb {{\n  driver = static\n  args = password=sesame\n}}\n\
         userdb {{\n  driver = static\n  args = uid=4711 gid=4711 home={dir}/home\n}}\n\
         service imap-login {{\n  chroot =\n  service_count = 0\n{}{}}}\nservice pop3-login {{\n  chroot =\n  service_count = 0\n{}{}}}\n\
         service auth {{\n{}}}\n\
         service anvil {{\n  chroot =\n  unix_listener anvil-auth-penalty {{\n    mode = 0\n  }}\n}}\nservice stats {{\n  chroot =\n}}\n",
        listener("imap", 1143)
            + &proxied("imapproxied", 1144)
            + &proxied("imapsproxied", 1994).replace("  }", "    ssl = yes\n  }"),
        listener("imaps", 1993).replace("  }", "    ssl = yes\n  }"),
        listener("pop3", 1110),
        listener("pop3s", 0),
        listener("sasl", postfix::ASKED),
    );
    let mut command = at_home(tools, "/usr/sbin/dovecot");
    command.arg("-F").arg("-c").arg(config(host, "dovecot.conf", &text));
    Server::start(host, command)
}

fn vsftpd(tools: &Tools, host: &Host) -> Server {
    let empty = host.dir().join("empty");
    fs::create_dir_all(&empty).expect("/run is ours");
    let text = format!(
        "listen=YES\nlisten_port=2121\nlisten_address={}\nbackground=NO\nanonymous_enable=YES\nlocal_enable=NO\n\
         ftp_username=probe\nnopriv_user=nobody\nsecure_chroot_dir={}\nxferlog_enable=NO\nseccomp_sandbox=NO\n\
         pasv_promiscuous=YES\n",
        host.address(),
        empty.display()
    );
    let mut command = at_home(tools, "/usr/sbin/vsftpd");
    command.arg(config(host, "vsftpd.conf", &text));
    Server::start(host, command)
}

/// Its TLS does not get on with the libraries it is given here: what needs it is left out.
fn smtpd(tools: &Tools, host: &Host) -> Server {
    let accounts = config(host, "accounts", &format!("me {SESAME}\n"));
    let text = format!(
        "table accounts file:{}\nlisten on {} port 2525 hostname mx.example\n\
         action \"a\" expand-only alias <accounts>\nmatch from any for any reject\n",
        accounts.display(),
        host.address()
    );
    let mut command = at_home(tools, "/usr/sbin/smtpd");
    command.arg("-d").arg("-f").arg(config(host, "smtpd.conf", &text));
    Server::start(host, command)
}

fn sipp(tools: &Tools, host: &Host, port: u16, transport: &str) -> Server {
    let scenario = "<?xml version=\"1.0\" encoding=\"ISO-8859-1\" ?>\n<scenario name=\"options\">\n\
                    <recv request=\"OPTIONS\"></recv>\n<send><![CDATA[\n\nSIP/2.0 200 OK\n[last_Via:]\n[last_From:]\n\
                    [last_To:];tag=[call_number]\n[last_Call-ID:]\n[last_CSeq:]\nContent-Length: 0\n\n]]></send>\n\
                    </scenario>\n";
    let mut command = at_home(tools, "/usr/bin/sipp");
    command.arg("-sf").arg(config(host, "options.xml", scenario)).args(["-t", transport, "-nostdin"]);
    command.arg("-i").arg(host.address().to_string()).arg("-p").arg(port.to_string());
    command.current_dir(host.dir()).stdout(Stdio::null()).stderr(Stdio::null());
    Server::start(host, command)
}

fn tinyproxy(tools: &Tools, host: &Host) -> Server {
    let text = format!("Port 3128\nListen {}\nTimeout 5\nMaxClients 10\n", host.address());
    let mut command = at_home(tools, "/usr/bin/tinyproxy");
    command.arg("-d").arg("-c").arg(config(host, "tinyproxy.conf", &text)).stdout(Stdio::null());
    Server::start(host, command)
}

/// Passes connections on to another port, and notes what is said on the first one that comes about.
fn relay(host: &Host, port: u16, to: u16) -> Arc<Mutex<Said>> {
    let listener = host.enter(|| TcpListener::bind((host.address(), port))).expect("the port is free");
    let said: Arc<Mutex<Said>> = Arc::default();
    let noted = said.clone();
    let address = host.address();
    // A thread of that host makes its connections there.
    host.enter(|| {
        std::thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let Ok(server) = TcpStream::connect((address, to)) else { continue };
                let first = noted.lock().expect("nobody panics with it").is_empty();
                let note = first.then(|| noted.clone());
                pass_on(&client, &server, 'C', note.clone());
                pass_on(&server, &client, 'S', note);
            }
        })
    });
    said
}

fn pass_on(from: &TcpStream, to: &TcpStream, who: char, note: Option<Arc<Mutex<Said>>>) {
    let (Ok(mut from), Ok(mut to)) = (from.try_clone(), to.try_clone()) else { return };
    std::thread::spawn(move || {
        let mut bytes = [0; 4096];
        while let Ok(length @ 1..) = from.read(&mut bytes) {
            let piece = bytes.get(..length).unwrap_or_default();
            // Noted before it is passed on: the answer to it comes later.
            if let Some(note) = &note {
                note.lock().expect("nobody panics with it").push((who, piece.to_vec()));
            }
            if to.write_all(piece).is_err() {
                break;
            }
        }
        let _ = to.shutdown(Shutdown::Write);
    });
}

/// Writes down what was said.
fn write(name: &str, words: &str, said: &Said, up: bool) {
    let mut text = format!("# {name}, as in Debian 12\n{words}\n");
    let mut rest: [Vec<u8>; 2] = Default::default();
    for (who, bytes) in said {
        let line = &mut rest[usize::from(*who == 'C')];
        for byte in bytes {
            match byte {
                b'\n' => {
                    let shown = String::from_utf8_lossy(line).trim_end().to_owned();
                    text += format!("{who}: {shown}").trim_end();
                    text.push('\n');
                    line.clear();
                }
                byte => line.push(*byte),
            }
        }
    }
    text += if up { "passes\n" } else { "fails\n" };
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("healthcheck/tests/dialogues");
    fs::write(folder.join(format!("{name}.txt")), text).expect("the folder is there");
}
