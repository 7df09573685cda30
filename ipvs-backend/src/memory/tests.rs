use super::*;
use crate::sample::{nat, server, service, table};

fn refused(kernel: &mut MemoryKernel, operation: Operation) -> Option<Errno> {
    kernel.apply(&[operation]).unwrap().first().map(|rejection| rejection.errno)
}

fn add_service(key: &str, scheduler: &str) -> Operation {
    Operation::AddService {
        key: service(key),
        settings: ServiceSettings::new(Scheduler::from_kernel(scheduler)),
    }
}

fn add(to: &str, key: &str, settings: DestinationSettings) -> Operation {
    Operation::AddDestination { service: service(to), key: server(key), settings }
}

#[test]
fn services_are_refused_as_by_the_kernel() {
    let mut kernel = MemoryKernel::new();
    assert_eq!(refused(&mut kernel, add_service("FWM 1", "rr")), None);
    assert_eq!(refused(&mut kernel, add_service("FWM 1", "rr")), Some(Errno::EEXIST));
    assert_eq!(refused(&mut kernel, add_service("FWM 2", "new")), Some(Errno::ENOENT));
    kernel.remove_scheduler("wrr".parse().unwrap());
    assert_eq!(refused(&mut kernel, add_service("FWM 2", "wrr")), Some(Errno::ENOENT));
    let set = Operation::SetService { key: service("FWM 2"), settings: ServiceSettings::default() };
    assert_eq!(refused(&mut kernel, set), Some(Errno::ESRCH));
    let engine = ServiceSettings { engine: Some("pip".to_owned()), ..ServiceSettings::default() };
    let set = Operation::SetService { key: service("FWM 1"), settings: engine };
    assert_eq!(refused(&mut kernel, set), Some(Errno::ENOENT));
    let remove = Operation::RemoveService { key: service("FWM 1") };
    assert_eq!(refused(&mut kernel, remove.clone()), None);
    assert_eq!(refused(&mut kernel, remove), Some(Errno::ESRCH));
}

#[test]
fn servers_are_refused_as_by_the_kernel() {
    let mut kernel = MemoryKernel::with_table(&table(&[("[10.0.0.1]:tcp:80", &[("10.1.0.1:80", 1)])]));
    let to = "[10.0.0.1]:tcp:80";
    let limits = |upper, lower| DestinationSettings { upper, lower, ..nat(1) };
    let tun = DestinationSettings::new(Forwarding::Tun, 1);
    for (operation, expected) in [
        (add(to, "10.1.0.1:80", nat(2)), Some(Errno::EEXIST)),
        (add(to, "10.1.0.1:81", nat(2)), None),
        (add("FWM 1", "10.1.0.1:80", nat(1)), Some(Errno::ESRCH)),
        (add(to, "10.1.0.2:80", nat(2_147_483_648)), Some(Errno::ERANGE)),
        (add(to, "10.1.0.2:80", limits(0, 1)), Some(Errno::ERANGE)),
        (add(to, "10.1.0.2:80", limits(1, 1)), None),
        (add(to, "224.0.0.1:80", nat(1)), Some(Errno::EINVAL)),
        (add(to, "0.0.0.0:80", nat(1)), Some(Errno::EINVAL)),
        (add(to, "[fe80::1]:80", tun), Some(Errno::EINVAL)),
        (add(to, "[2001:db8::1]:80", nat(1)), Some(Errno::EINVAL)),
        (add(to, "[2001:db8::1]:80", tun), None),
    ] {
        assert_eq!(refused(&mut kernel, operation.clone()), expected, "{operation}");
    }
    let missing = Operation::RemoveDestination { service: service(to), key: server("10.1.0.9:80") };
    assert_eq!(refused(&mut kernel, missing), Some(Errno::ENOENT));
}

#[test]
fn faults_and_what_they_leave_behind() {
    let mut kernel = MemoryKernel::new();
    kernel.refuse_next(1, Errno::ENOMEM);
    let rejections = kernel.apply(&[add_service("FWM 1", "rr"), add_service("FWM 2", "rr")]).unwrap();
    assert_eq!(rejections[0].to_string(), "out of memory (ENOMEM)");
    assert_eq!(kernel.take_log(), [add_service("FWM 2", "rr")]);
    kernel.fail_next(KernelError::Overrun);
    let operations = [add_service("FWM 3", "rr"), add_service("FWM 4", "rr")];
    assert_eq!(kernel.apply(&operations), Err(KernelError::Overrun));
    let keys: Vec<_> = kernel.dump().unwrap().services.into_keys().collect();
    assert_eq!(keys, [service("FWM 2"), service("FWM 3")]);
}

#[test]
fn settings_come_back_in_the_kernels_form() {
    let mut kernel = MemoryKernel::new();
    let settings = ServiceSettings { flags: u32::MAX, ..ServiceSettings::default() }
        .with_persistence(std::time::Duration::from_millis(1500));
    kernel.meddle(&Operation::AddService { key: service("FWM 1"), settings }).unwrap();
    let held = kernel.dump_service(&service("FWM 1")).unwrap().unwrap().settings;
    assert_eq!(held.flags, crate::flag::ALL);
    assert_eq!(held.persistence.unwrap().timeout, std::time::Duration::from_secs(2));
    assert_eq!(kernel.dump_service(&service("FWM 2")), Ok(None));
}
