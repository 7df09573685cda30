//! The kernel's connections, for those who ask: their numbers from the owner of the table, and themselves from
//! `/proc/net/ip_vs_conn`, which is read on a thread where nothing waits for it.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, BufRead, BufReader};
use std::sync::mpsc::Sender;
use std::time::Duration;

use ipvs_backend::{Connection, ConnectionCounts, DestinationKey, Protocol, ServiceKey};
use tokio::sync::oneshot;

use super::table::Job;
use super::tally::Tally;
use crate::director::effect::Counted;

/// Connections of real servers by service.
pub(crate) type Counts = BTreeMap<ServiceKey, BTreeMap<DestinationKey, ConnectionCounts>>;

/// How long a tally may take: whoever asks how things are is not kept waiting for a kernel that loads modules.
const PATIENCE: Duration = Duration::from_secs(3);

/// The way to the owner of the table, for those who count connections.
#[derive(Debug, Clone)]
pub(crate) struct Counter {
    table: Sender<Job>,
}

impl Counter {
    pub(super) fn new(table: Sender<Job>) -> Self {
        Self { table }
    }

    /// What our services and their real servers do at this moment, as the kernel has counted it.
    ///
    /// # Errors
    /// A sentence: the table is out of reach, its owner has more urgent things to do, or the daemon ends.
    pub(crate) async fn tally(&self) -> Result<Tally, String> {
        let (sender, receiver) = oneshot::channel();
        let ends = || "directord is stopping".to_owned();
        self.table.send(Job::Tally(sender)).map_err(|_| ends())?;
        match tokio::time::timeout(PATIENCE, receiver).await {
            Ok(answer) => answer.map_err(|_| ends())?,
            Err(_) => Err(format!("the IPVS table did not answer within {} s", PATIENCE.as_secs())),
        }
    }

    /// The connections of these servers at this moment; of one that is not in the kernel's table, nothing.
    ///
    /// # Errors
    /// A sentence: the table is out of reach, or the daemon ends.
    pub(crate) async fn count(&self, servers: &[(ServiceKey, DestinationKey)]) -> Result<Counts, String> {
        let mut wanted = Counted::new();
        for (service, server) in servers {
            wanted.entry(*service).or_default().insert(*server);
        }
        let (sender, receiver) = oneshot::channel();
        let ends = || "directord is stopping".to_owned();
        self.table.send(Job::CountOnce(wanted, sender)).map_err(|_| ends())?;
        receiver.await.map_err(|_| ends())?
    }
}

/// The connections that must end before a server is empty. Those of TCP and SCTP are counted apart while they are
/// established; all others count as what they are. A client that is bound to the server may come back to it, unless
/// templates move.
pub(crate) fn left(service: &ServiceKey, counts: ConnectionCounts, templates_move: bool) -> u64 {
    let ConnectionCounts { active, inactive, persistent } = counts;
    let told_apart = matches!(service, ServiceKey::Address { protocol: Protocol::Tcp | Protocol::Sctp, .. });
    let inactive = if told_apart { 0 } else { inactive };
    let persistent = if templates_move { 0 } else { persistent };
    u64::from(active) + u64::from(inactive) + u64::from(persistent)
}

/// Whether a client that is bound to a server of weight 0 goes elsewhere with its next connection
/// (`net.ipv4.vs.expire_quiescent_template`).
pub(crate) fn templates_move() -> bool {
    switch("expire_quiescent_template")
}

/// Whether a connection ends with its next packet when its server is no longer in the table
/// (`net.ipv4.vs.expire_nodest_conn`). Otherwise its packets are dropped until it is forgotten.
pub(crate) fn end_without_server() -> bool {
    switch("expire_nodest_conn")
}

/// A switch of this network namespace; one that the kernel does not have is off.
fn switch(name: &str) -> bool {
    fs::read_to_string(format!("/proc/sys/net/ipv4/vs/{name}")).is_ok_and(|text| text.trim() != "0")
}

/// The connections for which `wanted` holds, at most `most` of them, and how many there are. A kernel without IPVS has
/// none.
///
/// # Errors
/// What reading came to.
pub(crate) fn list(most: usize, wanted: impl Fn(&Connection) -> bool) -> io::Result<(Vec<Connection>, u64)> {
    // The network namespace is that of the thread.
    let file = match File::open("/proc/thread-self/net/ip_vs_conn") {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok((Vec::new(), 0)),
        file => file?,
    };
    let (mut found, mut count) = (Vec::new(), 0);
    // In large gulps: between two the table goes on changing.
    let (mut file, mut line) = (BufReader::with_capacity(1 << 20, file), Vec::new());
    loop {
        line.clear();
        if file.read_until(b'\n', &mut line)? == 0 {
            return Ok((found, count));
        }
        // What a persistence engine adds at the end may be any bytes.
        let Some(connection) = Connection::parse(&String::from_utf8_lossy(&line)).filter(&wanted) else {
            continue;
        };
        count += 1;
        if found.len() < most {
            found.push(connection);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_must_end_depends_on_protocol_and_templates() {
        let counts = ConnectionCounts { active: 1, inactive: 20, persistent: 300 };
        let key = |text: &str| text.parse::<ServiceKey>().unwrap();
        assert_eq!(left(&key("[10.0.0.1]:tcp:80"), counts, true), 1);
        assert_eq!(left(&key("[10.0.0.1]:tcp:80"), counts, false), 301);
        assert_eq!(left(&key("[10.0.0.1]:udp:53"), counts, true), 21);
        assert_eq!(left(&key("FWM 1"), counts, false), 321);
    }
}
