//! The instances' side of the brain: interfaces and adverts in; adverts, addresses and announcements out.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Instant;

use notify::{Notice, Role};
use vrrp::{
    AddressSettings, Cause, ChecksumForm, Link, Links, NetworkLevel, Note, Output, Proof, Reception, State,
    Wanted,
};

use super::effect::{Announcement, Effect, SocketKey};
use super::event::AddressReport;
use super::instance::{Among, Instance};
use super::journal::Entry;
use super::{Director, Listener, Owner, Pending};

/// Refusals of the kernel that are logged of one level.
const REFUSALS: usize = 5;

impl Director {
    /// The names of all instances, in the file's order.
    pub(super) fn names(&self) -> Vec<String> {
        let there = self.config.in_order().filter(|(name, _)| self.instances.contains_key(*name));
        there.map(|(name, _)| name.clone()).collect()
    }

    pub(super) fn observe_links(&mut self, links: Arc<Links>, now: Instant) {
        self.link_filter.observe(links, now);
        self.see_links(now);
    }

    /// A link has been in its state for long enough.
    pub(super) fn links_due(&mut self, now: Instant) {
        self.link_filter.handle_timeout(now);
        self.see_links(now);
    }

    /// Looks at the interfaces as they are believed to be.
    pub(super) fn see_links(&mut self, now: Instant) {
        let before = std::mem::replace(&mut self.links, self.link_filter.links());
        self.agenda.set(Owner::Links, self.link_filter.deadline());
        self.together(now, |director| {
            for name in director.names() {
                if let Some(instance) = director.instances.get_mut(&name) {
                    instance.observe(&director.links, &director.guests, now);
                    director.drain_router(&name, now);
                }
            }
            director.begin_waiting(now);
            director.links_read(&before, now);
            director.suspend_checks(now);
        });
        let domains = |links: &Links| -> Vec<(String, u32)> {
            links.iter().filter_map(|(name, link)| Some((name.clone(), link.table?))).collect()
        };
        if domains(&before) != domains(&self.links) {
            self.lay_paths();
        }
        self.publish_sockets();
        self.queue_host();
        // The owner tries again what failed while an interface was missing.
        self.queue_addresses();
        self.announce_changed(&before);
        self.retry_sync();
    }

    /// Tells the neighbours anew where addresses are whose interface came, came up or has another MAC address.
    fn announce_changed(&mut self, before: &Links) {
        let is_changed = |name: &str| {
            let Some(link) = self.links.get(name).filter(|link| link.up) else { return false };
            let same = |old: &Link| old.up && (old.index, old.mac) == (link.index, link.mac);
            !before.get(name).is_some_and(same)
        };
        let concerned = |instance: &Instance| {
            let mut addresses = instance.addresses();
            instance.router.is_master() && addresses.any(|(key, _)| is_changed(&key.interface))
        };
        let masters = self.instances.iter().filter(|(_, instance)| concerned(instance));
        let bursts: Vec<(String, u32)> =
            masters.map(|(name, i)| (name.clone(), i.config.router.announce.repeat)).collect();
        for (name, repeat) in bursts {
            self.announce(&name, repeat, Among::All);
        }
    }

    /// An advert whose bytes say nothing but what it says.
    pub(super) fn hear(
        &mut self,
        interface: &str,
        envelope: &vrrp::Envelope,
        advert: &vrrp::Advert,
        now: Instant,
    ) {
        self.hear_with(interface, envelope, advert, (&Proof::None, ChecksumForm::Usual), now);
    }

    pub(super) fn hear_reception(&mut self, interface: &str, reception: &Reception, now: Instant) {
        let Reception { envelope, advert, checksum, proof } = reception;
        self.hear_with(interface, envelope, advert, (proof, *checksum), now);
    }

    fn hear_with(
        &mut self,
        interface: &str,
        envelope: &vrrp::Envelope,
        advert: &vrrp::Advert,
        bytes: (&Proof, ChecksumForm),
        now: Instant,
    ) {
        let since_1970 = self.since_1970(now);
        let listener = self.listener(advert.vrid, interface, |i| i.listens_to(interface, envelope));
        let Some((instance, name)) = listener.and_then(|name| Some((self.instances.get_mut(&name)?, name)))
        else {
            self.count_stray("vrid");
            self.meet_stranger(interface, advert, envelope.source);
            return;
        };
        // Whoever can reach this host could otherwise speak for a peer.
        if !instance.trusts(envelope.source) {
            self.count_stray("source");
            return;
        }
        match instance.judge(advert, envelope, bytes, since_1970) {
            Ok(remark) => {
                instance.router.handle_advert(advert, envelope, now);
                if let Some(note) = remark {
                    self.log(Entry::InstanceNote { instance: name.clone(), note });
                }
            }
            Err(error) => instance.router.handle_error(Some(envelope.source), &error, now),
        }
        self.drain_router(&name, now);
    }

    pub(super) fn hear_rubbish(
        &mut self,
        interface: &str,
        source: Option<IpAddr>,
        error: &vrrp::AdvertError,
        now: Instant,
    ) {
        let hears = |i: &Instance| i.advert_interface() == interface;
        let blamed = error.vrid().and_then(|vrid| self.listener(vrid, interface, hears));
        match blamed.and_then(|name| Some((self.instances.get_mut(&name)?, name))) {
            Some((instance, name)) => {
                instance.router.handle_error(source, error, now);
                self.drain_router(&name, now);
            }
            None => self.count_stray(&error.kind().to_string()),
        }
    }

    /// The instance with this VRID that adverts which came in by `interface` are for, if they are for `place`.
    fn listener(&self, vrid: u8, interface: &str, place: impl Fn(&Instance) -> bool) -> Option<String> {
        let listeners = self.by_vrid.get(&vrid)?;
        let fits = |listener: &&Listener| self.instances.get(&listener.name).is_some_and(&place);
        // Where it lives by the file is no more than a good guess: it may hear by an interface of its own.
        let likely = listeners.iter().filter(|listener| listener.interface == interface).find(fits);
        likely.or_else(|| listeners.iter().find(fits)).map(|listener| listener.name.clone())
    }

    fn count_stray(&mut self, kind: &str) {
        *self.stray_adverts.entry(kind.to_owned()).or_default() += 1;
    }

    /// Hands on what a router wants, and notes when it wants to be called again. Its group is seen to by the caller,
    /// which is [`Director::drain_router`].
    pub(super) fn drain_one(&mut self, name: &str, now: Instant) {
        let since_1970 = self.since_1970(now);
        let Some(instance) = self.instances.get_mut(name) else { return };
        let mut outputs = Vec::new();
        while let Some(output) = instance.router.poll_output() {
            match output {
                Output::Send(advert) => self.adverts.extend(instance.transmission(advert, since_1970)),
                other => outputs.push(other),
            }
        }
        let deadline = instance.router.poll_timeout().map(|(at, _)| at);
        let alert = instance.config.alert;
        let instance_is_silent = instance.devices.is_silent();
        let tells = instance.config.notify.priority_changes;
        for output in outputs {
            match output {
                // On its way already.
                Output::Send(_) => {}
                Output::Announce(repeat) => self.announce(name, repeat, Among::All),
                Output::AnnounceElsewhere => self.announce(name, 1, Among::Elsewhere),
                Output::Transition { from, to, cause } => {
                    // What must not be heard is not heard from the first moment on.
                    if instance_is_silent {
                        self.queue_host();
                    }
                    self.queue_addresses();
                    if to == State::Backup {
                        self.announce_source(name, from);
                    }
                    if let Some(instance) = self.instances.get_mut(name) {
                        instance.left_master |= (from, to) == (State::Master, State::Backup);
                        if to == State::Master {
                            self.mastered = self.mastered.saturating_add(1);
                            instance.precedence = self.mastered;
                        }
                    }
                    self.publish_sync();
                    // Who goes on as before has nothing to tell.
                    let is_news = cause != Cause::Resumed;
                    let cause = cause.to_string();
                    if let Some(role) = self.mailed_role(to).filter(|_| alert && is_news) {
                        self.notify(now, |heading| Notice::instance(heading, name, role, &cause));
                    }
                    if is_news {
                        self.tell_transition(name, from, to, &cause, now);
                    }
                    self.log(Entry::Transition { instance: name.to_owned(), from, to, cause });
                }
                Output::Encounter => {
                    if let Some(instance) = self.instances.get_mut(name) {
                        instance.met_rival = true;
                    }
                }
                Output::Note(note) => {
                    if matches!(note, Note::LowerPriorityMaster { .. }) {
                        self.tell_lower_priority(name, &note.to_string(), now);
                    }
                    self.log(Entry::InstanceNote { instance: name.to_owned(), note: note.to_string() });
                }
            }
        }
        if tells.or(self.config.global.vrrp.notify_priority_changes).unwrap_or(false) {
            self.tell_priority(name, now);
        }
        self.keep_role(name, now);
        self.agenda.set(Owner::Instance(name.to_owned()), deadline);
    }

    /// The last words of an instance that is no longer configured.
    pub(super) fn drain_stopped(&mut self, name: &str, instance: &mut Instance, now: Instant) {
        let since_1970 = self.since_1970(now);
        while let Some(output) = instance.router.poll_output() {
            match output {
                Output::Send(advert) => {
                    if let Some(transmission) = instance.transmission(advert, since_1970) {
                        self.adverts.push_back(transmission);
                    }
                }
                Output::Transition { from, to, .. } => {
                    self.queue_addresses();
                    self.tell_deleted(name, instance, from, now);
                    let cause = "removed from the configuration".to_owned();
                    self.log(Entry::Transition { instance: name.to_owned(), from, to, cause });
                }
                Output::Announce(_) | Output::AnnounceElsewhere | Output::Encounter | Output::Note(_) => {}
            }
        }
    }

    /// Tells the peers of an instance that was at fault, or was held back, where it is.
    fn announce_source(&mut self, name: &str, from: State) {
        let Some(instance) = self.instances.get(name) else { return };
        let late = from == State::Initialize && instance.was_held_back;
        if (late || from == State::Fault)
            && let Some(announcement) = instance.own_announcement(&self.links)
        {
            self.effect(Effect::Announce(announcement));
        }
    }

    /// Tells the neighbours where the instance's addresses are.
    fn announce(&mut self, name: &str, repeat: u32, among: Among) {
        self.pending.push_back(Pending::Announce(name.to_owned(), repeat, among));
    }

    /// What is told. It is put together when its turn has come: an advert does not wait for it.
    pub(super) fn announcement(&self, name: &str, repeat: u32, among: Among) -> Announcement {
        let Some(instance) = self.instances.get(name) else {
            return Announcement { places: Vec::new(), repeat, turn: 0 };
        };
        // Without `all`, only interfaces that carry addresses by a virtual MAC address.
        let extra = instance.config.extra_garp.or(self.config.global.vrrp.garp_extra_if);
        let among = match among {
            Among::Elsewhere if !extra.is_some_and(|extra| extra.all) => Among::OtherDevices,
            among => among,
        };
        instance.announcement(repeat, &self.links, |i| self.config.pace(i), among)
    }

    pub(super) fn publish_sockets(&mut self) {
        let wanted: BTreeSet<SocketKey> = self.instances.values().flat_map(Instance::sockets).collect();
        if *self.sockets != wanted {
            self.sockets = Arc::new(wanted);
            self.pending.push_back(Pending::Sockets);
        }
    }

    /// Addresses, routes and rules as the instances' states want them now. At the end nothing is wanted any more, or only
    /// what is left behind as keepalived leaves it.
    pub(super) fn wanted_addresses(&self) -> NetworkLevel {
        let mut level = NetworkLevel::default();
        match self.stopping {
            true => self.statics.leave(&self.config, &mut level),
            false => self.statics.show(&mut level),
        }
        for instance in self.instances.values() {
            for (key, state) in instance.addresses() {
                // The same address in two instances is there while either is master, a static one always.
                match level.addresses.get(&key) {
                    // Named twice, it is as who has it first says.
                    Some(Wanted::Present(there)) if !comes_before(&state, there) => {}
                    Some(Wanted::Absent { .. }) if matches!(state, Wanted::Absent { .. }) => {}
                    _ => {
                        level.addresses.insert(key, state);
                    }
                }
            }
            if instance.config.conduct.promote_secondaries && !self.stopping {
                level.promote.insert(instance.config.interface.clone());
            }
            instance.paths.show(instance.holds(), &mut level);
        }
        level
    }

    /// Has the addresses handed out anew: after a change of state, and when the outside may have changed.
    ///
    /// Nothing is said before the first configuration: what an earlier life left there would be taken away.
    pub(super) fn queue_addresses(&mut self) {
        if self.generation == 0 {
            return;
        }
        self.addresses.serial += 1;
        if !self.addresses.queued {
            self.addresses.queued = true;
            self.pending.push_back(Pending::Addresses);
        }
    }

    pub(super) fn addresses_applied(&mut self, report: AddressReport, now: Instant) {
        self.miss(report.missing.iter().cloned().collect(), now);
        self.addresses.applied = report.serial;
        self.release_calls();
        let news: Vec<String> =
            report.failures.iter().filter(|f| !self.addresses.failures.contains(f)).cloned().collect();
        self.addresses.failures = report.failures;
        let more = news.len().saturating_sub(REFUSALS);
        for what in news.into_iter().take(REFUSALS) {
            self.log(Entry::Refused { what });
        }
        if more > 0 {
            self.log(Entry::Refused { what: format!("{more} more; `directord status` tells which") });
        }
        if self.stopping {
            self.queue_host();
        }
        self.settle(now);
        self.end_if_released();
    }

    /// Instances fail while a static thing is missing that they are in the `track_group` of.
    fn miss(&mut self, mut missing: BTreeSet<vrrp::Thing>, now: Instant) {
        if self.config.global.compat {
            // To keepalived only what was there can be lost.
            let never = self.never_there.get_or_insert_with(|| missing.clone());
            never.retain(|thing| missing.contains(thing));
            missing.retain(|thing| !never.contains(thing));
        }
        let mut lacks = self.statics.lacks(&missing);
        let mut changed = Vec::new();
        for (name, instance) in &mut self.instances {
            let lacks = lacks.remove(name).unwrap_or_default();
            if instance.lacks != lacks {
                instance.lacks = lacks;
                changed.push(name.clone());
            }
        }
        if changed.is_empty() {
            return;
        }
        self.together(now, |director| {
            for name in changed {
                if let Some(instance) = director.instances.get_mut(&name) {
                    instance.observe(&director.links, &director.guests, now);
                }
                director.drain_router(&name, now);
            }
        });
    }
}

/// Whether an address that is named twice had this turn earlier.
fn comes_before(one: &Wanted, other: &AddressSettings) -> bool {
    matches!(one, Wanted::Present(settings) if settings.details.turn < other.details.turn)
}

impl Director {
    /// What people are told when an instance or a group enters this state, if anything.
    pub(super) fn mailed_role(&self, state: State) -> Option<Role> {
        match state {
            State::Master => Some(Role::Master),
            State::Backup => Some(Role::Backup),
            State::Fault => Some(Role::Fault).filter(|_| !self.config.global.alerts.no_faults),
            State::Initialize | State::Stopped => None,
        }
    }
}
