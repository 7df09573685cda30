//! The virtual servers' side of the brain: outcomes of probes in; probes, the table and notices out.

use std::sync::Arc;
use std::time::Instant;

use healthcheck::{Monitor, Outcome};
use ipvs_backend::{DestinationKey, ServiceKey};
use notify::Notice;

use super::effect::{Attempt, Effect};
use super::event::{CheckId, TableReport};
use super::journal::Entry;
use super::pool::{Change, Pool, words};
use super::{Director, Owner, Pending, Place};

impl Director {
    pub(super) fn probe_done(&mut self, id: CheckId, attempt: u64, outcome: Outcome, now: Instant) {
        self.with_monitor(id, now, |monitor| monitor.handle_result(attempt, outcome, now));
        self.judged(id);
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
        let before = run.monitor.verdict();
        fact(&mut run.monitor);
        let is_new = run.monitor.verdict() != before;
        let mut flipped = None;
        while let Some(output) = run.monitor.poll_output() {
            match output {
                healthcheck::Output::Attempt { number, step } => {
                    let spec = run.spec.clone();
                    let probe = Effect::Probe(Attempt { check: id, number, step, spec });
                    self.pending.push_back(Pending::Effect(probe));
                }
                healthcheck::Output::Flipped { up } => flipped = Some(up),
            }
        }
        self.agenda.set(Owner::Check(id), run.monitor.poll_timeout().map(|(at, _)| at));
        // A first verdict that changes nothing is worth knowing after a restart all the same.
        if is_new && flipped.is_none() {
            let Place { service, server, .. } = place.clone();
            return self.keep_health(&service, &server);
        }
        if let Some(up) = flipped {
            let check = run.spec.kind.to_string();
            let Some(reason) = run.monitor.last().map(words) else { return };
            let place = place.clone();
            self.check_flipped(place.service, place.server, check, up, &reason, now);
        }
    }

    pub(super) fn check_flipped(
        &mut self,
        service: ServiceKey,
        server: DestinationKey,
        check: String,
        up: bool,
        reason: &str,
        now: Instant,
    ) {
        let (told, words) = (check.clone(), reason.to_owned());
        self.log(Entry::CheckFlipped { service, server, check: told, up, reason: words });
        let Some(pool) = self.pools.get_mut(&service) else { return };
        let changes = pool.reconsider(&server, reason, now);
        self.keep_health(&service, &server);
        if changes.is_empty() {
            return;
        }
        let Some(pool) = self.pools.get(&service) else { return };
        let (config, left) = (pool.config.clone(), pool.serving());
        for change in changes {
            match change {
                Change::Server { key, up, reason, treatment } => {
                    if config.servers.get(&key).is_some_and(|s| s.alert) {
                        let (name, reason) = (server_name(&service, &key), format!("{check}: {reason}"));
                        self.notify(now, |heading| Notice::server(heading, service, name, up, &reason, left));
                    }
                    self.tell_server(&service, &key, up, &format!("{check}: {reason}"));
                    self.log(Entry::ServerFlipped { service, server: key, up, treatment });
                }
                Change::Quorum { up } => {
                    let cause = if up { "enough servers are up" } else { "too few servers are up" };
                    self.tell_quorum(&service, up, cause);
                    let sorry = config.reachable_sorry().map(|s| s.key);
                    self.log(Entry::Quorum { service, up, sorry });
                }
            }
        }
        let wanted = self.pools.get(&service).map(Pool::wanted);
        if let Some(wanted) = wanted {
            Arc::make_mut(&mut self.table.value).services.insert(service, Arc::new(wanted));
            self.publish_table();
        }
    }

    /// What is known of a neighbour now, for a server that asks for it by a `BFD_CHECK`.
    pub(super) fn neighbour_check(
        &mut self,
        service: ServiceKey,
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

    pub(super) fn set_service(&mut self, pool: &Pool) {
        let services = &mut Arc::make_mut(&mut self.table.value).services;
        let wanted = pool.wanted();
        if services.get(&pool.key).is_none_or(|old| **old != wanted) {
            services.insert(pool.key, Arc::new(wanted));
        }
    }

    pub(super) fn publish_table(&mut self) {
        self.table.serial += 1;
        if !self.table.queued {
            self.table.queued = true;
            self.pending.push_back(Pending::Table);
        }
    }

    pub(super) fn table_applied(&mut self, report: TableReport, now: Instant) {
        self.note_adopted(&report.adopted, now);
        self.table.applied = report.serial;
        if self.table.unavailable != report.unavailable && !self.stopping {
            self.log(Entry::Ipvs { unavailable: report.unavailable.clone() });
        }
        self.table.unavailable = report.unavailable;
        for what in &report.failures {
            self.log(Entry::Refused { what: what.clone() });
        }
        self.table.failures = report.failures;
        self.end_if_released();
    }
}

/// A real server as keepalived's mails name it: `[10.0.0.2]:tcp:80`.
pub(super) fn server_name(service: &ServiceKey, server: &DestinationKey) -> String {
    match service {
        ServiceKey::Address { protocol, .. } => {
            notify::notice::endpoint((server.address, server.port).into(), &protocol.to_string())
        }
        ServiceKey::Mark { .. } => server.to_string(),
    }
}
