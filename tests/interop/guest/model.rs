//! The whole model of the IPVS table beside keepalived: one text for both, each on a host of its own, and the kernel must
//! hold the same; and what it holds must be what the text says, where keepalived says nothing.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs;
use std::net::IpAddr;
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use ipvs_backend::{
    DestinationKey, Kernel, NetlinkKernel, Operation, Scheduler, Service, ServiceKey, ServiceSettings, Table,
};
use lab::in_namespaces;
use lab::netns::{Daemon, Host, Net, Program, tool, wait_until};

use super::{SLACK, directord, ours};

/// How long the table must stay as it is to be taken for finished.
const QUIET: Duration = Duration::from_millis(1200);

/// Starts one of the two for its virtual servers alone, with the kernel's own table.
fn start<'a>(program: &Program, host: &'a Host, text: &str) -> Daemon<'a> {
    let conf = host.dir().join("daemon.conf");
    Daemon::start_with(program, host, text, |command| match program {
        Program::Directord(_) => {
            *command = Command::new(directord());
            command.args(["run", "--compat", "--config"]).arg(&conf).arg("--runtime-dir").arg(host.dir());
        }
        Program::Keepalived => {
            *command = tool("keepalived");
            command.args(["-n", "-C", "-l", "-D", "-f"]).arg(&conf);
            command.arg("-p").arg(host.dir().join("pid")).arg("-c").arg(host.dir().join("check.pid"));
        }
    })
}

/// The host's table.
fn held(host: &Host) -> Table {
    host.enter(|| NetlinkKernel::open().and_then(|mut kernel| kernel.dump()).expect("a kernel with IPVS"))
}

/// The same as people see it, in a fixed order, with what `ipvsadm -S` leaves out.
fn lines(table: &Table) -> BTreeSet<String> {
    let mut lines = BTreeSet::new();
    for (key, service) in &table.services {
        lines.insert(format!("{key} {:?}", service.settings));
        let servers = service.destinations.iter();
        lines.extend(servers.map(|(server, settings)| format!("{key} {server} {settings:?}")));
    }
    lines
}

/// The table, once it has not changed for a while.
fn settled(host: &Host) -> BTreeSet<String> {
    let mut last = (lines(&held(host)), Instant::now());
    wait_until("the table to be as it stays", SLACK, || {
        let now = lines(&held(host));
        if now != last.0 {
            last = (now, Instant::now());
        }
        (last.1.elapsed() >= QUIET).then(|| last.0.clone())
    })
}

/// What one of them made of the text, and that nothing was left of it; `more` looks at what else there is.
fn made(program: &Program, host: &Host, text: &str, more: &(dyn Fn(&Host) + Sync)) -> BTreeSet<String> {
    let mut daemon = start(program, host, text);
    wait_until("the first service", SLACK, || (!held(host).services.is_empty()).then_some(()));
    let table = settled(host);
    more(host);
    daemon.stop();
    assert_eq!(held(host), Table::default(), "{program:?} left something behind");
    table
}

/// Both tables must be the same, and not small.
fn same_table(what: &str, text: &str, least: usize, more: &(dyn Fn(&Host) + Sync)) {
    let net = Net::new(&["theirs", "ours"]);
    let (theirs, ours) = std::thread::scope(|scope| {
        let theirs = scope.spawn(|| made(&Program::Keepalived, net.host("theirs"), text, more));
        let ours = made(&ours(), net.host("ours"), text, more);
        (theirs.join().expect("keepalived ran"), ours)
    });
    let only = |one: &BTreeSet<String>, other: &BTreeSet<String>| one.difference(other).cloned().collect();
    let (missing, more): (Vec<String>, Vec<String>) = (only(&theirs, &ours), only(&ours, &theirs));
    assert!(
        missing.is_empty() && more.is_empty(),
        "{what}: only keepalived:\n{}\nonly directord:\n{}",
        missing.join("\n"),
        more.join("\n")
    );
    assert!(ours.len() >= least, "{what}: a table of {} lines:\n{ours:#?}", ours.len());
}

/// The schedulers that this kernel has.
fn schedulers(host: &Host) -> Vec<&'static str> {
    host.enter(|| {
        let mut kernel = NetlinkKernel::open().expect("a kernel with IPVS");
        let key = ServiceKey::tcp([10, 0, 0, 250].into(), 80);
        let has = |name: &&str| {
            let settings = ServiceSettings::new(Scheduler::from_kernel(*name));
            let add = Operation::AddService { key, settings };
            let refused = kernel.apply(&[add]).expect("it answers");
            let _ = kernel.apply(&[Operation::RemoveService { key }]);
            refused.is_empty()
        };
        Scheduler::KNOWN.into_iter().filter(has).collect()
    })
}

const GLOBAL: &str = "global_defs {\nrouter_id x\nenable_script_security\nscript_user root\n\
                      lvs_timeouts tcp 1000 tcpfin 50 udp 200\n}\n";

/// Protocols, families, methods, tunnels, limits, persistence, groups, sorry servers.
const MODEL: &str = "
virtual_server 10.0.2.1 53 {
 lvs_sched rr
 lvs_method NAT
 protocol UDP
 ops
 real_server 10.1.0.1 53 { weight 1 }
 real_server 10.1.0.2 5353 { weight 100 }
}
virtual_server 10.0.2.2 5060 {
 lvs_sched wlc
 lvs_method NAT
 protocol UDP
 persistence_timeout 300
 persistence_engine sip
 real_server 10.1.0.1 5060 { weight 1 }
}
virtual_server 10.0.2.3 80 {
 lvs_sched wrr
 lvs_method DR
 protocol SCTP
 real_server 10.1.0.1 80 { weight 65535 }
 real_server 10.1.0.2 80 { weight 0 }
}
virtual_server 10.0.2.4 443 {
 lvs_sched wlc
 lvs_method NAT
 protocol TCP
 persistence_timeout 50
 persistence_granularity 255.255.255.0
 real_server 10.1.0.1 443 {
  weight 3
  uthreshold 100
  lthreshold 50
 }
 real_server 10.1.0.2 443 {
  uthreshold 10
  lvs_method DR
 }
 real_server 10.1.0.3 443 {
  lvs_method TUN
 }
}
virtual_server 10.0.2.5 0 {
 lvs_sched rr
 lvs_method DR
 protocol TCP
 persistence_timeout
 real_server 10.1.0.1 0 { weight 1 }
}
virtual_server 2001:db8::80 80 {
 lvs_sched sh
 sh-port
 lvs_method NAT
 protocol TCP
 persistence_timeout 60
 persistence_granularity 64
 real_server 2001:db8:1::1 80 { weight 1 }
 real_server 2001:db8:1::2 8080 { weight 2 }
}
virtual_server 2001:db8::81 80 {
 lvs_sched rr
 lvs_method TUN
 protocol TCP
 real_server 10.1.0.1 80 { weight 1 }
 real_server 2001:db8:1::2 80 { weight 2 }
}
virtual_server 10.0.2.6 80 {
 lvs_sched rr
 lvs_method TUN type ipip
 protocol TCP
 real_server 10.1.0.1 80 { weight 1 }
 real_server 10.1.0.2 80 {
  lvs_method TUN type gue port 5555
 }
 real_server 10.1.0.3 80 {
  lvs_method TUN type gue port 5556 csum
 }
 real_server 10.1.0.4 80 {
  lvs_method TUN type gue port 5557 remcsum
 }
 real_server 10.1.0.5 80 {
  lvs_method TUN type gre
 }
 real_server 10.1.0.6 80 {
  lvs_method TUN type gre csum
 }
 real_server 2001:db8:1::7 80 {
  lvs_method TUN
 }
}
virtual_server fwmark 5 {
 lvs_sched rr
 lvs_method DR
 persistence_timeout 20
 real_server 10.1.0.1 0 { weight 1 }
}
virtual_server fwmark 6 {
 lvs_sched rr
 lvs_method DR
 ip_family inet6
 real_server 2001:db8:1::1 0 { weight 1 }
}
virtual_server_group G {
 10.0.3.1 80
 10.0.3.5-7 81
 fwmark 7
}
virtual_server group G {
 lvs_sched rr
 lvs_method NAT
 protocol TCP
 quorum 3
 hysteresis 1
 inhibit_on_failure
 sorry_server 10.9.9.9 80
 sorry_server_inhibit
 real_server 10.1.0.1 80 { weight 2 }
 real_server 10.1.0.2 80 { weight 3 }
}
virtual_server group G {
 lvs_sched wrr
 lvs_method NAT
 protocol UDP
 persistence_timeout 30
 real_server 10.1.0.1 { weight 2 }
 real_server 10.1.0.3 8080 { weight 3 }
}
virtual_server_group H {
 10.0.4.1 80
 2001:db8::90 80
 fwmark 9 inet
 fwmark 9 inet6
}
virtual_server group H {
 lvs_sched rr
 lvs_method TUN
 protocol TCP
 real_server 10.1.0.1 80 { weight 2 }
 real_server 2001:db8:1::2 80 { weight 3 }
}
virtual_server 10.0.2.11 80 {
 lvs_sched rr
 lvs_method NAT
 protocol TCP
 quorum 3
 hysteresis 1
 sorry_server 10.9.9.9 80
 sorry_server_lvs_method DR
 real_server 10.1.0.1 80 { weight 1 }
 real_server 10.1.0.2 80 {
  weight 2
  inhibit_on_failure
 }
}
virtual_server 10.0.2.12 80 {
 lvs_sched rr
 lvs_method NAT
 protocol TCP
 alpha
 sorry_server 10.9.9.9 80
 real_server 10.1.0.1 80 {
  weight 1
  MISC_CHECK {
   misc_path \"/bin/false\"
  }
 }
 real_server 10.1.0.2 80 {
  weight 2
  inhibit_on_failure
  MISC_CHECK {
   misc_path \"/bin/false\"
  }
 }
}
";

#[test]
#[ignore = "needs a kernel with IPVS"]
fn the_whole_model_as_keepalived_has_it() {
    in_namespaces!();
    let net = Net::new(&["one"]);
    let names = schedulers(net.host("one"));
    let mut text = format!("{GLOBAL}{MODEL}");
    for (n, name) in (1..).zip(&names) {
        let flags: &[&str] = match *name {
            "sh" => &["", "sh-port", "sh-fallback", "sh-port\nsh-fallback"],
            "mh" => &["", "mh-port", "mh-fallback", "mh-port\nmh-fallback", "flag-3"],
            _ => &[""],
        };
        for (port, flags) in (80..).zip(flags) {
            let _ = writeln!(
                text,
                "virtual_server 10.0.1.{n} {port} {{\nlvs_sched {name}\n{flags}\nlvs_method NAT\nprotocol TCP\n\
                 real_server 10.1.0.1 80 {{\nweight 2\n}}\nreal_server 10.1.0.2 80 {{\nweight 3\n}}\n}}"
            );
        }
    }
    let timeouts = |host: &Host| {
        let said = host.output(tool("ipvsadm").args(["-L", "--timeout"])).expect("ipvsadm runs");
        let said = String::from_utf8_lossy(&said.stdout);
        assert!(said.contains("1000 50 200"), "{} has {said}", host.name());
    };
    same_table("the whole model", &text, 90, &timeouts);
}

/// Switches and times are the kernel's own afterwards as before.
#[test]
#[ignore = "needs a kernel with IPVS"]
fn times_and_switches_are_set_and_put_back() {
    in_namespaces!();
    let net = Net::new(&["one"]);
    let one = net.host("one");
    held(one);
    let settings = || {
        let times = one.enter(|| NetlinkKernel::open().and_then(|mut kernel| kernel.timeouts()));
        let read = |name: &str| {
            let path = format!("/proc/sys/net/ipv4/vs/{name}");
            one.enter(|| fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}")))
        };
        let names = ["expire_nodest_conn", "conn_reuse_mode", "sync_threshold", "schedule_icmp"];
        (
            times.expect("it answers"),
            names.map(|name| read(name).split_whitespace().collect::<Vec<_>>().join(" ")),
        )
    };
    let before = settings();
    let service = "virtual_server 10.0.0.100 80 {\nlvs_sched rr\nlvs_method NAT\nprotocol TCP\n\
                   real_server 10.0.0.9 80 {\nweight 1\n}\n}\n";
    let text = format!(
        "global_defs {{\nlvs_timeouts tcp 777 udp 111\nlvs_sysctl {{\nexpire_nodest_conn 1\nconn_reuse_mode 0\n\
         sync_threshold 5 60\n}}\n}}\n{service}"
    );
    let mut daemon = start(&ours(), one, &text);
    wait_until("the settings", SLACK, || (settings() != before).then_some(()));
    wait_until("all of them", SLACK, || {
        let (times, switches) = settings();
        let wanted = (times.tcp, times.tcp_fin, times.udp) == (777, before.0.tcp_fin, 111);
        (wanted && switches[..3] == ["1", "0", "5 60"].map(String::from)).then_some(())
    });
    // What the file does not name any more is put back; what somebody else sets meanwhile is theirs.
    daemon.reload(&format!("global_defs {{\nlvs_timeouts tcp 777\n}}\n{service}"));
    wait_until("the rest put back", SLACK, || {
        let (times, switches) = settings();
        ((times.tcp, times.udp) == (777, before.0.udp) && switches == before.1).then_some(())
    });
    assert_eq!(daemon.stop().code(), Some(0));
    // Compatibly the times stay after a stop; the next run that does not ask for any puts them back.
    let (times, switches) = settings();
    assert_eq!((times.tcp, &switches), (777, &before.1));
    let mut daemon = start(&ours(), one, service);
    wait_until("the times of before", SLACK, || (settings() == before).then_some(()));
    assert_eq!(daemon.stop().code(), Some(0));
    assert_eq!(settings(), before);
}

/// A virtual server whose three servers go up and down: with a sorry server, without, and with one of weight 0.
fn quorum_text(host: &Host) -> String {
    let dir = host.dir().display();
    let told = |who: &str, word: &str| format!("\"/bin/sh -c 'echo {who} {word} >> {dir}/diary'\"");
    let mut text = GLOBAL.to_owned();
    let kinds = [
        (1, "sorry_server 10.9.9.9 80", ""),
        (2, "", "omega"),
        (3, "sorry_server 10.9.9.9 80\nsorry_server_inhibit", "alpha"),
    ];
    for (n, sorry, more) in kinds {
        let (up, down) = (told(&format!("service{n}"), "up"), told(&format!("service{n}"), "down"));
        let _ = writeln!(
            text,
            "virtual_server 10.0.5.{n} 80 {{\nlvs_sched rr\nlvs_method DR\nprotocol TCP\ndelay_loop 1\nwarmup 0\n\
             quorum 3\nhysteresis 1\nquorum_up {up}\nquorum_down {down}\n{sorry}\n{more}"
        );
        for (m, weight, inhibit) in [(1, 2, ""), (2, 2, ""), (3, 1, "inhibit_on_failure")] {
            let (up, down) = (told(&format!("{n}/{m}"), "up"), told(&format!("{n}/{m}"), "down"));
            let _ = writeln!(
                text,
                "real_server 10.1.0.{m} 80 {{\nweight {weight}\n{inhibit}\nnotify_up {up}\nnotify_down {down}\n\
                 MISC_CHECK {{\nmisc_path \"/bin/test -e {dir}/up{m}\"\nmisc_timeout 5\n}}\n}}"
            );
        }
        text.push_str("}\n");
    }
    text
}

/// A step: what it is, the servers that go up or down, and then the weights in each of the three services; 9 is the
/// sorry server.
type Step = (&'static str, &'static [(u8, bool)], [&'static [(u8, u32)]; 3]);

const ALL: &[(u8, u32)] = &[(1, 2), (2, 2), (3, 1)];
const ALL_AND_SORRY: &[(u8, u32)] = &[(1, 2), (2, 2), (3, 1), (9, 0)];
/// The third is inhibited: up or down, it stays beside the sorry server with weight 0.
const SORRY: &[(u8, u32)] = &[(3, 0), (9, 1)];

const STEPS: &[Step] = &[
    ("all are up", &[], [ALL, ALL, ALL_AND_SORRY]),
    (
        "1 goes down: a weight of 3 is left, and 2 are enough",
        &[(1, false)],
        [&[(2, 2), (3, 1)], &[(2, 2), (3, 1)], &[(2, 2), (3, 1), (9, 0)]],
    ),
    ("2 goes down as well: the quorum is lost", &[(2, false)], [SORRY, &[(3, 1)], SORRY]),
    ("2 comes back: 3 are up, and 4 needed", &[(2, true)], [SORRY, &[(2, 2), (3, 1)], SORRY]),
    ("1 comes back: the quorum is reached", &[(1, true)], [ALL, ALL, ALL_AND_SORRY]),
    (
        "3 goes down, which is inhibited",
        &[(3, false)],
        [&[(1, 2), (2, 2), (3, 0)], &[(1, 2), (2, 2), (3, 0)], &[(1, 2), (2, 2), (3, 0), (9, 0)]],
    ),
    ("all are down", &[(1, false), (2, false)], [SORRY, &[(3, 0)], SORRY]),
    ("all come back", &[(1, true), (2, true), (3, true)], [ALL, ALL, ALL_AND_SORRY]),
];

/// The weights in the three services.
fn weights(host: &Host) -> Vec<Vec<(u8, u32)>> {
    let last = |key: &DestinationKey| match key.address {
        IpAddr::V4(address) => address.octets()[3],
        IpAddr::V6(_) => 0,
    };
    let services = held(host).services;
    let of = |n: u8| services.get(&ServiceKey::tcp([10, 0, 5, n].into(), 80));
    let weights = |service: &Arc<Service>| -> Vec<(u8, u32)> {
        service.destinations.iter().map(|(key, settings)| (last(key), settings.weight)).collect()
    };
    (1..=3).map(|n| of(n).map(weights).unwrap_or_default()).collect()
}

/// Goes through all steps, at each of which the table must become what is expected. Tells what programs heard
/// meanwhile, and at the end: so many lines at least, if they come.
fn quorum_life(program: &Program, host: &Host, [during, at_the_end]: [usize; 2]) -> [Vec<String>; 2] {
    let diary = host.dir().join("diary");
    // Programs of several servers run side by side, and take their time: a guest whose host is busy is slow to begin them.
    let told = |least: usize| {
        let read = || fs::read_to_string(&diary).unwrap_or_default();
        let mut last = (read(), Instant::now());
        let end = Instant::now() + SLACK;
        let whole = loop {
            let now = read();
            if now != last.0 {
                last = (now, Instant::now());
            }
            let all = last.0.lines().count() >= least && last.1.elapsed() >= QUIET;
            if all || Instant::now() >= end {
                break last.0;
            }
            std::thread::sleep(Duration::from_millis(20));
        };
        let _ = fs::remove_file(&diary);
        let mut lines: Vec<String> = whole.lines().map(str::to_owned).collect();
        lines.sort();
        lines
    };
    let set = |m: u8, up: bool| {
        let file = host.dir().join(format!("up{m}"));
        let _ = if up { fs::write(file, "") } else { fs::remove_file(file) };
    };
    (1..=3).for_each(|m| set(m, true));
    let mut daemon = start(program, host, &quorum_text(host));
    for (step, changes, expected) in STEPS {
        changes.iter().for_each(|(m, up)| set(*m, *up));
        let (end, mut now) = (Instant::now() + SLACK, Vec::new());
        while now != expected {
            assert!(
                Instant::now() < end,
                "{program:?}: {step}: expected {expected:?}; the kernel holds {now:?}"
            );
            std::thread::sleep(Duration::from_millis(20));
            now = weights(host);
        }
    }
    let during = told(during);
    daemon.stop();
    assert_eq!(held(host), Table::default(), "{program:?} left something behind");
    // omega: the last words.
    [during, told(at_the_end)]
}

#[test]
#[ignore = "needs a kernel with IPVS"]
fn quorums_come_and_go_as_with_keepalived() {
    in_namespaces!();
    let net = Net::new(&["theirs", "ours"]);
    let theirs = quorum_life(&Program::Keepalived, net.host("theirs"), [41, 4]);
    let ours = quorum_life(&ours(), net.host("ours"), theirs.each_ref().map(Vec::len));
    assert_eq!(ours, theirs);
    assert!(ours[0].len() > 40 && ours[1].len() == 4, "programs were told little: {ours:?}");
}
