use super::*;
use crate::outcome::FailureKind;
use crate::spec::{Login, Password, Secret, Tls as Settings};

fn login() -> Option<Login> {
    let password = Password::Said(Secret::new("pencil".to_owned()));
    Some(Login { name: "probe".to_owned(), password })
}

fn asked(code: u32, rest: &[u8]) -> Vec<u8> {
    message(b'R', &[&code.to_be_bytes(), rest].concat())
}

fn error(state: &str, text: &str) -> Vec<u8> {
    message(b'E', format!("SFATAL\0VFATAL\0C{state}\0M{text}\0\0").as_bytes())
}

fn begun(sql: &Sql) -> (Pgsql<'_>, Vec<u8>) {
    let mut talk = Pgsql::new(sql, [0x5a; 18]);
    let said = said(Ok(talk.begin()));
    (talk, said)
}

fn hear(talk: &mut Pgsql<'_>, message: &[u8]) -> Result<Step, Failure> {
    assert_eq!(talk.length(message), Ok(Some(message.len())));
    talk.hear(message)
}

fn said(step: Result<Step, Failure>) -> Vec<u8> {
    match step {
        Ok(Step::Say(bytes)) => bytes,
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

#[test]
fn without_a_login_any_sign_of_life_will_do() {
    let sql = Sql { query: Some("q".into()), ..Sql::default() };
    let (mut talk, start) = begun(&sql);
    let expected =
        b"\0\0\0\x45\0\x03\0\0user\0directord\0database\0postgres\0application_name\0directord\0\0";
    assert_eq!(start, expected);
    for sign in [asked(0, b""), asked(5, b"salt"), asked(10, b"SCRAM-SHA-256\0\0")] {
        assert!(matches!(hear(&mut talk, &sign), Ok(Step::Part)));
        assert!(talk.farewell().is_empty());
    }
    for (state, lives) in [
        ("28000", true),
        ("28P01", true),
        ("3D000", true),
        ("57P03", false),
        ("53300", false),
        ("XX000", false),
    ] {
        let heard = hear(&mut begun(&sql).0, &error(state, "a b"));
        assert_eq!(matches!(heard, Ok(Step::Part)), lives, "{state}");
    }
    let starting = hear(&mut begun(&sql).0, &error("57P03", "the database system is starting up"));
    let expected = "the server does not serve now: 'the database system is starting up' (57P03)";
    assert_eq!(fails(starting), (FailureKind::BadStatus, expected.to_owned()));
}

#[test]
fn a_login_is_proven_by_what_the_server_asks_for() {
    let sql = Sql { login: login(), database: Some("shop".into()), ..Sql::default() };
    let (mut talk, start) = begun(&sql);
    assert!(start.windows(33).any(|text| text == b"user\0probe\0database\0shop\0applicat"), "{start:?}");
    let md5 = said(hear(&mut talk, &asked(5, b"abcd")));
    assert_eq!(md5, b"p\0\0\0\x28md583e72b5fde1cd6d45ca9ff1db1700608\0");
    assert!(matches!(hear(&mut talk, &asked(0, b"")), Ok(Step::Listen)));
    assert!(matches!(hear(&mut talk, &message(b'S', b"a\0b\0")), Ok(Step::Listen)));
    assert!(matches!(hear(&mut talk, &message(b'K', b"12345678")), Ok(Step::Listen)));
    assert!(matches!(hear(&mut talk, &message(b'Z', b"I")), Ok(Step::Part)));
    assert_eq!(talk.farewell(), b"X\0\0\0\x04");

    let refusal = hear(&mut begun(&sql).0, &error("28P01", "password authentication failed"));
    let expected = "the login is refused: 'password authentication failed' (28P01)";
    assert_eq!(fails(refusal).1, expected);
    assert!(fails(hear(&mut begun(&sql).0, &asked(7, b""))).1.contains("Kerberos"));
    assert!(fails(hear(&mut begun(&sql).0, &asked(10, b"SCRAM-SHA-1\0\0"))).1.contains("SCRAM-SHA-1 only"));
    assert!(fails(hear(&mut begun(&sql).0, &asked(3, b""))).1.contains("`tls`"));
    let allowed = Sql { cleartext: true, ..sql };
    assert_eq!(said(hear(&mut begun(&allowed).0, &asked(3, b""))), b"p\0\0\0\x0bpencil\0");
}

#[test]
fn both_sides_prove_themselves() {
    let sql = Sql { login: login(), ..Sql::default() };
    let (mut talk, _) = begun(&sql);
    let nonce = "5a".repeat(18);
    let first = said(hear(&mut talk, &asked(10, b"SCRAM-SHA-256-PLUS\0SCRAM-SHA-256\0\0")));
    assert_eq!(first[5..], *format!("SCRAM-SHA-256\0\0\0\0\x2cn,,n=,r={nonce}").as_bytes());
    let challenge = format!("r={nonce}server,s=c2FsdA==,i=2");
    let Ok(Step::Compute(Work::Stretch { password, salt, rounds })) =
        hear(&mut talk, &asked(11, challenge.as_bytes()))
    else {
        panic!("a key is computed")
    };
    assert_eq!((salt.as_slice(), rounds), (&b"salt"[..], 2));
    let key = stretch(&password, &salt, rounds);
    let answer = said(Ok(talk.computed(key.clone())));
    assert!(answer[5..].starts_with(format!("c=biws,r={nonce}server,p=").as_bytes()));
    let (_, signature) = Challenge::read("", &nonce, challenge.as_bytes()).unwrap().answer(&key);
    let proof = |key: &[u8]| {
        use base64::Engine;
        format!("v={}", base64::engine::general_purpose::STANDARD.encode(key)).into_bytes()
    };
    let State::Proven(expected) = talk.state else { panic!("it waits for the proof") };
    assert_eq!(expected, signature);
    assert!(matches!(hear(&mut talk, &asked(12, &proof(&signature))), Ok(Step::Listen)));
    assert!(matches!(hear(&mut talk, &asked(0, b"")), Ok(Step::Listen)));
    talk.state = State::Proven(signature);
    let reason = fails(hear(&mut talk, &asked(12, &proof(b"forged")))).1;
    assert!(reason.contains("does not know the password itself"), "{reason}");

    let (mut talk, _) = begun(&sql);
    let _ = hear(&mut talk, &asked(10, b"SCRAM-SHA-256\0\0"));
    let busy = asked(11, format!("r={nonce}x,s=c2FsdA==,i=4000000000").as_bytes());
    assert!(fails(hear(&mut talk, &busy)).1.contains("more than is reasonable"));
}

#[test]
fn tls_is_asked_for_and_must_be_there() {
    let sql = Sql { login: login(), tls: Some(Settings::default()), ..Sql::default() };
    let (mut talk, first) = begun(&sql);
    assert_eq!(first, [0, 0, 0, 8, 4, 210, 22, 47]);
    assert!(matches!(hear(&mut talk, b"S"), Ok(Step::Secure(bytes)) if bytes.is_empty()));
    assert!(said(Ok(talk.secured())).starts_with(&[0, 0, 0]));
    assert_eq!(said(hear(&mut talk, &asked(3, b""))), b"p\0\0\0\x0bpencil\0");
    assert_eq!(fails(hear(&mut begun(&sql).0, b"N")).1, "the server offers no TLS");
    assert!(fails(hear(&mut begun(&sql).0, &error("53300", "too many"))).1.contains("no connection left"));
}

#[test]
fn a_query_must_bring_a_row() {
    let sql = Sql { login: login(), query: Some("select 1".into()), ..Sql::default() };
    let answer = |messages: &[Vec<u8>]| {
        let (mut talk, _) = begun(&sql);
        assert!(matches!(hear(&mut talk, &asked(0, b"")), Ok(Step::Listen)));
        assert_eq!(said(hear(&mut talk, &message(b'Z', b"I"))), b"Q\0\0\0\x0dselect 1\0");
        let mut last = Ok(Step::Listen);
        for message in messages {
            assert!(matches!(last, Ok(Step::Listen)));
            last = hear(&mut talk, message);
        }
        assert_eq!(talk.farewell(), b"X\0\0\0\x04");
        last
    };
    let columns = message(b'T', b"\0\0");
    let row = message(b'D', b"\0\0");
    let done = message(b'C', b"SELECT\0");
    let ready = message(b'Z', b"I");
    assert!(matches!(answer(&[columns.clone(), row, done.clone(), ready.clone()]), Ok(Step::Part)));
    assert_eq!(fails(answer(&[columns, done, ready.clone()])).1, "the query brings no row");
    assert_eq!(fails(answer(&[message(b'I', b""), ready])).1, "the query brings no row");
    assert_eq!(fails(answer(&[error("42P01", "no a")])).1, "the query fails: 'no a' (42P01)");
    assert!(fails(answer(&[message(b'G', b"\0")])).1.contains("copies"));
}

#[test]
fn what_is_not_postgresql_is_told_apart() {
    let sql = Sql::default();
    let (talk, _) = begun(&sql);
    for wrong in [&b"HTTP/1.1 400"[..], b"\x0a5.5", b"R\0\0\0\x03", b"E\x7f\0\0\0"] {
        let failure = talk.length(wrong).expect_err("it is no PostgreSQL");
        assert!(failure.reason.starts_with("the answer is not PostgreSQL: '"), "{failure}");
    }
    assert_eq!(fails(hear(&mut begun(&sql).0, &message(b'Z', b"I"))).0, FailureKind::Protocol);
}
