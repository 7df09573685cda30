//! What health checks cost, how punctual they are, and how soon a death is noticed: directord and keepalived.
//!
//! Both daemons in turn, with the same configuration and the same servers, which run on the daemon's own host. keepalived
//! runs its checkers alone, without a log, and a library stands in for IPVS, which the kernel need not have; directord
//! keeps its table in memory. What is measured of each is the process and its children.

mod cycle;
mod deaths;
mod hangs;
mod load;

use std::process::ExitCode;
use std::time::Duration;

use bench::servers::Manner;
use clap::{Parser, ValueEnum};
use lab::netns::{Program, enter_program};

/// Cost, punctuality and reaction of health checks, directord and keepalived in turn.
#[derive(Parser)]
#[command(name = "bench-checks")]
struct Arguments {
    /// What to measure.
    #[arg(value_enum, default_values_t = [Part::Load, Part::Deaths, Part::Hangs, Part::Cycle])]
    parts: Vec<Part>,
    /// Kinds of checks.
    #[arg(long, value_enum, value_delimiter = ',', default_values_t = [Kind::Tcp, Kind::Http])]
    kinds: Vec<Kind>,
    /// Numbers of servers whose checks are counted.
    #[arg(long, value_delimiter = ',', default_values_t = [1000, 5000, 10_000], value_parser = clap::value_parser!(u16).range(1..=25_000))]
    servers: Vec<u16>,
    /// Seconds that are measured.
    #[arg(long, default_value_t = 12)]
    seconds: u64,
    /// Repeat each measurement of the cost, and of deaths, so often, both programs in turn; the rows say the middle.
    #[arg(short = 'n', long, default_value_t = 1)]
    rounds: usize,
    /// Servers that die, of each kind of death.
    #[arg(long, default_value_t = 50)]
    deaths: u16,
    /// `retry` of the servers that die.
    #[arg(long, default_value_t = 0)]
    retry: u32,
    /// Leave keepalived out.
    #[arg(long)]
    alone: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Part {
    /// Processor time, punctuality and memory of thousands of checks.
    Load,
    /// From the death of a server to its removal.
    Deaths,
    /// How late the other servers are asked while a tenth of them hang.
    Hangs,
    /// The rhythm of a hundred checks, ldirectord's beside.
    Cycle,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Kind {
    Tcp,
    Http,
}

impl From<Kind> for Manner {
    fn from(kind: Kind) -> Manner {
        match kind {
            Kind::Tcp => Manner::Tcp,
            Kind::Http => Manner::Http,
        }
    }
}

impl Kind {
    fn keyword(self) -> &'static str {
        match self {
            Kind::Tcp => "TCP_CHECK",
            Kind::Http => "HTTP_GET",
        }
    }
}

/// How long it may take until all servers are in the table.
const LIMIT: Duration = Duration::from_secs(60);
/// Until what comes with the start is over.
const SETTLE: Duration = Duration::from_secs(3);

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    if let Some(code) = bench::with_peers() {
        return code;
    }
    match enter_program() {
        Ok(Some(code)) => ExitCode::from(u8::try_from(code).unwrap_or(1)),
        Ok(None) => {
            for part in &arguments.parts {
                for kind in &arguments.kinds {
                    match part {
                        Part::Load => load::run(*kind, &arguments),
                        Part::Deaths => deaths::run(*kind, &arguments),
                        Part::Hangs => hangs::run(*kind, &arguments),
                        Part::Cycle => cycle::run(*kind, &arguments),
                    }
                }
            }
            ExitCode::SUCCESS
        }
        Err(reason) => {
            eprintln!("bench-checks: {reason}");
            ExitCode::FAILURE
        }
    }
}

impl Arguments {
    fn programs(&self) -> Vec<Program> {
        let mut programs = vec![bench::directord()];
        if !self.alone {
            programs.push(Program::Keepalived);
        }
        programs
    }
}

fn name(program: &Program) -> &'static str {
    if *program == Program::Keepalived { "keepalived" } else { "directord" }
}
