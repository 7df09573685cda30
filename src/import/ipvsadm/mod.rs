//! What `ipvsadm-save -n` (or `ipvsadm -Sn`) prints → our language.
//!
//! Each line is a command of ipvsadm: `-A` adds a service, `-a` a server to it. What was typed by hand in the same way
//! is read as well. The table knows no checks, and so the report says that the servers have none.

mod command;
mod word;

use std::collections::BTreeMap;

use ipvs_backend::{DestinationKey, DestinationSettings, Family, Forwarding, ServiceKey, ServiceSettings};

use super::statement::Statements;
use super::{Desk, Fate, Imported};
use crate::config::Code;
use command::{Command, Daemon, NewServer, NewService};

/// A service while the lines are read.
struct Service {
    key: ServiceKey,
    line: u32,
    settings: ServiceSettings,
    /// Names of the scheduler's flags, and `ops`.
    flags: Vec<String>,
    servers: Vec<Server>,
    /// Where each server is in the list.
    places: BTreeMap<DestinationKey, usize>,
}

/// The services in the order of the lines, and where each is.
#[derive(Default)]
struct Services {
    list: Vec<Service>,
    places: BTreeMap<ServiceKey, usize>,
}

impl Services {
    fn get_mut(&mut self, key: ServiceKey) -> Option<&mut Service> {
        self.places.get(&key).and_then(|place| self.list.get_mut(*place))
    }
}

struct Server {
    key: DestinationKey,
    settings: DestinationSettings,
    /// What stands behind `TUN`.
    tunnel: Vec<String>,
}

/// Imports a text that stands in a file of that name.
pub fn import(name: &str, text: &str) -> Imported {
    let mut desk = Desk::new(name, text);
    let text = desk.sources.text(desk.file);
    let (mut services, mut daemons, mut timeouts) = (Services::default(), Vec::new(), None);
    for (index, line) in text.lines().enumerate() {
        let number = u32::try_from(index + 1).unwrap_or(u32::MAX);
        match command::read(line, number, &mut desk) {
            None => {}
            Some(Command::Service(new)) => add_service(&mut services, number, new, &mut desk),
            Some(Command::Server(new)) => add_server(&mut services, number, new, &mut desk),
            Some(Command::Daemon(daemon)) => daemons.push((number, daemon)),
            Some(Command::Timeouts(seconds)) => timeouts = Some((number, seconds)),
            Some(Command::Clear) => {
                let text = "the table is made what the file says, without clearing it first";
                desk.report.say(number, Fate::Translated, text);
            }
        }
    }
    let mut out = Statements::default();
    global(&daemons, timeouts, &mut out, &mut desk);
    for service in &services.list {
        write(service, &mut out);
    }
    if services.list.iter().any(|service| !service.servers.is_empty()) {
        let text = "the servers have no checks, since the table knows none: each counts as up for ever; add a \
                    `TCP_CHECK`, `HTTP_GET` or the like to each `real_server`";
        desk.report.say(0, Fate::Trap, text);
    }
    if !services.list.is_empty() && daemons.is_empty() && timeouts.is_none() {
        let text = "`ipvsadm-save` prints neither limits of connections, nor time-outs, nor daemons that synchronise \
                    connections: see `ipvsadm -Ln --thresholds`, `--timeout` and `--daemon`";
        desk.report.say(0, Fate::Trap, text);
    }
    desk.finish(out.0)
}

fn add_service(services: &mut Services, line: u32, new: NewService, desk: &mut Desk) {
    let NewService { key, settings, flags, edit } = new;
    let known = services.get_mut(key);
    match (known, edit) {
        (Some(service), true) => {
            (service.settings, service.flags) = (settings, flags);
            desk.report.say(line, Fate::Translated, format!("as if line {} had said so", service.line));
        }
        (Some(service), false) => {
            let message = format!("the service {key} is on line {} already", service.line);
            let span = desk.line_span(line);
            desk.error(Code::DuplicateService, span, message, "take one of the lines away");
        }
        (None, true) => {
            let span = desk.line_span(line);
            desk.error(
                Code::UndefinedName,
                span,
                format!("there is no service {key} to change"),
                "add it with `-A` first",
            );
        }
        (None, false) => {
            desk.report.say(line, Fate::Translated, format!("`virtual_server {}`", words(key).join(" ")));
            services.places.insert(key, services.list.len());
            let (servers, places) = (Vec::new(), BTreeMap::new());
            services.list.push(Service { key, line, settings, flags, servers, places });
        }
    }
}

fn add_server(services: &mut Services, line: u32, new: NewServer, desk: &mut Desk) {
    let NewServer { service: key, address, port, settings, tunnel, edit } = new;
    let Some(service) = services.get_mut(key) else {
        let span = desk.line_span(line);
        let message = format!("there is no service {key} for this server");
        desk.error(Code::UndefinedName, span, message, "add it with `-A` on a line before");
        return;
    };
    let expected = match key {
        ServiceKey::Address { port, .. } => Some(port),
        ServiceKey::Mark { .. } => None,
    };
    let mut server = DestinationKey::new(address, port.or(expected).unwrap_or(0));
    if let Some(expected) =
        expected.filter(|port| *port != server.port && settings.forwarding != Forwarding::Nat)
    {
        let text = format!(
            "the port is {expected}: without `-m` a port cannot change, and packets arrived at {expected} before as well"
        );
        desk.report.say(line, Fate::Trap, text);
        server.port = expected;
    }
    let known = service.places.get(&server).and_then(|place| service.servers.get_mut(*place));
    match (known, edit) {
        (Some(known), true) => (known.settings, known.tunnel) = (settings, tunnel),
        (Some(_), false) => {
            let span = desk.line_span(line);
            let message = format!("the service {key} has this server already");
            desk.error(Code::DuplicateServer, span, message, "take one of the lines away");
        }
        (None, true) => {
            let span = desk.line_span(line);
            let message = format!("the service {key} has no such server to change");
            desk.error(Code::UndefinedName, span, message, "add it with `-a` first");
        }
        (None, false) => {
            service.places.insert(server, service.servers.len());
            service.servers.push(Server { key: server, settings, tunnel });
        }
    }
    desk.report.say(line, Fate::Translated, "`real_server`");
}

/// `lvs_sync_daemon` and `lvs_timeouts`.
fn global(
    daemons: &[(u32, Daemon)],
    timeouts: Option<(u32, [u32; 3])>,
    out: &mut Statements,
    desk: &mut Desk,
) {
    let mut inside = Statements::default();
    for (number, (line, daemon)) in daemons.iter().enumerate() {
        if number == 0 {
            inside.say("lvs_sync_daemon", &daemon.words);
            let text = "`lvs_sync_daemon`; name a `vrrp_instance` behind the interface, so that it sends on the master \
                        and listens on the backup";
            desk.report.say(*line, Fate::Changed, text);
        } else if daemons.first().is_some_and(|(_, first)| first.words == daemon.words) {
            desk.report.say(*line, Fate::Changed, "the same `lvs_sync_daemon` sends and listens");
        } else {
            let text = "there is one `lvs_sync_daemon`, and the first line has said it otherwise";
            desk.report.say(*line, Fate::Dropped, text);
        }
    }
    if let Some((line, seconds)) = timeouts {
        let named = ["tcp", "tcpfin", "udp"].into_iter().zip(seconds).filter(|(_, seconds)| *seconds > 0);
        let words: Vec<String> =
            named.flat_map(|(name, seconds)| [name.to_owned(), seconds.to_string()]).collect();
        if !words.is_empty() {
            inside.say("lvs_timeouts", words);
        }
        desk.report.say(line, Fate::Translated, "`lvs_timeouts`");
    }
    if !inside.0.is_empty() {
        out.block("global_defs", [] as [&str; 0], inside);
    }
}

fn words(key: ServiceKey) -> Vec<String> {
    match key {
        ServiceKey::Address { address, port: 0, .. } => vec![address.to_string()],
        ServiceKey::Address { address, port, .. } => vec![address.to_string(), port.to_string()],
        ServiceKey::Mark { mark, .. } => vec!["fwmark".to_owned(), mark.to_string()],
    }
}

fn write(service: &Service, out: &mut Statements) {
    let Service { key, settings, flags, servers, .. } = service;
    let mut inside = Statements::default();
    match key {
        ServiceKey::Address { protocol, .. } => inside.value("protocol", protocol.to_string().to_uppercase()),
        ServiceKey::Mark { family: Family::V4, .. } => inside.value("ip_family", "inet"),
        ServiceKey::Mark { family: Family::V6, .. } => inside.value("ip_family", "inet6"),
    }
    inside.value("lvs_sched", settings.scheduler.as_str());
    let usual = servers.first();
    let method = |server: &Server| {
        let mut words = vec![server.settings.forwarding.to_string()];
        words.extend(server.tunnel.iter().cloned());
        words
    };
    let usual = usual.map_or_else(|| vec![Forwarding::Dr.to_string()], method);
    inside.say("lvs_method", &usual);
    flags.iter().for_each(|flag| inside.flag(flag));
    if let Some(persistence) = settings.persistence {
        inside.value("persistence_timeout", persistence.timeout.as_secs());
        match persistence.granularity {
            ipvs_backend::Granularity::Host => {}
            ipvs_backend::Granularity::Netmask(mask) => inside.value("persistence_granularity", mask),
            ipvs_backend::Granularity::Prefix(prefix) => inside.value("persistence_granularity", prefix),
        }
    }
    if let Some(engine) = &settings.engine {
        inside.value("persistence_engine", engine);
    }
    for server in servers {
        let mut block = Statements::default();
        block.value("weight", server.settings.weight);
        let own = method(server);
        if own != usual {
            block.say("lvs_method", own);
        }
        if server.settings.upper > 0 {
            block.value("uthreshold", server.settings.upper);
        }
        if server.settings.lower > 0 {
            block.value("lthreshold", server.settings.lower);
        }
        let DestinationKey { address, port } = server.key;
        let words = [address.to_string(), port.to_string()];
        inside.block("real_server", words.into_iter().take(if port == 0 { 1 } else { 2 }), block);
    }
    out.block("virtual_server", words(*key), inside);
}
