//! Two instances in a sync group against keepalived's, and what we track: whatever happens, both addresses are on one
//! side together, and come back.

use std::net::{IpAddr, Ipv4Addr};
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use lab::netns::{Daemon, Host, Net, Program, exit_code, wait_until};

/// How long a hand-over may take on a busy machine.
const SLACK: Duration = Duration::from_secs(10);

const VIPS: [IpAddr; 2] =
    [IpAddr::V4(Ipv4Addr::new(10, 0, 0, 100)), IpAddr::V4(Ipv4Addr::new(10, 0, 0, 101))];

/// A group of two instances with this priority; `head` stands before them, `first` in the first one, `group` in the
/// group.
fn config(priority: u8, head: &str, first: &str, group: &str) -> String {
    let instance = |number: u8, more: &str| {
        format!(
            "vrrp_instance VI_{number} {{\nstate BACKUP\ninterface eth0\nvirtual_router_id {}\nversion 3\n\
             priority {priority}\nadvert_int 0.1\n{more}\nvirtual_ipaddress {{\n10.0.0.{}/24 dev eth0\n}}\n}}\n",
            50 + number,
            99 + number
        )
    };
    format!(
        "{head}\n{}{}vrrp_sync_group G {{\ngroup {{\nVI_1\nVI_2\n}}\n{group}\n}}\n",
        instance(1, first),
        instance(2, "")
    )
}

struct Pair<'a> {
    we: &'a Host,
    peer: &'a Host,
}

impl<'a> Pair<'a> {
    fn new(net: &'a Net) -> Pair<'a> {
        let pair = Pair { we: net.host("we"), peer: net.host("peer") };
        for host in [pair.we, pair.peer] {
            host.ip("link add name other0 type veth peer name far0");
            host.ip("link set dev far0 up");
            host.ip("link set dev other0 up");
        }
        pair
    }

    fn start(&self, text: &str) -> Daemon<'a> {
        let ours = Program::Directord(Path::new(env!("CARGO_BIN_EXE_directord")).to_owned());
        Daemon::start(&ours, self.we, text)
    }

    fn start_peer(&self, text: &str) -> Daemon<'a> {
        Daemon::start(&Program::Keepalived, self.peer, text)
    }

    /// Waits until both addresses are here, and neither is there.
    fn expect(&self, here: &Host) {
        let there = if here.name() == "we" { self.peer } else { self.we };
        wait_until(&format!("both addresses on {} only", here.name()), SLACK, || {
            let all = VIPS.iter().all(|vip| here.has(*vip) && !there.has(*vip));
            all.then_some(())
        });
    }
}

fn group_role(daemon: &Daemon) -> Option<String> {
    Some(daemon.status()?["groups"].get(0)?["role"].as_str()?.to_owned())
}

/// A lost interface on either side takes the whole group to the other, and back when it returns.
pub fn interface() {
    let net = Net::new(&["we", "peer"]);
    let pair = Pair::new(&net);
    let track = "track_interface {\nother0\n}";
    let other = pair.start_peer(&config(100, "", track, ""));
    let mut ours = pair.start(&config(200, "", track, ""));
    pair.expect(pair.we);
    assert_eq!(group_role(&ours).as_deref(), Some("MASTER"));

    // Only the first instance tracks it; the second one goes along.
    pair.we.ip("link set dev other0 down");
    pair.expect(pair.peer);
    assert_eq!(group_role(&ours).as_deref(), Some("FAULT"));
    let status = ours.status().expect("it runs");
    let cause = |number: usize| status["instances"][number]["cause"].as_str().unwrap_or_default().to_owned();
    assert!(cause(0).contains("track_interface other0: down"), "{}", cause(0));
    assert!(cause(1).contains("VI_1 of the same sync group"), "{}", cause(1));
    pair.we.ip("link set dev other0 up");
    pair.expect(pair.we);
    // One that vanishes is lost as well.
    pair.we.ip("link set dev other0 name other1");
    pair.expect(pair.peer);
    pair.we.ip("link set dev other1 name other0");
    pair.expect(pair.we);

    // Now the other way round.
    drop(other);
    for vip in VIPS {
        pair.peer.ip(&format!("addr flush dev eth0 to {vip}"));
    }
    let _other = pair.start_peer(&config(250, "", track, ""));
    pair.expect(pair.peer);
    assert_eq!(group_role(&ours).as_deref(), Some("BACKUP"));
    pair.peer.ip("link set dev other0 down");
    pair.expect(pair.we);
    pair.peer.ip("link set dev other0 up");
    pair.expect(pair.peer);
    assert_eq!(exit_code(ours.stop()), 0);
}

/// A number in a file, a script and an operator move the group by its priority.
pub fn file_script_and_operator() {
    let net = Net::new(&["we", "peer"]);
    let pair = Pair::new(&net);
    let (file, healthy) = (pair.we.dir().join("number"), pair.we.dir().join("healthy"));
    std::fs::write(&healthy, "").expect("/run is ours");
    let head = format!(
        "track_file maintenance {{\nfile {}\nweight -1\ninit_file 3\n}}\n\
         vrrp_script health {{\nscript \"/usr/bin/test -e {}\"\ninterval 0.2\nweight -150\nuser root\n}}",
        file.display(),
        healthy.display()
    );
    let group = "track_file {\nmaintenance\n}\ntrack_script {\nhealth\n}";
    let _other = pair.start_peer(&config(100, "", "", ""));
    let ours = pair.start(&config(200, &head, "", group));
    pair.expect(pair.we);
    assert_eq!(std::fs::read_to_string(&file).ok().as_deref(), Some("3\n"), "init_file");
    let priority =
        |daemon: &Daemon| daemon.status().and_then(|s| s["instances"][1]["effective_priority"].as_u64());
    assert_eq!(priority(&ours), Some(197));

    std::fs::write(&file, "150\n").expect("/run is ours");
    pair.expect(pair.peer);
    assert_eq!(priority(&ours), Some(50));
    // Replaced by a rename, as editors and configuration management do it.
    std::fs::write(file.with_extension("new"), "0\n").expect("/run is ours");
    std::fs::rename(file.with_extension("new"), &file).expect("/run is ours");
    pair.expect(pair.we);
    assert_eq!(priority(&ours), Some(200));

    std::fs::remove_file(&healthy).expect("it is there");
    pair.expect(pair.peer);
    let status = ours.status().expect("it runs");
    let trackers = status["instances"][0]["trackers"].as_array().cloned().unwrap_or_default();
    let script = trackers.iter().find(|tracker| tracker["name"] == "health").expect("it is tracked");
    assert_eq!(script["adds"], -150, "{script}");
    assert!(script["reason"].as_str().is_some_and(|why| why.contains('1')), "{script}");
    std::fs::write(&healthy, "").expect("/run is ours");
    pair.expect(pair.we);

    let say = |words: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_directord"));
        command.arg("priority").args(words).arg("--runtime-dir").arg(pair.we.dir());
        exit_code(pair.we.output(&mut command).expect("directord runs").status)
    };
    assert_eq!((say(&["VI_1", "50"]), say(&["VI_2", "50"])), (0, 0));
    pair.expect(pair.peer);
    ours.reload(&config(201, &head, "", group));
    wait_until("the new file beside the priority set by hand", SLACK, || {
        let status = ours.status()?;
        (status["generation"] == 2 && status["instances"][0]["effective_priority"] == 50).then_some(())
    });
    assert_eq!((say(&["VI_1", "default"]), say(&["VI_2", "default"])), (0, 0));
    pair.expect(pair.we);
    assert_eq!((say(&["nobody", "50"]), say(&["VI_1", "0"])), (1, 2));
}

/// A process that ends is a fault of the group until it runs again.
pub fn process() {
    let net = Net::new(&["we", "peer"]);
    let pair = Pair::new(&net);
    let head = "vrrp_track_process worker {\nprocess sleep 4711.25\n}";
    let worker = || pair.we.spawn(Command::new("sleep").arg("4711.25")).expect("sleep is everywhere");
    let mut first = worker();
    let _other = pair.start_peer(&config(100, "", "", ""));
    let ours = pair.start(&config(200, head, "", "track_process {\nworker\n}"));
    pair.expect(pair.we);
    first.kill().expect("it runs");
    first.wait().expect("it was killed");
    pair.expect(pair.peer);
    assert_eq!(group_role(&ours).as_deref(), Some("FAULT"));
    let mut second = worker();
    pair.expect(pair.we);
    second.kill().expect("it runs");
    second.wait().expect("it was killed");
}
