//! A snapshot that is put together piece by piece, because that of tens of thousands of real servers takes longer than
//! an advert can wait.
//!
//! Each instance and each real server is shown as it was at one instant; between two of them time may have passed.

use std::ops::Bound;
use std::time::Instant;

use ipvs_backend::DestinationKey;

use super::Director;
use super::snapshot::Snapshot;
use crate::config::Served;

/// Real servers in one piece.
const SERVERS: usize = 64;
/// Instances in one piece.
const INSTANCES: usize = 16;

/// A snapshot in the making.
#[derive(Debug)]
pub struct Survey {
    snapshot: Snapshot,
    next: Next,
}

/// Where it goes on.
#[derive(Debug)]
enum Next {
    /// Behind this instance.
    Instance(String),
    /// Behind this virtual server, or with the first one.
    Service(Option<Served>),
    /// In the virtual server that was shown last, behind this real server.
    Server(Served, DestinationKey),
}

impl Director {
    /// Begins a snapshot.
    pub fn survey(&self, now: Instant) -> Box<Survey> {
        // No instance has an empty name, so this is before the first one.
        Box::new(Survey { snapshot: self.frame(now), next: Next::Instance(String::new()) })
    }

    /// Goes on with a snapshot; the whole of it once it is complete.
    pub fn survey_on(&self, mut survey: Box<Survey>, now: Instant) -> Result<Snapshot, Box<Survey>> {
        match &survey.next {
            Next::Instance(after) => {
                let rest = (Bound::Excluded(after.as_str()), Bound::Unbounded);
                let mut last = None;
                for (name, instance) in self.instances.range::<str, _>(rest).take(INSTANCES) {
                    survey.snapshot.instances.push(self.instance_status(name, instance, now));
                    last = Some(name.clone());
                }
                survey.next = last.map_or(Next::Service(None), Next::Instance);
            }
            Next::Service(_) | Next::Server(..) => {
                let mut left = SERVERS;
                while left > 0 {
                    match self.survey_services(&mut survey, left, now) {
                        Some(looked_at) => left = left.saturating_sub(looked_at),
                        None => return Ok(survey.snapshot),
                    }
                }
            }
        }
        Err(survey)
    }

    /// One virtual server, or a part of a large one; how much work that was. `None`: there is none left.
    fn survey_services(&self, survey: &mut Survey, most: usize, now: Instant) -> Option<usize> {
        let (pool, behind) = match &survey.next {
            // One that has left the configuration meanwhile is shown as far as it was seen.
            Next::Server(served, behind) => match self.pools.get(served) {
                Some(pool) => (pool, Some(*behind)),
                None => {
                    survey.next = Next::Service(Some(served.clone()));
                    return Some(1);
                }
            },
            Next::Service(after) => {
                let first = after.as_ref().map_or(Bound::Unbounded, Bound::Excluded);
                let (_, pool) = self.pools.range::<Served, _>((first, Bound::Unbounded)).next()?;
                survey.snapshot.services.push(self.service_status(pool, now));
                (pool, None)
            }
            Next::Instance(_) => return None,
        };
        let servers = self.server_statuses(pool, behind, most, now);
        let (looked_at, served) = (servers.len(), pool.served.clone());
        survey.next = match servers.last().filter(|_| looked_at == most) {
            Some(last) => Next::Server(served, last.server),
            None => Next::Service(Some(served)),
        };
        if let Some(service) = survey.snapshot.services.last_mut() {
            service.servers.extend(servers);
        }
        Some(1 + looked_at)
    }

    /// The state at this instant, whole.
    pub fn snapshot(&self, now: Instant) -> Snapshot {
        let mut survey = self.survey(now);
        loop {
            match self.survey_on(survey, now) {
                Ok(snapshot) => return snapshot,
                Err(rest) => survey = rest,
            }
        }
    }
}
