//! Conversations over real sockets: with servers that misbehave in every way, with TLS, and with files.

use std::sync::Arc;

use tokio::net::UdpSocket;
use tokio_rustls::TlsAcceptor;

use super::tls::{Authority, believing, server};
use super::*;
use crate::spec::{
    Dialogue, Encryption, Ftp, Login, Password, Pattern, Protocol, Secret, Sip, Smtp, Sql, StatusRanges,
    Text, Tls, Transport,
};
use crate::warning::Concern;

fn login() -> Option<Login> {
    let password = Password::Said(Secret::new("sesame".to_owned()));
    Some(Login { name: "me".to_owned(), password })
}

fn talk(protocol: Protocol) -> Kind {
    Kind::Dialogue(Box::new(Dialogue::new(protocol)))
}

fn with_login(protocol: Protocol) -> Kind {
    Kind::Dialogue(Box::new(Dialogue { login: login(), ..Dialogue::new(protocol) }))
}

fn pattern(text: &str) -> Option<Box<Pattern>> {
    Some(Box::new(Pattern { text: text.to_owned(), ..Pattern::default() }))
}

fn text(send: &str, expected: &str) -> Text {
    Text { send: Some(send.to_owned()), pattern: pattern(expected), ..Text::default() }
}

/// Every kind that asks by a connection.
fn kinds() -> Vec<Kind> {
    let file = Ftp { path: Some("/motd".to_owned()), pattern: pattern("well") };
    let absent = Pattern { text: "down".to_owned(), absent: true, ..Pattern::default() };
    vec![
        talk(Protocol::Ftp(Ftp::default())),
        with_login(Protocol::Ftp(file)),
        talk(Protocol::Imap),
        with_login(Protocol::Imap),
        talk(Protocol::Pop3),
        with_login(Protocol::Pop3),
        talk(Protocol::Nntp),
        with_login(Protocol::Nntp),
        Kind::Smtp(Smtp::default()),
        Kind::Smtp(Smtp { login: login(), ..Smtp::default() }),
        talk(Protocol::Sip(Sip::default())),
        talk(Protocol::Text(text("hello\n", "well"))),
        talk(Protocol::Text(Text { pattern: Some(Box::new(absent)), ..Text::default() })),
    ]
}

/// Asks a server that behaves as `serve` says.
fn asked<S: Future<Output = ()>>(kind: Kind, patience: Duration, serve: impl Fn(TcpStream) -> S) -> Outcome {
    run(async {
        let (listener, address) = listen().await;
        let server = async {
            loop {
                serve(listener.accept().await.unwrap().0).await;
            }
        };
        let check = check(address, kind, patience);
        tokio::select! { outcome = attempt(&check, 0) => outcome, () = server => unreachable!() }
    })
}

/// Lets all kinds ask such a server; none may take it for good, and each tells one of these reasons.
fn all_fail<S: Future<Output = ()>>(
    what: &str,
    patience: Duration,
    expected: &[FailureKind],
    serve: impl Fn(TcpStream) -> S + Copy,
) {
    for asked_kind in kinds() {
        let outcome = asked(asked_kind.clone(), patience, serve);
        let failure = outcome.result.as_ref().expect_err(what);
        assert!(expected.contains(&failure.kind), "{what}: {asked_kind:?}: {failure:?}");
        assert!(!failure.reason.is_empty() && failure.reason.len() < 300, "{what}: {failure:?}");
    }
}

#[test]
fn no_kind_takes_a_closed_port_for_a_server() {
    for asked_kind in kinds() {
        run(async {
            let (listener, address) = listen().await;
            drop(listener);
            let outcome = attempt(&check(address, asked_kind, AMPLE), 0).await;
            assert_eq!((kind(&outcome), reason(&outcome)), (FailureKind::Refused, "connection refused"));
        });
    }
}

#[test]
fn servers_that_hang_or_drip_are_given_up_in_time() {
    use FailureKind::Timeout;
    all_fail("it hangs", SHORT, &[Timeout], async |_stream| std::future::pending().await);
    all_fail("it drips", SHORT, &[Timeout], async |mut stream: TcpStream| {
        while stream.write_all(b"2").await.is_ok() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    });
}

#[test]
fn servers_that_break_off_are_told_apart() {
    use FailureKind::{BadAnswer, Closed, Reset};
    all_fail("it resets", AMPLE, &[Reset], async |stream: TcpStream| {
        socket2::SockRef::from(&stream).set_linger(Some(Duration::ZERO)).unwrap();
    });
    // What they would say next may meet a connection that is gone by then.
    let broken = [Closed, Reset, BadAnswer];
    all_fail("it closes", AMPLE, &broken, async |stream: TcpStream| drop(stream));
    for asked_kind in kinds() {
        let outcome = asked(asked_kind.clone(), AMPLE, async |mut stream: TcpStream| {
            let _ = stream.write_all(b"22").await;
            let _ = stream.shutdown().await;
            let _ = stream.read(&mut [0; 100]).await;
        });
        match &outcome.result {
            // Where something must not be there, the end of an answer is what was waited for.
            Ok(()) => assert!(format!("{asked_kind:?}").contains("absent: true"), "{asked_kind:?}"),
            Err(failure) => assert!(broken.contains(&failure.kind), "{asked_kind:?}: {failure:?}"),
        }
    }
}

#[test]
fn servers_that_talk_on_and_on_or_nonsense_are_stopped() {
    use FailureKind::{BadAnswer, Protocol as NotSpoken, Reset, TooLong};
    let stopped = [TooLong, NotSpoken];
    all_fail("it floods lines", AMPLE, &stopped, async |mut stream: TcpStream| {
        while stream.write_all(&b"220-again and again\r\n".repeat(1000)).await.is_ok() {}
    });
    all_fail(
        "it floods",
        AMPLE,
        &stopped,
        async |mut stream: TcpStream| {
            while stream.write_all(&[b'x'; 65_536]).await.is_ok() {}
        },
    );
    for asked_kind in kinds() {
        let outcome = asked(asked_kind.clone(), AMPLE, async |mut stream: TcpStream| {
            let _ = stream.write_all(b"\x00\xff\x13 down with it \x1b[2J\r\n").await;
            let _ = stream.shutdown().await;
            let _ = stream.read(&mut [0; 1000]).await;
        });
        let failure = outcome.result.expect_err("nonsense");
        assert!([NotSpoken, BadAnswer, Reset].contains(&failure.kind), "{asked_kind:?}: {failure:?}");
        assert!(failure.reason.bytes().all(|byte| (b' '..=b'~').contains(&byte)), "{failure:?}");
    }
}

/// Plays a server: what it says, each time followed by a line of the client's, which it checks.
async fn play(stream: &mut (impl AsyncReadExt + AsyncWriteExt + Unpin), script: &[(&str, &str)]) {
    for (said, expected) in script {
        stream.write_all(said.as_bytes()).await.unwrap();
        let mut line = Vec::new();
        while !expected.is_empty() && !line.ends_with(b"\r\n") {
            line.push(stream.read_u8().await.unwrap());
        }
        assert_eq!(String::from_utf8(line).unwrap().trim_end(), *expected);
    }
}

#[test]
fn a_file_is_fetched_by_a_second_connection_and_searched() {
    let fetched = |expected: &str, file: &'static [u8], end: &'static str| {
        let ftp = Ftp { path: Some("/motd".to_owned()), pattern: pattern(expected) };
        asked(with_login(Protocol::Ftp(ftp)), AMPLE, async move |mut stream: TcpStream| {
            let (data, address) = listen().await;
            let port = format!("229 here (|||{}|)\r\n", address.port());
            let script = [
                ("220-Welcome\r\n to us\r\n220 go on\r\n", "USER me"),
                ("331 password\r\n", "PASS sesame"),
                ("230 in\r\n", "TYPE I"),
                ("200 ok\r\n", "EPSV"),
                (&port, "RETR /motd"),
                ("150 comes\r\n", ""),
            ];
            play(&mut stream, &script).await;
            let (mut second, _) = data.accept().await.unwrap();
            second.write_all(file).await.unwrap();
            drop(second);
            let _ = stream.write_all(end.as_bytes()).await;
            let _ = stream.read(&mut [0; 100]).await;
        })
    };
    assert_eq!(fetched("^all is well$", b"all is well\n", "226 done\r\n").result, Ok(()));
    let outcome = fetched("on fire", b"all is well\n", "226 done\r\n");
    assert_eq!(reason(&outcome), "the file has nothing in it that matches 'on fire'");
    let outcome = fetched("well", b"all is well\n", "426 cut\r\n");
    assert_eq!(reason(&outcome), "the end of the file is '426 cut', expected 226");
}

#[test]
fn a_file_that_never_ends_is_stopped() {
    let ftp = Ftp { path: Some("/dev/zero".to_owned()), pattern: None };
    let outcome = asked(talk(Protocol::Ftp(ftp)), AMPLE, async |mut stream: TcpStream| {
        let (data, address) = listen().await;
        let [high, low] = address.port().to_be_bytes();
        // The address is another one's, and not believed.
        let port = format!("227 here (192,0,2,1,{high},{low})\r\n");
        let script = [
            ("220 hello\r\n", "USER anonymous"),
            ("230 in\r\n", "TYPE I"),
            ("200 ok\r\n", "EPSV"),
            ("500 what?\r\n", "PASV"),
            (&port, "RETR /dev/zero"),
            ("125 comes\r\n", ""),
        ];
        play(&mut stream, &script).await;
        let (mut second, _) = data.accept().await.unwrap();
        while second.write_all(&[0; 65_536]).await.is_ok() {}
    });
    assert_eq!((kind(&outcome), reason(&outcome)), (FailureKind::TooLong, "file longer than 4 MiB"));
}

#[test]
fn tls_begins_in_the_middle_of_a_conversation() {
    let authority = Authority::new("dialogue.pem");
    let identity = authority.sign(&["127.0.0.1"], |_| {});
    let asked_with = |believed: Option<&str>| {
        let encryption = Encryption::StartTls(Tls { expiry_days: Some(3_000_000), ..believing(believed) });
        let dialogue = Dialogue { encryption, login: login(), ..Dialogue::new(Protocol::Imap) };
        let config = Arc::new(server(&identity));
        asked(Kind::Dialogue(Box::new(dialogue)), AMPLE, move |mut stream: TcpStream| {
            let config = config.clone();
            async move {
                play(&mut stream, &[("* OK hello\r\n", "a1 STARTTLS"), ("a1 OK go\r\n", "")]).await;
                let Ok(mut stream) = TlsAcceptor::from(config).accept(stream).await else { return };
                let script = [
                    ("", "a2 LOGIN \"me\" \"sesame\""),
                    ("a2 OK in\r\n", "a3 NOOP"),
                    ("a3 OK yes\r\n", "a4 LOGOUT"),
                    ("* BYE\r\n", ""),
                ];
                play(&mut stream, &script).await;
            }
        })
    };
    let outcome = asked_with(Some(&authority.path));
    assert_eq!(outcome.result, Ok(()));
    let aside = outcome.aside.expect("what the certificate tells");
    assert_eq!(aside.warnings.iter().map(|warning| warning.about).collect::<Vec<_>>(), [Concern::Expiry]);
    assert!(aside.warnings[0].words.starts_with("the certificate ends in "), "{aside:?}");
    let other = Authority::new("dialogue-other.pem");
    let outcome = asked_with(Some(&other.path));
    assert_eq!(kind(&outcome), FailureKind::BadCertificate, "{outcome:?}");
}

#[test]
fn tls_may_begin_with_the_first_byte() {
    let authority = Authority::new("dialogue-first.pem");
    let config = Arc::new(server(&authority.sign(&["127.0.0.1"], |_| {})));
    let encryption = Encryption::On(believing(Some(&authority.path)));
    let dialogue = Dialogue { encryption, login: login(), ..Dialogue::new(Protocol::Pop3) };
    let outcome = asked(Kind::Dialogue(Box::new(dialogue)), AMPLE, move |stream: TcpStream| {
        let config = config.clone();
        async move {
            let Ok(mut stream) = TlsAcceptor::from(config).accept(stream).await else { return };
            let script = [("+OK\r\n", "USER me"), ("+OK\r\n", "PASS sesame"), ("+OK\r\n", "QUIT")];
            play(&mut stream, &script).await;
        }
    });
    assert_eq!(outcome.result, Ok(()));
    let aside = outcome.aside.expect("when the certificate ends");
    assert!(aside.expires.is_some() && aside.warnings.is_empty(), "{aside:?}");
}

#[test]
fn of_databases_too_the_end_of_the_certificate_is_seen() {
    let authority = Authority::new("dialogue-pgsql.pem");
    let config = Arc::new(server(&authority.sign(&["127.0.0.1"], |_| {})));
    let tls = Some(Tls { expiry_days: Some(3_000_000), ..believing(Some(&authority.path)) });
    let outcome = asked(Kind::Pgsql(Sql { tls, ..Sql::default() }), AMPLE, move |mut stream: TcpStream| {
        let config = config.clone();
        async move {
            let mut question = [0; 8];
            let _ = stream.read_exact(&mut question).await;
            let _ = stream.write_all(b"S").await;
            let _ = TlsAcceptor::from(config).accept(stream).await;
        }
    });
    assert!(outcome.result.is_err(), "it said nothing more");
    assert_eq!(outcome.aside.expect("a warning").warnings.len(), 1);
}

#[test]
fn what_a_server_did_not_say_in_time_is_named() {
    let silent = |said: &'static [u8], asked_kind: Kind| {
        let outcome = asked(asked_kind, SHORT, async move |mut stream: TcpStream| {
            let _ = stream.write_all(said).await;
            std::future::pending().await
        });
        reason(&outcome).to_owned()
    };
    let starttls = Encryption::StartTls(believing(None));
    let dialogue = Dialogue { encryption: starttls, ..Dialogue::new(Protocol::Pop3) };
    let secured = || Kind::Dialogue(Box::new(dialogue.clone()));
    assert_eq!(silent(b"", secured()), "no greeting within 0.08 s");
    assert_eq!(silent(b"+OK pop\r\n", secured()), "no answer to STLS within 0.08 s");
    assert_eq!(silent(b"+OK pop\r\n+OK", talk(Protocol::Pop3)), "no answer to CAPA within 0.08 s");
    let words = || talk(Protocol::Text(text("a", "well")));
    assert_eq!(silent(b"", words()), "no answer within 0.08 s");
    assert_eq!(silent(b"not good\r\n", words()), "no answer that matches 'well' within 0.08 s");
}

#[test]
fn words_are_looked_for_while_they_come() {
    let found =
        asked(talk(Protocol::Text(text("hello\n", "^all well"))), AMPLE, async |mut stream: TcpStream| {
            let mut line = [0; 6];
            stream.read_exact(&mut line).await.unwrap();
            assert_eq!(&line, b"hello\n");
            for piece in [&b"all"[..], b" well", b"\nand more"] {
                stream.write_all(piece).await.unwrap();
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            std::future::pending().await
        });
    assert_eq!(found.result, Ok(()));
    // Who is told that nothing more will come answers.
    let half = Text { half_close: true, ..text("hello\n", "hello") };
    let echoed = asked(talk(Protocol::Text(half)), AMPLE, async |mut stream: TcpStream| {
        let mut said = Vec::new();
        stream.read_to_end(&mut said).await.unwrap();
        let _ = stream.write_all(&said).await;
    });
    assert_eq!(echoed.result, Ok(()));
    let missing = asked(talk(Protocol::Text(text("", "well"))), AMPLE, async |mut stream: TcpStream| {
        let _ = stream.write_all(b"nothing good").await;
        let _ = stream.shutdown().await;
        let _ = stream.read(&mut [0; 10]).await;
    });
    assert_eq!(reason(&missing), "the answer has nothing in it that matches 'well'");
}

/// Asks a server that answers each datagram so.
fn by_datagram(kind: Kind, patience: Duration, answer: impl Fn(&str, usize) -> Vec<String>) -> Outcome {
    run(async {
        let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let address = socket.local_addr().unwrap();
        let server = async {
            let mut asked = [0; 2048];
            for number in 0.. {
                let (length, from) = socket.recv_from(&mut asked).await.unwrap();
                for answer in answer(&String::from_utf8_lossy(&asked[..length]), number) {
                    socket.send_to(answer.as_bytes(), from).await.unwrap();
                }
            }
        };
        let check = check(address, kind, patience);
        tokio::select! { outcome = attempt(&check, 0) => outcome, () = server => unreachable!() }
    })
}

#[test]
fn telephone_servers_answer_by_datagram() {
    let sip = |status: &str| {
        let status: StatusRanges = status.parse().unwrap();
        talk(Protocol::Sip(Sip { transport: Transport::Udp, status, ..Sip::default() }))
    };
    let call_id =
        |asked: &str| asked.lines().find(|line| line.starts_with("Call-ID")).unwrap_or_default().to_owned();
    let good = |asked: &str, _| {
        let answer = |first: &str| format!("SIP/2.0 {first}\r\n{}\r\n\r\n", call_id(asked));
        vec![
            "SIP/2.0 500 late\r\nCall-ID: another\r\n\r\n".to_owned(),
            answer("100 Trying"),
            answer("200 OK"),
        ]
    };
    assert_eq!(by_datagram(sip("200"), AMPLE, good).result, Ok(()));
    let outcome = by_datagram(sip("404"), AMPLE, good);
    assert_eq!(
        (kind(&outcome), reason(&outcome)),
        (FailureKind::BadStatus, "the answer is 'SIP/2.0 200 OK', expected status 404")
    );
    // A datagram that is lost is sent again.
    let second = |asked: &str, number| if number == 0 { Vec::new() } else { good(asked, 0) };
    assert_eq!(by_datagram(sip("200"), AMPLE, second).result, Ok(()));
    let outcome = by_datagram(sip("200"), SHORT, |_, _| Vec::new());
    assert_eq!((kind(&outcome), reason(&outcome)), (FailureKind::Timeout, "no answer within 0.08 s"));
    let outcome = by_datagram(sip("200"), AMPLE, |_, _| vec!["what?".to_owned()]);
    assert_eq!((kind(&outcome), reason(&outcome)), (FailureKind::Protocol, "the answer is not SIP: 'what?'"));
    let words =
        |expected: &str| talk(Protocol::Text(Text { transport: Transport::Udp, ..text("hello", expected) }));
    let echo = |asked: &str, _| vec![asked.to_owned()];
    assert_eq!(by_datagram(words("^hello$"), AMPLE, echo).result, Ok(()));
    assert_eq!(kind(&by_datagram(words("bye"), AMPLE, echo)), FailureKind::BadAnswer);
}

#[test]
fn a_password_may_stand_in_a_file_which_is_read_with_the_configuration_only() {
    let asked_with = |held: Option<&str>| {
        let password = Password::File("/no/file".to_owned(), held.map(|text| Secret::new(text.to_owned())));
        let login = Some(Login { name: "me".to_owned(), password });
        let dialogue = Dialogue { login, ..Dialogue::new(Protocol::Pop3) };
        asked(Kind::Dialogue(Box::new(dialogue)), AMPLE, async |mut stream: TcpStream| {
            play(&mut stream, &[("+OK\r\n", "USER me"), ("+OK\r\n", "PASS sesame"), ("+OK\r\n", "QUIT")])
                .await;
        })
    };
    assert_eq!(asked_with(Some("sesame")).result, Ok(()));
    let outcome = asked_with(None);
    let expected = "could not ask: nothing has been read from /no/file";
    assert_eq!((kind(&outcome), reason(&outcome)), (FailureKind::Local, expected));
}
