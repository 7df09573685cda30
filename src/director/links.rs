//! `interface_up_down_delays`: a link that flaps does not make instances flap.
//!
//! Everything in the brain sees the interfaces through this filter. A link with a delay stays as it was believed to be
//! until the kernel has reported the contrary for long enough. What is first seen of an interface counts at once, and
//! so does its end: an interface that is gone cannot be believed in.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use vrrp::Links;

use crate::config::{Config, LinkDelay};

/// The interfaces as reported, and as believed.
#[derive(Debug, Default)]
pub(super) struct LinkFilter {
    reported: Arc<Links>,
    delays: BTreeMap<String, LinkDelay>,
    /// Of interfaces with a delay: the index, and whether it is believed to be up.
    believed: BTreeMap<String, (u32, bool)>,
    /// When the contrary will be believed.
    pending: BTreeMap<String, Instant>,
}

impl LinkFilter {
    /// Takes over the delays of a configuration, none longer than the time in which the other directors would miss
    /// the adverts of an instance on that interface.
    pub(super) fn configure(&mut self, config: &Config, now: Instant) {
        self.delays.clone_from(&config.root.delays);
        for instance in config.instances.values() {
            if let Some(delay) = self.delays.get_mut(&instance.interface) {
                let router = &instance.router;
                let missed = u32::from(router.down_timer_adverts).saturating_sub(1);
                delay.down = delay.down.min(router.interval * missed);
            }
        }
        self.believed.retain(|name, _| self.delays.contains_key(name));
        self.pending.retain(|name, _| self.delays.contains_key(name));
        self.observe(self.reported.clone(), now);
    }

    /// Takes in a report.
    pub(super) fn observe(&mut self, reported: Arc<Links>, now: Instant) {
        self.reported = reported;
        for (name, delay) in &self.delays {
            let Some(link) = self.reported.get(name) else {
                self.believed.remove(name);
                self.pending.remove(name);
                continue;
            };
            let known = self.believed.get(name).filter(|(index, _)| *index == link.index);
            let wait = if link.up { delay.up } else { delay.down };
            match known {
                Some((_, up)) if *up != link.up && wait > Duration::ZERO => {
                    self.pending.entry(name.clone()).or_insert(now + wait);
                }
                _ => {
                    self.believed.insert(name.clone(), (link.index, link.up));
                    self.pending.remove(name);
                }
            }
        }
    }

    /// Believes what has been reported for long enough.
    pub(super) fn handle_timeout(&mut self, now: Instant) {
        let (reported, believed) = (&self.reported, &mut self.believed);
        self.pending.retain(|name, at| {
            let due = *at <= now;
            if due && let Some(link) = reported.get(name) {
                believed.insert(name.clone(), (link.index, link.up));
            }
            !due
        });
    }

    /// When to look again.
    pub(super) fn deadline(&self) -> Option<Instant> {
        self.pending.values().min().copied()
    }

    /// The interfaces as they are believed to be.
    pub(super) fn links(&self) -> Arc<Links> {
        if self.pending.is_empty() {
            return self.reported.clone();
        }
        let mut links = Links::clone(&self.reported);
        for name in self.pending.keys() {
            if let (Some(link), Some((_, up))) = (links.get_mut(name), self.believed.get(name)) {
                link.up = *up;
            }
        }
        Arc::new(links)
    }
}
