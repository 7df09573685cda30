//! One real server of a virtual server: what its checks say, and whether it therefore serves.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use healthcheck::{Check, Monitor, Outcome, Verdict};
use ipvs_backend::DestinationSettings;

use crate::config::{Extras, PlannedCheck, RealServer};
use crate::director::event::CheckId;
use crate::director::given::Given;
use crate::director::overrides::Steer;

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
    /// What operators want of it.
    pub(in crate::director) steer: Steer,
    /// Set while it is down without a failing check: why.
    pub(in crate::director) held: Option<String>,
    /// Set from the start with `alpha` until a check has said something: nobody has heard of it yet.
    pub(in crate::director) untold: bool,
    /// Set while it is in maintenance: by which file.
    pub(in crate::director) maintenance: Option<String>,
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
            steer: Steer::AsConfigured,
            held: None,
            untold: false,
            maintenance: None,
        }
    }

    /// Decides anew whether this server serves; true if that changed. One failing check takes it out, and only all
    /// together bring it back.
    pub(in crate::director) fn decide(&mut self, now: Instant) -> bool {
        let by_checks = self.checks.iter().all(CheckRun::counts_as_up);
        let by_neighbours = self.neighbours.values().all(|check| check.verdict() != Verdict::Down);
        let by_files = self.given.files().all(|(_, verdict, _)| verdict != Verdict::Down);
        let up = by_checks && by_neighbours && by_files && self.maintenance.is_none();
        if up == self.up {
            return false;
        }
        self.held = None;
        self.up = up;
        self.since = now;
        true
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
        match self.up {
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
        let said = |run: &CheckRun| run.monitor.last().map(words);
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

    /// What it weighs while it is up: as the file and its checks say, or an operator.
    pub(in crate::director) fn share(&self) -> u32 {
        match self.steer {
            Steer::AsConfigured => self.weight(),
            Steer::Weight(weight) => weight,
            Steer::Out => 0,
        }
    }

    pub(super) fn settings(&self, weight: u32) -> DestinationSettings {
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
    a.kind == b.kind
        && a.target == b.target
        && a.source == b.source
        && a.connect_timeout == b.connect_timeout
        && a.device == b.device
        && a.mark == b.mark
}
