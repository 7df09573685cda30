//! The brain as a whole: one fact in, the exact wishes out.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use vrrp::{AddressKey, Advert, Envelope, Link, LinkAddress, Wanted};

use super::effect::{Effect, Transmission};
use super::event::Event;
use super::{Birth, Director};
use crate::config::{self, Config};

mod backlog;
mod batch;
mod calls;
mod changeover;
mod compat;
mod concerns;
mod crowd;
mod devices;
mod given;
mod ground;
mod groups;
mod legacy;
mod limits;
mod neighbours;
mod overrides;
mod pools;
mod sharing;
mod silence;
mod stand_in;
mod sync;
mod tally;
mod trackers;
mod via;
mod vip_check;
mod weights;
mod windows;
mod wire;
mod wishes;

const SERVERS: &str = "
virtual_server 10.0.0.100 80 {
    delay_loop 5
    lvs_sched rr
    lvs_method NAT
    protocol TCP
    real_server 10.0.1.1 80 { 
        weight 3 
        TCP_CHECK { 
            connect_timeout 1
        } 
    }
}
";

fn instance(vrid: u8, more: &str) -> String {
    format!(
        "vrrp_instance VI_1 {{
            interface eth0
            virtual_router_id {vrid}
            version 3
            advert_int 1
            {more}
            virtual_ipaddress {{
                10.0.0.100
            }}
        }}\n"
    )
}

/// A brain, the configuration it runs, and a clock that only moves when told to.
struct Desk {
    director: Director,
    running: Config,
    now: Instant,
}

impl Desk {
    fn new(text: &str) -> Desk {
        Desk::new_at(text, Duration::ZERO)
    }

    /// On a machine that has been up for this long.
    fn new_at(text: &str, up: Duration) -> Desk {
        let now = Instant::now();
        let birth = Birth { host_name: "host".into(), seed: 1, at: now, wall: SystemTime::UNIX_EPOCH, up };
        let mut desk = Desk { director: Director::new(birth), running: Config::default(), now };
        desk.links(true);
        desk.configure(text);
        desk
    }

    fn links(&mut self, up: bool) -> Vec<Effect> {
        let addresses = vec![LinkAddress { address: own(), prefix: 24, secondary: false }];
        let link =
            Link { index: 7, up, loopback: false, mac: Some([2, 0, 0, 0, 0, 1]), addresses, table: None };
        self.tell(Event::Links(Arc::new(BTreeMap::from([("eth0".to_owned(), link)]))))
    }

    fn configure(&mut self, text: &str) -> Vec<Effect> {
        let reading = config::read_text("test.conf", text);
        let complaints = reading.render(config::Colour::Never);
        let new = reading.config.unwrap_or_else(|| panic!("{complaints}"));
        let (config, difference) = config::adopt(&self.running, new);
        self.running = config.clone();
        self.tell(Event::Configured { config: Arc::new(config), difference })
    }

    fn tell(&mut self, event: Event) -> Vec<Effect> {
        self.director.handle_event(event, self.now);
        self.drain()
    }

    /// Lets time pass, deadline by deadline.
    fn pass(&mut self, time: Duration) -> Vec<Effect> {
        let end = self.now + time;
        let mut effects = Vec::new();
        while let Some(at) = self.director.deadline().filter(|at| *at <= end) {
            self.now = at;
            self.director.handle_timeout(at);
            effects.extend(self.drain());
        }
        self.now = end;
        effects
    }

    /// The next thing that is due, and nothing else.
    fn turn(&mut self) -> Vec<Effect> {
        let at = self.director.deadline().expect("there is more to do");
        self.now = self.now.max(at);
        self.director.handle_timeout(self.now);
        self.drain()
    }

    fn drain(&mut self) -> Vec<Effect> {
        std::iter::from_fn(|| self.director.poll_effect()).collect()
    }

    fn hear(&mut self, priority: u8, source: IpAddr, destination: IpAddr) -> Vec<Effect> {
        let advert = Advert {
            version: vrrp::Version::V3,
            vrid: 51,
            priority,
            interval: Duration::from_secs(1),
            auth: vrrp::Auth::None,
            addresses: vec![vip()],
        };
        let envelope = Envelope { source, destination, ttl: 255 };
        self.tell(Event::Advert { interface: "eth0".into(), envelope, advert })
    }
}

fn own() -> IpAddr {
    IpAddr::V4(Ipv4Addr::new(10, 0, 0, 1))
}

fn peer() -> IpAddr {
    IpAddr::V4(Ipv4Addr::new(10, 0, 0, 2))
}

fn vip() -> IpAddr {
    IpAddr::V4(Ipv4Addr::new(10, 0, 0, 100))
}

fn sent(effects: &[Effect]) -> Vec<&Transmission> {
    effects
        .iter()
        .filter_map(|effect| if let Effect::Send(sent) = effect { Some(sent) } else { None })
        .collect()
}

/// Whether the last level of addresses has the virtual address there; none if there is no such level.
fn holds(effects: &[Effect]) -> Option<bool> {
    let key = AddressKey::new("eth0", vip());
    effects.iter().rev().find_map(|effect| match effect {
        Effect::Addresses(level) => Some(matches!(level.value.addresses.get(&key), Some(Wanted::Present(_)))),
        _ => None,
    })
}

#[test]
fn a_new_master_sends_its_advert_first_and_announces_after_the_addresses() {
    let mut desk = Desk::new(&instance(51, ""));
    let effects = desk.pass(Duration::from_millis(3700));
    assert!(matches!(effects.first(), Some(Effect::Send(_))), "{effects:?}");
    let addresses = effects.iter().position(|e| matches!(e, Effect::Addresses(_))).unwrap();
    let announcement = effects.iter().position(|e| matches!(e, Effect::Announce(_))).unwrap();
    assert!(addresses < announcement, "{effects:?}");
    assert_eq!(holds(&effects), Some(true));
    let sends = sent(&effects);
    assert_eq!((sends[0].source, sends[0].socket.index), (own(), 7));
}

#[test]
fn another_vrid_is_another_router_and_the_old_one_says_farewell() {
    let mut desk = Desk::new(&instance(51, ""));
    desk.pass(Duration::from_secs(4));
    let effects = desk.configure(&instance(52, ""));
    let farewell = sent(&effects);
    assert_eq!(farewell.len(), 1, "{effects:?}");
    assert_eq!((farewell[0].advert.vrid, farewell[0].advert.priority), (51, 0));
    assert_eq!(holds(&effects), Some(false), "the new router has not won its address yet");
    let effects = desk.pass(Duration::from_secs(4));
    assert!(sent(&effects).iter().all(|t| t.advert.vrid == 52 && t.advert.priority == 100));
    assert_eq!(holds(&effects), Some(true));
}

#[test]
fn a_removed_instance_says_farewell_and_its_address_goes() {
    let mut desk = Desk::new(&(instance(51, "") + SERVERS));
    desk.pass(Duration::from_secs(4));
    let effects = desk.configure(SERVERS);
    assert_eq!(sent(&effects)[0].advert.priority, 0);
    let level = effects.iter().find_map(|e| match e {
        Effect::Addresses(level) => Some(level.value.clone()),
        _ => None,
    });
    assert!(level.is_some_and(|level| level.addresses.is_empty()), "{effects:?}");
}

#[test]
fn unicast_adverts_count_from_peers_only() {
    let mut desk = Desk::new(&instance(51, "unicast_src_ip 10.0.0.1\n unicast_peer {\n 10.0.0.2\n }"));
    desk.pass(Duration::from_millis(3000));
    let stranger = IpAddr::V4(Ipv4Addr::new(10, 9, 9, 9));
    desk.hear(200, stranger, own());
    assert_eq!(desk.director.snapshot(desk.now).stray_adverts.get("source"), Some(&1));
    assert_eq!(
        holds(&desk.pass(Duration::from_millis(700))),
        Some(true),
        "a stranger kept it from taking over"
    );
    desk.hear(200, peer(), own());
    assert_eq!(desk.director.snapshot(desk.now).instances[0].role, "BACKUP");
}

#[test]
fn a_lost_link_is_a_fault_and_gives_the_address_up() {
    let mut desk = Desk::new(&instance(51, ""));
    desk.pass(Duration::from_secs(4));
    let effects = desk.links(false);
    assert_eq!(holds(&effects), Some(false));
    assert_eq!(desk.director.snapshot(desk.now).instances[0].role, "FAULT");
    assert!(sent(&desk.pass(Duration::from_secs(9))).is_empty());
    desk.links(true);
    assert_eq!(holds(&desk.pass(Duration::from_secs(4))), Some(true));
}

#[test]
fn a_changed_weight_keeps_the_verdict_and_a_changed_check_must_pass_again() {
    let mut desk = Desk::new(SERVERS);
    let weight = |desk: &Desk| desk.director.snapshot(desk.now).services[0].servers[0].effective_weight;
    let id = super::CheckId(0);
    let refused = healthcheck::Outcome::failed(healthcheck::FailureKind::Refused, "refused", Duration::ZERO);
    desk.tell(Event::ProbeDone { check: id, attempt: 0, outcome: refused.clone() });
    let first = desk.director.snapshot(desk.now).services[0].servers[0].clone();
    let attempt = if first.verdict == "down" { 0 } else { 1 };
    desk.tell(Event::ProbeDone { check: id, attempt, outcome: refused });
    assert_eq!(weight(&desk), None);
    desk.configure(&SERVERS.replace("weight 3", "weight 9"));
    assert_eq!(weight(&desk), None, "a new weight is no new verdict");
    desk.configure(
        &SERVERS.replace("weight 3", "weight 9").replace("connect_timeout 1", "connect_timeout 2"),
    );
    assert_eq!(weight(&desk), None, "it was down, and has not passed the new check");
    let reason = desk.director.snapshot(desk.now).services[0].servers[0].reason.clone();
    assert!(reason.contains("changed"), "{reason}");
}

#[test]
fn a_check_that_begins_its_connection_otherwise_is_another_one() {
    let mut desk = Desk::new(SERVERS);
    let checks = |desk: &Desk| desk.director.places.keys().copied().collect::<Vec<super::CheckId>>();
    let with = |line: &str| SERVERS.replace("connect_timeout 1", &format!("connect_timeout 1\n{line}"));
    let mut before = checks(&desk);
    desk.configure(&with("log_all_failures\nretry 3"));
    assert_eq!(checks(&desk), before, "it asks the same");
    for line in ["proxy_protocol v1", "proxy_protocol v2", "fwmark 7"] {
        desk.configure(&with(line));
        assert_ne!(checks(&desk), before, "{line}");
        before = checks(&desk);
    }
}

/// The last table that was wanted.
fn table(effects: &[Effect]) -> Option<Arc<ipvs_backend::Table>> {
    effects.iter().rev().find_map(|effect| match effect {
        Effect::Table(level) => Some(level.value.clone()),
        _ => None,
    })
}

#[test]
fn limits_of_a_server_are_in_the_table_and_a_reload_changes_them() {
    let limited =
        |upper: u32| SERVERS.replace("weight 3", &format!("weight 3\nuthreshold {upper}\nlthreshold 4"));
    let settings = |effects: &[Effect]| {
        let table = table(effects).expect("a table");
        let service = table.services.values().next().expect("a service").clone();
        service
            .destinations
            .values()
            .map(|server| (server.weight, server.upper, server.lower))
            .collect::<Vec<_>>()
    };
    let mut desk = Desk::new("");
    assert_eq!(settings(&desk.configure(&limited(9))), [(3, 9, 4)]);
    assert_eq!(settings(&desk.configure(&limited(8))), [(3, 8, 4)]);
    assert_eq!(settings(&desk.configure(SERVERS)), [(3, 0, 0)]);
}

#[test]
fn a_reload_of_what_the_kernel_does_not_hold_leaves_the_table_alone() {
    let mut desk = Desk::new("");
    let before = table(&desk.configure(SERVERS)).expect("a table");
    let idle = "quorum 2\nhysteresis 1\nquorum_up /bin/true\nomega\nsnmp_name x\nprotocol TCP";
    let in_server = "weight 3\nnotify_up /bin/true\nsnmp_name y";
    let text = SERVERS.replace("protocol TCP", idle).replace("weight 3", in_server);
    let group = "virtual_server_group G {\n10.0.0.7 80\n}\n";
    let after = table(&desk.configure(&(text + group))).unwrap_or_else(|| before.clone());
    assert_eq!(after, before);
    for (key, service) in &after.services {
        assert!(Arc::ptr_eq(service, &before.services[key]), "{key} was written anew");
    }
    assert_eq!(desk.director.snapshot(desk.now).services[0].servers[0].effective_weight, Some(3));
}

#[test]
fn an_owner_speaks_from_its_own_address_and_keeps_it() {
    let text = instance(51, "state MASTER\n priority 255").replace("10.0.0.100", "10.0.0.1/24");
    let mut desk = Desk::new(&text);
    let effects = desk.pass(Duration::from_secs(2));
    assert_eq!(sent(&effects)[0].source, own());
    assert_eq!(desk.director.snapshot(desk.now).instances[0].role, "MASTER");
    let effects = desk.tell(Event::Stop);
    let level =
        effects.iter().find_map(|e| if let Effect::Addresses(level) = e { Some(level) } else { None });
    assert!(
        level.unwrap().value.addresses.is_empty(),
        "what we added leaves with the level, what the machine had stays"
    );
}

#[test]
fn a_stop_hands_over_lets_go_and_then_ends() {
    let mut desk = Desk::new(&(instance(51, "") + SERVERS));
    desk.pass(Duration::from_secs(4));
    let effects = desk.tell(Event::Stop);
    assert!(matches!(&effects[0], Effect::Send(t) if t.advert.priority == 0), "{effects:?}");
    assert_eq!(holds(&effects), Some(false));
    let table = effects.iter().find_map(|e| match e {
        Effect::Table(level) => Some(level.clone()),
        _ => None,
    });
    let table = table.unwrap();
    assert!(table.value.services.is_empty());
    assert!(!effects.contains(&Effect::Stopped), "nothing was confirmed yet");
    let serial = desk.director.snapshot(desk.now).addresses.wanted;
    desk.tell(Event::AddressesApplied(super::event::AddressReport { serial, ..Default::default() }));
    let serial = desk.director.settings.serial;
    desk.tell(Event::SettingsApplied(super::event::TableReport { serial, ..Default::default() }));
    let report = super::event::TableReport { serial: table.serial, ..Default::default() };
    assert!(desk.tell(Event::TableApplied(report)).contains(&Effect::Stopped));
}

#[test]
fn a_stop_does_not_wait_for_ever_for_owners_that_do_not_answer() {
    let mut desk = Desk::new(&(instance(51, "") + SERVERS));
    desk.tell(Event::Stop);
    assert!(!desk.pass(Duration::from_millis(4900)).contains(&Effect::Stopped));
    assert!(desk.pass(Duration::from_millis(200)).contains(&Effect::Stopped));
}

#[test]
fn a_multicast_instance_takes_no_advert_that_was_sent_to_this_host_alone() {
    let mut desk = Desk::new(&instance(51, ""));
    desk.pass(Duration::from_secs(3));
    desk.hear(200, peer(), own());
    assert_eq!(desk.director.snapshot(desk.now).stray_adverts.get("vrid"), Some(&1));
    assert_eq!(holds(&desk.pass(Duration::from_millis(700))), Some(true), "it was not to be heard");
    desk.hear(200, peer(), IpAddr::V4(vrrp::GROUP_V4));
    assert_eq!(desk.director.snapshot(desk.now).instances[0].role, "BACKUP");
}
