//! The virtual servers' side of the brain: outcomes of probes in; probes, the table and notices out.

use std::sync::Arc;
use std::time::{Duration, Instant};

use healthcheck::{Check, Kind, Monitor, Outcome};
use ipvs_backend::{DestinationKey, ServiceKey};
use notify::Notice;

use super::effect::{Attempt, Effect};
use super::event::{CheckId, TableReport};
use super::journal::Entry;
use super::pool::{Change, CheckRun, Pool, words};
use super::{Birth, Director, Owner, Pending, Place};

/// Checks with such an interval need not begin to the millisecond: those of one slot begin together.
const UNHURRIED: Duration = Duration::from_millis(250);

/// One slot. Waking once for the twenty attempts that thousands of checks make in it costs much less than twenty times.
const SLOT: Duration = Duration::from_millis(4);

impl Birth {
    /// The end of the slot that an instant lies in.
    fn next_slot(&self, at: Instant) -> Instant {
        let since = at.saturating_duration_since(self.at).as_nanos();
        let slot = SLOT.as_nanos();
        let late = u64::try_from((slot - since % slot) % slot).unwrap_or(0);
        at + Duration::from_nanos(late)
    }
}

impl Director {
    pub(super) fn probe_done(&mut self, id: CheckId, attempt: u64, outcome: Outcome, now: Instant) {
        let Some((place, run)) = self.run(id) else { return };
        // Of an attempt that is not under way nobody wants to hear.
        if run.monitor.attempts() != attempt || run.monitor.poll_timeout().is_some() {
            return;
        }
        let (place, weight, spec) = (place.clone(), outcome.weight, run.spec.clone());
        let failure = outcome.result.as_ref().err().map(ToString::to_string);
        if let Some(reason) = failure.clone().filter(|_| self.logs_failures(&spec)) {
            let (service, server, check) = (place.service, place.server, spec.kind.to_string());
            self.log(Entry::AttemptFailed { service, server, check, reason });
        }
        self.with_monitor(id, now, |monitor| monitor.handle_result(attempt, outcome, now));
        let dynamic = matches!(&spec.kind, Kind::Command(program) if program.dynamic);
        if dynamic && failure.is_none() {
            self.command_weight(id, place.service, place.server, weight, now);
        }
    }

    /// One check, and where it belongs.
    fn run(&self, id: CheckId) -> Option<(&Place, &CheckRun)> {
        let place = self.places.get(&id)?;
        let server = self.pools.get(&place.service)?.servers.get(&place.server)?;
        Some((place, server.checks.get(place.index)?))
    }

    fn logs_failures(&self, spec: &Check) -> bool {
        spec.log_all_failures.unwrap_or(self.config.global.alerts.log_all_failures)
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
        fact(&mut run.monitor);
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
        let unhurried = run.spec.schedule.interval >= UNHURRIED;
        let deadline = run.monitor.poll_timeout().map(|(at, _)| at);
        let deadline = deadline.map(|at| if unhurried { self.birth.next_slot(at) } else { at });
        self.agenda.set(Owner::Check(id), deadline);
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
        if !changes.is_empty() {
            self.follow(service, &check, changes, now);
        }
    }

    /// Tells everybody of changes that a check brought about, and has the table follow them.
    pub(super) fn follow(&mut self, service: ServiceKey, check: &str, changes: Vec<Change>, now: Instant) {
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

    pub(super) fn table_applied(&mut self, report: TableReport) {
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
