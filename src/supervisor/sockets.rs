//! The open VRRP sockets: what the brain wants open compared with what is.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::net::IpAddr;
use std::os::fd::{AsFd, BorrowedFd};
use std::time::Instant;

use nix::sys::epoll::{Epoll, EpollEvent, EpollFlags};
use tracing::error;
use vrrp::io::{Socket, SocketV6};
use vrrp::{Advert, AdvertError, Envelope};

use crate::director::effect::{SocketKey, Transmission};
use crate::director::event::Event;

/// Datagrams taken from one socket in one round, so that a flood on one cannot starve the others. It is about what a
/// receive buffer holds: after a stall all that was said meanwhile is heard before any silence is believed in.
const DATAGRAMS_PER_ROUND: usize = 1024;

/// The longest VRRP datagram worth reading: 255 IPv6 addresses fit with room to spare.
const LONGEST: usize = 8192;

/// The open sockets.
#[derive(Debug)]
pub(super) struct Sockets {
    open: BTreeMap<SocketKey, (u64, Open)>,
    next_token: u64,
    /// The last datagram sent for each destination: adverts repeat themselves, so most are built once.
    built: BTreeMap<(SocketKey, u8, IpAddr), Built>,
    /// IP identification of the next datagram.
    identification: u16,
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
    payload: Vec<u8>,
}

impl Sockets {
    /// No sockets yet; their tokens will start at `first_token`.
    pub(super) fn new(first_token: u64) -> Self {
        Sockets { open: BTreeMap::new(), next_token: first_token, built: BTreeMap::new(), identification: 0 }
    }

    /// Closes what is no longer wanted and opens what is missing.
    pub(super) fn converge(&mut self, wanted: &BTreeSet<SocketKey>, epoll: &Epoll) {
        self.open.retain(|key, _| wanted.contains(key));
        self.built.retain(|(key, _, _), _| wanted.contains(key));
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
                    self.open.insert(key.clone(), (token, socket));
                }
                Err(error) => error!("cannot open the VRRP socket on {}: {error}", key.interface),
            }
        }
    }

    /// What arrived on the socket with this token, and when.
    pub(super) fn read(&self, token: u64) -> Vec<(Event, Instant)> {
        let Some((key, (_, socket))) = self.open.iter().find(|(_, (t, _))| *t == token) else {
            return Vec::new();
        };
        let mut events = Vec::new();
        let mut buffer = [0; LONGEST];
        for _ in 0..DATAGRAMS_PER_ROUND {
            let heard = match socket {
                Open::V4(socket) => socket.receive(&mut buffer).map(|arrival| {
                    let arrival = arrival?;
                    Some((event(key, vrrp::split_v4(arrival.datagram)), arrival.arrived))
                }),
                Open::V6(socket) => socket.receive(&mut buffer).map(|arrival| {
                    let arrival = arrival?;
                    Some((event(key, Ok((arrival.envelope, arrival.payload))), arrival.arrived))
                }),
            };
            match heard {
                Ok(Some((event, arrived))) => events.extend(event.map(|event| (event, arrived))),
                Ok(None) => break,
                // The interface went down or away; the link monitor tells the brain.
                Err(_) => break,
            }
        }
        events
    }

    /// Sends one advert to each of its destinations.
    pub(super) fn send(&mut self, transmission: &Transmission) -> io::Result<()> {
        let Transmission { socket: key, source, destinations, advert } = transmission;
        let Some((_, socket)) = self.open.get(key) else {
            return Err(io::Error::new(io::ErrorKind::NotConnected, "the VRRP socket is not open"));
        };
        let mut result = Ok(());
        for destination in destinations {
            let slot = (key.clone(), advert.vrid, *destination);
            let same = |built: &Built| built.advert == *advert && built.source == *source;
            if !self.built.get(&slot).is_some_and(same) {
                let payload = advert.emit(*source, *destination);
                self.built.insert(slot.clone(), Built { advert: advert.clone(), source: *source, payload });
            }
            let Some(built) = self.built.get(&slot) else { continue };
            let envelope = Envelope { source: *source, destination: *destination, ttl: 255 };
            let sent = match socket {
                Open::V4(socket) => {
                    self.identification = self.identification.wrapping_add(1).max(1);
                    let datagram = vrrp::datagram_v4(&envelope, self.identification, &built.payload);
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
    let SocketKey { interface, index, v6, group } = key;
    match group {
        Some(IpAddr::V4(group)) => Socket::multicast(interface, *index, *group).map(Open::V4),
        Some(IpAddr::V6(group)) => SocketV6::multicast(interface, *index, *group).map(Open::V6),
        None if *v6 => SocketV6::unicast(interface, *index).map(Open::V6),
        None => Socket::unicast(Some(interface)).map(Open::V4),
    }
}

/// What a datagram on this socket tells. The kernel hands each datagram to every socket of the interface; only the
/// one that it was sent to (group or unicast) passes it on.
fn event(key: &SocketKey, packet: Result<(Envelope, &[u8]), AdvertError>) -> Option<Event> {
    let interface = key.interface.clone();
    let (envelope, payload) = match packet {
        Ok(split) => split,
        Err(error) => return Some(Event::BadAdvert { interface, error }),
    };
    if envelope.is_multicast() != key.group.is_some() {
        return None;
    }
    Some(match Advert::parse(payload, &envelope) {
        Ok(advert) => Event::Advert { interface, envelope, advert },
        Err(error) => Event::BadAdvert { interface, error },
    })
}
