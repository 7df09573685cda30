//! How a configuration takes effect: what is gone ends, what changed keeps its history, what is new begins.
//!
//! Start is the difference from nothing, so there is one way only. What is here happens at once; virtual servers follow
//! piece by piece (`changeover`).

use std::sync::Arc;
use std::time::Instant;

use vrrp::Beat;

use super::effect::Effect;
use super::instance::Instance;
use super::journal::Entry;
use super::legacy::Keepsake;
use super::source::Guests;
use super::statics::{self, Paths, Statics};
use super::{Director, Listener, Owner};
use crate::config::{self, Config, Difference};

impl Director {
    pub(super) fn configure(&mut self, config: Arc<Config>, difference: Difference, now: Instant) {
        if self.stopping {
            return;
        }
        self.generation += 1;
        self.config = config.clone();
        self.never_there = None;
        self.guests = Guests::of(&config);
        self.strangers.forget();
        self.name_devices();
        // Before those who track them: they start with what is known.
        self.configure_neighbours(now);
        self.link_filter.configure(&config, now);
        if *self.link_filter.links() != *self.links {
            self.see_links(now);
        }
        self.configure_groups();
        self.configure_trackers(now);
        self.together(now, |director| director.configure_instances(&difference, now));
        self.lay_paths();
        self.spread_neighbours(now);
        self.by_vrid.clear();
        for (name, instance) in &config.instances {
            let listener = Listener { interface: instance.interface.clone(), name: name.clone() };
            self.by_vrid.entry(instance.router.vrid).or_default().push(listener);
        }
        self.publish_sockets();
        self.queue_host();
        self.queue_addresses();
        self.publish_sync();
        self.note_missing_sync_instance();
        self.repeat_states(now);
        self.renew_maintenance(now);
        self.plan_director_windows(now);
        self.effect(Effect::Keep(Keepsake::Only(config)));
        self.change_services(difference, now);
    }

    /// Finds out what all lines of routes, rules and static addresses mean; those that cannot be done are told.
    pub(super) fn lay_paths(&mut self) {
        let mut left_out = Vec::new();
        self.statics = Statics::of(&self.config, &self.links, &mut left_out);
        let mark = statics::mark(&self.config);
        for (name, instance) in &mut self.instances {
            instance.paths = Paths::of(name, &instance.config, (mark, &self.links), &mut left_out);
        }
        let news: Vec<String> =
            left_out.iter().filter(|what| !self.left_out.contains(what)).cloned().collect();
        self.left_out = left_out;
        for what in news {
            self.log(Entry::LeftOut { what });
        }
    }

    fn configure_instances(&mut self, difference: &Difference, now: Instant) {
        for name in &difference.instances.to_remove {
            self.remove_instance(name, now);
        }
        let config = self.config.clone();
        let changes = &difference.instances;
        for (name, wanted) in config.in_order() {
            if changes.to_change.contains(name) || changes.to_add.contains(name) {
                self.configure_instance(name, wanted, now);
            }
        }
        let beat = Beat::of(self.instances.values().map(|i| i.config.router.interval), self.birth.at);
        for (place, name) in (0..).zip(self.names()) {
            if let Some(instance) = self.instances.get_mut(&name) {
                instance.place_in_file = place;
                instance.router.keep_beat(beat);
            }
        }
        // Trackers and groups may be others, also of instances that are the same.
        for name in &self.names() {
            self.renew_devices(name, now);
            let (tracks, member) = (self.counted_tracks(name), self.group_of(name).is_some());
            let Some(instance) = self.instances.get_mut(name) else { continue };
            instance.tracks = tracks;
            instance.router.handle_membership(member);
            if !member {
                instance.shared = None;
            }
            self.evaluate(name, now);
        }
        self.restless.extend(self.groups.keys().cloned());
    }

    pub(super) fn configure_instance(&mut self, name: &str, wanted: &Arc<config::Instance>, now: Instant) {
        let tracks = self.counted_tracks(name);
        let member = self.group_of(name).is_some();
        // Another VRID is another virtual router: the old one says farewell to its own peers.
        if self.instances.get(name).is_some_and(|i| i.config.router.vrid != wanted.router.vrid) {
            self.remove_instance(name, now);
        }
        let devices = self.devices_of(name, wanted);
        match self.instances.get_mut(name) {
            Some(instance) => {
                instance.devices = devices;
                instance.configure(wanted.clone(), now);
                instance.observe(&self.links, &self.guests, now);
            }
            None => {
                let mut instance = Instance::new(wanted.clone(), now);
                instance.devices = devices;
                instance.tracks = tracks;
                instance.router.handle_membership(member);
                instance.observe(&self.links, &self.guests, now);
                self.instances.insert(name.to_owned(), instance);
                self.recall_role(name, now);
                self.begin(name, now);
            }
        }
        self.drain_router(name, now);
    }

    fn remove_instance(&mut self, name: &str, now: Instant) {
        if let Some(mut instance) = self.instances.remove(name) {
            self.agenda.set(Owner::Instance(name.to_owned()), None);
            self.agenda.set(Owner::Patience(name.to_owned()), None);
            instance.router.handle_stop(now);
            self.drain_stopped(name, &mut instance, now);
        }
    }
}
