//! What services and real servers do, counted by the kernel, for those who ask for it (`directord status`).
//!
//! It is read on demand: whoever does not look pays nothing, and who looks sees what is so now. The owner of the table
//! reads it piece by piece, and changes of the table that come meanwhile go first. Who asks while a reading is under way
//! shares it, so that many readers cost no more than one.

use std::collections::{BTreeMap, VecDeque};
use std::fs;

use ipvs_backend::{ServiceKey, ServiceUsage};
use tokio::sync::oneshot;

use super::table::Owner;

/// Real servers read in one piece: some milliseconds.
const PIECE: usize = 1000;

/// What our services do.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    /// Those that are in the table.
    pub(crate) services: BTreeMap<ServiceKey, ServiceUsage>,
    /// Whether the kernel counts at all: with `net.ipv4.vs.run_estimation` off it does not add up what it sees, and all
    /// numbers but those of connections stand still.
    pub(crate) counting: bool,
}

/// Where a tally goes, or why there is none.
pub(crate) type Reply = oneshot::Sender<Result<Tally, String>>;

/// The tally under way, and who waits for it.
#[derive(Debug, Default)]
pub(super) struct Tallies {
    readers: Vec<Reply>,
    under_way: Option<(Tally, VecDeque<ServiceKey>)>,
}

impl Tallies {
    /// Somebody wants one.
    pub(super) fn ask(&mut self, reply: Reply) {
        self.readers.push(reply);
    }

    /// Whether there is more to read.
    pub(super) fn is_wanted(&self) -> bool {
        !self.readers.is_empty()
    }

    /// Reads the next piece, and answers when it was the last.
    pub(super) fn go_on(&mut self, owner: &mut Owner) {
        // Who has gone away needs no answer.
        self.readers.retain(|reader| !reader.is_closed());
        if self.readers.is_empty() {
            self.under_way = None;
            return;
        }
        let answer = match self.read(owner) {
            Ok(false) => return,
            Ok(true) => Ok(self.under_way.take().map(|(tally, _)| tally).unwrap_or_default()),
            Err(why) => Err(why),
        };
        self.under_way = None;
        for reader in self.readers.drain(..) {
            let _ = reader.send(answer.clone());
        }
    }

    /// Whether that was the last piece.
    fn read(&mut self, owner: &mut Owner) -> Result<bool, String> {
        // What is out of reach is told elsewhere; a table that was not needed so far holds nothing of ours.
        let Some(table) = owner.table() else { return Ok(true) };
        let (tally, left) = match &mut self.under_way {
            Some(under_way) => under_way,
            none => {
                let mut traffic = table.traffic().map_err(|error| error.to_string())?;
                traffic.retain(|key, _| table.ours().contains(key));
                let left = traffic.keys().copied().collect();
                let services = traffic.into_iter().map(|(key, traffic)| {
                    let servers = BTreeMap::new();
                    (key, ServiceUsage { traffic, servers })
                });
                none.insert((Tally { services: services.collect(), counting: counts() }, left))
            }
        };
        let mut read = 0;
        while read < PIECE
            && let Some(key) = left.pop_front()
        {
            let servers = table.usage(&key).map_err(|error| error.to_string())?;
            read += 1 + servers.len();
            if let Some(service) = tally.services.get_mut(&key) {
                service.servers = servers;
            }
        }
        Ok(left.is_empty())
    }
}

/// Whether the kernel counts in the network namespace of this thread. One without that switch always does.
fn counts() -> bool {
    !fs::read_to_string("/proc/sys/net/ipv4/vs/run_estimation").is_ok_and(|text| text.trim() == "0")
}
