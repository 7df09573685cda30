//! Takes configurations over: read and checked whole, off the brain's thread; then the difference goes to the brain.
//!
//! A file with an error in it changes nothing. The outcome of the last reload is kept for readers.

use std::path::PathBuf;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use tokio::sync::{mpsc, oneshot, watch};
use tracing::{error, info, warn};

use super::Options;
use super::calls::CallSettings;
use super::command::Executor;
use super::host;
use super::inbox::Sender;
use super::names;
use super::namespace;
use super::priority;
use super::process::Process;
use crate::config::{self, Colour, Complaint, Config, Difference, Global, Manner, Reading, Reconcile};
use crate::director::event::Event;

/// How the last attempt to take a configuration over ended.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReloadOutcome {
    /// Whether the file is now in effect.
    pub accepted: bool,
    /// One sentence.
    pub summary: String,
    /// Everything that was found in the file.
    pub complaints: Vec<Complaint>,
    /// The complaints as they are shown to people.
    pub rendered: String,
}

/// What readers are told about configurations.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Reloads {
    /// The last attempt.
    pub last: ReloadOutcome,
    /// What was said of the configuration in effect, which an attempt that was refused does not change.
    pub running: Vec<Complaint>,
}

/// A wish to reload, and where the answer goes.
pub(crate) type Request = Option<oneshot::Sender<ReloadOutcome>>;

/// Holds the running configuration, and replaces it on request.
#[derive(Debug)]
pub(super) struct Reloader {
    path: PathBuf,
    config_id: Option<String>,
    manner: Manner,
    running: Arc<Config>,
    inbox: Sender,
    told: watch::Sender<Reloads>,
    followers: Followers,
}

/// Those besides the brain who go by the configuration.
#[derive(Debug)]
pub(super) struct Followers {
    pub(super) mail: watch::Sender<Option<notify::EmailSettings>>,
    pub(super) calls: watch::Sender<CallSettings>,
    pub(super) executor: Executor,
    pub(super) process: Process,
    pub(super) reconcile: watch::Sender<Reconcile>,
}

impl Followers {
    /// A configuration is about to take effect.
    fn follow(&mut self, global: &Global) {
        priority::obey(global);
        self.process.obey(global);
        self.executor.obey(&global.scripts);
        let mail = host::mail_settings(global);
        self.mail.send_if_modified(|running| std::mem::replace(running, mail.clone()) != mail);
        let calls = CallSettings::of(global);
        self.reconcile.send_replace(global.lvs.reconcile);
        self.calls.send_if_modified(|running| std::mem::replace(running, calls.clone()) != calls);
    }
}

impl Reloader {
    pub(super) fn new(
        options: &Options,
        inbox: Sender,
        told: watch::Sender<Reloads>,
        followers: Followers,
    ) -> Self {
        let (path, config_id) = (options.config.clone(), options.config_id.clone());
        Reloader {
            path,
            config_id,
            manner: options.manner(),
            running: Arc::default(),
            inbox,
            told,
            followers,
        }
    }

    /// Puts the first configuration into effect.
    pub(super) async fn start(&mut self, reading: Reading) {
        let outcome = self.take_over(reading).await;
        self.tell(outcome);
    }

    /// Serves requests, one after the other, until nobody can make any.
    pub(super) async fn work(mut self, mut requests: mpsc::Receiver<Request>) {
        while let Some(request) = requests.recv().await {
            host::tell_reloading();
            let (path, config_id, manner) = (self.path.clone(), self.config_id.clone(), self.manner);
            let read = move || config::read(&path, config_id.as_deref(), manner);
            let outcome = match tokio::task::spawn_blocking(read).await {
                Ok(reading) => self.take_over(reading).await,
                Err(panic) => ReloadOutcome {
                    summary: format!("reading the configuration failed: {panic}; the running one goes on"),
                    ..ReloadOutcome::default()
                },
            };
            host::tell_ready(&outcome.summary);
            self.tell(outcome.clone());
            if let Some(reply) = request {
                let _ = reply.send(outcome);
            }
        }
    }

    fn tell(&self, outcome: ReloadOutcome) {
        self.told.send_modify(|told| {
            if outcome.accepted {
                told.running.clone_from(&outcome.complaints);
            }
            told.last = outcome;
        });
    }

    async fn take_over(&mut self, reading: Reading) -> ReloadOutcome {
        let rendered = reading.render(Colour::Never);
        let compat = reading.compat;
        let Some(mut config) = reading.config else {
            error!("the configuration is refused and the running one goes on:\n{rendered}");
            let summary = format!("{} is refused; the running configuration goes on", self.path.display());
            return ReloadOutcome { accepted: false, summary, complaints: reading.complaints, rendered };
        };
        if let Some(summary) = namespace::mismatch(&config.root) {
            error!("the configuration is refused and the running one goes on: {summary}");
            return ReloadOutcome { accepted: false, summary, complaints: reading.complaints, rendered };
        }
        if !rendered.is_empty() {
            warn!("the configuration is taken over with complaints:\n{rendered}");
        }
        config.global.compat |= compat;
        names::look_up(&mut config);
        let (config, difference) = config::adopt(&self.running, config);
        let config = Arc::new(config);
        let summary = summary(&difference);
        self.followers.follow(&config.global);
        self.running = config.clone();
        self.inbox.event(Event::Configured { config, difference }).await;
        info!("{}: {summary}", self.path.display());
        ReloadOutcome { accepted: true, summary, complaints: reading.complaints, rendered }
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
