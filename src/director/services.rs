//! The virtual servers' side of the brain: outcomes of probes in; probes, the table and notices out.

use std::time::Instant;

use healthcheck::{Monitor, Outcome};
use ipvs_backend::{DestinationKey, Protocol, ServiceKey};
use notify::Notice;

use super::effect::{Attempt, Effect};
use super::event::CheckId;
use super::journal::Entry;
use super::pool::{Change, words};
use super::{Director, Owner, Pending};
use crate::config::Served;

impl Director {
    pub(super) fn probe_done(&mut self, id: CheckId, attempt: u64, outcome: Outcome, now: Instant) {
        self.with_monitor(id, now, |monitor| monitor.handle_result(attempt, outcome, now));
    }

    /// Lets a monitor take in a fact, and hands on what it wants.
    pub(super) fn with_monitor(&mut self, id: CheckId, now: Instant, fact: impl FnOnce(&mut Monitor)) {
        let Some(place) = self.places.get(&id) else { return };
        let Some(run) = self
            .pools
            .get_mut(&place.service)
            .and_then(|pool| pool.servers.get_mut(&place.server))
            .and_then(|server| server.checks.get_mut(place.index))
        else {
            return;
        };
        let (verdict, counted_as_up) = (run.monitor.verdict(), run.counts_as_up());
        fact(&mut run.monitor);
        while let Some(output) = run.monitor.poll_output() {
            match output {
                healthcheck::Output::Attempt { number, step } => {
                    let spec = run.spec.clone();
                    let probe = Effect::Probe(Attempt { check: id, number, step, spec });
                    self.pending.push_back(Pending::Effect(probe));
                }
                // What a verdict means is the pool's to say.
                healthcheck::Output::Flipped { .. } => {}
            }
        }
        let (up, changed) = (run.counts_as_up(), run.monitor.verdict() != verdict);
        self.agenda.set(Owner::Check(id), run.monitor.poll_timeout().map(|(at, _)| at));
        if changed {
            let check = run.spec.kind.to_string();
            let Some(reason) = run.monitor.last().map(words) else { return };
            let place = place.clone();
            if up != counted_as_up || !up {
                self.check_flipped(place.service, place.server, check, up, &reason, now);
            }
        }
    }

    pub(super) fn check_flipped(
        &mut self,
        service: Served,
        server: DestinationKey,
        check: String,
        up: bool,
        reason: &str,
        now: Instant,
    ) {
        let (told, words) = (check.clone(), reason.to_owned());
        self.log(Entry::CheckFlipped { service: service.clone(), server, check: told, up, reason: words });
        let Some(pool) = self.pools.get_mut(&service) else { return };
        let changes = pool.reconsider(&server, &format!("{check}: {reason}"), now);
        if !changes.is_empty() {
            self.tell_changes(&service, changes, now);
            self.renew_service(&service);
        }
    }

    /// Tells everybody who is to hear of it.
    pub(super) fn tell_changes(&mut self, service: &Served, changes: Vec<Change>, now: Instant) {
        let Some(pool) = self.pools.get(service) else { return };
        let (config, left, quorum) = (pool.config.clone(), pool.serving(), pool.quorum);
        for change in changes {
            match change {
                Change::Server { key, up, reason, treatment } => {
                    if config.servers.get(&key).is_some_and(|s| s.alert) {
                        let name = server_name(service, &key);
                        self.notify(now, |heading| Notice::server(heading, service, name, up, &reason, left));
                    }
                    self.tell_server(service, &key, up, &reason);
                    self.log(Entry::ServerFlipped { service: service.clone(), server: key, up, treatment });
                }
                Change::Quorum { up } => {
                    let cause = if up { "enough servers are up" } else { "too few servers are up" };
                    self.tell_quorum(service, up, cause);
                    let (sorry, words) = (config.sorry.as_ref().map(|s| s.key), quorum.words());
                    self.log(Entry::Quorum { service: service.clone(), up, sorry, words });
                }
            }
        }
    }

    /// What is known of a neighbour now, for a server that asks for it by a `BFD_CHECK`.
    pub(super) fn neighbour_check(
        &mut self,
        service: Served,
        server: &DestinationKey,
        name: &str,
        up: Option<bool>,
        words: &str,
        now: Instant,
    ) {
        let Some(pool) = self.pools.get_mut(&service) else { return };
        if pool.observe_neighbour(server, name, up, words) {
            let up = up == Some(true);
            self.check_flipped(service, *server, format!("BFD_CHECK {name}"), up, words, now);
        }
    }
}

/// A real server as keepalived's mails name it: `[10.0.0.2]:tcp:80`.
pub(super) fn server_name(service: &Served, server: &DestinationKey) -> String {
    let named = |protocol: Protocol| {
        notify::notice::endpoint((server.address, server.port).into(), &protocol.to_string())
    };
    match service {
        Served::Key(ServiceKey::Address { protocol, .. }) => named(*protocol),
        Served::Key(ServiceKey::Mark { .. }) => server.to_string(),
        Served::Group(group) => named(group.protocol),
    }
}
