//! Two or three routers on one network that exists only in memory: a queue of datagrams, a latency and a
//! clock that jumps to whatever happens next. Adverts cross it as bytes.

use std::net::IpAddr;
use std::time::{Duration, Instant};

use vrrp::{
    Advert, Cause, Envelope, Fault, GROUP_V4, Output, Role, Router, Settings, State, Version, datagram_v4,
    split_v4,
};

const SECOND: Duration = Duration::from_secs(1);
const LATENCY: Duration = Duration::from_micros(200);

struct Host {
    address: IpAddr,
    router: Router,
    /// A host that is dead or cut off neither hears nor is heard.
    connected: bool,
    alive: bool,
}

struct Network {
    hosts: Vec<Host>,
    /// Arrival, receiver, datagram; in order of arrival, since latency is the same for all.
    packets: Vec<(Instant, usize, Vec<u8>)>,
    /// What has happened: when, to whom.
    transitions: Vec<(Duration, usize, State, Cause)>,
    start: Instant,
    now: Instant,
}

impl Network {
    fn new(all: impl IntoIterator<Item = Settings>) -> Network {
        let start = Instant::now();
        let hosts = (1..).zip(all).map(|(last, settings)| {
            let address = IpAddr::from([10, 0, 0, last]);
            let mut router = Router::new(settings);
            router.handle_source(address);
            Host { address, router, connected: true, alive: true }
        });
        let hosts = hosts.collect();
        Network { hosts, packets: Vec::new(), transitions: Vec::new(), start, now: start }
    }

    fn started(all: impl IntoIterator<Item = Settings>) -> Network {
        let mut network = Network::new(all);
        for host in 0..network.hosts.len() {
            network.tell(host, Router::handle_start);
        }
        network
    }

    /// Hands a fact to a router and carries out what it wants.
    fn tell(&mut self, host: usize, fact: impl FnOnce(&mut Router, Instant)) {
        fact(&mut self.hosts[host].router, self.now);
        while let Some(output) = self.hosts[host].router.poll_output() {
            match output {
                Output::Send(advert) => self.send(host, &advert),
                Output::Transition { to, cause, .. } => {
                    self.transitions.push((self.now - self.start, host, to, cause));
                }
                Output::Announce(_) | Output::AnnounceElsewhere | Output::Encounter | Output::Note(_) => {}
            }
        }
    }

    fn send(&mut self, from: usize, advert: &Advert) {
        let source = self.hosts[from].address;
        let envelope = Envelope { source, destination: GROUP_V4.into(), ttl: 255 };
        let packet = datagram_v4(&envelope, 1, &advert.emit(source, GROUP_V4.into()));
        if self.hosts[from].connected {
            let others = (0..self.hosts.len()).filter(|to| *to != from);
            self.packets.extend(others.map(|to| (self.now + LATENCY, to, packet.clone())));
        }
    }

    fn arrive(&mut self) {
        let (_, to, packet) = self.packets.remove(0);
        if self.hosts[to].connected && self.hosts[to].alive {
            let (envelope, payload) = split_v4(&packet).expect("we made it");
            let advert = Advert::parse(payload, &envelope).expect("we made it");
            self.tell(to, |router, now| router.handle_advert(&advert, &envelope, now));
        }
    }

    /// Lets the world run for this long.
    fn run(&mut self, time: Duration) {
        let end = self.now + time;
        loop {
            let alive = self.hosts.iter().enumerate().filter(|(_, host)| host.alive);
            let timer = alive.filter_map(|(at, host)| Some((host.router.poll_timeout()?.0, at))).min();
            let packet = self.packets.first().map(|packet| packet.0);
            match (packet, timer) {
                (Some(at), timer) if at <= end && timer.is_none_or(|(timer, _)| at <= timer) => {
                    self.now = at;
                    self.arrive();
                }
                (_, Some((at, host))) if at <= end => {
                    self.now = at;
                    self.tell(host, Router::handle_timeout);
                }
                _ => break,
            }
        }
        self.now = end;
    }

    fn kill(&mut self, host: usize) {
        self.hosts[host].alive = false;
    }

    fn masters(&self) -> Vec<usize> {
        let alive = self.hosts.iter().enumerate().filter(|(_, host)| host.alive);
        alive.filter(|(_, host)| host.router.is_master()).map(|(at, _)| at).collect()
    }

    /// Who became master since the last question, and when, counted from `from`.
    fn takeovers(&mut self, from: Instant) -> Vec<(Duration, usize)> {
        let from = from - self.start;
        let became = self.transitions.drain(..).filter(|(_, _, to, _)| *to == State::Master);
        became.map(|(at, host, ..)| (at - from, host)).collect()
    }
}

const BOTH: [Version; 2] = [Version::V2, Version::V3];

/// Priorities 192 and 128: skews of a quarter and a half.
fn settings(version: Version, priority: u8) -> Settings {
    Settings { version, priority, ..Settings::new(51, vec![[10, 0, 0, 100].into()]) }
}

fn pair(version: Version) -> [Settings; 2] {
    [settings(version, 192), settings(version, 128)]
}

#[test]
fn the_higher_priority_is_elected_and_stays() {
    for version in BOTH {
        let mut network = Network::started(pair(version));
        network.run(60 * SECOND);
        assert_eq!(network.masters(), [0]);
        assert_eq!(network.takeovers(network.start), [(Duration::from_millis(3_250), 0)]);
        let sent = network.hosts[0].router.counters().sent;
        assert_eq!(sent, 57, "at 3.25 s and every second after it");
        assert_eq!(network.hosts[1].router.counters().received, sent);
    }
}

#[test]
fn the_backup_takes_over_from_a_dead_master() {
    for version in BOTH {
        let mut network = Network::started(pair(version));
        // The last advert goes out at 10.25 s.
        network.run(Duration::from_millis(11_000));
        network.takeovers(network.start);
        network.kill(0);
        let last = network.start + Duration::from_millis(10_250) + LATENCY;
        network.run(10 * SECOND);
        assert_eq!(network.masters(), [1]);
        assert_eq!(network.takeovers(last), [(Duration::from_millis(3_500), 1)]);
    }
}

#[test]
fn the_backup_takes_over_after_its_skew_when_the_master_stops() {
    for version in BOTH {
        let mut network = Network::started(pair(version));
        network.run(10 * SECOND);
        network.takeovers(network.start);
        let stop = network.now;
        network.tell(0, Router::handle_stop);
        network.run(10 * SECOND);
        assert_eq!(network.masters(), [1]);
        assert_eq!(network.takeovers(stop), [(LATENCY + Duration::from_millis(500), 1)]);
    }
}

#[test]
fn a_fault_hands_over_and_its_end_preempts() {
    for version in BOTH {
        let mut network = Network::started(pair(version));
        network.run(10 * SECOND);
        network.tell(0, |router, now| router.handle_faults(&[Fault::InterfaceDown].into(), now));
        network.run(SECOND);
        assert_eq!(network.masters(), [1]);
        network.tell(0, |router, now| router.handle_faults(&[].into(), now));
        network.run(3 * SECOND);
        assert_eq!(network.masters(), [1], "not before the full wait");
        network.run(SECOND);
        assert_eq!(network.masters(), [0]);
    }
}

#[test]
fn a_late_router_of_higher_priority_preempts() {
    for version in BOTH {
        let mut network = Network::new(pair(version));
        network.tell(1, Router::handle_start);
        network.run(10 * SECOND);
        assert_eq!(network.masters(), [1]);
        network.tell(0, Router::handle_start);
        network.run(10 * SECOND);
        assert_eq!(network.masters(), [0]);
        let preempted = Cause::Preempted { source: network.hosts[1].address, priority: 128 };
        assert!(network.transitions.iter().any(|(_, host, _, cause)| (*host, cause) == (0, &preempted)));
    }
}

#[test]
fn a_late_router_that_wishes_to_be_master_preempts_sooner() {
    for version in BOTH {
        let [high, low] = pair(version);
        let mut network = Network::new([Settings { wish: Role::Master, ..high }, low]);
        network.tell(1, Router::handle_start);
        network.run(10 * SECOND);
        network.tell(0, Router::handle_start);
        network.run(Duration::from_millis(1_251));
        assert_eq!(network.masters(), [0]);
    }
}

#[test]
fn without_preemption_the_running_master_stays_until_it_dies() {
    for version in BOTH {
        let [high, low] = pair(version);
        let mut network = Network::new([Settings { preempt: false, ..high }, low]);
        network.tell(1, Router::handle_start);
        network.run(10 * SECOND);
        network.tell(0, Router::handle_start);
        network.run(60 * SECOND);
        assert_eq!(network.masters(), [1]);
        network.kill(1);
        network.run(4 * SECOND);
        assert_eq!(network.masters(), [0]);
    }
}

/// Equal priorities start at the same moment, so both become master; the address settles it.
#[test]
fn a_tie_is_settled_by_the_address() {
    for version in BOTH {
        let mut network = Network::started([settings(version, 128), settings(version, 128)]);
        network.run(Duration::from_millis(3_500));
        assert_eq!(network.masters(), [0, 1]);
        network.run(2 * LATENCY);
        assert_eq!(network.masters(), [1]);
        network.run(60 * SECOND);
        assert_eq!(network.masters(), [1]);
    }
}

#[test]
fn a_split_makes_two_masters_and_its_end_one() {
    for version in BOTH {
        let mut network = Network::started(pair(version));
        network.run(10 * SECOND);
        network.hosts[1].connected = false;
        network.run(10 * SECOND);
        assert_eq!(network.masters(), [0, 1]);
        network.hosts[1].connected = true;
        network.run(SECOND + LATENCY);
        assert_eq!(network.masters(), [0]);
    }
}

/// The skews keep several backups apart: only the best of them becomes master.
#[test]
fn of_two_backups_only_the_better_one_takes_over() {
    for version in BOTH {
        let three = [200, 150, 100].map(|priority| settings(version, priority));
        let mut network = Network::started(three);
        network.run(10 * SECOND);
        network.takeovers(network.start);
        network.kill(0);
        network.run(60 * SECOND);
        assert_eq!(network.masters(), [1]);
        assert_eq!(network.takeovers(network.start).len(), 1);
    }
}

#[test]
fn failover_at_ten_milliseconds() {
    let fast = |priority| Settings { interval: Duration::from_millis(10), ..settings(Version::V3, priority) };
    let mut network = Network::started([fast(192), fast(128)]);
    network.run(SECOND);
    network.kill(0);
    network.run(Duration::from_millis(36));
    assert_eq!(network.masters(), [1]);
}

/// During a rolling reload one side has the longer list for a while.
#[test]
fn a_rolling_change_of_addresses_keeps_one_master() {
    for version in BOTH {
        let mut network = Network::started(pair(version));
        network.run(10 * SECOND);
        network.takeovers(network.start);
        for host in [1, 0] {
            let mut new = network.hosts[host].router.settings().clone();
            new.addresses.push([10, 0, 0, 101].into());
            network.tell(host, |router, now| router.handle_settings(new, now));
            network.run(10 * SECOND);
            assert_eq!(network.masters(), [0]);
        }
        assert!(network.takeovers(network.start).is_empty());
    }
}

/// Version 3 copes with two intervals while a new one is rolled out, whichever side begins.
#[test]
fn a_rolling_change_of_the_interval_keeps_one_master() {
    for order in [[0, 1], [1, 0]] {
        for interval in [SECOND / 10, 10 * SECOND] {
            let mut network = Network::started(pair(Version::V3));
            network.run(10 * SECOND);
            network.takeovers(network.start);
            for host in order {
                let new = Settings { interval, ..network.hosts[host].router.settings().clone() };
                network.tell(host, |router, now| router.handle_settings(new, now));
                network.run(60 * SECOND);
            }
            assert_eq!(network.masters(), [0]);
            assert!(network.takeovers(network.start).is_empty(), "{order:?} {interval:?}");
        }
    }
}
