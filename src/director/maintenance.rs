//! Servers in maintenance: those that an operator, or a program of his, names by a file in a directory
//! (`maintenance_dir`).
//!
//! Such a server counts as down, whatever its checks say, which go on underneath; when the file is gone it counts as what
//! they say. A file is named by the server's address, or by address and port for one of several servers there; or by the
//! name of its host, which others look up. What follows from a server that is down is the service's to say, as always: `inhibit_on_failure`, the quorum, the sorry
//! server.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};
use std::ops::Bound;
use std::time::Instant;

use ipvs_backend::DestinationKey;

use super::Director;
use super::journal::Entry;
use super::pool::Pool;
use crate::config::Served;

/// What lies in the directory.
#[derive(Debug, Default)]
pub(super) struct Maintenance {
    names: BTreeSet<String>,
    /// Names of hosts, and their addresses.
    hosts: BTreeMap<String, BTreeSet<IpAddr>>,
    problem: Option<String>,
}

impl Maintenance {
    /// The name of the file that is about a server.
    fn about(&self, server: &DestinationKey) -> Option<&str> {
        let is = |name: &&String| match name.parse::<SocketAddr>() {
            Ok(one) => one.ip() == server.address && one.port() == server.port,
            Err(_) => address(name) == Some(server.address),
        };
        let hosts = || {
            self.hosts.iter().find(|(name, addresses)| {
                let port = name.rsplit_once(':').map(|(_, port)| port);
                let same = port.is_none_or(|port| port.parse() == Ok(server.port));
                same && addresses.contains(&server.address)
            })
        };
        self.names.iter().find(is).or_else(|| hosts().map(|(name, _)| name)).map(String::as_str)
    }
}

/// The address that a file is named by, which may stand in brackets.
fn address(name: &str) -> Option<IpAddr> {
    let inside = name.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    inside.unwrap_or(name).parse().ok()
}

/// Whether a file is named as a server could be.
pub fn names_a_server(name: &str) -> bool {
    name.parse::<SocketAddr>().is_ok() || address(name).is_some()
}

impl Director {
    /// What lies in the directory has changed.
    pub(super) fn maintenance_read(
        &mut self,
        names: BTreeSet<String>,
        hosts: BTreeMap<String, BTreeSet<IpAddr>>,
        problem: Option<String>,
        now: Instant,
    ) {
        if self.stopping {
            return;
        }
        if problem != self.maintenance.problem
            && let Some(note) = &problem
        {
            self.log(Entry::TrackerProblem { tracker: "maintenance_dir".to_owned(), note: note.clone() });
        }
        self.maintenance = Maintenance { names, hosts, problem };
        let services: Vec<Served> = self.pools.keys().cloned().collect();
        for service in services {
            let Some(pool) = self.pools.get(&service) else { continue };
            let changed = self.maintained(pool, Bound::Unbounded, usize::MAX);
            self.note_maintenance(&service, changed, now);
        }
    }

    /// The configuration has changed: without a directory nobody is in maintenance.
    pub(super) fn renew_maintenance(&mut self, now: Instant) {
        let Maintenance { names, hosts, .. } = &self.maintenance;
        let any = !(names.is_empty() && hosts.is_empty());
        if any && self.config.global.lvs.maintenance_dir.is_none() {
            self.maintenance_read(BTreeSet::new(), BTreeMap::new(), None, now);
        }
    }

    /// Of so many servers of a pool those of which something else is known than before, and by which file they are in
    /// maintenance now.
    pub(super) fn maintained(
        &self,
        pool: &Pool,
        first: Bound<DestinationKey>,
        most: usize,
    ) -> Vec<(DestinationKey, Option<String>)> {
        let directory = self.config.global.lvs.maintenance_dir.as_deref().unwrap_or_default();
        let file = |key: &DestinationKey| {
            let name = self.maintenance.about(key)?;
            Some(format!("{}/{name}", directory.trim_end_matches('/')))
        };
        let servers = pool.servers.range((first, Bound::Unbounded)).take(most);
        let known = servers.map(|(key, server)| (*key, file(key), &server.maintenance));
        known.filter(|(_, file, before)| file != *before).map(|(key, file, _)| (key, file)).collect()
    }

    /// Tells servers of a pool what is known.
    pub(super) fn note_maintenance(
        &mut self,
        service: &Served,
        changed: Vec<(DestinationKey, Option<String>)>,
        now: Instant,
    ) {
        let Some(pool) = self.pools.get_mut(service) else { return };
        let keys: Vec<DestinationKey> = changed.iter().map(|(key, _)| *key).collect();
        for (key, file) in changed {
            pool.servers.change(&key, |server| server.maintenance = file);
        }
        let mut changes = Vec::new();
        for key in &keys {
            let file = pool.servers.get(key).and_then(|server| server.maintenance.as_deref());
            let reason = match file {
                Some(file) => format!("in maintenance: {file} is there"),
                None => "its maintenance is over".to_owned(),
            };
            changes.extend(pool.reconsider(key, &reason, now));
        }
        for key in &keys {
            self.keep_health(service, key);
        }
        if !changes.is_empty() {
            self.tell_changes(service, changes, now);
            self.renew_service(service, now);
        }
        self.time_pool(service);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_about_an_address_or_about_one_port_of_it() {
        let names = ["192.0.2.1", "192.0.2.2:80", "[2001:DB8::1]:80", "[2001:db8::2]", "2001:db8::3"];
        let hosts =
            [("web4", "192.0.2.4"), ("web5.example.org:80", "192.0.2.5"), ("web5.example.org:80", "::5")];
        let mut found: BTreeMap<String, BTreeSet<IpAddr>> = BTreeMap::new();
        for (name, address) in hosts {
            found.entry(name.to_owned()).or_default().insert(address.parse().unwrap());
        }
        let names = names.map(str::to_owned).into();
        let maintenance = Maintenance { names, hosts: found, problem: None };
        let about = |server: &str| maintenance.about(&server.parse().unwrap());
        for (server, file) in [
            ("192.0.2.1:80", Some("192.0.2.1")),
            ("192.0.2.1:443", Some("192.0.2.1")),
            ("192.0.2.2:80", Some("192.0.2.2:80")),
            ("192.0.2.2:443", None),
            ("192.0.2.3:80", None),
            ("192.0.2.4:81", Some("web4")),
            ("192.0.2.5:80", Some("web5.example.org:80")),
            ("192.0.2.5:81", None),
            ("[::5]:80", Some("web5.example.org:80")),
            ("[2001:db8::1]:80", Some("[2001:DB8::1]:80")),
            ("[2001:db8::2]:80", Some("[2001:db8::2]")),
            ("[2001:db8::3]:80", Some("2001:db8::3")),
        ] {
            assert_eq!(about(server), file, "{server}");
        }
        for name in ["web1", "192.0.2.1:http", "192.0.2", "", "192.0.2.1:80:80"] {
            assert!(!names_a_server(name), "{name}");
        }
    }
}
