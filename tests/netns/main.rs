//! directord on real interfaces, sockets and addresses: a segment of network namespaces, no IPVS needed.

use std::path::Path;
use std::time::Duration;

use lab::netns::{Daemon, Host, Instance, Program, wait_until};

mod accept;
mod adverts;
mod announce;
mod balancer;
mod beside;
mod catalogue;
mod checks;
mod compatible;
mod conversations;
mod device;
mod insight;
mod interface;
mod maintenance;
mod many;
mod overrides;
mod overrun;
mod pair;
mod plan;
mod programs;
mod proxied;
mod refused;
mod reload;
mod rivals;
mod scripts;
mod servers;
mod signed;
mod stall;
mod succession;
mod taken;

/// How long a thing may take on a busy machine, beyond what the protocol asks for.
const SLACK: Duration = Duration::from_secs(2);

/// The program under test.
fn directord() -> Program {
    Program::Directord(Path::new(env!("CARGO_BIN_EXE_directord")).to_owned())
}

/// Version 3, ten adverts a second.
fn fast(priority: u8) -> Instance {
    Instance::new(3, Duration::from_millis(100), priority)
}

/// Starts directord on a host.
fn start<'a>(host: &'a Host, config: &dyn ToString) -> Daemon<'a> {
    Daemon::start(&directord(), host, &config.to_string())
}

/// What `status` says of the only instance; `None` while the daemon does not answer.
fn instance(daemon: &Daemon) -> Option<serde_json::Value> {
    daemon.status()?["instances"].get(0).cloned()
}

/// Waits until the only instance has this role.
fn wait_role(daemon: &Daemon, role: &str) {
    wait_until(&format!("{role} on {}", daemon.host().name()), SLACK, || {
        (instance(daemon)?["role"] == role).then_some(())
    });
}

/// Waits until the virtual address is on the host, or is gone from it.
fn wait_address(host: &Host, present: bool) {
    let what = format!("the virtual address {} {}", if present { "on" } else { "gone from" }, host.name());
    wait_until(&what, SLACK, || (host.has(Instance::VIP) == present).then_some(()));
}
