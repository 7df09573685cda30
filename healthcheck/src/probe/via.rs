//! Attempts through the kernel's IPVS table, and whose fault it is when they fail.
//!
//! A packet of this host with the mark of a service in the table is forwarded as one that came in would be. The reply
//! must find its way back: with address translation it passes the table again; with direct routing and tunnels it
//! comes from the virtual address itself, which a host that holds that address takes for a forgery unless it is told
//! otherwise (`accept_local`).

use std::net::{IpAddr, SocketAddr, UdpSocket};

use crate::outcome::{Failure, FailureKind, Outcome};
use crate::spec::{Check, Via, Way};

/// Asks through the table; if no answer comes, asks the server itself, to say where to look.
pub(super) async fn attempt(check: &Check, via: &Via, step: usize) -> Outcome {
    let source = match source(check, via) {
        Ok(source) => source,
        Err(failure) => {
            return Outcome { result: Err(failure), took: Default::default(), weight: None, aside: None };
        }
    };
    let through = Check { source: Some(source), mark: via.mark, via: None, ..check.clone() };
    let outcome = Box::pin(super::once(&through, step)).await;
    let (Err(failure), Some(target)) = (&outcome.result, via.direct) else { return outcome };
    if failure.kind == FailureKind::Local {
        return outcome;
    }
    let direct = Check { target, via: None, ..check.clone() };
    let direct = Box::pin(super::once(&direct, step)).await;
    let reason = match &direct.result {
        Ok(()) => {
            let hint = hint(check, via, source);
            format!("answers directly, but not through IPVS ({}): {failure}; {hint}", via.way)
        }
        Err(own) if own.reason == failure.reason => format!("{failure} (directly as well as through IPVS)"),
        Err(own) => format!("{own} (through IPVS: {failure})"),
    };
    let kind = direct.result.err().map_or(failure.kind, |own| own.kind);
    Outcome { result: Err(Failure { kind, reason }), ..outcome }
}

/// The address to ask from. A packet to an address of this host would come from that very address, and so would be of
/// no use to the server: it comes from where packets to the server come from.
fn source(check: &Check, via: &Via) -> Result<SocketAddr, Failure> {
    if let Some(source) = check.source.filter(|source| !source.ip().is_unspecified()) {
        return Ok(source);
    }
    let port = check.source.map_or(0, |source| source.port());
    // A tunnel may lead to another family.
    let direct = via.direct.filter(|direct| direct.is_ipv4() == check.target.is_ipv4());
    let towards = direct.unwrap_or(check.target);
    let found = own_address(towards).map_err(|error| super::local_failure("no way to the server", &error))?;
    if found == check.target.ip() {
        let reason =
            format!("could not ask: packets to {towards} leave from the virtual address; set `bindto`");
        return Err(super::failure(FailureKind::Local, reason));
    }
    Ok(SocketAddr::new(found, port))
}

/// The address that packets to there leave from. Nothing is sent.
fn own_address(towards: SocketAddr) -> std::io::Result<IpAddr> {
    let any: IpAddr = if towards.is_ipv4() { [0, 0, 0, 0].into() } else { [0u16; 8].into() };
    let socket = UdpSocket::bind((any, 0))?;
    // Any port will do; some are 0.
    socket.connect((towards.ip(), towards.port().max(1)))?;
    Ok(socket.local_addr()?.ip())
}

/// Where to look when the server answers and its answers do not come.
fn hint(check: &Check, via: &Via, source: SocketAddr) -> String {
    let vip = check.target.ip();
    if via.way != Way::Nat
        && let Some(interface) = refuses_own(vip, source.ip())
    {
        return format!(
            "this director holds {vip}, and drops answers that come from it: set \
             net.ipv4.conf.{interface}.accept_local to 1"
        );
    }
    match via.way {
        Way::Nat => format!("do the server's answers to {} come back by this director?", source.ip()),
        Way::Dr => format!("does the server hold {vip} without ARP?"),
        Way::Tun => format!("does the server take tunnelled packets and hold {vip}, with rp_filter 0?"),
    }
}

/// The interface by which answers from an address of this host are dropped, if that is so (IPv4 only).
fn refuses_own(vip: IpAddr, source: IpAddr) -> Option<String> {
    if !vip.is_ipv4() {
        return None;
    }
    let held = || nix::ifaddrs::getifaddrs().ok().into_iter().flatten();
    let address = |one: &nix::ifaddrs::InterfaceAddress| {
        let address = one.address.as_ref()?.as_sockaddr_in()?;
        Some(IpAddr::V4(address.ip()))
    };
    held().find(|one| address(one) == Some(vip))?;
    let interface = held().find(|one| address(one) == Some(source))?.interface_name;
    let accepts = |place: &str| {
        let path = format!("/proc/sys/net/ipv4/conf/{place}/accept_local");
        std::fs::read_to_string(path).is_ok_and(|value| value.trim() == "1")
    };
    (!accepts("all") && !accepts(&interface)).then_some(interface)
}
