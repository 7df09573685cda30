//! The virtual servers' side of the brain: outcomes of probes in; probes, the table and notices out.

use std::time::{Duration, Instant};

use healthcheck::{Check, Failure, FailureKind, Kind, Monitor, Outcome, Verdict};
use ipvs_backend::{DestinationKey, Protocol, ServiceKey};
use notify::Notice;

use super::concerns;
use super::effect::{Attempt, Effect};
use super::event::CheckId;
use super::journal::Entry;
use super::pool::{Change, CheckRun, Pool, words};
use super::{Birth, Director, Owner, Pending, Place};
use crate::config::Served;

/// Checks with such an interval need not begin to the millisecond: those of one slot begin together.
const UNHURRIED: Duration = Duration::from_millis(250);

/// One slot. Waking once for the ten attempts that a thousand checks make in it costs much less than waking ten times.
const SLOT: Duration = Duration::from_millis(10);

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
        let Some((_, run)) = self.run(id) else { return self.vip_check_done(id, attempt, outcome, now) };
        // Of an attempt that is not under way nobody wants to hear.
        let awaited = run.monitor.attempts() == attempt && run.monitor.poll_timeout().is_none();
        if !awaited || self.sharing.is_listener(id) {
            return;
        }
        let outcome = self.forgiving(id, outcome);
        for listener in self.sharing.listeners(id) {
            let shared = outcome.clone();
            self.take_outcome(listener, outcome.clone(), now, |monitor| {
                monitor.handle_shared_result(shared, now)
            });
        }
        let own = outcome.clone();
        self.take_outcome(id, outcome, now, |monitor| monitor.handle_result(attempt, own, now));
    }

    /// To keepalived a check whose command cannot be run at the start is none. Here it counts as passed, in compatible mode,
    /// until it can.
    fn forgiving(&mut self, id: CheckId, outcome: Outcome) -> Outcome {
        let compat = self.config.global.compat;
        let Some(place) = self.places.get(&id) else { return outcome };
        let pool = self.pools.get_mut(&place.service);
        let Some(run) = pool.and_then(|pool| pool.servers.check(&place.server, place.index)) else {
            return outcome;
        };
        let absent = |failure: &&Failure| failure.kind == FailureKind::NotStarted;
        let Some(failure) = outcome.result.as_ref().err().filter(absent) else {
            run.made = true;
            return outcome;
        };
        if !compat || run.made {
            return outcome;
        }
        if run.monitor.verdict() == Verdict::Unknown {
            let (service, server) = (&place.service, place.server);
            let what = format!(
                "{service}, {server}: {failure}; as with keepalived, the server is not checked by it as long as it cannot \
                 be run"
            );
            self.log(Entry::LeftOut { what });
        }
        Outcome::passed(outcome.took)
    }

    /// What came of an attempt, for one of the checks that it was made for; its monitor is told by `fact`.
    fn take_outcome(&mut self, id: CheckId, outcome: Outcome, now: Instant, fact: impl FnOnce(&mut Monitor)) {
        let Some((place, run)) = self.run(id) else { return };
        let failed = outcome.result.is_err();
        let dynamic = matches!(&run.spec.kind, Kind::Command(program) if program.dynamic);
        let place = (dynamic || failed).then(|| place.clone());
        if let (Some(place), Err(failure)) = (&place, &outcome.result)
            && self.logs_failures(&run.spec)
        {
            let (service, server, check) = (place.service.clone(), place.server, run.spec.kind.to_string());
            let reason = failure.to_string();
            self.log(Entry::AttemptFailed { service, server, check, reason });
        }
        self.with_monitor(id, now, fact);
        self.judged(id);
        if let Some(place) = place.filter(|_| dynamic && !failed) {
            self.command_weight(id, place.service, place.server, outcome.weight, now);
        }
    }

    /// One check, and where it belongs.
    pub(super) fn run(&self, id: CheckId) -> Option<(&Place, &CheckRun)> {
        let place = self.places.get(&id)?;
        let server = self.pools.get(&place.service)?.servers.get(&place.server)?;
        Some((place, server.checks.get(place.index)?))
    }

    fn logs_failures(&self, spec: &Check) -> bool {
        spec.log_all_failures.unwrap_or(self.config.global.alerts.log_all_failures)
    }

    /// Lets a monitor take in a fact, and hands on what it wants.
    pub(super) fn with_monitor(&mut self, id: CheckId, now: Instant, fact: impl FnOnce(&mut Monitor)) {
        let Some(place) = self.places.get(&id) else { return self.with_vip_check(id, now, fact) };
        let Some(run) = self
            .pools
            .get_mut(&place.service)
            .and_then(|pool| pool.servers.check(&place.server, place.index))
        else {
            return;
        };
        let (verdict, counted_as_up) = (run.monitor.verdict(), run.counts_as_up());
        fact(&mut run.monitor);
        let mut concerned = Vec::new();
        while let Some(output) = run.monitor.poll_output() {
            match output {
                healthcheck::Output::Attempt { number, step } => {
                    let spec = run.spec.clone();
                    let probe = Effect::Probe(Attempt { check: id, number, step, spec });
                    self.pending.push_back(Pending::Effect(probe));
                }
                // What a verdict means is the pool's to say.
                healthcheck::Output::Flipped { .. } => {}
                healthcheck::Output::Warned { about, begins } => {
                    concerned.push(concerns::Change::of(&run.monitor, about, begins));
                }
            }
        }
        let (up, changed) = (run.counts_as_up(), run.monitor.verdict() != verdict);
        let unhurried = run.spec.schedule.interval >= UNHURRIED;
        let deadline = run.monitor.poll_timeout().map(|(at, _)| at);
        let deadline = deadline.map(|at| if unhurried { self.birth.next_slot(at) } else { at });
        self.checks.set(id, deadline);
        if changed || !concerned.is_empty() {
            let check = run.spec.kind.to_string();
            let reason = run.monitor.last().map(words);
            let place = place.clone();
            if !concerned.is_empty() {
                self.tell_concerns(&place.service, place.server, &check, concerned, now);
            }
            let Some(reason) = reason.filter(|_| changed) else { return };
            if up != counted_as_up || !up {
                self.check_flipped(place.service, place.server, check, up, &reason, now);
            } else {
                // A first verdict that changes nothing is worth knowing after a restart all the same.
                self.keep_health(&place.service, &place.server);
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
        let decided = !self.is_on_its_way(&service);
        let Some(pool) = self.pools.get_mut(&service) else { return };
        if !decided {
            // What follows is decided when all its real servers have taken on their configuration.
            pool.servers.change(&server, |server| server.judge(now));
            return self.keep_health(&service, &server);
        }
        let changes = pool.reconsider(&server, &format!("{check}: {reason}"), now);
        if !changes.iter().any(|change| matches!(change, Change::Server { key, .. } if *key == server)) {
            self.keep_health(&service, &server);
        }
        self.follow_pool(&service, changes, now);
    }

    /// Servers of a pool have been held back for long enough.
    pub(super) fn pool_due(&mut self, service: &Served, now: Instant) {
        let Some(pool) = self.pools.get_mut(service) else { return };
        let changes = pool.handle_timeout(now);
        self.follow_pool(service, changes, now);
    }

    /// What changed in a pool reaches everybody.
    fn follow_pool(&mut self, service: &Served, changes: Vec<Change>, now: Instant) {
        if !changes.is_empty() {
            self.tell_changes(service, changes, now);
            self.renew_service(service, now);
        }
        self.time_pool(service);
    }

    /// A pool is to be asked again when its next server has been held back for long enough.
    pub(super) fn time_pool(&mut self, service: &Served) {
        let next = self.pools.get(service).and_then(Pool::next);
        self.agenda.set(Owner::Pool(service.clone()), next);
    }

    /// Tells everybody who is to hear of it.
    pub(super) fn tell_changes(&mut self, service: &Served, changes: Vec<Change>, now: Instant) {
        let Some(pool) = self.pools.get(service).filter(|_| !changes.is_empty()) else { return };
        let (config, left, quorum) = (pool.config.clone(), pool.serving(), pool.quorum);
        let (stands_in, panic) = (pool.stand_in_words(), pool.panic.map(|panic| panic.words()));
        for change in changes {
            match change {
                Change::Server { key, up, reason, treatment } => {
                    if !self.in_window(service, &key) {
                        self.mail_of_server(service, &key, up, &reason, now);
                    }
                    self.tell_server(service, &key, up, &reason);
                    self.keep_health(service, &key);
                    self.log(Entry::ServerFlipped { service: service.clone(), server: key, up, treatment });
                }
                Change::Quorum { up } => {
                    let cause = if up { "enough servers are up" } else { "too few servers are up" };
                    self.tell_quorum(service, up, cause);
                    let windows = self.windows_of(service).filter(|_| !up);
                    let words: Vec<String> = [quorum.words()].into_iter().chain(windows).collect();
                    let (stands_in, words) = (stands_in.clone(), words.join("; "));
                    self.mail_of_quorum(service, up, &words, now);
                    self.log(Entry::Quorum { service: service.clone(), up, stands_in, words });
                }
                Change::Panic { on } => {
                    let words = panic.clone().unwrap_or_else(|| {
                        "no more servers fail than checks may take out (panic_threshold)".to_owned()
                    });
                    if config.alert {
                        self.notify(now, |heading| Notice::panic(heading, service, on, &words, left));
                    }
                    self.log(Entry::Panic { service: service.clone(), on, words });
                }
                Change::StandIn => {
                    let stands_in = stands_in.clone();
                    self.log(Entry::StandIn { service: service.clone(), stands_in });
                }
            }
        }
    }

    /// People hear of a service that it lost its quorum, or has it again; not that it has one from the start.
    fn mail_of_quorum(&mut self, service: &Served, up: bool, words: &str, now: Instant) {
        let Some(pool) = self.pools.get_mut(service) else { return };
        let told = std::mem::replace(&mut pool.told_lost, !up);
        if pool.config.alert && (told || !up) {
            let left = pool.serving();
            self.notify(now, |heading| Notice::quorum(heading, service, up, words, left));
        }
    }

    /// People hear of a server that it is down, or back.
    pub(super) fn mail_of_server(
        &mut self,
        service: &Served,
        key: &DestinationKey,
        up: bool,
        reason: &str,
        now: Instant,
    ) {
        let Some(pool) = self.pools.get_mut(service) else { return };
        let left = pool.serving();
        let alert = pool.servers.change(key, |server| {
            server.told_up = up;
            server.config.alert
        });
        if alert == Some(true) {
            let name = server_name(service, key);
            self.notify(now, |heading| Notice::server(heading, service, name, up, reason, left));
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
