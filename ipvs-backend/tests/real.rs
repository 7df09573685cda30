//! The real kernel's IPVS, each test in a network namespace of its own.
//!
//! Where the kernel has no IPVS or no namespace may be made, a test says `skipped: …` and passes; with
//! `DIRECTORD_REQUIRE_IPVS=1` in the environment that is a failure.

#![allow(clippy::unwrap_used, reason = "a helper of a test may panic")]

use std::collections::BTreeSet;
use std::io::Write;
use std::net::{IpAddr, Ipv4Addr};
use std::num::NonZeroU16;
use std::os::fd::{AsFd, AsRawFd};
use std::os::unix::process::CommandExt;
use std::process::{Command, Output};
use std::sync::{Arc, Once};
use std::time::{Duration, Instant};

use ipvs_backend::{
    Checksum, DestinationKey, DestinationSettings, Drift, Errno, Forwarding, Granularity, Kernel,
    KernelError, MemoryKernel, NetlinkKernel, Operation, Persistence, Reconciler, Scheduler, Service,
    ServiceKey, ServiceSettings, SyncChange, SyncDaemons, SyncKeeper, SyncReport, SyncRole, SyncSettings,
    Table, Tunnel, flag, plan,
};
use nix::sched::{CloneFlags, unshare};
use nix::sys::socket::{self, AddressFamily, MsgFlags, SockFlag, SockProtocol, SockType, sockopt};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

const WEB: &str = "[10.0.0.1]:tcp:80";

/// Says why a test cannot run here; a failure where it must.
fn skipped(reason: &str) {
    assert!(std::env::var_os("DIRECTORD_REQUIRE_IPVS").is_none(), "IPVS is required, but: {reason}");
    // Past the test harness, which keeps what a passing test prints to itself.
    let _ = writeln!(std::io::stderr(), "skipped: {reason}; the lab runs these tests in its guest");
}

/// The empty IPVS table of a new network namespace, in which this thread is from now on.
fn kernel() -> Option<NetlinkKernel> {
    if let Err(errno) = unshare(CloneFlags::CLONE_NEWNET) {
        skipped(&format!("no network namespace may be made here ({errno})"));
        return None;
    }
    bring_up_loopback();
    match NetlinkKernel::open() {
        Ok(mut kernel) => {
            static LOADED: Once = Once::new();
            LOADED.call_once(|| load_modules(&mut kernel));
            Some(kernel)
        }
        Err(KernelError::NoIpvs) => {
            skipped("no IPVS in this kernel");
            None
        }
        Err(error) => panic!("{error}"),
    }
}

/// Has the kernel load what it loads modules for that concern network namespaces, before the first of these dies. While
/// one dies, Linux 6.1 hangs over that for good: the service that asks for a scheduler holds the lock of IPVS, its module
/// waits for the dying namespace, and that one for the lock.
fn load_modules(kernel: &mut NetlinkKernel) {
    let key = service("FWM 1");
    let plain = |name: &str| settings(name);
    let with_engine =
        ServiceSettings { engine: Some("sip".to_owned()), persistence: Some(hour()), ..plain("rr") };
    for settings in [plain("lblc"), plain("lblcr"), with_engine] {
        // What is missing is found by the tests themselves.
        let _ = kernel.apply(&[Operation::AddService { key, settings }, Operation::RemoveService { key }]);
    }
}

fn hour() -> Persistence {
    Persistence { timeout: Duration::from_secs(3600), granularity: Granularity::Host }
}

/// A namespace whose loopback device never was up knows no addresses at all, and IPVS takes none as unicast.
fn bring_up_loopback() {
    const RTM_NEWLINK: u16 = 16;
    const IFF_UP: u32 = 1;
    let mut message = Vec::new();
    message.extend_from_slice(&32u32.to_ne_bytes()); // struct nlmsghdr
    message.extend_from_slice(&RTM_NEWLINK.to_ne_bytes());
    message.extend_from_slice(&5u16.to_ne_bytes()); // NLM_F_REQUEST | NLM_F_ACK
    message.extend_from_slice(&[0; 8]);
    message.extend_from_slice(&[0; 4]); // struct ifinfomsg
    message.extend_from_slice(&1u32.to_ne_bytes()); // the loopback device is the first of each namespace
    message.extend_from_slice(&IFF_UP.to_ne_bytes());
    message.extend_from_slice(&IFF_UP.to_ne_bytes());
    let protocol = SockProtocol::NetlinkRoute;
    let socket =
        socket::socket(AddressFamily::Netlink, SockType::Raw, SockFlag::SOCK_CLOEXEC, protocol).unwrap();
    socket::send(socket.as_raw_fd(), &message, MsgFlags::empty()).unwrap();
    let mut answer = [0; 64];
    socket::recv(socket.as_raw_fd(), &mut answer, MsgFlags::empty()).unwrap();
    assert_eq!(answer[16..20], [0; 4], "loopback device up");
}

fn service(text: &str) -> ServiceKey {
    text.parse().unwrap()
}

fn server(text: &str) -> DestinationKey {
    text.parse().unwrap()
}

fn settings(scheduler: &str) -> ServiceSettings {
    ServiceSettings::new(Scheduler::from_kernel(scheduler))
}

fn add(to: &str, key: &str, settings: DestinationSettings) -> Operation {
    Operation::AddDestination { service: service(to), key: server(key), settings }
}

fn add_service(key: &str, settings: ServiceSettings) -> Operation {
    Operation::AddService { key: service(key), settings }
}

fn weighing(weight: u32) -> DestinationSettings {
    DestinationSettings::new(Forwarding::Nat, weight)
}

/// Applies one by one; an operation that is refused is an error number.
fn outcome(kernel: &mut impl Kernel, operation: &Operation) -> Option<Errno> {
    kernel.apply(std::slice::from_ref(operation)).unwrap().first().map(|rejection| rejection.errno)
}

fn difference(kernel: &mut impl Kernel, wanted: &Table) -> Vec<Operation> {
    let found = kernel.dump().unwrap();
    let all = found.services.keys().copied().collect();
    plan(&found, wanted, &all)
}

fn ipvsadm(arguments: &str) -> std::io::Result<Output> {
    Command::new("ipvsadm").args(arguments.split_whitespace()).output()
}

#[test]
fn every_scheduler() {
    let Some(mut kernel) = kernel() else { return };
    for (mark, name) in (1..).zip(Scheduler::KNOWN) {
        let key = format!("FWM {mark}");
        let rejections = kernel.apply(&[add_service(&key, settings(name))]).unwrap();
        if name == "twos" && !rejections.is_empty() {
            // Linux 5.19, but not in every distribution's kernel.
            let reason =
                "the kernel has no scheduler twos; it is in the module ip_vs_twos: `modprobe ip_vs_twos`";
            assert_eq!((rejections[0].errno, rejections[0].reason.as_str()), (Errno::ENOENT, reason));
            continue;
        }
        assert_eq!(rejections, [], "{name}");
        let found = kernel.dump_service(&service(&key)).unwrap().unwrap();
        assert_eq!(found.settings, settings(name));
    }
    let unknown = add_service("FWM 99", settings("nonesuch"));
    assert_eq!(outcome(&mut kernel, &unknown), Some(Errno::ENOENT));
    assert!(kernel.info().connection_table_size > 0);
}

#[test]
fn forwarding_thresholds_and_weights_change_in_place() {
    let Some(mut kernel) = kernel() else { return };
    assert_eq!(outcome(&mut kernel, &add_service(WEB, settings("wlc"))), None);
    let methods = [Forwarding::Nat, Forwarding::Dr, Forwarding::Tun];
    for (number, from) in (1..).zip(methods) {
        let key = format!("10.1.0.{number}:80");
        assert_eq!(outcome(&mut kernel, &add(WEB, &key, DestinationSettings::new(from, 1))), None);
        for (weight, to) in (0..).zip(methods) {
            let settings = DestinationSettings {
                forwarding: to,
                weight,
                upper: 100 + weight,
                lower: weight,
                tunnel: None,
            };
            let (service, key) = (service(WEB), server(&key));
            let set = Operation::SetDestination { service, key, settings };
            assert_eq!(outcome(&mut kernel, &set), None);
            let found = kernel.dump_service(&service).unwrap().unwrap();
            assert_eq!(found.destinations[&key], settings, "{from} to {to}");
        }
    }
    // The port is not checked with direct routing, and a server on this very host is read back as it was
    // asked for.
    let direct = DestinationSettings::new(Forwarding::Dr, 1);
    assert_eq!(outcome(&mut kernel, &add(WEB, "10.1.0.9:8080", direct)), None);
    assert_eq!(outcome(&mut kernel, &add(WEB, "127.0.0.1:80", direct)), None);
    let found = kernel.dump_service(&service(WEB)).unwrap().unwrap();
    assert!(found.destinations[&server("127.0.0.1:80")].same_as(&direct));
}

/// Services of each kind, with each setting.
fn every_kind() -> Table {
    let persistent = |timeout, granularity| ServiceSettings {
        persistence: Some(Persistence { timeout, granularity }),
        ..settings("rr")
    };
    let minute = Duration::from_secs(60);
    let network = Granularity::Netmask(Ipv4Addr::new(255, 255, 0, 0));
    let kinds = [
        (WEB, settings("rr"), "10.1.0.1:80"),
        ("[10.0.0.1]:tcp:0", persistent(minute, Granularity::Host), "10.1.0.1:0"),
        ("[10.0.0.2]:tcp:80", persistent(Duration::from_millis(1500), network), "10.1.0.1:80"),
        ("[10.0.0.1]:sctp:80", settings("wrr"), "10.1.0.1:80"),
        ("[10.0.0.1]:udp:53", ServiceSettings { flags: flag::ONE_PACKET, ..settings("rr") }, "10.1.0.1:53"),
        (
            "[10.0.0.1]:udp:5060",
            ServiceSettings { engine: Some("sip".to_owned()), ..persistent(minute, Granularity::Host) },
            "10.1.0.1:5060",
        ),
        (
            "FWM 1",
            ServiceSettings { flags: flag::SH_PORT | flag::SH_FALLBACK, ..settings("sh") },
            "10.1.0.1:0",
        ),
        ("FWM 1 v6", persistent(minute, Granularity::Prefix(64)), "[2001:db8::1]:0"),
        ("FWM 4294967295", persistent(minute, network), "10.1.0.1:0"),
        ("[2001:db8::80]:tcp:80", persistent(minute, Granularity::Host), "[2001:db8::1]:80"),
    ];
    let services = kinds.into_iter().map(|(key, settings, to)| {
        let mut held = Service::new(settings);
        held.destinations.insert(server(to), weighing(2));
        (service(key), Arc::new(held))
    });
    Table { services: services.collect() }
}

#[test]
fn every_kind_of_service_is_read_back_equal() {
    let Some(mut kernel) = kernel() else { return };
    let wanted = every_kind();
    let mut reconciler = Reconciler::new(&mut kernel);
    let report = reconciler.converge(&wanted).unwrap();
    assert!(report.settled, "{report:?}");
    assert_eq!(report.applied.len(), 2 * wanted.services.len());
    assert_eq!(reconciler.check().unwrap(), []);
    assert_eq!(reconciler.converge(&wanted).unwrap().applied, []);
    drop(reconciler);
    assert_eq!(difference(&mut kernel, &wanted), []);
    for (key, wanted) in &wanted.services {
        let found = kernel.dump_service(key).unwrap().unwrap();
        assert!(found.settings.same_as(&wanted.settings, key.family()), "{key}: {found:?}");
        assert_eq!(found.destinations, wanted.destinations, "{key}");
    }
}

#[test]
fn settings_change_in_place() {
    let Some(mut kernel) = kernel() else { return };
    let mut reconciler = Reconciler::new(&mut kernel);
    reconciler.converge(&every_kind()).unwrap();
    let mut plain = every_kind();
    for held in plain.services.values_mut() {
        let held = Arc::make_mut(held);
        // Persistence, flags and engine go, the scheduler changes.
        held.settings = settings("nq");
    }
    let report = reconciler.converge(&plain).unwrap();
    assert!(report.settled, "{report:?}");
    assert!(report.applied.iter().all(|operation| matches!(operation, Operation::SetService { .. })));
    assert!(reconciler.converge(&every_kind()).unwrap().settled);
    drop(reconciler);
    assert_eq!(difference(&mut kernel, &every_kind()), []);
}

#[test]
fn a_hundred_services_of_a_hundred_servers() {
    let Some(mut kernel) = kernel() else { return };
    let services = (0..100u32).map(|number| {
        let mut held = Service::new(settings("wlc"));
        held.destinations = (0..100u32)
            .map(|server| IpAddr::from(Ipv4Addr::from_bits(0x0a80_0001 + number * 100 + server)))
            .map(|address| (DestinationKey::new(address, 80), DestinationSettings::new(Forwarding::Dr, 1)))
            .collect();
        (ServiceKey::tcp(Ipv4Addr::from_bits(0x0a00_0001 + number).into(), 80), Arc::new(held))
    });
    let mut wanted = Table { services: services.collect() };
    let mut reconciler = Reconciler::new(&mut kernel);
    let started = Instant::now();
    let report = reconciler.converge(&wanted).unwrap();
    println!("10000 real servers programmed and read back in {:?}", started.elapsed());
    assert!(report.settled && report.overruns == 0);
    assert_eq!(report.applied.len(), 100 * 101);
    // One change costs one operation.
    let key = service(WEB);
    let held = Arc::make_mut(wanted.services.get_mut(&key).unwrap());
    let first = *held.destinations.keys().next().unwrap();
    held.destinations.insert(first, DestinationSettings::new(Forwarding::Dr, 5));
    let started = Instant::now();
    let report = reconciler.converge(&wanted).unwrap();
    println!("one of them changed and its service read back in {:?}", started.elapsed());
    assert_eq!(report.applied.len(), 1);
    assert_eq!(reconciler.check().unwrap(), []);
    assert!(reconciler.release().unwrap().settled);
    drop(reconciler);
    assert_eq!(kernel.dump().unwrap(), Table::default());
}

#[test]
fn adopts_what_ipvsadm_made_and_leaves_what_is_foreign() {
    let Some(mut kernel) = kernel() else { return };
    if ipvsadm("--version").is_err() {
        println!("skipped: no ipvsadm on this machine");
        return;
    }
    for arguments in [
        "-A -t 10.0.0.1:80 -s wlc -p 60 -M 255.255.255.0",
        "-a -t 10.0.0.1:80 -r 10.1.0.1:80 -m -w 1",
        "-a -t 10.0.0.1:80 -r 10.1.0.2:80 -m -w 1 -x 10 -y 5",
        "-a -t 10.0.0.1:80 -r 10.1.0.3:80 -g -w 1",
        "-A -f 7 -s rr",
        "-a -f 7 -r 10.1.0.1 -g",
    ] {
        let output = ipvsadm(arguments).unwrap();
        assert!(output.status.success(), "{arguments}: {}", String::from_utf8_lossy(&output.stderr));
    }
    let persistence = Persistence {
        timeout: Duration::from_secs(60),
        granularity: Granularity::Netmask(Ipv4Addr::new(255, 255, 255, 0)),
    };
    let mut web = Service::new(ServiceSettings { persistence: Some(persistence), ..settings("wlc") });
    let limited = DestinationSettings { upper: 10, lower: 5, ..weighing(1) };
    web.destinations = [(server("10.1.0.1:80"), weighing(3)), (server("10.1.0.2:80"), limited)].into();
    let mut wanted = Table::default();
    wanted.services.insert(service(WEB), Arc::new(web));
    let mut reconciler = Reconciler::new(&mut kernel);
    reconciler.start().unwrap();
    assert_eq!(reconciler.known().unwrap().services.len(), 2);
    let report = reconciler.converge(&wanted).unwrap();
    assert!(report.settled);
    let told: Vec<_> = report.applied.iter().map(Operation::to_string).collect();
    assert_eq!(
        told,
        [
            "change real server [10.1.0.1]:80 of [10.0.0.1]:tcp:80 (NAT weight 3)",
            "remove real server [10.1.0.3]:80 from [10.0.0.1]:tcp:80"
        ]
    );
    // Somebody meddles: found by the check, repaired by the next convergence.
    assert!(ipvsadm("-d -t 10.0.0.1:80 -r 10.1.0.2:80").unwrap().status.success());
    let drift: Vec<_> = reconciler.check().unwrap().iter().map(Drift::to_string).collect();
    assert_eq!(drift, ["real server [10.1.0.2]:80 of [10.0.0.1]:tcp:80 is missing in the kernel"]);
    assert_eq!(reconciler.converge(&wanted).unwrap().applied.len(), 1);
    let listed = String::from_utf8(ipvsadm("-Ln").unwrap().stdout).unwrap();
    assert!(listed.contains("10.1.0.2:80") && listed.contains("FWM  7 rr"), "{listed}");
    // Stopping removes ours only.
    assert!(reconciler.release().unwrap().settled);
    let listed = String::from_utf8(ipvsadm("-Sn").unwrap().stdout).unwrap();
    assert_eq!(listed.lines().collect::<Vec<_>>(), ["-A -f 7 -s rr", "-a -f 7 -r 10.1.0.1:0 -g -w 1"]);
}

#[test]
fn ten_thousand_refusals_arrive() {
    let Some(mut kernel) = kernel() else { return };
    let mut operations: Vec<_> = (0..10_000u32)
        .map(|number| IpAddr::from(Ipv4Addr::from_bits(0x0a80_0001 + number)))
        .map(|address| Operation::AddDestination {
            service: service(WEB),
            key: DestinationKey::new(address, 80),
            settings: weighing(1),
        })
        .collect();
    operations.insert(5000, add_service("FWM 1", settings("rr")));
    let rejections = kernel.apply(&operations).unwrap();
    let indices: BTreeSet<_> = rejections.iter().map(|rejection| rejection.index).collect();
    assert_eq!(indices, (0..10_001).filter(|index| *index != 5000).collect());
    assert!(rejections.iter().all(|rejection| rejection.errno == Errno::ESRCH));
    assert_eq!(kernel.dump().unwrap().services.len(), 1);
}

/// Refusals that find no room are lost (ENOBUFS): what became of the changes is then looked up, however often that takes,
/// and nothing that was carried out is done twice or forgotten.
#[test]
fn answers_that_were_lost_are_looked_up() {
    let Some(mut kernel) = kernel() else { return };
    let address = |first: u32, n: u32| IpAddr::from(Ipv4Addr::from_bits(first + n));
    let servers = |first: u32| (0..400).map(move |n| DestinationKey::new(address(first, n), 80));
    let mut held = Service::new(settings("wlc"));
    // Of addresses that no packet can be sent to the kernel wants to know nothing; each is a refusal of its own.
    held.destinations =
        servers(0x0a01_0000).chain(servers(0xe001_0000)).map(|key| (key, weighing(1))).collect();
    let wanted = Table { services: [(service(WEB), Arc::new(held))].into() };
    // One that is there already, and one of somebody else.
    let before = [add_service(WEB, settings("rr")), add_service("FWM 7", settings("rr"))];
    assert_eq!(kernel.apply(&before), Ok(Vec::new()));
    let socket = kernel.as_fd().try_clone_to_owned().unwrap();
    let make_room = |bytes| socket::setsockopt(&socket, sockopt::RcvBufForce, &bytes).unwrap();
    let mut reconciler = Reconciler::new(&mut kernel);
    reconciler.start().unwrap();
    make_room(2048);
    assert_eq!(
        reconciler.converge(&wanted),
        Err(KernelError::Overrun),
        "nothing was lost: this tests nothing"
    );
    // It can be asked at once, and once more fails in the same way.
    reconciler.start().unwrap();
    let known = |reconciler: &Reconciler<&mut NetlinkKernel>| {
        let known = reconciler.known().unwrap();
        (known.services.len(), known.services[&service(WEB)].destinations.len())
    };
    assert_eq!(known(&reconciler), (2, 400));
    assert_eq!(reconciler.converge(&wanted), Err(KernelError::Overrun));
    make_room(4 << 20);
    let report = reconciler.converge(&wanted).unwrap();
    assert_eq!((report.applied.len(), report.refused.len(), report.settled), (0, 400, false));
    assert_eq!(known(&reconciler), (2, 400));
    assert!(reconciler.release().unwrap().settled);
    drop(reconciler);
    assert_eq!(kernel.dump().unwrap().services.into_keys().collect::<Vec<_>>(), [service("FWM 7")]);
}

/// The kernel in memory must not promise what the real one does not keep.
#[test]
fn the_kernel_in_memory_obeys_the_same_rules() {
    let Some(mut real) = kernel() else { return };
    let mut runner = TestRunner::new(Config { cases: 100, failure_persistence: None, ..Config::default() });
    let real = std::cell::RefCell::new(&mut real);
    let tested = runner.run(&prop::collection::vec(any_operation(), 1..60), |operations| {
        let mut real = real.borrow_mut();
        let leftovers: Vec<_> =
            real.dump().unwrap().services.into_keys().map(|key| Operation::RemoveService { key }).collect();
        prop_assert_eq!(real.apply(&leftovers), Ok(Vec::new()));
        let mut memory = MemoryKernel::new();
        prop_assert_eq!(real.apply(&operations), memory.apply(&operations));
        prop_assert_eq!(difference(&mut **real, &memory.table()), Vec::new());
        Ok(())
    });
    if let Err(error) = tested {
        panic!("{error}");
    }
}

fn any_operation() -> impl Strategy<Value = Operation> {
    let keys = ["[10.0.0.1]:tcp:80", "[10.0.0.1]:udp:80", "FWM 1", "FWM 1 v6", "[2001:db8::80]:tcp:80"];
    let key = prop::sample::select(keys.map(service).to_vec());
    let servers = [
        "10.1.0.1:80",
        "10.1.0.1:81",
        "224.0.0.1:80",
        "0.0.0.0:80",
        "[2001:db8::1]:80",
        "[fe80::1]:80",
        "[ff02::1]:1",
    ];
    let server = prop::sample::select(servers.map(server).to_vec());
    // Names that do not exist are rare: for each of them the kernel runs modprobe.
    let scheduler = prop_oneof![20 => Just("rr"), 20 => Just("wlc"), 1 => Just("nonesuch")];
    let engine = prop_oneof![30 => Just(None), 10 => Just(Some("sip")), 1 => Just(Some("pip"))];
    let granularity = prop_oneof![
        Just(Granularity::Host),
        (0..=129u8).prop_map(Granularity::Prefix),
        any::<u32>().prop_map(|bits| { Granularity::Netmask(bits.into()) })
    ];
    let persistence = (0..100u64, granularity).prop_map(|(seconds, granularity)| Persistence {
        timeout: Duration::from_secs(seconds),
        granularity,
    });
    let settings = (scheduler, engine, prop::option::of(persistence), 0..64u32).prop_map(
        |(scheduler, engine, persistence, flags)| ServiceSettings {
            persistence,
            flags,
            engine: engine.map(str::to_owned),
            ..settings(scheduler)
        },
    );
    let forwarding = prop::sample::select(vec![Forwarding::Nat, Forwarding::Dr, Forwarding::Tun]);
    let gue = |checksum| Some(Tunnel::Gue { port: NonZeroU16::MAX, checksum });
    let gre = |checksum| Some(Tunnel::Gre { checksum });
    let tunnel = prop::sample::select(vec![
        None,
        gue(Checksum::None),
        gue(Checksum::Remote),
        gre(Checksum::None),
        gre(Checksum::Plain),
    ]);
    let weight = prop::sample::select(vec![0, 1, 65_536, 2_147_483_647, 2_147_483_648]);
    let destination = (forwarding, weight, 0..3u32, 0..3u32, tunnel).prop_map(
        |(forwarding, weight, upper, lower, tunnel)| DestinationSettings {
            forwarding,
            weight,
            upper,
            lower,
            tunnel,
        },
    );
    (0..10u8, key, settings, server, destination).prop_map(|(kind, key, settings, server, destination)| {
        match kind {
            0..=2 => Operation::AddService { key, settings },
            3 => Operation::SetService { key, settings },
            4 => Operation::RemoveService { key },
            5..=7 => Operation::AddDestination { service: key, key: server, settings: destination },
            8 => Operation::SetDestination { service: key, key: server, settings: destination },
            _ => Operation::RemoveDestination { service: key, key: server },
        }
    })
}

/// A tunnel that is there and gone again says nothing of what kinds the kernel knows.
#[test]
fn a_kernel_is_not_taken_for_an_old_one_by_what_is_gone() {
    let Some(mut kernel) = kernel() else { return };
    let (service, key) = (service("FWM 1"), server("10.1.0.1:80"));
    let tunnel = Some(Tunnel::Gue { port: NonZeroU16::MAX, checksum: Checksum::None });
    let settings = DestinationSettings { forwarding: Forwarding::Tun, tunnel, ..weighing(1) };
    let add = || Operation::AddDestination { service, key, settings };
    let passing =
        [add_service("FWM 1", self::settings("rr")), add(), Operation::RemoveDestination { service, key }];
    assert_eq!(kernel.apply(&passing), Ok(Vec::new()));
    let whole = [add(), Operation::RemoveService { key: service }];
    assert_eq!(kernel.apply(&whole), Ok(Vec::new()));
    let staying = [add_service("FWM 1", self::settings("rr")), add()];
    assert_eq!(kernel.apply(&staying), Ok(Vec::new()));
}

#[test]
fn without_the_right_it_says_so() {
    const CHILD: &str = "DIRECTORD_TEST_UNPRIVILEGED";
    if std::env::var_os(CHILD).is_some() {
        println!("found: {:?}", NetlinkKernel::open().err());
        return;
    }
    let Some(_kernel) = kernel() else { return };
    let child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "--nocapture", "without_the_right_it_says_so"])
        .env(CHILD, "1")
        .uid(65_534)
        .output();
    match child {
        Ok(output) => {
            let told = String::from_utf8_lossy(&output.stdout).into_owned();
            assert!(told.contains("found: Some(NoPrivilege)"), "{told}");
        }
        // The test program may lie where nobody else may read it.
        Err(error) => println!("skipped: an ordinary user cannot run this test program ({error})"),
    }
}

/// The daemons by which connections are synchronised, in both roles: started, read back, changed, stopped, refused.
#[test]
fn sync_daemons_come_and_go() {
    let Some(kernel) = kernel() else { return };
    let mut keeper = SyncKeeper::new(kernel, BTreeSet::new());
    let roles = [SyncRole::Master, SyncRole::Backup];
    let daemons = |settings: SyncSettings| SyncDaemons::from(roles.map(|role| (role, settings.clone())));
    let found = |expected: &SyncDaemons| {
        let found = NetlinkKernel::open().unwrap().daemons().unwrap();
        assert!(ipvs_backend::plan_sync(&found, expected, &BTreeSet::new()).is_empty(), "{found:?}");
        found
    };

    let wanted = daemons(SyncSettings::new("lo", 51));
    let report = keeper.converge(&wanted).unwrap();
    assert_eq!((report.applied.len(), report.refused), (2, vec![]));
    assert!(found(&wanted).values().all(|daemon| daemon.max_length.is_some()), "the kernel chose a length");
    assert_eq!(keeper.converge(&wanted).unwrap(), SyncReport::default());

    let group = "224.0.0.99".parse().unwrap();
    let odd = SyncSettings {
        id: 0,
        max_length: Some(900),
        port: 9000,
        ttl: 7,
        group,
        ..SyncSettings::new("lo", 0)
    };
    let wanted = daemons(odd);
    assert_eq!(keeper.converge(&wanted).unwrap().applied.len(), 4);
    let lengths: Vec<_> = found(&wanted).values().map(|daemon| daemon.max_length).collect();
    assert_eq!(lengths, [Some(900), Some(SyncSettings::LEAST_BACKUP)]);
    assert_eq!(keeper.converge(&wanted).unwrap(), SyncReport::default());

    let report = keeper.converge(&daemons(SyncSettings::new("nowhere", 1))).unwrap();
    assert!(report.refused[0].contains("no interface nowhere"), "{report:?}");

    // Somebody else's is left alone while nothing of its role is wanted.
    let mut other = NetlinkKernel::open().unwrap();
    let start = SyncChange::Start(SyncRole::Backup, SyncSettings::new("lo", 9));
    assert_eq!(other.change_daemon(&start), Ok(None));
    assert_eq!(other.change_daemon(&start), Ok(Some(Errno::EEXIST)));
    let mut fresh = SyncKeeper::new(NetlinkKernel::open().unwrap(), BTreeSet::new());
    let master = SyncDaemons::from([(SyncRole::Master, SyncSettings::new("lo", 1))]);
    fresh.converge(&master).unwrap();
    fresh.converge(&SyncDaemons::new()).unwrap();
    assert_eq!(other.daemons().unwrap().into_keys().collect::<Vec<_>>(), [SyncRole::Backup]);
    assert_eq!(other.change_daemon(&SyncChange::Stop(SyncRole::Backup)), Ok(None));
    assert_eq!(other.change_daemon(&SyncChange::Stop(SyncRole::Backup)), Ok(Some(Errno::ESRCH)));
}
