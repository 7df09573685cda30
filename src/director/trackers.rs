//! Everything that instances and groups track, and what comes of it: readings in; weights, faults, runs of scripts out.
//!
//! A tracker is watched while somebody tracks it. Its reading changes here, and then every instance that tracks it is
//! evaluated anew: the arithmetic is [`vrrp::track`]'s. An instance does not start before every tracker that could be a
//! fault has had its first reading, lest it be master for a moment.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use vrrp::track::Reading;
use vrrp::{Fault, State};

use super::effect::{Effect, ScriptRun, Watched};
use super::event::ScriptOutcome;
use super::journal::Entry;
use super::legacy::Keepsake;
use super::process::ProcessWatch;
use super::script::ScriptWatch;
use super::{Director, Owner, Pending};
use crate::config::{TrackFile, Tracks};

/// How long a start waits for the first number of files and processes.
const PATIENCE: Duration = Duration::from_secs(3);

/// What is tracked, by kind and name.
#[derive(Debug, Default)]
pub(super) struct Trackers {
    interfaces: BTreeSet<String>,
    scripts: BTreeMap<String, ScriptWatch>,
    files: BTreeMap<String, FileWatch>,
    processes: BTreeMap<String, ProcessWatch>,
    /// As with keepalived, nobody is held to them on this host.
    processes_left_out: bool,
    /// Counts the runs of all scripts: no number is used twice.
    runs: u64,
    pub(super) watched: Arc<Watched>,
}

/// One `track_file`.
#[derive(Debug)]
struct FileWatch {
    file: Arc<TrackFile>,
    number: Option<i64>,
    problem: Option<String>,
}

impl FileWatch {
    fn reading(&self) -> (Reading, String) {
        match (self.number, &self.problem) {
            (None, _) => (Reading::Unknown, "not read yet".to_owned()),
            (Some(number), None) => (Reading::Number(number), format!("{} says {number}", self.file.path)),
            (Some(number), Some(problem)) => (Reading::Number(number), problem.clone()),
        }
    }
}

impl Director {
    /// What an instance's lists come to: its own trackers and its group's.
    pub(super) fn counted_tracks(&self, name: &str) -> Tracks {
        let Some(instance) = self.config.instances.get(name) else { return Tracks::default() };
        let Some(group) = self.group_of(name).and_then(|group| self.config.groups.get(group)) else {
            return instance.tracks.clone();
        };
        let mut tracks = group.counting(&instance.tracks);
        // That is tracked anyway, and without a weight.
        if !instance.conduct.ignore_interface {
            tracks.interfaces.remove(&instance.interface);
        }
        tracks
    }

    /// What a tracker says, and why; `None` of one that nothing is done about.
    pub(super) fn reading(&self, kind: &str, name: &str) -> Option<(Reading, String)> {
        match kind {
            "track_interface" => Some(match self.links.get(name) {
                None => (Reading::Down, "there is no such interface".to_owned()),
                Some(link) if link.up => (Reading::Up, "up".to_owned()),
                Some(_) => (Reading::Down, "down".to_owned()),
            }),
            "track_script" => {
                let watch = self.trackers.scripts.get(name);
                watch.filter(|watch| !watch.is_left_out()).map(ScriptWatch::reading)
            }
            "track_file" => self.trackers.files.get(name).map(FileWatch::reading),
            "track_process" if self.trackers.processes_left_out => None,
            "track_process" => self.trackers.processes.get(name).map(ProcessWatch::reading),
            "track_bfd" => Some(self.neighbour_reading(name)),
            _ => None,
        }
    }

    /// Begins to watch what the configuration tracks, and forgets what it does not.
    pub(super) fn configure_trackers(&mut self, now: Instant) {
        let config = self.config.clone();
        let all: Vec<Tracks> = config.instances.keys().map(|name| self.counted_tracks(name)).collect();
        let names = |list: fn(&Tracks) -> Vec<&String>| -> BTreeSet<String> {
            all.iter().flat_map(|tracks| list(tracks).into_iter().cloned()).collect()
        };
        let scripts = names(|tracks| tracks.scripts.keys().collect());
        let mut files = names(|tracks| tracks.files.keys().collect());
        files.extend(self.files_of_checks());
        let processes = names(|tracks| tracks.processes.keys().collect());
        let mut recalled = self.recall_scripts();
        let trackers = &mut self.trackers;
        trackers.interfaces = names(|tracks| tracks.interfaces.keys().collect());

        let gone: Vec<String> =
            trackers.scripts.keys().filter(|name| !scripts.contains(*name)).cloned().collect();
        for name in gone {
            trackers.scripts.remove(&name);
            self.agenda.set(Owner::Script(name), None);
        }
        for name in scripts {
            let Some(script) = config.scripts.get(&name) else { continue };
            let watch = trackers
                .scripts
                .entry(name.clone())
                .and_modify(|watch| watch.configure(script, now))
                .or_insert_with(|| ScriptWatch::resume(script.clone(), recalled.remove(&name), now));
            self.agenda.set(Owner::Script(name), watch.deadline());
        }
        trackers.files.retain(|name, _| files.contains(name));
        for name in files {
            let Some(file) = config.files.get(&name) else { continue };
            let new = || FileWatch { file: file.clone(), number: None, problem: None };
            let watch = trackers.files.entry(name).or_insert_with(new);
            if watch.file.path != file.path {
                *watch = new();
            }
            watch.file = file.clone();
        }
        let gone: Vec<String> =
            trackers.processes.keys().filter(|name| !processes.contains(*name)).cloned().collect();
        for name in gone {
            trackers.processes.remove(&name);
            self.agenda.set(Owner::Process(name), None);
        }
        for name in processes {
            let Some(process) = config.processes.get(&name) else { continue };
            let watch = trackers
                .processes
                .entry(name.clone())
                .and_modify(|watch| watch.configure(process))
                .or_insert_with(|| ProcessWatch::new(process.clone()));
            self.agenda.set(Owner::Process(name), watch.deadline());
        }
        self.publish_watched();
    }

    /// Has the owner of files and processes watch what is tracked now.
    fn publish_watched(&mut self) {
        let (config, trackers) = (&self.config, &self.trackers);
        let files =
            trackers.files.keys().filter_map(|name| Some((name.clone(), config.files.get(name)?.clone())));
        let processes = trackers.processes.keys();
        let processes =
            processes.filter_map(|name| Some((name.clone(), config.processes.get(name)?.clone())));
        let maintenance_dir = config.global.lvs.maintenance_dir.clone();
        let watched = Watched { files: files.collect(), processes: processes.collect(), maintenance_dir };
        if *self.trackers.watched != watched {
            self.trackers.watched = Arc::new(watched);
            self.pending.push_back(Pending::Watched);
        }
    }

    // ----- facts -----

    pub(super) fn script_due(&mut self, name: &str, now: Instant) {
        self.trackers.runs += 1;
        let number = self.trackers.runs;
        self.with_script(name, now, |watch| {
            let script = watch.handle_timeout(number, now)?;
            Some(Effect::RunScript(ScriptRun { name: name.to_owned(), number, script }))
        });
    }

    pub(super) fn script_done(&mut self, name: &str, run: u64, outcome: ScriptOutcome, now: Instant) {
        if let ScriptOutcome::NotStarted(why) = &outcome
            && self.config.global.compat
            && self.trackers.scripts.get_mut(name).is_some_and(ScriptWatch::leave_out)
        {
            let note =
                format!("{why}; as with keepalived, nobody tracks it until the configuration is read again");
            self.log(Entry::TrackerProblem { tracker: format!("track_script {name}"), note });
            self.agenda.set(Owner::Script(name.to_owned()), None);
            return self.evaluate_trackers_of("track_script", name, now);
        }
        self.with_script(name, now, |watch| {
            watch.handle_result(run, outcome);
            None
        });
    }

    fn with_script(
        &mut self,
        name: &str,
        now: Instant,
        fact: impl FnOnce(&mut ScriptWatch) -> Option<Effect>,
    ) {
        let Some(watch) = self.trackers.scripts.get_mut(name) else { return };
        let before = watch.reading().0;
        let wish = fact(watch);
        let (after, why) = watch.reading();
        self.agenda.set(Owner::Script(name.to_owned()), watch.deadline());
        if let Some(effect) = wish {
            self.effect(effect);
        }
        self.tell_reading("track_script", name, before, after, why, now);
    }

    pub(super) fn file_read(&mut self, name: &str, number: i64, problem: Option<String>, now: Instant) {
        let Some(watch) = self.trackers.files.get_mut(name) else { return };
        let before = watch.reading().0;
        let news = problem.clone().filter(|_| watch.problem != problem);
        (watch.number, watch.problem) = (Some(number), problem);
        let (after, why) = watch.reading();
        if let Some(note) = news {
            self.log(Entry::TrackerProblem { tracker: format!("track_file {name}"), note });
        }
        self.tell_reading("track_file", name, before, after, why, now);
        self.tell_file_checks(name, now);
    }

    pub(super) fn processes_counted(&mut self, name: &str, count: u32, now: Instant) {
        self.with_processes(name, now, |watch| watch.observe(count, now));
    }

    /// The kernel does not tell of processes. With `net_namespace` keepalived tracks none then, and no more does who reads
    /// compatibly.
    pub(super) fn processes_unheard(&mut self, why: &str, now: Instant) {
        if !self.config.global.compat || self.config.root.namespace.is_none() {
            return;
        }
        self.trackers.processes_left_out = true;
        let names: Vec<String> = self.trackers.processes.keys().cloned().collect();
        for name in names {
            let note = format!("{why}; as with keepalived, nobody tracks it");
            self.log(Entry::TrackerProblem { tracker: format!("track_process {name}"), note });
            self.evaluate_trackers_of("track_process", &name, now);
        }
    }

    pub(super) fn process_due(&mut self, name: &str, now: Instant) {
        self.with_processes(name, now, |watch| watch.handle_timeout(now));
    }

    fn with_processes(&mut self, name: &str, now: Instant, fact: impl FnOnce(&mut ProcessWatch)) {
        let Some(watch) = self.trackers.processes.get_mut(name) else { return };
        let before = watch.reading().0;
        fact(watch);
        let (after, why) = watch.reading();
        self.agenda.set(Owner::Process(name.to_owned()), watch.deadline());
        self.tell_reading("track_process", name, before, after, why, now);
    }

    /// The interfaces were looked at: tells which tracked ones are up or down now, and evaluates who tracks any.
    pub(super) fn links_read(&mut self, before: &vrrp::Links, now: Instant) {
        let up = |links: &vrrp::Links, name: &str| links.get(name).is_some_and(|link| link.up);
        let changed: Vec<String> = self
            .trackers
            .interfaces
            .iter()
            .filter(|name| up(before, name) != up(&self.links, name))
            .cloned()
            .collect();
        for name in changed {
            if let Some((reading, why)) = self.reading("track_interface", &name) {
                let before = if reading == Reading::Up { Reading::Down } else { Reading::Up };
                self.tell_reading("track_interface", &name, before, reading, why, now);
            }
        }
    }

    /// Tells of a changed reading and evaluates every instance that tracks this.
    fn tell_reading(
        &mut self,
        kind: &'static str,
        name: &str,
        before: Reading,
        after: Reading,
        why: String,
        now: Instant,
    ) {
        if before == after {
            return;
        }
        if kind == "track_script" && after != Reading::Unknown {
            let keepsake = Keepsake::Script(name.to_owned(), after == Reading::Up);
            self.effect(Effect::Keep(keepsake));
        }
        self.log(Entry::Tracker { tracker: format!("{kind} {name}"), reading: after, why });
        self.evaluate_trackers_of(kind, name, now);
    }

    /// Evaluates every instance that tracks this.
    pub(super) fn evaluate_trackers_of(&mut self, kind: &'static str, name: &str, now: Instant) {
        let tracks = |tracks: &Tracks| tracks.all().any(|(list, other, _)| list == kind && other == name);
        let is_concerned =
            |name: &String| self.instances.get(name).is_some_and(|instance| tracks(&instance.tracks));
        let mut concerned = self.names();
        concerned.retain(is_concerned);
        self.together(now, |director| {
            for name in &concerned {
                director.evaluate(name, now);
            }
        });
    }

    // ----- what comes of it -----

    /// Puts together what an instance's trackers come to: its weight and its faults; and starts it, once nothing that
    /// could be a fault is unknown.
    pub(super) fn evaluate(&mut self, name: &str, now: Instant) {
        let Some(instance) = self.instances.get(name) else { return };
        let (mut sum, mut faults, mut reasons) = (0_i32, BTreeSet::new(), Vec::new());
        let mut awaits = None;
        for (kind, tracker, weight) in instance.tracks.all() {
            let Some((reading, why)) = self.reading(kind, tracker) else { continue };
            let effect = weight.effect(reading);
            sum = sum.saturating_add(effect.points);
            if effect.points != 0 {
                reasons.push(format!("{:+} {kind} {tracker} ({why})", effect.points));
            }
            if effect.fault {
                faults.insert(Fault::Tracked(format!("{kind} {tracker}: {why}")));
            }
            let patient = kind == "track_script" || now < instance.patience;
            if reading == Reading::Unknown && weight.may_be_fault(kind == "track_file") && patient {
                awaits.get_or_insert_with(|| format!("waits for the first result of {kind} {tracker}"));
            }
        }
        let held_back = awaits.is_some();
        if self.waits_for_device(name) {
            awaits.get_or_insert_with(|| "waits for the interface that it brings along".to_owned());
        }
        let Some(instance) = self.instances.get_mut(name) else { return };
        let waiting = instance.router.state() == State::Initialize;
        let before = instance.router.effective_priority();
        instance.router.handle_weight(sum);
        let after = instance.router.effective_priority();
        instance.tracked = faults;
        instance.apply_faults(now);
        instance.awaits = awaits;
        instance.was_held_back |= held_back && waiting;
        let ready = instance.awaits.is_none();
        if waiting {
            self.give_up_late_resumption(name, now);
        }
        if waiting && ready && !self.stopping {
            self.start(name, now);
        }
        if before != after {
            let base = self.instances.get(name).map_or(0, |instance| instance.settings().priority);
            let reasons = if reasons.is_empty() { "nothing is added".to_owned() } else { reasons.join(", ") };
            let why = format!("base {base}, {reasons}");
            self.log(Entry::Priority { instance: name.to_owned(), from: before, to: after, why });
        }
        self.drain_router(name, now);
    }

    /// How long after the start of the daemon instances begin: the longer of `vrrp_startup_delay`, and what is left of
    /// `vrrp_delay_after_boot`.
    fn startup_delay(&self) -> Duration {
        let vrrp = &self.config.global.vrrp;
        vrrp.startup_delay.max(vrrp.delay_after_boot.saturating_sub(self.birth.up))
    }

    fn start(&mut self, name: &str, now: Instant) {
        self.agenda.set(Owner::Patience(name.to_owned()), None);
        if self.resume(name, now) {
            return;
        }
        // `vrrp_startup_delay` is for the start of the daemon, not for what a reload brings later.
        let start = self.birth.at + self.startup_delay();
        let Some(instance) = self.instances.get_mut(name) else { return };
        if self.relieves && self.generation == 1 && instance.is_held(&self.links) {
            instance.router.handle_take_over(now);
        } else if now < start {
            instance.router.handle_start_at(start);
        } else {
            instance.router.handle_start(now);
        }
    }

    /// A new instance: it starts now, or when its trackers have had their first readings.
    pub(super) fn begin(&mut self, name: &str, now: Instant) {
        if let Some(instance) = self.instances.get_mut(name) {
            instance.patience = now + PATIENCE;
            let patience = instance.patience.min(self.resumption_ends(name).unwrap_or(now + PATIENCE));
            self.agenda.set(Owner::Patience(name.to_owned()), Some(patience));
            self.evaluate(name, now);
        }
    }
}

impl Director {
    /// The end: nothing is watched any more, no script is run again.
    pub(super) fn stop_trackers(&mut self) {
        let trackers = std::mem::take(&mut self.trackers);
        for name in trackers.scripts.into_keys() {
            self.agenda.set(Owner::Script(name), None);
        }
        for name in trackers.processes.into_keys() {
            self.agenda.set(Owner::Process(name), None);
        }
        let waiting: Vec<String> = self.instances.keys().cloned().collect();
        for name in waiting {
            self.agenda.set(Owner::Patience(name), None);
        }
        self.agenda.set(Owner::Links, None);
    }
}
