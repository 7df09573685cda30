//! Every kind of check by connection, and the part that a good server plays in it.

use std::sync::Arc;

use healthcheck::spec::parse_digest;
use healthcheck::{
    Dialogue, Encryption, Ftp, Grpc, Http, HttpVersion, Kind, Ldap, Login, Oracle, Password, Pattern,
    Protocol, Secret, Sip, Smtp, Sql, Text, Tls, TlsFiles, Url,
};

use super::server::Turn::{self, Hears, Names, Secures, Sends};

/// One check, and how a good server answers it.
pub struct Case {
    pub name: &'static str,
    pub kind: Kind,
    pub part: Vec<Turn>,
    /// Whether the server chooses HTTP/2.
    pub http2: bool,
    /// Whether it wants to hear first for whom it is asked, by a PROXY header of version 2.
    pub proxied: bool,
}

/// What nobody may ever read in a reason.
pub const PASSWORD: &str = "hunter2";

fn login() -> Option<Login> {
    let password = Password::Said(Secret::new(PASSWORD.to_owned()));
    Some(Login { name: "probe".to_owned(), password })
}

fn says(bytes: &[u8]) -> Turn {
    Turn::Says(bytes.to_vec())
}

fn pattern(text: &str) -> Option<Box<Pattern>> {
    Some(Box::new(Pattern { text: text.to_owned(), ..Pattern::default() }))
}

fn case(name: &'static str, kind: Kind, part: Vec<Turn>) -> Case {
    Case { name, kind, part, http2: false, proxied: false }
}

/// A conversation by lines: what the server says, each time followed by a line of ours. `!` stands for TLS: where it is
/// the first the server speaks first behind it, otherwise we do.
fn lines(said: &[&'static str]) -> Vec<Turn> {
    let mut part = Vec::new();
    for line in said {
        match *line {
            "!" if part.is_empty() => part.push(Secures),
            "!" => {
                // Nothing is said in the clear any more.
                part.pop();
                part.extend([Secures, Hears]);
            }
            line if line.contains("PORT") => part.extend([Names(line), Hears]),
            line => part.extend([says(line.as_bytes()), Hears]),
        }
    }
    part
}

/// Everything, with checks that trust this authority.
pub fn all(authority: &str) -> Vec<Case> {
    let files = TlsFiles { ca: Some(authority.to_owned()), ..TlsFiles::default() };
    let tls = Tls { verify: true, files: Some(Arc::new(files)), ..Tls::default() };
    let mut all = vec![case("TCP", Kind::Tcp, Vec::new())];
    all.extend(pages(&tls));
    all.extend(mail(&tls));
    all.extend(boxes(&tls));
    all.extend(files_and_news(&tls));
    all.extend(words(&tls));
    all.extend(directories(&tls));
    all.extend(mysql(&tls));
    all.extend(pgsql(&tls));
    let accepted = [&[0, 24, 0, 0, 2, 0, 0, 0][..], &[0; 16]].concat();
    all.push(case("Oracle", Kind::Oracle(Oracle::Sid("X".into())), vec![Hears, says(&accepted)]));
    all
}

/// `printf 'hello\n' | md5sum`
const HELLO: &str = "b1946ac92492d2347c6235b4d2611184";

/// A frame of HTTP/2 (RFC 9113 section 4.1) on the first stream of a client.
fn frame(kind: u8, flags: u8, stream: u8, payload: &[u8]) -> Vec<u8> {
    let [.., a, b, c] = (payload.len() as u32).to_be_bytes();
    [&[a, b, c, kind, flags, 0, 0, 0, stream], payload].concat()
}

/// A header that is written out (RFC 7541 section 6.2.2).
fn header(name: &str, value: &str) -> Vec<u8> {
    [&[0, name.len() as u8], name.as_bytes(), &[value.len() as u8], value.as_bytes()].concat()
}

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const SETTINGS: u8 = 4;
const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;
/// `:status: 200` (RFC 7541 appendix A).
const OK: &[u8] = &[0x88];

fn pages(tls: &Tls) -> Vec<Case> {
    let url = || Url::new("/").unwrap();
    let digest = || Url { digest: Some(parse_digest(HELLO).unwrap()), ..url() };
    let regex = || Url { pattern: pattern("^hello$"), ..url() };
    let web = |url: Url, protocol, tls: Option<&Tls>| {
        Kind::Http(Http { urls: vec![url], protocol, tls: tls.cloned(), ..Http::default() })
    };
    let grpc = |tls: Option<&Tls>| Kind::Grpc(Grpc { tls: tls.cloned(), ..Grpc::default() });
    let counted = || {
        let head = b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\n";
        vec![Hears, says(head), says(b"hello\n")]
    };
    let chunked = || {
        let head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
        vec![Hears, says(head), says(b"6\r\nhello\n\r\n"), says(b"0\r\n\r\n")]
    };
    let frames = || {
        vec![
            Hears,
            says(&frame(SETTINGS, 0, 0, &[])),
            says(&frame(HEADERS, END_HEADERS, 1, OK)),
            says(&frame(DATA, END_STREAM, 1, b"hello\n")),
        ]
    };
    let call = || {
        let head = [OK, &header("content-type", "application/grpc")].concat();
        vec![
            Hears,
            says(&frame(SETTINGS, 0, 0, &[])),
            says(&frame(HEADERS, END_HEADERS, 1, &head)),
            says(&frame(DATA, 0, 1, &[0, 0, 0, 0, 2, 8, 1])),
            says(&frame(HEADERS, END_HEADERS | END_STREAM, 1, &header("grpc-status", "0"))),
        ]
    };
    let secure = |mut part: Vec<Turn>| {
        part.insert(0, Secures);
        part
    };
    let two = |case: Case| Case { http2: true, ..case };
    let (old, one, http2) = (HttpVersion::Http10, HttpVersion::Http11, HttpVersion::Http2);
    vec![
        case("HTTP status", web(url(), old, None), vec![Hears, says(b"HTTP/1.0 200 OK\r\n\r\n")]),
        case("HTTP digest", web(digest(), one, None), counted()),
        case("HTTP regex", web(regex(), one, None), chunked()),
        case("HTTPS digest", web(digest(), one, Some(tls)), secure(counted())),
        case("HTTP/2 digest", web(digest(), http2, None), frames()),
        two(case("HTTPS/2 digest", web(digest(), http2, Some(tls)), secure(frames()))),
        case("gRPC", grpc(None), call()),
        two(case("gRPC with TLS", grpc(Some(tls)), secure(call()))),
    ]
}

fn mail(tls: &Tls) -> Vec<Case> {
    let smtp = |encryption: Encryption, login| {
        Kind::Smtp(Smtp { helo: Some("probe.example".to_owned()), encryption, login })
    };
    let (on, starttls) = (Encryption::On(tls.clone()), Encryption::StartTls(tls.clone()));
    let offer = "250-mx.example\r\n250-STARTTLS\r\n250 AUTH PLAIN LOGIN\r\n";
    vec![
        case("SMTP", smtp(Encryption::Off, None), lines(&["220-mx\r\n220 ready\r\n", "250 hello\r\n"])),
        case("SMTP login", smtp(Encryption::Off, login()), lines(&["220 mx\r\n", offer, "235 in\r\n"])),
        case(
            "SMTP STARTTLS",
            smtp(starttls, login()),
            lines(&["220 mx\r\n", offer, "220 go on\r\n", "!", offer, "235 in\r\n"]),
        ),
        case("SMTPS", smtp(on, login()), lines(&["!", "220 mx\r\n", offer, "235 in\r\n"])),
    ]
}

fn dialogue(protocol: Protocol, encryption: Encryption, login: Option<Login>) -> Kind {
    Kind::Dialogue(Box::new(Dialogue { protocol, encryption, login }))
}

fn boxes(tls: &Tls) -> Vec<Case> {
    let imap = |encryption, login| dialogue(Protocol::Imap, encryption, login);
    let pop = |encryption, login| dialogue(Protocol::Pop3, encryption, login);
    let off = || Encryption::Off;
    let on = || Encryption::On(tls.clone());
    let starttls = || Encryption::StartTls(tls.clone());
    let hello = "* OK IMAP4rev1 ready\r\n";
    let (let_in, noop) = ("* CAPABILITY IMAP4rev1\r\na2 OK in\r\n", "a3 OK yes\r\n");
    vec![
        case("IMAP", imap(off(), None), lines(&[hello, "* CAPABILITY IMAP4rev1\r\na2 OK done\r\n"])),
        case("IMAP login", imap(off(), login()), lines(&[hello, let_in, noop])),
        case(
            "IMAP STARTTLS",
            imap(starttls(), login()),
            lines(&[hello, "a1 OK begin\r\n", "!", let_in, noop]),
        ),
        case("IMAPS", imap(on(), login()), lines(&["!", hello, let_in, noop])),
        case("POP3", pop(off(), None), lines(&["+OK ready\r\n", "+OK it can\r\nUSER\r\nUIDL\r\n.\r\n"])),
        case("POP3 login", pop(off(), login()), lines(&["+OK ready\r\n", "+OK who\r\n", "+OK in\r\n"])),
        case(
            "POP3 STLS",
            pop(starttls(), login()),
            lines(&["+OK ready\r\n", "+OK begin\r\n", "!", "+OK who\r\n", "+OK in\r\n"]),
        ),
        case("POP3S", pop(on(), login()), lines(&["!", "+OK ready\r\n", "+OK who\r\n", "+OK in\r\n"])),
    ]
}

fn files_and_news(tls: &Tls) -> Vec<Case> {
    let ftp = |encryption, login, path: Option<&str>| {
        let pattern = path.and(pattern("it is well"));
        dialogue(Protocol::Ftp(Ftp { path: path.map(str::to_owned), pattern }), encryption, login)
    };
    let news = |encryption, login| dialogue(Protocol::Nntp, encryption, login);
    let (who, let_in) = ("331 password\r\n", "230 in\r\n");
    let file = [
        lines(&["220-Welcome\r\n220 go on\r\n", who, let_in, "200 ok\r\n"]),
        lines(&["229 here (|||PORT|)\r\n"]),
        vec![
            says(b"150 it comes\r\n"),
            Sends(b"all is well here: it is well\n"),
            says(b"226 done\r\n"),
            Hears,
        ],
    ]
    .concat();
    let on = || Encryption::On(tls.clone());
    let starttls = || Encryption::StartTls(tls.clone());
    let asked = "381 more\r\n";
    vec![
        case("FTP", ftp(Encryption::Off, None, None), lines(&["220 hello\r\n", who, let_in])),
        case("FTP file", ftp(Encryption::Off, login(), Some("/motd")), file),
        case(
            "FTP AUTH TLS",
            ftp(starttls(), login(), None),
            lines(&["220 hello\r\n", "234 begin\r\n", "!", who, let_in]),
        ),
        case("FTPS", ftp(on(), login(), None), lines(&["!", "220 hello\r\n", who, let_in])),
        case("NNTP", news(Encryption::Off, None), lines(&["201 no posting\r\n"])),
        case("NNTP login", news(Encryption::Off, login()), lines(&["200 news\r\n", asked, "281 in\r\n"])),
        case(
            "NNTP STARTTLS",
            news(starttls(), login()),
            lines(&["200 news\r\n", "382 begin\r\n", "!", asked, "281 in\r\n"]),
        ),
        case("NNTPS", news(on(), login()), lines(&["!", "200 news\r\n", asked, "281 in\r\n"])),
    ]
}

fn words(tls: &Tls) -> Vec<Case> {
    let sip = |encryption| dialogue(Protocol::Sip(Sip::default()), encryption, None);
    let text = |encryption, text: Text| dialogue(Protocol::Text(text), encryption, None);
    let expecting =
        || Text { send: Some("how are you\n".to_owned()), pattern: pattern("well"), ..Text::default() };
    let absent = Pattern { text: "down".to_owned(), absent: true, ..Pattern::default() };
    let quiet = Text { pattern: Some(Box::new(absent)), ..Text::default() };
    let answer = b"SIP/2.0 200 OK\r\nContent-Length: 0\r\n\r\n";
    let on = || Encryption::On(tls.clone());
    vec![
        case("SIP", sip(Encryption::Off), vec![Hears, says(answer)]),
        case("SIP with TLS", sip(on()), vec![Secures, Hears, says(answer)]),
        case("TEXT", text(Encryption::Off, expecting()), vec![Hears, says(b"all is well\n")]),
        case("TEXT with TLS", text(on(), expecting()), vec![Secures, Hears, says(b"all is well\n")]),
        case("TEXT absent", text(Encryption::Off, quiet), vec![says(b"all is well\n")]),
    ]
}

fn directories(tls: &Tls) -> Vec<Case> {
    // Success of what was asked with this number.
    let success = |number: u8, what: u8| [0x30, 0x0c, 2, 1, number, what, 7, 0x0a, 1, 0, 4, 0, 4, 0];
    let bound = || says(&success(2, 0x61));
    let entry = b"\x30\x0d\x02\x01\x03\x64\x08\x04\x04dc=a\x30\0";
    let searched = || vec![Hears, says(entry), says(&success(3, 0x65)), Hears];
    let base = Some("dc=a".to_owned());
    let asking = |tls: Option<&Tls>, starttls| {
        Kind::Ldap(Ldap { login: login(), base: base.clone(), tls: tls.cloned(), starttls })
    };
    let then = |begin: Vec<Turn>| [begin, searched()].concat();
    vec![
        case("LDAP", Kind::Ldap(Ldap::default()), vec![Hears, bound(), Hears]),
        case("LDAP search", asking(None, false), then(vec![Hears, bound()])),
        case(
            "LDAP StartTLS",
            asking(Some(tls), true),
            then(vec![Hears, says(&success(1, 0x78)), Secures, Hears, bound()]),
        ),
        case("LDAPS", asking(Some(tls), false), then(vec![Secures, Hears, bound()])),
    ]
}

/// A message of MySQL.
fn packet(number: u8, content: &[u8]) -> Vec<u8> {
    [&[content.len() as u8, 0, 0, number], content].concat()
}

fn mysql(tls: &Tls) -> Vec<Case> {
    let greeting = packet(
        0,
        b"\x0a5.5.5\0\x07\0\0\x0001234567\0\0\x8a\x21\x02\0\x08\0\x15\0\0\0\0\0\0\0\0\0\0890123456789\0mysql_native_password\0",
    );
    let denied = packet(2, b"\xff\x15\x04#28000Access denied for user ''");
    let let_in = |number| packet(number, &[0, 0, 0, 2, 0, 0, 0]);
    let end = [0xfe, 0, 0, 2, 0];
    let row = || {
        let head = [packet(1, &[1]), packet(2, b"\x03def"), packet(3, &end)].concat();
        vec![Hears, says(&head), says(&packet(4, b"\x011")), Turn::Adds(packet(5, &end)), Hears]
    };
    let asking = |tls: Option<&Tls>| {
        let query = Some("select 1".to_owned());
        Kind::Mysql(Sql { login: login(), query, tls: tls.cloned(), ..Sql::default() })
    };
    let begin = vec![says(&greeting), Hears];
    vec![
        case("MySQL", Kind::Mysql(Sql::default()), [begin.clone(), vec![says(&denied)]].concat()),
        case("MySQL query", asking(None), [begin.clone(), vec![says(&let_in(2))], row()].concat()),
        case(
            "MySQL with TLS",
            asking(Some(tls)),
            // The wish for TLS is 36 bytes, and TLS comes right behind it.
            [vec![says(&greeting), Turn::HearsJust(36), Secures, Hears, says(&let_in(3))], row()].concat(),
        ),
    ]
}

/// A message of PostgreSQL.
fn message(kind: u8, content: &[u8]) -> Vec<u8> {
    [&[kind][..], &(content.len() as u32 + 4).to_be_bytes(), content].concat()
}

fn pgsql(tls: &Tls) -> Vec<Case> {
    let unknown = message(b'E', b"SFATAL\0C28000\0Mno such role\0\0");
    let salted = || says(&message(b'R', b"\0\0\0\x05salt"));
    let let_in = || says(&[message(b'R', &[0; 4]), message(b'Z', b"I")].concat());
    let row = || {
        let end = [message(b'C', b"SELECT 1\0"), message(b'Z', b"I")].concat();
        let row = message(b'D', b"\0\x01\0\0\0\x011");
        vec![Hears, says(&message(b'T', b"\0\0")), says(&row), Turn::Adds(end), Hears]
    };
    let asking = |tls: Option<&Tls>| {
        let query = Some("select 1".to_owned());
        Kind::Pgsql(Sql { login: login(), query, tls: tls.cloned(), ..Sql::default() })
    };
    let logged_in = || [vec![Hears, salted(), Hears, let_in()], row()].concat();
    vec![
        case("PostgreSQL", Kind::Pgsql(Sql::default()), vec![Hears, says(&unknown)]),
        case("PostgreSQL query", asking(None), logged_in()),
        case(
            "PostgreSQL with TLS",
            asking(Some(tls)),
            [vec![Hears, says(b"S"), Secures], logged_in()].concat(),
        ),
    ]
}
