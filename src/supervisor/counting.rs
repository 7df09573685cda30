//! Counts, again and again, the connections of servers that are on their way out. It lives on the thread of the IPVS
//! table's owner, behind the table itself: what is counted has the weight that was wanted.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::connections::{self, left};
use super::inbox::Sender;
use super::table::Owner;
use crate::director::effect::Counted;
use crate::director::event::Event;

/// How often they are counted.
const INTERVAL: Duration = Duration::from_secs(1);

/// Whose connections are counted, and when that is next due.
#[derive(Debug, Default)]
pub(super) struct Counting {
    wanted: Arc<Counted>,
    due: Option<Instant>,
}

impl Counting {
    /// Counts these from now on.
    pub(super) fn follow(&mut self, wanted: Arc<Counted>) {
        self.due = (!wanted.is_empty()).then(Instant::now);
        self.wanted = wanted;
    }

    /// When it is due to count next.
    pub(super) fn due(&self) -> Option<Instant> {
        self.due
    }

    /// Counts if it is due, and tells the brain. A kernel that does not answer is asked again: nobody is taken for empty.
    pub(super) fn count(&mut self, owner: &mut Owner, inbox: &Sender) {
        if self.due.is_none_or(|due| due > Instant::now()) {
            return;
        }
        self.due = Some(Instant::now() + INTERVAL);
        let Ok(counts) = owner.connections(&self.wanted) else { return };
        let moves = connections::templates_move();
        let left = counts.into_iter().map(|(service, servers)| {
            let of = servers.into_iter().map(|(server, counts)| (server, left(&service, counts, moves)));
            (service, of.collect::<BTreeMap<_, _>>())
        });
        inbox.blocking_event(Event::ConnectionsCounted(left.collect()));
    }
}
