//! The checks by datagram: `UDP_CHECK`, `DNS_CHECK`, and the echo requests of `PING_CHECK`.
//!
//! Where silence is an answer (`UDP_CHECK` without `require_reply`) an attempt lasts as long as it may: only the network
//! can tell that nobody is there, and that takes its time. An address of the own network that nobody has is known
//! after about 3 s.

use std::collections::hash_map::RandomState;
use std::future::Future;
use std::hash::{BuildHasher, Hasher};
use std::io;

use tokio::net::UdpSocket;

use super::within::within;
use super::{failure, network_failure, socket, words};
use crate::dialogue::echo::{COOKIE, Echo};
use crate::dialogue::{datagram, dns};
use crate::outcome::{Failure, FailureKind};
use crate::spec::{Check, Dns, Udp};

/// Room for an answer to a question of names; the head is all that is looked at.
const DNS_ROOM: usize = 4096;

/// One datagram, and one that answers it if one must.
pub(super) async fn udp(check: &Check, udp: &Udp) -> Result<(), Failure> {
    let socket = socket::datagram(check)?;
    let random = [cookie(), cookie()].concat();
    let payload = udp.payload.as_deref().unwrap_or(&random);
    send(&socket, payload).await?;
    let mut answer = vec![0; datagram::room(udp)];
    match within(check.connect_timeout, socket.recv(&mut answer)).await {
        Ok(Ok(length)) => {
            let known = answer.get(..length).unwrap_or(&answer);
            datagram::judge(udp, known, length)
                .map_err(|fault| failure(FailureKind::BadAnswer, fault.to_string()))
        }
        Ok(Err(error)) => Err(unreachable(&error)),
        Err(_) if udp.reply.is_none() => Ok(()),
        Err(_) => Err(silence(check)),
    }
}

/// One question, and its answer.
pub(super) async fn ask_name(check: &Check, dns: &Dns) -> Result<(), Failure> {
    let socket = socket::datagram(check)?;
    let question = dns::question(dns, u16::from_be_bytes([cookie()[0], cookie()[1]]));
    send(&socket, &question).await?;
    let answered = async {
        let mut answer = vec![0; DNS_ROOM];
        loop {
            let length = socket.recv(&mut answer).await.map_err(|error| unreachable(&error))?;
            match dns::judge(&question, answer.get(..length).unwrap_or(&answer)) {
                Ok(()) => return Ok(()),
                // Late answers to earlier attempts are not ours.
                Err(dns::Fault::Stray) => {}
                Err(fault) => {
                    let kind = match fault {
                        dns::Fault::Refused(_) => FailureKind::BadStatus,
                        _ => FailureKind::Protocol,
                    };
                    return Err(failure(kind, fault.to_string()));
                }
            }
        }
    };
    in_time(check, answered).await
}

/// One echo request, and its reply.
pub(super) async fn ping(check: &Check) -> Result<(), Failure> {
    let (socket, raw) = socket::echo(check)?;
    let cookie = cookie();
    let identifier = if raw { u16::from_be_bytes([cookie[0], cookie[1]]) } else { 0 };
    let echo = Echo { v6: check.target.is_ipv6(), identifier, cookie };
    send(&socket, &echo.request()).await?;
    let answered = async {
        let mut packet = [0; 128];
        loop {
            let length = socket.recv(&mut packet).await.map_err(|error| unreachable(&error))?;
            if echo.is_answered_by(packet.get(..length).unwrap_or(&packet)) {
                return Ok(());
            }
        }
    };
    in_time(check, answered).await
}

pub(super) async fn send(socket: &UdpSocket, payload: &[u8]) -> Result<(), Failure> {
    socket.send(payload).await.map(drop).map_err(|error| unreachable(&error))
}

async fn in_time(check: &Check, answered: impl Future<Output = Result<(), Failure>>) -> Result<(), Failure> {
    match within(check.connect_timeout, answered).await {
        Ok(judged) => judged,
        Err(_) => Err(silence(check)),
    }
}

fn silence(check: &Check) -> Failure {
    failure(FailureKind::Timeout, format!("no answer within {}", words(check.connect_timeout)))
}

/// What the network says of a datagram.
pub(super) fn unreachable(error: &io::Error) -> Failure {
    match error.kind() {
        io::ErrorKind::ConnectionRefused => {
            failure(FailureKind::Refused, "port unreachable: nothing listens there")
        }
        _ => network_failure(error),
    }
}

/// Bytes that nobody can guess.
fn cookie() -> [u8; COOKIE] {
    let half = || RandomState::new().build_hasher().finish().to_be_bytes();
    let mut cookie = [0; COOKIE];
    cookie[..8].copy_from_slice(&half());
    cookie[8..].copy_from_slice(&half());
    cookie
}
