use super::*;
use crate::outcome::FailureKind;
use crate::spec::{Login, Password, Secret, Tls as Settings};

const NONCE: &[u8; 20] = b"01234567890123456789";

fn login(password: &str) -> Option<Login> {
    let password = Password::Said(Secret::new(password.to_owned()));
    Some(Login { name: "probe".to_owned(), password })
}

fn greeting(able: u32, plugin: &str) -> Vec<u8> {
    let [a, b, c, d] = able.to_le_bytes();
    let mut out = b"\x0a10.11.6-MariaDB\0\x07\0\0\0".to_vec();
    out.extend(&NONCE[..8]);
    out.extend([0, a, b, 33, 2, 0, c, d, 21]);
    out.extend([0; 10]);
    out.extend(&NONCE[8..]);
    out.push(0);
    out.extend(plugin.as_bytes());
    out.push(0);
    packet(0, &out)
}

const ALL: u32 = LONG_PASSWORD | PROTOCOL_41 | SECURE_CONNECTION | PLUGIN_AUTH | TLS | CONNECT_WITH_DB;

fn error(code: u16, text: &str) -> Vec<u8> {
    [&[ERROR][..], &code.to_le_bytes(), b"#28000", text.as_bytes()].concat()
}

fn hear(talk: &mut Mysql<'_>, number: u8, content: &[u8]) -> Result<Step, Failure> {
    let message = packet(number, content);
    assert_eq!(talk.length(&message), Ok(Some(message.len())));
    talk.hear(&message)
}

fn said(step: Result<Step, Failure>) -> Vec<u8> {
    match step {
        Ok(Step::Say(bytes) | Step::Secure(bytes)) => bytes,
        Ok(_) => panic!("nothing is said"),
        Err(failure) => panic!("{failure}"),
    }
}

fn fails(step: Result<Step, Failure>) -> (FailureKind, String) {
    match step {
        Err(failure) => (failure.kind, failure.reason),
        Ok(_) => panic!("it passes"),
    }
}

/// A dialogue that has greeted, and what it said to that.
fn greeted<'a>(sql: &'a Sql, plugin: &str) -> (Mysql<'a>, Vec<u8>) {
    let mut talk = Mysql::new(sql);
    assert!(matches!(talk.begin(), Step::Listen));
    let said = said(talk.hear(&greeting(ALL, plugin)));
    (talk, said)
}

#[test]
fn nobody_goes_through_the_handshake_and_shows_that_the_server_works() {
    let sql = Sql { database: Some("d".into()), query: Some("q".into()), ..Sql::default() };
    let (mut talk, said) = greeted(&sql, NATIVE);
    let mut expected = vec![0x38, 0, 0, 1, 0x01, 0x82, 0x08, 0, 0, 0, 0, 1, 33];
    expected.extend([0; 23]);
    expected.extend(b"\0\0mysql_native_password\0");
    assert_eq!(said, expected);
    assert!(matches!(hear(&mut talk, 2, &error(1045, "Access denied")), Ok(Step::Part)));
    assert!(talk.farewell().is_empty());
    let (mut talk, _) = greeted(&sql, CACHING);
    assert_eq!(said_of(&mut talk, &[MORE, 4]), packet(3, &[0]));
    assert!(matches!(hear(&mut talk, 4, &error(1045, "Access denied")), Ok(Step::Part)));
    let (mut talk, _) = greeted(&sql, NATIVE);
    assert_eq!(
        fails(hear(&mut talk, 2, &error(1040, "Too many connections"))),
        (FailureKind::BadStatus, "the login is refused: 'Too many connections' (1040)".to_owned())
    );
}

fn said_of(talk: &mut Mysql<'_>, content: &[u8]) -> Vec<u8> {
    said(hear(talk, 2, content))
}

#[test]
fn a_server_that_turns_us_away_is_quoted() {
    let sql = Sql::default();
    let mut talk = Mysql::new(&sql);
    let message = [&[ERROR][..], &1129u16.to_le_bytes(), b"Host '10.0.0.1' is blocked"].concat();
    let expected = "the server turns us away: 'Host '10.0.0.1' is blocked' (1129)";
    assert_eq!(fails(hear(&mut talk, 0, &message)), (FailureKind::BadStatus, expected.to_owned()));
    for (content, expected) in [
        (&b"\x09old"[..], "the server is older than MySQL 4.1: it greets with protocol 9"),
        (b"\x0a10\0\x07\0\0\0", "the greeting is not MySQL: '?10?????'"),
        (b"\x0a3.23\0\x07\0\0\x0001234567\0\0\0", "the server is older than MySQL 4.1: 3.23"),
    ] {
        let step = hear(&mut Mysql::new(&sql), 0, content);
        assert_eq!(fails(step), (FailureKind::Protocol, expected.to_owned()));
    }
    for wrong in [&b"HTTP/1.1 400"[..], b"SSH-2.0", &[0xff; 8], &[0; 4]] {
        let failure = talk.length(wrong).expect_err("it is no MySQL");
        assert!(failure.reason.starts_with("the greeting is not MySQL: '"), "{failure}");
    }
}

#[test]
fn a_login_is_proven_by_the_method_that_the_server_wants() {
    let sql = Sql { login: login("pw"), database: Some("shop".into()), ..Sql::default() };
    let (mut talk, first) = greeted(&sql, NATIVE);
    let text = &first[HEAD + 32..];
    assert_eq!(&text[..7], b"probe\0\x14");
    assert_eq!(&text[7..27], password::native(b"pw", NONCE));
    assert_eq!(&text[27..], b"shop\0mysql_native_password\0");
    assert!(matches!(hear(&mut talk, 2, &[OK, 0, 0, 2, 0, 0, 0]), Ok(Step::Part)));
    assert_eq!(talk.farewell(), [1, 0, 0, 0, COM_QUIT]);

    let (mut talk, _) = greeted(&sql, NATIVE);
    let switch = [&[END][..], b"caching_sha2_password\0abcdefghijklmnopqrst\0"].concat();
    let expected = packet(3, &password::caching(b"pw", b"abcdefghijklmnopqrst"));
    assert_eq!(said_of(&mut talk, &switch), expected);
    assert!(matches!(hear(&mut talk, 4, &[MORE, 3]), Ok(Step::Listen)));
    assert!(matches!(hear(&mut talk, 5, &[OK, 0, 0, 2, 0, 0, 0]), Ok(Step::Part)));

    for (asked, named) in [("client_ed25519\0x", "'client_ed25519'"), ("", "'mysql_old_password'")] {
        let (mut talk, _) = greeted(&sql, NATIVE);
        let (kind, reason) = fails(hear(&mut talk, 2, &[&[END][..], asked.as_bytes()].concat()));
        assert!(kind == FailureKind::Protocol && reason.contains(named), "{reason}");
    }
    let (mut talk, _) = greeted(&sql, NATIVE);
    let expected = "the login is refused: 'Access denied' (1045)";
    assert_eq!(fails(hear(&mut talk, 2, &error(1045, "Access denied"))).1, expected);
}

#[test]
fn a_password_is_told_only_where_nobody_listens_or_it_is_allowed() {
    let plain = Sql { login: login("pw"), ..Sql::default() };
    let (mut talk, _) = greeted(&plain, CACHING);
    let (kind, reason) = fails(hear(&mut talk, 2, &[MORE, 4]));
    assert!(kind == FailureKind::BadStatus && reason.contains("`tls`"), "{reason}");
    let (mut talk, _) = greeted(&plain, NATIVE);
    let clear = [&[END][..], b"mysql_clear_password\0"].concat();
    assert!(fails(hear(&mut talk, 2, &clear)).1.contains("`allow_cleartext`"));

    let allowed = Sql { cleartext: true, ..plain.clone() };
    let (mut talk, _) = greeted(&allowed, NATIVE);
    assert_eq!(said_of(&mut talk, &clear), packet(3, b"pw\0"));
    let (mut talk, _) = greeted(&allowed, CACHING);
    assert_eq!(said_of(&mut talk, &[MORE, 4]), packet(3, &[2]));
    let Ok(Step::Compute(Work::Encrypt { key, text })) = hear(&mut talk, 4, b"\x01-----BEGIN") else {
        panic!("it is encrypted")
    };
    assert_eq!(
        (key.as_slice(), text.as_slice()),
        (&b"-----BEGIN"[..], &[b'p' ^ b'0', b'w' ^ b'1', b'2'][..])
    );
    assert_eq!(said(Ok(talk.computed(vec![7]))), packet(5, &[7]));

    let secure = Sql { tls: Some(Settings::default()), ..plain };
    let (mut talk, request) = greeted(&secure, CACHING);
    assert_eq!((request.len(), request[..6].to_vec()), (36, vec![32, 0, 0, 1, 0x01, 0x8a]));
    let answer = said(Ok(talk.secured()));
    assert_eq!(answer[3], 2, "numbers go on");
    assert_eq!(said(hear(&mut talk, 3, &[MORE, 4])), packet(4, b"pw\0"));
    let mut talk = Mysql::new(&secure);
    assert_eq!(fails(talk.hear(&greeting(ALL & !TLS, NATIVE))).1, "the server offers no TLS");
}

#[test]
fn a_query_must_bring_a_row() {
    let sql = Sql { login: login(""), query: Some("select 1".into()), ..Sql::default() };
    let asked = || {
        let (mut talk, _) = greeted(&sql, NATIVE);
        assert_eq!(said_of(&mut talk, &[OK, 0, 0, 2, 0, 0, 0]), b"\x09\0\0\0\x03select 1");
        talk
    };
    let answer = |contents: &[&[u8]]| {
        let mut talk = asked();
        let mut last = Ok(Step::Listen);
        for content in contents {
            assert!(matches!(last, Ok(Step::Listen)));
            last = hear(&mut talk, 1, content);
        }
        last
    };
    let end = &[END, 0, 0, 2, 0][..];
    assert!(matches!(answer(&[&[1], b"\x03def", end, b"\x011", end]), Ok(Step::Part)));
    assert_eq!(fails(answer(&[&[1], b"\x03def", end, end])).1, "the query brings no row");
    assert!(fails(answer(&[&[OK, 0, 0]])).1.contains("no rows at all"));
    assert!(fails(answer(&[&[LOCAL_FILE, b'/']])).1.contains("a file of ours"));
    let no_table = "the query fails: 'Table 'a.b' doesn't exist' (1146)";
    assert_eq!(fails(answer(&[&error(1146, "Table 'a.b' doesn't exist")])).1, no_table);
    assert!(
        fails(answer(&[&[1], b"\x03def", end, b"\x011", &error(3024, "interrupted")])).1.contains("3024")
    );
    assert_eq!(asked().farewell(), [1, 0, 0, 0, COM_QUIT]);
}
