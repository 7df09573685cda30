//! What files written for keepalived ask of the daemon as a whole: to survive what keepalived survives, and to run in the
//! network namespace that they name.

use std::process::Command;

use lab::in_namespaces;
use lab::netns::{Daemon, Instance, Net, wait_until};
use nix::mount::{MsFlags, mount};

use super::{SLACK, directord, fast, wait_role};

/// keepalived ignores the misspelt keyword.
const ODD: &str = "\
vrrp_instance VI_1 {
    interface eth0
    virtual_router_id 51
    version 3
    advert_int 0.05
    priorty 200
    virtual_ipaddress {
        10.0.0.100/24
    }
}
";

#[test]
fn what_keepalived_ignores_is_ignored_on_request_and_stays_visible() {
    in_namespaces!();
    let net = Net::new(&["one"]);
    let one = net.host("one");
    let daemon = Daemon::start_with(&directord(), one, ODD, |command| {
        command.arg("--compat");
    });
    wait_role(&daemon, "MASTER");
    let warned = |status: &serde_json::Value| {
        let warnings = status["warnings"].as_array().expect("a list").clone();
        warnings.iter().any(|one| one["code"] == "unknown-keyword" && one["line"] == 6)
    };
    let status = daemon.status().expect("it runs");
    assert!(warned(&status), "{status}");
    // A reload that is refused says why, and what runs keeps its warnings.
    daemon.reload(&ODD.replace("priorty 200", "interface"));
    wait_until("a refused reload beside the old warnings", SLACK, || {
        let status = daemon.status()?;
        (status["last_reload"]["accepted"] == false && warned(&status)).then_some(())
    });
    // One that is accepted brings its own.
    daemon.reload(&ODD.replace("priorty 200", "priority 200"));
    wait_until("a reload without warnings", SLACK, || {
        let status = daemon.status()?;
        (status["last_reload"]["accepted"] == true && !warned(&status)).then_some(())
    });
}

/// Started elsewhere, the daemon goes where its file says.
#[test]
fn the_network_namespace_of_the_file_is_entered() {
    in_namespaces!();
    let net = Net::new(&["one", "two"]);
    let (one, two) = (net.host("one"), net.host("two"));
    // What `ip netns attach` does, for the namespace of the second host.
    let mut sleeper = two.spawn(Command::new("sleep").arg("60")).expect("sleep is everywhere");
    std::fs::create_dir_all("/run/netns").expect("/run is ours");
    std::fs::write("/run/netns/blue", "").expect("/run is ours");
    let namespace = format!("/proc/{}/ns/net", sleeper.id());
    mount(Some(namespace.as_str()), "/run/netns/blue", None::<&str>, MsFlags::MS_BIND, None::<&str>)
        .expect("mounts are ours");
    let mut daemon = Daemon::start(&directord(), one, &format!("net_namespace blue\n{}", fast(200)));
    wait_role(&daemon, "MASTER");
    super::wait_address(two, true);
    assert!(!one.has(Instance::VIP));
    // A reload cannot take it elsewhere.
    daemon.reload(&format!("net_namespace green\n{}", fast(200)));
    wait_until("the refusal", SLACK, || {
        let status = daemon.status()?;
        (status["last_reload"]["accepted"] == false).then_some(())
    });
    assert!(two.has(Instance::VIP));
    assert_eq!(lab::netns::exit_code(daemon.stop()), 0);
    let _ = sleeper.kill();
    let _ = sleeper.wait();
}
