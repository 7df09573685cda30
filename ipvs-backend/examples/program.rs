//! Programs services and real servers into the kernel's IPVS table, from empty, and prints how long it took.
//!
//! ```text
//! program [--raw | --apply] [--keep] SERVICES SERVERS
//! ```
//!
//! Without a switch it converges as the daemon does: plan, apply, read back, compare. `--apply` leaves out
//! reading back. `--raw` makes one call of the old setsockopt interface per entry and nothing else: the floor
//! to compare with. Unless `--keep` is given, the entries are removed afterwards. The services are
//! 10.0.0.1:80 onwards.

use std::net::{IpAddr, Ipv4Addr};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use ipvs_backend::{
    DestinationKey, DestinationSettings, Forwarding, Kernel, NetlinkKernel, Reconciler, Service, ServiceKey,
    ServiceSettings, Table, plan,
};

fn main() -> ExitCode {
    let mut arguments: Vec<String> = std::env::args().skip(1).collect();
    let mut switch = |name: &str| {
        let before = arguments.len();
        arguments.retain(|argument| argument != name);
        arguments.len() < before
    };
    let (raw, apply, keep) = (switch("--raw"), switch("--apply"), switch("--keep"));
    let numbers: Vec<u32> = arguments.iter().filter_map(|argument| argument.parse().ok()).collect();
    let &[services, servers] = numbers.as_slice() else {
        eprintln!("usage: program [--raw | --apply] [--keep] SERVICES SERVERS");
        return ExitCode::from(2);
    };
    match run(services, servers, raw, apply, keep) {
        Ok((mode, elapsed)) => {
            println!("{mode} {services} x {servers}: {:.4} s", elapsed.as_secs_f64());
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("program: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(
    services: u32,
    servers: u32,
    raw: bool,
    apply: bool,
    keep: bool,
) -> Result<(&'static str, Duration), Box<dyn std::error::Error>> {
    let wanted = table(services, servers);
    let mut kernel = NetlinkKernel::open()?;
    if !kernel.dump()?.services.is_empty() {
        return Err("the IPVS table is not empty".into());
    }
    let (mode, elapsed) = if raw {
        let started = Instant::now();
        floor::program(services, servers)?;
        ("raw", started.elapsed())
    } else if apply {
        let started = Instant::now();
        let rejections = kernel.apply(&plan(&Table::default(), &wanted, &Default::default()))?;
        let elapsed = started.elapsed();
        rejections.first().map_or(Ok(()), |rejection| Err(rejection.reason.clone()))?;
        ("apply", elapsed)
    } else {
        let mut reconciler = Reconciler::new(&mut kernel);
        let started = Instant::now();
        reconciler.start()?;
        let report = reconciler.converge(&wanted)?;
        let elapsed = started.elapsed();
        report.refused.first().map_or(Ok(()), |refusal| Err(refusal.to_string()))?;
        ("converge", elapsed)
    };
    let found = kernel.dump()?;
    let mut reconciler = Reconciler::new(kernel);
    let left = plan(&found, &wanted, &Default::default());
    if !left.is_empty() {
        return Err(format!("{} operations are left to do, the first: {}", left.len(), left[0]).into());
    }
    if !keep {
        reconciler.claim(wanted.services.keys().copied());
        reconciler.release()?;
    }
    Ok((mode, elapsed))
}

fn service_address(service: u32) -> Ipv4Addr {
    Ipv4Addr::from_bits(0x0a00_0001 + service)
}

fn server_address(server: u32) -> Ipv4Addr {
    Ipv4Addr::from_bits(0x0a80_0001 + server)
}

fn table(services: u32, servers: u32) -> Table {
    let service = |number| {
        let key = ServiceKey::tcp(service_address(number).into(), 80);
        let mut service = Service::new(ServiceSettings::default());
        for server in 0..servers {
            let address = IpAddr::from(server_address(number * servers + server));
            let settings = DestinationSettings::new(Forwarding::Dr, 1);
            service.destinations.insert(DestinationKey::new(address, 80), settings);
        }
        (key, Arc::new(service))
    };
    Table { services: (0..services).map(service).collect() }
}

/// The old interface: `struct ip_vs_service_user` and `struct ip_vs_dest_user` of `linux/ip_vs.h`.
mod floor {
    use nix::sys::socket::{self, AddressFamily, SockFlag, SockType};
    use nix::{setsockopt_impl, sockopt_impl};

    use super::{server_address, service_address};

    const IP_VS_SO_SET_ADD: i32 = 64 + 1024 + 64 + 2;
    const IP_VS_SO_SET_ADDDEST: i32 = 64 + 1024 + 64 + 7;
    const IP_VS_CONN_F_DROUTE: u32 = 3;

    #[derive(Clone, Copy)]
    #[repr(C)]
    pub struct ServiceUser {
        protocol: u16,
        address: u32,
        port: u16,
        mark: u32,
        scheduler: [u8; 16],
        flags: u32,
        timeout: u32,
        netmask: u32,
    }

    #[derive(Clone, Copy)]
    #[repr(C)]
    pub struct DestinationUser {
        service: ServiceUser,
        address: u32,
        port: u16,
        flags: u32,
        weight: i32,
        upper: u32,
        lower: u32,
    }

    sockopt_impl!(
        /// Adds a service.
        AddService, SetOnly, libc::IPPROTO_IP, IP_VS_SO_SET_ADD, ServiceUser
    );
    sockopt_impl!(
        /// Adds a real server.
        AddDestination, SetOnly, libc::IPPROTO_IP, IP_VS_SO_SET_ADDDEST, DestinationUser
    );

    pub fn program(services: u32, servers: u32) -> nix::Result<()> {
        let socket = socket::socket(
            AddressFamily::Inet,
            SockType::Raw,
            SockFlag::SOCK_CLOEXEC,
            socket::SockProtocol::Raw,
        )?;
        let mut scheduler = [0; 16];
        scheduler[..3].copy_from_slice(b"wlc");
        for number in 0..services {
            let service = ServiceUser {
                protocol: 6,
                address: service_address(number).to_bits().to_be(),
                port: 80u16.to_be(),
                mark: 0,
                scheduler,
                flags: 0,
                timeout: 0,
                netmask: u32::MAX,
            };
            socket::setsockopt(&socket, AddService, &service)?;
            for server in 0..servers {
                let destination = DestinationUser {
                    service,
                    address: server_address(number * servers + server).to_bits().to_be(),
                    port: 80u16.to_be(),
                    flags: IP_VS_CONN_F_DROUTE,
                    weight: 1,
                    upper: 0,
                    lower: 0,
                };
                socket::setsockopt(&socket, AddDestination, &destination)?;
            }
        }
        Ok(())
    }
}
