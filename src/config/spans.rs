//! Where the things of a configuration stand in the text: a table beside it, so that the configuration itself stays
//! free of positions and two files that mean the same are equal.

use std::collections::BTreeMap;

use ipvs_backend::{DestinationKey, ServiceKey};

use super::source::Span;
use super::{GroupKey, Served};

/// Something that has a block of its own in the text.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Thing {
    /// `global_defs`; where there are several, the first.
    Global,
    /// A `vrrp_instance`, by name.
    Instance(String),
    /// A `vrrp_sync_group`, by name.
    Group(String),
    /// A `vrrp_script`, by name.
    Script(String),
    /// A `track_file`, by name.
    TrackFile(String),
    /// A `vrrp_track_process`, by name.
    TrackProcess(String),
    /// A `bfd_instance`, by name.
    Bfd(String),
    /// A `virtual_server`.
    Service(ServiceKey),
    /// A `real_server` of a service.
    Server(ServiceKey, DestinationKey),
    /// A check of a server, counted from 0: those that are made come first.
    Check(ServiceKey, DestinationKey, usize),
    /// The `SSL` block.
    Tls,
    /// A `virtual_server_group`, by name.
    ServerGroup(String),
    /// A `virtual_server` of a group.
    GroupService(GroupKey),
    /// A `real_server` of such a service.
    GroupServer(GroupKey, DestinationKey),
    /// A check of such a server.
    GroupCheck(GroupKey, DestinationKey, usize),
}

impl Served {
    /// The virtual server as a thing.
    pub fn thing(&self) -> Thing {
        match self {
            Self::Key(key) => Thing::Service(*key),
            Self::Group(key) => Thing::GroupService(key.clone()),
        }
    }

    /// One of its real servers.
    pub fn server(&self, server: DestinationKey) -> Thing {
        match self {
            Self::Key(key) => Thing::Server(*key, server),
            Self::Group(key) => Thing::GroupServer(key.clone(), server),
        }
    }

    /// A check of one of its real servers.
    pub fn check(&self, server: DestinationKey, number: usize) -> Thing {
        match self {
            Self::Key(key) => Thing::Check(*key, server, number),
            Self::Group(key) => Thing::GroupCheck(key.clone(), server, number),
        }
    }
}

/// The places of things and of what is said in their blocks.
#[derive(Debug, Clone, Default)]
pub struct Spans {
    /// Ordered by thing once all are in.
    blocks: Vec<(Thing, Block)>,
    /// Files that hold keys, by the name they are given.
    pub(super) key_files: BTreeMap<String, Span>,
}

/// One block. There may be a hundred thousand, with a keyword or two in each: a list costs a tenth of a map.
#[derive(Debug, Clone)]
struct Block {
    own: Span,
    /// In the order of the text; what is said last counts.
    said: Box<[(&'static str, Span)]>,
}

impl Block {
    fn place_of(&self, keyword: &str) -> Option<Span> {
        self.said.iter().rev().find(|(said, _)| *said == keyword).map(|(_, span)| *span)
    }
}

impl Spans {
    /// Takes in a block: its own place, and those of its keywords under their current names. A thing that is there
    /// already keeps its places.
    pub fn add(&mut self, thing: Thing, own: Span, said: impl Iterator<Item = (&'static str, Span)>) {
        self.blocks.push((thing, Block { own, said: said.collect() }));
    }

    /// All things are in: from now on they can be found.
    pub fn complete(mut self) -> Self {
        // The sort is stable: of two blocks for one thing the first stays in front.
        self.blocks.sort_by(|(one, _), (other, _)| one.cmp(other));
        self
    }

    fn get(&self, thing: &Thing) -> Option<&Block> {
        let at = self.blocks.partition_point(|(other, _)| other < thing);
        self.blocks.get(at).filter(|(found, _)| found == thing).map(|(_, block)| block)
    }

    /// Where a thing begins.
    pub fn of(&self, thing: &Thing) -> Span {
        self.get(thing).map_or(Span::default(), |block| block.own)
    }

    /// Where the value of a keyword stands in the thing's block; where the thing begins, if it is not said there.
    pub fn at(&self, thing: &Thing, keyword: &str) -> Span {
        let said = self.get(thing).and_then(|block| block.place_of(keyword));
        said.unwrap_or_else(|| self.of(thing))
    }

    /// Whether the block says one of these keywords, even if it does not work yet.
    pub fn says(&self, thing: &Thing, keywords: &[&str]) -> bool {
        self.get(thing).is_some_and(|block| keywords.iter().any(|keyword| block.place_of(keyword).is_some()))
    }
}
