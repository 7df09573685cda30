//! The tree becomes a [`Config`]: words become values, defaults are filled in, and everything is checked.
//!
//! There is a file for each kind of block. All of them go on after a mistake, so that every complaint is made in one
//! go; what is built of a block with errors is of no use, and [`super::read`] gives it to nobody.

mod address;
mod announce;
mod authentication;
mod bfd;
mod check;
pub(super) mod circumstances;
mod command;
mod conduct;
mod context;
mod device;
mod global;
mod group;
pub(super) mod hmac;
mod instance;
mod line;
mod method;
mod missing;
mod notify;
mod peers;
mod persistence;
mod place;
mod pool;
mod quorum;
mod root;
mod route;
mod rule;
mod script;
mod server;
mod server_group;
mod service;
mod sorry;
mod target;
mod tls;
mod track;
mod track_file;
mod track_process;
mod value;
mod via;
mod vip_check;
mod window;

use super::complaint::Complaints;
use super::keywords::Place;
use super::syntax::tree::Tree;
use super::{Config, Manner, Spans};
use circumstances::Circumstances;
use context::Context;
pub(super) use via::number as number_marks;

/// What a file was lowered to.
#[derive(Debug)]
pub struct Lowered {
    /// What it says.
    pub config: Config,
    /// Where everything stands.
    pub spans: Spans,
    /// What its virtual servers go by.
    pub circumstances: Circumstances,
}

/// Lowers a whole file.
pub fn lower(tree: &Tree, manner: Manner, complaints: &mut Complaints) -> Lowered {
    let mut context = Context::new(manner, complaints);
    let entries = context.entries(&tree.root, Place::Root);
    let blocks = |name: &'static str| entries.iter().filter(move |entry| entry.name() == name);
    // The defaults for all others come first, wherever they stand.
    let (global, defaults) = global::lower(&mut context, blocks("global_defs"));
    let mut config = Config { global, ..Config::default() };
    // What is tracked may be defined behind those who track it.
    script::lower(&mut context, blocks("vrrp_script"), &mut config.scripts);
    track_file::lower(&mut context, blocks("track_file"), &mut config.files);
    track_process::lower(&mut context, blocks("vrrp_track_process"), &mut config.processes);
    bfd::lower(&mut context, blocks("bfd_instance"), &mut config.neighbours);
    rule::number_all(&mut context, &entries);
    instance::lower(&mut context, blocks("vrrp_instance"), &defaults, &mut config);
    group::lower(&mut context, &entries, &defaults, &mut config);
    config.tls = tls::lower(&mut context, blocks("SSL"));
    context.tls = config.tls.as_ref().map(Into::into).unwrap_or_default();
    server_group::lower(&mut context, blocks("virtual_server_group"), &mut config.server_groups);
    let circumstances = Circumstances {
        manner,
        defaults: defaults.clone(),
        tls: context.tls.clone(),
        trackers: context.trackers.definitions().clone(),
        groups: config.server_groups.clone(),
    };
    service::lower(&mut context, blocks("virtual_server"), &defaults, &mut config);
    via::number(&mut config);
    root::lower(&mut context, &entries, &mut config.root);
    let known = [
        "SSL",
        "bfd_instance",
        "global_defs",
        "static_ipaddress",
        "static_routes",
        "static_rules",
        "track_file",
        "track_group",
        "virtual_server",
        "virtual_server_group",
        "vrrp_instance",
        "vrrp_script",
        "vrrp_sync_group",
        "vrrp_track_process",
    ];
    let known = |name| known.contains(&name) || root::KEYWORDS.contains(&name);
    for entry in entries.iter().filter(|entry| !known(entry.name())) {
        context.forgotten(entry);
    }
    Lowered { config, spans: context.spans.complete(), circumstances }
}

/// Whether `global_defs` says `compat`: this must be known before anything else is judged.
pub fn asks_for_compatibility(tree: &Tree) -> bool {
    let globals = tree.root.statements.iter().filter(|statement| statement.keyword.text == "global_defs");
    let mut said =
        globals.filter_map(|statement| statement.block.as_ref()).flat_map(|block| &block.statements);
    let last = said.rfind(|statement| statement.keyword.text == "compat");
    last.is_some_and(|statement| {
        statement.word(0).is_none_or(|word| matches!(word.text.as_str(), "on" | "true" | "yes"))
    })
}
