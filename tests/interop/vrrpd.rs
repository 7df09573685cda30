//! Virtual routers of version 3 with FRR's vrrpd on the other side, over IPv4 and IPv6 at once, in both roles.
//!
//! vrrpd keeps the virtual addresses on macvlans that somebody else must have made; it only switches them on and off
//! (by "protodown"). So it is the wire that tells who is master, and on our side the addresses.

use std::fs::File;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, SystemTime};

use lab::in_namespaces;
use lab::netns::{Daemon, Host, Instance, Net, Program, tool, wait_until};
use lab::sniff::{Sniffer, Timeline, between};
use nix::mount::{MsFlags, mount};

/// How long anything may take on a busy machine, beyond what the protocol asks for.
const SLACK: Duration = Duration::from_secs(10);
const INTERVAL: Duration = Duration::from_millis(200);

/// What vrrpd is told, for a priority.
fn theirs(priority: u8, more: &str) -> String {
    format!(
        "interface eth0
 vrrp 51 version 3
 vrrp 51 priority {priority}
 vrrp 51 advertisement-interval 200
 vrrp 51 ip {}
 vrrp 51 ipv6 {}
{more}exit
",
        Instance::VIP,
        Instance::VIP_V6
    )
}

/// The same two routers on our side. vrrpd advertises no link-local address, and takes an advert only if its list is
/// its own.
fn ours(priority: u8, more: &str) -> String {
    let instance = |name: &str, address: String| {
        let plain = Instance::new(3, INTERVAL, priority);
        let instance = Instance { addresses: vec![address], more: more.to_owned(), ..plain };
        instance.to_string().replace("VI_1", name)
    };
    let four = instance("V4", format!("{}/24 dev eth0", Instance::VIP));
    four + &instance("V6", format!("{}/64 dev eth0", Instance::VIP_V6))
}

/// vrrpd and the zebra that it cannot be without; killed when dropped.
struct Vrrpd<'a> {
    host: &'a Host,
    zebra: Child,
    vrrpd: Child,
    started: SystemTime,
}

impl<'a> Vrrpd<'a> {
    fn start(host: &'a Host, conf: &str) -> Vrrpd<'a> {
        let dir = host.dir();
        let file = |name: &str| dir.join(name);
        // The programs want a group of this name, which only this mount namespace needs to know.
        let groups = std::fs::read_to_string("/etc/group").expect("there are groups");
        if !groups.contains("frrvty:") {
            std::fs::write(file("group"), groups + "frrvty:x:0:\n").expect("/run is ours");
            let none: Option<&str> = None;
            mount(Some(&file("group")), "/etc/group", none, MsFlags::MS_BIND, none)
                .expect("the mount namespace is ours");
        }
        std::fs::write(file("zebra.conf"), "").expect("/run is ours");
        std::fs::write(file("vrrpd.conf"), conf).expect("/run is ours");
        let _ = std::fs::remove_file(file("zserv"));
        let zebra = Vrrpd::spawn(host, "zebra");
        wait_until("zebra's socket", SLACK, || file("zserv").exists().then_some(()));
        let started = SystemTime::now();
        Vrrpd { host, zebra, vrrpd: Vrrpd::spawn(host, "vrrpd"), started }
    }

    fn spawn(host: &Host, program: &str) -> Child {
        let file = |name: String| host.dir().join(name);
        let log = File::create(file(format!("{program}.log"))).expect("/run is ours");
        let mut command: Command = tool(program);
        command.arg("-f").arg(file(format!("{program}.conf"))).arg("-i").arg(file(format!("{program}.pid")));
        command.arg("--vty_socket").arg(host.dir()).arg("-z").arg(file("zserv".into()));
        command.args(["-u", "root", "-g", "root", "-P", "0", "--log", "stdout", "--log-level", "debug"]);
        command.stdin(Stdio::null()).stderr(log.try_clone().expect("descriptors are not that scarce"));
        host.spawn(command.stdout(log)).unwrap_or_else(|error| panic!("{program}: {error}"))
    }

    /// Like a power cut.
    fn kill(&mut self) -> SystemTime {
        let at = SystemTime::now();
        for child in [&mut self.vrrpd, &mut self.zebra] {
            // Gone already is fine.
            let _ = child.kill();
            let _ = child.wait();
        }
        at
    }

    /// As an operator ends it: it says farewell.
    fn stop(&mut self) -> SystemTime {
        let at = SystemTime::now();
        let pid = nix::unistd::Pid::from_raw(self.vrrpd.id().cast_signed());
        nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGTERM).expect("it runs");
        let _ = self.vrrpd.wait();
        at
    }
}

impl Drop for Vrrpd<'_> {
    fn drop(&mut self) {
        self.kill();
        if std::thread::panicking() {
            let log = std::fs::read_to_string(self.host.dir().join("vrrpd.log")).unwrap_or_default();
            println!("--- log of vrrpd ---\n{log}");
        }
    }
}

/// The macvlans by which vrrpd knows its two routers: by their MAC address.
fn macvlans(host: &Host) {
    let four = format!("{}/24", Instance::VIP);
    let six = format!("{}/64 nodad", Instance::VIP_V6);
    for (name, mac, vip) in
        [("vrrp4-2-1", "00:00:5e:00:01:33", &four), ("vrrp6-2-1", "00:00:5e:00:02:33", &six)]
    {
        host.ip(&format!("link add name {name} link eth0 address {mac} type macvlan mode bridge"));
        host.enter(|| {
            for (key, value) in [("disable_ipv6", "0"), ("accept_dad", "0")] {
                std::fs::write(format!("/proc/sys/net/ipv6/conf/{name}/{key}"), value).expect("it is ours");
            }
        });
        host.ip(&format!("addr add {vip} dev {name}"));
        host.ip(&format!("link set dev {name} up"));
    }
}

struct Stage<'a> {
    net: &'a Net,
    sniffer: Sniffer,
}

impl<'a> Stage<'a> {
    fn new(net: &'a Net) -> Stage<'a> {
        macvlans(net.host("peer"));
        Stage { net, sniffer: net.sniff() }
    }

    fn start_us(&self, priority: u8, more: &str) -> Daemon<'a> {
        let program = Program::Directord(Path::new(env!("CARGO_BIN_EXE_directord")).to_owned());
        Daemon::start(&program, self.net.host("we"), &ours(priority, more))
    }

    fn start_them(&self, priority: u8, more: &str) -> Vrrpd<'a> {
        Vrrpd::start(self.net.host("peer"), &theirs(priority, more))
    }

    /// Waits until `host` is master of both routers, and the other one says nothing any more; when each began.
    fn expect_master(&self, host: &str, since: SystemTime) -> [SystemTime; 2] {
        [false, true].map(|v6| {
            let family = if v6 { "IPv6" } else { "IPv4" };
            self.sniffer.wait_for(&format!("{host} to be the only master of {family}"), SLACK, |timeline| {
                let mut adverts = adverts(timeline, v6, since);
                let from = |e: &(SystemTime, String, u8)| e.1 == host && e.2 > 0;
                let first = adverts.clone().find(|e| from(e))?.0;
                let last: Vec<_> = adverts.by_ref().collect();
                (last.len() >= 4 && last[last.len() - 3..].iter().all(from)).then_some(first)
            })
        })
    }

    /// Our side holds the virtual addresses, or does not.
    fn expect_addresses(&self, held: bool) {
        let we = self.net.host("we");
        wait_until(&format!("the virtual addresses here: {held}"), SLACK, || {
            (we.has(Instance::VIP) == held && we.has(Instance::VIP_V6) == held).then_some(())
        });
    }
}

/// The adverts of one family since some time: when, from whom, with which priority.
fn adverts(timeline: &Timeline, v6: bool, since: SystemTime) -> std::vec::IntoIter<(SystemTime, String, u8)> {
    let seen =
        timeline.adverts().filter(move |(event, advert)| event.at >= since && advert.source.is_ipv6() == v6);
    seen.map(|(event, advert)| (event.at, event.from.clone(), advert.priority))
        .collect::<Vec<_>>()
        .into_iter()
}

/// How long a silence of a master lasts at least before a backup of this priority takes over.
fn patience(priority: u8) -> Duration {
    Instance::new(3, INTERVAL, priority).patience()
}

/// What we made of their adverts: nothing was dropped, nothing was odd.
fn expect_no_oddity(us: &Daemon) {
    let status = us.status().expect("it runs");
    for instance in status["instances"].as_array().expect("there are two") {
        assert_eq!(instance["oddities"], serde_json::json!([]), "{instance}");
        let counters = instance["counters"].as_object().expect("there are counters");
        let dropped = counters.iter().filter(|(name, count)| name.starts_with("dropped_") && **count != 0);
        assert_eq!(dropped.count(), 0, "{counters:?}");
        assert_eq!(counters["differing_address_list"], 0, "{counters:?}");
    }
}

#[test]
fn vrrpd_of_frr_is_master_and_we_are_its_backup() {
    in_namespaces!();
    let net = Net::new(&["we", "peer"]);
    let stage = Stage::new(&net);
    let mut them = stage.start_them(200, "");
    stage.expect_master("peer", them.started);
    let us = stage.start_us(100, "");
    wait_until("two backups here", SLACK, || {
        let status = us.status()?;
        let roles: Vec<_> = status["instances"].as_array()?.iter().map(|i| i["role"].clone()).collect();
        (roles == ["BACKUP", "BACKUP"]).then_some(())
    });
    std::thread::sleep(patience(100) * 2);
    expect_no_oddity(&us);
    stage.expect_addresses(false);

    // It dies: we wait for three intervals and the skew, counted from its last advert.
    let killed = them.kill();
    let firsts = stage.expect_master("we", killed);
    stage.expect_addresses(true);
    for (v6, first) in [false, true].into_iter().zip(firsts) {
        let before = adverts(&stage.sniffer.timeline(), v6, them.started).filter(|e| e.1 == "peer");
        let last = before.map(|e| e.0).max().expect("it was master");
        let silence = between(last, first);
        assert!(silence >= patience(100), "took over after {silence:?}");
    }

    // It comes back and preempts us; stopped, it says farewell and we wait for the skew only.
    let mut them = stage.start_them(200, "");
    stage.expect_master("peer", them.started + patience(200));
    stage.expect_addresses(false);
    let stopped = them.stop();
    let firsts = stage.expect_master("we", stopped);
    for first in firsts {
        assert!(between(stopped, first) < patience(100), "did not hear the farewell");
    }
    expect_no_oddity(&us);
}

#[test]
fn vrrpd_of_frr_is_our_backup() {
    in_namespaces!();
    let net = Net::new(&["we", "peer"]);
    let stage = Stage::new(&net);
    let them = stage.start_them(100, "");
    stage.expect_master("peer", them.started);
    // A higher priority leaves it alone with nopreempt, and takes over without.
    let mut us = stage.start_us(200, "nopreempt");
    std::thread::sleep(patience(200) * 3);
    assert_eq!(stage.sniffer.timeline().first_advert("we", us.started()), None, "it was to leave it alone");
    us.reload(&ours(200, ""));
    stage.expect_master("we", us.started());
    stage.expect_addresses(true);
    expect_no_oddity(&us);

    // We stop with a farewell, come back, and die.
    let stopped = SystemTime::now();
    assert_eq!(us.stop().code(), Some(0));
    for first in stage.expect_master("peer", stopped) {
        assert!(between(stopped, first) < patience(100) + SLACK, "it did not take over");
    }
    stage.expect_addresses(false);
    let mut us = stage.start_us(200, "");
    stage.expect_master("we", us.started() + patience(200));
    let killed = us.kill();
    for first in stage.expect_master("peer", killed) {
        assert!(between(killed, first) + INTERVAL >= patience(100), "it took over too soon");
    }
}

#[test]
fn vrrpd_of_frr_that_does_not_preempt_stays_backup() {
    in_namespaces!();
    let net = Net::new(&["we", "peer"]);
    let stage = Stage::new(&net);
    let us = stage.start_us(100, "");
    stage.expect_master("we", us.started());
    let them = stage.start_them(200, " no vrrp 51 preempt\n");
    std::thread::sleep(patience(200) * 3);
    assert_eq!(stage.sniffer.timeline().first_advert("peer", them.started), None, "it was to leave us alone");
    stage.expect_addresses(true);
}

/// vrrpd speaks version 3 on our number, and we version 2: neither can hear the other, so both are masters (RFC 9568,
/// 7.1). It is counted, named in `status`, and told once.
#[test]
fn vrrpd_of_frr_that_took_our_number_is_named() {
    in_namespaces!();
    let net = Net::new(&["we", "peer"]);
    let stage = Stage::new(&net);
    let them = stage.start_them(200, "");
    stage.expect_master("peer", them.started);
    let program = Program::Directord(Path::new(env!("CARGO_BIN_EXE_directord")).to_owned());
    let instance = Instance::new(2, Duration::from_secs(1), 250);
    let us = Daemon::start(&program, net.host("we"), &instance.to_string());
    stage.sniffer.wait_advert("we", us.started(), instance.patience() + SLACK);
    wait_until("what is odd about them", SLACK, || {
        let status = us.status()?;
        let ours = &status["instances"][0];
        let odd = ours["oddities"].as_array()?.first()?.as_str()?.to_owned();
        assert!(odd.contains("V3 advert, V2 expected"), "{odd}");
        (ours["counters"]["dropped_version"].as_u64()? > 5).then_some(())
    });
    assert_eq!(us.log().matches("are dropped").count(), 1, "{}", us.log());
    assert_eq!(us.status().expect("it runs")["instances"][0]["role"], "MASTER");
}
