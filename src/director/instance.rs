//! One `vrrp_instance` of this director: the protocol's router, and what the interface it lives on allows.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use vrrp::group::Member;
use vrrp::{
    AddressKey, Advert, AdvertError, ChecksumForm, Envelope, Fault, GROUP_V4, GROUP_V6, Guard, Links, Proof,
    Router, State, Wanted,
};

use super::devices::Devices;
use super::effect::{Announcement, Neighbourhood, SocketKey, Transmission};
use super::legacy::Role;
use super::meaning;
use super::statics::Paths;
use crate::config::{self, OldChecksum, Pace, Tracks, Transport};

/// On which interfaces addresses are announced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Among {
    /// All that have some.
    All,
    /// Those that the instance does not live on.
    Elsewhere,
    /// Those of them that have the virtual MAC address.
    OtherDevices,
}

/// One instance.
#[derive(Debug)]
pub(super) struct Instance {
    pub(super) config: Arc<config::Instance>,
    pub(super) router: Router,
    /// Routes and rules that are there while it is master.
    pub(super) paths: Paths,
    /// Static things that are missing and whose loss is a fault of this instance.
    pub(super) lacks: BTreeSet<vrrp::Thing>,
    guard: Guard,
    /// A peer still makes checksums as keepalived before 1.3.7 did, and expects the same of us.
    old_checksum: bool,
    /// The interface as it is now: its index and the source address of adverts.
    pub(super) place: Option<(u32, IpAddr)>,
    /// The interfaces that it brings along.
    pub(super) devices: Devices,
    /// One of them is all that it lacks.
    pub(super) lacks_device: bool,
    /// An operator's priority instead of the file's.
    pub(super) priority: Option<u8>,
    /// What it tracks, its group's trackers included.
    pub(super) tracks: Tracks,
    /// Faults of the interface.
    pub(super) faults: BTreeSet<Fault>,
    /// Faults of what is tracked.
    pub(super) tracked: BTreeSet<Fault>,
    /// The fault of another member of the group.
    pub(super) shared: Option<Fault>,
    /// What the start waits for, in words.
    pub(super) awaits: Option<String>,
    /// It had to wait for the first result of a script.
    pub(super) was_held_back: bool,
    /// Its place in the file.
    pub(super) place_in_file: u32,
    /// How long it waits for numbers.
    pub(super) patience: Instant,
    /// When it became master, as a number that grows from one to the next: its addresses come behind those of the
    /// instances that were master before.
    pub(super) precedence: u32,
    /// The address that adverts came from last.
    pub(super) last_source: Option<IpAddr>,
    /// Since its group last came to rest: it was master and gave way; it heard a second master.
    pub(super) left_master: bool,
    pub(super) met_rival: bool,
    /// It was master before the restart and will go on as such: what it holds stays where it is.
    pub(super) resumes: bool,
    /// How it stood when that was last written down for the next life.
    pub(super) kept: Option<Role>,
    /// How it stood when its group last came to rest: unless this changes, the group has nothing to do.
    rested: Option<(Member, bool)>,
}

impl Instance {
    pub(super) fn new(config: Arc<config::Instance>, now: Instant) -> Self {
        let router = Router::new(config.router.clone());
        let guard = Guard::new(config.protection());
        Instance {
            config,
            router,
            paths: Paths::default(),
            lacks: BTreeSet::new(),
            guard,
            old_checksum: false,
            place: None,
            devices: Devices::default(),
            lacks_device: false,
            priority: None,
            tracks: Tracks::default(),
            faults: BTreeSet::new(),
            tracked: BTreeSet::new(),
            shared: None,
            awaits: None,
            was_held_back: false,
            place_in_file: 0,
            patience: now,
            precedence: 0,
            last_source: None,
            left_master: false,
            met_rival: false,
            resumes: false,
            kept: None,
            rested: None,
        }
    }

    /// Takes over a changed configuration without losing the role.
    pub(super) fn configure(&mut self, config: Arc<config::Instance>, now: Instant) {
        let before = self.settings();
        self.guard.configure(config.protection());
        self.config = config;
        let after = self.settings();
        if before != after {
            self.router.handle_settings(after, now);
        }
    }

    /// The protocol's settings: the file's, with the operator's priority.
    pub(super) fn settings(&self) -> vrrp::Settings {
        let settings = self.config.router.clone();
        match self.overridden() {
            Some(priority) => vrrp::Settings { priority, ..settings },
            None => settings,
        }
    }

    /// Tells the router of all faults: the interface's, those of what is tracked, and the group's.
    pub(super) fn apply_faults(&mut self, now: Instant) {
        let all = self.faults.iter().chain(&self.tracked).chain(&self.shared).cloned().collect();
        self.router.handle_faults(&all, now);
    }

    /// Whether there is a fault that the others of the group do not have. One of an interface of its own that is being
    /// made is none: it begins a moment later.
    pub(super) fn has_own_fault(&self) -> bool {
        let begins = self.lacks_device && self.router.state() == State::Initialize;
        (!self.faults.is_empty() && !begins) || !self.tracked.is_empty()
    }

    /// How it stands in its group.
    pub(super) fn as_member(&self) -> Member {
        let member = self.router.as_member();
        Member { prefers_other: member.prefers_other || self.left_master, ..member }
    }

    /// Whether its group has something to see to.
    pub(super) fn is_restless(&self) -> bool {
        self.met_rival || self.rested != Some((self.as_member(), self.has_own_fault()))
    }

    /// Its group has come to rest, and it stands like this.
    pub(super) fn come_to_rest(&mut self) -> Member {
        self.left_master = false;
        let member = self.as_member();
        self.rested = Some((member, self.has_own_fault()));
        member
    }

    /// The socket that carries this instance's adverts, while its interface exists.
    pub(super) fn socket(&self) -> Option<SocketKey> {
        let (index, _) = self.place?;
        let group = match self.config.transport {
            Transport::Multicast => Some(self.group()),
            Transport::Unicast(_) => None,
        };
        let (interface, header) = (self.advert_interface().to_owned(), self.config.auth_header.is_some());
        Some(SocketKey { interface, index, v6: self.config.is_ipv6(), group, header })
    }

    /// The interface that adverts leave and come by.
    pub(super) fn advert_interface(&self) -> &str {
        self.devices.advert_interface(&self.config)
    }

    /// All sockets that this instance listens on. One that expects authentication headers hears adverts without them
    /// as well, to be able to say that they are there.
    pub(super) fn sockets(&self) -> impl Iterator<Item = SocketKey> {
        let socket = self.socket();
        let plain = socket.clone().filter(|socket| socket.header);
        socket.into_iter().chain(plain.map(|socket| SocketKey { header: false, ..socket }))
    }

    /// The group of all routers of this family.
    fn group(&self) -> IpAddr {
        if let Some(group) = self.config.wire.group {
            return group;
        }
        if self.config.is_ipv6() { IpAddr::V6(GROUP_V6) } else { IpAddr::V4(GROUP_V4) }
    }

    /// Whether an advert that came in by this interface, of this family, by multicast or not, concerns this instance:
    /// virtual routers of the two families are two routers, even with one VRID (RFC 9568, 5.2.3).
    pub(super) fn listens_to(&self, interface: &str, envelope: &vrrp::Envelope) -> bool {
        let multicast = envelope.is_multicast();
        self.advert_interface() == interface
            && self.config.is_ipv6() == envelope.source.is_ipv6()
            && matches!(self.config.transport, Transport::Multicast) == multicast
    }

    /// Whether this sender may speak to this instance: by multicast everybody on the link, by unicast the peers.
    pub(super) fn trusts(&self, source: IpAddr) -> bool {
        match &self.config.transport {
            Transport::Multicast => true,
            Transport::Unicast(peers) => !self.config.wire.only_peers || peers.contains(&source),
        }
    }

    /// Whether an advert for this instance is to be believed, by what surrounds it; with what is to be remarked.
    pub(super) fn judge(
        &mut self,
        advert: &Advert,
        envelope: &Envelope,
        (proof, checksum): (&Proof, ChecksumForm),
        since_1970: Duration,
    ) -> Result<Option<String>, AdvertError> {
        let (vrid, found) = (advert.vrid, envelope.ttl);
        // What is our own, or of another version, the router knows what to do with.
        if self.source() == Some(envelope.source) || advert.version != self.config.router.version {
            return Ok(None);
        }
        if envelope.is_multicast() {
            if found != 255 {
                return Err(AdvertError::WrongTtl { vrid, found });
            }
        } else {
            let (min, max) = self.config.ttl_of(envelope.source);
            if !(min..=max).contains(&found) {
                return Err(AdvertError::PeerTtl { vrid, found, min, max });
            }
        }
        let old = checksum == ChecksumForm::OldUnicast;
        if old && self.config.adverts.old_checksum == OldChecksum::Never {
            return Err(AdvertError::OldChecksum { vrid });
        }
        let believed = self.guard.judge(advert, envelope, proof, since_1970)?;
        if !envelope.is_multicast() {
            self.old_checksum = old;
        }
        Ok(believed.skew.map(|(age, window)| skew_remark(envelope.source, age, window)))
    }

    /// Counters by name: the router's, and what was proven.
    pub(super) fn counters(&self) -> BTreeMap<String, u64> {
        self.router.counters().by_name().into_iter().chain(self.guard.counters()).collect()
    }

    /// The source address of adverts, while there is one.
    pub(super) fn source(&self) -> Option<IpAddr> {
        self.place.map(|(_, source)| source)
    }

    /// Where an advert goes. `None` while there is no interface to send it from.
    pub(super) fn transmission(&mut self, advert: Advert, since_1970: Duration) -> Option<Transmission> {
        let socket = self.socket()?;
        let (_, source) = self.place?;
        let destinations = match &self.config.transport {
            Transport::Multicast => vec![self.group()],
            Transport::Unicast(peers) => peers.clone(),
        };
        let seal = self.guard.seal(&advert, source, since_1970);
        let checksum = self.config.checksum(self.old_checksum);
        let ttl = self.config.wire.ttl;
        Some(Transmission { socket, source, destinations, advert, ttl, checksum, seal })
    }

    /// Whether every address of this instance is where it would be put: some program on this host is master.
    pub(super) fn is_held(&self, links: &Links) -> bool {
        let mut addresses = self.config.all_addresses().peekable();
        addresses.peek().is_some()
            && addresses.all(|wanted| {
                let link = links.get(self.devices.interface_of(&self.config, wanted));
                link.is_some_and(|link| link.addresses.iter().any(|held| held.address == wanted.address))
            })
    }

    /// Every address of this instance, and whether it should be there now. Nothing is said before the start.
    ///
    /// The owner (priority 255) is the machine that was given the addresses: what it has of them by itself is not for
    /// us to take away, so while it is not master nothing is said of them.
    pub(super) fn addresses(&self) -> impl Iterator<Item = (AddressKey, Wanted)> {
        let master = self.holds();
        let silent = self.config.router.is_owner() || self.router.state() == State::Initialize;
        let first = u64::from(self.precedence) << u32::BITS;
        let addresses = (first..).zip(self.config.all_addresses());
        addresses.filter(move |_| master || !silent).map(move |(turn, virtual_address)| {
            let interface = self.devices.interface_of(&self.config, virtual_address).to_owned();
            let key = AddressKey { interface, address: virtual_address.address };
            let present = || {
                let mut settings = meaning::address(virtual_address);
                settings.details.turn = turn;
                Wanted::Present(settings)
            };
            (key, if master { present() } else { Wanted::Absent { prefix: virtual_address.prefix } })
        })
    }

    /// A burst of `repeat` messages for each address, on the interfaces of `among` that are there to carry it.
    pub(super) fn announcement(
        &self,
        repeat: u32,
        links: &Links,
        pace: impl Fn(&str) -> Pace,
        among: Among,
    ) -> Announcement {
        let mut by_interface: BTreeMap<String, Vec<IpAddr>> = BTreeMap::new();
        for (key, _) in self.addresses() {
            let elsewhere = key.interface != self.devices.home(&self.config);
            let chosen = match among {
                Among::All => true,
                Among::Elsewhere => elsewhere,
                Among::OtherDevices => elsewhere && self.devices.contains(&key.interface),
            };
            if !chosen {
                continue;
            }
            by_interface.entry(key.interface).or_default().push(key.address);
        }
        let places = by_interface.into_iter().filter_map(|(interface, addresses)| {
            let link = links.get(&interface)?;
            let below = self.devices.ground_of(&self.config, &interface);
            let ground = links.get(below).map_or(link.index, |below| below.index);
            let pace = pace(below);
            Some(Neighbourhood { index: link.index, ground, mac: link.mac?, pace, interface, addresses })
        });
        Announcement { places: places.collect(), repeat, turn: self.place_in_file }
    }
}

fn skew_remark(source: IpAddr, age: i64, window: u16) -> String {
    let seconds = age.unsigned_abs();
    let which = if age < 0 { "ahead of" } else { "behind" };
    format!(
        "the clock of {source} is {seconds} s {which} ours; beyond {window} s its signed adverts are dropped: set both clocks"
    )
}
