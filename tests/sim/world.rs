//! The world that a cluster lives in: a clock that jumps, a network, servers, and what goes wrong.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use directord::config::{self, Config, Instance, RealServer, VirtualServer};
use directord::director::Director;
use directord::director::effect::{Effect, Level, ScriptRun, Transmission};
use directord::director::event::{AddressReport, Event, ScriptOutcome, TableReport};
use directord::director::legacy::Legacy;
use healthcheck::{Check, FailureKind, Kind, Outcome, Schedule};
use ipvs_backend::{
    DestinationKey, DestinationSettings, Forwarding, MemoryKernel, Reconciler, Service, ServiceKey,
    ServiceSettings, Table,
};
use vrrp::{Advert, Envelope, Link, LinkAddress, Links, State, Version, Wanted};

use crate::chance::Chance;

mod demands;
mod lives;
mod node;
mod operators;

use node::Node;

const INTERFACE: &str = "lan0";
const SERVERS: u8 = 4;
/// What happens at an instant.
#[derive(Debug)]
#[expect(clippy::large_enum_variant, reason = "nearly all are facts")]
enum Happening {
    /// A fact reaches a brain, unless the brain that it was for has died since.
    Fact { node: usize, life: u64, event: Event },
    /// The owner of the addresses gets to work.
    Addresses { node: usize, life: u64, level: Level<vrrp::NetworkLevel> },
    /// The owner of the table gets to work.
    Table { node: usize, life: u64, level: Level<Table> },
    /// A daemon that ended a moment ago is started again.
    Start { node: usize, life: u64 },
    /// Something goes wrong, or is mended.
    Fate,
}

/// How fast a cluster lives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tempo {
    /// A minute full of faults, intervals down to 10 ms.
    Fast,
    /// Hours with a fault every few minutes, intervals and checks as long as they are in the field, and longer.
    Slow,
}

/// A cluster and all that surrounds it.
pub struct World {
    tempo: Tempo,
    seed: u64,
    chance: Chance,
    start: Instant,
    now: Instant,
    order: u64,
    agenda: BTreeMap<(Instant, u64), Happening>,
    nodes: Vec<Node>,
    /// Pairs of nodes that do not hear each other, one way.
    deaf: BTreeSet<(usize, usize)>,
    loss: u64,
    last_trouble: Instant,
    dead_servers: BTreeSet<u8>,
    preempt: bool,
    interval: Duration,
    version: Version,
    /// Two instances in a sync group, or one instance.
    grouped: bool,
    /// The weight of the script that each node runs; 0: its failure is a fault.
    weight: i16,
    /// Who must stay master with its addresses, come what may.
    steadfast: Option<(usize, BTreeSet<IpAddr>)>,
    story: Vec<String>,
}

impl World {
    pub fn new(seed: u64, tempo: Tempo) -> World {
        let mut chance = Chance::new(seed);
        let version = if chance.percent(30) { Version::V2 } else { Version::V3 };
        let choice = chance.below(4) as usize;
        let interval = match (version, tempo) {
            (Version::V2, Tempo::Fast) => Duration::from_secs(1),
            (Version::V3, Tempo::Fast) => Duration::from_millis([10, 100, 250, 1000][choice]),
            (Version::V2, Tempo::Slow) => Duration::from_secs([5, 10, 30, 120][choice]),
            (Version::V3, Tempo::Slow) => Duration::from_millis([5_000, 7_770, 20_000, 40_950][choice]),
        };
        let start = Instant::now();
        let mut world = World {
            tempo,
            seed,
            start,
            now: start,
            order: 0,
            agenda: BTreeMap::new(),
            nodes: Vec::new(),
            deaf: BTreeSet::new(),
            loss: 0,
            last_trouble: start,
            dead_servers: BTreeSet::new(),
            preempt: chance.percent(70),
            interval,
            version,
            grouped: chance.percent(50),
            weight: if chance.percent(50) { 0 } else { -120 },
            steadfast: None,
            story: Vec::new(),
            chance,
        };
        let count = 2 + world.chance.below(2) as usize;
        let equal = world.chance.percent(20);
        for number in 0..count {
            let priority = if equal { 100 } else { 100 + 50 * number as u8 };
            world.add_node(number, priority);
        }
        for node in 0..count {
            world.boot(node);
        }
        world
    }

    /// Lives through the trouble, then demands rest. Tells how long it was.
    pub fn live(mut self) -> Duration {
        self.later(Duration::from_millis(500), Happening::Fate);
        let trouble = match self.tempo {
            Tempo::Fast => Duration::from_secs(60),
            Tempo::Slow => Duration::from_secs(12 * 3600),
        };
        self.run_until(self.start + trouble, true);
        self.mend_everything();
        let settling = self.settling() + self.check_time() * 3;
        self.run_until(self.now + settling, false);
        self.demand_rest();
        // And at rest it stays: nobody moves while nothing happens.
        let master = self.masters();
        self.run_until(self.now + self.interval * 20, false);
        assert_eq!(self.masters(), master, "the master moved without a reason\n{}", self.tale());
        self.now - self.start
    }

    fn add_node(&mut self, number: usize, priority: u8) {
        let kernel = MemoryKernel::new();
        kernel.set_table(&foreign_table());
        let address = Ipv4Addr::new(10, 0, 0, 10 + number as u8);
        let config = Arc::new(self.config(priority, 1));
        self.nodes.push(Node {
            address,
            priority,
            life: 0,
            director: None,
            config,
            link_up: true,
            sick: false,
            held: BTreeSet::new(),
            orders: BTreeMap::new(),
            kept: Vec::new(),
            newest: (0, 0),
            kernel,
            reconciler: None,
            spares: false,
            remembered: BTreeSet::new(),
            legacy: Legacy::default(),
            left: None,
        });
    }

    fn config(&self, priority: u8, weight: u32) -> Config {
        let read = config::read_text("sim.conf", &self.routers()).config.expect("the text is good");
        let instances = read.instances.iter().map(|(name, instance)| {
            let mut settings = vrrp::Settings::new(instance.router.vrid, instance.router.addresses.clone());
            settings.priority = priority;
            settings.version = self.version;
            settings.interval = self.interval;
            settings.preempt = self.preempt;
            (name.clone(), Arc::new(Instance { router: settings, ..(**instance).clone() }))
        });
        let instances = instances.collect();
        let server = |n: u8| {
            let check = Check {
                connect_timeout: Duration::from_secs(1),
                schedule: Schedule { interval: self.check_interval(), ..Schedule::default() },
                ..Check::new(Kind::Tcp, SocketAddr::new(rip(n), 80))
            };
            let server = RealServer {
                weight,
                forwarding: Forwarding::Dr,
                inhibit: n.is_multiple_of(2),
                checks: vec![Arc::new(check)],
                planned: Vec::new(),
                alpha: false,
                alert: true,
                extras: None,
            };
            (DestinationKey::new(rip(n), 80), Arc::new(server))
        };
        let service = VirtualServer {
            settings: ServiceSettings::default(),
            servers: (1..=SERVERS).map(server).collect(),
            sorry: Some(config::SorryServer {
                key: DestinationKey::new(rip(99), 80),
                forwarding: Forwarding::Dr,
                tunnel: None,
                inhibit: false,
                twin: false,
            }),
            alert: true,
            ..VirtualServer::default()
        };
        Config {
            instances,
            groups: read.groups,
            scripts: read.scripts,
            services: [(service_key(), Arc::new(service))].into(),
            ..Config::default()
        }
    }

    /// The instances, their group and their script, as a file says it.
    fn routers(&self) -> String {
        let track = format!("track_script {{\nhealth weight {}\n}}", self.weight);
        let (of_instance, of_group) = if self.grouped { ("", track.as_str()) } else { (track.as_str(), "") };
        let instance = |number: u8, address: IpAddr| {
            format!(
                "vrrp_instance VI_{number} {{\ninterface {INTERFACE}\nvirtual_router_id {}\n{of_instance}\n\
                 virtual_ipaddress {{\n{address}\n}}\n}}\n",
                50 + number
            )
        };
        let mut text = "vrrp_script health {\nscript /bin/health\ninterval 1\nrise 2\nfall 2\n}\n".to_owned();
        text += &instance(1, vip());
        if self.grouped {
            text += &instance(2, second_vip());
            text += &format!("vrrp_sync_group G {{\ngroup {{\nVI_1\nVI_2\n}}\n{of_group}\n}}\n");
        }
        text
    }

    fn configure(&mut self, node: usize, old: Arc<Config>) {
        let new = (*self.nodes[node].config).clone();
        let (config, difference) = config::adopt(&old, new);
        let config = Arc::new(config);
        self.nodes[node].config = config.clone();
        self.tell(node, Event::Configured { config, difference });
    }

    fn links(&self, node: usize) -> Arc<Links> {
        let me = &self.nodes[node];
        let addresses = vec![LinkAddress { address: IpAddr::V4(me.address), prefix: 24, secondary: false }];
        let link = Link {
            index: 2,
            up: me.link_up,
            mac: Some([2, 0, 0, 0, 0, node as u8]),
            loopback: false,
            addresses,
            table: None,
        };
        Arc::new([(INTERFACE.to_owned(), link)].into())
    }

    // Time.

    fn later(&mut self, delay: Duration, happening: Happening) {
        self.order += 1;
        self.agenda.insert((self.now + delay, self.order), happening);
    }

    fn run_until(&mut self, end: Instant, trouble: bool) {
        loop {
            let brains = self
                .nodes
                .iter()
                .enumerate()
                .filter_map(|(n, node)| Some((node.director.as_ref()?.deadline()?, n)));
            let deadline = brains.min();
            let next = self.agenda.first_key_value().map(|((at, _), _)| *at);
            let at = match (deadline, next) {
                (Some((deadline, _)), Some(next)) => deadline.min(next),
                (Some((deadline, _)), None) => deadline,
                (None, Some(next)) => next,
                (None, None) => return,
            };
            if at > end {
                self.now = end;
                return;
            }
            self.now = self.now.max(at);
            match deadline {
                Some((due, node)) if due <= at => {
                    let now = self.now;
                    if let Some(director) = &mut self.nodes[node].director {
                        director.handle_timeout(now);
                    }
                    self.carry_out(node);
                }
                _ => {
                    let (_, happening) = self.agenda.pop_first().unwrap();
                    self.happen(happening, trouble);
                }
            }
            self.demand_safety();
        }
    }

    fn happen(&mut self, happening: Happening, trouble: bool) {
        match happening {
            Happening::Fact { node, life, event } => {
                if self.nodes[node].life == life {
                    self.tell(node, event);
                }
            }
            Happening::Addresses { node, life, level }
                if self.nodes[node].life == life && level.serial >= self.nodes[node].newest.0 =>
            {
                self.nodes[node].newest.0 = level.serial;
                let present = |(key, wanted): (&vrrp::AddressKey, &Wanted)| {
                    matches!(wanted, Wanted::Present(_)).then_some(key.address)
                };
                // What nobody speaks of goes too: all addresses here are ours.
                self.nodes[node].held = level.value.addresses.iter().filter_map(present).collect();
                let report = AddressReport { serial: level.serial, ..AddressReport::default() };
                self.tell(node, Event::AddressesApplied(report));
            }
            Happening::Table { node, life, level }
                if self.nodes[node].life == life && level.serial >= self.nodes[node].newest.1 =>
            {
                self.nodes[node].newest.1 = level.serial;
                let me = &mut self.nodes[node];
                let Some(reconciler) = &mut me.reconciler else { return };
                if std::mem::take(&mut me.spares) && reconciler.start().is_ok() {
                    reconciler.spare(&level.value);
                }
                let report = match reconciler.converge(&level.value) {
                    Ok(done) => TableReport {
                        serial: level.serial,
                        applied: done.applied.len(),
                        failures: done.refused.iter().map(ToString::to_string).collect(),
                        ..TableReport::default()
                    },
                    Err(error) => TableReport {
                        serial: level.serial,
                        unavailable: Some(error.to_string()),
                        ..TableReport::default()
                    },
                };
                if report.unavailable.is_some() || !report.failures.is_empty() {
                    let life = self.nodes[node].life;
                    self.later(Duration::from_secs(1), Happening::Table { node, life, level });
                }
                self.tell(node, Event::TableApplied(report));
            }
            Happening::Addresses { .. } | Happening::Table { .. } => {}
            Happening::Start { node, life } => self.start_again(node, life),
            Happening::Fate => {
                if trouble {
                    self.last_trouble = self.now;
                    self.go_wrong();
                    let pause = match self.tempo {
                        Tempo::Fast => Duration::from_millis(200 + self.chance.below(4000)),
                        // Some on the heels of each other, others long after everything has settled.
                        Tempo::Slow if self.chance.percent(30) => {
                            Duration::from_millis(200 + self.chance.below(20_000))
                        }
                        Tempo::Slow => Duration::from_millis(60_000 + self.chance.below(2_000_000)),
                    };
                    self.later(pause, Happening::Fate);
                }
            }
        }
    }

    fn tell(&mut self, node: usize, event: Event) {
        let now = self.now;
        if let Some(director) = &mut self.nodes[node].director {
            director.handle_event(event, now);
        }
        self.carry_out(node);
    }

    fn carry_out(&mut self, node: usize) {
        while let Some(effect) = self.nodes[node].director.as_mut().and_then(Director::poll_effect) {
            let life = self.nodes[node].life;
            let delay = Duration::from_micros(100 + self.chance.below(3000));
            match effect {
                Effect::Send(transmission) => self.send(node, &transmission),
                Effect::Addresses(level) => self.later(delay, Happening::Addresses { node, life, level }),
                Effect::IpvsSettings(level) => {
                    let report = TableReport { serial: level.serial, ..TableReport::default() };
                    let event = Event::SettingsApplied(report);
                    self.later(delay, Happening::Fact { node, life, event });
                }
                Effect::Table(level) => self.later(delay, Happening::Table { node, life, level }),
                Effect::Probe(attempt) => {
                    let dead = self.dead_servers.iter().any(|n| rip(*n) == attempt.spec.target.ip());
                    let hangs = dead && self.chance.percent(50);
                    let took = if hangs { attempt.spec.connect_timeout } else { delay };
                    let outcome = if dead {
                        Outcome::failed(FailureKind::Refused, "connection refused", took)
                    } else {
                        Outcome::passed(took)
                    };
                    let event = Event::ProbeDone { check: attempt.check, attempt: attempt.number, outcome };
                    self.later(took, Happening::Fact { node, life, event });
                }
                Effect::Log(entry) => {
                    self.remember(format!("node{node}: {entry}"));
                    let preempted = entry.to_string().contains("has a lower priority");
                    assert!(self.preempt || !preempted, "a working master was preempted\n{}", self.tale());
                }
                Effect::Stopped => self.end(node),
                Effect::Keep(keepsake) => self.nodes[node].legacy.keep(keepsake),
                Effect::Judged => self.nodes[node].reconciler.iter_mut().for_each(Reconciler::settle),
                Effect::RunScript(ScriptRun { name: script, number: run, .. }) => {
                    let outcome = match self.nodes[node].sick {
                        true => ScriptOutcome::Failure("exit status 1".to_owned()),
                        false => ScriptOutcome::Success,
                    };
                    let event = Event::ScriptDone { script, run, outcome };
                    self.later(delay, Happening::Fact { node, life, event });
                }
                Effect::KeepOverrides(all) => self.nodes[node].kept = all.to_vec(),
                // Nothing here comes of the rest: it concerns other machines, programs and people.
                _ => {}
            }
        }
    }

    /// The network: bytes go in, and perhaps come out elsewhere, some time, once or twice.
    fn send(&mut self, from: usize, transmission: &Transmission) {
        if !self.nodes[from].link_up {
            return;
        }
        for destination in &transmission.destinations {
            let envelope = Envelope { source: transmission.source, destination: *destination, ttl: 255 };
            let payload = transmission.advert.emit(transmission.source, *destination);
            let advert = Advert::parse(&payload, &envelope).expect("what we emit can be parsed");
            for to in 0..self.nodes.len() {
                if to == from || !self.nodes[to].link_up || self.deaf.contains(&(from, to)) {
                    continue;
                }
                if self.chance.percent(self.loss) {
                    continue;
                }
                let copies = if self.loss > 0 && self.chance.percent(5) { 2 } else { 1 };
                for _ in 0..copies {
                    let delay = Duration::from_micros(50 + self.chance.below(1500));
                    let interface = INTERFACE.to_owned();
                    let event = Event::Advert { interface, envelope, advert: advert.clone() };
                    let life = self.nodes[to].life;
                    self.later(delay, Happening::Fact { node: to, life, event });
                }
            }
        }
    }

    // Fate.

    fn go_wrong(&mut self) {
        let node = self.chance.below(self.nodes.len() as u64) as usize;
        let other = self.chance.below(self.nodes.len() as u64) as usize;
        match self.chance.below(14) {
            0 => self.kill(node),
            1 | 2 => {
                if self.nodes[node].director.is_none() {
                    self.remember(format!("node{node} starts"));
                    self.boot(node);
                }
            }
            3 => {
                self.remember(format!("node{node} is told to stop"));
                self.tell(node, Event::Stop);
            }
            4 => {
                self.remember(format!("{node} is no longer heard by {other}"));
                self.deaf.insert((node, other));
            }
            5 => {
                self.remember("the network is whole".to_owned());
                self.deaf.clear();
                self.loss = 0;
            }
            6 => {
                self.loss = self.chance.below(40);
                self.remember(format!("the network loses {} %", self.loss));
            }
            7 => {
                let server = 1 + self.chance.below(u64::from(SERVERS)) as u8;
                self.remember(format!("server {server} changes its health"));
                if !self.dead_servers.remove(&server) {
                    self.dead_servers.insert(server);
                }
            }
            8 => {
                let up = !self.nodes[node].link_up;
                self.remember(format!("the link of node{node} is {}", if up { "up" } else { "down" }));
                self.nodes[node].link_up = up;
                self.tell(node, Event::Links(self.links(node)));
            }
            9 => {
                let sick = !self.nodes[node].sick;
                self.remember(format!("node{node} is {}", if sick { "sick" } else { "well" }));
                self.nodes[node].sick = sick;
            }
            10 => {
                let delay = self.pause();
                self.leave(node, delay);
            }
            11 => {
                let delay = self.pause();
                self.crash(node, delay);
            }
            12 => self.reload(node),
            _ => self.operate(node),
        }
    }

    fn mend_everything(&mut self) {
        self.remember("everything is mended".to_owned());
        self.last_trouble = self.now;
        self.deaf.clear();
        self.loss = 0;
        for node in 0..self.nodes.len() {
            self.nodes[node].sick = false;
            if !self.nodes[node].link_up {
                self.nodes[node].link_up = true;
                self.tell(node, Event::Links(self.links(node)));
            }
            // One that is on its way out is let go first.
            if self.nodes[node].director.as_ref().is_none_or(is_stopping) {
                self.kill(node);
                self.boot(node);
            }
        }
    }

    fn remember(&mut self, what: String) {
        let at = self.now.duration_since(self.start).as_secs_f64();
        self.story.push(format!("{at:10.4} {what}"));
    }

    fn tale(&self) -> String {
        let last = self.story.len().saturating_sub(60);
        format!("SIM_SEED={}\n{}", self.seed, self.story[last..].join("\n"))
    }
}

fn is_stopping(director: &Director) -> bool {
    director.states().any(|(_, state)| state == State::Stopped)
}

fn vip() -> IpAddr {
    IpAddr::V4(Ipv4Addr::new(10, 0, 0, 100))
}

fn second_vip() -> IpAddr {
    IpAddr::V4(Ipv4Addr::new(10, 0, 0, 101))
}

fn rip(n: u8) -> IpAddr {
    IpAddr::V4(Ipv4Addr::new(10, 0, 0, 200 + n % 50))
}

fn service_key() -> ServiceKey {
    ServiceKey::tcp(vip(), 80)
}

fn foreign_table() -> Table {
    let mut service = Service::new(ServiceSettings::default());
    service
        .destinations
        .insert(DestinationKey::new(rip(7), 53), DestinationSettings::new(Forwarding::Nat, 3));
    let key = ServiceKey::udp(IpAddr::V4(Ipv4Addr::new(10, 9, 9, 9)), 53);
    Table { services: [(key, Arc::new(service))].into() }
}
