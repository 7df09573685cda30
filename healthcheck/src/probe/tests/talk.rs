//! Directories, databases and listeners, good and bad.

use super::*;
use crate::spec::{Ldap, Login, Oracle, Password, Secret, Sql, Tls};

fn login() -> Option<Login> {
    let password = Password::Said(Secret::new("hunter2".to_owned()));
    Some(Login { name: "probe".to_owned(), password })
}

/// One kind of dialogue, and how a server answers in it.
struct Case {
    kind: Kind,
    /// What answers begin with that are in order so far, and longer than that.
    begin: &'static [u8],
    /// What is missing when nothing comes.
    awaited: &'static str,
    /// What garbage is said not to be.
    name: &'static str,
}

fn cases() -> Vec<Case> {
    let case = |kind, begin, awaited, name| Case { kind, begin, awaited, name };
    let tls = || Some(Tls { verify: true, ..Tls::default() });
    vec![
        case(Kind::Ldap(Ldap::default()), b"\x30\x7f\x02", "answer to the bind", "not LDAP"),
        case(
            Kind::Ldap(Ldap { tls: tls(), starttls: true, ..Ldap::default() }),
            b"\x30\x7f\x02",
            "answer to StartTLS",
            "not LDAP",
        ),
        case(Kind::Mysql(Sql::default()), b"\x7f\0\0\0\x0a10.11", "greeting", "not MySQL"),
        case(
            Kind::Mysql(Sql { login: login(), tls: tls(), ..Sql::default() }),
            b"\x7f\0\0\0\x0a10.11",
            "greeting",
            "not MySQL",
        ),
        case(Kind::Pgsql(Sql::default()), b"R\0\0\0\x7f", "answer to the login", "not PostgreSQL"),
        case(
            Kind::Pgsql(Sql { login: login(), ..Sql::default() }),
            b"E\0\0\x01\0SFATAL",
            "answer to the login",
            "not PostgreSQL",
        ),
        case(
            Kind::Pgsql(Sql { tls: tls(), ..Sql::default() }),
            b"E\0\0\x01\0",
            "answer to the question for TLS",
            "not PostgreSQL",
        ),
        case(
            Kind::Oracle(Oracle::Sid("X".into())),
            b"\x7f\0\0\0\x04\0",
            "answer of the listener",
            "not Oracle's",
        ),
    ]
}

/// Asks a server that behaves as `serve` says.
fn asked<S: Future<Output = ()>>(
    kind: &Kind,
    patience: Duration,
    serve: impl FnOnce(TcpStream) -> S,
) -> Outcome {
    run(async {
        let (listener, address) = listen().await;
        let server = async {
            serve(listener.accept().await.unwrap().0).await;
            std::future::pending().await
        };
        let check = check(address, kind.clone(), patience);
        tokio::select! { outcome = attempt(&check, 0) => outcome, () = server => unreachable!() }
    })
}

#[test]
fn nobody_listens_and_nobody_speaks() {
    for Case { kind, awaited, .. } in cases() {
        run(async {
            let (listener, address) = listen().await;
            drop(listener);
            let outcome = attempt(&check(address, kind.clone(), AMPLE), 0).await;
            assert_eq!(
                (super::kind(&outcome), reason(&outcome)),
                (FailureKind::Refused, "connection refused")
            );
        });
        let outcome = asked(&kind, SHORT, async |_stream: TcpStream| std::future::pending().await);
        let expected = format!("no {awaited} within 0.08 s");
        assert_eq!((super::kind(&outcome), reason(&outcome)), (FailureKind::Timeout, expected.as_str()));
    }
}

#[test]
fn a_server_that_drips_gains_nothing_by_it() {
    for Case { kind, begin, awaited, .. } in cases() {
        let outcome = asked(&kind, SHORT, async |mut stream: TcpStream| {
            for byte in begin.iter().chain(std::iter::repeat(&b'x')) {
                if stream.write_u8(*byte).await.is_err() {
                    break;
                }
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        });
        let expected = format!("no {awaited} within 0.08 s");
        assert_eq!((super::kind(&outcome), reason(&outcome)), (FailureKind::Timeout, expected.as_str()));
    }
}

#[test]
fn ends_and_resets_are_told_apart() {
    for Case { kind, begin, .. } in cases() {
        for said in [&b""[..], begin] {
            let outcome = asked(&kind, AMPLE, async move |mut stream: TcpStream| {
                // What is not read would turn the end into a reset.
                let _ = tokio::time::timeout(Duration::from_millis(20), stream.read(&mut [0; 512])).await;
                stream.write_all(said).await.unwrap();
            });
            let closed = "connection closed before the answer was complete";
            assert_eq!((super::kind(&outcome), reason(&outcome)), (FailureKind::Closed, closed));
        }
        let outcome = asked(&kind, AMPLE, async |stream: TcpStream| {
            socket2::SockRef::from(&stream).set_linger(Some(Duration::ZERO)).unwrap();
        });
        assert_eq!(super::kind(&outcome), FailureKind::Reset, "{outcome:?}");
    }
}

#[test]
fn garbage_is_named_and_does_not_have_to_end() {
    for Case { kind, name, .. } in cases() {
        let outcome = asked(&kind, AMPLE, async |mut stream: TcpStream| {
            let _ = stream.write_all(b"HTTP/1.1 400 Bad Request\r\n").await;
            while stream.write_all(&[b'x'; 65_536]).await.is_ok() {}
        });
        assert_eq!(super::kind(&outcome), FailureKind::Protocol, "{outcome:?}");
        assert!(reason(&outcome).contains(name), "{outcome:?}");
        assert!(!format!("{outcome:?}").contains("hunter2"), "{outcome:?}");
    }
}

/// What `answers` sends, and then the same over and over.
fn flooded(kind: &Kind, answers: &'static [u8], over: &'static [u8]) -> Outcome {
    asked(kind, AMPLE, async move |mut stream: TcpStream| {
        stream.write_all(answers).await.unwrap();
        let block = over.repeat(65_536 / over.len());
        while stream.write_all(&block).await.is_ok() {}
    })
}

#[test]
fn what_never_ends_is_given_up() {
    let ldap = Kind::Ldap(Ldap { base: Some("dc=a".into()), ..Ldap::default() });
    let bound = b"\x30\x0c\x02\x01\x02\x61\x07\x0a\x01\0\x04\0\x04\0";
    let reference = b"\x30\x0b\x02\x01\x03\x73\x06\x04\x04ldap";
    let pgsql = Kind::Pgsql(Sql { login: login(), ..Sql::default() });
    let notice = b"N\0\0\0\x0cSNOTICE\0";
    let oracle = Kind::Oracle(Oracle::Listener);
    let again = b"\0\x08\0\0\x0b\0\0\0";
    for (outcome, expected) in [
        (flooded(&ldap, bound, reference), "answer longer than 1 MiB"),
        (flooded(&ldap, b"\x30\x84\x7f\xff\xff\xff", b"x"), "answer longer than 1 MiB"),
        (flooded(&pgsql, b"", notice), "answer longer than 1 MiB"),
        (flooded(&oracle, b"", again), "the listener wants to hear the same again and again"),
    ] {
        assert_eq!(reason(&outcome), expected);
    }
}

/// What a server says that lets anybody in and has as many rows as there may be.
fn rows() -> [(Kind, &'static [u8], &'static [u8]); 2] {
    let sql = || Sql { login: login(), query: Some("select 1".into()), ..Sql::default() };
    let greeting = b"\x0a5.5.5\0\x07\0\0\x0001234567\0\0\x82\x21\x02\0\x08\0\x15\0\0\0\0\0\0\0\0\0\0890123456789\0mysql_native_password\0";
    let length = [greeting.len() as u8, 0, 0, 0];
    let let_in = b"\x07\0\0\x02\0\0\0\x02\0\0\0";
    let columns = b"\x01\0\0\x01\x01\x04\0\0\x02\x03def\x05\0\0\x03\xfe\0\0\x02\0";
    let mysql = Box::leak([&length[..], greeting, let_in, columns].concat().into_boxed_slice());
    [
        (Kind::Mysql(sql()), mysql, b"\x02\0\0\x04\x011"),
        (Kind::Pgsql(sql()), b"R\0\0\0\x08\0\0\0\0Z\0\0\0\x05IT\0\0\0\x06\0\0", b"D\0\0\0\x06\0\0"),
    ]
}

#[test]
fn rows_without_end_are_rows_enough() {
    for (kind, answers, row) in rows() {
        assert_eq!(flooded(&kind, answers, row).result, Ok(()), "{kind}");
    }
}

#[test]
fn whoever_was_let_in_takes_his_leave() {
    for ((kind, answers, row), (end, farewell)) in rows().into_iter().zip([
        (&b"\x05\0\0\x05\xfe\0\0\x02\0"[..], &b"\x01\0\0\0\x01"[..]),
        (b"C\0\0\0\x0dSELECT 1\0Z\0\0\0\x05I", b"X\0\0\0\x04"),
    ]) {
        run(async {
            let (listener, address) = listen().await;
            let server = async {
                let (mut stream, _) = listener.accept().await.unwrap();
                stream.write_all(&[answers, row, end].concat()).await.unwrap();
                let mut heard = Vec::new();
                stream.read_to_end(&mut heard).await.unwrap();
                assert!(heard.ends_with(farewell), "{heard:?}");
            };
            let check = check(address, kind.clone(), AMPLE);
            let (outcome, ()) = tokio::join!(attempt(&check, 0), server);
            assert_eq!(outcome.result, Ok(()), "{kind}");
        });
    }
}

#[test]
fn what_comes_before_tls_is_not_listened_to_after() {
    let sql = Sql { login: login(), tls: Some(Tls::default()), ..Sql::default() };
    let outcome = flooded(&Kind::Pgsql(sql), b"SR\0\0\0\x08\0\0\0\0", b"x");
    let expected = "the server says more before TLS begins than it may";
    assert_eq!((kind(&outcome), reason(&outcome)), (FailureKind::Protocol, expected));
}

#[test]
fn a_password_file_that_was_not_read_is_our_own_failure() {
    let password = Password::File("/no/file".to_owned(), None);
    let sql = Sql { login: Some(Login { name: "a".to_owned(), password }), ..Sql::default() };
    let outcome = asked(&Kind::Mysql(sql), AMPLE, async |_stream: TcpStream| {});
    let expected = "could not ask: nothing has been read from /no/file";
    assert_eq!((kind(&outcome), reason(&outcome)), (FailureKind::Local, expected));
}

/// A message of MySQL from a server.
async fn packet(stream: &mut TcpStream, number: u8, content: &[u8]) {
    let [a, b, ..] = u32::try_from(content.len()).unwrap().to_le_bytes();
    stream.write_all(&[&[a, b, 0, number], content].concat()).await.unwrap();
}

/// What a client says next.
async fn content(stream: &mut TcpStream) -> Vec<u8> {
    let mut head = [0; 4];
    stream.read_exact(&mut head).await.unwrap();
    let mut content = vec![0; usize::from(u16::from_le_bytes([head[0], head[1]]))];
    stream.read_exact(&mut content).await.unwrap();
    content
}

/// Debian has no server that does this: MySQL 8 and later, where a login is not in its cache and TLS is not spoken. The
/// server's part is as its documentation has it (`caching_sha2_password`: full authentication by RSA).
#[test]
fn a_password_may_be_told_to_the_holder_of_a_key_alone() {
    use aws_lc_rs::encoding::{AsDer, PublicKeyX509Der};
    use aws_lc_rs::rsa::{KeySize, OAEP_SHA1_MGF1SHA1, OaepPrivateDecryptingKey, PrivateDecryptingKey};
    use base64::Engine;
    const NONCE: &[u8; 20] = b"01234567890123456789";

    let asked_with = |held: &'static str| {
        let key = PrivateDecryptingKey::generate(KeySize::Rsa2048).unwrap();
        let shown: PublicKeyX509Der<'_> = key.public_key().as_der().unwrap();
        let shown = base64::engine::general_purpose::STANDARD.encode(shown.as_ref());
        let lines: Vec<&str> =
            shown.as_bytes().chunks(64).map(|line| std::str::from_utf8(line).unwrap()).collect();
        let pem = format!("-----BEGIN PUBLIC KEY-----\n{}\n-----END PUBLIC KEY-----\n", lines.join("\n"));
        let key = OaepPrivateDecryptingKey::new(key).unwrap();
        let sql = Sql { login: login(), cleartext: true, ..Sql::default() };
        asked(&Kind::Mysql(sql), AMPLE, async move |mut stream: TcpStream| {
            let greeting = b"\x0a8.4.0\0\x07\0\0\x0001234567\0\0\x82\x21\x02\0\x08\0\x15\0\0\0\0\0\0\0\0\0\0890123456789\0caching_sha2_password\0";
            packet(&mut stream, 0, greeting).await;
            let answer = content(&mut stream).await;
            assert!(!answer.windows(7).any(|part| part == b"hunter2"));
            // The login is not in the cache; the key is wanted.
            packet(&mut stream, 2, &[1, 4]).await;
            assert_eq!(content(&mut stream).await, [2]);
            packet(&mut stream, 4, &[&[1], pem.as_bytes()].concat()).await;
            let secret = content(&mut stream).await;
            assert_eq!(secret.len(), 256);
            let mut room = vec![0; key.min_output_size()];
            let told = key.decrypt(&OAEP_SHA1_MGF1SHA1, &secret, &mut room, None).unwrap();
            let told: Vec<u8> =
                told.iter().zip(NONCE.iter().cycle()).map(|(byte, mask)| byte ^ mask).collect();
            match told == [held.as_bytes(), &[0]].concat() {
                true => packet(&mut stream, 6, &[0, 0, 0, 2, 0, 0, 0]).await,
                false => packet(&mut stream, 6, b"\xff\x15\x04#28000Access denied for user 'probe'").await,
            }
            let _ = content(&mut stream).await;
        })
    };
    assert_eq!(asked_with("hunter2").result, Ok(()));
    let outcome = asked_with("another");
    assert_eq!(
        (kind(&outcome), reason(&outcome)),
        (FailureKind::BadStatus, "the login is refused: 'Access denied for user 'probe'' (1045)")
    );
}
