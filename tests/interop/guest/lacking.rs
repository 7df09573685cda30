//! A kernel that lacks a scheduler: the service that needs it is left out and told, all others serve, and it comes when
//! the kernel has learnt it.

use std::fs;
use std::process::Command;

use ipvs_backend::{Kernel, NetlinkKernel, Operation, ServiceKey, ServiceSettings, Table};
use lab::in_namespaces;
use lab::netns::{Daemon, Host, Net, exit_code, skip, wait_until};

use super::{SLACK, directord, ours};

/// What the kernel starts to load a module.
const HELPER: &str = "/proc/sys/kernel/modprobe";

/// While this lives no module can be loaded.
struct NoModules(String);

impl NoModules {
    fn begin() -> Self {
        let usual = fs::read_to_string(HELPER).expect("it is there");
        fs::write(HELPER, "/bin/false").expect("root of the machine may");
        NoModules(usual)
    }
}

impl Drop for NoModules {
    fn drop(&mut self) {
        let _ = fs::write(HELPER, self.0.trim_end());
    }
}

/// A virtual server at 10.0.0.LAST with one real server.
fn service(last: u8, scheduler: &str, weight: u32) -> String {
    format!(
        "virtual_server 10.0.0.{last} 80 {{\nlvs_sched {scheduler}\nlvs_method NAT\nprotocol TCP\n\
         real_server 10.0.0.9 80 {{\nweight {weight}\n}}\n}}\n"
    )
}

fn key(last: u8) -> ServiceKey {
    ServiceKey::tcp([10, 0, 0, last].into(), 80)
}

fn kernel(host: &Host) -> NetlinkKernel {
    host.enter(|| NetlinkKernel::open().expect("a kernel with IPVS"))
}

fn held(host: &Host) -> Table {
    kernel(host).dump().expect("it answers")
}

/// The weight of the only real server of a service; `None` if the kernel has no such service.
fn weight(host: &Host, last: u8) -> Option<u32> {
    held(host).services.get(&key(last))?.destinations.values().next().map(|settings| settings.weight)
}

/// Runs directord; its exit status and all it said.
fn say(host: &Host, words: &[&str]) -> (i32, String) {
    let mut command = Command::new(directord());
    let output = host.output(command.args(words).arg("--runtime-dir").arg(host.dir())).expect("it runs");
    (exit_code(output.status), String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned())
}

#[test]
#[ignore = "needs a kernel with IPVS"]
fn a_scheduler_that_the_kernel_lacks_costs_its_own_service_alone() {
    in_namespaces!();
    let net = Net::new(&["one"]);
    let one = net.host("one");
    let settings = ServiceSettings::new("rr".parse().expect("a scheduler"));
    let rr = [Operation::AddService { key: key(1), settings }, Operation::RemoveService { key: key(1) }];
    assert_eq!(kernel(one).apply(&rr), Ok(Vec::new()));
    let modules = fs::read_to_string("/proc/modules").unwrap_or_default();
    if !modules.contains("ip_vs ") || modules.contains("ip_vs_fo") || modules.contains("ip_vs_ovf") {
        skip("this kernel has all schedulers already");
        return;
    }
    let no_modules = NoModules::begin();
    let in_kernel = |command: &mut Command| {
        *command = Command::new(directord());
        command.arg("run").arg("--config").arg(one.dir().join("daemon.conf"));
        command.arg("--runtime-dir").arg(one.dir());
    };
    let text = service(101, "fo", 2) + &service(102, "rr", 2);
    let mut daemon = Daemon::start_with(&ours(), one, &text, in_kernel);
    let told = wait_until("the refusal", SLACK, || {
        daemon.status()?["ipvs"]["failures"].get(0)?.as_str().map(str::to_owned)
    });
    assert!(told.contains("10.0.0.101") && told.contains("`modprobe ip_vs_fo`"), "{told}");
    assert_eq!((weight(one, 101), weight(one, 102)), (None, Some(2)));
    assert!(say(one, &["status"]).1.contains("modprobe ip_vs_fo"));

    // A reload that needs another one that is not there is taken back, or leaves it out.
    daemon.rewrite(&(service(101, "fo", 2) + &service(102, "rr", 3) + &service(103, "ovf", 2)));
    let (status, said) = say(one, &["reload"]);
    assert!(status == 1 && said.contains("is rolled back") && said.contains("modprobe ip_vs_ovf"), "{said}");
    assert_eq!((weight(one, 102), weight(one, 103)), (Some(2), None));
    let (status, said) = say(one, &["reload", "--keep-going"]);
    assert!(status == 0 && said.contains("left out") && said.contains("modprobe ip_vs_ovf"), "{said}");
    assert_eq!((weight(one, 102), weight(one, 103)), (Some(3), None));
    assert_eq!(
        daemon.log().matches("the kernel refused: add service [10.0.0.101]").count(),
        1,
        "{}",
        daemon.log()
    );

    // What is tried again every ten seconds works now.
    drop(no_modules);
    wait_until("both services", SLACK, || {
        (weight(one, 101) == Some(2) && weight(one, 103) == Some(2)).then_some(())
    });
    wait_until("no refusal", SLACK, || {
        daemon.status()?["ipvs"]["failures"].as_array()?.is_empty().then_some(())
    });
    assert_eq!(daemon.stop().code(), Some(0));
    assert_eq!(held(one), Table::default());
}
