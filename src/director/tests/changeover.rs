//! Reloads beside a kernel's table: what is needed stays, what is refused is taken back, and nothing is done in one piece.

use healthcheck::{FailureKind, Outcome};
use ipvs_backend::{
    DestinationKey, Errno, Kernel, KernelError, MemoryKernel, Operation, Reconciler, Rejection, ServerUsage,
    Service, ServiceKey, SyncChange, SyncDaemons, Table, Timeouts, Traffic,
};
use proptest::prelude::*;

use super::*;
use crate::director::effect::Settlement;
use crate::director::event::{AddressReport, HostReport, TableReport};
use crate::director::snapshot::ServiceStatus;

/// A kernel that refuses some operations in the middle.
struct Stumbling {
    kernel: MemoryKernel,
    /// Operations until it begins to refuse, and how many it refuses then.
    until: usize,
    refuses: usize,
}

impl Kernel for Stumbling {
    fn dump(&mut self) -> Result<Table, KernelError> {
        self.kernel.dump()
    }

    fn dump_service(&mut self, key: &ServiceKey) -> Result<Option<Service>, KernelError> {
        self.kernel.dump_service(key)
    }

    fn traffic(&mut self) -> Result<BTreeMap<ServiceKey, Traffic>, KernelError> {
        self.kernel.traffic()
    }

    fn usage(&mut self, key: &ServiceKey) -> Result<BTreeMap<DestinationKey, ServerUsage>, KernelError> {
        self.kernel.usage(key)
    }

    fn apply(&mut self, operations: &[Operation]) -> Result<Vec<Rejection>, KernelError> {
        let mut rejections = Vec::new();
        for (index, operation) in operations.iter().enumerate() {
            if self.until > 0 {
                self.until -= 1;
            } else if self.refuses > 0 {
                self.refuses -= 1;
                let reason = "out of memory (ENOMEM)".to_owned();
                rejections.push(Rejection { index, errno: Errno::ENOMEM, reason });
                continue;
            }
            for mut rejection in self.kernel.apply(std::slice::from_ref(operation))? {
                rejection.index = index;
                rejections.push(rejection);
            }
        }
        Ok(rejections)
    }

    fn daemons(&mut self) -> Result<SyncDaemons, KernelError> {
        self.kernel.daemons()
    }

    fn change_daemon(&mut self, change: &SyncChange) -> Result<Option<Errno>, KernelError> {
        self.kernel.change_daemon(change)
    }

    fn timeouts(&mut self) -> Result<Timeouts, KernelError> {
        self.kernel.timeouts()
    }

    fn set_timeouts(&mut self, timeouts: &Timeouts) -> Result<Option<Errno>, KernelError> {
        self.kernel.set_timeouts(timeouts)
    }
}

/// A brain, and owners that answer at once.
struct Room {
    desk: Desk,
    kernel: MemoryKernel,
    owner: Reconciler<Stumbling>,
    level: Arc<Table>,
}

impl Room {
    fn new(text: &str) -> Room {
        let kernel = MemoryKernel::new();
        let stumbling = Stumbling { kernel: kernel.clone(), until: 0, refuses: 0 };
        let (desk, owner) = (Desk::new(""), Reconciler::new(stumbling));
        let mut room = Room { desk, kernel, owner, level: Arc::default() };
        let settlement = room.reload(text).expect("it settles");
        assert_eq!(settlement.failures, [""; 0]);
        room
    }

    /// As the reloader does: returns whether the new configuration is in effect.
    fn transact(&mut self, old: &str, new: &str) -> bool {
        let settlement = self.reload(new).expect("it settles");
        if settlement.failures.is_empty() {
            return true;
        }
        self.reload(old).expect("the way back settles");
        false
    }

    fn reload(&mut self, text: &str) -> Option<Settlement> {
        let effects = self.desk.configure(text);
        self.live(effects)
    }

    /// Carries effects out until there are none, and no deadline of the next milliseconds.
    fn live(&mut self, effects: Vec<Effect>) -> Option<Settlement> {
        let mut todo = VecDeque::from(effects);
        let mut settled = None;
        loop {
            let Some(effect) = todo.pop_front() else {
                let soon = self.desk.now + Duration::from_millis(2);
                let Some(at) = self.desk.director.deadline().filter(|at| *at <= soon) else { return settled };
                let pause = at.saturating_duration_since(self.desk.now);
                todo.extend(self.desk.pass(pause));
                continue;
            };
            let event = match effect {
                Effect::Table(level) => {
                    self.level = level.value.clone();
                    Event::TableApplied(self.converge(level.serial))
                }
                Effect::Addresses(level) => Event::AddressesApplied(AddressReport {
                    serial: level.serial,
                    ..AddressReport::default()
                }),
                Effect::Host(level) => {
                    Event::HostApplied(HostReport { serial: level.serial, ..HostReport::default() })
                }
                Effect::SyncDaemons(level) => {
                    Event::SyncApplied(TableReport { serial: level.serial, ..TableReport::default() })
                }
                Effect::Settled(settlement) => {
                    settled = Some(settlement);
                    // Whoever handed the configuration over decides before anything else happens.
                    if settled.as_ref().is_some_and(|settled| !settled.failures.is_empty()) {
                        return settled;
                    }
                    continue;
                }
                _ => continue,
            };
            todo.extend(self.desk.tell(event));
        }
    }

    fn converge(&mut self, serial: u64) -> TableReport {
        let report = self.owner.converge(&self.level).expect("the kernel can be talked to");
        let failures = report.refused.iter().map(ToString::to_string).collect();
        TableReport { serial, applied: report.applied.len(), failures, ..TableReport::default() }
    }
}

/// Up to three services, each with some of four servers.
fn any_text() -> impl Strategy<Value = String> {
    let server = (1..5_u8, 0..3_u32);
    let service = (1..4_u8, prop::sample::select(vec!["rr", "wlc"]), prop::collection::vec(server, 1..4));
    prop::collection::vec(service, 1..4).prop_map(|services| {
        let services: BTreeMap<u8, _> =
            services.into_iter().map(|(key, scheduler, servers)| (key, (scheduler, servers))).collect();
        services
            .into_iter()
            .map(|(key, (scheduler, servers))| service_text(key, scheduler, &servers))
            .collect()
    })
}

fn service_text(key: u8, scheduler: &str, servers: &[(u8, u32)]) -> String {
    let servers: BTreeMap<_, _> = servers.iter().copied().collect();
    let servers: String = servers
        .iter()
        .map(|(server, weight)| format!("real_server 10.0.1.{server} 80 {{\nweight {weight}\n}}\n"))
        .collect();
    format!("virtual_server 10.0.0.{key} 80 {{\nlvs_sched {scheduler}\nprotocol TCP\n{servers}}}\n")
}

fn usable(table: &Table) -> Vec<ServiceKey> {
    let usable = table.services.iter().filter(|(_, service)| service.is_usable());
    usable.map(|(key, _)| *key).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    /// At every table in between, whatever is refused where, a service that is usable before and after is usable.
    #[test]
    fn a_usable_service_stays_usable_and_the_end_is_the_new_or_the_old(
        old in any_text(), new in any_text(), until in 0..12_usize,
        refuses in prop::sample::select(vec![0, 1, 2, 4, 1000]),
    ) {
        let wanted = Room::new(&new).kernel.table();
        let mut room = Room::new(&old);
        let before = room.kernel.table();
        room.kernel.take_log();
        let stumbling = Stumbling { kernel: room.kernel.clone(), until, refuses };
        room.owner = Reconciler::new(stumbling);
        room.owner.claim(before.services.keys().copied());
        let applied = room.transact(&old, &new);
        // The trouble is over: what the owner keeps trying works now.
        let healed = Stumbling { kernel: room.kernel.clone(), until: 0, refuses: 0 };
        room.owner = Reconciler::new(healed);
        room.owner.claim(before.services.keys().chain(wanted.services.keys()).copied());
        room.converge(0);
        let end = room.kernel.table();
        prop_assert_eq!(&end, if applied { &wanted } else { &before });
        prop_assert!(applied || refuses > 0, "nothing was refused");
        let log = room.kernel.take_log();
        let served: Vec<_> =
            usable(&before).into_iter().filter(|key| usable(&wanted).contains(key)).collect();
        let mut again = MemoryKernel::with_table(&before);
        for operation in &log {
            let _ = again.apply(std::slice::from_ref(operation));
            let now = usable(&again.table());
            prop_assert!(served.iter().all(|key| now.contains(key)), "empty after: {}\n{:?}", operation, log);
        }
    }
}

/// A hundred services of a hundred servers.
fn many(weight: u32, more: &str) -> String {
    let servers: String =
        (0..100).map(|n| format!("real_server 10.1.{n}.1 80 {{\nweight {weight}\n}}\n")).collect();
    let service = |n: u32| {
        let more = if n == 7 { more } else { "" };
        format!("virtual_server 10.0.0.{n} 80 {{\nlvs_sched rr\nprotocol TCP\n{servers}{more}}}\n")
    };
    (1..=100).map(service).collect()
}

#[test]
fn one_server_added_to_ten_thousand_is_one_change_of_the_kernel() {
    let mut room = Room::new(&many(1, ""));
    assert_eq!(room.kernel.take_log().len(), 100 + 10_000);
    room.reload(&many(1, "real_server 10.2.0.1 80 {\n}\n")).expect("it settles");
    let log: Vec<String> = room.kernel.take_log().iter().map(ToString::to_string).collect();
    assert_eq!(log, ["add real server [10.2.0.1]:80 to [10.0.0.7]:tcp:80 (NAT weight 1)"]);
}

#[test]
fn ten_thousand_servers_are_gone_through_in_pieces_and_a_newer_file_overtakes() {
    let mut room = Room::new(&many(1, ""));
    room.kernel.take_log();
    // The event itself does a piece; the rest waits for its turn.
    let effects = room.desk.configure(&many(2, ""));
    assert!(!effects.iter().any(|effect| matches!(effect, Effect::Table(_))), "all of it was done at once");
    let begun = room.desk.now;
    for _ in 0..30 {
        assert_eq!(room.desk.turn(), []);
    }
    assert_eq!(room.desk.now, begun, "each piece is due at once");
    // In the middle of it comes another file: what was begun and what was not end as it says.
    let settlement = room.reload(&many(3, "")).expect("it settles");
    assert_eq!((settlement.generation, settlement.failures.len()), (4, 0));
    let weights: BTreeSet<u32> = room
        .kernel
        .table()
        .services
        .values()
        .flat_map(|service| service.destinations.values().map(|settings| settings.weight))
        .collect();
    assert_eq!(weights, [3].into());
}

/// Three thousand checked real servers from this one on, in one virtual server.
fn one(first: u32, weight: u32) -> String {
    let server = |n: u32| {
        let address = std::net::Ipv4Addr::from_bits(0x0a01_0000 + n);
        format!("real_server {address} 80 {{\nweight {weight}\nTCP_CHECK {{\nretry 0\n}}\n}}\n")
    };
    let servers: String = (first..first + 3000).map(server).collect();
    format!("virtual_server 10.0.0.1 80 {{\nlvs_sched rr\nprotocol TCP\n{servers}}}\n")
}

#[test]
fn one_virtual_server_of_thousands_is_gone_through_in_pieces_and_decided_on_at_the_end() {
    let mut room = Room::new(&one(0, 1));
    room.desk.pass(Duration::from_secs(60));
    room.kernel.take_log();
    let handed_out = |effects: &[Effect]| effects.iter().any(|effect| matches!(effect, Effect::Table(_)));
    let mut effects = room.desk.configure(&one(0, 2));
    for _ in 0..10 {
        effects.extend(room.desk.turn());
    }
    // A check fails meanwhile, of a server that is through and of one that is not; and then comes another file.
    for n in [0, 1, 2500] {
        let address: std::net::IpAddr = std::net::Ipv4Addr::from_bits(0x0a01_0000 + n).into();
        let director = &room.desk.director;
        let found = director.places.iter().find(|(_, place)| place.server.address == address);
        let check = *found.expect("it is checked").0;
        let attempt = director.run(check).expect("it is checked").1.monitor.attempts();
        let outcome = Outcome::failed(FailureKind::Refused, "refused", Duration::ZERO);
        effects.extend(room.desk.tell(Event::ProbeDone { check, attempt, outcome }));
        effects.extend(room.desk.turn());
    }
    assert!(!handed_out(&effects), "it was handed out half done");
    let settlement = room.reload(&one(1, 3)).expect("it settles");
    assert_eq!((settlement.generation, settlement.failures.len()), (4, 0));
    let held = room.kernel.table().services.values().next().expect("it is there").clone();
    let last = held.destinations.keys().next_back().map(ToString::to_string);
    assert_eq!((held.destinations.len(), last.as_deref()), (2998, Some("[10.1.11.184]:80")));
    assert!(held.destinations.values().all(|settings| settings.weight == 3));
    // All are checked, those that are new as well.
    room.desk.pass(Duration::from_secs(60));
    let pool = room.desk.director.pools.values_mut().next().expect("it is there");
    super::tally::check(pool).expect("it is what a look at all says");
    assert_eq!(pool.servers.len(), 3000);
    let asked = |server: &super::super::pool::Server| server.checks[0].monitor.attempts() > 0;
    assert!(pool.servers.values().all(asked));
    // Of the same file again nothing is done.
    room.kernel.take_log();
    room.reload(&one(1, 3)).expect("it settles");
    assert_eq!(room.kernel.take_log(), []);
}

#[test]
fn an_owner_that_does_not_answer_is_named_and_not_waited_for_for_ever() {
    let mut desk = Desk::new(SERVERS);
    let effects = desk.pass(Duration::from_secs(31));
    let settled = |effects: &[Effect]| -> Vec<Settlement> {
        effects
            .iter()
            .filter_map(|e| if let Effect::Settled(s) = e { Some(s.clone()) } else { None })
            .collect()
    };
    let [settlement] = settled(&effects).try_into().expect("one settlement");
    assert_eq!(settlement.unanswered.first().map(String::as_str), Some("the IPVS table"));
    assert!(settlement.failures.is_empty());
    // The next reload does not wait on the old one.
    desk.configure(&SERVERS.replace("weight 3", "weight 4"));
    assert_eq!(settled(&desk.pass(Duration::from_secs(31))).len(), 1);
}

/// The owner of the table tries again every few seconds.
#[test]
fn what_the_kernel_goes_on_refusing_is_told_once() {
    let mut desk = Desk::new(SERVERS);
    let mut told = |failures: &[&str]| {
        let failures = failures.iter().map(|what| (*what).to_owned()).collect();
        let serial = desk.director.table.serial;
        let effects =
            desk.tell(Event::TableApplied(TableReport { serial, failures, ..TableReport::default() }));
        let refusals = effects.iter().filter_map(|effect| match effect {
            Effect::Log(entry) => Some(entry.to_string()),
            _ => None,
        });
        refusals.filter(|line| line.starts_with("the kernel refused: ")).count()
    };
    assert_eq!([told(&["a"]), told(&["a"]), told(&["a", "b"]), told(&[]), told(&["a"])], [1, 0, 1, 0, 1]);
}

#[test]
fn a_snapshot_in_pieces_is_the_whole() {
    let room = Room::new(&many(1, ""));
    let director = &room.desk.director;
    let (mut survey, mut pieces) = (director.survey(room.desk.now), 0);
    let snapshot = loop {
        pieces += 1;
        match director.survey_on(survey, room.desk.now) {
            Ok(snapshot) => break snapshot,
            Err(rest) => survey = rest,
        }
    };
    assert!(pieces > 50, "{pieces} pieces");
    assert_eq!(snapshot.services.len(), 100);
    assert!(snapshot.services.iter().all(|service| service.servers.len() == 100));
    let grew = |service: &ServiceStatus| service.servers.capacity() > 100;
    assert!(!snapshot.services.iter().any(grew), "a list that grows is copied at once, however long it is");
    assert_eq!(snapshot, director.snapshot(room.desk.now));
}
