//! From the death of a server to its removal from the table, and from its return to its being back.
//!
//! How long a death goes unnoticed depends most of all on when it falls between two attempts. Left to chance, the medians
//! of fifty deaths would differ by a fifth between two runs of the same program; so the deaths are spread evenly over the
//! interval, counted from the last attempt that the server has seen, and both programs meet the same.
//!
//! Even so a death that was to fall just before an attempt falls just behind it now and then, and the median with it by
//! half a place. What the program itself adds is told apart from that: by how much a removal comes after the moment at
//! which it was possible, when the first attempt after the death, at the rhythm of those before, has failed. And with
//! several rounds, in each of which every program is measured once, the rows say the middle of each figure.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant, SystemTime};

use bench::checker::{Checker, Checks, INTERVAL};
use bench::servers::{Death, Servers};
use bench::{Ratio, Samples};
use lab::netns::{Net, Program, wait_until};
use lab::sniff::between;

use super::{Arguments, Kind, LIMIT, SETTLE, name};

/// Between one death and the next, at least.
const STEP: Duration = Duration::from_millis(60);
/// Between one return and the next, in milliseconds: by chance, for nobody knows when a server that is dead is asked.
const STEPS: std::ops::Range<u64> = 60..260;
/// What a refused attempt may take: there is no waiting in it.
const REFUSAL: Duration = Duration::ZERO;
/// `connect_timeout`.
const TIMEOUT: Duration = Duration::from_secs(1);

/// Milliseconds of one program in one round.
#[derive(Default)]
struct Round {
    removed: Samples,
    /// After the moment at which it was possible.
    beyond: Samples,
    back: Samples,
    /// Deaths that were noticed later than they may be.
    too_late: usize,
}

/// The same over all rounds: of medians and of what was worst, the middle.
struct Row {
    deaths: usize,
    /// Median and worst.
    removed: [f64; 2],
    beyond: f64,
    back: [f64; 2],
    too_late: usize,
    /// The median of each round.
    medians: Vec<f64>,
}

impl Row {
    fn of(rounds: &[Round]) -> Row {
        let middle = |figure: fn(&Round) -> f64| {
            let mut all = Samples::default();
            all.extend(rounds.iter().map(figure));
            all.median()
        };
        Row {
            deaths: rounds.iter().map(|round| round.removed.count()).sum(),
            removed: [middle(|r| r.removed.median()), middle(|r| r.removed.max())],
            beyond: middle(|r| r.beyond.median()),
            back: [middle(|r| r.back.median()), middle(|r| r.back.max())],
            too_late: rounds.iter().map(|round| round.too_late).sum(),
            medians: rounds.iter().map(|round| round.removed.median()).collect(),
        }
    }
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
            "{:24}{:>8}{:>14}{:>12}{:>12}{:>12}{:>14}{:>12}",
            "", "deaths", "removed p50", "max ms", "beyond p50", "too late", "back p50 ms", "max ms"
        );
        let programs = arguments.programs();
        let mut rounds: Vec<Vec<Round>> = programs.iter().map(|_| Vec::new()).collect();
        for _ in 0..arguments.rounds.max(1) {
            for (program, rounds) in programs.iter().zip(&mut rounds) {
                rounds.push(measure(program, &checks, death, attempt));
            }
        }
        let rows: Vec<Row> = rounds.iter().map(|rounds| Row::of(rounds)).collect();
        for (program, row) in programs.iter().zip(&rows) {
            let [[removed, latest], [back, last]] = [row.removed, row.back];
            println!(
                "{:24}{:>8}{removed:>14.1}{latest:>12.0}{:>12.2}{:>12}{back:>14.1}{last:>12.0}",
                name(program),
                row.deaths,
                row.beyond,
                row.too_late
            );
        }
        if let [ours, theirs] = rows.as_slice() {
            println!(
                "{:24}{:>8}{:>14}{:>12}{:>12}{:>12}{:>14}{:>12}",
                "directord / keepalived",
                "",
                Ratio(ours.removed[0] / theirs.removed[0]),
                Ratio(ours.removed[1] / theirs.removed[1]),
                Ratio(ours.beyond / theirs.beyond),
                "",
                Ratio(ours.back[0] / theirs.back[0]),
                Ratio(ours.back[1] / theirs.back[1])
            );
        }
        for (program, row) in programs.iter().zip(&rows).filter(|_| arguments.rounds > 1) {
            let each: Vec<String> = row.medians.iter().map(|median| format!("{median:.1}")).collect();
            println!("removed p50 of each round, {}: {}", name(program), each.join(" "));
        }
    }
}

/// Scheduling and the like, which no daemon can help.
const NOISE: Duration = Duration::from_millis(50);

fn measure(program: &Program, checks: &Checks, death: Death, attempt: Duration) -> Round {
    let net = Net::new(&["one"]);
    let host = net.host("one");
    let servers = Servers::start(host, checks.servers, checks.manner);
    let checker = Checker::start(program, host, checks);
    checker.wait_present(checks.servers, LIMIT).expect("all servers are well at first");
    std::thread::sleep(SETTLE);
    let (killed, places) = kill_all(&servers, checks.servers, death);
    let removed = wait_for(&checker, &killed, false);
    let longest = checks.patience(attempt);
    let beyond = |(took, phase): (&Duration, &Duration)| past(*took, longest - *phase);
    // Until every trace of the deaths is over.
    std::thread::sleep(INTERVAL * 2);
    let revived = one_by_one(checks.servers, |number| servers.revive(number));
    let back = wait_for(&checker, &revived, true);
    let too_late = removed.iter().filter(|time| **time > longest + NOISE).count();
    let mut round = Round { too_late, ..Round::default() };
    round.removed.extend(removed.iter().map(|time| time.as_secs_f64() * 1e3));
    round.beyond.extend(removed.iter().zip(places.values()).map(beyond));
    round.back.extend(back.iter().map(|time| time.as_secs_f64() * 1e3));
    round
}

/// Kills each server once, at another place between two attempts; tells when, and how long after an attempt.
fn kill_all(
    servers: &Servers,
    count: usize,
    death: Death,
) -> (BTreeMap<usize, SystemTime>, BTreeMap<usize, Duration>) {
    let mut alive: BTreeSet<usize> = (0..count).collect();
    let (mut killed, mut places) = (BTreeMap::new(), BTreeMap::new());
    for phase in phases(count) {
        let earliest = Instant::now() + STEP;
        let next = |number: &usize| {
            let last = servers.last_asked(*number).expect("a server that is well was asked");
            (next_at(last + phase, earliest), *number)
        };
        let Some((at, number)) = alive.iter().map(next).min() else { break };
        alive.remove(&number);
        std::thread::sleep(at.saturating_duration_since(Instant::now()));
        killed.insert(number, SystemTime::now());
        // It may have become later than was meant.
        places.insert(number, phase + at.elapsed());
        servers.kill(number, death);
    }
    (killed, places)
}

/// Milliseconds by which something took longer than it had to, or one interval more than it had to.
fn past(took: Duration, had_to: Duration) -> f64 {
    let interval = INTERVAL.as_secs_f64() * 1e3;
    let past = took.as_secs_f64() * 1e3 - had_to.as_secs_f64() * 1e3;
    past - (past / interval).round() * interval
}

/// How long after an attempt the server of each turn dies: in the middle of each of so many equal parts of the interval, for
/// at its ends a death falls before or behind the next attempt by chance; neighbours not one after the other.
fn phases(count: usize) -> Vec<Duration> {
    let parts = u32::try_from(count).expect("there are a few hundred turns");
    let mut order: Vec<u32> = (0..parts).collect();
    // Multiples of the golden ratio jump to and fro.
    let place = |turn: &u32| (f64::from(*turn) * 0.618_033_988_749_895).fract();
    order.sort_by(|one, other| place(one).total_cmp(&place(other)));
    order.into_iter().map(|part| INTERVAL * (2 * part + 1) / (2 * parts)).collect()
}

/// The first instant of a rhythm that is not before another one.
fn next_at(mut at: Instant, earliest: Instant) -> Instant {
    while at < earliest {
        at += INTERVAL;
    }
    at
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn deaths_lie_evenly_between_two_attempts() {
        let mut places = phases(50);
        assert!(places.windows(2).all(|pair| pair[0].abs_diff(pair[1]) > INTERVAL / 10), "{places:?}");
        places.sort();
        assert_eq!((places[0], places[49]), (INTERVAL / 100, INTERVAL * 99 / 100));
        assert!(places.windows(2).all(|pair| pair[1] - pair[0] == INTERVAL / 50), "{places:?}");
    }

    #[test]
    fn an_attempt_that_was_missed_by_a_hair_does_not_count() {
        let seconds = Duration::from_secs_f64;
        for (took, had_to, past_by) in
            [(1.5, 1.5, 0.0), (1.503, 1.5, 3.0), (1.498, 1.5, -2.0), (2.001, 1.0, 1.0)]
        {
            assert!((past(seconds(took), seconds(had_to)) - past_by).abs() < 1e-6, "{took} {had_to}");
        }
    }

    #[test]
    fn a_death_waits_for_its_place_in_the_rhythm() {
        let start = Instant::now();
        assert_eq!(next_at(start, start), start);
        assert_eq!(next_at(start, start + INTERVAL * 5 / 2), start + INTERVAL * 3);
    }
}
