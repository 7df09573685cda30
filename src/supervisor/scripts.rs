//! Runs the commands of `vrrp_script`s when the brain asks, many at once, on the shared runtime.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

use tokio::sync::mpsc;

use super::command::{Executor, Order};
use super::inbox::Sender;
use crate::director::effect::ScriptRun;
use crate::director::event::{Event, ScriptOutcome};

/// Scripts that run at once; one that finds no place within its own time has failed.
pub(super) const MOST: usize = 512;

/// Names of scripts whose last run is not over yet, though its time is.
type Stuck = Arc<Mutex<BTreeSet<String>>>;

/// Works until the brain's end of the queue is gone.
pub(super) async fn work(mut runs: mpsc::UnboundedReceiver<ScriptRun>, executor: Executor, inbox: Sender) {
    let stuck = Stuck::default();
    while let Some(run) = runs.recv().await {
        tokio::spawn(once(run, executor.clone(), inbox.clone(), stuck.clone()));
    }
}

/// One run. Its outcome is told as soon as it is known; a script that does not end is ended after that.
async fn once(run: ScriptRun, executor: Executor, inbox: Sender, stuck: Stuck) {
    let ScriptRun { name, number, script } = run;
    let answer = |outcome| inbox.event(Event::ScriptDone { script: name.clone(), run: number, outcome });
    let failure = |sentence: String| ScriptOutcome::Failure(sentence);
    if stuck.lock().is_ok_and(|stuck| stuck.contains(&name)) {
        return answer(failure("the run before it has not ended yet".to_owned())).await;
    }
    let order = Order { command: &script.command, arguments: &[], environment: &[] };
    let mut running = match executor.start(order, script.timeout).await {
        Ok(running) => running,
        Err(sentence) => return answer(ScriptOutcome::NotStarted(sentence)).await,
    };
    match running.wait(script.timeout).await {
        Some(ending) if ending.is_success() => answer(ScriptOutcome::Success).await,
        Some(ending) => answer(failure(ending.to_string())).await,
        None => {
            if let Ok(mut stuck) = stuck.lock() {
                stuck.insert(name.clone());
            }
            answer(failure(format!("it did not end within {} s", script.timeout.as_secs_f64()))).await;
            running.end().await;
            if let Ok(mut stuck) = stuck.lock() {
                stuck.remove(&name);
            }
        }
    }
}
