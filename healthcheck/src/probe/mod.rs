//! Carrying out one attempt: open a connection, ask, judge the answer, say how it went.
//!
//! An attempt never repeats itself, and always ends by its own deadlines: the check's `connect_timeout`
//! for the connection, and for a check that wants an answer the same time again from then on until the
//! answer is complete ([`Check::patience`]). A server that sends a byte now and then gains nothing by it.
//! Dropping the future abandons the attempt and closes its socket.

mod ask_first;
mod datagram;
mod http;
mod smtp;
mod socket;
#[cfg(test)]
mod tests;
mod tls;
mod via;

use std::io;
use std::time::{Duration, Instant};

use nix::errno::Errno;

use crate::outcome::{Failure, FailureKind, Outcome};
use crate::spec::{Check, Kind};

/// Asks the server once. `step` chooses the URL of an HTTP check, from 0. Needs a tokio runtime with its
/// network and time drivers on; does not panic on anything a server sends.
///
/// Commands are not run here: whoever owns the checks knows as whom they may run.
pub async fn attempt(check: &Check, step: usize) -> Outcome {
    match &check.via {
        None => once(check, step).await,
        Some(via) => Box::pin(via::attempt(check, via, step)).await,
    }
}

async fn once(check: &Check, step: usize) -> Outcome {
    let begun = Instant::now();
    let result = match &check.kind {
        Kind::Tcp => socket::connect(check).await.map(drop),
        // What few checks need must not make every attempt a large one.
        Kind::Http(settings) => Box::pin(http::get(check, settings, step)).await,
        Kind::Smtp(settings) => Box::pin(smtp::greet(check, settings)).await,
        Kind::Dns(settings) => Box::pin(datagram::ask_name(check, settings)).await,
        Kind::Udp(settings) => Box::pin(datagram::udp(check, settings)).await,
        Kind::Ping => Box::pin(datagram::ping(check)).await,
        Kind::Command(_) => Err(failure(FailureKind::Local, "could not ask: no command is run here")),
    };
    Outcome { result, took: begun.elapsed(), weight: None }
}

fn failure(kind: FailureKind, reason: impl Into<String>) -> Failure {
    Failure { kind, reason: reason.into() }
}

/// A failure of the network, while connecting or later.
fn network_failure(error: &io::Error) -> Failure {
    use io::ErrorKind as E;
    if error.raw_os_error() == Some(Errno::ENOBUFS as i32) {
        return local_failure("no buffer space for the connection", error);
    }
    match error.kind() {
        E::ConnectionRefused => failure(FailureKind::Refused, "connection refused"),
        E::ConnectionReset | E::ConnectionAborted | E::BrokenPipe => {
            failure(FailureKind::Reset, "connection reset by the server")
        }
        E::HostUnreachable => failure(FailureKind::Unreachable, "host unreachable"),
        E::NetworkUnreachable => {
            failure(FailureKind::Unreachable, "network unreachable: no route to the server")
        }
        E::TimedOut => failure(FailureKind::Timeout, "connection timed out"),
        E::AddrNotAvailable | E::AddrInUse => local_failure("no free source address and port", error),
        E::OutOfMemory => local_failure("no memory for the connection", error),
        _ => failure(FailureKind::Unreachable, format!("connection failed: {error}")),
    }
}

/// A failure on our side, before the server was asked anything.
fn local_failure(what: &str, error: &io::Error) -> Failure {
    failure(FailureKind::Local, format!("could not ask: {what} ({error})"))
}

/// A time for people: `3 s`, `0.25 s`.
fn words(time: Duration) -> String {
    format!("{} s", time.as_secs_f64())
}
