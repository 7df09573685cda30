use proptest::prelude::*;

use super::*;
use crate::sample::{any_keys, any_table, nat, server, service, table};
use crate::{DestinationSettings, MemoryKernel, ServiceSettings};

mod faults;

const WEB: &str = "[10.0.0.1]:tcp:80";

fn started(held: &Table) -> (Reconciler<MemoryKernel>, MemoryKernel) {
    let kernel = MemoryKernel::with_table(held);
    let mut reconciler = Reconciler::new(kernel.clone());
    reconciler.start().unwrap();
    (reconciler, kernel)
}

fn changed(table: &Table, key: &str, servers: &[(&str, u32)]) -> Table {
    let mut changed = table.clone();
    let service = Arc::make_mut(changed.services.get_mut(&service(key)).unwrap());
    service.destinations = servers.iter().map(|(key, weight)| (server(key), nat(*weight))).collect();
    changed
}

#[test]
fn adopts_what_it_finds_and_leaves_what_is_foreign() {
    let held = table(&[(WEB, &[("10.1.0.1:80", 1), ("10.1.0.2:80", 1)]), ("FWM 1", &[("10.1.0.1:0", 1)])]);
    let (mut reconciler, kernel) = started(&held);
    let wanted = table(&[(WEB, &[("10.1.0.1:80", 1), ("10.1.0.2:80", 5)])]);
    let report = reconciler.converge(&wanted).unwrap();
    assert!(report.settled && report.refused.is_empty() && report.drift.is_empty());
    let operation =
        Operation::SetDestination { service: service(WEB), key: server("10.1.0.2:80"), settings: nat(5) };
    assert_eq!(report.applied, [operation]);
    assert_eq!(kernel.take_log(), report.applied);
    assert_eq!(reconciler.ours().iter().collect::<Vec<_>>(), [&service(WEB)]);
    reconciler.release().unwrap();
    assert_eq!(kernel.table(), table(&[("FWM 1", &[("10.1.0.1:0", 1)])]));
    assert!(reconciler.ours().is_empty());
}

#[test]
fn twice_is_nothing() {
    let (mut reconciler, kernel) = started(&Table::default());
    let wanted = table(&[(WEB, &[("10.1.0.1:80", 1)])]);
    assert_eq!(reconciler.converge(&wanted).unwrap().applied.len(), 2);
    kernel.take_log();
    let again = reconciler.converge(&wanted).unwrap();
    assert_eq!(again, Report { settled: true, ..Report::default() });
    let shared = &reconciler.known().unwrap().services[&service(WEB)];
    assert!(Arc::ptr_eq(shared, &wanted.services[&service(WEB)]));
}

#[test]
fn a_dropped_service_is_removed_and_then_no_longer_ours() {
    let (mut reconciler, kernel) = started(&Table::default());
    reconciler.converge(&table(&[(WEB, &[]), ("FWM 1", &[])])).unwrap();
    reconciler.converge(&table(&[(WEB, &[])])).unwrap();
    assert_eq!(kernel.table(), table(&[(WEB, &[])]));
    // The same service, this time of somebody else.
    let add = Operation::AddService { key: service("FWM 1"), settings: ServiceSettings::default() };
    kernel.meddle(&add).unwrap();
    assert_eq!(reconciler.check().unwrap(), []);
    reconciler.release().unwrap();
    assert_eq!(kernel.table(), table(&[("FWM 1", &[])]));
}

#[test]
fn claimed_services_of_an_earlier_run_are_removed() {
    let (mut reconciler, kernel) = started(&table(&[("FWM 1", &[]), ("FWM 2", &[])]));
    reconciler.claim([service("FWM 1")]);
    reconciler.converge(&table(&[(WEB, &[])])).unwrap();
    assert_eq!(kernel.table(), table(&[(WEB, &[]), ("FWM 2", &[])]));
}

#[test]
fn the_slow_check_finds_what_others_did() {
    let (mut reconciler, kernel) = started(&Table::default());
    let wanted = table(&[(WEB, &[("10.1.0.1:80", 1), ("10.1.0.2:80", 1)]), ("FWM 1", &[])]);
    reconciler.converge(&wanted).unwrap();
    assert_eq!(reconciler.check().unwrap(), []);
    kernel.meddle(&Operation::RemoveService { key: service("FWM 1") }).unwrap();
    let service = service(WEB);
    kernel.meddle(&Operation::RemoveDestination { service, key: server("10.1.0.1:80") }).unwrap();
    let key = server("10.1.0.2:80");
    kernel.meddle(&Operation::SetDestination { service, key, settings: nat(9) }).unwrap();
    let key = server("10.1.0.3:80");
    kernel.meddle(&Operation::AddDestination { service, key, settings: nat(9) }).unwrap();
    assert!(reconciler.converge(&wanted).unwrap().applied.is_empty(), "not noticed before the check");
    let drift: Vec<_> = reconciler.check().unwrap().iter().map(Drift::to_string).collect();
    assert_eq!(
        drift,
        [
            "real server [10.1.0.1]:80 of [10.0.0.1]:tcp:80 is missing in the kernel",
            "settings of real server [10.1.0.2]:80 of [10.0.0.1]:tcp:80 were changed in the kernel",
            "real server [10.1.0.3]:80 was added to [10.0.0.1]:tcp:80 in the kernel",
            "service FWM 1 is missing in the kernel",
        ]
    );
    assert!(reconciler.converge(&wanted).unwrap().settled);
    assert_eq!(kernel.table(), wanted);
    assert_eq!(reconciler.check().unwrap(), []);
}

#[test]
fn a_service_that_others_removed_comes_back_at_the_next_change() {
    let (mut reconciler, kernel) = started(&Table::default());
    let wanted = table(&[(WEB, &[("10.1.0.1:80", 1)])]);
    reconciler.converge(&wanted).unwrap();
    kernel.meddle(&Operation::RemoveService { key: service(WEB) }).unwrap();
    let wanted = changed(&wanted, WEB, &[("10.1.0.1:80", 2)]);
    let report = reconciler.converge(&wanted).unwrap();
    assert!(report.settled && report.refused.is_empty());
    assert_eq!(report.drift[0].to_string(), "service [10.0.0.1]:tcp:80 is missing in the kernel");
    assert_eq!(kernel.table(), wanted);
}

#[test]
fn a_lasting_refusal_is_told_once_and_holds_up_nothing_else() {
    let (mut reconciler, kernel) = started(&Table::default());
    kernel.remove_scheduler("wlc".parse().unwrap());
    let mut wanted = table(&[(WEB, &[("10.1.0.1:80", 1)]), ("FWM 1", &[("10.1.0.1:0", 1)])]);
    Arc::make_mut(wanted.services.get_mut(&service("FWM 1")).unwrap()).settings.scheduler =
        "rr".parse().unwrap();
    let report = reconciler.converge(&wanted).unwrap();
    assert!(!report.settled);
    let told: Vec<_> = report.refused.iter().map(Refusal::to_string).collect();
    assert_eq!(
        told,
        ["add service [10.0.0.1]:tcp:80 (wlc): the kernel has no scheduler wlc; it \
          is in the module ip_vs_wlc: `modprobe ip_vs_wlc`"]
    );
    assert_eq!(report.applied.len(), 2);
    assert!(report.drift.is_empty());
    assert!(kernel.table().services.contains_key(&service("FWM 1")));
}

#[test]
fn a_passing_refusal_is_overcome() {
    let (mut reconciler, kernel) = started(&Table::default());
    kernel.refuse_next(2, Errno::ENOMEM);
    let wanted = table(&[(WEB, &[("10.1.0.1:80", 1)])]);
    let report = reconciler.converge(&wanted).unwrap();
    assert!(report.settled && report.refused.is_empty(), "{report:?}");
    kernel.refuse_next(usize::MAX, Errno::ENOMEM);
    let report = reconciler.release().unwrap();
    assert!(!report.settled);
    assert_eq!(report.refused.len(), 1);
    assert!(reconciler.ours().contains(&service(WEB)), "still ours to remove");
    kernel.heal();
    assert!(reconciler.release().unwrap().settled);
    assert_eq!(kernel.table(), Table::default());
}

#[test]
fn a_service_is_not_emptied_because_what_should_come_is_refused() {
    let (mut reconciler, kernel) = started(&table(&[(WEB, &[("10.1.0.1:80", 1), ("10.1.0.2:80", 2)])]));
    let wanted = table(&[(WEB, &[("10.1.0.2:80", 0), ("10.1.0.3:80", 1)])]);
    kernel.refuse_next(3, Errno::ENOMEM);
    let report = reconciler.converge(&wanted).unwrap();
    assert!(!report.settled && report.drift.is_empty(), "{report:?}");
    assert_eq!(report.refused.len(), 1);
    assert_eq!(kernel.table().services[&service(WEB)].destinations.len(), 2);
    assert!(reconciler.converge(&wanted).unwrap().settled);
    assert_eq!(kernel.table(), wanted);
    // Where another usable one is left, what goes goes.
    let wanted = table(&[(WEB, &[("10.1.0.2:80", 5), ("10.1.0.4:80", u32::MAX)])]);
    let (mut reconciler, kernel) = started(&table(&[(WEB, &[("10.1.0.1:80", 1), ("10.1.0.2:80", 2)])]));
    assert!(!reconciler.converge(&wanted).unwrap().settled);
    assert_eq!(kernel.table(), table(&[(WEB, &[("10.1.0.2:80", 5)])]));
}

#[test]
fn after_lost_answers_the_table_is_read_again() {
    let (mut reconciler, kernel) = started(&Table::default());
    let wanted = table(&[(WEB, &[("10.1.0.1:80", 1), ("10.1.0.2:80", 1)])]);
    kernel.fail_next(KernelError::Overrun);
    let report = reconciler.converge(&wanted).unwrap();
    assert!(report.settled && report.overruns == 1 && report.refused.is_empty());
    assert_eq!(kernel.table(), wanted);
    let wanted = changed(&wanted, WEB, &[("10.1.0.1:80", 3)]);
    kernel.fail_next(KernelError::NoPrivilege);
    assert_eq!(reconciler.converge(&wanted), Err(KernelError::NoPrivilege));
    assert!(reconciler.known().is_none());
    assert!(reconciler.converge(&wanted).unwrap().settled);
    assert_eq!(kernel.table(), wanted);
}

#[test]
fn a_tunnel_that_the_kernel_is_too_old_for_is_left_out_and_the_others_serve() {
    let (mut reconciler, kernel) = started(&Table::default());
    kernel.remove_tunnels();
    let mut wanted = table(&[(WEB, &[("10.1.0.1:80", 1)]), ("FWM 1", &[("10.1.0.1:0", 1)])]);
    let gue = Some(crate::Tunnel::Gue { port: std::num::NonZeroU16::MAX, checksum: crate::Checksum::None });
    let tunnelled =
        DestinationSettings { tunnel: gue, ..DestinationSettings::new(crate::Forwarding::Tun, 1) };
    let web = Arc::make_mut(wanted.services.get_mut(&service(WEB)).unwrap());
    web.destinations.insert(server("10.1.0.2:80"), tunnelled);
    let report = reconciler.converge(&wanted).unwrap();
    assert!(!report.settled);
    let [refusal] = report.refused.as_slice() else { panic!("{report:?}") };
    let words = refusal.to_string();
    assert!(words.contains("[10.1.0.2]:80") && words.contains("Linux has gue since 5.2"), "{words}");
    assert_eq!(kernel.table(), table(&[(WEB, &[("10.1.0.1:80", 1)]), ("FWM 1", &[("10.1.0.1:0", 1)])]));
    // A newer kernel takes it.
    kernel.heal();
    assert!(reconciler.converge(&wanted).unwrap().settled);
    assert_eq!(kernel.table(), wanted);
}

#[test]
fn without_permission_nothing_is_lost_and_with_it_all_is_done() {
    let held = table(&[(WEB, &[("10.1.0.1:80", 1)])]);
    let (mut reconciler, kernel) = started(&held);
    let wanted = table(&[(WEB, &[("10.1.0.2:80", 1)])]);
    kernel.fail_next(KernelError::NoPrivilege);
    assert_eq!(reconciler.converge(&wanted), Err(KernelError::NoPrivilege));
    assert!(kernel.table().services[&service(WEB)].is_usable());
    assert!(reconciler.converge(&wanted).unwrap().settled);
    assert_eq!(kernel.table(), wanted);
}

proptest! {
    #[test]
    fn converges_and_leaves_foreign_services_alone(
        held in any_table(),
        steps in prop::collection::vec((any_table(), 0..4usize, any::<bool>()), 1..5),
        claimed in any_keys(),
    ) {
        let (mut reconciler, kernel) = started(&held);
        reconciler.claim(claimed.iter().copied());
        let mut ours = claimed;
        for (wanted, faults, overrun) in steps {
            let before = kernel.table();
            ours.extend(wanted.services.keys());
            kernel.refuse_next(faults, if faults % 2 == 0 { Errno::ENOMEM } else { Errno::EBUSY });
            if overrun {
                kernel.fail_next(KernelError::Overrun);
            }
            let _ = reconciler.converge(&wanted); // may have run out of attempts
            kernel.heal();
            let _ = reconciler.converge(&wanted);
            let report = reconciler.converge(&wanted).unwrap();
            prop_assert!(report.settled && report.applied.is_empty() && report.refused.is_empty());
            let after = kernel.table();
            prop_assert_eq!(plan(&after, &wanted, &ours), Vec::new());
            for (key, service) in before.services.iter().filter(|(key, _)| !ours.contains(key)) {
                prop_assert_eq!(after.services.get(key), Some(service));
            }
            ours = reconciler.ours().clone();
        }
        reconciler.release().unwrap();
        prop_assert!(kernel.table().services.keys().all(|key| !ours.contains(key)));
    }
}
