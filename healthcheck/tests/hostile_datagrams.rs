//! Every kind of check by datagram meets every kind of hostile server: one that is not there, is silent, talks nonsense,
//! breaks off, floods, answers for others or from elsewhere. Each attempt ends in time and tells the right reason.

#![cfg(feature = "io")]
#![expect(clippy::unwrap_used, reason = "a test that cannot go on should fail here")]

use std::future::Future;
use std::net::SocketAddr;
use std::time::Duration;

use healthcheck::FailureKind::{self, BadAnswer, Protocol as NotSpoken, Refused, Timeout};
use healthcheck::probe::attempt;
use healthcheck::spec::parse_reply;
use healthcheck::{
    Check, Dialogue, Dns, Kind, Login, Outcome, Password, Pattern, Protocol, Radius, Secret, Sip, Text,
    Transport, Udp,
};
use md5::{Digest, Md5};
use tokio::net::UdpSocket;

const SECRET: &str = "xyzzy5461";
/// Long enough for anything that is meant to happen.
const AMPLE: Duration = Duration::from_secs(30);
/// Short enough to wait for.
const SHORT: Duration = Duration::from_millis(200);

/// What a server makes of a question.
type Answer = fn(&[u8]) -> Vec<u8>;

/// One check, and how a good server answers a question.
struct Case {
    name: &'static str,
    kind: Kind,
    answer: Answer,
    /// What answers to other questions look like; nothing where all answers are to us.
    stray: Option<Answer>,
}

/// The question turned into an answer (RFC 1035 section 4.1.1).
fn named(question: &[u8]) -> Vec<u8> {
    let mut answer = question.to_vec();
    answer[2] |= 0x80;
    answer
}

/// Access-Accept (RFC 2865 section 4.2).
fn accepted(question: &[u8]) -> Vec<u8> {
    let head = [2, question[1], 0, 20];
    let sum = Md5::new().chain_update(head).chain_update(&question[4..20]).chain_update(SECRET).finalize();
    [&head[..], &sum].concat()
}

fn cases() -> Vec<Case> {
    let said = |text: &str| Password::Said(Secret::new(text.to_owned()));
    let login = Some(Login { name: "nemo".to_owned(), password: said("arctangent") });
    let radius = Radius { login, secret: said(SECRET), rejection: false, signed: false };
    let pattern = Some(Box::new(Pattern { text: "well".to_owned(), ..Pattern::default() }));
    let text = Text { send: Some("hello".to_owned()), pattern, transport: Transport::Udp, half_close: false };
    let (payload, reply) = (Some(b"hello".to_vec()), Some(parse_reply("68 65 6c 6c 6f").unwrap()));
    let udp = Udp { payload, reply, shortest: 5, ..Udp::default() };
    let sip = Sip { transport: Transport::Udp, ..Sip::default() };
    let dialogue = |protocol| Kind::Dialogue(Box::new(Dialogue::new(protocol)));
    vec![
        Case {
            name: "DNS",
            kind: Kind::Dns(Dns::default()),
            answer: named,
            stray: Some(|question| {
                let mut stray = named(question);
                stray[0] ^= 0xff;
                stray
            }),
        },
        Case {
            name: "RADIUS",
            kind: Kind::Radius(radius),
            answer: accepted,
            stray: Some(|question| {
                let mut stray = accepted(question);
                stray[1] ^= 1;
                stray
            }),
        },
        Case {
            name: "SIP",
            kind: dialogue(Protocol::Sip(sip)),
            answer: |_| b"SIP/2.0 200 OK\r\n\r\n".to_vec(),
            stray: Some(|_| b"SIP/2.0 500 late\r\nCall-ID: another\r\n\r\n".to_vec()),
        },
        Case {
            name: "TEXT",
            kind: dialogue(Protocol::Text(text)),
            answer: |_| b"all is well".to_vec(),
            stray: None,
        },
        Case { name: "UDP", kind: Kind::Udp(udp), answer: <[u8]>::to_vec, stray: None },
    ]
}

fn run<F: Future>(future: F) -> F::Output {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        tokio::time::timeout(AMPLE * 2, future).await.expect("the attempt ends by itself")
    })
}

async fn made(kind: &Kind, target: SocketAddr, connect_timeout: Duration) -> Outcome {
    let check = Check { connect_timeout, ..Check::new(kind.clone(), target) };
    attempt(&check, 0).await
}

async fn bound() -> (UdpSocket, SocketAddr) {
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let address = socket.local_addr().unwrap();
    (socket, address)
}

/// Asks a server that does this with its first question.
fn met<S: Future<Output = ()>>(
    kind: &Kind,
    patience: Duration,
    serve: impl FnOnce(UdpSocket, SocketAddr, Vec<u8>) -> S,
) -> Outcome {
    run(async {
        let (socket, address) = bound().await;
        let server = async {
            let mut question = vec![0; 4096];
            let (length, from) = socket.recv_from(&mut question).await.unwrap();
            question.truncate(length);
            serve(socket, from, question).await;
            std::future::pending().await
        };
        tokio::select! { outcome = made(kind, address, patience) => outcome, () = server => unreachable!() }
    })
}

#[track_caller]
fn told(name: &str, what: &str, outcome: &Outcome, expected: &[FailureKind]) {
    let failure = outcome.result.as_ref().expect_err(&format!("{name}: {what}"));
    assert!(expected.contains(&failure.kind), "{name}: {what}: {failure:?}, expected {expected:?}");
    assert!((1..400).contains(&failure.reason.len()), "{name}: {what}: {failure:?}");
    let readable = failure.reason.bytes().all(|byte| (b' '..=b'~').contains(&byte));
    assert!(readable && !failure.reason.contains(SECRET), "{name}: {what}: {failure:?}");
}

#[test]
fn good_servers_pass_though_others_answer_too() {
    for Case { name, kind, answer, stray } in cases() {
        let outcome = met(&kind, AMPLE, async |socket: UdpSocket, from, question: Vec<u8>| {
            // Who is not asked is not heard.
            let (elsewhere, _) = bound().await;
            elsewhere.send_to(b"nonsense", from).await.unwrap();
            if let Some(stray) = stray {
                socket.send_to(&stray(&question), from).await.unwrap();
            }
            socket.send_to(&answer(&question), from).await.unwrap();
        });
        assert_eq!(outcome.result, Ok(()), "{name}");
    }
}

#[test]
fn servers_that_are_not_there_or_silent_are_told_apart() {
    for Case { name, kind, answer, .. } in cases() {
        let refused = run(async {
            let (socket, address) = bound().await;
            drop(socket);
            made(&kind, address, AMPLE).await
        });
        told(name, "it is not there", &refused, &[Refused]);
        let silent = met(&kind, SHORT, async |_socket, _, _| std::future::pending().await);
        told(name, "it is silent", &silent, &[Timeout]);
        let elsewhere = met(&kind, SHORT, async |_socket, from, question: Vec<u8>| {
            let (other, _) = bound().await;
            other.send_to(&answer(&question), from).await.unwrap();
            std::future::pending().await
        });
        told(name, "somebody else answers", &elsewhere, &[Timeout]);
    }
}

/// What nonsense is told as, and how long it may take: what looks like an answer to another question is passed over.
fn nonsense(name: &str) -> (Duration, &'static [FailureKind]) {
    match name {
        "DNS" => (SHORT, &[NotSpoken, Timeout]),
        _ => (AMPLE, &[NotSpoken, BadAnswer]),
    }
}

#[test]
fn nonsense_is_told_apart_however_long_it_is() {
    for Case { name, kind, answer, .. } in cases() {
        let (patience, expected) = nonsense(name);
        // The last is a byte as from a server that says one at a time.
        for said in [&b"\x7f\xff\x13 nonsense \x1b[2J"[..], &[0x55; 60_000], &[], b"S"] {
            let outcome = met(&kind, patience, async |socket: UdpSocket, from, _| {
                socket.send_to(said, from).await.unwrap();
            });
            told(name, "nonsense", &outcome, expected);
        }
        let half = met(&kind, AMPLE, async |socket: UdpSocket, from, question: Vec<u8>| {
            let whole = answer(&question);
            socket.send_to(&whole[..whole.len() / 2], from).await.unwrap();
        });
        told(name, "half an answer", &half, &[NotSpoken, BadAnswer]);
    }
}

#[test]
fn floods_do_not_stretch_the_time() {
    for Case { name, kind, stray, .. } in cases() {
        let (patience, expected) = nonsense(name);
        let flooded = met(
            &kind,
            patience,
            async |socket: UdpSocket, from, _| {
                while socket.send_to(&[0x55; 60_000], from).await.is_ok() {}
            },
        );
        told(name, "it floods", &flooded, expected);
        let Some(stray) = stray else { continue };
        let strays = met(
            &kind,
            SHORT,
            async |socket: UdpSocket, from, question: Vec<u8>| {
                while socket.send_to(&stray(&question), from).await.is_ok() {}
            },
        );
        told(name, "it floods with answers to others", &strays, &[Timeout]);
    }
}
