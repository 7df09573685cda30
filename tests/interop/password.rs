//! Two sides with different passwords: each refuses the other's adverts, so both are masters, and we count them.

use std::path::Path;
use std::time::{Duration, SystemTime};

use lab::in_namespaces;
use lab::netns::{Daemon, Instance, Net, Program, wait_until};

/// How late something may be; generous, for busy machines.
const SLACK: Duration = Duration::from_secs(5);

#[test]
fn a_wrong_password_is_no_master() {
    in_namespaces!();
    let net = Net::new(&["we", "peer"]);
    let sniffer = net.sniff();
    let (we, peer) = (net.host("we"), net.host("peer"));
    let mine =
        Instance { password: Some("opensesm".into()), ..Instance::new(2, Duration::from_secs(1), 100) };
    let theirs = Instance { password: Some("abrakada".into()), ..mine.priority(200) };
    let other = Daemon::start(&Program::Keepalived, peer, &theirs.to_string());
    sniffer.wait_advert("peer", other.started(), theirs.patience() + SLACK);
    let program = Program::Directord(Path::new(env!("CARGO_BIN_EXE_directord")).to_owned());
    let ours = Daemon::start(&program, we, &mine.to_string());
    let first = sniffer.wait_advert("we", ours.started(), mine.patience() + SLACK);
    wait_until("the virtual address on our side", SLACK, || we.has(mine.vip()).then_some(()));
    // The peer's adverts do not move us.
    sniffer.wait_for("two more adverts from us", mine.interval * 3 + SLACK, |t| {
        (t.count_adverts("we", first.at, SystemTime::now()) >= 3).then_some(())
    });
    assert!(we.has(mine.vip()));
    let status = ours.status().expect("it answers");
    let counters = &status["instances"][0]["counters"];
    assert!(counters["dropped_authentication"].as_u64() > Some(0), "not counted: {counters}");
}
