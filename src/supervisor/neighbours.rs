//! The open sockets for watched neighbours (BFD): what the brain wants open compared with what is.

use std::collections::BTreeMap;
use std::io;
use std::os::fd::AsFd;
use std::time::Instant;

use nix::sys::epoll::{Epoll, EpollEvent, EpollFlags};
use tracing::{error, info, warn};
use vrrp::bfd::{PORT_MULTIHOP, Packet};
use vrrp::io::{BfdListener, BfdSpeaker};

use crate::director::effect::{NeighbourPacket, NeighbourSockets, Speaker};
use crate::director::event::Event;

/// Packets taken from one socket in one round: as with adverts, after a stall all that was said meanwhile is heard
/// before any silence is believed in.
const PACKETS_PER_ROUND: usize = 1024;

/// Longer than any packet that counts.
const LONGEST: usize = 256;

/// The open sockets.
#[derive(Debug)]
pub(super) struct Neighbours {
    listen: BTreeMap<(bool, u16), (u64, BfdListener)>,
    speak: BTreeMap<String, (Speaker, io::Result<BfdSpeaker>)>,
    next_token: u64,
    /// Refusals to send, told once until sending works again.
    silenced: BTreeMap<String, String>,
}

impl Neighbours {
    /// No sockets yet; their tokens will start at `first_token`.
    pub(super) fn new(first_token: u64) -> Self {
        Neighbours {
            listen: BTreeMap::new(),
            speak: BTreeMap::new(),
            next_token: first_token,
            silenced: BTreeMap::new(),
        }
    }

    /// Closes what is no longer wanted and opens what is missing.
    pub(super) fn converge(&mut self, wanted: &NeighbourSockets, epoll: &Epoll) {
        self.listen.retain(|key, _| wanted.listen.contains(key));
        self.speak.retain(|name, (speaker, _)| wanted.speak.get(name) == Some(speaker));
        self.silenced.retain(|name, _| wanted.speak.contains_key(name));
        for (v6, port) in &wanted.listen {
            if self.listen.contains_key(&(*v6, *port)) {
                continue;
            }
            match self.listen_on(*v6, *port, epoll) {
                Ok(open) => {
                    self.listen.insert((*v6, *port), open);
                }
                Err(error) if error.kind() == io::ErrorKind::AddrInUse => {
                    error!("{error}: another BFD daemon runs here; watched neighbours will count as down");
                }
                Err(error) => error!("{error}; watched neighbours will count as down"),
            }
        }
        for (name, speaker) in &wanted.speak {
            if !self.speak.contains_key(name) {
                let Speaker { source, v6, ttl, port } = *speaker;
                let socket = BfdSpeaker::open(source, v6, ttl, port);
                self.speak.insert(name.clone(), (speaker.clone(), socket));
            }
        }
    }

    fn listen_on(&mut self, v6: bool, port: u16, epoll: &Epoll) -> io::Result<(u64, BfdListener)> {
        let listener = BfdListener::open(v6, port)?;
        let token = self.next_token;
        epoll.add(listener.as_fd(), EpollEvent::new(EpollFlags::EPOLLIN, token))?;
        self.next_token += 1;
        Ok((token, listener))
    }

    /// What arrived on the socket with this token, and when.
    pub(super) fn read(&self, token: u64) -> Vec<(Event, Instant)> {
        let Some(((_, port), (_, listener))) = self.listen.iter().find(|(_, (t, _))| *t == token) else {
            return Vec::new();
        };
        let mut events = Vec::new();
        let mut buffer = [0; LONGEST];
        for _ in 0..PACKETS_PER_ROUND {
            let Ok(Some(arrival)) = listener.receive(&mut buffer) else { break };
            let event = Event::NeighbourHeard {
                envelope: arrival.envelope,
                multihop: *port == PORT_MULTIHOP,
                packet: Packet::parse(arrival.payload),
            };
            events.push((event, arrival.arrived));
        }
        events
    }

    /// Sends one packet; a refusal is told once until sending works again.
    pub(super) fn send(&mut self, packet: &NeighbourPacket) {
        let name = &packet.neighbour;
        let text = match self.speak.get(name) {
            // A session that was told to stop before its socket was ever opened.
            None => return,
            Some((_, Ok(socket))) => match socket.send(&packet.packet.emit(), packet.destination) {
                Ok(()) => {
                    if self.silenced.remove(name).is_some() {
                        info!("bfd_instance {name}: packets leave again");
                    }
                    return;
                }
                Err(error) => error.to_string(),
            },
            Some((_, Err(error))) => error.to_string(),
        };
        if self.silenced.get(name) != Some(&text) {
            warn!("bfd_instance {name}: a packet to {} could not leave: {text}", packet.destination.ip());
            self.silenced.insert(name.clone(), text);
        }
    }
}
