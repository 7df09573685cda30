//! What the kernel has counted, put to what the brain says of services and servers.
//!
//! A virtual server of a group is several services in the kernel: their numbers are added up.

use std::ops::AddAssign;

use ipvs_backend::{DestinationKey, ServerUsage, ServiceUsage, Traffic};

use crate::config::Served;
use crate::director::snapshot::{ServiceStatus, Snapshot};
use crate::supervisor::tally::Tally;

const STANDS_STILL: &str = "the kernel does not count (net.ipv4.vs.run_estimation is 0): the traffic shown is old, and \
                            there are no rates; only the connections that servers have are those of now";

/// Fills in what was counted; a sentence if that is not what it should be.
pub(super) fn fill(snapshot: &mut Snapshot, counted: Result<Tally, String>) -> Option<String> {
    let tally = match counted {
        Ok(tally) => tally,
        // Of a daemon that keeps no table nothing is missing.
        Err(_) if snapshot.services.is_empty() => return None,
        Err(why) => return Some(format!("connections and traffic are not known: {why}")),
    };
    for service in &mut snapshot.services {
        fill_service(service, &tally);
    }
    (!tally.counting && !tally.services.is_empty()).then(|| STANDS_STILL.to_owned())
}

fn fill_service(service: &mut ServiceStatus, tally: &Tally) {
    let own: Vec<&ServiceUsage> = service.serves.iter().filter_map(|key| tally.services.get(key)).collect();
    let in_group = matches!(service.service, Served::Group(_));
    let as_counted =
        |traffic: Traffic| Traffic { rates: traffic.rates.filter(|_| tally.counting), ..traffic };
    let of_server = |server: &DestinationKey| {
        let usages = own.iter().filter_map(|service| find(service, server, in_group));
        let sum: Option<ServerUsage> = sum(usages.copied());
        sum.map(|usage| ServerUsage { traffic: as_counted(usage.traffic), ..usage })
    };
    for server in &mut service.servers {
        let usage = of_server(&server.server);
        server.connections = usage.map(|usage| usage.connections);
        server.traffic = usage.map(|usage| usage.traffic);
    }
    let all: Option<Traffic> = sum(own.iter().map(|service| service.traffic));
    service.sorry_usage = service.sorry_server.as_ref().and_then(of_server);
    service.traffic = all.map(as_counted);
}

/// A server in one of the services. Behind direct routing and tunnels those of a group have the service's port.
fn find<'a>(service: &'a ServiceUsage, server: &DestinationKey, in_group: bool) -> Option<&'a ServerUsage> {
    service.servers.get(server).or_else(|| {
        let alike = |(key, _): &(&DestinationKey, &ServerUsage)| in_group && key.address == server.address;
        service.servers.iter().find(alike).map(|(_, usage)| usage)
    })
}

/// All together; none if there is none.
fn sum<T: AddAssign>(all: impl Iterator<Item = T>) -> Option<T> {
    all.reduce(|mut sum, more| {
        sum += more;
        sum
    })
}

#[cfg(test)]
mod tests {
    use ipvs_backend::{ConnectionCounts, Rates};
    use serde_json::{Value, json};

    use super::*;
    use crate::control::Status;
    use crate::supervisor::reload::ReloadOutcome;

    fn server(text: &str) -> DestinationKey {
        text.parse().unwrap()
    }

    fn usage(n: u64) -> ServerUsage {
        let connections = ConnectionCounts { active: n as u32, inactive: 1, persistent: 0 };
        ServerUsage { connections, traffic: traffic(n) }
    }

    fn traffic(n: u64) -> Traffic {
        let rates = Some(Rates { connections: n, ..Rates::default() });
        Traffic { connections: n, bytes_out: u64::from(u32::MAX) * n, rates, ..Traffic::default() }
    }

    fn status(served: &str, serves: &[&str], servers: &[&str]) -> ServiceStatus {
        let server = |key: &&str| {
            json!({
                "server": key, "forwarding": "NAT", "weight": 1, "effective_weight": 1, "verdict": "up",
                "reason": "", "for_seconds": 0.0, "checks": [],
            })
        };
        let servers: Vec<_> = servers.iter().map(server).collect();
        let status = json!({
            "service": served, "serves": serves, "scheduler": "rr", "quorum": true, "sorry_server": null,
            "sorry_active": false, "servers": servers,
        });
        serde_json::from_value(status).unwrap()
    }

    fn tally(counting: bool) -> Tally {
        let of = |n, servers: &[(&str, u64)]| ServiceUsage {
            traffic: traffic(n),
            servers: servers.iter().map(|(key, n)| (server(key), usage(*n))).collect(),
        };
        let services = [
            ("[10.0.0.1]:tcp:80", of(10, &[("[10.1.0.1]:80", 3), ("[10.1.0.2]:80", 7)])),
            ("[10.0.0.2]:tcp:81", of(5, &[("[10.1.0.1]:81", 5)])),
        ];
        let services = services.into_iter().map(|(key, usage)| (key.parse().unwrap(), usage));
        Tally { services: services.collect(), counting }
    }

    #[test]
    fn a_group_has_the_sum_of_its_services() {
        let plain = status("[10.0.0.1]:tcp:80", &["[10.0.0.1]:tcp:80"], &["[10.1.0.2]:80", "[10.1.0.9]:80"]);
        let group = status(
            "[web]:tcp",
            &["[10.0.0.1]:tcp:80", "[10.0.0.2]:tcp:81"],
            &["[10.1.0.1]:80", "[10.1.0.2]:80"],
        );
        let mut snapshot = Snapshot { services: vec![plain, group], ..Snapshot::default() };
        assert_eq!(fill(&mut snapshot, Ok(tally(true))), None);
        let [plain, group] = snapshot.services.as_slice() else { panic!() };
        assert_eq!(plain.traffic, Some(traffic(10)));
        assert_eq!(plain.servers[0].connections.unwrap().active, 7);
        assert_eq!((plain.servers[1].connections, plain.servers[1].traffic), (None, None));
        assert_eq!(group.traffic.unwrap().connections, 15);
        assert_eq!(group.servers[0].traffic.unwrap().rates.unwrap().connections, 8);
        assert_eq!(
            group.servers[0].connections,
            Some(ConnectionCounts { active: 8, inactive: 2, persistent: 0 })
        );
        assert_eq!(group.servers[1].traffic, Some(traffic(7)));
    }

    #[test]
    fn what_stands_still_and_what_is_out_of_reach_is_said() {
        let one = status("[10.0.0.1]:tcp:80", &["[10.0.0.1]:tcp:80"], &["[10.1.0.1]:80"]);
        let mut snapshot = Snapshot { services: vec![one], ..Snapshot::default() };
        let why = fill(&mut snapshot, Err("busy".to_owned())).unwrap();
        assert!(why.contains("busy"), "{why}");
        assert_eq!(snapshot.services[0].traffic, None);
        assert!(fill(&mut snapshot, Ok(tally(false))).unwrap().contains("run_estimation"));
        assert_eq!(snapshot.services[0].traffic.unwrap().rates, None);
        assert_eq!(snapshot.services[0].servers[0].connections.unwrap().active, 3);
        assert_eq!(fill(&mut Snapshot::default(), Err("busy".to_owned())), None);
    }

    /// What is printed for a value is what the schema has for it, and what it demands is printed.
    fn fits(schema: &Value, whole: &Value, value: &Value, at: &str) {
        let schema = match schema["$ref"].as_str() {
            Some(name) => whole.pointer(name.trim_start_matches('#')).unwrap(),
            None => schema,
        };
        if let (Some(fields), Some(known)) = (value.as_object(), schema["properties"].as_object()) {
            for name in schema["required"].as_array().into_iter().flatten() {
                assert!(fields.contains_key(name.as_str().unwrap()), "{at} lacks {name}");
            }
            for (name, value) in fields {
                let field = known.get(name).unwrap_or_else(|| panic!("{at}.{name} is not in the schema"));
                fits(field, whole, value, &format!("{at}.{name}"));
            }
        }
        for item in value.as_array().into_iter().flatten() {
            fits(&schema["items"], whole, item, at);
        }
    }

    #[test]
    fn the_schema_says_what_is_printed() {
        let schema: Value = serde_json::from_str(include_str!("../../etc/status.schema.json")).unwrap();
        let one = status("[10.0.0.1]:tcp:80", &["[10.0.0.1]:tcp:80"], &["[10.1.0.1]:80"]);
        let mut snapshot = Snapshot { services: vec![one], ..Snapshot::default() };
        snapshot.services[0].sorry_server = Some(server("[10.1.0.2]:80"));
        snapshot.services[0].panic = Some("words".to_owned());
        fill(&mut snapshot, Ok(tally(true)));
        let status = Status {
            version: String::new(),
            pid: 1,
            started: 0,
            config: String::new(),
            last_reload: ReloadOutcome::default(),
            warnings: Vec::new(),
            confirm_within: None,
            uncounted: None,
            director: snapshot,
        };
        let printed = serde_json::to_value(&status).unwrap();
        fits(&schema, &schema, &printed, "status");
        let printed = printed["services"][0].to_string();
        for name in schema["$defs"]["service"]["properties"].as_object().unwrap().keys() {
            assert!(
                printed.contains(&format!("\"{name}\"")),
                "{name} is in the schema and not printed: {printed}"
            );
        }
    }
}
