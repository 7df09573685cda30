//! The cases: we and the peer, from the first advert to the last.

use std::path::Path;
use std::time::{Duration, SystemTime};

use lab::netns::{Daemon, Host, Instance, Net, Program, exit_code, wait_until};
use lab::sniff::{Event, Sniffer, between};

/// How late something may be; generous, for busy machines.
const SLACK: Duration = Duration::from_secs(1);
/// How long a program may take to start, beyond what the protocol makes it wait.
const START: Duration = Duration::from_secs(5);

/// A segment with both programs; the instance is our side's, its priority ignored.
struct Pair<'a> {
    net: &'a Net,
    sniffer: Sniffer,
    instance: &'a Instance,
}

impl<'a> Pair<'a> {
    fn new(net: &'a Net, instance: &'a Instance) -> Pair<'a> {
        Pair { net, sniffer: net.sniff(), instance }
    }

    fn we(&self) -> &'a Host {
        self.net.host("we")
    }

    fn peer(&self) -> &'a Host {
        self.net.host("peer")
    }

    /// Starts the program under test.
    fn start_us(&self, priority: u8) -> Daemon<'a> {
        let ours = if std::env::var_os("DIRECTORD_TEST_PROGRAM").is_some_and(|p| p == "keepalived") {
            Program::Keepalived
        } else {
            Program::Directord(Path::new(env!("CARGO_BIN_EXE_directord")).to_owned())
        };
        Daemon::start(&ours, self.we(), &self.instance.priority(priority).to_string())
    }

    /// Starts keepalived.
    fn start_peer(&self, priority: u8) -> Daemon<'a> {
        Daemon::start(&Program::Keepalived, self.peer(), &self.theirs(priority).to_string())
    }

    /// The peer's side of the instance.
    fn theirs(&self, priority: u8) -> Instance {
        let unicast = self.instance.unicast.map(|(own, peer)| (peer, own));
        Instance { unicast, nopreempt: false, ..self.instance.priority(priority) }
    }

    /// Waits for the first advert that `daemon`, just started with this priority, sends of its own accord.
    fn wait_start(&self, daemon: &Daemon, priority: u8) -> Event {
        let patience = self.instance.priority(priority).patience();
        let first = self.sniffer.wait_advert(daemon.host().name(), daemon.started(), patience + START);
        let waited = between(daemon.started(), first.at);
        assert!(waited >= patience, "master {waited:?} after its start, sooner than {patience:?}");
        first
    }

    /// Waits longer than a backup of priority 100 would need to take over, and checks that only `master` sent.
    fn expect_alone(&self, master: &str) {
        let from = SystemTime::now();
        std::thread::sleep(self.instance.priority(100).patience() + self.instance.interval);
        let timeline = self.sniffer.timeline();
        let masters: Vec<_> = timeline.masters().into_iter().filter(|(at, _)| *at >= from).collect();
        assert_eq!(masters, [], "somebody took over from {master}");
        assert_eq!(timeline.master_at(SystemTime::now()), Some(master));
        assert!(timeline.count_adverts(master, from, SystemTime::now()) >= 3, "{master} fell silent");
    }

    /// After a silence of its master that began with `last`, `host` has taken over with `first`: neither too soon nor
    /// too late, with its address announced.
    fn expect_takeover(&self, host: &Host, last: SystemTime, first: &Event, wait: Duration) {
        let silence = between(last, first.at);
        assert!(silence >= wait, "{} took over after {silence:?}, sooner than {wait:?}", host.name());
        assert!(silence <= wait + SLACK, "{} took over after {silence:?}, which is late", host.name());
        let name = host.name();
        self.sniffer.wait_for("a gratuitous ARP", SLACK, |t| {
            t.first_garp(name, self.instance.vip(), first.at).cloned()
        });
        wait_until(&format!("the virtual address on {name}"), SLACK, || {
            host.has(self.instance.vip()).then_some(())
        });
    }

    /// `loser` heard the higher priority of `first`: it falls silent at once and gives its address up.
    fn expect_handover(&self, loser: &Host, winner: &Host, first: &Event) {
        wait_until(&format!("no virtual address on {}", loser.name()), SLACK, || {
            (!loser.has(self.instance.vip())).then_some(())
        });
        wait_until(&format!("the virtual address on {}", winner.name()), SLACK, || {
            winner.has(self.instance.vip()).then_some(())
        });
        std::thread::sleep(self.instance.interval * 3);
        // One advert may have been under way.
        let silent_from = first.at + self.instance.interval / 2;
        let late = self.sniffer.timeline().count_adverts(loser.name(), silent_from, SystemTime::now());
        assert_eq!(late, 0, "{} went on after it heard a higher priority", loser.name());
    }

    /// The virtual address is on this host and nowhere else.
    fn expect_address_only_on(&self, master: &Host) {
        for host in self.net.hosts() {
            assert_eq!(
                host.has(self.instance.vip()),
                host.name() == master.name(),
                "address on {}",
                host.name()
            );
        }
    }
}

/// What a reboot after a power cut does: the addresses are gone.
fn reboot(host: &Host, instance: &Instance) {
    host.ip(&format!("addr flush dev eth0 to {}", instance.vip()));
}

/// We are the backup: the peer dies, comes back, and stops.
pub fn as_backup(instance: &Instance) {
    let net = Net::new(&["we", "peer"]);
    let pair = Pair::new(&net, instance);
    let (we, peer) = (pair.we(), pair.peer());
    let mut other = pair.start_peer(200);
    pair.wait_start(&other, 200);
    let mut ours = pair.start_us(100);
    pair.expect_alone("peer");
    pair.expect_address_only_on(peer);

    let killed = other.kill();
    let first = pair.sniffer.wait_advert("we", killed, instance.patience() + SLACK);
    let last = pair.sniffer.timeline().last_advert("peer", first.at).expect("it was master").at;
    reboot(peer, instance);
    pair.expect_takeover(we, last, &first, instance.patience());
    pair.expect_address_only_on(we);

    let mut other = pair.start_peer(200);
    let back = pair.wait_start(&other, 200);
    pair.expect_handover(we, peer, &back);
    pair.expect_address_only_on(peer);

    other.stop();
    let farewell = pair.sniffer.timeline().farewell("peer", back.at).expect("a stop is announced").at;
    let first = pair.sniffer.wait_advert("we", farewell, instance.skew() + SLACK);
    pair.expect_takeover(we, farewell, &first, instance.skew());
    pair.expect_alone("we");
    pair.expect_address_only_on(we);

    assert_eq!(exit_code(ours.stop()), 0);
    assert!(pair.sniffer.timeline().farewell("we", first.at).is_some(), "we left without a farewell");
    assert!(!we.has(instance.vip()), "we left our address behind");
}

/// We are the master: we stop, come back, and die.
pub fn as_master(instance: &Instance) {
    let net = Net::new(&["we", "peer"]);
    let pair = Pair::new(&net, instance);
    let (we, peer) = (pair.we(), pair.peer());
    let mut ours = pair.start_us(200);
    pair.wait_start(&ours, 200);
    let mut other = pair.start_peer(100);
    pair.expect_alone("we");
    pair.expect_address_only_on(we);

    let stopped = SystemTime::now();
    assert_eq!(exit_code(ours.stop()), 0);
    assert!(!we.has(instance.vip()), "we left our address behind");
    let farewell = pair.sniffer.timeline().farewell("we", stopped).expect("a stop is announced").at;
    let first = pair.sniffer.wait_advert("peer", farewell, instance.skew() + SLACK);
    pair.expect_takeover(peer, farewell, &first, instance.skew());
    pair.expect_address_only_on(peer);

    let mut ours = pair.start_us(200);
    let back = pair.wait_start(&ours, 200);
    pair.expect_handover(peer, we, &back);
    pair.expect_address_only_on(we);

    let killed = ours.kill();
    let first = pair.sniffer.wait_advert("peer", killed, instance.patience() + SLACK);
    let last = pair.sniffer.timeline().last_advert("we", first.at).expect("we were master").at;
    pair.expect_takeover(peer, last, &first, instance.patience());

    // Our address was left behind by the kill: the next start must cope with that.
    let mut ours = pair.start_us(200);
    let back = pair.wait_start(&ours, 200);
    pair.expect_handover(peer, we, &back);
    pair.expect_address_only_on(we);
    assert_eq!(exit_code(ours.stop()), 0);
    assert!(other.is_running(), "the peer ended:\n{}", other.log());
}

/// The peer's password differs from ours: each refuses the other's adverts, so both are masters, and we count them.
/// (keepalived in our place may fail: it puts its next advert off with each one that it refuses.)
pub fn wrong_password(instance: &Instance) {
    let net = Net::new(&["we", "peer"]);
    let pair = Pair::new(&net, instance);
    let theirs = Instance { password: Some("abrakada".into()), ..pair.theirs(200) };
    let other = Daemon::start(&Program::Keepalived, pair.peer(), &theirs.to_string());
    pair.wait_start(&other, 200);
    let ours = pair.start_us(100);
    let first = pair.wait_start(&ours, 100);
    wait_until("the virtual address on our side", SLACK, || pair.we().has(instance.vip()).then_some(()));
    // The peer's adverts do not move us.
    pair.sniffer.wait_for("two more adverts from us", instance.interval * 3 + SLACK, |t| {
        (t.count_adverts("we", first.at, SystemTime::now()) >= 3).then_some(())
    });
    assert!(pair.we().has(instance.vip()));
    if let Some(status) = ours.status() {
        let counters = &status["instances"][0]["counters"];
        assert!(counters["dropped_authentication"].as_u64() > Some(0), "not counted: {counters}");
    }
}

/// The same with an authentication header: nothing but the password differs.
pub fn wrong_header(instance: &Instance) {
    let net = Net::new(&["we", "peer"]);
    let pair = Pair::new(&net, instance);
    let theirs = pair.theirs(200);
    let theirs = Instance { more: theirs.more.replace("opensesm", "abrakada"), ..theirs };
    let other = Daemon::start(&Program::Keepalived, pair.peer(), &theirs.to_string());
    pair.wait_start(&other, 200);
    let ours = pair.start_us(100);
    pair.wait_start(&ours, 100);
    if ours.status().is_some() {
        wait_until("dropped adverts counted", instance.interval * 3 + SLACK, || {
            let counters = &ours.status()?["instances"][0]["counters"];
            (counters["dropped_authentication"].as_u64() > Some(0)).then_some(())
        });
        assert!(ours.log().contains("wrong check value in the authentication header"), "{}", ours.log());
    }
}

/// The peer makes checksums as keepalived before 1.3.7 did, and believes no other: nobody told us, and we find out.
pub fn old_checksum_found_out(instance: &Instance) {
    let net = Net::new(&["we", "peer"]);
    let pair = Pair::new(&net, instance);
    let theirs =
        |priority| Instance { more: "old_unicast_checksum".into(), ..pair.theirs(priority) }.to_string();
    let mut other = Daemon::start(&Program::Keepalived, pair.peer(), &theirs(100));
    pair.wait_start(&other, 100);
    let ours = pair.start_us(200);
    let back = pair.wait_start(&ours, 200);
    // It steps down only for a checksum that it takes for right.
    pair.expect_handover(pair.peer(), pair.we(), &back);
    assert!(other.is_running(), "{}", other.log());
}
