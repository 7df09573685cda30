//! The workers that share the runtime: probes, scripts, calls of programs, mail. None of them is waited for by the brain.

use std::cell::Cell;
use std::sync::Arc;
use std::sync::mpsc as std_mpsc;
use std::time::Duration;

use notify::Notices;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tracing::warn;

use super::calls::{self, CallSettings};
use super::command::Executor;
use super::herald::Herald;
use super::inbox::Sender;
use super::links::Polling;
use super::network::Job;
use super::process::Process;
use super::reload::Followers;
use super::workers::{self, Workers};
use super::{keeper, mail, probes, scripts, table, watched};
use crate::config::Reconcile;
use crate::director::effect::Settlement;
use crate::director::overrides::Override;

/// How long the end waits for mail that is under way.
const LAST_MAIL: Duration = Duration::from_secs(2);

/// The ways to the workers that have a thread each.
#[derive(Debug)]
pub(super) struct Owners {
    pub(super) network: std_mpsc::Sender<Job>,
    pub(super) herald: Herald,
    pub(super) host: workers::Host,
    pub(super) table: std_mpsc::Sender<table::Job>,
    pub(super) watch: watched::Sender,
    pub(super) overrides: std_mpsc::Sender<Arc<Vec<Override>>>,
    pub(super) keeper: std_mpsc::Sender<keeper::Job>,
}

/// Those who still have something to do when the brain has ended.
#[derive(Debug)]
pub(super) struct LastWords {
    mailer: JoinHandle<()>,
    caller: JoinHandle<()>,
}

/// What leads back from them.
#[derive(Debug)]
pub(super) struct Back {
    pub(super) followers: Followers,
    pub(super) last_words: LastWords,
    /// What came of each configuration.
    pub(super) settlements: mpsc::UnboundedReceiver<Settlement>,
    pub(super) notices: Notices,
}

/// Starts them; what comes back leads to them, and to the owners, which run already.
pub(super) fn start(
    Owners { network, herald, host, table, watch, overrides, keeper }: Owners,
    inbox: &Sender,
    executor: Executor,
    polling: Polling,
    reconcile: watch::Sender<Reconcile>,
) -> std::io::Result<(Workers, Back)> {
    let (probes, probe_queue) = mpsc::unbounded_channel();
    let (notices, notice_queue) = notify::channel(workers::NOTICES);
    let (tellings, telling_queue) = mpsc::channel(workers::TELLINGS);
    let (scripts, script_queue) = mpsc::unbounded_channel();
    let (mail, mail_settings) = watch::channel(None);
    let (calls, call_settings) = watch::channel(CallSettings::default());
    probes::start(probe_queue, inbox.clone(), executor.clone())?;
    tokio::spawn(scripts::work(script_queue, executor.for_checks(scripts::MOST), inbox.clone()));
    let last_words = LastWords {
        mailer: tokio::spawn(mail::work(notice_queue, mail_settings)),
        caller: tokio::spawn(calls::work(telling_queue, call_settings, executor.clone())),
    };
    let (settlements, answers) = mpsc::unbounded_channel();
    let followers = Followers { mail, calls, executor, process: Process::default(), polling, reconcile };
    let back = Back { followers, last_words, settlements: answers, notices: notices.clone() };
    let workers = Workers {
        network,
        addresses: Cell::default(),
        herald,
        host,
        table,
        overrides,
        probes,
        scripts,
        watch,
        tellings,
        notices,
        keeper,
        settlements,
    };
    Ok((workers, back))
}

impl LastWords {
    /// Waits until they are said, within bounds.
    pub(super) async fn said(self) {
        // Calls are bounded by themselves.
        let (mailed, _) = tokio::join!(tokio::time::timeout(LAST_MAIL, self.mailer), self.caller);
        if mailed.is_err() {
            warn!("mail that was still under way is given up");
        }
    }
}
