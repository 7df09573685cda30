//! Everything the brain can ask for.
//!
//! *Levels* say how a piece of the outside should be; a newer one replaces an older one, and its owner computes the
//! difference. *Edges* happen once. The loop carries both out and decides nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use ipvs_backend::{DestinationKey, ServiceKey, Settings, SyncDaemons, Table};
use notify::Notice;
use vrrp::{DeviceLevel, FilterLevel, NetworkLevel};

use super::event::CheckId;
use super::journal::Entry;
use super::legacy::Keepsake;
use super::overrides::Override;
use crate::config::{Command, Pace, TrackFile, TrackProcess};

/// One wish of the brain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    /// Edge, never queued behind anything: send this advert now.
    Send(Transmission),
    /// Level: the sockets that should be open.
    Sockets(Arc<BTreeSet<SocketKey>>),
    /// Edge, behind adverts only: send this packet to a watched neighbour now.
    SendToNeighbour(NeighbourPacket),
    /// Level: the sockets for watched neighbours that should be open.
    NeighbourSockets(Arc<NeighbourSockets>),
    /// Level: the addresses, routes and rules that should be there, and those that should not.
    Addresses(Level<NetworkLevel>),
    /// Level: the interfaces that instances bring along, and the packets that they do not want.
    Host(Level<HostLevel>),
    /// Level: the IPVS table.
    Table(Level<Table>),
    /// Level: time-outs and switches of the kernel's IPVS.
    IpvsSettings(Level<IpvsSettings>),
    /// Edge: every check has had its first result, so that what an earlier life left and nobody wants may go.
    Judged,
    /// Level: the connection synchronisation daemons that should run.
    SyncDaemons(Level<SyncDaemons>),
    /// Edge: tell the neighbours where these addresses are. Follows the level that adds them.
    Announce(Announcement),
    /// Level: the servers whose connections are to be counted, again and again.
    Count(Arc<Counted>),
    /// Level: the overrides that outlive the daemon.
    KeepOverrides(Arc<Vec<Override>>),
    /// Edge: make one attempt of a check.
    Probe(Attempt),
    /// Level: the files and processes to keep an eye on.
    Watch(Arc<Watched>),
    /// Edge: run the command of a `vrrp_script` once.
    RunScript(ScriptRun),
    /// Edge: programs hear of a change of state.
    Tell(Telling),
    /// Edge: write this down for the next life.
    Keep(Keepsake),
    /// Edge: tell people.
    Notify(Notice),
    /// Edge: a line for the log.
    Log(Entry),
    /// Edge: the owners of everything have answered to a configuration.
    Settled(Settlement),
    /// Edge: everything was let go of, or left to another; the process may end.
    Stopped,
}

/// Real servers by service, as the kernel knows them.
pub type Counted = BTreeMap<ServiceKey, BTreeSet<DestinationKey>>;

/// What came of a configuration.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Settlement {
    /// Which one: they are counted from the start of the brain, from 1.
    pub generation: u64,
    /// What was refused that was not refused before it, in words. If there is anything, nothing was taken away yet, and
    /// will not be for a moment: time to return to the configuration before.
    pub failures: Vec<String>,
    /// What could not be taken away, in words: it is tried again.
    pub leftovers: Vec<String>,
    /// Owners that have not answered in time, in words.
    pub unanswered: Vec<String>,
}

/// A level with its number: reports name the number that they answer.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Level<T> {
    /// Grows by one with each change.
    pub serial: u64,
    /// The whole value.
    pub value: Arc<T>,
}

/// Settings of the kernel's IPVS beside the table.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct IpvsSettings {
    /// Time-outs and switches.
    pub settings: Settings,
    /// Grows by one whenever everything that is in the table becomes ours, whoever put it there.
    pub claims: u64,
}

/// What instances need of the host beside addresses.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct HostLevel {
    /// Interfaces.
    pub devices: DeviceLevel,
    /// The packet filter; without a name for its table, the owner's usual one.
    pub filter: FilterLevel,
}

/// Which socket carries an instance's adverts. Instances on one interface share one.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct SocketKey {
    /// Interface name.
    pub interface: String,
    /// Its index: a socket belongs to an interface, not to a name that may come to mean another.
    pub index: u32,
    /// IPv4 or IPv6.
    pub v6: bool,
    /// The group joined, or `None` for adverts between named peers.
    pub group: Option<IpAddr>,
    /// Whether it is for adverts with an authentication header before them (IP protocol 51).
    pub header: bool,
}

/// One advert and where it goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Transmission {
    /// The socket to use.
    pub socket: SocketKey,
    /// Source address.
    pub source: IpAddr,
    /// The group, or each peer.
    pub destinations: Vec<IpAddr>,
    /// What to say.
    pub advert: vrrp::Advert,
    /// Time to live, or hop limit.
    pub ttl: u8,
    /// How its checksum is made.
    pub checksum: vrrp::ChecksumForm,
    /// What proves it, made once for all destinations.
    pub seal: Option<vrrp::Seal>,
}

/// The sockets for watched neighbours.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct NeighbourSockets {
    /// Where to listen, for all of them: whether IPv6, and the UDP port.
    pub listen: BTreeSet<(bool, u16)>,
    /// What to speak from, by the neighbour's name.
    pub speak: BTreeMap<String, Speaker>,
}

/// What the packets to one neighbour are sent from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Speaker {
    /// Our address; `None`: what the kernel chooses.
    pub source: Option<IpAddr>,
    /// IPv4 or IPv6.
    pub v6: bool,
    /// Time to live or hop limit.
    pub ttl: u8,
    /// Where to begin to look for a free source port, counted from the first that may be one.
    pub port: u16,
}

/// One BFD packet and where it goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NeighbourPacket {
    /// The neighbour's name: its socket is the one to use.
    pub neighbour: String,
    /// Its address and port.
    pub destination: SocketAddr,
    /// What to say.
    pub packet: vrrp::bfd::Packet,
}

/// A burst of gratuitous ARP.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Announcement {
    /// Where to send it, and what for.
    pub places: Vec<Neighbourhood>,
    /// Messages for each address.
    pub repeat: u32,
    /// Where messages have to wait for each other, those with a lower number come first.
    pub turn: u32,
}

/// The neighbours on one interface, and the addresses they are to learn.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Neighbourhood {
    /// Interface name.
    pub interface: String,
    /// Its index.
    pub index: u32,
    /// The index of the interface below it, or its own: messages that leave there share a pace.
    pub ground: u32,
    /// The hardware address that the addresses are at.
    pub mac: [u8; 6],
    /// How fast messages may follow each other.
    pub pace: Pace,
    /// The addresses.
    pub addresses: Vec<IpAddr>,
}

/// One attempt of one check.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attempt {
    /// Whose it is.
    pub check: CheckId,
    /// Its number; the answer carries it back.
    pub number: u64,
    /// Which of the check's steps (URLs) is due.
    pub step: usize,
    /// What to do.
    pub spec: Arc<healthcheck::Check>,
}

/// One run of a `vrrp_script`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScriptRun {
    /// Its name.
    pub name: String,
    /// The number of the run; the answer carries it back.
    pub number: u64,
    /// What to run, as whom, and how long it may take.
    pub script: Arc<crate::config::Script>,
}

/// What is tracked outside of the brain, by name. Each change of a number is told; the first one as well.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Watched {
    /// `track_file`.
    pub files: BTreeMap<String, Arc<TrackFile>>,
    /// `vrrp_track_process`.
    pub processes: BTreeMap<String, Arc<TrackProcess>>,
    /// `maintenance_dir`.
    pub maintenance_dir: Option<String>,
}

/// A change of state that programs hear of: a line for named pipes, and commands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Telling {
    /// What happened.
    pub change: notify::hook::Change,
    /// What to run, in this order, complete with arguments.
    pub commands: Vec<Command>,
}
