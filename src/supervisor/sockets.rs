//! The open VRRP sockets: what the brain wants open compared with what is.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::net::IpAddr;
use std::os::fd::{AsFd, BorrowedFd};
use std::time::{Duration, Instant};

use nix::sys::epoll::{Epoll, EpollEvent, EpollFlags};
use tracing::error;
use vrrp::io::{Socket, SocketV6};
use vrrp::{Advert, ChecksumForm, Envelope, Reception, Seal};

use crate::director::effect::{SocketKey, Transmission};
use crate::director::event::Event;

/// Datagrams taken from one socket in one round, so that a flood on one cannot starve the others. It is about what a
/// receive buffer holds: after a stall all that was said meanwhile is heard before any silence is believed in.
const DATAGRAMS_PER_ROUND: usize = 1024;

/// How soon a datagram is read where they come one by one.
const SOON: Duration = Duration::from_micros(100);

/// The longest VRRP datagram worth reading: 255 IPv6 addresses fit with room to spare.
const LONGEST: usize = 8192;

/// The open sockets.
#[derive(Debug)]
pub(super) struct Sockets {
    open: BTreeMap<SocketKey, Entry>,
    next_token: u64,
    /// IP identification of the next datagram.
    identification: u16,
}

/// One open socket, and what is known of it.
#[derive(Debug)]
struct Entry {
    token: u64,
    socket: Open,
    /// The last datagram sent for each VRID and destination: adverts repeat themselves, so most are built once.
    built: BTreeMap<(u8, IpAddr), Built>,
    /// More than one datagram waited the last time.
    busy: bool,
    /// When the last one arrived.
    last: Option<Instant>,
}

/// One open socket.
#[derive(Debug)]
enum Open {
    V4(Socket),
    V6(SocketV6),
}

#[derive(Debug)]
struct Built {
    advert: Advert,
    source: IpAddr,
    checksum: ChecksumForm,
    /// The signature in it, if any.
    trailer: Option<[u8; vrrp::trailer::TRAILER]>,
    payload: Vec<u8>,
}

impl Sockets {
    /// No sockets yet; their tokens will start at `first_token`.
    pub(super) fn new(first_token: u64) -> Self {
        Sockets { open: BTreeMap::new(), next_token: first_token, identification: 0 }
    }

    /// Closes what is no longer wanted and opens what is missing.
    pub(super) fn converge(&mut self, wanted: &BTreeSet<SocketKey>, epoll: &Epoll) {
        self.open.retain(|key, _| wanted.contains(key));
        for key in wanted {
            if self.open.contains_key(key) {
                continue;
            }
            match open(key) {
                Ok(socket) => {
                    let token = self.next_token;
                    self.next_token += 1;
                    if let Err(errno) = epoll.add(socket.as_fd(), EpollEvent::new(EpollFlags::EPOLLIN, token))
                    {
                        error!("cannot wait for adverts on {}: {errno}", key.interface);
                        continue;
                    }
                    let entry = Entry { token, socket, built: BTreeMap::new(), busy: true, last: None };
                    self.open.insert(key.clone(), entry);
                }
                Err(error) => error!("cannot open the VRRP socket on {}: {error}", key.interface),
            }
        }
    }

    /// What arrived on the socket with this token, and when. Without `all`, one datagram may be left to the next round:
    /// where adverts come one by one, asking whether there is another would cost as much as reading it.
    pub(super) fn read(&mut self, token: u64, all: bool) -> Vec<(Event, Instant)> {
        let Some((key, entry)) = self.open.iter_mut().find(|(_, entry)| entry.token == token) else {
            return Vec::new();
        };
        let Entry { socket, busy, last, .. } = entry;
        let most = if all || *busy { DATAGRAMS_PER_ROUND } else { 1 };
        let mut count = 0;
        let mut events = Vec::new();
        let mut buffer = [0; LONGEST];
        while count < most {
            let heard = match socket {
                Open::V4(socket) => socket.receive(&mut buffer).map(|arrival| {
                    let arrival = arrival?;
                    Some((event_v4(key, arrival.datagram), arrival.arrived))
                }),
                Open::V6(socket) => socket.receive(&mut buffer).map(|arrival| {
                    let arrival = arrival?;
                    Some((event(key, arrival.envelope, arrival.payload, None), arrival.arrived))
                }),
            };
            match heard {
                Ok(Some((event, arrived))) => {
                    count += 1;
                    // What lay so long that its stamp is not believed counts as of now; what came after it cannot be older.
                    let arrived = last.map_or(arrived, |last| last.max(arrived));
                    *last = Some(arrived);
                    events.extend(event.map(|event| (event, arrived)));
                }
                Ok(None) => break,
                // The interface went down or away; the link monitor tells the brain.
                Err(_) => break,
            }
        }
        // Where one had to wait to be read, there will be more.
        let waited = || last.is_some_and(|last| last.elapsed() > SOON);
        *busy = if most > 1 { count > 1 } else { waited() };
        events
    }

    /// Sends one advert to each of its destinations.
    pub(super) fn send(&mut self, transmission: &Transmission) -> io::Result<()> {
        let Transmission { socket: key, source, destinations, advert, ttl, checksum, seal } = transmission;
        let Some(Entry { socket, built: all_built, .. }) = self.open.get_mut(key) else {
            return Err(io::Error::new(io::ErrorKind::NotConnected, "the VRRP socket is not open"));
        };
        let mut result = Ok(());
        for destination in destinations {
            let slot = (advert.vrid, *destination);
            let same = |built: &Built| {
                built.advert == *advert && built.source == *source && built.checksum == *checksum
            };
            let built = all_built.get(&slot).filter(|built| same(built) && built.trailer.is_none());
            let trailer = match seal {
                Some(Seal::Trailer(trailer)) => Some(trailer),
                Some(Seal::Header { .. }) | None => None,
            };
            // A signature is never the same again.
            if built.is_none() || trailer.is_some() {
                let payload = advert.emit_as(*source, *destination, *checksum, trailer);
                let built = Built {
                    advert: advert.clone(),
                    source: *source,
                    checksum: *checksum,
                    trailer: trailer.copied(),
                    payload,
                };
                all_built.insert(slot, built);
            }
            let Some(built) = all_built.get(&slot) else { continue };
            let envelope = Envelope { source: *source, destination: *destination, ttl: *ttl };
            let sent = match socket {
                Open::V4(socket) => {
                    self.identification = self.identification.wrapping_add(1).max(1);
                    let id = self.identification;
                    let datagram = match seal {
                        Some(Seal::Header { sequence, password }) => {
                            vrrp::header_datagram_v4(&envelope, id, *sequence, password, &built.payload)
                        }
                        _ => vrrp::datagram_v4(&envelope, id, &built.payload),
                    };
                    socket.send(&datagram, *destination)
                }
                Open::V6(socket) => socket.send(&envelope, &built.payload),
            };
            result = result.and(sent);
        }
        result
    }
}

impl Open {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Open::V4(socket) => socket.as_fd(),
            Open::V6(socket) => socket.as_fd(),
        }
    }
}

fn open(key: &SocketKey) -> io::Result<Open> {
    let SocketKey { interface, index, v6, group, header } = key;
    match group {
        Some(IpAddr::V4(group)) if *header => {
            Socket::multicast_headers(interface, *index, *group).map(Open::V4)
        }
        Some(IpAddr::V4(group)) => Socket::multicast(interface, *index, *group).map(Open::V4),
        Some(IpAddr::V6(group)) => SocketV6::multicast(interface, *index, *group).map(Open::V6),
        None if *v6 => SocketV6::unicast(interface, *index).map(Open::V6),
        None if *header => Socket::unicast_headers(Some(interface)).map(Open::V4),
        None => Socket::unicast(Some(interface)).map(Open::V4),
    }
}

/// What an IPv4 packet on this socket tells.
fn event_v4(key: &SocketKey, packet: &[u8]) -> Option<Event> {
    let bad = |error| {
        let source = vrrp::sender_v4(packet).map(IpAddr::V4);
        Some(Event::BadAdvert { interface: key.interface.clone(), source, error })
    };
    if !key.header {
        return match vrrp::split_v4(packet) {
            Ok((envelope, payload)) => event(key, envelope, payload, None),
            Err(error) => bad(error),
        };
    }
    match vrrp::split_header_v4(packet) {
        Ok(Some((envelope, proof, payload))) => event(key, envelope, payload, Some(proof)),
        // Somebody else's security association.
        Ok(None) => None,
        Err(error) => bad(error),
    }
}

/// What a payload on this socket tells. The kernel hands each packet to every socket of the interface; only the
/// one that it was sent to (group or unicast) passes it on.
fn event(
    key: &SocketKey,
    envelope: Envelope,
    payload: &[u8],
    header: Option<vrrp::header::HeaderProof>,
) -> Option<Event> {
    let interface = key.interface.clone();
    if envelope.is_multicast() != key.group.is_some() {
        return None;
    }
    Some(match Reception::read(payload, envelope, header) {
        Ok(heard) if heard.is_plain() => Event::Advert { interface, envelope, advert: heard.advert },
        Ok(heard) => Event::Reception { interface, reception: Box::new(heard) },
        Err(error) => Event::BadAdvert { interface, source: Some(envelope.source), error },
    })
}
