//! `vip_check`: while another director is master, this one asks the address of a service as a client would.
//!
//! The backup has the service in its own table too, and would answer itself; so the probe carries a mark whose service
//! (see `via`) has the address itself behind it, by direct routing: the packet leaves for whoever holds the address.
//! What is found out is told and shown, and changes nothing: it is the master's table that would have to change.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use healthcheck::{Check, FailureKind, Monitor, Outcome, Verdict};
use ipvs_backend::ServiceKey;
use notify::Notice;
use serde::{Deserialize, Serialize};

use super::effect::{Attempt, Effect};
use super::event::CheckId;
use super::journal::Entry;
use super::pool::{rhythm, words};
use super::{Director, Owner, Pending};
use crate::config::Served;

/// The checks of all virtual servers' addresses.
#[derive(Debug, Default)]
pub(super) struct VipChecks {
    runs: BTreeMap<Served, VipRun>,
    places: BTreeMap<CheckId, Served>,
}

/// One of them.
#[derive(Debug)]
struct VipRun {
    id: CheckId,
    spec: Arc<Check>,
    monitor: Monitor,
    since: Instant,
}

/// What the backup finds at the address of a virtual server.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct VipStatus {
    /// The check, by its keyword.
    pub check: String,
    /// `up`, `down` or `unknown`; of a time when this director was backup.
    pub verdict: String,
    /// For how long it has said so, in seconds.
    pub for_seconds: f64,
    /// What the last attempt said.
    pub last: Option<String>,
    /// Whether nobody is asked, because the address is on this host or the table is not ready.
    pub rests: bool,
}

impl Director {
    /// Takes over what is configured of a virtual server, which may be gone.
    pub(super) fn configure_vip_check(&mut self, served: &Served, now: Instant) {
        let wanted = self.config.virtual_server(served).and_then(|config| config.vip_check.clone());
        let same = |run: &VipRun| wanted.as_ref() == Some(&run.spec);
        if self.vips.runs.get(served).is_some_and(same) {
            return self.rest_vip_check(served, now);
        }
        self.forget_vip_check(served);
        let Some(spec) = wanted else { return };
        let id = CheckId(self.next_check);
        self.next_check += 1;
        let monitor = Monitor::new(rhythm(&spec), spec.steps(), self.birth.seed.wrapping_add(id.0), now);
        self.vips.places.insert(id, served.clone());
        self.vips.runs.insert(served.clone(), VipRun { id, spec, monitor, since: now });
        self.rest_vip_check(served, now);
    }

    /// A virtual server is no more, or its address is asked something else.
    pub(super) fn forget_vip_check(&mut self, served: &Served) {
        if let Some(old) = self.vips.runs.remove(served) {
            self.vips.places.remove(&old.id);
            self.agenda.set(Owner::Check(old.id), None);
        }
    }

    /// After a change of addresses or of the table: checks rest or go on.
    pub(super) fn rest_vip_checks(&mut self, now: Instant) {
        let all: Vec<Served> = self.vips.runs.keys().cloned().collect();
        for served in all {
            self.rest_vip_check(&served, now);
        }
    }

    /// The same for one.
    pub(super) fn rest_vip_check(&mut self, served: &Served, now: Instant) {
        let Some(pool) = self.pools.get(served) else { return };
        let rests = self.is_here(&pool.serves) || self.vias.waits(served, &self.table);
        let Some(id) = self.vips.runs.get(served).map(|run| run.id) else { return };
        self.with_vip_check(id, now, |monitor| monitor.handle_suspension(rests, now));
    }

    /// An attempt has ended, if it was one of these.
    pub(super) fn vip_check_done(&mut self, id: CheckId, attempt: u64, outcome: Outcome, now: Instant) {
        self.with_vip_check(id, now, |monitor| monitor.handle_result(attempt, outcome, now));
    }

    /// Lets a monitor take in a fact, and hands on what it wants.
    pub(super) fn with_vip_check(&mut self, id: CheckId, now: Instant, fact: impl FnOnce(&mut Monitor)) {
        let Some(served) = self.vips.places.get(&id) else { return };
        let elsewhere = self.has_master_elsewhere(served);
        let Some(run) = self.vips.runs.get_mut(served) else { return };
        let before = run.monitor.verdict();
        fact(&mut run.monitor);
        while let Some(output) = run.monitor.poll_output() {
            if let healthcheck::Output::Attempt { number, step } = output {
                if elsewhere {
                    let probe = Effect::Probe(Attempt { check: id, number, step, spec: run.spec.clone() });
                    self.pending.push_back(Pending::Effect(probe));
                } else {
                    let reason = "could not ask: no master is heard that would hold the address";
                    let outcome = Outcome::failed(FailureKind::Local, reason, Duration::ZERO);
                    run.monitor.handle_result(number, outcome, now);
                }
            }
        }
        self.agenda.set(Owner::Check(id), run.monitor.poll_timeout().map(|(at, _)| at));
        let verdict = run.monitor.verdict();
        if verdict == before {
            return;
        }
        run.since = now;
        let reason = run.monitor.last().map(words).unwrap_or_default();
        let (service, up) = (served.clone(), verdict == Verdict::Up);
        // That all is well from the beginning is no news.
        if !up || before == Verdict::Down {
            let what = if up { "answers this backup again" } else { "does not answer this backup" };
            let subject = format!("virtual server {service} {what}");
            self.notify(now, |heading| Notice::daemon(heading, &subject, &reason));
        }
        self.log(Entry::VipCheck { service, up, reason });
    }

    /// Whether somebody else is master of the address; where no instance is responsible for it, others may know who is.
    fn has_master_elsewhere(&self, served: &Served) -> bool {
        let Served::Key(ServiceKey::Address { address, .. }) = served else { return false };
        let responsible = self
            .instances
            .values()
            .filter(|instance| instance.config.all_addresses().any(|held| held.address == *address));
        let mut backups = responsible.map(|instance| {
            instance.router.state() == vrrp::State::Backup && instance.router.master().is_some()
        });
        backups.all(|backup| backup)
    }

    pub(super) fn vip_status(&self, served: &Served, now: Instant) -> Option<VipStatus> {
        let run = self.vips.runs.get(served)?;
        let verdict = match run.monitor.verdict() {
            Verdict::Unknown => "unknown",
            Verdict::Up => "up",
            Verdict::Down => "down",
        };
        Some(VipStatus {
            check: run.spec.kind.to_string(),
            verdict: verdict.to_owned(),
            for_seconds: now.saturating_duration_since(run.since).as_secs_f64(),
            last: run.monitor.last().map(words),
            rests: run.monitor.suspended(),
        })
    }
}
