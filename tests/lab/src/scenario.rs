//! A scenario: steps that run one after the other on a cluster in a guest, telling what they see.

use crate::cluster::Cluster;
use crate::cluster::daemon::Daemon;
use crate::error::{Attempt, LabError, Result};
use crate::event::{Event, Report};
use crate::guest;
use crate::job::{Job, LAB, Line, seen_inside};
use crate::packages::Tools;
use crate::{adoption, counters, demo, drain, restart, synchronisation, via};
use std::fs;
use std::io::Write;
use std::path::PathBuf;
use std::time::Duration;

/// What a scenario is run with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// What the directors run.
    pub daemon: Daemon,
    /// How long all of it may take, boot included.
    pub timeout: Duration,
}

impl Options {
    /// With the directord at this path.
    #[must_use]
    pub fn directord(path: impl Into<PathBuf>) -> Self {
        Self { daemon: Daemon::Directord(path.into()), timeout: Duration::from_secs(120) }
    }
}

/// One step of a scenario.
#[derive(Debug)]
pub struct Step {
    /// What happens.
    pub title: &'static str,
    /// Makes it happen; an error says what was expected and what was seen.
    pub run: fn(&mut Stage) -> Result<()>,
}

/// A scenario by its name.
#[derive(Debug)]
pub struct Scenario {
    /// How it is called.
    pub name: &'static str,
    /// Its steps, in their order.
    pub steps: &'static [&'static Step],
}

/// Every scenario: the whole demonstration, its chapters, and what it leaves out.
pub const SCENARIOS: [Scenario; 10] = [
    Scenario { name: "demo", steps: demo::ALL },
    Scenario { name: "adoption", steps: adoption::ALL },
    Scenario { name: "restart", steps: restart::ALL },
    Scenario { name: "sync", steps: synchronisation::ALL },
    Scenario { name: "drain", steps: drain::ALL },
    Scenario { name: "counters", steps: counters::ALL },
    Scenario { name: "via", steps: via::ALL },
    Scenario { name: "balance", steps: &[&demo::START, &demo::BALANCE, &demo::STOP] },
    Scenario {
        name: "server",
        steps: &[
            &demo::START,
            &demo::SERVER_DIES,
            &demo::SERVER_RETURNS,
            &demo::MAIL_OF_SERVERS,
            &demo::STOP,
        ],
    },
    Scenario { name: "failover", steps: &[&demo::START, &demo::POWER_CUT, &demo::POWER_BACK, &demo::STOP] },
];

/// Runs a scenario in a guest of its own, handing on each event as it happens.
///
/// # Errors
/// [`LabError::Unavailable`] when guests cannot run here; [`LabError::Failed`] for an unknown name. A step that did
/// not hold is no error of this function: see [`Report::failure`].
pub fn run(name: &str, options: &Options, on_event: &mut dyn FnMut(&Event)) -> Result<Report> {
    let scenario = find(name)?;
    let daemon = match &options.daemon {
        Daemon::Directord(path) => {
            let path = path
                .canonicalize()
                .map_err(|_| LabError::NoBinary { name: "directord".into(), path: path.clone() })?;
            Daemon::Directord(seen_inside(&path))
        }
        Daemon::Keepalived => Daemon::Keepalived,
    };
    let daemon = serde_json::to_string(&daemon).map_err(std::io::Error::from).attempt("naming the daemon")?;
    let mut job = Job::new(vec![LAB.into(), "scenario".into(), scenario.name.into(), daemon]);
    job.timeout = options.timeout;
    if let Ok(pace) = std::env::var("LAB_EVERY") {
        job.environment.insert("LAB_EVERY".into(), pace);
    }

    let mut report = Report::default();
    let outcome = guest::run(&job, &mut |line| match line {
        Line::Out(bytes) => match serde_json::from_slice::<Event>(&bytes) {
            Ok(event) => {
                on_event(&event);
                report.events.push(event);
            }
            Err(_) => report.errors.push_str(&String::from_utf8_lossy(&bytes)),
        },
        Line::Err(bytes) => report.errors.push_str(&String::from_utf8_lossy(&bytes)),
    })?;
    if outcome.status != 0 && report.failure().is_none() {
        let event =
            Event::Failed(format!("the scenario ended with status {}: {}", outcome.status, report.errors));
        on_event(&event);
        report.events.push(event);
    }
    Ok(report)
}

/// The guest's side: plays the scenario, telling events on standard output. True when every step held.
///
/// # Errors
/// When the cluster cannot be built.
pub fn play(name: &str, daemon: &str) -> Result<bool> {
    let scenario = find(name)?;
    let daemon =
        serde_json::from_str(daemon).map_err(std::io::Error::from).attempt("understanding the daemon")?;
    let cluster = Cluster::build(&Tools::from_guest()?, &daemon)?;
    let mut stage = Stage { cluster, daemon };
    for step in scenario.steps {
        tell(&Event::Step(step.title.into()));
        if let Err(e) = (step.run)(&mut stage) {
            stage.show_evidence();
            tell(&Event::Failed(e.to_string()));
            return Ok(false);
        }
        tell(&Event::Held);
    }
    Ok(true)
}

/// Where steps act: the cluster, and a voice.
#[derive(Debug)]
pub struct Stage {
    /// The cluster.
    pub cluster: Cluster,
    /// What the directors run.
    pub daemon: Daemon,
}

impl Stage {
    /// Tells a fact.
    pub fn say(&self, text: impl Into<String>) {
        tell(&Event::Fact(text.into()));
    }

    /// Tells a longer text.
    pub fn show(&self, title: impl Into<String>, text: impl Into<String>) {
        tell(&Event::Block { title: title.into(), text: text.into() });
    }

    /// Shows a director's IPVS table as `ipvsadm` prints it.
    ///
    /// # Errors
    /// When `ipvsadm` fails.
    pub fn show_table(&self, director: usize) -> Result<()> {
        let director = &self.cluster.directors[director - 1];
        self.show(format!("IPVS table of {} (ipvsadm -Ln):", director.name()), director.ipvsadm(&["-Ln"])?);
        Ok(())
    }

    /// What a person would look at first when a step did not hold.
    fn show_evidence(&self) {
        self.show("Processes, and what they wait for in the kernel:", processes());
        for director in &self.cluster.directors {
            let name = director.name();
            let table = director.ipvsadm(&["-Ln"]).unwrap_or_else(|e| e.to_string());
            let addresses = director.addresses().unwrap_or_default();
            self.show(format!("{name}: addresses {addresses:?}, IPVS table:"), table);
            self.show(
                format!("{name}: the end of the log of {}:", self.daemon.name()),
                director.log_tail(30),
            );
        }
    }
}

/// The programs that run in the guest, one a line, each with what it waits for in the kernel.
fn processes() -> String {
    let read = |path: PathBuf| fs::read_to_string(path).unwrap_or_default();
    let directories = fs::read_dir("/proc").into_iter().flatten().flatten().map(|entry| entry.path());
    let line = |path: PathBuf| {
        // A kernel thread has no command line; nor has what is no process.
        let command = read(path.join("cmdline"));
        let name = Some(read(path.join("comm"))).filter(|_| !command.is_empty())?;
        let stack = read(path.join("stack"));
        let calls: Vec<_> = stack.split_whitespace().filter_map(|w| w.split_once('+')).map(|w| w.0).collect();
        Some(format!("{} {}: {}", path.file_name()?.display(), name.trim(), calls.join(" ")))
    };
    directories.filter_map(line).collect::<Vec<_>>().join("\n")
}

/// An error that says what was expected and what was seen, unless the condition holds.
///
/// # Errors
/// That error.
pub fn expect(holds: bool, expected: impl std::fmt::Display, seen: impl std::fmt::Display) -> Result<()> {
    if holds { Ok(()) } else { Err(LabError::Failed(format!("expected {expected}; saw {seen}"))) }
}

/// A scenario by its name.
///
/// # Errors
/// [`LabError::Failed`] that names those there are.
pub fn find(name: &str) -> Result<&'static Scenario> {
    let names: Vec<&str> = SCENARIOS.iter().map(|s| s.name).collect();
    let unknown = || LabError::Failed(format!("no scenario {name:?}; there are {}", names.join(", ")));
    SCENARIOS.iter().find(|s| s.name == name).ok_or_else(unknown)
}

fn tell(event: &Event) {
    if let Ok(line) = serde_json::to_string(event) {
        // Standard output is the line to the host; without it nobody listens.
        let _ = writeln!(std::io::stdout(), "{line}");
    }
}
