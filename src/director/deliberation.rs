//! What an override would mean, worked out piece by piece before it is granted: an operator's question about tens of
//! thousands of real servers must not hold up an advert.
//!
//! Nothing is changed by it. Each piece sees the servers as they are at its moment; a virtual server that leaves the
//! configuration meanwhile is left out.

use std::ops::Bound;
use std::sync::Arc;

use ipvs_backend::DestinationKey;

use super::Director;
use super::overrides::{Kind, Steer};
use super::pool::{Pool, Share};
use super::snapshot::{Consideration, Endangered};
use super::target::{Target, word};
use crate::config::{Config, Served};

/// Real servers in one piece.
const PIECE: usize = 256;

/// The answer in the making.
#[derive(Debug)]
pub struct Deliberation {
    so_far: Consideration,
    /// What would become of the servers that are meant.
    wish: Steer,
    place: Place,
}

/// Where it goes on.
#[derive(Debug)]
enum Place {
    /// With the first virtual server.
    Start,
    /// In this virtual server, behind this real server; what those before it came to.
    Within(Served, DestinationKey, Share),
    /// Behind this virtual server.
    Behind(Served),
}

impl Director {
    /// The configuration in effect, for those who search through it: they do that elsewhere.
    pub fn configuration(&self) -> Arc<Config> {
        self.config.clone()
    }

    /// Begins to work out what it would come to if this were said of a target: nothing is changed yet.
    ///
    /// # Errors
    /// A sentence for the operator.
    pub fn deliberate(
        &self,
        target: Target,
        kind: Kind,
        weight: Option<u32>,
    ) -> Result<Box<Deliberation>, String> {
        if !self.overrides.has_room(&target, kind) {
            return Err(format!(
                "there are {} overrides already; take some back first",
                super::overrides::MOST
            ));
        }
        let so_far = Consideration::of_nothing(target);
        let wish = weight.map_or(Steer::Out, Steer::Weight);
        Ok(Box::new(Deliberation { so_far, wish, place: Place::Start }))
    }

    /// Goes on with it; the whole answer once it is complete.
    pub fn deliberate_on(
        &self,
        mut unfinished: Box<Deliberation>,
    ) -> Result<Consideration, Box<Deliberation>> {
        let mut left = PIECE;
        while left > 0 {
            let Some((served, pool)) = self.pool_at(&unfinished) else { return Ok(unfinished.so_far) };
            left = left.saturating_sub(unfinished.look_at(served, pool, left));
        }
        Err(unfinished)
    }

    /// The virtual server that is to be looked at next, or further.
    fn pool_at(&self, unfinished: &Deliberation) -> Option<(&Served, &Pool)> {
        let first = match (&unfinished.place, unfinished.so_far.target.service()) {
            (Place::Behind(_), Some(_)) => return None,
            (_, Some(only)) => return self.pools.get_key_value(only),
            (Place::Start, None) => Bound::Unbounded,
            (Place::Within(served, ..), None) => Bound::Included(served),
            (Place::Behind(served), None) => Bound::Excluded(served),
        };
        self.pools.range::<Served, _>((first, Bound::Unbounded)).next()
    }
}

impl Deliberation {
    /// Looks at some real servers of a virtual server; tells how much work that was.
    fn look_at(&mut self, served: &Served, pool: &Pool, most: usize) -> usize {
        let (first, mut share) = match &self.place {
            Place::Within(place, behind, share) if place == served => (Bound::Excluded(*behind), *share),
            _ => (Bound::Unbounded, Share::default()),
        };
        let (mut looked_at, mut last) = (0, None);
        for (key, server) in pool.servers.range((first, Bound::Unbounded)).take(most) {
            (looked_at, last) = (looked_at + 1, Some(*key));
            let hit = self.so_far.target.covers(served, key);
            share.add(server, hit.then_some(self.wish));
            if hit {
                self.so_far.members.push((served.clone(), *key));
                self.so_far.covered.extend(pool.places(key));
                self.so_far.persistent |= pool.config.settings.persistence.is_some();
            }
        }
        self.place = match last.filter(|_| looked_at == most) {
            Some(last) => Place::Within(served.clone(), last, share),
            None => {
                if pool.would_lose_quorum(share) {
                    let target = &self.so_far.target;
                    let stands_in = pool.would_stand_in(|server| target.covers(served, server));
                    self.so_far.endangered.push(Endangered { service: word(served), stands_in });
                }
                Place::Behind(served.clone())
            }
        };
        1 + looked_at
    }
}
