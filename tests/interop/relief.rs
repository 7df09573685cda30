//! directord takes the place of a running keepalived on the same host: started beside it with `--take-over`, it is
//! master at once where keepalived is, and keepalived, killed without a word, is not missed.

use std::path::Path;
use std::time::{Duration, SystemTime};

use lab::in_namespaces;
use lab::netns::{Daemon, Host, Instance, Net, Program, exit_code, wait_until};
use lab::sniff::{Sniffer, between};

use crate::{PEER, PEER_V6, WE, WE_V6};

/// How late something may be; generous, for busy machines.
const SLACK: Duration = Duration::from_secs(5);

fn beside<'a>(host: &'a Host, instance: &Instance) -> Daemon<'a> {
    let program = Program::Directord(Path::new(env!("CARGO_BIN_EXE_directord")).to_owned());
    Daemon::start_with(&program, host, &instance.to_string(), |command| {
        command.args(["--compat", "--take-over"]);
    })
}

fn wait_role(daemon: &Daemon, role: &str) {
    wait_until(&format!("{role} on {}", daemon.host().name()), SLACK, || {
        (daemon.status()?["instances"][0]["role"] == role).then_some(())
    });
}

/// The longest time between two adverts of a host in a row, from `since` on.
fn longest_gap(sniffer: &Sniffer, host: &str, since: SystemTime) -> Duration {
    let timeline = sniffer.timeline();
    let theirs = timeline.adverts().filter(|(event, _)| event.from == host && event.at >= since);
    let sent: Vec<SystemTime> = theirs.map(|(event, _)| event.at).collect();
    sent.windows(2).map(|pair| between(pair[0], pair[1])).max().unwrap_or_default()
}

fn relieve_both(ours: &Instance, theirs: &Instance) {
    let net = Net::new(&["we", "peer"]);
    let sniffer = net.sniff();
    let (we, peer) = (net.host("we"), net.host("peer"));
    let mut old = Daemon::start(&Program::Keepalived, we, &ours.priority(200).to_string());
    sniffer.wait_advert("we", old.started(), ours.patience() + SLACK);
    let mut other = Daemon::start(&Program::Keepalived, peer, &theirs.to_string());
    wait_until("a backup", SLACK, || other.log().contains("Entering BACKUP").then_some(()));

    let mut new = beside(we, &ours.priority(200));
    wait_role(&new, "MASTER");
    std::thread::sleep(ours.interval * 2);
    let killed = old.kill();
    std::thread::sleep(ours.patience() * 2);
    let gap = longest_gap(&sniffer, "we", new.started());
    assert!(gap < ours.interval * 2, "an advert is missing: nothing for {gap:?}\n{}", sniffer.timeline());
    let masters = sniffer.timeline().masters().len();
    assert_eq!(masters, 1, "somebody else was master:\n{}", sniffer.timeline());
    assert!(sniffer.timeline().farewell("we", old.started()).is_none(), "a farewell was said");
    assert!(sniffer.timeline().count_adverts("we", killed, SystemTime::now()) >= 3);
    assert!(we.has(ours.vip()) && !peer.has(ours.vip()));

    // The other director is relieved as well: it is a backup, and stays one.
    other.kill();
    let second = beside(peer, theirs);
    wait_role(&second, "BACKUP");
    std::thread::sleep(ours.interval);
    assert_eq!(sniffer.timeline().masters().len(), 1, "{}", sniffer.timeline());

    // What was taken over is let go of like one's own.
    assert_eq!(exit_code(new.stop()), 0);
    assert!(!we.has(ours.vip()), "the address stayed");
    // An interface that keepalived made is its own.
    assert_eq!(we.ip("link show").contains("vrrp.51"), ours.more == "use_vmac");
    wait_role(&second, "MASTER");
    wait_until("the address", SLACK, || peer.has(ours.vip()).then_some(()));
}

#[test]
fn keepalived_is_relieved_without_a_missing_advert() {
    in_namespaces!();
    let v3 = Instance::new(3, Duration::from_millis(500), 100);
    let v2 = Instance::new(2, Duration::from_secs(1), 100);
    let cast = |instance: &Instance, own, other| Instance { unicast: Some((own, other)), ..instance.clone() };
    std::thread::scope(|s| {
        s.spawn(|| relieve_both(&v3, &v3));
        s.spawn(|| relieve_both(&v2, &v2));
        s.spawn(|| relieve_both(&cast(&v3, WE, PEER), &cast(&v3, PEER, WE)));
        let vmac = Instance { more: "use_vmac".into(), ..v3.clone() };
        s.spawn(move || relieve_both(&vmac, &vmac));
        let v6 = v3.clone().v6();
        s.spawn(move || relieve_both(&cast(&v6, WE_V6, PEER_V6), &cast(&v6, PEER_V6, WE_V6)));
    });
}
