//! Thousands of servers, each asked once a second: what that costs, and whether it is done in time.

use std::time::{Duration, Instant};

use bench::checker::{Checker, Checks, INTERVAL};
use bench::cost::Cost;
use bench::servers::{Servers, lateness};
use bench::{Ratio, Samples};
use lab::netns::{Net, Program};

use super::{Arguments, Kind, LIMIT, SETTLE, name};

/// What was measured of one program, once.
#[derive(Clone, Copy)]
struct Figures {
    /// Processor time of one attempt, in microseconds.
    cost: f64,
    /// Attempts, of those that there should have been.
    made: f64,
    /// How much later than the interval the next attempt came, in milliseconds.
    late: [f64; 2],
    /// Resident memory and share of it, in MiB.
    memory: [f64; 2],
    /// Seconds from the start until all servers were in the table; NaN if they were not in time.
    all_in: f64,
}

pub(crate) fn run(kind: Kind, arguments: &Arguments) {
    for servers in &arguments.servers {
        println!("\n{} of {servers} servers once a second, {} s\n", kind.keyword(), arguments.seconds);
        println!(
            "{:24}{:>12}{:>10}{:>13}{:>10}{:>10}{:>10}{:>12}",
            "", "us a check", "made", "99 % late ms", "max ms", "RSS MiB", "PSS MiB", "all in s"
        );
        let programs = arguments.programs();
        let mut rows: Vec<Vec<Figures>> = programs.iter().map(|_| Vec::new()).collect();
        for _ in 0..arguments.rounds.max(1) {
            for (program, row) in programs.iter().zip(&mut rows) {
                row.push(measure(program, kind, usize::from(*servers), arguments.seconds));
            }
        }
        let rows: Vec<[f64; 7]> = rows.iter().map(|row| middle(row)).collect();
        for (program, row) in programs.iter().zip(&rows) {
            let [cost, made, late, latest, rss, pss, all_in] = row;
            println!(
                "{:24}{cost:>12.1}{made:>10.4}{late:>13.2}{latest:>10.2}{rss:>10.1}{pss:>10.1}{all_in:>12.2}",
                name(program)
            );
        }
        if let [ours, theirs] = rows.as_slice() {
            let ratio = |n: usize| Ratio(ours[n] / theirs[n]);
            println!(
                "{:24}{:>12}{:>10}{:>13}{:>10}{:>10}{:>10}{:>12}",
                "directord / keepalived",
                ratio(0),
                ratio(1),
                ratio(2),
                ratio(3),
                ratio(4),
                ratio(5),
                ratio(6)
            );
        }
    }
}

/// The middle of each figure over all rounds.
fn middle(rounds: &[Figures]) -> [f64; 7] {
    let flat = |f: &Figures| [f.cost, f.made, f.late[0], f.late[1], f.memory[0], f.memory[1], f.all_in];
    std::array::from_fn(|n| {
        let mut samples = Samples::default();
        samples.extend(rounds.iter().map(|round| flat(round)[n]));
        samples.median()
    })
}

fn measure(program: &Program, kind: Kind, count: usize, seconds: u64) -> Figures {
    let net = Net::new(&["one"]);
    let host = net.host("one");
    let servers = Servers::start(host, count, kind.into());
    let checks = Checks { servers: count, manner: kind.into(), retry: 1 };
    let checker = Checker::start(program, host, &checks);
    let all_in = checker.wait_present(count, LIMIT);
    std::thread::sleep(SETTLE);
    let group = checker.daemon.id();
    let before = Cost::of_group(group);
    servers.take_asked();
    let from = Instant::now();
    std::thread::sleep(Duration::from_secs(seconds));
    let asked = servers.take_asked();
    let took = from.elapsed();
    let after = Cost::of_group(group);
    let (late, attempts) = lateness(&asked, INTERVAL);
    let wanted = took.as_secs_f64() / INTERVAL.as_secs_f64() * count as f64;
    Figures {
        cost: (after.processor.saturating_sub(before.processor)).as_secs_f64() * 1e6 / attempts as f64,
        made: attempts as f64 / wanted,
        late: [late.part(0.99), late.max()],
        memory: [after.memory_mib, after.share_mib],
        all_in: all_in.map_or(f64::NAN, |time| time.as_secs_f64()),
    }
}
