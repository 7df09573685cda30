//! What keepalived survives: refused at first, run with `--compat`, and never forgotten.

use lab::in_namespaces;
use lab::netns::{Daemon, Net, wait_until};

use super::{SLACK, directord, wait_role};

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
