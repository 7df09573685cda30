//! What a virtual server goes by beside its own block, and how such blocks are lowered apart from the rest of their file.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::context::Context;
use super::global::Defaults;
use super::server_group::Groups;
use super::service;
use super::tls::TlsDefaults;
use super::track;
use crate::config::complaint::Complaints;
use crate::config::keywords::Place;
use crate::config::syntax::tree::Tree;
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

impl Circumstances {
    /// Lowers trees of one `virtual_server` each; `None` if there is anything to be said about one of them.
    pub fn lower(
        &self,
        trees: impl Iterator<Item = Option<Tree>>,
    ) -> Option<Vec<(Served, Arc<VirtualServer>)>> {
        let mut complaints = Complaints::default();
        let mut context = Context::new(self.manner, &mut complaints);
        context.tls = self.tls.clone();
        context.trackers = track::Known::of(&self.trackers);
        let mut config = Config { server_groups: self.groups.clone(), ..Config::default() };
        let mut lowered = Vec::new();
        for tree in trees {
            let tree = tree?;
            let entries = context.entries(&tree.root, Place::Root);
            service::lower(&mut context, entries.iter(), &self.defaults, &mut config);
            let own = config.services.pop_first().map(|(key, service)| (Served::Key(key), service));
            let of_group = config.group_services.pop_first();
            let service = own.or(of_group.map(|(key, service)| (Served::Group(key), service)));
            if entries.len() != 1 || context.complaints.count() > 0 {
                return None;
            }
            lowered.push(service?);
        }
        Some(lowered)
    }
}
