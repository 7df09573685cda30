//! How evenly adverts leave when there are many instances, and what that costs.
//!
//! directord and keepalived in turn, as a pair of the same program, the master with the higher priorities everywhere, in
//! the same namespaces with the same configuration. Gaps are those between adverts of one instance that follow each
//! other, from the kernel's time stamps on the wire; processor time is that of the master's process and its children.
//! Whoever sends pays for waking up those who read; the reader of this benchmark therefore sleeps between readings.
//! The machine itself is held up now and then, and a dozen seconds are few: `--rounds` measures both in turn, several times,
//! and tells of each figure the middle one. It is held up more for some tens of seconds, then less, so that in turn one of them
//! may have the bad times: with `--together` both pairs run at once, in namespaces of their own, and the same seconds are
//! measured of both, and the ratio of the deviations of each round is told too. That is for few instances, which leave the
//! machine idle. With `--sleepers` a thread that only sleeps runs on each processor before everybody else
//! ([`bench::sleepers`]), and a second deviation is told, of the gaps at whose ends no processor was held up while the advert
//! was overdue ("calm sd"), and how many that left out.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::net::IpAddr;
use std::ops::Range;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, SystemTime};

use bench::cost::Cost;
use bench::sleepers::Sleepers;
use bench::{Ratio, Samples};
use clap::Parser;
use lab::netns::{Daemon, Net, Program, enter_program};
use lab::sniff::{Sniffer, Timeline, between};

/// Gaps between adverts and their cost, directord and keepalived in turn.
#[derive(Parser)]
#[command(name = "bench-adverts")]
struct Arguments {
    /// Numbers of instances, up to 1000.
    #[arg(long, value_delimiter = ',', default_values_t = [1, 100, 500, 1000], value_parser = clap::value_parser!(u32).range(1..=1000))]
    instances: Vec<u32>,
    /// Seconds that are measured.
    #[arg(long, default_value_t = 12)]
    seconds: u64,
    /// Rounds, in each of which both are measured once.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..))]
    rounds: u32,
    /// Measure both over the same seconds, not in turn.
    #[arg(long)]
    together: bool,
    /// Tell the machine's lateness from the daemon's: a thread that only sleeps on each processor.
    #[arg(long)]
    sleepers: bool,
    /// Keep this many cores busy meanwhile.
    #[arg(long, default_value_t = 0)]
    busy: usize,
}

/// Instances on one interface: there are 255 VRIDs.
const PER_INTERFACE: u32 = 250;
const INTERVAL: Duration = Duration::from_millis(100);
/// How long anything may take before the run is given up.
const LIMIT: Duration = Duration::from_secs(60);

/// What was measured of one program in one round: standard deviation, 99 % and maximum of the gaps in milliseconds, adverts
/// in the time measured of those that there should be, processor seconds a second of master and backup, memory of the
/// master in MiB; beside sleepers, the standard deviation of calm gaps, and the part of the gaps that were not.
type Figures = [f64; 9];

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    if let Some(code) = bench::with_directord() {
        return code;
    }
    match enter_program() {
        Ok(Some(code)) => ExitCode::from(u8::try_from(code).unwrap_or(1)),
        Ok(None) => {
            for instances in &arguments.instances {
                let programs = [bench::directord(), Program::Keepalived];
                let mut rows: [Vec<Figures>; 2] = Default::default();
                for _ in 0..arguments.rounds {
                    let figures = if arguments.together {
                        measure(&programs, *instances, &arguments)
                    } else {
                        programs.chunks(1).flat_map(|one| measure(one, *instances, &arguments)).collect()
                    };
                    for (row, figures) in rows.iter_mut().zip(figures) {
                        row.push(figures);
                    }
                }
                report(*instances, &arguments, &rows);
            }
            ExitCode::SUCCESS
        }
        Err(reason) => {
            eprintln!("bench-adverts: {reason}");
            ExitCode::FAILURE
        }
    }
}

/// The configuration of a host: the same number of instances on each interface, but for the last.
fn configuration(instances: u32, priority: u8) -> String {
    let mut text = String::new();
    for n in 0..instances {
        let (interface, vrid) = (n / PER_INTERFACE, n % PER_INTERFACE + 1);
        let _ = write!(
            text,
            "vrrp_instance I{n} {{\n state BACKUP\n interface eth{interface}\n virtual_router_id {vrid}\n version 3\n \
             priority {priority}\n advert_int 0.1\n garp_master_repeat 1\n garp_master_delay 0\n \
             virtual_ipaddress {{\n  10.{interface}.1.{vrid}/24\n }}\n}}\n"
        );
    }
    text
}

/// The figures of each of these programs, over the same seconds.
fn measure(programs: &[Program], instances: u32, arguments: &Arguments) -> Vec<Figures> {
    let nets: Vec<Net> = programs.iter().map(|_| segment(instances)).collect();
    let sniffers: Vec<Sniffer> = nets.iter().map(Net::sniff_lightly).collect();
    let start = |host, priority| -> Vec<Daemon> {
        let configuration = configuration(instances, priority);
        let hosts = nets.iter().map(|net| net.host(host));
        let pairs = programs.iter().zip(hosts);
        pairs.map(|(program, host)| Daemon::start_with(program, host, &configuration, |_| ())).collect()
    };
    let masters = start("first", 200);
    for sniffer in &sniffers {
        let count = |from: SystemTime| -> usize {
            per_instance(&sniffer.timeline(), "first", from, SystemTime::now()).len()
        };
        lab::netns::wait_until("every instance to be master", LIMIT, || {
            std::thread::sleep(Duration::from_millis(500));
            (count(SystemTime::now() - Duration::from_secs(1)) == instances as usize).then_some(())
        });
    }
    let backups = start("second", 100);
    // Until what comes with becoming master, or with the start, is over.
    std::thread::sleep(Duration::from_secs(3));
    let load = Load::start(arguments.busy);
    let sleepers = arguments.sleepers.then(|| Sleepers::start().expect("they may run before all others"));
    let costs = || -> Vec<[Cost; 2]> {
        let pairs = masters.iter().zip(&backups);
        pairs.map(|(master, backup)| [master, backup].map(|daemon| Cost::of_group(daemon.id()))).collect()
    };
    let before = costs();
    let from = SystemTime::now();
    std::thread::sleep(Duration::from_secs(arguments.seconds));
    let until = SystemTime::now();
    let after = costs();
    drop(load);
    let costs = before.into_iter().zip(after);
    let seen = |(sniffer, (before, after)): (&Sniffer, ([Cost; 2], [Cost; 2]))| {
        figures(&sniffer.timeline(), instances, from..until, sleepers.as_ref(), &before, &after)
    };
    sniffers.iter().zip(costs).map(seen).collect()
}

/// Two hosts with as many interfaces as so many instances need.
fn segment(instances: u32) -> Net {
    let net = Net::new(&["first", "second"]);
    for n in 1..=instances.saturating_sub(1) / PER_INTERFACE {
        net.widen(u8::try_from(n).expect("four at most"));
    }
    net
}

/// What a pair sent in this time, and what it cost its master and its backup, as seen at the beginning and at the end.
fn figures(
    timeline: &Timeline,
    instances: u32,
    time: Range<SystemTime>,
    sleepers: Option<&Sleepers>,
    before: &[Cost; 2],
    after: &[Cost; 2],
) -> Figures {
    let Range { start: from, end: until } = time;
    assert_eq!(timeline.count_adverts("second", from, until), 0, "the backup took over");
    let (mut gaps, mut calm) = (Samples::default(), Samples::default());
    let mut sent = 0;
    let held_up = |one, next| sleepers.is_some_and(|s| !s.held_within(one + INTERVAL, next).is_zero());
    for times in per_instance(timeline, "first", from, until).values() {
        sent += times.len();
        let all: Vec<f64> =
            times.windows(2).map(|pair| between(pair[0], pair[1]).as_secs_f64() * 1e3).collect();
        let held: Vec<bool> = times.windows(2).map(|pair| held_up(pair[0], pair[1])).collect();
        // A gap behind an advert that was held up is shorter for it.
        let either = |n: usize| held[n] || n.checked_sub(1).is_some_and(|before| held[before]);
        calm.extend(all.iter().enumerate().filter(|(n, _)| !either(*n)).map(|(_, gap)| *gap));
        gaps.extend(all);
    }
    let seconds = between(from, until).as_secs_f64();
    let wanted = seconds / INTERVAL.as_secs_f64() * f64::from(instances);
    let [master, backup] = [0, 1].map(|n| (after[n].processor - before[n].processor).as_secs_f64() / seconds);
    let share = sent as f64 / wanted;
    let left_out = 1.0 - calm.count() as f64 / gaps.count() as f64;
    let memory = after[0].memory_mib;
    let [deviation, late, worst] = [gaps.deviation(), gaps.part(0.99), gaps.max()];
    [deviation, late, worst, share, master, backup, memory, calm.deviation(), left_out]
}

/// When a host sent adverts, by instance: its first address names it.
fn per_instance(
    timeline: &Timeline,
    host: &str,
    from: SystemTime,
    until: SystemTime,
) -> BTreeMap<Option<IpAddr>, Vec<SystemTime>> {
    let mut times: BTreeMap<_, Vec<SystemTime>> = BTreeMap::new();
    for (event, advert) in timeline.adverts().filter(|(e, _)| e.from == host && e.at >= from && e.at <= until)
    {
        times.entry(advert.addresses.first().copied()).or_default().push(event.at);
    }
    times
}

fn report(instances: u32, arguments: &Arguments, rows: &[Vec<Figures>; 2]) {
    println!(
        "\n{instances} instances, version 3, advert_int 0.1 s, {} s, {} cores kept busy, {}\n",
        arguments.seconds,
        arguments.busy,
        if arguments.rounds == 1 {
            "1 round".to_owned()
        } else {
            format!("the middle of {} rounds", arguments.rounds)
        } + if arguments.together { ", both at once" } else { ", in turn" }
    );
    println!(
        "{:24}{:>10}{:>10}{:>10}{:>10}{:>12}{:>12}{:>10}",
        "", "gap sd ms", "p99 ms", "max ms", "adverts", "master CPU", "backup CPU", "MiB"
    );
    let names = ["directord", "keepalived"];
    let middles = rows.each_ref().map(|row| middle(row));
    for (name, [deviation, late, worst, share, master, backup, memory, ..]) in names.iter().zip(&middles) {
        println!(
            "{name:24}{deviation:>10.3}{late:>10.2}{worst:>10.2}{share:>10.4}{master:>12.4}{backup:>12.4}{memory:>10.1}"
        );
    }
    let [ours, theirs] = middles;
    let ratio = |n: usize| Ratio(ours[n] / theirs[n]);
    println!(
        "{:24}{:>10}{:>10}{:>10}{:>10}{:>12}{:>12}{:>10}",
        "directord / keepalived",
        ratio(0),
        ratio(1),
        ratio(2),
        ratio(3),
        ratio(4),
        ratio(5),
        ratio(6)
    );
    if arguments.sleepers {
        for (name, figures) in names.iter().zip(&middles) {
            println!("{name}: calm sd {:.3} ms, {:.2} % of the gaps left out", figures[7], figures[8] * 1e2);
        }
        println!("directord / keepalived: calm sd {}", ratio(7));
    }
    if arguments.together {
        // What the machine did to one it did to the other.
        let ratios = rows[0].iter().zip(&rows[1]).map(|(ours, theirs)| ours[0] / theirs[0]);
        let mut all = Samples::default();
        all.extend(ratios.clone());
        let below = ratios.filter(|ratio| *ratio < 1.0).count();
        println!(
            "gap sd round by round: the middle of the ratios {}, below 1 in {below} of {}",
            Ratio(all.median()),
            arguments.rounds
        );
    }
    for (name, row) in names.iter().zip(rows).filter(|_| arguments.rounds > 1) {
        let each = |n: usize| -> String { row.iter().map(|figures| format!(" {:.3}", figures[n])).collect() };
        println!("gap sd of each round, {name}:{}", each(0));
        if arguments.sleepers {
            println!("calm sd of each round, {name}:{}", each(7));
        }
    }
}

/// Of each figure the middle one of all rounds.
fn middle(rounds: &[Figures]) -> Figures {
    std::array::from_fn(|n| {
        let mut all = Samples::default();
        all.extend(rounds.iter().map(|figures| figures[n]));
        all.median()
    })
}

/// Threads that never rest, until it is dropped.
struct Load {
    stop: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
}

impl Load {
    fn start(threads: usize) -> Load {
        let stop = Arc::new(AtomicBool::new(false));
        let spin = |stop: Arc<AtomicBool>| move || while !stop.load(Ordering::Relaxed) {};
        let threads = (0..threads).map(|_| std::thread::spawn(spin(Arc::clone(&stop)))).collect();
        Load { stop, threads }
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        for thread in self.threads.drain(..) {
            let _ = thread.join();
        }
    }
}
