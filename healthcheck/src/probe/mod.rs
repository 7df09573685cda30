//! Carrying out one attempt: open a connection, ask, judge the answer, say how it went.
//!
//! An attempt never repeats itself, and always ends by its own deadlines: the check's `connect_timeout`
//! for the connection, and for a check that wants an answer the same time again from then on until the
//! answer is complete ([`Check::patience`]). A server that sends a byte now and then gains nothing by it.
//! Dropping the future abandons the attempt and closes its socket.

mod ask_first;
mod http;
mod tcp;
#[cfg(test)]
mod tests;

use std::io;
use std::time::{Duration, Instant};

use nix::errno::Errno;

use crate::outcome::{Failure, FailureKind, Outcome};
use crate::spec::{Check, Kind};

/// Asks the server once. `step` chooses the URL of an HTTP check, from 0. Needs a tokio runtime with its
/// network and time drivers on; does not panic on anything a server sends.
pub async fn attempt(check: &Check, step: usize) -> Outcome {
    let begun = Instant::now();
    let result = match &check.kind {
        Kind::Tcp => tcp::connect(check).await.map(drop),
        Kind::Http(settings) if settings.tls.is_none() => http::get(check, settings, step).await,
        Kind::Http(_) | Kind::Smtp(_) | Kind::Dns(_) | Kind::Udp(_) | Kind::Ping => Err(failure(
            FailureKind::Local,
            format!("could not ask: there is no probe for {} yet", check.kind),
        )),
    };
    Outcome { result, took: begun.elapsed() }
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
