//! Takes configurations over: read and checked whole, off the brain's thread; then the difference goes to the brain.
//!
//! A reload is a transaction. A file with an error in it changes nothing. One that the kernel refuses a part of is taken
//! back: the brain adds before it removes, and says what was refused while everything that the configuration before needs
//! is still there. One that is to be confirmed is taken back unless somebody does so in time.
//!
//! What is replaced is kept until the brain has let go of it: freeing tens of thousands of servers takes longer than an
//! advert can wait, and happens here.

mod followers;
mod last_good;
mod outcome;

use std::path::PathBuf;
use std::sync::mpsc as std_mpsc;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use notify::{Heading, Notice, Notices};
use tokio::sync::{mpsc, watch};
use tracing::{error, info, warn};

use super::Options;
use super::host;
use super::inbox::Sender;
use super::namespace::{self, IpvsHome};
use super::table;
use super::{absent, names};
use crate::config::{self, Colour, Config, Difference, Expectation, Reader, Reading};
use crate::director::effect::Settlement;
use crate::director::event::Event;
pub(super) use followers::Followers;
pub(super) use last_good::LastGood;
pub(crate) use outcome::{Probation, ReloadWish, Request, Wish};
pub use outcome::{ReloadOutcome, Reloads};

/// How long an answer of the brain may take: it waits for the owners of everything, twice at most.
const PATIENCE: Duration = Duration::from_secs(70);

/// Ways that lead to the reloader, and from it.
#[derive(Debug)]
pub(super) struct Ways {
    pub(super) inbox: Sender,
    /// What came of each configuration.
    pub(super) settlements: mpsc::UnboundedReceiver<Settlement>,
    pub(super) told: watch::Sender<Reloads>,
    pub(super) notices: Notices,
    pub(super) table: std_mpsc::Sender<table::Job>,
    pub(super) ipvs_home: Arc<IpvsHome>,
}

/// Holds the running configuration, and replaces it on request.
#[derive(Debug)]
pub(super) struct Reloader {
    path: PathBuf,
    reader: Arc<Mutex<Reader>>,
    running: Arc<Config>,
    /// The one before the last reload: what `directord rollback` returns to.
    before: Option<Arc<Config>>,
    /// Configurations that the brain may still hold parts of.
    attic: Vec<Arc<Config>>,
    /// Configurations handed to the brain.
    generation: u64,
    probation: Option<(Arc<Config>, Probation)>,
    ways: Ways,
    followers: Followers,
    last_good: LastGood,
}

impl Reloader {
    pub(super) fn new(
        (reader, options): (Reader, &Options),
        ways: Ways,
        followers: Followers,
        last_good: LastGood,
    ) -> Self {
        Reloader {
            path: options.config.clone(),
            reader: Arc::new(Mutex::new(reader)),
            running: Arc::default(),
            before: None,
            attic: Vec::new(),
            generation: 0,
            probation: None,
            ways,
            followers,
            last_good,
        }
    }

    /// Puts the first configuration into effect. What the kernel refuses of it is left out: there is nothing to return to.
    pub(super) async fn start(&mut self, reading: Reading) {
        let fallen_back = self.last_good.started_from.take();
        // Nobody waits for an advert yet.
        let outcome = match self.judge(at_home(reading)) {
            Ok((config, mut outcome)) => {
                outcome.summary = self.hand_over(config).await;
                if let Some(refusal) = fallen_back {
                    outcome.accepted = false;
                    outcome.summary = refusal;
                }
                outcome
            }
            Err(refusal) => refusal,
        };
        info!("{}: {}", self.path.display(), outcome.summary);
        self.tell(outcome);
    }

    /// Serves requests, one after the other, until nobody can make any.
    pub(super) async fn work(mut self, mut requests: mpsc::Receiver<Request>) {
        let in_effect = self.settlement().await.is_some_and(|settlement| settlement.failures.is_empty());
        if in_effect {
            self.last_good.keep(&self.running);
        }
        loop {
            let end = self.probation.as_ref().map(|(_, probation)| probation.until);
            let expiry = async {
                match end {
                    Some(end) => tokio::time::sleep_until(end.into()).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                request = requests.recv() => match request {
                    Some(request) => self.serve(request).await,
                    None => return,
                },
                () = expiry => self.expire().await,
            }
        }
    }

    async fn serve(&mut self, request: Request) {
        let outcome = match request.wish {
            Wish::Reload(wish) => {
                host::tell_reloading();
                let outcome = self.reload(&wish).await;
                host::tell_ready(&outcome.summary);
                self.tell(outcome.clone());
                self.tidy_up();
                outcome
            }
            Wish::Confirm => self.confirm(),
            Wish::RollBack => {
                let outcome = self.return_to_the_one_before().await;
                self.tell(outcome.clone());
                outcome
            }
        };
        if let Some(reply) = request.reply {
            let _ = reply.send(outcome);
        }
    }

    fn tell(&self, outcome: ReloadOutcome) {
        self.ways.told.send_modify(|told| {
            if outcome.accepted {
                told.complaints.clone_from(&outcome.complaints);
            }
            told.running = self.running.clone();
            told.probation = self.probation.as_ref().map(|(_, probation)| *probation);
            told.last = outcome;
        });
    }

    async fn reload(&mut self, wish: &ReloadWish) -> ReloadOutcome {
        let reader = self.reader.clone();
        let read = move || at_home(lock(&reader).read());
        let (config, mut outcome) = match tokio::task::spawn_blocking(read).await.map(|r| self.judge(r)) {
            Ok(Ok(good)) => good,
            Ok(Err(refusal)) => return refusal,
            Err(panic) => {
                let summary = format!("reading the configuration failed: {panic}; the running one goes on");
                return ReloadOutcome { summary, ..ReloadOutcome::default() };
            }
        };
        if let Some(expected) = &wish.expected
            && let Some(moved) = self.contradiction(expected, &config).await
        {
            warn!("a plan is not applied: {moved}");
            return ReloadOutcome { accepted: false, summary: moved, ..outcome };
        }
        let before = self.running.clone();
        outcome.summary = self.hand_over(config).await;
        match self.settlement().await {
            Some(Settlement { failures, .. }) if !failures.is_empty() && !wish.keep_going => {
                self.take_back(before, failures, &mut outcome).await;
                return outcome;
            }
            Some(settlement) => outcome.note(settlement),
            None => {
                outcome.summary += "; whether all of it is in effect is not known: the brain does not answer"
            }
        }
        info!("{}: {}", self.path.display(), outcome.summary);
        if !Arc::ptr_eq(&before, &self.running) {
            self.before = Some(before.clone());
        }
        if let Some(time) = wish.confirm {
            let target = self.probation.take().map_or(before, |(target, _)| target);
            self.begin_probation(target, time, &mut outcome);
        } else if self.probation.is_none() && outcome.failures.is_empty() {
            self.last_good.keep(&self.running);
        }
        outcome
    }

    /// After a reload, whatever came of it: what the file says the same as before is kept once.
    fn tidy_up(&self) {
        let (reader, running) = (self.reader.clone(), self.running.clone());
        tokio::task::spawn_blocking(move || lock(&reader).share(&running));
    }

    /// Why a plan does not fit any more, if it does not.
    async fn contradiction(&self, expected: &Expectation, config: &Config) -> Option<String> {
        if let Some(moved) = expected.contradiction(&self.running, config) {
            return Some(moved);
        }
        let state = table::survey(&self.ways.table, Vec::new()).await;
        (state.digest != expected.kernel).then(|| {
            "the kernel's IPVS table is not the one that the plan was made for (a server went up or down, or somebody \
             else changed it): make a new plan"
                .to_owned()
        })
    }

    /// What a reading comes to: a configuration that can be taken over, or why none.
    fn judge(&self, reading: Reading) -> Result<(Config, ReloadOutcome), ReloadOutcome> {
        let rendered = reading.render(Colour::Never);
        let mut outcome =
            ReloadOutcome { complaints: reading.complaints, rendered, ..ReloadOutcome::default() };
        let Some(config) = reading.config else {
            let rendered = &outcome.rendered;
            error!("the configuration is refused and the running one goes on:\n{rendered}");
            outcome.summary =
                format!("{} is refused; the running configuration goes on", self.path.display());
            return Err(outcome);
        };
        let elsewhere = || self.ways.ipvs_home.mismatch(&config.root);
        if let Some(summary) = namespace::mismatch(&config.root).or_else(elsewhere) {
            error!("the configuration is refused and the running one goes on: {summary}");
            return Err(ReloadOutcome { summary, ..outcome });
        }
        if !outcome.rendered.is_empty() {
            warn!("the configuration is taken over with complaints:\n{}", outcome.rendered);
        }
        outcome.accepted = true;
        Ok((config, outcome))
    }

    /// Hands a configuration to everybody who goes by it; tells in a sentence what changes.
    async fn hand_over(&mut self, config: Config) -> String {
        let (config, difference) = config::adopt(&self.running, config);
        let summary = summary(&difference);
        let config = Arc::new(config);
        self.followers.follow(&config);
        self.attic.push(std::mem::replace(&mut self.running, config.clone()));
        self.generation += 1;
        self.ways.inbox.event(Event::Configured { config, difference }).await;
        summary
    }

    /// What came of the configuration handed over last; `None` if the brain does not say so in time.
    async fn settlement(&mut self) -> Option<Settlement> {
        let generation = self.generation;
        let answer = async {
            loop {
                let settlement = self.ways.settlements.recv().await?;
                if settlement.generation == generation {
                    return Some(settlement);
                }
            }
        };
        let settlement = tokio::time::timeout(PATIENCE, answer).await.ok().flatten();
        if settlement.is_some() {
            // The brain holds nothing of these any more, so they end here.
            self.attic.clear();
        }
        settlement
    }

    /// A part of the running configuration was refused: the one before takes effect again.
    async fn take_back(&mut self, before: Arc<Config>, failures: Vec<String>, outcome: &mut ReloadOutcome) {
        let reasons = failures.join("; ");
        error!("{}: taken back, because something was refused: {reasons}", self.path.display());
        let undone = std::mem::take(&mut outcome.summary);
        self.hand_over(Config::clone(&before)).await;
        let back = self.settlement().await;
        outcome.accepted = false;
        outcome.rolled_back = true;
        outcome.failures = failures;
        outcome.summary = format!(
            "{} is rolled back, the configuration before is in effect again (undone: {undone}): {reasons}",
            self.path.display()
        );
        let still = back.map(|back| back.failures).unwrap_or_default();
        if !still.is_empty() {
            outcome.summary += &format!("; and on the way back: {}", still.join("; "));
        }
        self.notify("Configuration rolled back", &outcome.summary);
    }

    fn begin_probation(&mut self, target: Arc<Config>, time: Duration, outcome: &mut ReloadOutcome) {
        let until = Instant::now() + time;
        outcome.summary +=
            &format!("; rolled back in {} s unless `directord confirm` comes before that", time.as_secs());
        warn!("{}: to be confirmed within {} s", self.path.display(), time.as_secs());
        self.probation = Some((target, Probation { until }));
    }

    fn confirm(&mut self) -> ReloadOutcome {
        let (accepted, summary) = match self.probation.take() {
            Some(_) => {
                self.last_good.keep(&self.running);
                self.ways.told.send_modify(|told| told.probation = None);
                info!("{}: confirmed", self.path.display());
                (true, "the running configuration is confirmed".to_owned())
            }
            None => (false, "there is nothing to confirm: no reload with --confirm is open".to_owned()),
        };
        ReloadOutcome { accepted, summary, ..ReloadOutcome::default() }
    }

    /// Nobody confirmed in time.
    async fn expire(&mut self) {
        let Some((target, _)) = self.probation.take() else { return };
        let outcome = self.return_to(target, "it was not confirmed in time").await;
        self.notify("Configuration rolled back", &outcome.summary);
        self.tell(outcome);
    }

    /// `directord rollback`: the end of a probation, or the configuration before the last reload.
    async fn return_to_the_one_before(&mut self) -> ReloadOutcome {
        let open = self.probation.take().map(|(target, _)| target);
        match open.or_else(|| self.before.take()) {
            Some(target) => self.return_to(target, "an operator asked for it").await,
            None => ReloadOutcome {
                summary: "there is nothing to return to: nothing was changed by a reload since the start"
                    .to_owned(),
                ..ReloadOutcome::default()
            },
        }
    }

    async fn return_to(&mut self, target: Arc<Config>, why: &str) -> ReloadOutcome {
        let left = self.running.clone();
        let summary = self.hand_over(Config::clone(&target)).await;
        let settlement = self.settlement().await.unwrap_or_default();
        self.before = Some(left);
        let mut outcome = ReloadOutcome {
            accepted: true,
            rolled_back: true,
            summary: format!(
                "the configuration before is in effect again, because {why} ({summary}); {} still says what is left",
                self.path.display()
            ),
            ..ReloadOutcome::default()
        };
        outcome.note(settlement);
        warn!("{}", outcome.summary);
        outcome
    }

    /// Tells people, if mail is configured.
    fn notify(&self, what: &str, reason: &str) {
        if self.running.global.email.is_none() {
            return;
        }
        let name = host::name();
        let router_id = self.running.global.router_id.as_deref().unwrap_or(&name);
        let heading = Heading { router_id, at: SystemTime::now() };
        let _ = self.ways.notices.send(Notice::daemon(heading, what, reason));
    }
}

fn summary(difference: &Difference) -> String {
    if difference.is_empty() {
        return "nothing changed".to_owned();
    }
    let part = |noun: &str, added: usize, changed: usize, removed: usize| {
        format!("{noun}: {added} added, {changed} changed, {removed} removed")
    };
    let (instances, services) = (&difference.instances, &difference.services);
    format!(
        "{}; {}",
        part("vrrp_instances", instances.to_add.len(), instances.to_change.len(), instances.to_remove.len()),
        part("virtual_servers", services.to_add.len(), services.to_change.len(), services.to_remove.len()),
    )
}

/// What a configuration means on this host: names of routing tables, users and programs are looked up, which may take its
/// time.
fn at_home(mut reading: Reading) -> Reading {
    if let Some(config) = &mut reading.config {
        config.global.compat |= reading.compat;
        names::look_up(config);
        absent::wait_for_none(config);
    }
    reading
}

/// One that broke down while it read has read nothing, which is told; the next attempt is a new one.
fn lock(reader: &Mutex<Reader>) -> MutexGuard<'_, Reader> {
    reader.lock().unwrap_or_else(PoisonError::into_inner)
}
