//! Carrying out one attempt: open a connection, ask, judge the answer, say how it went.
//!
//! An attempt never repeats itself, and always ends by its own deadlines: the check's `connect_timeout`
//! for the connection, and for a check that wants an answer the same time again from then on until the
//! answer is complete ([`Check::patience`]). A server that sends a byte now and then gains nothing by it.
//! Dropping the future abandons the attempt and closes its socket.

mod connection;
mod conversation;
mod datagram;
mod find;
mod grpc;
mod http;
mod http2;
mod page;
mod radius;
mod sip;
mod socket;
mod talk;
#[cfg(test)]
mod tests;
mod text;
mod tls;
mod via;
mod within;

use std::io;
use std::time::{Duration, Instant};

use nix::errno::Errno;

use crate::dialogue::{ldap::Ldap, mysql::Mysql, pgsql::Pgsql, tns::Tns};
use crate::outcome::{Failure, FailureKind, Outcome};
use crate::spec::{self, Check, Dialogue, Kind, Latency, Protocol};
use crate::warning::{Aside, Concern, Warning};
use talk::Secured;

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
    let mut aside = Aside::default();
    let result = match &check.kind {
        Kind::Tcp => socket::connect(check).await.map(drop),
        // What few checks need must not make every attempt a large one.
        Kind::Http(settings) => Box::pin(http::get(check, settings, step, &mut aside)).await,
        Kind::Smtp(settings) => Box::pin(conversation::smtp(check, settings, &mut aside)).await,
        Kind::Dns(settings) => Box::pin(datagram::ask_name(check, settings)).await,
        Kind::Udp(settings) => Box::pin(datagram::udp(check, settings)).await,
        Kind::Ping => Box::pin(datagram::ping(check)).await,
        Kind::Grpc(settings) => Box::pin(grpc::ask(check, settings, &mut aside)).await,
        Kind::Ldap(settings) => Box::pin(ldap(check, settings, &mut aside)).await,
        Kind::Mysql(settings) => Box::pin(mysql(check, settings, &mut aside)).await,
        Kind::Pgsql(settings) => Box::pin(pgsql(check, settings, &mut aside)).await,
        Kind::Radius(settings) => Box::pin(radius::ask(check, settings)).await,
        Kind::Oracle(settings) => {
            let mut tns = Tns::new(settings);
            Box::pin(talk::talk(check, None, Secured::InTime, &mut tns, &mut aside)).await
        }
        Kind::Dialogue(dialogue) => Box::pin(dialogue_of(check, dialogue, &mut aside)).await,
        Kind::Command(_) => Err(failure(FailureKind::Local, "could not ask: no command is run here")),
    };
    let took = begun.elapsed();
    let result = result.and_then(|()| judge_latency(check.schedule.latency, took, &mut aside));
    let result = result.map_err(|failure| told_of_header(check, failure));
    let aside = (aside != Aside::default()).then(|| Box::new(aside));
    Outcome { result, took, weight: None, aside }
}

/// Who did not answer as expected may have expected another beginning; why it is so the answer does not tell.
fn told_of_header(check: &Check, failure: Failure) -> Failure {
    use FailureKind as K;
    let begun = match failure.kind {
        K::Timeout => !failure.reason.starts_with(socket::NO_CONNECTION),
        K::Closed | K::Reset | K::Protocol | K::BadStatus => true,
        _ => false,
    };
    let Some(header) = check.proxy.filter(|_| begun) else { return failure };
    let reason = format!("{failure} (asked with a PROXY header, `proxy_protocol {header}`)");
    Failure { reason, ..failure }
}

/// Whether an answer came soon enough.
fn judge_latency(latency: Latency, took: Duration, aside: &mut Aside) -> Result<(), Failure> {
    let said = |limit: Duration, keyword: &str| {
        let millis = |time: Duration| time.as_secs_f64() * 1e3;
        format!("the answer took {:.1} ms, and `{keyword}` is {}", millis(took), millis(limit))
    };
    match latency {
        Latency { most: Some(most), .. } if took > most => {
            Err(failure(FailureKind::TooSlow, said(most, "max_latency")))
        }
        Latency { warn: Some(warn), .. } if took > warn => {
            aside.warnings.push(Warning { about: Concern::Latency, words: said(warn, "warn_latency") });
            Ok(())
        }
        _ => Ok(()),
    }
}

async fn dialogue_of(check: &Check, dialogue: &Dialogue, aside: &mut Aside) -> Result<(), Failure> {
    match &dialogue.protocol {
        Protocol::Sip(sip) => sip::options(check, &dialogue.encryption, sip, aside).await,
        Protocol::Text(text) => text::ask(check, &dialogue.encryption, text, aside).await,
        _ => conversation::dialogue(check, dialogue, aside).await,
    }
}

async fn ldap(check: &Check, settings: &spec::Ldap, aside: &mut Aside) -> Result<(), Failure> {
    talk::known(settings.login.as_ref())?;
    let secured =
        if settings.tls.is_some() && !settings.starttls { Secured::AtOnce } else { Secured::InTime };
    talk::talk(check, settings.tls.as_ref(), secured, &mut Ldap::new(settings), aside).await
}

async fn mysql(check: &Check, settings: &spec::Sql, aside: &mut Aside) -> Result<(), Failure> {
    talk::known(settings.login.as_ref())?;
    talk::talk(check, settings.tls.as_ref(), Secured::InTime, &mut Mysql::new(settings), aside).await
}

async fn pgsql(check: &Check, settings: &spec::Sql, aside: &mut Aside) -> Result<(), Failure> {
    talk::known(settings.login.as_ref())?;
    let mut pgsql = Pgsql::new(settings, random()?);
    talk::talk(check, settings.tls.as_ref(), Secured::InTime, &mut pgsql, aside).await
}

/// Bytes that nobody can foresee.
fn random<const N: usize>() -> Result<[u8; N], Failure> {
    let mut bytes = [0; N];
    let no_random = |_| failure(FailureKind::Local, "could not ask: this system gives no random numbers");
    aws_lc_rs::rand::fill(&mut bytes).map_err(no_random)?;
    Ok(bytes)
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
