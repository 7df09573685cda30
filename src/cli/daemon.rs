//! The commands that ask a running daemon, or live through what one recorded.

use std::path::Path;
use std::process::ExitCode;

use super::say;
use crate::control::{self, Detail};
use crate::supervisor::{self, Replay};

/// The answer; without one, says why.
pub(super) fn asking<T>(
    question: impl Future<Output = Result<T, control::ControlError>>,
) -> Result<T, ExitCode> {
    answer(question).map_err(|error| {
        eprintln!("directord: {error}");
        ExitCode::FAILURE
    })
}

/// The answer, if there is one.
pub(super) fn quietly<T>(question: impl Future<Output = Result<T, control::ControlError>>) -> Option<T> {
    answer(question).ok()
}

fn answer<T>(question: impl Future<Output = Result<T, control::ControlError>>) -> Result<T, String> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime
        .map_err(|error| error.to_string())
        .and_then(|runtime| runtime.block_on(question).map_err(|error| error.to_string()))
}

pub(super) const STATUS_HELP: &str = "\
Of real servers: WEIGHT is the weight in the kernel, and the file's if that is another; ACTIVE are established TCP and \
SCTP connections, INACT all others; CONN/S new connections, IN/S bytes from clients and OUT/S bytes to clients, each per \
second, averaged by the kernel over some eight seconds.

With --traffic, also: BOUND clients that persistence_timeout sends there; CONNS connections, PKT-IN and PKT-OUT packets, \
IN and OUT bytes since the server was added to the table; PKT-IN/S and PKT-OUT/S packets per second. k, M, G, T are \
thousands; --json has every digit. What goes back to clients passes the director with NAT only. The kernel brings these \
numbers up to date every two seconds.

Exit status: 0 shown; 1 nobody answers";

/// `directord status`.
pub(super) fn status(runtime_dir: &Path, json: bool, detail: Detail) -> ExitCode {
    match asking(control::status(runtime_dir)) {
        Err(code) => code,
        Ok(status) if json => match serde_json::to_string_pretty(&status) {
            Ok(text) => say(&format!("{text}\n")),
            Err(error) => {
                eprintln!("directord: {error}");
                ExitCode::FAILURE
            }
        },
        Ok(status) => say(&control::render(&status, detail, super::checks::look())),
    }
}

/// `directord priority`.
pub(super) fn priority(runtime_dir: &Path, instance: &str, priority: Option<u8>) -> ExitCode {
    let wish = control::PriorityWish { instance: instance.to_owned(), priority };
    match asking(control::priority(runtime_dir, &wish)) {
        Err(code) => code,
        Ok(answer) if answer.accepted => say(&format!("{}\n", answer.summary)),
        Ok(answer) => {
            eprintln!("directord: {}", answer.summary);
            ExitCode::FAILURE
        }
    }
}

/// A priority from 1 to 254, or `default`.
pub(super) fn parse_priority(word: &str) -> Result<PriorityWord, String> {
    let number = word.parse().ok().filter(|number| (1..=vrrp::track::HIGHEST).contains(number));
    match (word, number) {
        ("default", _) => Ok(PriorityWord(None)),
        (_, Some(number)) => Ok(PriorityWord(Some(number))),
        _ => Err("expected a number from 1 to 254, or `default`".to_owned()),
    }
}

/// What stands behind `directord priority INSTANCE`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct PriorityWord(pub(super) Option<u8>);

/// `directord replay`.
pub(super) fn replay(path: &Path) -> ExitCode {
    match supervisor::replay(path) {
        Ok(Replay::Same { inputs, effects }) => {
            say(&format!("{inputs} facts and deadlines, {effects} effects: the same again\n"))
        }
        Ok(Replay::Differs { line, recorded, replayed }) => {
            eprintln!("{}:{line}: recorded: {recorded}\nreplayed: {replayed}", path.display());
            ExitCode::FAILURE
        }
        Err(error) => {
            eprintln!("directord: cannot replay {}: {error}", path.display());
            ExitCode::FAILURE
        }
    }
}
