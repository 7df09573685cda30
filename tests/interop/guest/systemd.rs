//! The unit as it is shipped, under a real systemd, beside a real keepalived: a restart and a crash cost neither the
//! address nor the role, and a stop hands over.
//!
//! systemd is process 1 of a process namespace of its own on one of the hosts. It knows no units but ours and those that
//! ours cannot do without.

use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, SystemTime};

use lab::in_namespaces;
use lab::netns::{Daemon, Host, Instance, Net, Program, overlay, wait_until};
use nix::mount::{MsFlags, mount};

use super::{SLACK, directord};

/// The shipped unit.
const UNIT: &str = include_str!("../../../systemd/directord.service");

/// Where everything of it that is not shipped lies.
const PLACE: &str = "/run/with-systemd";

/// Makes namespaces of its own and becomes systemd in them. Everything else of the guest stays out of its control group.
const BOOT: &str = "set -e
mkdir -p /sys/fs/cgroup/with-systemd
echo $$ > /sys/fs/cgroup/with-systemd/cgroup.procs
exec unshare --cgroup --mount --pid --fork --kill-child --mount-proc sh -c '
umount /sys/fs/cgroup
mount -t cgroup2 cgroup2 /sys/fs/cgroup
exec env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin container=lab SYSTEMD_UNIT_PATH=/etc/systemd/system \\
 SYSTEMD_GENERATOR_PATH=/nowhere /lib/systemd/systemd --system --unit=lab.target --log-target=kmsg \\
 --log-level=info --show-status=no'
";

/// Six seconds until the peer takes over: in a guest it takes two until a new process serves.
fn calm(priority: u8) -> Instance {
    Instance::new(3, Duration::from_secs(2), priority)
}

/// A running systemd on a host; all that it has started ends with it.
struct Systemd<'a> {
    host: &'a Host,
    process: Child,
}

impl<'a> Systemd<'a> {
    fn boot(host: &'a Host, config: &str) -> Self {
        let write = |path: &str, text: &str| {
            let path = format!("{PLACE}/{path}");
            let folder = std::path::Path::new(&path).parent().expect("a file lies in a folder");
            std::fs::create_dir_all(folder).expect("/run is ours");
            std::fs::write(&path, text).expect("/run is ours");
        };
        // Where the machine has none, it was fetched.
        if let Some(root) = std::env::var_os("LAB_SYSTEMD").map(std::path::PathBuf::from) {
            overlay(&root.join("usr"), "/usr", None).expect("systemd can be found");
            overlay(&root.join("lib"), "/usr/lib", None).expect("systemd can be found");
        }
        write("etc/directord/directord.conf", config);
        write("etc/systemd/system/directord.service", UNIT);
        write(
            "etc/systemd/system/directord.service.d/log.conf",
            "[Service]\nStandardOutput=append:/run/log\n",
        );
        // As the unit says, only sooner.
        write("etc/systemd/system/directord.service.d/watchdog.conf", "[Service]\nWatchdogSec=5\n");
        for unit in
            ["lab.target", "sysinit.target", "basic.target", "shutdown.target", "network-online.target"]
        {
            let text = format!("[Unit]\nDescription={unit}\nDefaultDependencies=no\n");
            write(&format!("etc/systemd/system/{unit}"), &text);
        }
        write("sbin/directord", "");
        let place = std::path::Path::new(PLACE);
        overlay(&place.join("etc"), "/etc", Some(&place.join("written"))).expect("a laid-over /etc");
        overlay(&place.join("sbin"), "/usr/sbin", None).expect("a laid-over /usr/sbin");
        mount(Some(&directord()), "/usr/sbin/directord", None::<&str>, MsFlags::MS_BIND, None::<&str>)
            .expect("the program can be seen where it belongs");
        mount(Some("cgroup2"), "/sys/fs/cgroup", Some("cgroup2"), MsFlags::empty(), None::<&str>)
            .expect("control groups of this guest");
        let log = std::fs::File::create(format!("{PLACE}/log")).expect("/run is ours");
        let mut command = Command::new("sh");
        command.args(["-c", BOOT]).stdin(Stdio::null());
        command.stdout(log.try_clone().expect("descriptors are not that scarce")).stderr(log);
        let process = host.spawn(&mut command).expect("sh runs");
        let systemd = Systemd { host, process };
        wait_until("systemd", SLACK, || {
            let answer = systemd.ctl(&["is-system-running"]);
            ["running", "degraded"].contains(&String::from_utf8_lossy(&answer.stdout).trim()).then_some(())
        });
        systemd
    }

    /// Systemd answers to processes of its own namespace only.
    fn ctl(&self, words: &[&str]) -> Output {
        let unshare = self.process.id();
        let children = std::fs::read_to_string(format!("/proc/{unshare}/task/{unshare}/children"));
        let systemd = children.ok().and_then(|list| list.split_whitespace().next().map(str::to_owned));
        let mut command = Command::new("nsenter");
        command.args(["--target", systemd.as_deref().unwrap_or("0"), "--pid", "--mount", "--cgroup"]);
        command.args(["systemctl", "--no-pager"]).args(words);
        self.host.output(&mut command).expect("systemctl runs")
    }

    /// Has systemd do something with the unit, which must succeed.
    fn with_unit(&self, verb: &[&str]) {
        let output = self.ctl(&[verb, &["directord"]].concat());
        let said = [&output.stdout[..], &output.stderr].concat();
        assert!(output.status.success(), "{verb:?}: {}", String::from_utf8_lossy(&said));
    }

    /// A property of the unit.
    fn tells(&self, property: &str) -> String {
        let output = self.ctl(&["show", "--value", "--property", property, "directord"]);
        String::from_utf8_lossy(&output.stdout).trim().to_owned()
    }
}

impl Drop for Systemd<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            for log in [&format!("{PLACE}/log"), "/run/log"] {
                println!("--- {log} ---\n{}", std::fs::read_to_string(log).unwrap_or_default());
            }
            let output = self.ctl(&["status", "--full", "directord"]);
            println!("--- status ---\n{}", String::from_utf8_lossy(&output.stdout));
        }
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

#[test]
#[ignore = "needs a guest, whose control groups nobody else uses"]
fn the_shipped_unit_restarts_without_a_loss_and_stops_by_handing_over() {
    in_namespaces!();
    let net = Net::new(&["one", "two"]);
    let sniffer = net.sniff();
    let (one, two) = (net.host("one"), net.host("two"));
    let systemd = Systemd::boot(one, &calm(200).to_string());

    // `systemctl start` returns when the daemon says that it serves.
    systemd.with_unit(&["start"]);
    assert_eq!(
        (systemd.tells("ActiveState"), systemd.tells("StatusText")),
        ("active".into(), "serving".into())
    );
    wait_until("the address", SLACK, || one.has(Instance::VIP).then_some(()));
    let peer = Daemon::start(&Program::Keepalived, two, &calm(100).to_string());
    std::thread::sleep(calm(100).patience());
    let mut monitor = one.monitor();
    let from = SystemTime::now();

    systemd.with_unit(&["reload"]);
    assert_eq!(systemd.tells("StatusText"), "nothing changed");
    let process = systemd.tells("MainPID");

    systemd.with_unit(&["restart"]);
    let restarted = systemd.tells("MainPID");
    assert_ne!(restarted, process, "nothing was restarted");
    sniffer.expect_unbroken("one", from, SLACK);

    systemd.with_unit(&["kill", "--signal=KILL"]);
    wait_until("another start", SLACK, || {
        let now = systemd.tells("MainPID");
        (systemd.tells("ActiveState") == "active" && now != restarted && now != "0").then_some(())
    });
    assert_eq!(systemd.tells("NRestarts"), "1");
    sniffer.expect_unbroken("one", from, SLACK);
    assert!(!peer.log().contains("MASTER"), "{}", peer.log());
    let seen = monitor.end();
    assert!(!seen.contains("10.0.0.100"), "the address was touched: {seen}");

    // A file that is refused is told by systemctl, and the daemon goes on.
    let bad = calm(200).to_string().replace("eth0", "");
    std::fs::write("/etc/directord/directord.conf", &bad).expect("/etc is ours");
    assert!(!systemd.ctl(&["reload", "directord"]).status.success(), "a bad file was taken over");
    assert_eq!(systemd.tells("ActiveState"), "active");
    std::fs::write("/etc/directord/directord.conf", calm(200).to_string()).expect("/etc is ours");
    sniffer.expect_unbroken("one", from, SLACK);

    // Who is not heard of is ended and started again.
    let stuck = systemd.tells("MainPID");
    systemd.with_unit(&["kill", "--signal=STOP"]);
    wait_until("the watchdog", SLACK, || {
        let now = systemd.tells("MainPID");
        (systemd.tells("ActiveState") == "active" && now != stuck && now != "0").then_some(())
    });
    assert_eq!(systemd.tells("NRestarts"), "2");
    wait_until("the address", SLACK, || one.has(Instance::VIP).then_some(()));

    let stopped = SystemTime::now();
    systemd.with_unit(&["stop"]);
    assert!(!one.has(Instance::VIP), "the address stayed behind");
    assert_eq!(
        (systemd.tells("ActiveState"), systemd.tells("Result")),
        ("inactive".into(), "success".into())
    );
    sniffer.wait_advert("two", stopped, SLACK);
    let timeline = sniffer.timeline();
    assert!(timeline.farewell("one", stopped).is_some(), "no farewell:\n{timeline}");
}
