//! The sockets of all checks: from which address, through which interface and with which mark they ask.

use std::io;
use std::net::{SocketAddr, TcpStream as StdStream, UdpSocket as StdUdpSocket};
use std::time::Duration;

use nix::errno::Errno;
use nix::sys::socket::{setsockopt, sockopt};
use socket2::{Domain, Protocol, SockAddr, Socket, Type};
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpSocket, TcpStream, UdpSocket};

use super::within::within;
use super::{failure, local_failure, network_failure, words};
use crate::outcome::{Failure, FailureKind};
use crate::spec::{Check, ProxyHeader};

/// The lowest port that the kernel may choose by itself, unless somebody has told it otherwise.
const FIRST_CHOSEN_PORT: u16 = 1024;

/// What is missing where a server does not even connect.
pub(super) const NO_CONNECTION: &str = "no connection";

/// Connects to the check's target, from its source if it has one, within its `connect_timeout`, and begins as a proxy does
/// if it is to (`proxy_protocol`).
///
/// The connection is later closed in the ordinary way, not reset: a reset would make many servers log a
/// broken connection per check. The price is a small time-wait entry per TCP check in the kernel, which
/// holds no descriptor and no port that other servers' checks could need.
pub(super) async fn connect(check: &Check) -> Result<TcpStream, Failure> {
    let socket = stream(check)?;
    let stream = match within(check.connect_timeout, socket.connect(check.target)).await {
        Ok(connected) => connected.map_err(|error| network_failure(&error))?,
        Err(_) => {
            let reason = format!("{NO_CONNECTION} within {}", words(check.connect_timeout));
            return Err(failure(FailureKind::Timeout, reason));
        }
    };
    refuse_self(check, &stream)?;
    match check.proxy {
        None => Ok(stream),
        // What few checks need must not make every attempt a large one.
        Some(header) => Box::pin(introduce(stream, header)).await.map_err(|error| network_failure(&error)),
    }
}

/// Says for whom it is. Nothing has been sent yet, so that there is room for it: this does not wait.
async fn introduce(mut stream: TcpStream, header: ProxyHeader) -> io::Result<TcpStream> {
    // What is asked must not wait until the server's kernel has acknowledged the header.
    stream.set_nodelay(true)?;
    let header = header.bytes(stream.local_addr()?, stream.peer_addr()?);
    stream.write_all(&header).await?;
    Ok(stream)
}

fn stream(check: &Check) -> Result<TcpSocket, Failure> {
    let socket =
        open(check, Type::STREAM, Protocol::TCP).map_err(|error| local_failure("no socket", &error))?;
    if let Some(source) = check.source {
        let bound = if source.port() == 0 {
            // The port is chosen at connect, when it need be free towards this one server only. A kernel
            // that does not know the option merely runs out of ports sooner.
            let _ = setsockopt(&socket, sockopt::IpBindAddressNoPort, &true);
            Ok(())
        } else {
            // The same port must be free again for the next attempt, so no trace may stay behind.
            socket.set_reuse_address(true).and_then(|()| socket.set_linger(Some(Duration::ZERO)))
        };
        bound.and_then(|()| socket.bind(&SockAddr::from(source))).map_err(|error| unbound(source, &error))?;
    }
    prepare(check, &socket)?;
    Ok(TcpSocket::from_std_stream(StdStream::from(socket)))
}

/// A socket for datagrams to the check's target and from nobody else. What the network says of the way there it tells
/// as an error of the next call.
pub(super) fn datagram(check: &Check) -> Result<UdpSocket, Failure> {
    let socket =
        open(check, Type::DGRAM, Protocol::UDP).map_err(|error| local_failure("no socket", &error))?;
    if let Some(source) = check.source.filter(|source| source.port() > 0) {
        socket.set_reuse_address(true).map_err(|error| unbound(source, &error))?;
    }
    talk_to(check, check.target, socket)
}

/// A socket for echo requests, and whether the kernel leaves their identifier to us.
pub(super) fn echo(check: &Check) -> Result<(UdpSocket, bool), Failure> {
    let protocol = if check.target.is_ipv4() { Protocol::ICMPV4 } else { Protocol::ICMPV6 };
    let denied = |error: &io::Error| error.kind() == io::ErrorKind::PermissionDenied;
    // The first needs a group that the kernel lets send them, the second the capability.
    let (socket, raw) = match open(check, Type::DGRAM, protocol) {
        Err(error) if denied(&error) => (open(check, Type::RAW, protocol), true),
        other => (other, false),
    };
    let socket = socket.map_err(|error| match denied(&error) {
        true => local_failure(
            "no permission to send echo requests: give directord CAP_NET_RAW, or let its group in by the sysctl \
             net.ipv4.ping_group_range",
            &error,
        ),
        false => local_failure("no socket", &error),
    })?;
    // Echoes know no ports, and some kernels mind one.
    let target = SocketAddr::new(check.target.ip(), 0);
    Ok((talk_to(check, target, socket)?, raw))
}

/// Binds and connects a socket for datagrams.
fn talk_to(check: &Check, target: SocketAddr, socket: Socket) -> Result<UdpSocket, Failure> {
    let told = match check.target.is_ipv4() {
        true => setsockopt(&socket, sockopt::Ipv4RecvErr, &true),
        false => setsockopt(&socket, sockopt::Ipv6RecvErr, &true),
    };
    told.map_err(|errno| local_failure("no socket", &errno.into()))?;
    if let Some(source) = check.source {
        socket.bind(&SockAddr::from(source)).map_err(|error| unbound(source, &error))?;
    }
    prepare(check, &socket)?;
    socket.connect(&SockAddr::from(target)).map_err(|error| network_failure(&error))?;
    // The runtime waits for any socket in the same way, whatever its protocol.
    UdpSocket::from_std(StdUdpSocket::from(socket)).map_err(|error| local_failure("no socket", &error))
}

fn open(check: &Check, kind: Type, protocol: Protocol) -> io::Result<Socket> {
    Socket::new(Domain::for_address(check.target), kind.nonblocking().cloexec(), Some(protocol))
}

/// The interface and the mark.
fn prepare(check: &Check, socket: &Socket) -> Result<(), Failure> {
    if let Some(device) = &check.device {
        socket.bind_device(Some(device.as_bytes())).map_err(|error| match error.raw_os_error() {
            Some(errno) if errno == Errno::ENODEV as i32 => {
                local_failure(&format!("there is no interface {device} (`bind_if`)"), &error)
            }
            _ => local_failure(&format!("`bind_if {device}` needs CAP_NET_RAW"), &error),
        })?;
    }
    if check.mark != 0 {
        socket.set_mark(check.mark).map_err(|error| {
            local_failure(&format!("`fwmark {}` needs CAP_NET_ADMIN", check.mark), &error)
        })?;
    }
    Ok(())
}

fn unbound(source: SocketAddr, error: &io::Error) -> Failure {
    local_failure(&format!("no socket bound to {source}"), error)
}

/// A connection to an own address whose port nobody listens on can meet itself, when the kernel happens to
/// choose that port as the source. Nobody answered, so that is a refusal.
fn refuse_self(check: &Check, stream: &TcpStream) -> Result<(), Failure> {
    if check.target.port() < FIRST_CHOSEN_PORT && check.source.is_none() {
        return Ok(());
    }
    match stream.local_addr() {
        Ok(local) if local == check.target => Err(failure(FailureKind::Refused, "connection refused")),
        _ => Ok(()),
    }
}
