//! FreeRADIUS.

use std::fs;
use std::process::Stdio;
use std::time::Duration;

use lab::in_namespaces;
use lab::netns::{Host, Net, wait_until};
use lab::packages::Tools;

use super::{Server, attempt, check, file, relay, tools, words};

fn freeradius(tools: &Tools, host: &Host) -> Server {
    let (dir, root) = (host.dir().display().to_string(), tools.root.display().to_string());
    let config = format!(
        "name = radiusd\nprefix = {dir}\nlibdir = {root}/usr/lib/freeradius\nlogdir = {dir}\nraddbdir = {dir}\nradacctdir = {dir}\n\
         run_dir = {dir}\npidfile = {dir}/radius.pid\nmax_requests = 256\ncleanup_delay = 1\n\
         log {{\n destination = stdout\n}}\n\
         security {{\n allow_core_dumps = no\n reject_delay = 0\n status_server = yes\n allow_vulnerable_openssl = yes\n}}\n\
         modules {{\n pap {{\n }}\n}}\n\
         client director {{\n ipaddr = 10.0.0.0/24\n secret = shared\n}}\n\
         server default {{\n listen {{\n  type = auth\n  ipaddr = {}\n  port = 1812\n }}\n\
         authorize {{\n  if (&User-Name == \"probe\" || &User-Name == \"old\") {{\n   update control {{\n    &Cleartext-Password := \"sesame\"\n   }}\n  }}\n  pap\n }}\n\
         authenticate {{\n  Auth-Type PAP {{\n   pap\n  }}\n }}\n post-auth {{\n  if (&User-Name == \"probe\") {{\n   update reply {{\n    &Message-Authenticator := 0x00\n   }}\n  }}\n Post-Auth-Type REJECT {{\n update reply {{\n &Reply-Message := \"no, no\"\n&Message-Authenticator := 0x00\n}}\n}}\n }}\n}}\n",
        host.address()
    );
    fs::write(host.dir().join("radiusd.conf"), config).expect("a folder of ours");
    fs::write(host.dir().join("dictionary"), "").expect("a folder of ours");
    let log = host.dir().join("log");
    let file = fs::File::create(&log).expect("a folder of ours");
    let errors = file.try_clone().expect("a file can be shared");
    let mut command = tools.command("freeradius");
    let libraries = format!("{}:{root}/usr/lib/freeradius", tools.library_path());
    command.env("LD_LIBRARY_PATH", libraries).args(["-X", "-n", "radiusd", "-d", &dir]);
    command.arg("-D").arg(tools.root.join("usr/share/freeradius"));
    command.stdin(Stdio::null()).stdout(file).stderr(errors);
    Server { child: host.spawn(&mut command).expect("it is unpacked"), log }
}

#[test]
fn freeradius_is_asked() {
    let Some(tools) = tools() else { return };
    in_namespaces!();
    let net = Net::new(&["director", "server"]);
    let (director, host) = (net.host("director"), net.host("server"));
    let mut server = freeradius(&tools, host);
    let radius = |lines: &str| format!("RADIUS_CHECK {{\n{lines}\n}}");
    let text = |block: &str| file(host, "/none", &[(1812, block.to_owned())]);
    let ready = check(&text(&radius("status_server\nsecret shared\nrequire_message_authenticator off")));
    wait_until("FreeRADIUS", Duration::from_secs(30), || {
        server.expect_running();
        (words(&attempt(director, &ready)) == "passed").then_some(())
    });
    let probe = |more: &str| radius(&format!("login probe\nsecret shared\n{more}"));
    let trials = [
        ("radius-accept", probe("password sesame"), "passed"),
        ("radius-unsigned", radius("login old\npassword sesame\nsecret shared"), "no Message-Authenticator"),
        (
            "radius-unsigned-accepted",
            radius("login old\npassword sesame\nsecret shared\nrequire_message_authenticator off"),
            "passed",
        ),
        ("radius-reject", probe("password sesamee"), "Access-Reject: the login is rejected: 'no, no'"),
        ("radius-reject-accepted", probe("password sesamee\naccept_reject"), "passed"),
        ("radius-long-password", probe(&format!("password {}", "x".repeat(128))), "Access-Reject"),
        ("radius-status-unsigned", radius("status_server\nsecret shared"), "no Message-Authenticator"),
        (
            "radius-status",
            radius("status_server\nsecret shared\nrequire_message_authenticator off"),
            "passed",
        ),
        (
            "radius-other-secret",
            radius("login probe\npassword sesame\nsecret other\nconnect_timeout 1"),
            "knows another `secret`, keeps silent too",
        ),
    ];
    for (name, block, expected) in &trials {
        let check = check(&text(block));
        let outcome = match relay::folder() {
            Some(folder) => relay::recorded_datagrams(director, &check, &folder, name),
            None => attempt(director, &check),
        };
        assert!(words(&outcome).contains(expected), "{name}: {outcome:?}\n{}", server.said());
        assert!(!format!("{outcome:?} {check:?}").contains("sesame"), "{name}: {outcome:?}");
    }
    server.stop();
    let refused = words(&attempt(director, &check(&text(&trials[0].1))));
    assert_eq!(refused, "port unreachable: nothing listens there");
}
