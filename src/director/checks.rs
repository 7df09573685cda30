//! What readers may know of checks: the latest results of each, which would make every snapshot several times as
//! heavy, and so are told on demand only.
//!
//! Like a snapshot they are handed out in pieces that take less time than an advert can wait. A piece holds what the
//! brain holds; words and numbers are made of it by whoever asked.

use std::ops::Bound;
use std::sync::Arc;
use std::time::{Duration, Instant};

use healthcheck::{Check, History, Reason, Verdict};
use ipvs_backend::DestinationKey;

use super::Director;
use super::pool::Server;
use super::target::Target;
use crate::config::{Config, Served};

/// Real servers looked at for one piece.
const SERVERS: usize = 64;
/// Virtual servers passed for one piece, whether they are asked for or not.
const SERVICES: usize = 256;

/// One check of one real server at one instant.
#[derive(Debug, Clone)]
pub struct CheckView {
    /// Of which virtual server.
    pub service: Served,
    /// Of which real server.
    pub server: DestinationKey,
    /// What it says.
    pub verdict: Verdict,
    /// What it does.
    pub work: Work,
}

/// What a check does.
#[derive(Debug, Clone)]
pub enum Work {
    /// It asks, again and again.
    Asks(Box<Asking>),
    /// It looks at what is known anyway (`BFD_CHECK`, `FILE_CHECK`).
    Looks {
        /// Its keyword, and what it looks at.
        check: String,
        /// What is known, in words.
        words: String,
    },
}

/// A check that asks.
#[derive(Debug, Clone)]
pub struct Asking {
    /// The question.
    pub spec: Arc<Check>,
    /// The latest results.
    pub history: History,
    /// When it asks next, and why then; none while an attempt runs.
    pub next: Option<(Instant, Reason)>,
    /// Whether it rests.
    pub rests: bool,
    /// How often it has asked.
    pub attempts: u64,
}

/// Where a reader of checks goes on: behind this real server.
pub type Bookmark = (Served, DestinationKey);

/// Some checks.
#[derive(Debug)]
pub struct CheckPage {
    /// They.
    pub views: Vec<CheckView>,
    /// Where there may be more.
    pub next: Option<Bookmark>,
}

/// What the words of an operator mean among the virtual servers of a configuration and their real servers. Of tens of
/// thousands it takes its time: not for the brain's thread.
///
/// # Errors
/// A sentence that says what there is.
pub fn meant(what: &str, config: &Config) -> Result<Target, String> {
    Target::find_in(config, what)
}

impl Director {
    /// For how much longer the master must be silent before this instance, a backup, takes over.
    pub fn silence_left(&self, instance: &str, now: Instant) -> Option<Duration> {
        match self.instances.get(instance)?.router.poll_timeout()? {
            (at, vrrp::Reason::MasterDown) => Some(at.saturating_duration_since(now)),
            _ => None,
        }
    }

    /// The next checks of a target (`None`: all) behind a bookmark.
    pub fn check_page(&self, target: Option<&Target>, after: Option<&Bookmark>) -> CheckPage {
        let mut page = CheckPage { views: Vec::new(), next: None };
        let (mut servers_left, mut services_left) = (SERVERS, SERVICES);
        let first = after.map_or(Bound::Unbounded, |(served, _)| Bound::Included(served));
        for (served, pool) in self.pools.range::<Served, _>((first, Bound::Unbounded)) {
            services_left -= 1;
            let behind = after.filter(|(last, _)| last == served).map(|(_, server)| server);
            let concerned = target.is_none_or(|target| target.concerns(served));
            let rest = (behind.map_or(Bound::Unbounded, Bound::Excluded), Bound::Unbounded);
            for (key, server) in pool.servers.range::<DestinationKey, _>(rest).filter(|_| concerned) {
                if target.is_none_or(|target| target.covers(served, key)) {
                    self.views(&mut page.views, served, *key, server);
                }
                servers_left -= 1;
                if servers_left == 0 {
                    page.next = Some((served.clone(), *key));
                    return page;
                }
            }
            if services_left == 0 {
                // Behind the last of its servers there is the next virtual server.
                let last = pool.servers.keys().next_back().copied();
                page.next = last.map(|last| (served.clone(), last));
                if page.next.is_some() {
                    return page;
                }
                services_left = 1;
            }
        }
        page
    }

    fn views(&self, into: &mut Vec<CheckView>, served: &Served, key: DestinationKey, server: &Server) {
        let view = |verdict, work| CheckView { service: served.clone(), server: key, verdict, work };
        into.extend(server.checks.iter().map(|run| {
            // Whoever asks for several knows when.
            let asker = self.run(self.sharing.asker(run.id)).map_or(run, |(_, asker)| asker);
            let asking = Asking {
                spec: run.spec.clone(),
                history: run.monitor.history().clone(),
                next: asker.monitor.poll_timeout(),
                rests: asker.monitor.suspended(),
                attempts: asker.monitor.attempts(),
            };
            view(run.monitor.verdict(), Work::Asks(Box::new(asking)))
        }));
        into.extend(server.neighbours.iter().map(|(name, check)| {
            let (check, words) = (check.verdict(), check.words.clone());
            view(check, Work::Looks { check: format!("BFD_CHECK {name}"), words })
        }));
        into.extend(server.given.files().map(|(name, verdict, words)| {
            view(verdict, Work::Looks { check: format!("FILE_CHECK {name}"), words: words.to_owned() })
        }));
    }
}
