//! RADIUS servers, good and bad.

use tokio::net::UdpSocket;

use super::*;
use crate::spec::{Login, Password, Radius, Secret};

fn radius(login: bool) -> Kind {
    let said = |text: &str| Password::Said(Secret::new(text.to_owned()));
    let login = login.then(|| Login { name: "nemo".to_owned(), password: said("arctangent") });
    Kind::Radius(Radius { login, secret: said("xyzzy5461"), rejection: false, signed: false })
}

/// Asks a server that answers a question with these datagrams.
fn asked(kind: &Kind, patience: Duration, answer: impl Fn(&[u8]) -> Vec<Vec<u8>>) -> Outcome {
    run(async {
        let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let address = socket.local_addr().unwrap();
        let server = async {
            let mut question = [0; 4096];
            loop {
                let (length, from) = socket.recv_from(&mut question).await.unwrap();
                for datagram in answer(&question[..length]) {
                    socket.send_to(&datagram, from).await.unwrap();
                }
            }
        };
        let check = check(address, kind.clone(), patience);
        tokio::select! { outcome = attempt(&check, 0) => outcome, () = server => unreachable!() }
    })
}

/// An answer of this kind as the standard has it, without attributes.
fn answer(kind: u8, question: &[u8], secret: &[u8]) -> Vec<u8> {
    use md5::{Digest, Md5};
    let head = [kind, question[1], 0, 20];
    let sum = Md5::new().chain_update(head).chain_update(&question[4..20]).chain_update(secret).finalize();
    [&head[..], &sum].concat()
}

const SECRET: &[u8] = b"xyzzy5461";

#[test]
fn a_server_that_lets_us_in_passes() {
    assert_eq!(asked(&radius(true), AMPLE, |asked| vec![answer(2, asked, SECRET)]).result, Ok(()));
    assert_eq!(asked(&radius(false), AMPLE, |asked| vec![answer(2, asked, SECRET)]).result, Ok(()));
}

#[test]
fn what_is_not_ours_is_passed_over() {
    let strays = |asked: &[u8]| {
        let mut stray = answer(3, asked, SECRET);
        stray[1] ^= 1;
        vec![stray, answer(3, asked, b"guess"), answer(2, asked, SECRET)]
    };
    assert_eq!(asked(&radius(true), AMPLE, strays).result, Ok(()));
}

#[test]
fn refusals_forgeries_garbage_and_silence_are_told_apart() {
    let told = |answer: &dyn Fn(&[u8]) -> Vec<Vec<u8>>| {
        let outcome = asked(&radius(true), SHORT, answer);
        (kind(&outcome), reason(&outcome).to_owned())
    };
    let rejected = told(&|asked| vec![answer(3, asked, SECRET)]);
    assert_eq!(rejected, (FailureKind::BadStatus, "Access-Reject: the login is rejected".to_owned()));
    let forged = told(&|asked| vec![answer(2, asked, b"guess")]);
    assert_eq!(forged, (FailureKind::BadAnswer, "the answer is signed with another `secret`".to_owned()));
    let garbage = told(&|_| vec![b"hello".to_vec()]);
    assert_eq!(
        garbage,
        (FailureKind::Protocol, "the answer is not RADIUS: it is shorter than a head".to_owned())
    );
    let flood = told(&|_| vec![vec![0xff; 60_000]]);
    assert_eq!(flood.0, FailureKind::Protocol, "{flood:?}");
    let silence = told(&|_| Vec::new());
    assert!(silence.1.starts_with("no answer within 0.08 s: a server that does not know us"), "{silence:?}");
    let Kind::Radius(settings) = radius(true) else { unreachable!() };
    let signed = Kind::Radius(Radius { signed: true, ..settings });
    let outcome = asked(&signed, AMPLE, |asked| vec![answer(2, asked, SECRET)]);
    assert!(reason(&outcome).contains("no Message-Authenticator"), "{outcome:?}");
}

#[test]
fn a_port_without_a_server_is_told() {
    let free = std::net::UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let outcome = run(attempt(&check(free, radius(true), AMPLE), 0));
    assert_eq!(kind(&outcome), FailureKind::Refused, "{outcome:?}");
}
