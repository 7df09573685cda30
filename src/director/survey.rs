//! A snapshot that is put together piece by piece, because that of tens of thousands of real servers takes longer than
//! an advert can wait.
//!
//! Each instance and each virtual server is shown as it was at one instant; between two of them time may have passed.

use std::ops::Bound;
use std::time::Instant;

use super::Director;
use super::snapshot::{Snapshot, service_status};
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
            Next::Service(after) => {
                let first = after.as_ref().map_or(Bound::Unbounded, Bound::Excluded);
                let (mut left, mut last) = (SERVERS, None);
                for (key, pool) in self.pools.range::<Served, _>((first, Bound::Unbounded)) {
                    survey.snapshot.services.push(service_status(pool, now));
                    last = Some(key.clone());
                    left = left.saturating_sub(1 + pool.servers.len());
                    if left == 0 {
                        break;
                    }
                }
                if left > 0 {
                    return Ok(survey.snapshot);
                }
                survey.next = Next::Service(last);
            }
        }
        Err(survey)
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
