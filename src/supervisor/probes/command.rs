//! `MISC_CHECK`: runs a command, and makes an outcome of its exit status.
//!
//! 0 is good. With `misc_dynamic` 2 to 255 are good as well, and mean a weight of two less. All else is bad: another
//! status, a signal, a command that cannot be started, one that does not end in time. It is ended then, with
//! everything it has started.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use healthcheck::{FailureKind, Kind, Outcome, Program};

use super::Results;
use crate::config::Command;
use crate::director::effect::Attempt;
use crate::director::event::CheckId;
use crate::supervisor::command::{Ending, Executor, Order};
use crate::supervisor::scripts;

/// Runs the commands of checks.
#[derive(Debug, Clone)]
pub(super) struct Commands {
    executor: Executor,
    /// Checks whose last run is not over yet, though its time is.
    stuck: Arc<Mutex<BTreeSet<CheckId>>>,
}

impl Commands {
    pub(super) fn new(executor: Executor) -> Self {
        Commands { executor: executor.for_checks(scripts::MOST), stuck: Arc::default() }
    }

    fn stuck(&self) -> std::sync::MutexGuard<'_, BTreeSet<CheckId>> {
        self.stuck.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    /// One run. Its outcome is told as soon as it is known; a command that does not end is ended after that.
    pub(super) async fn run(&self, attempt: Attempt, results: &Results) {
        let begun = Instant::now();
        let Kind::Command(program) = &attempt.spec.kind else { return };
        let failed = |reason: String| Outcome::failed(FailureKind::Command, reason, begun.elapsed());
        if self.stuck().contains(&attempt.check) {
            return results.add(&attempt, failed("the run before it has not ended yet".to_owned()));
        }
        let (command, limit) = (Command::from(program), attempt.spec.patience());
        let order = Order { command: &command, arguments: &[], environment: &[] };
        let mut running = match self.executor.start(order, limit).await {
            Ok(running) => running,
            Err(sentence) => {
                let outcome = Outcome::failed(FailureKind::NotStarted, sentence, begun.elapsed());
                return results.add(&attempt, outcome);
            }
        };
        match running.wait(limit).await {
            Some(ending) => results.add(&attempt, judge(program, &ending, begun.elapsed())),
            None => {
                self.stuck().insert(attempt.check);
                results.add(&attempt, failed(Ending::Late(limit).to_string()));
                running.end().await;
                self.stuck().remove(&attempt.check);
            }
        }
    }
}

fn judge(program: &Program, ending: &Ending, took: Duration) -> Outcome {
    let status = match ending {
        Ending::Ended(status, _) => status.code(),
        Ending::NotStarted(_) | Ending::Late(_) => None,
    };
    match status.and_then(|status| u32::try_from(status).ok()) {
        Some(0) => Outcome::passed(took),
        Some(status @ 2..) if program.dynamic => {
            Outcome { weight: Some(status - 2), ..Outcome::passed(took) }
        }
        _ => {
            let is_there = !matches!(ending, Ending::NotStarted(_));
            let kind = if is_there { FailureKind::Command } else { FailureKind::NotStarted };
            Outcome::failed(kind, ending.to_string(), took)
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::process::ExitStatusExt;
    use std::process::ExitStatus;

    use super::*;

    #[test]
    fn exit_statuses_are_verdicts_and_weights() {
        let judged = |dynamic: bool, wait: i32| {
            let program =
                Program { words: vec!["x".to_owned()], user: None, group: None, timeout: None, dynamic };
            let ending = Ending::Ended(ExitStatus::from_raw(wait), "out of order".to_owned());
            let outcome = judge(&program, &ending, Duration::ZERO);
            outcome.result.map(|()| outcome.weight).map_err(|failure| failure.reason)
        };
        let exit = |status: i32| status << 8;
        for dynamic in [false, true] {
            assert_eq!(judged(dynamic, exit(0)), Ok(None));
            assert_eq!(
                judged(dynamic, exit(1)),
                Err("exit status 1, its last words: out of order".to_owned())
            );
            assert!(judged(dynamic, 9).unwrap_err().starts_with("ended by signal SIGKILL"));
        }
        assert_eq!((judged(true, exit(2)), judged(true, exit(255))), (Ok(Some(0)), Ok(Some(253))));
        assert!(judged(false, exit(2)).is_err());
        let program = Program { words: Vec::new(), user: None, group: None, timeout: None, dynamic: false };
        let absent = judge(&program, &Ending::NotStarted("there is no x".into()), Duration::ZERO);
        assert_eq!(absent.result.unwrap_err().kind, FailureKind::NotStarted);
    }
}
