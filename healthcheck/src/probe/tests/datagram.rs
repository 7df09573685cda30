//! Datagrams: plain ones, name servers, echo requests.

use tokio::net::UdpSocket;

use super::*;
use crate::spec::{Dns, Udp, parse_reply};

async fn bound() -> (UdpSocket, SocketAddr) {
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let address = socket.local_addr().unwrap();
    (socket, address)
}

/// Asks a server that answers a datagram with these.
fn answered_with(kind: Kind, patience: Duration, answers: impl Fn(&[u8]) -> Vec<Vec<u8>>) -> Outcome {
    run(async {
        let (socket, address) = bound().await;
        let server = async {
            let mut asked = [0; 2048];
            let (length, from) = socket.recv_from(&mut asked).await.unwrap();
            for answer in answers(&asked[..length]) {
                socket.send_to(&answer, from).await.unwrap();
            }
            std::future::pending().await
        };
        let check = check(address, kind, patience);
        tokio::select! { outcome = attempt(&check, 0) => outcome, () = server => unreachable!() }
    })
}

fn expecting(text: &str) -> Kind {
    Kind::Udp(Udp {
        payload: Some(b"hello".to_vec()),
        reply: Some(parse_reply(text).unwrap()),
        ..Udp::default()
    })
}

fn echo(asked: &[u8]) -> Vec<Vec<u8>> {
    vec![asked.to_vec()]
}

#[test]
fn silence_passes_only_where_no_answer_is_asked_for() {
    let silent = |_: &[u8]| Vec::new();
    assert_eq!(answered_with(Kind::Udp(Udp::default()), SHORT, silent).result, Ok(()));
    let outcome = answered_with(expecting(""), SHORT, silent);
    assert_eq!((kind(&outcome), reason(&outcome)), (FailureKind::Timeout, "no answer within 0.08 s"));
}

#[test]
fn answers_are_judged() {
    assert_eq!(answered_with(Kind::Udp(Udp::default()), AMPLE, echo).result, Ok(()));
    assert_eq!(answered_with(expecting(""), AMPLE, echo).result, Ok(()));
    assert_eq!(answered_with(expecting("68 6x"), AMPLE, echo).result, Ok(()));
    let outcome = answered_with(expecting("69"), AMPLE, echo);
    assert_eq!(
        (kind(&outcome), reason(&outcome)),
        (FailureKind::BadAnswer, "the answer differs from what is expected in byte 1: 'hello'")
    );
    let outcome = answered_with(expecting("68"), AMPLE, |_| vec![vec![b'h'; 40_000]]);
    assert_eq!(reason(&outcome), "the answer has 256 bytes, expected 0 to 255", "no more is looked at");
}

#[test]
fn a_port_that_nobody_listens_on_is_refused() {
    for wanted in [Kind::Udp(Udp::default()), Kind::Dns(Dns::default())] {
        run(async {
            let (free, address) = bound().await;
            drop(free);
            let outcome = attempt(&check(address, wanted, AMPLE), 0).await;
            assert_eq!(
                (kind(&outcome), reason(&outcome)),
                (FailureKind::Refused, "port unreachable: nothing listens there")
            );
        });
    }
}

/// The question turned into an answer with this code.
fn coded(asked: &[u8], code: u8) -> Vec<u8> {
    let mut answer = asked.to_vec();
    answer[2] |= 0x80;
    answer[3] = code;
    answer
}

#[test]
fn name_servers_are_judged() {
    let dns = || Kind::Dns(Dns::default());
    assert_eq!(answered_with(dns(), AMPLE, |asked| vec![coded(asked, 0)]).result, Ok(()));
    let late = |asked: &[u8]| {
        let mut stray = coded(asked, 5);
        stray[0] ^= 0xff;
        vec![stray, coded(asked, 0)]
    };
    assert_eq!(answered_with(dns(), AMPLE, late).result, Ok(()), "answers to others are passed by");
    let outcome = answered_with(dns(), AMPLE, |asked| vec![coded(asked, 2)]);
    assert_eq!(
        (kind(&outcome), reason(&outcome)),
        (FailureKind::BadStatus, "the server answered SERVFAIL: it could not find out")
    );
    let outcome = answered_with(dns(), AMPLE, |_| vec![b"what?".to_vec()]);
    assert_eq!(
        (kind(&outcome), reason(&outcome)),
        (FailureKind::Protocol, "the answer is not DNS: it is shorter than a head")
    );
    let outcome = answered_with(dns(), SHORT, |_| Vec::new());
    assert_eq!(kind(&outcome), FailureKind::Timeout);
    let flood = |_: &[u8]| vec![vec![0; 100]; 200];
    assert_eq!(
        kind(&answered_with(dns(), SHORT, flood)),
        FailureKind::Timeout,
        "strays do not stretch the deadline"
    );
}

#[test]
fn an_echo_comes_back_or_it_is_said_what_is_missing() {
    for target in ["127.0.0.1:0", "[::1]:0"] {
        run(async {
            let outcome = attempt(&check(target.parse().unwrap(), Kind::Ping, AMPLE), 0).await;
            match &outcome.result {
                Ok(()) => {}
                // Without permission, or without the family.
                Err(failure) => assert_eq!(failure.kind, FailureKind::Local, "{target}: {failure}"),
            }
        });
    }
}
