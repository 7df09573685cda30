//! The play of one case: two starts, a fate, a return, and two ends.
//!
//! After each step the protocol says who is master from when on: not before its timer can have run out, and not later
//! than a tolerance after that. The addresses must follow.

use std::path::Path;
use std::time::{Duration, SystemTime};

use lab::netns::{Daemon, Host, Net, Program, exit_code};
use lab::sniff::Sniffer;

use super::case::{Case, FIRST, Fate, SECOND};
use super::record::Record;

/// How late something may be; generous, for busy machines.
const TOLERANCE: Duration = Duration::from_millis(1500);
/// How long a program may take to start, beyond what the protocol makes it wait.
const START: Duration = Duration::from_secs(6);

/// Why a play ended before its end.
type Step<T = ()> = Result<T, String>;

/// One side.
#[derive(Debug, Clone, Copy)]
struct Side {
    host: &'static str,
    ours: bool,
    priority: u8,
}

struct Stage<'a> {
    case: Case,
    net: &'a Net,
    sniffer: Sniffer,
    record: Record,
    /// The daemons that run, ours and theirs.
    cast: [Option<Daemon<'a>>; 2],
}

/// Plays a case; the story of what went wrong otherwise.
pub fn play(case: Case) -> Result<(), String> {
    let net = Net::new(&["we", "peer"]);
    let sniffer = net.sniff();
    let record = Record::new(case.to_string(), case.instance(true, FIRST).interval / 2);
    let mut stage = Stage { case, net: &net, sniffer, record, cast: [None, None] };
    let result = stage.run();
    let timeline = stage.sniffer.timeline();
    let told = match result {
        Ok(()) => stage.record.compare(&timeline),
        Err(wrong) => Err(stage.record.tell(&wrong, &timeline)),
    };
    told.map_err(|mut story| {
        for daemon in stage.cast.iter().flatten() {
            story.push_str(&format!("  log of {}:\n{}\n", daemon.host().name(), tail(&daemon.log())));
        }
        story
    })
}

impl<'a> Stage<'a> {
    fn run(&mut self) -> Step {
        let side = |ours, priority| Side { host: if ours { "we" } else { "peer" }, ours, priority };
        let first = side(self.case.we_first, FIRST);
        let second = side(!self.case.we_first, SECOND);

        let started = self.start(first);
        self.becomes_master(first, started, self.patience(first), START)?;

        let started = self.start(second);
        let (master, other) = match self.case.preempt {
            true => {
                self.becomes_master(second, started, self.patience(second), START)?;
                (second, first)
            }
            false => {
                self.is_backup(second)?;
                self.stays_master(first, second);
                (first, second)
            }
        };
        self.addresses(Some(master), &[other])?;

        let master = match self.case.fate {
            Fate::Reload => self.reload(master, other)?,
            Fate::Kill | Fate::Stop => self.end_and_return(master, other)?,
            Fate::LinkDown => self.unplug_and_plug(master, other)?,
        };

        let other = if master.ours == first.ours { second } else { first };
        self.stop(master, other)?;
        self.addresses(Some(other), &[master])?;
        self.end(other)?;
        self.addresses(None, &[master, other])
    }

    /// The master's program ends in one way or the other; the other one is master then. Started again, the former takes
    /// over if it has the better claim and preemption is on. Returns the master at the end.
    fn end_and_return(&mut self, master: Side, other: Side) -> Step<Side> {
        if self.case.fate == Fate::Stop {
            self.stop(master, other)?;
        } else {
            self.kill(master, other)?;
        }
        self.addresses(Some(other), &[master])?;
        let started = self.start(master);
        self.returns(master, other, started)
    }

    /// The same by its cable.
    fn unplug_and_plug(&mut self, master: Side, other: Side) -> Step<Side> {
        let unplugged = self.record.done(format!("{} unplugged", master.host));
        self.net.unplug(master.host);
        self.silence(master, other, unplugged)?;
        self.addresses(Some(other), &[master])?;
        let plugged = self.record.plugged(master.host);
        self.net.plug(master.host);
        self.returns(master, other, plugged)
    }

    /// A former master is back, since `back`.
    fn returns(&mut self, former: Side, master: Side, back: SystemTime) -> Step<Side> {
        if self.case.preempt && former.priority > master.priority {
            self.becomes_master(former, back, self.patience(former), START)?;
            self.addresses(Some(former), &[master])?;
            return Ok(former);
        }
        self.is_backup(former)?;
        self.stays_master(master, former);
        self.addresses(Some(master), &[former])?;
        Ok(master)
    }

    fn reload(&mut self, master: Side, other: Side) -> Step<Side> {
        let mut instance = self.case.instance(master.ours, master.priority);
        instance.more += &format!("\nvirtual_ipaddress_excluded {{ {} }}", self.case.extra());
        self.record.done(format!("{} reads its file again, with one more address", master.host));
        self.daemon(master).reload(&instance.to_string());
        let (host, extra) = (self.host(master), self.case.extra());
        eventually(TOLERANCE + START, || host.has(extra))
            .ok_or_else(|| format!("{} has no {extra} after its reload", master.host))?;
        self.stays_master(master, other);
        Ok(master)
    }

    /// Starts the program of a side.
    fn start(&mut self, side: Side) -> SystemTime {
        let we = Program::Directord(Path::new(env!("CARGO_BIN_EXE_directord")).to_owned());
        let keepalived_for_us = std::env::var_os("DIRECTORD_TEST_PROGRAM").is_some_and(|p| p == "keepalived");
        let program = if side.ours && !keepalived_for_us { we } else { Program::Keepalived };
        let text = self.case.instance(side.ours, side.priority).to_string();
        self.record.done(format!("{} starts with priority {}", side.host, side.priority));
        // Its log begins anew, so that what it says now can be told from what its predecessor said.
        let _ = std::fs::remove_file(self.host(side).dir().join("daemon.log"));
        let daemon = Daemon::start(&program, self.host(side), &text);
        let started = daemon.started();
        self.cast[usize::from(side.ours)] = Some(daemon);
        started
    }

    /// Like a power cut: the addresses are gone after it.
    fn kill(&mut self, master: Side, other: Side) -> Step {
        self.record.done(format!("{} is killed", master.host));
        let killed = self.daemon_mut(master).kill();
        self.silence(master, other, killed)?;
        let case = self.case;
        let device = self.host(master);
        for address in case.instance(true, FIRST).addresses {
            let address = address.split([' ', '/']).next().unwrap_or_default();
            device.ip(&format!("addr flush dev eth0 to {address}"));
        }
        Ok(())
    }

    /// The master fell silent: the other's timer runs from the last advert.
    fn silence(&mut self, master: Side, other: Side, since: SystemTime) -> Step {
        let patience = self.patience(other);
        let first = self.first_advert(other, since, patience + TOLERANCE)?;
        let last = self.sniffer.timeline().last_advert(master.host, first).expect("it was master").at;
        self.record.expect(other.host, last + patience, last + patience + TOLERANCE);
        Ok(())
    }

    /// The master says farewell: the other waits no longer than the skew.
    fn stop(&mut self, master: Side, other: Side) -> Step {
        let stopped = SystemTime::now();
        self.end(master)?;
        let told = self.sniffer.timeline().farewell(master.host, stopped).map(|event| event.at);
        let farewell = told.ok_or_else(|| format!("{} left without a farewell", master.host))?;
        let skew = self.case.instance(other.ours, other.priority).skew();
        self.first_advert(other, farewell, skew + TOLERANCE)?;
        self.record.expect(other.host, farewell + skew, farewell + skew + TOLERANCE);
        Ok(())
    }

    fn end(&mut self, side: Side) -> Step {
        self.record.done(format!("{} is asked to stop", side.host));
        match exit_code(self.daemon_mut(side).stop()) {
            0 => Ok(()),
            code => Err(format!("{} ended with {code}", side.host)),
        }
    }

    /// The side is master, `wait` after `since` at the soonest.
    fn becomes_master(&mut self, side: Side, since: SystemTime, wait: Duration, tolerance: Duration) -> Step {
        self.record.expect(side.host, since + wait, since + wait + tolerance);
        self.first_advert(side, since, wait + tolerance)?;
        Ok(())
    }

    /// Time enough passes for the other side to take over, if it were to.
    fn stays_master(&self, _master: Side, other: Side) {
        let instance = self.case.instance(other.ours, other.priority);
        std::thread::sleep(instance.patience() + instance.interval * 2);
    }

    /// The side runs and is a backup.
    fn is_backup(&self, side: Side) -> Step {
        let daemon = self.daemon(side);
        let is_backup = || match daemon.status() {
            Some(status) => status["instances"][0]["role"] == "BACKUP",
            None => {
                daemon.log().trim_end().rsplit("Entering ").next().is_some_and(|l| l.starts_with("BACKUP"))
            }
        };
        eventually(START, is_backup).ok_or_else(|| format!("{} is no backup", side.host))
    }

    /// The virtual address is on the master, and on none of the others.
    fn addresses(&self, master: Option<Side>, others: &[Side]) -> Step {
        let vip = self.case.instance(true, FIRST).vip();
        let held = |side: Side, wanted| {
            let host = self.host(side);
            let state = if wanted { "lacks" } else { "still has" };
            eventually(TOLERANCE, || host.has(vip) == wanted)
                .ok_or_else(|| format!("{} {state} the virtual address", side.host))
        };
        master.map_or(Ok(()), |side| held(side, true))?;
        others.iter().try_for_each(|side| held(*side, false))
    }

    fn first_advert(&self, side: Side, after: SystemTime, limit: Duration) -> Step<SystemTime> {
        let seen = self.sniffer.look_for(limit, |t| t.first_advert(side.host, after).map(|event| event.at));
        seen.ok_or_else(|| format!("no advert from {} within {limit:?}", side.host))
    }

    fn patience(&self, side: Side) -> Duration {
        self.case.instance(side.ours, side.priority).patience()
    }

    fn host(&self, side: Side) -> &'a Host {
        self.net.host(side.host)
    }

    fn daemon(&self, side: Side) -> &Daemon<'a> {
        self.cast[usize::from(side.ours)].as_ref().expect("it was started")
    }

    fn daemon_mut(&mut self, side: Side) -> &mut Daemon<'a> {
        self.cast[usize::from(side.ours)].as_mut().expect("it was started")
    }
}

/// Asks until the answer is yes, at most for `limit`.
fn eventually(limit: Duration, mut ask: impl FnMut() -> bool) -> Option<()> {
    let end = std::time::Instant::now() + limit;
    while !ask() {
        if std::time::Instant::now() >= end {
            return None;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    Some(())
}

/// The last lines of a log, keepalived's line for each gratuitous ARP aside.
fn tail(log: &str) -> String {
    let lines: Vec<_> = log.lines().filter(|line| !line.contains("gratuitous ARP")).collect();
    lines[lines.len().saturating_sub(25)..].join("\n")
}
