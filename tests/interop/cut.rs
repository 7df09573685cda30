//! One direction of the segment is cut: who hears nobody becomes a second master, for as long as that lasts, and no
//! longer.

use std::path::Path;
use std::time::{Duration, SystemTime};

use lab::in_namespaces;
use lab::netns::{Daemon, Instance, Net, Program, wait_until};

/// How late something may be; generous, for busy machines.
const SLACK: Duration = Duration::from_secs(5);

/// The backup is deaf for a while; `ours` says whether it is us.
fn deaf_backup(ours: bool) {
    let net = Net::new(&["we", "peer"]);
    let sniffer = net.sniff();
    let instance = Instance::new(3, Duration::from_millis(200), 100);
    let (deaf, other) = if ours { ("we", "peer") } else { ("peer", "we") };
    let directord = Program::Directord(Path::new(env!("CARGO_BIN_EXE_directord")).to_owned());
    let program = |host| if host == "we" { directord.clone() } else { Program::Keepalived };
    let master = Daemon::start(&program(other), net.host(other), &instance.priority(200).to_string());
    sniffer.wait_advert(other, master.started(), instance.priority(200).patience() + SLACK);
    let backup = Daemon::start(&program(deaf), net.host(deaf), &instance.to_string());
    wait_until("a backup", SLACK, || match backup.status() {
        Some(status) => (status["instances"][0]["role"] == "BACKUP").then_some(()),
        None => backup.log().contains("Entering BACKUP").then_some(()),
    });

    let cut = SystemTime::now();
    net.deafen(deaf, true);
    sniffer.wait_advert(deaf, cut, instance.patience() + SLACK);
    // Both are heard, both hold the address: the better one hears the other, and does not give way.
    let second = SystemTime::now();
    for host in [deaf, other] {
        sniffer.wait_for(&format!("adverts from {host}"), SLACK, |t| {
            (t.count_adverts(host, second, SystemTime::now()) >= 3).then_some(())
        });
        assert!(net.host(host).has(instance.vip()), "no address on {host}");
    }

    net.deafen(deaf, false);
    wait_until("one master", SLACK, || (!net.host(deaf).has(instance.vip())).then_some(()));
    std::thread::sleep(instance.interval);
    let healed = SystemTime::now();
    std::thread::sleep(instance.patience() * 2);
    assert_eq!(sniffer.timeline().first_advert(deaf, healed), None, "{}", sniffer.timeline());
    assert!(sniffer.timeline().count_adverts(other, healed, SystemTime::now()) >= 3);
    assert!(net.host(other).has(instance.vip()));
}

#[test]
fn one_direction_cut_makes_two_masters_and_healed_exactly_one() {
    in_namespaces!();
    std::thread::scope(|s| {
        s.spawn(|| deaf_backup(true));
        s.spawn(|| deaf_backup(false));
    });
}
