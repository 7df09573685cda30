//! Where the things of a configuration stand in the text: a table beside it, so that the configuration itself stays
//! free of positions and two files that mean the same are equal.

use std::collections::BTreeMap;

use ipvs_backend::{DestinationKey, ServiceKey};

use super::source::Span;

/// Something that has a block of its own in the text.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Thing {
    /// A `vrrp_instance`, by name.
    Instance(String),
    /// A `virtual_server`.
    Service(ServiceKey),
    /// A `real_server` of a service.
    Server(ServiceKey, DestinationKey),
    /// A check of a server, counted from 0 among those that work.
    Check(ServiceKey, DestinationKey, usize),
}

/// The places of things and of what is said in their blocks.
#[derive(Debug, Clone, Default)]
pub struct Spans(BTreeMap<Thing, Block>);

/// One block.
#[derive(Debug, Clone)]
struct Block {
    own: Span,
    said: BTreeMap<&'static str, Span>,
}

impl Spans {
    /// Takes in a block: its own place, and those of its keywords under their current names. A thing that is there
    /// already keeps its places.
    pub fn add(&mut self, thing: Thing, own: Span, said: impl Iterator<Item = (&'static str, Span)>) {
        self.0.entry(thing).or_insert_with(|| Block { own, said: said.collect() });
    }

    /// Where a thing begins.
    pub fn of(&self, thing: &Thing) -> Span {
        self.0.get(thing).map_or(Span::default(), |block| block.own)
    }

    /// Where the value of a keyword stands in the thing's block; where the thing begins, if it is not said there.
    pub fn at(&self, thing: &Thing, keyword: &str) -> Span {
        let said = self.0.get(thing).and_then(|block| block.said.get(keyword));
        said.copied().unwrap_or_else(|| self.of(thing))
    }

    /// Whether the block says one of these keywords, even if it does not work yet.
    pub fn says(&self, thing: &Thing, keywords: &[&str]) -> bool {
        self.0.get(thing).is_some_and(|block| keywords.iter().any(|keyword| block.said.contains_key(keyword)))
    }
}
