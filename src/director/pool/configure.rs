//! How a pool takes on a configuration: real server by real server, and what follows is decided when all are through.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Instant;

use healthcheck::Check;
use ipvs_backend::DestinationKey;

use super::server::{neighbours, same_question};
use super::{Change, CheckRun, Pool, Server, StandIn, rhythm};
use crate::config::{Config, RealServer, VirtualServer};
use crate::director::event::CheckId;

/// What a configuration changed.
#[derive(Debug, Default)]
pub(in crate::director) struct Configured {
    /// What is different now.
    pub(in crate::director) changes: Vec<Change>,
    /// Servers that are new and serve from now on.
    pub(in crate::director) started: Vec<DestinationKey>,
    /// Servers that are in a `maintenance_window` no longer.
    pub(in crate::director) released: Vec<DestinationKey>,
}

/// What one real server has taken on since it was last decided who serves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fresh {
    /// Everything.
    New,
    /// Something else than before.
    Changed,
}

impl Pool {
    /// One real server takes over what is configured: what is still asked for keeps its history. Returns the checks that
    /// are no more; `None` if nothing is different, so that nothing is to be done, which is not asked with `anew`.
    ///
    /// `new_check` makes a running check from its specification.
    pub(in crate::director) fn take_on(
        &mut self,
        (key, config): (&DestinationKey, &Arc<RealServer>),
        (backup, anew): (bool, bool),
        all: &Config,
        now: Instant,
        mut new_check: impl FnMut(&Arc<Check>) -> CheckRun,
    ) -> Option<Vec<CheckId>> {
        let wanted = self.steered.get(key);
        let was_in_window = self.servers.get(key).is_some_and(|server| server.in_window);
        if was_in_window && !wanted.is_some_and(|wanted| wanted.in_window) {
            self.released.push(*key);
        }
        let was_up = match self.servers.get_mut(key) {
            // Nearly all, where ten thousand are read again for the sake of one.
            Some(same) if same.backup == backup && !anew && same.is_as_before(config) => {
                same.wanted(wanted);
                return None;
            }
            Some(server) => Some(server.up),
            None => None,
        };
        let server = self.servers.entry(*key).or_insert_with(|| Server::new(config.clone(), now));
        let is_new = was_up.is_none() || server.fresh == Some(Fresh::New);
        server.fresh = Some(if is_new { Fresh::New } else { Fresh::Changed });
        server.config = config.clone();
        server.backup = backup;
        server.wanted(wanted);
        // Room for exactly these: a check is large, and servers are many.
        let room = Vec::with_capacity(config.checks.len());
        let mut runs = std::mem::replace(&mut server.checks, room);
        for spec in &config.checks {
            let run = match runs.iter().position(|run| same_question(&run.spec, spec)) {
                Some(at) => kept(runs.remove(at), spec, now),
                None => {
                    // A new server waits where it is told to; one that is down waits, one that serves does not.
                    let must_pass = was_up.filter(|_| !is_new).map_or(spec.schedule.alpha, |up| !up);
                    CheckRun { must_pass, ..new_check(spec) }
                }
            };
            server.checks.push(run);
        }
        server.neighbours = neighbours(config, &server.neighbours);
        let ids: Vec<CheckId> = server.checks.iter().map(|run| run.id).collect();
        server.given = server.given.configured(config, &ids, all);
        server.judge(now);
        Some(runs.iter().map(|run| run.id).collect())
    }

    /// A real server is not configured any more: the checks that end with it.
    pub(in crate::director) fn drop_server(&mut self, key: &DestinationKey) -> Vec<CheckId> {
        let gone = self.servers.remove(key);
        gone.iter().flat_map(|server| server.checks.iter().map(|run| run.id)).collect()
    }

    /// All real servers have taken over what this says of them: decides what follows.
    pub(in crate::director) fn configured(&mut self, config: Arc<VirtualServer>, now: Instant) -> Configured {
        let released = std::mem::take(&mut self.released);
        let mut done = Configured { released, ..Configured::default() };
        let (is_new, before) = (self.serves.is_empty(), self.before());
        self.config = config;
        let flipped: BTreeSet<DestinationKey> = self.settle(now).into_iter().collect();
        let mut concerned: Vec<(DestinationKey, Option<Fresh>)> = Vec::new();
        for (key, server) in &mut self.servers {
            let fresh = server.fresh.take();
            if fresh.is_some() || flipped.contains(key) {
                server.note_waiting((fresh != Some(Fresh::New)).then_some(server.up));
                concerned.push((*key, fresh));
            }
        }
        for (key, fresh) in concerned {
            let Some(server) = self.servers.get(&key) else { continue };
            if fresh == Some(Fresh::New) {
                done.started.extend(server.up.then_some(key));
            } else if flipped.contains(&key) {
                let why = match server.failing {
                    Some(_) => server.reason(),
                    None => "the configuration was changed".to_owned(),
                };
                done.changes.push(self.change(key, server, why));
            }
        }
        let of_pool = self.note(&before);
        let told = of_pool.iter().any(|change| matches!(change, Change::Quorum { .. }));
        done.changes.extend(of_pool);
        // As keepalived, which tells at the start of a quorum, and of none if the sorry server stands in.
        if !told && is_new && self.stand_in() != StandIn::Nobody {
            done.changes.retain(|change| *change != Change::StandIn);
            done.changes.push(Change::Quorum { up: self.quorum.up });
        }
        done
    }
}

/// A check that goes on, with another rhythm perhaps.
fn kept(mut run: CheckRun, spec: &Arc<Check>, now: Instant) -> CheckRun {
    if run.spec.schedule != spec.schedule {
        run.monitor.handle_schedule(rhythm(spec), now);
    }
    run.spec = spec.clone();
    run
}
