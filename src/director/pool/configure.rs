//! How a pool takes on a configuration: real server by real server, and what follows is decided when all are through,
//! again a piece at a time.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Instant;

use healthcheck::Check;
use ipvs_backend::DestinationKey;

use super::server::{neighbours, same_question};
use super::settle::{Before, Decided};
use super::{Change, CheckRun, Pool, Server, StandIn, rhythm};
use crate::config::{Config, RealServer, VirtualServer};
use crate::director::event::CheckId;
use crate::director::overrides::Wanted;

/// A pool between two configurations.
#[derive(Debug)]
pub(super) struct Way {
    /// Whether it has never had one.
    is_new: bool,
    /// How it stood when it set off.
    before: Before,
    /// What has changed since.
    done: Configured,
}

/// What a configuration changed.
#[derive(Debug, Default)]
pub(in crate::director) struct Configured {
    /// What is different now.
    pub(in crate::director) changes: VecDeque<Change>,
    /// Servers that are new and serve from now on.
    pub(in crate::director) started: VecDeque<DestinationKey>,
    /// Servers that are in a `maintenance_window` no longer.
    pub(in crate::director) released: VecDeque<DestinationKey>,
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
    /// One real server takes over what is configured, and what operators and the clock want of it: what is still asked for
    /// keeps its history. Returns the checks that are no more; `None` if nothing is different, so that nothing is to be done,
    /// which is not asked with `anew`.
    ///
    /// `new_check` makes a running check from its specification.
    pub(in crate::director) fn take_on(
        &mut self,
        (key, config): (&DestinationKey, &Arc<RealServer>),
        (backup, anew, wish): (bool, bool, Wanted),
        all: &Config,
        now: Instant,
        mut new_check: impl FnMut(&Arc<Check>) -> CheckRun,
    ) -> Option<Vec<CheckId>> {
        let was_up = match self.servers.get(key) {
            // Nearly all, where ten thousand are read again for the sake of one.
            Some(same) if same.backup == backup && !anew && same.is_as_before(config) => {
                self.wish(key, wish);
                return None;
            }
            Some(server) => Some(server.up),
            None => None,
        };
        self.wish(key, wish);
        self.servers.enter(*key, || Server::new(config.clone(), now));
        self.servers.change(key, |server| {
            let is_new = was_up.is_none() || server.fresh == Some(Fresh::New);
            server.fresh = Some(if is_new { Fresh::New } else { Fresh::Changed });
            server.config = config.clone();
            server.backup = backup;
            server.take_wish(wish);
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
            runs.iter().map(|run| run.id).collect()
        })
    }

    /// A real server is not configured any more: the checks that end with it.
    pub(in crate::director) fn drop_server(&mut self, key: &DestinationKey) -> Vec<CheckId> {
        let gone = self.servers.remove(key);
        gone.iter().flat_map(|server| server.checks.iter().map(|run| run.id)).collect()
    }

    /// From now on it takes on a configuration: nothing is decided about it until [`Pool::arrive`].
    pub(in crate::director) fn set_off(&mut self) {
        if self.way.is_none() {
            let (is_new, before) = (self.serves.is_empty(), self.before());
            self.way = Some(Box::new(Way { is_new, before, done: Configured::default() }));
        }
        // Each server hears anew what operators want.
        self.half_steered = false;
    }

    /// All real servers have taken over what this says of them: decides about so many of them what follows; true if
    /// nothing was left to decide, and how much work it was.
    pub(in crate::director) fn configure_some(
        &mut self,
        config: &Arc<VirtualServer>,
        most: usize,
        now: Instant,
    ) -> (bool, usize) {
        if !Arc::ptr_eq(&self.config, config) {
            self.note_sorry();
            self.config = config.clone();
            self.note_sorry();
        }
        let (decided, all) = self.settle_some(most, now);
        let worked = if decided.is_empty() && !all { most } else { decided.len() };
        for Decided { key, flipped, fresh } in decided.into_iter().filter(|d| d.flipped || d.fresh.is_some())
        {
            self.servers.change(&key, |server| {
                server.note_waiting((fresh != Some(Fresh::New)).then_some(server.up));
            });
            let Some(server) = self.servers.get(&key) else { continue };
            let is_new = fresh == Some(Fresh::New);
            let started = (is_new && server.up).then_some(key);
            let change = (flipped && !is_new).then(|| {
                let why = match server.failing {
                    Some(_) => server.reason(),
                    None => "the configuration was changed".to_owned(),
                };
                self.change(key, server, why)
            });
            if let Some(way) = &mut self.way {
                way.done.started.extend(started);
                way.done.changes.extend(change);
            }
        }
        (all, worked)
    }

    /// It has taken on its configuration, and what follows is decided about each server: what that is.
    pub(in crate::director) fn arrive(&mut self) -> Configured {
        let Some(way) = self.way.take() else { return Configured::default() };
        let Way { is_new, before, mut done } = *way;
        done.released = std::mem::take(&mut self.released).into();
        let of_pool = self.note(&before);
        let told = of_pool.iter().any(|change| matches!(change, Change::Quorum { .. }));
        done.changes.extend(of_pool);
        // As keepalived, which tells at the start of a quorum, and of none if the sorry server stands in.
        if !told && is_new && self.stand_in() != StandIn::Nobody {
            done.changes.retain(|change| *change != Change::StandIn);
            done.changes.push_back(Change::Quorum { up: self.quorum.up });
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
