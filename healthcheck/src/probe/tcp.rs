//! Opening the connection every check begins with, and the TCP check that is nothing else.

use std::io;
use std::net::TcpStream as StdStream;
use std::time::Duration;

use nix::sys::socket::{setsockopt, sockopt};
use socket2::{Domain, Protocol, SockAddr, Socket, Type};
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::timeout;

use super::{failure, local_failure, network_failure, words};
use crate::outcome::{Failure, FailureKind};
use crate::spec::Check;

/// Connects to the check's target, from its source if it has one, within its `connect_timeout`.
///
/// The connection is later closed in the ordinary way, not reset: a reset would make many servers log a
/// broken connection per check. The price is a small time-wait entry per TCP check in the kernel, which
/// holds no descriptor and no port that other servers' checks could need.
pub(super) async fn connect(check: &Check) -> Result<TcpStream, Failure> {
    let socket = open(check).map_err(|error| match check.source {
        Some(source) => local_failure(&format!("no socket bound to {source}"), &error),
        None => local_failure("no socket", &error),
    })?;
    let stream = match timeout(check.connect_timeout, socket.connect(check.target)).await {
        Ok(connected) => connected.map_err(|error| network_failure(&error))?,
        Err(_) => {
            let reason = format!("no connection within {}", words(check.connect_timeout));
            return Err(failure(FailureKind::Timeout, reason));
        }
    };
    refuse_self(&stream)?;
    Ok(stream)
}

fn open(check: &Check) -> io::Result<TcpSocket> {
    let domain = Domain::for_address(check.target);
    let socket = Socket::new(domain, Type::STREAM.nonblocking().cloexec(), Some(Protocol::TCP))?;
    if let Some(source) = check.source {
        if source.port() == 0 {
            // The port is chosen at connect, when it need be free towards this one server only. A kernel
            // that does not know the option merely runs out of ports sooner.
            let _ = setsockopt(&socket, sockopt::IpBindAddressNoPort, &true);
        } else {
            // The same port must be free again for the next attempt, so no trace may stay behind.
            socket.set_reuse_address(true)?;
            socket.set_linger(Some(Duration::ZERO))?;
        }
        socket.bind(&SockAddr::from(source))?;
    }
    Ok(TcpSocket::from_std_stream(StdStream::from(socket)))
}

/// A connection to an own address whose port nobody listens on can meet itself, when the kernel happens to
/// choose that port as the source. Nobody answered, so that is a refusal.
fn refuse_self(stream: &TcpStream) -> Result<(), Failure> {
    match (stream.local_addr(), stream.peer_addr()) {
        (Ok(local), Ok(peer)) if local == peer => Err(failure(FailureKind::Refused, "connection refused")),
        _ => Ok(()),
    }
}
