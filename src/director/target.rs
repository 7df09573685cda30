//! What an operator's override is for: the whole director, a virtual server, or real servers.
//!
//! A target is a pattern, not a list: `10.0.0.2` means that machine in every virtual server, also in those that a later
//! configuration adds. It is written as it is said on the command line: `director`, `tcp:10.0.0.100:80`, `fwmark:5`,
//! `web:tcp` (a group), `10.0.0.2`, `10.0.0.2:80`, `tcp:10.0.0.100:80/10.0.0.2:80`.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use ipvs_backend::{DestinationKey, Family, Protocol, ServiceKey};
use serde::{Deserialize, Serialize};

use crate::config::{Config, Served, VirtualServer, keywords::closest};

/// Names that an error lists at most.
const LISTED: usize = 10;

/// What an override is for.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Target {
    /// Every real server.
    Director,
    /// Every real server of a virtual server.
    Service(Served),
    /// A machine, or one of its ports.
    Server {
        /// In this virtual server only; `None`: in all.
        service: Option<Served>,
        /// Its address.
        address: IpAddr,
        /// Its port; `None`: all.
        port: Option<u16>,
    },
}

impl Target {
    /// The one virtual server that it is for; `None`: all of them.
    pub fn service(&self) -> Option<&Served> {
        match self {
            Self::Director | Self::Server { service: None, .. } => None,
            Self::Service(service) | Self::Server { service: Some(service), .. } => Some(service),
        }
    }

    /// Whether a configuration has any real server that is meant.
    pub fn is_in(&self, config: &Config) -> bool {
        let has = |service: &Arc<VirtualServer>| match self {
            Self::Director | Self::Service(_) => service.all_servers().next().is_some(),
            Self::Server { address, port, .. } => {
                let (first, last) = (port.unwrap_or(0), port.unwrap_or(u16::MAX));
                let ports = DestinationKey::new(*address, first)..=DestinationKey::new(*address, last);
                let mut maps = [&service.servers, &service.backups].into_iter();
                maps.any(|servers| servers.range(ports.clone()).next().is_some())
            }
        };
        match (self, self.service()) {
            (Self::Director, _) => true,
            (_, Some(only)) => config.virtual_server(only).is_some_and(has),
            (_, None) => config.virtual_servers().any(|(_, service)| has(service)),
        }
    }

    /// What the words of an operator mean in a configuration. That may take a while: not for the brain's thread.
    ///
    /// # Errors
    /// As [`Target::find`].
    pub fn find_in(config: &Config, what: &str) -> Result<Self, String> {
        let known: Vec<(Served, &DestinationKey)> = config
            .virtual_servers()
            .flat_map(|(served, service)| {
                service.all_servers().map(move |(server, _)| (served.clone(), server))
            })
            .collect();
        Self::find(what, &known)
    }

    /// Whether anything of a virtual server can be meant.
    pub fn concerns(&self, served: &Served) -> bool {
        self.service().is_none_or(|only| only == served)
    }

    /// Whether a real server is meant.
    pub fn covers(&self, served: &Served, server: &DestinationKey) -> bool {
        let here = match self {
            Self::Director | Self::Service(_) => true,
            Self::Server { address, port, .. } => {
                *address == server.address && port.is_none_or(|port| port == server.port)
            }
        };
        here && self.concerns(served)
    }

    /// Whether there may be servers that both mean.
    pub(super) fn meets(&self, other: &Self) -> bool {
        let services = match (self.service(), other.service()) {
            (Some(one), Some(other)) => one == other,
            _ => true,
        };
        let servers = match (self, other) {
            (
                Self::Server { address, port, .. },
                Self::Server { address: other_address, port: other_port, .. },
            ) => address == other_address && (port.is_none() || other_port.is_none() || port == other_port),
            _ => true,
        };
        services && servers
    }

    /// The more of these, the fewer servers are meant: of two weights the closer one counts.
    pub fn closeness(&self) -> u8 {
        match self {
            Self::Director => 0,
            Self::Service(_) => 1,
            Self::Server { service, port, .. } => {
                2 + 2 * u8::from(service.is_some()) + u8::from(port.is_some())
            }
        }
    }

    /// What the words of an operator mean among these virtual servers with their real servers.
    ///
    /// # Errors
    /// A sentence that says what there is, and what may have been meant.
    pub fn find(what: &str, known: &[(Served, &DestinationKey)]) -> Result<Self, String> {
        let what = what.trim();
        if what == "director" {
            return Ok(Self::Director);
        }
        let mut services: Vec<Served> = known.iter().map(|(served, _)| served.clone()).collect();
        services.sort();
        services.dedup();
        if let Some((service, server)) = what.rsplit_once('/') {
            return member(what, service, server, &services, known);
        }
        let meant: Vec<&Served> = services.iter().filter(|served| names(what, served)).collect();
        let server = server(what).filter(|(address, port)| {
            let target = Self::Server { service: None, address: *address, port: *port };
            known.iter().any(|(served, key)| target.covers(served, key))
        });
        match (meant.as_slice(), server) {
            ([one], None) => Ok(Self::Service((*one).clone())),
            ([], Some((address, port))) => Ok(Self::Server { service: None, address, port }),
            ([], None) => Err(unknown(what, &services, known)),
            (several, server) => {
                let mut forms: Vec<String> = several.iter().map(|served| word(served)).collect();
                forms.extend(server.map(|_| format!("/{what} (the real server)")));
                Err(format!("`{what}` can mean more than one thing; say which: {}", forms.join(", ")))
            }
        }
    }
}

/// `SERVICE/SERVER`; without a service, the server in all of them.
fn member(
    what: &str,
    service: &str,
    server: &str,
    services: &[Served],
    known: &[(Served, &DestinationKey)],
) -> Result<Target, String> {
    let Some((address, port)) = self::server(server) else {
        return Err(format!(
            "`{server}` in `{what}` is no real server; expected SERVICE/ADDRESS or SERVICE/ADDRESS:PORT"
        ));
    };
    let meant: Vec<&Served> = services.iter().filter(|served| names(service, served)).collect();
    let service = match (service, meant.as_slice()) {
        ("", _) => None,
        (_, [one]) => Some((*one).clone()),
        (_, []) => {
            let all = services.iter().map(word);
            return Err(format!("there is no virtual server `{service}`{}", listing(service, all)));
        }
        (_, several) => {
            let forms: Vec<String> = several.iter().map(|served| word(served)).collect();
            return Err(format!(
                "`{service}` is more than one virtual server; say which: {}",
                forms.join(", ")
            ));
        }
    };
    let target = Target::Server { service, address, port };
    if known.iter().any(|(served, key)| target.covers(served, key)) {
        return Ok(target);
    }
    let there = known.iter().filter(|(served, _)| target.concerns(served)).map(|(_, key)| plain(key));
    Err(format!("there is no real server `{server}` there{}", listing(server, unique(there).into_iter())))
}

fn unknown(what: &str, services: &[Served], known: &[(Served, &DestinationKey)]) -> String {
    let mut all = unique(known.iter().map(|(_, key)| plain(key)));
    all.extend(services.iter().map(word));
    format!("there is no real server and no virtual server `{what}`{}", listing(what, all.into_iter()))
}

/// "; did you mean …? There are …"
fn listing(what: &str, all: impl Iterator<Item = String>) -> String {
    let all: Vec<String> = all.collect();
    let meant = closest(what, all.iter().map(String::as_str));
    let question = meant.map_or_else(String::new, |name| format!("; did you mean `{name}`?"));
    let listed = all.get(..LISTED.min(all.len())).unwrap_or_default().join(", ");
    match (all.len(), meant) {
        (0, _) => "; there is none at all".to_owned(),
        (count, Some(_)) if count > LISTED => question,
        (count, None) if count > LISTED => {
            format!("; there are {listed} and {} more: see `directord status`", count - LISTED)
        }
        (_, Some(_)) => format!("{question} There are {listed}"),
        (_, None) => format!("; there are {listed}"),
    }
}

fn unique(names: impl Iterator<Item = String>) -> Vec<String> {
    let mut names: Vec<String> = names.collect();
    names.sort();
    names.dedup();
    names
}

/// What an override can be for in a configuration, in the shortest words: everything, virtual servers, machines.
pub fn names_in(config: &Config) -> Vec<String> {
    let services = config.virtual_servers().map(|(served, _)| word(&served));
    let machines = config.virtual_servers().flat_map(|(_, service)| service.all_servers());
    let machines = unique(machines.map(|(server, _)| server.address.to_string()));
    std::iter::once("director".to_owned()).chain(services).chain(machines).collect()
}

/// Whether these words name a virtual server.
fn names(text: &str, served: &Served) -> bool {
    if text == served.to_string() || text == word(served) {
        return true;
    }
    match served {
        Served::Group(key) => text == key.group,
        Served::Key(ServiceKey::Mark { family, mark }) => {
            let Some((word, number)) = text.split_once(':') else { return false };
            let family_fits = match word {
                "fwmark" => true,
                "fwmark4" => *family == Family::V4,
                "fwmark6" => *family == Family::V6,
                _ => false,
            };
            family_fits && number.parse() == Ok(*mark)
        }
        Served::Key(ServiceKey::Address { protocol, address, port }) => {
            let (wanted, rest) = match text.split_once(':') {
                Some((word, rest)) => match word.parse::<Protocol>() {
                    Ok(protocol) => (Some(protocol), rest),
                    Err(_) => (None, text),
                },
                None => (None, text),
            };
            wanted.is_none_or(|wanted| wanted == *protocol) && server(rest) == Some((*address, Some(*port)))
        }
    }
}

/// An address, or one with its port: `10.0.0.2`, `10.0.0.2:80`, `[2001:db8::2]:80`, `2001:db8::2`.
fn server(text: &str) -> Option<(IpAddr, Option<u16>)> {
    if let Ok(address) = text.parse() {
        return Some((address, None));
    }
    let bare = text.strip_prefix('[').and_then(|text| text.strip_suffix(']'));
    if let Some(address) = bare.and_then(|text| text.parse().ok()) {
        return Some((address, None));
    }
    text.parse().ok().map(|DestinationKey { address, port }| (address, Some(port)))
}

/// A virtual server as it is said on the command line.
pub fn word(served: &Served) -> String {
    match served {
        Served::Key(ServiceKey::Address { protocol, address, port }) => {
            format!("{protocol}:{}", SocketAddr::new(*address, *port))
        }
        Served::Key(ServiceKey::Mark { family: Family::V4, mark }) => format!("fwmark:{mark}"),
        Served::Key(ServiceKey::Mark { family: Family::V6, mark }) => format!("fwmark6:{mark}"),
        Served::Group(key) => {
            let family = if key.family == Family::V6 { "6" } else { "" };
            format!("{}:{}{family}", key.group, key.protocol)
        }
    }
}

/// A real server as it is said on the command line.
pub fn plain(server: &DestinationKey) -> String {
    SocketAddr::new(server.address, server.port).to_string()
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Director => f.write_str("director"),
            Self::Service(served) => f.write_str(&word(served)),
            Self::Server { service, address, port } => {
                if let Some(served) = service {
                    write!(f, "{}/", word(served))?;
                }
                match port {
                    Some(port) => write!(f, "{}", SocketAddr::new(*address, *port)),
                    None => write!(f, "{address}"),
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::GroupKey;

    fn known() -> Vec<(Served, DestinationKey)> {
        let key = |text: &str| Served::Key(text.parse().unwrap());
        let server = |text: &str| text.parse().unwrap();
        let group = GroupKey { group: "web".to_owned(), protocol: Protocol::Tcp, family: Family::V4 };
        vec![
            (key("[10.0.0.100]:tcp:80"), server("10.0.0.2:80")),
            (key("[10.0.0.100]:tcp:80"), server("10.0.0.3:80")),
            (key("[10.0.0.100]:udp:53"), server("10.0.0.2:53")),
            (key("[10.0.0.100]:tcp:53"), server("10.0.0.2:53")),
            (key("[2001:db8::100]:tcp:80"), server("[2001:db8::2]:80")),
            (key("FWM 5"), server("10.0.0.100:80")),
            (Served::Group(group), server("10.0.0.7:0")),
        ]
    }

    fn find(what: &str) -> Result<String, String> {
        let known = known();
        let all: Vec<_> = known.iter().map(|(served, key)| (served.clone(), key)).collect();
        Target::find(what, &all).map(|t| t.to_string())
    }

    #[test]
    fn every_form_of_every_target() {
        for (what, canonical) in [
            ("director", "director"),
            ("10.0.0.2", "10.0.0.2"),
            ("10.0.0.2:80", "10.0.0.2:80"),
            ("[10.0.0.2]:80", "10.0.0.2:80"),
            ("2001:db8::2", "2001:db8::2"),
            ("[2001:db8::2]", "2001:db8::2"),
            ("[2001:db8::2]:80", "[2001:db8::2]:80"),
            ("tcp:10.0.0.100:80", "tcp:10.0.0.100:80"),
            ("TCP:10.0.0.100:80", "tcp:10.0.0.100:80"),
            ("[10.0.0.100]:tcp:80", "tcp:10.0.0.100:80"),
            ("tcp:[2001:db8::100]:80", "tcp:[2001:db8::100]:80"),
            ("[2001:db8::100]:80", "tcp:[2001:db8::100]:80"),
            ("fwmark:5", "fwmark:5"),
            ("FWM 5", "fwmark:5"),
            ("web", "web:tcp"),
            ("[web]:tcp", "web:tcp"),
            ("web/10.0.0.7", "web:tcp/10.0.0.7"),
            ("tcp:10.0.0.100:80/10.0.0.2:80", "tcp:10.0.0.100:80/10.0.0.2:80"),
            ("10.0.0.100:80/10.0.0.2", "tcp:10.0.0.100:80/10.0.0.2"),
            ("/10.0.0.100:80", "10.0.0.100:80"),
        ] {
            assert_eq!(find(what).as_deref(), Ok(canonical), "{what}");
            assert_eq!(find(canonical).as_deref().unwrap_or(canonical), canonical, "{canonical}");
        }
    }

    #[test]
    fn what_is_not_clear_is_asked_for() {
        let error = find("10.0.0.100:53").unwrap_err();
        assert!(error.contains("tcp:10.0.0.100:53") && error.contains("udp:10.0.0.100:53"), "{error}");
        let error = find("10.0.0.100:80").unwrap_err();
        assert!(error.contains("tcp:10.0.0.100:80") && error.contains("/10.0.0.100:80 (the real"), "{error}");
    }

    #[test]
    fn what_is_not_there_is_named_with_what_is() {
        let error = find("10.0.0.4:80").unwrap_err();
        assert!(error.ends_with("`10.0.0.4:80`; did you mean `10.0.0.2:80`?"), "{error}");
        let error = find("tcp:10.0.0.100:80/10.0.0.9").unwrap_err();
        assert!(error.contains("10.0.0.3:80"), "{error}");
        let error = find("wep:tcp/10.0.0.7").unwrap_err();
        assert!(error.contains("no virtual server `wep:tcp`") && error.contains("`web:tcp`"), "{error}");
        assert!(find("web/x").unwrap_err().contains("expected SERVICE/ADDRESS"));
        assert!(Target::find("x", &[]).unwrap_err().contains("none at all"));
    }

    #[test]
    fn a_target_covers_what_it_names() {
        let known = known();
        let covered = |what: &str| {
            let all: Vec<_> = known.iter().map(|(served, key)| (served.clone(), key)).collect();
            let target = Target::find(what, &all).unwrap();
            known.iter().filter(|(served, key)| target.covers(served, key)).count()
        };
        assert_eq!(covered("director"), 7);
        assert_eq!(covered("10.0.0.2"), 3);
        assert_eq!(covered("10.0.0.2:53"), 2);
        assert_eq!(covered("udp:10.0.0.100:53/10.0.0.2"), 1);
        assert_eq!(covered("10.0.0.100:80/10.0.0.2"), 1);
        assert_eq!(covered("web"), 1);
    }
}
