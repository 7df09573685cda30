//! From the death of a server to its removal from the table, and from its return to its being back.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

use bench::checker::{Checker, Checks, INTERVAL};
use bench::servers::{Death, Servers};
use bench::{Ratio, Samples};
use lab::netns::{Net, Program, wait_until};
use lab::sniff::between;

use super::{Arguments, Kind, LIMIT, SETTLE, name};

/// Between one death and the next, in milliseconds: by chance, so that deaths fall on any part of the interval.
const STEPS: std::ops::Range<u64> = 60..260;
/// What a refused attempt may take: there is no waiting in it.
const REFUSAL: Duration = Duration::ZERO;
/// `connect_timeout`.
const TIMEOUT: Duration = Duration::from_secs(1);

/// Milliseconds of one program.
#[derive(Default)]
struct Row {
    removed: Samples,
    back: Samples,
    /// Deaths that were noticed later than they may be.
    too_late: usize,
}

pub(crate) fn run(kind: Kind, arguments: &Arguments) {
    for death in [Death::Refuses, Death::Silent] {
        let (words, attempt) = match death {
            Death::Refuses => ("refuses", REFUSAL),
            Death::Silent => ("falls silent", TIMEOUT),
        };
        let checks =
            Checks { servers: usize::from(arguments.deaths), manner: kind.into(), retry: arguments.retry };
        let longest = checks.patience(attempt);
        println!(
            "\n{} once a second, retry {}, a server {words}: ms until it is out of the table (at most {}), and until it \
             is back\n",
            kind.keyword(),
            arguments.retry,
            longest.as_millis()
        );
        println!(
            "{:24}{:>8}{:>14}{:>12}{:>12}{:>14}{:>12}",
            "", "deaths", "removed p50", "max ms", "too late", "back p50 ms", "max ms"
        );
        let programs = arguments.programs();
        let rows: Vec<Row> =
            programs.iter().map(|program| measure(program, &checks, death, longest)).collect();
        for (program, Row { removed, back, too_late }) in programs.iter().zip(&rows) {
            println!(
                "{:24}{:>8}{:>14.0}{:>12.0}{:>12}{:>14.0}{:>12.0}",
                name(program),
                removed.count(),
                removed.median(),
                removed.max(),
                too_late,
                back.median(),
                back.max()
            );
        }
        if let [ours, theirs] = rows.as_slice() {
            println!(
                "{:24}{:>8}{:>14}{:>12}{:>12}{:>14}{:>12}",
                "directord / keepalived",
                "",
                Ratio(ours.removed.median() / theirs.removed.median()),
                Ratio(ours.removed.max() / theirs.removed.max()),
                "",
                Ratio(ours.back.median() / theirs.back.median()),
                Ratio(ours.back.max() / theirs.back.max())
            );
        }
    }
}

/// Scheduling and the like, which no daemon can help.
const NOISE: Duration = Duration::from_millis(50);

fn measure(program: &Program, checks: &Checks, death: Death, longest: Duration) -> Row {
    let net = Net::new(&["one"]);
    let host = net.host("one");
    let servers = Servers::start(host, checks.servers, checks.manner);
    let checker = Checker::start(program, host, checks);
    checker.wait_present(checks.servers, LIMIT).expect("all servers are well at first");
    std::thread::sleep(SETTLE);
    let killed = one_by_one(checks.servers, |number| servers.kill(number, death));
    let removed = wait_for(&checker, &killed, false);
    // Until every trace of the deaths is over.
    std::thread::sleep(INTERVAL * 2);
    let revived = one_by_one(checks.servers, |number| servers.revive(number));
    let back = wait_for(&checker, &revived, true);
    let too_late = removed.iter().filter(|time| **time > longest + NOISE).count();
    let mut row = Row { too_late, ..Row::default() };
    row.removed.extend(removed.iter().map(|time| time.as_secs_f64() * 1e3));
    row.back.extend(back.iter().map(|time| time.as_secs_f64() * 1e3));
    row
}

/// Does something to each server in turn; tells when.
fn one_by_one(servers: usize, act: impl Fn(usize)) -> BTreeMap<usize, SystemTime> {
    let mut done = BTreeMap::new();
    // The same chances for each daemon (the constants are those of Knuth's MMIX generator).
    let mut chance = 1_u64;
    for number in 0..servers {
        chance = chance.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        std::thread::sleep(Duration::from_millis(STEPS.start + (chance >> 33) % (STEPS.end - STEPS.start)));
        done.insert(number, SystemTime::now());
        act(number);
    }
    done
}

/// Waits until every server has changed since: how long each took.
fn wait_for(checker: &Checker, since: &BTreeMap<usize, SystemTime>, is_in: bool) -> Vec<Duration> {
    wait_until("every change to be seen in the table", LIMIT, || {
        std::thread::sleep(Duration::from_millis(200));
        let changes = checker.changes();
        let took = |(number, at): (&usize, &SystemTime)| {
            let change = changes.iter().find(|c| c.server == *number && c.is_in == is_in && c.at >= *at)?;
            Some(between(*at, change.at))
        };
        since.iter().map(took).collect()
    })
}
