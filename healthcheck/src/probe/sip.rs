//! The SIP check: one OPTIONS request, by datagram or connection, and its answer.

use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hasher};
use std::time::Duration;

use tokio::net::UdpSocket;

use super::connection::{Stream, cut};
use super::datagram::unreachable;
use super::within::within;
use super::{failure, local_failure, socket, words};
use crate::dialogue::sip::{Asking, Fault, Reader};
use crate::outcome::{Failure, FailureKind};
use crate::spec::{Check, Encryption, Sip, Transport};
use crate::warning::Aside;

/// Room for an answer by datagram.
const ROOM: usize = 64 * 1024;
/// After this time a datagram that nobody answered is sent again, then after twice as long (RFC 3261 section 17.1.2.2).
const AGAIN: Duration = Duration::from_millis(500);

/// One request and its answer.
pub(super) async fn options(
    check: &Check,
    encryption: &Encryption,
    sip: &Sip,
    aside: &mut Aside,
) -> Result<(), Failure> {
    let answered = match sip.transport {
        Transport::Udp => {
            let socket = socket::datagram(check)?;
            within(check.connect_timeout, by_datagram(check, sip, socket)).await
        }
        Transport::Tcp => {
            let stream = Stream::Plain(socket::connect(check).await?);
            within(check.connect_timeout, by_connection(check, encryption, sip, stream, aside)).await
        }
    };
    answered.unwrap_or_else(|_| {
        Err(failure(FailureKind::Timeout, format!("no answer within {}", words(check.connect_timeout))))
    })
}

async fn by_datagram(check: &Check, sip: &Sip, socket: UdpSocket) -> Result<(), Failure> {
    let local = socket.local_addr().map_err(|error| local_failure("no address", &error))?;
    let token = token();
    let asking = Asking { transport: "UDP", local, target: check.target, token: &token };
    let request = asking.request(sip);
    let mut answer = vec![0; ROOM];
    let mut again = AGAIN;
    loop {
        socket.send(request.as_bytes()).await.map_err(|error| unreachable(&error))?;
        let heard = within(again, async {
            loop {
                let length = socket.recv(&mut answer).await.map_err(|error| unreachable(&error))?;
                if let Some(judged) = asking.judge(sip, answer.get(..length).unwrap_or(&answer)) {
                    return judged.map_err(|fault| faulty(&fault));
                }
            }
        });
        match heard.await {
            Ok(judged) => return judged,
            Err(_) => again = again.saturating_mul(2),
        }
    }
}

async fn by_connection(
    check: &Check,
    encryption: &Encryption,
    sip: &Sip,
    mut stream: Stream,
    aside: &mut Aside,
) -> Result<(), Failure> {
    let mut transport = "TCP";
    if let Some(tls) = encryption.tls() {
        stream = stream.secure(check, tls, aside).await?;
        transport = "TLS";
    }
    let local = stream.local().map_err(|error| local_failure("no address", &error))?;
    let token = token();
    let asking = Asking { transport, local, target: check.target, token: &token };
    stream.say(asking.request(sip).as_bytes()).await?;
    let (mut reader, mut left) = (Reader::default(), Vec::new());
    loop {
        let (taken, head) = reader.read(&left).map_err(|fault| faulty(&fault))?;
        left.drain(..taken);
        match head {
            Some(head) => {
                if let Some(judged) = asking.judge(sip, &head) {
                    return judged.map_err(|fault| faulty(&fault));
                }
            }
            None if stream.hear(&mut left).await? == 0 => return Err(cut()),
            None => {}
        }
    }
}

fn faulty(fault: &Fault) -> Failure {
    let kind = match fault {
        Fault::NotSpoken(_) => FailureKind::Protocol,
        Fault::Status(..) => FailureKind::BadStatus,
        Fault::TooLong => FailureKind::TooLong,
    };
    failure(kind, fault.to_string())
}

/// Letters and digits that no other request has.
fn token() -> String {
    format!("{:016x}", RandomState::new().build_hasher().finish())
}
