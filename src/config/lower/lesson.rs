//! What one reading can teach the next: which block each virtual server came from, and what it goes by beside that block.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::global::Defaults;
use super::server_group::Groups;
use super::tls::TlsDefaults;
use super::track;
use crate::config::source::Span;
use crate::config::{Config, Manner, Served, VirtualServer};

/// Everything beside its own block that a `virtual_server` goes by.
#[derive(Debug, Clone, PartialEq)]
pub struct Circumstances {
    pub(super) manner: Manner,
    pub(super) defaults: Defaults,
    pub(super) tls: TlsDefaults,
    pub(super) trackers: BTreeMap<(track::Kind, String), track::Defined>,
    pub(super) groups: Groups,
}

/// A virtual server of which nothing was complained.
#[derive(Debug, Clone)]
pub struct Written {
    /// Where its keyword stands.
    pub at: Span,
    /// What it serves.
    pub served: Served,
    /// What it says.
    pub service: Arc<VirtualServer>,
}

/// Virtual servers that stand in the file, and are known from a reading before under the same circumstances.
#[derive(Debug)]
pub struct Recalled<'a> {
    /// What they went by.
    pub circumstances: &'a Circumstances,
    /// What they serve and say.
    pub services: Vec<(Served, Arc<VirtualServer>)>,
}

/// What a reading taught.
#[derive(Debug)]
pub struct Lesson {
    /// What its virtual servers went by.
    pub circumstances: Circumstances,
    /// Those that it has read itself; only if it was read to be run.
    pub written: Vec<Written>,
    /// Whether what was recalled fits to the rest. If not, nothing that was read is of any use.
    pub fits: bool,
}

impl Recalled<'_> {
    /// Puts them beside those that were read; whether they fit.
    pub(super) fn join(self, circumstances: &Circumstances, config: &mut Config) -> bool {
        let mut new = true;
        for (served, service) in self.services {
            new &= match served {
                Served::Key(key) => config.services.insert(key, service).is_none(),
                Served::Group(key) => config.group_services.insert(key, service).is_none(),
            };
        }
        new && *self.circumstances == *circumstances
    }
}
