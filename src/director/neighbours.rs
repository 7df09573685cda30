//! The neighbours that are watched by BFD (`bfd_instance`): their packets in; packets and, for those who track them,
//! ups and downs out.
//!
//! Who is up follows from the session, with one exception: a neighbour whose operator switched the session off
//! (AdminDown) goes on counting as what it was, for that says nothing of the path (RFC 5882, 3.2; keepalived does the
//! same). Instances take a neighbour that was never up for down, as keepalived does.
//! Health checks without `alpha` have no opinion until it was up, or could have been: a server that never answers leaves
//! the pool after as many idle intervals as it may miss packets.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};
use std::num::{NonZeroU8, NonZeroU32};
use std::sync::Arc;
use std::time::Instant;

use ipvs_backend::DestinationKey;
use vrrp::Envelope;
use vrrp::bfd::{Output, Packet, PacketError, Reach, Session, Settings, State, discriminator};
use vrrp::track::Reading;

use super::effect::{NeighbourPacket, NeighbourSockets, Speaker};
use super::journal::Entry;
use super::{Director, Owner, Pending};
use crate::config::{Bfd, PlannedCheck, Served};

/// All of them.
#[derive(Debug, Default)]
pub(super) struct Neighbours {
    by_name: BTreeMap<String, Neighbour>,
    /// Names by our number for the session.
    by_number: BTreeMap<NonZeroU32, String>,
    by_address: BTreeMap<IpAddr, String>,
    sockets: Arc<NeighbourSockets>,
    /// Sessions made so far: no number is used twice in one life.
    made: u64,
    /// Which real servers ask for each of them (`BFD_CHECK`).
    checks: BTreeMap<String, BTreeSet<(Served, DestinationKey)>>,
    /// Packets that no session was there for, by kind.
    strays: BTreeMap<String, u64>,
}

/// One of them.
#[derive(Debug)]
pub(super) struct Neighbour {
    pub(super) config: Arc<Bfd>,
    /// Its address and session; `None` where nobody is watched, which counts as down.
    pub(super) watched: Option<(IpAddr, Session)>,
    /// Whether those who track it take it for up.
    pub(super) up: bool,
    /// Until when a session that was never up says nothing to health checks.
    patience: Option<Instant>,
}

impl Neighbour {
    /// What a health check makes of it: nothing while it had no time yet to come up.
    fn verdict(&self) -> Option<bool> {
        if self.patience.is_some() { None } else { Some(self.up) }
    }

    /// Why it is as it is, in words.
    pub(super) fn words(&self) -> String {
        let Some((address, session)) = &self.watched else { return "nobody is watched".to_owned() };
        match (session.is_up(), session.counters().ups) {
            (false, _) if self.up => {
                format!("{address} has switched the session off, and goes on counting as up")
            }
            (true, _) => format!("{address} is up"),
            (false, 0) => format!("{address} has not come up yet"),
            (false, _) => format!("{address} is {}: {}", session.state(), session.diagnostic()),
        }
    }

    fn deadline(&self) -> Option<Instant> {
        let session = self.watched.as_ref().and_then(|(_, session)| session.poll_timeout());
        [session.map(|(at, _)| at), self.patience].into_iter().flatten().min()
    }
}

impl Neighbours {
    pub(super) fn sockets(&self) -> Arc<NeighbourSockets> {
        self.sockets.clone()
    }

    /// By name.
    pub(super) fn all(&self) -> impl Iterator<Item = (&str, &Neighbour)> {
        self.by_name.iter().map(|(name, neighbour)| (name.as_str(), neighbour))
    }

    /// What is left of a session that is up, for the next life.
    pub(super) fn remnant(&self, name: &str) -> Option<vrrp::bfd::Remnant> {
        self.by_name.get(name)?.watched.as_ref()?.1.remnant()
    }

    pub(super) fn strays(&self) -> &BTreeMap<String, u64> {
        &self.strays
    }

    /// Whose packet this is: the session it names, else the one with its sender (RFC 5880, 6.8.6). Whoever else names a
    /// session is a stranger.
    fn owner(&self, packet: Option<&Packet>, source: IpAddr) -> Result<String, &'static str> {
        let named = packet.and_then(|packet| packet.yours);
        let name = match named {
            Some(number) => self.by_number.get(&number).ok_or("discriminator")?,
            None => self.by_address.get(&source).ok_or("source")?,
        };
        let is_sender = self.by_address.get(&source) == Some(name);
        if is_sender { Ok(name.clone()) } else { Err("source") }
    }
}

impl Director {
    /// What a health check makes of it, and why.
    pub(super) fn neighbour_verdict(&self, name: &str) -> (Option<bool>, String) {
        match self.neighbours.by_name.get(name) {
            Some(neighbour) => (neighbour.verdict(), neighbour.words()),
            None => (None, "no such bfd_instance".to_owned()),
        }
    }

    /// What a tracker of it says, and why.
    pub(super) fn neighbour_reading(&self, name: &str) -> (Reading, String) {
        match self.neighbours.by_name.get(name) {
            Some(neighbour) if neighbour.up => (Reading::Up, neighbour.words()),
            Some(neighbour) => (Reading::Down, neighbour.words()),
            // It was just removed, and so will be what tracks it.
            None => (Reading::Unknown, "there is no such bfd_instance".to_owned()),
        }
    }

    // ----- configuration -----

    pub(super) fn configure_neighbours(&mut self, now: Instant) {
        let wanted = self.config.neighbours.clone();
        let before: Vec<String> = self.neighbours.by_name.keys().cloned().collect();
        for name in before {
            // Another address is another neighbour.
            let same =
                |old: &Neighbour| wanted.get(&name).is_some_and(|new| new.neighbor == old.config.neighbor);
            if !self.neighbours.by_name.get(&name).is_some_and(same) {
                self.remove_neighbour(&name, now);
            }
        }
        for (name, bfd) in &wanted {
            match self.neighbours.by_name.get_mut(name) {
                Some(neighbour) => {
                    neighbour.config = bfd.clone();
                    if let Some((_, session)) = &mut neighbour.watched {
                        session.handle_settings(settings(bfd), now);
                    }
                }
                None => self.add_neighbour(name, bfd, now),
            }
            self.drain_neighbour(name, now);
        }
        self.publish_neighbour_sockets();
    }

    fn add_neighbour(&mut self, name: &str, bfd: &Arc<Bfd>, now: Instant) {
        let remnant =
            self.recall_neighbour(name).filter(|r| !self.neighbours.by_number.contains_key(&r.mine));
        let watched = bfd.neighbor.map(|address| {
            let number = remnant.as_ref().map_or_else(|| self.free_number(), |remnant| remnant.mine);
            self.neighbours.by_number.insert(number, name.to_owned());
            self.neighbours.by_address.insert(address, name.to_owned());
            let seed = self.birth.seed ^ u64::from(number.get());
            let session = match &remnant {
                Some(remnant) => Session::resume(remnant, settings(bfd), seed, now),
                None => Session::new(number, settings(bfd), seed, now),
            };
            (address, session)
        });
        let up = watched.as_ref().is_some_and(|(_, session)| session.is_up());
        let patience = watched.as_ref().map(|_| now + bfd.idle_tx * u32::from(bfd.multiplier));
        let neighbour = Neighbour { config: bfd.clone(), watched, up, patience };
        self.neighbours.by_name.insert(name.to_owned(), neighbour);
    }

    /// A number that no session has.
    fn free_number(&mut self) -> NonZeroU32 {
        loop {
            self.neighbours.made += 1;
            let number = discriminator(self.birth.seed.wrapping_add(self.neighbours.made));
            if !self.neighbours.by_number.contains_key(&number) {
                return number;
            }
        }
    }

    fn remove_neighbour(&mut self, name: &str, now: Instant) {
        if let Some((_, session)) = self.neighbours.by_name.get_mut(name).and_then(|n| n.watched.as_mut()) {
            session.handle_stop(now);
        }
        self.drain_neighbour(name, now);
        self.agenda.set(Owner::Neighbour(name.to_owned()), None);
        if let Some(Neighbour { watched: Some((address, session)), .. }) =
            self.neighbours.by_name.remove(name)
        {
            self.neighbours.by_number.remove(&session.discriminator());
            self.neighbours.by_address.remove(&address);
        }
    }

    pub(super) fn stop_neighbours(&mut self, now: Instant) {
        let names: Vec<String> = self.neighbours.by_name.keys().cloned().collect();
        for name in names {
            self.remove_neighbour(&name, now);
        }
    }

    fn publish_neighbour_sockets(&mut self) {
        let mut wanted = NeighbourSockets::default();
        for (name, neighbour) in &self.neighbours.by_name {
            let Some((address, session)) = &neighbour.watched else { continue };
            let (config, v6) = (&neighbour.config, address.is_ipv6());
            wanted.listen.insert((v6, reach(config).port()));
            let port = (session.discriminator().get() & 0x3fff) as u16;
            wanted.speak.insert(name.clone(), Speaker { source: config.source, v6, ttl: config.ttl, port });
        }
        if *self.neighbours.sockets != wanted {
            self.neighbours.sockets = Arc::new(wanted);
            self.pending.push_back(Pending::NeighbourSockets);
        }
    }

    // ----- facts -----

    pub(super) fn hear_neighbour(
        &mut self,
        envelope: &Envelope,
        multihop: bool,
        packet: Result<Packet, PacketError>,
        now: Instant,
    ) {
        let owner = self.neighbours.owner(packet.as_ref().ok(), envelope.source);
        let known = owner.map(|name| (self.neighbours.by_name.get_mut(&name), name));
        let (neighbour, name) = match known {
            Ok((Some(neighbour), name)) => (neighbour, name),
            Ok((None, _)) => return,
            Err(kind) => {
                let kind = packet.err().map_or(kind, |error| error.kind());
                *self.neighbours.strays.entry(kind.to_owned()).or_default() += 1;
                return;
            }
        };
        let reach = reach(&neighbour.config);
        let Some((_, session)) = &mut neighbour.watched else { return };
        match packet {
            Err(error) => session.handle_error(&error),
            Ok(_) if multihop != reach.multihop => session.drop_packet("port"),
            Ok(_) if envelope.ttl < reach.least_ttl() => session.drop_packet("ttl"),
            Ok(packet) => {
                session.handle_packet(&packet, now);
                self.drain_neighbour(&name, now);
            }
        }
    }

    pub(super) fn neighbour_timeout(&mut self, name: &str, now: Instant) {
        let Some(neighbour) = self.neighbours.by_name.get_mut(name) else { return };
        if let Some((_, session)) = &mut neighbour.watched {
            session.handle_timeout(now);
        }
        let out_of_patience = neighbour.patience.is_some_and(|at| at <= now);
        if out_of_patience {
            neighbour.patience = None;
        }
        self.drain_neighbour(name, now);
        if out_of_patience {
            self.tell_neighbour_checks(name, now);
        }
    }

    // ----- outputs -----

    /// Hands on what a session wants, and notes when it wants to be called again.
    fn drain_neighbour(&mut self, name: &str, now: Instant) {
        let Some(neighbour) = self.neighbours.by_name.get_mut(name) else { return };
        let (before, mut changed) = (neighbour.up, false);
        if let Some((address, session)) = &mut neighbour.watched {
            let destination = SocketAddr::new(*address, reach(&neighbour.config).port());
            while let Some(output) = session.poll_output() {
                match output {
                    Output::Send(packet) => {
                        let neighbour = name.to_owned();
                        self.packets.push_back(NeighbourPacket { neighbour, destination, packet });
                    }
                    // Our own end: who tracks it is configured anew in the same breath.
                    Output::Changed { to: State::AdminDown, .. } => {}
                    Output::Changed { from, to, .. } => {
                        let switched_off = session.remote().0 == State::AdminDown;
                        neighbour.up = to == State::Up || neighbour.up && (switched_off || to == State::Init);
                        changed |= from == State::Up || to == State::Up;
                    }
                }
            }
        }
        if neighbour.up {
            neighbour.patience = None;
        }
        let (deadline, words, up) = (neighbour.deadline(), neighbour.words(), neighbour.up);
        self.agenda.set(Owner::Neighbour(name.to_owned()), deadline);
        if changed || up != before {
            self.keep_neighbour(name);
            self.log(Entry::Neighbour { name: name.to_owned(), up, words });
        }
        if up != before {
            self.evaluate_trackers_of("track_bfd", name, now);
            self.tell_neighbour_checks(name, now);
        }
    }

    /// Tells everybody who tracks a neighbour what is known, after a configuration: a neighbour that has another
    /// address is down again, and checks may be new.
    pub(super) fn spread_neighbours(&mut self, now: Instant) {
        let names: Vec<String> = self.neighbours.by_name.keys().cloned().collect();
        for name in names {
            self.evaluate_trackers_of("track_bfd", &name, now);
        }
        let names: Vec<String> = self.neighbours.checks.keys().cloned().collect();
        for name in names {
            self.tell_neighbour_checks(&name, now);
        }
    }

    /// A server asks for no neighbour any more.
    pub(super) fn forget_neighbour_checks(&mut self, service: &Served, server: &DestinationKey) {
        let state = self.pools.get(service).and_then(|pool| pool.servers.get(server));
        for name in state.iter().flat_map(|state| state.neighbours.keys()) {
            if let Some(places) = self.neighbours.checks.get_mut(name) {
                places.remove(&(service.clone(), *server));
                if places.is_empty() {
                    self.neighbours.checks.remove(name);
                }
            }
        }
    }

    /// These servers ask for neighbours perhaps: notes which, and tells them what is known.
    pub(super) fn note_neighbour_checks(
        &mut self,
        service: &Served,
        asking: &[DestinationKey],
        now: Instant,
    ) {
        let Some(config) = self.config.virtual_server(service).cloned() else { return };
        for server in asking {
            for check in config.server(server).into_iter().flat_map(|config| &config.planned) {
                let PlannedCheck::Bfd(check) = &**check else { continue };
                let place = (service.clone(), *server);
                self.neighbours.checks.entry(check.name.clone()).or_default().insert(place);
                let (verdict, words) = self.neighbour_verdict(&check.name);
                self.neighbour_check(service.clone(), server, &check.name, verdict, &words, now);
            }
        }
    }

    fn tell_neighbour_checks(&mut self, name: &str, now: Instant) {
        let places = self.neighbours.checks.get(name).cloned().unwrap_or_default();
        let (verdict, words) = self.neighbour_verdict(name);
        for (service, server) in places {
            self.neighbour_check(service, &server, name, verdict, &words, now);
        }
    }
}

fn settings(bfd: &Bfd) -> Settings {
    Settings {
        min_tx: bfd.min_tx,
        min_rx: bfd.min_rx,
        idle_tx: bfd.idle_tx,
        multiplier: NonZeroU8::new(bfd.multiplier).unwrap_or(NonZeroU8::MIN),
        passive: bfd.passive,
    }
}

fn reach(bfd: &Bfd) -> Reach {
    Reach { ttl: bfd.ttl, max_hops: bfd.max_hops, multihop: bfd.multihop }
}
