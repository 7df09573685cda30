//! One real server of a virtual server: what its checks say, and whether it therefore serves.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use healthcheck::{Check, Monitor, Outcome, Verdict};
use ipvs_backend::DestinationSettings;

use super::Flaps;
use super::configure::Fresh;
use crate::config::{Extras, PlannedCheck, RealServer};
use crate::director::event::CheckId;
use crate::director::given::Given;
use crate::director::overrides::{Steer, Wanted};

/// One real server.
#[derive(Debug)]
pub(in crate::director) struct Server {
    pub(in crate::director) config: Arc<RealServer>,
    pub(in crate::director) checks: Vec<CheckRun>,
    /// What is known of the neighbours that it must be reached by (`BFD_CHECK`), by name.
    pub(in crate::director) neighbours: BTreeMap<String, NeighbourCheck>,
    /// What checks say of its weight.
    pub(in crate::director) given: Given,
    /// Whether it serves. Without `alpha` it does until the first verdict.
    pub(in crate::director) up: bool,
    /// When `up` last changed.
    pub(in crate::director) since: Instant,
    /// Whether it is a backup server.
    pub(in crate::director) backup: bool,
    /// Since when its checks say that it should not serve.
    pub(in crate::director) failing: Option<Instant>,
    /// Whether it fails and serves all the same (`panic_threshold`).
    pub(in crate::director) spared: bool,
    /// Whether it has ever served.
    pub(in crate::director) served: bool,
    /// How often it has failed, where that matters (`flap_hold`).
    pub(in crate::director) flaps: Option<Box<Flaps>>,
    /// What operators want of it.
    pub(in crate::director) steer: Steer,
    /// Whether it is in a `maintenance_window`: nobody is told that it is down ...
    pub(in crate::director) in_window: bool,
    /// ... so this is what people were told last.
    pub(in crate::director) told_up: bool,
    /// Set while it is down without a failing check: why.
    pub(in crate::director) held: Option<String>,
    /// Set from the start with `alpha` until a check has said something: nobody has heard of it yet.
    pub(in crate::director) untold: bool,
    /// Set while it is in maintenance: by which file.
    pub(in crate::director) maintenance: Option<String>,
    /// Set while a configuration that it has taken on has not been decided on.
    pub(super) fresh: Option<Fresh>,
}

/// One check of one real server.
#[derive(Debug)]
pub(in crate::director) struct CheckRun {
    pub(in crate::director) id: CheckId,
    pub(in crate::director) spec: Arc<Check>,
    pub(in crate::director) monitor: Monitor,
    /// Whether the server waits for it to pass: with `alpha` from the start, and where it took the place of another
    /// while the server was down. A server that serves is never taken out for a check that has said nothing.
    pub(in crate::director) must_pass: bool,
    /// Whether an attempt has ever been made: a command may not be there to be run.
    pub(in crate::director) made: bool,
}

/// One `BFD_CHECK` of one real server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::director) struct NeighbourCheck {
    /// Whether nothing known means down.
    alpha: bool,
    pub(super) up: Option<bool>,
    /// What is known, in words.
    pub(in crate::director) words: String,
}

impl CheckRun {
    /// Whether the server counts as up by this check.
    pub(in crate::director) fn counts_as_up(&self) -> bool {
        match self.monitor.verdict() {
            Verdict::Up => true,
            Verdict::Down => false,
            Verdict::Unknown => !self.must_pass,
        }
    }
}

impl NeighbourCheck {
    pub(in crate::director) fn verdict(&self) -> Verdict {
        match (self.up, self.alpha) {
            (Some(true), _) => Verdict::Up,
            (Some(false), _) | (None, true) => Verdict::Down,
            (None, false) => Verdict::Unknown,
        }
    }
}

impl Server {
    /// A server that is new.
    pub(super) fn new(config: Arc<RealServer>, now: Instant) -> Self {
        Server {
            config,
            checks: Vec::new(),
            neighbours: BTreeMap::new(),
            given: Given::default(),
            up: true,
            since: now,
            backup: false,
            failing: None,
            spared: false,
            served: false,
            flaps: None,
            steer: Steer::AsConfigured,
            in_window: false,
            told_up: true,
            held: None,
            untold: false,
            maintenance: None,
            fresh: None,
        }
    }

    /// Takes in what operators and the clock want of it.
    pub(super) fn take_wish(&mut self, wish: Wanted) {
        let Wanted { steer, in_window } = wish;
        (self.steer, self.in_window) = (steer, in_window);
    }

    /// What operators and the clock want of it.
    pub(in crate::director) fn wish(&self) -> Wanted {
        Wanted { steer: self.steer, in_window: self.in_window }
    }

    /// Whether this configuration is the very one that it has, and nothing else of a file has a say.
    pub(super) fn is_as_before(&self, config: &Arc<RealServer>) -> bool {
        Arc::ptr_eq(&self.config, config) && config.planned.is_empty()
    }

    /// Takes in what its checks say now. One failing check is enough, and only all together are well.
    pub(in crate::director) fn judge(&mut self, now: Instant) {
        let by_checks = self.checks.iter().all(CheckRun::counts_as_up);
        let by_neighbours = self.neighbours.values().all(|check| check.verdict() != Verdict::Down);
        let well =
            by_checks && by_neighbours && self.given.files().all(|(_, verdict, _)| verdict != Verdict::Down);
        let Some(hold) = self.config.extras().flap_hold else {
            self.flaps = None;
            self.failing = (!well).then(|| self.failing.unwrap_or(now));
            return;
        };
        if !well && self.failing.is_none() {
            self.failing = Some(now);
            if self.served && !self.in_window {
                self.flaps.get_or_insert_default().failed(hold, now);
            }
        } else if well
            && self.failing.take().is_some()
            && !self.up
            && let Some(flaps) = &mut self.flaps
        {
            flaps.passed(hold, now);
        }
    }

    /// Whether its checks want it to serve, and it is neither held back nor in maintenance.
    pub(super) fn is_well(&self) -> bool {
        self.failing.is_none() && self.held_until().is_none() && self.maintenance.is_none()
    }

    /// Until when it is held back, though its checks pass.
    pub(in crate::director) fn held_until(&self) -> Option<Instant> {
        self.flaps.as_ref().and_then(|flaps| flaps.until())
    }

    /// It is not held back any longer.
    pub(super) fn end_hold(&mut self) {
        if let Some(flaps) = &mut self.flaps {
            flaps.end();
        }
    }

    /// Whether it is one of those of which checks may take out a share only: real servers with a weight that have been in
    /// service before.
    pub(super) fn counts_for_panic(&self) -> bool {
        let maintained = self.in_window || self.maintenance.is_some();
        !self.backup && self.served && self.config.weight > 0 && !maintained
    }

    /// It is to serve, or not; true if that is new.
    pub(super) fn serve(&mut self, up: bool, now: Instant) -> bool {
        self.served |= up;
        if up == self.up {
            return false;
        }
        if let Some(flaps) = self.flaps.as_mut().filter(|_| up) {
            flaps.returned(now);
        }
        self.held = None;
        self.up = up;
        self.since = now;
        true
    }

    /// After a configuration: why it is out, if no check fails.
    pub(super) fn note_waiting(&mut self, was_up: Option<bool>) {
        if self.up || self.held_until().is_some() || self.verdicts().any(|v| v == Verdict::Down) {
            return;
        }
        let why = match was_up {
            None => "waits for its first check to pass (alpha)",
            Some(_) => "its checks were changed while it was down, and have not passed yet",
        };
        self.held.get_or_insert_with(|| why.to_owned());
        self.untold |= was_up.is_none();
    }

    pub(super) fn verdicts(&self) -> impl Iterator<Item = Verdict> {
        let neighbours = self.neighbours.values().map(NeighbourCheck::verdict);
        let files = self.given.files().map(|(_, verdict, _)| verdict);
        self.checks.iter().map(|c| c.monitor.verdict()).chain(neighbours).chain(files)
    }

    /// Its weight as the file and its checks say.
    pub(in crate::director) fn weight(&self) -> u32 {
        self.given.weight(self.config.weight)
    }

    /// What is believed of it: down, up, or unknown while it serves without a verdict of each check.
    pub(in crate::director) fn verdict(&self) -> Verdict {
        match self.up && self.failing.is_none() {
            false => Verdict::Down,
            true if self.verdicts().all(|v| v == Verdict::Up) => Verdict::Up,
            true => Verdict::Unknown,
        }
    }

    /// Why it is as it is, in words: the last outcome of a check that fails, else of any check.
    pub(in crate::director) fn reason(&self) -> String {
        if let Some(file) = &self.maintenance {
            return format!("in maintenance: {file} is there");
        }
        let said = |run: &CheckRun| {
            let words = run.monitor.last().map(words)?;
            // A server that comes up says how far it is, if one pass is not enough.
            Some(match run.monitor.row().filter(|(_, needed)| *needed > 1) {
                Some((passes, needed)) => format!("{words}, {passes} of {needed} in a row"),
                None => words,
            })
        };
        let failing = self.checks.iter().find(|c| c.monitor.verdict() == Verdict::Down);
        let facts = || {
            let neighbours = self.neighbours.values().map(|check| (check.verdict(), check.words.as_str()));
            neighbours.chain(self.given.files().map(|(_, verdict, words)| (verdict, words)))
        };
        let lost = facts().find(|(verdict, _)| *verdict == Verdict::Down);
        match (failing, &self.held, lost) {
            (Some(run), held, _) => said(run).or_else(|| (*held).clone()).unwrap_or_default(),
            (None, Some(why), _) => why.clone(),
            (None, None, Some((_, words))) => words.to_owned(),
            (None, None, None) => match (self.checks.first(), facts().next()) {
                (Some(run), _) => said(run).unwrap_or_else(|| "no verdict yet".to_owned()),
                (None, Some((_, words))) => words.to_owned(),
                (None, None) => "not checked".to_owned(),
            },
        }
    }

    /// The same, with what is done about it: it is held back, or spared.
    pub(in crate::director) fn explained(&self, now: Instant) -> String {
        match self.flaps.as_ref().and_then(|flaps| flaps.words(now)) {
            Some(held) => held,
            None if self.spared => format!("{}; kept in service (panic_threshold)", self.reason()),
            None => self.reason(),
        }
    }

    /// What it weighs while it is up: as the file and its checks say, or an operator.
    pub(in crate::director) fn share(&self) -> u32 {
        match self.steer {
            Steer::AsConfigured => self.weight(),
            Steer::Weight(weight) => weight,
            Steer::Out => 0,
        }
    }

    /// Its weight in the table: `None` if it should not be there. While it is not its turn it makes room for others.
    pub(super) fn weight_in_table(&self, in_turn: bool) -> Option<u32> {
        match self.share() {
            _ if self.steer == Steer::Out => None,
            // It is being drained, and its connections live on.
            0 if self.up => Some(0),
            weight if self.up && in_turn => Some(weight),
            _ if self.config.inhibit => Some(0),
            _ => None,
        }
    }

    /// The same with all that the table says of it.
    pub(super) fn place(&self, in_turn: bool) -> Option<DestinationSettings> {
        self.weight_in_table(in_turn).map(|weight| self.settings(weight))
    }

    fn settings(&self, weight: u32) -> DestinationSettings {
        let Extras { upper, lower, tunnel, .. } = *self.config.extras();
        DestinationSettings { forwarding: self.config.forwarding, weight, upper, lower, tunnel }
    }
}

/// The neighbours that a server must be reached by, with what was known of them.
pub(super) fn neighbours(
    server: &RealServer,
    known: &BTreeMap<String, NeighbourCheck>,
) -> BTreeMap<String, NeighbourCheck> {
    let wanted = server.planned.iter().filter_map(|check| match &**check {
        PlannedCheck::Bfd(check) => Some(check),
        PlannedCheck::File(_) => None,
    });
    let check = |name: &str, alpha| match known.get(name) {
        Some(known) => NeighbourCheck { alpha, ..known.clone() },
        None => NeighbourCheck { alpha, up: None, words: "no verdict yet".to_owned() },
    };
    wanted.map(|bfd| (bfd.name.clone(), check(&bfd.name, bfd.alpha))).collect()
}

/// An outcome in words.
pub(in crate::director) fn words(outcome: &Outcome) -> String {
    match &outcome.result {
        Ok(()) => format!("passed after {:.1} ms", outcome.took.as_secs_f64() * 1e3),
        Err(failure) => failure.to_string(),
    }
}

/// Whether two checks ask the same of the same target, however often.
pub(super) fn same_question(a: &Check, b: &Check) -> bool {
    fn asked(check: &Check) -> impl PartialEq + '_ {
        // Each field has its place here, or a reason not to.
        let Check {
            kind,
            target,
            source,
            device,
            mark,
            via,
            proxy,
            connect_timeout,
            // How often, and what is logged.
            schedule: _,
            log_all_failures: _,
        } = check;
        (kind, target, (source, device, mark, via, proxy), connect_timeout)
    }
    asked(a) == asked(b)
}
