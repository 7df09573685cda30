//! The brain's sync groups: whatever one member's router does, the others are made to fit.
//!
//! Routers say how they stand; [`vrrp::group`] decides; here it is carried out, after every fact about a member, in one
//! place ([`Director::settle_group`]), and the group's own changes of state are told from there, each once.

use std::collections::BTreeMap;
use std::time::Instant;

use notify::Notice;
use vrrp::group::{Decision, Member, decide};
use vrrp::{Fault, State};

use super::Director;
use super::journal::Entry;
use super::routers::told_role;

/// Steps in which a group comes to rest: faults are shared, members follow, others lead. Three suffice.
const STEPS: usize = 4;

/// One group.
#[derive(Debug)]
pub(super) struct Group {
    /// Names of its members, in the file's order.
    pub(super) members: Vec<String>,
    pub(super) state: State,
    /// When it came to be in this state, and why.
    pub(super) since: Option<Instant>,
    pub(super) cause: String,
}

impl Director {
    /// The group that an instance is a member of.
    pub(super) fn group_of(&self, instance: &str) -> Option<&str> {
        self.group_of.get(instance).map(String::as_str)
    }

    /// Takes over the groups of the configuration. Groups of the same name keep their state.
    pub(super) fn configure_groups(&mut self) {
        let config = self.config.clone();
        self.group_of.clear();
        let mut groups = BTreeMap::new();
        for (name, wanted) in &config.groups {
            let there = |member: &&String| config.instances.contains_key(*member);
            let members: Vec<String> = wanted.members.iter().filter(there).cloned().collect();
            for member in &members {
                self.group_of.insert(member.clone(), name.clone());
            }
            let group = match self.groups.remove(name) {
                Some(known) => Group { members, ..known },
                None => Group { members, state: State::Initialize, since: None, cause: String::new() },
            };
            groups.insert(name.clone(), group);
        }
        self.groups = groups;
    }

    /// Lets a fact about several instances take effect on all of them before any group draws its conclusions.
    pub(super) fn together(&mut self, now: Instant, facts: impl FnOnce(&mut Self)) {
        let outer = std::mem::replace(&mut self.groups_held, true);
        facts(self);
        self.groups_held = outer;
        if !outer {
            while let Some(group) = self.restless.pop_first() {
                self.settle_group(&group, None, now);
            }
        }
    }

    /// Hands on what a router wants, and lets its group draw the conclusions.
    pub(super) fn drain_router(&mut self, name: &str, now: Instant) {
        self.drain_one(name, now);
        let Some(group) = self.group_of.get(name) else { return };
        if self.instances.get(name).is_some_and(|instance| !instance.is_restless()) {
            return;
        }
        let group = group.clone();
        if self.groups_held {
            self.restless.insert(group);
        } else {
            self.settle_group(&group, Some(name), now);
        }
    }

    /// Brings the members of a group into line, and tells of its change of state, if there is one. The member that gave
    /// the `cause` goes first: the one whose time came last, where that makes all of them master.
    pub(super) fn settle_group(&mut self, name: &str, cause: Option<&str>, now: Instant) {
        let Some(group) = self.groups.get(name) else { return };
        let mut members = group.members.clone();
        members.sort_by_key(|member| Some(member.as_str()) != cause);
        for _ in 0..STEPS {
            if self.stopping || !self.settle_step(&members, now) {
                break;
            }
        }
        let mut stances = Vec::new();
        for member in &members {
            if let Some(instance) = self.instances.get_mut(member) {
                stances.push(instance.come_to_rest());
            }
        }
        let to = vrrp::group::state(&stances);
        let Some(group) = self.groups.get(name) else { return };
        let cause = self.group_cause(&group.members, to);
        let Some(group) = self.groups.get_mut(name) else { return };
        let from = std::mem::replace(&mut group.state, to);
        if from != to && !stances.is_empty() {
            (group.since, group.cause) = (Some(now), cause);
            self.group_changed(name, from, to, now);
        }
    }

    /// One step; false when there was nothing to do.
    fn settle_step(&mut self, members: &[String], now: Instant) -> bool {
        let shared = self.share_faults(members, now);
        self.announce_beside_rival(members, now);
        let there: Vec<(&String, Member)> =
            members.iter().filter_map(|name| Some((name, self.instances.get(name)?.as_member()))).collect();
        let stances: Vec<Member> = there.iter().map(|(_, member)| *member).collect();
        let decision = decide(&stances);
        let changed: Vec<&String> = match decision {
            Decision::Stay => return shared,
            Decision::Lead => {
                there.iter().filter(|(_, m)| m.state == State::Backup).map(|(n, _)| *n).collect()
            }
            Decision::Follow(_) => {
                there.iter().filter(|(_, m)| m.state == State::Master).map(|(n, _)| *n).collect()
            }
        };
        for name in changed {
            if let Some(instance) = self.instances.get_mut(name) {
                match decision {
                    Decision::Follow(first) => {
                        let first = there.get(first).map_or("", |(name, _)| name.as_str());
                        instance.router.handle_follow(first, now);
                    }
                    _ => instance.router.handle_lead(now),
                }
            }
        }
        // Each of them speaks before any is looked at again: adverts come first.
        for name in members {
            self.drain_one(name, now);
        }
        true
    }

    /// A fault of one member is a fault of all. True if that changed anything.
    fn share_faults(&mut self, members: &[String], now: Instant) -> bool {
        let at_fault = |name: &&String| self.instances.get(*name).is_some_and(|i| i.has_own_fault());
        let faulty: Vec<&String> = members.iter().filter(at_fault).take(2).collect();
        let mut changed = false;
        for name in members {
            let other =
                faulty.iter().find(|other| **other != name).map(|other| Fault::Group((*other).clone()));
            let Some(instance) = self.instances.get_mut(name) else { continue };
            if instance.shared != other {
                instance.shared = other;
                instance.apply_faults(now);
                self.drain_one(name, now);
                changed = true;
            }
        }
        changed
    }

    /// A second master of one member may have spoken for the addresses of all.
    fn announce_beside_rival(&mut self, members: &[String], now: Instant) {
        let mut met = Vec::new();
        for name in members {
            if self.instances.get_mut(name).is_some_and(|i| std::mem::take(&mut i.met_rival)) {
                met.push(name);
            }
        }
        for name in members.iter().filter(|name| !met.is_empty() && !met.contains(name)) {
            if let Some(instance) = self.instances.get_mut(name) {
                instance.router.handle_sibling_rival(now);
                self.drain_one(name, now);
            }
        }
    }

    /// Why the group is in a state: what a member that came into it of its own accord says.
    fn group_cause(&self, members: &[String], state: State) -> String {
        let said = members.iter().filter_map(|name| {
            let instance = self.instances.get(name)?;
            let cause = instance.router.last_transition()?;
            let own = match cause {
                vrrp::Cause::Sibling { .. } => false,
                vrrp::Cause::Faults(_) => instance.has_own_fault(),
                _ => true,
            };
            (own && instance.router.state() == state).then(|| format!("{name}: {cause}"))
        });
        said.into_iter().next().unwrap_or_default()
    }

    /// A group changed its state: called once for each change, after every member is in the new state.
    fn group_changed(&mut self, name: &str, from: State, to: State, now: Instant) {
        let cause = self.groups.get(name).map_or_else(String::new, |group| group.cause.clone());
        let alert = self.config.groups.get(name).is_some_and(|group| group.alert);
        if let Some(role) = told_role(to).filter(|_| alert) {
            self.notify(now, |heading| Notice::group(heading, name, role, &cause));
        }
        self.tell_group(name, from, to, &cause, now);
        self.log(Entry::GroupTransition { group: name.to_owned(), from, to, cause });
    }
}
