//! How soon a backup takes over from a master that was killed, stopped or cut off, beyond what the protocol makes it wait.
//!
//! directord and keepalived in turn, as a pair of the same program, on the same kind of segment, with the same
//! configuration. Overshoot = (first advert of the new master − last advert of the old one) − (3 × interval + skew),
//! after an advert of priority 0 beyond the skew alone, from the kernel's time stamps on the wire.

use std::net::Ipv4Addr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, SystemTime};

use bench::{Ratio, Samples};
use clap::{Parser, ValueEnum};
use lab::netns::{Daemon, Host, Instance, Net, Program, enter_program, wait_until};
use lab::sniff::{Sniffer, between};

/// Overshoot of take-overs, directord and keepalived in turn.
#[derive(Parser)]
#[command(name = "bench-failover")]
struct Arguments {
    /// Take-overs per program and interval.
    #[arg(short = 'n', long, default_value_t = 20)]
    kills: u32,
    /// How the master ends.
    #[arg(long, value_enum, default_value_t = Act::Kill)]
    act: Act,
    /// Virtual addresses, 1 to 200.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u8).range(1..=200))]
    vips: u8,
    /// Advert intervals in seconds (version 3).
    #[arg(long, value_delimiter = ',', default_values_t = [0.1, 0.01])]
    intervals: Vec<f64>,
    /// Measure one program only.
    #[arg(long)]
    only: Option<Only>,
    /// The directord to measure; without this the release build, made first.
    #[arg(long, value_name = "FILE")]
    directord: Option<PathBuf>,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Only {
    Directord,
    Keepalived,
}

/// What happens to the master.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Act {
    /// SIGKILL: nobody says anything.
    Kill,
    /// SIGTERM: it says that it leaves.
    Stop,
    /// Its cable is pulled.
    Link,
}

/// Kills in a row of one program before it is the other's turn.
const BLOCK: u32 = 5;
/// How long anything may take before the run is given up.
const LIMIT: Duration = Duration::from_secs(20);
/// Handed to the inner run, which cannot build: there is no network in there.
const DIRECTORD: &str = "BENCH_DIRECTORD";

/// What was measured of one program at one interval, in milliseconds beyond the protocol's minimum.
#[derive(Default)]
struct Row {
    advert: Samples,
    /// The first gratuitous ARP.
    garp: Samples,
    /// Until each address has been announced.
    announced: Samples,
    /// How late the second advert was, from one interval after the first.
    second: Samples,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    if std::env::var_os(DIRECTORD).is_none() && arguments.only != Some(Only::Keepalived) {
        return match directord(&arguments) {
            Ok(code) => code,
            Err(error) => {
                eprintln!("bench-failover: {error}");
                ExitCode::FAILURE
            }
        };
    }
    match enter_program() {
        Ok(Some(code)) => ExitCode::from(u8::try_from(code).unwrap_or(1)),
        Ok(None) => {
            measure(&arguments);
            ExitCode::SUCCESS
        }
        Err(reason) => {
            eprintln!("bench-failover: {reason}");
            ExitCode::FAILURE
        }
    }
}

/// Finds or builds directord, and starts this program again knowing where it is.
fn directord(arguments: &Arguments) -> Result<ExitCode, Box<dyn std::error::Error>> {
    let path = match &arguments.directord {
        Some(path) => std::fs::canonicalize(path)?,
        None => lab::cargo::build("directord", "directord")?,
    };
    let again = std::process::Command::new(std::env::current_exe()?)
        .args(std::env::args_os().skip(1))
        .env(DIRECTORD, path)
        .status()?;
    Ok(ExitCode::from(u8::try_from(lab::netns::exit_code(again)).unwrap_or(1)))
}

fn measure(arguments: &Arguments) {
    let mut programs = Vec::new();
    if let Some(path) = std::env::var_os(DIRECTORD) {
        programs.push(Program::Directord(path.into()));
    }
    if arguments.only != Some(Only::Directord) {
        programs.push(Program::Keepalived);
    }
    for seconds in &arguments.intervals {
        let mut instance = Instance::new(3, Duration::from_secs_f64(*seconds), 100);
        instance.addresses.extend((1..arguments.vips).map(|n| format!("{}/24", vip(n))));
        let mut rows: Vec<Row> = programs.iter().map(|_| Row::default()).collect();
        let mut done = 0;
        while done < arguments.kills {
            let kills = BLOCK.min(arguments.kills - done);
            // Each time the other one first.
            let mut order: Vec<usize> = (0..programs.len()).collect();
            if (done / BLOCK) % 2 == 1 {
                order.reverse();
            }
            for i in order {
                block(&programs[i], &instance, arguments, done..done + kills, &mut rows[i]);
            }
            done += kills;
            eprintln!("bench-failover: advert_int {seconds}: {done} of {} each", arguments.kills);
        }
        report(&programs, &instance, arguments, &rows);
    }
}

/// The address number `n`, the first being [`Instance::VIP`].
fn vip(n: u8) -> Ipv4Addr {
    if n == 0 { Instance::VIP } else { Ipv4Addr::new(10, 0, 1, n) }
}

/// A fresh segment with a fresh pair, and some ends of its master.
fn block(
    program: &Program,
    instance: &Instance,
    arguments: &Arguments,
    kills: std::ops::Range<u32>,
    row: &mut Row,
) {
    let net = Net::new(&["first", "second"]);
    let sniffer = net.sniff();
    // As each would run as a service; keepalived's log goes to a syslog that is not there, which costs it nothing.
    let start = |host, instance: &Instance| {
        Daemon::start_with(program, net.host(host), &instance.to_string(), |_| ())
    };
    let _backup = start("second", instance);
    for kill in kills {
        let mut master = start("first", &instance.priority(200));
        settle(&sniffer, &net, &master, instance);
        // Different places within the interval.
        std::thread::sleep(instance.interval.mul_f64((f64::from(kill) * 0.618_034).fract()));
        let ended = match arguments.act {
            Act::Kill => master.kill(),
            Act::Stop => {
                let now = SystemTime::now();
                master.stop();
                now
            }
            Act::Link => {
                let now = SystemTime::now();
                net.unplug("first");
                now
            }
        };
        measure_takeover(&sniffer, net.host("second"), ended, instance, arguments, row);
        drop(master);
        net.plug("first");
        // What a killed one has left.
        for address in &instance.addresses {
            let address = address.split('/').next().unwrap_or_default();
            let own = net.host("first");
            if own.has(address.parse::<Ipv4Addr>().expect("an address")) {
                own.ip(&format!("addr del {address}/24 dev eth0"));
            }
        }
    }
}

/// Waits until the new master has been alone for twenty intervals.
fn settle(sniffer: &Sniffer, net: &Net, master: &Daemon, instance: &Instance) {
    sniffer.wait_advert("first", master.started(), LIMIT);
    sniffer.wait_for("twenty intervals of one master", LIMIT, |t| {
        let now = SystemTime::now();
        let from = now - instance.interval * 20;
        let alone = t.count_adverts("second", from, now) == 0 && t.count_adverts("first", from, now) >= 15;
        alone.then_some(())
    });
    wait_until("the address on one host only", LIMIT, || {
        (net.host("first").has(Instance::VIP) && !net.host("second").has(Instance::VIP)).then_some(())
    });
}

/// Measures one take-over, having checked that it is one.
fn measure_takeover(
    sniffer: &Sniffer,
    backup: &Host,
    ended: SystemTime,
    instance: &Instance,
    arguments: &Arguments,
    row: &mut Row,
) {
    let first = sniffer.wait_advert("second", ended, LIMIT).at;
    let garps = sniffer.wait_for("a gratuitous ARP for each address", LIMIT, |t| {
        let at = |n| t.first_garp("second", vip(n), ended).map(|e| e.at);
        (0..arguments.vips).map(at).collect::<Option<Vec<_>>>()
    });
    // The sniffer may see a frame a little later than it saw the others.
    let next = sniffer.wait_advert("second", first + Duration::from_micros(500), LIMIT).at;
    let last = sniffer.timeline().last_advert("first", first).expect("it was master").at;
    wait_until("the address on the backup", LIMIT, || backup.has(Instance::VIP).then_some(()));
    let minimum = if arguments.act == Act::Stop { instance.skew() } else { instance.patience() };
    let beyond = |at: SystemTime| (between(last, at).as_secs_f64() - minimum.as_secs_f64()) * 1e3;
    assert!(beyond(first) >= 0.0, "took over {} ms before it was allowed to", -beyond(first));
    row.advert.add(beyond(first));
    row.garp.add(beyond(garps.iter().min().copied().expect("at least one")));
    row.announced.add(beyond(garps.iter().max().copied().expect("at least one")));
    row.second.add((between(first, next).as_secs_f64() - instance.interval.as_secs_f64()).max(0.0) * 1e3);
}

fn report(programs: &[Program], instance: &Instance, arguments: &Arguments, rows: &[Row]) {
    let (minimum, words) = match arguments.act {
        Act::Kill => (instance.patience(), "3 x interval + skew, master killed"),
        Act::Stop => (instance.skew(), "the skew, master stopped"),
        Act::Link => (instance.patience(), "3 x interval + skew, master's link down"),
    };
    println!(
        "\nVRRP version 3, advert_int {} s, priorities 200 and 100, {} virtual addresses.\n\
         Milliseconds beyond the protocol's {:.1} ms ({words});\n\
         the last two columns: until each address was announced, and how late the second advert was.\n",
        instance.interval.as_secs_f64(),
        arguments.vips,
        minimum.as_secs_f64() * 1e3
    );
    println!(
        "{:24}{:>6}{:>12}{:>12}{:>12}{:>12}{:>12}{:>12}",
        "", "", "advert p50", "advert max", "GARP p50", "GARP max", "all p50", "second max"
    );
    for (program, row) in programs.iter().zip(rows) {
        let name = if *program == Program::Keepalived { "keepalived" } else { "directord" };
        print!("{name:24}{:>6}", row.advert.count());
        for figure in row.figures() {
            print!("{figure:>12.3}");
        }
        println!();
    }
    let [ours, theirs] = rows else { return };
    print!("{:24}{:>6}", "directord / keepalived", "");
    for (ours, theirs) in ours.figures().into_iter().zip(theirs.figures()) {
        print!("{:>12}", Ratio(ours / theirs));
    }
    println!();
}

impl Row {
    fn figures(&self) -> [f64; 6] {
        let Row { advert, garp, announced, second } = self;
        [advert.median(), advert.max(), garp.median(), garp.max(), announced.median(), second.max()]
    }
}
