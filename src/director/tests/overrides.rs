//! Operators' overrides, and servers on their way out.

use ipvs_backend::{DestinationKey, ServiceKey};

use super::*;
use crate::director::event::{AddressReport, HostReport, TableReport};
use crate::director::overrides::{Act, DORMANT_FOR, Kind, Order, Override, Removal};
use crate::director::snapshot::Consideration;
use crate::director::target::Target;

const WEB: &str = "[10.0.0.100]:tcp:80";

/// A service with these servers of weight 3, which are not checked.
fn text(servers: &[&str], more: &str) -> String {
    let servers: String =
        servers.iter().map(|address| format!("real_server {address} 80 {{\nweight 3\n}}\n")).collect();
    format!(
        "virtual_server 10.0.0.100 80 {{\nlvs_sched rr\nlvs_method NAT\nprotocol TCP\n{more}\n{servers}}}\n"
    )
}

fn web() -> ServiceKey {
    WEB.parse().unwrap()
}

fn key(text: &str) -> DestinationKey {
    text.parse().unwrap()
}

impl Desk {
    /// What an operator's words would come to.
    pub(super) fn consider(
        &self,
        what: &str,
        kind: Kind,
        weight: Option<u32>,
    ) -> Result<Consideration, String> {
        let target = Target::find_in(&self.director.configuration(), what)?;
        let mut unfinished = self.director.deliberate(target, kind, weight)?;
        loop {
            match self.director.deliberate_on(unfinished) {
                Ok(considered) => return Ok(considered),
                Err(rest) => unfinished = rest,
            }
        }
    }

    pub(super) fn find_override(&self, what: &str, kind: Kind) -> Result<Target, String> {
        let found = Target::find_in(&self.director.configuration(), what);
        self.director.find_override(what, found, kind)
    }

    pub(super) fn set(&mut self, what: &str, act: Act, lasting: Option<Duration>) -> Vec<Effect> {
        let target = self.consider(what, Kind::Weight, Some(1)).unwrap().target;
        let wall = self.director.wall_clock(self.now);
        let (owner, reason, expires) =
            ("alice".to_owned(), Some("new kernel".to_owned()), lasting.map(|t| wall + t));
        let new = Override { target, act, owner, reason, set: wall, expires, dormant: None };
        self.tell(Event::Override(Order::Set(new)))
    }

    /// A configuration, and owners that answer at once: what is no longer wanted goes when they have.
    fn reload(&mut self, text: &str) {
        self.configure(text);
        for _ in 0..2 {
            self.pass(Duration::from_millis(10));
            let (table, sync) = (self.director.table.serial, self.director.sync.serial);
            let (addresses, host) = (self.director.addresses.serial, self.director.host.serial);
            self.tell(Event::TableApplied(TableReport { serial: table, ..TableReport::default() }));
            self.tell(Event::SyncApplied(TableReport { serial: sync, ..TableReport::default() }));
            let addresses = AddressReport { serial: addresses, ..AddressReport::default() };
            self.tell(Event::AddressesApplied(addresses));
            self.tell(Event::HostApplied(HostReport { serial: host, ..HostReport::default() }));
        }
    }

    fn take_back(&mut self, what: &str, kind: Kind) -> Vec<Effect> {
        let target = self.find_override(what, kind).unwrap();
        self.tell(Event::Override(Order::TakeBack { target, kind, by: "bob".to_owned() }))
    }

    /// The weights in the table that is wanted.
    fn weights(&self) -> Vec<(String, u32)> {
        let service = self.director.table.value.services.get(&web());
        let weights = service.into_iter().flat_map(|service| service.destinations.iter());
        weights.map(|(key, settings)| (key.address.to_string(), settings.weight)).collect()
    }

    fn weights_are(&self, expected: &[(&str, u32)]) {
        let expected: Vec<(String, u32)> =
            expected.iter().map(|(name, w)| ((*name).to_owned(), *w)).collect();
        assert_eq!(self.weights(), expected);
    }

    /// The owner of the table counts so many connections.
    fn counts(&mut self, counts: &[(&str, u64)]) -> Vec<Effect> {
        let counts = counts.iter().map(|(server, left)| (key(server), *left)).collect();
        self.tell(Event::ConnectionsCounted(BTreeMap::from([(web(), counts)])))
    }

    fn counted(&self) -> Vec<String> {
        let counted = self.director.leaving.counted.values().flatten();
        counted.map(|server| server.address.to_string()).collect()
    }
}

pub(super) const DRAIN: Act = Act::Drain { removal: None };
const A: &str = "10.0.1.1";
const B: &str = "10.0.1.2";

#[test]
fn a_drained_server_has_weight_0_until_it_is_taken_back() {
    let mut desk = Desk::new(&text(&[A, B], ""));
    desk.weights_are(&[(A, 3), (B, 3)]);
    let effects = desk.set("10.0.1.1", DRAIN, None);
    desk.weights_are(&[(A, 0), (B, 3)]);
    let logged = effects.iter().any(|e| {
        matches!(e, Effect::Log(entry)
        if entry.to_string() == "10.0.1.1: drained by alice (new kernel)")
    });
    assert!(logged, "{effects:?}");
    let kept = effects.iter().any(|e| matches!(e, Effect::KeepOverrides(all) if all.len() == 1));
    assert!(kept, "{effects:?}");
    let snapshot = desk.director.snapshot(desk.now);
    assert_eq!(snapshot.services[0].servers[0].overridden.as_deref(), Some("drained by alice (new kernel)"));
    assert_eq!(snapshot.services[0].servers[0].effective_weight, Some(0));
    assert_eq!(snapshot.services[0].servers[1].overridden, None);
    let effects = desk.take_back("10.0.1.1", Kind::Drain);
    desk.weights_are(&[(A, 3), (B, 3)]);
    assert!(effects.iter().any(|e| matches!(e, Effect::KeepOverrides(all) if all.is_empty())), "{effects:?}");
}

#[test]
fn overrides_last_through_reloads_also_for_servers_that_come_later() {
    let mut desk = Desk::new(&text(&[A, B], ""));
    desk.set("10.0.1.1", Act::Disable, None);
    desk.set("10.0.1.2:80", Act::Weight(9), None);
    desk.weights_are(&[(B, 9)]);
    desk.configure(&text(&[A, B], "delay_loop 7"));
    desk.weights_are(&[(B, 9)]);
    let other = "virtual_server 10.0.0.100 81 {\nlvs_sched rr\nlvs_method NAT\nprotocol TCP\n\
                 real_server 10.0.1.1 81 {\n}\nreal_server 10.0.1.3 81 {\n}\n}\n";
    desk.configure(&(text(&[A, B], "") + other));
    let second: ServiceKey = "[10.0.0.100]:tcp:81".parse().unwrap();
    let servers = &desk.director.table.value.services[&second].destinations;
    assert_eq!(servers.keys().collect::<Vec<_>>(), [&key("10.0.1.3:81")]);
}

#[test]
fn an_override_touches_no_verdict() {
    let mut desk = Desk::new(SERVERS);
    desk.set("10.0.1.1", Act::Weight(7), None);
    desk.weights_are(&[(A, 7)]);
    let check = |desk: &Desk| *desk.director.places.keys().next().unwrap();
    for attempt in 1..=2 {
        let outcome = healthcheck::Outcome::failed(
            healthcheck::FailureKind::Refused,
            "connection refused",
            Duration::ZERO,
        );
        let check = check(&desk);
        desk.tell(Event::ProbeDone { check, attempt, outcome });
        desk.pass(Duration::from_secs(10));
    }
    desk.weights_are(&[]);
    assert_eq!(desk.director.snapshot(desk.now).services[0].servers[0].verdict, "down");
}

#[test]
fn overrides_end_by_themselves_and_follow_the_clock() {
    let mut desk = Desk::new(&text(&[A, B], ""));
    desk.set("10.0.1.1", DRAIN, Some(Duration::from_secs(3600)));
    desk.pass(Duration::from_secs(3599));
    desk.weights_are(&[(A, 0), (B, 3)]);
    desk.pass(Duration::from_secs(2));
    desk.weights_are(&[(A, 3), (B, 3)]);
    assert!(desk.director.overrides().is_empty());
    // The clock is set forward: what was to end at a time of day that is past by now ends.
    desk.set("10.0.1.1", DRAIN, Some(Duration::from_secs(3600)));
    let wall = SystemTime::UNIX_EPOCH + desk.director.wall_clock(desk.now) + Duration::from_secs(7200);
    desk.tell(Event::ClockSet { wall });
    desk.pass(Duration::from_secs(1));
    desk.weights_are(&[(A, 3), (B, 3)]);
}

#[test]
fn the_last_usable_server_is_told_before_and_its_sorry_server_stands_in() {
    let mut desk = Desk::new(&text(&[A, B], "sorry_server 10.0.9.9 80"));
    let endangered =
        |desk: &Desk, what: &str| desk.consider(what, Kind::Drain, Some(0)).unwrap().endangered.len();
    assert_eq!(endangered(&desk, "10.0.1.1"), 0);
    assert_eq!(endangered(&desk, "director"), 1);
    desk.set("10.0.1.1", DRAIN, None);
    assert_eq!(endangered(&desk, "10.0.1.2"), 1);
    desk.set("10.0.1.2", DRAIN, None);
    desk.weights_are(&[(A, 0), (B, 0), ("10.0.9.9", 1)]);
    // Nothing is lost any more that was not lost before.
    assert_eq!(endangered(&desk, "10.0.1.2"), 0);
    desk.take_back("10.0.1.2", Kind::Drain);
    desk.weights_are(&[(A, 0), (B, 3)]);
}

#[test]
fn a_server_is_removed_when_it_was_empty_twice_or_its_time_is_over() {
    let mut desk = Desk::new(&text(&[A, B], ""));
    let at_latest = Some(desk.director.wall_clock(desk.now) + Duration::from_secs(600));
    desk.set("10.0.1.1", Act::Drain { removal: Some(Removal { at_latest }) }, None);
    assert_eq!(desk.counted(), [A]);
    for counts in [5, 0, 1, 0] {
        desk.counts(&[("10.0.1.1:80", counts)]);
        desk.weights_are(&[(A, 0), (B, 3)]);
    }
    desk.counts(&[("10.0.1.1:80", 0)]);
    desk.weights_are(&[(B, 3)]);
    assert!(desk.counted().is_empty());
    // The other one keeps a connection.
    desk.take_back("10.0.1.1", Kind::Drain);
    desk.weights_are(&[(A, 3), (B, 3)]);
    let at_latest = Some(desk.director.wall_clock(desk.now) + Duration::from_secs(600));
    desk.set("10.0.1.2", Act::Drain { removal: Some(Removal { at_latest }) }, None);
    desk.counts(&[("10.0.1.2:80", 1)]);
    desk.pass(Duration::from_secs(599));
    desk.weights_are(&[(A, 3), (B, 0)]);
    desk.pass(Duration::from_secs(2));
    desk.weights_are(&[(A, 3)]);
    assert!(desk.counted().is_empty());
}

#[test]
fn what_the_last_run_left_counts_from_the_first_table_on() {
    let now = Instant::now();
    let up = Duration::from_secs(3600);
    let birth = Birth { host_name: "host".into(), seed: 1, at: now, wall: SystemTime::UNIX_EPOCH, up };
    let mut desk = Desk { director: Director::new(birth), running: Config::default(), now };
    let one = |target, act, expires| Override {
        target,
        act,
        owner: "alice".to_owned(),
        reason: None,
        set: Duration::ZERO,
        expires,
        dormant: None,
    };
    let server =
        |address: &str| Target::Server { service: None, address: address.parse().unwrap(), port: None };
    desk.now += Duration::from_secs(100);
    let all = vec![one(server(A), DRAIN, None), one(server(B), Act::Disable, Some(Duration::from_secs(99)))];
    desk.tell(Event::Override(Order::Restore(all)));
    desk.configure(&text(&[A, B], ""));
    desk.weights_are(&[(A, 0), (B, 3)]);
}

#[test]
fn an_override_waits_a_day_for_servers_that_are_gone() {
    let mut desk = Desk::new(&text(&[A, B], ""));
    desk.set("10.0.1.1", DRAIN, None);
    desk.configure(&text(&[B], ""));
    assert!(desk.director.snapshot(desk.now).overrides[0].dormant);
    desk.pass(DORMANT_FOR / 2);
    desk.configure(&text(&[A, B], ""));
    desk.weights_are(&[(A, 0), (B, 3)]);
    assert!(!desk.director.snapshot(desk.now).overrides[0].dormant);
    desk.configure(&text(&[B], ""));
    // It can be taken back, and ends by itself.
    assert_eq!(desk.find_override("10.0.1.1", Kind::Drain).unwrap().to_string(), A);
    desk.pass(DORMANT_FOR + Duration::from_secs(1));
    assert!(desk.director.overrides().is_empty());
    let error = desk.find_override("10.0.1.1", Kind::Drain).unwrap_err();
    assert!(error.contains("not drained by an override"), "{error}");
}

#[test]
fn what_is_taken_back_must_be_what_was_set() {
    let mut desk = Desk::new(&text(&[A, B], ""));
    desk.set("10.0.1.1", DRAIN, None);
    let error = desk.find_override("10.0.1.1:80", Kind::Drain).unwrap_err();
    assert!(error.contains("`directord undrain 10.0.1.1`"), "{error}");
    assert!(desk.find_override("10.0.1.1", Kind::Disable).is_err());
    let told = desk.director.overrides().over(&[(web().into(), key("10.0.1.1:80"))]);
    assert_eq!(told, ["10.0.1.1 is still drained by alice (new kernel)"]);
}

#[test]
fn a_removed_server_keeps_its_connections_for_a_while() {
    let mut desk = Desk::new(&text(&[A, B], "drain_on_remove 600"));
    desk.reload(&text(&[B], "drain_on_remove 600"));
    desk.weights_are(&[(A, 0), (B, 3)]);
    assert_eq!(desk.counted(), [A]);
    desk.counts(&[("10.0.1.1:80", 2)]);
    let leaving = desk.director.snapshot(desk.now).leaving;
    assert_eq!((leaving.len(), leaving[0].connections), (1, Some(2)));
    // Another reload leaves it where it is, one that has it again revives it.
    desk.reload(&text(&[B], ""));
    desk.weights_are(&[(A, 0), (B, 3)]);
    desk.reload(&text(&[A, B], "drain_on_remove 600"));
    desk.weights_are(&[(A, 3), (B, 3)]);
    assert!(desk.counted().is_empty());
    desk.reload(&text(&[B], "drain_on_remove 600"));
    desk.counts(&[("10.0.1.1:80", 0)]);
    desk.weights_are(&[(A, 0), (B, 3)]);
    desk.counts(&[("10.0.1.1:80", 0)]);
    desk.weights_are(&[(B, 3)]);
    assert!(desk.director.snapshot(desk.now).leaving.is_empty());
}

#[test]
fn a_removed_service_stays_for_its_connections_and_no_longer_than_its_time() {
    let mut desk = Desk::new(&text(&[A, B], "drain_on_remove 600"));
    desk.reload("");
    desk.weights_are(&[(A, 0), (B, 0)]);
    desk.counts(&[("10.0.1.1:80", 7)]);
    desk.counts(&[("10.0.1.1:80", 7)]);
    // The other one is not in the kernel any more.
    desk.weights_are(&[(A, 0)]);
    desk.pass(Duration::from_secs(599));
    desk.weights_are(&[(A, 0)]);
    desk.pass(Duration::from_secs(2));
    assert!(!desk.director.table.value.services.contains_key(&web()));
}

#[test]
fn who_says_nothing_goes_at_once() {
    let mut desk = Desk::new(&text(&[A, B], ""));
    desk.reload(&text(&[B], ""));
    desk.weights_are(&[(B, 3)]);
    assert!(desk.counted().is_empty());
}

#[test]
fn a_thousand_services_are_worked_out_in_pieces() {
    let service = |n: u32| {
        let (high, low) = (n / 250, n % 250);
        format!(
            "virtual_server 10.1.{high}.{low} 80 {{\nlvs_sched rr\nprotocol TCP\nlvs_method NAT\n\
             real_server 10.0.1.1 80 {{\n}}\nreal_server 10.0.1.2 80 {{\n}}\n}}\n"
        )
    };
    let mut desk = Desk::new(&(0..1000).map(service).collect::<String>());
    desk.pass(Duration::from_secs(1));
    let levels = |effects: &[Effect]| effects.iter().filter(|e| matches!(e, Effect::Table(_))).count();
    let effects = desk.set("10.0.1.1", DRAIN, None);
    assert_eq!(levels(&effects), 1);
    assert!(!desk.director.unsteered.is_empty());
    assert_eq!(desk.director.deadline(), Some(desk.now));
    desk.pass(Duration::from_millis(1));
    assert!(desk.director.unsteered.is_empty());
    assert_eq!(levels(&desk.pass(Duration::from_millis(10))), 1, "what followed the first goes out together");
    let drained = desk.director.table.value.services.values();
    assert!(drained.into_iter().all(|service| service.destinations[&key("10.0.1.1:80")].weight == 0));
}

#[test]
fn what_an_override_would_mean_is_worked_out_in_pieces() {
    // Two virtual servers, of which the first is many pieces long.
    let many: Vec<String> = (0..1000).map(|n| format!("10.1.{}.{}", n / 250, n % 250 + 1)).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    let other = "virtual_server 10.0.0.101 80 {\nlvs_sched rr\nlvs_method NAT\nprotocol TCP\npersistence_timeout\n\
                 real_server 10.1.0.1 80 {\n}\n}\n";
    let mut desk = Desk::new(&(text(&many, "quorum 3000") + other));
    desk.pass(Duration::from_millis(10));
    let director = &desk.director;
    let target = Target::find_in(&director.configuration(), "director").unwrap();
    let (mut unfinished, mut pieces) = (director.deliberate(target, Kind::Drain, Some(0)).unwrap(), 1);
    let all = loop {
        match director.deliberate_on(unfinished) {
            Ok(considered) => break considered,
            Err(rest) => (unfinished, pieces) = (rest, pieces + 1),
        }
    };
    assert_eq!((pieces, all.members.len(), all.endangered.len()), (4, 1001, 2), "{pieces} pieces");
    assert!(all.persistent);
    // One server of the thousand costs the quorum as well.
    let one = desk.consider("10.1.2.7", Kind::Drain, Some(0)).unwrap();
    assert_eq!((one.covered.len(), one.endangered.len(), one.persistent), (1, 1, false));
    let more = desk.consider("10.1.2.7", Kind::Weight, Some(4)).unwrap();
    assert!(more.endangered.is_empty());
    let there = desk.consider("tcp:10.0.0.101:80/10.1.0.1", Kind::Weight, Some(4)).unwrap();
    assert_eq!(there.members.len(), 1);
}
