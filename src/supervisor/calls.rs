//! Calls the programs that are to hear of changes of state: scripts one after the other for each subject
//! ([`notify::hook::Queue`]), and lines into named pipes.
//!
//! Nothing here keeps the brain waiting, and no script keeps another subject's scripts waiting. A script that does not
//! end within `notify_timeout` is ended, with everything it started.

use std::collections::BTreeMap;
use std::time::Duration;

use notify::hook::{Change, Next, Queue, Subject};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::{sleep_until, timeout_at};
use tracing::{info, warn};

use super::command::{Ending, Executor, Order};
use super::fifo::Pipes;
use crate::config::{Command, Fifos, Global};
use crate::director::effect::Telling;

/// Notify scripts that run at once, all subjects together; the others wait for a place.
pub(super) const MOST: usize = 64;

/// How long the end of the daemon waits for scripts: those that run, and those of the stop behind them.
const LAST_CALLS: Duration = Duration::from_secs(5);

/// What a configuration says of calls.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct CallSettings {
    fifos: Fifos,
    limit: Duration,
}

impl CallSettings {
    pub(super) fn of(global: &Global) -> Self {
        CallSettings { fifos: global.fifos.clone(), limit: global.scripts.notify_timeout }
    }
}

/// What became of the commands of one change.
#[derive(Debug)]
struct Called {
    subject: Subject,
    /// The change, for the log.
    what: String,
    /// Each program, and how its run ended.
    endings: Vec<(String, Ending)>,
}

/// Why programs could not be run, each reason told once until the program runs.
type Refusals = BTreeMap<String, String>;

/// The worker and everything it alone owns.
#[derive(Debug)]
struct Caller {
    executor: Executor,
    limit: Duration,
    queue: Queue<Vec<Command>>,
    running: JoinSet<Called>,
    pipes: Pipes,
    refusals: Refusals,
}

/// Works until the brain's end of the queue is gone, and then until the last scripts have ended, within bounds.
pub(super) async fn work(
    mut tellings: mpsc::Receiver<Telling>,
    mut settings: watch::Receiver<CallSettings>,
    executor: Executor,
) {
    let mut caller = Caller {
        executor,
        limit: Duration::ZERO,
        queue: Queue::default(),
        running: JoinSet::new(),
        pipes: Pipes::default(),
        refusals: Refusals::new(),
    };
    let mut following = true;
    loop {
        tokio::select! {
            // New pipes are there before what is told because of the same reload.
            biased;
            changed = settings.changed(), if following => {
                following = changed.is_ok();
                let new = settings.borrow_and_update().clone();
                caller.limit = new.limit;
                caller.pipes.converge(&new.fifos, &caller.executor).await;
            }
            Some(ended) = caller.running.join_next() => caller.ended(ended),
            telling = tellings.recv() => match telling {
                Some(telling) => caller.tell(telling),
                None => break,
            },
        }
    }
    caller.finish().await;
}

impl Caller {
    fn tell(&mut self, Telling { change, commands }: Telling) {
        self.pipes.write(&change);
        if commands.is_empty() {
            return;
        }
        if let Some(next) = self.queue.push(change, commands) {
            self.start(next);
        }
    }

    fn start(&mut self, Next { change, job }: Next<Vec<Command>>) {
        if change.skipped > 0 {
            let Change { subject, word, skipped, .. } = &change;
            warn!("{subject}: scripts were too slow to hear of {skipped} changes before {word}");
        }
        let (executor, limit) = (self.executor.clone(), self.limit);
        self.running.spawn(async move {
            let environment = change.environment();
            let mut endings = Vec::new();
            for command in &job {
                let order = Order { command, arguments: &[], environment: &environment };
                let program = command.words.first().cloned().unwrap_or_default();
                endings.push((program, executor.run(order, limit).await));
            }
            let what = format!("{}: {}", change.subject, change.word);
            Called { subject: change.subject, what, endings }
        });
    }

    fn ended(&mut self, ended: Result<Called, tokio::task::JoinError>) {
        // A task that panicked leaves its subject without calls; that is a fault of this program, and was logged.
        let Ok(Called { subject, what, endings }) = ended else { return };
        for (program, ending) in endings {
            self.report(&what, program, &ending);
        }
        if let Some(next) = self.queue.done(&subject) {
            self.start(next);
        }
    }

    fn report(&mut self, what: &str, program: String, ending: &Ending) {
        match ending {
            Ending::NotStarted(sentence) => {
                if self.refusals.get(&program) != Some(sentence) {
                    warn!("{what}: {program} is not run: {sentence} (told once)");
                    self.refusals.insert(program, sentence.clone());
                }
                return;
            }
            ending if ending.is_success() => {}
            ending => warn!("{what}: {program}: {ending}"),
        }
        if self.refusals.remove(&program).is_some() {
            info!("{what}: {program} runs again");
        }
    }

    /// The brain has ended: what runs may end, what waits may run, for a while.
    async fn finish(&mut self) {
        let end = tokio::time::Instant::now() + LAST_CALLS;
        while let Ok(Some(ended)) = timeout_at(end, self.running.join_next()).await {
            self.ended(ended);
        }
        for subject in self.queue.running() {
            warn!(
                "{subject}: its scripts did not end in {} s and are ended with directord",
                LAST_CALLS.as_secs()
            );
        }
        self.running.shutdown().await;
        self.pipes.close(sleep_until(tokio::time::Instant::now() + Duration::from_secs(1))).await;
    }
}
