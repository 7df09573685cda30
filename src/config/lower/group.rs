//! `vrrp_sync_group`, `track_group`, and what is there in every state.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::context::{Context, Entry, short};
use super::global::Defaults;
use super::instance::value_span;
use super::{address, route, rule};
use crate::config::complaint::Code;
use crate::config::keywords::Place;
use crate::config::syntax::Word;
use crate::config::{Config, Group, Notify, Thing, Tracks};

const LEFT_OUT: &str = "the group is left out";

/// All `vrrp_sync_group` and `track_group` blocks, and all static addresses, routes and rules. The instances are known
/// by now.
pub(super) fn lower(context: &mut Context<'_>, entries: &[Entry<'_>], defaults: &Defaults, out: &mut Config) {
    // Where each instance is a member.
    let mut places = BTreeMap::new();
    for block in entries.iter().filter(|block| block.name() == "vrrp_sync_group") {
        let Some(name) = name(context, block, |name| out.groups.contains_key(name)) else { continue };
        context.note(Thing::Group(name.clone()), block);
        let mut draft = Draft::default();
        for entry in context.entries_of(block, Place::SyncGroup) {
            draft.take(context, &entry, out);
        }
        if let Some(group) = draft.finish(context, &name, block, defaults, &mut places) {
            out.groups.insert(name, Arc::new(group));
        }
    }
    for block in entries.iter().filter(|block| block.name() == "track_group") {
        let Some(name) = name(context, block, |name| out.track_groups.contains_key(name)) else { continue };
        let mut members = Vec::new();
        for entry in context.entries_of(block, Place::TrackGroup) {
            if entry.name() == "group" {
                members.extend(self::members(context, &entry, out).into_iter().map(|word| word.text.clone()));
            } else {
                context.forgotten(&entry);
            }
        }
        out.track_groups.insert(name, members);
    }
    let groups: BTreeSet<String> = out.track_groups.keys().cloned().collect();
    for block in entries {
        match block.name() {
            "static_ipaddress" => {
                let addresses = address::lower(context, block, Some(&groups));
                out.static_addresses.extend(addresses.into_iter().map(|(address, _)| address));
            }
            "static_routes" => out.static_routes.extend(route::lower(context, block, Some(&groups))),
            "static_rules" => out.static_rules.extend(rule::lower(context, block, Some(&groups))),
            _ => {}
        }
    }
}

/// The name of a group that is not there yet.
fn name(context: &mut Context<'_>, block: &Entry<'_>, taken: impl Fn(&str) -> bool) -> Option<String> {
    context.reacting(LEFT_OUT, |context| {
        let name = context.text(block)?;
        if taken(&name) {
            let message = format!("there already is a `{}` named `{name}`", block.name());
            context.error(Code::DuplicateName, value_span(block), message);
        }
        Some(name)
    })
}

#[derive(Default)]
struct Draft<'a> {
    members: Option<Vec<&'a Word>>,
    weighted: bool,
    notify: Notify,
    tracks: Tracks,
    alert: Option<bool>,
}

impl<'a> Draft<'a> {
    fn take(&mut self, context: &mut Context<'_>, entry: &Entry<'a>, config: &Config) {
        match entry.name() {
            "group" => self.members.get_or_insert_default().extend(members(context, entry, config)),
            "sync_group_tracking_weight" => {
                context.flag(entry);
                self.weighted = true;
            }
            "smtp_alert" => self.alert = context.switch(entry).or(self.alert),
            _ if self.notify.take(context, entry) || self.tracks.take(context, entry) => {}
            _ => context.forgotten(entry),
        }
    }

    fn finish(
        self,
        context: &mut Context<'_>,
        name: &str,
        block: &Entry<'_>,
        defaults: &Defaults,
        places: &mut BTreeMap<String, String>,
    ) -> Option<Group> {
        let mut members = Vec::new();
        for member in self.members.iter().flatten() {
            if let Some(other) = places.get(&member.text) {
                let message = format!("`{}` is a member of `{other}` already", member.text);
                context.error_mended(Code::Conflict, member.span, message, "it is a member there only");
                continue;
            }
            places.insert(member.text.clone(), name.to_owned());
            members.push(member.text.clone());
        }
        if members.is_empty() && self.members.as_ref().is_none_or(Vec::is_empty) {
            context.reacting(LEFT_OUT, |context| -> Option<()> {
                let message = format!("`vrrp_sync_group {}` has no members", short(name));
                context.error(Code::MissingKeyword, value_span(block), message);
                None
            });
        }
        let alert = self.alert.unwrap_or(defaults.alert_vrrp());
        let Self { weighted, notify, tracks, .. } = self;
        let group = Group { members, weighted, notify, tracks, alert };
        Some(group).filter(|group| !group.members.is_empty())
    }
}

/// The words of a `group` block that name an instance.
fn members<'a>(context: &mut Context<'_>, entry: &Entry<'a>, config: &Config) -> Vec<&'a Word> {
    context.at_most(entry, 0);
    let mut members = Vec::new();
    for statement in entry.statements() {
        if let Some(block) = &statement.block {
            context.error(Code::UnexpectedBlock, block.open, "the name of an instance takes no block");
        }
        for word in std::iter::once(&statement.keyword).chain(&statement.words) {
            if config.instances.contains_key(&word.text) {
                members.push(word);
                continue;
            }
            let message = format!("there is no instance named `{}`", short(&word.text));
            context.error_mended(Code::UndefinedName, word.span, message, "the name is ignored");
        }
    }
    members
}
