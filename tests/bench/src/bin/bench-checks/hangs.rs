//! A tenth of the servers hang at once: how late the others are asked then.

use std::time::Duration;

use bench::Samples;
use bench::checker::{Checker, Checks, INTERVAL};
use bench::servers::{Death, Servers, lateness};
use lab::netns::{Net, Program};

use super::{Arguments, Kind, LIMIT, SETTLE, name};

/// All servers.
const SERVERS: usize = 1000;
/// One of so many hangs.
const PART: usize = 10;

pub(crate) fn run(kind: Kind, arguments: &Arguments) {
    println!(
        "\n{} of {SERVERS} servers once a second, then {} of them hang: how late the others are asked, ms\n",
        kind.keyword(),
        SERVERS / PART
    );
    println!(
        "{:24}{:>12}{:>12}{:>12}{:>12}{:>12}{:>12}",
        "", "99 % before", "max before", "made", "99 % then", "max then", "made then"
    );
    for program in &arguments.programs() {
        let [(before, made), (then, made_then)] = measure(program, kind, arguments.seconds);
        println!(
            "{:24}{:>12.2}{:>12.2}{made:>12.4}{:>12.2}{:>12.2}{made_then:>12.4}",
            name(program),
            before.part(0.99),
            before.max(),
            then.part(0.99),
            then.max()
        );
    }
}

/// Lateness of the servers that do not hang, and the part of their attempts that was made: before, and while the others hang.
fn measure(program: &Program, kind: Kind, seconds: u64) -> [(Samples, f64); 2] {
    let net = Net::new(&["one"]);
    let host = net.host("one");
    let servers = Servers::start(host, SERVERS, kind.into());
    let checks = Checks { servers: SERVERS, manner: kind.into(), retry: 1 };
    let checker = Checker::start(program, host, &checks);
    checker.wait_present(SERVERS, LIMIT).expect("all servers are well at first");
    std::thread::sleep(SETTLE);
    let watch = || {
        servers.take_asked();
        std::thread::sleep(Duration::from_secs(seconds));
        let mut asked = servers.take_asked();
        asked.retain(|(number, _)| number % PART != 0);
        let (late, count) = lateness(&asked, INTERVAL);
        let wanted = seconds as f64 * (SERVERS - SERVERS / PART) as f64;
        (late, count as f64 / wanted)
    };
    let before = watch();
    for number in (0..SERVERS).step_by(PART) {
        servers.kill(number, Death::Silent);
    }
    [before, watch()]
}
