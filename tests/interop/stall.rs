//! keepalived and we, each stopped for longer than a backup waits and then woken: who is master when.

use std::path::Path;
use std::time::{Duration, SystemTime};

use lab::in_namespaces;
use lab::netns::{Daemon, Host, Instance, Net, Program, wait_until};
use lab::sniff::{Sniffer, between};
use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;

/// Slower than elsewhere: a busy machine stops everybody for a while, and here that would be mistaken for the test.
fn v3() -> Instance {
    Instance::new(3, Duration::from_millis(400), 100)
}

/// How long anything may take on a busy machine, beyond what the protocol asks for.
const SLACK: Duration = Duration::from_secs(5);

fn we<'a>(net: &'a Net, instance: &Instance) -> Daemon<'a> {
    let program = Program::Directord(Path::new(env!("CARGO_BIN_EXE_directord")).to_owned());
    Daemon::start(&program, net.host("we"), &instance.to_string())
}

fn keepalived<'a>(net: &'a Net, instance: &Instance) -> Daemon<'a> {
    Daemon::start(&Program::Keepalived, net.host("peer"), &instance.to_string())
}

/// To all of its processes: keepalived's parent does nothing that would be missed.
fn signal(daemon: &Daemon, signal: Signal) -> SystemTime {
    let at = SystemTime::now();
    killpg(Pid::from_raw(daemon.id().cast_signed()), signal).expect("it runs");
    at
}

/// Waits until this host, and only it, has been master for some adverts after `since`; when it began.
fn only_master(sniffer: &Sniffer, host: &str, since: SystemTime) -> SystemTime {
    let patience = v3().patience() + SLACK;
    let first = sniffer.wait_advert(host, since, patience).at;
    sniffer.wait_for(&format!("{host} alone"), SLACK, |timeline| {
        let last: Vec<_> = timeline.adverts().rev().filter(|(_, a)| a.priority > 0).take(4).collect();
        last.iter().all(|(event, _)| event.from == host && event.at >= first).then_some(())
    });
    first
}

fn wait_address(host: &Host, there: bool) {
    wait_until(&format!("the address on {}: {there}", host.name()), SLACK, || {
        (host.has(Instance::VIP) == there).then_some(())
    });
}

/// keepalived goes on as master when it wakes, with the better claim; we have taken over meanwhile and give way at once.
#[test]
fn keepalived_that_was_stopped_comes_back() {
    in_namespaces!();
    let net = Net::new(&["we", "peer"]);
    let sniffer = net.sniff();
    let peer = keepalived(&net, &v3().priority(200));
    only_master(&sniffer, "peer", peer.started());
    let ours = we(&net, &v3());
    wait_until("a backup here", SLACK, || (ours.status()?["instances"][0]["role"] == "BACKUP").then_some(()));
    signal(&peer, Signal::SIGSTOP);
    let last = sniffer.timeline().last_advert("peer", SystemTime::now()).expect("it was master").at;
    let first = only_master(&sniffer, "we", last);
    assert!(between(last, first) >= v3().patience(), "took over after {:?}", between(last, first));
    wait_address(net.host("we"), true);

    let woken = signal(&peer, Signal::SIGCONT);
    let back = only_master(&sniffer, "peer", woken);
    wait_address(net.host("we"), false);
    // One advert may have been under way.
    let late = sniffer.timeline().count_adverts("we", back + v3().interval / 2, SystemTime::now());
    assert_eq!(late, 0, "we went on after the better claim was heard");
    let counters = ours.status().expect("it runs")["instances"][0]["counters"].clone();
    assert_eq!(counters["became_master"], 1, "{counters}");
}

/// keepalived of lower priority wakes as the master that it no longer is: we do not leave our role for that.
#[test]
fn keepalived_of_lower_priority_that_was_stopped_as_master_gives_way() {
    in_namespaces!();
    let net = Net::new(&["we", "peer"]);
    let sniffer = net.sniff();
    let peer = keepalived(&net, &v3());
    only_master(&sniffer, "peer", peer.started());
    signal(&peer, Signal::SIGSTOP);
    let ours = we(&net, &v3().priority(200));
    only_master(&sniffer, "we", ours.started());
    wait_address(net.host("we"), true);
    let woken = signal(&peer, Signal::SIGCONT);
    wait_address(net.host("peer"), false);
    std::thread::sleep(v3().patience());
    only_master(&sniffer, "we", woken);
    assert!(net.host("we").has(Instance::VIP));
    let counters = ours.status().expect("it runs")["instances"][0]["counters"].clone();
    assert_eq!(counters["became_master"], 1, "{counters}");
}

/// We are the ones who were stopped: not a word before we have given our role up, and then what a backup may do.
fn we_were_stopped(nopreempt: bool) {
    let net = Net::new(&["we", "peer"]);
    let sniffer = net.sniff();
    let ours = we(&net, &Instance { nopreempt, ..v3().priority(200) });
    only_master(&sniffer, "we", ours.started());
    let peer = keepalived(&net, &v3());
    std::thread::sleep(v3().patience());
    let stopped = signal(&ours, Signal::SIGSTOP);
    let first = only_master(&sniffer, "peer", stopped);
    wait_address(net.host("peer"), true);

    let woken = signal(&ours, Signal::SIGCONT);
    let patience = v3().priority(200).patience();
    if nopreempt {
        wait_address(net.host("we"), false);
        std::thread::sleep(patience * 2);
        let spoken = sniffer.timeline().first_advert("we", first).cloned();
        assert_eq!(spoken, None, "it went on as master");
        only_master(&sniffer, "peer", woken);
        assert!(net.host("peer").has(Instance::VIP) && peer.log().contains("MASTER"));
    } else {
        let back = only_master(&sniffer, "we", first);
        assert!(
            back > woken && between(first, back) >= patience,
            "it fought: back {:?}",
            between(first, back)
        );
        wait_address(net.host("peer"), false);
        wait_address(net.host("we"), true);
    }
}

#[test]
fn we_that_were_stopped_leave_the_role_to_keepalived() {
    in_namespaces!();
    we_were_stopped(true);
}

#[test]
fn we_that_were_stopped_come_back_without_a_fight_with_keepalived() {
    in_namespaces!();
    we_were_stopped(false);
}
